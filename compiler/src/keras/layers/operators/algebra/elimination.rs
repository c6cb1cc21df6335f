//! Elimination with partial pivoting: `lu_factor`, `det`, `slogdet`, `solve`, `inv`.
//!
//! G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th edition, algorithms 3.4.1 and, for both triangles at once,
//! the Gauss-Jordan transformations of section 3.2. The pivot is the element of greatest size, of equal ones the first, as in
//! LAPACK and Eigen.

use super::{Args, MOST, Matrices};
use crate::error::Result;
use crate::graph::{Builder, NodeId};
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::operators::arguments::X;
use crate::keras::layers::operators::common::{numbers, places as places_of};
use crate::keras::layers::operators::steps::{at, places, repeated, tape};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Logic, Tape, TapeBuilder, Unary, Value};

/// What becomes of an element outside of the row of the pivot.
#[derive(Clone, Copy)]
enum Way {
    /// The factors L, below the diagonal, and U; columns from that one on are not part of the matrix.
    Factors(usize),
    /// The identity, and behind it what solves the system.
    Solution,
}

/// What a step knows of its pivot, in matrices `[count, n, width]`.
struct Pivot {
    /// The row in which it is found, `[count, 1, 1]`.
    place: NodeId,
    /// That row, `[count, 1, width]`.
    row: NodeId,
    /// The pivot, `[count, 1, 1]`.
    value: NodeId,
}

/// Finds the pivot in column `k` of matrices, of which `column` is that column.
fn pivot(b: &mut Builder<'_>, m: NodeId, column: NodeId, rows: NodeId, k: NodeId) -> Result<Pivot> {
    let n = b.shape(m).dims()[1];
    let size = tape(|t, [value, row, k]| {
        let (size, none) = (t.unary(Unary::Abs, value), t.constant(-1.0));
        let done = t.compare(Compare::Lt, row, k);
        t.select(done, none, size)
    });
    let size = b.map(size, &[column, rows, k])?;
    let greatest = b.reduce(ReduceKind::Max, [1], size)?;
    let first = tape(|t, [size, greatest, row]| {
        let beyond = t.constant(n as f32);
        let found = t.compare(Compare::Eq, size, greatest);
        t.select(found, row, beyond)
    });
    let first = b.map(first, &[size, greatest, rows])?;
    let place = b.reduce(ReduceKind::Min, [1], first)?;
    let only = tape(|t, [value, row, place]| {
        let (here, zero) = (t.compare(Compare::Eq, row, place), t.constant(0.0));
        t.select(here, value, zero)
    });
    let only = b.map(only, &[m, rows, place])?;
    let row = b.reduce(ReduceKind::Sum, [1], only)?;
    let value = at(b, row, 2, k)?;
    Ok(Pivot { place, row, value })
}

/// What a row is in a step, in which the row of the step and that of its pivot are exchanged.
#[derive(Clone, Copy)]
enum Row {
    /// It has been the row of a step.
    Done,
    /// That of the step, in whose place that of the pivot comes.
    Top,
    /// That of the pivot, in whose place that of the step comes, unless it is the same.
    Moved,
    /// Any other.
    Below,
}

impl Row {
    const fn number(self) -> f32 {
        self as u8 as f32
    }
    fn holds(self, t: &mut TapeBuilder, row: Value) -> Value {
        let number = t.constant(self.number());
        t.compare(Compare::Eq, row, number)
    }
    /// What each row is, of its place, the step and the place of the pivot.
    fn tape() -> Tape {
        tape(|t, [row, k, place]| {
            let [done, top, moved, below] =
                [Self::Done, Self::Top, Self::Moved, Self::Below].map(Self::number);
            let (done, top, moved, below) = (
                t.constant(done),
                t.constant(top),
                t.constant(moved),
                t.constant(below),
            );
            let (before, here, there) = (
                t.compare(Compare::Lt, row, k),
                t.compare(Compare::Eq, row, k),
                t.compare(Compare::Eq, row, place),
            );
            let kind = t.select(there, moved, below);
            let kind = t.select(here, top, kind);
            t.select(before, done, kind)
        })
    }
}

/// How often the row of the pivot is taken from each row, of what stands in the column of the step: that of the row, which of the
/// rows it is, that of the row of the step, and the pivot. A column of zeros stays as it is, so that a determinant is 0.
fn share() -> Tape {
    tape(|t, [own, row, other, pivot]| {
        let (zero, moved) = (t.constant(0.0), Row::Moved.holds(t, row));
        let factor = t.select(moved, other, own);
        let share = t.binary(Binary::Div, factor, pivot);
        let none = t.compare(Compare::Eq, factor, zero);
        t.select(none, zero, share)
    })
}

/// The element of the next matrix, of that of this one and what its row is; the element above in the row of the pivot, that
/// in the row of the step, and the share; for factors also its column and the step. No more than a map may take.
fn eliminated(way: Way) -> Tape {
    let less = |t: &mut TapeBuilder, [value, row, top, old, share]: [Value; 5]| {
        let moved = Row::Moved.holds(t, row);
        let moved = t.select(moved, old, value);
        let part = t.binary(Binary::Mul, share, top);
        (moved, t.binary(Binary::Sub, moved, part))
    };
    match way {
        Way::Factors(n) => tape(|t, [value, row, top, old, share, column, k]| {
            let (moved, rest) = less(t, [value, row, top, old, share]);
            let end = t.constant(n as f32);
            let (right, inside) = (
                t.compare(Compare::Lt, k, column),
                t.compare(Compare::Lt, column, end),
            );
            let inside = t.logic(Logic::And, right, inside);
            let changed = t.select(inside, rest, moved);
            let here = t.compare(Compare::Eq, column, k);
            let changed = t.select(here, share, changed);
            let (on_top, done) = (Row::Top.holds(t, row), Row::Done.holds(t, row));
            let result = t.select(on_top, top, changed);
            t.select(done, value, result)
        }),
        Way::Solution => tape(|t, [value, row, top, old, share, pivot]| {
            let (_, rest) = less(t, [value, row, top, old, share]);
            let top = t.binary(Binary::Div, top, pivot);
            let on_top = Row::Top.holds(t, row);
            t.select(on_top, top, rest)
        }),
    }
}

/// What elimination gives of matrices `[count, n, width]`.
struct Eliminated {
    matrices: NodeId,
    /// The pivots, `[n, count]`.
    pivots: NodeId,
    /// -1 where a pivot was taken from another row, else 1, `[n, count]`.
    signs: NodeId,
}

fn eliminate(cx: &mut Cx<'_>, matrices: NodeId, way: Way) -> Result<Eliminated, Stop> {
    let dims = cx.dims(matrices);
    let (count, n, width) = (dims[0], dims[1], dims[2]);
    let results = repeated(cx, n, &[matrices], &|b, carries, k| {
        let m = carries[0];
        let (rows, columns) = (places(b, n, 1)?, places(b, width, 2)?);
        let column = at(b, m, 2, k)?;
        let pivot = pivot(b, m, column, rows, k)?;
        let old = at(b, m, 1, k)?;
        let other = at(b, old, 2, k)?;
        let row = b.map(Row::tape(), &[rows, k, pivot.place])?;
        let share = b.map(share(), &[column, row, other, pivot.value])?;
        let mut inputs = vec![m, row, pivot.row, old, share];
        inputs.extend(match way {
            Way::Factors(_) => vec![columns, k],
            Way::Solution => vec![pivot.value],
        });
        let next = b.map(eliminated(way), &inputs)?;
        let sign = tape(|t, [place, k]| {
            let (same, other) = (t.constant(1.0), t.constant(-1.0));
            let stays = t.compare(Compare::Eq, place, k);
            t.select(stays, same, other)
        });
        let sign = b.map(sign, &[pivot.place, k])?;
        Ok((vec![next], vec![pivot.value, sign]))
    })?;
    Ok(Eliminated {
        matrices: results[0],
        pivots: cx.b().reshape(results[1], [n, count])?,
        signs: cx.b().reshape(results[2], [n, count])?,
    })
}

/// `lu_factor`: both factors in one matrix, and for each row of the argument the place to which it went, as Keras gives them
/// on TensorFlow.
pub fn lu_factor(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = Matrices::square(cx, x, MOST)?;
    let (count, n) = (given.count(), given.rows);
    // The numbers of the rows go along behind the matrix.
    let names = numbers(cx, "rows of all", &[count, n, 1], |i| (i % n) as f32)?;
    let wide = cx.b().concat(2, &[given.node, names])?;
    let done = eliminate(cx, wide, Way::Factors(n))?.matrices;
    let factors = cx.b().slice(done, 2, 0, n)?;
    let rows = cx.b().slice(done, 2, n, 1)?;
    let (to, name) = (places_of(cx, n, 1, 3)?, places_of(cx, n, 2, 3)?);
    let found = tape(|t, [row, name, to]| {
        let (here, zero) = (t.compare(Compare::Eq, row, name), t.constant(0.0));
        t.select(here, to, zero)
    });
    let found = cx.b().map(found, &[rows, name, to])?;
    let places = cx.b().reduce(ReduceKind::Sum, [1], found)?;
    let results = [given.give(cx, factors, &[n, n])?, given.give(cx, places, &[n])?];
    Ok(results.map(KerasTensor::new).to_vec())
}

/// The product along the first axis `[n, count]`.
fn product(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    Ok(cx.b().reduce(ReduceKind::Product, [0], x)?)
}

/// `det`.
pub fn determinant(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = Matrices::square(cx, x, MOST)?;
    let done = eliminate(cx, given.node, Way::Factors(given.rows))?;
    let signed = cx
        .b()
        .map(Tape::binary(Binary::Mul), &[done.pivots, done.signs])?;
    let result = product(cx, signed)?;
    one(given.give(cx, result, &[])?)
}

/// `slogdet`: the sign of the determinant, and the logarithm of its size.
pub fn sign_and_log(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = Matrices::square(cx, x, MOST)?;
    let done = eliminate(cx, given.node, Way::Factors(given.rows))?;
    let sign = tape(|t: &mut TapeBuilder, [pivot, sign]: [Value; 2]| {
        let (zero, one) = (t.constant(0.0), t.constant(1.0));
        let side = t.binary(Binary::CopySign, one, pivot);
        let signed = t.binary(Binary::Mul, side, sign);
        let none = t.compare(Compare::Eq, pivot, zero);
        t.select(none, zero, signed)
    });
    let signs = cx.b().map(sign, &[done.pivots, done.signs])?;
    let sign = product(cx, signs)?;
    let logs = cx.apply(
        Tape::unary(Unary::Abs).then(&Tape::unary(Unary::Log)),
        done.pivots,
    )?;
    let log = cx.b().reduce(ReduceKind::Sum, [0], logs)?;
    let results = [given.give(cx, sign, &[])?, given.give(cx, log, &[])?];
    Ok(results.map(KerasTensor::new).to_vec())
}

/// `solve`.
pub fn solve(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (given, right, shape) = super::system(cx, a)?;
    let result = solved(cx, &given, right)?;
    one(cx.b().reshape(result, shape)?)
}

/// `inv`.
pub fn inverse(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = Matrices::square(cx, x, MOST)?;
    let identity = identities(cx, given.count(), given.rows)?;
    let result = solved(cx, &given, identity)?;
    one(given.give(cx, result, &[given.rows, given.rows])?)
}

/// Identity matrices `[count, n, n]`.
pub fn identities(cx: &mut Cx<'_>, count: usize, n: usize) -> Result<NodeId, Stop> {
    numbers(cx, "identities", &[count, n, n], |i| {
        f32::from(u8::from(i / n % n == i % n))
    })
}

/// What matrices times the result are `right`, `[count, n, k]`.
fn solved(cx: &mut Cx<'_>, given: &Matrices, right: NodeId) -> Result<NodeId, Stop> {
    let k = cx.dims(right)[2];
    let wide = cx.b().concat(2, &[given.node, right])?;
    let done = eliminate(cx, wide, Way::Solution)?.matrices;
    Ok(cx.b().slice(done, 2, given.rows, k)?)
}
