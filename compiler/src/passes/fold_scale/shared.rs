//! Layers that share their weights, as where a network is applied to several inputs.

use super::affine;
use super::checks::check_bias;
use crate::graph::{Graph, NodeId};
use crate::passes::linear::Linear;

/// Another operation with the same weights, whose result is scaled alike.
pub struct Other {
    pub node: NodeId,
    /// The map that scales it, and nothing else uses its result.
    pub map: NodeId,
    pub shift: Vec<f64>,
}

/// All other users of the weights of `id`, if each of them is followed by the same scale: then the weights can be
/// scaled once for all, and nothing is stored twice.
pub fn others(graph: &Graph, id: NodeId, scale: &[f64]) -> Option<Vec<Other>> {
    let weights = graph.inputs_of(id)[1];
    let users = graph.users(weights).into_iter().filter(|&user| user != id);
    users.map(|user| other(graph, user, weights, scale)).collect()
}

fn other(graph: &Graph, node: NodeId, weights: NodeId, scale: &[f64]) -> Option<Other> {
    let linear = Linear::of(graph, node)?;
    let uses = graph
        .inputs_of(node)
        .iter()
        .filter(|&&input| input == weights)
        .count();
    let map = graph.sole_user(node)?;
    let (x, affine) = affine::recognise(graph, map)?;
    let shape = &graph.ty(node).shape;
    let channels = shape.rank() - 1;
    let affine = affine.along(channels, shape[channels])?;
    let fits = uses == 1
        && graph.inputs_of(node)[1] == weights
        && x == node
        && affine.scale == scale
        && linear.epilogue.is_identity()
        && check_bias(graph, &linear);
    fits.then_some(Other {
        node,
        map,
        shift: affine.shift,
    })
}
