//! Concatenation sunk below scalar functions.

use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Map, Op, Slice};
use crate::passes::rewrite;
use crate::tensor::Shape;

/// Applies a map of a concatenation to the parts instead, if every part then takes it as an epilogue: one pass over
/// memory less. Operands may vary along the axis only if they are constants. Whether that was so.
pub fn sink(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Op::Map(map) = graph.op(id) else {
        return Ok(false);
    };
    let tape = map.tape.clone();
    let inputs = graph.inputs_of(id).to_vec();
    let Some((at, axis)) = (0..inputs.len()).find_map(|at| Some((at, axis(graph, id, inputs[at])?))) else {
        return Ok(false);
    };
    let concat = inputs[at];
    let name = graph.node(id).name.clone();
    let mut parts = Vec::new();
    let mut start = 0;
    for part in graph.inputs_of(concat).to_vec() {
        let size = graph.ty(part).shape[axis];
        let mut operands = Vec::new();
        for (i, &input) in inputs.iter().enumerate() {
            operands.push(if i == at {
                part
            } else {
                piece(graph, id, input, axis, start, size)?
            });
        }
        parts.push(graph.add(&*name, Map { tape: tape.clone() }, &operands)?);
        start += size;
    }
    let op = graph.op(concat).clone();
    rewrite::replace(graph, id, op, &parts)?;
    Ok(true)
}

/// The axis of a concatenation that can be exchanged with the map that uses it.
fn axis(graph: &Graph, id: NodeId, concat: NodeId) -> Option<usize> {
    let Op::Concat(op) = graph.op(concat) else {
        return None;
    };
    let rank = graph.ty(id).shape.rank();
    let fits = |input: NodeId| {
        input == concat
            || graph.constant(input).is_some()
            || own_axis(&graph.ty(input).shape, rank, op.axis).is_none()
    };
    let takes = |part: NodeId| graph.op(part).epilogue().is_some() && graph.sole_user(part) == Some(concat);
    let possible = graph.sole_user(concat) == Some(id)
        && graph.ty(concat).shape == graph.ty(id).shape
        && graph.inputs_of(id).iter().all(|&input| fits(input))
        && graph.inputs_of(concat).iter().all(|&part| takes(part));
    possible.then_some(op.axis)
}

/// The axis of an operand that runs along `axis` of a result of `rank` axes, if it varies along it.
fn own_axis(shape: &Shape, rank: usize, axis: usize) -> Option<usize> {
    (axis + shape.rank())
        .checked_sub(rank)
        .filter(|&axis| shape[axis] != 1)
}

/// The part of an operand that belongs to `size` indices of `axis`.
fn piece(
    graph: &mut Graph,
    id: NodeId,
    operand: NodeId,
    axis: usize,
    start: usize,
    size: usize,
) -> Result<NodeId> {
    let rank = graph.ty(id).shape.rank();
    let shape = &graph.ty(operand).shape;
    let (Some(axis), Some(tensor)) = (own_axis(shape, rank, axis), graph.constant(operand)) else {
        return Ok(operand);
    };
    let slice = Op::from(Slice::along(shape, axis, start, size));
    let value = slice.eval(&[tensor])?.remove(0);
    let name = graph.node(operand).name.clone();
    graph.add(name, Constant(value), &[])
}
