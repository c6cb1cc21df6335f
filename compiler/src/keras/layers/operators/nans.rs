//! Operations that leave out what is not a number: `nansum`, `nanmean` and the like, and `nan_to_num`.

use super::arguments::{Arguments, X};
use super::cumulative;
use super::reductions::reduction;
use super::selection::place_along;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::pool::drop_axes;
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// x, or another number where it is not one.
fn or_else(other: f32) -> Tape {
    let mut t = TapeBuilder::new(1);
    let (x, other) = (t.input(0), t.constant(other));
    let is_nan = t.compare(Compare::Ne, x, x);
    let result = t.select(is_nan, other, x);
    t.finish(result)
}

/// 1 where x is a number.
fn is_number() -> Tape {
    tapes::is_nan().then(&tapes::is_zero())
}

/// How many numbers there are along axes, which stay with extent 1.
fn counted(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    let numbers = cx.apply(is_number(), x)?;
    Ok(cx.b().reduce(ReduceKind::Sum, axes, numbers)?)
}

fn reduced(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, neutral: f32) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let clean = cx.apply(or_else(neutral), x)?;
    let y = cx.b().reduce(kind, axes.clone(), clean)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// Σ.
pub fn sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduced(cx, a, ReduceKind::Sum, 0.0)
}

/// Π.
pub fn product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduced(cx, a, ReduceKind::Product, 1.0)
}

/// The largest number; NaN where there is none.
pub fn max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    extreme(cx, a, ReduceKind::Max, f32::NEG_INFINITY)
}

/// The smallest number; NaN where there is none.
pub fn min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    extreme(cx, a, ReduceKind::Min, f32::INFINITY)
}

fn extreme(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, neutral: f32) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let counted = counted(cx, x, &axes)?;
    let clean = cx.apply(or_else(neutral), x)?;
    let y = cx.b().reduce(kind, axes.clone(), clean)?;
    let y = where_any(cx, y, counted, f32::NAN)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// A result, or another number where nothing was counted.
fn where_any(cx: &mut Cx<'_>, y: NodeId, counted: NodeId, other: f32) -> Result<NodeId, Stop> {
    let mut t = TapeBuilder::new(2);
    let (value, count) = (t.input(0), t.input(1));
    let (zero, other) = (t.constant(0.0), t.constant(other));
    let none = t.compare(Compare::Eq, count, zero);
    let result = t.select(none, other, value);
    Ok(cx.b().map(t.finish(result), &[y, counted])?)
}

/// The mean of numbers, and how many there are.
fn mean_of(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<(NodeId, NodeId), Stop> {
    let counted = counted(cx, x, axes)?;
    let clean = cx.apply(or_else(0.0), x)?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, clean)?;
    let mean = cx.b().map(Tape::binary(Binary::Div), &[sum, counted])?;
    Ok((mean, counted))
}

/// The mean.
pub fn mean(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let (mean, _) = mean_of(cx, x, &axes)?;
    one(drop_axes(cx, mean, &axes, keep)?)
}

/// The variance.
pub fn variance(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    spread(cx, a, Tape::identity())
}

/// The standard deviation.
pub fn deviation(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    spread(cx, a, Tape::unary(Unary::Sqrt))
}

fn spread(cx: &mut Cx<'_>, a: Args<'_, '_>, after: Tape) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let (mean, counted) = mean_of(cx, x, &axes)?;
    let square = Tape::binary(Binary::Sub)
        .then(&library::square::tape())
        .then(&or_else(0.0));
    let squares = cx.b().map(square, &[x, mean])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes.clone(), squares)?;
    let quotient = Tape::binary(Binary::Div).then(&after);
    let y = cx.b().map(quotient, &[sum, counted])?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// The place of the largest number, of several the first; -1 where there is none.
pub fn arg_max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    place_of(cx, a, ReduceKind::Max, f32::NEG_INFINITY)
}

/// The place of the smallest number.
pub fn arg_min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    place_of(cx, a, ReduceKind::Min, f32::INFINITY)
}

fn place_of(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, neutral: f32) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = a.integer(cx, 1, super::functions::AXIS)?;
    let (x, axis) = super::common::or_flat(cx, x, axis)?;
    let keep = a.flag(cx, 9, &["keepdims"], false)?;
    let counted = counted(cx, x, &[axis])?;
    let clean = cx.apply(or_else(neutral), x)?;
    let place = place_along(cx, clean, axis, kind)?;
    let y = where_any(cx, place, counted, -1.0)?;
    one(drop_axes(cx, y, &[axis], keep)?)
}

/// Sums up to each place.
pub fn cumulative_sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let x = cx.apply(finite(0.0, f32::MAX, f32::MIN), x)?;
    cumulative::sums(cx, a, x)
}

/// Products up to each place.
pub fn cumulative_product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let x = cx.apply(or_else(1.0), x)?;
    cumulative::products(cx, a, x)
}

/// `nan_to_num`.
pub fn nan_to_num(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let nan = a.number(cx, 1, &["nan"])?.unwrap_or(0.0) as f32;
    let most = a.number(cx, 2, &["posinf"])?.map_or(f32::MAX, |v| v as f32);
    let least = a.number(cx, 3, &["neginf"])?.map_or(f32::MIN, |v| v as f32);
    one(cx.apply(finite(nan, most, least), x)?)
}

/// x, or other numbers where it is NaN, ∞ or -∞.
fn finite(nan: f32, most: f32, least: f32) -> Tape {
    let mut t = TapeBuilder::new(1);
    let x = t.input(0);
    let (above, below) = (t.constant(f32::INFINITY), t.constant(f32::NEG_INFINITY));
    let [nan, most, least] = [nan, most, least].map(|number| t.constant(number));
    let is_above = t.compare(Compare::Eq, x, above);
    let is_below = t.compare(Compare::Eq, x, below);
    let is_nan = t.compare(Compare::Ne, x, x);
    let result = t.select(is_above, most, x);
    let result = t.select(is_below, least, result);
    let result = t.select(is_nan, nan, result);
    t.finish(result)
}
