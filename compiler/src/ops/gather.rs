//! Rows by index.

use super::attributes::Attributes;
use super::lowering::{Jobs, Pointer, Site};
use super::{IndexRange, Operation, exactly};
use crate::error::{Error, Result};
use crate::kernel::{self, GatherOperands};
use crate::tensor::{DType, Data, Shape, Tensor, TensorType};
use std::fmt;

/// Picks slices of `x` along `axis` by `indices`; `indices` replace the axis with their shape.
/// Inputs: x (f32), indices (i32, or f32 truncated toward zero, NaN being 0). A negative index counts from the end and
/// an index beyond either end is clamped, so that nothing outside of `x` is read. That is for indices that are
/// computed; those that a caller gives are checked before: see [`index_ranges`](crate::graph::index_ranges).
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
    /// Whether a caller may count from the end, with negative indices.
    pub negative: bool,
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
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let (table, indices) = (jobs.dense(site, 0), jobs.dense(site, 1));
        let dims = &site.inputs[0].dims;
        let kernel = kernel::Gather {
            outer: dims[..self.axis].iter().product(),
            extent: dims[self.axis],
            indices: site.inputs[1].dims.iter().product(),
            row: dims[self.axis + 1..].iter().product(),
            dtype: site.inputs[1].dtype,
        };
        let operands = GatherOperands {
            table,
            indices,
            out: Pointer::Output(0),
        };
        jobs.push(kernel, operands);
        Ok(())
    }
    /// Rows of the table: each is a channel of its own, which lies in one piece.
    fn weights(&self, inputs: &[&TensorType]) -> Option<(usize, [usize; 2])> {
        let row = inputs
            .first()?
            .shape
            .dims()
            .get(self.axis + 1..)?
            .iter()
            .product();
        Some((0, [row, 1]))
    }
    fn indices(&self, inputs: &[&TensorType]) -> Option<(usize, IndexRange)> {
        let extent = *inputs.first()?.shape.dims().get(self.axis)? as i64;
        let first = if self.negative { -extent } else { 0 };
        Some((1, IndexRange { first, end: extent }))
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " axis={}", self.axis)?;
        if self.negative {
            f.write_str(" negative")?;
        }
        Ok(())
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        Ok(Self {
            axis: text.number("axis")?,
            negative: text.word("negative"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_computed_indices_mean() {
        let rows = [10.0, 11.0, 12.0, 13.0];
        let table = Tensor::f32([4], rows.to_vec()).unwrap();
        let gather = Gather {
            axis: 0,
            negative: false,
        };
        for (index, row) in [
            (2.9, 12.0),
            (-0.5, 10.0),
            (-1.2, 13.0),
            (-5.0, 10.0),
            (4.0, 13.0),
            (1e10, 13.0),
            (f32::NAN, 10.0),
        ] {
            let found = gather
                .eval(&[&table, &Tensor::f32([1], vec![index]).unwrap()])
                .unwrap();
            assert_eq!(found[0].as_f32().unwrap(), [row], "{index}");
        }
    }
}
