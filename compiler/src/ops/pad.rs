//! Padding with a constant.

use super::attributes::{Attributes, parsed};
use super::lowering::{Jobs, Pointer, Site, copy};
use super::{Operation, Storage, exactly};
use crate::error::{Error, Result};
use crate::kernel::{Fill, FillOperands, MoveOperands};
use crate::tensor::{DType, Shape, Tensor, TensorType};
use std::fmt;

/// Surrounds an f32 input with `value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// Elements added before and after, for every axis.
    pub pads: Vec<(usize, usize)>,
    /// What is added.
    pub value: f32,
}

impl Operation for Pad {
    const NAME: &'static str = "pad";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = exactly(inputs)?;
        if x.shape.rank() != self.pads.len() || x.dtype != DType::F32 {
            return Err(Error::inconsistent(format!(
                "{} pads do not fit {x}",
                self.pads.len()
            )));
        }
        let dims: Vec<_> = x
            .shape
            .dims()
            .iter()
            .zip(&self.pads)
            .map(|(d, (a, b))| d + a + b)
            .collect();
        Ok(vec![TensorType::f32(Shape::checked(dims)?)])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x] = exactly(inputs)?;
        let ty = self.infer(&[&x.ty()])?.remove(0);
        let data = x.as_f32()?;
        let result: Vec<f32> = super::reference::indices(&ty.shape)
            .map(|index| {
                let inner: Option<Vec<usize>> = index
                    .iter()
                    .zip(&self.pads)
                    .zip(x.shape().dims())
                    .map(|((&i, &(before, _)), &d)| i.checked_sub(before).filter(|&i| i < d))
                    .collect();
                inner.map_or(self.value, |i| {
                    data[super::reference::broadcast_offset(x.shape(), &i)]
                })
            })
            .collect();
        Ok(vec![Tensor::f32(ty.shape, result)?])
    }
    fn storage(&self) -> Storage {
        Storage::Dense
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let start: Vec<usize> = self.pads.iter().map(|p| p.0).collect();
        let inside = start.iter().zip(&site.output.strides).map(|(a, b)| a * b).sum();
        let fill = Fill::border(&site.output.dims, &start, &site.inputs[0].dims, self.value);
        let out = Pointer::Output(0);
        jobs.push(fill, FillOperands { out });
        let operands = MoveOperands {
            x: Pointer::Input(0, 0),
            out: Pointer::Output(inside),
        };
        jobs.push(copy(&site.inputs[0], &site.output), operands);
        Ok(())
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " pads={:?} value={}", self.pads, self.value)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let pair = |text: &str| {
            let (before, after) = text.split_once(',').unwrap_or((text, ""));
            Ok((parsed(before.trim())?, parsed(after.trim())?))
        };
        let pads = text.value("pads")?.trim_matches(['[', ']', '(', ')']);
        let pads = pads.split("), (").filter(|pair| !pair.is_empty()).map(pair);
        let pads = pads.collect::<Result<_>>()?;
        Ok(Self {
            pads,
            value: text.number("value")?,
        })
    }
}
