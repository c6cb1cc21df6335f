//! Operations of `tf.image`, `keras.ops.image` and those of `tf.nn` that are about images.

use super::arguments::{Arguments, X};
use super::functions::count;
use super::settings::format;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::normalize::{centred, mean_square};
use crate::keras::layers::recurrent::reversed;
use crate::keras::layers::shape::{crop, repeat};
use crate::keras::layers::spatial::{channels_first, channels_last};
use crate::ops::{MatMul, Pad};
use crate::pointwise::{Binary, Tape, TapeBuilder, Unary, library};
use crate::tensor::{Shape, Tensor};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Images `[batch, height, width, channels]`.
pub fn images(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(NodeId, [usize; 4]), Stop> {
    let names = ["image", "images", "input", "value"];
    let x = a.tensor(cx, 0, &[&names[..], X].concat())?;
    if let Some(format) = a
        .text(cx, 9, &["data_format"])?
        .filter(|format| format != "channels_last" && format != "nhwc")
    {
        return Err(a.unsupported(cx, &["data_format"], &format.into()));
    }
    match cx.dims(x)[..] {
        [n, h, w, c] => Ok((x, [n, h, w, c])),
        _ => Err(cx.inconsistent("it takes a batch of images, which has rank 4")),
    }
}

/// A product of the channels with a matrix.
pub fn mixed(
    cx: &mut Cx<'_>,
    x: NodeId,
    role: &str,
    [from, to]: [usize; 2],
    weight: impl Fn(usize, usize) -> f32,
) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(x);
    let shape = Shape::checked([from, to])?;
    let matrix = cx.constant(role, from * to, || {
        let elements: Vec<f32> = (0..from * to).map(|i| weight(i / to, i % to)).collect();
        Tensor::f32(shape, elements)
    })?;
    let rows = dims.iter().product::<usize>() / from;
    let flat = cx.b().reshape(x, [rows, from])?;
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let product = cx.b().add(op, &[flat, matrix])?;
    if let Some(last) = dims.last_mut() {
        *last = to;
    }
    Ok(cx.b().reshape(product, dims)?)
}

/// Luma of red, green and blue, of images or of one image; grey images stay.
pub fn grayscale(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let names = ["image", "images", "input", "value"];
    let x = a.tensor(cx, 0, &[&names[..], X].concat())?;
    let format = format(cx, a, 9)?;
    let alone = cx.dims(x).len() == 3;
    let mut dims = cx.dims(x);
    if alone {
        dims.insert(0, 1);
    }
    let x = cx.b().reshape(x, dims)?;
    cx.expect_rank(x, 4)?;
    let x = channels_last(cx, x, format)?;
    let luma = match cx.dims(x)[3] {
        3 => mixed(cx, x, "luma", [3, 1], |row, _| [0.2989, 0.587, 0.114][row])?,
        1 if cx.is_keras3() => x,
        channels => return Err(cx.inconsistent(format!("it takes 3 channels, not {channels}"))),
    };
    let luma = channels_first(cx, luma, format)?;
    let dims = cx.dims(luma);
    one(if alone {
        cx.b().reshape(luma, dims[1..].to_vec())?
    } else {
        luma
    })
}

/// Three equal channels.
pub fn colour(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [.., channels]) = images(cx, a)?;
    if channels != 1 {
        return Err(cx.inconsistent(format!("it takes 1 channel, not {channels}")));
    }
    one(repeat(cx, x, 3, 3)?)
}

/// Every image less its mean, over its standard deviation, of which it takes at least 1/√elements.
pub fn standardized(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [_, height, width, channels]) = images(cx, a)?;
    let centre = centred(cx, x, &[1, 2, 3])?;
    let variance = mean_square(cx, centre, &[1, 2, 3])?;
    let least = 1.0 / ((height * width * channels) as f32).sqrt();
    let deviation = Tape::unary(Unary::Sqrt).then(&Tape::binary_const(Binary::Max, least));
    let over = Tape::binary(Binary::Div).substitute(&[(Tape::identity(), vec![0]), (deviation, vec![1])], 2);
    one(cx.b().map(over, &[centre, variance])?)
}

/// Turns images around their vertical axis.
pub fn flip_left_right(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, _) = images(cx, a)?;
    one(reversed(cx, x, 2)?)
}

/// Turns images upside down.
pub fn flip_up_down(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, _) = images(cx, a)?;
    one(reversed(cx, x, 1)?)
}

/// The four numbers of a box.
fn box_of(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<[usize; 4], Stop> {
    let mut found = [0; 4];
    let names = ["offset_height", "offset_width", "target_height", "target_width"];
    for (index, (name, place)) in names.into_iter().zip(&mut found).enumerate() {
        let value = a.integer(cx, index + 1, &[name])?;
        let value = a.required(cx, value, name)?;
        *place = usize::try_from(value)
            .ok()
            .filter(|&value| value <= 1 << 16)
            .ok_or_else(|| cx.inconsistent(format!("{name} cannot be {value}")))?;
    }
    Ok(found)
}

/// `tf.image.crop_to_bounding_box`.
pub fn crop_to_box(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [n, h, w, c]) = images(cx, a)?;
    let [top, left, height, width] = box_of(cx, a)?;
    if height == 0 || width == 0 || top + height > h || left + width > w {
        return Err(cx.inconsistent(format!("the box does not lie in an image of {h}x{w}")));
    }
    one(crop(cx, x, vec![0, top, left, 0], vec![n, height, width, c])?)
}

/// `tf.image.pad_to_bounding_box`.
pub fn pad_to_box(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [_, h, w, _]) = images(cx, a)?;
    let [top, left, height, width] = box_of(cx, a)?;
    let bottom = height.checked_sub(top + h);
    let (Some(bottom), Some(right)) = (bottom, width.checked_sub(left + w)) else {
        return Err(cx.inconsistent(format!("an image of {h}x{w} does not lie in the box")));
    };
    let pads = vec![(0, 0), (top, bottom), (left, right), (0, 0)];
    one(cx.b().add(Pad { pads, value: 0.0 }, &[x])?)
}

/// `tf.image.central_crop`.
pub fn central_crop(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [n, h, w, c]) = images(cx, a)?;
    let share = a.number(cx, 1, &["central_fraction"])?;
    let share = a.required(cx, share, "central_fraction")?;
    if !(share > 0.0 && share <= 1.0) {
        return Err(a.unsupported(cx, &["central_fraction"], &share.into()));
    }
    let [top, left] = [h, w].map(|extent| ((extent as f64 - extent as f64 * share) / 2.0) as usize);
    one(crop(
        cx,
        x,
        vec![0, top, left, 0],
        vec![n, h - 2 * top, w - 2 * left, c],
    )?)
}

/// `tf.image.resize_with_crop_or_pad`: the middle, or zeros around.
pub fn crop_or_pad(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (mut x, [n, h, w, c]) = images(cx, a)?;
    let mut targets = [0; 2];
    for (index, (name, target)) in ["target_height", "target_width"]
        .into_iter()
        .zip(&mut targets)
        .enumerate()
    {
        let value = a.integer(cx, index + 1, &[name])?;
        *target = count(cx, a.required(cx, value, name)?)?;
        if *target > 1 << 16 {
            return Err(a.unsupported(cx, &[name], &(*target).into()));
        }
    }
    let [height, width] = targets;
    let starts = [h.saturating_sub(height) / 2, w.saturating_sub(width) / 2];
    let sizes = [h.min(height), w.min(width)];
    x = crop(
        cx,
        x,
        vec![0, starts[0], starts[1], 0],
        vec![n, sizes[0], sizes[1], c],
    )?;
    let pad = |target: usize, extent: usize| {
        let rest = target.saturating_sub(extent);
        (rest / 2, rest - rest / 2)
    };
    let pads = vec![(0, 0), pad(height, h), pad(width, w), (0, 0)];
    if pads.iter().all(|&pad| pad == (0, 0)) {
        return one(x);
    }
    one(cx.b().add(Pad { pads, value: 0.0 }, &[x])?)
}

/// `tf.image.adjust_contrast` of floats: distances from each channel's mean times a number.
pub fn adjust_contrast(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, _) = images(cx, a)?;
    let factor = a.number(cx, 1, &["contrast_factor"])?;
    let factor = a.required(cx, factor, "contrast_factor")? as f32;
    let mean = crate::keras::layers::pool::mean(cx, x, &[1, 2])?;
    let mut t = TapeBuilder::new(2);
    let (value, mean_value, factor) = (t.input(0), t.input(1), t.constant(factor));
    let distance = t.binary(Binary::Sub, value, mean_value);
    let distance = t.binary(Binary::Mul, distance, factor);
    let result = t.binary(Binary::Add, distance, mean_value);
    one(cx.b().map(t.finish(result), &[x, mean])?)
}

/// `tf.nn.local_response_normalization`: x/(bias + alpha·Σx²)^beta, with the sum over channels up to a radius away.
pub fn local_response_normalization(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [.., channels]) = images(cx, a)?;
    let radius = a.integer(cx, 1, &["depth_radius"])?.unwrap_or(5);
    let radius = usize::try_from(radius).map_err(|_| a.unsupported(cx, &["depth_radius"], &radius.into()))?;
    let bias = a.number(cx, 2, &["bias"])?.unwrap_or(1.0) as f32;
    let alpha = a.number(cx, 3, &["alpha"])?.unwrap_or(1.0) as f32;
    let beta = a.number(cx, 4, &["beta"])?.unwrap_or(0.5) as f32;
    let square = cx.apply(library::square::tape(), x)?;
    let role = format!("channels up to {radius} away");
    let near = |row: usize, column: usize| f32::from(u8::from(row.abs_diff(column) <= radius));
    let sum = mixed(cx, square, &role, [channels, channels], near)?;
    let factor = library::scale_shift(alpha, bias).then(&library::power(-beta));
    let product = Tape::binary(Binary::Mul).substitute(&[(Tape::identity(), vec![0]), (factor, vec![1])], 2);
    one(cx.b().map(product, &[x, sum])?)
}
