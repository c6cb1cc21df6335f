//! `bench`: how long each step of a bundle takes, against what the machine could do.

mod chromium;
mod node;
mod running;
mod table;

use super::print;
use keras_compile::backends::{BACKENDS, Backend};
use keras_compile::bundle::{self, Manifest};
use keras_compile::error::{Collector, Error, ErrorKind, Errors, Result};
use keras_compile::report::StepRow;
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most bytes that are read of what the steps do: a hundred times what a large model needs.
const MAX_STEPS: u64 = 64 << 20;

/// What is shared by the scripts for all engines and backends.
const SCRIPT: &str = include_str!("measure.js");

/// Where bundles can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Headless Chromium.
    Chromium,
    /// Node.
    Node,
}

/// What to measure, and how.
#[derive(Debug)]
pub struct Options {
    /// The bundle.
    pub directory: PathBuf,
    /// Where it runs.
    pub engine: Engine,
    /// What of the bundle runs, if not what it holds of the first in the table of backends.
    pub backend: Option<String>,
    /// The browser, if not one on the path.
    pub chromium: Option<PathBuf>,
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
    let inspection = bundle::inspect(&options.directory)?;
    let mut collector = Collector::default();
    inspection
        .problems
        .into_iter()
        .for_each(|problem| collector.push(problem));
    collector.finish(())?;
    let (backend, section) = preferred(options, &inspection.manifest)?;
    let steps = described(&options.directory, section)?;
    let (measured, about) = measure(options, backend)?;
    if [measured.step_ms.len(), measured.step_error_ms.len()] != [steps.len(); 2] {
        return Err(wrong(&options.directory, "its steps are not those of its modules").into());
    }
    let mut text = table::display(&steps, &measured, options.top);
    if let Some(about) = about {
        text += &format!("on       {about}\n");
    }
    Ok(print(&text)?)
}

/// Runs the bundle; gives what the script answers, and what is to be known of it.
fn measure(options: &Options, backend: &Backend) -> Result<(Measured, Option<&'static str>)> {
    let read = |answer: String| serde_json::from_str(&answer).map_err(|_| failed(options, &answer));
    if options.engine == Engine::Node {
        return Ok((read(node::run(options, backend)?)?, None));
    }
    let mut last = Error::internal("there is no way to start a browser");
    for browser in backend.bench.browsers {
        match read(chromium::run(options, backend, browser.flags)?) {
            Ok(measured) => return Ok((measured, browser.about)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The backend that was chosen, or the first of the table that the bundle holds.
fn preferred<'a>(
    options: &Options,
    manifest: &'a Manifest,
) -> Result<(&'static Backend, &'a bundle::Section)> {
    let section = |&backend: &&'static Backend| Some((backend, manifest.backends.get(backend.name)?));
    let mut held = BACKENDS.iter().filter_map(section);
    if let Some(name) = &options.backend {
        return held.find(|(backend, _)| backend.name == name).ok_or_else(|| {
            let held: Vec<_> = manifest.backends.keys().map(String::as_str).collect();
            Error::new(ErrorKind::Usage(format!("the bundle holds nothing for {name:?}")))
                .in_field("--backend")
                .help(format!("it holds {}", held.join(", ")))
        });
    }
    held.next().ok_or_else(|| {
        Error::malformed("holds no code")
            .in_file(options.directory.display().to_string())
            .help("compile the model anew")
    })
}

/// The script for a backend, with the end for an engine.
fn script(backend: &Backend, end: &str) -> String {
    let peak = backend
        .bench
        .peak
        .unwrap_or("const openLoop = () => undefined;\n");
    [peak, SCRIPT, end].concat()
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

/// The bundle did not run to its end.
fn failed(options: &Options, said: &str) -> Error {
    Error::new(ErrorKind::Io(format!("cannot be run ({})", said.trim())))
        .in_file(options.directory.display().to_string())
        .help("try the other --engine; inspect checks the bundle's files")
}

/// A program that is to be run is not there.
fn absent(program: &str, field: &'static str, help: &str) -> Error {
    Error::new(ErrorKind::Usage(format!("{program} cannot be found")))
        .in_field(field)
        .help(help)
}
