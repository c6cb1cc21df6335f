//! Shorthands for building graphs.

use super::{Graph, NodeId};
use crate::error::Result;
use crate::ops::{Concat, Constant, Input, Map, Project, Reduce, ReduceKind, Reshape, Slice, Transpose};
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor, TensorType};

/// Adds nodes that all carry the same name, usually a layer's.
pub struct Builder<'g> {
    /// The graph under construction.
    pub graph: &'g mut Graph,
    /// Name of the nodes to come.
    pub name: String,
}

impl<'g> Builder<'g> {
    /// A builder whose nodes are called `name`.
    pub fn new(graph: &'g mut Graph, name: impl Into<String>) -> Self {
        Self {
            graph,
            name: name.into(),
        }
    }
    /// Adds any operation.
    ///
    /// # Errors
    /// When the inputs do not fit it; so for all functions below.
    pub fn add(&mut self, op: impl Into<crate::ops::Op>, inputs: &[NodeId]) -> Result<NodeId> {
        self.graph.add(self.name.clone(), op, inputs)
    }
    /// The shape of a value.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.graph.ty(id).shape
    }
    /// An input of the graph.
    pub fn input(&mut self, name: impl Into<String>, ty: TensorType) -> Result<NodeId> {
        self.add(
            Input {
                name: name.into(),
                ty,
            },
            &[],
        )
    }
    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> Result<NodeId> {
        self.add(Constant(tensor), &[])
    }
    /// Applies a tape to broadcast inputs.
    pub fn map(&mut self, tape: Tape, inputs: &[NodeId]) -> Result<NodeId> {
        self.add(Map { tape }, inputs)
    }
    /// The same elements under another shape; nothing is added when the shape is the same.
    pub fn reshape(&mut self, x: NodeId, shape: impl Into<Shape>) -> Result<NodeId> {
        let shape = shape.into();
        if *self.shape(x) == shape {
            Ok(x)
        } else {
            self.add(Reshape { shape }, &[x])
        }
    }
    /// Permutes axes; nothing is added for the identity.
    pub fn transpose(&mut self, x: NodeId, perm: impl Into<Vec<usize>>) -> Result<NodeId> {
        let perm = perm.into();
        if perm.iter().copied().eq(0..self.shape(x).rank()) {
            Ok(x)
        } else {
            self.add(Transpose { perm }, &[x])
        }
    }
    /// Joins values along an axis.
    pub fn concat(&mut self, axis: usize, parts: &[NodeId]) -> Result<NodeId> {
        if let [only] = parts {
            Ok(*only)
        } else {
            self.add(Concat { axis }, parts)
        }
    }
    /// Elements `start..start + size` of an axis.
    pub fn slice(&mut self, x: NodeId, axis: usize, start: usize, size: usize) -> Result<NodeId> {
        let slice = Slice::along(self.shape(x), axis, start, size);
        self.add(slice, &[x])
    }
    /// Reduces axes to extent 1.
    pub fn reduce(&mut self, kind: ReduceKind, axes: impl Into<Vec<usize>>, x: NodeId) -> Result<NodeId> {
        let mut axes = axes.into();
        axes.sort_unstable();
        self.add(
            Reduce {
                kind,
                axes,
                epilogue: Tape::identity(),
            },
            &[x],
        )
    }
    /// Result `index` of a node with several.
    pub fn project(&mut self, node: NodeId, index: usize) -> Result<NodeId> {
        self.add(Project { index }, &[node])
    }
}
