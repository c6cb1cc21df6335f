//! Pools of single elements merged into the strides of the convolutions that use them.

use super::{Log, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Conv, Op, WindowAxis};

/// Lets a convolution of one tap skip what a pool of one tap before it skips, as in networks that shrink a shortcut.
///
/// Bit for bit the same: the pool picks elements, and so does the convolution. Only without padding, which a convolution
/// would need around the whole input; and only if all users take it, so that the pool goes.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    rewrite::exhaust(graph, log, |graph, log| {
        let mut merged = 0;
        for id in graph.order() {
            if graph.contains(id) {
                merged += merge_into_users(graph, id, log)?;
            }
        }
        Ok(merged)
    })
}

/// Merges a node, if it is such a pool, into its users if all of them take it. How many did.
fn merge_into_users(graph: &mut Graph, id: NodeId, log: &mut Log) -> Result<usize> {
    let Some(steps) = steps(graph, id) else {
        return Ok(0);
    };
    let users = graph.users(id);
    let ops: Option<Vec<_>> = users
        .iter()
        .map(|&user| strided(graph, user, id, steps))
        .collect();
    let Some(ops) = ops.filter(|_| !graph.is_output(id)) else {
        return Ok(0);
    };
    let (x, name) = (graph.inputs_of(id)[0], rewrite::name(graph, id));
    let merged = ops.len();
    for (user, op) in users.into_iter().zip(ops) {
        log.done(&name, rewrite::name(graph, user));
        let mut inputs = graph.inputs_of(user).to_vec();
        inputs[0] = x;
        rewrite::replace(graph, user, op, &inputs)?;
    }
    Ok(merged)
}

/// The strides of a pool that does nothing but skip elements.
fn steps(graph: &Graph, id: NodeId) -> Option<[usize; 2]> {
    let Op::Pool(pool) = graph.op(id) else { return None };
    let skips = pool.window.iter().all(is_tap) && pool.epilogue.is_identity();
    skips.then_some(pool.window.map(|axis| axis.stride))
}

/// A window of one tap without padding.
fn is_tap(axis: &WindowAxis) -> bool {
    axis.size == 1 && axis.before == 0 && axis.after == 0
}

/// A user of one tap on the elements before the pool.
fn strided(graph: &Graph, user: NodeId, pool: NodeId, steps: [usize; 2]) -> Option<Op> {
    let uses = graph
        .inputs_of(user)
        .iter()
        .filter(|&&input| input == pool)
        .count();
    if uses != 1 || graph.inputs_of(user)[0] != pool {
        return None;
    }
    let mut op = graph.op(user).clone();
    let Op::Conv(Conv { window, .. }) = &mut op else {
        return None;
    };
    if !window.iter().all(is_tap) {
        return None;
    }
    for (axis, step) in window.iter_mut().zip(steps) {
        axis.stride *= step;
    }
    Some(op)
}
