//! What gathers along an axis: `cumsum`, `cumprod`, `cumulative_logsumexp`.

use super::arguments::{Arguments, X};
use super::common::or_flat;
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::contraction::{Labelled, label, product};
use crate::keras::layers::recurrent::reversed;
use crate::keras::layers::shape::crop;
use crate::ops::Pad;
use crate::pointwise::{Binary, Tape, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// The tensor with the axis that it goes along.
fn axis_of(cx: &mut Cx<'_>, a: Args<'_, '_>, x: NodeId) -> Result<(NodeId, usize), Stop> {
    let axis = a.integer(cx, 1, AXIS)?;
    // All number types compute in f32 here.
    a.text(cx, 9, &["dtype"])?;
    let axis = if cx.is_keras3() {
        axis
    } else {
        Some(axis.unwrap_or(0))
    };
    or_flat(cx, x, axis)
}

/// Whether a place counts itself, and from which end: TensorFlow's arguments.
fn ways(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(bool, bool), Stop> {
    let exclusive = a.flag(cx, 9, &["exclusive"], false)?;
    Ok((exclusive, a.flag(cx, 9, &["reverse"], false)?))
}

/// Sums up to each place of an axis.
pub fn cumulative_sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    sums(cx, a, x)
}

/// The same of a tensor that has been changed.
pub fn sums(cx: &mut Cx<'_>, a: Args<'_, '_>, x: NodeId) -> Outcome {
    let (x, axis) = axis_of(cx, a, x)?;
    let (exclusive, reverse) = ways(cx, a)?;
    let dims = cx.dims(x);
    let extent = dims[axis];
    let counts = |from: usize, to: usize| match (reverse, exclusive) {
        (false, false) => from <= to,
        (false, true) => from < to,
        (true, false) => from >= to,
        (true, true) => from > to,
    };
    let role = format!("sums, {exclusive}, {reverse}");
    let matrix = super::common::numbers(cx, &role, &[extent, extent], |i| {
        f32::from(u8::from(counts(i / extent, i % extent)))
    })?;
    let left: Vec<char> = (0..dims.len()).map(label).collect();
    let sums = label(dims.len());
    let mut output = left.clone();
    output[axis] = sums;
    let right = vec![label(axis), sums];
    let (x, matrix) = (Labelled::new(x, left), Labelled::new(matrix, right));
    one(product(cx, x, matrix, &output)?)
}

/// The sums up to each place of an axis, each place included, without a matrix.
pub fn sums_along(cx: &mut Cx<'_>, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
    scanned(cx, x, axis, (false, false), Tape::binary(Binary::Add), 0.0)
}

/// Products up to each place of an axis.
pub fn cumulative_product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    products(cx, a, x)
}

/// The same of a tensor that has been changed.
pub fn products(cx: &mut Cx<'_>, a: Args<'_, '_>, x: NodeId) -> Outcome {
    let (x, axis) = axis_of(cx, a, x)?;
    let ways = ways(cx, a)?;
    one(scanned(cx, x, axis, ways, Tape::binary(Binary::Mul), 1.0)?)
}

/// log Σ eˣ up to each place of an axis. An exclusive one begins with the least number, as TensorFlow has it.
pub fn cumulative_log_sum_exp(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let (x, axis) = axis_of(cx, a, x)?;
    let ways = ways(cx, a)?;
    one(scanned(cx, x, axis, ways, library::logaddexp::tape(), f32::MIN)?)
}

/// Combines everything up to each place: each step takes what stands twice as far away (Hillis and Steele, "Data parallel
/// algorithms", 1986).
fn scanned(
    cx: &mut Cx<'_>,
    mut x: NodeId,
    axis: usize,
    (exclusive, reverse): (bool, bool),
    combine: Tape,
    neutral: f32,
) -> Result<NodeId, Stop> {
    let extent = cx.dims(x)[axis];
    if reverse {
        x = reversed(cx, x, axis)?;
    }
    if exclusive {
        x = delayed(cx, x, axis, 1, neutral)?;
    }
    let mut distance = 1;
    while distance < extent {
        let earlier = delayed(cx, x, axis, distance, neutral)?;
        x = cx.b().map(combine.clone(), &[earlier, x])?;
        distance *= 2;
    }
    if reverse {
        x = reversed(cx, x, axis)?;
    }
    Ok(x)
}

/// What stood so far before each place, or a neutral number.
fn delayed(cx: &mut Cx<'_>, x: NodeId, axis: usize, distance: usize, neutral: f32) -> Result<NodeId, Stop> {
    let sizes = cx.dims(x);
    let mut pads = vec![(0, 0); sizes.len()];
    pads[axis] = (distance, 0);
    let padded = cx.b().add(Pad { pads, value: neutral }, &[x])?;
    let starts = vec![0; sizes.len()];
    Ok(crop(cx, padded, starts, sizes)?)
}
