//! Diagonals, triangles and other parts of matrices, which are the last two axes where nothing else is said.

use super::arguments::{Arguments, X};
use super::common::{numbers, places};
use super::functions::count;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::normalize::centred;
use crate::keras::layers::pool::drop_axes;
use crate::keras::layers::shape::gather;
use crate::ops::{MatMul, Pad, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// The diagonal over two axes, `offset` to the right of the main one, as the last axis.
pub fn diagonal_of(
    cx: &mut Cx<'_>,
    x: NodeId,
    [first, second]: [usize; 2],
    offset: i64,
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    if first == second {
        return Err(cx.inconsistent("a diagonal goes over two axes"));
    }
    let (rows, columns) = (dims[first], dims[second]);
    let kept: Vec<usize> = (0..dims.len())
        .filter(|axis| ![first, second].contains(axis))
        .collect();
    let x = cx.b().transpose(x, [&kept[..], &[first, second]].concat())?;
    let outer: Vec<usize> = kept.iter().map(|&axis| dims[axis]).collect();
    let x = cx.b().reshape(x, [&outer[..], &[rows * columns]].concat())?;
    let shift = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let (down, right) = if offset < 0 { (shift, 0) } else { (0, shift) };
    let length = rows.saturating_sub(down).min(columns.saturating_sub(right));
    if length == 0 {
        return Err(cx.inconsistent(format!("{rows}x{columns} elements have no diagonal {offset}")));
    }
    let role = format!("diagonal {offset} of {rows}x{columns}");
    gather(cx, x, outer.len(), &role, length, |i| {
        (i + down) * columns + i + right
    })
}

/// Two axes by their names, by default the first two.
fn two_axes(cx: &mut Cx<'_>, a: Args<'_, '_>, rank: usize) -> Result<[usize; 2], Stop> {
    let first = a.integer(cx, 2, &["axis1"])?.unwrap_or(0);
    let second = a.integer(cx, 3, &["axis2"])?.unwrap_or(1);
    Ok([cx.axis(first, rank)?, cx.axis(second, rank)?])
}

/// `diagonal`.
pub fn diagonal(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let offset = a.integer(cx, 1, &["offset"])?.unwrap_or(0);
    let axes = two_axes(cx, a, cx.dims(x).len())?;
    one(diagonal_of(cx, x, axes, offset)?)
}

/// `trace`: the sum of a diagonal.
pub fn trace(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let offset = a.integer(cx, 1, &["offset"])?.unwrap_or(0);
    let rank = cx.dims(x).len();
    let axes = if cx.is_keras3() {
        two_axes(cx, a, rank)?
    } else {
        [cx.axis(-2, rank)?, cx.axis(-1, rank)?]
    };
    let diagonal = diagonal_of(cx, x, axes, offset)?;
    let last = cx.dims(diagonal).len() - 1;
    let sum = cx.b().reduce(ReduceKind::Sum, [last], diagonal)?;
    one(drop_axes(cx, sum, &[last], false)?)
}

/// `tf.linalg.diag_part` of the main diagonals.
pub fn diagonal_part(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    main_diagonal_only(cx, a)?;
    let rank = cx.dims(x).len();
    let axes = [cx.axis(-2, rank)?, cx.axis(-1, rank)?];
    one(diagonal_of(cx, x, axes, 0)?)
}

fn main_diagonal_only(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(), Stop> {
    // Only of diagonals of several lengths.
    a.text(cx, 9, &["align"])?;
    a.number(cx, 9, &["padding_value"])?;
    match a.integer(cx, 1, &["k"])? {
        None | Some(0) => Ok(()),
        Some(other) => Err(a.unsupported(cx, &["k"], &other.into())),
    }
}

/// Matrices with these diagonals, which are the last axis, and zeros around.
fn on_diagonal(cx: &mut Cx<'_>, x: NodeId, offset: i64) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(x);
    let n = dims
        .pop()
        .ok_or_else(|| cx.inconsistent("a number has no diagonal"))?;
    let shift = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let extent = n.saturating_add(shift);
    if extent > 1 << 16 {
        return Err(cx.inconsistent(format!("a diagonal {offset} makes too large a matrix")));
    }
    let mut pads = vec![(0, 0); dims.len()];
    pads.push((0, shift));
    let x = if shift > 0 {
        cx.b().add(Pad { pads, value: 0.0 }, &[x])?
    } else {
        x
    };
    // Elements stand in rows, or in columns where the diagonal lies below.
    let ends = if offset < 0 { [1, extent] } else { [extent, 1] };
    let x = cx.b().reshape(x, [&dims[..], &ends].concat())?;
    let (rows, columns) = (places(cx, extent, 0, 2)?, places(cx, extent, 1, 2)?);
    let mut t = TapeBuilder::new(3);
    let [value, row, column] = [0, 1, 2].map(|i| t.input(i));
    let (zero, offset) = (t.constant(0.0), t.constant(offset as f32));
    let away = t.binary(Binary::Sub, column, row);
    let on = t.compare(Compare::Eq, away, offset);
    let result = t.select(on, value, zero);
    Ok(cx.b().map(t.finish(result), &[x, rows, columns])?)
}

/// `diag`: the matrix of a diagonal, or the diagonal of a matrix.
pub fn diag(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let offset = a.integer(cx, 1, &["k"])?.unwrap_or(0);
    match cx.dims(x).len() {
        1 => one(on_diagonal(cx, x, offset)?),
        2 => one(diagonal_of(cx, x, [0, 1], offset)?),
        rank => Err(cx.inconsistent(format!("it takes a tensor of rank 1 or 2, not {rank}"))),
    }
}

/// `diagflat`: the matrix of a diagonal of all elements.
pub fn diag_flat(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let offset = a.integer(cx, 1, &["k"])?.unwrap_or(0);
    let count: usize = cx.dims(x).iter().product();
    let x = cx.b().reshape(x, [count])?;
    one(on_diagonal(cx, x, offset)?)
}

/// `tf.linalg.diag` of main diagonals.
pub fn diagonals(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["diagonal"])?;
    for name in ["num_rows", "num_cols"] {
        if let Some(size) = a.integer(cx, 9, &[name])?.filter(|&size| size != -1) {
            return Err(a.unsupported(cx, &[name], &size.into()));
        }
    }
    main_diagonal_only(cx, a)?;
    one(on_diagonal(cx, x, 0)?)
}

/// `tril`: zeros above a diagonal.
pub fn lower(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let k = a.integer(cx, 1, &["k"])?.unwrap_or(0);
    banded(cx, a, |row, column| column - row <= k, &format!("below {k}"))
}

/// `triu`: zeros below a diagonal.
pub fn upper(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let k = a.integer(cx, 1, &["k"])?.unwrap_or(0);
    banded(cx, a, |row, column| column - row >= k, &format!("above {k}"))
}

/// `tf.linalg.band_part`: zeros beyond so many diagonals below and above, of which -1 keeps all.
pub fn band(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let below = a.integer(cx, 1, &["num_lower"])?;
    let below = a.required(cx, below, "num_lower")?;
    let above = a.integer(cx, 2, &["num_upper"])?;
    let above = a.required(cx, above, "num_upper")?;
    let inside =
        |row: i64, column: i64| (below < 0 || row - column <= below) && (above < 0 || column - row <= above);
    banded(cx, a, inside, &format!("{below} below, {above} above"))
}

fn banded(cx: &mut Cx<'_>, a: Args<'_, '_>, inside: impl Fn(i64, i64) -> bool, role: &str) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let &[.., rows, columns] = &dims[..] else {
        return Err(cx.inconsistent("it takes a tensor of rank 2 or more"));
    };
    let mask = numbers(cx, role, &[rows, columns], |i| {
        let place = |i: usize| i64::try_from(i).unwrap_or(i64::MAX);
        f32::from(u8::from(inside(place(i / columns), place(i % columns))))
    })?;
    let mut t = TapeBuilder::new(2);
    let (value, mask_value, zero) = (t.input(0), t.input(1), t.constant(0.0));
    let outside = t.compare(Compare::Eq, mask_value, zero);
    let result = t.select(outside, zero, value);
    one(cx.b().map(t.finish(result), &[x, mask])?)
}

/// `vander`: powers of the elements of a vector, by default as many as there are elements, the highest first.
pub fn vandermonde(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let wanted = a.integer(cx, 1, &["N"])?;
    let increasing = a.flag(cx, 2, &["increasing"], false)?;
    cx.expect_rank(x, 1)?;
    let n = cx.dims(x)[0];
    let powers = wanted.map_or(Ok(n), |wanted| count(cx, wanted))?;
    if powers > 1 << 10 {
        return Err(cx.inconsistent(format!("{powers} powers are too many")));
    }
    let x = cx.b().reshape(x, [n, 1])?;
    let mut columns = Vec::new();
    for i in 0..powers {
        let power = if increasing { i } else { powers - 1 - i };
        columns.push(match power {
            1 => x,
            power => cx.apply(library::power(power as f32), x)?,
        });
    }
    one(cx.b().concat(1, &columns)?)
}

/// `corrcoef`: Pearson's coefficients of the rows of a matrix.
pub fn correlations(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    cx.expect_rank(x, 2)?;
    let centre = centred(cx, x, &[1])?;
    let square = cx.apply(library::square::tape(), centre)?;
    let sums = cx.b().reduce(ReduceKind::Sum, [1], square)?;
    let turned = cx.b().transpose(centre, [1, 0])?;
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let products = cx.b().add(op, &[centre, turned])?;
    let others = cx.b().transpose(sums, [1, 0])?;
    let mut t = TapeBuilder::new(3);
    let [product, own, other] = [0, 1, 2].map(|i| t.input(i));
    let (own, other) = (
        t.unary(crate::pointwise::Unary::Sqrt, own),
        t.unary(crate::pointwise::Unary::Sqrt, other),
    );
    let (low, high) = (t.constant(-1.0), t.constant(1.0));
    let share = t.binary(Binary::Mul, own, other);
    let share = t.binary(Binary::Div, product, share);
    let share = t.binary(Binary::Max, share, low);
    let share = t.binary(Binary::Min, share, high);
    one(cx.b().map(t.finish(share), &[products, sums, others])?)
}
