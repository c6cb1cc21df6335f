//! Singular values by one-sided Jacobi rotations, and what follows from them: `svd`, `pinv`, `lstsq`, `matrix_rank`, `eigh`,
//! norms of matrices.
//!
//! Columns are turned in pairs until they are orthogonal; their lengths are the singular values (M. R. Hestenes, "Inversion of
//! matrices by biorthogonalization and related results", 1958). A round turns all columns, each with another one, and between
//! rounds they move on as in a tournament, so that all have met after a sweep (R. P. Brent and F. T. Luk, "The solution of
//! singular-value and symmetric eigenvalue problems on multiprocessor arrays", 1985).

use super::elimination::identities;
use super::triangular::symmetric;
use super::{Args, Matrices, times};
use crate::graph::{Builder, NodeId};
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::operators::arguments::X;
use crate::keras::layers::operators::common::numbers;
use crate::keras::layers::operators::ordering::Ranked;
use crate::keras::layers::operators::steps::{repeated, tape};
use crate::ops::{Gather, Pad, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, Value, library};
use crate::tensor::{Shape, Tensor};

/// Most rows and columns here: a sweep has as many rounds as there are columns.
const MOST: usize = 32;

/// Why singular vectors and eigenvectors are refused.
const SIGN: &str = "the signs of singular vectors and eigenvectors are not defined, and Keras' backends give different ones: use \
                    the values only; or pinv, solve, inv, cholesky or qr, whose results are defined";

/// So many sweeps leave columns of floats as orthogonal as rounding lets them: convergence is quadratic in the end, and the
/// sweeps before that grow with the logarithm of the extent.
fn sweeps(columns: usize) -> usize {
    3 + columns.next_power_of_two().ilog2() as usize
}

/// Where each column comes from for the next round. The first half meets the second; the first column stays, and all others
/// go round.
fn next_round(columns: usize) -> Vec<usize> {
    let half = columns / 2;
    let from = |place: usize| match place {
        0 => 0,
        1 if half > 1 => half,
        _ if place < half => place - 1,
        _ if place + 1 < columns => place + 1,
        _ => half - 1,
    };
    if half == 1 {
        vec![0, 1]
    } else {
        (0..columns).map(from).collect()
    }
}

/// The tangent of the angle by which a column is turned, of its squared length, that of its partner, the product of both and
/// the side, 1 or -1, on which it stands. That of its partner has the other sign.
fn tangent(t: &mut TapeBuilder, [own, other, product, side]: [Value; 4]) -> Value {
    let (zero, two) = (t.constant(0.0), t.constant(2.0));
    let away = t.binary(Binary::Sub, other, own);
    let double = t.binary(Binary::Mul, two, product);
    let (one, size) = (t.constant(1.0), t.unary(Unary::Abs, away));
    let sign = t.binary(Binary::CopySign, one, away);
    let same = t.compare(Compare::Eq, away, zero);
    let sign = t.select(same, side, sign);
    let (square, other_square) = (
        t.binary(Binary::Mul, away, away),
        t.binary(Binary::Mul, double, double),
    );
    let root = t.binary(Binary::Add, square, other_square);
    let root = t.unary(Unary::Sqrt, root);
    let below = t.binary(Binary::Add, size, root);
    let above = t.binary(Binary::Mul, double, sign);
    let tangent = t.binary(Binary::Div, above, below);
    let none = t.compare(Compare::Eq, below, zero);
    t.select(none, zero, tangent)
}

/// Picks columns `[count, rows, columns]` by places that are known.
fn columns(b: &mut Builder<'_>, x: NodeId, axis: usize, from: &[usize]) -> crate::error::Result<NodeId> {
    let places: Vec<i32> = from
        .iter()
        .map(|&i| i32::try_from(i).unwrap_or(i32::MAX))
        .collect();
    let places = b.constant(Tensor::i32([from.len()], places)?)?;
    let gather = Gather {
        axis,
        negative: false,
    };
    b.add(gather, &[x, places])
}

/// One round on `[count, rows, columns]`, of which the first `rows` are the matrix; those below go along.
fn round(b: &mut Builder<'_>, x: NodeId, rows: usize) -> crate::error::Result<NodeId> {
    let n = b.shape(x).dims()[2];
    let half = n / 2;
    let across: Vec<usize> = (0..n).map(|i| (i + half) % n).collect();
    let sides = (0..n).map(|i| if i < half { 1.0 } else { -1.0 });
    let sides = b.constant(Tensor::f32(Shape::new([1, 1, n]), sides.collect::<Vec<_>>())?)?;
    let partner = columns(b, x, 2, &across)?;
    let (own, other) = (b.slice(x, 1, 0, rows)?, b.slice(partner, 1, 0, rows)?);
    let squares = b.map(library::square::tape(), &[own])?;
    let length = b.reduce(ReduceKind::Sum, [1], squares)?;
    let products = b.map(Tape::binary(Binary::Mul), &[own, other])?;
    let product = b.reduce(ReduceKind::Sum, [1], products)?;
    let of_partner = columns(b, length, 2, &across)?;
    let angle = b.map(tape(tangent), &[length, of_partner, product, sides])?;
    let turned = tape(|t, [own, partner, tangent]| {
        let one = t.constant(1.0);
        let square = t.binary(Binary::Mul, tangent, tangent);
        let square = t.binary(Binary::Add, one, square);
        let root = t.unary(Unary::Sqrt, square);
        let part = t.binary(Binary::Mul, tangent, partner);
        let turned = t.binary(Binary::Sub, own, part);
        t.binary(Binary::Div, turned, root)
    });
    let turned = b.map(turned, &[x, partner, angle])?;
    columns(b, turned, 2, &next_round(n))
}

/// Matrices `U·diag(s)·Vᵀ` of which U·diag(s), s and V are found, in no order.
struct Found {
    /// `[count, rows, columns]`.
    scaled: NodeId,
    /// `[count, 1, columns]`; that and all else is of matrices that are divided by `scale`.
    values: NodeId,
    /// `[count, columns, columns]`, if it was wanted.
    right: Option<NodeId>,
    /// The greatest size of an element, 1 where all are 0, `[count, 1, 1]`.
    scale: NodeId,
}

/// Works on matrices `[count, rows, columns]`.
fn rotated(cx: &mut Cx<'_>, x: NodeId, vectors: bool) -> Result<Found, Stop> {
    let dims = cx.dims(x);
    let (count, rows, given) = (dims[0], dims[1], dims[2]);
    let size = cx.apply(Tape::unary(Unary::Abs), x)?;
    let scale = cx.b().reduce(ReduceKind::Max, [1, 2], size)?;
    let scale = cx.apply(
        tape(|t, [scale]| {
            let (zero, one) = (t.constant(0.0), t.constant(1.0));
            let none = t.compare(Compare::Eq, scale, zero);
            t.select(none, one, scale)
        }),
        scale,
    )?;
    let mut all = cx.b().map(Tape::binary(Binary::Div), &[x, scale])?;
    if vectors {
        let identity = identities(cx, count, given)?;
        all = cx.b().concat(1, &[all, identity])?;
    }
    // All columns have a partner.
    let n = given.next_multiple_of(2);
    if n != given {
        let pads = vec![(0, 0), (0, 0), (0, 1)];
        all = cx.b().add(Pad { pads, value: 0.0 }, &[all])?;
    }
    let rounds = if given > 1 { sweeps(n) * (n - 1) } else { 1 };
    let done = repeated(cx, rounds, &[all], &|b, carries, _| {
        Ok((vec![round(b, carries[0], rows)?], Vec::new()))
    })?[0];
    let scaled = cx.b().slice(done, 1, 0, rows)?;
    let squares = cx.apply(library::square::tape(), scaled)?;
    let sums = cx.b().reduce(ReduceKind::Sum, [1], squares)?;
    let right = match vectors {
        true => Some(cx.b().slice(done, 1, rows, given)?),
        false => None,
    };
    Ok(Found {
        scaled,
        values: cx.apply(Tape::unary(Unary::Sqrt), sums)?,
        right,
        scale,
    })
}

/// The matrices with no more columns than rows.
fn upright(cx: &mut Cx<'_>, given: &Matrices) -> Result<NodeId, Stop> {
    if given.rows < given.columns {
        Ok(cx.b().transpose(given.node, [0, 2, 1])?)
    } else {
        Ok(given.node)
    }
}

/// The singular values `[count, min(rows, columns)]`, the greatest first or, not `descending`, last.
fn values(cx: &mut Cx<'_>, x: NodeId, wanted: usize, descending: bool) -> Result<NodeId, Stop> {
    let found = rotated(cx, x, false)?;
    let values = cx
        .b()
        .map(Tape::binary(Binary::Mul), &[found.values, found.scale])?;
    let dims = cx.dims(values);
    let values = cx.b().reshape(values, [dims[0], dims[2]])?;
    // What was added to have partners is 0 and comes last.
    let ranked = Ranked::of(cx, values, true)?;
    let order = numbers(cx, &format!("order, {descending}"), &[1, wanted], |i| {
        (if descending { i } else { wanted - 1 - i }) as f32
    })?;
    ranked.values(cx, order)
}

/// `svd`. Singular vectors are there only to be refused where something is made of them.
pub fn singular_values(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let full = a.flag(cx, 1, &["full_matrices"], true)?;
    let vectors = a.flag(cx, 2, &["compute_uv"], true)?;
    let given = Matrices::of(cx, x, MOST)?;
    let (m, n, k) = (given.rows, given.columns, given.rows.min(given.columns));
    let matrix = upright(cx, &given)?;
    let found = values(cx, matrix, k, true)?;
    let found = given.give(cx, found, &[k])?;
    if !vectors {
        return one(found);
    }
    let (left, right) = if full { ([m, m], [n, n]) } else { ([m, k], [k, n]) };
    let left = undefined(cx, "left", &[&given.outer[..], &left].concat())?;
    let right = undefined(cx, "right", &[&given.outer[..], &right].concat())?;
    Ok([left, found, right].map(KerasTensor::new).to_vec())
}

/// `eigh`: the eigenvalues of symmetric matrices, of which the lower triangle counts, the least first. Eigenvectors are there
/// only to be refused where something is made of them.
///
/// With a bound of all eigenvalues added to the diagonal, singular values are eigenvalues.
pub fn eigen(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let given = Matrices::square(cx, x, MOST)?;
    let n = given.rows;
    let whole = symmetric(cx, given.node)?;
    let sizes = cx.apply(Tape::unary(Unary::Abs), whole)?;
    let sums = cx.b().reduce(ReduceKind::Sum, [2], sizes)?;
    let bound = cx.b().reduce(ReduceKind::Max, [1], sums)?;
    let identity = identities(cx, 1, n)?;
    let shifted = tape(|t, [value, bound, on]| {
        let part = t.binary(Binary::Mul, bound, on);
        t.binary(Binary::Add, value, part)
    });
    let shifted = cx.b().map(shifted, &[whole, bound, identity])?;
    let found = values(cx, shifted, n, false)?;
    let bound = cx.b().reshape(bound, [given.count(), 1])?;
    let found = cx.b().map(Tape::binary(Binary::Sub), &[found, bound])?;
    let found = given.give(cx, found, &[n])?;
    let vectors = undefined(cx, "eigen", &cx.dims(x))?;
    Ok([found, vectors].map(KerasTensor::new).to_vec())
}

/// A tensor that stands for vectors, of which nothing may be made.
fn undefined(cx: &mut Cx<'_>, what: &str, dims: &[usize]) -> Result<NodeId, Stop> {
    let node = numbers(cx, &format!("{what} vectors"), dims, |_| 0.0)?;
    cx.state.undefined.insert(node, SIGN);
    Ok(node)
}

/// The pseudo-inverse `[count, columns, rows]`, where singular values count that are above so many times the greatest, or
/// also those that are just as great.
fn inverted(cx: &mut Cx<'_>, given: &Matrices, share: f32, also_equal: bool) -> Result<NodeId, Stop> {
    let matrix = upright(cx, given)?;
    let found = rotated(cx, matrix, true)?;
    let greatest = cx.b().reduce(ReduceKind::Max, [2], found.values)?;
    let inverse = tape(|t, [value, greatest]| {
        let (zero, one, share) = (t.constant(0.0), t.constant(1.0), t.constant(share));
        let least = t.binary(Binary::Mul, share, greatest);
        let over = t.binary(Binary::Div, one, value);
        let (above, nothing) = (
            t.compare(if also_equal { Compare::Le } else { Compare::Lt }, least, value),
            t.compare(Compare::Eq, value, zero),
        );
        let over = t.select(above, over, zero);
        t.select(nothing, zero, over)
    });
    let inverse = cx.b().map(inverse, &[found.values, greatest])?;
    let product = Tape::binary(Binary::Mul);
    let left = cx.b().map(product.clone(), &[found.scaled, inverse])?;
    let right = found.right.ok_or_else(|| cx.inconsistent("it has no vectors"))?;
    let right = cx.b().map(product, &[right, inverse])?;
    let left = cx.b().transpose(left, [0, 2, 1])?;
    let inverse = times(cx, right, left)?;
    let inverse = cx.b().map(Tape::binary(Binary::Div), &[inverse, found.scale])?;
    if given.rows < given.columns {
        Ok(cx.b().transpose(inverse, [0, 2, 1])?)
    } else {
        Ok(inverse)
    }
}

/// `pinv`.
pub fn pseudo_inverse(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let share = a.number(cx, 1, &["rcond"])?;
    let given = Matrices::of(cx, x, MOST)?;
    let (m, n) = (given.rows, given.columns);
    let share = share.unwrap_or(10.0 * m.max(n) as f64 * f64::from(f32::EPSILON));
    let inverse = inverted(cx, &given, share as f32, false)?;
    one(given.give(cx, inverse, &[n, m])?)
}

/// `lstsq`: the shortest of all `x` for which `a·x` comes closest to `b`.
pub fn least_squares(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (left, right) = (a.tensor(cx, 0, &["a"])?, a.tensor(cx, 1, &["b"])?);
    let share = a.number(cx, 2, &["rcond"])?;
    cx.expect_rank(left, 2)?;
    let given = Matrices::of(cx, left, MOST)?;
    let (m, n) = (given.rows, given.columns);
    let shape = cx.dims(right);
    if !(1..=2).contains(&shape.len()) || shape[0] != m {
        return Err(cx.inconsistent(format!(
            "{m}x{n} numbers and {shape:?} are not the sides of a system"
        )));
    }
    let least = f64::from(f32::EPSILON);
    let share = match share {
        None => least * m.max(n) as f64,
        Some(share) if share < 0.0 => least,
        Some(share) => share,
    };
    let inverse = inverted(cx, &given, share as f32, true)?;
    let k = shape.get(1).copied().unwrap_or(1);
    let right = cx.b().reshape(right, [1, m, k])?;
    let result = times(cx, inverse, right)?;
    one(cx.b().reshape(result, [&[n], &shape[1..]].concat())?)
}

/// `matrix_rank`: how many singular values are above a number.
pub fn rank(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let least = a.number(cx, 1, &["tol"])?;
    let given = Matrices::of(cx, x, MOST)?;
    let (m, n) = (given.rows, given.columns);
    let matrix = upright(cx, &given)?;
    let values = values(cx, matrix, m.min(n), true)?;
    let greatest = cx.b().reduce(ReduceKind::Max, [1], values)?;
    let share = f32::EPSILON * m.max(n) as f32;
    let above = tape(|t, [value, greatest]| {
        let (zero, one) = (t.constant(0.0), t.constant(1.0));
        let least = match least {
            Some(least) => t.constant(least as f32),
            None => {
                let share = t.constant(share);
                t.binary(Binary::Mul, share, greatest)
            }
        };
        let above = t.compare(Compare::Lt, least, value);
        t.select(above, one, zero)
    });
    let above = cx.b().map(above, &[values, greatest])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [1], above)?;
    one(given.give(cx, sum, &[])?)
}

/// A norm of matrices that is made of their singular values: all of them summed, or the greatest or least alone. The axes
/// of the matrices are the last two; gives one number for each.
pub fn matrix_norm(cx: &mut Cx<'_>, x: NodeId, kind: ReduceKind) -> Result<NodeId, Stop> {
    let given = Matrices::of(cx, x, MOST)?;
    let matrix = upright(cx, &given)?;
    let values = values(cx, matrix, given.rows.min(given.columns), true)?;
    let norm = cx.b().reduce(kind, [1], values)?;
    given.give(cx, norm, &[])
}
