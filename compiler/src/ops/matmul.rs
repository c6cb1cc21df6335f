//! Matrix product.

use super::attributes::Attributes;
use super::conv::check_bias;
use super::conv::panel_width;
use super::lowering::{Jobs, Pointer, Site, constant, epilogue};
use super::reference::finish;
use super::{Operation, Storage, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel::{Contract, Epilogue, Right};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;

/// `a [batch…, m, k]` times `b [k, n]` (shared by the batch) or `b [batch…, k, n]`.
/// Inputs: a, b, bias `[n]` if `bias`, epilogue operands.
#[derive(Debug, Clone, PartialEq)]
pub struct MatMul {
    /// Whether input 2 is a bias.
    pub bias: bool,
    /// Applied to each result.
    pub epilogue: Tape,
}

impl MatMul {
    fn operands(&self) -> usize {
        2 + usize::from(self.bias)
    }

    fn kernel(&self, site: &Site<'_>, right: Right, epilogue: Epilogue) -> Contract {
        Contract {
            dims: site.output.image_dims(),
            a: site.inputs[0].image(),
            taps: Vec::new(),
            run: *site.inputs[0].dims.last().unwrap_or(&1),
            right,
            out: site.output.image(),
            epilogue,
        }
    }

    /// Constant weights: one kernel on packed panels.
    fn lower_packed(&self, site: &Site<'_>) -> Result<Jobs> {
        let bias = if self.bias { Some(constant(site, 2)?) } else { None };
        let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), 0);
        let dims = site.output.image_dims();
        let width = panel_width(&dims);
        let data = Pointer::Data(Contract::pack(constant(site, 1)?, bias, dims[3], width));
        let mut jobs = Jobs::default();
        let kernel = self.kernel(site, Right::Panels { width }, epilogue).simplified();
        jobs.push(
            kernel,
            [vec![Pointer::Input(0, 0), data, Pointer::Output(0)], operands].concat(),
        );
        Ok(jobs)
    }

    /// A right-hand side computed at run time: one kernel for each of its matrices. The bias becomes the first
    /// epilogue operand, where its input already stands.
    fn lower_rows(&self, site: &Site<'_>) -> Result<Jobs> {
        let tape = if self.bias {
            Tape::binary(Binary::Add).then(&self.epilogue)
        } else {
            self.epilogue.clone()
        };
        let b = &site.inputs[1];
        let right = Right::Rows {
            stride: b.strides[b.dims.len() - 2],
        };
        let mut jobs = Jobs::default();
        let batch_axes = b.dims.len() - 2;
        let batches: usize = b.dims[..batch_axes].iter().product();
        for batch in 0..batches {
            let (mut epilogue, mut operands) = epilogue(site, &tape, 2, 0);
            let mut kernel = self.kernel(site, right, epilogue.clone());
            // Which element of the batch axes this is, innermost last.
            let (mut rest, mut from, mut right_at, mut to) = (batch, 0, 0, 0);
            for axis in (0..batch_axes).rev() {
                let index = rest % b.dims[axis];
                rest /= b.dims[axis];
                from += index * site.inputs[0].strides[axis];
                right_at += index * b.strides[axis];
                to += index * site.output.strides[axis];
                let image_axis = 4 - site.output.dims.len() + axis;
                kernel.dims[image_axis] = 1;
                for (strides, pointer) in epilogue.operands.iter_mut().zip(&mut operands) {
                    if let Pointer::Input(_, at) = pointer {
                        *at += (index * strides[image_axis]) as isize;
                    }
                }
            }
            kernel.epilogue = epilogue;
            let pointers = vec![
                Pointer::Input(0, from as isize),
                Pointer::Input(1, right_at as isize),
                Pointer::Output(to),
            ];
            jobs.push(kernel.simplified(), [pointers, operands].concat());
        }
        Ok(jobs)
    }
}

impl Operation for MatMul {
    const NAME: &'static str = "matmul";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let (&[a, b], rest) = inputs.split_first_chunk::<2>().ok_or_else(|| {
            Error::inconsistent(format!("{} inputs where at least 2 are needed", inputs.len()))
        })?;
        let mismatch = || Error::inconsistent(format!("{a} and {b} cannot be multiplied"));
        let ([batch @ .., _, k], [b_batch @ .., bk, n]) = (a.shape.dims(), b.shape.dims()) else {
            return Err(mismatch());
        };
        if k != bk || !(b_batch.is_empty() || b_batch == batch) {
            return Err(mismatch());
        }
        let mut dims = a.shape.dims().to_vec();
        dims[a.shape.rank() - 1] = *n;
        let result = TensorType::f32(Shape::checked(dims)?);
        let rest = check_bias(self.bias, rest, *n)?;
        check_epilogue(&self.epilogue, rest, &result)?;
        Ok(vec![result])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let types: Vec<_> = inputs.iter().map(|t| t.ty()).collect();
        let ty = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let (a, b) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let bias = if self.bias {
            Some(inputs[2].as_f32()?)
        } else {
            None
        };
        let rank = ty.shape.rank();
        let (m, n, k) = (
            ty.shape[rank - 2],
            ty.shape[rank - 1],
            inputs[0].shape()[rank - 1],
        );
        let b_stride = if inputs[1].shape().rank() == 2 { 0 } else { k * n };
        let mut raw = Vec::with_capacity(ty.shape.count());
        for row in 0..ty.shape.count() / n {
            let b = &b[row / m * b_stride..];
            for col in 0..n {
                let sum: f64 = (0..k)
                    .map(|i| f64::from(a[row * k + i]) * f64::from(b[i * n + col]))
                    .sum();
                raw.push(sum as f32 + bias.map_or(0.0, |bias| bias[col]));
            }
        }
        finish(ty.shape, raw, &self.epilogue, &inputs[self.operands()..])
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bias {
            write!(f, " bias")?;
        }
        print_epilogue(&self.epilogue, f)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let bias = text.word("bias");
        Ok(Self {
            bias,
            epilogue: text.epilogue(2 + usize::from(bias))?,
        })
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn lower(&self, site: &Site<'_>) -> Result<Jobs> {
        if site.output.dims.len() > 4 {
            return Err(Error::internal("a matrix product has at most two batch axes"));
        }
        if site.constants[1].is_some() && site.inputs[1].dims.len() == 2 {
            self.lower_packed(site)
        } else {
            self.lower_rows(site)
        }
    }
    fn epilogue(&self) -> Option<(&Tape, usize)> {
        Some((&self.epilogue, self.operands()))
    }
    fn with_epilogue(&self, epilogue: Tape) -> Option<Self> {
        Some(Self {
            epilogue,
            ..self.clone()
        })
    }
    fn flops(&self, inputs: &[&TensorType], results: &[TensorType]) -> u64 {
        2 * (results[0].shape.count() * inputs[0].shape[inputs[0].shape.rank() - 1]) as u64
    }
}
