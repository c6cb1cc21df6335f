//! Rows as integers.

use super::asm::{Asm, Context};
use super::{KernelCode, kernel_function};
use crate::kernel::{LEAST_PEAK, NEAREST, Quantize, QuantizeOperands};
use walrus::ir::{BinaryOp, UnaryOp};
use walrus::{FunctionId, LocalId, ValType};

/// Emits it. A unit of work is a row.
pub(super) fn emit(cx: &mut Context, k: &Quantize) -> KernelCode {
    let row = emit_row(cx, k.run);
    let (mut asm, QuantizeOperands { x, out }) = kernel_function(cx, k);
    let (unit, end) = (asm.param(1), asm.param(2));
    let [batches, rows, pixels] = k.dims;
    let [batch, image, line, pixel] = [(); 4].map(|()| asm.i32());
    let bytes = 4 * Quantize::words(k.run);
    asm.while_below(unit, end, |asm| {
        asm.divide(unit, pixels, image, pixel);
        asm.divide(image, rows, batch, line);
        asm.get(x);
        for (index, stride) in [batch, line, pixel].into_iter().zip(k.x) {
            if stride > 0 {
                asm.times(index, 4 * stride);
                asm.binary(BinaryOp::I32Add);
            }
        }
        asm.get(out);
        asm.times(unit, bytes);
        asm.binary(BinaryOp::I32Add);
        asm.call(row);
    });
    KernelCode::new(asm.finish(), batches * rows * pixels, bytes)
}

/// Rows of so many elements are written out, without a loop.
const SHORT: usize = 64;

/// `(x, out)`: a row of so many elements.
fn emit_row(cx: &mut Context, run: usize) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let [x, out] = [asm.param(0), asm.param(1)];
    let peak = emit_peak(&mut asm, x, run);
    let [reach, inverse, nearest] = [asm.v128(), asm.v128(), asm.v128()];
    // Floats without a sign are in the order of their bits.
    asm.get(peak);
    asm.splat_const(LEAST_PEAK.to_bits());
    asm.binary(BinaryOp::I32x4MaxS);
    asm.set(reach);
    asm.splat_const(Quantize::levels(run).to_bits());
    asm.get(reach);
    asm.binary(BinaryOp::F32x4Div);
    asm.set(inverse);
    asm.splat_const(NEAREST.to_bits());
    asm.set(nearest);
    // Products are rounded before they are added: all modules round alike.
    let shifted = |asm: &mut Asm<'_>| {
        asm.get(inverse);
        asm.binary(BinaryOp::F32x4Mul);
        asm.get(nearest);
        asm.binary(BinaryOp::F32x4Add);
        asm.get(nearest);
        asm.binary(BinaryOp::I32x4Sub);
    };
    eights(&mut asm, run, [(x, 32), (out, 16)], |asm, i| {
        asm.get(out);
        for half in 0..2 {
            asm.get(x);
            asm.load_v128(32 * i + 16 * half);
            shifted(asm);
        }
        asm.binary(BinaryOp::I16x8NarrowI32x4S);
        asm.store_v128(16 * i);
    });
    let rest = run % 8;
    for i in 0..rest {
        asm.get(out);
        asm.get(x);
        asm.load_splat(4 * i);
        shifted(&mut asm);
        asm.store_half(2 * i);
    }
    if run % 2 == 1 {
        asm.get(out);
        asm.splat_const(0);
        asm.store_half(2 * rest);
    }
    asm.get(out);
    asm.get(reach);
    asm.splat_const((1.0 / Quantize::levels(run)).to_bits());
    asm.binary(BinaryOp::F32x4Mul);
    asm.get(peak);
    asm.get(peak);
    asm.binary(BinaryOp::F32x4Sub);
    asm.binary(BinaryOp::F32x4Add);
    asm.store_lane(0, 4 * rest.div_ceil(2));
    asm.finish()
}

/// Eight elements after the other: `body` is told how many eights lie between the pointers and its own. Moves the pointers by so many
/// bytes for each.
fn eights(asm: &mut Asm<'_>, run: usize, pointers: [(LocalId, i64); 2], body: impl Fn(&mut Asm<'_>, usize)) {
    let (turns, each) = match run <= SHORT {
        true => (1, run / 8),
        false => (run / 8, 1),
    };
    asm.times_do(turns, |asm| {
        (0..each).for_each(|i| body(asm, i));
        for (pointer, bytes) in pointers {
            asm.advance(pointer, bytes * each as i64);
        }
    });
}

/// The largest magnitude of `run` floats at `x`, in all lanes; NaN if there is one.
fn emit_peak(asm: &mut Asm<'_>, x: LocalId, run: usize) -> LocalId {
    let at = asm.copy(x);
    let peaks = asm.v128s(2);
    for &peak in &peaks {
        asm.splat_const(0);
        asm.set(peak);
    }
    // Without a sign, bits grow with what they stand for, and NaN is above all.
    let more = |asm: &mut Asm<'_>, peak: LocalId| {
        asm.unary(UnaryOp::F32x4Abs);
        asm.get(peak);
        asm.binary(BinaryOp::I32x4MaxS);
        asm.set(peak);
    };
    eights(asm, run, [(at, 32), (at, 0)], |asm, i| {
        for (half, &peak) in peaks.iter().enumerate() {
            asm.get(at);
            asm.load_v128(32 * i + 16 * half);
            more(asm, peak);
        }
    });
    for i in 0..run % 8 {
        asm.get(at);
        asm.load_splat(4 * i);
        more(asm, peaks[i % 2]);
    }
    asm.get(peaks[0]);
    asm.get(peaks[1]);
    asm.binary(BinaryOp::I32x4MaxS);
    asm.set(peaks[0]);
    for lanes in [[2, 3, 0, 1], [1, 0, 3, 2]] {
        asm.get(peaks[0]);
        asm.get(peaks[0]);
        asm.get(peaks[0]);
        asm.shuffle(lanes);
        asm.binary(BinaryOp::I32x4MaxS);
        asm.set(peaks[0]);
    }
    peaks[0]
}
