//! `bench`: how long each step of a bundle takes, against what the machine could do.

mod table;

use super::engine::{Place, Script};
use super::print;
use keras_compile::backends::Backend;
use keras_compile::bundle;
use keras_compile::error::{Error, Errors, Result};
use keras_compile::report::StepRow;
use serde::Deserialize;
use serde_json::json;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Most bytes that are read of what the steps do: a hundred times what a large model needs.
const MAX_STEPS: u64 = 64 << 20;

/// Most bytes of a result.
const MAX_RESULT: usize = 4 << 20;

/// What measures, whatever the engine and the backend.
const SCRIPT: &str = include_str!("measure.js");

/// What to measure, and how.
#[derive(Debug)]
pub struct Options {
    /// The bundle, and where it runs.
    pub place: Place,
    /// Timed runs.
    pub rounds: u32,
    /// Threads to ask for.
    pub threads: u32,
    /// Most steps to show.
    pub top: usize,
}

/// What a script answers.
#[derive(Debug, Deserialize)]
struct Measured {
    /// The variant of the code that the engine took.
    module: String,
    threads: u32,
    /// GFLOP/s of one thread in a loop of fused multiply-adds, if there is such a loop.
    peak: Option<f64>,
    /// The median of whole predictions.
    predict_ms: f64,
    /// Their tenth percentile.
    predict_tenth_ms: f64,
    /// The time of each step.
    step_ms: Vec<f64>,
    /// How uncertain that is, where the clock is coarse.
    step_error_ms: Vec<f64>,
}

/// Runs the bundle and prints its steps by time.
pub fn bench(options: &Options) -> Result<(), Errors> {
    let place = &options.place;
    let manifest = place.manifest()?;
    let (backend, section) = place.preferred(&manifest)?;
    let steps = described(&place.directory, section)?;
    let script = script(options, backend);
    let (measured, about) = place.run(backend, &script, |answer| {
        let measured: Result<Measured, _> = serde_json::from_slice(&answer);
        measured.map_err(|_| String::from_utf8_lossy(&answer).into_owned())
    })?;
    if [measured.step_ms.len(), measured.step_error_ms.len()] != [steps.len(); 2] {
        return Err(wrong(&place.directory, "its steps are not those of its modules").into());
    }
    let mut text = table::display(&steps, &measured, options.top);
    if let Some(about) = about {
        text += &format!("on       {about}\n");
    }
    Ok(print(&text)?)
}

/// The script for a backend.
fn script(options: &Options, backend: &Backend) -> Script {
    let peak = backend
        .bench
        .peak
        .unwrap_or("const openLoop = () => undefined;\n");
    let (rounds, threads, name) = (options.rounds, options.threads, backend.name);
    Script {
        text: [peak, SCRIPT].concat(),
        settings: json!({ "rounds": rounds, "threads": threads, "backend": name }).to_string(),
        samples: Arc::from([]),
        most: MAX_RESULT,
    }
}

/// What each step does.
fn described(directory: &Path, section: &bundle::Section) -> Result<Vec<StepRow>> {
    let path = directory.join(&section.profile);
    let (file, length) = bundle::open(directory, &section.profile)?;
    if length > MAX_STEPS {
        return Err(wrong(
            &path,
            &format!("{length} bytes are more than the limit of {MAX_STEPS}"),
        ));
    }
    let mut text = Vec::new();
    let read = file.take(MAX_STEPS).read_to_end(&mut text);
    read.map_err(|error| wrong(&path, &error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| wrong(&path, &error.to_string()))
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::malformed(format!("does not say what the steps do ({why})"))
        .in_file(path.display().to_string())
        .help("compile the model anew")
}
