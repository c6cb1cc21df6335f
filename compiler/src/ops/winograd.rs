//! When convolutions are computed by Winograd's minimal filtering, and how they are lowered to it.

use super::WindowAxis;
use super::lowering::{Jobs, Pointer};
use crate::kernel::Winograd;

/// Fewest input and output channels. Transforms cost the same whatever they are shared by: 8 channels gain 0 to 30 %,
/// 16 gain 50 to 90 %.
const MIN_CHANNELS: usize = 16;

/// Fewest tiles of F(4x4). Its weights are four times as large as they were, and are read once for few products: on
/// 7x7 pixels (4 tiles) it is no faster than F(2x2), whose weights take less than half of the memory.
const MIN_LARGE_TILES: usize = 8;

/// Fewest tiles of F(2x2), as many as fill a register tile.
const MIN_SMALL_TILES: usize = 4;

/// Bytes of transformed inputs that share the second-level cache with products and weights.
const BLOCK_BYTES: usize = 256 << 10;

/// Weights beyond the second-level cache are read anew for each block, which then has at least this many tiles.
const MIN_BLOCK: usize = 64;

/// Bytes of a common second-level cache.
const CACHE_BYTES: usize = 1 << 20;

/// Most bytes that transformed weights may add to a bundle, as a multiple of the bytes that the convolution reads and
/// writes. Weights are transformed at compile time, so a page downloads 16/9 (F(2x2)) or 4 times (F(4x4)) as many;
/// large images repay that with the time that they save, small ones of many channels do not: ResNet50 would
/// grow from 102 to 230 MB for its last stages.
const MAX_GROWTH: usize = 4;

/// Whether the time that F(m x m) saves is worth the bytes that its weights add.
fn is_worth_its_weights(m: usize, channels: usize, [n, rows, pixels, out]: [usize; 4]) -> bool {
    let added = ((m + 2) * (m + 2) - 9) * channels * out;
    added <= MAX_GROWTH * n * rows * pixels * (channels + out)
}

/// The m of F(m x m, 3x3) for a convolution without groups of `channels` to results of extents `dims`; `None` computes
/// it directly.
///
/// Measured in Chromium on one Zen 4 core with relaxed SIMD, times faster than direct: 56²x64 F(4x4) 2.9, F(2x2) 1.9 ·
/// 28²x128 3.0, 1.9 · 14²x256 2.4, 1.9 · 28²x512 3.3, 2.0 · 112²x64→128 3.1, 1.9 · DenseNet's 56²x128→32 2.5, 1.7, and
/// 14²x128→32 1.9, 1.6 · 7²x512 2.0, 1.8 · 8²x448→384 2.6, 2.6 · 5²x64 0.8, 1.2 · 4²x128 0.8, 1.6.
pub(super) fn choose(window: &[WindowAxis; 2], channels: usize, dims: [usize; 4]) -> Option<usize> {
    let fits = |axis: &WindowAxis| (axis.size, axis.stride, axis.dilation) == (3, 1, 1);
    let [n, rows, pixels, out] = dims;
    if !window.iter().all(fits) || channels < MIN_CHANNELS || out < MIN_CHANNELS {
        return None;
    }
    let tiles = |m: usize| n * rows.div_ceil(m) * pixels.div_ceil(m);
    let products = |m: usize| (m + 2) * (m + 2) * tiles(m);
    let worth = |m: usize| is_worth_its_weights(m, channels, dims);
    if tiles(4) >= MIN_LARGE_TILES && products(4) < products(2) && worth(4) {
        Some(4)
    } else if tiles(2) >= MIN_SMALL_TILES && products(2) * 4 <= n * rows * pixels * 9 * 3 && worth(2) {
        // At least a quarter is saved: the transforms take their part.
        Some(2)
    } else {
        None
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
    let data = Winograd::pack(kernel.m, weights, bias, kernel.channels, kernel.dims[3]);
    let scratch = Pointer::Scratch(jobs.scratch.len(), 0);
    jobs.scratch.push(kernel.scratch());
    let pointers = vec![start, Pointer::Data(data), scratch, Pointer::Output(0)];
    jobs.push(kernel, [pointers, operands].concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(channels: usize, dims: [usize; 4]) -> Option<usize> {
        choose(&[WindowAxis::new(3); 2], channels, dims)
    }

    #[test]
    fn large_images_take_large_tiles_and_small_ones_small_tiles() {
        assert_eq!(chosen(64, [1, 56, 56, 64]), Some(4));
        assert_eq!(chosen(128, [1, 28, 28, 128]), Some(4));
        assert_eq!(chosen(16, [1, 7, 7, 16]), Some(2));
        assert_eq!(chosen(16, [8, 7, 7, 16]), Some(4));
        assert_eq!(chosen(16, [1, 1, 1, 16]), None);
        assert_eq!(chosen(16, [1, 1, 9, 16]), None);
    }

    #[test]
    fn weights_may_not_outgrow_the_image() {
        assert_eq!(chosen(128, [1, 14, 14, 128]), Some(2));
        assert_eq!(chosen(256, [1, 14, 14, 256]), None);
        assert_eq!(chosen(512, [1, 7, 7, 512]), None);
    }

    #[test]
    fn few_channels_and_other_windows_are_direct() {
        assert_eq!(chosen(3, [1, 224, 224, 64]), None);
        assert_eq!(chosen(64, [1, 224, 224, 3]), None);
        let mut window = [WindowAxis::new(3); 2];
        window[1].dilation = 2;
        assert_eq!(choose(&window, 64, [1, 56, 56, 64]), None);
        assert_eq!(choose(&[WindowAxis::new(5); 2], 64, [1, 56, 56, 64]), None);
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
