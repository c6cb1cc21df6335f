//! Pooling.

use super::attributes::Attributes;
use super::lowering::{Jobs, Pointer, Site, epilogue};
use super::reference::finish;
use super::{Operation, Storage, WindowAxis, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel::{self, PoolOperands};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;

pub use crate::kernel::{PoolKind, PoolPadding};

/// Pools `x [n, h, w, c]`. Inputs: x, epilogue operands. Dilation is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Maximum or mean.
    pub kind: PoolKind,
    /// Windows along height and width.
    pub window: [WindowAxis; 2],
    /// What padded positions count as.
    pub padding: PoolPadding,
    /// Applied to each result.
    pub epilogue: Tape,
}

impl Pool {
    fn reduce(&self, values: &[f32], taps: usize) -> f32 {
        match self.kind {
            PoolKind::Max => values
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, |a, b| Binary::Max.eval(a, b)),
            PoolKind::Average => {
                let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
                (sum / taps as f64) as f32
            }
        }
    }
}

impl Operation for Pool {
    const NAME: &'static str = "pool";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let (&x, rest) = inputs
            .split_first()
            .ok_or_else(|| Error::inconsistent("a pool without input"))?;
        let &[n, h, w, c] = x.shape.dims() else {
            return Err(Error::inconsistent(format!("a pool of {x}: the rank must be 4")));
        };
        for axis in &self.window {
            if axis.dilation != 1 {
                return Err(Error::inconsistent(format!("pool window {axis} is dilated")));
            }
            // A window that lies in the padding alone has no mean and no maximum.
            if self.padding == PoolPadding::Exclude && (axis.before >= axis.size || axis.after >= axis.size) {
                return Err(Error::inconsistent(format!(
                    "pool window {axis} can lie outside its input"
                )));
            }
        }
        let result = TensorType::f32(Shape::checked([
            n,
            self.window[0].output(h)?,
            self.window[1].output(w)?,
            c,
        ])?);
        check_epilogue(&self.epilogue, rest, &result)?;
        Ok(vec![result])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let types: Vec<_> = inputs.iter().map(|t| t.ty()).collect();
        let ty = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let (x, xs) = (inputs[0].as_f32()?, inputs[0].shape());
        let [wh, ww] = self.window;
        let raw = super::reference::indices(&ty.shape)
            .map(|at| {
                let mut values = Vec::new();
                for ky in 0..wh.size {
                    for kx in 0..ww.size {
                        match (wh.position(at[1], ky, xs[1]), ww.position(at[2], kx, xs[2])) {
                            (Some(y), Some(px)) => {
                                values.push(x[((at[0] * xs[1] + y) * xs[2] + px) * xs[3] + at[3]]);
                            }
                            _ if self.padding == PoolPadding::Zero => values.push(0.0),
                            _ => {}
                        }
                    }
                }
                self.reduce(&values, values.len())
            })
            .collect();
        finish(ty.shape, raw, &self.epilogue, &inputs[1..])
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PoolKind::Max => "max",
            PoolKind::Average => "average",
        };
        write!(f, " {kind} window={}x{}", self.window[0], self.window[1])?;
        if self.padding == PoolPadding::Zero {
            write!(f, " zeros")?;
        }
        print_epilogue(&self.epilogue, f)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let kind = match text.next("the kind")? {
            "max" => PoolKind::Max,
            "average" => PoolKind::Average,
            other => return Err(Error::malformed(format!("there is no pool {other:?}"))),
        };
        let window = text.windows()?;
        let padding = if text.word("zeros") {
            PoolPadding::Zero
        } else {
            PoolPadding::Exclude
        };
        let epilogue = text.epilogue(1)?;
        Ok(Self {
            kind,
            window,
            padding,
            epilogue,
        })
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let (epilogue, operands) = epilogue(site, &self.epilogue, 1, 0);
        let [_, height, width, _] = site.inputs[0].image_dims();
        let kernel = kernel::Pool {
            kind: self.kind,
            padding: self.padding,
            dims: site.output.image_dims(),
            input: [height, width],
            x: site.inputs[0].image(),
            window: self.window,
            out: site.output.image(),
            epilogue,
        };
        let operands = PoolOperands {
            x: Pointer::Input(0, 0),
            out: Pointer::Output(0),
            epilogue: operands,
        };
        jobs.push(kernel, operands);
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
    fn flops(&self, _: &[&TensorType], results: &[TensorType]) -> u64 {
        (results[0].shape.count() * self.window[0].size * self.window[1].size) as u64
    }
}
