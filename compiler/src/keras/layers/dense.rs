//! `keras.layers.Dense`, and the random features that are computed like it.

use super::context::{Cx, Outcome, Stop, one};
use super::quantized::{Kernel, Quantized, divided};
use super::weights::{elements, rounded};
use crate::graph::NodeId;
use crate::keras::quantization::{AbsMax, Kind, Quantization};
use crate::keras::ranges::COUNT;
use crate::ops::MatMul;
use crate::pointwise::{Tape, Unary};
use crate::tensor::Shape;

/// `Dense`: kernel `[features, units]`, bias. Axes before the last are a batch.
pub fn dense(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let units = r.usize("units", COUNT);
    let bias = r.flag("use_bias", true);
    let activation = r.activation("activation", "linear");
    let quantization = r.quantization();
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let (Some(&features), true) = (dims.last(), dims.len() >= 2) else {
        return Err(cx.inconsistent("it takes a tensor of rank 2 or more"));
    };
    if let Some(quantization) = quantization {
        let y = in_few_bits(cx, x, quantization, [features, units], bias)?;
        return one(activation.apply(cx, y)?);
    }
    let weights = cx.weights([
        Some(("kernel", vec![features, units])),
        bias.then(|| ("bias", vec![units])),
    ]);
    let x = rows(cx, x, 1)?;
    let mut parts = vec![weights.node(cx, "kernel")?];
    if bias {
        parts.push(weights.node(cx, "bias")?);
    }
    let y = product(cx, x, &parts)?;
    // A function of each element is applied before the shape is restored, where it can be fused.
    let y = match activation.tape() {
        Some(tape) => cx.apply(tape.clone(), y)?,
        None => y,
    };
    let y = shaped(cx, y, &dims, 1, &[units])?;
    one(match activation.tape() {
        Some(_) => y,
        None => activation.apply(cx, y)?,
    })
}

/// `RandomFourierFeatures` of Keras 2: cos(x·kernel/scale + bias), with scale `[1]`, kernel `[features, units]` and bias
/// `[units]`.
pub fn random_fourier_features(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let units = r.usize("output_dim", COUNT);
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, 2)?;
    let features = cx.dims(x)[1];
    let weights = cx.weights([
        Some(("kernel_scale", vec![1])),
        Some(("unscaled_kernel", vec![features, units])),
        Some(("bias", vec![units])),
    ]);
    let kernel = weights.derived(cx, "kernel", &Shape::new([features, units]), |weights| {
        let scale = elements(weights.get("kernel_scale"))?.first().copied()?;
        let kernel = elements(weights.get("unscaled_kernel"))?;
        Some(rounded(&[features, units], kernel.iter().map(|v| v / scale)))
    })?;
    let bias = weights.node(cx, "bias")?;
    let y = product(cx, x, &[kernel, bias])?;
    one(cx.apply(Tape::unary(Unary::Cos), y)?)
}

/// The same product with a kernel in few bits (`_int8_call` and others), before the activation.
fn in_few_bits(
    cx: &mut Cx<'_>,
    x: NodeId,
    quantization: Quantization,
    [features, units]: [usize; 2],
    bias: bool,
) -> Result<NodeId, Stop> {
    let kernel = Kernel {
        shape: vec![features, units],
        matrix: [features, units],
        scale: vec![units],
        bias: bias.then(|| vec![units]),
    };
    let weights = Quantized::take(cx, quantization.kind, kernel)?;
    let dims = cx.dims(x);
    let x = rows(cx, x, 1)?;
    let round = quantization.inputs_or((quantization.kind == Kind::Int8).then_some(AbsMax::DEFAULT));
    let (inputs, inputs_scale) = weights.inputs(cx, round, x, &[1])?;
    let (kernel, scale) = weights.kernel(cx)?;
    let y = product(cx, inputs, &[kernel])?;
    let y = divided(cx, y, [scale, inputs_scale])?;
    let y = weights.adapted(cx, x, [&['a', 'b'], &['b', 'c'], &['a', 'c']], y)?;
    let y = weights.biased(cx, y)?;
    shaped(cx, y, &dims, 1, &[units])
}

/// The last `bound` axes of `x` times a matrix, plus a bias if there is one: `weights` are the matrix and the bias `[columns]`.
/// The columns take the shape `out`.
pub fn projected(
    cx: &mut Cx<'_>,
    x: NodeId,
    weights: &[NodeId],
    bound: usize,
    out: &[usize],
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let x = rows(cx, x, bound)?;
    let y = product(cx, x, weights)?;
    shaped(cx, y, &dims, bound, out)
}

/// A matrix of the last `bound` axes, with the batch as its rows: one product, whatever the batch is.
fn rows(cx: &mut Cx<'_>, x: NodeId, bound: usize) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let (batch, inner) = dims.split_at(dims.len().saturating_sub(bound));
    let sizes = [batch.iter().product::<usize>(), inner.iter().product()];
    Ok(cx.b().reshape(x, sizes)?)
}

fn product(cx: &mut Cx<'_>, x: NodeId, weights: &[NodeId]) -> Result<NodeId, Stop> {
    let op = MatMul {
        bias: weights.len() > 1,
        epilogue: Tape::identity(),
    };
    Ok(cx.b().add(op, &[&[x], weights].concat())?)
}

/// Rows as the batch of `dims` that they were, and columns as `out`.
fn shaped(cx: &mut Cx<'_>, y: NodeId, dims: &[usize], bound: usize, out: &[usize]) -> Result<NodeId, Stop> {
    let batch = &dims[..dims.len().saturating_sub(bound)];
    Ok(cx.b().reshape(y, [batch, out].concat())?)
}
