//! One of several results.

use super::attributes::{Attributes, parsed};
use super::{Operation, Storage};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorType};
use std::fmt;

/// Result `index` of a node with several results. The graph gives it the type of that result; it is the only
/// operation that looks at more than the first result of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Which result.
    pub index: usize,
}

impl Project {
    fn pick<T: Clone>(&self, results: &[&T]) -> Result<T> {
        results
            .get(self.index)
            .map(|&r| r.clone())
            .ok_or_else(|| Error::inconsistent(format!("result {} of {}", self.index, results.len())))
    }
}

/// Both functions take *all* results of the one input node as their inputs.
impl Operation for Project {
    const NAME: &'static str = "project";
    fn storage(&self) -> Storage {
        Storage::Elsewhere
    }
    fn infer(&self, results: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![self.pick(results)?])
    }
    fn eval(&self, results: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![self.pick(results)?])
    }
    fn projection(&self) -> Option<usize> {
        Some(self.index)
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.index)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        Ok(Self {
            index: parsed(text.next("the number of a result")?)?,
        })
    }
}
