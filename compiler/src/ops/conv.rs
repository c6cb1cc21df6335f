//! Convolution.

use super::attributes::{Attributes, parsed};
use super::lowering::{Jobs, Pointer, Site, constant, epilogue};
use super::reference::finish;
use super::winograd::{self, Algorithm};
use super::{Operation, Storage, WindowAxis, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel::{Contract, Depthwise, Image, Right, Winograd};
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;

/// 2-D convolution (cross-correlation, as in Keras) of `x [n, h, w, ci]` with
/// `weights [kh, kw, ci / groups, co]`. Inputs: x, weights, bias `[co]` if `bias`, epilogue operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// Windows along height and width.
    pub window: [WindowAxis; 2],
    /// Groups of channels that do not mix; output channels are ordered by group.
    pub groups: usize,
    /// Whether input 2 is a bias.
    pub bias: bool,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Applied to each result.
    pub epilogue: Tape,
}

impl Conv {
    fn operands(&self) -> usize {
        2 + usize::from(self.bias)
    }

    /// Estimated nanoseconds of an algorithm for an input and weights of these extents; `None` where it does not fit or
    /// is known not to pay.
    pub fn cost(&self, algorithm: Algorithm, x: &[usize], w: &[usize]) -> Option<f64> {
        let (1, &[n, h, width, _], &[.., channels, co]) = (self.groups, x, w) else {
            return (algorithm == Algorithm::Direct).then_some(0.0);
        };
        let rows = self.window[0].output(h).ok()?;
        let pixels = self.window[1].output(width).ok()?;
        let shape = winograd::Shape {
            window: self.window,
            channels,
            dims: [n, rows, pixels, co],
        };
        shape.cost(algorithm)
    }

    /// The m of F(m x m, 3x3), if that is how it is computed.
    fn winograd(&self) -> Option<usize> {
        match self.algorithm {
            Algorithm::Winograd { m } => Some(m),
            Algorithm::Direct => None,
        }
    }

    /// Zeros around the input that the algorithm wants.
    fn padding(&self, x: &[usize]) -> [[usize; 2]; 2] {
        let mut padding = self.window.map(|axis| [axis.before, axis.after]);
        if let Some(m) = self.winograd() {
            for (pads, &extent) in padding.iter_mut().zip(&x[1..]) {
                pads[1] = winograd::overhang(m, extent, *pads);
            }
        }
        padding
    }
}

impl Operation for Conv {
    const NAME: &'static str = "conv";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let (&[x, w], rest) = inputs.split_first_chunk::<2>().ok_or_else(|| {
            Error::inconsistent(format!("{} inputs where at least 2 are needed", inputs.len()))
        })?;
        let (&[n, h, width, ci], &[kh, kw, cg, co]) = (x.shape.dims(), w.shape.dims()) else {
            return Err(Error::inconsistent(format!(
                "convolution of {x} with {w}: both must be of rank 4"
            )));
        };
        if [kh, kw] != self.window.map(|a| a.size)
            || self.groups == 0
            || cg * self.groups != ci
            || co % self.groups != 0
        {
            return Err(Error::inconsistent(format!(
                "weights {w} do not fit input {x}, a window of {}x{} and {} groups",
                self.window[0].size, self.window[1].size, self.groups
            )));
        }
        let fits = |axis: &WindowAxis| (axis.size, axis.stride, axis.dilation) == (3, 1, 1);
        if self.winograd().is_some() && (self.groups != 1 || !self.window.iter().all(fits)) {
            return Err(Error::inconsistent(format!(
                "{:?} of a window of {}x{} and {} groups: it needs 3x3 taps without strides, dilation and groups",
                self.algorithm, self.window[0], self.window[1], self.groups
            )));
        }
        let result = TensorType::f32(Shape::checked([
            n,
            self.window[0].output(h)?,
            self.window[1].output(width)?,
            co,
        ])?);
        let rest = check_bias(self.bias, rest, co)?;
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
        let (xs, ws) = (inputs[0].shape(), inputs[1].shape());
        let (cg, co, per_group) = (ws[2], ws[3], ws[3] / self.groups);
        let [wh, ww] = self.window;
        let mut raw = Vec::with_capacity(ty.shape.count());
        for n in 0..ty.shape[0] {
            for oy in 0..ty.shape[1] {
                for ox in 0..ty.shape[2] {
                    for o in 0..co {
                        let mut sum = 0f64;
                        for ky in 0..wh.size {
                            let Some(y) = wh.position(oy, ky, xs[1]) else {
                                continue;
                            };
                            for kx in 0..ww.size {
                                let Some(px) = ww.position(ox, kx, xs[2]) else {
                                    continue;
                                };
                                for c in 0..cg {
                                    let channel = o / per_group * cg + c;
                                    let a = x[((n * xs[1] + y) * xs[2] + px) * xs[3] + channel];
                                    sum +=
                                        f64::from(a) * f64::from(w[((ky * ww.size + kx) * cg + c) * co + o]);
                                }
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
        if self.groups != 1 {
            write!(f, " groups={}", self.groups)?;
        }
        if self.bias {
            write!(f, " bias")?;
        }
        if let Some(m) = self.winograd() {
            write!(f, " winograd={m}x{m}")?;
        }
        print_epilogue(&self.epilogue, f)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let window = text.windows()?;
        let groups = text.optional("groups")?.map_or(Ok(1), parsed)?;
        let bias = text.word("bias");
        let algorithm = match text.optional("winograd")? {
            None => Algorithm::Direct,
            Some(tile) => Algorithm::Winograd {
                m: parsed(tile.split('x').next().unwrap_or_default())?,
            },
        };
        let epilogue = text.epilogue(2 + usize::from(bias))?;
        Ok(Self {
            window,
            groups,
            bias,
            algorithm,
            epilogue,
        })
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn frame(&self, inputs: &[&TensorType]) -> [[usize; 2]; 2] {
        match inputs {
            [x, ..] => self.padding(x.shape.dims()),
            _ => self.window.map(|axis| [axis.before, axis.after]),
        }
    }
    fn lower(&self, site: &Site<'_>) -> Result<Jobs> {
        let mut jobs = Jobs::default();
        let (x, w) = (&site.inputs[0].dims, &site.inputs[1].dims);
        let (strides, start) = jobs.framed(site, 0, self.padding(x));
        let weights = constant(site, 1)?;
        let bias = if self.bias { Some(constant(site, 2)?) } else { None };
        if let Some(m) = self.winograd() {
            let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), 0);
            let (channels, dims) = (w[2], site.output.image_dims());
            let kernel = Winograd {
                m,
                dims,
                channels,
                a: strides,
                out: site.output.image(),
                block: winograd::block(m, channels, dims),
                epilogue,
            };
            winograd::push(&mut jobs, kernel, start, (weights, bias), operands);
            return Ok(jobs);
        }
        let &[kh, kw, cg, co] = site.inputs[1].dims.as_slice() else {
            return Err(Error::internal("weights of a convolution have four axes"));
        };
        let [wy, wx] = self.window;
        let mut a = [strides[0], strides[1] * wy.stride, strides[2] * wx.stride];
        let mut start = start;
        if [kh, kw, self.groups] == [1; 3] && is_worth_packing(&site.output.image_dims(), &a) {
            (a, start) = jobs.packed(site.output.image_dims(), cg, a, start);
        }
        let taps = [(kh, strides[1] * wy.dilation), (kw, strides[2] * wx.dilation)];
        let out = site.output.image();
        if cg == 1 && co == self.groups {
            let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), 0);
            let kernel = Depthwise {
                dims: site.output.image_dims(),
                a,
                taps,
                out,
                epilogue,
            };
            let data = Pointer::Data(Depthwise::pack(weights, bias, co));
            jobs.push(kernel, [vec![start, data, Pointer::Output(0)], operands].concat());
            return Ok(jobs);
        }
        let per_group = co / self.groups;
        for group in 0..self.groups {
            let channel = group * per_group;
            let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), channel);
            let mut dims = site.output.image_dims();
            dims[3] = per_group;
            let right = Right::Panels {
                width: panel_width(&dims),
            };
            let kernel = Contract {
                dims,
                a,
                taps: taps.to_vec(),
                run: cg,
                right,
                out,
                epilogue,
            };
            let columns = |row: &[f32]| row[channel..channel + per_group].to_vec();
            let packed = if self.groups == 1 {
                Contract::pack(weights, bias, per_group, panel_width(&dims))
            } else {
                let own: Vec<f32> = weights.chunks(co).flat_map(columns).collect();
                Contract::pack(&own, bias.map(columns).as_deref(), per_group, panel_width(&dims))
            };
            let start = shifted(&start, group * cg);
            let pointers = vec![start, Pointer::Data(packed), Pointer::Output(channel)];
            jobs.push(kernel.simplified(), [pointers, operands].concat());
        }
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
        2 * (results[0].shape.count() * inputs[1].shape.dims()[..3].iter().product::<usize>()) as u64
    }
}

/// Channels of a weight panel: wide where a single row streams the weights once, else what the tiles of the
/// backends hold in registers.
pub(super) fn panel_width(dims: &[usize; 4]) -> usize {
    if dims[..3] == [1, 1, 1] && dims[3] >= 32 {
        32
    } else {
        8
    }
}

/// Whether the pixels of a 1x1 convolution should be copied together: rows that do not fill tiles of registers, as those
/// of 7 pixels, cost a tenth of the time, which many output channels repay.
fn is_worth_packing(dims: &[usize; 4], a: &Image) -> bool {
    const TILE: usize = 6;
    const LONG_ROW: usize = 24;
    const MIN_CHANNELS: usize = 256;
    let &[_, rows, pixels, channels] = dims;
    let apart = rows > 1 && a[1] != a[2] * pixels;
    apart && pixels < LONG_ROW && !pixels.is_multiple_of(TILE) && channels >= MIN_CHANNELS
}

/// The pointer some elements further on.
fn shifted(pointer: &Pointer, elements: usize) -> Pointer {
    match pointer {
        Pointer::Input(i, at) => Pointer::Input(*i, at + elements as isize),
        Pointer::Scratch(i, at) => Pointer::Scratch(*i, at + elements),
        other => other.clone(),
    }
}

/// Checks a bias of `channels` elements and gives the inputs after it.
pub(super) fn check_bias<'a, 'b>(
    bias: bool,
    rest: &'a [&'b TensorType],
    channels: usize,
) -> Result<&'a [&'b TensorType]> {
    if !bias {
        return Ok(rest);
    }
    match rest.split_first() {
        Some((b, rest)) if b.shape.dims() == [channels] => Ok(rest),
        Some((b, _)) => Err(Error::inconsistent(format!(
            "bias {b} does not fit {channels} output channels"
        ))),
        None => Err(Error::inconsistent("the bias is missing")),
    }
}
