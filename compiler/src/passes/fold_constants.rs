//! Constant folding.

use super::{Log, Reason, rewrite};
use crate::budget::Resource;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Op};
use crate::tensor::Tensor;

/// A result of up to so many bytes is always worth storing.
const SMALL: usize = 4096;
/// A larger one may have so many times the bytes of what it is computed from.
const GROWTH: usize = 2;
/// The reference evaluation is slow: beyond so many elements or operations only reshapes, which copy nothing, are
/// folded.
const EVALUATED: usize = 1 << 20;

/// Replaces nodes whose inputs are all constants by their value.
///
/// Evaluates by [`Op::eval`], so the value is that of the reference. Leaves nodes whose value would enlarge the
/// model (rows picked from an embedding table, a tensor that is broadcast) or take long to compute.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    let mut folded = 0;
    for id in graph.order() {
        let Some(inputs) = constant_inputs(graph, id) else {
            continue;
        };
        let bytes = 4 * graph.ty(id).shape.count();
        let before: usize = inputs.iter().map(|t| 4 * t.shape().count()).sum();
        if bytes > SMALL && bytes > GROWTH * before {
            log.missed(rewrite::name(graph, id), Reason::TooLarge { bytes });
            continue;
        }
        if is_slow(graph, id) {
            log.missed(rewrite::name(graph, id), Reason::TooSlow);
            continue;
        }
        if !graph.budget().spare(Resource::Made, added(graph, id) as u64) {
            log.missed(rewrite::name(graph, id), Reason::TooLarge { bytes });
            continue;
        }
        let value = graph.op(id).eval(&inputs)?.remove(0);
        rewrite::replace(graph, id, Constant(value), &[])?;
        folded += 1;
    }
    Ok(folded)
}

/// Whether to leave a node to run time.
fn is_slow(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let inputs: Vec<_> = node.inputs.iter().map(|&input| graph.ty(input)).collect();
    let each = node.op.as_scan().map_or(1, |scan| scan.steps * scan.body.len());
    let steps = node
        .op
        .flops(&inputs, &node.types)
        .max(graph.ty(id).shape.count().max(each) as u64);
    if matches!(node.op, Op::Reshape(_)) {
        return false;
    }
    steps > EVALUATED as u64 || !graph.budget().spare(Resource::Folded, steps)
}

/// Bytes that the value of a node adds to what is in memory.
fn added(graph: &Graph, id: NodeId) -> usize {
    match graph.op(id) {
        Op::Reshape(_) => 0,
        _ => 4 * graph.ty(id).shape.count(),
    }
}

/// The inputs of a node if it has some, all constant, and one result.
fn constant_inputs(graph: &Graph, id: NodeId) -> Option<Vec<&Tensor>> {
    let node = graph.node(id);
    if node.inputs.is_empty() || node.types.len() != 1 {
        return None;
    }
    node.inputs.iter().map(|&input| graph.constant(input)).collect()
}
