//! Convolutions: `keras.layers.Conv1D`, `Conv2D`, `DepthwiseConv1D`, `DepthwiseConv2D`, `SeparableConv1D`,
//! `SeparableConv2D`.

use super::activation::Activation;
use super::context::{Cx, Outcome, Stop, one};
use super::read::Read;
use super::spatial::{Image, Padding, lifted};
use super::weights::Weights;
use crate::budget::Resource;
use crate::graph::NodeId;
use crate::keras::ranges::{COUNT, WINDOW};
use crate::ops::Conv;
use crate::pointwise::Tape;
use serde_json::json;

/// The arguments that all of them have, lifted to two axes.
struct Arguments {
    size: [usize; 2],
    strides: [usize; 2],
    dilation: [usize; 2],
    padding: Padding,
    format: super::spatial::Format,
    bias: bool,
    activation: Activation,
}

impl Arguments {
    fn read<const N: usize>(r: &Read<'_>) -> Self {
        Self {
            size: lifted(r.tuple::<N>("kernel_size", WINDOW), 1),
            strides: lifted(r.tuple_or::<N>("strides", [1; N], WINDOW), 1),
            dilation: lifted(r.tuple_or::<N>("dilation_rate", [1; N], WINDOW), 1),
            padding: r.padding(N == 1),
            format: r.format(),
            bias: r.flag("use_bias", true),
            activation: r.activation("activation", "linear"),
        }
    }
}

/// `Conv1D` and `Conv2D`: kernel `[size…, channels / groups, filters]`, bias.
pub fn conv<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let args = Arguments::read::<N>(&r);
    let filters = r.usize("filters", COUNT);
    let groups = r.usize_or("groups", 1, COUNT);
    r.finish(cx)?;
    strides_or_dilation(cx, &args.strides, &args.dilation)?;
    cx.state.budget.take(Resource::Parts, groups)?;
    let image = Image::input(cx, N, args.format)?;
    let [_, height, width, channels] = image.dims;
    if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return Err(cx.inconsistent(format!(
            "{groups} groups do not divide {channels} channels and {filters} filters"
        )));
    }
    let kernel = kernel_shape::<N>(args.size, [channels / groups, filters]);
    let weights = cx.weights([
        Some(("kernel", kernel)),
        args.bias.then(|| ("bias", vec![filters])),
    ]);
    let [kh, kw] = args.size;
    let kernel = weights.reshaped(cx, "kernel", &[kh, kw, channels / groups, filters])?;
    let op = Conv {
        window: args
            .padding
            .windows(args.size, args.strides, args.dilation, [height, width]),
        groups,
        bias: args.bias,
        epilogue: Tape::identity(),
    };
    let node = with_bias(cx, op, &weights, &[image.node, kernel])?;
    one(image.finish(cx, node, &args.activation)?)
}

/// `DepthwiseConv1D` and `DepthwiseConv2D`: kernel `[size…, channels, multiplier]`, bias.
pub fn depthwise<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let args = Arguments::read::<N>(&r);
    let multiplier = r.usize_or("depth_multiplier", 1, COUNT);
    only_one_group(&r);
    r.finish(cx)?;
    // Keras 3 leaves this to its backend.
    if !cx.is_keras3() {
        strides_or_dilation(cx, &args.strides, &args.dilation)?;
    }
    let image = Image::input(cx, N, args.format)?;
    let channels = image.dims[3];
    let weights = cx.weights([
        Some((
            "depthwise_kernel",
            kernel_shape::<N>(args.size, [channels, multiplier]),
        )),
        args.bias
            .then(|| ("bias", vec![channels.saturating_mul(multiplier)])),
    ]);
    let node = depthwise_conv(cx, &image, &args, &weights, multiplier, args.bias)?;
    one(image.finish(cx, node, &args.activation)?)
}

/// `SeparableConv1D` and `SeparableConv2D`: depthwise kernel, pointwise kernel `[1…, channels·multiplier, filters]`,
/// bias.
pub fn separable<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let args = Arguments::read::<N>(&r);
    let filters = r.usize("filters", COUNT);
    let multiplier = r.usize_or("depth_multiplier", 1, COUNT);
    only_one_group(&r);
    r.finish(cx)?;
    // Keras 3 leaves this to its backend.
    if !cx.is_keras3() {
        strides_or_dilation(cx, &args.strides, &args.dilation)?;
    }
    let image = Image::input(cx, N, args.format)?;
    let channels = image.dims[3];
    let middle = channels.saturating_mul(multiplier);
    let weights = cx.weights([
        Some((
            "depthwise_kernel",
            kernel_shape::<N>(args.size, [channels, multiplier]),
        )),
        Some(("pointwise_kernel", kernel_shape::<N>([1, 1], [middle, filters]))),
        args.bias.then(|| ("bias", vec![filters])),
    ]);
    let middle_node = depthwise_conv(cx, &image, &args, &weights, multiplier, false)?;
    let kernel = weights.reshaped(cx, "pointwise_kernel", &[1, 1, middle, filters])?;
    let op = Conv {
        window: [crate::ops::WindowAxis::new(1); 2],
        groups: 1,
        bias: args.bias,
        epilogue: Tape::identity(),
    };
    let node = with_bias(cx, op, &weights, &[middle_node, kernel])?;
    one(image.finish(cx, node, &args.activation)?)
}

/// Keras refuses strides together with dilation.
pub fn strides_or_dilation(cx: &Cx<'_>, strides: &[usize], dilation: &[usize]) -> Result<(), Stop> {
    let more = |numbers: &[usize]| numbers.iter().any(|&n| n > 1);
    if more(strides) && more(dilation) {
        return Err(cx.inconsistent("strides and dilation_rate cannot both be above 1"));
    }
    Ok(())
}

/// Keras 2 writes arguments that these layers inherit and do not use.
fn only_one_group(r: &Read<'_>) {
    r.only("groups", &[json!(1)]);
}

/// Filters that see one channel each; output channel `c·multiplier + m` sees channel `c`.
fn depthwise_conv(
    cx: &mut Cx<'_>,
    image: &Image,
    args: &Arguments,
    weights: &Weights<'_>,
    multiplier: usize,
    bias: bool,
) -> Result<NodeId, Stop> {
    let [_, height, width, channels] = image.dims;
    let all = channels.saturating_mul(multiplier);
    let [kh, kw] = args.size;
    let kernel = weights.reshaped(cx, "depthwise_kernel", &[kh, kw, 1, all])?;
    let mut node = image.node;
    if multiplier > 1 {
        node = super::shape::repeat(cx, node, 3, multiplier)?;
    }
    let op = Conv {
        window: args
            .padding
            .windows(args.size, args.strides, args.dilation, [height, width]),
        groups: all,
        bias,
        epilogue: Tape::identity(),
    };
    with_bias(cx, op, weights, &[node, kernel])
}

/// Adds a convolution, with its bias if it has one.
pub fn with_bias(
    cx: &mut Cx<'_>,
    op: Conv,
    weights: &Weights<'_>,
    inputs: &[NodeId],
) -> Result<NodeId, Stop> {
    let mut inputs = inputs.to_vec();
    if op.bias {
        inputs.push(weights.node(cx, "bias")?);
    }
    Ok(cx.b().add(op, &inputs)?)
}

/// The shape that Keras gives a kernel of `N` spatial axes.
pub fn kernel_shape<const N: usize>(size: [usize; 2], channels: [usize; 2]) -> Vec<usize> {
    let spatial = if N == 1 { &size[1..] } else { &size[..] };
    spatial.iter().chain(&channels).copied().collect()
}
