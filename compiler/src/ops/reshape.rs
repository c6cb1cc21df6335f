//! The same elements under another shape.

use super::attributes::Attributes;
use super::lowering::{Jobs, Pointer, Site, View, copy};
use super::{Operation, Storage, exactly};
use crate::error::{Error, Result};
use crate::kernel::MoveOperands;
use crate::tensor::{Shape, Tensor, TensorType};

/// Gives the row-major elements of its input another shape of the same count.
#[derive(Debug, Clone, PartialEq)]
pub struct Reshape {
    /// The new extents.
    pub shape: Shape,
}

impl Operation for Reshape {
    const NAME: &'static str = "reshape";
    /// The shape is that of the result.
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let shape = text.ty()?.shape.clone();
        Ok(Self { shape })
    }
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = exactly(inputs)?;
        let shape = Shape::checked(self.shape.dims())?;
        if shape.count() != x.shape.count() {
            return Err(Error::inconsistent(format!(
                "{x} cannot be reshaped to {shape}: the element counts differ"
            )));
        }
        Ok(vec![TensorType {
            shape,
            dtype: x.dtype,
        }])
    }
    fn storage(&self) -> Storage {
        Storage::Reshaped
    }
    fn keeps_integers(&self, _: usize) -> bool {
        true
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let x = &site.inputs[0];
        let kernel = copy(x, &View::dense(&x.dims, x.dtype));
        jobs.push(
            kernel,
            MoveOperands {
                x: Pointer::Input(0, 0),
                out: Pointer::Output(0),
            },
        );
        Ok(())
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = exactly(inputs)?;
        Ok(vec![x.reshape(self.shape.clone())?])
    }
}
