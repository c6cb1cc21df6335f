//! Hyperbolic tangent.

use super::exponential::exp_unclamped;
use crate::pointwise::prim::{abs, copysign, min};
use keras_compile_templates::pointwise;

/// tanh with at most 1.4 ulp of error: an odd polynomial for small |x|, else 1 - 2/(e²ˣ + 1).
#[pointwise]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p =
        (((-5.693_396_6e-3 * z + 0.020_628_845) * z - 0.053_736_616) * z + 0.133_314_06) * z - 0.333_332_8;
    let small = p * (z * x) + x;
    let a = abs(x);
    // From 9.1 on the result rounds to 1.
    let e = exp_unclamped(min(a + a, 20.0));
    let large = 1.0 - 2.0 / (e + 1.0);
    if a < 0.625 { small } else { copysign(large, x) }
}
