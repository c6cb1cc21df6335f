//! Exponentials: eˣ = 2ⁿ·eʳ with |r| ≤ ½ ln 2, after Cephes.

use crate::pointwise::prim::{max, min, round, shift_to_exponent};
use keras_compile_templates::pointwise;
use std::f32::consts::{LN_2, LOG2_E};

/// ln 2 in two parts. The first has nine bits, so that its product with any exponent is exact.
pub(super) const LN2_HIGH: f32 = 355.0 / 512.0;
/// What is left of ln 2.
pub(super) const LN2_LOW: f32 = -2.121_944_4e-4;
/// Added to n it puts n + 127, the biased exponent, into the lowest bits.
const BIAS: f32 = 12_582_912.0 + 127.0;
/// eʳ = 1 + r + r²(C2 + C3 r + …); relative error of eʳ - 1 is 2.6e-8.
const C2: f32 = 0.499_999_97;
const C3: f32 = 0.166_665_38;
const C4: f32 = 0.041_667_63;
const C5: f32 = 8.367_128e-3;
const C6: f32 = 1.387_791_8e-3;

/// Where n is -126, whose 2ⁿ⁻¹ is 0 without its implicit bit.
const LOWEST: f32 = -126.0 * LN_2;
/// A little above the logarithm of the largest float, 88.7228, where n is 128.
const HIGHEST: f32 = 88.8;

/// The n of x = n ln 2 + r.
#[pointwise]
fn multiple(x: f32) -> f32 {
    round(x * LOG2_E)
}

/// The r of x = n ln 2 + r.
#[pointwise]
fn remainder(x: f32, n: f32) -> f32 {
    x - n * LN2_HIGH - n * LN2_LOW
}

/// eˣ for -87.6 ≤ x ≤ 88.8, and NaN for NaN. See [`exp()`].
#[pointwise]
pub fn exp_unclamped(x: f32) -> f32 {
    const D2: f32 = 2.0 * C2;
    const D3: f32 = 2.0 * C3;
    const D4: f32 = 2.0 * C4;
    const D5: f32 = 2.0 * C5;
    const D6: f32 = 2.0 * C6;
    let n = multiple(x);
    let r = remainder(x, n);
    let p = (((D6 * r + D5) * r + D4) * r + D3) * r + D2;
    // Twice eʳ, times 2ⁿ⁻¹: so n = 128, where eˣ may still be finite, has a finite power.
    let twice = p * (r * r) + (r + r) + 2.0;
    twice * shift_to_exponent(n + (BIAS - 1.0))
}

/// eˣ with at most 1.1 ulp of error. Values below 2^-125.5 = 1.7e-38 (x < -86.99) become 0; from x = 88.7228
/// on it is infinite.
#[pointwise]
pub fn exp(x: f32) -> f32 {
    exp_unclamped(min(max(x, LOWEST), HIGHEST))
}

/// eˣ with at most 2.6 ulp of error, in three quarters of the instructions of [`exp()`]: for sums with 1, as in a
/// sigmoid, which lose the difference. Below -87.3 it stays at 2⁻¹²⁶, from 88.38 on it is infinite.
#[pointwise]
pub fn exp_brief(x: f32) -> f32 {
    // Minimax of degree 5 whose constant is 1; relative error 9.2e-8.
    const C1: f32 = 0.999_999_7;
    const C2: f32 = 0.499_991_48;
    const C3: f32 = 0.166_676_39;
    const C4: f32 = 0.041_898_165;
    const C5: f32 = 8.290_273e-3;
    let y = min(max(x, LOWEST), HIGHEST);
    // Rounds to an integer, as floats of this size are.
    let biased = y * LOG2_E + BIAS;
    let r = remainder(y, biased - BIAS);
    let p = ((((C5 * r + C4) * r + C3) * r + C2) * r + C1) * r + 1.0;
    p * shift_to_exponent(biased)
}

/// eˣ - 1 with at most 1.8 ulp of error, also near 0. In basic instructions on every target: for its own
/// exp the difference would lose all digits there.
#[pointwise]
pub fn expm1(x: f32) -> f32 {
    let y = min(max(x, -40.0), HIGHEST);
    let n = multiple(y);
    let r = remainder(y, n);
    let p = (((C6 * r + C5) * r + C4) * r + C3) * r + C2;
    let reduced = p * (r * r) + r;
    let half = shift_to_exponent(n + (BIAS - 1.0));
    (reduced * half + (half - 0.5)) * 2.0
}
