//! The default command.

use super::print;
use super::progress::Reporter;
use super::signals;
use crate::{CompileArgs, Compute, Emit, GpuPrecision, Switch};
use keras_compile::backends::{self, BACKENDS, Precision, Selection};
use keras_compile::bundle::{CancelToken, PackageName};
use keras_compile::error::{Error, ErrorKind, Errors, Result};
use keras_compile::quantize::Rules;
use keras_compile::report::{bytes, listing, weights};
use keras_compile::{Options, Outcome, Progress, Stage, passes, prepare};

/// Compiles into a directory and prints the report.
pub fn compile(args: &CompileArgs) -> std::result::Result<(), Errors> {
    let out = args.out.clone().unwrap_or_default();
    let options = Options {
        source: args.source.source()?,
        out: out.clone(),
        force: args.force,
        exact: args.exact,
        backends: args.selection()?,
        one_thread: args.threads == Switch::Off,
        gpu_precision: match args.gpu_precision {
            GpuPrecision::F32 => Precision::F32,
            GpuPrecision::F16 => Precision::F16,
        },
        quantize: args.rules()?,
        integers: args.integers(),
        samples: args.samples.clone(),
        cancel: CancelToken::default(),
        package: args.package_name.as_deref().map(PackageName::new).transpose()?,
    };
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
    let mut prepared = prepare(&args.source.source()?, passes, &mut reporter)?;
    prepared.quantize(&args.rules()?, args.integers())?;
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
