//! Operations with parameters: reductions, shapes, and what else is not a function of single elements.

use super::arguments::{Arguments, Operand, X, Y};
use super::pointwise;
use crate::graph::NodeId;
use crate::keras::layers::activation::{axis_list, glu as gated, log_softmax_over, softmax_over};
use crate::keras::layers::context::{Cx, Outcome, Stop, Value, one};
use crate::keras::layers::normalize::{centred, mean_square, unit_length};
use crate::keras::layers::pool::{drop_axes, mean as mean_over};
use crate::keras::layers::recurrent::reversed;
use crate::keras::layers::resize::{Interpolation, resized};
use crate::keras::layers::shape::{gather, solve};
use crate::keras::layers::spatial::{Format, channels_first, channels_last};
use crate::keras::layers::transposed;
use crate::ops::{MatMul, Pad, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, library};

type Args<'a, 'b> = &'b Arguments<'a>;

const AXIS: &[&str] = &["axis", "axes"];

/// Gives its input.
pub fn identity(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    one(a.tensor(cx, 0, X)?)
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

/// The second operand where the first is true, else the third.
pub fn select(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let condition = a.tensor(cx, 0, &["condition"])?;
    let yes = a.tensor(cx, 1, &["x1", "x"])?;
    let no = a.tensor(cx, 2, &["x2", "y"])?;
    let mut t = TapeBuilder::new(3);
    let (c, x, y, zero) = (t.input(0), t.input(1), t.input(2), t.constant(0.0));
    let mask = t.compare(Compare::Ne, c, zero);
    let result = t.select(mask, x, y);
    one(cx.b().map(t.finish(result), &[condition, yes, no])?)
}

/// Rounds to integers, ties to even.
pub fn round(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    match a.integer(cx, 1, &["decimals"])?.unwrap_or(0) {
        0 => one(cx.apply(Tape::unary(Unary::Round), x)?),
        other => Err(a.unsupported(cx, &["decimals"], &other.into())),
    }
}

/// `gelu`, whose default differs between Keras and TensorFlow.
pub fn gelu(cx: &mut Cx<'_>, a: Args<'_, '_>, approximate: bool) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let tape = match a.flag(cx, 1, &["approximate"], approximate)? {
        true => library::gelu_tanh::tape(),
        false => library::gelu::tape(),
    };
    one(cx.apply(tape, x)?)
}

/// x between two bounds, each a number.
pub fn clip(cx: &mut Cx<'_>, a: Args<'_, '_>, names: [&str; 2]) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    for (index, (name, op)) in (1..).zip(names.into_iter().zip([Binary::Max, Binary::Min])) {
        if let Some(bound) = a.number(cx, index, &[name])? {
            x = cx.apply(Tape::binary_const(op, bound as f32), x)?;
        }
    }
    one(x)
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
        Some(crate::keras::KerasDType::Int) => Tape::unary(Unary::Trunc),
        Some(crate::keras::KerasDType::Bool) => pointwise::is_true(),
        None => return Err(a.unsupported(cx, &["dtype"], &name.into())),
    };
    one(cx.apply(tape, x)?)
}

/// What all reductions take: the tensor, the axes (all by default), and whether they stay with extent 1.
fn reduction(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(NodeId, Vec<usize>, bool), Stop> {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    let keep = a.flag(cx, 2, &["keepdims", "keep_dims"], false)?;
    Ok((x, axes, keep))
}

fn reduce(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, before: Tape) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let x = cx.apply(before, x)?;
    let y = cx.b().reduce(kind, axes.clone(), x)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// Σ.
pub fn sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Sum, Tape::identity())
}

/// The largest element.
pub fn max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Max, Tape::identity())
}

/// The smallest element.
pub fn min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Min, Tape::identity())
}

/// Π.
pub fn product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Product, Tape::identity())
}

/// Whether any element is true.
pub fn any(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Max, pointwise::is_true())
}

/// Whether all elements are true.
pub fn all(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    reduce(cx, a, ReduceKind::Min, pointwise::is_true())
}

/// The mean.
pub fn mean(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let y = mean_over(cx, x, &axes)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// The mean squared distance from the mean.
pub fn variance(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    spread(cx, a, Tape::identity())
}

/// The root of the variance.
pub fn deviation(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    spread(cx, a, Tape::unary(Unary::Sqrt))
}

fn spread(cx: &mut Cx<'_>, a: Args<'_, '_>, after: Tape) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let centre = centred(cx, x, &axes)?;
    let y = mean_square(cx, centre, &axes)?;
    let y = cx.apply(after, y)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// log Σ eˣ, without overflow.
pub fn log_sum_exp(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, axes, keep) = reduction(cx, a)?;
    let max = cx.b().reduce(ReduceKind::Max, axes.clone(), x)?;
    let exp = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp));
    let exp = cx.b().map(exp, &[x, max])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes.clone(), exp)?;
    let log = Tape::unary(Unary::Log).then(&Tape::binary(Binary::Add));
    let y = cx.b().map(log, &[sum, max])?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// x over its Euclidean norm.
pub fn l2_normalize(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axes = a.integers(cx, 1, AXIS)?;
    let axes = a.required(cx, axes, "axis")?;
    let epsilon = a.number(cx, 2, &["epsilon"])?.unwrap_or(1e-12);
    if epsilon != 1e-12 {
        return Err(a.unsupported(cx, &["epsilon"], &epsilon.into()));
    }
    let axes = axis_list(cx, &axes, cx.dims(x).len())?;
    one(unit_length(cx, x, &axes)?)
}

/// `reshape` with at most one -1; the batch is part of the shape.
pub fn reshape(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let target = a.integers(cx, 1, &["newshape", "shape"])?;
    let target = a.required(cx, target, "shape")?;
    let dims = solve(cx, &target, cx.dims(x).iter().product())?;
    one(cx.b().reshape(x, dims)?)
}

/// All elements in one axis.
pub fn ravel(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let count = cx.dims(x).iter().product();
    one(cx.b().reshape(x, [count])?)
}

/// `transpose`, by default the opposite order of axes.
pub fn transpose(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    if a.flag(cx, 2, &["conjugate"], false)? {
        return Err(a.unsupported(cx, &["conjugate"], &true.into()));
    }
    let mut perm = Vec::new();
    match a.integers(cx, 1, &["axes", "perm"])? {
        None => perm.extend((0..rank).rev()),
        Some(axes) => {
            for axis in axes {
                perm.push(cx.axis(axis, rank)?);
            }
        }
    }
    one(cx.b().transpose(x, perm)?)
}

/// Exchanges two axes.
pub fn swap_axes(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    let first = a.integer(cx, 1, &["axis1"])?;
    let second = a.integer(cx, 2, &["axis2"])?;
    let first = cx.axis(a.required(cx, first, "axis1")?, rank)?;
    let second = cx.axis(a.required(cx, second, "axis2")?, rank)?;
    perm.swap(first, second);
    one(cx.b().transpose(x, perm)?)
}

/// A new axis of extent 1.
pub fn expand_dims(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let mut dims = cx.dims(x);
    let axis = a.integer(cx, 1, AXIS)?;
    let axis = cx.axis(a.required(cx, axis, "axis")?, dims.len() + 1)?;
    dims.insert(axis, 1);
    one(cx.b().reshape(x, dims)?)
}

/// Drops axes of extent 1, by default all of them.
pub fn squeeze(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, dims.len())?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    if axes.iter().any(|&axis| dims[axis] != 1) {
        return Err(cx.inconsistent(format!("axes {axes:?} of extents {dims:?} cannot be dropped")));
    }
    one(drop_axes(cx, x, &axes, false)?)
}

/// Joins tensors along an axis.
pub fn concatenate(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let parts = a.tensors(cx)?;
    let axis = a.integer(cx, 1, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, cx.dims(parts[0]).len())?;
    one(cx.b().concat(axis, &parts)?)
}

/// Joins tensors along a new axis.
pub fn stack(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let parts = a.tensors(cx)?;
    let axis = a.integer(cx, 1, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, cx.dims(parts[0]).len() + 1)?;
    let mut widened = Vec::new();
    for part in parts {
        let mut dims = cx.dims(part);
        dims.insert(axis.min(dims.len()), 1);
        widened.push(cx.b().reshape(part, dims)?);
    }
    one(cx.b().concat(axis, &widened)?)
}

/// Splits an axis into equal parts, or at given places (Keras 3) or into given sizes (TensorFlow).
pub fn split(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let places = a.literal(cx, 1, &["indices_or_sections"]);
    let sizes = a.literal(cx, 1, &["num_or_size_splits"]);
    let found = places
        .as_ref()
        .or(sizes.as_ref())
        .and_then(super::arguments::integers);
    let found = a.required(cx, found, "num_or_size_splits")?;
    let axis = a.integer(cx, 2, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, dims.len())?;
    let extent = dims[axis];
    let listed = places
        .as_ref()
        .or(sizes.as_ref())
        .is_some_and(|value| !value.is_number());
    let numbers: Option<Vec<usize>> = found.iter().map(|&n| usize::try_from(n).ok()).collect();
    let numbers =
        numbers.ok_or_else(|| cx.inconsistent(format!("{found:?} does not split an axis of {extent}")))?;
    let starts: Vec<usize> = match (&numbers[..], listed, places.is_some()) {
        (&[count], false, _) if count > 0 && count <= extent && extent.is_multiple_of(count) => {
            (0..count).map(|i| i * (extent / count)).collect()
        }
        (places, true, true) => [&[0], places].concat(),
        (sizes, true, false) => sizes
            .iter()
            .scan(0usize, |at, &size| {
                let start = *at;
                *at = at.saturating_add(size);
                Some(start)
            })
            .collect(),
        _ => Vec::new(),
    };
    let ends = starts.iter().skip(1).copied().chain([extent]);
    if starts.is_empty()
        || !starts
            .iter()
            .zip(ends.clone())
            .all(|(start, end)| *start < end && end <= extent)
    {
        return Err(cx.inconsistent(format!("{found:?} does not split an axis of {extent}")));
    }
    let mut parts = Vec::new();
    for (&start, end) in starts.iter().zip(ends) {
        parts.push(Value::new(cx.b().slice(x, axis, start, end - start)?));
    }
    Ok(parts)
}

/// Pads with a constant.
pub fn pad(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let widths = a.integers(cx, 1, &["pad_width", "paddings"])?;
    let widths = a.required(cx, widths, "paddings")?;
    if let Some(mode) = a.text(cx, 2, &["mode"])?.filter(|mode| mode != "constant") {
        return Err(a.unsupported(cx, &["mode"], &mode.into()));
    }
    let value = a.number(cx, 3, &["constant_values"])?.unwrap_or(0.0);
    let numbers: Option<Vec<usize>> = widths
        .iter()
        .map(|&n| usize::try_from(n).ok().filter(|&n| n <= 1 << 16))
        .collect();
    let pads: Vec<(usize, usize)> = match numbers.as_deref() {
        Some(&[both]) => vec![(both, both); rank],
        Some(&[before, after]) => vec![(before, after); rank],
        Some(pairs) if pairs.len() == 2 * rank => pairs.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
        _ => return Err(cx.inconsistent(format!("pads {widths:?} do not fit a tensor of rank {rank}"))),
    };
    let value = value as f32;
    one(cx.b().add(Pad { pads, value }, &[x])?)
}

/// Turns axes around, by default all of them.
pub fn flip(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 1, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    for axis in axes {
        x = reversed(cx, x, axis)?;
    }
    one(x)
}

/// Repeats every element of an axis.
pub fn repeat(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let times = a.integer(cx, 1, &["repeats"])?;
    let times = count(cx, a.required(cx, times, "repeats")?)?;
    let axis = a.integer(cx, 2, AXIS)?;
    let axis = cx.axis(a.required(cx, axis, "axis")?, cx.dims(x).len())?;
    one(crate::keras::layers::shape::repeat(cx, x, axis, times)?)
}

/// Repeats a tensor along each of its axes.
pub fn tile(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut x = a.tensor(cx, 0, X)?;
    let times = a.integers(cx, 1, &["repeats", "multiples"])?;
    let times = a.required(cx, times, "multiples")?;
    let mut dims = cx.dims(x);
    if times.len() > dims.len() {
        dims.splice(0..0, vec![1; times.len() - dims.len()]);
        x = cx.b().reshape(x, dims.clone())?;
    }
    let first = dims.len() - times.len();
    for (axis, times) in (first..).zip(times) {
        let extent = dims[axis];
        let all = extent.saturating_mul(count(cx, times)?);
        x = gather(cx, x, axis, &format!("tile {axis} of {extent}"), all, |i| {
            i % extent
        })?;
    }
    one(x)
}

fn count(cx: &Cx<'_>, times: i64) -> Result<usize, Stop> {
    usize::try_from(times)
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| cx.inconsistent(format!("nothing can be repeated {times} times")))
}

/// The product of matrices, which are the last two axes.
pub fn matmul(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    for (side, names) in sides
        .iter_mut()
        .zip([["transpose_a", "adjoint_a"], ["transpose_b", "adjoint_b"]])
    {
        let rank = cx.dims(*side).len();
        if rank < 2 {
            return Err(cx.inconsistent("it takes tensors of rank 2 or more"));
        }
        let turned = a.flag(cx, 9, &names[..1], false)? ^ a.flag(cx, 9, &names[1..], false)?;
        if turned {
            let mut perm: Vec<usize> = (0..rank).collect();
            perm.swap(rank - 1, rank - 2);
            *side = cx.b().transpose(*side, perm)?;
        }
    }
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    one(cx.b().add(op, &sides)?)
}

/// Moves blocks of channels into space.
pub fn depth_to_space(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [batch, height, width, channels], block) = blocks(cx, a)?;
    if channels % (block * block) != 0 {
        return Err(cx.inconsistent(format!("blocks of {block} do not divide {channels} channels")));
    }
    let dims = [batch, height, width, channels / (block * block)];
    one(transposed::depth_to_space(cx, x, dims, [block, block])?)
}

/// Moves blocks of space into channels.
pub fn space_to_depth(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (x, [batch, height, width, channels], block) = blocks(cx, a)?;
    if height % block != 0 || width % block != 0 {
        return Err(cx.inconsistent(format!("blocks of {block} do not divide {height}x{width}")));
    }
    let (h, w) = (height / block, width / block);
    let x = cx.b().reshape(x, [batch, h, block, w, block, channels])?;
    let x = cx.b().transpose(x, [0, 1, 3, 2, 4, 5])?;
    one(cx.b().reshape(x, [batch, h, w, block * block * channels])?)
}

fn blocks(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(NodeId, [usize; 4], usize), Stop> {
    let x = a.tensor(cx, 0, X)?;
    let block = a.integer(cx, 1, &["block_size"])?;
    let block = count(cx, a.required(cx, block, "block_size")?)?;
    if let Some(format) = a.text(cx, 2, &["data_format"])?.filter(|format| format != "nhwc") {
        return Err(a.unsupported(cx, &["data_format"], &format.into()));
    }
    match cx.dims(x)[..] {
        [n, h, w, c] if block <= 1 << 16 => Ok((x, [n, h, w, c], block)),
        _ => Err(cx.inconsistent("it takes a tensor of rank 4")),
    }
}

/// `tf.image.resize` and `keras.ops.image.resize` without antialiasing, cropping or padding.
pub fn resize(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    cx.expect_rank(x, 4)?;
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
    for name in [
        "antialias",
        "preserve_aspect_ratio",
        "crop_to_aspect_ratio",
        "pad_to_aspect_ratio",
    ] {
        if a.flag(cx, 9, &[name], false)? {
            return Err(a.unsupported(cx, &[name], &true.into()));
        }
    }
    // What padding would be filled with.
    for name in ["fill_mode", "fill_value"] {
        a.literal(cx, 9, &[name]);
    }
    let format = match a.text(cx, 9, &["data_format"])?.as_deref() {
        None | Some("channels_last") => Format::Last,
        Some("channels_first") => Format::First,
        Some(other) => return Err(a.unsupported(cx, &["data_format"], &other.into())),
    };
    let x = channels_last(cx, x, format)?;
    let y = resized(cx, x, size, method)?;
    one(channels_first(cx, y, format)?)
}
