//! Triangles: `cholesky`, `cholesky_inverse`, `logdet`, `solve_triangular`.
//!
//! G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th edition: outer product Cholesky (section 4.2.5), column oriented
//! substitution (section 3.1.3).

use super::elimination::identities;
use super::{Args, MOST, Matrices, system, times};
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::operators::arguments::X;
use crate::keras::layers::operators::common::places as places_of;
use crate::keras::layers::operators::steps::{Loop, at, looped, places, repeated, tape};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, Unary};

/// The matrices with zeros outside of a triangle.
pub fn triangle(cx: &mut Cx<'_>, x: NodeId, lower: bool) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let (rows, columns) = (places_of(cx, dims[1], 1, 3)?, places_of(cx, dims[2], 2, 3)?);
    let inside = tape(|t, [value, row, column]| {
        let zero = t.constant(0.0);
        let outside = if lower {
            t.compare(Compare::Lt, row, column)
        } else {
            t.compare(Compare::Lt, column, row)
        };
        t.select(outside, zero, value)
    });
    Ok(cx.b().map(inside, &[x, rows, columns])?)
}

/// The symmetric matrices that have this lower triangle, whatever stands above it.
pub fn symmetric(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    let n = cx.dims(x)[1];
    let turned = cx.b().transpose(x, [0, 2, 1])?;
    let (rows, columns) = (places_of(cx, n, 1, 3)?, places_of(cx, n, 2, 3)?);
    let mirrored = tape(|t, [value, other, row, column]| {
        let above = t.compare(Compare::Lt, row, column);
        t.select(above, other, value)
    });
    Ok(cx.b().map(mirrored, &[x, turned, rows, columns])?)
}

/// Cholesky's lower factor `[count, n, n]` of matrices, of which the lower triangle counts, and the squares of its diagonal
/// `[n, count]`.
fn factor(cx: &mut Cx<'_>, given: &Matrices) -> Result<(NodeId, NodeId), Stop> {
    let (count, n) = (given.count(), given.rows);
    let whole = symmetric(cx, given.node)?;
    let results = repeated(cx, n, &[whole], &|b, carries, k| {
        let m = carries[0];
        let rows = places(b, n, 1)?;
        let (column, row) = (at(b, m, 2, k)?, at(b, m, 1, k)?);
        let square = at(b, column, 1, k)?;
        let less = tape(|t, [value, column, row, square]| {
            let share = t.binary(Binary::Div, row, square);
            let part = t.binary(Binary::Mul, column, share);
            t.binary(Binary::Sub, value, part)
        });
        let next = b.map(less, &[m, column, row, square])?;
        let below = tape(|t, [value, row, k, square]| {
            let (zero, root) = (t.constant(0.0), t.unary(Unary::Sqrt, square));
            let value = t.binary(Binary::Div, value, root);
            let above = t.compare(Compare::Lt, row, k);
            t.select(above, zero, value)
        });
        let column = b.map(below, &[column, rows, k, square])?;
        Ok((vec![next], vec![column, square]))
    })?;
    let columns = cx.b().reshape(results[1], [n, count, n])?;
    let squares = cx.b().reshape(results[2], [n, count])?;
    Ok((cx.b().transpose(columns, [1, 2, 0])?, squares))
}

/// `cholesky`.
pub fn cholesky(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let upper = a.flag(cx, 1, &["upper"], false)?;
    let given = Matrices::square(cx, x, MOST)?;
    let (mut factor, _) = factor(cx, &given)?;
    if upper {
        factor = cx.b().transpose(factor, [0, 2, 1])?;
    }
    one(given.give(cx, factor, &[given.rows, given.rows])?)
}

/// `logdet` of symmetric, positive definite matrices.
pub fn log_determinant(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = Matrices::square(cx, x, MOST)?;
    let (_, squares) = factor(cx, &given)?;
    let logs = cx.apply(Tape::unary(Unary::Log), squares)?;
    let sum = cx.b().reduce(ReduceKind::Sum, [0], logs)?;
    one(given.give(cx, sum, &[])?)
}

/// What triangles times the result are `right` `[count, n, k]`; what stands in the other triangle does not count.
fn substituted(cx: &mut Cx<'_>, given: &Matrices, right: NodeId, lower: bool) -> Result<NodeId, Stop> {
    let (n, k) = (given.rows, cx.dims(right)[2]);
    let triangles = triangle(cx, given.node, lower)?;
    let of = Loop {
        steps: n,
        reverse: !lower,
        carries: &[right],
        whole: &[triangles],
    };
    let results = looped(cx, &of, &|b, values, step| {
        let [rest, triangles] = [values[0], values[1]];
        let column = at(b, triangles, 2, step)?;
        let pivot = at(b, column, 1, step)?;
        let row = at(b, rest, 1, step)?;
        let row = b.map(Tape::binary(Binary::Div), &[row, pivot])?;
        let less = tape(|t, [value, column, row]| {
            let part = t.binary(Binary::Mul, column, row);
            t.binary(Binary::Sub, value, part)
        });
        let rest = b.map(less, &[rest, column, row])?;
        Ok((vec![rest], vec![row]))
    })?;
    let rows = cx.b().reshape(results[1], [n, given.count(), k])?;
    Ok(cx.b().transpose(rows, [1, 0, 2])?)
}

/// `solve_triangular`.
pub fn solve_triangular(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let lower = a.flag(cx, 2, &["lower"], false)?;
    let (given, right, shape) = system(cx, a)?;
    let result = substituted(cx, &given, right, lower)?;
    one(cx.b().reshape(result, shape)?)
}

/// `cholesky_inverse`: the inverse of the matrices that have these factors.
pub fn cholesky_inverse(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let upper = a.flag(cx, 1, &["upper"], false)?;
    let given = Matrices::square(cx, x, MOST)?;
    let identity = identities(cx, given.count(), given.rows)?;
    let inverse = substituted(cx, &given, identity, !upper)?;
    let turned = cx.b().transpose(inverse, [0, 2, 1])?;
    let product = if upper {
        times(cx, inverse, turned)?
    } else {
        times(cx, turned, inverse)?
    };
    one(given.give(cx, product, &[given.rows, given.rows])?)
}
