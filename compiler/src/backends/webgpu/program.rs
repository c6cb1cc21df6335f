//! What is run in which order, as the runtime reads it.

use super::dispatch;
use super::module::{self, Made};
use super::operands::{Memory, Operands, PACKED};
use super::windows::Windows;
use crate::backends::{Precision, gpu};
use crate::budget::Resource;
use crate::check::{self, Check, Subject, Subjects};
use crate::error::Result;
use crate::kernel::{Contract, Convolve, Kernel, Right};
use crate::plan::{Plan, Run, Space, Weights};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Pipelines, and the dispatches of a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Bytes of every buffer for values.
    pub arenas: Vec<usize>,
    /// Byte offset and length of the parts of the weights that are bound instead of all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<(usize, usize)>,
    /// The distinct pipelines.
    pub pipelines: Vec<Pipeline>,
    /// What is run once, when the weights are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Dispatch>,
    /// The steps of the plan.
    pub steps: Vec<Step>,
    /// The text of every module.
    #[serde(skip)]
    pub modules: Vec<String>,
    /// For what family of kernels each is.
    #[serde(skip)]
    families: Vec<&'static str>,
    /// The number of the buffer with the weights in half precision.
    #[serde(skip)]
    halves: Option<usize>,
    /// A run for each module.
    #[serde(skip)]
    subjects: Subjects,
    /// Bytes of every kernel's modules, by its index in the plan.
    #[serde(skip)]
    pub kernel_bytes: Vec<usize>,
}

/// A module with the roles of its storage bindings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pipeline {
    /// Index of the module.
    pub module: usize,
    /// A letter for each storage binding: `r` reads, `w` writes.
    pub bindings: String,
}

/// Dispatches that are repeated together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How often.
    pub count: usize,
    /// In this order.
    pub dispatches: Vec<Dispatch>,
}

/// A run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dispatch {
    /// Index of the pipeline.
    pub pipeline: usize,
    /// Workgroups along each axis.
    pub groups: [usize; 3],
    /// For each storage binding the number of an arena, -1 for the weights, or -2 - i for window i of them.
    pub buffers: Vec<isize>,
    /// Words of the uniform block.
    pub params: Vec<u32>,
    /// Which words change by how much from one iteration to the next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advance: Vec<(usize, i32)>,
}

impl Program {
    /// Writes the shaders of a plan.
    ///
    /// # Errors
    /// When the plan was made for another target, the text grows beyond the budget, or a module is not valid (bugs of ours).
    pub fn new(plan: &Plan, precision: Precision) -> Result<Self> {
        let budget = plan.budget.fork();
        let mut program = Self {
            // A binding has no length of zero.
            arenas: plan.arenas.iter().map(|&bytes| bytes.max(16)).collect(),
            windows: Vec::new(),
            pipelines: Vec::new(),
            prepare: Vec::new(),
            halves: None,
            steps: Vec::new(),
            modules: Vec::new(),
            families: Vec::new(),
            subjects: Subjects::default(),
            kernel_bytes: vec![0; plan.kernels.len()],
        };
        let mut known = HashMap::new();
        let mut windows = Windows::default();
        if precision == Precision::F16 && plan.runs().any(|run| has_halves(plan, run)) {
            program.halves = Some(program.arenas.len());
            program.arenas.push(plan.weights.bytes() / 2);
            for made in module::halves(plan.weights.bytes(), &mut windows)? {
                let dispatch = program.add(&mut known, "weights", made);
                program.prepare.push(dispatch);
            }
        }
        let (mut scratch, mut taken) = (0, program.pipelines.len());
        for (number, step) in plan.steps.iter().enumerate() {
            let mut dispatches = Vec::with_capacity(step.runs().len());
            for (index, run) in step.runs().iter().enumerate() {
                let halves = program.halves.is_some() && has_halves(plan, run);
                let operands = Operands::new(run, &plan.weights, &mut windows, halves);
                let made = operands.and_then(|operands| dispatch::dispatch(plan.kernel(run), run, &operands));
                let mut bytes = 0;
                let first = dispatches.len();
                for made in made.map_err(|error| error.in_node(&run.name))? {
                    scratch = scratch.max(4 * made.scratch);
                    let dispatch = program.add(&mut known, plan.kernel(run).family(), made);
                    if dispatch.pipeline >= taken {
                        taken = dispatch.pipeline + 1;
                        let text = program.modules[dispatch.pipeline].len();
                        let within = budget.take(Resource::Shaders, text);
                        within.map_err(|error| error.in_node(&run.name))?;
                    }
                    bytes += program.modules[dispatch.pipeline].len();
                    dispatches.push(dispatch);
                }
                program.kernel_bytes[run.kernel.0] = bytes;
                let subject = Subject {
                    step: number,
                    run: index,
                    dispatches: first..dispatches.len(),
                };
                for dispatch in &dispatches[first..] {
                    let subject = subject.clone();
                    program
                        .subjects
                        .offer(dispatch.pipeline, plan.kernel(run), run, subject);
                }
            }
            program.steps.push(Step {
                count: step.count(),
                dispatches,
            });
        }
        program.windows = windows.into_parts();
        if scratch > 0 {
            program.arenas.push(scratch);
        }
        for (number, text) in program.modules.iter().enumerate() {
            super::validate::validate(number, text)?;
        }
        Ok(program)
    }

    /// Adds a dispatch, with a pipeline of its own if there is none with its text.
    fn add(&mut self, known: &mut HashMap<String, usize>, family: &'static str, made: Made) -> Dispatch {
        let Made { module, groups, .. } = made;
        let next = self.pipelines.len();
        let pipeline = *known.entry(module.text.clone()).or_insert(next);
        if pipeline == next {
            let letter = |written| if written { 'w' } else { 'r' };
            self.pipelines.push(Pipeline {
                module: next,
                bindings: module.bindings.iter().map(|b| letter(b.written)).collect(),
            });
            self.modules.push(module.text);
            self.families.push(family);
        }
        let buffer = |memory| match memory {
            Memory::Weights => -1,
            Memory::Window(number) => -2 - number as isize,
            Memory::Halves => self.halves.map_or(-1, |halves| halves as isize),
            Memory::Arena(arena) => arena as isize,
            // It lies behind those of the plan.
            Memory::Scratch => self.arenas.len() as isize,
        };
        Dispatch {
            pipeline,
            groups,
            buffers: module.bindings.iter().map(|b| buffer(b.memory)).collect(),
            params: module.params.values,
            advance: module
                .params
                .advances
                .iter()
                .map(|a| (a.index, a.delta))
                .collect(),
        }
    }

    /// What shows whether the modules compute what they should.
    ///
    /// # Errors
    /// When a kernel reads more than it says (a bug of ours).
    pub fn check(&self, plan: &Plan) -> Result<Check> {
        if self.halves.is_none() {
            return check::check(plan, &self.subjects.chosen());
        }
        let mut rounded = plan.clone();
        rounded.weights = halved(plan);
        check::check(&rounded, &self.subjects.chosen())
    }

    /// The text of all modules, each below a line that tells its number and the family of kernels that it is for.
    pub fn text(&self) -> String {
        gpu::labelled("module", &self.modules, &self.families)
    }

    /// Dispatches of a prediction.
    pub fn dispatches(&self) -> usize {
        self.steps
            .iter()
            .map(|step| step.count * step.dispatches.len())
            .sum()
    }
}

/// The largest number that half precision has.
const LARGEST_HALF: f32 = 65_504.0;

/// The byte offset of the packed weights of a product.
fn packed(plan: &Plan, run: &Run) -> Option<usize> {
    let is_packed = match plan.kernel(run) {
        Kernel::Contract(Contract { right, .. }) => matches!(right, Right::Panels { .. }),
        Kernel::Convolve(Convolve { panels, .. }) => panels.is_some(),
        _ => false,
    };
    let weights = run
        .arguments
        .get(PACKED)
        .filter(|argument| argument.space == Space::Weights);
    weights.filter(|_| is_packed).map(|argument| argument.offset)
}

/// Whether a run has packed weights that half precision can hold.
fn has_halves(plan: &Plan, run: &Run) -> bool {
    let part = packed(plan, run).and_then(|offset| plan.weights.part_at(offset));
    part.is_some_and(|(_, data)| data.iter().all(|value| value.abs() <= LARGEST_HALF))
}

/// The weights of a plan as kernels find them where they read halves.
fn halved(plan: &Plan) -> Weights {
    let runs = plan.runs().filter(|run| has_halves(plan, run));
    let parts: HashSet<usize> = runs.filter_map(|run| packed(plan, run)).collect();
    plan.weights.map(|start, data| {
        let round = |&value: &f32| half::f16::from_f32(value).to_f32();
        parts.contains(&start).then(|| data.iter().map(round).collect())
    })
}
