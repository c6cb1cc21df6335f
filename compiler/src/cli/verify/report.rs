//! What `verify` prints.

use super::Options;
use super::run::Ran;
use keras_compile::arrays::{Difference, Tolerance};
use keras_compile::bundle::Slot;
use keras_compile::error::{Error, Result};
use keras_compile::report::{Align, Table};
use serde::Serialize;
use std::path::Path;

/// Counts up when a field of the JSON changes its meaning or goes.
const VERSION: u32 = 1;

/// The JSON that is printed. Numbers that are infinite or none are null.
#[derive(Debug, Serialize)]
pub struct Verdict {
    version: u32,
    agrees: bool,
    bundle: String,
    model: String,
    engine: &'static str,
    backend: String,
    module: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'static str>,
    samples: String,
    predictions: usize,
    against: Against,
    max_error: Option<f64>,
    outputs: Vec<Output>,
}

/// What the bundle is compared with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// A `.npz` file.
    File(String),
    /// Another bundle, and what of it ran.
    Bundle {
        /// Its directory.
        directory: String,
        /// The backend.
        backend: String,
        /// The variant of its code.
        module: String,
    },
}

impl Against {
    /// A file.
    pub fn file(path: &Path) -> Self {
        Self::File(path.display().to_string())
    }

    /// A bundle that ran.
    pub fn bundle(directory: &Path, ran: &Ran) -> Self {
        Self::Bundle {
            directory: directory.display().to_string(),
            backend: ran.backend.clone(),
            module: ran.module.clone(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::File(name) | Self::Bundle { directory: name, .. } => name,
        }
    }
}

/// An output beside what was expected of it.
#[derive(Debug, Serialize)]
pub struct Output {
    name: String,
    shape: Vec<usize>,
    agrees: bool,
    numbers: usize,
    beyond: usize,
    rtol: f64,
    atol: f64,
    largest_error: f64,
    relative_error: f64,
    mean_error: f64,
    magnitude: f64,
    cosine: f64,
    rows: usize,
    top1: Option<usize>,
    top5: Option<usize>,
    worst_sample: usize,
}

impl Output {
    /// With how many numbers are beyond a tolerance.
    pub fn new(slot: &Slot, difference: &Difference, tolerance: Tolerance, beyond: usize) -> Self {
        let (share, own) = match tolerance {
            Tolerance::Magnitude(share) => (share, 0.0),
            Tolerance::Both(share, own) => (share, own),
            Tolerance::None => (0.0, 0.0),
        };
        let agreement = difference.agreement;
        Self {
            name: slot.name.clone(),
            shape: slot.shape.clone(),
            agrees: beyond == 0,
            numbers: difference.count,
            beyond,
            rtol: own,
            atol: share * difference.scale(),
            largest_error: difference.largest,
            relative_error: difference.relative(),
            mean_error: difference.mean(),
            magnitude: difference.magnitude,
            cosine: difference.cosine(),
            rows: agreement.map_or(0, |agreement| agreement.rows),
            top1: agreement.map(|agreement| agreement.first),
            top5: agreement.and_then(|agreement| agreement.five),
            worst_sample: difference.worst,
        }
    }

    fn row(&self) -> Vec<String> {
        let of =
            |count: Option<usize>| count.map_or("-".to_owned(), |count| format!("{count} of {}", self.rows));
        vec![
            format!("{:?}", self.name),
            format!("{:.2e}", self.largest_error),
            format!("{:.1e}", self.relative_error),
            format!("{:.2e}", self.mean_error),
            format!("{:.6}", self.cosine),
            of(self.top1),
            of(self.top5),
            match self.largest_error {
                0.0 => "-".to_owned(),
                _ => self.worst_sample.to_string(),
            },
        ]
    }
}

impl Verdict {
    /// Of all outputs.
    pub fn new(options: &Options, ran: &Ran, against: Against, outputs: Vec<Output>) -> Self {
        Self {
            version: VERSION,
            agrees: outputs.iter().all(|output| output.agrees),
            bundle: options.place.directory.display().to_string(),
            model: ran.manifest.model.clone(),
            engine: options.place.engine.name(),
            backend: ran.backend.clone(),
            module: ran.module.clone(),
            about: ran.about,
            samples: options.samples.display().to_string(),
            predictions: ran.predictions,
            against,
            max_error: options.max_error,
            outputs,
        }
    }

    /// Whether all outputs agree.
    pub fn agrees(&self) -> bool {
        self.agrees
    }

    /// For programs.
    pub fn json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n")
            .map_err(|error| Error::internal(format!("the verdict cannot be written ({error})")))
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            ("output", Align::Left),
            ("largest error", Align::Right),
            ("of magnitude", Align::Right),
            ("mean error", Align::Right),
            ("cosine", Align::Right),
            ("same largest", Align::Right),
            ("in first five", Align::Right),
            ("worst sample", Align::Right),
        ]);
        self.outputs.iter().for_each(|output| table.row(output.row()));
        let within = match self.max_error {
            Some(share) => format!("within {share:e} of the largest magnitude of an output"),
            None => "within 1e-5 of the largest magnitude of an output and 1e-4 of each number; integers are equal".to_owned(),
        };
        let wrong = self.outputs.iter().filter(|output| !output.agrees);
        let wrong = wrong.map(|output| {
            let Output {
                name,
                beyond,
                numbers,
                ..
            } = output;
            format!("does not agree: of {name:?}, {beyond} of {numbers} numbers are not {within}\n")
        });
        let wrong: String = wrong.collect();
        let agrees = if self.agrees {
            format!("agrees {within}\n")
        } else {
            wrong
        };
        let about = self.about.map_or(String::new(), |about| format!(", {about}"));
        format!(
            "{table}{agrees}{} predictions from {} on {} ({}) in {}{about}, against {}\n",
            self.predictions,
            self.samples,
            self.backend,
            self.module,
            self.engine,
            self.against.name(),
        )
    }
}
