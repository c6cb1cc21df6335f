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

type Args<'a, 'b> = &'b Arguments<'a>;

/// What all reductions take: the tensor, the axes (all by default), and whether they stay with extent 1.
pub fn reduction(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(NodeId, Vec<usize>, bool), Stop> {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    let keep = a.flag(cx, 2, &["keepdims", "keep_dims"], false)?;
    // All number types compute in f32 here.
    a.text(cx, 9, &["dtype"])?;
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

/// The largest element, at least `initial` if that is given.
pub fn max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    extreme(cx, a, ReduceKind::Max, Binary::Max)
}

/// The smallest element, at most `initial` if that is given.
pub fn min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    extreme(cx, a, ReduceKind::Min, Binary::Min)
}

fn extreme(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, op: Binary) -> Outcome {
    let initial = a.number(cx, 9, &["initial"])?;
    let (x, axes, keep) = reduction(cx, a)?;
    let mut y = cx.b().reduce(kind, axes.clone(), x)?;
    if let Some(initial) = initial {
        y = cx.apply(Tape::binary_const(op, initial as f32), y)?;
    }
    one(drop_axes(cx, y, &axes, keep)?)
}

/// `ptp`: the largest element less the smallest.
pub fn span(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let max = cx.b().reduce(ReduceKind::Max, axes.clone(), x)?;
    let min = cx.b().reduce(ReduceKind::Min, axes.clone(), x)?;
    let y = cx.b().map(Tape::binary(Binary::Sub), &[max, min])?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// `tf.math.zero_fraction`: the share of elements that are 0.
pub fn zero_fraction(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axes: Vec<usize> = (0..cx.dims(x).len()).collect();
    let zeros = cx.apply(tapes::is_zero(), x)?;
    let y = mean_over(cx, zeros, &axes)?;
    one(drop_axes(cx, y, &axes, false)?)
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

/// `keras.ops.average`: Σ weight·x / Σ weight. The weights have all axes, or only the one that is averaged.
pub fn average(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let Some(weights) = a.optional(cx, 9, &["weights"])? else {
        return mean(cx, a);
    };
    let (x, axes, keep) = reduction(cx, a)?;
    let dims = cx.dims(x);
    let weights = match (cx.dims(weights).len(), &axes[..]) {
        (1, &[axis]) if dims.len() > 1 => {
            let mut shape = vec![1; dims.len()];
            shape[axis] = cx.dims(weights)[0];
            cx.b().reshape(weights, shape)?
        }
        _ => weights,
    };
    let times = cx.b().map(Tape::binary(Binary::Mul), &[x, weights])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes.clone(), times)?;
    let all = cx.b().reduce(ReduceKind::Sum, axes.clone(), weights)?;
    let y = cx.b().map(Tape::binary(Binary::Div), &[sum, all])?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// Mean and variance.
pub fn moments(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    // Over several machines.
    a.flag(cx, 9, &["synchronized"], false)?;
    // Of TensorFlow, which does not use it.
    a.literal(cx, 9, &["shift"])?;
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

/// `trapezoid`: the area below a line through the elements of an axis.
pub fn trapezoid(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let y = a.tensor(cx, 0, &["y"])?;
    if let Some(places) = a.literal(cx, 1, &["x"])? {
        return Err(a.unsupported(cx, &["x"], &places));
    }
    let distance = a.number(cx, 2, &["dx"])?.unwrap_or(1.0);
    let axis = a.integer(cx, 3, AXIS)?.unwrap_or(-1);
    let dims = cx.dims(y);
    let axis = cx.axis(axis, dims.len())?;
    let extent = dims[axis];
    if extent < 2 {
        return Err(cx.inconsistent("a line goes through two elements or more"));
    }
    let later = cx.b().slice(y, axis, 1, extent - 1)?;
    let earlier = cx.b().slice(y, axis, 0, extent - 1)?;
    let height = Tape::binary(Binary::Add).then(&Tape::binary_const(Binary::Mul, (0.5 * distance) as f32));
    let heights = cx.b().map(height, &[later, earlier])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [axis], heights)?;
    one(drop_axes(cx, sum, &[axis], false)?)
}
