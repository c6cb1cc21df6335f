//! Chains of scalar functions fused into one.

use super::operands::{MAX_MAP, check_steps, compose, tidy};
use super::{Log, Reason, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Map, Op};
use crate::pointwise::{Binary, Instr, Unary};
use crate::tensor::Shape;

/// Fuses a map into the map that uses it, and brings the operands of maps into the simplest form: constants that are a
/// single number stand in the tape, no operand is listed twice, none is listed that is not used.
///
/// Bit for bit the same. A map is fused if it has as many elements as the result (one that is broadcast would be
/// computed again for every copy), and if it has no other user, or is cheaper to compute than to read: see [`is_cheap`].
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    let mut changes = 0;
    for id in graph.order() {
        if !graph.contains(id) {
            continue;
        }
        changes += usize::from(simplify(graph, id)?);
        while let Some((map, inputs, gone)) = fuse_one(graph, id, log) {
            log.done(rewrite::name(graph, gone), rewrite::name(graph, id));
            rewrite::replace(graph, id, map, &inputs)?;
            changes += 1;
        }
    }
    Ok(changes)
}

/// Tidies the operands of a map unless that would change its shape. Whether something changed.
fn simplify(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Op::Map(map) = graph.op(id) else {
        return Ok(false);
    };
    let inputs = graph.inputs_of(id);
    let (tape, kept) = tidy(graph, 0, &map.tape, inputs);
    let changed = tape != map.tape || kept != inputs;
    if !changed || kept.is_empty() || !fills(graph, &kept, id) {
        return Ok(false);
    }
    rewrite::replace(graph, id, Map { tape }, &kept)?;
    Ok(true)
}

/// Whether operands broadcast to the shape of `id`: a constant that has become a number in the tape may have been the
/// only one of that shape.
fn fills(graph: &Graph, operands: &[NodeId], id: NodeId) -> bool {
    let shape = operands.iter().try_fold(Shape::default(), |shape, &operand| {
        shape.broadcast(&graph.ty(operand).shape)
    });
    shape.as_ref() == Some(&graph.ty(id).shape)
}

/// The map `id` with one of its inputs fused into it, and that input.
fn fuse_one(graph: &Graph, id: NodeId, log: &mut Log) -> Option<(Map, Vec<NodeId>, NodeId)> {
    let Op::Map(outer) = graph.op(id) else { return None };
    for (at, &input) in graph.inputs_of(id).iter().enumerate() {
        let Op::Map(inner) = graph.op(input) else { continue };
        match fuse(graph, id, outer, at, inner) {
            Ok((map, inputs)) => return Some((map, inputs, input)),
            Err(reason) => log.missed(rewrite::name(graph, input), reason),
        }
    }
    None
}

/// Most users in which a map is computed again. All of them are looked at for each of them.
const MAX_COPIES: usize = 64;

/// Whether to compute a map again in each of its users, so that its value need not be written and read: if all users
/// are maps of the same shape, if it is one or two steps of arithmetic, and if it reads no more than its users
/// then do. Not if it can become the epilogue of what produces its input: there it is free.
fn is_cheap(graph: &Graph, id: NodeId, map: &Map) -> bool {
    let ty = graph.ty(id);
    let takes = |user: NodeId| matches!(graph.op(user), Op::Map(_)) && graph.ty(user).shape == ty.shape;
    let is_free = |input: NodeId| {
        graph.op(input).epilogue().is_some() && graph.ty(input) == ty && graph.sole_user(input) == Some(id)
    };
    let inputs = graph.inputs_of(id);
    let large = inputs.iter().filter(|&&input| graph.ty(input).shape == ty.shape);
    map.tape.cost() <= 2
        && map.tape.instrs().iter().all(is_arithmetic)
        && inputs.len() <= 3
        && large.count() <= 1
        && graph.user_count(id) <= MAX_COPIES
        && graph
            .users(id)
            .into_iter()
            .all(|user| takes(user) && graph.inputs_of(user).len() + 2 <= MAX_MAP)
        && !inputs.iter().any(|&input| is_free(input))
}

/// Instructions that cost about one cycle.
fn is_arithmetic(instr: &Instr) -> bool {
    use Binary::{Add, Max, Min, Mul, Sub};
    match instr {
        Instr::Input(_) | Instr::Const(_) | Instr::Unary(Unary::Neg | Unary::Abs, _) => true,
        Instr::Binary(op, ..) => matches!(op, Add | Sub | Mul | Min | Max),
        _ => false,
    }
}

fn fuse(
    graph: &Graph,
    id: NodeId,
    outer: &Map,
    at: usize,
    inner: &Map,
) -> Result<(Map, Vec<NodeId>), Reason> {
    let input = graph.inputs_of(id)[at];
    let here = || rewrite::name(graph, input);
    if graph.is_output(input) {
        return Err(Reason::IsOutput(here()));
    }
    if graph.sole_user(input) != Some(id) && !is_cheap(graph, input, inner) {
        return Err(Reason::SharedValue(here()));
    }
    if graph.ty(input).shape != graph.ty(id).shape {
        return Err(Reason::Broadcast(here()));
    }
    check_steps(graph, id, &inner.tape, &outer.tape)?;
    let mut nodes = graph.inputs_of(input).to_vec();
    nodes.extend(
        graph
            .inputs_of(id)
            .iter()
            .copied()
            .filter(|&other| other != input),
    );
    let composed = compose(&inner.tape, &outer.tape, at);
    let (mut tape, mut inputs) = tidy(graph, 0, &composed, &nodes);
    if !fills(graph, &inputs, id) {
        (tape, inputs) = (composed, nodes);
    }
    if inputs.len() > MAX_MAP {
        return Err(Reason::TooManyInputs {
            name: rewrite::name(graph, id),
            inputs: inputs.len(),
            limit: MAX_MAP,
        });
    }
    Ok((Map { tape }, inputs))
}
