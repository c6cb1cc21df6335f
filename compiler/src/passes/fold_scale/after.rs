//! Handing a scale and shift to the operations that use the value.

use super::affine::{self, Affine};
use super::checks::{check_weights, passes_pool};
use super::edit::{Edit, What};
use crate::graph::{Graph, NodeId};
use crate::ops::{Op, Reduce, ReduceKind};
use crate::passes::linear::Linear;
use crate::passes::log::Reason;
use crate::passes::rewrite::name;
use crate::tensor::Shape;
use std::rc::Rc;

/// The edits after which all users of `id`, the node that applies `affine`, can use its input instead.
///
/// Goes through what only moves values: reshapes, transposes, padding if nothing is added, means and sums. Every user
/// must take it up: else the map would stay, and nothing be gained.
pub fn plan(graph: &Graph, id: NodeId, affine: Affine) -> Result<Vec<Edit>, Reason> {
    let mut edits = Vec::new();
    // What comes next stands last.
    let mut open = uses(graph, id, affine)?;
    while let Some((id, user, affine)) = open.pop() {
        if !affine::look(graph, affine.scale.len()) {
            return Err(Reason::TooSlow);
        }
        let affine = Rc::unwrap_or_clone(affine);
        // Only as the first input is a value what the operation is linear in, and never twice.
        let count = graph.inputs_of(user).iter().filter(|&&input| input == id).count();
        if count != 1 || graph.inputs_of(user)[0] != id {
            return Err(no_place(graph, user));
        }
        match Linear::of(graph, user) {
            Some(linear) => edits.push(inputs(graph, &linear, affine)?),
            None => {
                let affine = through(graph, id, user, affine)?;
                open.extend(uses(graph, user, affine)?);
            }
        }
    }
    Ok(edits)
}

/// The users of a value, last to first, each with the function that is to be taken up.
fn uses(graph: &Graph, id: NodeId, affine: Affine) -> Result<Vec<(NodeId, NodeId, Rc<Affine>)>, Reason> {
    if graph.is_output(id) {
        return Err(Reason::IsOutput(name(graph, id)));
    }
    let affine = Rc::new(affine);
    let users = graph.users(id).into_iter().rev();
    Ok(users.map(|user| (id, user, Rc::clone(&affine))).collect())
}

fn no_place(graph: &Graph, user: NodeId) -> Reason {
    Reason::NoPlace {
        name: name(graph, user),
        op: graph.op(user).name(),
    }
}

/// What the function of the input of `user` is of its result.
fn through(graph: &Graph, id: NodeId, user: NodeId, affine: Affine) -> Result<Affine, Reason> {
    let shape = |id: NodeId| &graph.ty(id).shape;
    let next = match graph.op(user) {
        Op::Reshape(_) => affine.reshaped(shape(id), shape(user)),
        Op::Transpose(op) => Some(Affine {
            axis: affine
                .axis
                .and_then(|axis| op.perm.iter().position(|&a| a == axis)),
            ..affine
        }),
        Op::Pad(op) if op.value != 0.0 || !affine.is_scaling() => {
            return Err(Reason::Padded(name(graph, user)));
        }
        Op::Pad(op) => affine
            .axis
            .is_none_or(|axis| op.pads[axis] == (0, 0))
            .then_some(affine),
        Op::Pool(op) if passes_pool(op, &affine) => Some(affine),
        Op::Reduce(op) if op.kind == ReduceKind::Sum => summed(op, shape(id), affine),
        Op::Map(_) => return Err(Reason::InBetween(name(graph, user))),
        _ => return Err(no_place(graph, user)),
    };
    next.ok_or_else(|| Reason::OtherAxis(name(graph, user)))
}

/// What `s * x + t` is after `a * sum + b`: that is `s * (a * sum + b) + (n * a * t + b - s * b)` for sums of `n`.
fn summed(op: &Reduce, shape: &Shape, affine: Affine) -> Option<Affine> {
    let (a, b) = op.epilogue.as_affine()?;
    let (a, b) = (f64::from(a), f64::from(b));
    if affine.axis.is_some_and(|axis| op.axes.contains(&axis)) {
        return None;
    }
    let n: usize = op.axes.iter().map(|&axis| shape[axis]).product();
    let pairs = affine.scale.iter().zip(&affine.shift);
    let shift = pairs.map(|(s, t)| n as f64 * a * t + b - s * b).collect();
    Some(Affine { shift, ..affine })
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
