//! `keras.layers.Dense`.

use super::context::{Cx, Outcome, one};
use crate::keras::ranges::COUNT;
use crate::ops::MatMul;
use crate::pointwise::Tape;

/// `Dense`: kernel `[features, units]`, bias. Axes before the last are a batch.
pub fn dense(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let units = r.usize("units", COUNT);
    let bias = r.flag("use_bias", true);
    let activation = r.activation("activation", "linear");
    r.finish(cx)?;
    let mut x = cx.float_input()?;
    let mut dims = cx.dims(x);
    let (Some(&features), true) = (dims.last(), dims.len() >= 2) else {
        return Err(cx.inconsistent("it takes a tensor of rank 2 or more"));
    };
    let weights = cx.weights([
        Some(("kernel", vec![features, units])),
        bias.then(|| ("bias", vec![units])),
    ]);
    if dims.len() > 2 {
        // One product of matrices, whatever the batch is.
        let rows = dims.iter().rev().skip(1).product::<usize>();
        x = cx.b().reshape(x, [rows, features])?;
    }
    let mut inputs = vec![x, weights.node(cx, "kernel")?];
    if bias {
        inputs.push(weights.node(cx, "bias")?);
    }
    let op = MatMul {
        bias,
        epilogue: Tape::identity(),
    };
    let mut y = cx.b().add(op, &inputs)?;
    // A function of each element is applied before the shape is restored, where it can be fused.
    if let Some(tape) = activation.tape() {
        y = cx.apply(tape.clone(), y)?;
    }
    if let Some(last) = dims.last_mut() {
        *last = units;
    }
    y = cx.b().reshape(y, dims)?;
    if activation.tape().is_none() {
        y = activation.apply(cx, y)?;
    }
    one(y)
}
