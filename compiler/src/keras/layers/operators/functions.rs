//! Operations with parameters that are neither reductions nor moves.

use super::arguments::{Arguments, Operand, X, Y};
use super::pointwise;
use crate::graph::NodeId;
use crate::keras::layers::activation::{
    axis_list, crelu as joined_rectifiers, glu as gated, log_softmax_over, softmax_over,
};
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::image::{Fit, Resizable};
use crate::keras::layers::interpolation::Interpolation;
use crate::keras::layers::spatial::{Format, channels_first, channels_last};
use crate::keras::layers::tapes;
use crate::keras::layers::transposed;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Logic, Tape, TapeBuilder, Unary, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Names of the argument that picks axes.
pub const AXIS: &[&str] = &["axis", "axes"];

/// Gives its input.
pub fn identity(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    one(a.tensor(cx, 0, &[X, &["variable"]].concat())?)
}

/// xʸ.
pub fn power(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    match a.operand(cx, 1, Y)? {
        Operand::Number(exponent) => {
            let x = a.tensor(cx, 0, X)?;
            one(cx.apply(library::power(exponent), x)?)
        }
        Operand::Tensor(_) => pointwise::pair(cx, a, &library::pow::tape(), [X, Y]),
    }
}

/// `tf.nn.bias_add`: one number for each channel.
pub fn bias_add(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let bias = a.tensor(cx, 1, &["bias"])?;
    let format = a.text(cx, 2, &["data_format"])?;
    let rank = cx.dims(x).len();
    let axis = match format.as_deref() {
        Some(format) if format.starts_with("nc") => cx.axis(1, rank)?,
        None | Some("nhwc" | "nwc" | "ndhwc" | "n...c") => cx.axis(-1, rank)?,
        Some(other) => return Err(a.unsupported(cx, &["data_format"], &other.into())),
    };
    let mut shape = vec![1; rank - axis];
    shape[0] = cx.dims(bias).iter().product();
    let bias = cx.b().reshape(bias, shape)?;
    one(cx.b().map(Tape::binary(Binary::Add), &[x, bias])?)
}

/// `tf.nn.crelu`.
pub fn crelu(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    match a.integer(cx, 1, AXIS)? {
        None | Some(-1) => one(joined_rectifiers(cx, x)?),
        Some(axis) => Err(a.unsupported(cx, AXIS, &axis.into())),
    }
}

/// The sum of a list of tensors.
pub fn add_all(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut tensors = a.tensors(cx)?.into_iter();
    let mut sum = tensors.next().ok_or(Stop::Told)?;
    for tensor in tensors {
        sum = cx.b().map(Tape::binary(Binary::Add), &[sum, tensor])?;
    }
    one(sum)
}

/// `tf.nn.batch_normalization`: (x - mean)/√(variance + epsilon)·scale + offset.
pub fn batch_normalization(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let mean = a.tensor(cx, 1, &["mean"])?;
    let variance = a.tensor(cx, 2, &["variance"])?;
    let epsilon = a.number(cx, 5, &["variance_epsilon"])?;
    let epsilon = a.required(cx, epsilon, "variance_epsilon")? as f32;
    let factor = Tape::binary_const(Binary::Add, epsilon).then(&library::rsqrt::tape());
    let factor = cx.apply(factor, variance)?;
    let centred = Tape::binary(Binary::Sub).then(&Tape::binary(Binary::Mul));
    let mut y = cx.b().map(centred, &[x, mean, factor])?;
    for (index, name, op) in [(4, "scale", Binary::Mul), (3, "offset", Binary::Add)] {
        if let Some(operand) = a.optional(cx, index, &[name])? {
            y = cx.b().map(Tape::binary(op), &[y, operand])?;
        }
    }
    one(y)
}

/// Gives its input after a look at its shape.
pub fn ensure_shape(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    // Keras has checked it where it could; other shapes cannot come here.
    a.literal(cx, 1, &["shape"])?;
    one(x)
}

/// Gives its input: what would stop a program in Python passes here.
pub fn check_numerics(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    a.text(cx, 1, &["message"])?;
    one(x)
}

/// x where it is above a number, else another.
pub fn threshold(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let bound = a.number(cx, 1, &["threshold"])?;
    let bound = a.required(cx, bound, "threshold")?;
    let other = a.number(cx, 2, &["default_value"])?;
    let other = a.required(cx, other, "default_value")?;
    one(cx.apply(library::threshold::with(bound as f32, other as f32), x)?)
}

/// Of a condition and two tensors the one that the condition picks.
pub fn choice() -> Tape {
    let mut t = TapeBuilder::new(3);
    let (c, x, y, zero) = (t.input(0), t.input(1), t.input(2), t.constant(0.0));
    let mask = t.compare(Compare::Ne, c, zero);
    let result = t.select(mask, x, y);
    t.finish(result)
}

/// The second operand where the first is true, else the third.
pub fn select(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let condition = a.tensor(cx, 0, &["condition"])?;
    let (Some(yes), Some(no)) = (a.optional(cx, 1, &["x1", "x"])?, a.optional(cx, 2, &["x2", "y"])?) else {
        return Err(cx.inconsistent(
            "how many places it finds depends on the numbers, and shapes are fixed here: give what stands where the              condition holds and where not",
        ));
    };
    one(cx.b().map(choice(), &[condition, yes, no])?)
}

/// Rounds to so many decimals, ties to even.
pub fn round(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let decimals = a.integer(cx, 1, &["decimals"])?.unwrap_or(0);
    if decimals == 0 {
        return one(cx.apply(Tape::unary(Unary::Round), x)?);
    }
    let factor = i32::try_from(decimals).map_or(f32::INFINITY, |n| 10.0f64.powi(n) as f32);
    if !factor.is_normal() {
        return Err(a.unsupported(cx, &["decimals"], &decimals.into()));
    }
    let rounded = Tape::binary_const(Binary::Mul, factor).then(&Tape::unary(Unary::Round));
    one(cx.apply(rounded.then(&Tape::binary_const(Binary::Div, factor)), x)?)
}

/// x between two bounds, each a number or a tensor that broadcasts.
pub fn clip(cx: &mut Cx<'_>, a: Args<'_, '_>, names: [&str; 2]) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    for (index, (name, op)) in (1..).zip(names.into_iter().zip([Binary::Max, Binary::Min])) {
        if a.is_tensor(cx, index, &[name]) {
            let bound = a.tensor(cx, index, &[name])?;
            x = cx.b().map(Tape::binary(op), &[x, bound])?;
        } else if let Some(bound) = a.number(cx, index, &[name])? {
            x = cx.apply(Tape::binary_const(op, bound as f32), x)?;
        }
    }
    one(x)
}

/// `isclose`: |x - y| ≤ atol + rtol·|y|.
pub fn is_close(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    one(close(cx, a)?)
}

/// `allclose`: whether that holds of all elements.
pub fn all_close(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let each = close(cx, a)?;
    let axes: Vec<usize> = (0..cx.dims(each).len()).collect();
    let all = cx.b().reduce(ReduceKind::Min, axes, each)?;
    one(cx.b().reshape(all, [])?)
}

fn close(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<NodeId, Stop> {
    let sides = [a.tensor(cx, 0, &["x1"])?, a.tensor(cx, 1, &["x2"])?];
    let relative = a.number(cx, 2, &["rtol"])?.unwrap_or(1e-5);
    let absolute = a.number(cx, 3, &["atol"])?.unwrap_or(1e-8);
    let equal_nan = a.flag(cx, 4, &["equal_nan"], false)?;
    let mut t = TapeBuilder::new(2);
    let (x, y) = (t.input(0), t.input(1));
    let (relative, absolute) = (t.constant(relative as f32), t.constant(absolute as f32));
    let (yes, no) = (t.constant(1.0), t.constant(0.0));
    let distance = t.binary(Binary::Sub, x, y);
    let distance = t.unary(Unary::Abs, distance);
    let size = t.unary(Unary::Abs, y);
    let most = t.binary(Binary::Mul, relative, size);
    let most = t.binary(Binary::Add, absolute, most);
    let mut near = t.compare(Compare::Le, distance, most);
    if equal_nan {
        let first = t.compare(Compare::Ne, x, x);
        let second = t.compare(Compare::Ne, y, y);
        let both = t.logic(Logic::And, first, second);
        near = t.logic(Logic::Or, near, both);
    }
    let result = t.select(near, yes, no);
    Ok(cx.b().map(t.finish(result), &sides)?)
}

/// `softmax`.
pub fn softmax(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axis) = along(cx, a, 1)?;
    one(softmax_over(cx, x, &axis)?)
}

/// `log_softmax`.
pub fn log_softmax(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axis) = along(cx, a, 1)?;
    one(log_softmax_over(cx, x, &axis)?)
}

/// `glu`.
pub fn glu(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axis) = along(cx, a, 1)?;
    match axis[..] {
        [axis] => one(gated(cx, x, axis)?),
        _ => Err(cx.inconsistent("it takes one axis")),
    }
}

/// The tensor and its axes, by default the last.
fn along(cx: &mut Cx<'_>, a: Args<'_, '_>, index: usize) -> Result<(NodeId, Vec<usize>), Stop> {
    let x = a.tensor(cx, 0, X)?;
    let axes = a.integers(cx, index, AXIS)?.unwrap_or_else(|| vec![-1]);
    Ok((x, axis_list(cx, &axes, cx.dims(x).len())?))
}

/// `cast`: to an integer type towards zero, to bool by truth; numbers stay f32 here.
pub fn cast(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let name = a.text(cx, 1, &["dtype"])?;
    let name = a.required(cx, name, "dtype")?;
    let tape = match crate::keras::dtype::element(&name) {
        Some(crate::keras::KerasDType::Float) => Tape::identity(),
        Some(crate::keras::KerasDType::Int { .. }) => Tape::unary(Unary::Trunc),
        Some(crate::keras::KerasDType::Bool) => tapes::is_true(),
        Some(crate::keras::KerasDType::Text) | None => {
            return Err(a.unsupported(cx, &["dtype"], &name.into()));
        }
    };
    one(cx.apply(tape, x)?)
}

/// `array`: its input, as another type where one is given.
pub fn cast_or_keep(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    match a.text(cx, 1, &["dtype"])? {
        None => identity(cx, a),
        Some(_) => cast(cx, a),
    }
}

/// `saturate_cast`: the nearest number that the type has; of floats the whole part.
pub fn saturate_cast(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let name = a.text(cx, 1, &["dtype"])?;
    let name = a.required(cx, name, "dtype")?;
    let (low, high) = match name.as_str() {
        "float32" | "float64" => return one(x),
        "bool" => return one(cx.apply(tapes::is_true(), x)?),
        "int8" => (-128.0, 127.0),
        "uint8" => (0.0, 255.0),
        "int16" => (-32768.0, 32767.0),
        "uint16" => (0.0, 65535.0),
        // Bounds beyond what floats count without gaps.
        _ => return Err(a.unsupported(cx, &["dtype"], &name.into())),
    };
    let low = Tape::binary_const(Binary::Max, low);
    let between = low.then(&Tape::binary_const(Binary::Min, high));
    one(cx.apply(between.then(&Tape::unary(Unary::Trunc)), x)?)
}

/// Moves blocks of channels into space.
pub fn depth_to_space(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [batch, height, width, channels], block, format) = blocks(cx, a)?;
    if !channels.is_multiple_of(block * block) {
        return Err(cx.inconsistent(format!("blocks of {block} do not divide {channels} channels")));
    }
    let dims = [batch, height, width, channels / (block * block)];
    let y = transposed::depth_to_space(cx, x, dims, [block, block])?;
    one(channels_first(cx, y, format)?)
}

/// Moves blocks of space into channels.
pub fn space_to_depth(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [batch, height, width, channels], block, format) = blocks(cx, a)?;
    if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
        return Err(cx.inconsistent(format!("blocks of {block} do not divide {height}x{width}")));
    }
    let (h, w) = (height / block, width / block);
    let x = cx.b().reshape(x, [batch, h, block, w, block, channels])?;
    let x = cx.b().transpose(x, [0, 1, 3, 2, 4, 5])?;
    let y = cx.b().reshape(x, [batch, h, w, block * block * channels])?;
    one(channels_first(cx, y, format)?)
}

fn blocks(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(NodeId, [usize; 4], usize, Format), Stop> {
    let x = a.tensor(cx, 0, X)?;
    let block = a.integer(cx, 1, &["block_size"])?;
    let block = count(cx, a.required(cx, block, "block_size")?)?;
    let first = match a.text(cx, 2, &["data_format"])?.as_deref() {
        None | Some("nhwc" | "channels_last") => Format::Last,
        Some("nchw" | "channels_first") => Format::First,
        Some(other) => return Err(a.unsupported(cx, &["data_format"], &other.into())),
    };
    let x = channels_last(cx, x, first)?;
    match cx.dims(x)[..] {
        [n, h, w, c] if block <= 1 << 16 => Ok((x, [n, h, w, c], block, first)),
        _ => Err(cx.inconsistent("it takes a tensor of rank 4")),
    }
}

/// `tf.image.resize` and `keras.ops.image.resize`.
pub fn resize(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let size = a.integers(cx, 1, &["size"])?;
    let size = a.required(cx, size, "size")?;
    let &[height, width] = &size[..] else {
        return Err(cx.inconsistent(format!("size {size:?} is not a height and a width")));
    };
    let size = [count(cx, height)?, count(cx, width)?];
    let method = a.text(cx, 2, &["method", "interpolation"])?;
    let Some(method) = Interpolation::named(method.as_deref().unwrap_or("bilinear")) else {
        return Err(a.unsupported(cx, &["interpolation"], &method.into()));
    };
    let method = match a.flag(cx, 9, &["antialias"], false)? {
        true => method.smoothed(),
        false => method,
    };
    if a.flag(cx, 9, &["preserve_aspect_ratio"], false)? {
        return Err(a.unsupported(cx, &["preserve_aspect_ratio"], &true.into()));
    }
    let crop = a.flag(cx, 9, &["crop_to_aspect_ratio"], false)?;
    let pad = a.flag(cx, 9, &["pad_to_aspect_ratio"], false)?;
    let fill = a.number(cx, 9, &["fill_value"])?.unwrap_or(0.0);
    if let Some(mode) = a.text(cx, 9, &["fill_mode"])?.filter(|mode| mode != "constant") {
        return Err(a.unsupported(cx, &["fill_mode"], &mode.into()));
    }
    let format = match a.text(cx, 9, &["data_format"])?.as_deref() {
        None | Some("channels_last") => Format::Last,
        Some("channels_first") => Format::First,
        Some(other) => return Err(a.unsupported(cx, &["data_format"], &other.into())),
    };
    let image = Resizable::of(cx, x, format)?;
    let fit = Fit::of(cx, crop, pad, fill)?;
    one(image.fitted(cx, size, fit, method)?)
}

/// A number of repetitions.
pub fn count(cx: &Cx<'_>, times: i64) -> Result<usize, Stop> {
    usize::try_from(times)
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| cx.inconsistent(format!("nothing can be repeated {times} times")))
}
