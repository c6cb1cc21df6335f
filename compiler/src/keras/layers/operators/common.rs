//! What many operations share: axes, numbers by rule, elements by place.

use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Stop};
pub use crate::keras::layers::shape::numbers_along as places;
use crate::ops::{Gather, ReduceKind};
use crate::pointwise::{Compare, TapeBuilder};
use crate::tensor::{Shape, Tensor};

/// Most comparisons of pairs of elements in one operation: each is a number in memory for a while.
const MAX_PAIRS: usize = 1 << 24;

/// Up to here floats count without gaps.
const MAX_EXACT: usize = 1 << 24;

/// Numbers by a rule, as a constant of that shape, whose `role` says the rule.
pub fn numbers(
    cx: &mut Cx<'_>,
    role: &str,
    dims: &[usize],
    number: impl Fn(usize) -> f32,
) -> Result<NodeId, Stop> {
    let shape = Shape::checked(dims)?;
    let count = shape.count();
    let role = format!("{role} {dims:?}");
    Ok(cx.constant(&role, count, || {
        Tensor::f32(shape, (0..count).map(number).collect::<Vec<_>>())
    })?)
}

/// The tensor with one axis last and the others in their order.
pub fn axis_last(cx: &mut Cx<'_>, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let rank = cx.dims(x).len();
    let perm: Vec<usize> = (0..rank).filter(|&a| a != axis).chain([axis]).collect();
    Ok(cx.b().transpose(x, perm)?)
}

/// The tensor with its last axis at another place.
pub fn axis_back(cx: &mut Cx<'_>, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let last = cx.dims(x).len() - 1;
    let mut perm: Vec<usize> = (0..last).collect();
    perm.insert(axis, last);
    Ok(cx.b().transpose(x, perm)?)
}

/// The tensor and its axis, or all its elements as one where no axis is given.
pub fn or_flat(cx: &mut Cx<'_>, x: NodeId, axis: Option<i64>) -> Result<(NodeId, usize), Stop> {
    match axis {
        Some(axis) => Ok((x, cx.axis(axis, cx.dims(x).len())?)),
        None => {
            let count: usize = cx.dims(x).iter().product();
            Ok((cx.b().reshape(x, [count])?, 0))
        }
    }
}

/// Refuses so many pairs that comparing all of them would be the wrong way.
pub fn limit_pairs(cx: &Cx<'_>, extents: &[usize]) -> Result<(), Stop> {
    let count = extents
        .iter()
        .try_fold(1usize, |n, &extent| n.checked_mul(extent));
    match count {
        Some(count) if count <= MAX_PAIRS => Ok(()),
        _ => Err(cx.inconsistent(format!(
            "it compares all pairs of elements, {extents:?} here, and takes no more than {MAX_PAIRS}: let it work on \
             fewer elements at a time"
        ))),
    }
}

/// Elements of a tensor by their computed places in row-major order.
pub fn picked(cx: &mut Cx<'_>, x: NodeId, places: NodeId) -> Result<NodeId, Stop> {
    let count: usize = cx.dims(x).iter().product();
    if count > MAX_EXACT {
        return Err(cx.inconsistent(format!(
            "it picks among {count} elements, more than the {MAX_EXACT} that floats count without gaps"
        )));
    }
    let flat = cx.b().reshape(x, [count])?;
    let gather = Gather {
        axis: 0,
        negative: false,
    };
    Ok(cx.b().add(gather, &[flat, places])?)
}

/// For each group of `values` `[rows or 1, n]` and every `wanted` `[rows or 1, k]`, the sum of the values whose `key`
/// `[rows or 1, n]` is what is wanted: `[rows, k]`. No product is made, so that what is not wanted may be infinite.
pub fn sum_where_equal(
    cx: &mut Cx<'_>,
    keys: NodeId,
    wanted: NodeId,
    values: NodeId,
) -> Result<NodeId, Stop> {
    let [key_dims, wanted_dims, value_dims] = [keys, wanted, values].map(|node| cx.dims(node));
    let rows = key_dims[0].max(wanted_dims[0]).max(value_dims[0]);
    let (n, k) = (key_dims[1], wanted_dims[1]);
    limit_pairs(cx, &[rows, k, n])?;
    let keys = cx.b().reshape(keys, [key_dims[0], 1, n])?;
    let values = cx.b().reshape(values, [value_dims[0], 1, value_dims[1]])?;
    let wanted = cx.b().reshape(wanted, [wanted_dims[0], k, 1])?;
    let mut t = TapeBuilder::new(3);
    let (key, want, value, zero) = (t.input(0), t.input(1), t.input(2), t.constant(0.0));
    let same = t.compare(Compare::Eq, key, want);
    let result = t.select(same, value, zero);
    let found = cx.b().map(t.finish(result), &[keys, wanted, values])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [2], found)?;
    Ok(cx.b().reshape(sum, [rows, k])?)
}
