//! What is run in which order, as the runtime reads it.

use super::dispatch;
use super::module::Module;
use crate::budget::Resource;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::plan::{Plan, Run, Space};
use serde::Serialize;
use std::collections::HashMap;

/// Pipelines, and the dispatches of a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Bytes of every buffer for values.
    pub arenas: Vec<usize>,
    /// The distinct pipelines.
    pub pipelines: Vec<Pipeline>,
    /// The steps of the plan.
    pub steps: Vec<Step>,
    /// The text of every module.
    #[serde(skip)]
    pub modules: Vec<String>,
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
    /// For each storage binding the number of an arena, or -1 for the weights.
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
    pub fn new(plan: &Plan) -> Result<Self> {
        let budget = plan.budget.fork();
        let mut program = Self {
            // A binding has no length of zero.
            arenas: plan.arenas.iter().map(|&bytes| bytes.max(16)).collect(),
            pipelines: Vec::new(),
            steps: Vec::new(),
            modules: Vec::new(),
            kernel_bytes: vec![0; plan.kernels.len()],
        };
        let mut known = HashMap::new();
        for step in &plan.steps {
            let mut dispatches = Vec::with_capacity(step.runs().len());
            for run in step.runs() {
                let made = dispatch::dispatch(plan.kernel(run), run);
                let (module, groups) = made.map_err(|error| error.in_node(&run.name))?;
                let before = program.pipelines.len();
                let dispatch = program.add(&mut known, run, module, groups);
                if program.pipelines.len() > before {
                    let text = program.modules.last().map_or(0, String::len);
                    budget
                        .take(Resource::Code, text)
                        .map_err(|error| error.in_node(&run.name))?;
                }
                dispatches.push(dispatch);
            }
            program.steps.push(Step {
                count: step.count(),
                dispatches,
            });
        }
        for (number, text) in program.modules.iter().enumerate() {
            super::validate::validate(number, text)?;
        }
        Ok(program)
    }

    /// Adds a dispatch, with a pipeline of its own if there is none with its text.
    fn add(
        &mut self,
        known: &mut HashMap<String, usize>,
        run: &Run,
        module: Module,
        groups: [usize; 3],
    ) -> Dispatch {
        let next = self.pipelines.len();
        let pipeline = *known.entry(module.text.clone()).or_insert(next);
        if pipeline == next {
            self.pipelines.push(Pipeline {
                module: next,
                bindings: module
                    .bindings
                    .iter()
                    .map(|b| if b.written { 'w' } else { 'r' })
                    .collect(),
            });
            self.modules.push(module.text);
        }
        self.kernel_bytes[run.kernel.0] = self.modules[pipeline].len();
        Dispatch {
            pipeline,
            groups,
            buffers: module.bindings.iter().map(|b| buffer(run, b.operand)).collect(),
            params: module.params.values,
            advance: module
                .params
                .advances
                .iter()
                .map(|a| (a.index, a.delta))
                .collect(),
        }
    }

    /// The text of all modules, each below a line that tells its number and what it is for.
    pub fn text(&self, plan: &Plan) -> String {
        let mut first = vec![None; self.modules.len()];
        let runs = plan
            .runs()
            .zip(self.steps.iter().flat_map(|step| &step.dispatches));
        for (run, dispatch) in runs {
            first[dispatch.pipeline].get_or_insert_with(|| plan.kernel(run));
        }
        let mut text = String::new();
        for (number, (module, kernel)) in self.modules.iter().zip(first).enumerate() {
            let family = kernel.map_or("", Kernel::family);
            text += &format!("// module {number}: {family}\n{module}");
        }
        text
    }

    /// Dispatches of a prediction.
    pub fn dispatches(&self) -> usize {
        self.steps
            .iter()
            .map(|step| step.count * step.dispatches.len())
            .sum()
    }
}

/// The number of the buffer in which an operand lies.
fn buffer(run: &Run, operand: usize) -> isize {
    match run.arguments[operand].space {
        Space::Weights | Space::Prepared => -1,
        Space::Arena(arena) => arena.0 as isize,
    }
}
