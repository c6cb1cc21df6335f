//! Spectra over time: `keras.layers.STFTSpectrogram` and `MelSpectrogram`. A discrete Fourier transform is a convolution with
//! cosines and sines.

use super::context::{Cx, Outcome, Stop, one};
use super::dense::projected;
use super::mel::{mel_matrix, raised_cosine, waves};
use super::shape::gather;
use super::spatial::{Format, Padding};
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, COUNT, NOT_NEGATIVE, WINDOW};
use crate::ops::{Conv, ReduceKind};
use crate::pointwise::{Binary, Tape, Unary, library};
use crate::tensor::{Shape, Tensor};
use serde_json::Value as Json;

/// What a `STFTSpectrogram` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Log,
    Magnitude,
    Density,
    Real,
    Imaginary,
    Angle,
    Both,
}

const MODES: &[(&str, Mode)] = &[
    ("log", Mode::Log),
    ("magnitude", Mode::Magnitude),
    ("psd", Mode::Density),
    ("real", Mode::Real),
    ("imag", Mode::Imaginary),
    ("angle", Mode::Angle),
    ("stft", Mode::Both),
];

/// Keras' fuzz factor.
const EPSILON: f32 = 1e-7;

/// How many weights a `STFTSpectrogram` has: real and imaginary parts, or one of them.
pub fn weights_of_stft(config: &crate::keras::config::Config) -> usize {
    match config.values().get("mode").and_then(Json::as_str) {
        Some("real" | "imag") => 1,
        _ => 2,
    }
}

/// `STFTSpectrogram`: the real and the imaginary kernel, `[frame, 1, frequencies]`, hold window and scaling.
pub fn stft(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let mode = r.choice("mode", MODES, Mode::Log);
    let [length] = r.tuple_or::<1>("frame_length", [256], WINDOW);
    let [step] = match r.fields.value("frame_step") {
        None | Some(Json::Null) => [(length / 2).max(1)],
        Some(_) => r.tuple::<1>("frame_step", WINDOW),
    };
    let [fft] = match r.fields.value("fft_length") {
        None | Some(Json::Null) => [length.next_power_of_two()],
        Some(_) => r.tuple::<1>("fft_length", WINDOW),
    };
    let padding = r.padding(false);
    let expand = r.flag("expand_dims", false);
    let format = r.format();
    // They are in the kernels.
    r.fields.ignore(&["window", "periodic", "scaling"]);
    r.finish(cx)?;
    let frequencies = fft / 2 + 1;
    if mode == Mode::Density && frequencies == 1 {
        // Keras would give it twice.
        return Err(cx.inconsistent("mode \"psd\" needs more than one frequency"));
    }
    let kernel = || vec![length, 1, frequencies];
    let weights = cx.weights([
        (mode != Mode::Imaginary).then(|| ("real_kernel", kernel())),
        (mode != Mode::Real).then(|| ("imag_kernel", kernel())),
    ]);
    let x = cx.float_input()?;
    cx.expect_rank(x, 3)?;
    // Signals one after the other: [batch·channels, 1, time, 1].
    let x = if format == Format::Last {
        cx.b().transpose(x, [0, 2, 1])?
    } else {
        x
    };
    let &[batch, channels, time] = &cx.dims(x)[..] else {
        return Err(Stop::Told);
    };
    let x = cx.b().reshape(x, [batch * channels, 1, time, 1])?;
    let mut parts = Vec::new();
    for name in ["real_kernel", "imag_kernel"] {
        if weights.has(name) {
            let kernel = weights.reshaped(cx, name, &[1, length, 1, frequencies])?;
            parts.push(framed(cx, x, kernel, [length, step], padding, time)?);
        }
    }
    let spectrum = combined(cx, mode, &parts, frequencies)?;
    one(arranged(cx, spectrum, [batch, channels], expand, format)?)
}

/// Frames of signals `[n, 1, time, 1]` times a kernel, as `[n, 1, frames, frequencies]`.
fn framed(
    cx: &mut Cx<'_>,
    x: NodeId,
    kernel: NodeId,
    [length, step]: [usize; 2],
    padding: Padding,
    time: usize,
) -> Result<NodeId, Stop> {
    if padding == Padding::Valid && time < length {
        return Err(cx.inconsistent(format!("a frame of {length} does not fit a signal of {time}")));
    }
    let op = Conv {
        window: padding.windows([1, length], [1, step], [1, 1], [1, time]),
        groups: 1,
        bias: false,
        epilogue: Tape::identity(),
    };
    Ok(cx.b().add(op, &[x, kernel])?)
}

/// x² + y².
fn sum_of_squares() -> Tape {
    let square = |input| (library::square::tape(), vec![input]);
    Tape::binary(Binary::Add).substitute(&[square(0), square(1)], 2)
}

/// What a mode makes of real and imaginary parts, whose last axis are frequencies.
fn combined(cx: &mut Cx<'_>, mode: Mode, parts: &[NodeId], frequencies: usize) -> Result<NodeId, Stop> {
    let magnitude = Tape::binary_const(Binary::Max, EPSILON).then(&Tape::unary(Unary::Sqrt));
    let magnitude = sum_of_squares().then(&magnitude);
    Ok(match (mode, parts) {
        (Mode::Real | Mode::Imaginary, &[part]) => part,
        (Mode::Both, parts) => cx.b().concat(3, parts)?,
        (Mode::Angle, &[real, imaginary]) => cx.b().map(library::atan2::tape(), &[imaginary, real])?,
        (Mode::Magnitude, parts) => cx.b().map(magnitude, parts)?,
        (Mode::Density, &[real, imaginary]) => {
            // All frequencies but the first and the last stand for negative ones too.
            let inner = |i: usize| {
                if (1..frequencies.saturating_sub(1)).contains(&i) {
                    2.0
                } else {
                    1.0
                }
            };
            let factors = cx.constant("sides of frequencies", frequencies, || {
                Tensor::f32([frequencies], (0..frequencies).map(inner).collect::<Vec<_>>())
            })?;
            let density = (sum_of_squares(), vec![0, 1]);
            let tape = Tape::binary(Binary::Mul).substitute(&[density, (Tape::identity(), vec![2])], 3);
            cx.b().map(tape, &[real, imaginary, factors])?
        }
        (_, parts) => {
            let log = Tape::binary_const(Binary::Max, EPSILON).then(&Tape::unary(Unary::Log));
            cx.b().map(magnitude.then(&log), parts)?
        }
    })
}

/// Spectra `[batch·channels, 1, frames, frequencies]` in the form that Keras gives them.
fn arranged(
    cx: &mut Cx<'_>,
    x: NodeId,
    [batch, channels]: [usize; 2],
    expand: bool,
    format: Format,
) -> Result<NodeId, Stop> {
    let &[_, _, frames, frequencies] = &cx.dims(x)[..] else {
        return Err(Stop::Told);
    };
    let x = cx.b().reshape(x, [batch, channels, frames, frequencies])?;
    Ok(match (expand, format) {
        (true, Format::Last) => cx.b().transpose(x, [0, 2, 3, 1])?,
        (true, Format::First) => x,
        (false, Format::Last) => {
            let x = cx.b().transpose(x, [0, 2, 1, 3])?;
            cx.b().reshape(x, [batch, frames, channels * frequencies])?
        }
        (false, Format::First) => {
            let x = cx.b().transpose(x, [0, 1, 3, 2])?;
            cx.b().reshape(x, [batch, channels * frequencies, frames])?
        }
    })
}

/// The arguments of a `MelSpectrogram` that come after the transform.
struct Scale {
    exponent: f64,
    decibels: bool,
    top: f64,
    least: f64,
    reference: f64,
}

/// `MelSpectrogram`: powers of a short-time Fourier transform of centred frames, in bands on the mel scale, in decibels.
pub fn mel(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let [fft] = r.tuple_or::<1>("fft_length", [2048], WINDOW);
    let [stride] = r.tuple_or::<1>("sequence_stride", [512], WINDOW);
    let [length] = match r.fields.value("sequence_length") {
        None | Some(Json::Null) => [fft],
        Some(_) => r.tuple::<1>("sequence_length", WINDOW),
    };
    let window = match r.fields.value("window") {
        Some(Json::Null) => Vec::new(),
        Some(Json::Array(_)) => r.floats_or("window", &[], ANY),
        _ => raised_cosine(
            r.choice("window", &[("hann", 0.5), ("hamming", 0.54)], 0.5),
            length,
        ),
    };
    let rate = r.number("sampling_rate", 16000.0, NOT_NEGATIVE);
    let bins = r.usize_or("num_mel_bins", 128, COUNT);
    let from = r.number("min_freq", 20.0, NOT_NEGATIVE);
    let to = r
        .opt_number("max_freq", NOT_NEGATIVE)
        .unwrap_or((rate / 2.0).trunc());
    let scale = Scale {
        decibels: r.flag("power_to_db", true),
        top: r.number("top_db", 80.0, ANY),
        exponent: r.number("mag_exp", 2.0, ANY),
        least: r.number("min_power", 1e-10, ANY),
        reference: r.number("ref_power", 1.0, ANY),
    };
    r.finish(cx)?;
    if fft < length || !(window.is_empty() || window.len() == length) {
        let message = format!(
            "a window of {} and a sequence of {length} do not fit a transform of {fft}",
            window.len()
        );
        return Err(cx.inconsistent(message));
    }
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let Some((&time, before)) = dims.split_last() else {
        return Err(cx.inconsistent("it takes a signal"));
    };
    let signals: usize = before.iter().product();
    let x = cx.b().reshape(x, [signals, time])?;
    let spectrum = transformed(cx, x, [fft, stride], &window)?;
    let power = match scale.exponent {
        2.0 => sum_of_squares(),
        exponent => sum_of_squares().then(&library::power((exponent / 2.0) as f32)),
    };
    let power = cx.b().map(power, &spectrum)?;
    let frequencies = fft / 2 + 1;
    let shape = Shape::checked([frequencies, bins])?;
    let matrix = cx.constant("mel bands", shape.count(), || {
        Tensor::f32(shape.clone(), mel_matrix(frequencies, bins, rate, [from, to]))
    })?;
    let bands = projected(cx, power, &[matrix], 1, &[bins])?;
    let bands = if scale.decibels {
        decibels(cx, bands, &scale)?
    } else {
        bands
    };
    // [signals, 1, frames, bins] to […, bins, frames].
    let frames = cx.dims(bands)[2];
    let bands = cx.b().reshape(bands, [signals, frames, bins])?;
    let bands = cx.b().transpose(bands, [0, 2, 1])?;
    one(cx.b().reshape(bands, [before, &[bins, frames]].concat())?)
}

/// Real and imaginary parts `[signals, 1, frames, frequencies]` of signals `[signals, time]`, mirrored at both ends so that
/// frames are centred.
fn transformed(
    cx: &mut Cx<'_>,
    x: NodeId,
    [fft, stride]: [usize; 2],
    window: &[f64],
) -> Result<[NodeId; 2], Stop> {
    let &[signals, time] = &cx.dims(x)[..] else {
        return Err(Stop::Told);
    };
    let half = fft / 2;
    if half >= time {
        return Err(cx.inconsistent(format!("a signal of {time} cannot be mirrored over {half}")));
    }
    let mirrored = move |i: usize| match i.checked_sub(half) {
        None => half - i,
        Some(i) if i < time => i,
        Some(i) => 2 * (time - 1) - i,
    };
    let padded = time + 2 * half;
    let x = gather(cx, x, 1, &format!("mirrored over {half}"), padded, mirrored)?;
    let x = cx.b().reshape(x, [signals, 1, padded, 1])?;
    let frequencies = fft / 2 + 1;
    let shape = Shape::checked([1, fft, 1, frequencies])?;
    let mut parts = [x; 2];
    for (part, (role, wave)) in parts
        .iter_mut()
        .zip([("cosines", f64::cos as fn(f64) -> f64), ("sines", f64::sin)])
    {
        let kernel = cx.constant(role, shape.count(), || {
            Tensor::f32(shape.clone(), waves(fft, window, wave))
        })?;
        *part = framed(cx, x, kernel, [fft, stride], Padding::Valid, padded)?;
    }
    Ok(parts)
}

/// Powers in decibels over the reference, not less than so many below the largest of all.
fn decibels(cx: &mut Cx<'_>, x: NodeId, scale: &Scale) -> Result<NodeId, Stop> {
    let reference = 10.0 * scale.reference.abs().max(scale.least).log10();
    let tape = Tape::binary_const(Binary::Max, scale.least as f32)
        .then(&library::log10::tape())
        .then(&library::scale_shift(10.0, -reference as f32));
    let x = cx.apply(tape, x)?;
    let all: Vec<usize> = (0..cx.dims(x).len()).collect();
    let most = cx.b().reduce(ReduceKind::Max, all, x)?;
    let floor = (Tape::binary_const(Binary::Sub, scale.top as f32), vec![1]);
    let tape = Tape::binary(Binary::Max).substitute(&[(Tape::identity(), vec![0]), floor], 2);
    Ok(cx.b().map(tape, &[x, most])?)
}
