//! From a graph to a plan: order, kernels, physical layout and memory. Everything a backend needs is in [`Plan`].
//!
//! 1. [`schedule`] orders the nodes for little memory.
//! 2. [`methods`] chooses how products are computed.
//! 3. [`layout`] gives every value a place: a buffer of its own, or a view into another one (reshapes and slices
//!    look into their input, concatenation lets producers write into place, padded convolutions let
//!    their producer write into the middle of a zeroed frame), as far as the target has such views.
//! 4. [`lower`] and [`scan`] turn nodes into steps: kernels with their arguments, and loops.
//! 5. [`order`] puts weights first that are needed only until others have been made from them.
//! 6. [`memory`] gives buffers exact lifetimes, of those that a target does at once ([`joint`]) together, and [`packing`] packs them into
//!    arenas.
//! 7. [`bounds`] checks that no kernel leaves its memory.
//!
//! What depends on the machine is asked of a [`Target`].

mod bounds;
mod joint;
mod layout;
mod lower;
mod memory;
mod methods;
mod order;
mod packing;
mod scan;
mod schedule;
mod step;
mod target;
mod weights;
mod windows;

pub use crate::ops::lowering::{Matrix, Method, Product};
pub use methods::Decision;
pub use step::{ArenaId, Argument, Binding, BufferId, KernelId, Run, Space, Step, Steps};
pub use target::{Arenas, Candidate, Joins, Packed, Preparation, Target, Views};
pub use weights::Weights;

use crate::budget::Budget;
use crate::error::Result;
use crate::graph::{Graph, index_ranges};
use crate::kernel::{Kernel, Right};
use std::collections::BTreeSet;

/// A model ready for code generation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The distinct kernels; equal shapes share one.
    pub kernels: Vec<Kernel>,
    /// What is done once, when the weights are there and before the first prediction.
    pub prepare: Vec<Run>,
    /// What a prediction does.
    pub steps: Vec<Step>,
    /// Groups of steps, by their numbers in order, that can be done at once when the last of them is due: until then what they read is
    /// there, and it writes to no arena that they read.
    pub joint: Vec<Vec<usize>>,
    /// Packed constants.
    pub weights: Weights,
    /// The first so many bytes of the weights are read by [`Plan::prepare`] only, in the order of its runs: nobody needs
    /// one of them after the run that reads it.
    pub originals_bytes: usize,
    /// Bytes of the constants that [`Plan::prepare`] computes.
    pub prepared_bytes: usize,
    /// Bytes of every arena.
    pub arenas: Vec<usize>,
    /// Bytes of all arenas: the peak of all buffers alive at once, as placed.
    pub arena_bytes: usize,
    /// The largest sum of bytes alive at any step: no placement needs less.
    pub lower_bound_bytes: usize,
    /// The model's inputs, in order.
    pub inputs: Vec<Binding>,
    /// The model's outputs, in order.
    pub outputs: Vec<Binding>,
    /// What there was to decide about products.
    pub decisions: Vec<Decision>,
    /// What is left of the budget of the compilation.
    pub budget: Budget,
}

impl Plan {
    /// All kernel runs of a prediction, those inside loops once.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.steps.iter().flat_map(Step::runs)
    }

    /// Bytes of weights that are the bits of codes, which nothing decodes.
    pub fn code_bytes(&self) -> usize {
        let of_codes = |run: &&Run| {
            let right = match self.kernel(run) {
                Kernel::Contract(kernel) => Some(kernel.right),
                _ => None,
            };
            matches!(right, Some(Right::Codes { .. }))
        };
        // Behind the rows.
        let weights = self
            .runs()
            .filter(of_codes)
            .filter_map(|run| run.arguments.get(1));
        let weights = weights.filter(|argument| argument.space == Space::Weights);
        let parts: BTreeSet<usize> = weights
            .filter_map(|argument| self.weights.part_at(argument.offset))
            .filter(|(_, data)| !data.is_empty())
            .map(|(offset, _)| offset)
            .collect();
        parts.iter().map(|&offset| self.weights.part_bytes(offset)).sum()
    }

    /// The kernel that a run calls.
    pub fn kernel(&self, run: &Run) -> &Kernel {
        &self.kernels[run.kernel.0]
    }
}

/// Plans an optimised graph for a target.
///
/// # Errors
/// When the model does not fit into the target's memory, the budget is used up, or the graph breaks an invariant.
pub fn plan(graph: &Graph, target: &dyn Target) -> Result<Plan> {
    plan_beside(graph, target, None)
}

/// Plans an optimised graph for a target that shares weights with others: `weights` are those of the plans made before,
/// which stay where they are; what they lack comes behind.
///
/// # Errors
/// See [`plan`].
pub fn plan_beside(graph: &Graph, target: &dyn Target, weights: Option<&Weights>) -> Result<Plan> {
    let order = schedule::schedule(graph);
    let mut layout = layout::Layout::new(target.views());
    let own = || Weights::new(target.alignment());
    let shared = weights.cloned().unwrap_or_else(own);
    let mut program = lower::lower(graph, &order, target, &mut layout, shared)?;
    let originals_bytes = match weights {
        None => order::originals_first(&mut program),
        Some(_) => 0,
    };
    let mut plan = memory::place(program, layout, target, graph.budget().clone())?;
    for (input, range) in plan.inputs.iter_mut().zip(index_ranges(graph)) {
        input.range = range;
    }
    plan.originals_bytes = originals_bytes;
    bounds::check(&plan)?;
    Ok(plan)
}
