//! Operations that move elements.

use super::arguments::{Arguments, X};
use super::functions::{AXIS, count};
use crate::graph::NodeId;
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::pool::drop_axes;
use crate::keras::layers::recurrent::reversed;
use crate::keras::layers::shape::{gather, solve};
use crate::ops::Pad;

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
    let dims = cx.dims(x);
    let places = a.literal(cx, 1, &["indices_or_sections"])?;
    let sizes = a.literal(cx, 1, &["num_or_size_splits"])?;
    let found = places
        .as_ref()
        .or(sizes.as_ref())
        .and_then(super::arguments::integers);
    let found = a.required(cx, found, "num_or_size_splits")?;
    let axis = a.integer(cx, 2, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, dims.len())?;
    let extent = dims[axis];
    let listed = places
        .as_ref()
        .or(sizes.as_ref())
        .is_some_and(|value| !value.is_number());
    let numbers: Option<Vec<usize>> = found.iter().map(|&n| usize::try_from(n).ok()).collect();
    let numbers =
        numbers.ok_or_else(|| cx.inconsistent(format!("{found:?} does not split an axis of {extent}")))?;
    let starts: Vec<usize> = match (&numbers[..], listed, places.is_some()) {
        (&[count], false, _) if count > 0 && count <= extent && extent.is_multiple_of(count) => {
            (0..count).map(|i| i * (extent / count)).collect()
        }
        (places, true, true) => [&[0], places].concat(),
        (sizes, true, false) => sizes
            .iter()
            .scan(0usize, |at, &size| {
                let start = *at;
                *at = at.saturating_add(size);
                Some(start)
            })
            .collect(),
        _ => Vec::new(),
    };
    let ends = starts.iter().skip(1).copied().chain([extent]);
    if starts.is_empty()
        || !starts
            .iter()
            .zip(ends.clone())
            .all(|(start, end)| *start < end && end <= extent)
    {
        return Err(cx.inconsistent(format!("{found:?} does not split an axis of {extent}")));
    }
    let mut parts = Vec::new();
    for (&start, end) in starts.iter().zip(ends) {
        parts.push(KerasTensor::new(cx.b().slice(x, axis, start, end - start)?));
    }
    Ok(parts)
}

/// Pads with a constant, or with what stands at the border.
pub fn pad(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let widths = a.integers(cx, 1, &["pad_width", "paddings"])?;
    let widths = a.required(cx, widths, "paddings")?;
    let border = match a.text(cx, 2, &["mode"])?.as_deref() {
        None | Some("constant") => None,
        Some("reflect") => Some(Border::Reflect),
        Some("symmetric") => Some(Border::Symmetric),
        Some("edge") => Some(Border::Edge),
        Some("wrap") => Some(Border::Wrap),
        Some(other) => return Err(a.unsupported(cx, &["mode"], &other.into())),
    };
    let value = a.number(cx, 3, &["constant_values"])?.unwrap_or(0.0);
    let numbers: Option<Vec<usize>> = widths
        .iter()
        .map(|&n| usize::try_from(n).ok().filter(|&n| n <= 1 << 16))
        .collect();
    let pads: Vec<(usize, usize)> = match numbers.as_deref() {
        Some(&[both]) => vec![(both, both); rank],
        Some(&[before, after]) => vec![(before, after); rank],
        Some(pairs) if pairs.len() == 2 * rank => pairs.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
        _ => return Err(cx.inconsistent(format!("pads {widths:?} do not fit a tensor of rank {rank}"))),
    };
    let value = value as f32;
    match border {
        _ if pads.iter().all(|&pad| pad == (0, 0)) => one(x),
        None => one(cx.b().add(Pad { pads, value }, &[x])?),
        Some(border) => one(border.pad(cx, x, &pads)?),
    }
}

/// What a tensor is continued with beyond its borders.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Border {
    /// Its mirror image, without the element at the border.
    Reflect,
    /// Its mirror image.
    Symmetric,
    /// The element at the border.
    Edge,
    /// Its other end.
    Wrap,
}

impl Border {
    fn pad(self, cx: &mut Cx<'_>, mut x: NodeId, pads: &[(usize, usize)]) -> Result<NodeId, Stop> {
        for (axis, &(before, after)) in pads.iter().enumerate() {
            let extent = cx.dims(x)[axis];
            let most = match self {
                Self::Reflect => extent - 1,
                Self::Symmetric | Self::Wrap => extent,
                Self::Edge => usize::MAX,
            };
            if before.max(after) > most {
                let message = format!(
                    "axis {axis} of {extent} cannot be padded by {}: {self:?}",
                    before.max(after)
                );
                return Err(cx.inconsistent(message));
            }
            let role = format!("{self:?} {axis}, {before} before {extent}");
            x = gather(cx, x, axis, &role, before + extent + after, |i| {
                self.source(i, before, extent)
            })?;
        }
        Ok(x)
    }
    /// Which of the `extent` elements stands at place `i` when there are `before` more before them.
    fn source(self, i: usize, before: usize, extent: usize) -> usize {
        let last = extent - 1;
        match (i.checked_sub(before), self) {
            (Some(inside), _) if inside <= last => inside,
            (Some(beyond), Self::Reflect) => 2 * last - beyond,
            (Some(beyond), Self::Symmetric) => 2 * last + 1 - beyond,
            (Some(_), Self::Edge) => last,
            (Some(beyond), Self::Wrap) => beyond - extent,
            (None, Self::Reflect) => before - i,
            (None, Self::Symmetric) => before - i - 1,
            (None, Self::Edge) => 0,
            (None, Self::Wrap) => extent + i - before,
        }
    }
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

/// Repeats every element of an axis.
pub fn repeat(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let times = a.integer(cx, 1, &["repeats"])?;
    let times = count(cx, a.required(cx, times, "repeats")?)?;
    let axis = a.integer(cx, 2, AXIS)?;
    let axis = cx.axis(a.required(cx, axis, "axis")?, cx.dims(x).len())?;
    one(crate::keras::layers::shape::repeat(cx, x, axis, times)?)
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
