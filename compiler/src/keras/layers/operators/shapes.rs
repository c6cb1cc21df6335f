//! Operations that move elements.

use super::arguments::{Arguments, X};
use super::functions::{AXIS, count};
use crate::graph::NodeId;
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, one};
use crate::keras::layers::pool::drop_axes;
use crate::keras::layers::recurrent::reversed;
use crate::keras::layers::shape::{gather, solve};

type Args<'a, 'b> = &'b Arguments<'a>;

/// `reshape` with at most one -1; the batch is part of the shape.
pub fn reshape(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let target = a.integers(cx, 1, &["newshape", "shape"])?;
    let target = a.required(cx, target, "shape")?;
    let dims = solve(cx, &target, cx.dims(x).iter().product())?;
    one(cx.b().reshape(x, dims)?)
}

/// All elements in one axis.
pub fn ravel(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let count = cx.dims(x).iter().product();
    one(cx.b().reshape(x, [count])?)
}

/// All axes but the first in one.
pub fn batch_flatten(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let Some((&batch, rest)) = dims.split_first() else {
        return Err(cx.inconsistent("it takes a tensor of rank 1 or more"));
    };
    one(cx.b().reshape(x, [batch, rest.iter().product()])?)
}

/// `transpose`, by default the opposite order of axes.
pub fn transpose(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    if a.flag(cx, 2, &["conjugate"], false)? {
        return Err(a.unsupported(cx, &["conjugate"], &true.into()));
    }
    let mut perm = Vec::new();
    match a.integers(cx, 1, &["axes", "perm"])? {
        None => perm.extend((0..rank).rev()),
        Some(axes) => {
            for axis in axes {
                perm.push(cx.axis(axis, rank)?);
            }
        }
    }
    one(cx.b().transpose(x, perm)?)
}

/// Exchanges two axes.
pub fn swap_axes(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    let first = a.integer(cx, 1, &["axis1"])?;
    let second = a.integer(cx, 2, &["axis2"])?;
    let first = cx.axis(a.required(cx, first, "axis1")?, rank)?;
    let second = cx.axis(a.required(cx, second, "axis2")?, rank)?;
    perm.swap(first, second);
    one(cx.b().transpose(x, perm)?)
}

/// A new axis of extent 1.
pub fn expand_dims(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let mut dims = cx.dims(x);
    let axes = a.integers(cx, 1, AXIS)?;
    let axes = a.required(cx, axes, "axis")?;
    for axis in axis_list(cx, &axes, dims.len() + axes.len())? {
        dims.insert(axis.min(dims.len()), 1);
    }
    one(cx.b().reshape(x, dims)?)
}

/// Drops axes of extent 1, by default all of them.
pub fn squeeze(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, dims.len())?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    if axes.iter().any(|&axis| dims[axis] != 1) {
        return Err(cx.inconsistent(format!("axes {axes:?} of extents {dims:?} cannot be dropped")));
    }
    one(drop_axes(cx, x, &axes, false)?)
}

/// Joins tensors along an axis.
pub fn concatenate(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let parts = a.tensors(cx)?;
    let axis = a.integer(cx, 1, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, cx.dims(parts[0]).len())?;
    one(cx.b().concat(axis, &parts)?)
}

/// Joins tensors along a new axis.
pub fn stack(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let parts = a.tensors(cx)?;
    let axis = a.integer(cx, 1, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, cx.dims(parts[0]).len() + 1)?;
    let mut widened = Vec::new();
    for part in parts {
        let mut dims = cx.dims(part);
        dims.insert(axis.min(dims.len()), 1);
        widened.push(cx.b().reshape(part, dims)?);
    }
    one(cx.b().concat(axis, &widened)?)
}

/// Splits an axis into equal parts, or at given places (Keras 3) or into given sizes (TensorFlow).
pub fn split(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = a.integer(cx, 2, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, cx.dims(x).len())?;
    // The number of parts, which their sizes tell as well.
    a.integer(cx, 3, &["num"])?;
    split_along(cx, a, x, axis)
}

/// The same along a known axis.
pub fn split_along(cx: &mut Cx<'_>, a: Args<'_, '_>, x: NodeId, axis: usize) -> Outcome {
    let dims = cx.dims(x);
    let extent = *dims.get(axis).ok_or_else(|| {
        cx.inconsistent(format!(
            "there is no axis {axis} in a tensor of rank {}",
            dims.len()
        ))
    })?;
    let places = a.literal(cx, 1, &["indices_or_sections"])?;
    let sizes = a.literal(cx, 1, &["num_or_size_splits"])?;
    let given = places.as_ref().or(sizes.as_ref());
    let found = given.and_then(super::arguments::integers);
    let found = a.required(cx, found, "num_or_size_splits")?;
    let listed = given.is_some_and(|value| !value.is_number());
    let refuse = || cx.inconsistent(format!("{found:?} does not split an axis of {extent}"));
    let mut numbers = found.clone();
    if listed && places.is_none() && numbers.iter().filter(|&&n| n == -1).count() == 1 {
        // One size may be what the others leave.
        let known: i64 = numbers.iter().filter(|&&n| n != -1).sum();
        let rest = i64::try_from(extent).unwrap_or(i64::MAX) - known;
        numbers.iter_mut().filter(|n| **n == -1).for_each(|n| *n = rest);
    }
    let numbers: Option<Vec<usize>> = numbers.iter().map(|&n| usize::try_from(n).ok()).collect();
    let numbers = numbers.ok_or_else(refuse)?;
    let starts: Vec<usize> = match (&numbers[..], listed, places.is_some()) {
        (&[count], false, _) if count > 0 && count <= extent && extent.is_multiple_of(count) => {
            (0..count).map(|i| i * (extent / count)).collect()
        }
        (places, true, true) => [&[0], places].concat(),
        (sizes, true, false) if sizes.iter().sum::<usize>() == extent => sizes
            .iter()
            .scan(0usize, |at, &size| {
                let start = *at;
                *at = at.saturating_add(size);
                Some(start)
            })
            .collect(),
        _ => return Err(refuse()),
    };
    let ends = starts.iter().skip(1).copied().chain([extent]);
    if !starts
        .iter()
        .zip(ends)
        .all(|(&start, end)| start < end && end <= extent)
    {
        return Err(refuse());
    }
    parts(cx, x, axis, starts)
}

/// The parts of an axis that begin at these places.
pub fn parts(cx: &mut Cx<'_>, x: NodeId, axis: usize, starts: Vec<usize>) -> Outcome {
    let extent = cx.dims(x)[axis];
    let ends = starts.iter().skip(1).copied().chain([extent]);
    let mut parts = Vec::new();
    for (&start, end) in starts.iter().zip(ends) {
        parts.push(KerasTensor::new(cx.b().slice(
            x,
            axis,
            start,
            end.saturating_sub(start),
        )?));
    }
    Ok(parts)
}

/// Turns axes around, by default all of them.
pub fn flip(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    for axis in axes {
        x = reversed(cx, x, axis)?;
    }
    one(x)
}

/// Repeats every element of an axis, or of all axes as one: equally often, or as often as a list says.
pub fn repeat(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let times = a.integers(cx, 1, &["repeats"])?;
    let times = a.required(cx, times, "repeats")?;
    let axis = a.integer(cx, 2, AXIS)?;
    let (x, axis) = super::common::or_flat(cx, x, axis)?;
    if let &[times] = &times[..] {
        let times = count(cx, times)?;
        return one(crate::keras::layers::shape::repeat(cx, x, axis, times)?);
    }
    let sources: Option<Vec<usize>> = times.iter().map(|&n| usize::try_from(n).ok()).collect();
    let sources = sources.filter(|list| list.len() == cx.dims(x)[axis]);
    let sources = sources.ok_or_else(|| {
        cx.inconsistent(format!(
            "{times:?} does not repeat an axis of {}",
            cx.dims(x)[axis]
        ))
    })?;
    let all = sources.iter().fold(0usize, |sum, &n| sum.saturating_add(n));
    cx.make_room(all)?;
    let sources: Vec<usize> = sources
        .iter()
        .enumerate()
        .flat_map(|(i, &n)| std::iter::repeat_n(i, n))
        .collect();
    one(gather(
        cx,
        x,
        axis,
        &format!("repeat {axis} {times:?}"),
        all,
        |i| sources[i],
    )?)
}

/// Repeats a tensor along each of its axes.
pub fn tile(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    let times = a.integers(cx, 1, &["repeats", "multiples"])?;
    let times = a.required(cx, times, "multiples")?;
    let mut dims = cx.dims(x);
    if times.len() > dims.len() {
        dims.splice(0..0, vec![1; times.len() - dims.len()]);
        x = cx.b().reshape(x, dims.clone())?;
    }
    let first = dims.len() - times.len();
    for (axis, times) in (first..).zip(times) {
        let extent = dims[axis];
        let all = extent.saturating_mul(count(cx, times)?);
        x = gather(cx, x, axis, &format!("tile {axis} of {extent}"), all, |i| {
            i % extent
        })?;
    }
    one(x)
}

/// `fliplr`: turns the second axis around.
pub fn flip_columns(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = cx.axis(1, cx.dims(x).len())?;
    one(reversed(cx, x, axis)?)
}

/// `flipud`: turns the first axis around.
pub fn flip_rows(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = cx.axis(0, cx.dims(x).len())?;
    one(reversed(cx, x, axis)?)
}

/// `rot90`: k quarter turns, from the first of two axes to the second.
pub fn quarter_turns(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, &["array", "image", "images"])?;
    let rank = cx.dims(x).len();
    let turns = a.integer(cx, 1, &["k"])?.unwrap_or(1).rem_euclid(4);
    let axes = match a.integers(cx, 2, &["axes"])? {
        Some(axes) => axes,
        None if cx.is_keras3() => vec![0, 1],
        // `tf.image.rot90`.
        None => vec![-3, -2],
    };
    let &[from, to] = &axes[..] else {
        return Err(cx.inconsistent(format!("axes {axes:?} are not two")));
    };
    let (from, to) = (cx.axis(from, rank)?, cx.axis(to, rank)?);
    if from == to {
        return Err(cx.inconsistent("it turns two axes"));
    }
    let dims = cx.dims(x);
    if turns == 2 && cx.is_keras3() && dims[from] != dims[to] {
        return Err(cx.inconsistent(
            "Keras gives other elements on TensorFlow than elsewhere for two quarter turns of what is not square: use \
             flip over both axes",
        ));
    }
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(from, to);
    for _ in 0..turns {
        x = reversed(cx, x, to)?;
        x = cx.b().transpose(x, perm.clone())?;
    }
    one(x)
}
