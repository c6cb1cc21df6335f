//! Fourier transforms of `keras.ops` along the last axes: products with cosines and sines. Complex numbers are pairs of tensors,
//! real and imaginary parts, as `keras.ops` takes and gives them.

use super::arguments::{Arguments, X};
use super::common::numbers;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::contraction::{Labelled, label, product};
use crate::keras::layers::mel::raised_cosine;
use crate::keras::layers::shape::{crop, gather};
use crate::keras::ranges::WINDOW;
use crate::ops::Pad;
use crate::pointwise::{Binary, Tape, Unary};
use serde_json::Value as Json;
use std::f64::consts::TAU;

type Args<'a, 'b> = &'b Arguments<'a>;

/// Most frames that overlap at a place.
const MOST_OVERLAPS: usize = 64;

/// A complex tensor.
type Pair = [NodeId; 2];

/// The real and the imaginary part of the argument.
fn pair(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<Pair, Stop> {
    let parts = a.list(cx, 0, &["x"])?;
    let &[real, imaginary] = &parts[..] else {
        let count = parts.len();
        return Err(cx.inconsistent(format!(
            "it takes a real and an imaginary part, but is called with {count} tensors"
        )));
    };
    if cx.dims(real) != cx.dims(imaginary) {
        return Err(cx.inconsistent("its real and imaginary parts have different shapes"));
    }
    Ok([real, imaginary])
}

fn both(parts: Pair) -> Outcome {
    Ok(parts.map(KerasTensor::new).to_vec())
}

/// The argument that is a number of samples.
fn length(cx: &mut Cx<'_>, a: Args<'_, '_>, index: usize, name: &str) -> Result<Option<usize>, Stop> {
    let Some(found) = a.integer(cx, index, &[name])? else {
        return Ok(None);
    };
    let length = usize::try_from(found)
        .ok()
        .filter(|length| WINDOW.contains(length));
    match length {
        Some(length) => Ok(Some(length)),
        None => Err(a.unsupported(cx, &[name], &found.into())),
    }
}

/// The extent of an axis counted from the last, 0.
fn extent(cx: &Cx<'_>, x: NodeId, from_last: usize) -> Result<usize, Stop> {
    let dims = cx.dims(x);
    let axis = dims.len().checked_sub(from_last + 1);
    axis.map(|axis| dims[axis])
        .ok_or_else(|| cx.inconsistent(format!("its input has {} axes only", dims.len())))
}

/// A tensor times a matrix `[extent, results]` along an axis counted from the last.
pub fn times(
    cx: &mut Cx<'_>,
    x: NodeId,
    from_last: usize,
    role: &str,
    results: usize,
    element: impl Fn(usize, usize) -> f64,
) -> Result<NodeId, Stop> {
    let rank = cx.dims(x).len();
    let axis = rank - 1 - from_last;
    let extent = cx.dims(x)[axis];
    let matrix = numbers(cx, role, &[extent, results], |i| {
        element(i / results, i % results) as f32
    })?;
    let left: Vec<char> = (0..rank).map(label).collect();
    let mut output = left.clone();
    output[axis] = label(rank);
    let right = vec![label(axis), label(rank)];
    let (x, matrix) = (Labelled::new(x, left), Labelled::new(matrix, right));
    product(cx, x, matrix, &output)
}

/// `2π·a·b/n`, where the product is taken modulo n first, so that it is exact.
fn angle(a: usize, b: usize, n: usize) -> f64 {
    TAU * ((a * b) % n) as f64 / n as f64
}

fn combined(cx: &mut Cx<'_>, op: Binary, a: NodeId, b: NodeId) -> Result<NodeId, Stop> {
    Ok(cx.b().map(Tape::binary(op), &[a, b])?)
}

/// The transform along an axis counted from the last: `Σ x·exp(-2πi·k·n/N)`.
fn transform(cx: &mut Cx<'_>, [re, im]: Pair, from_last: usize) -> Result<Pair, Stop> {
    let n = extent(cx, re, from_last)?;
    let by = |cx: &mut Cx<'_>, x, role: &str, wave: fn(f64) -> f64| {
        times(cx, x, from_last, role, n, |a, b| wave(angle(a, b, n)))
    };
    let [rc, rs] = [by(cx, re, "cosines", f64::cos)?, by(cx, re, "sines", f64::sin)?];
    let [ic, is] = [by(cx, im, "cosines", f64::cos)?, by(cx, im, "sines", f64::sin)?];
    Ok([
        combined(cx, Binary::Add, rc, is)?,
        combined(cx, Binary::Sub, ic, rs)?,
    ])
}

/// `keras.ops.fft`.
pub fn fft(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = pair(cx, a)?;
    both(transform(cx, x, 0)?)
}

/// `keras.ops.fft2`.
pub fn fft2(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = pair(cx, a)?;
    let x = transform(cx, x, 0)?;
    both(transform(cx, x, 1)?)
}

/// `keras.ops.ifft2`: the transform of the conjugate, conjugated, over the number of elements.
pub fn ifft2(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let [re, im] = pair(cx, a)?;
    let im = cx.apply(Tape::unary(Unary::Neg), im)?;
    let x = transform(cx, [re, im], 0)?;
    let [re, im] = transform(cx, x, 1)?;
    let count = (extent(cx, re, 0)? * extent(cx, re, 1)?) as f32;
    let re = cx.apply(Tape::binary_const(Binary::Div, count), re)?;
    let im = cx.apply(Tape::binary_const(Binary::Div, -count), im)?;
    both([re, im])
}

/// `keras.ops.rfft`: a signal is cut or filled up with zeros to its length.
pub fn rfft(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = extent(cx, x, 0)?;
    let n = length(cx, a, 1, "fft_length")?.unwrap_or(given).max(1);
    both(half_transform(cx, x, n, "rfft", |_| 1.0)?)
}

/// The frequencies of real signals of `n` samples, each times a weight.
fn half_transform(
    cx: &mut Cx<'_>,
    x: NodeId,
    n: usize,
    role: &str,
    weight: impl Fn(usize) -> f64,
) -> Result<Pair, Stop> {
    let results = n / 2 + 1;
    let inside = |t: usize| if t < n { weight(t) } else { 0.0 };
    let cosines = times(cx, x, 0, &format!("{role} cosines {n}"), results, |t, k| {
        inside(t) * angle(t, k, n).cos()
    })?;
    let sines = times(cx, x, 0, &format!("{role} sines {n}"), results, |t, k| {
        -inside(t) * angle(t, k, n).sin()
    })?;
    Ok([cosines, sines])
}

/// `keras.ops.irfft`.
pub fn irfft(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = pair(cx, a)?;
    let given = extent(cx, x[0], 0)?.saturating_sub(1) * 2;
    let n = length(cx, a, 1, "fft_length")?.unwrap_or(given);
    if n == 0 {
        return Err(cx.inconsistent("a single frequency has no samples"));
    }
    one(samples(cx, x, n, "irfft", |_| 1.0)?)
}

/// The `n` samples of real signals with these frequencies, each times a weight. What is beyond half of the samples counts nothing,
/// all but the ends stand for two.
fn samples(
    cx: &mut Cx<'_>,
    [re, im]: Pair,
    n: usize,
    role: &str,
    weight: impl Fn(usize) -> f64,
) -> Result<NodeId, Stop> {
    let share = |k: usize| match k {
        _ if k > n / 2 => 0.0,
        _ if k == 0 || 2 * k == n => 1.0 / n as f64,
        _ => 2.0 / n as f64,
    };
    let re = times(cx, re, 0, &format!("{role} cosines {n}"), n, |k, t| {
        weight(t) * share(k) * angle(k, t, n).cos()
    })?;
    let im = times(cx, im, 0, &format!("{role} sines {n}"), n, |k, t| {
        weight(t) * share(k) * angle(k, t, n).sin()
    })?;
    combined(cx, Binary::Sub, re, im)
}

/// The name of the window; Keras' default where nothing is said, none where that is said.
fn window(cx: &mut Cx<'_>, a: Args<'_, '_>, place: usize) -> Result<Option<Json>, Stop> {
    let said = cx.kwarg("window").is_some()
        || cx.site.config.values().contains_key("window")
        || cx.arg(place).is_some();
    let found = a
        .literal(cx, place, &["window"])?
        .filter(|value| !value.is_null());
    Ok(found.or_else(|| (!said).then(|| "hann".into())))
}

/// How a signal is divided into frames.
struct Frames {
    /// Samples from frame to frame.
    stride: usize,
    /// Samples of a frame.
    fft: usize,
    /// The window in the middle of a frame, zeros around it.
    window: Vec<f64>,
    /// Whether there is one.
    has_window: bool,
    /// What makes a constant of them another one.
    role: String,
    /// Whether frames are centred.
    centred: bool,
}

impl Frames {
    /// The arguments, of which `window` and `center` stand at a place and the next.
    fn read(cx: &mut Cx<'_>, a: Args<'_, '_>, place: usize) -> Result<Self, Stop> {
        let needed = |cx: &mut Cx<'_>, index, name: &str| {
            let found = length(cx, a, index, name)?;
            a.required(cx, found, name)
        };
        let [sequence, stride, fft] = [
            needed(cx, 1, "sequence_length")?,
            needed(cx, 2, "sequence_stride")?,
            needed(cx, 3, "fft_length")?,
        ];
        let centred = a.flag(cx, place + 1, &["center"], true)?;
        let named = window(cx, a, place)?;
        if sequence > fft {
            return Err(cx.inconsistent(format!(
                "a sequence of {sequence} is longer than its frame of {fft}"
            )));
        }
        let window = match named.as_ref() {
            None => vec![1.0; fft],
            Some(name) if name == "hann" => raised_cosine(0.5, sequence),
            Some(name) if name == "hamming" => raised_cosine(0.54, sequence),
            Some(other) => return Err(a.unsupported(cx, &["window"], other)),
        };
        let before = (fft - window.len()) / 2;
        let mut whole = vec![0.0; fft];
        for (to, &value) in whole.iter_mut().skip(before).zip(&window) {
            *to = value;
        }
        let role = format!("frames {sequence} {stride} {fft} {named:?}");
        Ok(Self {
            stride,
            fft,
            window: whole,
            has_window: named.is_some(),
            role,
            centred,
        })
    }
}

/// `keras.ops.stft`: `[…, frames, frequencies]` of `[…, time]`.
pub fn stft(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let frames = Frames::read(cx, a, 4)?;
    let time = extent(cx, x, 0)?;
    let axis = cx.dims(x).len() - 1;
    let half = if frames.centred { frames.fft / 2 } else { 0 };
    let whole = time + 2 * half;
    if half >= time.max(1) || whole < frames.fft {
        return Err(cx.inconsistent(format!("frames of {} do not fit a signal of {time}", frames.fft)));
    }
    let mirrored = |i: usize| match i.checked_sub(half) {
        None => half - i,
        Some(i) if i < time => i,
        Some(i) => 2 * (time - 1) - i,
    };
    let count = (whole - frames.fft) / frames.stride + 1;
    let role = format!("{} of {time}", frames.role);
    let all = count.saturating_mul(frames.fft);
    let x = gather(cx, x, axis, &role, all, |i| {
        mirrored(i / frames.fft * frames.stride + i % frames.fft)
    })?;
    let mut dims = cx.dims(x);
    dims[axis] = count;
    dims.push(frames.fft);
    let x = cx.b().reshape(x, dims)?;
    both(half_transform(cx, x, frames.fft, &frames.role, |t| {
        frames.window[t]
    })?)
}

/// `keras.ops.istft`: `[…, time]` of `[…, frames, frequencies]`: samples of frames are added up where they overlap
/// (`tf.signal.inverse_stft` with `inverse_stft_window_fn`).
pub fn istft(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = pair(cx, a)?;
    let frames = Frames::read(cx, a, 5)?;
    let wanted = length(cx, a, 4, "length")?;
    let (fft, stride) = (frames.fft, frames.stride);
    let overlaps = fft.div_ceil(stride);
    if overlaps > MOST_OVERLAPS {
        return Err(cx.inconsistent(format!(
            "{overlaps} frames overlap, of which {MOST_OVERLAPS} are supported"
        )));
    }
    let squares = |t: usize| -> f64 {
        let same = (0..overlaps).filter_map(|j| frames.window.get(j * stride + t % stride));
        same.map(|value| value * value).sum()
    };
    let weight = |t: usize| {
        if frames.has_window {
            frames.window[t] / squares(t)
        } else {
            1.0
        }
    };
    let x = samples(cx, x, fft, &format!("inverse {}", frames.role), weight)?;
    let count = extent(cx, x, 1)?;
    let sum = overlapped(cx, x, stride, overlaps)?;
    let all = fft + stride * count.saturating_sub(1);
    let start = if frames.centred { fft / 2 } else { 0 };
    let end = match wanted {
        Some(length) => (start + length).min(all),
        None if frames.centred => all.saturating_sub(fft / 2),
        None => all,
    };
    if end <= start {
        return Err(cx.inconsistent(format!("nothing is left of {all} samples")));
    }
    let mut sizes = cx.dims(sum);
    let mut starts = vec![0; sizes.len()];
    if let (Some(size), Some(first)) = (sizes.last_mut(), starts.last_mut()) {
        (*size, *first) = (end - start, start);
    }
    one(crop(cx, sum, starts, sizes)?)
}

/// The sum `[…, time]` of frames `[…, frames, samples]` of which each begins a stride behind the one before: strides of frames are
/// moved to where they belong.
fn overlapped(cx: &mut Cx<'_>, x: NodeId, stride: usize, overlaps: usize) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let (rank, samples) = (dims.len(), dims[dims.len() - 1]);
    let mut pads = vec![(0, 0); rank];
    pads[rank - 1] = (0, overlaps * stride - samples);
    let x = padded(cx, x, pads)?;
    let mut sum: Option<NodeId> = None;
    for j in 0..overlaps {
        let (mut starts, mut sizes) = (vec![0; rank], cx.dims(x));
        (starts[rank - 1], sizes[rank - 1]) = (j * stride, stride);
        let part = crop(cx, x, starts, sizes)?;
        let mut pads = vec![(0, 0); rank];
        pads[rank - 2] = (j, overlaps - 1 - j);
        let part = padded(cx, part, pads)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => combined(cx, Binary::Add, sum, part)?,
        });
    }
    let sum = sum.ok_or(Stop::Told)?;
    let mut dims = cx.dims(sum);
    let last = dims.pop().unwrap_or(1);
    if let Some(frames) = dims.last_mut() {
        *frames *= last;
    }
    Ok(cx.b().reshape(sum, dims)?)
}

fn padded(cx: &mut Cx<'_>, x: NodeId, pads: Vec<(usize, usize)>) -> Result<NodeId, Stop> {
    if pads.iter().all(|&pad| pad == (0, 0)) {
        return Ok(x);
    }
    Ok(cx.b().add(Pad { pads, value: 0.0 }, &[x])?)
}
