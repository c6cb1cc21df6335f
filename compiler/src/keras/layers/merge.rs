//! Merging layers: `keras.layers.Add`, `Subtract`, `Multiply`, `Average`, `Maximum`, `Minimum`, `Concatenate`, `Dot`.

use super::context::{Cx, KerasTensor, Outcome, Stop, one};
use super::mask;
use super::normalize::unit_length;
use crate::error::ErrorKind;
use crate::graph::NodeId;
use crate::keras::ranges::AXIS;
use crate::ops::MatMul;
use crate::pointwise::{Binary, Tape};
use crate::tensor::Shape;

/// `Add`.
pub fn add(cx: &mut Cx<'_>) -> Outcome {
    elementwise(cx, Binary::Add, None)
}

/// `Subtract`.
pub fn subtract(cx: &mut Cx<'_>) -> Outcome {
    match cx.inputs().len() {
        2 => elementwise(cx, Binary::Sub, None),
        other => Err(wrong_count(cx, "two tensors", other)),
    }
}

/// `Multiply`.
pub fn multiply(cx: &mut Cx<'_>) -> Outcome {
    elementwise(cx, Binary::Mul, None)
}

/// `Average`.
pub fn average(cx: &mut Cx<'_>) -> Outcome {
    let count = cx.inputs().len();
    elementwise(cx, Binary::Add, Some(1.0 / count.max(1) as f64))
}

/// `Maximum`.
pub fn maximum(cx: &mut Cx<'_>) -> Outcome {
    elementwise(cx, Binary::Max, None)
}

/// `Minimum`.
pub fn minimum(cx: &mut Cx<'_>) -> Outcome {
    elementwise(cx, Binary::Min, None)
}

pub fn wrong_count(cx: &Cx<'_>, needed: &str, found: usize) -> Stop {
    let message = format!("it takes {needed}, but is called with {found}");
    cx.site.config.error(ErrorKind::BadGraph(message)).into()
}

/// Combines the inputs from first to last, then scales. An input of lower rank gets axes after the batch.
fn elementwise(cx: &mut Cx<'_>, op: Binary, scale: Option<f64>) -> Outcome {
    let r = cx.read();
    r.finish(cx)?;
    elements(cx, op, scale)
}

/// The same of a layer whose config has been read.
pub fn elements(cx: &mut Cx<'_>, op: Binary, scale: Option<f64>) -> Outcome {
    let values = cx.inputs();
    let rank = values.iter().map(|v| cx.dims(v.node).len()).max().unwrap_or(0);
    let mask = mask::merged(cx, &values)?;
    let mut parts = Vec::new();
    for value in &values {
        // In Keras, what gets axes loses its mask.
        let mask = value.mask.filter(|_| cx.dims(value.node).len() == rank);
        let node = with_rank(cx, value.node, rank)?;
        parts.push(KerasTensor { node, mask });
    }
    let masked = cx.is_keras3() && parts.iter().any(|part| part.mask.is_some());
    let node = match op {
        Binary::Mul if masked => masked_product(cx, &parts)?,
        Binary::Max | Binary::Min if masked => masked_extremum(cx, op, &parts)?,
        _ => combined(cx, op, parts.iter().map(|part| part.node))?,
    };
    let node = match scale {
        Some(scale) => cx.apply(Tape::binary_const(Binary::Mul, scale as f32), node)?,
        None => node,
    };
    Ok(vec![KerasTensor { node, mask }])
}

fn combined(cx: &mut Cx<'_>, op: Binary, nodes: impl IntoIterator<Item = NodeId>) -> Result<NodeId, Stop> {
    let mut result: Option<NodeId> = None;
    for node in nodes {
        result = Some(match result {
            None => node,
            Some(before) => cx.b().map(Tape::binary(op), &[before, node])?,
        });
    }
    result.ok_or_else(|| wrong_count(cx, "two tensors or more", 0))
}

/// `Multiply._merge_function` of Keras 3: what is masked counts as 1 and, if all inputs have masks and none of them keeps an
/// element, as 0 in the end. Keras 2 multiplies what there is.
fn masked_product(cx: &mut Cx<'_>, parts: &[KerasTensor]) -> Result<NodeId, Stop> {
    let mut factors = Vec::new();
    let mut kept = Vec::new();
    for part in parts {
        factors.push(match part.mask {
            Some(mask) => {
                let mask = of_elements(cx, mask, part.node)?;
                kept.push(mask);
                cx.b().map(mask::kept_or(1.0), &[part.node, mask])?
            }
            None => part.node,
        });
    }
    let product = combined(cx, Binary::Mul, factors)?;
    if kept.len() < parts.len() {
        return Ok(product);
    }
    let kept = combined(cx, Binary::Max, kept)?;
    Ok(cx.b().map(mask::kept_or(0.0), &[product, kept])?)
}

/// `_apply_merge_op_and_or_mask` of Keras 3: where one of two is masked, the other one stands for it. Keras 2 compares what
/// there is.
fn masked_extremum(cx: &mut Cx<'_>, op: Binary, parts: &[KerasTensor]) -> Result<NodeId, Stop> {
    let mut result: Option<(NodeId, Option<NodeId>)> = None;
    for part in parts {
        let mask = match part.mask {
            Some(mask) => Some(of_elements(cx, mask, part.node)?),
            None => None,
        };
        let Some((mut before, kept)) = result else {
            result = Some((part.node, mask));
            continue;
        };
        let mut x = part.node;
        if let Some(mask) = mask {
            x = cx.b().map(mask::select(), &[mask, x, before])?;
        }
        if let Some(kept) = kept {
            before = cx.b().map(mask::select(), &[kept, before, x])?;
        }
        let both = match (kept, mask) {
            (Some(kept), Some(mask)) => Some(cx.b().map(Tape::binary(Binary::Max), &[kept, mask])?),
            _ => None,
        };
        result = Some((cx.b().map(Tape::binary(op), &[before, x])?, both));
    }
    let result = result.map(|(node, _)| node);
    result.ok_or_else(|| wrong_count(cx, "two tensors or more", 0))
}

/// A mask with an axis more, so that it holds for all features of a step of `x`.
fn of_elements(cx: &mut Cx<'_>, mask: NodeId, x: NodeId) -> Result<NodeId, Stop> {
    let rank = cx.dims(mask).len();
    let mask = mask::with_axis(cx, mask, rank)?;
    mask::check_broadcast(cx, mask, x)?;
    Ok(mask)
}

/// Inserts axes of extent 1 after the batch.
fn with_rank(cx: &mut Cx<'_>, node: NodeId, rank: usize) -> Result<NodeId, Stop> {
    let node = cx.float(node)?;
    let mut dims = cx.dims(node);
    if dims.len() < rank && !dims.is_empty() {
        let missing = rank - dims.len();
        dims.splice(1..1, vec![1; missing]);
    }
    Ok(cx.b().reshape(node, dims)?)
}

/// `Concatenate`.
pub fn concatenate(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axis = r.i64_or("axis", -1, AXIS);
    r.finish(cx)?;
    joined(cx, axis)
}

/// All inputs side by side along an axis.
pub fn joined(cx: &mut Cx<'_>, axis: i64) -> Outcome {
    let values = cx.inputs();
    let Some(first) = values.first() else {
        return Err(wrong_count(cx, "two tensors or more", 0));
    };
    let axis = cx.axis(axis, cx.dims(first.node).len())?;
    let mut parts = Vec::new();
    for value in &values {
        parts.push(cx.float(value.node)?);
    }
    let node = cx.b().concat(axis, &parts)?;
    let mask = mask::concatenated(cx, &values, axis)?;
    Ok(vec![KerasTensor { node, mask }])
}

/// `Dot`: contracts one axis of each of two tensors, sample by sample.
pub fn dot(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = r.ints_or("axes", &[], AXIS);
    let normalize = r.flag("normalize", false);
    r.finish(cx)?;
    let values = cx.inputs();
    let [a, b] = values[..] else {
        return Err(wrong_count(cx, "two tensors", values.len()));
    };
    let axes = match axes[..] {
        [both] => [both; 2],
        [first, second] => [first, second],
        _ => return Err(cx.inconsistent(format!("axes {axes:?} are not two"))),
    };
    let (mut a, mut b) = (cx.float(a.node)?, cx.float(b.node)?);
    let first = cx.axis(axes[0], cx.dims(a).len())?;
    let second = cx.axis(axes[1], cx.dims(b).len())?;
    if normalize {
        a = unit_length(cx, a, &[first], 1e-12)?;
        b = unit_length(cx, b, &[second], 1e-12)?;
    }
    one(batch_dot(cx, [a, b], [first, second])?)
}

/// Σ over `axes[0]` of `a` and `axes[1]` of `b` for every sample: the other axes of `a`, then those of `b`.
pub fn batch_dot(cx: &mut Cx<'_>, [a, b]: [NodeId; 2], axes: [usize; 2]) -> Result<NodeId, Stop> {
    let (da, db) = (cx.dims(a), cx.dims(b));
    if axes.contains(&0) || da[axes[0]] != db[axes[1]] || da[0] != db[0] {
        return Err(cx.inconsistent(format!(
            "axes {axes:?} of shapes {} and {} cannot be contracted",
            Shape::new(da),
            Shape::new(db)
        )));
    }
    let rest =
        |dims: &[usize], axis: usize| -> Vec<usize> { (1..dims.len()).filter(|&i| i != axis).collect() };
    let (ra, rb) = (rest(&da, axes[0]), rest(&db, axes[1]));
    let extents = |dims: &[usize], axes: &[usize]| -> Vec<usize> { axes.iter().map(|&i| dims[i]).collect() };
    let (ea, eb) = (extents(&da, &ra), extents(&db, &rb));
    let contracted = da[axes[0]];
    let rows = cx.b().transpose(a, [&[0][..], &ra, &[axes[0]]].concat())?;
    let rows = cx.b().reshape(rows, [da[0], ea.iter().product(), contracted])?;
    let columns = cx.b().transpose(b, [&[0, axes[1]][..], &rb].concat())?;
    let columns = cx
        .b()
        .reshape(columns, [da[0], contracted, eb.iter().product()])?;
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let product = cx.b().add(op, &[rows, columns])?;
    let mut dims = [&da[..1], &ea, &eb].concat();
    if dims.len() == 1 {
        dims.push(1);
    }
    Ok(cx.b().reshape(product, dims)?)
}
