//! Operations that sample images between their pixels: `affine_transform`, `perspective_transform`, `map_coordinates`.

use super::arguments::{Arguments, numbers as literal_numbers};
use super::common::{numbers, picked};
use super::settings::format;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::spatial::{Format, channels_first, channels_last};
use crate::pointwise::{Binary, Compare, Logic, Tape, TapeBuilder, Unary, Value};

type Args<'a, 'b> = &'b Arguments<'a>;

/// What stands beyond an image.
#[derive(Clone, Copy, PartialEq)]
enum Fill {
    Constant,
    Nearest,
    Reflect,
    Wrap,
    Mirror,
}

const FILLS: &[(&str, Fill)] = &[
    ("constant", Fill::Constant),
    ("nearest", Fill::Nearest),
    ("reflect", Fill::Reflect),
    ("wrap", Fill::Wrap),
    ("mirror", Fill::Mirror),
];

fn fill_mode(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<Fill, Stop> {
    let name = a
        .text(cx, 9, &["fill_mode"])?
        .unwrap_or_else(|| "constant".to_owned());
    match FILLS.iter().find(|(of, _)| *of == name) {
        Some((_, fill)) => Ok(*fill),
        None => Err(a.unsupported(cx, &["fill_mode"], &name.into())),
    }
}

/// Whether results are made of four pixels, or are the nearest.
fn bilinear(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<bool, Stop> {
    match a.text(cx, 9, &["interpolation"])?.as_deref() {
        None | Some("bilinear") => Ok(true),
        Some("nearest") => Ok(false),
        Some(other) => Err(a.unsupported(cx, &["interpolation"], &other.into())),
    }
}

/// Images with channels last.
struct Warped {
    x: NodeId,
    dims: [usize; 4],
    format: Format,
    alone: bool,
}

impl Warped {
    fn read(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<Self, Stop> {
        let mut x = a.tensor(cx, 0, &["images"])?;
        let format = format(cx, a, 9)?;
        let alone = cx.dims(x).len() == 3;
        if alone {
            let dims = [&[1], &cx.dims(x)[..]].concat();
            x = cx.b().reshape(x, dims)?;
        }
        let x = channels_last(cx, x, format)?;
        match cx.dims(x)[..] {
            [n, h, w, c] => Ok(Self {
                x,
                dims: [n, h, w, c],
                format,
                alone,
            }),
            _ => Err(cx.inconsistent("it takes images of rank 3 or 4")),
        }
    }
    /// Each pixel from where the transform `[images or 1, 8]` of its own coordinates leads.
    fn projected(
        &self,
        cx: &mut Cx<'_>,
        transform: NodeId,
        bilinear: bool,
        mode: Fill,
        fill: f32,
    ) -> Result<NodeId, Stop> {
        let [n, h, w, _] = self.dims;
        let batch = cx.dims(transform)[0];
        if cx.dims(transform)[1] != 8 || ![1, n].contains(&batch) {
            return Err(
                cx.inconsistent("a transform has 8 numbers, and there is one for all images or for each")
            );
        }
        let columns = numbers(cx, "columns", &[1, 1, w], |i| i as f32)?;
        let rows = numbers(cx, "rows", &[1, h, 1], |i| i as f32)?;
        let mut factors = Vec::new();
        for i in 0..8 {
            let factor = cx.b().slice(transform, 1, i, 1)?;
            factors.push(cx.b().reshape(factor, [batch, 1, 1])?);
        }
        let mut coordinates = Vec::new();
        for (i, extent) in [(3, h), (0, w)] {
            let inputs = [
                columns,
                rows,
                factors[i],
                factors[i + 1],
                factors[i + 2],
                factors[6],
                factors[7],
            ];
            let at = cx.b().map(led(), &inputs)?;
            coordinates.push(cx.apply(brought_inside(mode, extent), at)?);
        }
        let [y, x] = [coordinates[0], coordinates[1]];
        let sampled = if bilinear {
            let mut sum = None;
            for (down, right) in [(false, false), (false, true), (true, false), (true, true)] {
                let (row, row_weight) = (cx.apply(corner(down), y)?, cx.apply(weight(down), y)?);
                let (column, column_weight) = (cx.apply(corner(right), x)?, cx.apply(weight(right), x)?);
                let pixels = self.pixels(cx, row, column, fill)?;
                let weight = cx
                    .b()
                    .map(Tape::binary(Binary::Mul), &[row_weight, column_weight])?;
                let dims = [&cx.dims(weight)[..], &[1]].concat();
                let weight = cx.b().reshape(weight, dims)?;
                let part = cx.b().map(Tape::binary(Binary::Mul), &[pixels, weight])?;
                sum = Some(match sum {
                    None => part,
                    Some(sum) => cx.b().map(Tape::binary(Binary::Add), &[sum, part])?,
                });
            }
            sum.unwrap_or(self.x)
        } else {
            let (row, column) = (cx.apply(nearest(), y)?, cx.apply(nearest(), x)?);
            self.pixels(cx, row, column, fill)?
        };
        let sampled = channels_first(cx, sampled, self.format)?;
        let dims = cx.dims(sampled);
        Ok(if self.alone {
            cx.b().reshape(sampled, dims[1..].to_vec())?
        } else {
            sampled
        })
    }
    /// Pixels `[n, h, w, c]` at whole rows and columns `[n or 1, h, w]`; beyond the image a number.
    fn pixels(&self, cx: &mut Cx<'_>, row: NodeId, column: NodeId, fill: f32) -> Result<NodeId, Stop> {
        let [n, h, w, c] = self.dims;
        if n * h * w > 1 << 24 {
            return Err(cx.inconsistent("there are more pixels than floats count without gaps"));
        }
        let first = numbers(cx, "first pixels", &[n, 1, 1], |i| (i * h * w) as f32)?;
        let mut t = TapeBuilder::new(3);
        let [row_at, column_at, first_at] = [0, 1, 2].map(|i| t.input(i));
        let row_at = clamped(&mut t, row_at, h);
        let column_at = clamped(&mut t, column_at, w);
        let width = t.constant(w as f32);
        let at = t.binary(Binary::Mul, row_at, width);
        let at = t.binary(Binary::Add, at, column_at);
        let at = t.binary(Binary::Add, at, first_at);
        let places = cx.b().map(t.finish(at), &[row, column, first])?;
        let table = cx.b().reshape(self.x, [n * h * w, c])?;
        let gather = crate::ops::Gather {
            axis: 0,
            negative: false,
        };
        let found = cx.b().add(gather, &[table, places])?;
        let dims = [&cx.dims(row)[..], &[1]].concat();
        let (row, column) = (cx.b().reshape(row, dims.clone())?, cx.b().reshape(column, dims)?);
        let mut t = TapeBuilder::new(3);
        let [pixel, row_at, column_at] = [0, 1, 2].map(|i| t.input(i));
        let fill = t.constant(fill);
        let inside_rows = within(&mut t, row_at, h);
        let inside_columns = within(&mut t, column_at, w);
        let inside = t.logic(Logic::And, inside_rows, inside_columns);
        let result = t.select(inside, pixel, fill);
        Ok(cx.b().map(t.finish(result), &[found, row, column])?)
    }
}

fn clamped(t: &mut TapeBuilder, at: Value, extent: usize) -> Value {
    let (zero, last) = (t.constant(0.0), t.constant(extent as f32 - 1.0));
    let at = t.binary(Binary::Max, at, zero);
    t.binary(Binary::Min, at, last)
}

fn within(t: &mut TapeBuilder, at: Value, extent: usize) -> Value {
    let (zero, last) = (t.constant(0.0), t.constant(extent as f32 - 1.0));
    let above = t.compare(Compare::Le, zero, at);
    let below = t.compare(Compare::Le, at, last);
    t.logic(Logic::And, above, below)
}

/// (a·x + b·y + c)/(p·x + q·y + 1).
fn led() -> Tape {
    let mut t = TapeBuilder::new(7);
    let [x, y, a, b, c, p, q] = [0, 1, 2, 3, 4, 5, 6].map(|i| t.input(i));
    let one_whole = t.constant(1.0);
    let mut sum = |a: Value, b: Value, c: Value| {
        let first = t.binary(Binary::Mul, a, x);
        let second = t.binary(Binary::Mul, b, y);
        let sum = t.binary(Binary::Add, first, second);
        t.binary(Binary::Add, sum, c)
    };
    let (top, bottom) = (sum(a, b, c), sum(p, q, one_whole));
    let result = t.binary(Binary::Div, top, bottom);
    t.finish(result)
}

/// The whole number before a coordinate, or the one after that.
fn corner(after: bool) -> Tape {
    let floor = Tape::unary(Unary::Floor);
    if after {
        floor.then(&Tape::binary_const(Binary::Add, 1.0))
    } else {
        floor
    }
}

/// The share of that one.
fn weight(after: bool) -> Tape {
    let mut t = TapeBuilder::new(1);
    let (at, one_whole) = (t.input(0), t.constant(1.0));
    let whole = t.unary(Unary::Floor, at);
    let share = t.binary(Binary::Sub, at, whole);
    let result = if after {
        share
    } else {
        t.binary(Binary::Sub, one_whole, share)
    };
    t.finish(result)
}

/// The nearest whole number, of two the one away from 0.
fn nearest() -> Tape {
    let mut t = TapeBuilder::new(1);
    let (at, half) = (t.input(0), t.constant(0.5));
    let size = t.unary(Unary::Abs, at);
    let size = t.binary(Binary::Add, size, half);
    let size = t.unary(Unary::Floor, size);
    let result = t.binary(Binary::CopySign, size, at);
    t.finish(result)
}

/// Coordinates beyond an axis brought back: `MapCoordinate` of TensorFlow's `ImageProjectiveTransformV3`.
fn brought_inside(mode: Fill, extent: usize) -> Tape {
    let mut t = TapeBuilder::new(1);
    let at = t.input(0);
    let (zero, length) = (t.constant(0.0), t.constant(extent as f32));
    let last = t.constant(extent as f32 - 1.0);
    let negative = t.compare(Compare::Lt, at, zero);
    let beyond = t.compare(Compare::Lt, last, at);
    let result = match mode {
        Fill::Constant => at,
        Fill::Nearest => clamped(&mut t, at, extent),
        _ if extent == 1 => zero,
        Fill::Wrap => {
            let one_whole = t.constant(1.0);
            let turns = |t: &mut TapeBuilder, size: Value| {
                let share = t.binary(Binary::Div, size, last);
                t.unary(Unary::Trunc, share)
            };
            let size = t.unary(Unary::Neg, at);
            let up = turns(&mut t, size);
            let up = t.binary(Binary::Add, up, one_whole);
            let up = t.binary(Binary::Mul, up, length);
            let up = t.binary(Binary::Add, at, up);
            let down = turns(&mut t, at);
            let down = t.binary(Binary::Mul, down, length);
            let down = t.binary(Binary::Sub, at, down);
            let result = t.select(beyond, down, at);
            let result = t.select(negative, up, result);
            clamped(&mut t, result, extent)
        }
        Fill::Reflect | Fill::Mirror => {
            let (one_whole, double) = (t.constant(1.0), t.constant(2.0 * extent as f32));
            let least = t.unary(Unary::Neg, length);
            // Below: into one period first.
            let size = t.unary(Unary::Neg, at);
            let turns = t.binary(Binary::Div, size, double);
            let turns = t.unary(Unary::Trunc, turns);
            let shift = t.binary(Binary::Mul, double, turns);
            let low = t.binary(Binary::Add, at, shift);
            let far = t.compare(Compare::Lt, low, least);
            let raised = t.binary(Binary::Add, low, double);
            let turned = t.unary(Unary::Neg, low);
            let turned = t.binary(Binary::Sub, turned, one_whole);
            let low = t.select(far, raised, turned);
            // Above.
            let turns = t.binary(Binary::Div, at, double);
            let turns = t.unary(Unary::Trunc, turns);
            let shift = t.binary(Binary::Mul, double, turns);
            let high = t.binary(Binary::Sub, at, shift);
            let turned = t.binary(Binary::Sub, double, high);
            let turned = t.binary(Binary::Sub, turned, one_whole);
            let inside = t.compare(Compare::Lt, high, length);
            let high = t.select(inside, high, turned);
            let result = t.select(beyond, high, at);
            let result = t.select(negative, low, result);
            clamped(&mut t, result, extent)
        }
    };
    t.finish(result)
}

/// `affine_transform`: transforms `[8]` or `[images, 8]` from coordinates of the result to those of the image.
pub fn affine(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = Warped::read(cx, a)?;
    let transform = a.tensor(cx, 1, &["transform"])?;
    let bilinear = bilinear(cx, a)?;
    let mode = fill_mode(cx, a)?;
    if mode == Fill::Mirror {
        return Err(a.unsupported(cx, &["fill_mode"], &"mirror".into()));
    }
    let fill = a.number(cx, 9, &["fill_value"])?.unwrap_or(0.0) as f32;
    let dims = cx.dims(transform);
    let rows = if dims.len() == 1 { vec![1, dims[0]] } else { dims };
    if rows.len() != 2 {
        return Err(cx.inconsistent("transforms have rank 1 or 2"));
    }
    let transform = cx.b().reshape(transform, rows)?;
    one(images.projected(cx, transform, bilinear, mode, fill)?)
}

/// `perspective_transform` between points that are known.
pub fn perspective(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let images = Warped::read(cx, a)?;
    let mut points = Vec::new();
    for (index, name) in (1..).zip(["start_points", "end_points"]) {
        let given = a.literal(cx, index, &[name])?;
        let given = a.required(cx, given, name)?;
        match literal_numbers(&given) {
            Some((dims, found)) if dims.ends_with(&[4, 2]) && dims.len() <= 3 => points.push(found),
            _ => return Err(a.unsupported(cx, &[name], &given)),
        }
    }
    let bilinear = bilinear(cx, a)?;
    let fill = a.number(cx, 9, &["fill_value"])?.unwrap_or(0.0) as f32;
    if points[0].len() != points[1].len() {
        return Err(cx.inconsistent("there are as many start points as end points"));
    }
    let mut rows = Vec::new();
    for (start, end) in points[0].chunks_exact(8).zip(points[1].chunks_exact(8)) {
        let row = homography(start, end);
        rows.extend(row.ok_or_else(|| cx.inconsistent("its points lie on a line"))?);
    }
    let role = format!("homographies {rows:?}");
    let transform = numbers(cx, &role, &[rows.len() / 8, 8], |i| rows[i] as f32)?;
    one(images.projected(cx, transform, bilinear, Fill::Constant, fill)?)
}

/// The eight numbers that lead from four end points to the start points, by elimination with pivots.
fn homography(start: &[f64], end: &[f64]) -> Option<[f64; 8]> {
    let mut rows: Vec<[f64; 9]> = Vec::new();
    for (to, from) in start.chunks_exact(2).zip(end.chunks_exact(2)) {
        let (x, y) = (from[0], from[1]);
        rows.push([x, y, 1.0, 0.0, 0.0, 0.0, -to[0] * x, -to[0] * y, to[0]]);
        rows.push([0.0, 0.0, 0.0, x, y, 1.0, -to[1] * x, -to[1] * y, to[1]]);
    }
    for column in 0..8 {
        let size = |row: &usize| rows[*row][column].abs();
        let pivot = (column..8).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if rows[pivot][column].abs() < 1e-12 {
            return None;
        }
        rows.swap(column, pivot);
        let pivot = rows[column];
        for (index, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != column) {
            let _ = index;
            let factor = row[column] / pivot[column];
            for (value, by) in row.iter_mut().zip(pivot) {
                *value -= factor * by;
            }
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}

/// Most axes of `map_coordinates`: every result is made of 2 to the power of so many elements.
const MAX_AXES: usize = 5;

/// `map_coordinates` of order 0 or 1: elements at coordinates `[axes, …]`.
pub fn map_coordinates(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["inputs"])?;
    let coordinates = a.tensor(cx, 1, &["coordinates"])?;
    let order = a.integer(cx, 2, &["order"])?;
    let linear = match a.required(cx, order, "order")? {
        0 => false,
        1 => true,
        other => return Err(a.unsupported(cx, &["order"], &other.into())),
    };
    let mode = fill_mode(cx, a)?;
    let fill = a.number(cx, 9, &["fill_value"])?.unwrap_or(0.0) as f32;
    let (dims, given) = (cx.dims(x), cx.dims(coordinates));
    if given.first() != Some(&dims.len()) || given.len() < 2 || dims.len() > MAX_AXES {
        return Err(cx.inconsistent(format!(
            "coordinates of {given:?} do not suit a tensor of {dims:?}"
        )));
    }
    let rest = given[1..].to_vec();
    // For each axis the elements before and after, each with its place, its share and whether it is inside.
    let mut sum = None;
    let mut along = Vec::new();
    for axis in 0..dims.len() {
        let at = cx.b().slice(coordinates, 0, axis, 1)?;
        along.push(cx.b().reshape(at, rest.clone())?);
    }
    let corners = if linear { 1usize << dims.len() } else { 1 };
    for which in 0..corners {
        let mut t = TapeBuilder::new(dims.len() as u32);
        let (mut place, mut share, mut inside) = (t.constant(0.0), t.constant(1.0), None);
        for (axis, &extent) in dims.iter().enumerate() {
            let at = t.input(axis as u32);
            let after = which >> axis & 1 == 1;
            let index = if linear {
                let weight = t.inline(&weight(after), &[at]);
                share = t.binary(Binary::Mul, share, weight);
                t.inline(&corner(after), &[at])
            } else {
                t.unary(Unary::Round, at)
            };
            let valid = within(&mut t, index, extent);
            inside = Some(match inside {
                None => valid,
                Some(inside) => t.logic(Logic::And, inside, valid),
            });
            let index = folded(&mut t, index, mode, extent);
            let extent = t.constant(extent as f32);
            place = t.binary(Binary::Mul, place, extent);
            place = t.binary(Binary::Add, place, index);
        }
        let mut valid = t.clone();
        let (yes, no) = (valid.constant(1.0), valid.constant(0.0));
        let inside = match inside {
            Some(inside) if mode == Fill::Constant => valid.select(inside, yes, no),
            _ => yes,
        };
        let valid = cx.b().map(valid.finish(inside), &along)?;
        let mut weights = t.clone();
        let zero = weights.constant(0.0);
        let share = weights.binary(Binary::Add, share, zero);
        let share = cx.b().map(weights.finish(share), &along)?;
        let places = cx.b().map(t.finish(place), &along)?;
        let found = picked(cx, x, places)?;
        let mut t = TapeBuilder::new(3);
        let [value, inside, share_value] = [0, 1, 2].map(|i| t.input(i));
        let (zero, fill) = (t.constant(0.0), t.constant(fill));
        let outside = t.compare(Compare::Eq, inside, zero);
        let value = t.select(outside, fill, value);
        let result = t.binary(Binary::Mul, value, share_value);
        let part = cx.b().map(t.finish(result), &[found, valid, share])?;
        sum = Some(match sum {
            None => part,
            Some(sum) => cx.b().map(Tape::binary(Binary::Add), &[sum, part])?,
        });
    }
    one(sum.ok_or_else(|| cx.inconsistent("a number has no coordinates"))?)
}

/// A whole index brought inside an axis as Keras does.
fn folded(t: &mut TapeBuilder, index: Value, mode: Fill, extent: usize) -> Value {
    let modulo = |t: &mut TapeBuilder, value: Value, by: f32| {
        let by = t.constant(by);
        let turns = t.binary(Binary::Div, value, by);
        let turns = t.unary(Unary::Floor, turns);
        let turns = t.binary(Binary::Mul, turns, by);
        t.binary(Binary::Sub, value, turns)
    };
    match mode {
        Fill::Constant | Fill::Nearest => clamped(t, index, extent),
        Fill::Wrap => modulo(t, index, extent as f32),
        Fill::Reflect | Fill::Mirror => {
            let double = 2.0 * extent as f32;
            let size = t.unary(Unary::Abs, index);
            let rest = modulo(t, size, double);
            let (extent, double) = (t.constant(extent as f32), t.constant(double));
            let under = t.compare(Compare::Lt, rest, extent);
            let mut over = t.binary(Binary::Sub, double, rest);
            if mode == Fill::Reflect {
                let one_whole = t.constant(1.0);
                over = t.binary(Binary::Sub, over, one_whole);
            }
            t.select(under, rest, over)
        }
    }
}
