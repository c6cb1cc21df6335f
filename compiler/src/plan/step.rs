//! Steps and their arguments: before buffers have addresses, and after.

use crate::kernel::Kernel;
use crate::ops::IndexRange;
use crate::tensor::TensorType;
use std::collections::HashSet;

/// Contiguous memory with one lifetime: where values lie before they have addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub usize);

/// Index into [`Plan::arenas`](super::Plan::arenas).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArenaId(pub usize);

/// Which of the memories an argument lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space<B = ArenaId> {
    /// Read-only, in [`Plan::weights`](super::Plan::weights).
    Weights,
    /// Written by [`Plan::prepare`](super::Plan::prepare) and read-only afterwards,
    /// [`Plan::prepared_bytes`](super::Plan::prepared_bytes) long.
    Prepared,
    /// Read and written.
    Arena(B),
}

/// Where a kernel finds one of its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Argument<B = ArenaId> {
    /// The memory.
    pub space: Space<B>,
    /// Byte offset in it.
    pub offset: usize,
    /// Bytes added for every iteration of the loop around; 0 outside of loops.
    pub advance: isize,
}

/// Index into [`Plan::kernels`](super::Plan::kernels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelId(pub usize);

/// One kernel with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<B = ArenaId> {
    /// The kernel.
    pub kernel: KernelId,
    /// One argument for each of its operands.
    pub arguments: Vec<Argument<B>>,
    /// The node it computes, for reports.
    pub name: String,
    /// Floating-point operations.
    pub flops: u64,
}

impl<B> Run<B> {
    /// The same with other arguments.
    pub fn map<C>(self, argument: impl FnMut(Argument<B>) -> Argument<C>) -> Run<C> {
        Run {
            kernel: self.kernel,
            arguments: self.arguments.into_iter().map(argument).collect(),
            name: self.name,
            flops: self.flops,
        }
    }
}

/// What is done in sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<B = ArenaId> {
    /// Runs a kernel.
    Run(Run<B>),
    /// Runs `body` `count` times; each time arguments move by their `advance`.
    Loop {
        /// Number of iterations.
        count: usize,
        /// What an iteration does.
        body: Vec<Run<B>>,
    },
}

impl<B> Step<B> {
    /// The kernel runs in it, those of a loop once.
    pub fn runs(&self) -> &[Run<B>] {
        match self {
            Self::Run(run) => std::slice::from_ref(run),
            Self::Loop { body, .. } => body,
        }
    }

    /// How often it runs them.
    pub fn count(&self) -> usize {
        match self {
            Self::Run(_) => 1,
            Self::Loop { count, .. } => *count,
        }
    }

    /// The same with other arguments.
    pub fn map<C>(self, mut argument: impl FnMut(Argument<B>) -> Argument<C>) -> Step<C> {
        match self {
            Self::Run(run) => Step::Run(run.map(argument)),
            Self::Loop { count, body } => Step::Loop {
                count,
                body: body.into_iter().map(|run| run.map(&mut argument)).collect(),
            },
        }
    }
}

/// The steps of a program before they have addresses.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'p> {
    steps: &'p [Step<BufferId>],
    kernels: &'p [Kernel],
    outputs: &'p HashSet<BufferId>,
}

impl<'p> Steps<'p> {
    /// Of a program with these outputs.
    pub(super) fn new(
        steps: &'p [Step<BufferId>],
        kernels: &'p [Kernel],
        outputs: &'p HashSet<BufferId>,
    ) -> Self {
        Self {
            steps,
            kernels,
            outputs,
        }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.steps.len()
    }

    /// The run of a step and its kernel, if it is no loop.
    pub fn single(self, step: usize) -> Option<(&'p Run<BufferId>, &'p Kernel)> {
        match self.steps.get(step)? {
            Step::Run(run) => Some((run, &self.kernels[run.kernel.0])),
            Step::Loop { .. } => None,
        }
    }

    /// The steps that read or write a buffer, in order; none where it is an output of the model, which all may read.
    pub fn with(self, buffer: BufferId) -> Option<Vec<usize>> {
        let touches = |step: &&'p Step<BufferId>| {
            let mut arguments = step.runs().iter().flat_map(|run| &run.arguments);
            arguments.any(|argument| argument.space == Space::Arena(buffer))
        };
        let steps = self.steps.iter().enumerate();
        let found = steps.filter(|(_, step)| touches(step)).map(|(number, _)| number);
        (!self.outputs.contains(&buffer)).then(|| found.collect())
    }
}

/// An input or output of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Its shape and element type in memory, row-major.
    pub ty: TensorType,
    /// The arena.
    pub arena: ArenaId,
    /// Byte offset in it.
    pub offset: usize,
    /// What the elements of an input must be, where they are indices.
    pub range: Option<IndexRange>,
}

impl Binding {
    /// Bounds integers, unless they are bounded more closely, to those that floats have as they are: networks compute with
    /// floats.
    pub fn bound_to_floats(&mut self) {
        const EXACT: i64 = 1 << f32::MANTISSA_DIGITS;
        self.range.get_or_insert(IndexRange {
            first: -EXACT,
            end: EXACT + 1,
        });
    }
}
