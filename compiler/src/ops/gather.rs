//! Rows by index.

use super::lowering::{Jobs, Pointer, Site};
use super::{Operation, exactly};
use crate::error::{Error, Result};
use crate::kernel;
use crate::tensor::{DType, Data, Shape, Tensor, TensorType};
use std::fmt;

/// Picks slices of `x` along `axis` by `indices`; `indices` replace the axis with their shape.
/// Inputs: x (f32), indices (i32, or f32 truncated toward zero). A negative index counts from the end and an
/// index beyond the end is clamped, so that no input of a page can read outside the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
}

impl Operation for Gather {
    const NAME: &'static str = "gather";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, indices] = exactly(inputs)?;
        if self.axis >= x.shape.rank() || x.dtype != DType::F32 {
            return Err(Error::inconsistent(format!(
                "axis {} of {x} cannot be gathered",
                self.axis
            )));
        }
        let mut dims = x.shape.dims().to_vec();
        dims.splice(self.axis..=self.axis, indices.shape.dims().iter().copied());
        Ok(vec![TensorType::f32(Shape::checked(dims)?)])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, indices] = exactly(inputs)?;
        let ty = self.infer(&[&x.ty(), &indices.ty()])?.remove(0);
        let rows: Vec<i32> = match indices.data() {
            Data::I32(d) => d.to_vec(),
            Data::F32(d) => d.iter().map(|&v| v as i32).collect(),
        };
        let data = x.as_f32()?;
        let extent = x.shape()[self.axis];
        let inner: usize = x.shape().dims()[self.axis + 1..].iter().product();
        let mut result = Vec::with_capacity(ty.shape.count());
        for outer in data.chunks(extent * inner) {
            for &index in &rows {
                let row = crate::kernel::Gather::clamp(index, extent);
                result.extend_from_slice(&outer[row * inner..(row + 1) * inner]);
            }
        }
        Ok(vec![Tensor::f32(ty.shape, result)?])
    }
    fn lower(&self, site: &Site<'_>) -> Result<Jobs> {
        let mut jobs = Jobs::default();
        let (table, indices) = (jobs.dense(site, 0), jobs.dense(site, 1));
        let dims = &site.inputs[0].dims;
        let kernel = kernel::Gather {
            outer: dims[..self.axis].iter().product(),
            extent: dims[self.axis],
            indices: site.inputs[1].dims.iter().product(),
            row: dims[self.axis + 1..].iter().product(),
            dtype: site.inputs[1].dtype,
        };
        jobs.push(kernel, vec![table, indices, Pointer::Output(0)]);
        Ok(jobs)
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " axis={}", self.axis)
    }
}
