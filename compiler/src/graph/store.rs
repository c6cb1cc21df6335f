//! Nodes by identity, each with who uses it, so that both ends of every edge are found at once: a hub of a
//! densely connected network has thousands of users, and a join thousands of inputs.

use super::node::{Node, NodeId};
use std::collections::BTreeMap;

/// The nodes of a graph.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    slots: Vec<Option<Slot>>,
    /// Identities of removed nodes, given anew last to first.
    vacant: Vec<NodeId>,
}

#[derive(Debug, Clone)]
struct Slot {
    node: Node,
    /// Users, and as how many inputs each of them uses the node.
    users: BTreeMap<NodeId, usize>,
    /// How often the node is an output of the graph.
    outputs: usize,
}

impl Store {
    /// Adds a node whose inputs exist.
    pub fn add(&mut self, node: Node) -> NodeId {
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            NodeId(self.slots.len() - 1)
        });
        for &input in &node.inputs {
            self.connect(input, id);
        }
        self.slots[id.0] = Some(Slot {
            node,
            users: BTreeMap::new(),
            outputs: 0,
        });
        id
    }

    /// Removes a node that nobody uses.
    pub fn remove(&mut self, id: NodeId) {
        if let Some(slot) = self.slots[id.0].take() {
            for input in slot.node.inputs {
                self.disconnect(input, id);
            }
            self.vacant.push(id);
        }
    }

    /// Gives a node other inputs, which exist.
    pub fn set_inputs(&mut self, id: NodeId, inputs: &[NodeId]) {
        if self.node(id).inputs == inputs {
            return;
        }
        let old = std::mem::replace(&mut self.node_mut(id).inputs, inputs.to_vec());
        for input in old {
            self.disconnect(input, id);
        }
        for &input in inputs {
            self.connect(input, id);
        }
    }

    /// Lets `user` use `new` wherever it uses `old`.
    pub fn exchange_input(&mut self, user: NodeId, old: NodeId, new: NodeId) {
        let Some(count) = self.slot_mut(old).users.remove(&user) else {
            return;
        };
        for input in &mut self.node_mut(user).inputs {
            if *input == old {
                *input = new;
            }
        }
        *self.slot_mut(new).users.entry(user).or_default() += count;
    }

    fn connect(&mut self, input: NodeId, user: NodeId) {
        *self.slot_mut(input).users.entry(user).or_default() += 1;
    }

    /// Of a broken graph, the input may be gone.
    fn disconnect(&mut self, input: NodeId, user: NodeId) {
        let Some(slot) = &mut self.slots[input.0] else {
            return;
        };
        if let Some(count) = slot.users.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                slot.users.remove(&user);
            }
        }
    }

    /// Whether a node is there.
    pub fn contains(&self, id: NodeId) -> bool {
        self.slots.get(id.0).is_some_and(Option::is_some)
    }
    /// Identities are smaller than this.
    pub fn bound(&self) -> usize {
        self.slots.len()
    }
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }
    /// All nodes in the order of their identities.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.slots.len()).map(NodeId).filter(|&id| self.contains(id))
    }
    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.slot(id).node
    }
    /// A node whose operation and types may be changed.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.slot_mut(id).node
    }
    /// Users in the order of their identities, and as how many inputs each of them uses the node.
    pub fn users(&self, id: NodeId) -> &BTreeMap<NodeId, usize> {
        &self.slot(id).users
    }
    /// How often a node is an output of the graph.
    pub fn outputs(&self, id: NodeId) -> usize {
        self.slot(id).outputs
    }
    /// The same, to be changed.
    pub fn outputs_mut(&mut self, id: NodeId) -> &mut usize {
        &mut self.slot_mut(id).outputs
    }

    fn slot(&self, id: NodeId) -> &Slot {
        self.slots[id.0].as_ref().expect("the node was not removed")
    }
    fn slot_mut(&mut self, id: NodeId) -> &mut Slot {
        self.slots[id.0].as_mut().expect("the node was not removed")
    }
}
