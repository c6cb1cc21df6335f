//! Kernel families as data: what a backend turns into code, with every shape and stride known.
//!
//! A kernel does not know where its tensors lie: it takes one pointer for each of its [operands](Operand), which its
//! family names once. Equal kernels are the same code. Extents and strides count elements of four bytes; the innermost
//! axis of what a kernel writes is contiguous. Image kernels index `[batch, row, pixel, channel]`.
//! [`interpret`] runs every family in the most obvious way: the truth that backends are tested against.

mod axes;
mod contract;
mod convolve;
mod depthwise;
mod epilogue;
mod fill;
mod found;
mod gather;
mod interpret;
mod map;
mod move_;
mod operand;
mod pool;
mod quantize;
mod reduce;
mod window;
mod winograd;

pub use contract::{Contract, ContractOperands, Right};
pub use convolve::{Convolve, ConvolveOperands};
pub use depthwise::{DEPTHWISE_LANES, Depthwise, DepthwiseOperands};
pub use epilogue::{Epilogue, Image};
pub use fill::{Fill, FillOperands, Region};
pub use found::{Account, Found, Measured, Raw};
pub use gather::{Gather, GatherOperands};
pub use interpret::{Elements, Memory, Store, Touched};
use interpret::{for_each, unravel};
pub use map::{Map, MapInput, MapOperands};
pub use move_::{Move, MoveOperands};
pub use operand::{Operand, Operands, Role, Span};
pub use pool::{Pool, PoolKind, PoolOperands, PoolPadding};
pub use quantize::{LEAST_PEAK, MOST_ELEMENTS, NEAREST, Quantize, QuantizeOperands};
pub use reduce::{KeptAxis, Reduce, ReduceKind, ReduceOperands};
use std::fmt;
use std::hash::Hash;
pub use window::WindowAxis;
pub use winograd::{
    Transforms, WINOGRAD_LANES, Winograd, WinogradOperands, WinogradWeights, WinogradWeightsOperands,
};

/// What every family must say.
pub trait Family: Clone + fmt::Debug + Eq + Hash {
    /// Its name in reports.
    const NAME: &'static str;
    /// Whether it computes, rather than copies or fills.
    const IS_ARITHMETIC: bool;
    /// One value for each of its operands.
    type Of<T>: Operands<T>;

    /// What it touches.
    fn operands(&self) -> Self::Of<Operand>;

    /// The extents of its results: each has an index below them.
    fn extents(&self) -> Vec<usize>;

    /// The result of an index, computed in the most obvious way; `at` holds the element address of each operand.
    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &Self::Of<usize>,
        index: &[usize],
    ) -> Found;

    /// Computes all results in `memory`. A family may share work between results.
    fn interpret(&self, memory: &mut (impl Store + ?Sized), at: Self::Of<usize>) {
        for_each(&self.extents(), |index| {
            let found = self.result::<f64>(memory, &at, index);
            memory.put(found);
        });
    }
}

/// Lists the families once.
macro_rules! families {
    ($($family:ident),+ $(,)?) => {
        /// A kernel of any family.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Kernel {
            $(#[doc = concat!("See [`", stringify!($family), "`](struct@", stringify!($family), ").")]
              $family($family)),+
        }
        $(impl From<$family> for Kernel {
            fn from(kernel: $family) -> Self { Self::$family(kernel) }
        })+
        impl Kernel {
            /// The family's name in reports.
            pub fn family(&self) -> &'static str {
                match self { $(Self::$family(_) => <$family as Family>::NAME),+ }
            }
            /// Whether it computes, rather than copies or fills.
            pub fn is_arithmetic(&self) -> bool {
                match self { $(Self::$family(_) => <$family as Family>::IS_ARITHMETIC),+ }
            }
            /// What it touches, in the order of its pointers.
            pub fn operands(&self) -> Vec<Operand> {
                match self { $(Self::$family(kernel) => kernel.operands().into_list()),+ }
            }
            /// The extents of its results, outermost first: usually those of what it writes.
            pub fn extents(&self) -> Vec<usize> {
                match self { $(Self::$family(kernel) => kernel.extents()),+ }
            }
            /// One result, by its place among all of the [extents](Self::extents) in row-major order, with its tolerance;
            /// `at` holds the element address of each operand, in the order of pointers.
            ///
            /// # Panics
            /// When there is no such result, or not one address for each operand.
            pub fn sample(&self, memory: &(impl Elements + ?Sized), at: &[usize], result: usize) -> Found {
                let extents = self.extents();
                assert!(result < extents.iter().product(), "there is no result {result}");
                let index = unravel(&extents, result);
                match self {
                    $(Self::$family(kernel) => {
                        kernel.result::<Measured>(memory, &Operands::from_list(at.to_vec()), &index)
                    })+
                }
            }
            /// Runs the kernel on `memory`; `at` holds the element address of each operand, in the order of pointers.
            ///
            /// # Panics
            /// When there is not one address for each operand, or one leads out of memory.
            pub fn interpret(&self, memory: &mut (impl Store + ?Sized), at: &[usize]) {
                match self {
                    $(Self::$family(kernel) => kernel.interpret(memory, Operands::from_list(at.to_vec()))),+
                }
            }
        }
    };
}

families!(
    Map,
    Reduce,
    Contract,
    Convolve,
    Winograd,
    WinogradWeights,
    Depthwise,
    Pool,
    Move,
    Fill,
    Gather,
    Quantize,
);
