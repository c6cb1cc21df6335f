//! Smooth activations. Formulas are those of `keras.activations`.

use crate::pointwise::expand::{exp_brief, expm1, log1p_unit};
use crate::pointwise::prim::{abs, erf, exp, max, min, sqrt, tanh};
use keras_compile_templates::pointwise;

/// 1 / (1 + e⁻ˣ), within 3 ulp. e⁻ˣ may overflow: then the result is 0, as it should be.
#[pointwise]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp_brief(-x))
}

/// log(1 + eˣ), as max(x, 0) + log(1 + e^-|x|).
#[pointwise]
pub fn softplus(x: f32) -> f32 {
    max(x, 0.0) + log1p_unit(exp(-abs(x)))
}

/// log(sigmoid(x)) = -softplus(-x).
#[pointwise]
pub fn log_sigmoid(x: f32) -> f32 {
    -softplus(-x)
}

/// x / (1 + |x|).
#[pointwise]
pub fn softsign(x: f32) -> f32 {
    x / (1.0 + abs(x))
}

/// x · sigmoid(x), also called swish.
#[pointwise]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp_brief(-x))
}

/// x · Φ(x) with the normal distribution's Φ(x) = ½(1 + erf(x/√2)): `gelu(approximate=False)`.
#[pointwise]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// ½x(1 + tanh u), u = √(2/π)(x + 0.044715x³): `gelu(approximate=True)`. Since ½(1 + tanh u) = sigmoid(2u),
/// it costs one exp.
#[pointwise]
pub fn gelu_tanh(x: f32) -> f32 {
    const TWICE_SQRT_2_PI: f32 = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::SQRT_2;
    let u = (x * x * (0.044_715 * TWICE_SQRT_2_PI) + TWICE_SQRT_2_PI) * x;
    x / (1.0 + exp_brief(-u))
}

/// x · tanh(softplus(x)). With n = eˣ(eˣ + 2), the hyperbolic tangent of log(1 + eˣ) is n/(n + 2), which is 1
/// in f32 long before x = 20.
#[pointwise]
pub fn mish(x: f32) -> f32 {
    let e = exp(min(x, 20.0));
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

/// x above zero, α(eˣ - 1) below.
#[pointwise]
pub fn elu(x: f32, alpha: f32) -> f32 {
    if x < 0.0 { alpha * expm1(x) } else { x }
}

/// Scaled [`elu()`] (Klambauer et al. 2017), with the constants that Keras has.
#[pointwise]
pub fn selu(x: f32) -> f32 {
    const SCALE: f32 = 1.050_701;
    const SCALE_ALPHA: f32 = 1.758_099_3;
    if x < 0.0 {
        SCALE_ALPHA * expm1(x)
    } else {
        SCALE * x
    }
}

/// x above zero, α(e^(x/α) - 1) below; for α > 0.
#[pointwise]
pub fn celu(x: f32, alpha: f32) -> f32 {
    if x < 0.0 { alpha * expm1(x / alpha) } else { x }
}

/// x - tanh(x).
#[pointwise]
pub fn tanh_shrink(x: f32) -> f32 {
    x - tanh(x)
}

/// ½(x + √(x² + b)), where Keras' default for b is 4. Below zero as (b/4) / ½(|x| + √(x² + b)), where nothing
/// cancels, and without overflow of x².
#[pointwise]
pub fn squareplus(x: f32, b: f32) -> f32 {
    let a = abs(x);
    let bounded = min(a, 1e18);
    let root = max(sqrt(bounded * bounded + b), a);
    let positive = 0.5 * a + 0.5 * root;
    if x < 0.0 { 0.25 * b / positive } else { positive }
}
