//! Reductions over whole axes.

use super::arguments::{Arguments, X};
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::normalize::{centred, mean_square};
use crate::keras::layers::pool::{drop_axes, mean as mean_over};
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, Unary, library};
use serde_json::Value as Json;

type Args<'a, 'b> = &'b Arguments<'a>;

/// What all reductions take: the tensor, the axes (all by default), and whether they stay with extent 1.
fn reduction(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(NodeId, Vec<usize>, bool), Stop> {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    let keep = a.flag(cx, 2, &["keepdims", "keep_dims"], false)?;
    Ok((x, axes, keep))
}

fn reduce(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, before: Tape) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let x = cx.apply(before, x)?;
    let y = cx.b().reduce(kind, axes.clone(), x)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// Σ.
pub fn sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Sum, Tape::identity())
}

/// The largest element.
pub fn max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Max, Tape::identity())
}

/// The smallest element.
pub fn min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Min, Tape::identity())
}

/// Π.
pub fn product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Product, Tape::identity())
}

/// Whether any element is true.
pub fn any(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Max, tapes::is_true())
}

/// Whether all elements are true.
pub fn all(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Min, tapes::is_true())
}

/// The mean.
pub fn mean(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let y = mean_over(cx, x, &axes)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// `keras.ops.average` without weights.
pub fn average(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    if a.optional(cx, 1, &["weights"])?.is_some() {
        return Err(a.unsupported(cx, &["weights"], &"a tensor".into()));
    }
    mean(cx, a)
}

/// Mean and variance.
pub fn moments(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    // Over several machines.
    a.flag(cx, 9, &["synchronized"], false)?;
    let mean = mean_over(cx, x, &axes)?;
    let centre = centred(cx, x, &axes)?;
    let variance = mean_square(cx, centre, &axes)?;
    let mut both = Vec::new();
    for node in [mean, variance] {
        both.push(KerasTensor::new(drop_axes(cx, node, &axes, keep)?));
    }
    Ok(both)
}

/// √Σx², keeping the axes.
pub fn root_of_squares(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    let square = cx.apply(library::square::tape(), x)?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, square)?;
    Ok(cx.apply(Tape::unary(Unary::Sqrt), sum)?)
}

/// √Σx².
pub fn euclidean_norm(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let norm = root_of_squares(cx, x, &axes)?;
    one(drop_axes(cx, norm, &axes, keep)?)
}

/// The Euclidean norm of vectors, which is that of Frobenius for several axes.
pub fn norm(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    match a.literal(cx, 9, &["ord"])? {
        Some(Json::String(order)) if order == "euclidean" || order == "fro" => {}
        Some(order) => return Err(a.unsupported(cx, &["ord"], &order)),
        None => {}
    }
    euclidean_norm(cx, a)
}

/// How many elements are not 0.
pub fn count_nonzero(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    // All integer types compute in i32 here.
    a.text(cx, 9, &["dtype"])?;
    reduce(cx, a, ReduceKind::Sum, tapes::is_true())
}

/// The mean squared distance from the mean.
pub fn variance(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    spread(cx, a, Tape::identity())
}

/// The root of the variance.
pub fn deviation(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    spread(cx, a, Tape::unary(Unary::Sqrt))
}

fn spread(cx: &mut Cx<'_>, a: Args<'_, '_>, after: Tape) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let centre = centred(cx, x, &axes)?;
    let y = mean_square(cx, centre, &axes)?;
    let y = cx.apply(after, y)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// log Σ eˣ, without overflow.
pub fn log_sum_exp(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let max = cx.b().reduce(ReduceKind::Max, axes.clone(), x)?;
    let exp = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp));
    let exp = cx.b().map(exp, &[x, max])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes.clone(), exp)?;
    let log = Tape::unary(Unary::Log).then(&Tape::binary(Binary::Add));
    let y = cx.b().map(log, &[sum, max])?;
    one(drop_axes(cx, y, &axes, keep)?)
}
