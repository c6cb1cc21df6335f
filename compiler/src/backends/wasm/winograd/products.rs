//! The matrix products: transformed inputs by weights, position by position.

use super::scratch::Scratch;
use crate::backends::wasm::asm::{Asm, Context};
use crate::backends::wasm::tile::{Ahead, Tiling, Walk, shares, tile_pixels};
use crate::kernel::{WINOGRAD_LANES, Winograd};
use walrus::{FunctionId, LocalId, ValType};

/// `(v, weights, products)`: multiplies all positions of `tiles` tiles with one panel.
pub(super) fn emit(cx: &mut Context, k: &Winograd, tiles: usize) -> FunctionId {
    let rows = emit_rows(cx, k, tiles);
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let [v, weights, products] = [0, 1, 2].map(|i| asm.param(i));
    // The bias comes first.
    asm.advance(weights, WINOGRAD_LANES as i64 * 4);
    asm.times_do(k.positions(), |asm| {
        [v, weights, products]
            .into_iter()
            .for_each(|pointer| asm.get(pointer));
        asm.call(rows);
        asm.advance(v, Scratch::of(k).input_stride() as i64 * 4);
        asm.advance(weights, (k.channels * WINOGRAD_LANES) as i64 * 4);
        asm.advance(products, Scratch::of(k).product_stride() as i64 * 4);
    });
    asm.finish()
}

/// `(v, weights, products)`: multiplies one position of all tiles with one panel. A block may have one tile less; what
/// lies in its place is multiplied too, and not used.
fn emit_rows(cx: &mut Context, k: &Winograd, tiles: usize) -> FunctionId {
    let tiling = Tiling::new(tiles, tile_pixels(cx.features, WINOGRAD_LANES));
    // Weights of the next position follow those of this one.
    let bytes = k.channels * WINOGRAD_LANES * 4;
    let (step, share) = shares(cx.features, bytes, tiling.count, k.channels, k.channels);
    let large = emit_tile(cx, k, tiling.size, step);
    let few = tiling.count - tiling.large;
    let small = if few > 0 {
        emit_tile(cx, k, tiling.size - 1, step)
    } else {
        large
    };
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let [v, weights, products] = [0, 1, 2].map(|i| asm.param(i));
    let ahead = asm.i32();
    asm.add_to(ahead, weights, bytes as i64);
    for (count, size, function) in [(tiling.large, tiling.size, large), (few, tiling.size - 1, small)] {
        asm.times_do(count, |asm| {
            [v, weights, products, ahead]
                .into_iter()
                .for_each(|pointer| asm.get(pointer));
            asm.call(function);
            asm.advance(ahead, share as i64);
            asm.advance(v, (size * Scratch::of(k).tile_stride()) as i64 * 4);
            asm.advance(products, (size * WINOGRAD_LANES) as i64 * 4);
        });
    }
    asm.finish()
}

/// `(v, weights, products, ahead)`: a register tile.
fn emit_tile(cx: &mut Context, k: &Winograd, size: usize, step: usize) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 4], &[]);
    let [v, weights, products] = [0, 1, 2].map(|i| asm.param(i));
    let acc: Vec<Vec<LocalId>> = (0..size).map(|_| asm.v128s(WINOGRAD_LANES / 4)).collect();
    for &vector in acc.iter().flatten() {
        asm.splat_const(0);
        asm.set(vector);
    }
    let walk = Walk {
        taps: &[],
        run: k.channels,
        pixel: Scratch::of(k).tile_stride(),
        row: WINOGRAD_LANES,
        ahead: Some(Ahead {
            at: asm.param(3),
            step,
        }),
    };
    walk.emit(&mut asm, v, weights, &acc);
    for (i, &vector) in acc.iter().flatten().enumerate() {
        asm.store_lanes(products, i * 16, vector, 4);
    }
    asm.finish()
}
