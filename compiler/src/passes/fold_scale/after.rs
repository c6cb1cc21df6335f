//! Handing a scale and shift to the operations that use the value.

use super::before::{check_weights, passes_pool};
use super::{Affine, Edit, What};
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::passes::linear::Linear;
use crate::passes::log::Reason;
use crate::passes::rewrite::name;

/// The edits after which all users of `id`, the node that applies `affine`, can use its input instead.
///
/// Goes through what only moves values: reshapes, transposes, padding if nothing is added, and means. Every user
/// must take it up: else the map would stay, and nothing be gained.
pub fn plan(graph: &Graph, id: NodeId, affine: Affine) -> Result<Vec<Edit>, Reason> {
    let mut edits = Vec::new();
    visit(graph, id, &affine, &mut edits)?;
    Ok(edits)
}

fn visit(graph: &Graph, id: NodeId, affine: &Affine, edits: &mut Vec<Edit>) -> Result<(), Reason> {
    if graph.is_output(id) {
        return Err(Reason::IsOutput(name(graph, id)));
    }
    for user in graph.users(id) {
        // Only as the first input is a value what the operation is linear in, and never twice.
        let uses = graph.inputs_of(user).iter().filter(|&&input| input == id).count();
        if uses != 1 || graph.inputs_of(user)[0] != id {
            return Err(no_place(graph, user));
        }
        match Linear::of(graph, user) {
            Some(linear) => edits.push(inputs(graph, &linear, affine.clone())?),
            None => through(graph, id, user, affine, edits)?,
        }
    }
    Ok(())
}

fn no_place(graph: &Graph, user: NodeId) -> Reason {
    Reason::NoPlace {
        name: name(graph, user),
        op: graph.op(user).name(),
    }
}

/// Goes on to the users of `user`.
fn through(
    graph: &Graph,
    id: NodeId,
    user: NodeId,
    affine: &Affine,
    edits: &mut Vec<Edit>,
) -> Result<(), Reason> {
    match graph.op(user) {
        Op::Reshape(_) => {
            let (from, to) = (&graph.ty(id).shape, &graph.ty(user).shape);
            let other_axis = || Reason::OtherAxis(name(graph, user));
            visit(
                graph,
                user,
                &affine.clone().reshaped(from, to).ok_or_else(other_axis)?,
                edits,
            )
        }
        Op::Transpose(op) => {
            let axis = affine
                .axis
                .map(|axis| op.perm.iter().position(|&a| a == axis).unwrap_or(axis));
            visit(
                graph,
                user,
                &Affine {
                    axis,
                    ..affine.clone()
                },
                edits,
            )
        }
        Op::Pad(op) if op.value == 0.0 && !affine.is_scaling() => Err(Reason::Padded(name(graph, user))),
        Op::Pad(op) if op.value == 0.0 && affine.axis.is_none_or(|axis| op.pads[axis] == (0, 0)) => {
            visit(graph, user, affine, edits)
        }
        Op::Pool(op) if passes_pool(op, affine) => visit(graph, user, affine, edits),
        Op::Map(_) => Err(Reason::InBetween(name(graph, user))),
        _ => Err(no_place(graph, user)),
    }
}

/// The edit of a linear operation.
fn inputs(graph: &Graph, linear: &Linear, affine: Affine) -> Result<Edit, Reason> {
    let id = linear.id;
    let here = || name(graph, id);
    if linear.pads() && !affine.is_scaling() {
        return Err(Reason::Padded(here()));
    }
    let shape = &graph.ty(graph.inputs_of(id)[0]).shape;
    let channels = shape.rank() - 1;
    let affine = affine
        .along(channels, shape[channels])
        .ok_or_else(|| Reason::OtherAxis(here()))?;
    check_weights(graph, linear, !affine.is_shift())?;
    Ok(Edit {
        node: id,
        what: What::Inputs {
            scale: affine.scale,
            shift: affine.shift,
        },
    })
}
