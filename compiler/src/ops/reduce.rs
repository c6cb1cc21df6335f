//! Reduction over whole axes.

use super::attributes::Attributes;
use super::lowering::{Jobs, Pointer, Site};
use super::reference::{finish, indices};
use super::{Operation, Storage, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel::{self, KeptAxis, ReduceOperands};
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;

pub use crate::kernel::ReduceKind;

/// Reduces `axes` of input 0 to extent 1; the axes stay, so that the result broadcasts against the input.
/// A mean is a sum with `1/n` in the epilogue. Inputs: x, epilogue operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduce {
    /// How elements are combined.
    pub kind: ReduceKind,
    /// The reduced axes, ascending.
    pub axes: Vec<usize>,
    /// Applied to each result.
    pub epilogue: Tape,
}

/// A kind in the textual IR.
fn printed(kind: ReduceKind) -> String {
    format!("{kind:?}").to_lowercase()
}

impl Operation for Reduce {
    const NAME: &'static str = "reduce";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let (&x, rest) = inputs
            .split_first()
            .ok_or_else(|| Error::inconsistent("a reduction without input"))?;
        let mut dims = x.shape.dims().to_vec();
        if !self.axes.is_sorted_by(|a, b| a < b) {
            return Err(Error::inconsistent(format!(
                "reduced axes {:?} are not ascending",
                self.axes
            )));
        }
        for &axis in &self.axes {
            *dims.get_mut(axis).ok_or_else(|| {
                Error::inconsistent(format!(
                    "axis {axis} is not one of the {} axes of {x}",
                    x.shape.rank()
                ))
            })? = 1;
        }
        let result = TensorType::f32(Shape::checked(dims)?);
        check_epilogue(&self.epilogue, rest, &result)?;
        Ok(vec![result])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let types: Vec<_> = inputs.iter().map(|t| t.ty()).collect();
        let ty = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let data = inputs[0].to_f32();
        let mut groups = vec![Vec::new(); ty.shape.count()];
        for (index, &value) in indices(inputs[0].shape()).zip(data.iter()) {
            groups[super::reference::broadcast_offset(&ty.shape, &index)].push(value);
        }
        let raw = groups
            .iter()
            .map(|group| self.kind.reduce(group.iter().copied()))
            .collect();
        finish(ty.shape, raw, &self.epilogue, &inputs[1..])
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} axes={:?}", printed(self.kind), self.axes)?;
        print_epilogue(&self.epilogue, f)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let name = text.next("the kind")?;
        let known = [
            ReduceKind::Sum,
            ReduceKind::Max,
            ReduceKind::Min,
            ReduceKind::Product,
        ];
        let kind = known.into_iter().find(|kind| printed(*kind) == name);
        let kind = kind.ok_or_else(|| Error::malformed(format!("there is no reduction {name:?}")))?;
        let axes = text.list("axes")?;
        Ok(Self {
            kind,
            axes,
            epilogue: text.epilogue(1)?,
        })
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let (x, out) = (&site.inputs[0], &site.output);
        let operands: Vec<Vec<usize>> = site.inputs[1..].iter().map(|v| v.broadcast(&out.dims)).collect();
        let (reduced, kept): (Vec<usize>, Vec<usize>) =
            (0..x.dims.len()).partition(|a| self.axes.contains(a));
        let kernel = kernel::Reduce {
            kind: self.kind,
            kept: kept
                .into_iter()
                .map(|a| KeptAxis {
                    extent: x.dims[a],
                    x: x.strides[a],
                    out: out.strides[a],
                    operands: operands.iter().map(|s| s[a]).collect(),
                })
                .collect(),
            reduced: reduced.into_iter().map(|a| (x.dims[a], x.strides[a])).collect(),
            tape: self.epilogue.clone(),
        };
        let operands = ReduceOperands {
            x: Pointer::Input(0, 0),
            out: Pointer::Output(0),
            operands: (1..site.inputs.len()).map(|i| Pointer::Input(i, 0)).collect(),
        };
        jobs.push(kernel.simplified(), operands);
        Ok(())
    }
    fn epilogue(&self) -> Option<(&Tape, usize)> {
        Some((&self.epilogue, 1))
    }
    fn with_epilogue(&self, epilogue: Tape) -> Option<Self> {
        Some(Self {
            epilogue,
            ..self.clone()
        })
    }
    fn flops(&self, inputs: &[&TensorType], _: &[TensorType]) -> u64 {
        inputs[0].shape.count() as u64
    }
}
