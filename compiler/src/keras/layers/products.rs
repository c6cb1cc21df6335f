//! The weights of a recurrent cell, and its products with them: of the inputs of all steps with the kernel, and of a state
//! with the recurrent kernel. For images both are convolutions.

use super::cells::{Cell, Kind};
use super::context::{Cx, Stop};
use super::conv_lstm::{convolve, planar, planar_shape};
use super::weights::Weights;
use crate::budget::Resource;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::{MatMul, WindowAxis};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor};

impl Cell {
    /// The shape of a state without its batch, for inputs of a step of this shape: `[units]`, or an image `[…, filters]`.
    pub fn state(&self, cx: &Cx<'_>, features: &[usize]) -> Result<Vec<usize>, Stop> {
        match (&self.convolution, features) {
            (None, [_]) => Ok(vec![self.units]),
            (Some(convolution), [extents @ .., _]) if extents.len() == convolution.size.len() => {
                convolution.check(cx)?;
                Ok([convolution.output(extents)?, vec![self.units]].concat())
            }
            _ => Err(Error::internal("inputs of another rank").into()),
        }
    }
    /// The shape of the projected input of a step, for a state of this shape.
    pub fn projected(&self, state: &[usize]) -> Vec<usize> {
        let mut shape = state.to_vec();
        if let Some(units) = shape.last_mut() {
            *units = units.saturating_mul(self.gates());
        }
        shape
    }
    /// The weights: kernel `[features, gates·units]`, recurrent kernel `[units, gates·units]`, bias, which for a GRU
    /// that resets after has a row for each of both products. Kernels of convolutions have their extents before that.
    pub fn weights<'a>(&self, cx: &mut Cx<'a>, features: usize) -> Weights<'a> {
        let all = self.units.saturating_mul(self.gates());
        let bias = match self.kind {
            Kind::Gru { reset_after: true } => vec![2, all],
            _ => vec![all],
        };
        let size = self.convolution.as_ref().map_or(&[][..], |found| &found.size);
        cx.weights([
            Some(("kernel", [size, &[features, all]].concat())),
            Some(("recurrent_kernel", [size, &[self.units, all]].concat())),
            self.bias.then_some(("bias", bias)),
        ])
    }

    /// The inputs of all steps, `[steps, batch, features]`, times the kernel, plus the bias.
    pub fn project(&self, cx: &mut Cx<'_>, weights: &Weights<'_>, x: NodeId) -> Result<NodeId, Stop> {
        let dims = cx.dims(x);
        let [steps, batch, features @ ..] = &dims[..] else {
            return Err(cx.inconsistent("it takes a sequence [batch, time, features]"));
        };
        let projected = self.projected(&self.state(cx, features)?);
        let all = self.units.saturating_mul(self.gates());
        let x = cx.b().reshape(x, [&[steps * batch], features].concat())?;
        let z = match &self.convolution {
            None => {
                let mut inputs = vec![x, weights.node(cx, "kernel")?];
                if self.bias {
                    let shape = Shape::new([all]);
                    inputs.push(weights.derived(cx, "input bias", &shape, |w| part(w.get("bias")?, 0, all))?);
                }
                let op = MatMul {
                    bias: self.bias,
                    epilogue: Tape::identity(),
                };
                cx.b().add(op, &inputs)?
            }
            Some(convolution) => {
                let (&[ref extents @ .., channels], size) = (features, &convolution.size) else {
                    return Err(Error::internal("images without channels").into());
                };
                // Each tap along the depth is a part of both convolutions.
                cx.state.budget.take(Resource::Parts, 2 * size[0])?;
                let shape = planar_shape(size, [channels, all])?;
                let kernel =
                    weights.derived(cx, "kernel of images", &shape, |w| Some(planar(w.get("kernel")?)))?;
                let bias = match self.bias {
                    true => Some(weights.node(cx, "bias")?),
                    false => None,
                };
                convolve(
                    &mut cx.b(),
                    &convolution.windows(extents),
                    [x, kernel],
                    bias,
                    None,
                )?
            }
        };
        Ok(cx.b().reshape(z, [&[*steps, *batch], &projected[..]].concat())?)
    }

    /// The constants of a step, for states of a shape.
    pub fn constants(&self, weights: &Weights<'_>, state: &[usize]) -> Result<Constants> {
        let all = self.units.saturating_mul(self.gates());
        let windows = match (&self.convolution, state) {
            (Some(convolution), [extents @ .., _]) => Some(convolution.recurrent_windows(extents)),
            _ => None,
        };
        let kernel = match (weights.get("recurrent_kernel"), self.kind) {
            (None, _) => None,
            (Some(kernel), Kind::Gru { reset_after: false }) => {
                let gates = columns(kernel, 0, 2 * self.units)?;
                Some(vec![gates, columns(kernel, 2 * self.units, self.units)?])
            }
            (Some(kernel), _) if windows.is_some() => Some(vec![planar(kernel)?]),
            (Some(kernel), _) => Some(vec![kernel.clone()]),
        };
        let after = self.kind == Kind::Gru { reset_after: true };
        let bias = match weights.get("bias") {
            Some(bias) if after => part(bias, all, all).transpose()?,
            _ => None,
        };
        Ok(Constants {
            complete: kernel.is_some() && (bias.is_some() || !(after && self.bias)),
            kernels: kernel.unwrap_or_default(),
            bias,
            windows,
        })
    }
}

/// Constants of a step, to be placed into its body.
pub struct Constants {
    kernels: Vec<Tensor>,
    bias: Option<Tensor>,
    /// What a state is seen through, if it is an image.
    windows: Option<Vec<WindowAxis>>,
    complete: bool,
}

impl Constants {
    /// A state times a recurrent kernel, plus the recurrent bias or another value.
    pub fn product(
        &self,
        b: &mut Builder<'_>,
        state: NodeId,
        kernel: usize,
        bias: bool,
        plus: Option<NodeId>,
    ) -> Result<NodeId> {
        let missing = || Error::internal("a recurrent weight is missing");
        let kernel = self.kernels.get(kernel).cloned().ok_or_else(missing)?;
        let kernel = b.constant(kernel)?;
        if let Some(windows) = &self.windows {
            return convolve(b, windows, [state, kernel], None, plus);
        }
        let mut inputs = vec![state, kernel];
        if bias {
            inputs.push(b.constant(self.bias.clone().ok_or_else(missing)?)?);
        }
        let epilogue = match plus {
            Some(plus) => {
                inputs.push(plus);
                Tape::binary(Binary::Add)
            }
            None => Tape::identity(),
        };
        b.add(MatMul { bias, epilogue }, &inputs)
    }
    /// Whether the step can be built.
    pub fn complete(&self) -> bool {
        self.complete
    }
}

/// `count` elements of a weight, from `start` on, as a vector.
fn part(tensor: &Tensor, start: usize, count: usize) -> Option<Result<Tensor>> {
    if tensor.shape().rank() == 1 && start == 0 {
        return Some(Ok(tensor.clone()));
    }
    let data = tensor.as_f32().ok()?.get(start..start + count)?;
    Some(Tensor::f32([count], data))
}

/// `count` columns of a matrix, from `start` on.
fn columns(matrix: &Tensor, start: usize, count: usize) -> Result<Tensor> {
    let [rows, all] = matrix.shape().dims()[..] else {
        return Err(Error::internal("a kernel that is no matrix"));
    };
    let data = matrix.as_f32()?;
    let picked: Vec<f32> = data
        .chunks(all)
        .flat_map(|row| row[start..start + count].iter().copied())
        .collect();
    Tensor::f32([rows, count], picked)
}
