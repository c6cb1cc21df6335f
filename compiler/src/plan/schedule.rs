//! The order of execution.
//!
//! Two orders are tried, depth first from the outputs and greedy by memory, and the one with the smaller peak is
//! taken. The peak counts whole values; views and in-place results make it smaller later, for both orders alike.

use crate::graph::{Graph, NodeId};
use crate::ops::Storage;
use std::collections::{BTreeSet, HashMap, HashSet};

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
        Storage::Elsewhere if !graph.is_input(id) => 0,
        _ => graph.node(id).types.iter().map(|ty| ty.shape.count()).sum(),
    }
}

/// Memory while an order is executed.
struct Live<'g> {
    graph: &'g Graph,
    /// For every node those that will use it; outputs have one use more, which never ends.
    waiting: HashMap<NodeId, usize>,
    now: usize,
    peak: usize,
}

impl<'g> Live<'g> {
    fn new(graph: &'g Graph, order: &[NodeId]) -> Self {
        let mut waiting: HashMap<NodeId, usize> = HashMap::new();
        for &id in order {
            for input in distinct_inputs(graph, id) {
                *waiting.entry(input).or_default() += 1;
            }
        }
        for output in graph.outputs() {
            *waiting.entry(output.node).or_default() += 1;
        }
        Self {
            graph,
            waiting,
            now: 0,
            peak: 0,
        }
    }
    /// Whether only one node will use it.
    fn is_last(&self, id: NodeId) -> bool {
        self.waiting.get(&id) == Some(&1) && !self.graph.is_output(id)
    }
    /// Executes a node; gives its inputs that only one other node will use from now on.
    fn execute(&mut self, id: NodeId) -> Vec<NodeId> {
        self.now += size(self.graph, id);
        self.peak = self.peak.max(self.now);
        let mut last = Vec::new();
        for input in distinct_inputs(self.graph, id) {
            if self.is_last(input) {
                self.now -= size(self.graph, input).min(self.now);
            }
            if let Some(count) = self.waiting.get_mut(&input) {
                *count -= 1;
            }
            if self.is_last(input) {
                last.push(input);
            }
        }
        last
    }
}

fn distinct_inputs(graph: &Graph, id: NodeId) -> Vec<NodeId> {
    let mut inputs = graph.inputs_of(id).to_vec();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// Largest number of elements alive at once.
fn peak(graph: &Graph, order: &[NodeId]) -> usize {
    let mut live = Live::new(graph, order);
    for &id in order {
        live.execute(id);
    }
    live.peak
}

/// Always executes the ready node that leaves least memory in use; the earlier one of `order` among equals.
fn greedy(graph: &Graph, order: &[NodeId]) -> Vec<NodeId> {
    let mut live = Live::new(graph, order);
    let mut ready = Ready::new(graph, order, &live);
    let mut result = Vec::with_capacity(order.len());
    while let Some(id) = ready.take() {
        result.push(id);
        for input in live.execute(id) {
            ready.free_with_last_user(graph, input);
        }
        for user in graph.users(id) {
            ready.complete_input(user);
        }
    }
    result
}

/// Nodes by what they do to memory. A node frees an input when no other will use it; that becomes known once, so no
/// node is looked at in every step.
struct Ready {
    position: HashMap<NodeId, usize>,
    nodes: Vec<Candidate>,
    /// The change of memory and the position of nodes whose inputs are all there.
    ready: BTreeSet<(i64, usize)>,
}

struct Candidate {
    id: NodeId,
    /// Elements more in use after it.
    change: i64,
    /// Distinct inputs that are not there yet.
    missing: usize,
    done: bool,
}

impl Ready {
    fn new(graph: &Graph, order: &[NodeId], live: &Live<'_>) -> Self {
        let candidate = |&id: &NodeId| {
            let inputs = distinct_inputs(graph, id);
            let last = inputs.iter().filter(|&&input| live.is_last(input));
            let freed: usize = last.map(|&input| size(graph, input)).sum();
            Candidate {
                id,
                change: size(graph, id) as i64 - freed as i64,
                missing: inputs.len(),
                done: false,
            }
        };
        let nodes: Vec<_> = order.iter().map(candidate).collect();
        let start = nodes.iter().enumerate().filter(|(_, node)| node.missing == 0);
        Self {
            position: order.iter().enumerate().map(|(i, &id)| (id, i)).collect(),
            ready: start.map(|(at, node)| (node.change, at)).collect(),
            nodes,
        }
    }

    fn take(&mut self) -> Option<NodeId> {
        let (_, at) = self.ready.pop_first()?;
        let node = &mut self.nodes[at];
        node.done = true;
        Some(node.id)
    }

    /// Notes that the only node that has yet to use `input` frees it.
    fn free_with_last_user(&mut self, graph: &Graph, input: NodeId) {
        let users = graph.users(input).into_iter();
        let mut positions = users.filter_map(|user| self.position.get(&user).copied());
        let Some(at) = positions.find(|&at| !self.nodes[at].done) else {
            return;
        };
        let node = &mut self.nodes[at];
        let was_ready = self.ready.remove(&(node.change, at));
        node.change -= size(graph, input) as i64;
        if was_ready {
            self.ready.insert((node.change, at));
        }
    }

    /// Notes that one of the inputs of `user` is there.
    fn complete_input(&mut self, user: NodeId) {
        let Some(&at) = self.position.get(&user) else {
            return;
        };
        let node = &mut self.nodes[at];
        node.missing -= 1;
        if node.missing == 0 {
            self.ready.insert((node.change, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;
    use crate::pointwise::{Binary, Tape};
    use crate::tensor::TensorType;

    /// A network of sums, joins and slices, of values that are used again and again.
    fn network(seed: usize) -> Graph {
        let mut graph = Graph::new();
        let mut b = Builder::new(&mut graph, "");
        let mut number = seed;
        let mut below = |limit: usize| {
            number = (number * 1_103_515_245 + 12_345) % (1 << 31);
            (number >> 8) % limit
        };
        let mut values = vec![b.input("x", TensorType::f32([1, 4])).expect("an input")];
        for _ in 0..40 {
            let [x, y] = [0; 2].map(|_| values[values.len() - 1 - below(values.len().min(6))]);
            let extents = [x, y].map(|v| b.shape(v)[1]);
            let node = if extents[0] == extents[1] && below(3) > 0 {
                b.map(Tape::binary(Binary::Add), &[x, y])
            } else if extents[0] + extents[1] < 40 {
                b.concat(1, &[x, y])
            } else {
                b.slice(x, 1, 0, 4.min(extents[0]))
            };
            values.push(node.expect("a node"));
        }
        for (i, &value) in values.iter().rev().take(1 + seed % 3).enumerate() {
            b.graph.add_output(format!("y{i}"), value);
        }
        graph
    }

    /// What [`greedy`] is meant to be, looking at every ready node in every step.
    fn plainly(graph: &Graph, order: &[NodeId]) -> Vec<NodeId> {
        let mut result: Vec<NodeId> = Vec::new();
        while result.len() < order.len() {
            let done = |id: NodeId| result.contains(&id);
            let ready = order
                .iter()
                .filter(|&&id| !done(id) && graph.inputs_of(id).iter().all(|&input| done(input)));
            let change = |id: NodeId| {
                let freed = distinct_inputs(graph, id).into_iter().filter(|&input| {
                    let mut others = order.iter().filter(|&&user| user != id && !done(user));
                    !graph.is_output(input) && others.all(|&user| !graph.inputs_of(user).contains(&input))
                });
                size(graph, id) as i64 - freed.map(|input| size(graph, input)).sum::<usize>() as i64
            };
            let best = ready.min_by_key(|&&id| change(id)).copied();
            result.push(best.expect("something is ready"));
        }
        result
    }

    #[test]
    fn the_greedy_order_frees_most() {
        let mut differ = 0;
        for seed in 1..40 {
            let graph = network(seed);
            let needed = needed(&graph);
            let order: Vec<_> = graph
                .order()
                .into_iter()
                .filter(|id| needed.contains(id))
                .collect();
            let found = greedy(&graph, &order);
            assert_eq!(found, plainly(&graph, &order), "seed {seed}\n{graph}");
            differ += usize::from(found != order);
        }
        assert!(differ > 10, "only {differ} orders are not depth first");
    }
}
