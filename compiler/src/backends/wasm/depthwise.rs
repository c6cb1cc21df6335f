//! Depthwise convolution: tiles of several pixels beside each other, all channels in a loop.
//!
//! For each row of taps the weights are held in registers and every input of the tile is loaded once, used by all
//! pixels whose window covers it.

use super::asm::{Asm, Context};
use super::epilogue::Finish;
use super::{KernelCode, kernel_function, parameters, pointers};
use crate::kernel::{DEPTHWISE_LANES, Depthwise, DepthwiseOperands, Image, Operands};
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId, ValType};

/// Registers for accumulators and the weights of a row; one more holds the input.
const REGISTERS: usize = 13;
/// Most pixels of a tile: common image widths are multiples of 7.
const TILE_PIXELS: usize = 7;

/// Emits a depthwise convolution. A unit of work is one row of one batch.
pub(super) fn emit(cx: &mut Context, k: &Depthwise) -> KernelCode {
    let [batches, rows, pixels, _] = k.dims;
    let finish = Finish::new(&k.epilogue, &k.out);
    let most = REGISTERS.saturating_sub(k.taps[1].0).clamp(1, TILE_PIXELS);
    let count = pixels.div_ceil(most);
    let size = pixels.div_ceil(count);
    let large = count - (count * size - pixels);
    let tile = |cx: &mut Context, size: usize| {
        Tile {
            k,
            size,
            finish: &finish,
        }
        .emit(cx)
    };
    let big = tile(cx, size);
    let small = if large < count { tile(cx, size - 1) } else { big };

    let (mut asm, pointers) = kernel_function(cx, k);
    let pointers = pointers.into_list();
    let (unit, end) = (asm.param(1), asm.param(2));
    let at: Vec<LocalId> = pointers.iter().map(|_| asm.i32()).collect();
    let strides = strides(k, &finish);
    asm.while_below(unit, end, |asm| {
        for ((&base, &at), stride) in pointers.iter().zip(&at).zip(&strides) {
            asm.get(base);
            for (axis, operator) in [(0, BinaryOp::I32DivU), (1, BinaryOp::I32RemU)] {
                if stride[axis] == 0 || (axis == 0 && batches == 1) {
                    continue;
                }
                asm.get(unit);
                asm.int(rows as i32);
                asm.binary(operator);
                asm.int(stride[axis] as i32);
                asm.binary(BinaryOp::I32Mul);
                asm.binary(BinaryOp::I32Add);
            }
            asm.set(at);
        }
        for (count, size, function) in [(large, size, big), (count - large, size - 1, small)] {
            asm.times_do(count, |asm| {
                at.iter().for_each(|&pointer| asm.get(pointer));
                asm.call(function);
                for (&pointer, stride) in at.iter().zip(&strides) {
                    asm.advance(pointer, (size * stride[2]) as i64);
                }
            });
        }
    });
    let row = if rows > 1 { k.out[1] } else { k.out[0] };
    KernelCode::new(asm.finish(), batches * rows, row * 4)
}

/// Strides in bytes of every pointer between batches, rows and pixels.
fn strides(k: &Depthwise, finish: &Finish) -> Vec<[usize; 3]> {
    let bytes = |elements: &Image| elements.map(|stride| stride * 4);
    let operand = |i: usize| [0, 1, 2].map(|axis| finish.stride(i, axis));
    let strides = DepthwiseOperands {
        a: bytes(&k.a),
        weights: [0; 3],
        out: bytes(&k.out),
        epilogue: (0..finish.operands()).map(operand).collect(),
    };
    strides.into_list()
}

/// `size` pixels beside each other.
struct Tile<'k> {
    k: &'k Depthwise,
    size: usize,
    finish: &'k Finish,
}

impl Tile<'_> {
    /// `(a, weights, out, operands…)`: all channels.
    fn emit(&self, cx: &mut Context) -> FunctionId {
        let channels = self.k.dims[3];
        let mut asm = Asm::new(cx, &vec![ValType::I32; pointers(self.k)], &[]);
        let pointers = parameters(&asm, self.k, 0);
        let written = [&pointers.out].into_iter().chain(&pointers.epilogue);
        let results: Vec<LocalId> = written.map(|&pointer| asm.copy(pointer)).collect();
        let (groups, rest) = (channels / DEPTHWISE_LANES, channels % DEPTHWISE_LANES);
        asm.times_do(groups, |asm| self.group(asm, &pointers, DEPTHWISE_LANES));
        if rest > 0 {
            self.group(&mut asm, &pointers, rest);
        }
        self.finish
            .sweep(&mut asm, &results, self.k.out[2] * 4, self.size, channels, None);
        asm.finish()
    }

    /// Four channels, of which `lanes` are written; then all pointers go on to the next four.
    fn group(&self, asm: &mut Asm<'_>, pointers: &DepthwiseOperands<LocalId>, lanes: usize) {
        let &DepthwiseOperands { a, weights, out, .. } = pointers;
        let acc = asm.v128s(self.size);
        asm.get(weights);
        asm.load_v128(0);
        for &acc in &acc {
            asm.tee(acc);
        }
        asm.push(walrus::ir::Drop {});
        let [(rows, row_stride), (columns, _)] = self.k.taps;
        // Few rows are written out; more are a loop, which costs less code than it costs time.
        if rows <= 3 {
            for row in 0..rows {
                self.row(asm, a, weights, &acc, row * row_stride, 1 + row * columns);
            }
        } else {
            let (row_a, row_weights) = (asm.i32(), asm.i32());
            asm.add_to(row_a, a, 0);
            asm.add_to(row_weights, weights, 16);
            asm.times_do(rows, |asm| {
                self.row(asm, row_a, row_weights, &acc, 0, 0);
                asm.advance(row_a, row_stride as i64 * 4);
                asm.advance(row_weights, columns as i64 * 16);
            });
        }
        for (pixel, &value) in acc.iter().enumerate() {
            self.finish.apply(asm, value, &pointers.epilogue, pixel, 0);
            asm.store_lanes(out, pixel * self.k.out[2] * 4, value, lanes);
        }
        asm.advance(a, 16);
        asm.advance(out, 16);
        asm.advance(weights, (self.k.k() as i64 + 1) * 16);
        for (i, &pointer) in pointers.epilogue.iter().enumerate() {
            asm.advance(pointer, self.finish.stride(i, 3) as i64 * 4);
        }
        asm.release(acc);
    }

    /// One row of taps. `a_at` counts elements, `w_at` taps.
    fn row(
        &self,
        asm: &mut Asm<'_>,
        a: LocalId,
        weights: LocalId,
        acc: &[LocalId],
        a_at: usize,
        w_at: usize,
    ) {
        let (columns, tap) = self.k.taps[1];
        let step = self.k.a[2];
        let held = asm.v128s(columns);
        for (column, &weight) in held.iter().enumerate() {
            asm.get(weights);
            asm.load_v128((w_at + column) * 16);
            asm.set(weight);
        }
        // Every input position of the row, with the pixels and taps that use it.
        let mut positions: Vec<(usize, usize, usize)> = (0..self.size)
            .flat_map(|pixel| (0..columns).map(move |column| (pixel * step + column * tap, pixel, column)))
            .collect();
        positions.sort_unstable();
        let input = asm.v128();
        let mut loaded = None;
        for (position, pixel, column) in positions {
            if loaded != Some(position) {
                asm.get(a);
                asm.load_v128((a_at + position) * 4);
                asm.set(input);
                loaded = Some(position);
            }
            asm.multiply_add(acc[pixel], input, held[column]);
        }
        asm.release([input]);
        asm.release(held);
    }
}
