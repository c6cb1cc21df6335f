//! The error function.

use super::exponential::exp_unclamped;
use crate::pointwise::prim::{abs, copysign, min};
use keras_compile_templates::pointwise;

/// The error function with at most 1.2 ulp of error: an odd polynomial for small |x|, else one minus the
/// exponential of a polynomial.
#[pointwise]
pub fn erf(x: f32) -> f32 {
    let z = x * x;
    let p = (((-5.956_646e-4 * z + 4.986_85e-3) * z - 0.026_762_696) * z + 0.112_817_265) * z - 0.376_124_9;
    let small = (p * z + 0.128_379_15) * x + x;
    // From 3.9 on the result rounds to 1.
    let a = min(abs(x), 4.0);
    let q = ((-2.139_911_7e-4 * a + 3.214_991e-3) * a - 0.022_890_039) * a + 0.105_261_914;
    let exponent = ((q * a + 0.635_718_3) * a + 0.128_514_36) * a + a;
    let large = 1.0 - exp_unclamped(-exponent);
    if a < 0.925 { small } else { copysign(large, x) }
}
