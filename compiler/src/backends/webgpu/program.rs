//! What is run in which order, as the runtime reads it.

use super::attention::Attention;
use super::chain::Chain;
use super::machine::Machine;
use super::operands::PACKED;
use super::writer::Writer;
use crate::backends::{Precision, gpu};
use crate::check::{self, Check, Subjects};
use crate::error::Result;
use crate::kernel::{Contract, Convolve, Kernel, Right};
use crate::plan::{Plan, Run, Space, Weights};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};

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
    /// The steps of the plan. What is done with a later one has no dispatches.
    pub steps: Vec<Step>,
    /// The text of every module.
    #[serde(skip)]
    pub modules: Vec<String>,
    /// For what family of kernels each is.
    #[serde(skip)]
    pub(super) families: Vec<&'static str>,
    /// The number of the buffer with the weights in half precision.
    #[serde(skip)]
    pub(super) halves: Option<usize>,
    /// A run for each module.
    #[serde(skip)]
    pub(super) subjects: Subjects,
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
    /// Writes the shaders of a plan for a machine.
    ///
    /// # Errors
    /// When the plan was made for another target, the text grows beyond the budget, or a module is not valid (bugs of ours).
    pub fn new(plan: &Plan, precision: Precision, machine: Machine) -> Result<Self> {
        let mut writer = Writer::new(plan, machine);
        if precision == Precision::F16 && plan.runs().any(|run| has_halves(plan, run)) {
            writer.halves()?;
        }
        let joint: Vec<_> = plan
            .joint
            .iter()
            .filter_map(|group| Attention::of(plan, group, machine))
            .collect();
        let owned: BTreeSet<usize> = joint
            .iter()
            .flat_map(|attention| attention.steps)
            .copied()
            .collect();
        let mut number = 0;
        while number < plan.steps.len() {
            let end = owned.range(number..).next().copied().unwrap_or(plan.steps.len());
            if number == end {
                let own = joint.iter().find(|attention| attention.last() == number);
                number = writer.joint(number, own)?;
                continue;
            }
            number = match Chain::from(plan, number, end) {
                Some(chain) => writer.chain(&chain)?,
                None => writer.step(number)?,
            };
        }
        let program = writer.finish();
        for (number, text) in program.modules.iter().enumerate() {
            super::validate::validate(number, text)?;
        }
        Ok(program)
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
pub(super) fn has_halves(plan: &Plan, run: &Run) -> bool {
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
