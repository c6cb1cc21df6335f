//! Layers that Keras 1 alone has: `keras.layers.Merge`, `Highway`, `MaxoutDense`, `SReLU`, `ParametricSoftplus`, and the modes of
//! its `BatchNormalization`. Formulas are those of Keras 1.2.2 (`keras/engine/topology.py`, `keras/layers/core.py`,
//! `advanced_activations.py`, `normalization.py`).

use super::context::{Cx, Outcome, Stop, one};
use super::dense::projected;
use super::merge::{batch_dot, elements, joined, wrong_count};
use super::normalize::{centred, mean_square};
use super::pool::drop_axes;
use super::read::Read;
use super::rectifiers;
use super::weights::Weights;
use crate::graph::NodeId;
use crate::keras::class::Rule;
use crate::keras::config::Config;
use crate::keras::ranges::{AXIS, COUNT};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, TapeBuilder, Unary, Value, library};
use crate::tensor::Shape;

/// What a `Merge` holds besides: results of functions, and the models that it merges, which stand beside it by now.
pub const MERGE: &[(&str, Rule)] = &[
    ("output_shape", Rule::Anything),
    ("output_shape_type", Rule::Anything),
    ("output_mask", Rule::Anything),
    ("output_mask_type", Rule::Anything),
    ("arguments", Rule::Anything),
];

/// `K.epsilon()`, which `keras.json` could change without a trace in a file.
const EPSILON: f32 = 1e-7;

/// How `BatchNormalization` computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// With what training gathered.
    Moving,
    /// With the statistics of each sample.
    Sample,
    /// With the statistics of the batch, also at inference.
    Batch,
}

/// The `mode` of a `BatchNormalization` of Keras 1; later ones have none.
pub fn normalization_mode(r: &Read<'_>) -> Mode {
    if r.fields.config().keras1().is_none() {
        return Mode::Moving;
    }
    match r.usize_or("mode", 0, 0..=2) {
        1 => Mode::Sample,
        2 => Mode::Batch,
        _ => Mode::Moving,
    }
}

/// `BatchNormalization` with mode 1: (x - mean)·γ/(√(variance + ε) + ε) + β over the last axis.
pub fn normalized_samples(cx: &mut Cx<'_>, axis: &[i64], epsilon: f64) -> Outcome {
    let x = cx.float_input()?;
    let last = cx.dims(x).len().saturating_sub(1);
    let &[axis] = axis else {
        return Err(cx.inconsistent(format!("axis {axis:?} is not a single one")));
    };
    if cx.axis_of_sample(axis, last + 1)? != last {
        return Err(cx.inconsistent(format!(
            "mode 1 normalizes the last axis, and weights are for axis {axis}"
        )));
    }
    let features = cx.dims(x)[last];
    let weights =
        cx.weights(["gamma", "beta", "running_mean", "running_std"].map(|name| Some((name, vec![features]))));
    let centre = centred(cx, x, &[last])?;
    let variance = mean_square(cx, centre, &[last])?;
    let deviation = Tape::binary_const(Binary::Add, epsilon as f32)
        .then(&Tape::unary(Unary::Sqrt))
        .then(&Tape::binary_const(Binary::Add, epsilon as f32));
    let deviation = cx.apply(deviation, variance)?;
    let (gamma, beta) = (weights.node(cx, "gamma")?, weights.node(cx, "beta")?);
    let scaled = Tape::binary(Binary::Div)
        .then(&Tape::binary(Binary::Mul))
        .then(&Tape::binary(Binary::Add));
    one(cx.b().map(scaled, &[centre, deviation, gamma, beta])?)
}

/// `Merge`: several tensors by `mode`.
pub fn merge(cx: &mut Cx<'_>) -> Outcome {
    #[derive(Clone, Copy)]
    enum Merge {
        Elements(Binary),
        Average,
        Concat,
        Dot,
        Cos,
    }
    const MODES: &[(&str, Merge)] = &[
        ("sum", Merge::Elements(Binary::Add)),
        ("mul", Merge::Elements(Binary::Mul)),
        ("max", Merge::Elements(Binary::Max)),
        ("ave", Merge::Average),
        ("concat", Merge::Concat),
        ("dot", Merge::Dot),
        ("cos", Merge::Cos),
    ];
    let r = cx.read();
    let python = !matches!(
        r.fields.value("mode_type").and_then(|kind| kind.as_str()),
        None | Some("raw")
    );
    let mode = match python {
        true => {
            r.fields.ignore(&["mode"]);
            let help =
                "it is Python code, which cannot be compiled: rebuild the model with layers that do its work";
            r.or(
                Err(r.fields.refused("mode", "a function").help(help)),
                Merge::Concat,
            )
        }
        false => r.choice("mode", MODES, Merge::Elements(Binary::Add)),
    };
    let axis = r.i64_or("concat_axis", -1, AXIS);
    let axes = r.ints_or("dot_axes", &[-1], AXIS);
    r.finish(cx)?;
    match mode {
        Merge::Elements(op) => elements(cx, op, None),
        Merge::Average => {
            let count = cx.inputs().len();
            elements(cx, Binary::Add, Some(1.0 / count.max(1) as f64))
        }
        Merge::Concat => joined(cx, axis),
        Merge::Dot => {
            let [a, b] = pair(cx)?;
            let axes = dot_axes(cx, &axes, [a, b])?;
            one(batch_dot(cx, [a, b], axes)?)
        }
        Merge::Cos => cosine(cx, &axes),
    }
}

/// The two tensors that a product takes.
fn pair(cx: &mut Cx<'_>) -> Result<[NodeId; 2], Stop> {
    let values = cx.inputs();
    let [a, b] = values[..] else {
        return Err(wrong_count(cx, "two tensors", values.len()));
    };
    Ok([cx.float(a.node)?, cx.float(b.node)?])
}

/// The axes that a product contracts. `K.batch_dot` of Keras 1 multiplies matrices: more axes than three mean what the backend
/// makes of them.
fn dot_axes(cx: &Cx<'_>, axes: &[i64], nodes: [NodeId; 2]) -> Result<[usize; 2], Stop> {
    let ranks = nodes.map(|node| cx.dims(node).len());
    if ranks[0] != ranks[1] || ranks[0] > 3 {
        let shapes = nodes.map(|node| Shape::new(cx.dims(node)).to_string());
        return Err(cx.inconsistent(format!(
            "tensors of shapes {} and {} are multiplied: Keras 1 does so with two of rank 2 or two of rank 3",
            shapes[0], shapes[1]
        )));
    }
    let [first, second] = match *axes {
        [both] => [both; 2],
        [first, second] => [first, second],
        _ => return Err(cx.inconsistent(format!("dot_axes {axes:?} are not two"))),
    };
    Ok([cx.axis(first, ranks[0])?, cx.axis(second, ranks[1])?])
}

/// a·b / max(√(a·a · b·b), 1e-7), with an axis more behind the batch.
fn cosine(cx: &mut Cx<'_>, axes: &[i64]) -> Outcome {
    let [a, b] = pair(cx)?;
    let axes = dot_axes(cx, axes, [a, b])?;
    let ab = batch_dot(cx, [a, b], axes)?;
    let aa = batch_dot(cx, [a, a], axes)?;
    let bb = batch_dot(cx, [b, b], axes)?;
    if cx.dims(aa) != cx.dims(ab) || cx.dims(bb) != cx.dims(ab) {
        let shape = Shape::new(cx.dims(ab));
        return Err(cx.inconsistent(format!(
            "the lengths of both tensors do not have the shape {shape}"
        )));
    }
    let mut t = TapeBuilder::new(3);
    let (dot, first, second) = (t.input(0), t.input(1), t.input(2));
    let lengths = t.binary(Binary::Mul, first, second);
    // `K.sqrt` takes no root of negative numbers, which products of different vectors may be.
    let zero = t.constant(0.0);
    let lengths = t.binary(Binary::Max, lengths, zero);
    let lengths = t.unary(Unary::Sqrt, lengths);
    let least = t.constant(EPSILON);
    let lengths = t.binary(Binary::Max, lengths, least);
    let cosine = t.binary(Binary::Div, dot, lengths);
    let node = cx.b().map(t.finish(cosine), &[ab, aa, bb])?;
    let mut dims = cx.dims(node);
    dims.insert(1, 1);
    one(cx.b().reshape(node, dims)?)
}

/// `Highway`: activation(x·W + b)·t + x·(1 - t) with t = sigmoid(x·W_carry + b_carry).
pub fn highway(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let bias = r.flag("use_bias", true);
    let activation = r.activation("activation", "linear");
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, 2)?;
    let features = cx.dims(x)[1];
    let square = vec![features, features];
    let weights = cx.weights([
        Some(("W", square.clone())),
        Some(("W_carry", square)),
        bias.then(|| ("b", vec![features])),
        bias.then(|| ("b_carry", vec![features])),
    ]);
    let product = |cx: &mut Cx<'_>, kernel, shift| {
        let mut parts = vec![weights.node(cx, kernel)?];
        if bias {
            parts.push(weights.node(cx, shift)?);
        }
        projected(cx, x, &parts, 1, &[features])
    };
    let carry = product(cx, "W_carry", "b_carry")?;
    let new = product(cx, "W", "b")?;
    let new = activation.apply(cx, new)?;
    let mut t = TapeBuilder::new(3);
    let (new_value, carry_value, old) = (t.input(0), t.input(1), t.input(2));
    let share = t.inline(&library::sigmoid::tape(), &[carry_value]);
    let new_value = t.binary(Binary::Mul, new_value, share);
    let one_value = t.constant(1.0);
    let rest = t.binary(Binary::Sub, one_value, share);
    let old = t.binary(Binary::Mul, rest, old);
    let sum = t.binary(Binary::Add, new_value, old);
    one(cx.b().map(t.finish(sum), &[new, carry, x])?)
}

/// `MaxoutDense`: the largest of so many products, W `[products, features, units]`, b `[products, units]`.
pub fn maxout(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let units = r.usize("units", COUNT);
    let products = r.usize_or("nb_feature", 4, COUNT);
    let bias = r.flag("use_bias", true);
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, 2)?;
    let features = cx.dims(x)[1];
    let weights = cx.weights([
        Some(("W", vec![products, features, units])),
        bias.then(|| ("b", vec![products, units])),
    ]);
    let all = products.saturating_mul(units);
    let kernel = weights.node(cx, "W")?;
    let kernel = cx.b().transpose(kernel, [1, 0, 2])?;
    let mut parts = vec![cx.b().reshape(kernel, [features, all])?];
    if bias {
        parts.push(weights.reshaped(cx, "b", &[all])?);
    }
    let y = projected(cx, x, &parts, 1, &[products, units])?;
    let y = cx.b().reduce(ReduceKind::Max, [1], y)?;
    one(drop_axes(cx, y, &[1], false)?)
}

/// The weights of an activation, of the shape of a sample, with extent 1 along axes that share them, which the file does not
/// name.
fn parameters<'a, const N: usize>(
    cx: &mut Cx<'a>,
    names: [&'static str; N],
) -> Result<(NodeId, [NodeId; N]), Stop> {
    let r = cx.read();
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let sample = dims.get(1..).unwrap_or_default();
    let found = cx.site.weights.first().map(|weight| weight.tensor.shape().dims());
    let shares = |found: &&[usize]| {
        let pairs = found.iter().zip(sample);
        found.len() == sample.len() && pairs.into_iter().all(|(&is, &extent)| is == extent || is == 1)
    };
    let shape = found.filter(shares).unwrap_or(sample).to_vec();
    let weights: Weights<'a> = cx.weights(names.map(|name| Some((name, shape.clone()))));
    let mut nodes = [x; N];
    for (node, name) in nodes.iter_mut().zip(names) {
        *node = weights.node(cx, name)?;
    }
    Ok((x, nodes))
}

/// `PReLU`, which has its own name for α here, and does not say along which axes it is shared.
pub fn p_relu(cx: &mut Cx<'_>) -> Outcome {
    if cx.site.config.keras1().is_none() {
        return rectifiers::prelu(cx);
    }
    let (x, [alphas]) = parameters(cx, ["alphas"])?;
    one(cx.b().map(library::leaky_relu::tape(), &[x, alphas])?)
}

/// `ParametricSoftplus`: α·log(1 + exp(β·x)).
pub fn parametric_softplus(cx: &mut Cx<'_>) -> Outcome {
    let (x, [alphas, betas]) = parameters(cx, ["alphas", "betas"])?;
    let tape = Tape::binary(Binary::Mul)
        .then(&library::softplus::tape())
        .then(&Tape::binary(Binary::Mul));
    one(cx.b().map(tape, &[x, betas, alphas])?)
}

/// `SReLU`: the identity between t_left and t_right = t_left + |its weight|, with slopes a_left and a_right outside.
pub fn s_relu(cx: &mut Cx<'_>) -> Outcome {
    let (x, [t_left, a_left, t_right, a_right]) = parameters(cx, ["t_left", "a_left", "t_right", "a_right"])?;
    let mut t = TapeBuilder::new(5);
    let [x_value, left, a_left_value, width, a_right_value] = [0, 1, 2, 3, 4].map(|index| t.input(index));
    let zero = t.constant(0.0);
    let width = t.unary(Unary::Abs, width);
    let right = t.binary(Binary::Add, left, width);
    let positive = |t: &mut TapeBuilder, value: Value| t.binary(Binary::Max, value, zero);
    let past_left = t.binary(Binary::Sub, x_value, left);
    let centre = positive(&mut t, past_left);
    let centre = t.binary(Binary::Min, centre, width);
    let before_left = t.unary(Unary::Neg, past_left);
    let below = positive(&mut t, before_left);
    let below = t.binary(Binary::Mul, a_left_value, below);
    let past_right = t.binary(Binary::Sub, x_value, right);
    let above = positive(&mut t, past_right);
    let above = t.binary(Binary::Mul, above, a_right_value);
    let sum = t.binary(Binary::Add, left, centre);
    let sum = t.binary(Binary::Sub, sum, below);
    let sum = t.binary(Binary::Add, sum, above);
    one(cx
        .b()
        .map(t.finish(sum), &[x, t_left, a_left, t_right, a_right])?)
}

/// Weights of a `Highway`: two matrices, and two biases unless the config does away with them.
pub fn weights_of_highway(config: &Config) -> usize {
    2 * super::counts::biased::<1>(config)
}
