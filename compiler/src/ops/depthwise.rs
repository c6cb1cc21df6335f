//! Depthwise convolution.

use super::conv::check_bias;
use super::lowering::{Jobs, Pointer, Site, constant, epilogue};
use super::reference::finish;
use super::{Operation, Storage, WindowAxis, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel;
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;

/// Depthwise convolution of `x [n, h, w, c]` with `weights [kh, kw, c]`: every channel sees itself only.
/// Inputs: x, weights, bias `[c]` if `bias`, epilogue operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Depthwise {
    /// Windows along height and width.
    pub window: [WindowAxis; 2],
    /// Whether input 2 is a bias.
    pub bias: bool,
    /// Applied to each result.
    pub epilogue: Tape,
}

impl Depthwise {
    fn operands(&self) -> usize {
        2 + usize::from(self.bias)
    }
}

impl Operation for Depthwise {
    const NAME: &'static str = "depthwise";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let (&[x, w], rest) = inputs.split_first_chunk::<2>().ok_or_else(|| {
            Error::inconsistent(format!("{} inputs where at least 2 are needed", inputs.len()))
        })?;
        let (&[n, h, width, c], &[kh, kw, wc]) = (x.shape.dims(), w.shape.dims()) else {
            return Err(Error::inconsistent(format!(
                "convolution of {x} with {w}: the ranks must be 4 and 3"
            )));
        };
        if [kh, kw] != self.window.map(|a| a.size) || wc != c {
            return Err(Error::inconsistent(format!(
                "weights {w} do not fit input {x} and a window of {}x{}",
                self.window[0].size, self.window[1].size
            )));
        }
        let result = TensorType::f32(Shape::checked([
            n,
            self.window[0].output(h)?,
            self.window[1].output(width)?,
            c,
        ])?);
        let rest = check_bias(self.bias, rest, c)?;
        check_epilogue(&self.epilogue, rest, &result)?;
        Ok(vec![result])
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let types: Vec<_> = inputs.iter().map(|t| t.ty()).collect();
        let ty = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let (x, w) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let bias = if self.bias {
            Some(inputs[2].as_f32()?)
        } else {
            None
        };
        let xs = inputs[0].shape();
        let [wh, ww] = self.window;
        let mut raw = Vec::with_capacity(ty.shape.count());
        for n in 0..ty.shape[0] {
            for oy in 0..ty.shape[1] {
                for ox in 0..ty.shape[2] {
                    for o in 0..ty.shape[3] {
                        let mut sum = 0f64;
                        for ky in 0..wh.size {
                            let Some(y) = wh.position(oy, ky, xs[1]) else {
                                continue;
                            };
                            for kx in 0..ww.size {
                                let Some(px) = ww.position(ox, kx, xs[2]) else {
                                    continue;
                                };
                                let a = x[((n * xs[1] + y) * xs[2] + px) * xs[3] + o];
                                sum += f64::from(a) * f64::from(w[(ky * ww.size + kx) * ty.shape[3] + o]);
                            }
                        }
                        raw.push(sum as f32 + bias.map_or(0.0, |b| b[o]));
                    }
                }
            }
        }
        finish(ty.shape, raw, &self.epilogue, &inputs[self.operands()..])
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " window={}x{}", self.window[0], self.window[1])?;
        if self.bias {
            write!(f, " bias")?;
        }
        print_epilogue(&self.epilogue, f)
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn frame(&self, _: &[&TensorType]) -> [[usize; 2]; 2] {
        self.window.map(|axis| [axis.before, axis.after])
    }
    fn lower(&self, site: &Site<'_>) -> Result<Jobs> {
        let mut jobs = Jobs::default();
        let (strides, start) = jobs.framed(site, 0, self.window.map(|axis| [axis.before, axis.after]));
        let bias = if self.bias { Some(constant(site, 2)?) } else { None };
        let [wy, wx] = self.window;
        let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), 0);
        let dims = site.output.image_dims();
        let kernel = kernel::Depthwise {
            dims,
            a: [strides[0], strides[1] * wy.stride, strides[2] * wx.stride],
            taps: [
                (wy.size, strides[1] * wy.dilation),
                (wx.size, strides[2] * wx.dilation),
            ],
            out: site.output.image(),
            epilogue,
        };
        let data = Pointer::Data(kernel::Depthwise::pack(constant(site, 1)?, bias, dims[3]));
        jobs.push(kernel, [vec![start, data, Pointer::Output(0)], operands].concat());
        Ok(jobs)
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
        2 * (results[0].shape.count() * inputs[1].shape.dims()[..2].iter().product::<usize>()) as u64
    }
}
