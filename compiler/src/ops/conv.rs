//! Convolution.

use super::attributes::{Attributes, parsed};
use super::lowering::{Jobs, Matrix, Method, Pointer, Product, Site, Windows, constant, epilogue, last_four};
use super::products::{Panels, in_parts};
use super::reference::{finish, multiplied};
use super::{Operation, Storage, WindowAxis, check_epilogue, print_epilogue};
use crate::error::{Error, Result};
use crate::kernel::{
    Contract, ContractOperands, Convolve, ConvolveOperands, Depthwise, DepthwiseOperands, Right, Winograd,
    WinogradOperands,
};
use crate::pointwise::{Binary, Tape};
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
    /// Applied to each result.
    pub epilogue: Tape,
}

impl Conv {
    fn operands(&self) -> usize {
        2 + usize::from(self.bias)
    }

    /// A bias, if there is one, and the epilogue as one function: the bias is its first operand.
    fn biased(&self) -> Tape {
        if self.bias {
            Tape::binary(Binary::Add).then(&self.epilogue)
        } else {
            self.epilogue.clone()
        }
    }

    /// The taps of a pixel of the output, counted through the batch, that lie inside of `x`: which, and where in `x` its pixel begins.
    fn taps(&self, row: usize, out: &Shape, x: &Shape) -> impl Iterator<Item = (usize, usize)> + use<> {
        let [wh, ww] = self.window;
        let (n, oy, ox) = (row / (out[1] * out[2]), row / out[2] % out[1], row % out[2]);
        let [height, width, channels] = [x[1], x[2], x[3]];
        (0..wh.size * ww.size).filter_map(move |tap| {
            let y = wh.position(oy, tap / ww.size, height)?;
            let px = ww.position(ox, tap % ww.size, width)?;
            Some((tap, ((n * height + y) * width + px) * channels))
        })
    }

    /// Adds the products of a tap to the sums of a pixel's channels, where there are groups.
    fn add(&self, sums: &mut [f64], pixel: &[f32], weights: &[f32]) {
        let (co, groups) = (sums.len(), self.groups);
        let (cg, per_group) = (pixel.len() / groups, co / groups);
        for (group, sums) in sums.chunks_mut(per_group).enumerate() {
            for (c, &value) in pixel[group * cg..][..cg].iter().enumerate() {
                let weights = &weights[c * co + group * per_group..][..per_group];
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += f64::from(value) * f64::from(weight);
                }
            }
        }
    }

    /// Bounds tested, all groups in one kernel; weights in panels of some width, or as they are.
    fn lower_bounded<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>, panels: Option<(Matrix<'a>, usize)>) {
        let (epilogue, operands) = match panels {
            Some(_) => epilogue(site, &self.epilogue, self.operands(), 0),
            None => epilogue(site, &self.biased(), 2, 0),
        };
        let (x, w) = (&site.inputs[0], &site.inputs[1].dims);
        let [_, rows, pixels, _] = x.image_dims();
        let kernel = Convolve {
            dims: site.output.image_dims(),
            input: [rows, pixels],
            x: x.image(),
            window: self.window,
            groups: self.groups,
            channels: w[2],
            panels: panels.map(|panels| panels.1),
            out: site.output.image(),
            epilogue,
        };
        let operands = ConvolveOperands {
            x: Pointer::Input(0, 0),
            weights: panels.map_or(Pointer::Input(1, 0), |(weights, _)| Pointer::Weights(weights)),
            out: Pointer::Output(0),
            epilogue: operands,
        };
        jobs.push(kernel, operands);
    }

    /// A kernel for each group.
    fn lower_panels<'a>(
        &self,
        site: &Site<'a>,
        jobs: &mut Jobs<'a>,
        windows: &Windows<'a>,
        (weights, width): (Matrix<'a>, usize),
    ) {
        let channels = site.inputs[1].dims[2];
        let of_group = weights.width() / self.groups;
        for group in 0..self.groups {
            let first = group * of_group;
            let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), first);
            let [batches, rows, pixels, _] = site.output.image_dims();
            let kernel = Contract {
                dims: [batches, rows, pixels, of_group],
                a: windows.a,
                taps: windows.taps.to_vec(),
                run: channels,
                right: Right::Panels { width },
                out: site.output.image(),
                epilogue,
            };
            let operands = ContractOperands {
                a: windows.start.clone().advanced(group * channels),
                right: Pointer::Weights(weights.columns(first, of_group)),
                out: Pointer::Output(first),
                epilogue: operands,
            };
            jobs.push(kernel.simplified(), operands);
        }
    }

    /// Rows as integers, and a kernel that multiplies codes by them.
    fn lower_codes<'a>(
        &self,
        site: &Site<'a>,
        jobs: &mut Jobs<'a>,
        windows: &Windows<'a>,
        (weights, width): (Matrix<'a>, usize),
    ) {
        let dims = site.output.image_dims();
        let [batches, rows, pixels, _] = dims;
        let from = (windows.start.clone(), windows.a);
        let (a, image, run) = jobs.integers([batches, rows, pixels], from, site.inputs[1].dims[2]);
        let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), 0);
        let kernel = Contract {
            dims,
            a: image,
            taps: Vec::new(),
            run,
            right: Right::Codes { width },
            out: site.output.image(),
            epilogue,
        };
        let operands = ContractOperands {
            a,
            right: Pointer::Weights(weights),
            out: Pointer::Output(0),
            epilogue: operands,
        };
        jobs.push(kernel.simplified(), operands);
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
        let (x, w) = (multiplied(inputs[0], inputs[1])?, inputs[1].as_f32()?);
        let bias = if self.bias {
            Some(inputs[2].as_f32()?)
        } else {
            None
        };
        let (xs, ws) = (inputs[0].shape(), inputs[1].shape());
        let taps = |row: usize| self.taps(row, &ty.shape, xs);
        let (cg, co) = (ws[2], ws[3]);
        let rows = ty.shape.count() / co;
        // What lies outside counts as zero in panels, which it is with finite weights only.
        let raw = if self.groups == 1 && w.iter().all(|value| value.is_finite()) {
            Panels::new(w, co).all(rows, bias, |row, fill| {
                for (tap, at) in taps(row) {
                    let own = x[at..at + cg].iter().enumerate();
                    own.for_each(|(c, &value)| fill(tap * cg + c, f64::from(value)));
                }
            })?
        } else {
            let mut raw = vec![0.0; rows * co];
            in_parts(&mut raw, co, rows * co * w.len() / co, |first, out| {
                let mut sums = vec![0.0; co];
                for (row, out) in out.chunks_mut(co).enumerate() {
                    sums.fill(0.0_f64);
                    for (tap, at) in taps(first + row) {
                        self.add(&mut sums, &x[at..at + xs[3]], &w[tap * cg * co..][..cg * co]);
                    }
                    for (o, (out, sum)) in out.iter_mut().zip(&sums).enumerate() {
                        *out = *sum as f32 + bias.map_or(0.0, |b| b[o]);
                    }
                }
            })?;
            raw
        };
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
        print_epilogue(&self.epilogue, f)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let window = text.windows()?;
        let groups = text.optional("groups")?.map_or(Ok(1), parsed)?;
        let bias = text.word("bias");
        let epilogue = text.epilogue(2 + usize::from(bias))?;
        Ok(Self {
            window,
            groups,
            bias,
            epilogue,
        })
    }
    fn storage(&self) -> Storage {
        Storage::Strided
    }
    fn weights(&self, inputs: &[&TensorType]) -> Option<(usize, [usize; 2])> {
        let shape = &inputs.get(1)?.shape;
        Some((1, [shape.count(), *shape.dims().last()?]))
    }
    fn product(&self, inputs: &[&TensorType], result: &TensorType) -> Option<Product> {
        let (&[_, rows, pixels, _], &[.., channels, _]) = (inputs[0].shape.dims(), inputs[1].shape.dims())
        else {
            return None;
        };
        Some(Product {
            window: Some(self.window),
            groups: self.groups,
            channels,
            input: [rows, pixels],
            dims: last_four(result.shape.dims(), 1),
            codes: false,
        })
    }
    fn lower<'a>(&self, site: &Site<'a>, jobs: &mut Jobs<'a>) -> Result<()> {
        let method = site
            .method
            .ok_or_else(|| Error::internal("a convolution without a method"))?;
        if method == Method::Plain {
            self.lower_bounded(site, jobs, None);
            return Ok(());
        }
        let bias = if self.bias { Some(constant(site, 2)?) } else { None };
        let dims = site.output.image_dims();
        let weights = Matrix::of(site, 1, bias, dims[3])?;
        if let Method::Bounded { width } = method {
            self.lower_bounded(site, jobs, Some((weights, width)));
            return Ok(());
        }
        let windows = site
            .windows
            .as_ref()
            .ok_or_else(|| Error::internal("a convolution without windows"))?;
        let start = windows.start.clone();
        let (out, a) = (site.output.image(), windows.a);
        let (epilogue, operands) = epilogue(site, &self.epilogue, self.operands(), 0);
        match method {
            Method::Plain | Method::Bounded { .. } => {}
            Method::Codes { width } => self.lower_codes(site, jobs, windows, (weights, width)),
            Method::Panels { width } => self.lower_panels(site, jobs, windows, (weights, width)),
            Method::Depthwise => {
                let kernel = Depthwise {
                    dims,
                    a,
                    taps: windows.taps,
                    out,
                    epilogue,
                };
                let operands = DepthwiseOperands {
                    a: start,
                    weights: Pointer::Weights(weights),
                    out: Pointer::Output(0),
                    epilogue: operands,
                };
                jobs.push(kernel, operands);
            }
            Method::Winograd { m, block, scratch } => {
                let kernel = Winograd {
                    m,
                    dims,
                    channels: site.inputs[1].dims[2],
                    a,
                    out,
                    block,
                    scratch,
                    epilogue,
                };
                let operands = WinogradOperands {
                    a: start,
                    weights: Pointer::Weights(weights),
                    scratch: jobs.scratch(scratch),
                    out: Pointer::Output(0),
                    epilogue: operands,
                };
                jobs.push(kernel, operands);
            }
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
        2 * (results[0].shape.count() * inputs[1].shape.dims()[..3].iter().product::<usize>()) as u64
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
