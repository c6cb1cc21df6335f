//! Contraction: convolutions and matrix products.

use super::epilogue::{four, image_result};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Epilogue, Family, Found, Image, Operand, Role, Span};

/// Where the right-hand side comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Packed at compile time into panels of `width` channels: `[panel][bias, then k][width]`. Channels beyond
    /// the last are zeros. See [`Contract::pack`].
    Panels {
        /// Channels of a panel.
        width: usize,
    },
    /// Codes of eight bits with a scale for each channel, in panels of `width` channels: `[panel][bias, scales, codes]`, where the codes
    /// are `[pairs of k][width][2]`, four in a word. The rows of `a` are integers with a scale, as [`Quantize`](super::Quantize) makes
    /// them: what they give is the sum of the products of integers, times both scales. See [`Contract::pack_codes`].
    Codes {
        /// Channels of a panel, an even number.
        width: usize,
    },
    /// Computed at run time: element `[k, n]` lies at `k * stride + n`. There is no bias. Up to 7 elements
    /// beyond the last row may be read.
    Rows {
        /// Distance between two rows.
        stride: usize,
        /// Distance between the matrices of two batches, and of two rows of the result: 0 where all have the same.
        images: [usize; 2],
    },
}

impl Right {
    /// Distance between the matrices of two batches, and of two rows of the result: 0 where all have the same.
    pub fn images(self) -> [usize; 2] {
        match self {
            Self::Panels { .. } | Self::Codes { .. } => [0, 0],
            Self::Rows { images, .. } => images,
        }
    }

    /// Whether all results are of one matrix.
    pub fn is_shared(self) -> bool {
        self.images() == [0, 0]
    }
}

/// `out[batch, row, pixel, n] = epilogue(bias[n] + sum over k of a[batch, row, pixel, k] * b[k, n])`, where `k`
/// runs over window taps and, for each, over `run` contiguous elements.
///
/// A convolution reads a padded image, so that no tap needs a bounds check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Contract {
    /// Extents of the result: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Distance in `a` between batches, rows and pixels of the result.
    pub a: Image,
    /// Taps around a run, outermost first: count and distance.
    pub taps: Vec<(usize, usize)>,
    /// Contiguous elements for each tap.
    pub run: usize,
    /// The right-hand side.
    pub right: Right,
    /// Strides of the result.
    pub out: Image,
    /// Applied to each result.
    pub epilogue: Epilogue,
}

impl Contract {
    /// Length of the contraction; of codes, words of a row of `a`.
    pub fn k(&self) -> usize {
        self.run * self.taps.iter().map(|t| t.0).product::<usize>()
    }

    /// Words of a panel of so many channels.
    pub fn panel(&self, width: usize) -> usize {
        match self.right {
            // A scale takes the place of the bias' row for each, and a word has four codes.
            Right::Codes { .. } => 2 * width + (self.run - 1) * width / 2,
            Right::Panels { .. } | Right::Rows { .. } => (self.k() + 1) * width,
        }
    }

    /// Merges taps that follow each other without a gap into longer runs, and rows into one long row where all
    /// strides allow it: fewer loops for the same addresses.
    #[must_use]
    pub fn simplified(mut self) -> Self {
        while let Some(&(count, stride)) = self.taps.last() {
            if count == 1 {
                self.taps.pop();
            } else if stride == self.run {
                self.run *= count;
                self.taps.pop();
            } else {
                break;
            }
        }
        self.taps.retain(|t| t.0 != 1);
        // Axis 1 (rows) into 2 (pixels), then 0 (batches) into 2 by way of 1.
        for _ in 0..2 {
            let [batches, rows, pixels, _] = self.dims;
            let flat = |s: &[usize]| rows == 1 || s[1] == s[2] * pixels;
            let [of_batches, of_rows] = self.right.images();
            if (rows == 1 || of_rows == 0)
                && flat(&self.a)
                && flat(&self.out)
                && self.epilogue.operands.iter().all(|s| flat(s))
            {
                self.dims = [1, batches, pixels * rows, self.dims[3]];
                self.a = [0, self.a[0], self.a[2]];
                self.out = [0, self.out[0], self.out[2]];
                for s in &mut self.epilogue.operands {
                    *s = [0, s[0], s[2], s[3]];
                }
                if let Right::Rows { images, .. } = &mut self.right {
                    *images = [0, of_batches];
                }
            }
        }
        // Nobody walks along an axis of extent 1: one value for its stride makes equal kernels equal.
        for axis in (0..3).filter(|&axis| self.dims[axis] == 1) {
            (self.a[axis], self.out[axis]) = (0, 0);
            self.epilogue.operands.iter_mut().for_each(|s| s[axis] = 0);
            if let (Right::Rows { images, .. }, 0..2) = (&mut self.right, axis) {
                images[axis] = 0;
            }
        }
        self
    }

    /// Packs the rows of weights, one for each element of the contraction, and a bias into panels of `width` channels.
    pub fn pack<'a>(rows: impl Iterator<Item = &'a [f32]>, bias: Option<&[f32]>, width: usize) -> Vec<f32> {
        let rows: Vec<&[f32]> = rows.collect();
        let n = rows.first().map_or(0, |row| row.len());
        let panel = (rows.len() + 1) * width;
        let mut packed = vec![0.0; n.div_ceil(width) * panel];
        for (index, chunk) in packed.chunks_mut(panel).enumerate() {
            let first = index * width;
            let lanes = width.min(n - first);
            if let Some(bias) = bias {
                chunk[..lanes].copy_from_slice(&bias[first..first + lanes]);
            }
            for (row, out) in rows.iter().zip(chunk[width..].chunks_mut(width)) {
                out[..lanes].copy_from_slice(&row[first..first + lanes]);
            }
        }
        packed
    }
}

impl Contract {
    /// Packs rows of codes, a bias and the scales of channels into panels of `width` channels, as the bits of words.
    pub fn pack_codes(rows: &[Vec<i8>], bias: Option<&[f32]>, scales: &[f32], width: usize) -> Vec<f32> {
        let mut packed = Vec::new();
        for first in (0..scales.len()).step_by(width) {
            let channels = || first..first + width;
            let of = |all: Option<&[f32]>, n: usize| all.and_then(|all| all.get(n)).copied().unwrap_or(0.0);
            packed.extend(channels().map(|n| of(bias, n)));
            packed.extend(channels().map(|n| of(Some(scales), n)));
            let code = |k: usize, n: usize| {
                rows.get(k)
                    .and_then(|row| row.get(n))
                    .map_or(0, |&code| code as u8)
            };
            for k in (0..rows.len()).step_by(2) {
                let word = |n: usize| {
                    let bytes = [code(k, n), code(k + 1, n), code(k, n + 1), code(k + 1, n + 1)];
                    f32::from_bits(u32::from_le_bytes(bytes))
                };
                packed.extend(channels().step_by(2).map(word));
            }
        }
        packed
    }

    /// The sum of a result of codes.
    fn sum_codes<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        a: usize,
        right: usize,
        [n, width]: [usize; 2],
    ) -> A {
        let panel = right + n / width * self.panel(width);
        let lane = n % width;
        let mut sum = A::default();
        sum.add(f64::from(memory.f32(panel + lane)));
        let pairs = self.run - 1;
        let scale = f64::from(memory.f32(panel + width + lane)) * f64::from(memory.f32(a + pairs));
        for pair in 0..pairs {
            let codes = memory.bits(panel + 2 * width + (pair * width + lane) / 2) >> (16 * (lane % 2));
            let both = memory.bits(a + pair);
            for half in 0..2 {
                let (code, integer) = ((codes >> (8 * half)) as i8, (both >> (16 * half)) as i16);
                sum.add(f64::from(i32::from(code) * i32::from(integer)) * scale);
            }
        }
        sum
    }
}

operands! {
    /// What a [`Contract`] touches.
    ContractOperands {
        /// The left-hand side, at the first tap of the first pixel.
        a: One,
        /// The right-hand side.
        right: One,
        /// The result.
        out: One,
        /// Operands of the epilogue.
        epilogue: Many,
    }
}

impl Family for Contract {
    const NAME: &'static str = "contract";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = ContractOperands<T>;

    fn operands(&self) -> ContractOperands<Operand> {
        let [batches, rows, pixels, channels] = self.dims;
        let image = [batches, rows, pixels].into_iter().zip(self.a);
        let taps = self.taps.iter().copied().chain([(self.run, 1)]);
        let right = match self.right {
            Right::Panels { width } | Right::Codes { width } => {
                let panels = channels.div_ceil(width);
                Operand::new(Role::Weights, Span::dense(panels * self.panel(width)))
            }
            Right::Rows { stride, images } => {
                let images = [batches, rows].into_iter().zip(images);
                let rows = [(self.k(), stride), (channels, 1)];
                Operand::new(Role::In, Span::new(images.chain(rows)))
            }
        };
        ContractOperands {
            a: Operand::new(Role::In, Span::new(image.chain(taps))),
            right,
            out: image_result(self.dims, &self.out),
            epilogue: self.epilogue.operands(&self.dims),
        }
    }

    fn extents(&self) -> Vec<usize> {
        self.dims.to_vec()
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &ContractOperands<usize>,
        index: &[usize],
    ) -> Found {
        let [batch, row, pixel, n] = four(index);
        let base = at.a + dot(&[batch, row, pixel], &self.a);
        let out = at.out + dot(&[batch, row, pixel], &self.out) + n;
        let place = [batch, row, pixel, n];
        let (right, step, bias) = match self.right {
            Right::Codes { width } => {
                let sum: A = self.sum_codes(memory, base, at.right, [n, width]);
                return self
                    .epilogue
                    .finish(memory, &at.epilogue, place, sum.total(), out);
            }
            Right::Panels { width } => {
                let bias = at.right + n / width * (self.k() + 1) * width + n % width;
                (bias + width, width, Some(bias))
            }
            Right::Rows { stride, images } => (at.right + dot(&[batch, row], &images) + n, stride, None),
        };
        let mut sum = A::default();
        if let Some(bias) = bias {
            sum.add(f64::from(memory.f32(bias)));
        }
        let (mut counts, mut strides): (Vec<usize>, Vec<usize>) = self.taps.iter().copied().unzip();
        counts.push(self.run);
        strides.push(1);
        let mut i = 0;
        for_each(&counts, |tap| {
            let left = memory.f32(base + dot(tap, &strides));
            sum.add(f64::from(left) * f64::from(memory.f32(right + i * step)));
            i += 1;
        });
        self.epilogue
            .finish(memory, &at.epilogue, place, sum.total(), out)
    }
}
