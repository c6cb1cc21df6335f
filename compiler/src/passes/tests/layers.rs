//! Layers from which tests build small networks.

use super::random::Random;
use super::tapes;
use crate::error::Result;
use crate::graph::{Builder, NodeId};
use crate::ops::{Conv, WindowAxis};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor, TensorType};

/// Builds a network with named layers and pseudo-random weights.
pub struct Net<'g> {
    pub b: Builder<'g>,
    pub random: Random,
}

/// Windows of so many taps that keep the extents.
pub fn same(size: usize) -> [WindowAxis; 2] {
    let around = (size - 1) / 2;
    [WindowAxis {
        before: around,
        after: size - 1 - around,
        ..WindowAxis::new(size)
    }; 2]
}

impl Net<'_> {
    /// Names the nodes to come.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.b.name = name.into();
        self
    }
    pub fn input(&mut self, dims: impl Into<Shape>) -> Result<NodeId> {
        self.b.name = String::new();
        let name = format!("x{}", self.b.graph.inputs().len());
        self.b.input(name, TensorType::f32(dims))
    }
    pub fn output(&mut self, id: NodeId) {
        let name = format!("y{}", self.b.graph.outputs().len());
        self.b.graph.add_output(name, id);
    }
    pub fn weights(&mut self, dims: impl Into<Shape>) -> Result<NodeId> {
        let tensor = self.random.tensor(dims);
        self.b.constant(tensor)
    }
    fn channels(&self, x: NodeId) -> usize {
        let shape = self.b.shape(x);
        shape[shape.rank() - 1]
    }
    pub fn conv(&mut self, x: NodeId, filters: usize, window: [WindowAxis; 2]) -> Result<NodeId> {
        let weights = self.weights([window[0].size, window[1].size, self.channels(x), filters])?;
        let op = Conv {
            window,
            groups: 1,
            bias: false,
            epilogue: Tape::identity(),
        };
        self.b.add(op, &[x, weights])
    }
    /// Normalises with operands of the shape `[channels, 1, …]`, with so many ones.
    pub fn norm_of(&mut self, x: NodeId, channels: usize, ones: usize) -> Result<NodeId> {
        let mut dims = vec![1; 1 + ones];
        dims[0] = channels;
        let gamma = self.weights(dims.clone())?;
        let beta = self.weights(dims.clone())?;
        let mean = self.weights(dims.clone())?;
        let variance = self.b.constant(Tensor::f32(
            dims,
            (1..=channels).map(|c| c as f32).collect::<Vec<_>>(),
        )?)?;
        self.b.map(tapes::normalise(), &[x, gamma, beta, mean, variance])
    }
    pub fn norm(&mut self, x: NodeId) -> Result<NodeId> {
        self.norm_of(x, self.channels(x), 0)
    }
    pub fn relu(&mut self, x: NodeId) -> Result<NodeId> {
        self.b.map(tapes::relu(), &[x])
    }
    pub fn silu(&mut self, x: NodeId) -> Result<NodeId> {
        self.b.map(tapes::silu(), &[x])
    }
    pub fn binary(&mut self, op: Binary, x: NodeId, y: NodeId) -> Result<NodeId> {
        self.b.map(Tape::binary(op), &[x, y])
    }
}
