//! Chains of scalar functions fused into one.

use super::operands::{MAX_MAP, compose, tidy};
use super::{Log, Reason, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Map, Op};
use crate::tensor::Shape;

/// Fuses a map into the map that uses it, and brings the operands of maps into the simplest form: constants that are a
/// single number stand in the tape, no operand is listed twice, none is listed that is not used.
///
/// Bit for bit the same. A map is fused if it has no other user and as many elements as the result: one
/// that is broadcast would be computed again for every copy. Maps with several users stay, even cheap ones:
/// fusing them saves no read or write as long as one user needs the value in memory, and where they follow an operation
/// with an epilogue they cost nothing there.
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
    let shape = kept.iter().try_fold(Shape::default(), |shape, &input| {
        shape.broadcast(&graph.ty(input).shape)
    });
    let changed = tape != map.tape || kept != inputs;
    if !changed || kept.is_empty() || shape.as_ref() != Some(&graph.ty(id).shape) {
        return Ok(false);
    }
    rewrite::replace(graph, id, Map { tape }, &kept)?;
    Ok(true)
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
    if graph.sole_user(input) != Some(id) {
        return Err(Reason::SharedValue(here()));
    }
    if graph.ty(input).shape != graph.ty(id).shape {
        return Err(Reason::Broadcast(here()));
    }
    let mut nodes = graph.inputs_of(input).to_vec();
    nodes.extend(
        graph
            .inputs_of(id)
            .iter()
            .copied()
            .filter(|&other| other != input),
    );
    let (tape, inputs) = tidy(graph, 0, &compose(&inner.tape, &outer.tape, at), &nodes);
    if inputs.len() > MAX_MAP {
        return Err(Reason::TooManyInputs {
            name: rewrite::name(graph, id),
            inputs: inputs.len(),
            limit: MAX_MAP,
        });
    }
    Ok((Map { tape }, inputs))
}
