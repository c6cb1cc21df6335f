//! Operations that pick elements by computed indices besides `take`: `take_along_axis`, `gather_nd`, `select`, `isin`.

use super::arguments::{Arguments, X};
use super::common::{limit_pairs, numbers, or_flat, picked};
use super::functions::AXIS;
use super::scatter::Rows;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::tapes;
use crate::ops::{Gather, ReduceKind};
use crate::pointwise::{Binary, Compare, TapeBuilder, Unary};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Elements along an axis by indices of the same rank; all other axes broadcast. A negative index counts from the end.
pub fn along(cx: &mut Cx<'_>, x: NodeId, indices: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let (dims, wanted) = (cx.dims(x), cx.dims(indices));
    if dims.len() != wanted.len() {
        return Err(cx.inconsistent(format!("indices of {wanted:?} do not fit {dims:?}")));
    }
    let mut inputs = vec![indices];
    for other in (0..dims.len()).filter(|&other| other != axis) {
        let (extent, wanted) = (dims[other], wanted[other]);
        if extent != wanted && extent != 1 && wanted != 1 {
            return Err(cx.inconsistent(format!(
                "axis {other} of {extent} and indices of {wanted} do not broadcast"
            )));
        }
        // Elements repeat where there is only one.
        let stride = if extent == 1 {
            0
        } else {
            dims[other + 1..].iter().product::<usize>()
        };
        let mut shape = vec![1; dims.len()];
        shape[other] = extent.max(wanted);
        let role = format!("offsets {other} by {stride}");
        inputs.push(numbers(cx, &role, &shape, |i| (i * stride) as f32)?);
    }
    let stride: usize = dims[axis + 1..].iter().product();
    let mut t = TapeBuilder::new(inputs.len() as u32);
    let index = t.input(0);
    let index = t.unary(Unary::Trunc, index);
    let (zero, extent) = (t.constant(0.0), t.constant(dims[axis] as f32));
    let (last, stride) = (t.constant(dims[axis] as f32 - 1.0), t.constant(stride as f32));
    let from_end = t.binary(Binary::Add, index, extent);
    let negative = t.compare(Compare::Lt, index, zero);
    let index = t.select(negative, from_end, index);
    let index = t.binary(Binary::Max, index, zero);
    let index = t.binary(Binary::Min, index, last);
    let mut place = t.binary(Binary::Mul, index, stride);
    for input in 1..inputs.len() as u32 {
        let offset = t.input(input);
        place = t.binary(Binary::Add, place, offset);
    }
    let places = cx.b().map(t.finish(place), &inputs)?;
    picked(cx, x, places)
}

/// `take_along_axis`.
pub fn take_along_axis(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let indices = a.tensor(cx, 1, &["indices"])?;
    let axis = a.integer(cx, 2, AXIS)?;
    let (x, place) = or_flat(cx, x, axis)?;
    let (indices, _) = or_flat(cx, indices, axis)?;
    one(along(cx, x, indices, place)?)
}

/// `tf.gather` with `batch_dims`: the first axes of both go together.
pub fn in_batches(
    cx: &mut Cx<'_>,
    x: NodeId,
    indices: NodeId,
    axis: usize,
    batch: usize,
) -> Result<NodeId, Stop> {
    let (dims, wanted) = (cx.dims(x), cx.dims(indices));
    if batch > axis || batch > wanted.len() || dims[..batch] != wanted[..batch] {
        return Err(cx.inconsistent(format!(
            "{dims:?} and indices of {wanted:?} have no {batch} axes in common"
        )));
    }
    let product = |dims: &[usize]| dims.iter().product::<usize>();
    let outer = product(&dims[..batch]);
    let flat = [
        outer,
        product(&dims[batch..axis]),
        dims[axis],
        product(&dims[axis + 1..]),
    ];
    let x = cx.b().reshape(x, flat)?;
    let indices = cx
        .b()
        .reshape(indices, [outer, 1, product(&wanted[batch..]), 1])?;
    let result = along(cx, x, indices, 2)?;
    let shape = [&dims[..axis], &wanted[batch..], &dims[axis + 1..]].concat();
    Ok(cx.b().reshape(result, shape)?)
}

/// `tf.gather_nd`: rows by all their coordinates.
pub fn gather_nd(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["params"])?;
    let indices = a.tensor(cx, 1, &["indices"])?;
    if let Some(count) = a.integer(cx, 2, &["batch_dims"])?.filter(|&count| count != 0) {
        return Err(a.unsupported(cx, &["batch_dims"], &count.into()));
    }
    a.text(cx, 9, &["bad_indices_policy"])?;
    let dims = cx.dims(x);
    let depth = cx.dims(indices).last().copied().unwrap_or(0);
    let rows = Rows::of(cx, indices, &dims)?;
    let table = cx.b().reshape(x, [rows.count, rows.inner])?;
    let gather = Gather {
        axis: 0,
        negative: false,
    };
    let found = cx.b().add(gather, &[table, rows.numbers])?;
    let shape = [&rows.outer[..], &dims[depth..]].concat();
    one(cx.b().reshape(found, shape)?)
}

/// `isin`: whether each element is one of those of the other tensor.
pub fn is_in(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["x1"])?;
    let others = a.tensor(cx, 1, &["x2"])?;
    // Only about speed.
    a.flag(cx, 9, &["assume_unique"], false)?;
    let invert = a.flag(cx, 9, &["invert"], false)?;
    let dims = cx.dims(x);
    let (count, all) = (
        dims.iter().product::<usize>(),
        cx.dims(others).iter().product::<usize>(),
    );
    limit_pairs(cx, &[count, all])?;
    let x = cx.b().reshape(x, [count, 1])?;
    let others = cx.b().reshape(others, [1, all])?;
    let same = cx.b().map(tapes::equal(), &[x, others])?;
    let any = cx.b().reduce(ReduceKind::Max, [1], same)?;
    let any = if invert {
        cx.apply(tapes::is_zero(), any)?
    } else {
        any
    };
    one(cx.b().reshape(any, dims)?)
}

/// `select`: of several tensors the first whose condition holds.
pub fn select(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let conditions = a.list(cx, 0, &["condlist"])?;
    let choices = a.list(cx, 1, &["choicelist"])?;
    if conditions.len() != choices.len() {
        return Err(cx.inconsistent("it takes as many conditions as choices"));
    }
    let mut result = match a.optional(cx, 2, &["default"])? {
        Some(node) => node,
        None => super::arguments::Operand::Number(0.0).node(cx)?,
    };
    for (condition, choice) in conditions.into_iter().zip(choices).rev() {
        result = cx
            .b()
            .map(super::functions::choice(), &[condition, choice, result])?;
    }
    one(result)
}

/// `unravel_index` of a vector: one vector for each axis of the shape.
pub fn unravel_index(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["indices"])?;
    let shape = a.integers(cx, 1, &["shape"])?;
    let shape = a.required(cx, shape, "shape")?;
    if cx.dims(x).len() != 1 {
        return Err(cx.inconsistent(
            "Keras gives other coordinates on TensorFlow than elsewhere unless the indices are a vector: reshape them \
             before and after",
        ));
    }
    let mut results = Vec::new();
    for (axis, &extent) in shape.iter().enumerate() {
        let stride: f64 = shape[axis + 1..].iter().map(|&n| n as f64).product();
        let mut t = TapeBuilder::new(1);
        let index = t.input(0);
        let (stride, extent) = (t.constant(stride as f32), t.constant(extent as f32));
        let place = t.binary(Binary::Div, index, stride);
        let place = t.unary(Unary::Floor, place);
        let wraps = t.binary(Binary::Div, place, extent);
        let wraps = t.unary(Unary::Floor, wraps);
        let wraps = t.binary(Binary::Mul, wraps, extent);
        let place = t.binary(Binary::Sub, place, wraps);
        results.push(KerasTensor::new(cx.b().map(t.finish(place), &[x])?));
    }
    Ok(results)
}
