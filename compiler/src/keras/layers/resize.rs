//! Resizing: `keras.layers.UpSampling1D`, `UpSampling2D`, `Resizing`.
//!
//! Every method works along one axis after the other: a result is the sum of a few elements of its axis with
//! known weights. Positions are computed in f32 with half-pixel centres, as TensorFlow's kernels do.

use super::context::{Cx, Outcome, Stop, one};
use super::image::{Fit, Resizable};
use super::shape::{gather, repeat};
use super::spatial::{channels_first, channels_last};
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, COUNT, WINDOW};
use crate::ops::Gather;
use crate::pointwise::{Binary, Tape, TapeBuilder};
use crate::tensor::Tensor;
use serde_json::json;

/// How results between elements are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest element.
    Nearest,
    /// Linear between two.
    Bilinear,
    /// Keys' cubic with a = -½.
    Bicubic,
    /// Lanczos' windowed sinc of that radius.
    Lanczos(u8),
}

const INTERPOLATIONS: &[(&str, Interpolation)] = &[
    ("nearest", Interpolation::Nearest),
    ("bilinear", Interpolation::Bilinear),
    ("bicubic", Interpolation::Bicubic),
    ("lanczos3", Interpolation::Lanczos(3)),
    ("lanczos5", Interpolation::Lanczos(5)),
];

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

/// `Resizing` without antialiasing.
pub fn resizing(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let size = [r.usize("height", COUNT), r.usize("width", COUNT)];
    let interpolation = r.choice("interpolation", INTERPOLATIONS, Interpolation::Bilinear);
    let format = r.format();
    let crop = r.flag("crop_to_aspect_ratio", false);
    let pad = r.flag("pad_to_aspect_ratio", false);
    let fill = r.number("fill_value", 0.0, ANY);
    r.only("fill_mode", &[json!("constant")]);
    r.only("antialias", &[json!(false)]);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let image = Resizable::of(cx, x, format)?;
    let fit = Fit::of(cx, crop, pad, fill)?;
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

/// Gives an axis another extent.
fn resample(
    cx: &mut Cx<'_>,
    x: NodeId,
    axis: usize,
    output: usize,
    interpolation: Interpolation,
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let input = dims[axis];
    if input == output {
        return Ok(x);
    }
    let scale = input as f32 / output as f32;
    if interpolation == Interpolation::Nearest {
        let index = move |i: usize| (((i as f32 + 0.5) * scale).floor() as usize).min(input - 1);
        return gather(cx, x, axis, &format!("nearest {axis} of {input}"), output, index);
    }
    let count = interpolation.count();
    cx.make_room(2 * count * output)?;
    let taps = interpolation.taps(input, output, scale);
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

impl Interpolation {
    /// The method of that name.
    pub fn named(name: &str) -> Option<Self> {
        let found = INTERPOLATIONS.iter().find(|(of, _)| *of == name);
        found.map(|(_, interpolation)| *interpolation)
    }
    /// Of how many elements a result is made.
    fn count(self) -> usize {
        match self {
            Self::Nearest => 1,
            Self::Bilinear => 2,
            Self::Bicubic => 4,
            Self::Lanczos(radius) => 2 * usize::from(radius) + 1,
        }
    }
    /// For every result, the elements that it is made of and their weights, one result after the other.
    fn taps(self, input: usize, output: usize, scale: f32) -> Vec<(usize, f32)> {
        (0..output)
            .flat_map(|i| {
                let at = (i as f32 + 0.5) * scale - 0.5;
                match self {
                    Self::Nearest => vec![(at.round().max(0.0) as usize, 1.0)],
                    Self::Bilinear => linear(at, input),
                    Self::Bicubic => cubic(at, input),
                    Self::Lanczos(radius) => lanczos(at + 0.5, input, f32::from(radius)),
                }
            })
            .collect()
    }
}

fn linear(at: f32, input: usize) -> Vec<(usize, f32)> {
    let floor = at.floor();
    let fraction = at - floor;
    let low = floor.max(0.0) as usize;
    let high = ((floor + 1.0).max(0.0) as usize).min(input - 1);
    vec![(low, 1.0 - fraction), (high, fraction)]
}

/// TensorFlow takes the weights from a table with 1024 steps, drops elements outside and lets the rest sum to 1.
fn cubic(at: f32, input: usize) -> Vec<(usize, f32)> {
    const A: f64 = -0.5;
    let floor = at.floor();
    let fraction = f64::from(((at - floor) * 1024.0).round_ties_even()) / 1024.0;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let weights = [
        far(fraction + 1.0),
        near(fraction),
        near(1.0 - fraction),
        far(2.0 - fraction),
    ];
    let first = floor as i64 - 1;
    normalised((first..).zip(weights), input)
}

/// The kernel of `ScaleAndTranslate` without antialiasing; `at` counts from the edge of the first element.
fn lanczos(at: f32, input: usize, radius: f32) -> Vec<(usize, f32)> {
    let first = (at - radius - 0.5).ceil();
    let weight = |position: f32| {
        let x = f64::from((position + 0.5 - at).abs());
        let radius = f64::from(radius);
        if x > radius {
            0.0
        } else if x <= 1e-3 {
            1.0
        } else {
            let y = std::f64::consts::PI * x;
            radius * y.sin() * (y / radius).sin() / (y * y)
        }
    };
    let span = 2 * radius as usize + 1;
    let weights = (0..span).map(|i| {
        let position = first + i as f32;
        (position as i64, weight(position))
    });
    normalised(weights, input)
}

/// Gives elements outside no weight, and lets the others sum to 1.
fn normalised(weights: impl Iterator<Item = (i64, f64)>, input: usize) -> Vec<(usize, f32)> {
    let inside: Vec<(usize, f64)> = weights
        .map(|(position, weight)| match usize::try_from(position) {
            Ok(position) if position < input => (position, weight),
            Ok(_) => (input - 1, 0.0),
            Err(_) => (0, 0.0),
        })
        .collect();
    let sum: f64 = inside.iter().map(|(_, weight)| weight).sum();
    inside
        .into_iter()
        .map(|(position, weight)| (position, (weight / sum) as f32))
        .collect()
}
