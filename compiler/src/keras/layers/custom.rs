//! Classes that `keras.applications` brings along.

use super::context::{Cx, Outcome, one};
use crate::keras::ranges::{ANY, COUNT};
use crate::pointwise::{Binary, Tape};

/// `StochasticDepth` of ConvNeXt: nothing at inference.
pub fn stochastic_depth(cx: &mut Cx<'_>) -> Outcome {
    super::identity::identity(cx)
}

/// `LayerScale` of ConvNeXt: times gamma `[channels]`.
pub fn layer_scale(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let channels = r.usize("projection_dim", COUNT);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let weights = cx.weights([Some(("gamma", vec![channels]))]);
    let gamma = weights.node(cx, "gamma")?;
    one(cx.b().map(Tape::binary(Binary::Mul), &[x, gamma])?)
}

/// `CustomScaleLayer` of InceptionResNetV2: the first tensor plus the second times a number.
pub fn scaled_sum(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let scale = r.number("scale", 1.0, ANY);
    r.finish(cx)?;
    let values = cx.inputs();
    let &[a, b] = &values[..] else {
        return Err(cx.inconsistent(format!(
            "it takes two tensors, but is called with {}",
            values.len()
        )));
    };
    let (a, b) = (cx.float(a.node)?, cx.float(b.node)?);
    let scaled = cx.apply(Tape::binary_const(Binary::Mul, scale as f32), b)?;
    one(cx.b().map(Tape::binary(Binary::Add), &[a, scaled])?)
}
