//! Scalar functions as small SSA tapes, written once for all backends.
//!
//! A [`Tape`] computes one f32 from a few f32 inputs, without branches, loops or memory: the kernel
//! families carry tapes for what they do to each element, fusion is [composing](Tape::then) tapes, and a
//! backend prints the instructions of a tape. This is what the instructions mean on every target:
//!
//! * Arithmetic is IEEE 754 binary32, rounded to nearest even. A backend may fuse a product that has no
//!   other use with the addition that takes it, and may flush denormals to zero.
//! * [`Binary::Min`] and [`Binary::Max`] are NaN if either operand is, unlike Rust's
//!   `f32::min`. Of a positive and a negative zero they may return either.
//! * Comparisons with NaN are false, except [`Compare::Ne`], which is true.
//! * Comparisons give masks, which only [`Instr::Logic`], [`Instr::Not`] and the first operand of
//!   [`Instr::Select`] take. [`TapeBuilder`] checks it.
//! * Sign and payload of a NaN are not specified.
//!
//! `#[pointwise]` makes tapes of native functions:
//!
//! ```
//! use keras_compile::pointwise::prim::exp;
//! use keras_compile_templates::pointwise;
//!
//! /// x / (1 + e⁻ˣ)
//! #[pointwise]
//! pub fn swish(x: f32) -> f32 {
//!     x / (1.0 + exp(-x))
//! }
//!
//! # fn main() {
//! assert_eq!(swish::tape().eval(&[0.7]), swish(0.7));
//! assert_eq!(swish::tape().to_string(), "%2 = neg x0; %3 = exp %2; %4 = add %3, 1.0; %5 = div x0, %4");
//! # }
//! ```
//!
//! The functions that layers need are in [`library`], those that a target may lack in [`expand`].

mod affine;
mod build;
mod compose;
mod deviation;
mod eval;
pub mod expand;
mod fuse;
pub mod library;
mod parse;
pub mod prim;
mod print;
mod simplify;
mod tape;
#[cfg(test)]
pub(crate) mod testing;

pub use build::TapeBuilder;
pub use eval::erf;
pub use fuse::Fused;
pub use tape::{Binary, Compare, Instr, Logic, Tape, Unary, Value};
