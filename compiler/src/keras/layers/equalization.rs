//! `ContrastLimitedAdaptiveHistogramEqualization`: each pixel goes through a table of levels, between those of the tiles around
//! it. (K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.)

use super::context::{Cx, Outcome, Stop, one};
use super::operators::{picked, steps, sums_along};
use super::shape::gather;
use super::spatial::{channels_first, channels_last};
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, COUNT};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, Unary};
use crate::tensor::{DType, Shape, Tensor};
use steps::{at, places, tape};

/// Levels of brightness.
const LEVELS: usize = 256;

/// The greatest of them.
const BRIGHTEST: f32 = 255.0;

/// Tiles along the height or the width of images.
#[derive(Clone, Copy)]
struct Tiles {
    count: usize,
    /// Pixels of each, of which the last may lie outside.
    size: usize,
}

impl Tiles {
    fn of(cx: &Cx<'_>, count: usize, extent: usize) -> Result<Self, Stop> {
        let size = extent.div_ceil(count);
        // Beyond its border an image is continued by its mirror image.
        if size.saturating_mul(count) > 2 * extent {
            return Err(cx.inconsistent(format!("{extent} pixels do not make {count} tiles")));
        }
        Ok(Self { count, size })
    }
    /// Between which tiles a pixel lies, and how far from the first to the second. The centre of a tile is at half its size.
    fn between(self, pixel: usize) -> ([usize; 2], f32) {
        let size = self.size as f32;
        let place = (pixel as f32 - size / 2.0) / size + 1.0;
        let floor = place.floor();
        // Tiles count from 1 here, with the first and the last once more beyond the borders.
        let tile = |place: f32| (place.max(1.0) as usize - 1).min(self.count - 1);
        ([tile(floor), tile(floor + 1.0)], place - floor)
    }
}

/// The layer.
pub fn adaptive(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let range = r.floats_or("value_range", &[0.0, 255.0], ANY);
    let limit = r.number("clip_limit", 4.0, ANY);
    let grid = r.tuple_or::<2>("tile_grid_size", [8, 8], COUNT);
    let format = r.format();
    r.finish(cx)?;
    let &[low, high] = &range[..] else {
        return Err(cx.inconsistent(format!("value_range {range:?} is not a pair of numbers")));
    };
    let input = cx.input()?.node;
    let integers = cx.state.graph.ty(input).dtype == DType::I32;
    let x = cx.float(input)?;
    cx.expect_rank(x, 4)?;
    let x = channels_last(cx, x, format)?;
    let whole = [0.0, BRIGHTEST];
    let range = [low as f32, high as f32];
    let x = ranged(cx, x, range, whole)?;
    let level = Tape::binary_const(Binary::Max, 0.0)
        .then(&Tape::binary_const(Binary::Min, BRIGHTEST))
        .then(&Tape::unary(Unary::Trunc));
    let levels = cx.apply(level, x)?;
    let y = equalized(cx, levels, grid, limit as f32)?;
    let mut y = ranged(cx, y, whole, range)?;
    if integers {
        y = cx.apply(Tape::unary(Unary::Trunc), y)?;
    }
    one(channels_first(cx, y, format)?)
}

/// Values of one range as those of another.
fn ranged(cx: &mut Cx<'_>, x: NodeId, from: [f32; 2], to: [f32; 2]) -> Result<NodeId, Stop> {
    if from == to {
        return Ok(x);
    }
    let share =
        Tape::binary_const(Binary::Sub, from[0]).then(&Tape::binary_const(Binary::Div, from[1] - from[0]));
    let wide = Tape::binary_const(Binary::Mul, to[1] - to[0]).then(&Tape::binary_const(Binary::Add, to[0]));
    Ok(cx.apply(share.then(&wide), x)?)
}

/// Levels `[batch, height, width, channels]` through the tables of their tiles.
fn equalized(cx: &mut Cx<'_>, levels: NodeId, grid: [usize; 2], limit: f32) -> Result<NodeId, Stop> {
    let dims = cx.dims(levels);
    let (batch, channels) = (dims[0], dims[3]);
    let rows = Tiles::of(cx, grid[0], dims[1])?;
    let columns = Tiles::of(cx, grid[1], dims[2])?;
    let mut tiled = levels;
    for (axis, tiles) in [(1, rows), (2, columns)] {
        let (extent, all) = (dims[axis], tiles.count * tiles.size);
        let mirrored = |i: usize| if i < extent { i } else { 2 * extent - 1 - i };
        tiled = gather(cx, tiled, axis, &format!("mirror {axis}"), all, mirrored)?;
    }
    let apart = [
        batch,
        rows.count,
        rows.size,
        columns.count,
        columns.size,
        channels,
    ];
    let tiled = cx.b().reshape(tiled, apart)?;
    let tiled = cx.b().transpose(tiled, [0, 1, 3, 5, 2, 4])?;
    let count = batch * rows.count * columns.count * channels;
    let tiled = cx.b().reshape(tiled, [count, rows.size, columns.size])?;
    let table = tables(cx, tiled, limit)?;

    // The place of a level in the tables `[batch, rows, columns, channels, levels]`.
    let first = offsets(cx, "tables", [batch, 1, 1, channels], |i| {
        (i / channels * rows.count * columns.count * channels + i % channels) * LEVELS
    })?;
    let stride = channels * LEVELS;
    let down: [NodeId; 2] = each(|side| {
        offsets(cx, &format!("rows {side}"), [1, dims[1], 1, 1], |y| {
            rows.between(y).0[side] * columns.count * stride
        })
    })?;
    let right: [NodeId; 2] = each(|side| {
        offsets(cx, &format!("columns {side}"), [1, 1, dims[2], 1], |x| {
            columns.between(x).0[side] * stride
        })
    })?;
    let mut found = Vec::new();
    for row in down {
        for column in right {
            let place = tape(|t, [level, first, row, column]| {
                let place = t.binary(Binary::Add, level, first);
                let place = t.binary(Binary::Add, place, row);
                t.binary(Binary::Add, place, column)
            });
            let place = cx.b().map(place, &[levels, first, row, column])?;
            found.push(picked(cx, table, place)?);
        }
    }
    let down = shares(cx, "rows", [1, dims[1], 1, 1], |y| rows.between(y).1)?;
    let right = shares(cx, "columns", [1, 1, dims[2], 1], |x| columns.between(x).1)?;
    let mixed = tape(|t, [a, b, c, d, down, right]| {
        let one = t.constant(1.0);
        let mut between = |a, b, share| {
            let rest = t.binary(Binary::Sub, one, share);
            let (a, b) = (t.binary(Binary::Mul, a, rest), t.binary(Binary::Mul, b, share));
            t.binary(Binary::Add, a, b)
        };
        let (top, bottom) = (between(a, b, right), between(c, d, right));
        between(top, bottom, down)
    });
    Ok(cx
        .b()
        .map(mixed, &[found[0], found[1], found[2], found[3], down, right])?)
}

/// Both of two.
fn each(mut make: impl FnMut(usize) -> Result<NodeId, Stop>) -> Result<[NodeId; 2], Stop> {
    Ok([make(0)?, make(1)?])
}

fn offsets(
    cx: &mut Cx<'_>,
    role: &str,
    dims: [usize; 4],
    place: impl Fn(usize) -> usize,
) -> Result<NodeId, Stop> {
    shares(cx, &format!("places of {role}"), dims, |i| place(i) as f32)
}

fn shares(
    cx: &mut Cx<'_>,
    role: &str,
    dims: [usize; 4],
    number: impl Fn(usize) -> f32,
) -> Result<NodeId, Stop> {
    let shape = Shape::checked(dims)?;
    let count = shape.count();
    Ok(cx.constant(&format!("{role} {dims:?}"), count, || {
        Tensor::f32(shape, (0..count).map(number).collect::<Vec<_>>())
    })?)
}

/// What each level becomes in each tile `[tiles, height, width]`: the share of pixels up to it, of as many of a level as the
/// limit lets count, `[tiles, levels]`.
fn tables(cx: &mut Cx<'_>, tiled: NodeId, limit: f32) -> Result<NodeId, Stop> {
    let dims = cx.dims(tiled);
    let (count, pixels) = (dims[0], dims[1] * dims[2]);
    let zeros = cx.constant(&format!("no pixels of {count}"), count * LEVELS, || {
        Ok(Tensor::splat(Shape::checked([count, LEVELS, 1])?, 0.0))
    })?;
    let of = steps::Loop {
        steps: dims[1],
        reverse: false,
        carries: &[zeros],
        whole: &[tiled],
    };
    // One row of pixels after the other: all at once would be 256 times the image.
    let counted = steps::looped(cx, &of, &|b, values, row| {
        let levels = places(b, LEVELS, 1)?;
        let row = at(b, values[1], 1, row)?;
        let same = tape(|t, [value, level]| {
            let (one, zero) = (t.constant(1.0), t.constant(0.0));
            let same = t.compare(Compare::Eq, value, level);
            t.select(same, one, zero)
        });
        let same = b.map(same, &[row, levels])?;
        let more = b.reduce(ReduceKind::Sum, [2], same)?;
        let next = b.map(Tape::binary(Binary::Add), &[values[0], more])?;
        Ok((vec![next], Vec::new()))
    })?[0];
    let mut counts = cx.b().reshape(counted, [count, LEVELS])?;
    if limit > 0.0 {
        let most = limit * pixels as f32 / LEVELS as f32;
        let clipped = cx.apply(Tape::binary_const(Binary::Min, most), counts)?;
        let excess = cx.b().map(Tape::binary(Binary::Sub), &[counts, clipped])?;
        let excess = cx.b().reduce(ReduceKind::Sum, [1], excess)?;
        let shared = tape(|t, [count, excess]| {
            let levels = t.constant(LEVELS as f32);
            let share = t.binary(Binary::Div, excess, levels);
            t.binary(Binary::Add, count, share)
        });
        counts = cx.b().map(shared, &[clipped, excess])?;
    }
    let sums = sums_along(cx, counts, 1)?;
    let least = cx.b().reduce(ReduceKind::Min, [1], sums)?;
    let level = tape(|t, [sum, least]| {
        let (zero, one) = (t.constant(0.0), t.constant(1.0));
        let (brightest, pixels) = (t.constant(BRIGHTEST), t.constant(pixels as f32));
        let above = t.binary(Binary::Sub, sum, least);
        let above = t.binary(Binary::Mul, above, brightest);
        let all = t.binary(Binary::Sub, pixels, least);
        let none = t.compare(Compare::Eq, all, zero);
        let all = t.select(none, one, all);
        let level = t.binary(Binary::Div, above, all);
        let level = t.binary(Binary::Max, level, zero);
        t.binary(Binary::Min, level, brightest)
    });
    Ok(cx.b().map(level, &[sums, least])?)
}
