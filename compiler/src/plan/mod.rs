//! From a graph to a plan: order, kernels, physical layout and memory. Everything a backend needs is in [`Plan`].
//!
//! 1. [`schedule`] orders the nodes for little memory.
//! 2. [`layout`] gives every value a place: a buffer of its own, or a view into another one (reshapes and slices
//!    look into their input, concatenation lets producers write into place, padded convolutions let
//!    their producer write into the middle of a zeroed frame).
//! 3. [`lower`] turns nodes into steps: kernels with their arguments, and loops.
//! 4. [`memory`] packs buffers with exact lifetimes into one arena.

mod layout;
mod lower;
mod memory;
mod schedule;
mod weights;

pub use weights::Weights;

use crate::budget::Budget;
use crate::error::Result;
use crate::graph::{Graph, index_ranges};
use crate::kernel::Kernel;
use crate::ops::IndexRange;
use crate::tensor::TensorType;

/// Every buffer and every packed weight starts at a multiple of this many bytes: a cache line.
pub const ALIGNMENT: usize = 64;

/// Which of the memories an argument lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// Read-only, in [`Plan::weights`].
    Weights,
    /// Written by [`Plan::prepare`] and read-only afterwards, [`Plan::prepared_bytes`] long.
    Prepared,
    /// Read and written, [`Plan::arena_bytes`] long.
    Arena,
}

/// Where a kernel finds one of its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Argument {
    /// The memory.
    pub space: Space,
    /// Byte offset in it.
    pub offset: usize,
    /// Bytes added for every iteration of the loop around; 0 outside of loops.
    pub advance: isize,
}

/// Index into [`Plan::kernels`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelId(pub usize);

/// One kernel with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The kernel.
    pub kernel: KernelId,
    /// One argument for each of its pointers.
    pub arguments: Vec<Argument>,
    /// The node it computes, for reports.
    pub name: String,
    /// Floating-point operations.
    pub flops: u64,
}

/// What is done in sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Runs a kernel.
    Run(Run),
    /// Runs `body` `count` times; each time arguments move by their `advance`.
    Loop {
        /// Number of iterations.
        count: usize,
        /// What an iteration does.
        body: Vec<Run>,
    },
}

/// An input or output of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Its shape and element type in memory, row-major.
    pub ty: TensorType,
    /// Byte offset in the arena.
    pub offset: usize,
    /// What the elements of an input must be, where they are indices.
    pub range: Option<IndexRange>,
}

/// A model ready for code generation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The distinct kernels; equal shapes share one.
    pub kernels: Vec<Kernel>,
    /// What is done once, when the weights are there and before the first prediction.
    pub prepare: Vec<Run>,
    /// What a prediction does.
    pub steps: Vec<Step>,
    /// Packed constants.
    pub weights: Weights,
    /// Bytes of the constants that [`Plan::prepare`] computes.
    pub prepared_bytes: usize,
    /// Bytes of the arena: the peak of all buffers alive at once, as placed.
    pub arena_bytes: usize,
    /// The largest sum of bytes alive at any step: no placement needs less.
    pub lower_bound_bytes: usize,
    /// The model's inputs, in order.
    pub inputs: Vec<Binding>,
    /// The model's outputs, in order.
    pub outputs: Vec<Binding>,
    /// What is left of the budget of the compilation.
    pub budget: Budget,
}

impl Plan {
    /// All kernel runs of a prediction, those inside loops once.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.steps.iter().flat_map(|step| match step {
            Step::Run(run) => std::slice::from_ref(run),
            Step::Loop { body, .. } => body,
        })
    }
    /// The kernel that a run calls.
    pub fn kernel(&self, run: &Run) -> &Kernel {
        &self.kernels[run.kernel.0]
    }
}

/// Plans an optimised graph.
///
/// # Errors
/// When the model does not fit into 32-bit memory, the budget is used up, or the graph breaks an invariant.
pub fn plan(graph: &Graph) -> Result<Plan> {
    let order = schedule::schedule(graph);
    let mut layout = layout::Layout::default();
    let program = lower::lower(graph, &order, &mut layout)?;
    let mut plan = memory::place(program, layout, graph.budget().clone())?;
    for (input, range) in plan.inputs.iter_mut().zip(index_ranges(graph)) {
        input.range = range;
    }
    Ok(plan)
}
