//! The operations of the graph, one file each: attributes, shape rule, reference evaluation and
//! lowering to a kernel family. All of the dispatch over operations is in `ops!` here.
//!
//! Conventions: images are `[batch, height, width, channels]`; weights of a convolution
//! `[kernel height, kernel width, input channels, output channels]`. Paddings are numbers, every
//! default is resolved. An operation that has an *epilogue* applies its [`Tape`] to each result: input 0 of
//! the tape is the raw result, its further inputs are further inputs of the node, broadcast to the result.

pub mod attributes;
mod concat;
mod conv;
mod gather;
pub mod lowering;
mod map;
mod matmul;
mod pad;
mod pool;
mod products;
mod project;
mod reduce;
mod reference;
mod reshape;
mod scan;
mod slice;
mod source;
mod transpose;

pub use crate::kernel::WindowAxis;
pub use concat::Concat;
pub use conv::Conv;
pub use gather::Gather;
pub use map::Map;
pub use matmul::MatMul;
pub use pad::Pad;
pub use pool::{Pool, PoolKind, PoolPadding};
pub use project::Project;
pub use reduce::{Reduce, ReduceKind};
pub use reshape::Reshape;
pub use scan::Scan;
pub use slice::Slice;
pub use source::{Constant, Input};
pub use transpose::Transpose;

use crate::error::{Error, Result};
use crate::pointwise::Tape;
use crate::tensor::{DType, Tensor, TensorType};
use attributes::Attributes;
use lowering::{Jobs, Product, Site};
use std::fmt;

/// Where the result of an operation may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory of its own, without gaps.
    Dense,
    /// In memory of its own; its strides may be anything as long as the innermost axis is contiguous.
    Strided,
    /// Where its input lies, seen under another shape, if the strides of the input allow it.
    Reshaped,
    /// A part of where its input lies: first element of every axis.
    Part(Vec<usize>),
    /// Its inputs may lie in it, one after the other along this axis.
    Joined(usize),
    /// Nowhere: it is provided, constant, or one of its input's results.
    Elsewhere,
}

/// Integers from `first` to the one before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange {
    /// The smallest.
    pub first: i64,
    /// The first that is too large.
    pub end: i64,
}

/// What every operation must say about itself.
pub trait Operation: Clone + PartialEq + fmt::Debug {
    /// The name in the textual IR.
    const NAME: &'static str;

    /// Types of the results for the given input types.
    ///
    /// # Errors
    /// When the inputs do not fit the attributes; the message says which.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>>;

    /// Computes the results in the most obvious way.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>>;

    /// Attributes in the textual IR, ` key=value` each; defaults are left out.
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        Ok(())
    }

    /// The operation that prints these attributes.
    ///
    /// # Errors
    /// When none does.
    fn parse(text: &mut Attributes<'_>) -> Result<Self>;

    /// Where the result may lie.
    fn storage(&self) -> Storage {
        Storage::Dense
    }

    /// What it multiplies, if it is a convolution or a matrix product that could have constant weights, in input 1.
    fn product(&self, inputs: &[&TensorType], result: &TensorType) -> Option<Product> {
        let _ = (inputs, result);
        None
    }
    /// Adds the kernels that compute the result. Operations without results of their own in memory
    /// (inputs, constants, projections), those whose inputs are written into it, and recurrences, whose body is planned
    /// like a graph, have none.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let _ = (site, jobs);
        Err(Error::internal(format!(
            "{} is not computed by kernels",
            Self::NAME
        )))
    }
    /// Which result of its input the operation stands for, if it is a projection.
    fn projection(&self) -> Option<usize> {
        None
    }

    /// Which of the inputs holds indices, and what they may be.
    fn indices(&self, inputs: &[&TensorType]) -> Option<(usize, IndexRange)> {
        let _ = inputs;
        None
    }

    /// Which of the inputs holds weights, where each channel of the result has its own, and how they lie: the elements of each of
    /// the matrices `[k, channels]` that it consists of, and the channels; 1 where all elements of such a block are one channel's.
    fn weights(&self, inputs: &[&TensorType]) -> Option<(usize, [usize; 2])> {
        let _ = inputs;
        None
    }

    /// Whether the result has all elements of the input at `input`, each as it was but for what
    /// truncation toward zero takes away.
    fn keeps_integers(&self, input: usize) -> bool {
        let _ = input;
        false
    }

    /// The recurrence, if the operation is one.
    fn as_scan(&self) -> Option<&Scan> {
        None
    }

    /// The epilogue and the number of inputs that come before its operands.
    fn epilogue(&self) -> Option<(&Tape, usize)> {
        None
    }

    /// The same operation with another epilogue; `None` when it has none.
    fn with_epilogue(&self, tape: Tape) -> Option<Self> {
        let _ = tape;
        None
    }

    /// Instructions of its function of scalars, if it has one.
    fn scalar_instructions(&self) -> usize {
        self.epilogue().map_or(0, |(tape, _)| tape.instrs().len())
    }

    /// Floating-point operations for the given types, a multiply-add counted as two.
    fn flops(&self, inputs: &[&TensorType], results: &[TensorType]) -> u64 {
        let _ = (inputs, results);
        0
    }
}

/// Lists the operations once: the closed enum [`Op`], its conversions and its dispatch.
macro_rules! ops {
    ($($op:ident),+ $(,)?) => {
        /// An operation of the graph.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($op), "`](struct@", stringify!($op), ").")] $op($op)),+
        }
        $(impl From<$op> for Op {
            fn from(op: $op) -> Self { Self::$op(op) }
        })+
        impl Op {
            /// The name in the textual IR.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$op(_) => <$op as Operation>::NAME),+ }
            }
            /// The operation of this name that prints these attributes.
            ///
            /// # Errors
            /// When there is none.
            pub fn parse(name: &str, text: &mut Attributes<'_>) -> Result<Self> {
                $(if name == <$op as Operation>::NAME {
                    return <$op as Operation>::parse(text).map(Self::$op);
                })+
                Err(Error::malformed(format!("there is no operation {name:?}")))
            }
            /// See [`Operation::infer`].
            ///
            /// # Errors
            /// As there.
            pub fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
                match self { $(Self::$op(op) => op.infer(inputs)),+ }
            }
            /// See [`Operation::eval`].
            ///
            /// # Errors
            /// As there.
            pub fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
                match self { $(Self::$op(op) => op.eval(inputs)),+ }
            }
            /// See [`Operation::storage`].
            pub fn storage(&self) -> Storage {
                match self { $(Self::$op(op) => op.storage()),+ }
            }
            /// Whether the result may lie in its input.
            pub fn is_view(&self) -> bool {
                matches!(self.storage(), Storage::Reshaped | Storage::Part(_))
            }
            /// See [`Operation::projection`].
            pub fn projection(&self) -> Option<usize> {
                match self { $(Self::$op(op) => op.projection()),+ }
            }
            /// See [`Operation::as_scan`].
            pub fn as_scan(&self) -> Option<&Scan> {
                match self { $(Self::$op(op) => op.as_scan()),+ }
            }
            /// See [`Operation::indices`].
            pub fn indices(&self, inputs: &[&TensorType]) -> Option<(usize, IndexRange)> {
                match self { $(Self::$op(op) => op.indices(inputs)),+ }
            }
            /// See [`Operation::weights`].
            pub fn weights(&self, inputs: &[&TensorType]) -> Option<(usize, [usize; 2])> {
                match self { $(Self::$op(op) => op.weights(inputs)),+ }
            }
            /// See [`Operation::keeps_integers`].
            pub fn keeps_integers(&self, input: usize) -> bool {
                match self { $(Self::$op(op) => op.keeps_integers(input)),+ }
            }
            /// See [`Operation::product`].
            pub fn product(&self, inputs: &[&TensorType], result: &TensorType) -> Option<Product> {
                match self { $(Self::$op(op) => op.product(inputs, result)),+ }
            }
            /// See [`Operation::lower`].
            ///
            /// # Errors
            /// As there.
            pub fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
                match self { $(Self::$op(op) => op.lower(site, jobs)),+ }
            }
            /// See [`Operation::epilogue`].
            pub fn epilogue(&self) -> Option<(&Tape, usize)> {
                match self { $(Self::$op(op) => op.epilogue()),+ }
            }
            /// See [`Operation::with_epilogue`].
            pub fn with_epilogue(&self, tape: Tape) -> Option<Self> {
                match self { $(Self::$op(op) => op.with_epilogue(tape).map(Self::$op)),+ }
            }
            /// See [`Operation::scalar_instructions`].
            pub fn scalar_instructions(&self) -> usize {
                match self { $(Self::$op(op) => op.scalar_instructions()),+ }
            }
            /// See [`Operation::flops`].
            pub fn flops(&self, inputs: &[&TensorType], results: &[TensorType]) -> u64 {
                match self { $(Self::$op(op) => op.flops(inputs, results)),+ }
            }
        }
        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())?;
                match self { $(Self::$op(op) => op.attributes(f)),+ }
            }
        }
    };
}

ops!(
    Input, Constant, Map, Conv, MatMul, Pool, Reduce, Concat, Pad, Slice, Transpose, Reshape, Gather, Scan,
    Project,
);

/// The inputs as an array of known length.
fn exactly<'a, T, const N: usize>(inputs: &[&'a T]) -> Result<[&'a T; N]> {
    <[&T; N]>::try_from(inputs.to_vec())
        .map_err(|_| Error::inconsistent(format!("{} inputs where {N} are needed", inputs.len())))
}

/// Checks that epilogue operands broadcast to `result` without enlarging it.
fn check_epilogue(tape: &Tape, operands: &[&TensorType], result: &TensorType) -> Result<()> {
    if tape.inputs() as usize != operands.len() + 1 {
        return Err(Error::inconsistent(format!(
            "an epilogue of {} inputs has {} operands",
            tape.inputs(),
            operands.len()
        )));
    }
    for operand in operands {
        if operand.shape.broadcast(&result.shape).as_ref() != Some(&result.shape) {
            return Err(Error::inconsistent(format!(
                "epilogue operand {operand} does not broadcast to {result}"
            )));
        }
        // Kernels read them as they read their results.
        if operand.dtype != DType::F32 {
            return Err(Error::inconsistent(format!(
                "epilogue operand {operand} is not of floats"
            )));
        }
    }
    Ok(())
}

/// Prints an epilogue unless it is the identity.
fn print_epilogue(tape: &Tape, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if tape.is_identity() {
        Ok(())
    } else {
        write!(f, " epilogue={{{tape}}}")
    }
}
