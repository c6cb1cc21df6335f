//! The command `keras-compile`: what it takes. What it does is in [`cli`].

mod cli;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use keras_compile::backends::{BACKENDS, Text};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  keras-compile model.h5 --out dist                     compile a model
  keras-compile model.json --weights w.h5 --out dist    architecture and weights in two files
  keras-compile inspect model.keras                     see its layers and whether they are supported
  keras-compile serve dist                              try a bundle or a page in a browser
  keras-compile bench dist                              see how long each step of a bundle takes

Exit codes: 0 done, 1 the model cannot be compiled, 2 the command makes no sense.";

const BENCH_RUNS: &str = "\
This runs the bundle's code: with --engine chromium in the browser's sandbox, with --engine node with all your rights.
Do that with bundles you trust only.";

/// Compiles a trained Keras model into a bundle for the web: WebAssembly, shaders, weights and a small ES module.
#[derive(Parser)]
#[command(
    name = "keras-compile",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
struct Command {
    #[command(flatten)]
    compile: CompileArgs,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What says which model.
#[derive(Args)]
struct ModelArgs {
    /// The model: .h5, .keras, or .json together with --weights
    // Absent with a subcommand only.
    #[arg(required = true)]
    model: Option<PathBuf>,
    /// The weights of a .json architecture: a .h5 file, or the .weights.json that names several
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Shape of an input that the model leaves open, batch first, as in 1,224,224,3
    #[arg(long, value_name = "[NAME=]D,D,…")]
    input_shape: Vec<String>,
    /// Layers whose outputs are those of the bundle, in place of the model's; model/layer inside a nested one
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',')]
    outputs: Vec<String>,
    /// Layers to start with: the tensors that they take are the inputs, in place of the model's
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',')]
    inputs: Vec<String>,
    /// What a Lambda layer computes, in place of the code in the file, as in scale='x / 127.5 - 1'
    #[arg(long, value_name = "NAME=EXPRESSION")]
    lambda: Vec<String>,
    /// What classes and functions of your own compute, as in {"mine>Scale": {"weights": ["gamma"], "call": "x * gamma"}}
    #[arg(long, value_name = "FILE.json")]
    custom: Vec<PathBuf>,
}

#[derive(Args)]
struct CompileArgs {
    #[command(flatten)]
    source: ModelArgs,
    /// The directory to write the bundle to
    #[arg(long, short, value_name = "DIR", required_unless_present = "emit")]
    out: Option<PathBuf>,
    /// Replace the bundle that is there already
    #[arg(long)]
    force: bool,
    /// Compute convolutions product by product, as Keras does: slower, with less rounding
    #[arg(long)]
    exact: bool,
    /// What the bundle can run on, with commas between
    #[arg(long, default_value_t = all_backends(), value_name = "LIST")]
    backends: String,
    /// Whether the bundle can run on several threads; off leaves their code out
    #[arg(long, value_enum, default_value = "on", value_name = "SWITCH")]
    threads: Switch,
    /// In which precision a GPU keeps the weights of products; sums are computed in f32
    #[arg(long, value_enum, default_value = "f32", value_name = "PRECISION")]
    gpu_precision: GpuPrecision,
    /// In how few bits weights stand in files, f16, int8 or int4; or by layers, as in 'conv*=int8,head=f32,f16'
    #[arg(long, value_name = "[PATTERN=]ENCODING,…")]
    quantize: Option<String>,
    /// What products compute with, f32 when absent; int8 multiplies int8 weights by rows of inputs as integers, on wasm, and implies --quantize int8
    #[arg(long, value_enum, value_name = "PRECISION")]
    compute: Option<Compute>,
    /// Inputs by their names, for which results are compared with those of f32 weights; noise when absent, if that is quick
    #[arg(long, value_name = "FILE.npz", requires = "quantize")]
    samples: Option<PathBuf>,
    /// What npm calls the bundle; a name made of the model's when absent
    #[arg(long, value_name = "NAME")]
    package_name: Option<String>,
    #[arg(long, help = emit_help(), value_parser = emits(), conflicts_with_all = ["out", "force", "package_name"])]
    emit: Option<Emit>,
    /// With --emit ir: print the graph as it is after the first run of this pass
    #[arg(long, value_name = "PASS", requires = "emit")]
    stop_after: Option<String>,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// List all kernels and what was folded and fused, and what was not and why
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Other {
    /// Show the layers of a model and whether they are supported, or check the files of a bundle
    Inspect {
        #[command(flatten)]
        source: ModelArgs,
    },
    /// Serve a directory on 127.0.0.1 with the headers that bundles like
    Serve {
        /// The directory
        dir: PathBuf,
        /// The port; 0 takes any that is free
        #[arg(long, short, default_value_t = 8000)]
        port: u16,
    },
    /// Run a bundle on random inputs and show how long each step takes, against what the machine could do
    #[command(after_help = BENCH_RUNS)]
    Bench {
        /// The bundle
        dir: PathBuf,
        /// What runs it
        #[arg(long, value_enum, default_value = "chromium")]
        engine: BenchEngine,
        /// What of the bundle runs; the first that it holds when absent
        #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(BACKENDS.iter().map(|backend| backend.name)))]
        backend: Option<String>,
        /// The browser; without it, Chromium or Chrome is looked for on the path
        #[arg(long, value_name = "PATH", env = "CHROMIUM", hide_env_values = true)]
        chromium: Option<PathBuf>,
        /// Timed runs, after a warm-up
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rounds: u32,
        /// Threads to ask for
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
        threads: u32,
        /// Steps to show, the slowest first
        #[arg(long, value_name = "N", default_value_t = 30)]
        top: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BenchEngine {
    Chromium,
    Node,
}

/// What products compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compute {
    /// Floats of single precision
    F32,
    /// Codes of eight bits by integers, where a layer can
    Int8,
}

/// Precisions of floats on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GpuPrecision {
    /// Single precision
    F32,
    /// Half precision: half of the bytes to read, and results that are off by up to a few thousandths
    F16,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// What is printed in place of a bundle.
#[derive(Clone, Copy)]
enum Emit {
    Ir,
    Plan,
    /// The code of a backend.
    Code(&'static Text),
}

impl Emit {
    /// All by their names.
    fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let texts = BACKENDS.iter().flat_map(|backend| backend.texts);
        let code = texts.map(|text| (text.name, Self::Code(text)));
        [("ir", Self::Ir), ("plan", Self::Plan)].into_iter().chain(code)
    }
}

/// Reads what to print.
fn emits() -> impl TypedValueParser<Value = Emit> {
    PossibleValuesParser::new(Emit::all().map(|(name, _)| name)).try_map(|given| {
        let mut all = Emit::all();
        let found = all.find_map(|(name, emit)| (name == given).then_some(emit));
        found.ok_or("it cannot be printed")
    })
}

fn emit_help() -> String {
    let texts = BACKENDS.iter().flat_map(|backend| backend.texts);
    let texts: Vec<_> = texts.map(|text| text.about).collect();
    let all = [&["the graph", "the plan"][..], &texts].concat();
    match all.split_last() {
        Some((last, others)) => format!("Print {} or {last}, and write no bundle", others.join(", ")),
        None => String::new(),
    }
}

/// The names of all backends, with commas between.
fn all_backends() -> String {
    let names: Vec<_> = BACKENDS.iter().map(|backend| backend.name).collect();
    names.join(",")
}

/// Clap takes a second file for a subcommand or for an argument that it does not know.
fn explained(error: clap::Error) -> clap::Error {
    let unexpected = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg]
        .into_iter()
        .find_map(|kind| error.get(kind));
    match (error.kind(), unexpected) {
        (ErrorKind::ArgumentConflict | ErrorKind::UnknownArgument, Some(ContextValue::String(second)))
            if !second.starts_with('-')
                && !Command::command()
                    .get_subcommands()
                    .any(|c| c.get_name() == second) =>
        {
            let message = format!(
                "{second:?} is one file too many: give one model at a time; weights in a file of their own go with --weights"
            );
            Command::command().error(ErrorKind::TooManyValues, message)
        }
        _ => error,
    }
}

fn main() -> ExitCode {
    let Command { compile, other } = Command::try_parse().unwrap_or_else(|error| explained(error).exit());
    let (done, writes) = match other {
        Some(Other::Inspect { source }) => (cli::inspect(&source), false),
        Some(Other::Serve { dir, port }) => (cli::serve(&dir, port).map_err(Into::into), false),
        Some(Other::Bench {
            dir,
            engine,
            backend,
            chromium,
            rounds,
            threads,
            top,
        }) => {
            let engine = match engine {
                BenchEngine::Chromium => cli::Engine::Chromium,
                BenchEngine::Node => cli::Engine::Node,
            };
            let options = cli::BenchOptions {
                directory: dir,
                engine,
                backend,
                chromium,
                rounds,
                threads,
                top,
            };
            (cli::bench(&options), false)
        }
        None => match compile.emit {
            Some(emit) => (cli::emit(&compile, emit), false),
            None => (cli::compile(&compile), true),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => cli::report(&errors, writes),
    }
}
