//! The order of execution.
//!
//! Two orders are tried, depth first from the outputs and greedy by memory, and the one with the smaller peak is
//! taken. The peak counts whole values; views and in-place results make it smaller later, for both orders alike.

use crate::graph::{Graph, NodeId};
use crate::ops::Storage;
use std::collections::{HashMap, HashSet};

/// The nodes that outputs need, producers first, graph inputs before all.
pub(super) fn schedule(graph: &Graph) -> Vec<NodeId> {
    let needed = needed(graph);
    let depth_first: Vec<NodeId> = graph
        .order()
        .into_iter()
        .filter(|id| needed.contains(id))
        .collect();
    let greedy = greedy(graph, &depth_first);
    if peak(graph, &greedy) < peak(graph, &depth_first) {
        greedy
    } else {
        depth_first
    }
}

/// The graph's inputs and everything that an output depends on.
fn needed(graph: &Graph) -> HashSet<NodeId> {
    let mut needed: HashSet<NodeId> = graph.inputs().iter().copied().collect();
    let mut open: Vec<NodeId> = graph.outputs().iter().map(|o| o.node).collect();
    while let Some(id) = open.pop() {
        if needed.insert(id) {
            open.extend(graph.inputs_of(id));
        }
    }
    needed
}

/// Elements that a node adds to memory: none for constants and views.
fn size(graph: &Graph, id: NodeId) -> usize {
    if graph.constant(id).is_some() {
        return 0;
    }
    match graph.op(id).storage() {
        Storage::Reshaped | Storage::Part(_) => 0,
        Storage::Elsewhere if !graph.inputs().contains(&id) => 0,
        _ => graph.node(id).types.iter().map(|ty| ty.shape.count()).sum(),
    }
}

/// For every node the number of its uses; outputs have one more, which never ends.
fn uses(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, usize> {
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for id in order {
        for input in graph.inputs_of(*id) {
            *uses.entry(*input).or_default() += 1;
        }
    }
    for output in graph.outputs() {
        *uses.entry(output.node).or_default() += 1;
    }
    uses
}

/// Memory while an order is executed.
struct Live<'g> {
    graph: &'g Graph,
    uses: HashMap<NodeId, usize>,
    now: usize,
    peak: usize,
}

impl<'g> Live<'g> {
    fn new(graph: &'g Graph, order: &[NodeId]) -> Self {
        Self {
            graph,
            uses: uses(graph, order),
            now: 0,
            peak: 0,
        }
    }
    /// Elements freed when `id` is executed: inputs whose last use it is.
    fn freed(&self, id: NodeId) -> usize {
        let inputs = self.graph.inputs_of(id);
        let mut distinct = inputs.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        distinct
            .iter()
            .filter(|&&i| self.uses[&i] == inputs.iter().filter(|&&j| j == i).count())
            .map(|&i| size(self.graph, i))
            .sum()
    }
    fn execute(&mut self, id: NodeId) {
        self.now += size(self.graph, id);
        self.peak = self.peak.max(self.now);
        self.now -= self.freed(id).min(self.now);
        for input in self.graph.inputs_of(id) {
            if let Some(count) = self.uses.get_mut(input) {
                *count -= 1;
            }
        }
    }
}

/// Largest number of elements alive at once.
fn peak(graph: &Graph, order: &[NodeId]) -> usize {
    let mut live = Live::new(graph, order);
    order.iter().for_each(|&id| live.execute(id));
    live.peak
}

/// Always executes the ready node that leaves least memory in use; the earlier one of `order` among equals.
fn greedy(graph: &Graph, order: &[NodeId]) -> Vec<NodeId> {
    let position: HashMap<NodeId, usize> = order.iter().enumerate().map(|(i, &id)| (id, i)).collect();
    let mut live = Live::new(graph, order);
    let mut missing: HashMap<NodeId, usize> = HashMap::new();
    let mut ready: Vec<NodeId> = Vec::new();
    for &id in order {
        let mut inputs = graph.inputs_of(id).to_vec();
        inputs.sort_unstable();
        inputs.dedup();
        if inputs.is_empty() {
            ready.push(id)
        } else {
            _ = missing.insert(id, inputs.len())
        }
    }
    let mut result = Vec::with_capacity(order.len());
    while let Some(best) = (0..ready.len()).min_by_key(|&i| {
        let id = ready[i];
        (size(graph, id) as i64 - live.freed(id) as i64, position[&id])
    }) {
        let id = ready.swap_remove(best);
        live.execute(id);
        result.push(id);
        for user in graph.users(id) {
            if let Some(count) = missing.get_mut(&user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(user);
                }
            }
        }
    }
    result
}
