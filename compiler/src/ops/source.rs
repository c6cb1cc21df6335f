//! Values that no operation computes.

use super::{Operation, Storage, exactly};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorType};
use std::fmt;

/// A value that the caller of the graph provides.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name, unique in the graph.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
}

impl Operation for Input {
    const NAME: &'static str = "input";
    fn storage(&self) -> Storage {
        Storage::Elsewhere
    }
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [] = exactly(inputs)?;
        Ok(vec![self.ty.clone()])
    }
    fn eval(&self, _: &[&Tensor]) -> Result<Vec<Tensor>> {
        Err(Error::internal(format!("input {:?} has no value", self.name)))
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {:?}", self.name)
    }
}

/// A value known at compile time.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant(pub Tensor);

impl Operation for Constant {
    const NAME: &'static str = "constant";
    fn storage(&self) -> Storage {
        Storage::Elsewhere
    }
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [] = exactly(inputs)?;
        Ok(vec![self.0.ty()])
    }
    fn eval(&self, _: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![self.0.clone()])
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.shape().count() > 4 {
            return Ok(());
        }
        match self.0.data() {
            crate::tensor::Data::F32(d) => write!(f, " {d:?}"),
            crate::tensor::Data::I32(d) => write!(f, " {d:?}"),
        }
    }
}
