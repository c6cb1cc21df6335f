//! Logarithms, after Cephes' logf.

use super::exponential::{LN2_HIGH, LN2_LOW};
use crate::pointwise::prim::{exponent, mantissa};
use keras_compile_templates::pointwise;

/// Natural logarithm with at most 0.9 ulp of error, also for denormals. -infinity at zeros, NaN below.
#[pointwise]
pub fn log(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let normal = if tiny { x * 8_388_608.0 } else { x };
    let e = exponent(normal) - if tiny { 23.0 } else { 0.0 };
    // x = (1 + f)·2ᵉ with √½ ≤ 1 + f < √2; log(1 + f) = f - ½f² + f³·p.
    let f = mantissa(normal) - 1.0;
    let square = f * f;
    let p = log_tail(f);
    let rest = p * (square * f) + e * LN2_LOW - 0.5 * square;
    let result = (f + rest) + e * LN2_HIGH;
    if x > 0.0 {
        if x < f32::INFINITY { result } else { x }
    } else if x == 0.0 {
        f32::NEG_INFINITY
    } else {
        f32::NAN
    }
}

/// The polynomial of [`log()`]; relative error of the logarithm is 5e-9.
#[pointwise]
fn log_tail(f: f32) -> f32 {
    let p = ((0.070_140_66 * f - 0.118_572_65) * f + 0.118_755_79) * f - 0.123_743_55;
    let p = ((p * f + 0.142_165_8) * f - 0.166_699_02) * f + 0.200_023_93;
    (p * f - 0.249_999_76) * f + 0.333_333_08
}

/// log(1 + u) for 0 ≤ u ≤ 1 with at most 2.1 ulp of error, also near 0: twice the inverse hyperbolic tangent
/// of s = u/(2 + u), a short odd polynomial.
#[pointwise]
pub fn log1p_unit(u: f32) -> f32 {
    let s = u / (u + 2.0);
    let z = s * s;
    let p = ((0.280_140_1 * z + 0.280_023_55) * z + 0.400_214_37) * z + 0.666_664_2;
    p * (z * s) + (s + s)
}
