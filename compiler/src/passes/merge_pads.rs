//! Explicit padding merged into windows.

use super::{Log, Reason, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Op, Pad, PoolKind, PoolPadding, WindowAxis};

/// Merges padding of height and width into the convolutions and pools that use it.
///
/// Exact: a convolution finds zeros around its input in either form, so the padding must be with zeros. A pool
/// that pads with zeros itself takes up more of them; one that leaves its padding out would have to tell
/// the two apart, so it must not have any of its own, unless it takes the maximum and the padding is with minus
/// infinity. Each user is treated on its own; the padding goes when the last one has taken it up.
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

/// Merges a node, if it is such padding, into those users that take it. How many did.
fn merge_into_users(graph: &mut Graph, id: NodeId, log: &mut Log) -> Result<usize> {
    let Op::Pad(pad) = graph.op(id) else { return Ok(0) };
    let Some(spatial) = spatial(pad) else { return Ok(0) };
    let (value, name) = (pad.value, rewrite::name(graph, id));
    let x = graph.inputs_of(id)[0];
    let mut merged = 0;
    for user in graph.users(id) {
        if graph.inputs_of(user)[0] != id {
            continue;
        }
        match merge(graph, user, spatial, value) {
            Ok(op) => {
                log.done(&name, rewrite::name(graph, user));
                let mut inputs = graph.inputs_of(user).to_vec();
                inputs[0] = x;
                rewrite::replace(graph, user, op, &inputs)?;
                merged += 1;
            }
            Err(reason) => log.missed(&name, reason),
        }
    }
    Ok(merged)
}

/// The padding of height and width, if nothing else is padded.
fn spatial(pad: &Pad) -> Option<[(usize, usize); 2]> {
    match pad.pads[..] {
        [(0, 0), height, width, (0, 0)] => Some([height, width]),
        _ => None,
    }
}

/// The user with the padding in its windows.
fn merge(graph: &Graph, user: NodeId, pads: [(usize, usize); 2], value: f32) -> Result<Op, Reason> {
    let no_place = || Reason::NoPlace {
        name: rewrite::name(graph, user),
        op: graph.op(user).name(),
    };
    let mut op = graph.op(user).clone();
    match &mut op {
        Op::Conv(conv) if value == 0.0 => conv.window = widen(conv.window, pads),
        Op::Pool(pool) if value == f32::NEG_INFINITY && pool.kind == PoolKind::Max => {
            if pool.padding == PoolPadding::Zero {
                return Err(no_place());
            }
            pool.window = widen(pool.window, pads);
            if pool
                .window
                .iter()
                .any(|axis| axis.before.max(axis.after) >= axis.size)
            {
                return Err(no_place());
            }
        }
        Op::Pool(pool) if value == 0.0 => {
            let own = pool.window.iter().any(|axis| axis.before + axis.after > 0);
            if own && pool.padding == PoolPadding::Exclude {
                return Err(Reason::ExcludedPadding(rewrite::name(graph, user)));
            }
            pool.window = widen(pool.window, pads);
            pool.padding = PoolPadding::Zero;
        }
        _ => return Err(no_place()),
    }
    Ok(op)
}

fn widen(window: [WindowAxis; 2], pads: [(usize, usize); 2]) -> [WindowAxis; 2] {
    std::array::from_fn(|i| WindowAxis {
        before: window[i].before + pads[i].0,
        after: window[i].after + pads[i].1,
        ..window[i]
    })
}
