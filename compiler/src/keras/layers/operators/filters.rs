//! Filters of images, and their borders: `gaussian_blur`, `sobel_edges`, `ssim`, `pad_images`, `crop_images`.

use super::arguments::{Arguments, X};
use super::common::numbers;
use super::settings::format;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::pool::{drop_axes, mean};
use crate::keras::layers::shape::{crop, gather};
use crate::keras::layers::spatial::{Format, Padding, channels_first, channels_last};
use crate::ops::{Conv, Pad, ReduceKind};
use crate::pointwise::{Binary, Tape, TapeBuilder, Unary, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Images with channels last, how they stood, and whether it was one without a batch.
struct Read {
    x: NodeId,
    format: Format,
    alone: bool,
}

impl Read {
    fn of(cx: &mut Cx<'_>, x: NodeId, format: Format) -> Result<Self, Stop> {
        let mut dims = cx.dims(x);
        let alone = dims.len() == 3;
        if alone {
            dims.insert(0, 1);
        }
        let x = cx.b().reshape(x, dims)?;
        cx.expect_rank(x, 4)?;
        Ok(Self {
            x: channels_last(cx, x, format)?,
            format,
            alone,
        })
    }
    fn restore(&self, cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
        let x = channels_first(cx, x, self.format)?;
        let dims = cx.dims(x);
        Ok(if self.alone {
            cx.b().reshape(x, dims[1..].to_vec())?
        } else {
            x
        })
    }
}

fn read(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<Read, Stop> {
    let x = a.tensor(cx, 0, &[&["image", "images"], X].concat())?;
    let format = format(cx, a, 9)?;
    Read::of(cx, x, format)
}

/// One filter for each channel of `[n, h, w, c]`.
fn filtered(
    cx: &mut Cx<'_>,
    x: NodeId,
    role: &str,
    size: [usize; 2],
    padding: Padding,
    filter: impl Fn(usize) -> f32,
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let (height, width, channels) = (dims[1], dims[2], dims[3]);
    let kernel = numbers(cx, role, &[size[0], size[1], 1, channels], |i| {
        filter(i / channels)
    })?;
    let op = Conv {
        window: padding.windows(size, [1, 1], [1, 1], [height, width]),
        groups: channels,
        bias: false,
        epilogue: Tape::identity(),
    };
    Ok(cx.b().add(op, &[x, kernel])?)
}

/// A bell curve of so many numbers that sum to 1.
fn bell(size: usize, sigma: f64) -> Vec<f64> {
    let centre = (size as f64 - 1.0) / 2.0;
    let weights: Vec<f64> = (0..size)
        .map(|i| (-0.5 * ((i as f64 - centre) / sigma).powi(2)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// `gaussian_blur`. Keras fills the rows of its filter with those of its transpose, which counts where it is not square.
pub fn gaussian_blur(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = read(cx, a)?;
    let size = a.integers(cx, 1, &["kernel_size"])?.unwrap_or_else(|| vec![3, 3]);
    let sigma = a.literal(cx, 2, &["sigma"])?;
    let sigma = sigma
        .as_ref()
        .and_then(super::arguments::numbers)
        .map_or(vec![1.0, 1.0], |(_, found)| found);
    let extent = |n: i64| usize::try_from(n).ok().filter(|n| (1..=1 << 8).contains(n));
    let (&[height, width], &[across, down]) = (&size[..], &sigma[..]) else {
        return Err(cx.inconsistent("kernel_size and sigma are pairs"));
    };
    let (Some(height), Some(width)) = (extent(height), extent(width)) else {
        return Err(a.unsupported(cx, &["kernel_size"], &size.into()));
    };
    let (rows, columns) = (bell(height, across), bell(width, down));
    let role = format!("bell {sigma:?}");
    let y = filtered(cx, images.x, &role, [height, width], Padding::Same, |i| {
        (columns[i / height] * rows[i % height]) as f32
    })?;
    one(images.restore(cx, y)?)
}

/// `sobel_edges`: differences down and across as a new last axis, with mirrored borders.
pub fn sobel(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = read(cx, a)?;
    let mut x = images.x;
    for axis in [1, 2] {
        let extent = cx.dims(x)[axis];
        if extent < 2 {
            return Err(cx.inconsistent("it takes images of 2x2 pixels or more"));
        }
        let mirrored = |i: usize| match i {
            0 => 1,
            i if i > extent => extent - 2,
            i => i - 1,
        };
        x = gather(cx, x, axis, &format!("mirrored {axis}"), extent + 2, mirrored)?;
    }
    const DOWN: [f32; 9] = [-1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0];
    const ACROSS: [f32; 9] = [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0];
    let mut parts = Vec::new();
    for (role, filter) in [("down", DOWN), ("across", ACROSS)] {
        let edges = filtered(cx, x, role, [3, 3], Padding::Valid, |i| filter[i])?;
        let edges = images.restore(cx, edges)?;
        let dims = [&cx.dims(edges)[..], &[1]].concat();
        parts.push(cx.b().reshape(edges, dims)?);
    }
    let last = cx.dims(parts[0]).len() - 1;
    one(cx.b().concat(last, &parts)?)
}

/// `ssim`: the structural similarity of two images, the mean of that of all windows and channels.
pub fn ssim(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let format = format(cx, a, 9)?;
    let mut images = Vec::new();
    for (index, name) in ["image1", "image2"].into_iter().enumerate() {
        let x = a.tensor(cx, index, &[name, ["img1", "img2"][index]])?;
        images.push(Read::of(cx, x, format)?);
    }
    let most = a.number(cx, 2, &["max_val"])?.unwrap_or(1.0);
    let size = a.integer(cx, 3, &["filter_size"])?.unwrap_or(11);
    let sigma = a.number(cx, 4, &["filter_sigma"])?.unwrap_or(1.5);
    let k1 = a.number(cx, 5, &["k1"])?.unwrap_or(0.01);
    let k2 = a.number(cx, 6, &["k2"])?.unwrap_or(0.03);
    let size = usize::try_from(size).ok().filter(|n| (1..=1 << 8).contains(n));
    let size = size.ok_or_else(|| cx.inconsistent("filter_size is not an extent"))?;
    let weights = bell(size, sigma);
    let role = format!("bell of {sigma}");
    let (x, y) = (images[0].x, images[1].x);
    let mut means = Vec::new();
    for (first, second) in [(x, None), (y, None), (x, Some(x)), (y, Some(y)), (x, Some(y))] {
        let product = match second {
            None => first,
            Some(second) => cx.b().map(Tape::binary(Binary::Mul), &[first, second])?,
        };
        means.push(filtered(cx, product, &role, [size, size], Padding::Valid, |i| {
            (weights[i / size] * weights[i % size]) as f32
        })?);
    }
    let map = cx.b().map(
        similarity((k1 * most).powi(2) as f32, (k2 * most).powi(2) as f32),
        &means,
    )?;
    let value = mean(cx, map, &[1, 2, 3])?;
    let axes: &[usize] = if images[0].alone {
        &[0, 1, 2, 3]
    } else {
        &[1, 2, 3]
    };
    one(drop_axes(cx, value, axes, false)?)
}

/// The similarity of a window, from the means of x, y, x², y² and x·y.
fn similarity(c1: f32, c2: f32) -> Tape {
    let mut t = TapeBuilder::new(5);
    let [x, y, xx, yy, xy] = [0, 1, 2, 3, 4].map(|i| t.input(i));
    let (c1, c2, two) = (t.constant(c1), t.constant(c2), t.constant(2.0));
    let (x2, y2, both) = (
        t.binary(Binary::Mul, x, x),
        t.binary(Binary::Mul, y, y),
        t.binary(Binary::Mul, x, y),
    );
    let (sx, sy, sxy) = (
        t.binary(Binary::Sub, xx, x2),
        t.binary(Binary::Sub, yy, y2),
        t.binary(Binary::Sub, xy, both),
    );
    let mut twice = |value, more| {
        let doubled = t.binary(Binary::Mul, two, value);
        t.binary(Binary::Add, doubled, more)
    };
    let (top, other) = (twice(both, c1), twice(sxy, c2));
    let top = t.binary(Binary::Mul, top, other);
    let squares = t.binary(Binary::Add, x2, y2);
    let squares = t.binary(Binary::Add, squares, c1);
    let variances = t.binary(Binary::Add, sx, sy);
    let variances = t.binary(Binary::Add, variances, c2);
    let bottom = t.binary(Binary::Mul, squares, variances);
    let result = t.binary(Binary::Div, top, bottom);
    t.finish(result)
}

/// What stands on the two sides of an axis and between them, of which all but one may be given.
fn sides(
    cx: &mut Cx<'_>,
    a: Args<'_, '_>,
    names: [&str; 3],
    extent: usize,
    grows: bool,
) -> Result<(usize, usize), Stop> {
    let mut given = [None; 3];
    for (place, name) in given.iter_mut().zip(names) {
        *place = a.integer(cx, 9, &[name])?;
    }
    let [before, after, target] = given;
    let extent = i64::try_from(extent).unwrap_or(i64::MAX);
    // What both sides come to.
    let both = target.map(|target| if grows { target - extent } else { extent - target });
    let pair = match (before, after, both) {
        (Some(before), Some(after), _) => (before, after),
        (Some(before), None, Some(both)) => (before, both - before),
        (None, Some(after), Some(both)) => (both - after, after),
        _ => return Err(cx.inconsistent(format!("two of {names:?} must be given"))),
    };
    let side = |n: i64| usize::try_from(n).ok().filter(|&n| n <= 1 << 16);
    match (side(pair.0), side(pair.1)) {
        (Some(before), Some(after)) => Ok((before, after)),
        _ => Err(cx.inconsistent(format!("{names:?} leave sides of {} and {}", pair.0, pair.1))),
    }
}

/// `pad_images`.
pub fn pad_images(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = read(cx, a)?;
    let dims = cx.dims(images.x);
    let rows = sides(
        cx,
        a,
        ["top_padding", "bottom_padding", "target_height"],
        dims[1],
        true,
    )?;
    let columns = sides(
        cx,
        a,
        ["left_padding", "right_padding", "target_width"],
        dims[2],
        true,
    )?;
    let pads = vec![(0, 0), rows, columns, (0, 0)];
    let x = if pads.iter().all(|&pad| pad == (0, 0)) {
        images.x
    } else {
        cx.b().add(Pad { pads, value: 0.0 }, &[images.x])?
    };
    one(images.restore(cx, x)?)
}

/// `crop_images`.
pub fn crop_images(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = read(cx, a)?;
    let dims = cx.dims(images.x);
    let rows = sides(
        cx,
        a,
        ["top_cropping", "bottom_cropping", "target_height"],
        dims[1],
        false,
    )?;
    let columns = sides(
        cx,
        a,
        ["left_cropping", "right_cropping", "target_width"],
        dims[2],
        false,
    )?;
    let rest = |extent: usize, (before, after): (usize, usize)| {
        extent
            .checked_sub(before.saturating_add(after))
            .filter(|&rest| rest > 0)
    };
    let (Some(height), Some(width)) = (rest(dims[1], rows), rest(dims[2], columns)) else {
        return Err(cx.inconsistent("cropping leaves nothing"));
    };
    let sizes = vec![dims[0], height, width, dims[3]];
    let x = crop(cx, images.x, vec![0, rows.0, columns.0, 0], sizes)?;
    one(images.restore(cx, x)?)
}

/// `tf.image.adjust_brightness` of floats.
pub fn adjust_brightness(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["image"])?;
    let delta = a.number(cx, 1, &["delta"])?;
    let delta = a.required(cx, delta, "delta")?;
    one(cx.apply(Tape::binary_const(Binary::Add, delta as f32), x)?)
}

/// `tf.image.adjust_gamma` of floats: gain·x^gamma.
pub fn adjust_gamma(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["image"])?;
    let gamma = a.number(cx, 1, &["gamma"])?.unwrap_or(1.0);
    let gain = a.number(cx, 2, &["gain"])?.unwrap_or(1.0);
    let power = library::power(gamma as f32);
    one(cx.apply(power.then(&Tape::binary_const(Binary::Mul, gain as f32)), x)?)
}

/// `tf.image.transpose`: rows become columns.
pub fn transpose(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = read(cx, a)?;
    let y = cx.b().transpose(images.x, [0, 2, 1, 3])?;
    one(images.restore(cx, y)?)
}

/// `tf.image.total_variation`: the sum of distances of neighbours.
pub fn total_variation(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = read(cx, a)?;
    let mut sums = Vec::new();
    for axis in [1, 2] {
        let extent = cx.dims(images.x)[axis];
        if extent < 2 {
            return Err(cx.inconsistent("it takes images of 2x2 pixels or more"));
        }
        let later = cx.b().slice(images.x, axis, 1, extent - 1)?;
        let earlier = cx.b().slice(images.x, axis, 0, extent - 1)?;
        let distance = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Abs));
        let distance = cx.b().map(distance, &[later, earlier])?;
        sums.push(cx.b().reduce(ReduceKind::Sum, [1, 2, 3], distance)?);
    }
    let sum = cx.b().map(Tape::binary(Binary::Add), &sums)?;
    let axes: &[usize] = if images.alone { &[0, 1, 2, 3] } else { &[1, 2, 3] };
    one(drop_axes(cx, sum, axes, false)?)
}
