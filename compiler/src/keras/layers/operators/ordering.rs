//! Operations about the order of elements: `sort`, `argsort`, `top_k`, `searchsorted`, `digitize`.
//!
//! The place of an element in the order of its row is how many elements of the row come before it, which takes a comparison
//! of all pairs. Equal elements keep their order; NaN counts as the greatest of all.

use super::arguments::{Arguments, X};
use super::common::{axis_back, axis_last, limit_pairs, or_flat, places, sum_where_equal};
use super::functions::{AXIS, count};
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Compare, Logic, Tape, TapeBuilder};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Whether another element comes before one: of their values and their places.
fn comes_before(descending: bool) -> Tape {
    let mut t = TapeBuilder::new(4);
    let [own, other, own_place, other_place] = [0, 1, 2, 3].map(|i| t.input(i));
    let (first, second) = if descending { (own, other) } else { (other, own) };
    let less = t.compare(Compare::Lt, first, second);
    let same = t.compare(Compare::Eq, own, other);
    let earlier = t.compare(Compare::Lt, other_place, own_place);
    let tie = t.logic(Logic::And, same, earlier);
    let ordered = t.logic(Logic::Or, less, tie);
    // The greatest of all is NaN: of the two that are compared, it is `second` that comes later.
    let first_is_number = t.compare(Compare::Eq, first, first);
    let second_is_nan = t.compare(Compare::Ne, second, second);
    let beyond = t.logic(Logic::Or, first_is_number, earlier);
    let before_nan = t.logic(Logic::And, second_is_nan, beyond);
    let before = t.logic(Logic::Or, ordered, before_nan);
    let (yes, no) = (t.constant(1.0), t.constant(0.0));
    let result = t.select(before, yes, no);
    t.finish(result)
}

/// Rows of elements, and the place of each in the order of its row.
pub struct Ranked {
    /// `[rows, n]`.
    rows: NodeId,
    ranks: NodeId,
    extents: [usize; 2],
}

impl Ranked {
    /// The last axis of a tensor has the rows.
    pub fn of(cx: &mut Cx<'_>, x: NodeId, descending: bool) -> Result<Self, Stop> {
        let dims = cx.dims(x);
        let n = dims.last().copied().unwrap_or(1);
        let rows = dims.iter().product::<usize>() / n;
        limit_pairs(cx, &[rows, n, n])?;
        let own = cx.b().reshape(x, [rows, n, 1])?;
        let other = cx.b().reshape(x, [rows, 1, n])?;
        let (own_place, other_place) = (places(cx, n, 0, 2)?, places(cx, n, 1, 2)?);
        let before = cx
            .b()
            .map(comes_before(descending), &[own, other, own_place, other_place])?;
        let ranks = cx.b().reduce(ReduceKind::Sum, [2], before)?;
        Ok(Self {
            rows: cx.b().reshape(x, [rows, n])?,
            ranks: cx.b().reshape(ranks, [rows, n])?,
            extents: [rows, n],
        })
    }
    /// The elements at those places `[rows or 1, k]` of the order.
    pub fn values(&self, cx: &mut Cx<'_>, wanted: NodeId) -> Result<NodeId, Stop> {
        sum_where_equal(cx, self.ranks, wanted, self.rows)
    }
    /// Where in their row those elements stand.
    pub fn indices(&self, cx: &mut Cx<'_>, wanted: NodeId) -> Result<NodeId, Stop> {
        let standing = places(cx, self.extents[1], 1, 2)?;
        sum_where_equal(cx, self.ranks, wanted, standing)
    }
    /// The first `k` places of the order.
    pub fn first(cx: &mut Cx<'_>, k: usize) -> Result<NodeId, Stop> {
        places(cx, k, 1, 2)
    }
}

/// Whether an order goes down: TensorFlow's `direction`.
fn descends(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<bool, Stop> {
    // The order of equal elements is kept in any case.
    a.flag(cx, 9, &["stable"], false)?;
    match a.text(cx, 2, &["direction"])?.as_deref() {
        None | Some("ascending") => Ok(false),
        Some("descending") => Ok(true),
        Some(other) => Err(a.unsupported(cx, &["direction"], &other.into())),
    }
}

/// Sorts an axis, by default the last; Keras flattens where it is `None`.
pub fn sort(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    in_order(cx, a, Ranked::values)
}

/// Where the elements of an axis stand, in the order of their size.
pub fn arg_sort(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    in_order(cx, a, Ranked::indices)
}

type Of = fn(&Ranked, &mut Cx<'_>, NodeId) -> Result<NodeId, Stop>;

fn in_order(cx: &mut Cx<'_>, a: Args<'_, '_>, of: Of) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let descending = descends(cx, a)?;
    let axis = match a.literal(cx, 1, AXIS)? {
        None if cx.is_keras3() => None,
        _ => Some(a.integer(cx, 1, AXIS)?.unwrap_or(-1)),
    };
    let (x, axis) = or_flat(cx, x, axis)?;
    let x = axis_last(cx, x, axis)?;
    let dims = cx.dims(x);
    let n = dims.last().copied().unwrap_or(1);
    let ranked = Ranked::of(cx, x, descending)?;
    let wanted = Ranked::first(cx, n)?;
    let y = of(&ranked, cx, wanted)?;
    let y = cx.b().reshape(y, dims)?;
    one(axis_back(cx, y, axis)?)
}

/// The k greatest elements of the last axis, and where they stand: of equal ones those that come first.
pub fn top_k(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let k = a.integer(cx, 1, &["k"])?.unwrap_or(1);
    let k = count(cx, k)?;
    // Without it, TensorFlow may give them in any order.
    a.flag(cx, 2, &["sorted"], true)?;
    let mut dims = cx.dims(x);
    let Some(last) = dims.last_mut().filter(|n| k <= **n) else {
        return Err(cx.inconsistent(format!("there are no {k} elements in its last axis")));
    };
    let n = *last;
    *last = k;
    let (values, indices) = if n > MAX_RANKED && k <= MAX_ROUNDS {
        greatest(cx, x, k)?
    } else {
        let ranked = Ranked::of(cx, x, true)?;
        let wanted = Ranked::first(cx, k)?;
        (ranked.values(cx, wanted)?, ranked.indices(cx, wanted)?)
    };
    let values = cx.b().reshape(values, dims.clone())?;
    let indices = cx.b().reshape(indices, dims)?;
    Ok([values, indices].map(KerasTensor::new).to_vec())
}

/// Longer rows are not ranked where few elements are wanted.
const MAX_RANKED: usize = 512;
/// As many elements are found one after the other.
const MAX_ROUNDS: usize = 64;

/// The same, one after the other: the greatest element, which then does not count any more.
fn greatest(cx: &mut Cx<'_>, x: NodeId, k: usize) -> Result<(NodeId, NodeId), Stop> {
    let dims = cx.dims(x);
    let n = dims.last().copied().unwrap_or(1);
    let rows = dims.iter().product::<usize>() / n;
    let x = cx.b().reshape(x, [rows, n])?;
    let standing = places(cx, n, 1, 2)?;
    let mut left = cx.apply(tapes::constant(1.0), x)?;
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for _ in 0..k {
        let mut t = TapeBuilder::new(2);
        let (value, left_value) = (t.input(0), t.input(1));
        let (zero, least) = (t.constant(0.0), t.constant(f32::NEG_INFINITY));
        let counts = t.compare(Compare::Ne, left_value, zero);
        let result = t.select(counts, value, least);
        let open = cx.b().map(t.finish(result), &[x, left])?;
        let best = cx.b().reduce(ReduceKind::Max, [1], open)?;
        let mut t = TapeBuilder::new(4);
        let [value, best_value, left_value, place] = [0, 1, 2, 3].map(|i| t.input(i));
        let (zero, beyond) = (t.constant(0.0), t.constant(n as f32));
        let counts = t.compare(Compare::Ne, left_value, zero);
        let same = t.compare(Compare::Eq, value, best_value);
        let both = t.logic(Logic::And, counts, same);
        let result = t.select(both, place, beyond);
        let candidates = cx.b().map(t.finish(result), &[x, best, left, standing])?;
        let first = cx.b().reduce(ReduceKind::Min, [1], candidates)?;
        let mut t = TapeBuilder::new(3);
        let [left_value, place, first_place] = [0, 1, 2].map(|i| t.input(i));
        let zero = t.constant(0.0);
        let taken = t.compare(Compare::Eq, place, first_place);
        let result = t.select(taken, zero, left_value);
        left = cx.b().map(t.finish(result), &[left, standing, first])?;
        values.push(best);
        indices.push(first);
    }
    Ok((cx.b().concat(1, &values)?, cx.b().concat(1, &indices)?))
}

/// Whether a class is among the k with the greatest predictions: fewer than k are greater.
pub fn in_top_k(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    // TensorFlow's name for it in the file is that of version 1, whose first argument is the predictions.
    let order = if cx.is_keras3() { [0, 1] } else { [1, 0] };
    let targets = a.tensor(cx, order[0], &["targets"])?;
    let predictions = a.tensor(cx, order[1], &["predictions"])?;
    let k = a.integer(cx, 2, &["k"])?;
    let k = a.required(cx, k, "k")?;
    cx.expect_rank(predictions, 2)?;
    let dims = cx.dims(predictions);
    let wanted = cx.b().reshape(targets, [dims[0], 1])?;
    let standing = places(cx, dims[1], 1, 2)?;
    let own = sum_where_equal(cx, standing, wanted, predictions)?;
    let greater = cx.b().map(tapes::greater(), &[predictions, own])?;
    let above = cx.b().reduce(ReduceKind::Sum, [1], greater)?;
    let few = tapes::less().substitute(
        &[
            (Tape::identity(), vec![0]),
            (Tape::constant(k as f32), Vec::new()),
        ],
        1,
    );
    let result = cx.apply(few, above)?;
    one(cx.b().reshape(result, [dims[0]])?)
}

/// Before which element of a sorted sequence `[n]` each value would go.
pub fn search_sorted(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sequence = a.tensor(cx, 0, &["sorted_sequence"])?;
    let values = a.tensor(cx, 1, &["values"])?;
    // All integer types compute in i32 here.
    a.text(cx, 9, &["out_type"])?;
    let right = match a.text(cx, 2, &["side"])?.as_deref() {
        None | Some("left") => false,
        Some("right") => true,
        Some(other) => return Err(a.unsupported(cx, &["side"], &other.into())),
    };
    if cx.is_keras3() || cx.dims(sequence).len() == 1 {
        cx.expect_rank(sequence, 1)?;
        return one(insertion(cx, sequence, values, right)?);
    }
    // TensorFlow's goes row by row.
    let (mut sorted, mut wanted) = (cx.dims(sequence), cx.dims(values));
    let (n, k) = (sorted.pop().unwrap_or(1), wanted.pop().unwrap_or(1));
    if sorted != wanted {
        return Err(cx.inconsistent("there are as many sequences as rows of values"));
    }
    let rows: usize = sorted.iter().product();
    limit_pairs(cx, &[rows, n, k])?;
    let sequence = cx.b().reshape(sequence, [rows, 1, n])?;
    let values = cx.b().reshape(values, [rows, k, 1])?;
    let tape = if right { tapes::less_equal() } else { tapes::less() };
    let below = cx.b().map(tape, &[sequence, values])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [2], below)?;
    wanted.push(k);
    one(cx.b().reshape(sum, wanted)?)
}

/// `keras.ops.digitize` and `tf.raw_ops.Bucketize`: how many bounds are not above each element.
pub fn digitize(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["x", "input"])?;
    let bins = a.tensor(cx, 1, &["bins", "boundaries"])?;
    cx.expect_rank(bins, 1)?;
    one(insertion(cx, bins, x, true)?)
}

/// How many elements of a sequence `[n]` are below each value or, to the `right`, not above it.
pub fn insertion(cx: &mut Cx<'_>, sequence: NodeId, values: NodeId, right: bool) -> Result<NodeId, Stop> {
    let dims = cx.dims(values);
    let (n, all) = (cx.dims(sequence)[0], dims.iter().product::<usize>());
    limit_pairs(cx, &[all, n])?;
    let sequence = cx.b().reshape(sequence, [1, n])?;
    let values = cx.b().reshape(values, [all, 1])?;
    let tape = if right { tapes::less_equal() } else { tapes::less() };
    let below = cx.b().map(tape, &[sequence, values])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [1], below)?;
    Ok(cx.b().reshape(sum, dims)?)
}
