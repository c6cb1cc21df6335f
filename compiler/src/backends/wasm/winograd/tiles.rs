//! Transforms of one tile: along columns into a small buffer, then along rows.

use super::linear::multiply;
use super::scratch::Scratch;
use crate::backends::wasm::asm::{Asm, Context};
use crate::backends::wasm::epilogue::Finish;
use crate::kernel::{Transforms, Winograd};
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId, ValType};

/// Bytes of a vector.
const VECTOR: usize = 16;

/// `(a, half, v)`: transforms the inputs of one tile, all channels. `half` is a buffer of one vector for each position.
pub(super) fn emit_input(cx: &mut Context, k: &Winograd) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let (a, half, v) = (asm.param(0), asm.param(1), asm.param(2));
    let matrix = Transforms::new(k.m).input;
    let n = k.size();
    let [row, pixel] = [k.a[1] * 4, k.a[2] * 4];
    let position = Scratch::of(k).input_stride() * 4;
    let (from, middle, to) = (asm.i32(), asm.i32(), asm.i32());
    asm.times_do(k.channels.div_ceil(4), |asm| {
        asm.add_to(from, a, 0);
        asm.add_to(middle, half, 0);
        asm.times_do(n, |asm| {
            let x = load(asm, from, n, row);
            let y = multiply(asm, &matrix, &x);
            store(asm, middle, &y, n * VECTOR);
            asm.release([x, y].concat());
            asm.advance(from, pixel as i64);
            asm.advance(middle, VECTOR as i64);
        });
        asm.add_to(middle, half, 0);
        asm.add_to(to, v, 0);
        asm.times_do(n, |asm| {
            let x = load(asm, middle, n, VECTOR);
            let y = multiply(asm, &matrix, &x);
            store(asm, to, &y, position);
            asm.release([x, y].concat());
            asm.advance(middle, (n * VECTOR) as i64);
            asm.advance(to, (n * position) as i64);
        });
        asm.advance(a, VECTOR as i64);
        asm.advance(v, VECTOR as i64);
    });
    asm.finish()
}

fn load(asm: &mut Asm<'_>, from: LocalId, count: usize, distance: usize) -> Vec<LocalId> {
    let vectors = asm.v128s(count);
    for (i, &vector) in vectors.iter().enumerate() {
        asm.get(from);
        asm.load_v128(i * distance);
        asm.set(vector);
    }
    vectors
}

fn store(asm: &mut Asm<'_>, to: LocalId, vectors: &[LocalId], distance: usize) {
    for (i, &vector) in vectors.iter().enumerate() {
        asm.store_lanes(to, i * distance, vector, 4);
    }
}

/// Transforms the products of one tile with one panel to results, and finishes those.
pub(super) struct Output<'k> {
    pub k: &'k Winograd,
    pub finish: &'k Finish,
    /// Channels of the panel.
    pub lanes: usize,
}

/// The parameters of the function of an [`Output`].
struct Parameters {
    half: LocalId,
    products: LocalId,
    bias: LocalId,
    rows: LocalId,
    pixels: LocalId,
    /// Out, then the epilogue's operands.
    at: Vec<LocalId>,
}

impl Output<'_> {
    /// `(half, products, bias, rows, pixels, out, operands…)`: writes as many rows and pixels as the result has there.
    pub fn emit(&self, cx: &mut Context) -> FunctionId {
        let count = 6 + self.finish.operands();
        let mut asm = Asm::new(cx, &vec![ValType::I32; count], &[]);
        let p: Vec<LocalId> = (0..count).map(|i| asm.param(i)).collect();
        let parameters = Parameters {
            half: p[0],
            products: p[1],
            bias: p[2],
            rows: p[3],
            pixels: p[4],
            at: p[5..].to_vec(),
        };
        for first in (0..self.lanes).step_by(4) {
            self.columns(&mut asm, &parameters, first);
            self.rows(&mut asm, &parameters, first);
        }
        asm.finish()
    }

    /// Along columns: from the products of four channels to the buffer.
    fn columns(&self, asm: &mut Asm<'_>, p: &Parameters, first: usize) {
        let matrix = Transforms::new(self.k.m).output;
        let n = self.k.size();
        let position = Scratch::of(self.k).product_stride() * 4;
        let (from, middle) = (asm.i32(), asm.i32());
        asm.add_to(from, p.products, first as i64 * 4);
        asm.add_to(middle, p.half, 0);
        asm.times_do(n, |asm| {
            let x = load(asm, from, n, n * position);
            let y = multiply(asm, &matrix, &x);
            store(asm, middle, &y, n * VECTOR);
            asm.release([x, y].concat());
            asm.advance(from, position as i64);
            asm.advance(middle, VECTOR as i64);
        });
    }

    /// Along rows: from the buffer to results.
    fn rows(&self, asm: &mut Asm<'_>, p: &Parameters, first: usize) {
        let k = self.k;
        let matrix = Transforms::new(k.m).output;
        let n = k.size();
        let (middle, left) = (asm.i32(), asm.i32());
        let at: Vec<LocalId> = p.at.iter().map(|_| asm.i32()).collect();
        asm.add_to(middle, p.half, 0);
        for (i, (&from, &at)) in p.at.iter().zip(&at).enumerate() {
            asm.add_to(at, from, (first * self.stride(i, 3)) as i64);
        }
        asm.add_to(left, p.rows, 0);
        asm.repeat(|asm, top| {
            let x = load(asm, middle, n, VECTOR);
            let y = multiply(asm, &matrix, &x);
            asm.release(x);
            // Tiles at the end have at least this many pixels.
            let sure = if k.dims[2].is_multiple_of(k.m) {
                k.m
            } else {
                k.dims[2] % k.m
            };
            for (pixel, &value) in y.iter().enumerate() {
                if pixel < sure {
                    self.write(asm, p.bias, &at, value, pixel, first);
                } else {
                    asm.get(p.pixels);
                    asm.int(pixel as i32);
                    asm.binary(BinaryOp::I32GtU);
                    asm.branch(|asm| self.write(asm, p.bias, &at, value, pixel, first), |_| {});
                }
            }
            asm.release(y);
            asm.advance(middle, (n * VECTOR) as i64);
            for (i, &at) in at.iter().enumerate() {
                asm.advance(at, self.stride(i, 1) as i64);
            }
            asm.count_down(left, top);
        });
    }

    /// Adds the bias, applies the epilogue and writes one pixel.
    fn write(
        &self,
        asm: &mut Asm<'_>,
        bias: LocalId,
        at: &[LocalId],
        value: LocalId,
        pixel: usize,
        first: usize,
    ) {
        asm.get(value);
        asm.get(bias);
        asm.load_v128(first * 4);
        asm.binary(BinaryOp::F32x4Add);
        asm.set(value);
        self.finish.apply_now(asm, value, &at[1..], pixel, 0);
        asm.store_lanes(at[0], pixel * self.stride(0, 2), value, self.lanes - first);
    }

    /// Strides in bytes of out and the operands, in this order.
    fn stride(&self, i: usize, axis: usize) -> usize {
        stride(self.k, self.finish, i, axis)
    }
}

/// Strides in bytes between batches, rows, pixels and channels of the result (0) and the epilogue's operands (from 1).
pub(super) fn stride(k: &Winograd, finish: &Finish, i: usize, axis: usize) -> usize {
    match (i, axis) {
        (0, 3) => 4,
        (0, _) => k.out[axis] * 4,
        _ => finish.stride(i - 1, axis),
    }
}
