//! Operations on windows besides convolutions: pooling, patches, frames.

use super::arguments::{Arguments, X};
use super::convolutions::spread;
use super::functions::{AXIS, count};
use super::settings::{Volumes, extents, format, padding};
use crate::budget::Resource;
use crate::graph::NodeId;
use crate::keras::layers::adaptive::along;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::pool::pooled;
use crate::keras::layers::shape::{crop, gather};
use crate::keras::layers::spatial::Format;
use crate::ops::{Pad, PoolKind, Slice, WindowAxis};
use crate::pointwise::{Binary, Tape};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Largest elements of windows.
pub fn max_pool(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    pool(cx, a, PoolKind::Max)
}

/// Means of windows; what is padded does not count.
pub fn average_pool(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    pool(cx, a, PoolKind::Average)
}

/// A window is separable: images come first, and then what lies along the depth.
fn pool(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: PoolKind) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let format = format(cx, a, 4)?;
    let volumes = Volumes::of(cx, x, format)?;
    let axes = volumes.axes;
    let size = extents(cx, a, 1, &["ksize", "pool_size"], axes)?;
    let size = a.required(cx, size, "pool_size")?;
    let strides = extents(cx, a, 2, &["strides"], axes)?.unwrap_or_else(|| size.clone());
    let padding = padding(cx, a, 3)?;
    let (size, strides) = (volumes.lifted(&size), volumes.lifted(&strides));
    let [depth, height, width] = volumes.windows(padding, size, strides, [1; 3]);
    let [n, d, h, w, c] = volumes.dims;
    let images = cx.b().reshape(volumes.node, [n * d, h, w, c])?;
    let images = pooled(cx, images, kind, [height, width])?;
    let dims = cx.dims(images);
    let (rows, columns) = (dims[1], dims[2]);
    let lines = cx.b().reshape(images, [n, d, rows * columns, c])?;
    let lines = if size[0] == 1 && strides[0] == 1 {
        lines
    } else {
        pooled(cx, lines, kind, [depth, WindowAxis::new(1)])?
    };
    let depths = cx.dims(lines)[1];
    let y = cx.b().reshape(lines, [n, depths, rows, columns, c])?;
    one(volumes.restore(cx, y)?)
}

/// `adaptive_max_pool`.
pub fn adaptive_max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    adaptive(cx, a, PoolKind::Max)
}

/// `adaptive_average_pool`.
pub fn adaptive_average(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    adaptive(cx, a, PoolKind::Average)
}

fn adaptive(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: PoolKind) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    let format = format(cx, a, 9)?;
    let rank = cx.dims(x).len();
    if !(3..=5).contains(&rank) {
        return Err(cx.inconsistent(format!("it takes a tensor of rank 3, 4 or 5, not {rank}")));
    }
    let sizes = extents(cx, a, 1, &["output_size"], rank - 2)?;
    let sizes = a.required(cx, sizes, "output_size")?;
    let first = if format == Format::First { 2 } else { 1 };
    for (axis, size) in (first..).zip(sizes) {
        x = along(cx, x, axis, size, kind)?;
    }
    one(x)
}

/// The elements that one place of the windows sees, for all windows.
fn tap(
    cx: &mut Cx<'_>,
    x: NodeId,
    axes: &[(usize, WindowAxis)],
    at: &[usize],
    counts: &[usize],
) -> Result<NodeId, Stop> {
    let mut sizes = cx.dims(x);
    let mut starts = vec![0; sizes.len()];
    let mut steps = vec![1; sizes.len()];
    for (i, &(axis, window)) in axes.iter().enumerate() {
        starts[axis] = at[i] * window.dilation;
        sizes[axis] = counts[i];
        steps[axis] = isize::try_from(window.stride).unwrap_or(isize::MAX);
    }
    Ok(cx.b().add(Slice { starts, sizes, steps }, &[x])?)
}

/// All places of windows, row by row.
fn all_taps(cx: &Cx<'_>, size: &[usize]) -> Result<Vec<Vec<usize>>, Stop> {
    let count = size.iter().fold(1usize, |n, &extent| n.saturating_mul(extent));
    cx.state.budget.take(Resource::Parts, count)?;
    let mut all = vec![Vec::new()];
    for &extent in size {
        all = all
            .into_iter()
            .flat_map(|at| (0..extent).map(move |i| [&at[..], &[i]].concat()))
            .collect();
    }
    Ok(all)
}

/// `extract_patches` of images and volumes: the elements of a window stand in the channels.
pub fn patches(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    let format = format(cx, a, 9)?;
    let given = a.integers(cx, 1, &["size", "sizes"])?;
    let given = a.required(cx, given, "size")?;
    let axes = match given.len() {
        1 | 2 => 2,
        // TensorFlow's has those of batch and channels.
        4 if !cx.is_keras3() => 2,
        3 => 3,
        _ => return Err(a.unsupported(cx, &["size"], &given.into())),
    };
    let alone = cx.dims(x).len() == axes + 1;
    if alone {
        let dims = [&[1], &cx.dims(x)[..]].concat();
        x = cx.b().reshape(x, dims)?;
    }
    let volumes = Volumes::of(cx, x, format)?;
    let size = extents(cx, a, 1, &["size", "sizes"], axes)?.unwrap_or_default();
    let strides = extents(cx, a, 2, &["strides"], axes)?.unwrap_or_else(|| size.clone());
    let dilation = extents(cx, a, 3, &["dilation_rate", "rates"], axes)?.unwrap_or_else(|| vec![1; axes]);
    let padding = padding(cx, a, 4)?;
    if volumes.axes != axes {
        return Err(cx.inconsistent(format!(
            "windows of {axes} axes do not suit a tensor of {}",
            volumes.axes
        )));
    }
    let (size, strides, dilation) = (
        volumes.lifted(&size),
        volumes.lifted(&strides),
        volumes.lifted(&dilation),
    );
    let windows = volumes.windows(padding, size, strides, dilation);
    let mut counts = Vec::new();
    let mut pads = vec![(0, 0); 5];
    for (i, window) in windows.iter().enumerate() {
        counts.push(window.output(volumes.dims[i + 1])?);
        pads[i + 1] = (window.before, window.after);
    }
    let framed = if pads.iter().all(|&pad| pad == (0, 0)) {
        volumes.node
    } else {
        cx.b().add(Pad { pads, value: 0.0 }, &[volumes.node])?
    };
    let axes: Vec<(usize, WindowAxis)> = (1..).zip(windows).collect();
    let mut parts = Vec::new();
    for at in all_taps(cx, &size)? {
        parts.push(tap(cx, framed, &axes, &at, &counts)?);
    }
    let y = cx.b().concat(4, &parts)?;
    let y = volumes.restore(cx, y)?;
    let dims = cx.dims(y);
    one(if alone {
        cx.b().reshape(y, dims[1..].to_vec())?
    } else {
        y
    })
}

/// One number for height and width, or two.
fn two(cx: &mut Cx<'_>, a: Args<'_, '_>, name: &str, default: Option<usize>) -> Result<[usize; 2], Stop> {
    let numbers = a.integers(cx, 9, &[name])?;
    let numbers = match (numbers, default) {
        (None, Some(default)) => return Ok([default; 2]),
        (found, _) => a.required(cx, found, name)?,
    };
    let extent = |n: i64| usize::try_from(n).ok().filter(|&n| n <= 1 << 16);
    let pair = match numbers[..] {
        [both] => [extent(both); 2],
        [height, width] => [extent(height), extent(width)],
        _ => [None; 2],
    };
    match pair {
        [Some(height), Some(width)] => Ok([height, width]),
        _ => Err(a.unsupported(cx, &[name], &numbers.into())),
    }
}

/// The windows of `unfold` and `fold` over images of these extents, their padding on both sides, and how many there are.
type Sliding = ([WindowAxis; 2], [usize; 2], [usize; 2]);

fn sliding(cx: &mut Cx<'_>, a: Args<'_, '_>, input: [usize; 2]) -> Result<Sliding, Stop> {
    let size = two(cx, a, "kernel_size", None)?;
    let dilation = two(cx, a, "dilation", Some(1))?;
    let pad = two(cx, a, "padding", Some(0))?;
    let stride = two(cx, a, "stride", Some(1))?;
    if [size, dilation, stride].concat().contains(&0) {
        return Err(cx.inconsistent("extents of windows, dilations and strides are 1 or more"));
    }
    let windows = [0, 1].map(|i| WindowAxis {
        size: size[i],
        stride: stride[i],
        dilation: dilation[i],
        before: pad[i],
        after: pad[i],
    });
    let mut counts = [0; 2];
    for i in 0..2 {
        counts[i] = windows[i].output(input[i])?;
    }
    Ok((windows, pad, counts))
}

/// `unfold`: windows of `[batch, channels, height, width]` as columns.
pub fn unfold(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let &[n, c, h, w] = &cx.dims(x)[..] else {
        return Err(cx.inconsistent("it takes a batch of images, which has rank 4"));
    };
    let (windows, pad, counts) = sliding(cx, a, [h, w])?;
    let pads = vec![(0, 0), (0, 0), (pad[0], pad[0]), (pad[1], pad[1])];
    let x = if pad == [0, 0] {
        x
    } else {
        cx.b().add(Pad { pads, value: 0.0 }, &[x])?
    };
    let axes = [(2, windows[0]), (3, windows[1])];
    let size = windows.map(|window| window.size);
    let mut parts = Vec::new();
    for at in all_taps(cx, &size)? {
        let part = tap(cx, x, &axes, &at, &counts)?;
        parts.push(cx.b().reshape(part, [n, c, 1, counts[0] * counts[1]])?);
    }
    let y = cx.b().concat(2, &parts)?;
    one(cx
        .b()
        .reshape(y, [n, c * size[0] * size[1], counts[0] * counts[1]])?)
}

/// `fold`: the sum of windows, which stand in columns, where each belongs.
pub fn fold(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let output = two(cx, a, "output_size", None)?;
    let (windows, pad, counts) = sliding(cx, a, output)?;
    let size = windows.map(|window| window.size);
    let taps = size[0] * size[1];
    let &[n, columns, _] = &cx.dims(x)[..] else {
        return Err(cx.inconsistent("it takes windows as columns, which have rank 3"));
    };
    if !columns.is_multiple_of(taps) {
        return Err(cx.inconsistent(format!("columns of {columns} have no windows of {size:?}")));
    }
    let c = columns / taps;
    let x = cx.b().reshape(x, [n, c, taps, counts[0], counts[1]])?;
    let framed = [0, 1].map(|i| output[i] + 2 * pad[i]);
    let mut sum = None;
    for (index, at) in all_taps(cx, &size)?.into_iter().enumerate() {
        let part = cx.b().slice(x, 2, index, 1)?;
        let mut part = cx.b().reshape(part, [n, c, counts[0], counts[1]])?;
        for i in 0..2 {
            let (axis, start) = (i + 2, at[i] * windows[i].dilation);
            part = spread(cx, part, axis, windows[i].stride)?;
            let mut sizes = cx.dims(part);
            sizes[axis] = (counts[i] - 1) * windows[i].stride + 1;
            part = crop(cx, part, vec![0; 4], sizes.clone())?;
            let mut pads = vec![(0, 0); 4];
            pads[axis] = (start, framed[i].saturating_sub(start + sizes[axis]));
            if pads[axis] != (0, 0) {
                part = cx.b().add(Pad { pads, value: 0.0 }, &[part])?;
            }
        }
        sum = Some(match sum {
            None => part,
            Some(sum) => cx.b().map(Tape::binary(Binary::Add), &[sum, part])?,
        });
    }
    let sum = sum.ok_or_else(|| cx.inconsistent("a window has elements"))?;
    one(crop(
        cx,
        sum,
        vec![0, 0, pad[0], pad[1]],
        vec![n, c, output[0], output[1]],
    )?)
}

/// `extract_sequences` and `tf.signal.frame`: parts of an axis, each so far after the one before.
pub fn sequences(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["x", "signal"])?;
    let length = a.integer(cx, 1, &["sequence_length", "frame_length"])?;
    let length = count(cx, a.required(cx, length, "sequence_length")?)?;
    let stride = a.integer(cx, 2, &["sequence_stride", "frame_step"])?;
    let stride = count(cx, a.required(cx, stride, "sequence_stride")?)?;
    if a.flag(cx, 3, &["pad_end"], false)? {
        return Err(a.unsupported(cx, &["pad_end"], &true.into()));
    }
    a.number(cx, 9, &["pad_value"])?;
    let mut dims = cx.dims(x);
    let axis = a.integer(cx, 9, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, dims.len())?;
    let extent = dims[axis];
    let Some(rest) = extent.checked_sub(length) else {
        return Err(cx.inconsistent(format!("an axis of {extent} has no part of {length}")));
    };
    let frames = rest / stride + 1;
    let role = format!("frames of {length} by {stride}");
    let y = gather(cx, x, axis, &role, frames.saturating_mul(length), |i| {
        i / length * stride + i % length
    })?;
    dims.splice(axis..=axis, [frames, length]);
    one(cx.b().reshape(y, dims)?)
}
