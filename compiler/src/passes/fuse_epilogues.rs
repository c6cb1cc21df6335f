//! Scalar functions applied to results before they are written.

use super::operands::{MAX_EPILOGUE, check_steps, compose, tidy, tidy_epilogue};
use super::sink::operand::{Operand, before_reshape};
use super::{Log, Reason, rewrite};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::ops::{Map, Op};
use crate::tensor::DType;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Fuses a map into the operation that produces one of its inputs: activations, residual additions, what is left of
/// normalisations. Other inputs of the map become operands of the epilogue. A reshape may stand in between: it
/// follows then, and the operands are reshaped instead.
///
/// Bit for bit the same as far as the reference goes. The producer must have an epilogue, no other user and as many
/// elements as the map, and what else goes into the map must be floats. Where several inputs qualify, as in a residual addition of two convolutions, the one
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

/// Fuses a node, if it is a map, into the best producer that takes it. Whether one did.
fn fuse_map(graph: &mut Graph, id: NodeId, depth: &HashMap<NodeId, usize>, log: &mut Log) -> Result<bool> {
    let Op::Map(_) = graph.op(id) else {
        return Ok(false);
    };
    let mut fusions: Vec<_> = (0..graph.inputs_of(id).len())
        .filter_map(|at| Fusion::new(graph, id, at))
        .collect();
    // The sort is stable: among equals, the first input.
    fusions.sort_by_key(|fusion| Reverse(depth.get(&fusion.producer).copied()));
    let mut reasons = Vec::new();
    for fusion in &fusions {
        if let Err(reason) = fusion.check(graph) {
            reasons.push(reason);
            continue;
        }
        log.done(rewrite::name(graph, id), rewrite::name(graph, fusion.producer));
        let map = if fusion.input == fusion.producer {
            id
        } else {
            fusion.lift(graph)?
        };
        fuse(graph, map, fusion.at, fusion.producer)?;
        return Ok(true);
    }
    // That something small cannot take a function of something large is no news if there is another candidate.
    let telling = |reason: &Reason| reasons.len() == 1 || !matches!(reason, Reason::Broadcast(_));
    let name = rewrite::name(graph, id);
    reasons
        .iter()
        .filter(|reason| telling(reason))
        .for_each(|reason| log.missed(&name, reason.clone()));
    Ok(false)
}

/// An input of a map that an operation with an epilogue produces.
struct Fusion {
    map: NodeId,
    at: usize,
    /// The input: the producer, or a reshape of its result.
    input: NodeId,
    producer: NodeId,
}

impl Fusion {
    fn new(graph: &Graph, map: NodeId, at: usize) -> Option<Self> {
        let input = graph.inputs_of(map)[at];
        let producer = match graph.op(input) {
            Op::Reshape(_) => graph.inputs_of(input)[0],
            _ => input,
        };
        graph.op(producer).epilogue().is_some().then_some(Self {
            map,
            at,
            input,
            producer,
        })
    }

    /// Whether the producer can take the map up.
    fn check(&self, graph: &Graph) -> Result<(), Reason> {
        let here = || rewrite::name(graph, self.producer);
        if graph.is_output(self.producer) || graph.is_output(self.input) {
            return Err(Reason::IsOutput(here()));
        }
        let direct = self.input == self.producer;
        if graph.sole_user(self.input) != Some(self.map)
            || !(direct || graph.sole_user(self.producer) == Some(self.input))
        {
            return Err(Reason::SharedValue(here()));
        }
        if graph.ty(self.input) != graph.ty(self.map) {
            return Err(Reason::Broadcast(here()));
        }
        if graph
            .inputs_of(self.map)
            .iter()
            .any(|&input| graph.ty(input).dtype != DType::F32)
        {
            return Err(Reason::Integers(here()));
        }
        if !direct && self.lifted(graph).is_none() {
            return Err(Reason::OtherAxis(here()));
        }
        let first = graph.op(self.producer).epilogue().map_or(0, |(_, first)| first);
        let inputs = graph.inputs_of(self.producer).len() - first + graph.inputs_of(self.map).len() - 1;
        if inputs > MAX_EPILOGUE {
            return Err(Reason::TooManyInputs {
                name: here(),
                inputs,
                limit: MAX_EPILOGUE,
            });
        }
        match (graph.op(self.producer).epilogue(), graph.op(self.map)) {
            (Some((epilogue, _)), Op::Map(map)) => check_steps(graph, self.producer, epilogue, &map.tape),
            _ => Ok(()),
        }
    }

    /// The inputs that the map has before the reshape.
    fn lifted(&self, graph: &Graph) -> Option<Vec<Operand>> {
        let (from, to) = (&graph.ty(self.producer).shape, &graph.ty(self.input).shape);
        let inputs = graph.inputs_of(self.map).iter().enumerate();
        let convert = |(i, &input)| {
            if i == self.at {
                Some(Operand::Same(self.producer))
            } else {
                before_reshape(graph, from, to, input, true)
            }
        };
        inputs.map(convert).collect()
    }

    /// Exchanges map and reshape; gives the new map.
    fn lift(&self, graph: &mut Graph) -> Result<NodeId> {
        let gone = || Error::internal("an operand that could be reshaped no longer can");
        let operands = self.lifted(graph).ok_or_else(gone)?;
        let operands = operands
            .into_iter()
            .map(|o| o.make(graph))
            .collect::<Result<Vec<_>>>()?;
        let (name, map) = (graph.node(self.map).name.clone(), graph.op(self.map).clone());
        let map = graph.add(name, map, &operands)?;
        let reshape = graph.op(self.input).clone();
        rewrite::replace(graph, self.map, reshape, &[map])?;
        Ok(map)
    }
}

/// Gives the producer of input `at` of a map, whose only user it is, the map as its epilogue.
fn fuse(graph: &mut Graph, map: NodeId, at: usize, producer: NodeId) -> Result<()> {
    let none = || Error::internal("an epilogue is gone");
    let Op::Map(Map { tape }) = graph.op(map) else {
        return Err(none());
    };
    let (epilogue, first) = graph.op(producer).epilogue().ok_or_else(none)?;
    let (base, operands) = graph.inputs_of(producer).split_at(first);
    let others = graph.inputs_of(map).iter().filter(|&&input| input != producer);
    let operands: Vec<_> = operands.iter().chain(others).copied().collect();
    let (tape, operands) = tidy(graph, 1, &compose(epilogue, tape, at), &operands);
    let op = graph.op(producer).with_epilogue(tape).ok_or_else(none)?;
    let inputs = [base, &operands].concat();
    graph.replace(producer, op, &inputs)?;
    rewrite::substitute(graph, map, producer)
}
