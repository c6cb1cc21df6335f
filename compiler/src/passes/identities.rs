//! Operations that change nothing, and pairs of operations that are one.

use super::{Log, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Concat, Map, Op, Pad, Reduce, Reshape, Slice, Transpose};
use crate::tensor::DType;

/// Removes what changes nothing (identity maps, reshapes to the same shape, empty padding, slices of everything,
/// concatenation of one part) and merges pairs: reshapes, transposes, slices, paddings, concatenations, and a slice of
/// a concatenation that lies in one part.
///
/// Bit for bit the same. Goes on until nothing of this kind is left.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    rewrite::exhaust(graph, log, |graph, _| {
        let mut changes = 0;
        for id in graph.order() {
            while graph.contains(id) && step(graph, id)? {
                changes += 1;
            }
        }
        Ok(changes)
    })
}

/// What a node can be replaced by.
enum Simpler {
    /// The value of another node.
    Node(NodeId),
    /// Another operation on other inputs.
    Op(Op, Vec<NodeId>),
}

/// Simplifies a node once, if there is a way.
fn step(graph: &mut Graph, id: NodeId) -> Result<bool> {
    match simpler(graph, id) {
        Some(Simpler::Node(other)) => rewrite::substitute(graph, id, other)?,
        Some(Simpler::Op(op, inputs)) => rewrite::replace(graph, id, op, &inputs)?,
        None => return Ok(false),
    }
    Ok(true)
}

fn simpler(graph: &Graph, id: NodeId) -> Option<Simpler> {
    let &first = graph.inputs_of(id).first()?;
    match graph.op(id) {
        Op::Map(map) => identity_map(graph, map, first),
        Op::Reshape(op) => reshape(graph, op, first),
        Op::Transpose(op) => transpose(graph, op, first),
        Op::Pad(op) => pad(graph, op, first),
        Op::Slice(op) => slice(graph, op, first),
        Op::Concat(op) => concat(graph, id, op),
        Op::Reduce(op) => reduce(graph, id, op),
        _ => None,
    }
}

/// Not of integers: those are converted.
fn identity_map(graph: &Graph, map: &Map, x: NodeId) -> Option<Simpler> {
    (map.tape.is_identity() && graph.ty(x).dtype == DType::F32).then_some(Simpler::Node(x))
}

fn reshape(graph: &Graph, op: &Reshape, x: NodeId) -> Option<Simpler> {
    if graph.ty(x).shape == op.shape {
        return Some(Simpler::Node(x));
    }
    matches!(graph.op(x), Op::Reshape(_)).then(|| Simpler::Op(op.clone().into(), graph.inputs_of(x).to_vec()))
}

/// A transpose that keeps the order of all axes longer than 1 only changes the shape.
fn transpose(graph: &Graph, op: &Transpose, x: NodeId) -> Option<Simpler> {
    let shape = &graph.ty(x).shape;
    if op.perm.iter().filter(|&&axis| shape[axis] != 1).is_sorted() {
        let dims: Vec<_> = op.perm.iter().map(|&axis| shape[axis]).collect();
        return Some(Simpler::Op(Reshape { shape: dims.into() }.into(), vec![x]));
    }
    let Op::Transpose(inner) = graph.op(x) else {
        return None;
    };
    let perm = op.perm.iter().map(|&axis| inner.perm[axis]).collect();
    Some(Simpler::Op(
        Transpose { perm }.into(),
        graph.inputs_of(x).to_vec(),
    ))
}

fn pad(graph: &Graph, op: &Pad, x: NodeId) -> Option<Simpler> {
    if op.pads.iter().all(|&pads| pads == (0, 0)) {
        return Some(Simpler::Node(x));
    }
    match graph.op(x) {
        Op::Pad(inner) if inner.value.to_bits() == op.value.to_bits() => {
            let pads = op
                .pads
                .iter()
                .zip(&inner.pads)
                .map(|(a, b)| (a.0 + b.0, a.1 + b.1))
                .collect();
            let pad = Pad {
                pads,
                value: op.value,
            };
            Some(Simpler::Op(pad.into(), graph.inputs_of(x).to_vec()))
        }
        _ => None,
    }
}

fn slice(graph: &Graph, op: &Slice, x: NodeId) -> Option<Simpler> {
    if op.sizes == graph.ty(x).shape.dims() && op.steps.iter().all(|&step| step == 1) {
        return Some(Simpler::Node(x));
    }
    match graph.op(x) {
        Op::Slice(inner) => Some(Simpler::Op(
            slice_of_slice(op, inner).into(),
            graph.inputs_of(x).to_vec(),
        )),
        Op::Concat(inner) => slice_of_concat(graph, op, x, inner.axis),
        _ => None,
    }
}

/// Element `i` is element `start + i * step` of the inner slice.
fn slice_of_slice(outer: &Slice, inner: &Slice) -> Slice {
    let axes = 0..outer.sizes.len();
    let start = |a: usize| inner.starts[a].strict_add_signed(outer.starts[a] as isize * inner.steps[a]);
    Slice {
        starts: axes.clone().map(start).collect(),
        sizes: outer.sizes.clone(),
        steps: axes.map(|a| outer.steps[a] * inner.steps[a]).collect(),
    }
}

/// The slice of the part in which its first and last element lie.
fn slice_of_concat(graph: &Graph, op: &Slice, concat: NodeId, axis: usize) -> Option<Simpler> {
    let first = op.starts[axis];
    let last = first.strict_add_signed((op.sizes[axis] as isize - 1) * op.steps[axis]);
    let mut start = 0;
    for &part in graph.inputs_of(concat) {
        let extent = graph.ty(part).shape[axis];
        if (start..start + extent).contains(&first) && (start..start + extent).contains(&last) {
            let mut op = op.clone();
            op.starts[axis] -= start;
            return Some(Simpler::Op(op.into(), vec![part]));
        }
        start += extent;
    }
    None
}

/// A part that is a concatenation along the same axis, for this node only, gives its own parts.
fn concat(graph: &Graph, id: NodeId, op: &Concat) -> Option<Simpler> {
    let parts = graph.inputs_of(id);
    if let [only] = parts {
        return Some(Simpler::Node(*only));
    }
    let at = parts.iter().position(|&part| {
        matches!(graph.op(part), Op::Concat(inner) if inner.axis == op.axis)
            && graph.sole_user(part) == Some(id)
    })?;
    let mut flat = parts.to_vec();
    flat.splice(at..=at, graph.inputs_of(parts[at]).iter().copied());
    Some(Simpler::Op(op.clone().into(), flat))
}

/// A reduction over nothing but axes of extent 1 is its epilogue.
fn reduce(graph: &Graph, id: NodeId, op: &Reduce) -> Option<Simpler> {
    let x = graph.ty(graph.inputs_of(id)[0]);
    op.axes.iter().all(|&axis| x.shape[axis] == 1).then(|| {
        let tape = op.epilogue.clone();
        Simpler::Op(Map { tape }.into(), graph.inputs_of(id).to_vec())
    })
}
