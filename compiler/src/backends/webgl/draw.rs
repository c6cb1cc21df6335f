//! The draw of each family.

use super::fragment::{Drawing, Fragment, bits_of};
use super::layout::{Division, Layouts};
use super::position::Results;
use crate::backends::gpu::other;
use crate::error::Result;
use crate::kernel::{Contract, Convolve, Epilogue, Fill, Image, Kernel, Right, Role};
use crate::plan::{Run, Space};
use crate::shader::{self, Lanes, Pixel, Shader, Walk};

/// The fragment shader of a run; `layouts` has those of all values.
///
/// # Errors
/// When the plan was made for another target.
pub(super) fn draw(kernel: &Kernel, run: &Run, layouts: &Layouts) -> Result<Fragment> {
    let drawing = Site {
        kernel,
        run,
        layouts,
        out: written(kernel, run)?,
    };
    match kernel {
        Kernel::Map(k) => drawing.results(&k.dims, &k.out, |s, index, lanes| {
            let value = shader::map(s, k, index, lanes);
            Ok(bits_of(&value, lanes))
        }),
        Kernel::Move(k) => drawing.results(&k.dims, &k.out, |s, index, lanes| {
            Ok(shader::move_(s, k, index, lanes))
        }),
        Kernel::Gather(k) => {
            let extents = [k.outer, k.indices, k.row];
            let strides = [k.indices * k.row, k.row, 1];
            drawing.results(&extents, &strides, |s, index, lanes| {
                let index = [0, 1, 2].map(|axis: usize| index[axis].clone());
                Ok(shader::gather(s, k, &index, lanes))
            })
        }
        Kernel::Pool(k) => {
            let strides = [k.out[0], k.out[1], k.out[2], 1];
            drawing.results(&k.dims, &strides, |s, index, lanes| {
                let raw = shader::pool(s, k, index, lanes);
                let raw = s.bind("r", raw);
                let value = shader::epilogue(s, &k.epilogue, 2, &four(index), &raw, lanes);
                Ok(bits_of(&value, lanes))
            })
        }
        Kernel::Reduce(k) => {
            let extents: Vec<usize> = k.kept.iter().map(|axis| axis.extent).collect();
            let strides: Vec<usize> = k.kept.iter().map(|axis| axis.out).collect();
            drawing.results(&extents, &strides, |s, index, lanes| {
                let raw = shader::reduce(s, k, index, lanes);
                let raw = s.bind("r", raw);
                let value = shader::finish(s, k, index, &raw, lanes);
                Ok(bits_of(&value, lanes))
            })
        }
        Kernel::Fill(k) => drawing.fill(k),
        Kernel::Contract(k) if k.right.is_shared() && !matches!(k.right, Right::Codes { .. }) => {
            drawing.contract(k)
        }
        Kernel::Convolve(k) => drawing.convolve(k),
        Kernel::Contract(_)
        | Kernel::Winograd(_)
        | Kernel::WinogradWeights(_)
        | Kernel::Depthwise(_)
        | Kernel::Quantize(_) => Err(other(kernel)),
    }
}

/// The only operand that is written; nothing else lies in its texture.
fn written(kernel: &Kernel, run: &Run) -> Result<usize> {
    let operands = kernel.operands();
    let out = operands.iter().position(|operand| operand.role == Role::Out);
    let out = out.ok_or_else(|| other(kernel))?;
    let space = run.arguments[out].space;
    let beside =
        |(operand, argument): (usize, &crate::plan::Argument)| operand != out && argument.space == space;
    let read = run.arguments.iter().enumerate().any(beside);
    let scratch = operands.iter().any(|operand| operand.role == Role::Scratch);
    if read || scratch || !matches!(space, Space::Arena(_)) {
        return Err(other(kernel));
    }
    Ok(out)
}

fn four(index: &[String]) -> [String; 4] {
    [0, 1, 2, 3].map(|axis: usize| index[axis].clone())
}

/// A run and where it draws.
struct Site<'a> {
    kernel: &'a Kernel,
    run: &'a Run,
    layouts: &'a Layouts,
    out: usize,
}

impl Site<'_> {
    /// Draws results that lie under strides; `bits` computes those at an index.
    fn results(
        &self,
        extents: &[usize],
        strides: &[usize],
        bits: impl FnOnce(&mut Shader, &[String], Lanes) -> Result<String>,
    ) -> Result<Fragment> {
        let mut drawing = Drawing::new(self.kernel, self.run, self.out, self.layouts);
        let argument = &self.run.arguments[self.out];
        let results = Results {
            extents,
            walk: Walk {
                operand: self.out,
                strides,
            },
            offset: argument.offset / 4,
        };
        let inside = |s: &mut Shader, element: &str| results.index(s, element);
        match results.lanes(&drawing.s) {
            Lanes::Four => drawing.together(inside, |s, index| bits(s, index, Lanes::Four))?,
            Lanes::One => drawing.each(inside, |s, index| bits(s, index, Lanes::One))?,
        }
        let texels = self.layouts.of(argument.space).texels;
        let whole = argument.advance == 0 && results.fill(texels);
        drawing.finish(!whole)
    }

    /// Draws constant areas.
    fn fill(&self, k: &Fill) -> Result<Fragment> {
        let mut drawing = Drawing::new(self.kernel, self.run, self.out, self.layouts);
        let (bits, regions) = shader::fill(k);
        for region in regions {
            let results = Results {
                extents: &region.dims,
                walk: Walk {
                    operand: self.out,
                    strides: &region.strides,
                },
                offset: 0,
            };
            let inside = |s: &mut Shader, element: &str| {
                let offset = s.number(region.offset);
                results.index(s, &format!("{element} - {offset}"))
            };
            drawing.each(inside, |_, _| Ok(bits.clone()))?;
        }
        drawing.finish(true)
    }

    fn contract(&self, k: &Contract) -> Result<Fragment> {
        self.product(k.dims, &k.out, &k.epilogue, |s, pixels, n| {
            Ok(shader::contract(s, k, pixels, n, 1))
        })
    }

    fn convolve(&self, k: &Convolve) -> Result<Fragment> {
        self.product(k.dims, &k.out, &k.epilogue, |s, pixels, n| {
            shader::convolve(s, k, pixels, n, 1)
        })
    }

    /// Draws a product: `sums` gives those for four channels of some pixels.
    fn product(
        &self,
        dims: [usize; 4],
        out: &Image,
        epilogue: &Epilogue,
        sums: impl FnOnce(&mut Shader, &[Pixel], &str) -> Result<Vec<Vec<String>>>,
    ) -> Result<Fragment> {
        let first = self.out + 1;
        let Division::Quarters(_) = self.layouts.of(self.run.arguments[self.out].space).division else {
            let strides = [out[0], out[1], out[2], 1];
            return self.results(&dims, &strides, |s, index, lanes| {
                let raw = one_of(s, index, lanes, sums)?;
                let value = shader::epilogue(s, epilogue, first, &four(index), &raw, lanes);
                Ok(bits_of(&value, lanes))
            });
        };
        let mut drawing = Drawing::new(self.kernel, self.run, self.out, self.layouts);
        let all = dims[..3].iter().product();
        drawing.quarters(all, dims[3], |s, numbers, n| {
            let pixels: Vec<_> = numbers
                .iter()
                .map(|number| shader::pixel(s, dims, number))
                .collect();
            let sums = sums(s, &pixels, n)?;
            let results = pixels.into_iter().zip(sums);
            let bits = results.map(|([batch, row, pixel], sums)| {
                let index = [batch, row, pixel, n.to_owned()];
                let value = shader::epilogue(s, epilogue, first, &index, &sums[0], Lanes::Four);
                let value = s.bind("r", value);
                bits_of(&value, Lanes::Four)
            });
            Ok(bits.collect())
        })?;
        drawing.finish(false)
    }
}

/// The raw results of a product at an index: it gives four channels, of which one may be asked for.
fn one_of(
    s: &mut Shader,
    index: &[String],
    lanes: Lanes,
    sums: impl FnOnce(&mut Shader, &[Pixel], &str) -> Result<Vec<Vec<String>>>,
) -> Result<String> {
    let pixel = [0, 1, 2].map(|axis: usize| index[axis].clone());
    Ok(match lanes {
        Lanes::Four => sums(s, &[pixel], &index[3])?.remove(0).remove(0),
        Lanes::One => {
            let first = s.bind("n", format!("{} & 0xfffffffcu", index[3]));
            let sums = sums(s, &[pixel], &first)?.remove(0).remove(0);
            s.bind("r", format!("{sums}[{} & 3u]", index[3]))
        }
    })
}
