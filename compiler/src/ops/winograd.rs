//! Algorithms of convolutions: what each costs and how much it rounds, and the lowering to Winograd's minimal filtering.

use super::WindowAxis;
use super::lowering::{Jobs, Pointer};
use crate::kernel::{Contract, WINOGRAD_LANES, Winograd, WinogradWeights};

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Product by product.
    Direct,
    /// Winograd's F(m x m, 3x3), for 3x3 taps without strides, dilation and groups. m is 2 or 4.
    Winograd {
        /// Rows and pixels of a tile of results.
        m: usize,
    },
}

impl Algorithm {
    /// A bound of the error that it adds to a result, relative to the root mean square of the results: the largest that
    /// was found with 256 input channels, see [`Transforms`](crate::kernel::Transforms). That of direct sums
    /// (2e-6 to 4.5e-6) is above that of F(2x2), so only F(4x4) adds any.
    pub fn error_bound(self) -> f64 {
        match self {
            Self::Winograd { m: 4 } => 1.4e-5,
            _ => 0.0,
        }
    }
}

/// A convolution as the cost model sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub window: [WindowAxis; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Extents of the result.
    pub dims: [usize; 4],
}

/// Fewest input and output channels. Transforms cost the same whatever they are shared by: 8 channels gain 0 to 30 %,
/// 16 gain 50 to 90 %.
const MIN_CHANNELS: usize = 16;

/// Fewest tiles of F(4x4): on 7x7 pixels (4 tiles) it is no faster than F(2x2), whose weights take less than half of
/// the memory.
const MIN_LARGE_TILES: usize = 8;

/// Fewest tiles of F(2x2), as many as fill a register tile.
const MIN_SMALL_TILES: usize = 4;

/// Bytes of transformed inputs that share the second-level cache with products and weights.
const BLOCK_BYTES: usize = 256 << 10;

/// Weights beyond the second-level cache are read anew for each block, which then has at least this many tiles.
const MIN_BLOCK: usize = 64;

/// Bytes of a common second-level cache.
const CACHE_BYTES: usize = 1 << 20;

/// Floating-point operations in a nanosecond: what matrix products reach on one core.
const FLOPS: f64 = 52.0;

/// Nanoseconds to transform an element of a tile.
const TRANSFORM: f64 = 0.35;

/// Bytes of weights that memory gives in a nanosecond; a prediction reads all of them once.
const BANDWIDTH: f64 = 8.0;

impl Shape {
    fn tiles(&self, m: usize) -> usize {
        let [n, rows, pixels, _] = self.dims;
        n * rows.div_ceil(m) * pixels.div_ceil(m)
    }

    /// Estimated nanoseconds on one core; `None` where the algorithm does not fit or is known not to pay.
    ///
    /// Calibrated in Chromium on one Zen 4 core with relaxed SIMD. Times faster than direct: 56²x64 F(4x4) 2.9, F(2x2)
    /// 1.9 · 28²x128 3.0, 1.9 · 14²x256 2.4, 1.9 · 28²x512 3.3, 2.0 · 112²x64→128 3.1, 1.9 · DenseNet's 56²x128→32
    /// 2.5, 1.7, and 14²x128→32 1.9, 1.6 · 7²x512 2.0, 1.8 · 8²x448→384 2.6, 2.6 · 5²x64 0.8, 1.2 · 4²x128 0.8, 1.6.
    pub fn cost(&self, algorithm: Algorithm) -> Option<f64> {
        let [n, rows, pixels, out] = self.dims;
        let weights = (self.channels * out) as f64;
        let estimate = |products: usize, taps: usize, transformed: usize| {
            products as f64 * 2.0 * weights / FLOPS
                + taps as f64 * 4.0 * weights / BANDWIDTH
                + transformed as f64 * TRANSFORM
        };
        let Algorithm::Winograd { m } = algorithm else {
            let [ky, kx] = self.window.map(|axis| axis.size);
            return Some(estimate(n * rows * pixels * ky * kx, ky * kx, 0));
        };
        let fits = |axis: &WindowAxis| (axis.size, axis.stride, axis.dilation) == (3, 1, 1);
        let (tiles, positions) = (self.tiles(m), (m + 2) * (m + 2));
        let least = if m == 4 { MIN_LARGE_TILES } else { MIN_SMALL_TILES };
        let pays = self.channels >= MIN_CHANNELS && out >= MIN_CHANNELS && tiles >= least;
        let transformed = positions * tiles * (self.channels + out);
        (pays && self.window.iter().all(fits)).then(|| estimate(positions * tiles, positions, transformed))
    }
}

/// The padding after an input of `extent` elements (between the padding of the convolution) that the last tile reads.
pub(super) fn overhang(m: usize, extent: usize, [before, after]: [usize; 2]) -> usize {
    let output = before + extent + after - 2;
    Winograd::reach(m, output) - before - extent
}

/// The most tiles that are worth transforming together.
pub(super) fn block(m: usize, channels: usize, dims: [usize; 4]) -> usize {
    let tile = (m + 2) * (m + 2) * channels * 4;
    let least = if tile * dims[3] > CACHE_BYTES {
        MIN_BLOCK
    } else {
        1
    };
    let most = (BLOCK_BYTES / tile).max(least);
    let tiles = dims[0] * dims[1].div_ceil(m) * dims[2].div_ceil(m);
    // Evenly, so that scratch memory has no room for more than the largest block.
    tiles.div_ceil(tiles.div_ceil(most))
}

/// Adds the kernel. `weights` are `[3, 3, channels, out]`; `start` is the first element of the padded input.
pub(super) fn push(
    jobs: &mut Jobs,
    kernel: Winograd,
    start: Pointer,
    (weights, bias): (&[f32], Option<&[f32]>),
    operands: Vec<Pointer>,
) {
    let preparation = WinogradWeights {
        m: kernel.m,
        channels: kernel.channels,
        panels: kernel.panels(),
    };
    let packed = Contract::pack(weights, bias, kernel.dims[3], WINOGRAD_LANES);
    let elements = preparation.elements();
    let weights = jobs.prepare(preparation, packed, elements);
    let scratch = Pointer::Scratch(jobs.scratch.len(), 0);
    jobs.scratch.push(kernel.scratch());
    let pointers = vec![start, weights, scratch, Pointer::Output(0)];
    jobs.push(kernel, [pointers, operands].concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fastest(channels: usize, dims: [usize; 4]) -> Algorithm {
        let shape = Shape {
            window: [WindowAxis::new(3); 2],
            channels,
            dims,
        };
        let cost = |&algorithm: &Algorithm| shape.cost(algorithm).unwrap_or(f64::INFINITY);
        [
            Algorithm::Direct,
            Algorithm::Winograd { m: 2 },
            Algorithm::Winograd { m: 4 },
        ]
        .into_iter()
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
        .expect("there are three")
    }

    #[test]
    fn large_images_take_large_tiles_and_small_ones_small_tiles() {
        for (channels, dims, m) in [
            (64, [1, 56, 56, 64], 4),
            (128, [1, 28, 28, 128], 4),
            (256, [1, 14, 14, 256], 2),
            (512, [1, 7, 7, 512], 2),
            (128, [1, 7, 7, 128], 2),
            (128, [8, 7, 7, 128], 4),
        ] {
            assert_eq!(
                fastest(channels, dims),
                Algorithm::Winograd { m },
                "{channels} {dims:?}"
            );
        }
        assert_eq!(fastest(16, [1, 1, 1, 16]), Algorithm::Direct);
        assert_eq!(fastest(16, [1, 1, 9, 16]), Algorithm::Direct);
    }

    #[test]
    fn few_channels_and_other_windows_are_direct() {
        assert_eq!(fastest(3, [1, 224, 224, 64]), Algorithm::Direct);
        assert_eq!(fastest(64, [1, 224, 224, 3]), Algorithm::Direct);
        for (size, dilation) in [(3, 2), (5, 1)] {
            let axis = WindowAxis {
                dilation,
                ..WindowAxis::new(size)
            };
            let shape = Shape {
                window: [axis; 2],
                channels: 64,
                dims: [1, 56, 56, 64],
            };
            assert_eq!(shape.cost(Algorithm::Winograd { m: 4 }), None);
        }
    }

    #[test]
    fn the_last_tile_reads_beyond_the_padding() {
        assert_eq!(overhang(4, 56, [1, 1]), 1);
        assert_eq!(overhang(4, 14, [1, 1]), 3);
        assert_eq!(overhang(2, 7, [1, 1]), 2);
        assert_eq!(overhang(4, 149, [0, 0]), 1);
    }

    #[test]
    fn blocks_are_even() {
        assert_eq!(block(4, 64, [1, 56, 56, 64]), 28);
        assert_eq!(block(4, 512, [1, 28, 28, 512]), 49);
        assert_eq!(block(4, 256, [1, 56, 56, 256]), 49);
    }
}
