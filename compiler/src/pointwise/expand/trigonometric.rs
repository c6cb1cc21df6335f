//! Sine and cosine.

use crate::pointwise::prim::{floor, max, min, round};
use keras_compile_templates::pointwise;
use std::f32::consts::{FRAC_2_PI, FRAC_PI_4};

/// π/2 in three parts (Cody & Waite). The first two have eight bits, so that their products with integers up
/// to 2¹⁶ are exact.
const HALF_PI_1: f32 = 1.570_312_5;
const HALF_PI_2: f32 = 4.825_592e-4;
const HALF_PI_3: f32 = 1.267_591_4e-6;

/// Sine with an absolute error of at most 1.3e-7 for |x| ≤ 100 000, and at most 1.6 ulp for |x| ≤ 3. Beyond
/// that range it loses its digits, but stays between -1 and 1. NaN for infinities.
#[pointwise]
pub fn sin(x: f32) -> f32 {
    let n = round(x * FRAC_2_PI);
    sin_of_quadrant(remainder(x, n), n)
}

/// Cosine; errors as for [`sin()`], but within 0.01 of its zeros at ±π/2 only the absolute one is bounded.
#[pointwise]
pub fn cos(x: f32) -> f32 {
    let n = round(x * FRAC_2_PI);
    sin_of_quadrant(remainder(x, n), n + 1.0)
}

/// The r of x = n π/2 + r.
#[pointwise]
fn remainder(x: f32, n: f32) -> f32 {
    let r = x - n * HALF_PI_1 - n * HALF_PI_2 - n * HALF_PI_3;
    min(max(r, -1.01 * FRAC_PI_4), 1.01 * FRAC_PI_4)
}

/// sin(r + n π/2) for |r| ≤ π/4.
#[pointwise]
fn sin_of_quadrant(r: f32, n: f32) -> f32 {
    let z = r * r;
    let sine = ((-1.950_788_3e-4 * z + 8.332_106e-3) * z - 0.166_666_54) * (z * r) + r;
    let cosine = ((2.443_211e-5 * z - 1.388_730_8e-3) * z + 0.041_666_646) * (z * z) + (1.0 - 0.5 * z);
    let half = floor(n * 0.5);
    let quarter = floor(half * 0.5);
    let value = if half + half == n { sine } else { cosine };
    if quarter + quarter == half { value } else { -value }
}
