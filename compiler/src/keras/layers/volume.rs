//! Volumes: `keras.layers.Conv3D`, `Conv3DTranspose`, `MaxPooling3D`, `AveragePooling3D`, `UpSampling3D`.
//!
//! A volume is a batch of images, one for each depth. A convolution over it is one over images whose channels are those of all
//! depths that a result sees; pools are separable and go over images first and over depths then.

use super::context::{Cx, Outcome, Stop, one};
use super::conv::{strides_or_dilation, with_bias};
use super::pool::pooled;
use super::shape::{crop, repeat};
use super::spatial::{Format, channels_first, channels_last};
use super::transposed::{Arguments, Axis, depth_to_space, phase_kernel, tile_bias};
use crate::budget::Resource;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::keras::ranges::{COUNT, WINDOW};
use crate::ops::{Conv, Pad, PoolKind, Slice, WindowAxis};
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor};
use serde_json::Value as Json;

/// A volume in NDHWC that stands for a tensor of the layer.
struct Volume {
    node: NodeId,
    dims: [usize; 5],
    format: Format,
}

impl Volume {
    /// Brings the layer's only input into this form.
    fn input(cx: &mut Cx<'_>, format: Format) -> Result<Self, Stop> {
        let node = cx.float_input()?;
        cx.expect_rank(node, 5)?;
        let node = channels_last(cx, node, format)?;
        let dims = <[usize; 5]>::try_from(cx.dims(node));
        let dims = dims.map_err(|_| Error::internal("a volume of another rank"))?;
        Ok(Self { node, dims, format })
    }

    /// Gives a result, a batch of `depth` images for each volume, the layer's form back.
    fn restore(&self, cx: &mut Cx<'_>, images: NodeId, depth: usize) -> Result<NodeId> {
        let dims = cx.dims(images);
        let shape = [&[self.dims[0], depth], &dims[1..]].concat();
        let node = cx.b().reshape(images, shape)?;
        channels_first(cx, node, self.format)
    }
}

/// Images `[batch · depths, height, width, group · taps · channels]` of a volume in which every depth of a result has the
/// channels of all depths that a window sees; and how many depths there are then.
pub fn stacked(
    b: &mut Builder<'_>,
    volume: NodeId,
    dims: [usize; 5],
    window: WindowAxis,
    groups: usize,
) -> Result<(NodeId, usize)> {
    let [batch, depth, height, width, channels] = dims;
    let mut pads = vec![(0, 0); 5];
    pads[1] = (window.before, window.after);
    let node = match (window.before, window.after) {
        (0, 0) => volume,
        _ => b.add(Pad { pads, value: 0.0 }, &[volume])?,
    };
    let depths = window.output(depth)?;
    let mut planes = Vec::with_capacity(window.size);
    for tap in 0..window.size {
        let slice = Slice {
            starts: vec![0, tap * window.dilation, 0, 0, 0],
            sizes: vec![batch, depths, height, width, channels],
            steps: vec![1, isize::try_from(window.stride).unwrap_or(isize::MAX), 1, 1, 1],
        };
        let plane = b.add(slice, &[node])?;
        let pixels = batch * depths * height * width;
        planes.push(b.reshape(plane, [pixels, groups, channels / groups])?);
    }
    let node = b.concat(2, &planes)?;
    let all = window.size * channels;
    Ok((b.reshape(node, [batch * depths, height, width, all])?, depths))
}

/// `Conv3D`: kernel `[depth, height, width, channels / groups, filters]`, bias.
pub fn conv(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let size = r.tuple::<3>("kernel_size", WINDOW);
    let strides = r.tuple_or::<3>("strides", [1; 3], WINDOW);
    let dilation = r.tuple_or::<3>("dilation_rate", [1; 3], WINDOW);
    let padding = r.padding(false);
    let format = r.format();
    let bias = r.flag("use_bias", true);
    let activation = r.activation("activation", "linear");
    let filters = r.usize("filters", COUNT);
    let groups = r.usize_or("groups", 1, COUNT);
    r.finish(cx)?;
    strides_or_dilation(cx, &strides, &dilation)?;
    cx.state
        .budget
        .take(Resource::Parts, groups.saturating_mul(size[0]))?;
    let volume = Volume::input(cx, format)?;
    let [_, depth, height, width, channels] = volume.dims;
    if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return Err(cx.inconsistent(format!(
            "{groups} groups do not divide {channels} channels and {filters} filters"
        )));
    }
    let [kd, kh, kw] = size;
    let of_group = channels / groups;
    let weights = cx.weights([
        Some(("kernel", vec![kd, kh, kw, of_group, filters])),
        bias.then(|| ("bias", vec![filters])),
    ]);
    let shape = Shape::checked([kh, kw, kd.saturating_mul(of_group), filters])?;
    let kernel = weights.derived(cx, "kernel of images", &shape, |weights| {
        Some(depths_to_channels(
            weights.get("kernel")?,
            &shape,
            [kd, kh * kw, of_group * filters],
        ))
    })?;
    let along = |axis: usize, input| padding.window(size[axis], strides[axis], dilation[axis], input);
    let (images, depths) = stacked(&mut cx.b(), volume.node, volume.dims, along(0, depth), groups)?;
    let op = Conv {
        window: [along(1, height), along(2, width)],
        groups,
        bias,
        epilogue: Tape::identity(),
    };
    let mut node = with_bias(cx, op, &weights, &[images, kernel])?;
    if let Some(tape) = activation.tape() {
        node = cx.apply(tape.clone(), node)?;
    }
    node = volume.restore(cx, node, depths)?;
    match activation.tape() {
        Some(_) => one(node),
        None => one(activation.apply(cx, node)?),
    }
}

/// A kernel `[depths, pixels, rest]` as `[pixels, depths, rest]`.
pub fn depths_to_channels(
    kernel: &Tensor,
    shape: &Shape,
    [depths, pixels, rest]: [usize; 3],
) -> Result<Tensor> {
    let data = kernel.as_f32()?;
    let places = (0..pixels).flat_map(|pixel| (0..depths).map(move |depth| (depth * pixels + pixel) * rest));
    let values: Vec<f32> = places
        .flat_map(|at| data[at..at + rest].iter().copied())
        .collect();
    Tensor::f32(shape.clone(), values)
}

/// `Conv3DTranspose`: kernel `[depth, height, width, filters, channels]`, bias. As of images, with phases along all three axes.
pub fn transposed(cx: &mut Cx<'_>) -> Outcome {
    let Arguments {
        filters,
        size,
        strides,
        dilation,
        padding,
        more,
        results: _,
        format,
        bias,
        activation,
    } = Arguments::<3>::read(cx)?;
    let volume = Volume::input(cx, format)?;
    let [batch, depth, height, width, channels] = volume.dims;
    let weights = cx.weights([
        Some(("kernel", [&size[..], &[filters, channels]].concat())),
        bias.then(|| ("bias", vec![filters])),
    ]);
    let axes @ [d, h, w] = [(0, depth), (1, height), (2, width)].map(|(i, input)| {
        let more = more.map(|more| more[i]);
        Axis::new(input, size[i], strides[i], dilation[i], padding, more)
    });
    if axes.iter().any(|axis| axis.output == 0) {
        return Err(cx.inconsistent("output_padding leaves nothing"));
    }
    cx.state.budget.take(Resource::Parts, d.taps)?;
    let phases = d.stride * h.stride * w.stride;
    let kernel = Shape::checked([h.taps, w.taps, d.taps.saturating_mul(channels), phases * filters])?;
    let kernel = weights.derived(cx, "phases", &kernel, |weights| {
        Some(phase_kernel(weights.get("kernel")?, axes, channels, filters))
    })?;
    let op = Conv {
        window: [h.window(), w.window()],
        groups: 1,
        bias,
        epilogue: Tape::identity(),
    };
    let (images, positions) = stacked(&mut cx.b(), volume.node, volume.dims, d.window(), 1)?;
    let mut inputs = vec![images, kernel];
    if bias {
        let tiled = Shape::new([phases * filters]);
        inputs.push(weights.derived(cx, "bias of phases", &tiled, |weights| tile_bias(weights, phases))?);
    }
    let mut node = cx.b().add(op, &inputs)?;
    if let Some(tape) = activation.tape() {
        node = cx.apply(tape.clone(), node)?;
    }
    // Phases along the depth stand innermost.
    let inner = d.stride * filters;
    let images = [batch * positions, h.positions, w.positions, inner];
    node = depth_to_space(cx, node, images, [h.stride, w.stride])?;
    let [rows, columns] = [h, w].map(|axis| axis.positions * axis.stride);
    node = cx
        .b()
        .reshape(node, [batch, positions, rows * columns, d.stride, filters])?;
    node = cx.b().transpose(node, [0, 1, 3, 2, 4])?;
    node = cx
        .b()
        .reshape(node, [batch, positions * d.stride, rows, columns, filters])?;
    let sizes = vec![batch, d.output, h.output, w.output, filters];
    node = crop(cx, node, vec![0, d.pad, h.pad, w.pad, 0], sizes)?;
    node = channels_first(cx, node, format)?;
    match activation.tape() {
        Some(_) => one(node),
        None => one(activation.apply(cx, node)?),
    }
}

/// `MaxPooling3D`.
pub fn max(cx: &mut Cx<'_>) -> Outcome {
    pool(cx, PoolKind::Max)
}

/// `AveragePooling3D`: padding does not count, so that means of means are those of all.
pub fn average(cx: &mut Cx<'_>) -> Outcome {
    pool(cx, PoolKind::Average)
}

fn pool(cx: &mut Cx<'_>, kind: PoolKind) -> Outcome {
    let r = cx.read();
    let size = r.tuple_or::<3>("pool_size", [2; 3], WINDOW);
    let strides = match r.fields.value("strides") {
        // As long as the window.
        Some(Json::Null) => size,
        _ => r.tuple_or::<3>("strides", size, WINDOW),
    };
    let padding = r.plain_padding(&size, &strides);
    let format = r.format();
    r.finish(cx)?;
    let volume = Volume::input(cx, format)?;
    let [batch, depth, height, width, channels] = volume.dims;
    let along = |axis: usize, input| padding.window(size[axis], strides[axis], 1, input);
    let images = cx
        .b()
        .reshape(volume.node, [batch * depth, height, width, channels])?;
    let images = pooled(cx, images, kind, [along(1, height), along(2, width)])?;
    let dims = cx.dims(images);
    let columns = cx
        .b()
        .reshape(images, [batch, depth, dims[1] * dims[2], channels])?;
    let node = pooled(cx, columns, kind, [along(0, depth), WindowAxis::new(1)])?;
    let depths = cx.dims(node)[1];
    let images = cx
        .b()
        .reshape(node, [batch * depths, dims[1], dims[2], channels])?;
    one(volume.restore(cx, images, depths)?)
}

/// `UpSampling3D`: repeats.
pub fn up_sampling(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let size = r.tuple_or::<3>("size", [2; 3], WINDOW);
    let format = r.format();
    r.finish(cx)?;
    let mut x = cx.float_input()?;
    cx.expect_rank(x, 5)?;
    let first = if format == Format::First { 2 } else { 1 };
    for (axis, times) in (first..).zip(size) {
        x = repeat(cx, x, axis, times)?;
    }
    one(x)
}
