//! The weights of a graph: constants that somebody multiplies with, or picks from.

use super::encode::{Unfit, encode};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::tensor::{DType, Encoding, Tensor, TensorType};
use std::collections::BTreeMap;

/// A constant that is somebody's weights.
pub(super) struct Weights {
    /// The constant.
    pub id: NodeId,
    /// What reads it first.
    pub user: NodeId,
    /// Which of its inputs that is.
    pub which: usize,
    /// The layer that this comes from.
    pub layer: String,
    /// Elements of its matrices, and channels, as [`Op::weights`](crate::ops::Op::weights) has them.
    pub shape: [usize; 2],
    /// Whether others read it in another way.
    pub shared: bool,
}

/// All weights of a graph, but not those in the bodies of its scans.
pub(super) fn weights(graph: &Graph) -> Vec<Weights> {
    let mut found: BTreeMap<NodeId, Weights> = BTreeMap::new();
    let mut order = Vec::new();
    for user in graph.order() {
        let inputs = graph.inputs_of(user);
        let types: Vec<&TensorType> = inputs.iter().map(|&i| graph.ty(i)).collect();
        let Some((which, shape)) = graph.op(user).weights(&types) else {
            continue;
        };
        let id = inputs[which];
        if graph
            .constant(id)
            .is_none_or(|tensor| tensor.dtype() != DType::F32)
            || found.contains_key(&id)
        {
            continue;
        }
        order.push(id);
        let other = |&other: &NodeId| {
            let inputs = graph.inputs_of(other);
            let types: Vec<&TensorType> = inputs.iter().map(|&i| graph.ty(i)).collect();
            let own = graph.op(other).weights(&types).map(|(which, _)| which);
            inputs
                .iter()
                .enumerate()
                .any(|(i, input)| *input == id && Some(i) != own)
        };
        let weights = Weights {
            id,
            user,
            which,
            layer: graph.node(user).name.clone(),
            shape,
            shared: graph.is_output(id) || graph.users(id).iter().any(other),
        };
        found.insert(id, weights);
    }
    order.iter().filter_map(|id| found.remove(id)).collect()
}

/// Calls `see` for all weights of a graph and the bodies of its scans, always in the same order: with the graph that they are in, and
/// the node of the whole graph that computes with them.
///
/// # Errors
/// That of `see`.
pub(super) fn walk(graph: &Graph, see: &mut dyn FnMut(&Graph, &Weights, NodeId) -> Result<()>) -> Result<()> {
    walk_in(graph, None, see)
}

fn walk_in(
    graph: &Graph,
    outer: Option<NodeId>,
    see: &mut dyn FnMut(&Graph, &Weights, NodeId) -> Result<()>,
) -> Result<()> {
    for weights in weights(graph) {
        see(graph, &weights, outer.unwrap_or(weights.user))?;
    }
    for id in graph.order() {
        if let Some(scan) = graph.op(id).as_scan() {
            walk_in(&scan.body, Some(outer.unwrap_or(id)), see)?;
        }
    }
    Ok(())
}

/// Makes all weights of a graph what [`walk`]'s order of them says, of what they are in the original; they are now in `current`.
///
/// # Errors
/// When the graphs are not the same but for these.
pub(super) fn assign(
    graph: &mut Graph,
    original: &Graph,
    wanted: &[Option<Encoding>],
    current: &mut [Option<Encoding>],
) -> Result<()> {
    assign_from(graph, original, wanted, current, &mut 0)
}

fn assign_from(
    graph: &mut Graph,
    original: &Graph,
    wanted: &[Option<Encoding>],
    current: &mut [Option<Encoding>],
    next: &mut usize,
) -> Result<()> {
    let gone = || Error::internal("a graph has other weights than before");
    for weights in weights(original) {
        let (wanted, current) = (
            wanted.get(*next).ok_or_else(gone)?,
            current.get_mut(*next).ok_or_else(gone)?,
        );
        *next += 1;
        if wanted != current {
            let tensor = original.constant(weights.id).ok_or_else(gone)?;
            graph.exchange_constant(
                weights.id,
                encoded(tensor, weights.shape, *wanted)?.map_err(|_| gone())?,
            )?;
            *current = *wanted;
        }
    }
    for id in original.order() {
        if let Some(scan) = original.op(id).as_scan() {
            graph.edit_body(id, |body| assign_from(body, &scan.body, wanted, current, next))?;
        }
    }
    Ok(())
}

/// A constant in an encoding, or as it is; or why it can have none.
///
/// # Errors
/// When it is of integers.
pub(super) fn encoded(
    tensor: &Tensor,
    shape: [usize; 2],
    encoding: Option<Encoding>,
) -> Result<std::result::Result<Tensor, Unfit>> {
    let Some(encoding) = encoding else {
        return Ok(Ok(tensor.clone()));
    };
    match encode(tensor.as_f32()?, shape, encoding) {
        Ok((encoded, numbers)) => Ok(Ok(
            Tensor::f32(tensor.shape().clone(), numbers)?.encoded_as(encoded)
        )),
        Err(unfit) => Ok(Err(unfit)),
    }
}
