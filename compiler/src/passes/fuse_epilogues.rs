//! Scalar functions applied to results before they are written.

use super::operands::{MAX_EPILOGUE, compose, tidy, tidy_epilogue};
use super::{Log, Reason, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Map, Op};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Fuses a map into the operation that produces one of its inputs: activations, residual additions, what is left of
/// normalisations. Other inputs of the map become operands of the epilogue.
///
/// Bit for bit the same as far as the reference goes. The producer must have an epilogue, no other user and as many
/// elements as the map. Where several inputs qualify, as in a residual addition of two convolutions, the one
/// furthest from the graph's inputs takes the map up: the others are needed by then in any order. No cycle can
/// arise: an operand that depended on the producer would be another user of it, or depend on the map itself.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    rewrite::exhaust(graph, log, |graph, log| {
        let mut fused = 0;
        let order = graph.order();
        let depth = depths(graph, &order);
        for id in order {
            if graph.contains(id) {
                fused += usize::from(tidy_epilogue(graph, id)?);
                fused += usize::from(fuse_map(graph, id, &depth, log)?);
            }
        }
        Ok(fused)
    })
}

/// Fuses a node, if it is a map, into the best producer that takes it. Whether one did.
fn fuse_map(graph: &mut Graph, id: NodeId, depth: &HashMap<NodeId, usize>, log: &mut Log) -> Result<bool> {
    let Op::Map(map) = graph.op(id) else {
        return Ok(false);
    };
    let mut inputs: Vec<_> = graph.inputs_of(id).iter().copied().enumerate().collect();
    // The sort is stable: among equals, the first input.
    inputs.sort_by_key(|(_, input)| Reverse(depth.get(input).copied()));
    for (at, producer) in inputs {
        if graph.op(producer).epilogue().is_none() {
            continue;
        }
        match fuse(graph, id, map, at, producer) {
            Ok((op, nodes)) => {
                log.done(rewrite::name(graph, id), rewrite::name(graph, producer));
                graph.replace(producer, op, &nodes)?;
                rewrite::substitute(graph, id, producer)?;
                return Ok(true);
            }
            Err(reason) => log.missed(rewrite::name(graph, id), reason),
        }
    }
    Ok(false)
}

/// Length of the longest way from an input to each node.
fn depths(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, usize> {
    let mut depths = HashMap::new();
    for &id in order {
        let before = graph
            .inputs_of(id)
            .iter()
            .filter_map(|input| depths.get(input))
            .max();
        let depth = before.map_or(0, |depth| depth + 1);
        depths.insert(id, depth);
    }
    depths
}

/// The producer with the map in its epilogue, and its inputs.
fn fuse(
    graph: &Graph,
    id: NodeId,
    map: &Map,
    at: usize,
    producer: NodeId,
) -> Result<(Op, Vec<NodeId>), Reason> {
    let here = || rewrite::name(graph, producer);
    let no_place = || Reason::NoPlace {
        name: here(),
        op: graph.op(producer).name(),
    };
    let (epilogue, first) = graph.op(producer).epilogue().ok_or_else(no_place)?;
    if graph.is_output(producer) {
        return Err(Reason::IsOutput(here()));
    }
    if graph.sole_user(producer) != Some(id) {
        return Err(Reason::SharedValue(here()));
    }
    if graph.ty(producer) != graph.ty(id) {
        return Err(Reason::Broadcast(here()));
    }
    let (base, operands) = graph.inputs_of(producer).split_at(first);
    let mut nodes = operands.to_vec();
    nodes.extend(
        graph
            .inputs_of(id)
            .iter()
            .copied()
            .filter(|&input| input != producer),
    );
    let (tape, operands) = tidy(graph, 1, &compose(epilogue, &map.tape, at), &nodes);
    if operands.len() > MAX_EPILOGUE {
        return Err(Reason::TooManyInputs {
            name: here(),
            inputs: operands.len(),
            limit: MAX_EPILOGUE,
        });
    }
    let op = graph.op(producer).with_epilogue(tape).ok_or_else(no_place)?;
    Ok((op, [base, &operands].concat()))
}
