//! `keras.layers.BatchNormalization`.

use super::context::{Cx, Outcome, Stop, one};
use super::keras1::{self, Mode};
use super::mask;
use super::normalize::{centred, mean_square};
use super::spatial::{Format, channels_first, channels_last};
use super::weights::{Weights, elements, rounded};
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, AXIS};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, library};
use crate::tensor::Shape;

/// x·a + b with operands.
pub fn scale_shift_tape() -> Tape {
    Tape::binary(Binary::Mul).then(&Tape::binary(Binary::Add))
}

/// `BatchNormalization`: gamma, beta, moving mean, moving variance. One scale and one shift for each channel,
/// computed in double precision; or the statistics of the batch, where it is called with `training=True`.
pub fn batch(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axis = r.ints_or("axis", &[-1], AXIS);
    let epsilon = r.number("epsilon", 1e-3, ANY);
    let center = r.flag("center", true);
    let scale = r.flag("scale", true);
    // How the statistics were gathered.
    r.number("momentum", 0.99, ANY);
    // Renormalisation corrects training only, with statistics of its own.
    let renorm = r.flag("renorm", false);
    let trainable = r.flag("trainable", true);
    let mode = keras1::normalization_mode(&r);
    r.finish(cx)?;
    if mode == Mode::Sample {
        return keras1::normalized_samples(cx, &axis, epsilon);
    }
    let training = cx.check_training();
    // A layer that is not trained keeps to what it knows.
    let always = mode == Mode::Batch;
    let of_batch = training.is_err() && trainable || always;
    if of_batch && !always && renorm {
        training?;
    }
    let x = cx.float_input()?;
    let rank = cx.dims(x).len();
    let &[axis] = &axis[..] else {
        return Err(cx.inconsistent(format!("axis {axis:?} is not a single one")));
    };
    let axis = cx.axis_of_sample(axis, rank)?;
    let channels = cx.dims(x)[axis];
    let vector = |name, there: bool| there.then(|| (name, vec![channels]));
    let weights = cx.weights([
        vector("gamma", scale),
        vector("beta", center),
        vector("moving_mean", true),
        vector("moving_variance", true),
        vector("moving_stddev", renorm),
        vector("renorm_mean", renorm),
        vector("renorm_stddev", renorm),
    ]);
    // Channels of an image that stand first are normalised where they stand last, beside the convolution.
    let first = axis == 1 && rank >= 4;
    let format = if first { Format::First } else { Format::Last };
    let mask = if of_batch && !always {
        statistics_mask(cx, x)?
    } else {
        None
    };
    let x = channels_last(cx, x, format)?;
    let axis = if first { rank - 1 } else { axis };
    let shape = broadcast_shape(rank, axis, channels);
    if of_batch {
        let y = normalised_by_batch(cx, x, axis, mask, (epsilon, &weights, &shape))?;
        return one(channels_first(cx, y, format)?);
    }
    let factor = weights.derived(cx, "scale", &shape, |w| {
        let (factors, _) = batch_coefficients(w, epsilon)?;
        Some(rounded(shape.dims(), factors))
    })?;
    let shift = weights.derived(cx, "shift", &shape, |w| {
        let (_, shifts) = batch_coefficients(w, epsilon)?;
        Some(rounded(shape.dims(), shifts))
    })?;
    let y = cx.b().map(scale_shift_tape(), &[x, factor, shift])?;
    one(channels_first(cx, y, format)?)
}

/// γ/√(variance + ε) and β - mean·γ/√(variance + ε).
fn batch_coefficients(weights: &Weights<'_>, epsilon: f64) -> Option<(Vec<f64>, Vec<f64>)> {
    let mean = elements(weights.get("moving_mean"))?;
    let variance = elements(weights.get("moving_variance"))?;
    let gamma = elements(weights.get("gamma")).unwrap_or_else(|| vec![1.0; mean.len()]);
    let beta = elements(weights.get("beta")).unwrap_or_else(|| vec![0.0; mean.len()]);
    let factors: Vec<f64> = gamma
        .iter()
        .zip(&variance)
        .map(|(g, v)| g / (v + epsilon).sqrt())
        .collect();
    let shifts = beta
        .iter()
        .zip(&mean)
        .zip(&factors)
        .map(|((b, m), f)| b - m * f)
        .collect();
    Some((factors, shifts))
}

/// The shape of `extent` elements along an axis, without the axes that broadcasting adds by itself.
fn broadcast_shape(rank: usize, axis: usize, extent: usize) -> Shape {
    let mut dims = vec![1; rank - axis];
    dims[0] = extent;
    Shape::new(dims)
}

/// Which steps count among the statistics of a batch. What computes images and volumes ignores masks.
fn statistics_mask(cx: &mut Cx<'_>, x: NodeId) -> Result<Option<NodeId>, Stop> {
    let rank = cx.dims(x).len();
    let Some(mask) = cx.mask()? else {
        return Ok(None);
    };
    if rank >= 4 {
        return Ok(None);
    }
    if cx.dims(mask).len() + 1 != rank {
        return Err(cx.inconsistent("its mask does not have an axis less than its input"));
    }
    Ok(Some(mask::with_axis(cx, mask, rank - 1)?))
}

/// (x - mean)·γ/√(variance + ε) + β with both moments of all but one axis, the variance about the mean of as many elements as
/// there are (`tf.nn.moments` in Keras 2).
fn normalised_by_batch(
    cx: &mut Cx<'_>,
    x: NodeId,
    axis: usize,
    mask: Option<NodeId>,
    (epsilon, weights, shape): (f64, &Weights<'_>, &Shape),
) -> Result<NodeId, Stop> {
    let rank = cx.dims(x).len();
    let axes: Vec<usize> = (0..rank).filter(|&other| other != axis).collect();
    let (centre, variance) = match mask {
        None => {
            let centre = centred(cx, x, &axes)?;
            (centre, mean_square(cx, centre, &axes)?)
        }
        Some(mask) => {
            let mean = masked_mean(cx, x, mask, &axes)?;
            let centre = cx.b().map(Tape::binary(Binary::Sub), &[x, mean])?;
            let square = cx.apply(library::square::tape(), centre)?;
            (centre, masked_mean(cx, square, mask, &axes)?)
        }
    };
    let inverse = Tape::binary_const(Binary::Add, epsilon as f32).then(&library::rsqrt::tape());
    let factor = cx.apply(inverse, variance)?;
    let mut tape = Tape::binary(Binary::Mul);
    let mut inputs = vec![centre, factor];
    for (name, op) in [("gamma", Binary::Mul), ("beta", Binary::Add)] {
        if weights.has(name) {
            tape = tape.then(&Tape::binary(op));
            inputs.push(weights.reshaped(cx, name, shape.dims())?);
        }
    }
    Ok(cx.b().map(tape, &inputs)?)
}

/// The mean of what a mask, which broadcasts, keeps: `tf.nn.weighted_moments`.
fn masked_mean(cx: &mut Cx<'_>, x: NodeId, mask: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    mask::check_broadcast(cx, mask, x)?;
    let kept = cx.b().map(mask::kept_or(0.0), &[x, mask])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, kept)?;
    let (all, under) = (cx.dims(x), cx.dims(mask));
    // How often the mask is repeated along the axes that it lacks.
    let times: usize = axes.iter().map(|&axis| all[axis] / under[axis]).product();
    let ones = cx.b().reduce(ReduceKind::Sum, axes, mask)?;
    let count = cx.apply(Tape::binary_const(Binary::Mul, times as f32), ones)?;
    Ok(cx.b().map(Tape::binary(Binary::Div), &[sum, count])?)
}
