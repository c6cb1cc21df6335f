//! Rarer functions of `keras.ops`: roots, error functions, angles, remainders.

use super::{atan, log1p};
use crate::pointwise::prim::{abs, copysign, exp, floor, log, max, min, shift_to_exponent, sin, sqrt};
use keras_compile_templates::pointwise;
use std::f32::consts::{LN_2, PI};

/// The cube root: e^(⅓ log |x|) and a step of Newton's.
#[pointwise]
pub fn cbrt(x: f32) -> f32 {
    let a = abs(x);
    let y = exp(log(a) * 0.333_333_34);
    let closer = y - (y - a / (y * y)) * 0.333_333_34;
    let inside = a > 0.0 && a < f32::INFINITY;
    copysign(if inside { closer } else { a }, x)
}

/// 1 - erf x, also where that is small: Numerical Recipes' `erfcc`, with a relative error of 1.2e-7 besides that of x².
#[pointwise]
pub fn erfc(x: f32) -> f32 {
    let z = abs(x);
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = ((0.170_872_77 * t - 0.822_152_23) * t + 1.488_515_9) * t - 1.135_204;
    let p = ((p * t + 0.278_868_07) * t - 0.186_288_06) * t + 0.096_784_18;
    let p = (p * t + 0.374_091_96) * t + 1.000_023_7;
    let tail = t * exp(p * t - 1.265_512_2 - z * z);
    let value = if z > 1e18 { 0.0 } else { tail };
    if x < 0.0 { 2.0 - value } else { value }
}

/// The inverse of the error function: Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2011. ±∞ at ±1, NaN
/// beyond.
#[pointwise]
pub fn erfinv(x: f32) -> f32 {
    let w = -log((1.0 - x) * (1.0 + x));
    let s = w - 2.5;
    let p = ((2.810_226_4e-8 * s + 3.432_739_4e-7) * s - 3.523_387_7e-6) * s - 4.391_506_5e-6;
    let p = ((p * s + 2.185_808_7e-4) * s - 1.253_725e-3) * s - 4.177_681_6e-3;
    let central = (p * s + 0.246_640_73) * s + 1.501_409_4;
    let r = sqrt(w) - 3.0;
    let q = ((-2.002_142_6e-4 * r + 1.009_505_6e-4) * r + 1.349_343_2e-3) * r - 3.673_428_4e-3;
    let q = ((q * r + 5.739_507_7e-3) * r - 7.622_461_4e-3) * r + 9.438_870_5e-3;
    let tail = (q * r + 1.001_674) * r + 2.832_976_8;
    let value = if w < 5.0 { central } else { tail };
    if abs(x) == 1.0 {
        x * f32::INFINITY
    } else {
        value * x
    }
}

/// The modified Bessel function of order 0: Abramowitz and Stegun, 9.8.1 and 9.8.2, with a relative error of 2e-7.
#[pointwise]
pub fn bessel_i0(x: f32) -> f32 {
    let a = abs(x);
    let t = a * 0.266_666_67;
    let z = t * t;
    let p = ((4.581_3e-3 * z + 0.036_076_8) * z + 0.265_973_2) * z + 1.206_749_2;
    let small = ((p * z + 3.089_942_4) * z + 3.515_622_9) * z + 1.0;
    let u = 1.0 / max(t, 1.0);
    let q = ((3.923_77e-3 * u - 0.016_476_33) * u + 0.026_355_37) * u - 0.020_577_06;
    let q = ((q * u + 9.162_81e-3) * u - 1.575_65e-3) * u + 2.253_19e-3;
    let q = (q * u + 0.013_285_92) * u + 0.398_942_3;
    let half = exp(0.5 * a);
    let large = (half * (q / sqrt(a))) * half;
    if t < 1.0 { small } else { large }
}

/// sin(πx)/(πx), 1 at 0.
#[pointwise]
pub fn sinc(x: f32) -> f32 {
    let y = PI * x;
    if x == 0.0 { 1.0 } else { sin(y) / y }
}

/// The angle of the point (x, y), between -π and π.
#[pointwise]
pub fn atan2(y: f32, x: f32) -> f32 {
    let both = abs(x) == f32::INFINITY && abs(y) == f32::INFINITY;
    let origin = x == 0.0 && y == 0.0;
    let side = copysign(1.0, x);
    let ratio = if both { copysign(1.0, y) * side } else { y / x };
    let ratio = if origin { copysign(0.0, y) * side } else { ratio };
    let turn = if side < 0.0 { copysign(PI, y) } else { 0.0 };
    atan(ratio) + turn
}

/// √(x² + y²) without overflow.
#[pointwise]
pub fn hypot(x: f32, y: f32) -> f32 {
    let a = abs(x);
    let b = abs(y);
    let large = max(a, b);
    let small = min(a, b);
    let ratio = small / large;
    let value = large * sqrt(1.0 + ratio * ratio);
    if large == 0.0 || small == large && large == f32::INFINITY {
        large
    } else {
        value
    }
}

/// What is left of x over y, with the sign of x, as Keras computes it on TensorFlow.
#[pointwise]
pub fn fmod(x: f32, y: f32) -> f32 {
    let a = abs(x);
    let b = abs(y);
    let rest = a - b * floor(a / b);
    if x < 0.0 { -rest } else { rest }
}

/// log₂(2ˣ + 2ʸ).
#[pointwise]
pub fn logaddexp2(x: f32, y: f32) -> f32 {
    let value = max(x, y) + log1p(exp(-abs(x - y) * LN_2)) * (1.0 / LN_2);
    if x == y { x + 1.0 } else { value }
}

/// x·2ⁿ for a whole n, rounded once at most: two powers of 2 from their bits.
#[pointwise]
pub fn ldexp(x: f32, n: f32) -> f32 {
    let n = max(min(n, 300.0), -300.0);
    let half = floor(0.5 * n);
    let quarter = floor(0.5 * half);
    let a = shift_to_exponent(quarter + 12_583_039.0);
    let b = shift_to_exponent(half - quarter + 12_583_039.0);
    let rest = n - half;
    let step = floor(0.5 * rest);
    let c = shift_to_exponent(step + 12_583_039.0);
    let d = shift_to_exponent(rest - step + 12_583_039.0);
    x * a * b * c * d
}
