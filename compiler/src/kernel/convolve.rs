//! Convolution as it is written.

use super::epilogue::{four, image_result};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Epilogue, Family, Found, Image, Operand, Raw, Role, Span, Store, WindowAxis};

/// `out[batch, row, pixel, n] = epilogue(sum over taps inside the image, and channels of the group of n, of x * w)` on an
/// image without padding: for targets that test bounds in a kernel rather than read a frame of zeros.
///
/// Weights are `[row, pixel, channel of the group, n]` as in the graph; output channels are ordered by group. A bias is an
/// operand of the epilogue. Depthwise convolutions have as many groups as channels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Convolve {
    /// Extents of the result: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Rows and pixels of x.
    pub input: [usize; 2],
    /// Strides of x.
    pub x: Image,
    /// Windows along rows and pixels.
    pub window: [WindowAxis; 2],
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Input channels of a group.
    pub channels: usize,
    /// Strides of the result.
    pub out: Image,
    /// Applied to each result.
    pub epilogue: Epilogue,
}

operands! {
    /// What a [`Convolve`] touches.
    ConvolveOperands {
        /// The image.
        x: One,
        /// The weights.
        weights: One,
        /// The result.
        out: One,
        /// Operands of the epilogue.
        epilogue: Many,
    }
}

impl Family for Convolve {
    const NAME: &'static str = "convolve";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = ConvolveOperands<T>;

    fn operands(&self) -> ConvolveOperands<Operand> {
        let [batches, _, _, channels] = self.dims;
        let [rows, pixels] = self.input;
        let image = [batches, rows, pixels].into_iter().zip(self.x);
        let taps = self.window[0].size * self.window[1].size;
        let all = self.groups * self.channels;
        ConvolveOperands {
            x: Operand::new(Role::In, Span::new(image.chain([(all, 1)]))),
            weights: Operand::new(Role::Weights, Span::dense(taps * self.channels * channels)),
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
        at: &ConvolveOperands<usize>,
        index: &[usize],
    ) -> Found {
        let index = four(index);
        let sums = self.sums::<A>(memory, at, index, 1);
        self.finish(memory, at, index, sums[0].total())
    }

    /// All channels of a group at one pixel together, so that whole networks can be interpreted.
    fn interpret(&self, memory: &mut (impl Store + ?Sized), at: ConvolveOperands<usize>) {
        let [batches, rows, pixels, channels] = self.dims;
        let of_group = channels / self.groups;
        for_each(&[batches, rows, pixels, self.groups], |index| {
            let mut index = four(index);
            index[3] *= of_group;
            for sum in self.sums::<f64>(memory, &at, index, of_group) {
                let found = self.finish(memory, &at, index, sum.total());
                memory.put(found);
                index[3] += 1;
            }
        });
    }
}

impl Convolve {
    /// The raw results of `count` output channels of one group at one pixel, from an index on.
    fn sums<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &ConvolveOperands<usize>,
        [batch, row, pixel, first]: [usize; 4],
        count: usize,
    ) -> Vec<A> {
        let [wy, wx] = self.window;
        let all = self.dims[3];
        let group = first / (all / self.groups);
        let mut sums: Vec<A> = std::iter::repeat_with(A::default).take(count).collect();
        for (ky, kx) in (0..wy.size).flat_map(|ky| (0..wx.size).map(move |kx| (ky, kx))) {
            let places = (
                wy.position(row, ky, self.input[0]),
                wx.position(pixel, kx, self.input[1]),
            );
            let (Some(y), Some(x)) = places else { continue };
            let value_at = at.x + dot(&[batch, y, x], &self.x) + group * self.channels;
            let weights_at = at.weights + (ky * wx.size + kx) * self.channels * all + first;
            for channel in 0..self.channels {
                let value = f64::from(memory.f32(value_at + channel));
                let row = weights_at + channel * all;
                for (i, sum) in sums.iter_mut().enumerate() {
                    sum.add(value * f64::from(memory.f32(row + i)));
                }
            }
        }
        sums
    }

    fn finish(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &ConvolveOperands<usize>,
        index: [usize; 4],
        raw: Raw,
    ) -> Found {
        let out = at.out + dot(&index[..3], &self.out) + index[3];
        self.epilogue.finish(memory, &at.epilogue, index, raw, out)
    }
}
