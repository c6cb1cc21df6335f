//! `qr`: Householder's reflections, with the signs that LAPACK (`slarfg`) and Eigen give them.

use super::elimination::identities;
use super::triangular::triangle;
use super::{Args, MOST, Matrices};
use crate::keras::layers::context::{Cx, KerasTensor, Outcome};
use crate::keras::layers::operators::arguments::X;
use crate::keras::layers::operators::steps::{at, places, repeated, tape};
use crate::ops::{MatMul, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, Value};

/// The element on the diagonal after a reflection: the length of the column from there on, with the sign that adds up with
/// that of the element. A column that ends there stays as it is.
fn reflected(t: &mut TapeBuilder, first: Value, rest: Value) -> Value {
    let square = t.binary(Binary::Mul, first, first);
    let length = t.binary(Binary::Add, square, rest);
    let length = t.unary(Unary::Sqrt, length);
    let (zero, other) = (t.constant(0.0), t.unary(Unary::Neg, length));
    let below = t.compare(Compare::Lt, first, zero);
    t.select(below, length, other)
}

/// Below this a column counts as zeros: the least normal number, as in Eigen.
const NOTHING: f32 = f32::MIN_POSITIVE;

/// The vector that a reflection turns round, of a column, the places of its rows, the step, and the element and the sum of
/// squares at and behind the diagonal.
fn mirror() -> Tape {
    tape(|t, [value, row, k, first, rest]| {
        let end = reflected(t, first, rest);
        let top = t.binary(Binary::Sub, first, end);
        let (zero, at_top) = (t.constant(0.0), t.compare(Compare::Eq, row, k));
        let result = t.select(at_top, top, value);
        let above = t.compare(Compare::Lt, row, k);
        t.select(above, zero, result)
    })
}

/// An element less its part along that vector: x - v·w·2/|v|², with |v|² = 2·β·(β - first).
fn turned() -> Tape {
    tape(|t, [value, mirror, along, first, rest]| {
        let end = reflected(t, first, rest);
        let away = t.binary(Binary::Sub, end, first);
        let half = t.binary(Binary::Mul, end, away);
        let share = t.binary(Binary::Div, along, half);
        let part = t.binary(Binary::Mul, mirror, share);
        let result = t.binary(Binary::Sub, value, part);
        let least = t.constant(NOTHING);
        let turns = t.compare(Compare::Lt, least, rest);
        t.select(turns, result, value)
    })
}

/// `qr`: an orthogonal matrix and an upper triangle.
pub fn qr(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let complete = match a.text(cx, 1, &["mode"])?.as_deref() {
        None | Some("reduced") => false,
        Some("complete") => true,
        Some(other) => return Err(a.unsupported(cx, &["mode"], &other.into())),
    };
    let given = Matrices::of(cx, x, MOST)?;
    let (m, n) = (given.rows, given.columns);
    let identity = identities(cx, given.count(), m)?;
    let wide = cx.b().concat(2, &[given.node, identity])?;
    let steps = n.min(m.saturating_sub(1)).max(1);
    let done = repeated(cx, steps, &[wide], &|b, carries, k| {
        let wide = carries[0];
        let rows = places(b, m, 1)?;
        let column = at(b, wide, 2, k)?;
        let first = at(b, column, 1, k)?;
        let behind = tape(|t, [value, row, k]| {
            let (zero, square) = (t.constant(0.0), t.binary(Binary::Mul, value, value));
            let below = t.compare(Compare::Lt, k, row);
            t.select(below, square, zero)
        });
        let behind = b.map(behind, &[column, rows, k])?;
        let rest = b.reduce(ReduceKind::Sum, [1], behind)?;
        let mirror = b.map(mirror(), &[column, rows, k, first, rest])?;
        let flat = b.transpose(mirror, [0, 2, 1])?;
        let op = MatMul {
            bias: false,
            epilogue: Tape::identity(),
        };
        let along = b.add(op, &[flat, wide])?;
        let next = b.map(turned(), &[wide, mirror, along, first, rest])?;
        Ok((vec![next], Vec::new()))
    })?[0];
    let kept = if complete { m } else { m.min(n) };
    let right = cx.b().slice(done, 2, 0, n)?;
    let right = cx.b().slice(right, 1, 0, kept)?;
    let right = triangle(cx, right, false)?;
    let left = cx.b().slice(done, 2, n, m)?;
    let left = cx.b().slice(left, 1, 0, kept)?;
    let left = cx.b().transpose(left, [0, 2, 1])?;
    let results = [
        given.give(cx, left, &[m, kept])?,
        given.give(cx, right, &[kept, n])?,
    ];
    Ok(results.map(KerasTensor::new).to_vec())
}
