//! Kernel families as data: what a backend turns into code, with every shape and stride known.
//!
//! A kernel does not know where its tensors lie: it takes one pointer each, in the order that its type
//! documents. Equal kernels are the same code. Extents and strides count elements of four bytes; the innermost
//! axis of what a kernel writes is contiguous. Image kernels index `[batch, row, pixel, channel]`.
//! [`interpret`] runs every family in the most obvious way: the truth that backends are tested against.

mod contract;
mod depthwise;
mod epilogue;
mod fill;
mod gather;
mod interpret;
mod map;
mod move_;
mod pool;
mod reduce;
mod window;
mod winograd;

pub use contract::{Contract, Right};
pub use depthwise::{DEPTHWISE_LANES, Depthwise};
pub use epilogue::{Epilogue, Image};
pub use fill::{Fill, Region};
pub use gather::Gather;
pub use interpret::{Interpret, Memory};
pub use map::{Map, MapInput};
pub use move_::Move;
pub use pool::{Pool, PoolKind, PoolPadding};
pub use reduce::{KeptAxis, Reduce, ReduceKind};
pub use window::WindowAxis;
pub use winograd::{Transforms, WINOGRAD_LANES, Winograd, WinogradWeights};

/// Lists the families once.
macro_rules! families {
    ($($family:ident = $name:literal),+ $(,)?) => {
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
                match self { $(Self::$family(_) => $name),+ }
            }
            /// Runs the kernel on `memory`; `at` holds the element address of each tensor.
            pub fn interpret(&self, memory: &mut Memory, at: &[usize]) {
                match self { $(Self::$family(kernel) => kernel.interpret(memory, at)),+ }
            }
        }
    };
}

impl Kernel {
    /// Whether it computes, rather than copies or fills.
    pub fn is_arithmetic(&self) -> bool {
        !matches!(self, Self::Move(_) | Self::Fill(_) | Self::Gather(_))
    }

    /// Which pointer is written, and which pointers are read only where the result is about to be written,
    /// under the same strides: the result may lie over them.
    pub fn in_place(&self) -> (usize, Vec<usize>) {
        let image = |out: &Image, epilogue: &Epilogue, first: usize| {
            let same = |s: &[usize; 4]| s[3] == 1 && s[..3] == out[..];
            (0..epilogue.operands.len())
                .filter(|&i| same(&epilogue.operands[i]))
                .map(|i| first + i)
                .collect()
        };
        match self {
            Self::Map(map) => {
                let same = |i: &usize| map.inputs[*i].strides == map.out;
                (map.inputs.len(), (0..map.inputs.len()).filter(same).collect())
            }
            Self::Contract(k) => (2, image(&k.out, &k.epilogue, 3)),
            Self::Winograd(k) => (3, image(&k.out, &k.epilogue, 4)),
            Self::Depthwise(k) => (2, image(&k.out, &k.epilogue, 3)),
            Self::Pool(k) => (1, image(&k.out, &k.epilogue, 2)),
            Self::Reduce(_) | Self::Move(_) | Self::WinogradWeights(_) => (1, Vec::new()),
            Self::Fill(_) => (0, Vec::new()),
            Self::Gather(_) => (2, Vec::new()),
        }
    }
}

families!(
    Map = "map",
    Reduce = "reduce",
    Contract = "contract",
    Winograd = "winograd",
    WinogradWeights = "winograd weights",
    Depthwise = "depthwise",
    Pool = "pool",
    Move = "move",
    Fill = "fill",
    Gather = "gather",
);
