//! Matrix product.

use super::attributes::Attributes;
use super::conv::check_bias;
use super::lowering::{Jobs, Matrix, Method, Pointer, Product, Site, constant, epilogue, last_four};
use super::products::Panels;
use super::reference::{finish, indices, multiplied};
use super::{Operation, Storage, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel::{Contract, ContractOperands, Right};
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

    /// A kernel on the last four axes for each of their `outer` indices: the axes before the last four, and those by which
    /// the right-hand side changes unless kernels walk these.
    fn lower_each<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>, right: Right, pointer: &Pointer<'a>) {
        let (a, b, out) = (&site.inputs[0], &site.inputs[1], &site.output);
        let (tape, first) = match right {
            Right::Panels { .. } | Right::Codes { .. } => (self.epilogue.clone(), self.operands()),
            // The bias becomes the first epilogue operand, where its input already stands.
            Right::Rows { .. } if self.bias => (Tape::binary(Binary::Add).then(&self.epilogue), 2),
            Right::Rows { .. } => (self.epilogue.clone(), 2),
        };
        let rank = out.dims.len();
        let of_right = b.dims.len() - 2;
        let (right, of_kernel) = match right {
            Right::Rows { stride, .. } if site.batched => {
                // The last of the axes by which the matrix changes are the kernel's own.
                let last = |back: usize| b.dims.len().checked_sub(back).map_or(0, |axis| b.strides[axis]);
                let images = [last(4), last(3)];
                (Right::Rows { stride, images }, of_right.min(2))
            }
            shared => (shared, 0),
        };
        let outer = (of_right - of_kernel).max(rank.saturating_sub(4));
        for index in indices(&Shape::new(&out.dims[..outer])) {
            let at = |strides: &[usize]| -> usize { index.iter().zip(strides).map(|(i, s)| i * s).sum() };
            let (epilogue, mut operands) = epilogue(site, &tape, first, 0);
            for (view, pointer) in site.inputs[first..].iter().zip(&mut operands) {
                *pointer = pointer.clone().advanced(at(&view.broadcast(&out.dims)));
            }
            let mut dims = out.image_dims();
            // One index at a time.
            dims[..(4 + outer).saturating_sub(rank).min(4)].fill(1);
            let run = *a.dims.last().unwrap_or(&1);
            let from = Pointer::Input(0, at(&a.strides) as isize);
            let [batches, rows, pixels, _] = dims;
            let (from, image, run) = match right {
                Right::Codes { .. } => jobs.integers([batches, rows, pixels], (from, a.image()), run),
                Right::Panels { .. } | Right::Rows { .. } => (from, a.image(), run),
            };
            let kernel = Contract {
                dims,
                a: image,
                taps: Vec::new(),
                run,
                right,
                out: out.image(),
                epilogue,
            };
            let operands = ContractOperands {
                a: from,
                right: pointer.clone().advanced(at(&b.strides[..of_right])),
                out: Pointer::Output(at(&out.strides)),
                epilogue: operands,
            };
            jobs.push(kernel.simplified(), operands);
        }
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
        let (a, b) = (multiplied(inputs[0], inputs[1])?, inputs[1].as_f32()?);
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
        let rows = ty.shape.count() / n;
        // Rows that have their matrix in common.
        let together = if inputs[1].shape().rank() == 2 { rows } else { m };
        let mut raw = Vec::with_capacity(ty.shape.count());
        for (a, b) in a.chunks(together * k).zip(b.chunks(k * n)) {
            let gather = |row: usize, fill: &mut dyn FnMut(usize, f64)| {
                let own = a[row * k..][..k].iter().enumerate();
                own.for_each(|(i, &value)| fill(i, f64::from(value)));
            };
            raw.extend(Panels::new(b, n).all(together, bias, gather)?);
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
    fn weights(&self, inputs: &[&TensorType]) -> Option<(usize, [usize; 2])> {
        let [.., k, n] = *inputs.get(1)?.shape.dims() else {
            return None;
        };
        Some((1, [k * n, n]))
    }
    fn product(&self, inputs: &[&TensorType], result: &TensorType) -> Option<Product> {
        let &[channels, _] = inputs[1].shape.dims() else {
            return None;
        };
        let dims = last_four(result.shape.dims(), 1);
        Some(Product {
            window: None,
            groups: 1,
            channels,
            input: [dims[1], dims[2]],
            dims,
            codes: false,
        })
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let constant_right = match site.method {
            Some(Method::Panels { width }) => Some(Right::Panels { width }),
            Some(Method::Codes { width }) => Some(Right::Codes { width }),
            _ => None,
        };
        if let Some(right) = constant_right {
            let bias = if self.bias { Some(constant(site, 2)?) } else { None };
            let columns = site.inputs[1].dims[1];
            let weights = Pointer::Weights(Matrix::of(site, 1, bias, columns)?);
            self.lower_each(site, jobs, right, &weights);
        } else {
            let b = &site.inputs[1];
            let stride = b.strides[b.dims.len() - 2];
            self.lower_each(
                site,
                jobs,
                Right::Rows {
                    stride,
                    images: [0; 2],
                },
                &Pointer::Input(1, 0),
            );
        }
        Ok(())
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
