//! Operations that pick elements by place or by value.

use super::arguments::{Arguments, X};
use super::common::or_flat;
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::pool::drop_axes;
use crate::keras::layers::shape::{crop, gather, numbers_along};
use crate::ops::{Gather, ReduceKind, Slice};
use crate::pointwise::{Compare, TapeBuilder};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Names of the tensor that is picked from.
const FROM: &[&str] = &["params", "x", "value", "input_", "input", "inputs"];

/// Slices along an axis, which is the first one in TensorFlow; Keras takes a flat tensor without one.
pub fn take(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, FROM)?;
    let indices = a.tensor(cx, 1, &["indices"])?;
    let batch = a.integer(cx, 9, &["batch_dims"])?.unwrap_or(0);
    // What TensorFlow checks where it can.
    a.flag(cx, 9, &["validate_indices"], false)?;
    if batch != 0 {
        let batch = if batch < 0 {
            cx.axis(batch, cx.dims(indices).len())?
        } else {
            usize::try_from(batch).unwrap_or(usize::MAX)
        };
        let axis = match a.integer(cx, 2, AXIS)? {
            Some(axis) => cx.axis(axis, cx.dims(x).len())?,
            None => batch,
        };
        return one(super::picking::in_batches(cx, x, indices, axis, batch)?);
    }
    let axis = match a.integer(cx, 2, AXIS)? {
        Some(axis) => cx.axis(axis, cx.dims(x).len())?,
        None => {
            if cx.is_keras3() {
                let count: usize = cx.dims(x).iter().product();
                x = cx.b().reshape(x, [count])?;
            }
            0
        }
    };
    let extent = cx
        .dims(x)
        .get(axis)
        .copied()
        .ok_or_else(|| cx.inconsistent("it takes a tensor of rank 1 or more"))?;
    if let Some(known) = cx.state.graph.constant(indices) {
        let fits = |&index: &f32| (-(extent as f32)..extent as f32).contains(&index);
        if let Some(index) = known.to_f32().iter().find(|index| !fits(index)) {
            return Err(cx.inconsistent(format!("there is no element {index} among {extent}")));
        }
    }
    // `keras.ops.take` counts negative indices from the end; `tf.gather` knows none.
    let negative = cx.is_keras3();
    one(cx.b().add(Gather { axis, negative }, &[x, indices])?)
}

/// 1 at the place that each index names along a new axis, else 0, or other numbers.
pub fn one_hot(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["indices", "x"])?;
    one(hot(cx, a, x)?)
}

fn hot(cx: &mut Cx<'_>, a: Args<'_, '_>, x: NodeId) -> Result<NodeId, Stop> {
    let depth = a.integer(cx, 1, &["depth", "num_classes"])?;
    let depth = super::functions::count(cx, a.required(cx, depth, "depth")?)?;
    let on = a.number(cx, 9, &["on_value"])?.unwrap_or(1.0);
    let off = a.number(cx, 9, &["off_value"])?.unwrap_or(0.0);
    a.flag(cx, 9, &["sparse"], false)?;
    a.text(cx, 9, &["dtype"])?;
    let mut dims = cx.dims(x);
    let axis = a.integer(cx, 9, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, dims.len() + 1)?;
    dims.insert(axis, 1);
    let rank = dims.len();
    let x = cx.b().reshape(x, dims)?;
    let places = numbers_along(cx, depth, axis, rank)?;
    let mut t = TapeBuilder::new(2);
    let (index, place) = (t.input(0), t.input(1));
    let (on, off) = (t.constant(on as f32), t.constant(off as f32));
    let same = t.compare(Compare::Eq, index, place);
    let result = t.select(same, on, off);
    Ok(cx.b().map(t.finish(result), &[x, places])?)
}

/// The place of the largest element, of several the first.
pub fn arg_max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    place_of(cx, a, ReduceKind::Max)
}

/// The place of the smallest element, of several the first.
pub fn arg_min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    place_of(cx, a, ReduceKind::Min)
}

fn place_of(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = a.integer(cx, 1, AXIS)?;
    let axis = if cx.is_keras3() {
        axis
    } else {
        Some(axis.unwrap_or(0))
    };
    let (x, axis) = or_flat(cx, x, axis)?;
    let keep = a.flag(cx, 9, &["keepdims"], false)?;
    // All integer types compute in i32 here.
    a.text(cx, 9, &["output_type"])?;
    let first = place_along(cx, x, axis, kind)?;
    one(drop_axes(cx, first, &[axis], keep)?)
}

/// Where along an axis the largest or smallest element stands, of several the first; the axis stays.
pub fn place_along(cx: &mut Cx<'_>, x: NodeId, axis: usize, kind: ReduceKind) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let best = cx.b().reduce(kind, [axis], x)?;
    let places = numbers_along(cx, dims[axis], axis, dims.len())?;
    let mut t = TapeBuilder::new(3);
    let (value, best_value, place) = (t.input(0), t.input(1), t.input(2));
    let beyond = t.constant(dims[axis] as f32);
    let same = t.compare(Compare::Eq, value, best_value);
    let result = t.select(same, place, beyond);
    let found = cx.b().map(t.finish(result), &[x, best, places])?;
    Ok(cx.b().reduce(ReduceKind::Min, [axis], found)?)
}

/// A part of a tensor: a start and a size for every axis, in TensorFlow -1 for all of the rest.
pub fn slice(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, FROM)?;
    let starts = a.integers(cx, 1, &["begin", "start_indices"])?;
    let starts = a.required(cx, starts, "begin")?;
    let sizes = a.integers(cx, 2, &["size", "shape"])?;
    let sizes = a.required(cx, sizes, "size")?;
    let dims = cx.dims(x);
    let refuse = || cx.inconsistent(format!("{starts:?} and {sizes:?} are no part of {dims:?}"));
    let part = |(&extent, (&start, &size)): (&usize, (&i64, &i64))| {
        let start = usize::try_from(start).ok()?;
        let rest = extent.checked_sub(start)?;
        let size = if size == -1 {
            rest
        } else {
            usize::try_from(size).ok()?
        };
        (1..=rest).contains(&size).then_some((start, size))
    };
    let parts: Option<Vec<_>> = dims.iter().zip(starts.iter().zip(&sizes)).map(part).collect();
    let parts = parts.filter(|parts| [starts.len(), sizes.len(), parts.len()] == [dims.len(); 3]);
    let (starts, sizes) = parts.ok_or_else(refuse)?.into_iter().unzip();
    one(crop(cx, x, starts, sizes)?)
}

/// The tensors of which a tensor is made along an axis.
pub fn unstack(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, FROM)?;
    let dims = cx.dims(x);
    let axis = a.integer(cx, 9, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, dims.len())?;
    if let Some(count) = a.integer(cx, 1, &["num"])?
        && usize::try_from(count) != Ok(dims[axis])
    {
        return Err(cx.inconsistent(format!("an axis of {} does not give {count} tensors", dims[axis])));
    }
    let mut parts = Vec::new();
    for index in 0..dims[axis] {
        let part = cx.b().slice(x, axis, index, 1)?;
        parts.push(KerasTensor::new(drop_axes(cx, part, &[axis], false)?));
    }
    Ok(parts)
}

/// Moves elements along axes; what leaves at one end comes back at the other.
pub fn roll(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, FROM)?;
    let shifts = a.integers(cx, 1, &["shift"])?;
    let shifts = a.required(cx, shifts, "shift")?;
    let Some(axes) = a.integers(cx, 2, AXIS)? else {
        // All elements as one axis.
        let &[shift] = &shifts[..] else {
            return Err(cx.inconsistent("it takes one shift where no axis is given"));
        };
        let dims = cx.dims(x);
        let count: usize = dims.iter().product();
        let flat = cx.b().reshape(x, [count])?;
        let rolled = rolled(cx, flat, 0, shift)?;
        return one(cx.b().reshape(rolled, dims)?);
    };
    let shifts = if shifts.len() == 1 {
        vec![shifts[0]; axes.len()]
    } else {
        shifts
    };
    if axes.len() != shifts.len() {
        return Err(cx.inconsistent("it takes a shift for every axis"));
    }
    for (shift, axis) in shifts.into_iter().zip(axes) {
        let axis = cx.axis(axis, cx.dims(x).len())?;
        x = rolled(cx, x, axis, shift)?;
    }
    one(x)
}

fn rolled(cx: &mut Cx<'_>, x: NodeId, axis: usize, shift: i64) -> Result<NodeId, Stop> {
    let extent = cx.dims(x)[axis];
    let back = i64::try_from(extent).map_or(0, |n| (-(shift % n)).rem_euclid(n));
    let back = usize::try_from(back).unwrap_or(0);
    gather(cx, x, axis, &format!("roll {axis} by {back}"), extent, |i| {
        (i + back) % extent
    })
}

/// Repeats axes of extent 1 to the extents of a shape.
pub fn broadcast_to(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, FROM)?;
    let target = a.integers(cx, 1, &["shape"])?;
    let target = a.required(cx, target, "shape")?;
    one(broadcast(cx, x, &target)?)
}

/// The same of a known shape, of which -1 leaves an extent as it is.
pub fn broadcast(cx: &mut Cx<'_>, x: NodeId, target: &[i64]) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(x);
    let missing = target.len().checked_sub(dims.len());
    let missing = missing.ok_or_else(|| cx.inconsistent(format!("{dims:?} does not become {target:?}")))?;
    dims.splice(0..0, vec![1; missing]);
    let mut x = cx.b().reshape(x, dims.clone())?;
    for (axis, (&extent, &wanted)) in dims.iter().zip(target).enumerate() {
        let wanted = match usize::try_from(wanted) {
            Ok(wanted) if wanted > 0 && (extent == 1 || extent == wanted) => wanted,
            _ if wanted == -1 => extent,
            _ => return Err(cx.inconsistent(format!("{dims:?} does not become {target:?}"))),
        };
        if extent != wanted {
            x = gather(cx, x, axis, &format!("broadcast {axis}"), wanted, |_| 0)?;
        }
    }
    Ok(x)
}

/// `tf.strided_slice`, whose masks are bits for its entries.
pub fn strided_slice(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, FROM)?;
    let mut bounds = Vec::new();
    for (index, name) in (1..).zip(["begin", "end"]) {
        let numbers = a.integers(cx, index, &[name])?;
        bounds.push(a.required(cx, numbers, name)?);
    }
    let steps = a.integers(cx, 3, &["strides"])?;
    let mut masks = [0; 5];
    let names = [
        "begin_mask",
        "end_mask",
        "ellipsis_mask",
        "new_axis_mask",
        "shrink_axis_mask",
    ];
    for (mask, name) in masks.iter_mut().zip(names) {
        *mask = a.integer(cx, 9, &[name])?.unwrap_or(0);
    }
    let entries = super::indexing::masked_entries(&bounds[0], &bounds[1], steps.as_deref(), masks);
    let plan = entries.and_then(|entries| super::indexing::Plan::of(&cx.dims(x), &entries));
    let plan =
        plan.ok_or_else(|| cx.inconsistent(format!("{:?} to {:?} is no part of it", bounds[0], bounds[1])))?;
    one(plan.apply(cx, x)?)
}

/// Exchanges places of axes: each of `source` goes to its `destination`, the others keep their order.
pub fn move_axis(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let mut ends = Vec::new();
    for (index, name) in ["source", "destination"].into_iter().enumerate() {
        let axes = a.integers(cx, index + 1, &[name])?;
        let mut found = Vec::new();
        for axis in a.required(cx, axes, name)? {
            found.push(cx.axis(axis, rank)?);
        }
        ends.push(found);
    }
    let [from, to] = &ends[..] else {
        return Err(Stop::Told);
    };
    let mut moves: Vec<_> = to.iter().zip(from).collect();
    moves.sort_unstable();
    let mut perm: Vec<usize> = (0..rank).filter(|axis| !from.contains(axis)).collect();
    for (&place, &axis) in moves {
        if perm.contains(&axis) || place > perm.len() || from.len() != to.len() {
            return Err(cx.inconsistent(format!("axes {from:?} cannot go to {to:?}")));
        }
        perm.insert(place, axis);
    }
    one(cx.b().transpose(x, perm)?)
}

/// Most differences of differences.
const MAX_DIFFERENCES: i64 = 16;

/// What a difference along an axis leaves: each element less the one before.
pub fn difference(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, &["a", "x"])?;
    let times = a.integer(cx, 1, &["n"])?.unwrap_or(1);
    let dims = cx.dims(x);
    let axis = a.integer(cx, 2, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, dims.len())?;
    if !(0..=MAX_DIFFERENCES).contains(&times) {
        return Err(a.unsupported(cx, &["n"], &times.into()));
    }
    if !i64::try_from(dims[axis]).is_ok_and(|extent| (0..extent).contains(&times)) {
        return Err(cx.inconsistent(format!("an axis of {} has no {times} differences", dims[axis])));
    }
    for _ in 0..times {
        let sizes = cx.dims(x);
        let mut later = vec![0; sizes.len()];
        let mut fewer = sizes.clone();
        later[axis] = 1;
        fewer[axis] -= 1;
        let part = |starts: Vec<usize>| Slice {
            starts,
            sizes: fewer.clone(),
            steps: vec![1; sizes.len()],
        };
        let (first, second) = (part(vec![0; sizes.len()]), part(later));
        let first = cx.b().add(first, &[x])?;
        let second = cx.b().add(second, &[x])?;
        let minus = crate::pointwise::Tape::binary(crate::pointwise::Binary::Sub);
        x = cx.b().map(minus, &[second, first])?;
    }
    one(x)
}

/// `multi_hot`: 1 at all places that the indices along an axis name, the second one or the only one.
pub fn multi_hot(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["inputs", "x"])?;
    let rank = cx.dims(x).len();
    let places = hot(cx, a, x)?;
    let axis = usize::from(rank > 1);
    let any = cx.b().reduce(ReduceKind::Max, [axis], places)?;
    one(drop_axes(cx, any, &[axis], false)?)
}
