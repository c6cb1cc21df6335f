//! Invariants of a graph.
//!
//! 1. Every input of a node exists, and the users of a node are exactly those that have it as input.
//! 2. There is no cycle.
//! 3. The types of every node are what its operation infers from its inputs.
//! 4. The graph's inputs are input nodes, each listed once; every input node is listed.
//! 5. Outputs exist, have distinct names, and their nodes know it.
//! 6. Only projections use a node with several results.
//! 7. Bodies of scans satisfy all of this too.

use super::{Graph, NodeId};
use crate::error::{Error, Result};
use crate::ops::Op;
use std::collections::{BTreeSet, HashMap};

impl Graph {
    /// Checks all invariants.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Internal`] naming the first node that breaks one.
    pub fn verify(&self) -> Result<()> {
        for id in self.nodes.ids() {
            self.verify_node(id)?;
        }
        self.verify_edges()?;
        self.verify_order()?;
        let listed: BTreeSet<_> = self.inputs.iter().collect();
        if listed.len() != self.inputs.len() {
            return Err(Error::internal("a graph input is listed twice"));
        }
        let names: BTreeSet<_> = self.outputs.iter().map(|o| &o.name).collect();
        if names.len() != self.outputs.len() {
            return Err(Error::internal("two outputs have the same name"));
        }
        if self.outputs.iter().any(|o| !self.nodes.contains(o.node)) {
            return Err(Error::internal("an output does not exist"));
        }
        Ok(())
    }

    /// That every input knows its user is checked; here, that nobody else counts as a user.
    fn verify_edges(&self) -> Result<()> {
        let inputs: usize = self.nodes.ids().map(|id| self.inputs_of(id).len()).sum();
        let uses: usize = self
            .nodes
            .ids()
            .flat_map(|id| self.nodes.users(id).values())
            .sum();
        let outputs: usize = self.nodes.ids().map(|id| self.nodes.outputs(id)).sum();
        if inputs != uses || outputs != self.outputs.len() {
            return Err(Error::internal(
                "a node has a user that does not have it as input",
            ));
        }
        Ok(())
    }

    fn verify_order(&self) -> Result<()> {
        let mut position = vec![usize::MAX; self.nodes.bound()];
        for (at, id) in self.order().into_iter().enumerate() {
            position[id.0] = at;
        }
        let before = |id: NodeId| {
            let inputs = self.inputs_of(id).iter();
            inputs.copied().all(|input| position[input.0] < position[id.0])
        };
        if !self.nodes.ids().all(before) {
            return Err(Error::internal("the graph has a cycle"));
        }
        Ok(())
    }

    fn verify_node(&self, id: NodeId) -> Result<()> {
        let node = self.node(id);
        let fail = |what: &str| {
            Err(Error::internal(format!(
                "node {:?} ({}): {what}",
                node.name,
                node.op.name()
            )))
        };
        if node.inputs.iter().any(|i| !self.nodes.contains(*i)) {
            return fail("an input does not exist");
        }
        let mut counts: HashMap<NodeId, usize> = HashMap::new();
        for &input in &node.inputs {
            *counts.entry(input).or_default() += 1;
        }
        if counts
            .iter()
            .any(|(&input, count)| self.nodes.users(input).get(&id) != Some(count))
        {
            return fail("an input does not know it as its user");
        }
        if self.infer(&node.op, &node.inputs)? != node.types {
            return fail("types are not what the operation infers");
        }
        let several = node.inputs.iter().any(|&i| self.node(i).types.len() > 1);
        if several && !matches!(node.op, Op::Project(_)) {
            return fail("uses a node with several results without a projection");
        }
        match &node.op {
            Op::Input(_) if !self.inputs.contains(&id) => fail("is an input that the graph does not list"),
            Op::Scan(scan) => scan.body.verify(),
            _ => Ok(()),
        }
    }
}
