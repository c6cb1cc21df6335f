//! Depthwise convolution.

use super::epilogue::{four, image_result};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Epilogue, Family, Found, Image, Operand, Role, Span};

/// Channels that are packed together: what common vectors hold.
pub const DEPTHWISE_LANES: usize = 4;

/// `out[…, c] = epilogue(bias[c] + sum over taps of a[… + tap, c] * w[tap, c])` on a padded image.
///
/// Weights are packed as `[channel group][bias, then taps][4]`, see [`Depthwise::pack`].
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

    /// Packs the rows of weights, one for each tap, and a bias.
    pub fn pack<'a>(rows: impl Iterator<Item = &'a [f32]>, bias: Option<&[f32]>) -> Vec<f32> {
        super::Contract::pack(rows, bias, DEPTHWISE_LANES)
    }
}

operands! {
    /// What a [`Depthwise`] touches.
    DepthwiseOperands {
        /// The image, at the first tap of the first pixel.
        a: One,
        /// The packed weights.
        weights: One,
        /// The result.
        out: One,
        /// Operands of the epilogue.
        epilogue: Many,
    }
}

impl Family for Depthwise {
    const NAME: &'static str = "depthwise";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = DepthwiseOperands<T>;

    fn operands(&self) -> DepthwiseOperands<Operand> {
        let [batches, rows, pixels, channels] = self.dims;
        let image = [batches, rows, pixels].into_iter().zip(self.a);
        let weights = channels.next_multiple_of(DEPTHWISE_LANES) * (self.k() + 1);
        DepthwiseOperands {
            a: Operand::new(Role::In, Span::new(image.chain(self.taps).chain([(channels, 1)]))),
            weights: Operand::new(Role::Weights, Span::dense(weights)),
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
        at: &DepthwiseOperands<usize>,
        index: &[usize],
    ) -> Found {
        let [batch, row, pixel, c] = four(index);
        let [(rows, row_stride), (pixels, pixel_stride)] = self.taps;
        let base = at.a + dot(&[batch, row, pixel], &self.a) + c;
        let group = c / DEPTHWISE_LANES * (self.k() + 1) * DEPTHWISE_LANES + c % DEPTHWISE_LANES;
        let own = at.weights + group;
        let mut sum = A::default();
        sum.add(f64::from(memory.f32(own)));
        for_each(&[rows, pixels], |tap| {
            let weight = memory.f32(own + (1 + tap[0] * pixels + tap[1]) * DEPTHWISE_LANES);
            let value = memory.f32(base + tap[0] * row_stride + tap[1] * pixel_stride);
            sum.add(f64::from(value) * f64::from(weight));
        });
        let out = at.out + dot(&[batch, row, pixel], &self.out) + c;
        self.epilogue
            .finish(memory, &at.epilogue, [batch, row, pixel, c], sum.total(), out)
    }
}
