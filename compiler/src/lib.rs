//! Ahead-of-time compiler from trained Keras models to WebAssembly bundles. This is the manual of what
//! lies between the two.
//!
//! [`compile()`] runs the whole line; each part can be used alone:
//!
//! ```text
//! model.h5 ── keras::read ──▶ KerasModel ── keras::lower ──▶ Graph ── passes::run ──▶ Graph
//!   ── plan::plan ──▶ Plan ── Backend::build ──▶ Build ── bundle::write ──▶ directory
//! ```
//!
//! # The graph
//!
//! A [`Graph`](graph::Graph) is a set of nodes. A node is an operation of [`ops`] with its attributes, an ordered list
//! of inputs, and the types of its results, which follow from the two ([`Op::infer`](ops::Op::infer)). All
//! shapes are known, and an element is an `f32` or an `i32`. Some nodes are the graph's inputs, and some of its
//! values are its outputs, by name. What holds of every graph is listed at [`Graph::verify`](graph::Graph::verify)
//! and checked there.
//!
//! The language is small, since everything is resolved when a layer is lowered:
//!
//! * Images are `[batch, height, width, channels]` whatever the model's file says, and weights of a convolution
//!   `[kernel height, kernel width, input channels, output channels]`. One-dimensional layers are images of height 1.
//! * Padding is a number before and a number after each axis ([`WindowAxis`](ops::WindowAxis)), printed as
//!   `size/stride*dilation+before+after`, of which the usual parts are left out.
//! * A batch normalisation, an activation, a merge layer is a [`Map`](ops::Map): any function of scalars, applied
//!   element by element to inputs that broadcast.
//! * A recurrence is a [`Scan`](ops::Scan): a graph of its own, run once per time step.
//! * Reshapes, slices and concatenations mostly cost nothing: the plan lets values lie inside each other.
//!
//! # Tapes and epilogues
//!
//! The functions of scalars are [`Tape`](pointwise::Tape)s: straight-line programs over `f32` in single assignment
//! form, `%1 = mul x0, 0.5; %2 = max %1, x1`, where `x0`, `x1` … are the inputs. Composing two tapes is fusion, and
//! every backend prints their instructions, so that a function is written once for all targets.
//!
//! Operations that compute (convolutions, products, pools, reductions) carry one as their *epilogue*: it is applied
//! to each result before it is written. Its input `x0` is the raw result; further inputs are further inputs of
//! the node, which broadcast to the result. A bias is not part of it, since kernels start their sums from it.
//!
//! # An example
//!
//! A convolution, its activation, and the passes that make one node of the two:
//!
//! ```
//! use keras_compile::backends::wasm::Wasm;
//! use keras_compile::graph::{Builder, Graph};
//! use keras_compile::ops::{Conv, WindowAxis};
//! use keras_compile::pointwise::{Tape, library::relu};
//! use keras_compile::tensor::{Tensor, TensorType};
//! use keras_compile::{passes, plan};
//!
//! # fn main() -> keras_compile::error::Result<()> {
//! let mut graph = Graph::new();
//! let mut build = Builder::new(&mut graph, "conv");
//! let x = build.input("image", TensorType::f32([1, 8, 8, 2]))?;
//! let weights = build.constant(Tensor::splat([3, 3, 2, 4], 0.5))?;
//! let same = WindowAxis { before: 1, after: 1, ..WindowAxis::new(3) };
//! let conv = Conv {
//!     window: [same, same],
//!     groups: 1,
//!     bias: false,
//!     epilogue: Tape::identity(),
//! };
//! let y = build.add(conv, &[x, weights])?;
//! build.name = "relu".to_owned();
//! let y = build.map(relu::tape(), &[y])?;
//! graph.add_output("features", y);
//!
//! passes::run(&mut graph, passes::Options::default())?;
//! assert_eq!(graph.to_string(), "\
//! %0: f32[1,8,8,2] = input \"image\"() ; conv
//! %1: f32[3,3,2,4] = constant splat=0.5() ; conv
//! %2: f32[1,8,8,4] = conv window=3+1+1x3+1+1 epilogue={%2 = max x0, 0.0}(%0, %1) ; conv
//! output \"features\" = %2
//! ");
//!
//! // Every operation can evaluate itself, slowly and obviously.
//! let ones = Tensor::splat([1, 8, 8, 2], 1.0);
//! assert_eq!(graph.eval(&[ones])?[0].as_f32()?[..4], [4.0; 4]);
//!
//! // The convolution reads a copy of the image with a frame of zeros, so that no tap needs a check.
//! let plan = plan::plan(&graph, &Wasm::default())?;
//! let families: Vec<_> = plan.runs().map(|run| plan.kernel(run).family()).collect();
//! assert_eq!(families, ["fill", "move", "contract"]);
//! // Each of its 8 x 8 x 4 results takes 3 x 3 x 2 multiplications and additions.
//! assert_eq!(plan.runs().map(|run| run.flops).sum::<u64>(), 2 * 8 * 8 * 4 * 3 * 3 * 2);
//! # Ok(())
//! # }
//! ```
//!
//! # The plan
//!
//! A [`Plan`](plan::Plan) is a list of steps, each a kernel with its pointers, or a loop of such. Kernels belong
//! to the few families of [`kernel`]: they are data, extents and strides and a tape, and know nothing of
//! operations; kernels of equal shape are one. Each says what it touches: its [operands](kernel::Operand), with the role
//! of each and the elements that it spans. Pointers lead into the packed weights, into what some kernels prepare
//! from them once, when a model is loaded ([`Plan::prepare`](plan::Plan::prepare)), and into arenas in which all values have their
//! place for as long as they are needed. Nothing is allocated, looked up or decided when a model runs.
//!
//! The graph says what is computed, a [`Target`](plan::Target) how: by which method, with weights arranged in which way, and
//! which values may lie inside others. Plans of one graph for two targets differ in all of it.
//!
//! A backend turns each family into code and sees nothing above the plan.
//! [`Kernel::interpret`](kernel::Kernel::interpret) says what a family means, and backends are tested against it.

// `#[pointwise]` names this crate from inside and outside alike.
extern crate self as keras_compile;

pub mod arrays;
pub mod backends;
pub mod budget;
pub mod bundle;
pub mod check;
pub mod error;
pub mod files;
pub mod graph;
pub mod keras;
pub mod kernel;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod pointwise;
pub mod preparation;
pub mod quantize;
pub mod report;
pub mod shader;
pub mod tensor;
pub mod text;

mod compile;

pub use compile::{Options, Outcome, Prepared, Progress, Source, Stage, compile, prepare, strings};
