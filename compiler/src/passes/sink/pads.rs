//! Padding sunk below slices and reshapes, towards the windows that take it up.

use super::operand::groups;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Op, Pad, Reshape, Slice};
use crate::passes::rewrite;
use crate::tensor::Shape;

/// Exchanges a slice or a reshape with the padding of its input. Whether there was one that allows it.
pub fn sink(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Some((op, pad)) = exchange(graph, id) else {
        return Ok(false);
    };
    let name = graph.node(id).name.clone();
    let x = graph.inputs_of(graph.inputs_of(id)[0])[0];
    let inner = graph.add(name, op, &[x])?;
    rewrite::replace(graph, id, pad, &[inner])?;
    Ok(true)
}

/// The operation on the value without padding, and the padding that follows.
fn exchange(graph: &Graph, id: NodeId) -> Option<(Op, Pad)> {
    let &input = graph.inputs_of(id).first()?;
    let Op::Pad(pad) = graph.op(input) else {
        return None;
    };
    if graph.sole_user(input) != Some(id) {
        return None;
    }
    let x = &graph.ty(graph.inputs_of(input)[0]).shape;
    match graph.op(id) {
        Op::Slice(slice) => of_slice(slice, pad, x),
        Op::Reshape(reshape) => of_reshape(reshape, pad, &graph.ty(input).shape),
        _ => None,
    }
}

/// What the slice takes of the value, and what it takes of the padding around.
fn of_slice(slice: &Slice, pad: &Pad, x: &Shape) -> Option<(Op, Pad)> {
    let (mut slice, mut pad) = (slice.clone(), pad.clone());
    for axis in 0..x.rank() {
        let (before, after) = pad.pads[axis];
        if (before, after) == (0, 0) {
            continue;
        }
        let (start, end) = (slice.starts[axis], slice.starts[axis] + slice.sizes[axis]);
        let (from, to) = (start.max(before), end.min(before + x[axis]));
        if slice.steps[axis] != 1 || from >= to {
            return None;
        }
        slice.starts[axis] = from - before;
        slice.sizes[axis] = to - from;
        pad.pads[axis] = (from - start, end - to);
    }
    Some((slice.into(), pad))
}

/// The reshape of the value, if every padded axis is an axis of the result too.
fn of_reshape(reshape: &Reshape, pad: &Pad, padded: &Shape) -> Option<(Op, Pad)> {
    let mut dims = reshape.shape.dims().to_vec();
    let mut pads = vec![(0, 0); dims.len()];
    for group in groups(padded, &reshape.shape) {
        let Some(axis) = group.from.clone().find(|&axis| pad.pads[axis] != (0, 0)) else {
            continue;
        };
        let to = group.to.clone().find(|&to| dims[to] == padded[axis])?;
        let alone = group
            .from
            .clone()
            .all(|other| other == axis || padded[other] == 1)
            && group.to.clone().all(|other| other == to || dims[other] == 1);
        if !alone {
            return None;
        }
        let (before, after) = pad.pads[axis];
        pads[to] = (before, after);
        dims[to] -= before + after;
    }
    let value = pad.value;
    Some((Reshape { shape: dims.into() }.into(), Pad { pads, value }))
}
