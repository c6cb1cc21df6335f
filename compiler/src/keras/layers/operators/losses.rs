//! Losses as operations: cross-entropies, and `psnr`.

use super::arguments::Arguments;
use super::common::places;
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::activation::log_softmax_over;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::pool::{drop_axes, mean};
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, TapeBuilder, Unary, library};

type Args<'a, 'b> = &'b Arguments<'a>;

const TARGET: &[&str] = &["target", "labels"];
const OUTPUT: &[&str] = &["output", "logits"];

/// `keras.config.epsilon()`, which keeps logarithms finite.
const EPSILON: f32 = 1e-7;

fn both(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<[NodeId; 2], Stop> {
    Ok([a.tensor(cx, 0, TARGET)?, a.tensor(cx, 1, OUTPUT)?])
}

/// Between epsilon and 1 - epsilon.
fn clipped() -> Tape {
    Tape::binary_const(Binary::Max, EPSILON).then(&Tape::binary_const(Binary::Min, 1.0 - EPSILON))
}

/// `binary_crossentropy` of each element.
pub fn binary(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    if a.flag(cx, 2, &["from_logits"], false)? {
        return sigmoid(cx, a);
    }
    let sides = both(cx, a)?;
    let mut t = TapeBuilder::new(2);
    let (target, output) = (t.input(0), t.input(1));
    let one_whole = t.constant(1.0);
    let output = t.inline(&clipped(), &[output]);
    let log = t.unary(Unary::Log, output);
    let first = t.binary(Binary::Mul, target, log);
    let rest = t.binary(Binary::Sub, one_whole, output);
    let log = t.unary(Unary::Log, rest);
    let not = t.binary(Binary::Sub, one_whole, target);
    let second = t.binary(Binary::Mul, not, log);
    let sum = t.binary(Binary::Add, first, second);
    let result = t.unary(Unary::Neg, sum);
    one(cx.b().map(t.finish(result), &sides)?)
}

/// `tf.nn.sigmoid_cross_entropy_with_logits`: max(x, 0) - x·z + log(1 + e^-|x|).
pub fn sigmoid(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = both(cx, a)?;
    let mut t = TapeBuilder::new(2);
    let (target, logit) = (t.input(0), t.input(1));
    let zero = t.constant(0.0);
    let above = t.binary(Binary::Max, logit, zero);
    let times = t.binary(Binary::Mul, logit, target);
    let size = t.unary(Unary::Abs, logit);
    let below = t.unary(Unary::Neg, size);
    let rest = t.unary(Unary::Exp, below);
    let log = t.inline(&library::log1p::tape(), &[rest]);
    let result = t.binary(Binary::Sub, above, times);
    let result = t.binary(Binary::Add, result, log);
    one(cx.b().map(t.finish(result), &sides)?)
}

/// -Σ target·log p along an axis.
fn weighed(cx: &mut Cx<'_>, target: NodeId, logs: NodeId, axis: usize) -> Outcome {
    let products = Tape::binary(Binary::Mul).then(&Tape::unary(Unary::Neg));
    let products = cx.b().map(products, &[target, logs])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [axis], products)?;
    one(drop_axes(cx, sum, &[axis], false)?)
}

/// `categorical_crossentropy`.
pub fn categorical(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    if a.flag(cx, 2, &["from_logits"], false)? {
        return softmax(cx, a);
    }
    let [target, output] = both(cx, a)?;
    let axis = a.integer(cx, 3, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, cx.dims(output).len())?;
    let sum = cx.b().reduce(ReduceKind::Sum, [axis], output)?;
    let log = Tape::binary(Binary::Div)
        .then(&clipped())
        .then(&Tape::unary(Unary::Log));
    let logs = cx.b().map(log, &[output, sum])?;
    weighed(cx, target, logs, axis)
}

/// `tf.nn.softmax_cross_entropy_with_logits`.
pub fn softmax(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let [target, output] = both(cx, a)?;
    let axis = a.integer(cx, 3, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, cx.dims(output).len())?;
    let logs = log_softmax_over(cx, output, &[axis])?;
    weighed(cx, target, logs, axis)
}

/// `sparse_categorical_crossentropy`: targets are numbers of classes.
pub fn sparse(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let [target, output] = both(cx, a)?;
    let logits = !cx.is_keras3() || a.flag(cx, 2, &["from_logits"], false)?;
    let rank = cx.dims(output).len();
    let axis = a.integer(cx, 3, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, rank)?;
    if axis + 1 != rank {
        return Err(cx.inconsistent("classes are the last axis"));
    }
    let output = if logits {
        output
    } else {
        cx.apply(clipped().then(&Tape::unary(Unary::Log)), output)?
    };
    let logs = log_softmax_over(cx, output, &[axis])?;
    let mut dims = cx.dims(output);
    let classes = std::mem::replace(&mut dims[axis], 1);
    let target = cx.b().reshape(target, dims)?;
    let numbers = places(cx, classes, axis, rank)?;
    let chosen = cx.b().map(tapes::equal(), &[target, numbers])?;
    weighed(cx, chosen, logs, axis)
}

/// `psnr`: 20·log₁₀ of the largest value less 10·log₁₀ of the mean squared difference, of all elements.
pub fn psnr(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, &["x1", "a"])?, a.tensor(cx, 1, &["x2", "b"])?];
    let most = a.number(cx, 2, &["max_val"])?;
    let most = a.required(cx, most, "max_val")?;
    let squares = Tape::binary(Binary::Sub).then(&library::square::tape());
    let squares = cx.b().map(squares, &sides)?;
    let rank = cx.dims(squares).len();
    // TensorFlow's takes each image by itself.
    let axes: Vec<usize> = if cx.is_keras3() {
        (0..rank).collect()
    } else {
        (rank.saturating_sub(3)..rank).collect()
    };
    let error = mean(cx, squares, &axes)?;
    let level = library::log10::tape()
        .then(&Tape::binary_const(Binary::Mul, -10.0))
        .then(&Tape::binary_const(Binary::Add, (20.0 * most.log10()) as f32));
    let y = cx.apply(level, error)?;
    one(drop_axes(cx, y, &axes, false)?)
}
