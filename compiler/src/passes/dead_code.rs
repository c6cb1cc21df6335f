//! Dead code.

use super::{Log, rewrite};
use crate::error::Result;
use crate::graph::Graph;

/// Removes all nodes that no output needs, except graph inputs: they are what the caller passes.
///
/// Assumes nothing and leaves only what is needed. Other passes remove what they make superfluous themselves.
pub fn run(graph: &mut Graph, _: &mut Log) -> Result<usize> {
    // Users before producers, so that each is seen when its users are gone.
    let order: Vec<_> = graph.order().into_iter().rev().collect();
    let removed = order.into_iter().map(|id| rewrite::remove_unused(graph, id));
    removed.sum()
}
