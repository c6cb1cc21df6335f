//! Operations that put elements at computed places: `scatter`, `scatter_update`, `slice_update`, `segment_sum` and the like,
//! `histogram`.
//!
//! Every place of the result looks at all updates and takes those that are meant for it, so that equal places need no order.

use super::arguments::{Arguments, X};
use super::common::{limit_pairs, numbers, places};
use super::functions::count;
use super::ordering::insertion;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Logic, Tape, TapeBuilder};

type Args<'a, 'b> = &'b Arguments<'a>;

/// What is done with an element and the updates for it.
#[derive(Clone, Copy, PartialEq)]
pub enum Reduction {
    /// The last one replaces it.
    Replace,
    /// They are combined.
    With(ReduceKind),
}

const SUM: Reduction = Reduction::With(ReduceKind::Sum);

const REDUCTIONS: &[(&str, Reduction)] = &[
    ("add", SUM),
    ("max", Reduction::With(ReduceKind::Max)),
    ("min", Reduction::With(ReduceKind::Min)),
    ("mul", Reduction::With(ReduceKind::Product)),
];

/// The number that changes nothing.
fn neutral(kind: ReduceKind) -> f32 {
    match kind {
        ReduceKind::Sum => 0.0,
        ReduceKind::Product => 1.0,
        ReduceKind::Max => f32::NEG_INFINITY,
        ReduceKind::Min => f32::INFINITY,
    }
}

/// Rows `[count, inner]` of a tensor of that shape by indices `[…, depth]`: their numbers `[updates]`.
pub struct Rows {
    /// The number of each row that is meant.
    pub numbers: NodeId,
    /// How many rows there are.
    pub count: usize,
    /// Elements of a row.
    pub inner: usize,
    /// The axes of the indices besides the last.
    pub outer: Vec<usize>,
}

impl Rows {
    /// What indices mean in a tensor of that shape.
    pub fn of(cx: &mut Cx<'_>, indices: NodeId, dims: &[usize]) -> Result<Self, Stop> {
        let mut outer = cx.dims(indices);
        let depth = outer.pop().filter(|depth| *depth <= dims.len());
        let depth =
            depth.ok_or_else(|| cx.inconsistent("its indices have more coordinates than there are axes"))?;
        let (rows, inner) = dims.split_at(depth);
        let strides: Vec<f32> = (0..depth)
            .map(|axis| rows[axis + 1..].iter().product::<usize>() as f32)
            .collect();
        let updates = outer.iter().product();
        let flat = cx.b().reshape(indices, [updates, depth])?;
        let strides = numbers(cx, &format!("strides of {rows:?}"), &[1, depth], |i| strides[i])?;
        let steps = cx.b().map(Tape::binary(Binary::Mul), &[flat, strides])?;
        let sum = cx.b().reduce(ReduceKind::Sum, [1], steps)?;
        let count: usize = rows.iter().product();
        if count > 1 << 24 {
            return Err(cx.inconsistent(format!(
                "it picks among {count} rows, more than floats count without gaps"
            )));
        }
        Ok(Self {
            numbers: cx.b().reshape(sum, [updates])?,
            count,
            inner: inner.iter().product(),
            outer,
        })
    }

    /// For each row what all updates `[updates, inner]` for it come to, or a neutral number: `[count, inner]`.
    fn gathered(
        &self,
        cx: &mut Cx<'_>,
        updates: NodeId,
        kind: ReduceKind,
        empty: f32,
    ) -> Result<NodeId, Stop> {
        let all: usize = self.outer.iter().product();
        limit_pairs(cx, &[self.count, all, self.inner])?;
        let rows = places(cx, self.count, 0, 3)?;
        let meant = cx.b().reshape(self.numbers, [1, all, 1])?;
        let updates = cx.b().reshape(updates, [1, all, self.inner])?;
        let mut t = TapeBuilder::new(3);
        let [row, meant_row, update] = [0, 1, 2].map(|i| t.input(i));
        let empty = t.constant(empty);
        let same = t.compare(Compare::Eq, row, meant_row);
        let result = t.select(same, update, empty);
        let found = cx.b().map(t.finish(result), &[rows, meant, updates])?;
        let result = cx.b().reduce(kind, [1], found)?;
        Ok(cx.b().reshape(result, [self.count, self.inner])?)
    }

    /// Rows `x` `[count, inner]` in which the last update for each row stands.
    fn replaced(&self, cx: &mut Cx<'_>, x: NodeId, updates: NodeId) -> Result<NodeId, Stop> {
        let all: usize = self.outer.iter().product();
        limit_pairs(cx, &[self.count, all, self.inner])?;
        let rows = places(cx, self.count, 0, 2)?;
        let meant = cx.b().reshape(self.numbers, [1, all])?;
        let order = places(cx, all, 1, 2)?;
        let mut t = TapeBuilder::new(3);
        let [row, meant_row, place] = [0, 1, 2].map(|i| t.input(i));
        let none = t.constant(-1.0);
        let same = t.compare(Compare::Eq, row, meant_row);
        let result = t.select(same, place, none);
        let candidates = cx.b().map(t.finish(result), &[rows, meant, order])?;
        let last = cx.b().reduce(ReduceKind::Max, [1], candidates)?;
        let wanted = cx.b().reshape(last, [self.count, 1, 1])?;
        let order = places(cx, all, 1, 3)?;
        let updates = cx.b().reshape(updates, [1, all, self.inner])?;
        let mut t = TapeBuilder::new(3);
        let [want, place, update] = [0, 1, 2].map(|i| t.input(i));
        let zero = t.constant(0.0);
        let same = t.compare(Compare::Eq, want, place);
        let result = t.select(same, update, zero);
        let found = cx.b().map(t.finish(result), &[wanted, order, updates])?;
        let sum = cx.b().reduce(ReduceKind::Sum, [1], found)?;
        let sum = cx.b().reshape(sum, [self.count, self.inner])?;
        let mut t = TapeBuilder::new(3);
        let [old, new, want] = [0, 1, 2].map(|i| t.input(i));
        let zero = t.constant(0.0);
        let untouched = t.compare(Compare::Lt, want, zero);
        let result = t.select(untouched, old, new);
        Ok(cx.b().map(t.finish(result), &[x, sum, last])?)
    }
}

/// `scatter` and `tf.scatter_nd`: zeros, and sums of updates.
pub fn scatter(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let indices = a.tensor(cx, 0, &["indices"])?;
    let updates = a.tensor(cx, 1, &["values", "updates"])?;
    let shape = a.integers(cx, 2, &["shape"])?;
    let shape = a.required(cx, shape, "shape")?;
    let dims: Option<Vec<usize>> = shape
        .iter()
        .map(|&n| usize::try_from(n).ok().filter(|n| *n > 0))
        .collect();
    let dims = dims.ok_or_else(|| cx.inconsistent(format!("{shape:?} is not a shape")))?;
    crate::tensor::Shape::checked(dims.clone())?;
    let rows = Rows::of(cx, indices, &dims)?;
    let result = rows.gathered(cx, updates, ReduceKind::Sum, 0.0)?;
    one(cx.b().reshape(result, dims)?)
}

/// `scatter_update`: a tensor with other elements, or with updates added to it and so on.
pub fn scatter_update(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let reduction = match a.text(cx, 9, &["reduction"])? {
        None => Reduction::Replace,
        Some(name) => match REDUCTIONS.iter().find(|(of, _)| *of == name) {
            Some((_, reduction)) => *reduction,
            None => return Err(a.unsupported(cx, &["reduction"], &name.into())),
        },
    };
    updated(cx, a, reduction)
}

/// `tf.tensor_scatter_nd_update`.
pub fn replace(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    updated(cx, a, Reduction::Replace)
}

/// `tf.tensor_scatter_nd_add`.
pub fn add(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    updated(cx, a, SUM)
}

/// `tf.tensor_scatter_nd_max`.
pub fn max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    updated(cx, a, Reduction::With(ReduceKind::Max))
}

/// `tf.tensor_scatter_nd_min`.
pub fn min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    updated(cx, a, Reduction::With(ReduceKind::Min))
}

fn updated(cx: &mut Cx<'_>, a: Args<'_, '_>, reduction: Reduction) -> Outcome {
    let x = a.tensor(cx, 0, &["inputs", "tensor"])?;
    let indices = a.tensor(cx, 1, &["indices"])?;
    let updates = a.tensor(cx, 2, &["updates"])?;
    let dims = cx.dims(x);
    let rows = Rows::of(cx, indices, &dims)?;
    let flat = cx.b().reshape(x, [rows.count, rows.inner])?;
    let result = match reduction {
        Reduction::Replace => rows.replaced(cx, flat, updates)?,
        Reduction::With(kind) => {
            let all = rows.gathered(cx, updates, kind, neutral(kind))?;
            let op = match kind {
                ReduceKind::Sum => Binary::Add,
                ReduceKind::Product => Binary::Mul,
                ReduceKind::Max => Binary::Max,
                ReduceKind::Min => Binary::Min,
            };
            cx.b().map(Tape::binary(op), &[flat, all])?
        }
    };
    one(cx.b().reshape(result, dims)?)
}

/// `slice_update`: another tensor in place of a part of it.
pub fn slice_update(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["inputs"])?;
    let starts = a.integers(cx, 1, &["start_indices"])?;
    let starts = a.required(cx, starts, "start_indices")?;
    let updates = a.tensor(cx, 2, &["updates"])?;
    let (dims, sizes) = (cx.dims(x), cx.dims(updates));
    if starts.len() != dims.len() || sizes.len() != dims.len() {
        return Err(cx.inconsistent("it takes a start for every axis and updates of the same rank"));
    }
    let mut first = Vec::new();
    for ((&start, &extent), &size) in starts.iter().zip(&dims).zip(&sizes) {
        let room = extent
            .checked_sub(size)
            .ok_or_else(|| cx.inconsistent(format!("updates of {sizes:?} do not fit into {dims:?}")))?;
        // As XLA does, so that the part lies inside.
        let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX);
        first.push(start.min(room));
    }
    one(put(cx, x, updates, &first, 0)?)
}

/// Replaces the part that begins there, axis by axis.
fn put(cx: &mut Cx<'_>, x: NodeId, part: NodeId, starts: &[usize], axis: usize) -> Result<NodeId, Stop> {
    let Some(&start) = starts.get(axis) else {
        return Ok(part);
    };
    let (extent, size) = (cx.dims(x)[axis], cx.dims(part)[axis]);
    let end = start + size;
    let mut pieces = Vec::new();
    if start > 0 {
        pieces.push(cx.b().slice(x, axis, 0, start)?);
    }
    let middle = if size == extent {
        x
    } else {
        cx.b().slice(x, axis, start, size)?
    };
    pieces.push(put(cx, middle, part, starts, axis + 1)?);
    if end < extent {
        pieces.push(cx.b().slice(x, axis, end, extent - end)?);
    }
    Ok(cx.b().concat(axis, &pieces)?)
}

/// `segment_sum`.
pub fn segment_sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    segments(cx, a, ReduceKind::Sum, 0.0)
}

/// `segment_prod`.
pub fn segment_product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    segments(cx, a, ReduceKind::Product, 1.0)
}

/// `segment_max`: the least number where a segment is empty.
pub fn segment_max(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    segments(cx, a, ReduceKind::Max, f32::MIN)
}

/// `segment_min`: the greatest number where a segment is empty.
pub fn segment_min(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    segments(cx, a, ReduceKind::Min, f32::MAX)
}

/// Reduces the slices of the first axes by the number of the segment that each belongs to.
fn segments(cx: &mut Cx<'_>, a: Args<'_, '_>, kind: ReduceKind, empty: f32) -> Outcome {
    let x = a.tensor(cx, 0, &["data"])?;
    let ids = a.tensor(cx, 1, &["segment_ids"])?;
    a.flag(cx, 9, &["sorted"], false)?;
    let Some(segments) = a.integer(cx, 2, &["num_segments"])? else {
        return Err(cx.inconsistent("how many segments there are depends on the numbers: give num_segments"));
    };
    let segments = count(cx, segments)?;
    let outer = cx.dims(ids);
    let dims = cx.dims(x);
    if !dims.starts_with(&outer) {
        return Err(cx.inconsistent(format!("segments of {outer:?} do not fit {dims:?}")));
    }
    let inner = &dims[outer.len()..];
    let all: usize = outer.iter().product();
    let rows = Rows {
        numbers: cx.b().reshape(ids, [all])?,
        count: segments,
        inner: inner.iter().product(),
        outer,
    };
    let result = rows.gathered(cx, x, kind, empty)?;
    one(cx.b().reshape(result, [&[segments], inner].concat())?)
}

/// `histogram`: how many elements lie in each of equal bins, and the bounds of these.
pub fn histogram(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let bins = a.integer(cx, 1, &["bins"])?.unwrap_or(10);
    let bins = count(cx, bins)?;
    let range = a.literal(cx, 2, &["range"])?;
    let all: usize = cx.dims(x).iter().product();
    limit_pairs(cx, &[all, bins])?;
    let x = cx.b().reshape(x, [all])?;
    let (low, high) = match &range {
        None => (
            cx.b().reduce(ReduceKind::Min, [0], x)?,
            cx.b().reduce(ReduceKind::Max, [0], x)?,
        ),
        Some(given) => match super::arguments::numbers(given)
            .map(|(_, found)| found)
            .as_deref()
        {
            Some(&[low, high]) if low < high => (
                numbers(cx, "low", &[1], |_| low as f32)?,
                numbers(cx, "high", &[1], |_| high as f32)?,
            ),
            _ => return Err(a.unsupported(cx, &["range"], given)),
        },
    };
    let steps = places(cx, bins + 1, 0, 1)?;
    let edges = cx.b().map(super::made::between(bins), &[low, high, steps])?;
    let inside = |t: &mut TapeBuilder| {
        let [value, low, high] = [0, 1, 2].map(|i| t.input(i));
        let above = t.compare(Compare::Le, low, value);
        let below = t.compare(Compare::Le, value, high);
        t.logic(Logic::And, above, below)
    };
    let bin = if bins > 1 {
        let inner = cx.b().slice(edges, 0, 1, bins - 1)?;
        insertion(cx, inner, x, true)?
    } else {
        cx.apply(tapes::constant(0.0), x)?
    };
    let mut t = TapeBuilder::new(4);
    let counts = inside(&mut t);
    let (bin_value, none) = (t.input(3), t.constant(-1.0));
    let result = t.select(counts, bin_value, none);
    let bin = cx.b().map(t.finish(result), &[x, low, high, bin])?;
    let bin = cx.b().reshape(bin, [1, all])?;
    let rows = places(cx, bins, 0, 2)?;
    let hits = cx.b().map(tapes::equal(), &[rows, bin])?;
    let counts = cx.b().reduce(ReduceKind::Sum, [1], hits)?;
    let counts = cx.b().reshape(counts, [bins])?;
    Ok([counts, edges].map(KerasTensor::new).to_vec())
}
