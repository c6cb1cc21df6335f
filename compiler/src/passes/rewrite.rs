//! Steps that all rewrites consist of.

use super::Log;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Op};
use crate::tensor::Tensor;

/// Repeats a sweep over the graph until it finds nothing, and counts what it found. Only what the last sweep missed
/// is remembered as missed.
pub fn exhaust(
    graph: &mut Graph,
    log: &mut Log,
    mut sweep: impl FnMut(&mut Graph, &mut Log) -> Result<usize>,
) -> Result<usize> {
    let mark = log.mark();
    let mut changes = 0;
    loop {
        log.forget_since(mark);
        let found = sweep(graph, log)?;
        changes += found;
        if found == 0 {
            return Ok(changes);
        }
    }
}

/// Lets the users of `old` use `new` and removes `old`, with all that only it needed.
pub fn substitute(graph: &mut Graph, old: NodeId, new: NodeId) -> Result<()> {
    graph.redirect(old, new)?;
    remove_unused(graph, old)?;
    Ok(())
}

/// Gives a node another operation and other inputs, and removes what only the old inputs needed.
pub fn replace(graph: &mut Graph, id: NodeId, op: impl Into<Op>, inputs: &[NodeId]) -> Result<()> {
    let old = graph.inputs_of(id).to_vec();
    graph.replace(id, op, inputs)?;
    for input in old {
        remove_unused(graph, input)?;
    }
    Ok(())
}

/// Removes a node that nobody needs, then those that only it needed. Graph inputs stay.
pub fn remove_unused(graph: &mut Graph, id: NodeId) -> Result<usize> {
    let mut pending = vec![id];
    let mut removed = 0;
    while let Some(id) = pending.pop() {
        let needed = !graph.contains(id) || graph.is_output(id) || graph.is_input(id) || graph.is_used(id);
        if !needed {
            pending.extend_from_slice(graph.inputs_of(id));
            graph.remove(id)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A new vector constant.
pub fn vector(graph: &mut Graph, name: &str, values: Vec<f32>) -> Result<NodeId> {
    let tensor = Tensor::f32([values.len()], values)?;
    graph.add(name, Constant(tensor), &[])
}

/// A node's name for messages.
pub fn name(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    if node.name.is_empty() {
        node.op.name().to_owned()
    } else {
        node.name.clone()
    }
}
