//! Handing a scale and shift to the operations that produce the value.

use super::affine::{self, Affine};
use super::checks::{check_weights, passes_pool};
use super::edit::{Edit, What};
use super::shared;
use crate::graph::{Graph, NodeId};
use crate::ops::{Gather, Op, Pad};
use crate::passes::linear::Linear;
use crate::passes::log::Reason;
use crate::passes::rewrite::name;

/// The edits after which `x` has the values of `affine(x)`.
///
/// Goes through what only moves values: reshapes, transposes, concatenation (each part gets its own piece), padding
/// whose value stays one number, and means.
pub fn plan(graph: &Graph, x: NodeId, affine: Affine) -> Result<Vec<Edit>, Reason> {
    let mut edits = Vec::new();
    let mut open = vec![(x, affine)];
    while let Some((id, affine)) = open.pop() {
        visit(graph, id, affine, &mut edits, &mut open)?;
    }
    Ok(edits)
}

/// The edit of one node, or what is left to visit before it: next is what stands last in `open`.
fn visit(
    graph: &Graph,
    id: NodeId,
    affine: Affine,
    edits: &mut Vec<Edit>,
    open: &mut Vec<(NodeId, Affine)>,
) -> Result<(), Reason> {
    if graph.is_output(id) {
        return Err(Reason::IsOutput(name(graph, id)));
    }
    if !affine::look(graph, affine.scale.len()) {
        return Err(Reason::TooSlow);
    }
    if graph.sole_user(id).is_none() {
        return Err(Reason::SharedValue(name(graph, id)));
    }
    if let Some(linear) = Linear::of(graph, id) {
        edits.push(results(graph, &linear, affine)?);
        return Ok(());
    }
    if let Op::Concat(op) = graph.op(id) {
        let first = open.len();
        let mut start = 0;
        for &part in graph.inputs_of(id) {
            let extent = graph.ty(part).shape[op.axis];
            open.push((part, piece(&affine, op.axis, start, extent)));
            start += extent;
        }
        open[first..].reverse();
        return Ok(());
    }
    let affine = through(graph, id, affine, edits)?;
    open.push((graph.inputs_of(id)[0], affine));
    Ok(())
}

/// What the function of a node's result is of its first input.
fn through(graph: &Graph, id: NodeId, affine: Affine, edits: &mut Vec<Edit>) -> Result<Affine, Reason> {
    let inputs = graph.inputs_of(id);
    let ty = |id: NodeId| &graph.ty(id).shape;
    let affine = match graph.op(id) {
        Op::Reshape(_) => affine.reshaped(ty(id), ty(inputs[0])),
        Op::Transpose(op) => Some(Affine {
            axis: affine.axis.map(|axis| op.perm[axis]),
            ..affine
        }),
        Op::Pad(op) => {
            let value = padded(op, &affine).ok_or_else(|| Reason::Padded(name(graph, id)))?;
            edits.push(Edit {
                node: id,
                what: What::Op(Op::Pad(Pad { value, ..op.clone() })),
            });
            Some(affine)
        }
        Op::Pool(op) if passes_pool(op, &affine) => Some(affine),
        Op::Slice(op) => {
            let whole = |axis: usize| op.sizes[axis] == ty(inputs[0])[axis] && op.steps[axis] == 1;
            affine.axis.is_none_or(whole).then_some(affine)
        }
        Op::Gather(op) => gathered(op, ty(inputs[1]).rank(), affine),
        Op::Map(_) => return Err(Reason::InBetween(name(graph, id))),
        op => {
            return Err(Reason::NoPlace {
                name: name(graph, id),
                op: op.name(),
            });
        }
    };
    affine.ok_or_else(|| Reason::OtherAxis(name(graph, id)))
}

/// The edit of a linear operation.
fn results(graph: &Graph, linear: &Linear, affine: Affine) -> Result<Edit, Reason> {
    let id = linear.id;
    let here = || name(graph, id);
    let shape = &graph.ty(id).shape;
    let channels = shape.rank() - 1;
    let affine = affine
        .along(channels, shape[channels])
        .ok_or_else(|| Reason::OtherAxis(here()))?;
    if !linear.epilogue.is_identity() {
        return Err(Reason::InBetween(here()));
    }
    let others = match check_weights(graph, linear, !affine.is_shift()) {
        Err(reason @ Reason::SharedWeights(_)) => shared::others(graph, id, &affine.scale).ok_or(reason)?,
        checked => checked.map(|()| Vec::new())?,
    };
    Ok(Edit {
        node: id,
        what: What::Results {
            scale: affine.scale,
            shift: affine.shift,
            others,
        },
    })
}

/// The part of a function that belongs to `extent` indices of `axis` from `start`.
fn piece(affine: &Affine, axis: usize, start: usize, extent: usize) -> Affine {
    if affine.axis != Some(axis) {
        return affine.clone();
    }
    Affine {
        axis: affine.axis,
        scale: affine.scale[start..start + extent].to_vec(),
        shift: affine.shift[start..start + extent].to_vec(),
    }
}

/// The function of values before rows of them are picked by indices of so many axes, which replace one.
fn gathered(op: &Gather, indices: usize, affine: Affine) -> Option<Affine> {
    let axis = match affine.axis {
        Some(axis) if axis >= op.axis + indices => Some(axis + 1 - indices),
        Some(axis) if axis >= op.axis => return None,
        axis => axis,
    };
    Some(Affine { axis, ..affine })
}

/// What the padding's value becomes, if it is the same for all channels.
fn padded(pad: &Pad, affine: &Affine) -> Option<f32> {
    let value = |(s, t): (&f64, &f64)| (f64::from(pad.value) * s + t) as f32;
    let mut values = affine.scale.iter().zip(&affine.shift).map(value);
    let first = values.next()?;
    let pads_channels = affine.axis.is_some_and(|axis| pad.pads[axis] != (0, 0));
    (!pads_channels && values.all(|v| v == first)).then_some(first)
}
