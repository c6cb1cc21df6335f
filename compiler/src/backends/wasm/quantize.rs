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

/// `(x, out)`: a row of so many elements.
fn emit_row(cx: &mut Context, run: usize) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let (x, out) = (asm.param(0), asm.param(1));
    let [reach, scale] = [(); 2].map(|()| asm.cx.module.locals.add(ValType::F32));
    emit_peak(&mut asm, x, run, reach);
    // The largest magnitude, or the least that has an inverse.
    asm.get(reach);
    asm.float(LEAST_PEAK);
    asm.binary(BinaryOp::F32Max);
    asm.float(Quantize::levels(run));
    asm.binary(BinaryOp::F32Div);
    asm.get(reach);
    asm.get(reach);
    asm.binary(BinaryOp::F32Sub);
    asm.binary(BinaryOp::F32Add);
    asm.set(scale);
    let [inverse, nearest] = [asm.v128(), asm.v128()];
    asm.float(Quantize::levels(run));
    asm.get(reach);
    asm.float(LEAST_PEAK);
    asm.binary(BinaryOp::F32Max);
    asm.binary(BinaryOp::F32Div);
    asm.unary(UnaryOp::F32x4Splat);
    asm.set(inverse);
    asm.splat_const(NEAREST.to_bits());
    asm.set(nearest);
    let (eights, rest) = (run / 8, run % 8);
    // Products are rounded before they are added: all modules round alike.
    let shifted = |asm: &mut Asm<'_>| {
        asm.get(inverse);
        asm.binary(BinaryOp::F32x4Mul);
        asm.get(nearest);
        asm.binary(BinaryOp::F32x4Add);
        asm.get(nearest);
        asm.binary(BinaryOp::I32x4Sub);
    };
    asm.times_do(eights, |asm| {
        asm.get(out);
        for half in 0..2 {
            asm.get(x);
            asm.load_v128(16 * half);
            shifted(asm);
        }
        asm.binary(BinaryOp::I16x8NarrowI32x4S);
        asm.store_v128(0);
        asm.advance(x, 32);
        asm.advance(out, 16);
    });
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
    asm.get(scale);
    asm.unary(UnaryOp::F32x4Splat);
    asm.store_lane(0, 4 * rest.div_ceil(2));
    asm.finish()
}

/// Sets `peak` to the largest magnitude of `run` floats at `x`; NaN if there is one.
fn emit_peak(asm: &mut Asm<'_>, x: LocalId, run: usize, peak: LocalId) {
    let at = asm.copy(x);
    let peaks = asm.v128s(2);
    for &peak in &peaks {
        asm.splat_const(0);
        asm.set(peak);
    }
    let more = |asm: &mut Asm<'_>, peak: LocalId| {
        asm.unary(UnaryOp::F32x4Abs);
        asm.get(peak);
        asm.binary(BinaryOp::F32x4Max);
        asm.set(peak);
    };
    asm.times_do(run / 8, |asm| {
        for (i, &peak) in peaks.iter().enumerate() {
            asm.get(at);
            asm.load_v128(16 * i);
            more(asm, peak);
        }
        asm.advance(at, 32);
    });
    for i in 0..run % 8 {
        asm.get(at);
        asm.load_splat(4 * i);
        more(asm, peaks[i % 2]);
    }
    asm.get(peaks[0]);
    asm.get(peaks[1]);
    asm.binary(BinaryOp::F32x4Max);
    asm.set(peaks[0]);
    for lane in 0..4 {
        asm.get(peaks[0]);
        asm.unary(UnaryOp::F32x4ExtractLane { idx: lane });
        if lane > 0 {
            asm.binary(BinaryOp::F32Max);
        }
    }
    asm.set(peak);
    asm.release(peaks);
}
