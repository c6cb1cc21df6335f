//! Scalar functions over broadcast inputs.

use super::attributes::{Attributes, braced};
use super::lowering::{Jobs, Pointer, Site};
use super::reference::elementwise;
use super::{Operation, Storage};
use crate::error::{Error, Result};
use crate::kernel::{self, MapInput, MapOperands};
use crate::pointwise::{Tape, Unary};
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;
use std::sync::Arc;

/// Applies a tape to every element; input `i` of the tape is input `i` of the node. Inputs broadcast as in
/// NumPy; integer inputs are converted to f32 first. The result is f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The scalar function.
    pub tape: Tape,
}

impl Operation for Map {
    const NAME: &'static str = "map";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs.len() != self.tape.inputs() as usize || inputs.is_empty() {
            return Err(Error::inconsistent(format!(
                "a tape of {} inputs is applied to {}",
                self.tape.inputs(),
                inputs.len()
            )));
        }
        let shape = inputs.iter().try_fold(Shape::default(), |shape, input| {
            shape.broadcast(&input.shape).ok_or_else(|| {
                Error::inconsistent(format!("shapes {shape} and {} do not broadcast", input.shape))
            })
        })?;
        Ok(vec![TensorType::f32(Shape::checked(shape.dims())?)])
    }
    fn keeps_integers(&self, _: usize) -> bool {
        self.tape.is_identity() || self.tape == Tape::unary(Unary::Trunc)
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let types: Vec<_> = inputs.iter().map(|t| t.ty()).collect();
        let ty = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let sources: Vec<Arc<[f32]>> = inputs.iter().map(|t| t.to_f32()).collect();
        let inputs: Vec<_> = inputs
            .iter()
            .zip(&sources)
            .map(|(tensor, data)| (tensor.shape(), &data[..]))
            .collect();
        let data = elementwise(&ty.shape, &self.tape, &inputs)?;
        Ok(vec![Tensor::f32(ty.shape, data)?])
    }
    fn scalar_instructions(&self) -> usize {
        self.tape.instrs().len()
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {{{}}}", self.tape)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let inputs = text.inputs as u32;
        let tape = Tape::parse(braced(text.next("a function")?)?, inputs)?;
        Ok(Self { tape })
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        // A scalar has no axes; kernels have at least one.
        let scalar = site.output.dims.is_empty();
        let axes = |strides: Vec<usize>, one: usize| if scalar { vec![one] } else { strides };
        let kernel = kernel::Map {
            dims: if scalar { vec![1] } else { site.output.dims.clone() },
            inputs: site
                .inputs
                .iter()
                .map(|v| MapInput {
                    strides: axes(v.broadcast(&site.output.dims), 0),
                    dtype: v.dtype,
                })
                .collect(),
            out: axes(site.output.strides.clone(), 1),
            tape: self.tape.clone(),
        };
        let operands = MapOperands {
            inputs: (0..site.inputs.len()).map(|i| Pointer::Input(i, 0)).collect(),
            out: Pointer::Output(0),
        };
        jobs.push(kernel.simplified(), operands);
        Ok(())
    }
    fn flops(&self, _: &[&TensorType], results: &[TensorType]) -> u64 {
        u64::from(self.tape.cost()) * results[0].shape.count() as u64
    }
}
