//! The whole line, from a file to a bundle.

mod pages;
mod small;

pub use pages::strings;

use crate::backends::{self, Backend, Build, Selection};
use crate::bundle::{self, CancelToken, Contents, ElementType, Labels, Manifest, PackageName, Target};
use crate::error::{self, Error, ErrorKind, Errors};
use crate::graph::Graph;
use crate::keras::{self, Given, InputShapes, KeptState, KerasModel, Part, Pictures};
use crate::passes;
use crate::plan::{self, Binding, Plan};
use crate::quantize;
use crate::report::Report;
use pages::dtype;
use small::keeps_error;
use std::fmt;
use std::path::PathBuf;

/// What to compile.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// A `.h5` or `.keras` file, or a `.json` architecture.
    pub model: PathBuf,
    /// The weights of an architecture.
    pub weights: Option<PathBuf>,
    /// Shapes of inputs that the file leaves open.
    pub input_shapes: InputShapes,
    /// The part of the model that is compiled.
    pub part: Part,
    /// What is said of Python code that is not in the file.
    pub given: Given,
    /// Inputs that take pictures.
    pub pictures: Pictures,
}

impl Source {
    /// Reads the files, and takes the part.
    ///
    /// # Errors
    /// All problems of the files, or that the model has no such part.
    pub fn read(&self) -> Result<KerasModel, Errors> {
        let mut model = keras::read_given(&self.model, self.weights.as_deref(), &self.given)?;
        let file = self.model.display().to_string();
        let found = keras::part::cut(&mut model, &self.part);
        found.map_err(|errors| errors.map(|error| error.in_file(&file)))?;
        Ok(model)
    }
}

/// What to compile, and where to.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The model.
    pub source: Source,
    /// The directory to write.
    pub out: PathBuf,
    /// Whether a bundle that is there already may be replaced.
    pub force: bool,
    /// Whether convolutions are computed product by product, not by faster algorithms that round more.
    pub exact: bool,
    /// What the bundle can run on.
    pub backends: Selection,
    /// Whether the code for several threads is left out.
    pub one_thread: bool,
    /// In which precision a GPU keeps the weights of products.
    pub gpu_precision: backends::Precision,
    /// In how few bits weights stand in files.
    pub quantize: quantize::Rules,
    /// What encodings are looked for, where some are.
    pub goal: quantize::Goal,
    /// Whether products compute with the codes of int8 weights, where that is supported.
    pub integers: bool,
    /// A `.npz` file with inputs for which results are compared with those of the original weights.
    pub samples: Option<PathBuf>,
    /// The most bytes that all files of the bundle may have together, or it is not written.
    pub most_bytes: Option<u64>,
    /// How far results may be off with small weights, as a share of the largest magnitude of their output, or the bundle is not written.
    pub most_error: Option<f64>,
    /// Gives the compilation up.
    pub cancel: CancelToken,
    /// The names of classes.
    pub labels: Option<Labels>,
    /// What npm calls the bundle, if not by the model's name.
    pub package: Option<PackageName>,
}

impl Options {
    /// How code is generated.
    fn code(&self) -> backends::Options {
        backends::Options {
            one_thread: self.one_thread,
            exact: self.exact,
            gpu_precision: self.gpu_precision,
        }
    }
}

/// What a compilation came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was written.
    pub manifest: Manifest,
    /// Figures.
    pub report: Report,
    /// What became of weights that were to have an encoding.
    pub quantized: Option<quantize::Report>,
    /// What the user should know although nothing is wrong, a line each.
    pub notes: Vec<String>,
}

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Reading the files.
    Read,
    /// From Keras' layers to a graph.
    Lower,
    /// Passes over the graph.
    Optimise,
    /// Order, layout and memory.
    Plan,
    /// Generating code.
    Emit,
    /// Writing the bundle.
    Write,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Lower,
        Self::Optimise,
        Self::Plan,
        Self::Emit,
        Self::Write,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading",
            Self::Lower => "lowering",
            Self::Optimise => "optimising",
            Self::Plan => "planning",
            Self::Emit => "generating code",
            Self::Write => "writing",
        })
    }
}

/// Is told how far the work is. `()` does nothing with it.
pub trait Progress {
    /// A stage begins.
    fn stage(&mut self, stage: Stage);
    /// So many bytes of weights are written.
    fn written(&mut self, bytes: u64, total: u64);
}

impl Progress for () {
    fn stage(&mut self, _: Stage) {}
    fn written(&mut self, _: u64, _: u64) {}
}

/// A model as an optimised graph.
#[derive(Debug)]
pub struct Prepared {
    /// The model's name.
    pub model: String,
    /// Its computation.
    pub graph: Graph,
    /// Keras' element types of its inputs.
    pub inputs: Vec<ElementType>,
    /// Those of its outputs.
    pub outputs: Vec<ElementType>,
    /// What goes from one prediction to the next.
    pub states: Vec<KeptState>,
    /// How the model's inputs become the graph's, where strings or hashes are among them.
    pub prepared: Option<keras::Prepared>,
    /// What pictures inputs take, by their names.
    pub pictures: keras::pictures::Taken,
    /// Of each output whether softmax or sigmoid made it.
    pub shares: Vec<bool>,
    /// What the passes did.
    pub passes: passes::Report,
    /// What the user should know although nothing is wrong, a line each.
    pub notes: Vec<String>,
}

/// Reads a model, lowers it and runs the passes.
///
/// # Errors
/// All problems of the files, or of the layers, or that there is no pass to stop after.
pub fn prepare(
    source: &Source,
    options: passes::Options<'_>,
    progress: &mut dyn Progress,
) -> Result<Prepared, Errors> {
    progress.stage(Stage::Read);
    let file = source.model.display().to_string();
    let model = source.read()?;
    progress.stage(Stage::Lower);
    let located = |errors: Errors| errors.map(|error| error.in_file(&file));
    let mut lowered = keras::lower(&model, &source.input_shapes).map_err(located)?;
    let (pictures, recognised) = source.pictures.apply(&model, &mut lowered).map_err(located)?;
    let (name, mut notes) = (model.name.clone(), model.notes.clone());
    notes.extend(recognised);
    // Weights are shared, and some are replaced from here on: let go of the originals.
    drop(model);
    progress.stage(Stage::Optimise);
    let mut graph = lowered.graph;
    let shares = pages::shares(&graph);
    let passes = passes::run(&mut graph, options).map_err(|error| match error.kind {
        ErrorKind::Usage(_) => error.in_field("--stop-after"),
        _ => error.in_file(&file),
    })?;
    Ok(Prepared {
        model: name,
        graph,
        inputs: lowered.inputs.iter().map(dtype).collect(),
        outputs: lowered.outputs.iter().map(dtype).collect(),
        states: lowered.states,
        prepared: lowered.prepared,
        pictures,
        shares,
        passes,
        notes,
    })
}

impl Prepared {
    /// Plans the graph for a backend.
    ///
    /// # Errors
    /// When the model does not fit into 32-bit memory.
    pub fn plan(&self, backend: &Backend, options: backends::Options) -> Result<Plan, Errors> {
        let target = (backend.target)(options);
        Ok(plan::plan(&self.graph, target.as_ref())?)
    }

    /// Plans the graph for several backends, with the same weights for all.
    ///
    /// # Errors
    /// When the model does not fit into the memory of one of them.
    pub fn plans(
        &self,
        backends: &Selection,
        options: backends::Options,
    ) -> Result<Vec<(&'static Backend, Plan)>, Errors> {
        Ok(plans(&self.graph, backends, options)?)
    }
}

/// Plans a graph for several backends, with the same weights for all.
fn plans(
    graph: &Graph,
    backends: &Selection,
    options: backends::Options,
) -> error::Result<Vec<(&'static Backend, Plan)>> {
    let mut plans: Vec<(&'static Backend, Plan)> = Vec::new();
    for backend in backends.iter() {
        let target = (backend.target)(options);
        let weights = plans.last().map(|(_, plan)| &plan.weights);
        plans.push((backend, plan::plan_beside(graph, target.as_ref(), weights)?));
    }
    if let Some(all) = plans.last().map(|(_, plan)| plan.weights.clone()) {
        plans.iter_mut().for_each(|(_, plan)| plan.weights = all.clone());
    }
    Ok(plans)
}

/// Bounds the elements of inputs that may be too large to be floats as they are.
fn bound(inputs: &mut [Binding], dtypes: &[ElementType]) {
    for (input, dtype) in inputs.iter_mut().zip(dtypes) {
        if let ElementType::Int32 | ElementType::Int64 | ElementType::Uint32 | ElementType::Uint64 = dtype {
            input.bound_to_floats();
        }
    }
}

/// Says for which backend the code of a model is too large, where there are others.
fn blame(error: Error, backend: &Backend, chosen: &Selection) -> Error {
    match (&error.kind, chosen.without(backend)) {
        (ErrorKind::TooLarge { .. }, Some(others)) => error.instead(format!(
            "this is the code for {}; another backend may need less: --backends {others}",
            backend.name
        )),
        _ => error,
    }
}

/// Compiles a model into a bundle. On failure nothing is written.
///
/// # Errors
/// All problems that were found at the stage that could not be finished.
pub fn compile(options: &Options, progress: &mut dyn Progress) -> Result<Outcome, Errors> {
    let target = Target::new(&options.out, options.force)?.cancelled_by(options.cancel.clone());
    let mut prepared = prepare(&options.source, passes::Options::default(), progress)?;
    let file = options.source.model.display().to_string();
    let labels = options.labels.clone();
    let labels = labels.map(|labels| prepared.label(labels)).transpose()?;
    let mut quantized = prepared.quantize(options)?;
    let kept = keeps_error(options.most_error, quantized.as_ref());
    kept.map_err(|error| error.in_file(&file))?;
    let code = options.code();
    progress.stage(Stage::Plan);
    let plans = prepared.plans(&options.backends, code);
    let plans = plans.map_err(|errors| errors.map(|error| error.in_file(&file)))?;
    let Prepared {
        model,
        graph,
        inputs,
        outputs,
        states,
        prepared,
        pictures,
        passes,
        notes,
        ..
    } = prepared;
    // Plans hold all weights packed; two copies are enough.
    drop(graph);
    if let (Some(report), Some((_, plan))) = (&mut quantized, plans.last()) {
        report.unencoded = plan.weights.unencoded().clone();
        let bytes = plans.iter().map(|(_, plan)| plan.code_bytes()).max();
        if let Some(integers) = &mut report.integers {
            integers.bytes = bytes.unwrap_or(0) as u64;
        }
    }
    progress.stage(Stage::Emit);
    let build = |(backend, plan): (&'static Backend, Plan)| {
        let built = backend.build(plan, code);
        built.map_err(|error| blame(error, backend, &options.backends))
    };
    let builds = plans.into_iter().map(build);
    let mut builds: Vec<_> = builds
        .collect::<error::Result<_>>()
        .map_err(|error| error.in_file(&file))?;
    for build in &mut builds {
        bound(&mut build.plan.inputs, &inputs);
    }
    progress.stage(Stage::Write);
    let package = options.package.clone();
    let strings = prepared.as_ref().map(strings);
    let contents = Contents {
        model: &model,
        package: &package.unwrap_or_else(|| PackageName::of_model(&model)),
        inputs: &inputs,
        outputs: &outputs,
        states: &states
            .iter()
            .map(|state| [state.input, state.output])
            .collect::<Vec<_>>(),
        strings: strings.as_ref(),
        pictures: &pictures,
        labels: labels.as_ref(),
        builds: &builds,
        most_bytes: options.most_bytes,
    };
    let total = |build: &Build| build.plan.weights.bytes() as u64;
    let total = builds.first().map_or(0, total);
    let manifest = bundle::write(&contents, &target, &mut |bytes| progress.written(bytes, total))?;
    Ok(Outcome {
        manifest,
        report: Report::new(&builds, passes),
        quantized,
        notes,
    })
}
