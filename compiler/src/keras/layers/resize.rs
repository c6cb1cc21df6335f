//! Resizing: `keras.layers.UpSampling1D`, `UpSampling2D`, `Resizing`.
//!
//! Every method works along one axis after the other: a result is the sum of a few elements of its axis with
//! known weights, which [`super::interpolation`] has.

use super::context::{Cx, Outcome, Stop, one};
use super::dense::projected;
use super::image::{Fit, Resizable};
use super::interpolation::{INTERPOLATIONS, Interpolation};
use super::shape::{gather, repeat};
use super::spatial::{channels_first, channels_last};
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, COUNT, WINDOW};
use crate::ops::Gather;
use crate::pointwise::{Binary, Tape, TapeBuilder};
use crate::tensor::{Shape, Tensor};
use serde_json::json;

/// `UpSampling1D`: repeats time steps.
pub fn up_sampling_1d(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let [size] = r.tuple_or::<1>("size", [2], WINDOW);
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, 3)?;
    one(repeat(cx, x, 1, size)?)
}

/// `UpSampling2D`.
pub fn up_sampling_2d(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let size = r.tuple_or::<2>("size", [2, 2], WINDOW);
    let interpolation = r.choice("interpolation", INTERPOLATIONS, Interpolation::Nearest);
    let format = r.format();
    r.finish(cx)?;
    let x = cx.float_input()?;
    cx.expect_rank(x, 4)?;
    let mut x = channels_last(cx, x, format)?;
    for (axis, times) in (1..).zip(size) {
        x = if interpolation == Interpolation::Nearest {
            repeat(cx, x, axis, times)?
        } else {
            let extent = cx.dims(x)[axis].saturating_mul(times);
            resample(cx, x, axis, extent, interpolation)?
        };
    }
    one(channels_first(cx, x, format)?)
}

/// `Resizing`.
pub fn resizing(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let size = [r.usize("height", COUNT), r.usize("width", COUNT)];
    let interpolation = r.choice("interpolation", INTERPOLATIONS, Interpolation::Bilinear);
    let format = r.format();
    let crop = r.flag("crop_to_aspect_ratio", false);
    let pad = r.flag("pad_to_aspect_ratio", false);
    let fill = r.number("fill_value", 0.0, ANY);
    r.only("fill_mode", &[json!("constant")]);
    let antialias = r.flag("antialias", false);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let image = Resizable::of(cx, x, format)?;
    let fit = Fit::of(cx, crop, pad, fill)?;
    let interpolation = if antialias {
        interpolation.smoothed()
    } else {
        interpolation
    };
    one(image.fitted(cx, size, fit, interpolation)?)
}

/// An NHWC image with other extents.
pub fn resized(
    cx: &mut Cx<'_>,
    mut x: NodeId,
    size: [usize; 2],
    interpolation: Interpolation,
) -> Result<NodeId, Stop> {
    for (axis, extent) in (1..).zip(size) {
        x = resample(cx, x, axis, extent, interpolation)?;
    }
    Ok(x)
}

/// Results of more elements than this are a product with a matrix.
const MOST_TAPS: usize = 11;

/// Gives an axis another extent.
fn resample(
    cx: &mut Cx<'_>,
    x: NodeId,
    axis: usize,
    output: usize,
    interpolation: Interpolation,
) -> Result<NodeId, Stop> {
    let input = cx.dims(x)[axis];
    if input == output && interpolation.keeps_elements() {
        return Ok(x);
    }
    if interpolation == Interpolation::Nearest {
        let scale = input as f32 / output as f32;
        let index = move |i: usize| (((i as f32 + 0.5) * scale).floor() as usize).min(input - 1);
        return gather(cx, x, axis, &format!("nearest {axis} of {input}"), output, index);
    }
    let count = interpolation.count(input, output);
    if count > MOST_TAPS {
        return mixed(cx, x, axis, output, interpolation);
    }
    cx.make_room(2 * count * output)?;
    let taps = interpolation.taps(input, output);
    summed(cx, x, axis, &taps, count)
}

/// Sums of `count` elements of an axis each, by their weights.
fn summed(
    cx: &mut Cx<'_>,
    x: NodeId,
    axis: usize,
    taps: &[(usize, f32)],
    count: usize,
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let (input, output) = (dims[axis], taps.len() / count);
    let mut inputs = Vec::new();
    let mut shape = vec![1; dims.len() - axis];
    shape[0] = output;
    for tap in 0..count {
        let role = format!("tap {tap} of {axis} from {input} to {output}");
        let rows = || taps.chunks_exact(count).map(|row| row[tap]);
        let indices = cx.constant(&format!("{role}, indices"), 0, || {
            let indices: Vec<i32> = rows().map(|(index, _)| index as i32).collect();
            Tensor::i32([output], indices)
        })?;
        inputs.push(cx.b().add(
            Gather {
                axis,
                negative: false,
            },
            &[x, indices],
        )?);
        inputs.push(cx.constant(&format!("{role}, weights"), 0, || {
            let weights: Vec<f32> = rows().map(|(_, weight)| weight).collect();
            Tensor::f32(shape.clone(), weights)
        })?);
    }
    Ok(cx.b().map(weighted_sum(count), &inputs)?)
}

/// The same as a product of the axis with a matrix `[input, output]`.
fn mixed(
    cx: &mut Cx<'_>,
    x: NodeId,
    axis: usize,
    output: usize,
    interpolation: Interpolation,
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let input = dims[axis];
    let count = interpolation.count(input, output);
    let shape = Shape::checked([input, output])?;
    let numbers = shape.count() + 2 * count.saturating_mul(output);
    let matrix = cx.constant(
        &format!("weights of {axis} from {input} to {output}"),
        numbers,
        || {
            let mut matrix = vec![0.0; shape.count()];
            let taps = interpolation.taps(input, output);
            for (column, row) in taps.chunks_exact(count).enumerate() {
                for (index, weight) in row {
                    matrix[index * output + column] += weight;
                }
            }
            Tensor::f32(shape.clone(), matrix)
        },
    )?;
    // The axis goes last, and back.
    let last = dims.len() - 1;
    let mut perm: Vec<usize> = (0..dims.len()).collect();
    perm.swap(axis, last);
    let x = cx.b().transpose(x, perm.clone())?;
    let product = projected(cx, x, &[matrix], 1, &[output])?;
    Ok(cx.b().transpose(product, perm)?)
}

/// x₀·w₀ + x₁·w₁ + … of alternating inputs.
fn weighted_sum(count: usize) -> Tape {
    let mut b = TapeBuilder::new(2 * count as u32);
    let mut sum = None;
    for tap in 0..count as u32 {
        let (x, weight) = (b.input(2 * tap), b.input(2 * tap + 1));
        let product = b.binary(Binary::Mul, x, weight);
        sum = Some(match sum {
            None => product,
            Some(sum) => b.binary(Binary::Add, sum, product),
        });
    }
    match sum {
        Some(sum) => b.finish(sum),
        None => Tape::constant(0.0),
    }
}
