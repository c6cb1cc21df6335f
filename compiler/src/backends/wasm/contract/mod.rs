//! Contraction in register tiles.
//!
//! A *tile* is some pixels of one row by one panel of channels; its function keeps all results in registers and
//! walks the whole contraction. A *strip* is the tiles of one row that lie beside each other; the pixels of a row
//! are divided evenly into tiles, so that there are tiles of two sizes.
//! A unit of work is one panel for a block of strips whose input stays in the second-level cache.

mod codes;
mod driver;
mod tile;

use super::asm::Context;
use super::epilogue::Finish;
use super::tile::{Tiling, shares, tile_pixels};
use super::{Features, KernelCode};
use crate::kernel::{Contract, Right};
use driver::Driver;
use tile::Tile;
use walrus::FunctionId;

/// Bytes of input that one block of strips may cover: a quarter of a common second-level cache of 1 MiB, the
/// panels and the results want their part too.
const BLOCK_BYTES: usize = 256 << 10;

/// Weights of fewer bytes stay in the second-level cache.
const CACHED_BYTES: usize = 256 << 10;

/// Most tiles of a block that touch weights ahead.
const MOST_AHEAD: usize = 36;

/// Rows of so many pixels have tiles that are nearly of one size anyway.
const SHORT_ROW: usize = 24;

/// Units that there should be at least for threads to divide.
const UNITS: usize = 32;

/// Channels of a panel.
fn panel_width(k: &Contract) -> usize {
    match k.right {
        Right::Panels { width } | Right::Codes { width } => width,
        Right::Rows { .. } => 8,
    }
}

/// Pixels and channels of the larger of its tiles.
pub(super) fn tile(k: &Contract, features: Features) -> [usize; 2] {
    let width = panel_width(k);
    [tiling(k, most(k, features)).size, width]
}

/// Pixels of the largest tile.
fn most(k: &Contract, features: Features) -> usize {
    match k.right {
        Right::Codes { width } => codes::tile_pixels(width),
        Right::Panels { .. } | Right::Rows { .. } => tile_pixels(features, panel_width(k)),
    }
}

/// How pixels are divided into tiles of at most `most`.
fn tiling(k: &Contract, most: usize) -> Tiling {
    let [_, rows, pixels, _] = k.dims;
    Tiling::new(if is_folded(k, most) { rows * pixels } else { pixels }, most)
}

/// Emits a contraction.
pub(super) fn emit(cx: &mut Context, k: &Contract) -> KernelCode {
    let [batches, rows, _, channels] = k.dims;
    let width = panel_width(k);
    let finish = Finish::new(&k.epilogue, &k.out);
    let most = most(k, cx.features);
    let folded = is_folded(k, most);
    let tiling = tiling(k, most);
    let panels = channels.div_ceil(width);
    let rest = channels - (panels - 1) * width;
    let strips = batches * if folded { 1 } else { rows } * tiling.count;
    let strip_bytes = tiling.size * k.a[2].max(k.run).max(1) * 4;
    let mut block = (BLOCK_BYTES / strip_bytes).clamp(1, strips);
    if cx.team.is_some() {
        // Even blocks, and enough of them for some threads.
        let blocks = strips.div_ceil(block).max(UNITS.div_ceil(panels)).min(strips);
        block = strips.div_ceil(blocks);
    }
    let ahead = ahead(cx.features, k, panels, block);
    let tile_function = |cx: &mut Context, size: usize, lanes: usize| {
        Tile {
            k,
            width,
            size,
            lanes,
            folded,
            ahead: ahead.map(|(step, _)| step),
            finish: &finish,
        }
        .emit(cx)
    };
    let large = tile_function(cx, tiling.size, width);
    let small = if tiling.large < tiling.count {
        tile_function(cx, tiling.size - 1, width)
    } else {
        large
    };
    let (last_large, last_small) = if rest == width {
        (large, small)
    } else {
        let last = tile_function(cx, tiling.size, rest);
        let small = if tiling.large < tiling.count {
            tile_function(cx, tiling.size - 1, rest)
        } else {
            last
        };
        (last, small)
    };
    let driver = Driver {
        k,
        finish: &finish,
        tiling,
        panels,
        width,
        block,
        strips,
        ahead: ahead.map(|(_, share)| share),
    };
    let strips_function = |cx: &mut Context, large: FunctionId, small: FunctionId| match folded {
        true => driver.emit_folded(cx, large, small),
        false => driver.emit(cx, large, small),
    };
    let full = strips_function(cx, large, small);
    let last = if rest == width {
        full
    } else {
        strips_function(cx, last_large, last_small)
    };
    driver.emit_kernel(cx, full, last)
}

/// The steps and shares of [`shares`] by which the `tiles` of a block touch the next panel; `None` where weights stay in
/// the cache, or so many tiles use them that it does not matter.
fn ahead(features: Features, k: &Contract, panels: usize, tiles: usize) -> Option<(usize, usize)> {
    let Right::Panels { width: 8 } = k.right else {
        return None;
    };
    let panel = (k.k() + 1) * 8 * 4;
    let worth = (2..=MOST_AHEAD).contains(&tiles) && panels * panel > CACHED_BYTES && k.run >= 4;
    worth.then(|| shares(features, panel, tiles, k.k(), k.run))
}

/// Whether tiles go on from one row to the next: where the rows of `a` follow each other without a gap but those of the
/// result do not, and do not fill tiles. A tile is at most as long as a row, so that it has one fold at most.
fn is_folded(k: &Contract, most: usize) -> bool {
    let [_, rows, pixels, _] = k.dims;
    rows > 1
        && k.a[1] == k.a[2] * pixels
        && pixels >= most
        && !pixels.is_multiple_of(most)
        && pixels < SHORT_ROW
}
