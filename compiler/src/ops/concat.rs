//! Concatenation.

use super::attributes::Attributes;
use super::reference::indices;
use super::{Operation, Storage, reference::broadcast_offset};
use crate::error::{Error, Result};
use crate::tensor::{Data, Shape, Tensor, TensorType};
use std::fmt;

/// Joins its inputs along an axis; all other extents and the element types are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Operation for Concat {
    const NAME: &'static str = "concat";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let first = *inputs
            .first()
            .ok_or_else(|| Error::inconsistent("nothing to concatenate"))?;
        let mut dims = first.shape.dims().to_vec();
        if self.axis >= dims.len() {
            return Err(Error::inconsistent(format!(
                "axis {} is not an axis of {first}",
                self.axis
            )));
        }
        dims[self.axis] = 0;
        for input in inputs {
            let fits = input.dtype == first.dtype
                && input.shape.rank() == dims.len()
                && (0..dims.len()).all(|a| a == self.axis || input.shape[a] == first.shape[a]);
            if !fits {
                return Err(Error::inconsistent(format!(
                    "{first} and {input} cannot be concatenated along axis {}",
                    self.axis
                )));
            }
            dims[self.axis] += input.shape[self.axis];
        }
        Ok(vec![TensorType {
            shape: Shape::checked(dims)?,
            dtype: first.dtype,
        }])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let types: Vec<_> = inputs.iter().map(|t| t.ty()).collect();
        let ty = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let pick = |mut index: Vec<usize>| {
            for (which, input) in inputs.iter().enumerate() {
                let extent = input.shape()[self.axis];
                if index[self.axis] < extent {
                    return (which, broadcast_offset(input.shape(), &index));
                }
                index[self.axis] -= extent;
            }
            unreachable!("the extents add up to the result's")
        };
        let sources: Vec<(usize, usize)> = indices(&ty.shape).map(pick).collect();
        let data = match inputs[0].data() {
            Data::F32(_) => {
                let data = inputs.iter().map(|t| t.as_f32()).collect::<Result<Vec<_>>>()?;
                Data::F32(sources.iter().map(|&(which, at)| data[which][at]).collect())
            }
            Data::I32(_) => Data::I32(
                sources
                    .iter()
                    .map(|&(which, at)| match inputs[which].data() {
                        Data::I32(d) => d[at],
                        Data::F32(d) => d[at] as i32,
                    })
                    .collect(),
            ),
        };
        Ok(vec![Tensor::new(ty.shape, data)?])
    }
    fn storage(&self) -> Storage {
        Storage::Joined(self.axis)
    }
    fn keeps_integers(&self, _: usize) -> bool {
        true
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " axis={}", self.axis)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        Ok(Self {
            axis: text.number("axis")?,
        })
    }
}
