//! Invariants of a graph.
//!
//! 1. Every input of a node exists, and petgraph's edges are exactly the inputs.
//! 2. There is no cycle.
//! 3. The types of every node are what its operation infers from its inputs.
//! 4. The graph's inputs are input nodes, each listed once; every input node is listed.
//! 5. Outputs exist and have distinct names.
//! 6. Only projections use a node with several results.
//! 7. Bodies of scans satisfy all of this too.

use super::{Graph, NodeId};
use crate::error::{Error, Result};
use crate::ops::Op;
use petgraph::Direction;
use std::collections::BTreeSet;

impl Graph {
    /// Checks all invariants.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Internal`] naming the first node that breaks one.
    pub fn verify(&self) -> Result<()> {
        if petgraph::algo::is_cyclic_directed(&self.nodes) {
            return Err(Error::internal("the graph has a cycle"));
        }
        for index in self.nodes.node_indices() {
            self.verify_node(NodeId(index))?;
        }
        let listed: BTreeSet<_> = self.inputs.iter().collect();
        if listed.len() != self.inputs.len() {
            return Err(Error::internal("a graph input is listed twice"));
        }
        let names: BTreeSet<_> = self.outputs.iter().map(|o| &o.name).collect();
        if names.len() != self.outputs.len() {
            return Err(Error::internal("two outputs have the same name"));
        }
        if self.outputs.iter().any(|o| !self.nodes.contains_node(o.node.0)) {
            return Err(Error::internal("an output does not exist"));
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
        if node.inputs.iter().any(|i| !self.nodes.contains_node(i.0)) {
            return fail("an input does not exist");
        }
        let mut edges: Vec<_> = self
            .nodes
            .neighbors_directed(id.0, Direction::Incoming)
            .map(NodeId)
            .collect();
        let mut inputs = node.inputs.clone();
        edges.sort_unstable();
        inputs.sort_unstable();
        if edges != inputs {
            return fail("edges and inputs differ");
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
