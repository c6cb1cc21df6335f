//! What a graph consists of.

use crate::ops::Op;
use crate::tensor::TensorType;

/// Identity of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) usize);

/// An operation with its ordered inputs.
#[derive(Debug, Clone)]
pub struct Node {
    /// The Keras layer it came from; for messages and reports, not unique.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// Its inputs in order.
    pub inputs: Vec<NodeId>,
    /// Types of its results, at least one.
    pub types: Vec<TensorType>,
}

impl Node {
    /// The name under which a caller provides this value, if it is a graph input; else the node's name.
    pub fn input_name(&self) -> &str {
        match &self.op {
            Op::Input(input) => &input.name,
            _ => &self.name,
        }
    }
}

/// A named result of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The name a caller sees.
    pub name: String,
    /// The node whose first result it is.
    pub node: NodeId,
}
