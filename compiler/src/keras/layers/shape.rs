//! Layers that move elements: `keras.layers.Flatten`, `Reshape`, `Permute`, `RepeatVector`, `ZeroPadding1D` to `3D`,
//! `Cropping1D` to `3D`.

use super::context::{Cx, Outcome, Stop, one};
use super::spatial::{Format, channels_last};
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::ranges::{AXIS, COUNT, OPEN_EXTENT, SIDE};
use crate::ops::{Gather, Pad, Slice};
use crate::tensor::{Shape, Tensor};

/// `Flatten`: all axes but the batch become one; channels go last before.
pub fn flatten(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let format = r.format();
    r.finish(cx)?;
    let x = cx.input()?.node;
    let x = channels_last(cx, x, format)?;
    let dims = cx.dims(x);
    let batch = dims.first().copied().unwrap_or(1);
    one(cx.b().reshape(x, [batch, dims.iter().skip(1).product()])?)
}

/// `Reshape`: the target leaves out the batch and may have one -1.
pub fn reshape(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let target = r.list("target_shape", OPEN_EXTENT);
    r.finish(cx)?;
    let x = cx.input()?.node;
    let dims = cx.dims(x);
    let batch = dims.first().copied().unwrap_or(1);
    let rest = solve(cx, &target, dims.iter().skip(1).product())?;
    one(cx.b().reshape(x, [&[batch][..], &rest].concat())?)
}

/// The extents of a target shape with at most one -1, for `count` elements.
pub fn solve(cx: &Cx<'_>, target: &[i64], count: usize) -> Result<Vec<usize>, Stop> {
    let refuse = || cx.inconsistent(format!("{count} elements cannot take the shape {target:?}"));
    let open = target.iter().filter(|&&d| d == -1).count();
    let known = target
        .iter()
        .filter(|&&d| d != -1)
        .try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))
        .filter(|&n| n > 0)
        .ok_or_else(refuse)?;
    if open > 1 || !count.is_multiple_of(known) || (open == 0 && count != known) {
        return Err(refuse());
    }
    let extent = |d: &i64| usize::try_from(*d).unwrap_or(count / known);
    Ok(target.iter().map(extent).collect())
}

/// `Permute`: axes counted from 1, the batch stays.
pub fn permute(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = r.list("dims", AXIS);
    r.finish(cx)?;
    let x = cx.input()?.node;
    let perm: Option<Vec<usize>> = [0]
        .iter()
        .chain(&axes)
        .map(|&axis| usize::try_from(axis).ok())
        .collect();
    let perm = perm.ok_or_else(|| cx.inconsistent(format!("{axes:?} does not permute axes")))?;
    one(cx.b().transpose(x, perm)?)
}

/// `RepeatVector`: `[batch, features]` becomes `[batch, n, features]`.
pub fn repeat_vector(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let times = r.usize("n", COUNT);
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, 2)?;
    let dims = cx.dims(x);
    let x = cx.b().reshape(x, [dims[0], 1, dims[1]])?;
    one(repeat(cx, x, 1, times)?)
}

/// Repeats every element of an axis, one after the other.
pub fn repeat(cx: &mut Cx<'_>, x: NodeId, axis: usize, times: usize) -> Result<NodeId, Stop> {
    let extent = cx.dims(x)[axis];
    let count = extent.saturating_mul(times);
    gather(cx, x, axis, &format!("repeat {axis}"), count, |i| i / times)
}

/// Takes elements of an axis by indices that are known.
pub fn gather(
    cx: &mut Cx<'_>,
    x: NodeId,
    axis: usize,
    role: &str,
    count: usize,
    index: impl Fn(usize) -> usize,
) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(x);
    if count == dims[axis] && (0..count).all(|i| index(i) == i) {
        return Ok(x);
    }
    dims[axis] = count;
    Shape::checked(dims)?;
    // A shared layer may see several extents.
    let role = format!("{role} to {count}");
    let indices = cx.constant(&role, count, || {
        let indices: Vec<i32> = (0..count)
            .map(|i| i32::try_from(index(i)).unwrap_or(i32::MAX))
            .collect();
        Tensor::i32([count], indices)
    })?;
    Ok(cx.b().add(
        Gather {
            axis,
            negative: false,
        },
        &[x, indices],
    )?)
}

/// The numbers 0, 1, … along an axis of a tensor of that rank, whose other axes have extent 1.
pub fn numbers_along(cx: &mut Cx<'_>, extent: usize, axis: usize, rank: usize) -> Result<NodeId, Stop> {
    let mut shape = vec![1; rank];
    shape[axis] = extent;
    let shape = Shape::checked(shape)?;
    Ok(
        cx.constant(&format!("places {extent} along {axis} of {rank}"), extent, || {
            Tensor::f32(shape, (0..extent).map(|i| i as f32).collect::<Vec<_>>())
        })?,
    )
}

/// The first spatial axis of a tensor with `N` of them.
fn first_axis(format: Format) -> usize {
    match format {
        Format::Last => 1,
        Format::First => 2,
    }
}

/// `ZeroPadding1D` to `ZeroPadding3D`.
pub fn zero_padding<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let sides = if r.fields.value("padding").is_some() {
        r.sides::<N>("padding", SIDE)
    } else {
        [[1; 2]; N]
    };
    let format = r.format();
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, N + 2)?;
    let mut pads = vec![(0, 0); N + 2];
    for (pad, [before, after]) in pads.iter_mut().skip(first_axis(format)).zip(sides) {
        *pad = (before, after);
    }
    if pads.iter().all(|pad| *pad == (0, 0)) {
        return one(x);
    }
    one(cx.b().add(Pad { pads, value: 0.0 }, &[x])?)
}

/// `Cropping1D` to `Cropping3D`.
pub fn cropping<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let sides = if r.fields.value("cropping").is_some() {
        r.sides::<N>("cropping", SIDE)
    } else {
        [[if N == 2 { 0 } else { 1 }; 2]; N]
    };
    let format = r.format();
    r.finish(cx)?;
    let x = cx.input()?.node;
    cx.expect_rank(x, N + 2)?;
    let dims = cx.dims(x);
    let mut starts = vec![0; dims.len()];
    let mut sizes = dims.clone();
    for (i, [before, after]) in sides.into_iter().enumerate() {
        let axis = first_axis(format) + i;
        starts[axis] = before;
        sizes[axis] = dims[axis].saturating_sub(before + after);
    }
    if sizes.contains(&0) {
        let shape = Shape::new(dims);
        return Err(cx.inconsistent(format!("cropping {sides:?} leaves nothing of shape {shape}")));
    }
    one(crop(cx, x, starts, sizes)?)
}

/// A part of a tensor.
pub fn crop(cx: &mut Cx<'_>, x: NodeId, starts: Vec<usize>, sizes: Vec<usize>) -> Result<NodeId> {
    if cx.dims(x) == sizes {
        return Ok(x);
    }
    let steps = vec![1; sizes.len()];
    let slice = Slice { starts, sizes, steps };
    cx.b().add(slice, &[x])
}
