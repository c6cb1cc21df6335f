//! Elementwise functions beyond activations, as `keras.ops` has them.

use crate::pointwise::expand::log1p_unit;
use crate::pointwise::prim::{abs, copysign, cos, exp, floor, log, max, round, sin, sqrt};
use crate::pointwise::{Binary, Tape, Unary};
use keras_compile_templates::pointwise;
use std::f32::consts::{FRAC_PI_2, LN_2, LOG2_E, LOG10_E};

/// x².
#[pointwise]
pub fn square(x: f32) -> f32 {
    x * x
}

/// 1/x.
#[pointwise]
pub fn reciprocal(x: f32) -> f32 {
    1.0 / x
}

/// x rounded to a float of 8 bits, e4m3: a sign, 4 bits of exponent and 3 of mantissa, half to even; for |x| up to 448.
#[pointwise]
pub fn float8(x: f32) -> f32 {
    let a = abs(x);
    let step = if a < 0.03125 {
        0.001953125
    } else if a < 0.0625 {
        0.00390625
    } else if a < 0.125 {
        0.0078125
    } else if a < 0.25 {
        0.015625
    } else if a < 0.5 {
        0.03125
    } else if a < 1.0 {
        0.0625
    } else if a < 2.0 {
        0.125
    } else if a < 4.0 {
        0.25
    } else if a < 8.0 {
        0.5
    } else if a < 16.0 {
        1.0
    } else if a < 32.0 {
        2.0
    } else if a < 64.0 {
        4.0
    } else if a < 128.0 {
        8.0
    } else if a < 256.0 {
        16.0
    } else {
        32.0
    };
    round(x / step) * step
}

/// x by the product of two scales.
#[pointwise]
pub fn rescaled(x: f32, a: f32, b: f32) -> f32 {
    x / (a * b)
}

/// 1/√x.
#[pointwise]
pub fn rsqrt(x: f32) -> f32 {
    1.0 / sqrt(x)
}

/// -1, 0 or 1 by the sign; NaN for NaN.
#[pointwise]
pub fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// log(1 + x), also near 0: the log of the rounded sum w, and to first order what the rounding took.
#[pointwise]
pub fn log1p(x: f32) -> f32 {
    let w = x + 1.0;
    let lost = (x - (w - 1.0)) / w;
    let finite = x > -1.0 && x < f32::INFINITY;
    log(w) + if finite { lost } else { 0.0 }
}

/// Logarithm to base 2.
#[pointwise]
pub fn log2(x: f32) -> f32 {
    log(x) * LOG2_E
}

/// Logarithm to base 10.
#[pointwise]
pub fn log10(x: f32) -> f32 {
    log(x) * LOG10_E
}

/// log(eˣ + eʸ).
#[pointwise]
pub fn logaddexp(x: f32, y: f32) -> f32 {
    max(x, y) + log1p_unit(exp(-abs(x - y)))
}

/// sin x / cos x, in the range of [`sin()`] on targets that lack it.
#[pointwise]
pub fn tan(x: f32) -> f32 {
    sin(x) / cos(x)
}

/// Hyperbolic sine: its series up to 1, and ½eᵃ - ½e⁻ᵃ beyond, as a product of two halves against
/// overflow.
#[pointwise]
pub fn sinh(x: f32) -> f32 {
    let z = x * x;
    let p = ((2.755_732e-6 * z + 1.984_127e-4) * z + 8.333_334e-3) * z + 0.166_666_67;
    let half = exp(0.5 * abs(x));
    let large = (0.5 * half) * half;
    if z < 1.0 {
        p * (z * x) + x
    } else {
        copysign(large - 0.25 / large, x)
    }
}

/// Hyperbolic cosine.
#[pointwise]
pub fn cosh(x: f32) -> f32 {
    let half = exp(0.5 * abs(x));
    let large = (0.5 * half) * half;
    large + 0.25 / large
}

/// Inverse hyperbolic sine: log(a + √(a² + 1)) for a = |x|, arranged for [`log1p()`]; log(2a) for large a.
#[pointwise]
pub fn asinh(x: f32) -> f32 {
    let a = abs(x);
    let z = a * a;
    let value = if a < 1e9 {
        log1p(a + z / (1.0 + sqrt(z + 1.0)))
    } else {
        log(a) + LN_2
    };
    copysign(value, x)
}

/// Inverse hyperbolic cosine, NaN below 1.
#[pointwise]
pub fn acosh(x: f32) -> f32 {
    let t = x - 1.0;
    if x < 1e9 {
        log1p(t + sqrt(t) * sqrt(x + 1.0))
    } else {
        log(x) + LN_2
    }
}

/// Inverse hyperbolic tangent.
#[pointwise]
pub fn atanh(x: f32) -> f32 {
    let a = abs(x);
    copysign(0.5 * log1p((a + a) / (1.0 - a)), x)
}

/// Inverse tangent: an odd polynomial up to 1 (relative error 1.8e-8), π/2 - atan(1/x) beyond.
#[pointwise]
pub fn atan(x: f32) -> f32 {
    let a = abs(x);
    let t = if a > 1.0 { 1.0 / a } else { a };
    let z = t * t;
    let p = ((2.920_914e-3 * z - 0.016_367_499) * z + 0.043_209_508) * z - 0.075_519_17;
    let p = (((p * z + 0.106_658_354) * z - 0.142_110_08) * z + 0.199_937_67) * z - 0.333_331_53;
    let value = p * (z * t) + t;
    copysign(if a > 1.0 { FRAC_PI_2 - value } else { value }, x)
}

/// Inverse sine, NaN beyond ±1.
#[pointwise]
pub fn asin(x: f32) -> f32 {
    atan(x / sqrt((1.0 - x) * (1.0 + x)))
}

/// Inverse cosine, NaN beyond ±1.
#[pointwise]
pub fn acos(x: f32) -> f32 {
    let value = atan(sqrt((1.0 - x) / (1.0 + x)));
    value + value
}

/// The greatest integer not above x/y.
#[pointwise]
pub fn floor_divide(x: f32, y: f32) -> f32 {
    floor(x / y)
}

/// x - y·⌊x/y⌋, with the sign of y.
#[pointwise]
pub fn floor_mod(x: f32, y: f32) -> f32 {
    x - y * floor(x / y)
}

/// xʸ as e^(y log |x|), with the sign of an odd power; NaN for other powers of negative x. The relative error is
/// about (1.5 + 1.5|y log x|)·2⁻²⁴. Where the exponent is constant, [`power`] may do better.
#[pointwise]
pub fn pow(x: f32, y: f32) -> f32 {
    let size = exp(y * log(abs(x)));
    let integral = floor(y) == y;
    let even = floor(0.5 * y) + floor(0.5 * y) == y;
    let signed = if integral && !even {
        copysign(size, x)
    } else {
        size
    };
    let value = if x < 0.0 && !integral { f32::NAN } else { signed };
    if y == 0.0 || x == 1.0 { 1.0 } else { value }
}

/// x to a constant power: by products and roots for multiples of ½ up to 4 (rounded after each, so exact to
/// a few ulp), else by [`pow()`].
pub fn power(exponent: f32) -> Tape {
    let halves = 2.0 * exponent.abs();
    if halves.fract() != 0.0 || halves > 8.0 {
        return pow::with(exponent);
    }
    let mut b = crate::pointwise::TapeBuilder::new(1);
    let x = b.input(0);
    let mut result = b.constant(1.0);
    for _ in 0..(halves as u32 / 2) {
        result = b.binary(Binary::Mul, result, x);
    }
    if halves as u32 % 2 == 1 {
        let root = b.unary(Unary::Sqrt, x);
        result = b.binary(Binary::Mul, result, root);
    }
    if exponent < 0.0 {
        let one = b.constant(1.0);
        result = b.binary(Binary::Div, one, result);
    }
    b.finish(result)
}
