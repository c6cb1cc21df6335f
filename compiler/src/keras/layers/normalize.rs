//! Normalisation: `keras.layers.LayerNormalization`, `GroupNormalization`,
//! `UnitNormalization`, `RMSNormalization`, `Normalization`, `Rescaling`.

use super::activation::axis_list;
use super::batch::scale_shift_tape;
use super::context::{Cx, Outcome, Stop, one};
use super::pool::mean;
use super::spatial::{Format, channels_first, channels_last};
use super::weights::{Weights, elements, rounded};
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, AXIS, OPEN_EXTENT};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, library};
use crate::tensor::Tensor;

/// `LayerNormalization`: gamma and beta over the normalised axes.
pub fn layer(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = r.ints_or("axis", &[-1], AXIS);
    let epsilon = r.number("epsilon", 1e-3, ANY);
    let center = r.flag("center", true);
    let scale = r.flag("scale", true);
    let rms = r.flag("rms_scaling", false);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let mut kept = vec![1; dims.len()];
    let mut parameters = Vec::new();
    for &axis in &axes {
        let axis = cx.axis_of_sample(axis, dims.len())?;
        kept[axis] = dims[axis];
        parameters.push(dims[axis]);
    }
    let axes = axis_list(cx, &axes, dims.len())?;
    let weights = cx.weights([
        (scale || rms).then(|| ("gamma", parameters.clone())),
        (center && !rms).then(|| ("beta", parameters.clone())),
    ]);
    if rms {
        // Keras scales by the variance about the mean here, without subtracting the mean.
        let centre = centred(cx, x, &axes)?;
        let variance = mean_square(cx, centre, &axes)?;
        return scaled(cx, x, variance, epsilon, &weights, &kept);
    }
    let centre = centred(cx, x, &axes)?;
    let variance = mean_square(cx, centre, &axes)?;
    scaled(cx, centre, variance, epsilon, &weights, &kept)
}

/// x less its mean over the axes.
pub fn centred(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId> {
    let mean = mean(cx, x, axes)?;
    cx.b().map(Tape::binary(Binary::Sub), &[x, mean])
}

/// The mean of x² over the axes.
pub fn mean_square(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId> {
    let squared = cx.apply(library::square::tape(), x)?;
    mean(cx, squared, axes)
}

/// x/√(variance + ε), times gamma and plus beta where the layer has them, under a shape that broadcasts.
fn scaled(
    cx: &mut Cx<'_>,
    x: NodeId,
    variance: NodeId,
    epsilon: f64,
    weights: &Weights<'_>,
    shape: &[usize],
) -> Outcome {
    let inverse = Tape::binary_const(Binary::Add, epsilon as f32).then(&library::rsqrt::tape());
    let factor = cx.apply(inverse, variance)?;
    let mut tape = Tape::binary(Binary::Mul);
    let mut inputs = vec![x, factor];
    for (name, op) in [
        ("gamma", Binary::Mul),
        ("scale", Binary::Mul),
        ("beta", Binary::Add),
    ] {
        if weights.has(name) {
            tape = tape.then(&Tape::binary(op));
            inputs.push(weights.reshaped(cx, name, shape)?);
        }
    }
    one(cx.b().map(tape, &inputs)?)
}

/// `GroupNormalization`: channels in groups, each normalised together with all of its spatial axes.
pub fn group(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let groups = r.i64_or("groups", 32, OPEN_EXTENT);
    let axis = r.i64_or("axis", -1, AXIS);
    let epsilon = r.number("epsilon", 1e-3, ANY);
    let center = r.flag("center", true);
    let scale = r.flag("scale", true);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let rank = cx.dims(x).len();
    let axis = cx.axis(axis, rank)?;
    let format = match axis {
        axis if axis == rank - 1 && rank >= 2 => Format::Last,
        1 if rank >= 3 => Format::First,
        _ => return Err(cx.inconsistent(format!("axis {axis} is neither the first nor the last"))),
    };
    if !cx.is_keras3() && cx.mask()?.is_some() {
        // It broadcasts the mask to the input as it is: steps against channels.
        return Err(cx.inconsistent(
            "Keras 2 weights its mean and variance by the mask of its input, which is not supported; give it an input without a mask",
        ));
    }
    let x = channels_last(cx, x, format)?;
    let dims = cx.dims(x);
    let (batch, channels) = (dims[0], dims[rank - 1]);
    let weights = cx.weights([
        scale.then(|| ("gamma", vec![channels])),
        center.then(|| ("beta", vec![channels])),
    ]);
    let groups = if groups == -1 {
        channels
    } else {
        usize::try_from(groups).unwrap_or(0)
    };
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(cx.inconsistent(format!("{groups} groups do not divide {channels} channels")));
    }
    let spatial: usize = dims[1..rank - 1].iter().product();
    let parted = cx.b().reshape(x, [batch, spatial, groups, channels / groups])?;
    let centre = centred(cx, parted, &[1, 3])?;
    let variance = mean_square(cx, centre, &[1, 3])?;
    let y = scaled(
        cx,
        centre,
        variance,
        epsilon,
        &weights,
        &[1, 1, groups, channels / groups],
    )?;
    let y = y.first().ok_or(Stop::Told)?.node;
    let y = cx.b().reshape(y, dims)?;
    one(channels_first(cx, y, format)?)
}

/// `UnitNormalization`: x over its Euclidean norm.
pub fn unit(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = r.ints_or("axis", &[-1], AXIS);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let axes = axis_list(cx, &axes, cx.dims(x).len())?;
    one(unit_length(cx, x, &axes, 1e-12)?)
}

/// x/√max(Σx², epsilon), as `l2_normalize` has it.
pub fn unit_length(cx: &mut Cx<'_>, x: NodeId, axes: &[usize], epsilon: f64) -> Result<NodeId> {
    let squared = cx.apply(library::square::tape(), x)?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, squared)?;
    let inverse = Tape::binary_const(Binary::Max, epsilon as f32).then(&library::rsqrt::tape());
    let factor = cx.apply(inverse, sum)?;
    cx.b().map(Tape::binary(Binary::Mul), &[x, factor])
}

/// `RMSNormalization` of Keras 3: x over the root of its mean square.
pub fn rms(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = r.ints_or("axis", &[-1], AXIS);
    let epsilon = r.number("epsilon", 1e-6, ANY);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let mut kept = vec![1; dims.len()];
    let mut parameters = Vec::new();
    for &axis in &axes {
        let axis = cx.axis_of_sample(axis, dims.len())?;
        kept[axis] = dims[axis];
        parameters.push(dims[axis]);
    }
    let axes = axis_list(cx, &axes, dims.len())?;
    let weights = cx.weights([Some(("scale", parameters))]);
    let square = mean_square(cx, x, &axes)?;
    scaled(cx, x, square, epsilon, &weights, &kept)
}

/// `Normalization`: (x - mean)/√variance, with both from the arguments or adapted to data and stored as weights
/// beside a count. `invert` goes back.
pub fn normalization(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = match r.fields.value("axis") {
        None => vec![-1],
        Some(serde_json::Value::Null) => Vec::new(),
        Some(_) => r.ints_or("axis", &[], AXIS),
    };
    let given = (r.opt_floats("mean", ANY), r.opt_floats("variance", ANY));
    let nested = ["mean", "variance"].map(|key| r.fields.value(key).is_some_and(is_nested));
    let invert = r.flag("invert", false);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let mut shape = vec![1; dims.len()];
    let axes = axis_list(cx, &axes, dims.len())?;
    let mut kept = Vec::new();
    for axis in axes {
        shape[axis] = dims[axis];
        kept.push(dims[axis]);
    }
    let count: usize = kept.iter().product();
    let statistics =
        match given {
            (Some(mean), Some(variance)) => {
                // Two lists of numbers twice as large.
                cx.make_room(4 * count)?;
                let fill = |values: Vec<f64>, nested: bool| match values[..] {
                    [only] => Some(vec![only; count]),
                    _ if values.len() == count => Some(values),
                    _ if nested => None,
                    // Numbers along the last axis.
                    _ => (kept.last() == Some(&values.len())).then(|| values.repeat(count / values.len())),
                };
                let filled = fill(mean, nested[0]).zip(fill(variance, nested[1]));
                Some(filled.ok_or_else(|| {
                    cx.inconsistent(format!("mean and variance do not have {count} elements"))
                })?)
            }
            _ => {
                let weights = cx.weights([
                    Some(("mean", kept.clone())),
                    Some(("variance", kept)),
                    Some(("count", Vec::new())),
                ]);
                elements(weights.get("mean")).zip(elements(weights.get("variance")))
            }
        };
    // A missing weight has been reported, and shapes do not change.
    let Some((mean, variance)) = statistics else {
        return one(x);
    };
    // Keras guards the root with its fuzz factor.
    let deviation: Vec<f64> = variance.iter().map(|v| v.sqrt().max(1e-7)).collect();
    let pairs = deviation.iter().zip(&mean);
    let coefficients: Vec<(f64, f64)> = if invert {
        pairs.map(|(d, m)| (*d, *m)).collect()
    } else {
        pairs.map(|(d, m)| (1.0 / d, -m / d)).collect()
    };
    one(scale_shift(cx, x, &shape, &coefficients)?)
}

/// Whether there are lists in a list.
fn is_nested(value: &serde_json::Value) -> bool {
    let items = value.as_array();
    items.is_some_and(|items| items.first().is_some_and(serde_json::Value::is_array))
}

/// `Rescaling`: x·scale + offset, each a number or one for each channel.
pub fn rescaling(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let scale = r.floats_or("scale", &[1.0], ANY);
    let offset = r.floats_or("offset", &[0.0], ANY);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let count = scale.len().max(offset.len());
    let last = cx.dims(x).last().copied().unwrap_or(1);
    let fits = |values: &[f64]| values.len() == 1 || values.len() == count;
    if !(fits(&scale) && fits(&offset)) || (count != 1 && count != last) {
        return Err(cx.inconsistent(format!(
            "{} scales and {} offsets do not fit {last} channels",
            scale.len(),
            offset.len()
        )));
    }
    let at = |values: &[f64], i: usize| values.get(i).or(values.first()).copied().unwrap_or_default();
    let coefficients: Vec<_> = (0..count).map(|i| (at(&scale, i), at(&offset, i))).collect();
    one(scale_shift(cx, x, &[count], &coefficients)?)
}

/// x·scale + shift with constants of a shape that broadcasts; without operands where all are equal.
fn scale_shift(cx: &mut Cx<'_>, x: NodeId, shape: &[usize], coefficients: &[(f64, f64)]) -> Result<NodeId> {
    if let Some((&(scale, shift), rest)) = coefficients.split_first()
        && rest.iter().all(|other| *other == (scale, shift))
    {
        return cx.apply(library::scale_shift(scale as f32, shift as f32), x);
    }
    let tensor = |values: Vec<f64>| -> Result<Tensor> { rounded(shape, values) };
    let scales = coefficients.iter().map(|c| c.0).collect();
    let shifts = coefficients.iter().map(|c| c.1).collect();
    let scale = cx.constant("scale", coefficients.len(), || tensor(scales))?;
    let shift = cx.constant("shift", coefficients.len(), || tensor(shifts))?;
    cx.b().map(scale_shift_tape(), &[x, scale, shift])
}
