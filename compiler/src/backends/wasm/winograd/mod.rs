//! Winograd convolution: the inputs of a block of tiles are transformed; then, panel by panel of output channels, each
//! position of the tiles is multiplied and the products are transformed back.
//!
//! A unit of work is one panel for one block. Who computes it transforms the block's inputs unless they are in its
//! scratch memory from the unit before, so shares of consecutive units repeat at most one transform. Scratch memory is
//! not shared: the first thread uses that of the record, the others have their own, whose address is a global of their
//! instance.

mod blocks;
mod linear;
mod products;
mod scratch;
mod tiles;
mod weights;

pub(super) use scratch::Scratch;
pub(super) use weights::emit as emit_weights;

use super::asm::{Asm, Context};
use super::epilogue::Finish;
use super::tile::Tiling;
use super::{KernelCode, kernel_function};
use crate::kernel::{WINOGRAD_LANES, Winograd, WinogradOperands};
use blocks::Blocks;
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId};

/// So many blocks are divided between threads as a whole. Of fewer, each thread takes one share, so that it transforms
/// few blocks that others transform too.
const MANY_BLOCKS: usize = 16;

/// Emits a Winograd convolution.
pub(super) fn emit(cx: &mut Context, k: &Winograd) -> KernelCode {
    let finish = Finish::new(&k.epilogue, &k.out);
    let tiling = Tiling::new(k.tiles(), k.block);
    let rest = k.dims[3] % WINOGRAD_LANES;
    let blocks = Blocks { k, finish: &finish };
    let full = (k.dims[3] >= WINOGRAD_LANES).then(|| blocks.emit_outputs(cx, WINOGRAD_LANES));
    let last = (rest > 0).then(|| blocks.emit_outputs(cx, rest));
    let driver = Driver {
        k,
        finish: &finish,
        tiling,
        inputs: blocks.emit_inputs(cx),
        products: products::emit(cx, k, tiling.size),
        outputs: [full, last],
    };
    let units = tiling.count * k.panels();
    let code = KernelCode::new(driver.emit(cx), units, WINOGRAD_LANES * 4);
    if tiling.count >= MANY_BLOCKS {
        let grain = k.panels();
        KernelCode { grain, ..code }
    } else {
        KernelCode { claims: 1, ..code }
    }
}

/// The loop over units.
struct Driver<'k> {
    k: &'k Winograd,
    finish: &'k Finish,
    /// Tiles are divided into blocks as pixels are into register tiles.
    tiling: Tiling,
    /// See [`Blocks::emit_inputs`].
    inputs: FunctionId,
    /// See [`products::emit`].
    products: FunctionId,
    /// See [`Blocks::emit_outputs`]: for full panels, and for a last one with fewer channels.
    outputs: [Option<FunctionId>; 2],
}

/// Locals of the kernel.
struct Locals {
    panel: LocalId,
    /// The block's tiles.
    tile: LocalId,
    end: LocalId,
    /// The panel's weights.
    weights: LocalId,
    /// Transformed inputs and products in scratch memory.
    v: LocalId,
    products: LocalId,
}

impl Driver<'_> {
    /// The kernel: unit `u` is panel `u % panels` for block `u / panels`.
    fn emit(&self, cx: &mut Context) -> FunctionId {
        let (mut asm, pointers) = kernel_function(cx, self.k);
        let (unit, end) = (asm.param(1), asm.param(2));
        let WinogradOperands {
            a, weights, scratch, ..
        } = pointers;
        if let Some(team) = asm.cx.team {
            asm.get_global(team.scratch);
            asm.get(scratch);
            asm.get_global(team.scratch);
            asm.push(walrus::ir::Select { ty: None });
            asm.set(scratch);
        }
        let (block, transformed) = (asm.i32(), asm.i32());
        let l = Locals {
            panel: asm.i32(),
            tile: asm.i32(),
            end: asm.i32(),
            weights: asm.i32(),
            v: asm.i32(),
            products: asm.i32(),
        };
        asm.int(-1);
        asm.set(transformed);
        asm.add_to(l.v, scratch, Scratch::of(self.k).inputs() as i64 * 4);
        asm.add_to(l.products, scratch, Scratch::of(self.k).products() as i64 * 4);
        asm.while_below(unit, end, |asm| {
            asm.divide(unit, self.k.panels(), block, l.panel);
            asm.get(block);
            asm.get(transformed);
            asm.binary(BinaryOp::I32Ne);
            let transform = |asm: &mut Asm<'_>| {
                asm.add_to(transformed, block, 0);
                self.set_tiles(asm, block, &l);
                [a, scratch, l.v, l.tile, l.end]
                    .into_iter()
                    .for_each(|local| asm.get(local));
                asm.call(self.inputs);
            };
            asm.branch(transform, |_| {});
            asm.get(weights);
            asm.times(l.panel, self.k.panel_elements() * 4);
            asm.binary(BinaryOp::I32Add);
            asm.set(l.weights);
            [l.v, l.weights, l.products]
                .into_iter()
                .for_each(|local| asm.get(local));
            asm.call(self.products);
            self.transform_back(asm, &pointers, &l);
        });
        asm.finish()
    }

    /// Calls one of [`Self::outputs`].
    fn transform_back(&self, asm: &mut Asm<'_>, pointers: &WinogradOperands<LocalId>, l: &Locals) {
        let call = |asm: &mut Asm<'_>, function: FunctionId| {
            [pointers.scratch, l.products, l.weights, l.tile, l.end]
                .into_iter()
                .for_each(|local| asm.get(local));
            for (i, &pointer) in [&pointers.out].into_iter().chain(&pointers.epilogue).enumerate() {
                asm.get(pointer);
                let bytes = WINOGRAD_LANES * tiles::stride(self.k, self.finish, i, 3);
                if bytes != 0 {
                    asm.times(l.panel, bytes);
                    asm.binary(BinaryOp::I32Add);
                }
            }
            asm.call(function);
        };
        match self.outputs {
            [Some(full), Some(last)] => {
                asm.get(l.panel);
                asm.int(self.k.panels() as i32 - 1);
                asm.binary(BinaryOp::I32Ne);
                asm.branch(|asm| call(asm, full), |asm| call(asm, last));
            }
            [full, last] => full.into_iter().chain(last).for_each(|only| call(asm, only)),
        }
    }

    /// Sets the tiles of a block: before it lie blocks of equal size, less one tile for each small one.
    fn set_tiles(&self, asm: &mut Asm<'_>, block: LocalId, l: &Locals) {
        let start = |asm: &mut Asm<'_>, block: LocalId| {
            asm.times(block, self.tiling.size);
            if self.tiling.large < self.tiling.count {
                let small = asm.i32();
                asm.add_to(small, block, -(self.tiling.large as i64));
                asm.get(small);
                asm.int(0);
                asm.get(small);
                asm.int(0);
                asm.binary(BinaryOp::I32GtS);
                asm.push(walrus::ir::Select { ty: None });
                asm.binary(BinaryOp::I32Sub);
            }
        };
        start(asm, block);
        asm.set(l.tile);
        asm.add_to(l.end, block, 1);
        start(asm, l.end);
        asm.set(l.end);
    }
}
