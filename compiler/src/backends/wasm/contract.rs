//! Contraction in register tiles.
//!
//! A *tile* is some pixels of one row by one panel of channels; its function keeps all results in registers and
//! walks the whole contraction. A *strip* is the tiles of one row that lie beside each other; the pixels of a row
//! are divided evenly into tiles, so that there are tiles of two sizes.
//! A unit of work is one panel for a block of strips whose input stays in the second-level cache.

use super::asm::{Asm, Context};
use super::epilogue::{Finish, Fold};
use super::tile::{Ahead, Tiling, Walk, shares, tile_pixels};
use super::{Features, KernelCode, kernel_function};
use crate::kernel::{Contract, Right};
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId, ValType};

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
        Right::Panels { width } => width,
        Right::Rows { .. } => 8,
    }
}

/// Pixels and channels of the larger of its tiles.
pub(super) fn tile(k: &Contract, features: Features) -> [usize; 2] {
    let width = panel_width(k);
    [tiling(k, tile_pixels(features, width)).size, width]
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
    let most = tile_pixels(cx.features, width);
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
    let ahead = ahead(k, panels, block);
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
fn ahead(k: &Contract, panels: usize, tiles: usize) -> Option<(usize, usize)> {
    let Right::Panels { width: 8 } = k.right else {
        return None;
    };
    let panel = (k.k() + 1) * 8 * 4;
    let worth = (2..=MOST_AHEAD).contains(&tiles) && panels * panel > CACHED_BYTES && k.run >= 4;
    worth.then(|| shares(panel, tiles, k.k(), k.run))
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

/// The loops around tiles.
struct Driver<'k> {
    k: &'k Contract,
    finish: &'k Finish,
    tiling: Tiling,
    panels: usize,
    width: usize,
    /// Strips of a unit.
    block: usize,
    strips: usize,
    /// Bytes of the next panel that a tile touches.
    ahead: Option<usize>,
}

impl Driver<'_> {
    /// Bytes between two panels of the right-hand side.
    fn panel_bytes(&self) -> usize {
        match self.k.right {
            Right::Panels { width } => (self.k.k() + 1) * width * 4,
            Right::Rows { .. } => self.width * 4,
        }
    }

    /// `(strip, end, a, b, out, operands…)`: computes strips of one panel; the pointers stand at batch 0, row 0.
    fn emit(&self, cx: &mut Context, large: FunctionId, small: FunctionId) -> FunctionId {
        let pointers = 3 + self.finish.operands();
        let mut asm = Asm::new(cx, &vec![ValType::I32; 2 + pointers], &[]);
        let (strip, end) = (asm.param(0), asm.param(1));
        let base: Vec<LocalId> = (0..pointers).map(|i| asm.param(2 + i)).collect();
        let at: Vec<LocalId> = (0..pointers).map(|_| asm.i32()).collect();
        let (tile, row) = (asm.i32(), asm.i32());
        let ahead = self.start_ahead(&mut asm, base[1]);
        asm.get(strip);
        asm.int(self.tiling.count as i32);
        asm.binary(BinaryOp::I32DivU);
        asm.set(row);
        asm.get(strip);
        asm.int(self.tiling.count as i32);
        asm.binary(BinaryOp::I32RemU);
        asm.set(tile);
        self.start_row(&mut asm, &base, &at, row, Some(tile));
        asm.while_below(strip, end, |asm| {
            let call = |asm: &mut Asm<'_>, function: FunctionId, pixels: usize| {
                at.iter().for_each(|&pointer| asm.get(pointer));
                self.call_tile(asm, function, ahead);
                for (i, &pointer) in at.iter().enumerate() {
                    asm.advance(pointer, (pixels * self.stride(i, 2)) as i64);
                }
            };
            if self.tiling.large == self.tiling.count {
                call(asm, large, self.tiling.size);
            } else {
                asm.get(tile);
                asm.int(self.tiling.large as i32);
                asm.binary(BinaryOp::I32LtU);
                asm.branch(
                    |asm| call(asm, large, self.tiling.size),
                    |asm| call(asm, small, self.tiling.size - 1),
                );
            }
            if self.k.dims[0] * self.k.dims[1] > 1 {
                self.next_row(asm, &base, &at, tile, row);
            } else {
                asm.advance(tile, 1);
            }
        });
        asm.finish()
    }

    /// The same for tiles that go on from one row to the next: `(strip, end, a, b, out, operands…)`.
    fn emit_folded(&self, cx: &mut Context, large: FunctionId, small: FunctionId) -> FunctionId {
        let pointers = 3 + self.finish.operands();
        let mut asm = Asm::new(cx, &vec![ValType::I32; 2 + pointers], &[]);
        let (strip, end) = (asm.param(0), asm.param(1));
        let base: Vec<LocalId> = (0..pointers).map(|i| asm.param(2 + i)).collect();
        let [batch, tile, first, row, column] = [(); 5].map(|()| asm.i32());
        let [batches, _, pixels, _] = self.k.dims;
        let ahead = self.start_ahead(&mut asm, base[1]);
        asm.while_below(strip, end, |asm| {
            if batches > 1 {
                asm.divide(strip, self.tiling.count, batch, tile);
            } else {
                asm.add_to(tile, strip, 0);
            }
            self.tile_pixel(asm, tile);
            asm.set(first);
            asm.divide(first, pixels, row, column);
            let call = |asm: &mut Asm<'_>, function: FunctionId| {
                for (i, &base) in base.iter().enumerate() {
                    asm.get(base);
                    for (axis, index) in [batch, row, column].into_iter().enumerate() {
                        let stride = self.stride(i, axis);
                        if stride > 0 && (axis > 0 || batches > 1) {
                            asm.times(index, stride);
                            asm.binary(BinaryOp::I32Add);
                        }
                    }
                }
                asm.int(pixels as i32);
                asm.get(column);
                asm.binary(BinaryOp::I32Sub);
                self.call_tile(asm, function, ahead);
            };
            asm.get(tile);
            asm.int(self.tiling.large as i32);
            asm.binary(BinaryOp::I32LtU);
            asm.branch(|asm| call(asm, large), |asm| call(asm, small));
        });
        asm.finish()
    }

    /// Where the panel after `panel` starts, if tiles touch it.
    fn start_ahead(&self, asm: &mut Asm<'_>, panel: LocalId) -> Option<(LocalId, usize)> {
        let share = self.ahead?;
        let at = asm.i32();
        asm.add_to(at, panel, self.panel_bytes() as i64);
        Some((at, share))
    }

    /// Calls a tile whose other parameters are on the stack; `ahead` is what it touches and how far that goes.
    fn call_tile(&self, asm: &mut Asm<'_>, tile: FunctionId, ahead: Option<(LocalId, usize)>) {
        if let Some((at, _)) = ahead {
            asm.get(at);
        }
        asm.call(tile);
        if let Some((at, share)) = ahead {
            asm.advance(at, share as i64);
        }
    }

    /// Goes to the next tile; at the end of a row to the start of the next.
    fn next_row(&self, asm: &mut Asm<'_>, base: &[LocalId], at: &[LocalId], tile: LocalId, row: LocalId) {
        asm.get(tile);
        asm.int(1);
        asm.binary(BinaryOp::I32Add);
        asm.tee(tile);
        asm.int(self.tiling.count as i32);
        asm.binary(BinaryOp::I32Eq);
        asm.branch(
            |asm| {
                asm.set_int(tile, 0);
                asm.advance(row, 1);
                self.start_row(asm, base, at, row, None);
            },
            |_| {},
        );
    }

    /// Strides in bytes of pointer `i` (a, b, out, operands) between batches, rows and pixels.
    fn stride(&self, i: usize, axis: usize) -> usize {
        match i {
            0 => self.k.a[axis] * 4,
            1 => 0,
            2 => self.k.out[axis] * 4,
            _ => self.finish.stride(i - 3, axis),
        }
    }

    /// Lets the pointers stand at the start of `row` (counted through all batches), or at one of its tiles.
    fn start_row(
        &self,
        asm: &mut Asm<'_>,
        base: &[LocalId],
        at: &[LocalId],
        row: LocalId,
        tile: Option<LocalId>,
    ) {
        let [batches, rows, ..] = self.k.dims;
        for (i, (&base, &at)) in base.iter().zip(at).enumerate() {
            asm.get(base);
            if i != 1 {
                if batches > 1 && self.stride(i, 0) != rows * self.stride(i, 1) {
                    asm.get(row);
                    asm.int(rows as i32);
                    asm.binary(BinaryOp::I32DivU);
                    asm.int(self.stride(i, 0) as i32);
                    asm.binary(BinaryOp::I32Mul);
                    asm.binary(BinaryOp::I32Add);
                    asm.get(row);
                    asm.int(rows as i32);
                    asm.binary(BinaryOp::I32RemU);
                } else {
                    asm.get(row);
                }
                asm.int(self.stride(i, 1) as i32);
                asm.binary(BinaryOp::I32Mul);
                asm.binary(BinaryOp::I32Add);
                if let Some(tile) = tile {
                    self.tile_pixel(asm, tile);
                    asm.int(self.stride(i, 2) as i32);
                    asm.binary(BinaryOp::I32Mul);
                    asm.binary(BinaryOp::I32Add);
                }
            }
            asm.set(at);
        }
    }

    /// Pushes the first pixel of a tile: every tile before it has `size` pixels, less one for each small one.
    fn tile_pixel(&self, asm: &mut Asm<'_>, tile: LocalId) {
        asm.times(tile, self.tiling.size);
        if self.tiling.large < self.tiling.count {
            // tile - min(tile, large) small tiles lie before it.
            asm.get(tile);
            asm.get(tile);
            asm.int(self.tiling.large as i32);
            asm.get(tile);
            asm.int(self.tiling.large as i32);
            asm.binary(BinaryOp::I32LtU);
            asm.push(walrus::ir::Select { ty: None });
            asm.binary(BinaryOp::I32Sub);
            asm.binary(BinaryOp::I32Sub);
        }
    }

    /// The kernel: unit `u` is panel `u % panels` for block `u / panels`.
    fn emit_kernel(&self, cx: &mut Context, full: FunctionId, last: FunctionId) -> KernelCode {
        let (mut asm, pointers) = kernel_function(cx, 3 + self.finish.operands());
        let (unit, end) = (asm.param(1), asm.param(2));
        let (panel, first) = (asm.i32(), asm.i32());
        asm.while_below(unit, end, |asm| {
            asm.get(unit);
            asm.int(self.panels as i32);
            asm.binary(BinaryOp::I32RemU);
            asm.set(panel);
            asm.get(unit);
            asm.int(self.panels as i32);
            asm.binary(BinaryOp::I32DivU);
            asm.int(self.block as i32);
            asm.binary(BinaryOp::I32Mul);
            asm.set(first);
            let arguments = |asm: &mut Asm<'_>| {
                asm.get(first);
                self.block_end(asm, first);
                for (i, &pointer) in pointers.iter().enumerate() {
                    asm.get(pointer);
                    let bytes = match i {
                        0 => 0,
                        1 => self.panel_bytes(),
                        2 => self.width * 4,
                        _ => self.width * self.finish.stride(i - 3, 3),
                    };
                    if bytes != 0 {
                        asm.times(panel, bytes);
                        asm.binary(BinaryOp::I32Add);
                    }
                }
            };
            if full == last {
                arguments(asm);
                asm.call(full);
            } else {
                asm.get(panel);
                asm.int(self.panels as i32 - 1);
                asm.binary(BinaryOp::I32Eq);
                asm.branch(
                    |asm| {
                        arguments(asm);
                        asm.call(last);
                    },
                    |asm| {
                        arguments(asm);
                        asm.call(full);
                    },
                );
            }
        });
        let units = self.strips.div_ceil(self.block) * self.panels;
        KernelCode::new(asm.finish(), units, self.width * 4)
    }

    /// Pushes the smaller of `first + block` and the number of strips.
    fn block_end(&self, asm: &mut Asm<'_>, first: LocalId) {
        let end = asm.i32();
        asm.add_to(end, first, self.block as i64);
        asm.get(end);
        asm.int(self.strips as i32);
        asm.get(end);
        asm.int(self.strips as i32);
        asm.binary(BinaryOp::I32LtU);
        asm.push(walrus::ir::Select { ty: None });
    }
}

/// One register tile: `size` pixels by `lanes` of a panel's `width` channels.
struct Tile<'k> {
    k: &'k Contract,
    width: usize,
    size: usize,
    lanes: usize,
    /// Whether it may go on in the next row.
    folded: bool,
    /// Bytes from touch to touch of weights ahead.
    ahead: Option<usize>,
    finish: &'k Finish,
}

impl Tile<'_> {
    /// `(a, b, out, operands…)`, if it is folded the number of pixels before the fold, and what it touches ahead.
    fn emit(&self, cx: &mut Context) -> FunctionId {
        let count = 3 + self.finish.operands();
        let mut asm = Asm::new(
            cx,
            &vec![ValType::I32; count + usize::from(self.folded) + usize::from(self.ahead.is_some())],
            &[],
        );
        let (a, b) = (asm.param(0), asm.param(1));
        let results: Vec<LocalId> = (2..count).map(|i| asm.param(i)).collect();
        let fold = self.folded.then(|| Fold {
            at: asm.param(count),
            gaps: self.gaps(),
        });
        let vectors = self.lanes.div_ceil(4);
        let acc: Vec<Vec<LocalId>> = (0..self.size).map(|_| asm.v128s(vectors)).collect();
        self.start(&mut asm, b, &acc);
        let walk = Walk {
            taps: &self.k.taps,
            run: self.k.run,
            pixel: self.k.a[2],
            ahead: self.ahead.map(|step| Ahead {
                at: asm.param(count + usize::from(self.folded)),
                step,
            }),
            row: match self.k.right {
                Right::Panels { width } => width,
                Right::Rows { stride } => stride,
            },
        };
        walk.emit(&mut asm, a, b, &acc);
        for (pixel, row) in acc.iter().enumerate() {
            let at = match &fold {
                Some(fold) => fold.pointers(&mut asm, &results, pixel),
                None => results.clone(),
            };
            for (v, &value) in row.iter().enumerate() {
                self.finish.apply(&mut asm, value, &at[1..], pixel, 4 * v);
                let offset = (pixel * self.k.out[2] + 4 * v) * 4;
                asm.store_lanes(at[0], offset, value, self.lanes - 4 * v);
            }
        }
        let stride = self.k.out[2] * 4;
        self.finish
            .sweep(&mut asm, &results, stride, self.size, self.lanes, fold.as_ref());
        asm.finish()
    }

    /// Bytes between rows of out and the operands, beyond their pixels.
    fn gaps(&self) -> Vec<usize> {
        let gap = |row: usize, pixel: usize| row.wrapping_sub(self.k.dims[2] * pixel);
        let operands =
            (0..self.finish.operands()).map(|i| gap(self.finish.stride(i, 1), self.finish.stride(i, 2)));
        let out = gap(self.k.out[1] * 4, self.k.out[2] * 4);
        [out].into_iter().chain(operands).collect()
    }

    /// The accumulators start with the bias, which heads the panel; there is none for rows.
    fn start(&self, asm: &mut Asm<'_>, b: LocalId, acc: &[Vec<LocalId>]) {
        if matches!(self.k.right, Right::Rows { .. }) {
            return;
        }
        for v in 0..acc[0].len() {
            asm.get(b);
            asm.load_v128(16 * v);
            for row in acc {
                asm.tee(row[v]);
            }
            asm.push(walrus::ir::Drop {});
        }
        asm.advance(b, self.width as i64 * 4);
    }
}
