//! What the plan asks: how products are computed on one core with vectors of four, and how memory is laid out.
//!
//! The cost model was calibrated in Chromium on one Zen 4 core with relaxed SIMD. Times faster than plain sums:
//! 56²x64 F(4x4) 2.9, F(2x2) 1.9 · 28²x128 3.0, 1.9 · 14²x256 2.4, 1.9 · 28²x512 3.3, 2.0 · 112²x64→128 3.1, 1.9 ·
//! DenseNet's 56²x128→32 2.5, 1.7, and 14²x128→32 1.9, 1.6 · 7²x512 2.0, 1.8 · 8²x448→384 2.6, 2.6 · 5²x64 0.8, 1.2 ·
//! 4²x128 0.8, 1.6.

use super::winograd::Scratch;
use crate::error::{Error, Result};
use crate::kernel::{Contract, Depthwise, Image, Kernel, Right, WINOGRAD_LANES, WindowAxis, WinogradWeights};
use crate::plan::{Arenas, Candidate, Matrix, Method, Packed, Preparation, Product, Target, Views};

/// Every buffer and every packed weight starts at a multiple of this many bytes: a cache line.
pub(super) const ALIGNMENT: usize = 64;

/// Most bytes of an arena: with weights and code, all must fit into 4 GiB.
const MAX_ARENA: usize = 3 << 30;

/// Fewest input and output channels of a Winograd convolution. Transforms cost the same whatever they are shared by: 8
/// channels gain 0 to 30 %, 16 gain 50 to 90 %.
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

/// WebAssembly as a target of plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wasm {
    /// Whether products are computed product by product, as Keras does, not by faster methods that round more.
    pub exact: bool,
}

impl Wasm {
    /// Winograd's F(m x m, 3x3), whether it pays or not; `None` where it does not fit.
    pub fn winograd(product: &Product, m: usize) -> Option<Candidate> {
        let fits = |axis: &WindowAxis| (axis.size, axis.stride, axis.dilation) == (3, 1, 1);
        if product.groups != 1 || !product.window?.iter().all(fits) {
            return None;
        }
        let (tiles, positions) = (tiles(product, m), (m + 2) * (m + 2));
        let block = block(product, m, tiles);
        let transformed = positions * tiles * (product.channels + product.dims[3]);
        Some(Candidate {
            method: Method::Winograd {
                m,
                block,
                scratch: Scratch::new(m, product.channels, block).elements(),
            },
            cost: estimate(product, positions * tiles, positions, transformed),
            // The largest that was found with 256 input channels, see `kernel::Transforms`. That of plain sums (2e-6
            // to 4.5e-6) is above that of F(2x2), so only F(4x4) adds any.
            error: if m == 4 { 1.4e-5 } else { 0.0 },
        })
    }
}

impl Target for Wasm {
    fn alignment(&self) -> usize {
        ALIGNMENT
    }

    fn arenas(&self) -> Arenas {
        Arenas::One
    }

    fn most_arena_bytes(&self) -> usize {
        MAX_ARENA
    }

    fn writes_in_place(&self) -> bool {
        true
    }

    fn views(&self) -> Views {
        Views::ALL
    }

    fn methods(&self, product: &Product) -> Vec<Candidate> {
        if product.codes {
            let width = product.panel_width();
            return vec![Candidate {
                method: Method::Codes { width },
                cost: plain_cost(product) / 2.0,
                // It is chosen with the codes; what it adds is told with what they do.
                error: 0.0,
            }];
        }
        let plain = if product.is_depthwise() {
            Method::Depthwise
        } else {
            let width = product.panel_width();
            Method::Panels { width }
        };
        let mut candidates = vec![Candidate {
            method: plain,
            cost: plain_cost(product),
            error: 0.0,
        }];
        if !self.exact {
            let pays = |m: &usize| pays(product, *m);
            let fits = |m| Self::winograd(product, m);
            candidates.extend([2, 4].into_iter().filter(pays).filter_map(fits));
        }
        candidates
    }

    fn compacts(&self, product: &Product, a: &Image) -> bool {
        const TILE: usize = 6;
        const LONG_ROW: usize = 24;
        const MIN_CHANNELS: usize = 256;
        // Rows that do not fill tiles of registers, as those of 7 pixels, cost a tenth of the time, which many output
        // channels repay.
        let [_, rows, pixels, channels] = product.dims;
        let apart = rows > 1 && a[1] != a[2] * pixels;
        let short = pixels < LONG_ROW && !pixels.is_multiple_of(TILE);
        // Rows as integers follow each other anyway.
        let alike = product.groups == 1 && !product.codes;
        alike && apart && short && channels >= MIN_CHANNELS
    }

    fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
        let stored = |data| Packed {
            data,
            prepare: None,
            codes: false,
        };
        match kernel {
            Kernel::Contract(Contract {
                right: Right::Panels { width },
                ..
            }) => Ok(stored(Contract::pack(weights.rows(), weights.bias(), *width))),
            Kernel::Contract(Contract {
                right: Right::Codes { width },
                ..
            }) => {
                let codes = weights.codes();
                let (rows, scales) = codes.ok_or_else(|| Error::internal("weights without codes"))?;
                Ok(Packed {
                    codes: true,
                    ..stored(Contract::pack_codes(&rows, weights.bias(), scales, *width))
                })
            }
            Kernel::Depthwise(_) => Ok(stored(Depthwise::pack(weights.rows(), weights.bias()))),
            Kernel::Winograd(k) => {
                let kernel = WinogradWeights {
                    m: k.m,
                    channels: k.channels,
                    panels: k.panels(),
                };
                Ok(Packed {
                    data: Contract::pack(weights.rows(), weights.bias(), WINOGRAD_LANES),
                    prepare: Some(Preparation {
                        elements: kernel.elements(),
                        kernel: kernel.into(),
                    }),
                    codes: false,
                })
            }
            other => Err(Error::internal(format!(
                "a {} kernel has no packed weights",
                other.family()
            ))),
        }
    }
}

/// Estimated nanoseconds of so many products and transformed elements, with weights of so many taps.
fn estimate(product: &Product, products: usize, taps: usize, transformed: usize) -> f64 {
    let weights = (product.channels * product.dims[3]) as f64;
    products as f64 * 2.0 * weights / FLOPS
        + taps as f64 * 4.0 * weights / BANDWIDTH
        + transformed as f64 * TRANSFORM
}

fn plain_cost(product: &Product) -> f64 {
    let [n, rows, pixels, _] = product.dims;
    let taps = product
        .window
        .map_or(1, |axes| axes.iter().map(|axis| axis.size).product());
    estimate(product, n * rows * pixels * taps, taps, 0)
}

/// Tiles of the result.
fn tiles(product: &Product, m: usize) -> usize {
    let [n, rows, pixels, _] = product.dims;
    n * rows.div_ceil(m) * pixels.div_ceil(m)
}

/// Whether Winograd's algorithm is not known to be slower.
fn pays(product: &Product, m: usize) -> bool {
    let least = if m == 4 { MIN_LARGE_TILES } else { MIN_SMALL_TILES };
    product.channels.min(product.dims[3]) >= MIN_CHANNELS && tiles(product, m) >= least
}

/// The most tiles that are worth transforming together.
fn block(product: &Product, m: usize, tiles: usize) -> usize {
    let tile = (m + 2) * (m + 2) * product.channels * 4;
    let least = if tile * product.dims[3] > CACHE_BYTES {
        MIN_BLOCK
    } else {
        1
    };
    let most = (BLOCK_BYTES / tile).max(least);
    // Evenly, so that scratch memory has no room for more than the largest block.
    tiles.div_ceil(tiles.div_ceil(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(window: WindowAxis, channels: usize, dims: [usize; 4]) -> Product {
        Product {
            window: Some([window; 2]),
            groups: 1,
            channels,
            input: [dims[1] + 2, dims[2] + 2],
            dims,
            codes: false,
        }
    }

    /// The m of the fastest method; `None` for plain sums.
    fn fastest(channels: usize, dims: [usize; 4]) -> Option<usize> {
        let candidates = Wasm::default().methods(&product(WindowAxis::new(3), channels, dims));
        let fastest = candidates.iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        match fastest.expect("there is one").method {
            Method::Winograd { m, .. } => Some(m),
            _ => None,
        }
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
            assert_eq!(fastest(channels, dims), Some(m), "{channels} {dims:?}");
        }
        assert_eq!(fastest(16, [1, 1, 1, 16]), None);
        assert_eq!(fastest(16, [1, 1, 9, 16]), None);
    }

    #[test]
    fn few_channels_and_other_windows_are_plain() {
        assert_eq!(fastest(3, [1, 224, 224, 64]), None);
        assert_eq!(fastest(64, [1, 224, 224, 3]), None);
        for (size, dilation) in [(3, 2), (5, 1)] {
            let axis = WindowAxis {
                dilation,
                ..WindowAxis::new(size)
            };
            assert_eq!(Wasm::winograd(&product(axis, 64, [1, 56, 56, 64]), 4), None);
        }
    }

    #[test]
    fn blocks_are_even() {
        let block = |channels, dims: [usize; 4]| {
            let product = product(WindowAxis::new(3), channels, dims);
            super::block(&product, 4, dims[1].div_ceil(4) * dims[2].div_ceil(4))
        };
        assert_eq!(block(64, [1, 56, 56, 64]), 28);
        assert_eq!(block(512, [1, 28, 28, 512]), 49);
        assert_eq!(block(256, [1, 56, 56, 256]), 49);
    }
}
