//! The graph: nodes with ordered inputs, a builder, a verifier and a printer.
//!
//! petgraph keeps the nodes and edges and gives order and reachability; nothing outside this module sees it.

mod build;
mod node;
mod print;
mod ranges;
mod verify;

pub use build::Builder;
pub use node::{Node, NodeId, Output};
pub use ranges::index_ranges;

use crate::error::{Error, Result};
use crate::ops::Op;
use crate::tensor::{Tensor, TensorType};
use petgraph::Direction;
use petgraph::stable_graph::StableDiGraph;
use petgraph::visit::{DfsPostOrder, Reversed};
use std::collections::HashMap;

/// A computation: nodes in topological order of their identity or not, inputs and named outputs.
/// Invariants are listed in [`Graph::verify`].
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: StableDiGraph<Node, ()>,
    inputs: Vec<NodeId>,
    outputs: Vec<Output>,
}

/// Two graphs are equal when they print the same and hold the same constants.
impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        let nodes = |g: &Self| {
            let order = g.order();
            let number: HashMap<NodeId, usize> = order.iter().enumerate().map(|(i, &id)| (id, i)).collect();
            let rows: Vec<_> = order
                .iter()
                .map(|&id| {
                    let inputs: Vec<_> = g.inputs_of(id).iter().map(|i| number.get(i).copied()).collect();
                    (g.op(id).clone(), inputs)
                })
                .collect();
            let outputs: Vec<_> = g
                .outputs
                .iter()
                .map(|o| (o.name.clone(), number[&o.node]))
                .collect();
            (rows, outputs)
        };
        nodes(self) == nodes(other)
    }
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node and infers its types. [`Op::Input`] becomes the graph's next input.
    ///
    /// # Errors
    /// When the inputs do not fit the operation.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[NodeId]) -> Result<NodeId> {
        let op = op.into();
        let types = self.infer(&op, inputs)?;
        let id = NodeId(self.nodes.add_node(Node {
            name: name.into(),
            inputs: inputs.to_vec(),
            types,
            op,
        }));
        for input in inputs {
            self.nodes.add_edge(input.0, id.0, ());
        }
        if matches!(self.op(id), Op::Input(_)) {
            self.inputs.push(id);
        }
        Ok(id)
    }

    /// Makes a node's first result an output of the graph.
    pub fn add_output(&mut self, name: impl Into<String>, node: NodeId) {
        self.outputs.push(Output {
            name: name.into(),
            node,
        });
    }

    /// Gives a node another operation and other inputs; its name and its users stay.
    ///
    /// # Errors
    /// When the inputs do not fit, or the type of the first result would change.
    pub fn replace(&mut self, id: NodeId, op: impl Into<Op>, inputs: &[NodeId]) -> Result<()> {
        let op = op.into();
        let types = self.infer(&op, inputs)?;
        if types.first() != self.node(id).types.first() {
            return Err(Error::internal(format!(
                "replacing {} by {op} changes its type from {} to {}",
                self.node(id).name,
                self.ty(id),
                types[0]
            )));
        }
        let edges: Vec<_> = self
            .nodes
            .edges_directed(id.0, Direction::Incoming)
            .map(|e| petgraph::visit::EdgeRef::id(&e))
            .collect();
        for edge in edges {
            self.nodes.remove_edge(edge);
        }
        for input in inputs {
            self.nodes.add_edge(input.0, id.0, ());
        }
        let node = &mut self.nodes[id.0];
        (node.op, node.inputs, node.types) = (op, inputs.to_vec(), types);
        Ok(())
    }

    /// Lets all users of `old`, the graph's outputs too, use `new`.
    ///
    /// # Errors
    /// When the types differ.
    pub fn redirect(&mut self, old: NodeId, new: NodeId) -> Result<()> {
        if self.ty(old) != self.ty(new) {
            return Err(Error::internal(format!(
                "{} cannot stand for {}",
                self.ty(new),
                self.ty(old)
            )));
        }
        for user in self.users(old) {
            if user == new {
                continue;
            }
            let inputs: Vec<_> = self
                .inputs_of(user)
                .iter()
                .map(|&i| if i == old { new } else { i })
                .collect();
            let op = self.op(user).clone();
            self.replace(user, op, &inputs)?;
        }
        for output in &mut self.outputs {
            if output.node == old {
                output.node = new;
            }
        }
        Ok(())
    }

    /// Removes a node that nobody uses; graph inputs stay.
    pub fn remove(&mut self, id: NodeId) {
        self.nodes.remove_node(id.0);
    }

    /// Whether a node is there; one that was removed is not, though its identity may be given to a new one.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_node(id.0)
    }

    /// Changes the elements of a constant, in place where nobody else holds them. Types do not change.
    ///
    /// # Errors
    /// When the node is no float constant.
    pub fn edit_constant(&mut self, id: NodeId, edit: impl FnOnce(&mut [f32])) -> Result<()> {
        match &mut self.nodes[id.0].op {
            Op::Constant(constant) => {
                edit(constant.0.as_f32_mut()?);
                Ok(())
            }
            op => Err(Error::internal(format!("{} is no constant", op.name()))),
        }
    }

    fn infer(&self, op: &Op, inputs: &[NodeId]) -> Result<Vec<TensorType>> {
        if let Some(missing) = inputs.iter().find(|i| !self.nodes.contains_node(i.0)) {
            return Err(Error::internal(format!("node {missing:?} does not exist")));
        }
        // A projection sees all results of its node, everything else only the first.
        let types: Vec<&TensorType> = match (op, inputs) {
            (Op::Project(_), &[input]) => self.node(input).types.iter().collect(),
            _ => inputs.iter().map(|&i| self.ty(i)).collect(),
        };
        op.infer(&types)
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
    /// A node's operation.
    pub fn op(&self, id: NodeId) -> &Op {
        &self.nodes[id.0].op
    }
    /// The type of a node's first result.
    pub fn ty(&self, id: NodeId) -> &TensorType {
        &self.nodes[id.0].types[0]
    }
    /// A node's inputs in order.
    pub fn inputs_of(&self, id: NodeId) -> &[NodeId] {
        &self.nodes[id.0].inputs
    }
    /// The nodes that use `id`, each once, in a fixed order. Being a graph output is not a use.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let mut users: Vec<_> = self.nodes.neighbors(id.0).map(NodeId).collect();
        users.sort_unstable();
        users.dedup();
        users
    }
    /// Whether a node is an output of the graph.
    pub fn is_output(&self, id: NodeId) -> bool {
        self.outputs.iter().any(|o| o.node == id)
    }
    /// The only user of a node that is no output and is used as one input.
    pub fn sole_user(&self, id: NodeId) -> Option<NodeId> {
        let mut uses = self.nodes.neighbors(id.0);
        match (uses.next(), uses.next()) {
            (Some(user), None) if !self.is_output(id) => Some(NodeId(user)),
            _ => None,
        }
    }
    /// The constant that a node is, if it is one.
    pub fn constant(&self, id: NodeId) -> Option<&Tensor> {
        match self.op(id) {
            Op::Constant(constant) => Some(&constant.0),
            _ => None,
        }
    }
    /// The graph's inputs in order.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }
    /// The graph's outputs in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// All nodes, producers before users: inputs first, then depth first from the outputs. What no output needs
    /// comes last, so the order says nothing about use.
    pub fn order(&self) -> Vec<NodeId> {
        let mut order = self.inputs.clone();
        let mut seen: std::collections::HashSet<NodeId> = order.iter().copied().collect();
        let rest = self.nodes.node_indices().map(NodeId);
        let reversed = Reversed(&self.nodes);
        let mut dfs = DfsPostOrder::empty(reversed);
        for start in self.outputs.iter().map(|o| o.node).chain(rest) {
            dfs.move_to(start.0);
            while let Some(next) = dfs.next(reversed) {
                if seen.insert(NodeId(next)) {
                    order.push(NodeId(next));
                }
            }
        }
        order
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }
    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.nodes
            .node_indices()
            .map(|i| {
                let node = &self.nodes[i];
                let inputs: Vec<_> = node.inputs.iter().map(|&i| self.ty(i)).collect();
                node.op.flops(&inputs, &node.types)
            })
            .sum()
    }

    /// Runs the graph with the reference evaluation of every operation.
    ///
    /// # Errors
    /// When `inputs` do not fit the graph's inputs.
    pub fn eval(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::inconsistent(format!(
                "{} inputs for {}",
                inputs.len(),
                self.inputs.len()
            )));
        }
        let mut values: HashMap<NodeId, Vec<Tensor>> = HashMap::new();
        for (&id, value) in self.inputs.iter().zip(inputs) {
            if *self.ty(id) != value.ty() {
                return Err(Error::inconsistent(format!(
                    "{} is not {}",
                    value.ty(),
                    self.ty(id)
                )));
            }
            values.insert(id, vec![value.clone()]);
        }
        for id in self.order().into_iter().filter(|id| !self.inputs.contains(id)) {
            let args: Vec<&Tensor> = match (self.op(id), self.inputs_of(id)) {
                (Op::Project(_), &[input]) => values[&input].iter().collect(),
                (_, inputs) => inputs.iter().map(|i| &values[i][0]).collect(),
            };
            let results = self.op(id).eval(&args)?;
            values.insert(id, results);
        }
        Ok(self.outputs.iter().map(|o| values[&o.node][0].clone()).collect())
    }
}
