//! Activations in straight pieces. Formulas are those of `keras.activations`.

use crate::pointwise::prim::{abs, max, min};
use crate::pointwise::{Binary, Tape};
use keras_compile_templates::pointwise;

/// max(x, 0).
#[pointwise]
pub fn relu(x: f32) -> f32 {
    max(x, 0.0)
}

/// min(max(x, 0), 6).
#[pointwise]
pub fn relu6(x: f32) -> f32 {
    clip(x, 0.0, 6.0)
}

/// x between the bounds; what `numpy.clip` does for low ≤ high.
#[pointwise]
pub fn clip(x: f32, low: f32, high: f32) -> f32 {
    min(max(x, low), high)
}

/// x above zero, slope · x below.
#[pointwise]
pub fn leaky_relu(x: f32, slope: f32) -> f32 {
    if x < 0.0 { slope * x } else { x }
}

/// x above the threshold, slope · (x - threshold) up to it.
#[pointwise]
pub fn thresholded_relu(x: f32, slope: f32, threshold: f32) -> f32 {
    if x <= threshold {
        slope * (x - threshold)
    } else {
        x
    }
}

/// As [`thresholded_relu()`], with what is above the threshold clipped to between 0 and `high`.
#[pointwise]
pub fn clipped_relu(x: f32, slope: f32, threshold: f32, high: f32) -> f32 {
    if x <= threshold {
        slope * (x - threshold)
    } else {
        clip(x, 0.0, high)
    }
}

/// `keras.activations.relu(x, negative_slope, max_value, threshold)`, in the fewest instructions that its arguments
/// allow. Keras computes `x · (x > threshold)`, clips it to 0…`max_value` if that is given, and takes off
/// `negative_slope · max(threshold - x, 0)`.
pub fn relu_of(negative_slope: f32, max_value: Option<f32>, threshold: f32) -> Tape {
    match (negative_slope == 0.0, max_value, threshold == 0.0) {
        (true, None, true) => relu::tape(),
        (true, Some(high), true) => clip::with(0.0, high),
        (false, None, true) => leaky_relu::with(negative_slope),
        (true, None, false) => threshold::with(threshold, 0.0),
        (false, None, false) => thresholded_relu::with(negative_slope, threshold),
        (true, Some(high), false) => threshold::with(threshold, 0.0).then(&clip::with(0.0, high)),
        (false, Some(high), _) => clipped_relu::with(negative_slope, threshold, high),
    }
}

/// Keras 2's `hard_sigmoid`: 0.2x + 0.5 between 0 and 1.
#[pointwise]
pub fn hard_sigmoid_keras2(x: f32) -> f32 {
    clip(0.2 * x + 0.5, 0.0, 1.0)
}

/// Keras 3's `hard_sigmoid`: x/6 + 0.5 between 0 and 1.
#[pointwise]
pub fn hard_sigmoid_keras3(x: f32) -> f32 {
    clip(x * (1.0 / 6.0) + 0.5, 0.0, 1.0)
}

/// x · [`hard_sigmoid_keras3()`], also called hard swish.
#[pointwise]
pub fn hard_silu(x: f32) -> f32 {
    x * hard_sigmoid_keras3(x)
}

/// x between -1 and 1.
#[pointwise]
pub fn hard_tanh(x: f32) -> f32 {
    clip(x, -1.0, 1.0)
}

/// 0 where |x| ≤ `bound`, else x.
#[pointwise]
pub fn hard_shrink(x: f32, bound: f32) -> f32 {
    if abs(x) <= bound { 0.0 } else { x }
}

/// x moved towards 0 by `bound`, and 0 where that would change its sign.
#[pointwise]
pub fn soft_shrink(x: f32, bound: f32) -> f32 {
    x - clip(x, -bound, bound)
}

/// 0 up to -1, x from 1 on, ¼(x + 1)² in between.
#[pointwise]
pub fn sparse_plus(x: f32) -> f32 {
    let t = max(x + 1.0, 0.0);
    if x < 1.0 { t * t * 0.25 } else { x }
}

/// 0 up to -1, 1 from 1 on, ½(x + 1) in between.
#[pointwise]
pub fn sparse_sigmoid(x: f32) -> f32 {
    clip(0.5 * x + 0.5, 0.0, 1.0)
}

/// x above the threshold, else `value`.
#[pointwise]
pub fn threshold(x: f32, threshold: f32, value: f32) -> f32 {
    if x <= threshold { value } else { x }
}

/// 1 where x > threshold, else 0 (also for NaN).
#[pointwise]
pub fn step(x: f32, threshold: f32) -> f32 {
    if x > threshold { 1.0 } else { 0.0 }
}

/// x · scale + shift, without instructions for a scale of 1 or a shift of 0.
pub fn scale_shift(scale: f32, shift: f32) -> Tape {
    let scaled = Tape::binary_const(Binary::Mul, scale);
    // x + 0 would be kept, as it makes 0 of -0; here that zero means no shift.
    if shift == 0.0 {
        scaled
    } else {
        scaled.then(&Tape::binary_const(Binary::Add, shift))
    }
}
