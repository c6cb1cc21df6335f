//! Contraction: sums of products with a matrix.

use super::index::ORIGIN;
use super::{Lanes, Pixel, Shader, Walk};
use crate::kernel::{Contract, Epilogue, Image, Right};

/// The raw results of a [`Contract`] for some pixels `[batch, row, pixel]` and `quads` times four channels from the one
/// numbered `n` on, a multiple of that many: for each pixel, for each quad.
///
/// Operand 0 is the left-hand side, 1 the right-hand side. Channels behind the last read what is there. Where rows or batches have
/// a matrix of their own, all pixels are of one of them.
pub fn contract(
    s: &mut Shader,
    kernel: &Contract,
    pixels: &[Pixel],
    n: &str,
    quads: usize,
) -> Vec<Vec<String>> {
    let bases = bases(s, &kernel.a, pixels);
    let mut right = Columns::new(s, kernel, n, &pixels[0]);
    let sums = right.sums(s, pixels.len(), quads);
    let taps = kernel.taps.iter().all(|tap| tap.1 % 4 == 0);
    let unit = unit(taps && kernel.run.is_multiple_of(4) && is_quad(s, &kernel.a));
    let scale = unit.count();
    let bases: Vec<_> = match unit {
        Lanes::One => bases,
        Lanes::Four => bases
            .into_iter()
            .map(|base| s.bind("l", in_units(unit, base)))
            .collect(),
    };
    if unit == Lanes::Four && kernel.taps.is_empty() && s.lies_in_layers(0, kernel.run, &kernel.a) {
        // The layer of a run is found once.
        let runs: Vec<_> = bases.iter().map(|base| s.run(0, base)).collect();
        let count = s.number(kernel.run / 4);
        s.count(&count, 1, |s, c| {
            let mut left = Vec::with_capacity(runs.len());
            for run in &runs {
                let value = s.quad_of_run(0, run, c);
                left.push(s.bind("a", value));
            }
            right.multiply_all(s, &left, unit, &sums);
        });
        return sums;
    }
    let counted: Vec<_> = kernel.taps.iter().map(|tap| (tap.0, tap.1 / scale)).collect();
    along_taps(s, &counted, None, &mut |s, offset| {
        let run = s.number(kernel.run / scale);
        let offset = offset.map_or_else(String::new, |offset| format!("{offset} + "));
        s.count(&run, 1, |s, c| {
            let left: Vec<_> = bases
                .iter()
                .map(|base| {
                    let at = format!("{base} + {offset}{c}");
                    let value = match unit {
                        Lanes::One => s.float(0, &at),
                        Lanes::Four => s.quad_numbered(0, &at),
                    };
                    s.bind("a", value)
                })
                .collect();
            right.multiply_all(s, &left, unit, &sums);
        });
    });
    sums
}

/// The part of the sums of a [`Contract`] with packed weights and no taps that stands between two elements of the contraction, for
/// some pixels and four channels from the one numbered `n` on. The first part has the bias.
pub fn contract_part(
    s: &mut Shader,
    kernel: &Contract,
    (pixels, width): (&[Pixel], usize),
    n: &str,
    (first, end): (&str, &str),
) -> Vec<String> {
    let mut right = Columns::of_panels(s, width, kernel.k(), n);
    let sums = right.sums(s, pixels.len(), 1);
    s.block(format!("if ({first} > 0u)"), |s| {
        for sum in sums.iter().flatten() {
            s.line(format!("{sum} = vec4<f32>(0.0f);"));
        }
    });
    s.line(format!("{} += {first} * {};", right.cursor, right.step));
    let starts = bases(s, &kernel.a, pixels);
    let i = s.fresh("i");
    let unit = unit(is_quad(s, &kernel.a) && kernel.run.is_multiple_of(4));
    let step = unit.count();
    s.block(
        format!("for (var {i} = {first}; {i} < {end}; {i} += {step}u)"),
        |s| {
            let mut left = Vec::with_capacity(starts.len());
            for start in &starts {
                let at = format!("{start} + {i}");
                let value = match unit {
                    Lanes::One => s.float(0, &at),
                    Lanes::Four => s.quad(0, &at),
                };
                left.push(s.bind("a", value));
            }
            right.multiply_all(s, &left, unit, &sums);
        },
    );
    sums.concat()
}

/// Whether four channels of every pixel lie together, at a multiple of four.
pub(super) fn is_quad(s: &Shader, image: &Image) -> bool {
    s.is_aligned(0) && image.iter().all(|stride| stride % 4 == 0)
}

/// Where operand 0 begins for each pixel.
pub(super) fn bases(s: &mut Shader, image: &Image, pixels: &[Pixel]) -> Vec<String> {
    let strides: Vec<isize> = image.iter().map(|&stride| stride as isize).collect();
    // One parameter for each stride, whatever the number of pixels.
    let start = s.start(0);
    let strides: Vec<Option<String>> = strides
        .iter()
        .map(|&stride| (stride != 0).then(|| s.signed(stride)))
        .collect();
    let address = |s: &mut Shader, index: &[String; 3]| {
        let mut sum = start.clone();
        for (index, stride) in index.iter().zip(&strides) {
            if let Some(stride) = stride.as_ref().filter(|_| index != ORIGIN) {
                sum += &format!(" + {index} * {stride}");
            }
        }
        s.bind("l", sum)
    };
    pixels.iter().map(|index| address(s, index)).collect()
}

/// Loops over taps, outermost first, with the sum of their distances; none where there are no taps.
fn along_taps(
    s: &mut Shader,
    taps: &[(usize, usize)],
    at: Option<&str>,
    body: &mut dyn FnMut(&mut Shader, Option<&str>),
) {
    let Some((&(count, stride), inner)) = taps.split_first() else {
        body(s, at);
        return;
    };
    let count = s.number(count);
    let stride = s.number(stride);
    s.count(&count, 1, |s, i| {
        let at = at.map_or_else(String::new, |at| format!("{at} + "));
        let at = s.bind("d", format!("{at}{i} * {stride}"));
        along_taps(s, inner, Some(&at), body);
    });
}

/// How rows are read that are aligned or not.
pub(super) fn unit(aligned: bool) -> Lanes {
    match aligned {
        true => Lanes::Four,
        false => Lanes::One,
    }
}

/// An address, or the number of the quad there.
pub(super) fn in_units(unit: Lanes, at: String) -> String {
    match unit {
        Lanes::One => at,
        Lanes::Four => format!("({at}) >> 2u"),
    }
}

/// A walk down some columns of a matrix, operand 1.
pub(super) struct Columns {
    /// The next row: an address, or the number of a quad where rows are read in quads.
    cursor: String,
    /// From one row to the next.
    step: String,
    /// Where the bias is.
    bias: Option<String>,
    /// How rows are read.
    unit: Lanes,
}

impl Columns {
    /// Columns of a kernel's right-hand side, of the matrix that is a pixel's.
    pub(super) fn new(s: &mut Shader, kernel: &Contract, n: &str, pixel: &Pixel) -> Self {
        match kernel.right {
            Right::Panels { width } => Self::of_panels(s, width, kernel.k(), n),
            Right::Codes { .. } => unreachable!("backends refuse it"),
            Right::Rows { stride, images } => {
                let distances = images.iter().chain([&stride]);
                let unit = unit(distances.into_iter().all(|d| d.is_multiple_of(4)) && s.is_aligned(1));
                let mut start = s.start(1);
                for (index, distance) in pixel.iter().zip(images).filter(|(_, distance)| *distance > 0) {
                    let distance = s.number(distance);
                    start = s.bind("b", format!("{start} + {index} * {distance}"));
                }
                let step = s.number(stride / unit.count());
                Self {
                    cursor: s.variable("b", in_units(unit, format!("{start} + {n}"))),
                    step,
                    bias: None,
                    unit,
                }
            }
        }
    }

    /// Columns of a matrix with `k` rows, packed in panels with a bias.
    pub(super) fn of_panels(s: &mut Shader, width: usize, k: usize, n: &str) -> Self {
        let start = s.start(1);
        let panel = s.number((k + 1) * width);
        let unit = unit(s.is_aligned(1));
        let first = format!("{start} + {n} / {width}u * {panel} + {n} % {width}u");
        let bias = s.bind("b", in_units(unit, first));
        let step = format!("{}u", width / unit.count());
        Self {
            cursor: s.variable("b", format!("{bias} + {step}")),
            step,
            bias: Some(bias),
            unit,
        }
    }

    /// Variables for the sums, which begin with the bias.
    pub(super) fn sums(&mut self, s: &mut Shader, pixels: usize, quads: usize) -> Vec<Vec<String>> {
        let first: Vec<_> = (0..quads)
            .map(|quad| match &self.bias {
                Some(bias) => {
                    let value = self.load(s, bias, quad);
                    s.bind("z", value)
                }
                None => "vec4<f32>(0.0f)".to_owned(),
            })
            .collect();
        (0..pixels)
            .map(|_| first.iter().map(|value| s.variable("m", value)).collect())
            .collect()
    }

    /// A quad of the row at `at`.
    fn load(&self, s: &mut Shader, at: &str, quad: usize) -> String {
        let at = match 4 / self.unit.count() * quad {
            0 => at.to_owned(),
            distance => format!("{at} + {distance}u"),
        };
        match self.unit {
            Lanes::Four => s.quad_numbered(1, &at),
            Lanes::One => s.four(1, &at, 1),
        }
    }

    /// A quad of the row of this number, if nothing went on.
    pub(super) fn row(&self, s: &mut Shader, number: &str) -> String {
        let at = s.bind("b", format!("{} + {number} * {}", self.cursor, self.step));
        self.load(s, &at, 0)
    }

    /// Goes on along as many rows as there are `lanes`, with a value of each for every pixel.
    pub(super) fn multiply_all(
        &mut self,
        s: &mut Shader,
        left: &[String],
        lanes: Lanes,
        sums: &[Vec<String>],
    ) {
        match lanes {
            Lanes::One => self.multiply(s, left, sums),
            Lanes::Four => {
                for part in ["x", "y", "z", "w"] {
                    let left: Vec<_> = left.iter().map(|a| format!("{a}.{part}")).collect();
                    self.multiply(s, &left, sums);
                }
            }
        }
    }

    /// Adds the products of a row with a value for each pixel, and goes on to the next row. Values are floats, or vectors that
    /// have one for each column of their only quad.
    pub(super) fn multiply(&mut self, s: &mut Shader, left: &[String], sums: &[Vec<String>]) {
        let quads = sums.first().map_or(0, Vec::len);
        let row: Vec<_> = (0..quads)
            .map(|quad| {
                let value = self.load(s, &self.cursor, quad);
                s.bind("b", value)
            })
            .collect();
        for (value, sums) in left.iter().zip(sums) {
            for (weight, sum) in row.iter().zip(sums) {
                s.line(format!("{sum} += {weight} * {value};"));
            }
        }
        s.line(format!("{} += {};", self.cursor, self.step));
    }
}

/// Applies an epilogue to raw results at `[batch, row, pixel, channel]`; its operands are those from `first` on.
pub fn epilogue(
    s: &mut Shader,
    epilogue: &Epilogue,
    first: usize,
    index: &[String; 4],
    raw: &str,
    lanes: Lanes,
) -> String {
    let mut inputs = vec![raw.to_owned()];
    for (operand, strides) in epilogue.operands.iter().enumerate() {
        let walk = Walk {
            operand: first + operand,
            strides,
        };
        let value = walk.load(s, index, lanes);
        inputs.push(s.bind("x", value));
    }
    s.apply(&epilogue.tape, &inputs, lanes)
}
