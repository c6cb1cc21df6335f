//! The default command.

use super::json::{self, BundleFile, Port, Problem, WeightBytes};
use super::print;
use super::progress::Reporter;
use super::signals;
use crate::{CompileArgs, Compute, Emit, GpuPrecision, Switch};
use keras_compile::backends::{self, BACKENDS, Precision, Selection};
use keras_compile::bundle::{CancelToken, Labels, PackageName};
use keras_compile::error::{Error, ErrorKind, Errors, Result};
use keras_compile::quantize::{self, Goal, Rules};
use keras_compile::report::{CodeReport, bytes, listing, weights};
use keras_compile::{Options, Outcome, Progress, Source, Stage, passes, prepare};
use serde::Serialize;
use std::collections::BTreeMap;

/// The error that is allowed where encodings are looked for and nothing else is said.
const MAX_ERROR: f64 = 0.01;

/// Compiles into a directory and prints the report, or with `--json` an object, of problems too.
pub fn compile(args: &CompileArgs) -> std::result::Result<(), Errors> {
    let done = compile_into(args);
    let cancelled = |errors: &Errors| {
        let all = errors.as_slice();
        all.iter().any(|error| error.kind == ErrorKind::Cancelled)
    };
    if let (Err(errors), true) = (&done, args.json)
        && !cancelled(errors)
    {
        json::write(&Failed {
            version: json::VERSION,
            bundle: None,
            problems: Problem::all(errors),
        })?;
    }
    done
}

fn compile_into(args: &CompileArgs) -> std::result::Result<(), Errors> {
    let options = args.options()?;
    let out = options.out.clone();
    let cancel = options.cancel.clone();
    signals::on_end(move || cancel.cancel())?;
    let mut reporter = Reporter::new(args.quiet, args.verbose);
    let outcome = keras_compile::compile(&options, &mut reporter);
    reporter.finish();
    let Outcome {
        manifest,
        report,
        quantized,
        notes,
    } = outcome?;
    if args.json {
        return Ok(json::write(&Compiled {
            version: json::VERSION,
            bundle: &out.display().to_string(),
            model: &manifest.model,
            generator: &manifest.generator,
            inputs: Port::all(manifest.passed()),
            outputs: Port::all(manifest.given()),
            files: BundleFile::all(&manifest),
            bytes: manifest.total().1,
            weights: WeightBytes::of(&manifest),
            backends: report
                .backends
                .iter()
                .map(|backend| (backend.name, Built::of(backend)))
                .collect(),
            accuracy: quantized.and_then(|quantized| Accuracy::of(&quantized)),
            notes: &notes,
            problems: [],
        })?);
    }
    if !args.quiet {
        reporter.notes(&notes);
        let (files, total) = manifest.total();
        let written = format!("{}: {} in {files} files", out.display(), bytes(total));
        let weights = quantized.map(|quantized| weights(&manifest.weight_sizes(), &quantized, args.verbose));
        let weights = weights.unwrap_or_default();
        print(&format!("{}{weights}\n{written}\n", report.display(args.verbose)))?;
    }
    Ok(())
}

impl CompileArgs {
    /// What the library is asked for.
    pub fn options(&self) -> std::result::Result<Options, Errors> {
        Ok(Options {
            source: self.source()?,
            out: self.out.clone().unwrap_or_default(),
            force: self.force,
            exact: self.exact,
            backends: self.selection()?,
            one_thread: self.threads == Switch::Off,
            gpu_precision: match self.gpu_precision {
                GpuPrecision::F32 => Precision::F32,
                GpuPrecision::F16 => Precision::F16,
            },
            quantize: self.rules()?,
            goal: self.goal()?,
            integers: self.integers(),
            samples: self.samples.clone(),
            labels: self.labels.as_deref().map(Labels::read).transpose()?,
            most_bytes: None,
            most_error: None,
            cancel: CancelToken::default(),
            package: self.package_name.as_deref().map(PackageName::new).transpose()?,
        })
    }

    fn source(&self) -> std::result::Result<Source, Errors> {
        let mut source = self.source.source()?;
        self.image
            .iter()
            .try_for_each(|text| source.pictures.parse(text))?;
        Ok(source)
    }

    fn selection(&self) -> Result<Selection> {
        let list: Result<Selection> = self.backends.parse();
        list.map_err(|error| error.in_field("--backends"))
    }

    /// Whether products compute with integers.
    fn integers(&self) -> bool {
        self.compute == Some(Compute::Int8)
    }

    fn rules(&self) -> Result<Rules> {
        // Codes are multiplied only where there are some.
        let implied = self.integers().then_some("int8");
        let rules = self.quantize.as_deref().or(implied);
        let rules = rules.map(str::parse::<Rules>).transpose();
        Ok(rules
            .map_err(|error| error.in_field("--quantize"))?
            .unwrap_or_default())
    }

    /// What encodings are looked for.
    fn goal(&self) -> Result<Goal> {
        let given = [
            ("--max-error", self.max_error.is_some()),
            ("--max-bytes", self.max_bytes.is_some()),
        ];
        if let Some((field, _)) = given.iter().find(|(_, given)| *given)
            && !self.rules()?.has_auto()
        {
            let what = "goes with --quantize auto only, which looks for encodings".to_owned();
            return Err(Error::new(ErrorKind::Usage(what))
                .in_field(*field)
                .help("write --quantize auto, or such as --quantize 'head=f32,auto'"));
        }
        let neither = given.iter().all(|(_, given)| !given);
        Ok(Goal {
            max_error: if neither { Some(MAX_ERROR) } else { self.max_error },
            max_bytes: self.max_bytes,
        })
    }
}

/// Prints one of the inner representations.
pub fn emit(args: &CompileArgs, what: Emit) -> std::result::Result<(), Errors> {
    let selection = args.selection()?;
    if args.stop_after.is_some() && !matches!(what, Emit::Ir) {
        let error = Error::new(ErrorKind::Usage("goes with --emit ir only".to_owned()));
        return Err(error
            .in_field("--stop-after")
            .help("leave one of the two away")
            .into());
    }
    let mut reporter = Reporter::new(args.quiet, args.verbose);
    let passes = passes::Options {
        stop_after: args.stop_after.as_deref(),
        ..Default::default()
    };
    // A text is that of its backend; a plan is that of the first which was chosen.
    let backend = match what {
        Emit::Code(text) => BACKENDS
            .iter()
            .copied()
            .find(|backend| backend.texts.iter().any(|own| own.name == text.name)),
        Emit::Ir | Emit::Plan => selection.iter().next(),
    };
    let mut prepared = prepare(&args.source()?, passes, &mut reporter)?;
    prepared.quantize(&Options {
        quantize: args.rules()?,
        goal: args.goal()?,
        integers: args.integers(),
        samples: args.samples.clone(),
        backends: selection.clone(),
        exact: args.exact,
        ..Options::default()
    })?;
    let plan = || {
        let backend = backend.ok_or_else(|| Error::internal("no backend was chosen"))?;
        let options = backends::Options {
            exact: args.exact,
            ..Default::default()
        };
        prepared.plan(backend, options)
    };
    let text = match what {
        Emit::Ir => prepared.graph.to_string(),
        Emit::Plan => {
            reporter.stage(Stage::Plan);
            listing(&plan()?).to_string()
        }
        Emit::Code(text) => {
            reporter.stage(Stage::Plan);
            (text.print)(&plan()?)?
        }
    };
    reporter.finish();
    if !args.quiet {
        reporter.notes(&prepared.notes);
    }
    Ok(print(&text)?)
}

/// What `--json` says of a compilation.
#[derive(Serialize)]
struct Compiled<'a> {
    version: u32,
    /// The directory.
    bundle: &'a str,
    model: &'a str,
    generator: &'a str,
    inputs: Vec<Port<'a>>,
    outputs: Vec<Port<'a>>,
    files: Vec<BundleFile<'a>>,
    /// Of all files.
    bytes: u64,
    weights: WeightBytes,
    backends: BTreeMap<&'static str, Built>,
    /// How far results are off, where weights were encoded and results compared.
    accuracy: Option<Accuracy>,
    notes: &'a [String],
    problems: [Problem; 0],
}

/// What `--json` says where nothing was written.
#[derive(Serialize)]
struct Failed {
    version: u32,
    bundle: Option<&'static str>,
    problems: Vec<Problem>,
}

/// What a backend made of the model.
#[derive(Serialize)]
struct Built {
    /// Distinct kernels.
    kernels: usize,
    /// Floating-point operations of a prediction.
    flops: u64,
    /// Bytes of code, by what distinguishes its variants.
    code: BTreeMap<&'static str, usize>,
    /// Bytes of memory at the peak of a prediction.
    memory: usize,
    /// Bytes of weights as kernels read them.
    weights: usize,
}

impl Built {
    fn of(report: &CodeReport) -> Self {
        Self {
            kernels: report.kernels.len(),
            flops: report.flops,
            code: report.code.iter().copied().collect(),
            memory: report.arena_bytes,
            weights: report.weight_bytes,
        }
    }
}

/// How far results of encoded weights are off.
#[derive(Serialize)]
struct Accuracy {
    /// What the inputs were.
    of: String,
    outputs: Vec<OutputError>,
}

#[derive(Serialize)]
struct OutputError {
    name: String,
    largest: f64,
    /// The largest, by the largest magnitude of the output.
    relative: f64,
    mean: f64,
    cosine: f64,
    /// Rows of the last axis, in how many of them the largest result is in the same place, and in how many it is among the first five.
    rows: Option<usize>,
    top1: Option<usize>,
    top5: Option<usize>,
}

impl Accuracy {
    fn of(report: &quantize::Report) -> Option<Self> {
        let output = |difference: &quantize::Difference| OutputError {
            name: difference.name.clone(),
            largest: difference.largest,
            relative: difference.relative(),
            mean: difference.mean(),
            cosine: difference.cosine(),
            rows: difference.agreement.map(|agreement| agreement.rows),
            top1: difference.agreement.map(|agreement| agreement.first),
            top5: difference.agreement.and_then(|agreement| agreement.five),
        };
        Some(Self {
            of: report.from.clone()?,
            outputs: report.compared.outputs.iter().map(output).collect(),
        })
    }
}
