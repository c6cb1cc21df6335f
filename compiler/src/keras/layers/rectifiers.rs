//! Rectifiers as layers of their own: `keras.layers.ReLU`, `LeakyReLU`, `ELU`, `ThresholdedReLU` and `PReLU`.

use super::context::{Cx, Outcome, one};
use crate::keras::ranges::{ANY, AXIS, NOT_NEGATIVE};
use crate::pointwise::library;
use crate::tensor::Shape;

/// `keras.layers.ReLU`.
pub fn relu(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let max = r.opt_number("max_value", NOT_NEGATIVE);
    let slope = r.number("negative_slope", 0.0, NOT_NEGATIVE);
    let threshold = r.number("threshold", 0.0, NOT_NEGATIVE);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let tape = library::relu_of(slope as f32, max.map(|v| v as f32), threshold as f32);
    one(cx.apply(tape, x)?)
}

/// `keras.layers.LeakyReLU`, whose slope is `alpha` in Keras 2 and `negative_slope` in Keras 3.
pub fn leaky_relu(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let slope = if r.fields.value("negative_slope").is_some() {
        r.number("negative_slope", 0.3, NOT_NEGATIVE)
    } else {
        r.number("alpha", 0.3, if cx.is_keras3() { NOT_NEGATIVE } else { ANY })
    };
    r.finish(cx)?;
    let x = cx.float_input()?;
    one(cx.apply(library::leaky_relu::with(slope as f32), x)?)
}

/// `keras.layers.ELU`.
pub fn elu(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let alpha = r.number("alpha", 1.0, ANY);
    r.finish(cx)?;
    let x = cx.float_input()?;
    one(cx.apply(library::elu::with(alpha as f32), x)?)
}

/// `keras.layers.ThresholdedReLU` of Keras 2: x above theta, else 0.
pub fn thresholded_relu(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let theta = r.number("theta", 1.0, NOT_NEGATIVE);
    r.finish(cx)?;
    let x = cx.float_input()?;
    one(cx.apply(library::threshold::with(theta as f32, 0.0), x)?)
}

/// `keras.layers.PReLU`: alpha `[axes…]`, with extent 1 for shared axes.
pub fn prelu(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let shared = r.opt_ints("shared_axes", AXIS).unwrap_or_default();
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let mut shape: Vec<usize> = dims.iter().skip(1).copied().collect();
    for axis in shared {
        // Axes are counted with the batch.
        match usize::try_from(axis).ok().and_then(|axis| axis.checked_sub(1)) {
            Some(axis) if axis < shape.len() => shape[axis] = 1,
            _ => {
                return Err(cx.inconsistent(format!("shared axis {axis} is not one of {}", Shape::new(dims))));
            }
        }
    }
    let weights = cx.weights([Some(("alpha", shape.clone()))]);
    if let Some([only]) = weights.get("alpha").and_then(|alpha| alpha.as_f32().ok()) {
        return one(cx.apply(library::leaky_relu::with(*only), x)?);
    }
    let alpha = weights.node(cx, "alpha")?;
    one(cx.b().map(library::leaky_relu::tape(), &[x, alpha])?)
}
