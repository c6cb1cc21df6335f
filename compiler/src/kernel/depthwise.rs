//! Depthwise convolution.

use super::interpret::for_each;
use super::{Epilogue, Image, Interpret, Memory};

/// Channels that are packed together: one wasm vector, one texel.
pub const DEPTHWISE_LANES: usize = 4;

/// `out[…, c] = epilogue(bias[c] + sum over taps of a[… + tap, c] * w[tap, c])` on a padded image.
///
/// Pointers: a (at the first tap of the first pixel), weights, out, epilogue operands. Weights are packed as
/// `[channel group][bias, then taps][4]`, see [`Depthwise::pack`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Depthwise {
    /// Extents of the result: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Distance in `a` between batches, rows and pixels of the result.
    pub a: Image,
    /// Taps along rows and pixels: count and distance in `a`.
    pub taps: [(usize, usize); 2],
    /// Strides of the result.
    pub out: Image,
    /// Applied to each result.
    pub epilogue: Epilogue,
}

impl Depthwise {
    /// Number of taps.
    pub fn k(&self) -> usize {
        self.taps[0].0 * self.taps[1].0
    }

    /// Packs weights `[taps, channels]` (row-major) and a bias.
    pub fn pack(weights: &[f32], bias: Option<&[f32]>, channels: usize) -> Vec<f32> {
        super::Contract::pack(weights, bias, channels, DEPTHWISE_LANES)
    }
}

impl Interpret for Depthwise {
    fn interpret(&self, memory: &mut Memory, at: &[usize]) {
        let (a, w, out) = (at[0], at[1], at[2]);
        let [(rows, row_stride), (pixels, pixel_stride)] = self.taps;
        for_each(&self.dims, |index| {
            let &[batch, row, pixel, c] = index else {
                unreachable!("four axes")
            };
            let base = a + batch * self.a[0] + row * self.a[1] + pixel * self.a[2] + c;
            let group = w + c / DEPTHWISE_LANES * (self.k() + 1) * DEPTHWISE_LANES + c % DEPTHWISE_LANES;
            let mut sum = f64::from(memory.f32(group));
            for_each(&[rows, pixels], |tap| {
                let weight = memory.f32(group + (1 + tap[0] * pixels + tap[1]) * DEPTHWISE_LANES);
                let value = memory.f32(base + tap[0] * row_stride + tap[1] * pixel_stride);
                sum += f64::from(value) * f64::from(weight);
            });
            let result = self
                .epilogue
                .apply(memory, &at[3..], [batch, row, pixel, c], sum as f32);
            memory.set(
                out + batch * self.out[0] + row * self.out[1] + pixel * self.out[2] + c,
                result,
            );
        });
    }
}
