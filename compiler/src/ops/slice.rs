//! A regular part of a tensor.

use super::attributes::{Attributes, list};
use super::lowering::{Jobs, Pointer, Site};
use super::{Operation, Storage, exactly};
use crate::error::{Error, Result};
use crate::kernel::{Move, MoveOperands};
use crate::tensor::{Data, Shape, Tensor, TensorType};
use std::fmt;

/// Element `i` of axis `a` of the result is element `starts[a] + i * steps[a]` of the input; a negative step
/// walks backwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// First element, for every axis.
    pub starts: Vec<usize>,
    /// Extents of the result.
    pub sizes: Vec<usize>,
    /// Distance between elements, for every axis; never 0.
    pub steps: Vec<isize>,
}

impl Slice {
    /// Elements `start..start + size` of one axis and all of the others.
    pub fn along(shape: &Shape, axis: usize, start: usize, size: usize) -> Self {
        let mut starts = vec![0; shape.rank()];
        let mut sizes = shape.dims().to_vec();
        starts[axis] = start;
        sizes[axis] = size;
        Self {
            starts,
            sizes,
            steps: vec![1; shape.rank()],
        }
    }
}

impl Operation for Slice {
    const NAME: &'static str = "slice";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = exactly(inputs)?;
        let rank = x.shape.rank();
        let fits = [self.starts.len(), self.sizes.len(), self.steps.len()] == [rank; 3]
            && (0..rank).all(|a| {
                let last = self.starts[a] as i128 + (self.sizes[a] as i128 - 1) * self.steps[a] as i128;
                let extent = x.shape[a] as i128;
                self.steps[a] != 0
                    && self.sizes[a] > 0
                    && (self.starts[a] as i128) < extent
                    && (0..extent).contains(&last)
            });
        if !fits {
            return Err(Error::inconsistent(format!(
                "slice from {:?} by {:?} of sizes {:?} leaves {x}",
                self.starts, self.steps, self.sizes
            )));
        }
        Ok(vec![TensorType {
            shape: Shape::checked(self.sizes.clone())?,
            dtype: x.dtype,
        }])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = exactly(inputs)?;
        let ty = self.infer(&[&x.ty()])?.remove(0);
        let sources: Vec<usize> = super::reference::indices(&ty.shape)
            .map(|index| {
                let at: Vec<usize> = (0..index.len())
                    .map(|a| (self.starts[a] as isize + index[a] as isize * self.steps[a]) as usize)
                    .collect();
                super::reference::broadcast_offset(x.shape(), &at)
            })
            .collect();
        let data = match x.data() {
            Data::F32(d) => Data::F32(sources.iter().map(|&i| d[i]).collect()),
            Data::I32(d) => Data::I32(sources.iter().map(|&i| d[i]).collect()),
        };
        Ok(vec![Tensor::new(ty.shape, data)?])
    }
    fn storage(&self) -> Storage {
        if self.steps.iter().all(|&s| s == 1) {
            Storage::Part(self.starts.clone())
        } else {
            Storage::Strided
        }
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let x = &site.inputs[0];
        let start: usize = self.starts.iter().zip(&x.strides).map(|(a, b)| a * b).sum();
        let walk = x
            .strides
            .iter()
            .zip(&self.steps)
            .map(|(&a, &b)| a as isize * b)
            .collect();
        let kernel = Move {
            dims: self.sizes.clone(),
            x: walk,
            out: site.output.strides.clone(),
        };
        jobs.push(
            kernel.simplified(),
            MoveOperands {
                x: Pointer::Input(0, start as isize),
                out: Pointer::Output(0),
            },
        );
        Ok(())
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " starts={:?} sizes={:?}", self.starts, self.sizes)?;
        if self.steps.iter().any(|&s| s != 1) {
            write!(f, " steps={:?}", self.steps)?;
        }
        Ok(())
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let (starts, sizes) = (text.list("starts")?, text.list::<usize>("sizes")?);
        let steps = text.optional("steps")?.map_or(Ok(vec![1; sizes.len()]), list)?;
        Ok(Self { starts, sizes, steps })
    }
}
