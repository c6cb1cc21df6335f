//! The graph: nodes with ordered inputs, a builder, a verifier, a printer and its reverse.
//!
//! `store` keeps nodes and edges; nothing outside this module sees it.

mod build;
mod node;
mod parse;
mod print;
mod ranges;
mod store;
mod verify;

pub use build::Builder;
pub use node::{Node, NodeId, Output};
pub use parse::{ParseError, unquoted};
pub use ranges::index_ranges;

use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use crate::ops::Op;
use crate::tensor::{Tensor, TensorType};
use std::collections::HashMap;
use std::sync::Arc;
use store::Store;

/// A computation: nodes in topological order of their identity or not, inputs and named outputs.
/// Invariants are listed in [`Graph::verify`].
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Store,
    inputs: Vec<NodeId>,
    outputs: Vec<Output>,
    budget: Budget,
    /// Whether it is complete, and passes work on it.
    rewritten: bool,
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

/// Is shown a node with its arguments and results, and may end it all.
pub type See<'a> = dyn FnMut(NodeId, &[&Tensor], &[Tensor]) -> Result<()> + 'a;

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty graph that takes what it needs from this budget.
    pub fn within(budget: Budget) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// The budget of the compilation that the graph belongs to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The graph is complete: nodes that are added from here on replace others.
    pub fn rewriting(&mut self) {
        self.rewritten = true;
    }

    /// Adds a node and infers its types. [`Op::Input`] becomes the graph's next input.
    ///
    /// # Errors
    /// When the inputs do not fit the operation, or the budget is used up.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[NodeId]) -> Result<NodeId> {
        let (name, op) = (name.into(), op.into());
        let types = self.infer(&op, inputs)?;
        let added = || {
            let counted = if self.rewritten {
                Resource::Rewrites
            } else {
                Resource::Nodes
            };
            self.budget.take(counted, 1_u64)?;
            self.budget.take(Resource::Edges, inputs.len())?;
            self.budget.take(Resource::Names, name.len())?;
            self.make_room(&op, &types)
        };
        added().map_err(|error| error.in_node(&name))?;
        let id = self.nodes.add(Node {
            name,
            inputs: inputs.to_vec(),
            types,
            op,
        });
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
        *self.nodes.outputs_mut(node) += 1;
    }

    /// Gives a node another operation and other inputs; its name and its users stay.
    ///
    /// # Errors
    /// When the inputs do not fit, or the type of the first result would change.
    pub fn replace(&mut self, id: NodeId, op: impl Into<Op>, inputs: &[NodeId]) -> Result<()> {
        let op = op.into();
        let types = self.infer(&op, inputs)?;
        self.make_room(&op, &types)
            .map_err(|error| error.in_node(&self.node(id).name))?;
        if types.first() != self.node(id).types.first() {
            return Err(Error::internal(format!(
                "replacing {} by {op} changes its type from {} to {}",
                self.node(id).name,
                self.ty(id),
                types[0]
            )));
        }
        self.nodes.set_inputs(id, inputs);
        let node = self.nodes.node_mut(id);
        (node.op, node.types) = (op, types);
        Ok(())
    }

    /// Lets all users of `old`, the graph's outputs too, use `new`.
    ///
    /// # Errors
    /// When the types differ.
    pub fn redirect(&mut self, old: NodeId, new: NodeId) -> Result<()> {
        if self.node(old).types != self.node(new).types {
            return Err(Error::internal(format!(
                "{} cannot stand for {}",
                self.ty(new),
                self.ty(old)
            )));
        }
        // Inputs of the same types: what operations infer from them stays.
        for user in self.users(old) {
            if user != new {
                self.nodes.exchange_input(user, old, new);
            }
        }
        if old != new && self.is_output(old) {
            for output in self.outputs.iter_mut().filter(|output| output.node == old) {
                output.node = new;
            }
            *self.nodes.outputs_mut(new) += std::mem::take(self.nodes.outputs_mut(old));
        }
        Ok(())
    }

    /// Removes a node that nobody uses and that is neither input nor output of the graph.
    ///
    /// # Errors
    /// When it is used, or one of these, or not there.
    pub fn remove(&mut self, id: NodeId) -> Result<()> {
        if !self.contains(id) || self.is_used(id) || self.is_output(id) || self.is_input(id) {
            return Err(Error::internal(format!("node {id:?} is needed, or gone")));
        }
        self.nodes.remove(id);
        Ok(())
    }

    /// Removes a node that nobody uses and that is no output, be it an input of the graph.
    pub fn forget(&mut self, id: NodeId) {
        if self.contains(id) && !self.is_used(id) && !self.is_output(id) {
            self.inputs.retain(|input| *input != id);
            self.nodes.remove(id);
        }
    }

    /// Puts some of the graph's inputs behind all others.
    pub fn put_behind(&mut self, last: &[NodeId]) {
        let last: std::collections::HashSet<_> = last.iter().collect();
        self.inputs.sort_by_key(|input| last.contains(input));
    }

    /// Whether a node is there; one that was removed is not, though its identity may be given to a new one.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains(id)
    }

    /// Changes the elements of a constant, in place where nobody else holds them. Types do not change.
    ///
    /// # Errors
    /// When the node is no float constant, or the budget is used up.
    pub fn edit_constant(&mut self, id: NodeId, edit: impl FnOnce(&mut [f32])) -> Result<()> {
        let node = self.node(id);
        self.make_room(&node.op, &node.types)
            .map_err(|error| error.in_node(&node.name))?;
        match &mut self.nodes.node_mut(id).op {
            Op::Constant(constant) => {
                edit(constant.0.as_f32_mut()?);
                Ok(())
            }
            op => Err(Error::internal(format!("{} is no constant", op.name()))),
        }
    }

    /// Puts a constant of the same type in place of another, which takes nothing out of the budget: what was there goes.
    ///
    /// # Errors
    /// When the node is no constant, or of another type.
    pub fn exchange_constant(&mut self, id: NodeId, tensor: Tensor) -> Result<()> {
        match &mut self.nodes.node_mut(id).op {
            Op::Constant(constant) if constant.0.ty() == tensor.ty() => constant.0 = tensor,
            op => {
                return Err(Error::internal(format!(
                    "{} is exchanged for {}",
                    op.name(),
                    tensor.ty()
                )));
            }
        }
        Ok(())
    }

    /// Lets the constants in the body of a scan be exchanged; nothing for any other node.
    ///
    /// # Errors
    /// That of `edit`.
    pub fn edit_body(&mut self, id: NodeId, edit: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        match &mut self.nodes.node_mut(id).op {
            Op::Scan(scan) => edit(Arc::make_mut(&mut scan.body)),
            _ => Ok(()),
        }
    }

    fn infer(&self, op: &Op, inputs: &[NodeId]) -> Result<Vec<TensorType>> {
        if let Some(missing) = inputs.iter().find(|i| !self.nodes.contains(**i)) {
            return Err(Error::internal(format!("node {missing:?} does not exist")));
        }
        // A projection sees all results of its node, everything else only the first.
        let types: Vec<&TensorType> = match (op, inputs) {
            (Op::Project(_), &[input]) => self.node(input).types.iter().collect(),
            _ => inputs.iter().map(|&i| self.ty(i)).collect(),
        };
        op.infer(&types)
    }

    /// Takes what an operation with these results needs.
    fn make_room(&self, op: &Op, results: &[TensorType]) -> Result<()> {
        for result in results {
            self.budget.take(Resource::Rank, result.shape.rank())?;
        }
        if let (Op::Constant(_), [ty]) = (op, results) {
            self.budget.take(Resource::Constants, 4 * ty.shape.count())?;
        }
        self.budget.take(Resource::Tape, op.scalar_instructions())
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.node(id)
    }
    /// A node's operation.
    pub fn op(&self, id: NodeId) -> &Op {
        &self.nodes.node(id).op
    }
    /// The type of a node's first result.
    pub fn ty(&self, id: NodeId) -> &TensorType {
        &self.nodes.node(id).types[0]
    }
    /// A node's inputs in order.
    pub fn inputs_of(&self, id: NodeId) -> &[NodeId] {
        &self.nodes.node(id).inputs
    }
    /// The nodes that use `id`, each once, in a fixed order. Being a graph output is not a use.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        self.nodes.users(id).keys().copied().collect()
    }
    /// How many nodes use `id`.
    pub fn user_count(&self, id: NodeId) -> usize {
        self.nodes.users(id).len()
    }
    /// Whether any node uses `id`. Being a graph output is not a use.
    pub fn is_used(&self, id: NodeId) -> bool {
        !self.nodes.users(id).is_empty()
    }
    /// Whether a node is an output of the graph.
    pub fn is_output(&self, id: NodeId) -> bool {
        self.nodes.outputs(id) > 0
    }
    /// Whether a node is an input of the graph.
    pub fn is_input(&self, id: NodeId) -> bool {
        matches!(self.op(id), Op::Input(_))
    }
    /// The only user of a node that is no output and is used as one input.
    pub fn sole_user(&self, id: NodeId) -> Option<NodeId> {
        let users = self.nodes.users(id);
        match users.first_key_value() {
            Some((&user, 1)) if users.len() == 1 && !self.is_output(id) => Some(user),
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
        let mut order = Vec::with_capacity(self.len());
        let mut seen = vec![false; self.nodes.bound()];
        let mut open: Vec<(NodeId, usize)> = Vec::new();
        let outputs = self.outputs.iter().map(|output| output.node);
        for start in self.inputs.iter().copied().chain(outputs).chain(self.nodes.ids()) {
            if !std::mem::replace(&mut seen[start.0], true) {
                open.push((start, 0));
            }
            while let Some((id, next)) = open.last_mut() {
                match self.nodes.node(*id).inputs.get(*next) {
                    Some(&input) => {
                        *next += 1;
                        if !std::mem::replace(&mut seen[input.0], true) {
                            open.push((input, 0));
                        }
                    }
                    None => order.extend(open.pop().map(|(id, _)| id)),
                }
            }
        }
        order
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.nodes
            .ids()
            .map(|id| {
                let node = self.node(id);
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
        self.eval_seen(inputs, &mut |_, _, _| Ok(()))
    }

    /// The same; `see` is shown each node with its arguments and results, but for inputs of the graph.
    ///
    /// # Errors
    /// That of `see`, or when `inputs` do not fit the graph's inputs.
    pub fn eval_seen(&self, inputs: &[Tensor], see: &mut See<'_>) -> Result<Vec<Tensor>> {
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
        for id in self.order().into_iter().filter(|&id| !self.is_input(id)) {
            let args: Vec<&Tensor> = match (self.op(id), self.inputs_of(id)) {
                (Op::Project(_), &[input]) => values[&input].iter().collect(),
                (_, inputs) => inputs.iter().map(|i| &values[i][0]).collect(),
            };
            let results = self.op(id).eval(&args)?;
            see(id, &args, &results)?;
            values.insert(id, results);
        }
        Ok(self.outputs.iter().map(|o| values[&o.node][0].clone()).collect())
    }
}
