//! Permutation of axes.

use super::attributes::Attributes;
use super::lowering::{Jobs, Pointer, Site};
use super::{Operation, Storage, exactly};
use crate::error::{Error, Result};
use crate::kernel::{Move, MoveOperands};
use crate::tensor::{Data, Shape, Tensor, TensorType};
use std::fmt;

/// Axis `i` of the result is axis `perm[i]` of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Transpose {
    /// The permutation.
    pub perm: Vec<usize>,
}

impl Operation for Transpose {
    const NAME: &'static str = "transpose";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = exactly(inputs)?;
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..x.shape.rank()) {
            return Err(Error::inconsistent(format!(
                "{:?} does not permute the axes of {x}",
                self.perm
            )));
        }
        let dims: Vec<_> = self.perm.iter().map(|&a| x.shape[a]).collect();
        Ok(vec![TensorType {
            shape: Shape::checked(dims)?,
            dtype: x.dtype,
        }])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = exactly(inputs)?;
        let ty = self.infer(&[&x.ty()])?.remove(0);
        let strides = x.shape().strides();
        let sources: Vec<usize> = super::reference::indices(&ty.shape)
            .map(|index| index.iter().zip(&self.perm).map(|(&i, &a)| i * strides[a]).sum())
            .collect();
        let data = match x.data() {
            Data::F32(d) => Data::F32(sources.iter().map(|&i| d[i]).collect()),
            Data::I32(d) => Data::I32(sources.iter().map(|&i| d[i]).collect()),
        };
        Ok(vec![Tensor::new(ty.shape, data)?])
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn keeps_integers(&self, _: usize) -> bool {
        true
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let kernel = Move {
            dims: site.output.dims.clone(),
            x: self
                .perm
                .iter()
                .map(|&a| site.inputs[0].strides[a] as isize)
                .collect(),
            out: site.output.strides.clone(),
        };
        jobs.push(
            kernel.simplified(),
            MoveOperands {
                x: Pointer::Input(0, 0),
                out: Pointer::Output(0),
            },
        );
        Ok(())
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " perm={:?}", self.perm)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        Ok(Self {
            perm: text.list("perm")?,
        })
    }
}
