//! What convolutions and matrix products have in common: weights whose last axis is the result's channels.

use crate::graph::{Graph, NodeId};
use crate::ops::{Op, WindowAxis};
use crate::pointwise::Tape;
use crate::tensor::Shape;

/// An operation that is linear in its input 0, by weights in input 1 and a bias in input 2 if it has one.
pub struct Linear<'g> {
    /// The node.
    pub id: NodeId,
    /// Its epilogue.
    pub epilogue: &'g Tape,
    /// Its bias, if it has one.
    pub bias: Option<NodeId>,
    windows: &'g [WindowAxis],
    /// Groups of channels that do not mix.
    groups: usize,
}

impl<'g> Linear<'g> {
    /// The view of a node, if it is such an operation.
    pub fn of(graph: &'g Graph, id: NodeId) -> Option<Self> {
        let (windows, groups, bias, epilogue): (&[_], _, _, _) = match graph.op(id) {
            Op::Conv(op) => (&op.window, op.groups, op.bias, &op.epilogue),
            Op::MatMul(op) => (&[], 1, op.bias, &op.epilogue),
            _ => return None,
        };
        // A batch of matrices has no channels of its own.
        if matches!(graph.op(id), Op::MatMul(_)) && graph.ty(graph.inputs_of(id)[1]).shape.rank() != 2 {
            return None;
        }
        let bias = bias.then(|| graph.inputs_of(id)[2]);
        Some(Self {
            id,
            epilogue,
            bias,
            windows,
            groups,
        })
    }

    /// Whether windows reach beyond the input, where they find zeros.
    pub fn pads(&self) -> bool {
        self.windows.iter().any(|axis| axis.before + axis.after > 0)
    }

    /// Multiplies the weights so that every channel of the result grows by its factor.
    pub fn scale_outputs(weights: &mut [f32], scale: &[f64]) {
        for row in weights.chunks_exact_mut(scale.len()) {
            for (weight, factor) in row.iter_mut().zip(scale) {
                *weight = (f64::from(*weight) * factor) as f32;
            }
        }
    }

    /// The number that stands for each weight in a walk over the input channels: calls `visit` with the index
    /// of the weight, of its input channel and of its output channel.
    fn for_each_weight(groups: usize, shape: &Shape, mut visit: impl FnMut(usize, usize, usize)) {
        let dims = shape.dims();
        // `[…, input channels of a group, output channels]`.
        let (of_group, outputs) = (dims[dims.len() - 2], dims[dims.len() - 1]);
        let rows = shape.count() / outputs;
        for row in 0..rows {
            for output in 0..outputs {
                let input = output / (outputs / groups) * of_group + row % of_group;
                visit(row * outputs + output, input, output);
            }
        }
    }

    /// A function that multiplies the weights as if every channel of the input had grown by its factor.
    pub fn scale_inputs(&self, shape: Shape, scale: Vec<f64>) -> impl FnOnce(&mut [f32]) + use<> {
        let groups = self.groups;
        move |weights| {
            Self::for_each_weight(groups, &shape, |at, input, _| {
                weights[at] = (f64::from(weights[at]) * scale[input]) as f32;
            });
        }
    }

    /// What adding `shift` to every channel of the input adds to every channel of the result, where no window
    /// reaches into padding.
    pub fn shifted(&self, weights: &[f32], shape: &Shape, shift: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; shape[shape.rank() - 1]];
        Self::for_each_weight(self.groups, shape, |at, input, output| {
            sums[output] += f64::from(weights[at]) * shift[input];
        });
        sums
    }
}

/// The same operation with or without a bias.
pub fn with_bias(op: &Op, bias: bool) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::Conv(op) => op.bias = bias,
        Op::MatMul(op) => op.bias = bias,
        _ => {}
    }
    op
}
