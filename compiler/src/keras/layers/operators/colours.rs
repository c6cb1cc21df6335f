//! Colours: `rgb_to_hsv`, `hsv_to_rgb`, and what `tf.image` does with them.

use super::arguments::Arguments;
use super::images::{images, mixed};
use super::settings::format;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::spatial::{Format, channels_first, channels_last};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, Value};

type Args<'a, 'b> = &'b Arguments<'a>;

/// The three channels of images or of one image, each with an axis of 1 for them, and where they stood.
fn channels(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<([NodeId; 3], Form), Stop> {
    let mut x = a.tensor(cx, 0, &["images", "image", "x"])?;
    let format = format(cx, a, 9)?;
    let alone = cx.dims(x).len() == 3 && format == Format::First;
    if alone {
        let dims = [&[1], &cx.dims(x)[..]].concat();
        x = cx.b().reshape(x, dims)?;
    }
    let x = channels_last(cx, x, format)?;
    Ok((split(cx, x)?, Form { format, alone }))
}

/// How images are laid out.
struct Form {
    format: Format,
    /// One image with channels first, to which a batch was added.
    alone: bool,
}

fn split(cx: &mut Cx<'_>, x: NodeId) -> Result<[NodeId; 3], Stop> {
    let dims = cx.dims(x);
    let last = dims.len().checked_sub(1).filter(|&last| dims[last] == 3);
    let last = last.ok_or_else(|| cx.inconsistent("it takes images of 3 channels"))?;
    let mut part = |channel| cx.b().slice(x, last, channel, 1);
    Ok([part(0)?, part(1)?, part(2)?])
}

/// Three channels as one tensor.
fn joined(cx: &mut Cx<'_>, channels: [NodeId; 3], form: &Form) -> Result<NodeId, Stop> {
    let last = cx.dims(channels[0]).len() - 1;
    let x = cx.b().concat(last, &channels)?;
    let x = channels_first(cx, x, form.format)?;
    let dims = cx.dims(x);
    Ok(if form.alone {
        cx.b().reshape(x, dims[1..].to_vec())?
    } else {
        x
    })
}

/// Hue, saturation and value of red, green and blue: the formulas of TensorFlow's kernel.
fn to_hsv(which: usize) -> Tape {
    let mut t = TapeBuilder::new(3);
    let [r, g, b] = [0, 1, 2].map(|i| t.input(i));
    let value = t.binary(Binary::Max, r, g);
    let value = t.binary(Binary::Max, value, b);
    let least = t.binary(Binary::Min, r, g);
    let least = t.binary(Binary::Min, least, b);
    let range = t.binary(Binary::Sub, value, least);
    let zero = t.constant(0.0);
    let result = match which {
        0 => {
            let positive = t.compare(Compare::Lt, zero, range);
            let (one_whole, six) = (t.constant(1.0), t.constant(6.0));
            let span = t.binary(Binary::Mul, six, range);
            let norm = t.binary(Binary::Div, one_whole, span);
            let mut part = |a: Value, b: Value, more: f32| {
                let difference = t.binary(Binary::Sub, a, b);
                let scaled = t.binary(Binary::Mul, norm, difference);
                let more = t.constant(more);
                t.binary(Binary::Add, scaled, more)
            };
            let (red, green, blue) = (part(g, b, 0.0), part(b, r, 2.0 / 6.0), part(r, g, 4.0 / 6.0));
            let is_red = t.compare(Compare::Eq, r, value);
            let is_green = t.compare(Compare::Eq, g, value);
            let hue = t.select(is_green, green, blue);
            let hue = t.select(is_red, red, hue);
            let hue = t.select(positive, hue, zero);
            let wrapped = t.binary(Binary::Add, hue, one_whole);
            let negative = t.compare(Compare::Lt, hue, zero);
            t.select(negative, wrapped, hue)
        }
        1 => {
            let share = t.binary(Binary::Div, range, value);
            let positive = t.compare(Compare::Lt, zero, value);
            t.select(positive, share, zero)
        }
        _ => value,
    };
    t.finish(result)
}

/// Red, green or blue of hue, saturation and value.
fn to_rgb(which: usize) -> Tape {
    let mut t = TapeBuilder::new(3);
    let [h, s, v] = [0, 1, 2].map(|i| t.input(i));
    let (zero, one_whole, six) = (t.constant(0.0), t.constant(1.0), t.constant(6.0));
    let angle = t.binary(Binary::Mul, h, six);
    let centre = t.constant([3.0, 2.0, 4.0][which]);
    let away = t.binary(Binary::Sub, angle, centre);
    let away = t.unary(Unary::Abs, away);
    let slope = if which == 0 {
        t.binary(Binary::Sub, away, one_whole)
    } else {
        let two = t.constant(2.0);
        t.binary(Binary::Sub, two, away)
    };
    let share = t.binary(Binary::Max, slope, zero);
    let share = t.binary(Binary::Min, share, one_whole);
    let grey = t.binary(Binary::Sub, one_whole, s);
    let colour = t.binary(Binary::Mul, s, share);
    let sum = t.binary(Binary::Add, grey, colour);
    let result = t.binary(Binary::Mul, sum, v);
    t.finish(result)
}

fn converted(cx: &mut Cx<'_>, channels: [NodeId; 3], of: fn(usize) -> Tape) -> Result<[NodeId; 3], Stop> {
    let mut channel = |which| cx.b().map(of(which), &channels);
    Ok([channel(0)?, channel(1)?, channel(2)?])
}

/// `rgb_to_hsv`.
pub fn rgb_to_hsv(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (channels, form) = channels(cx, a)?;
    let channels = converted(cx, channels, to_hsv)?;
    one(joined(cx, channels, &form)?)
}

/// `hsv_to_rgb`.
pub fn hsv_to_rgb(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (channels, form) = channels(cx, a)?;
    let channels = converted(cx, channels, to_rgb)?;
    one(joined(cx, channels, &form)?)
}

/// `tf.image.adjust_saturation` of floats: the saturation times a number, at most 1.
pub fn adjust_saturation(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let factor = a.number(cx, 1, &["saturation_factor"])?;
    let factor = a.required(cx, factor, "saturation_factor")? as f32;
    let tape = Tape::binary_const(Binary::Mul, factor).then(&Tape::binary_const(Binary::Max, 0.0));
    adjusted(cx, a, 1, &tape.then(&Tape::binary_const(Binary::Min, 1.0)))
}

/// `tf.image.adjust_hue` of floats: the hue plus a number, of which the fraction counts.
pub fn adjust_hue(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let delta = a.number(cx, 1, &["delta"])?;
    let delta = a.required(cx, delta, "delta")?;
    let mut t = TapeBuilder::new(1);
    let (hue, delta) = (t.input(0), t.constant(delta as f32));
    let sum = t.binary(Binary::Add, hue, delta);
    let whole = t.unary(Unary::Floor, sum);
    let fraction = t.binary(Binary::Sub, sum, whole);
    adjusted(cx, a, 0, &t.finish(fraction))
}

fn adjusted(cx: &mut Cx<'_>, a: Args<'_, '_>, which: usize, tape: &Tape) -> Outcome {
    // Of Python's code.
    a.text(cx, 9, &["name"])?;
    let (channels, form) = channels(cx, a)?;
    let mut channels = converted(cx, channels, to_hsv)?;
    channels[which] = cx.apply(tape.clone(), channels[which])?;
    let channels = converted(cx, channels, to_rgb)?;
    one(joined(cx, channels, &form)?)
}

/// Rows of TensorFlow's matrices, `tf.image.rgb_to_yiq` and so on.
const YIQ: [[f32; 3]; 3] = [
    [0.299, 0.595_900_6, 0.2115],
    [0.587, -0.274_556_67, -0.522_736_2],
    [0.114, -0.321_343_93, 0.311_199_55],
];
const FROM_YIQ: [[f32; 3]; 3] = [
    [1.0, 1.0, 1.0],
    [0.955_986_3, -0.272_012_83, -1.106_740_2],
    [0.620_824_8, -0.647_204_2, 1.704_230_5],
];
const YUV: [[f32; 3]; 3] = [
    [0.299, -0.147_141_19, 0.614_975_4],
    [0.587, -0.288_869_17, -0.514_965_1],
    [0.114, 0.436_010_36, -0.100_010_26],
];
const FROM_YUV: [[f32; 3]; 3] = [
    [1.0, 1.0, 1.0],
    [0.0, -0.394_642_35, 2.032_061_8],
    [1.139_883, -0.580_621_84, 0.0],
];

fn by_matrix(cx: &mut Cx<'_>, a: Args<'_, '_>, role: &str, matrix: [[f32; 3]; 3]) -> Outcome {
    let (x, [.., channels]) = images(cx, a)?;
    if channels != 3 {
        return Err(cx.inconsistent(format!("it takes 3 channels, not {channels}")));
    }
    one(mixed(cx, x, role, [3, 3], |row, column| matrix[row][column])?)
}

/// `tf.image.rgb_to_yiq`.
pub fn rgb_to_yiq(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    by_matrix(cx, a, "YIQ", YIQ)
}

/// `tf.image.yiq_to_rgb`.
pub fn yiq_to_rgb(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    by_matrix(cx, a, "of YIQ", FROM_YIQ)
}

/// `tf.image.rgb_to_yuv`.
pub fn rgb_to_yuv(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    by_matrix(cx, a, "YUV", YUV)
}

/// `tf.image.yuv_to_rgb`.
pub fn yuv_to_rgb(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    by_matrix(cx, a, "of YUV", FROM_YUV)
}
