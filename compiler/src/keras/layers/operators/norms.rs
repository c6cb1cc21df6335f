//! Norms, and what is divided by them.

use super::algebra::matrix_norm;
use super::arguments::{Arguments, X};
use super::functions::AXIS;
use super::reductions::root_of_squares;
use crate::graph::NodeId;
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::normalize::unit_length;
use crate::keras::layers::pool::drop_axes;
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, Unary, library};
use serde_json::Value as Json;

type Args<'a, 'b> = &'b Arguments<'a>;

/// The order of a norm.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// √Σx².
    Euclidean,
    /// The sum of singular values.
    Nuclear,
    /// (Σ|x|ᵖ)^(1/p); p may be infinite.
    Power(f64),
}

/// `norm` of vectors or matrices. Those of matrices are of one order for rows and another for columns.
pub fn norm(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let given = a.literal(cx, 1, &["ord"])?;
    let order = match &given {
        None => Order::Euclidean,
        Some(Json::String(name)) => match name.as_str() {
            "euclidean" | "fro" => Order::Euclidean,
            "nuc" => Order::Nuclear,
            "inf" | "Infinity" => Order::Power(f64::INFINITY),
            "-inf" | "-Infinity" => Order::Power(f64::NEG_INFINITY),
            _ => return Err(a.unsupported(cx, &["ord"], given.as_ref().unwrap_or(&Json::Null))),
        },
        Some(value) => match super::arguments::numbers(value)
            .map(|(_, found)| found)
            .as_deref()
        {
            Some(&[order]) => Order::Power(order),
            _ => return Err(a.unsupported(cx, &["ord"], value)),
        },
    };
    if order == Order::Euclidean {
        return euclidean_norm_of(cx, a);
    }
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes: Vec<i64> = match a.integers(cx, 2, AXIS)? {
        Some(axes) => axes,
        None => (0..i64::try_from(rank).unwrap_or(0)).collect(),
    };
    let keep = a.flag(cx, 3, &["keepdims"], false)?;
    let mut places = Vec::new();
    for axis in axes {
        places.push(cx.axis(axis, rank)?);
    }
    let power = match order {
        Order::Power(power) => power,
        Order::Euclidean => return euclidean_norm_of(cx, a),
        Order::Nuclear => return of_singular_values(cx, x, &places, keep, ReduceKind::Sum),
    };
    let y = match places[..] {
        [axis] => of_vectors(cx, x, &[axis], power)?,
        // TensorFlow takes all elements as one vector where it is given no axes.
        _ if !cx.is_keras3() && a.integers(cx, 2, AXIS)?.is_none() => of_vectors(cx, x, &places, power)?,
        [rows, columns] if power.abs() == 1.0 || power.is_infinite() => {
            let size = cx.apply(Tape::unary(Unary::Abs), x)?;
            let (summed, other) = if power.is_infinite() {
                (columns, rows)
            } else {
                (rows, columns)
            };
            let sums = cx.b().reduce(ReduceKind::Sum, [summed], size)?;
            let kind = if power > 0.0 {
                ReduceKind::Max
            } else {
                ReduceKind::Min
            };
            cx.b().reduce(kind, [other], sums)?
        }
        _ if power == 2.0 => return of_singular_values(cx, x, &places, keep, ReduceKind::Max),
        _ if power == -2.0 => return of_singular_values(cx, x, &places, keep, ReduceKind::Min),
        _ => {
            return Err(cx.inconsistent(format!(
                "there is no norm of order {power} over {} axes",
                places.len()
            )));
        }
    };
    one(drop_axes(cx, y, &places, keep)?)
}

/// A norm that is made of the singular values of matrices over two axes.
fn of_singular_values(cx: &mut Cx<'_>, x: NodeId, places: &[usize], keep: bool, kind: ReduceKind) -> Outcome {
    let &[rows, columns] = places else {
        return Err(cx.inconsistent("singular values are of matrices: it takes two axes"));
    };
    if rows == columns {
        return Err(cx.inconsistent("a matrix has two axes"));
    }
    let dims = cx.dims(x);
    let outer = (0..dims.len()).filter(|axis| !places.contains(axis));
    let perm: Vec<usize> = outer.chain([rows, columns]).collect();
    let x = cx.b().transpose(x, perm)?;
    let y = matrix_norm(cx, x, kind)?;
    if !keep {
        return one(y);
    }
    let kept = (0..dims.len()).map(|axis| if places.contains(&axis) { 1 } else { dims[axis] });
    let kept: Vec<usize> = kept.collect();
    one(cx.b().reshape(y, kept)?)
}

fn euclidean_norm_of(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    // Its axes come after the order.
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 2, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    let keep = a.flag(cx, 3, &["keepdims"], false)?;
    let y = root_of_squares(cx, x, &axes)?;
    one(drop_axes(cx, y, &axes, keep)?)
}

/// The norm over whole axes, which stay with extent 1.
fn of_vectors(cx: &mut Cx<'_>, x: NodeId, axes: &[usize], power: f64) -> Result<NodeId, Stop> {
    if power == 2.0 {
        return root_of_squares(cx, x, axes);
    }
    if power == 0.0 {
        let counts = cx.apply(tapes::is_true(), x)?;
        return Ok(cx.b().reduce(ReduceKind::Sum, axes, counts)?);
    }
    let size = cx.apply(Tape::unary(Unary::Abs), x)?;
    if power.is_infinite() {
        let kind = if power > 0.0 {
            ReduceKind::Max
        } else {
            ReduceKind::Min
        };
        return Ok(cx.b().reduce(kind, axes, size)?);
    }
    if power == 1.0 {
        return Ok(cx.b().reduce(ReduceKind::Sum, axes, size)?);
    }
    let powers = cx.apply(library::power(power as f32), size)?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, powers)?;
    Ok(cx.apply(library::power((1.0 / power) as f32), sum)?)
}

/// `keras.ops.normalize`: x over its norm of that order.
pub fn normalize(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axes = a.integers(cx, 1, AXIS)?.unwrap_or_else(|| vec![-1]);
    let axes = axis_list(cx, &axes, cx.dims(x).len())?;
    let order = a.integer(cx, 2, &["order"])?.unwrap_or(2);
    let epsilon = a.number(cx, 3, &["epsilon"])?.unwrap_or(1e-7);
    if order != 2 {
        if order < 1 || axes.len() != 1 {
            return Err(a.unsupported(cx, &["order"], &order.into()));
        }
        let norm = of_vectors(cx, x, &axes, order as f64)?;
        let least = Tape::binary_const(Binary::Max, epsilon as f32);
        let over = Tape::binary(Binary::Div).substitute(&[(Tape::identity(), vec![0]), (least, vec![1])], 2);
        return one(cx.b().map(over, &[x, norm])?);
    }
    let square = cx.apply(library::square::tape(), x)?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, square)?;
    let factor = library::rsqrt::tape().then(&Tape::binary_const(Binary::Min, (1.0 / epsilon) as f32));
    let over = Tape::binary(Binary::Mul).substitute(&[(Tape::identity(), vec![0]), (factor, vec![1])], 2);
    one(cx.b().map(over, &[x, sum])?)
}

/// x over its Euclidean norm.
pub fn l2_normalize(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axes = a.integers(cx, 1, AXIS)?;
    let axes = a.required(cx, axes, "axis")?;
    let epsilon = a.number(cx, 2, &["epsilon"])?.unwrap_or(1e-12);
    let axes = axis_list(cx, &axes, cx.dims(x).len())?;
    one(unit_length(cx, x, &axes, epsilon)?)
}

/// x, shortened where its norm is above a number.
pub fn clip_by_norm(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let most = a.number(cx, 1, &["clip_norm"])?;
    let most = a.required(cx, most, "clip_norm")? as f32;
    let rank = cx.dims(x).len();
    let axes = a.integers(cx, 2, AXIS)?;
    let axes = axes.map_or(Ok((0..rank).collect()), |axes| axis_list(cx, &axes, rank))?;
    let norm = root_of_squares(cx, x, &axes)?;
    let least = Tape::binary_const(Binary::Max, most);
    let over = Tape::binary_const(Binary::Mul, most).then(&Tape::binary(Binary::Div));
    let over = over.substitute(&[(Tape::identity(), vec![0]), (least, vec![1])], 2);
    one(cx.b().map(over, &[x, norm])?)
}

/// `tf.linalg.normalize`: x over its norm, and the norm.
pub fn normalize_with_norm(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    if let Some(order) = a
        .literal(cx, 1, &["ord"])?
        .filter(|order| order != "euclidean" && order != 2)
    {
        return Err(a.unsupported(cx, &["ord"], &order));
    }
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let axes = match a.integers(cx, 2, AXIS)? {
        Some(axes) => axis_list(cx, &axes, rank)?,
        None => (0..rank).collect(),
    };
    let norm = root_of_squares(cx, x, &axes)?;
    let y = cx.b().map(Tape::binary(Binary::Div), &[x, norm])?;
    Ok([y, norm]
        .map(crate::keras::layers::context::KerasTensor::new)
        .to_vec())
}
