//! Operations that only move values, sunk below those that compute.
//!
//! A reshape, transpose, slice, padding or row gather between a producer and the scalar functions on its result
//! keeps them from being fused. Moving comes after computing here: `f(move(x))` becomes `move(f(x))`. Moves meet
//! their inverse further down and vanish, or end at the edges of the graph: of a network whose layers each
//! transpose their input and transpose back, only the transposes at its inputs and outputs remain.
//!
//! Bit for bit the same, except that sums over transposed values are added in another order. Never computes more
//! elements, except where a slice keeps at least half of them and the function then costs no pass over memory of its
//! own. Leaves moves above what mixes values: products, convolutions and windows.

mod chains;
mod concat;
mod flatten;
mod maps;
pub mod operand;
mod pads;
mod transposes;

use super::{Log, rewrite};
use crate::budget::Resource;
use crate::error::Result;
use crate::graph::{Graph, NodeId};

/// See the module. Goes on until no move can sink any further; each step brings one closer to the outputs.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    sweeps(graph, log, |graph, id| match chains::sort(graph, id)? {
        0 => Ok(exchange(graph, id)?.into()),
        sunk => Ok(sunk),
    })
}

/// The same without the shortcut for chains, for tests to compare with.
#[cfg(test)]
pub fn one_by_one(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    sweeps(graph, log, |graph, id| Ok(exchange(graph, id)?.into()))
}

/// Takes a step at each node until there are no more to take, or the budget is used up; gives their number.
fn sweeps(
    graph: &mut Graph,
    log: &mut Log,
    step: impl Fn(&mut Graph, NodeId) -> Result<usize>,
) -> Result<usize> {
    rewrite::exhaust(graph, log, |graph, _| {
        let mut sunk = 0;
        let order = graph.order();
        if !graph.budget().spare(Resource::Sunk, order.len() as u64) {
            return Ok(0);
        }
        for id in order {
            if graph.contains(id) {
                sunk += step(graph, id)?;
            }
        }
        Ok(sunk)
    })
}

/// Exchanges a node with a move among its inputs. Whether there was one.
fn exchange(graph: &mut Graph, id: NodeId) -> Result<bool> {
    Ok(maps::sink(graph, id)?
        || concat::sink(graph, id)?
        || transposes::sink(graph, id)?
        || pads::sink(graph, id)?
        || flatten::permute(graph, id)?)
}
