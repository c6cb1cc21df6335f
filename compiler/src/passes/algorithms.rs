//! How convolutions are computed: the fastest algorithm by the cost model, as far as the network's error allows.
//!
//! F(4x4, 3x3) rounds more than a direct sum does. The errors of layers are independent, so that of a network is taken
//! as the root of the sum of their squares ([`Algorithm::error_bound`], relative to the root mean square of results).
//! Where all layers together would pass [`ERROR_LIMIT`], those that save most have it and the others take F(2x2, 3x3),
//! which is as exact as a direct sum.

use super::rewrite;
use super::{Log, Reason};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Algorithm, Conv, Op};

/// What the choices may add to the error of a network: a tenth of rtol 1e-3, which results are held to.
const ERROR_LIMIT: f64 = 1e-4;

/// From the most exact to the fastest.
const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::Direct,
    Algorithm::Winograd { m: 2 },
    Algorithm::Winograd { m: 4 },
];

/// A convolution and the fastest ways to compute it.
struct Choice {
    node: NodeId,
    /// The fastest of those that add no error, and its nanoseconds.
    exact: (Algorithm, f64),
    /// The fastest of all.
    fastest: (Algorithm, f64),
}

/// Chooses the algorithm of every convolution with constant weights.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    let mut choices: Vec<Choice> = graph
        .order()
        .into_iter()
        .filter_map(|id| choice(graph, id))
        .collect();
    // Stable, so that equal savings keep the order of the graph.
    choices.sort_by(|a, b| saving(b).total_cmp(&saving(a)));
    let (mut changes, mut squares) = (0, 0.0);
    for choice in choices {
        let added = choice.fastest.0.error_bound().powi(2);
        let (algorithm, cost) = if squares + added <= ERROR_LIMIT * ERROR_LIMIT {
            squares += added;
            choice.fastest
        } else {
            log.missed(rewrite::name(graph, choice.node), Reason::ErrorLimit(ERROR_LIMIT));
            choice.exact
        };
        changes += usize::from(set(graph, log, choice.node, algorithm, cost)?);
    }
    Ok(changes)
}

/// Nanoseconds that the fastest algorithm saves against the fastest exact one.
fn saving(choice: &Choice) -> f64 {
    choice.exact.1 - choice.fastest.1
}

fn choice(graph: &Graph, node: NodeId) -> Option<Choice> {
    let conv = conv(graph, node)?;
    let inputs = graph.inputs_of(node);
    graph.constant(inputs[1])?;
    let extents = [0, 1].map(|i| graph.ty(inputs[i]).shape.dims());
    let fastest = |most: f64| {
        let costs = ALGORITHMS
            .into_iter()
            .filter(|algorithm| algorithm.error_bound() <= most)
            .filter_map(|algorithm| Some((algorithm, conv.cost(algorithm, extents[0], extents[1])?)));
        costs.min_by(|a, b| a.1.total_cmp(&b.1))
    };
    Some(Choice {
        node,
        exact: fastest(0.0)?,
        fastest: fastest(f64::INFINITY)?,
    })
}

fn conv(graph: &Graph, node: NodeId) -> Option<&Conv> {
    match graph.op(node) {
        Op::Conv(conv) => Some(conv),
        _ => None,
    }
}

/// Whether that is a change.
fn set(graph: &mut Graph, log: &mut Log, node: NodeId, algorithm: Algorithm, cost: f64) -> Result<bool> {
    let Some(conv) = conv(graph, node).filter(|conv| conv.algorithm != algorithm) else {
        return Ok(false);
    };
    let inputs = graph.inputs_of(node).to_vec();
    let extents = [0, 1].map(|i| graph.ty(inputs[i]).shape.dims());
    if let Algorithm::Winograd { m } = algorithm {
        let direct = conv
            .cost(Algorithm::Direct, extents[0], extents[1])
            .unwrap_or(cost);
        let (times, error) = (direct / cost, algorithm.error_bound());
        let into = format!("F({m}x{m}, 3x3), {times:.1} times as fast by estimate, error bound {error:.1e}");
        log.done(rewrite::name(graph, node), into);
    }
    let conv = Conv {
        algorithm,
        ..conv.clone()
    };
    graph.replace(node, conv, &inputs)?;
    Ok(true)
}
