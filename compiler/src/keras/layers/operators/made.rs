//! Tensors that are made of sizes and numbers.

use super::arguments::Arguments;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::tensor::{Shape, Tensor};

type Args<'a, 'b> = &'b Arguments<'a>;

/// `tf.zeros`.
pub fn zeros(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    filled(cx, a, 0.0)
}

/// `tf.ones`.
pub fn ones(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    filled(cx, a, 1.0)
}

/// `tf.fill`.
pub fn fill(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let value = a.number(cx, 1, &["value"])?;
    let value = a.required(cx, value, "value")?;
    filled(cx, a, value)
}

fn filled(cx: &mut Cx<'_>, a: Args<'_, '_>, value: f64) -> Outcome {
    let dims = a.integers(cx, 0, &["shape", "dims"])?;
    let dims = a.required(cx, dims, "shape")?;
    a.text(cx, 9, &["dtype"])?;
    let extents: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let extents = extents.ok_or_else(|| cx.inconsistent(format!("{dims:?} is not a shape")))?;
    let shape = Shape::checked(extents)?;
    cx.make_room(shape.count())?;
    one(cx.b().constant(Tensor::splat(shape, value as f32))?)
}

/// The number at every place of a tensor.
pub fn full_like(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, super::arguments::X)?;
    let value = a.number(cx, 1, &["fill_value"])?;
    let value = a.required(cx, value, "fill_value")?;
    one(cx.apply(crate::keras::layers::tapes::constant(value as f32), x)?)
}

/// `tf.range`: numbers from a start to a limit, or from 0 to the only argument.
pub fn range(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let first = a.number(cx, 0, &["start"])?;
    let first = a.required(cx, first, "start")?;
    let limit = a.number(cx, 1, &["limit"])?;
    let step = a.number(cx, 2, &["delta"])?.unwrap_or(1.0);
    a.text(cx, 9, &["dtype"])?;
    let (start, limit) = limit.map_or((0.0, first), |limit| (first, limit));
    let count = ((limit - start) / step).ceil();
    let refuse = || -> Stop { cx.inconsistent(format!("{start}, {limit}, {step} is no range")) };
    if !(1.0..=1e9).contains(&count) {
        return Err(refuse());
    }
    let shape = Shape::checked([count as usize])?;
    cx.make_room(shape.count())?;
    let numbers: Vec<f32> = (0..shape.count())
        .map(|i| (start + i as f64 * step) as f32)
        .collect();
    one(cx.b().constant(Tensor::f32(shape, numbers)?)?)
}
