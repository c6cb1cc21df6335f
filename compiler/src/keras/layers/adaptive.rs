//! Pooling to a given size: `keras.layers.AdaptiveAveragePooling1D` to `3D`, `AdaptiveMaxPooling1D` to `3D`.

use super::context::{Cx, Outcome, Stop, one};
use super::pool::mean;
use super::spatial::Format;
use crate::budget::Resource;
use crate::graph::NodeId;
use crate::keras::ranges::COUNT;
use crate::ops::{PoolKind, ReduceKind};

/// `AdaptiveMaxPooling1D` to `3D`.
pub fn max<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    adaptive::<N>(cx, PoolKind::Max)
}

/// `AdaptiveAveragePooling1D` to `3D`: means along one axis after the other.
pub fn average<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    adaptive::<N>(cx, PoolKind::Average)
}

fn adaptive<const N: usize>(cx: &mut Cx<'_>, kind: PoolKind) -> Outcome {
    let r = cx.read();
    let sizes = r.tuple::<N>("output_size", COUNT);
    let format = r.format();
    r.finish(cx)?;
    let mut x = cx.float_input()?;
    cx.expect_rank(x, N + 2)?;
    let first = if format == Format::First { 2 } else { 1 };
    for (axis, size) in (first..).zip(sizes) {
        x = along(cx, x, axis, size, kind)?;
    }
    one(x)
}

/// Pools an axis to so many results: number i sees the elements from `floor(i · extent / size)` to
/// `ceil((i + 1) · extent / size)`, as `keras.ops.adaptive_max_pool` has it.
pub fn along(cx: &mut Cx<'_>, x: NodeId, axis: usize, size: usize, kind: PoolKind) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let extent = dims[axis];
    let pooled = |cx: &mut Cx<'_>, x, axis| match kind {
        PoolKind::Max => cx.b().reduce(ReduceKind::Max, [axis], x),
        PoolKind::Average => mean(cx, x, &[axis]),
    };
    if extent.is_multiple_of(size) {
        let mut split = dims.clone();
        split.splice(axis..=axis, [size, extent / size]);
        let x = cx.b().reshape(x, split)?;
        let x = pooled(cx, x, axis + 1)?;
        let mut dims = dims;
        dims[axis] = size;
        return Ok(cx.b().reshape(x, dims)?);
    }
    cx.state.budget.take(Resource::Parts, size)?;
    let mut parts = Vec::with_capacity(size);
    for i in 0..size {
        let (start, end) = (i * extent / size, ((i + 1) * extent).div_ceil(size));
        let part = cx.b().slice(x, axis, start, end - start)?;
        parts.push(pooled(cx, part, axis)?);
    }
    Ok(cx.b().concat(axis, &parts)?)
}
