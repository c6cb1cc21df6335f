//! The command `keras-compile`: what it takes. What it does is in [`cli`].

mod cli;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use keras_compile::backends::{BACKENDS, Text};
use keras_compile::error::{Error, Errors};
use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  keras-compile model.h5 --out dist                     compile a model
  keras-compile model.json --weights w.h5 --out dist    architecture and weights in two files
  keras-compile inspect model.keras                     see its layers and whether they are supported
  keras-compile build                                   compile the models that keras-compile.toml names
  keras-compile serve dist                              try a bundle or a page in a browser
  keras-compile bench dist                              see how long each step of a bundle takes
  keras-compile verify dist --samples x.npz --expect y.npz   compare what a bundle gives with what Keras gave

Exit codes: 0 done, 1 the model cannot be compiled or a bundle does not agree, 2 the command makes no sense.";

const RECIPE: &str = "\
A recipe has a table for each model, with the options of the command by their names. Paths begin at its folder:

  [[model]]
  model = \"models/digits.h5\"
  out = \"public/digits\"
  quantize = \"int8\"
  budget = { bytes = \"200 KB\" }

Bundles are replaced if nothing in them was changed by hand.";

const BENCH_RUNS: &str = "\
This runs the bundle's code: with --engine chromium in the browser's sandbox, with --engine node with all your rights.
Do that with bundles you trust only.";

const VERIFY_ABOUT: &str = "\
Numbers agree when they are no further apart than 1e-5 of the output's largest expected magnitude plus 1e-4 of the number itself;
integers must be equal. With --max-error E they may be apart by E times that magnitude, and nothing else counts.

This runs the bundle's code: with --engine chromium in the browser's sandbox, with --engine node with all your rights.
Do that with bundles you trust only.

Exit codes: 0 all outputs agree, 1 they do not, or it could not be found out, 2 the command makes no sense.";

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
    /// In how few bits weights stand in files, f16, int8 or int4; or by layers, as in 'conv*=int8,head=f32,f16'; auto looks for the
    /// encoding of each
    #[arg(long, value_name = "[PATTERN=]ENCODING,…")]
    quantize: Option<String>,
    /// With --quantize auto: the smallest weights with which no output is further off than this share of its largest magnitude [default: 0.01]
    #[arg(long, value_name = "E", requires = "quantize", value_parser = share, allow_hyphen_values = true)]
    max_error: Option<f64>,
    /// With --quantize auto: the most exact weights that take no more than these bytes in the bundle's files, as in 4MB
    #[arg(long, value_name = "N[KB|MB]", requires = "quantize", value_parser = sized)]
    max_bytes: Option<u64>,
    /// What products compute with, f32 when absent; int8 multiplies int8 weights by rows of inputs as integers, on wasm, and implies --quantize int8
    #[arg(long, value_enum, value_name = "PRECISION")]
    compute: Option<Compute>,
    /// Inputs by their names, for which results are compared with those of f32 weights; noise when absent, if that is quick
    #[arg(long, value_name = "FILE.npz", requires = "quantize")]
    samples: Option<PathBuf>,
    /// Let an input take pictures, and put (x·scale - mean)/std in front of the network, as in rgb,scale=1/127.5,mean=1,resize=bilinear;
    /// auto for networks of keras.applications
    #[arg(long, value_name = "[NAME=]rgb|bgr|gray|auto,…")]
    image: Vec<String>,
    /// The names of classes, for model.classify: a line each, or JSON; imagenet has those of keras.applications
    #[arg(long, value_name = "[OUTPUT=]FILE|imagenet")]
    labels: Option<String>,
    /// What npm calls the bundle; a name made of the model's when absent
    #[arg(long, value_name = "NAME")]
    package_name: Option<String>,
    #[arg(long, help = emit_help(), value_parser = emits(), conflicts_with_all = ["out", "force", "labels", "package_name"])]
    emit: Option<Emit>,
    /// With --emit ir: print the graph as it is after the first run of this pass
    #[arg(long, value_name = "PASS", requires = "emit")]
    stop_after: Option<String>,
    /// Print the result, or the problems, as an object of JSON
    #[arg(long, conflicts_with_all = ["emit", "verbose"])]
    json: bool,
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
        /// Of a bundle: print tags for the head of a page, with which a browser fetches script and weights at once; BUNDLE is the
        /// bundle's address as the page sees it
        #[arg(long, value_name = "BUNDLE")]
        html_head: Option<String>,
        /// Print it as an object of JSON
        #[arg(long, conflicts_with = "html_head")]
        json: bool,
    },
    /// Compile all models of a project, as its recipe says
    #[command(after_help = RECIPE)]
    Build {
        /// The recipe
        #[arg(default_value = "keras-compile.toml")]
        recipe: PathBuf,
        /// Write nothing: fail where a bundle is not what its model gives, and say what is different
        #[arg(long)]
        check: bool,
        /// Print each problem as an annotation of GitHub Actions too
        #[arg(long, env = "GITHUB_ACTIONS", hide_env_values = true)]
        annotate: bool,
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
        #[command(flatten)]
        place: PlaceArgs,
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
    /// Print a script that completes this command in a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual in the format of man
    Man,
    /// Run a bundle on inputs of yours and compare what it gives with Keras' outputs, or with those of another bundle
    #[command(after_help = VERIFY_ABOUT)]
    Verify {
        #[command(flatten)]
        place: PlaceArgs,
        /// Inputs by their names, as numpy.savez writes them; of as many rows as whole predictions take
        #[arg(long, value_name = "FILE.npz")]
        samples: PathBuf,
        /// The outputs that Keras gives for them, by their names
        #[arg(long, value_name = "FILE.npz", conflicts_with = "against")]
        expect: Option<PathBuf>,
        /// Another bundle that gives them, such as one without --quantize
        #[arg(long, value_name = "DIR")]
        against: Option<PathBuf>,
        /// How far a number may be off, as a share of the largest magnitude that is expected of its output
        #[arg(long, value_name = "E", value_parser = share, allow_hyphen_values = true)]
        max_error: Option<f64>,
        /// Print JSON, whose fields README.md has
        #[arg(long)]
        json: bool,
    },
}

/// Which bundle runs, and in what.
#[derive(Args)]
struct PlaceArgs {
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
}

impl PlaceArgs {
    fn place(self) -> cli::Place {
        cli::Place {
            directory: self.dir,
            engine: match self.engine {
                BenchEngine::Chromium => cli::Engine::Chromium,
                BenchEngine::Node => cli::Engine::Node,
            },
            backend: self.backend,
            chromium: self.chromium,
        }
    }
}

/// A number of bytes; KB are 1,000 of them, MB 1,000,000.
fn sized(text: &str) -> Result<u64, String> {
    let units = [("KB", 1e3), ("MB", 1e6), ("B", 1.0), ("", 1.0)];
    let found = units
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim(), bytes)));
    let bytes = found.and_then(|(number, bytes)| Some(number.parse::<f64>().ok()? * bytes));
    match bytes.filter(|bytes| (1.0..1e15).contains(bytes)) {
        Some(bytes) => Ok(bytes as u64),
        None => Err("write a number of bytes, as in 500000, 500KB or 3.5MB".to_owned()),
    }
}

/// A share of something: a number from 0 on.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text
        .parse()
        .map_err(|_| "write a number, as in 0.01 or 1e-3".to_owned())?;
    match share.is_finite() && share >= 0.0 {
        true => Ok(share),
        false => Err("it must be 0 or more".to_owned()),
    }
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

/// An option of a compilation, for those who read options from elsewhere.
struct OptionOf {
    name: String,
    /// It takes no value.
    switch: bool,
    /// It may be given more than once.
    repeats: bool,
    /// What its values are.
    value: ValueOf,
}

/// What the values of an option are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueOf {
    Text,
    Path,
    /// A path, with a name and an equals sign before it or without; or the word.
    NamedPath(&'static str),
}

impl CompileArgs {
    /// All options.
    fn options_of() -> Vec<OptionOf> {
        let command = Command::command();
        let option = |arg: &clap::Arg| {
            Some(OptionOf {
                name: arg.get_long()?.to_owned(),
                switch: matches!(arg.get_action(), ArgAction::SetTrue),
                repeats: matches!(arg.get_action(), ArgAction::Append),
                value: match arg.get_id().as_str() {
                    "labels" => ValueOf::NamedPath("imagenet"),
                    _ if arg.get_value_parser().type_id() == TypeId::of::<PathBuf>() => ValueOf::Path,
                    _ => ValueOf::Text,
                },
            })
        };
        command.get_arguments().filter_map(option).collect()
    }

    /// Reads a command without the program's name; or says in a line what is wrong with it.
    fn read(line: Vec<OsString>) -> Result<Self, String> {
        let line = std::iter::once("keras-compile".into()).chain(line);
        let command = Command::try_parse_from(line).map_err(|error| {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        })?;
        Ok(command.compile)
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

/// Prints a script for a shell.
fn completions(shell: clap_complete::Shell) -> Result<(), Errors> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Command::command(), "keras-compile", &mut text);
    cli::print_script(&text)
}

/// Prints the manual, with the pages of all subcommands one after the other.
fn manual() -> Result<(), Errors> {
    let mut text = Vec::new();
    let mut command = Command::command();
    command.build();
    let subcommands = command.get_subcommands().cloned();
    for page in std::iter::once(command.clone()).chain(subcommands) {
        let rendered = clap_mangen::Man::new(page).render(&mut text);
        rendered.map_err(|error| Error::internal(format!("the manual cannot be written ({error})")))?;
    }
    cli::print_script(&text)
}

fn main() -> ExitCode {
    let Command { compile, other } = Command::try_parse().unwrap_or_else(|error| explained(error).exit());
    let (done, writes) = match other {
        Some(Other::Build {
            recipe,
            check,
            annotate,
        }) => (cli::build(&recipe, check, annotate), false),
        Some(Other::Completions { shell }) => (completions(shell), false),
        Some(Other::Man) => (manual(), false),
        Some(Other::Inspect {
            source,
            html_head,
            json,
        }) => (cli::inspect(&source, html_head.as_deref(), json), false),
        Some(Other::Serve { dir, port }) => (cli::serve(&dir, port).map_err(Into::into), false),
        Some(Other::Bench {
            place,
            rounds,
            threads,
            top,
        }) => {
            let options = cli::BenchOptions {
                place: place.place(),
                rounds,
                threads,
                top,
            };
            (cli::bench(&options), false)
        }
        Some(Other::Verify {
            place,
            samples,
            expect,
            against,
            max_error,
            json,
        }) => {
            let options = cli::VerifyOptions {
                place: place.place(),
                samples,
                expected: expect
                    .map(cli::Expected::Arrays)
                    .or(against.map(cli::Expected::Bundle)),
                max_error,
                json,
            };
            match cli::verify(&options) {
                Ok(false) => return ExitCode::from(1),
                other => (other.map(drop), false),
            }
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
