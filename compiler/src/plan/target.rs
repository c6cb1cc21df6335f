//! What a plan asks the machine that it is made for.

use super::step::Steps;
use crate::error::Result;
use crate::kernel::{Image, Kernel};
use crate::ops::lowering::{Matrix, Method, Product};

/// A machine that plans are made for: everything that the graph does not say and that another machine would answer
/// in another way.
pub trait Target {
    /// Bytes of which the address of every buffer and of all weights is a multiple.
    fn alignment(&self) -> usize;

    /// How memory is divided.
    fn arenas(&self) -> Arenas;

    /// Most bytes of all arenas together.
    fn most_arena_bytes(&self) -> usize;

    /// Whether a result may lie over an operand that its kernel reads last, see
    /// [`Operand::is_under`](crate::kernel::Operand::is_under).
    fn writes_in_place(&self) -> bool;

    /// Which values kernels find inside others.
    fn views(&self) -> Views;

    /// The ways to compute a product with constant weights that fit it and are not known to be slower, at least one that
    /// adds no error.
    fn methods(&self, product: &Product) -> Vec<Candidate>;

    /// With [`Arenas::Own`]: a number for how the results of a kernel lie in memory. Only values that are written alike take turns.
    fn form(&self, kernel: &Kernel) -> usize {
        let _ = kernel;
        0
    }

    /// Whether one kernel multiplies a batch of matrices with a matrix for each, else there is one for every matrix.
    fn batches_products(&self) -> bool {
        false
    }

    /// Groups of steps that its code may do at once, with the last of each, by their numbers in order. No step is in two of them, and
    /// no other reads what any but the last writes.
    fn joint(&self, steps: Steps<'_>) -> Vec<Vec<usize>> {
        let _ = steps;
        Vec::new()
    }

    /// Whether the pixels of an image, which have these distances where windows of one tap read them, should be copied
    /// together first.
    fn compacts(&self, product: &Product, a: &Image) -> bool;

    /// Arranges weights as a kernel that was made for this target reads them.
    ///
    /// # Errors
    /// When this target makes no such kernel (a bug of ours).
    fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed>;
}

/// How memory is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arenas {
    /// All values lie in one.
    One,
    /// As few as needed so that no kernel writes to one that it also reads.
    Apart,
    /// Every value has its own while it is needed; values of one size and form take turns.
    Own,
}

/// Which values kernels find inside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Views {
    /// The elements of a value under another shape.
    pub reshapes: bool,
    /// A part of a value, where it is.
    pub parts: bool,
    /// An input of a concatenation, written where it belongs.
    pub joins: Joins,
    /// A value with zeros around it.
    pub frames: bool,
}

/// Which inputs of concatenations are written where they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// All that can be.
    All,
    /// Those whose kernels read nothing of the memory that they then write to.
    Apart,
    /// None.
    None,
}

impl Views {
    /// All of them.
    pub const ALL: Self = Self {
        reshapes: true,
        parts: true,
        joins: Joins::All,
        frames: true,
    };
    /// None: every value stands for itself.
    pub const NONE: Self = Self {
        reshapes: false,
        parts: false,
        joins: Joins::None,
        frames: false,
    };
}

/// A way to compute a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// How.
    pub method: Method,
    /// Estimated nanoseconds.
    pub cost: f64,
    /// A bound of the error that it adds to a result, beyond that of sums as Keras computes them, relative to the root
    /// mean square of results.
    pub error: f64,
}

/// Weights as a kernel reads them.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// What is stored.
    pub data: Vec<f32>,
    /// What makes those that the kernel reads from them, when a model is loaded.
    pub prepare: Option<Preparation>,
    /// Whether they are the bits of codes, to be stored as they are.
    pub codes: bool,
}

/// The making of constants from stored ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// The kernel, of two operands: what is stored, and what is made.
    pub kernel: Kernel,
    /// Elements of what is made.
    pub elements: usize,
}
