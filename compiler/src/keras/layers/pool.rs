//! Pooling: `keras.layers.MaxPooling1D`, `AveragePooling2D`, `GlobalMaxPooling2D` and the like.

use super::context::{Cx, Outcome, one};
use super::spatial::{Format, Image, lifted};
use crate::graph::NodeId;
use crate::keras::ranges::WINDOW;
use crate::ops::{Pool, PoolKind, PoolPadding, Reduce, ReduceKind, WindowAxis};
use crate::pointwise::{Binary, Tape};
use serde_json::Value as Json;

/// `MaxPooling1D`, `MaxPooling2D`.
pub fn max<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    pool::<N>(cx, PoolKind::Max)
}

/// `AveragePooling1D`, `AveragePooling2D`: padding does not count.
pub fn average<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    pool::<N>(cx, PoolKind::Average)
}

fn pool<const N: usize>(cx: &mut Cx<'_>, kind: PoolKind) -> Outcome {
    let r = cx.read();
    let size = r.tuple_or::<N>("pool_size", [2; N], WINDOW);
    let strides = match r.fields.value("strides") {
        // As long as the window.
        Some(Json::Null) => size,
        _ => r.tuple_or::<N>("strides", size, WINDOW),
    };
    let padding = r.plain_padding(&size, &strides);
    let format = r.format();
    r.finish(cx)?;
    let image = Image::input(cx, N, format)?;
    let [_, height, width, _] = image.dims;
    let window = padding.windows(lifted(size, 1), lifted(strides, 1), [1, 1], [height, width]);
    let node = pooled(cx, image.node, kind, window)?;
    one(image.restore(cx, node)?)
}

/// The largest elements or the means of windows of an image, without what is around it.
pub fn pooled(
    cx: &mut Cx<'_>,
    image: NodeId,
    kind: PoolKind,
    window: [WindowAxis; 2],
) -> crate::error::Result<NodeId> {
    let op = Pool {
        kind,
        window,
        padding: PoolPadding::Exclude,
        epilogue: Tape::identity(),
    };
    cx.b().add(op, &[image])
}

/// `GlobalMaxPooling1D` to `3D`.
pub fn global_max<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let (x, axes, keep) = global_arguments::<N>(cx)?;
    let y = cx.b().reduce(ReduceKind::Max, axes.clone(), x)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// `GlobalAveragePooling1D` to `3D`. The one for sequences leaves masked steps out.
pub fn global_average<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let mask = if N == 1 { cx.mask()? } else { None };
    let (x, axes, keep) = global_arguments::<N>(cx)?;
    let y = match mask {
        None => mean(cx, x, &axes)?,
        Some(mask) => {
            let dims = cx.dims(x);
            let mut shape = vec![1; dims.len()];
            for axis in [0].into_iter().chain(axes.iter().copied()) {
                shape[axis] = dims[axis];
            }
            let mask = cx.b().reshape(mask, shape)?;
            let kept = cx.b().map(Tape::binary(Binary::Mul), &[x, mask])?;
            let sum = cx.b().reduce(ReduceKind::Sum, axes.clone(), kept)?;
            let steps = cx.b().reduce(ReduceKind::Sum, axes.clone(), mask)?;
            cx.b().map(Tape::binary(Binary::Div), &[sum, steps])?
        }
    };
    one(drop_axes(cx, y, &axes, keep)?)
}

/// The input, its spatial axes and whether they stay with extent 1.
fn global_arguments<const N: usize>(cx: &mut Cx<'_>) -> Result<(NodeId, Vec<usize>, bool), super::Stop> {
    let r = cx.read();
    let format = r.format();
    let keep = r.flag("keepdims", false);
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, N + 2)?;
    let first = if format == Format::First { 2 } else { 1 };
    Ok((x, (first..first + N).collect(), keep))
}

/// The mean over whole axes, which stay with extent 1.
pub fn mean(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> crate::error::Result<NodeId> {
    let dims = cx.dims(x);
    let count: usize = axes.iter().map(|&axis| dims[axis]).product();
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    let op = Reduce {
        kind: ReduceKind::Sum,
        axes,
        epilogue: Tape::binary_const(Binary::Mul, (1.0 / count as f64) as f32),
    };
    cx.b().add(op, &[x])
}

/// Drops axes of extent 1 unless they are to be kept.
pub fn drop_axes(cx: &mut Cx<'_>, x: NodeId, axes: &[usize], keep: bool) -> crate::error::Result<NodeId> {
    if keep {
        return Ok(x);
    }
    let dims = cx.dims(x);
    let rest: Vec<usize> = (0..dims.len())
        .filter(|axis| !axes.contains(axis))
        .map(|axis| dims[axis])
        .collect();
    cx.b().reshape(x, rest)
}
