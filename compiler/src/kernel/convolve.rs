//! Convolution as it is written.

use super::epilogue::{four, image_result};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Epilogue, Family, Found, Image, Operand, Raw, Role, Span, Store, WindowAxis};

/// `out[batch, row, pixel, n] = epilogue(sum over taps inside the image, and channels of the group of n, of x * w)` on an
/// image without padding: for targets that test bounds in a kernel rather than read a frame of zeros.
///
/// The weights of a result are ordered `[row, pixel, channel of the group]`; output channels are ordered by group. Depthwise
/// convolutions have as many groups as channels.
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
    /// Channels of a panel, if weights and bias are packed as [`Contract::pack`](super::Contract::pack) does with the results
    /// of all groups as its columns. Otherwise weights are `[row, pixel, channel of the group, n]` as in the graph, and a bias
    /// is an operand of the epilogue.
    pub panels: Option<usize>,
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
        let [batches, ..] = self.dims;
        let [rows, pixels] = self.input;
        let image = [batches, rows, pixels].into_iter().zip(self.x);
        let all = self.groups * self.channels;
        ConvolveOperands {
            x: Operand::new(Role::In, Span::new(image.chain([(all, 1)]))),
            weights: Operand::new(Role::Weights, Span::dense(self.weights())),
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
    /// Length of the contraction.
    pub fn k(&self) -> usize {
        self.window[0].size * self.window[1].size * self.channels
    }

    /// Elements of the weights.
    fn weights(&self) -> usize {
        match self.panels {
            None => self.k() * self.dims[3],
            Some(width) => (self.k() + 1) * self.dims[3].next_multiple_of(width),
        }
    }

    /// Where the weight of result `n` stands for element `k` of its contraction.
    fn weight(&self, k: usize, n: usize) -> usize {
        match self.panels {
            None => k * self.dims[3] + n,
            Some(width) => (n / width * (self.k() + 1) + 1 + k) * width + n % width,
        }
    }

    /// Where the bias of result `n` stands, if it is among the weights.
    fn bias(&self, n: usize) -> Option<usize> {
        self.panels
            .map(|width| n / width * (self.k() + 1) * width + n % width)
    }

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
        let start = |n| {
            let mut sum = A::default();
            if let Some(place) = self.bias(n) {
                sum.add(f64::from(memory.f32(at.weights + place)));
            }
            sum
        };
        let mut sums: Vec<A> = (first..first + count).map(start).collect();
        for (ky, kx) in (0..wy.size).flat_map(|ky| (0..wx.size).map(move |kx| (ky, kx))) {
            let places = (
                wy.position(row, ky, self.input[0]),
                wx.position(pixel, kx, self.input[1]),
            );
            let (Some(y), Some(x)) = places else { continue };
            let value_at = at.x + dot(&[batch, y, x], &self.x) + group * self.channels;
            for channel in 0..self.channels {
                let value = f64::from(memory.f32(value_at + channel));
                let k = (ky * wx.size + kx) * self.channels + channel;
                for (i, sum) in sums.iter_mut().enumerate() {
                    let weight = memory.f32(at.weights + self.weight(k, first + i));
                    sum.add(value * f64::from(weight));
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
