//! Products of codes of eight bits and integers of sixteen, two by two: `i32x4.dot_i16x8_s`, which every machine with vectors has
//! and which is exact, so that all modules give the same.

use crate::backends::wasm::asm::Asm;
use crate::kernel::Contract;
use walrus::LocalId;
use walrus::ir::{BinaryOp, UnaryOp};

/// Most pixels of a tile: a product needs a register before it is added. With 5 Chromium is as fast, and Node 20 a third slower.
pub(super) fn tile_pixels(width: usize) -> usize {
    if width <= 8 { 4 } else { 1 }
}

/// Pairs of elements in one turn of the innermost loop, with so many pixels. Node 20 moves all loads of a turn to its beginning, where
/// those of several pairs and pixels need more registers than there are.
fn unroll(pixels: usize) -> usize {
    if pixels == 1 { 2 } else { 1 }
}

/// Sums the products of pixels at `a` and a panel at `b` in `acc`, and replaces them by floats with their bias; `a` and `b` are advanced.
pub(super) fn emit(
    asm: &mut Asm<'_>,
    k: &Contract,
    width: usize,
    [a, b]: [LocalId; 2],
    acc: &[Vec<LocalId>],
) {
    let panel = asm.copy(b);
    let walk = Codes {
        pixel: k.a[2] * 4,
        row: 2 * width,
    };
    for &sum in acc.iter().flatten() {
        asm.splat_const(0);
        asm.set(sum);
    }
    asm.advance(b, 8 * width as i64);
    let unroll = unroll(acc.len());
    let (turns, rest) = ((k.run - 1) / unroll, (k.run - 1) % unroll);
    asm.times_do(turns, |asm| walk.some(asm, [a, b], acc, unroll));
    walk.some(asm, [a, b], acc, rest);
    // Behind its integers `a` has the scale.
    let [scale, factor] = [asm.v128(), asm.v128()];
    for (pixel, sums) in acc.iter().enumerate() {
        asm.get(a);
        asm.load_splat(pixel * walk.pixel);
        asm.set(scale);
        for (v, &sum) in sums.iter().enumerate() {
            asm.get(scale);
            asm.get(panel);
            asm.load_v128(4 * width + 16 * v);
            asm.binary(BinaryOp::F32x4Mul);
            asm.set(factor);
            asm.get(sum);
            asm.unary(UnaryOp::F32x4ConvertI32x4S);
            asm.get(factor);
            asm.binary(BinaryOp::F32x4Mul);
            asm.get(panel);
            asm.load_v128(16 * v);
            asm.binary(BinaryOp::F32x4Add);
            asm.set(sum);
        }
    }
    asm.release([scale, factor]);
}

/// The way through the pairs.
struct Codes {
    /// Bytes between two pixels of `a`.
    pixel: usize,
    /// Bytes between two pairs of `b`.
    row: usize,
}

impl Codes {
    /// Some pairs.
    fn some(&self, asm: &mut Asm<'_>, [a, b]: [LocalId; 2], acc: &[Vec<LocalId>], count: usize) {
        for i in 0..count {
            match acc {
                [sums] => self.stream(asm, [a, b], sums, i),
                pixels => self.hold(asm, [a, b], pixels, i),
            }
        }
        asm.advance(a, 4 * count as i64);
        asm.advance(b, (count * self.row) as i64);
    }

    /// Of a single pixel: no codes are used twice.
    fn stream(&self, asm: &mut Asm<'_>, [a, b]: [LocalId; 2], sums: &[LocalId], i: usize) {
        let pair = asm.v128();
        asm.get(a);
        asm.load_splat(4 * i);
        asm.set(pair);
        for (v, &sum) in sums.iter().enumerate() {
            asm.get(pair);
            asm.get(b);
            asm.load_bytes(i * self.row + 8 * v);
            asm.binary(BinaryOp::I32x4DotI16x8S);
            asm.get(sum);
            asm.binary(BinaryOp::I32x4Add);
            asm.set(sum);
        }
        asm.release([pair]);
    }

    /// Codes are held, pairs are splatted one after the other.
    fn hold(&self, asm: &mut Asm<'_>, [a, b]: [LocalId; 2], acc: &[Vec<LocalId>], i: usize) {
        let codes = asm.v128s(acc[0].len());
        for (v, &code) in codes.iter().enumerate() {
            asm.get(b);
            asm.load_bytes(i * self.row + 8 * v);
            asm.set(code);
        }
        let pair = asm.v128();
        for (pixel, sums) in acc.iter().enumerate() {
            asm.get(a);
            asm.load_splat(pixel * self.pixel + 4 * i);
            asm.set(pair);
            for (&sum, &code) in sums.iter().zip(&codes) {
                asm.get(pair);
                asm.get(code);
                asm.binary(BinaryOp::I32x4DotI16x8S);
                asm.get(sum);
                asm.binary(BinaryOp::I32x4Add);
                asm.set(sum);
            }
        }
        asm.release(codes);
        asm.release([pair]);
    }
}
