//! Common subexpressions.

use super::{Log, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::tensor::{Data, Tensor, TensorType};
use std::collections::HashMap;
use std::sync::Arc;

/// Constants are told apart by so many of their elements, evenly spread, before all are compared.
const SAMPLES: usize = 64;

/// Lets equal operations on equal inputs, and equal constants, be one node: the earlier one in topological order.
///
/// Bit for bit the same: constants and attributes are equal only if their bits are. Graph inputs are never merged, nor
/// scans that do not share their body.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    let mut known: HashMap<Key, Vec<NodeId>> = HashMap::new();
    let mut merged = 0;
    for id in graph.order() {
        let Some(key) = key(graph, id) else { continue };
        let same = known.entry(key).or_default();
        let Some(&earlier) = same.iter().find(|&&earlier| equal(graph, earlier, id)) else {
            same.push(id);
            continue;
        };
        if graph.constant(id).is_none() {
            log.done(rewrite::name(graph, id), rewrite::name(graph, earlier));
        }
        rewrite::substitute(graph, id, earlier)?;
        merged += 1;
    }
    Ok(merged)
}

/// What equal nodes have in common; unequal ones may have it too.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Constant(TensorType, Vec<u32>),
    Other(String, Vec<NodeId>),
}

fn key(graph: &Graph, id: NodeId) -> Option<Key> {
    match graph.op(id) {
        Op::Input(_) => None,
        Op::Constant(constant) => Some(Key::Constant(graph.ty(id).clone(), samples(&constant.0))),
        op => Some(Key::Other(op.to_string(), graph.inputs_of(id).to_vec())),
    }
}

fn samples(tensor: &Tensor) -> Vec<u32> {
    // The shape of a number has no elements.
    let step = tensor.shape().count().div_ceil(SAMPLES).max(1);
    match tensor.data() {
        Data::F32(d) => d.iter().step_by(step).map(|v| v.to_bits()).collect(),
        Data::I32(d) => d.iter().step_by(step).map(|v| *v as u32).collect(),
    }
}

/// Whether two nodes of the same key are equal.
fn equal(graph: &Graph, a: NodeId, b: NodeId) -> bool {
    match (graph.op(a), graph.op(b)) {
        (Op::Constant(a), Op::Constant(b)) => same_bits(a.0.data(), b.0.data()),
        (Op::Scan(a), Op::Scan(b)) => Arc::ptr_eq(&a.body, &b.body) && a == b,
        // Equal text tells zeros of different signs apart, which equality does not.
        (a, b) => a == b,
    }
}

fn same_bits(a: &Data, b: &Data) -> bool {
    match (a, b) {
        (Data::F32(a), Data::F32(b)) => {
            Arc::ptr_eq(a, b) || a.iter().zip(b.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
        }
        (Data::I32(a), Data::I32(b)) => a == b,
        _ => false,
    }
}
