//! Convolutions with kernels that are tensors: `conv`, `depthwise_conv`, `separable_conv`, `conv_transpose`.

use super::arguments::Arguments;
use super::settings::{Volumes, extents, format, padding};
use crate::budget::Resource;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::recurrent::reversed;
use crate::keras::layers::shape::{crop, gather, repeat};
use crate::keras::layers::spatial::Padding;
use crate::keras::layers::volume::stacked;
use crate::ops::{Conv, MatMul, Pad, WindowAxis};
use crate::pointwise::Tape;
use crate::tensor::Shape;

type Args<'a, 'b> = &'b Arguments<'a>;

const INPUT: &[&str] = &["inputs", "input", "value", "x"];
const KERNEL: &[&str] = &[
    "kernel",
    "filters",
    "filter",
    "depthwise_kernel",
    "depthwise_filter",
];

/// The arguments that all of them have.
struct Call {
    volumes: Volumes,
    kernel: NodeId,
    strides: [usize; 3],
    dilation: [usize; 3],
    padding: Padding,
}

impl Call {
    /// Of TensorFlow's functions some name the rank.
    fn read(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<Self, Stop> {
        let x = a.tensor(cx, 0, INPUT)?;
        let kernel = a.tensor(cx, 1, KERNEL)?;
        let format = format(cx, a, 9)?;
        let volumes = Volumes::of(cx, x, format)?;
        let axes = volumes.axes;
        let strides = extents(cx, a, 2, &["strides", "stride"], axes)?.unwrap_or_else(|| vec![1; axes]);
        let padding = padding(cx, a, 3)?;
        let dilation = extents(cx, a, 9, &["dilation_rate", "dilations"], axes)?;
        let dilation = dilation.unwrap_or_else(|| vec![1; axes]);
        Ok(Self {
            strides: volumes.lifted(&strides),
            dilation: volumes.lifted(&dilation),
            volumes,
            kernel: lifted(cx, kernel, axes)?,
            padding,
        })
    }
}

/// A kernel with three spatial axes.
fn lifted(cx: &mut Cx<'_>, kernel: NodeId, axes: usize) -> Result<NodeId, Stop> {
    let dims = cx.dims(kernel);
    if dims.len() != axes + 2 {
        return Err(cx.inconsistent(format!("a kernel of {dims:?} does not go over {axes} axes")));
    }
    let shape = [&vec![1; 3 - axes], &dims[..]].concat();
    Ok(cx.b().reshape(kernel, shape)?)
}

/// A convolution of volumes with a kernel `[depth, height, width, channels / groups, filters]`.
fn convolved(
    cx: &mut Cx<'_>,
    x: NodeId,
    kernel: NodeId,
    [along_depth, along_height, along_width]: [WindowAxis; 3],
    groups: usize,
) -> Result<NodeId, Stop> {
    let dims = cx.dims(kernel);
    let &[depth, height, width, channels, filters] = &dims[..] else {
        return Err(cx.inconsistent("a kernel has five axes here"));
    };
    cx.state
        .budget
        .take(Resource::Parts, groups.saturating_mul(depth))?;
    if !is_known(cx, kernel) {
        return Err(cx.inconsistent(
            "its kernel is computed, and kernels are arranged while compiling: give constants, or use a layer",
        ));
    }
    let volume = <[usize; 5]>::try_from(cx.dims(x)).map_err(|_| cx.inconsistent("a volume has five axes"))?;
    let (images, depths) = stacked(&mut cx.b(), x, volume, along_depth, groups)?;
    let kernel = cx.b().transpose(kernel, [1, 2, 0, 3, 4])?;
    let kernel = cx
        .b()
        .reshape(kernel, [height, width, depth * channels, filters])?;
    let op = Conv {
        window: [along_height, along_width],
        groups,
        bias: false,
        epilogue: Tape::identity(),
    };
    let y = cx.b().add(op, &[images, kernel])?;
    let dims = cx.dims(y);
    Ok(cx.b().reshape(y, [&[volume[0], depths], &dims[1..]].concat())?)
}

/// Whether a tensor is made of constants only.
fn is_known(cx: &Cx<'_>, node: NodeId) -> bool {
    let graph = &cx.state.graph;
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        let inputs = graph.inputs_of(node);
        if inputs.is_empty() && graph.constant(node).is_none() {
            return false;
        }
        open.extend(inputs);
    }
    true
}

fn size_of(cx: &Cx<'_>, kernel: NodeId) -> [usize; 3] {
    let dims = cx.dims(kernel);
    [0, 1, 2].map(|i| dims[i])
}

/// `conv`, `tf.nn.conv2d` and the like: groups follow from the channels of the kernel.
pub fn conv(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let call = Call::read(cx, a)?;
    let (channels, of_kernel) = (call.volumes.dims[4], cx.dims(call.kernel)[3]);
    if !channels.is_multiple_of(of_kernel) {
        return Err(cx.inconsistent(format!(
            "a kernel for {of_kernel} channels does not suit {channels}"
        )));
    }
    let size = size_of(cx, call.kernel);
    let windows = call
        .volumes
        .windows(call.padding, size, call.strides, call.dilation);
    let y = convolved(cx, call.volumes.node, call.kernel, windows, channels / of_kernel)?;
    one(call.volumes.restore(cx, y)?)
}

/// `depthwise_conv`: filters `[size…, channels, multiplier]` that see one channel each.
pub fn depthwise(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let call = Call::read(cx, a)?;
    let y = by_channel(cx, &call)?;
    one(call.volumes.restore(cx, y)?)
}

fn by_channel(cx: &mut Cx<'_>, call: &Call) -> Result<NodeId, Stop> {
    let dims = cx.dims(call.kernel);
    let (channels, multiplier) = (call.volumes.dims[4], dims[4]);
    if dims[3] != channels {
        return Err(cx.inconsistent(format!(
            "a kernel for {} channels does not suit {channels}",
            dims[3]
        )));
    }
    let all = channels.saturating_mul(multiplier);
    let kernel = cx.b().reshape(call.kernel, [&dims[..3], &[1, all]].concat())?;
    let x = repeat(cx, call.volumes.node, 4, multiplier)?;
    let size = size_of(cx, kernel);
    let windows = call
        .volumes
        .windows(call.padding, size, call.strides, call.dilation);
    convolved(cx, x, kernel, windows, all)
}

/// `separable_conv`: a depthwise one, and one of single elements.
pub fn separable(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    // Of TensorFlow the strides come after both kernels.
    let call = Call::read(cx, a)?;
    let pointwise = a.tensor(cx, 2, &["pointwise_kernel", "pointwise_filter"])?;
    let pointwise = lifted(cx, pointwise, call.volumes.axes)?;
    let y = by_channel(cx, &call)?;
    let y = convolved(cx, y, pointwise, [WindowAxis::new(1); 3], 1)?;
    one(call.volumes.restore(cx, y)?)
}

/// `conv_transpose`: kernel `[size…, filters, channels]`. Zeros between the elements make it a convolution with the kernel
/// turned around.
pub fn transposed(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let target = a.integers(cx, 2, &["output_shape"])?;
    let call = Call::read(cx, a)?;
    let axes = call.volumes.axes;
    let size = size_of(cx, call.kernel);
    let more = match a.integers(cx, 9, &["output_padding"])? {
        None => None,
        Some(numbers) => {
            let numbers: Option<Vec<usize>> = numbers.iter().map(|&n| usize::try_from(n).ok()).collect();
            let numbers = numbers.map(|list| {
                if list.len() == 1 {
                    vec![list[0]; axes]
                } else {
                    list
                }
            });
            let numbers = numbers.filter(|list| list.len() == axes && list.iter().all(|&n| n < 1 << 16));
            let numbers =
                numbers.ok_or_else(|| cx.inconsistent("output_padding is a number for each axis"))?;
            let mut all = [0; 3];
            all[3 - axes..].copy_from_slice(&numbers);
            Some(all)
        }
    };
    let mut kernel = cx.b().transpose(call.kernel, [0, 1, 2, 4, 3])?;
    let mut x = call.volumes.node;
    let mut windows = [WindowAxis::new(1); 3];
    let (mut starts, mut sizes) = (
        vec![0; 5],
        vec![call.volumes.dims[0], 0, 0, 0, cx.dims(kernel)[4]],
    );
    for i in 0..3 {
        let (stride, dilation, input) = (call.strides[i], call.dilation[i], call.volumes.dims[i + 1]);
        let same = call.padding == Padding::Same;
        let extent = (size[i] - 1) * dilation + 1;
        let given = target.as_ref().filter(|_| i + axes >= 3).map(|target| {
            let place = if target.len() == axes {
                i + axes - 3
            } else {
                i + axes - 2
            };
            target
                .get(place)
                .and_then(|&n| usize::try_from(n).ok())
                .unwrap_or(0)
        });
        let output = given.unwrap_or(match (same, more.filter(|_| i + axes >= 3)) {
            (true, None) => input * stride,
            (false, None) => input * stride + extent.saturating_sub(stride),
            (true, Some(more)) => (input - 1) * stride + extent % 2 + more[i],
            (false, Some(more)) => (input - 1) * stride + extent + more[i],
        });
        if output == 0 || output > 1 << 24 {
            return Err(cx.inconsistent("nothing is left of an axis"));
        }
        let all = if same {
            ((input - 1) * stride + extent).saturating_sub(output)
        } else {
            0
        };
        x = spread(cx, x, i + 1, stride)?;
        kernel = reversed(cx, kernel, i)?;
        let pad = all / 2;
        windows[i] = WindowAxis {
            dilation,
            before: extent - 1,
            after: (pad + output).saturating_sub(input * stride),
            ..WindowAxis::new(size[i])
        };
        starts[i + 1] = pad;
        sizes[i + 1] = output;
    }
    let y = convolved(cx, x, kernel, windows, 1)?;
    let y = crop(cx, y, starts, sizes)?;
    one(call.volumes.restore(cx, y)?)
}

/// An axis with zeros after each of its elements, so that each takes as many places as the stride.
pub fn spread(cx: &mut Cx<'_>, x: NodeId, axis: usize, stride: usize) -> Result<NodeId, Stop> {
    if stride == 1 {
        return Ok(x);
    }
    let mut dims = cx.dims(x);
    let extent = dims[axis];
    dims.insert(axis + 1, 1);
    let x = cx.b().reshape(x, dims.clone())?;
    let mut pads = vec![(0, 0); dims.len()];
    pads[axis + 1] = (0, stride - 1);
    let x = cx.b().add(Pad { pads, value: 0.0 }, &[x])?;
    dims.remove(axis + 1);
    dims[axis] = extent.saturating_mul(stride);
    Shape::checked(dims.clone())?;
    Ok(cx.b().reshape(x, dims)?)
}

/// `correlate` of two vectors.
pub fn correlate(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, &["x1"])?, a.tensor(cx, 1, &["x2"])?];
    let mode = a.text(cx, 2, &["mode"])?.unwrap_or_else(|| "valid".to_owned());
    let mut extents = [0; 2];
    for (extent, side) in extents.iter_mut().zip(sides) {
        cx.expect_rank(side, 1)?;
        *extent = cx.dims(side)[0];
    }
    let [n, m] = extents;
    let around = if mode == "valid" { 0 } else { m - 1 };
    let x = if around == 0 {
        sides[0]
    } else {
        let pads = vec![(around, around)];
        cx.b().add(Pad { pads, value: 0.0 }, &[sides[0]])?
    };
    let all = (n + 2 * around + 1).saturating_sub(m);
    if all == 0 {
        return Err(cx.inconsistent(format!("{m} elements do not fit into {n}")));
    }
    let windows = gather(cx, x, 0, &format!("windows of {m}"), all.saturating_mul(m), |i| {
        i / m + i % m
    })?;
    let windows = cx.b().reshape(windows, [all, m])?;
    let column = cx.b().reshape(sides[1], [m, 1])?;
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let y = cx.b().add(op, &[windows, column])?;
    let y = cx.b().reshape(y, [all])?;
    match mode.as_str() {
        "valid" | "full" => one(y),
        "same" => {
            let length = n.max(m);
            one(crop(cx, y, vec![(all - length) / 2], vec![length])?)
        }
        other => Err(a.unsupported(cx, &["mode"], &other.into())),
    }
}
