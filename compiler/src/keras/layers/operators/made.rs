//! Tensors that are made of sizes and numbers.

use super::arguments::Arguments;
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, library};
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
    a.text(cx, 9, &["dtype"])?;
    let value = a.tensor(cx, 1, &["fill_value"])?;
    // The first operand gives the shape only.
    let second = Tape::input(2, 1);
    one(cx.b().map(second, &[x, value])?)
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

/// `full` of a tensor: repeated to a shape.
pub fn full(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let value = a.tensor(cx, 0, &["fill_value"])?;
    let shape = a.integers(cx, 1, &["shape"])?;
    let shape = a.required(cx, shape, "shape")?;
    a.text(cx, 9, &["dtype"])?;
    one(super::selection::broadcast(cx, value, &shape)?)
}

/// Of two bounds and a number from 0 to `last`, what lies so far between the bounds; the last is the second bound itself.
pub fn between(last: usize) -> Tape {
    let mut t = TapeBuilder::new(3);
    let [low, high, place] = [0, 1, 2].map(|i| t.input(i));
    let last = t.constant(last as f32);
    let span = t.binary(Binary::Sub, high, low);
    let step = t.binary(Binary::Div, span, last);
    let way = t.binary(Binary::Mul, step, place);
    let value = t.binary(Binary::Add, low, way);
    let ends = t.compare(Compare::Eq, place, last);
    let value = t.select(ends, high, value);
    t.finish(value)
}

/// `linspace` between tensors.
pub fn linear_space(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    if a.flag(cx, 9, &["retstep"], false)? {
        return Err(a.unsupported(cx, &["retstep"], &true.into()));
    }
    one(spaced(cx, a, &Tape::identity())?)
}

/// `logspace`: powers of a base.
pub fn log_space(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let base = a.number(cx, 9, &["base"])?.unwrap_or(10.0) as f32;
    let power = library::pow::tape().substitute(
        &[(Tape::constant(base), Vec::new()), (Tape::identity(), vec![0])],
        1,
    );
    let y = spaced(cx, a, &Tape::identity())?;
    one(cx.apply(power, y)?)
}

/// `geomspace`: powers of 10 between logarithms, with the sign of the start.
pub fn geometric_space(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let log = Tape::unary(Unary::Abs).then(&library::log10::tape());
    let y = spaced(cx, a, &log)?;
    let power = library::pow::tape().substitute(
        &[(Tape::constant(10.0), Vec::new()), (Tape::identity(), vec![0])],
        1,
    );
    let size = cx.apply(power, y)?;
    let start = a.tensor(cx, 0, &["start"])?;
    let sign = cx.apply(library::sign::tape(), start)?;
    let axis = a.integer(cx, 9, AXIS)?.unwrap_or(0);
    let mut dims = cx.dims(sign);
    let axis = cx.axis(axis, dims.len() + 1)?;
    dims.insert(axis, 1);
    let sign = cx.b().reshape(sign, dims)?;
    one(cx.b().map(Tape::binary(Binary::Mul), &[size, sign])?)
}

/// Equally far numbers between functions of two tensors, along a new axis.
fn spaced(cx: &mut Cx<'_>, a: Args<'_, '_>, of: &Tape) -> Result<NodeId, Stop> {
    let ends = [a.tensor(cx, 0, &["start"])?, a.tensor(cx, 1, &["stop"])?];
    let count = a.integer(cx, 2, &["num"])?.unwrap_or(50);
    let count = super::functions::count(cx, count)?;
    let closed = a.flag(cx, 3, &["endpoint"], true)?;
    a.text(cx, 9, &["dtype"])?;
    let rank = ends.map(|end| cx.dims(end).len()).into_iter().max().unwrap_or(0);
    let axis = a.integer(cx, 9, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, rank + 1)?;
    let mut inputs = Vec::new();
    for end in ends {
        let end = cx.apply(of.clone(), end)?;
        let mut dims = cx.dims(end);
        dims.splice(0..0, vec![1; rank - dims.len()]);
        dims.insert(axis, 1);
        inputs.push(cx.b().reshape(end, dims)?);
    }
    if count == 1 {
        return Ok(inputs[0]);
    }
    inputs.push(super::common::places(cx, count, axis, rank + 1)?);
    let last = if closed { count - 1 } else { count };
    Ok(cx.b().map(between(last), &inputs)?)
}
