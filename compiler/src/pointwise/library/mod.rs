//! Every scalar function that layers need. To add one: write it here, and a row in the table of its tests.
//!
//! They are meant for all floats: no intermediate overflows where the result does not, NaN gives NaN, and each
//! is a handful of vector instructions. Where Keras multiplies x by a function that vanishes for x → -∞ (silu,
//! gelu, mish), the result at -∞ itself is NaN, here as there.

mod activations;
mod math;
mod rectifiers;
mod special;

#[cfg(test)]
mod tests;

pub use super::expand::expm1;
pub use super::prim::{abs, ceil, cos, erf, exp, floor, log, max, min, round, sin, sqrt, tanh, trunc};
pub use activations::*;
pub use math::*;
pub use rectifiers::*;
pub use special::*;
