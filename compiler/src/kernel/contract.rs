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
            Self::Panels { .. } => [0, 0],
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
    /// Length of the contraction.
    pub fn k(&self) -> usize {
        self.run * self.taps.iter().map(|t| t.0).product::<usize>()
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
            Right::Panels { width } => {
                let panels = channels.div_ceil(width);
                Operand::new(Role::Weights, Span::dense(panels * width * (self.k() + 1)))
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
        let (right, step, bias) = match self.right {
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
        let out = at.out + dot(&[batch, row, pixel], &self.out) + n;
        self.epilogue
            .finish(memory, &at.epilogue, [batch, row, pixel, n], sum.total(), out)
    }
}
