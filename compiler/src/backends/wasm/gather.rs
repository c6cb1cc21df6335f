//! Rows by index.

use super::asm::Context;
use super::{KernelCode, kernel_function};
use crate::kernel::{Gather, GatherOperands};
use crate::tensor::DType;
use walrus::ir::{BinaryOp, UnaryOp};

/// Emits a gather. A unit of work is one row of the result.
pub(super) fn emit(cx: &mut Context, k: &Gather) -> KernelCode {
    let (mut asm, pointers) = kernel_function(cx, k);
    let GatherOperands { table, indices, out } = pointers;
    let (unit, end) = (asm.param(1), asm.param(2));
    let (index, from, to) = (asm.i32(), asm.i32(), asm.i32());
    asm.while_below(unit, end, |asm| {
        asm.get(indices);
        asm.get(unit);
        asm.int(k.indices as i32);
        asm.binary(BinaryOp::I32RemU);
        asm.int(4);
        asm.binary(BinaryOp::I32Mul);
        asm.binary(BinaryOp::I32Add);
        match k.dtype {
            DType::I32 => asm.load_i32(0),
            DType::F32 => {
                asm.load_f32(0);
                asm.unary(UnaryOp::I32TruncSSatF32);
            }
        }
        asm.set(index);
        // A negative index counts from the end; what is still out of range is clamped.
        asm.get(index);
        asm.int(k.extent as i32);
        asm.int(0);
        asm.get(index);
        asm.int(0);
        asm.binary(BinaryOp::I32LtS);
        asm.push(walrus::ir::Select { ty: None });
        asm.binary(BinaryOp::I32Add);
        asm.set(index);
        for (bound, keep) in [(0, BinaryOp::I32GtS), (k.extent as i32 - 1, BinaryOp::I32LtS)] {
            asm.get(index);
            asm.int(bound);
            asm.get(index);
            asm.int(bound);
            asm.binary(keep);
            asm.push(walrus::ir::Select { ty: None });
            asm.set(index);
        }
        asm.get(table);
        asm.get(unit);
        asm.int(k.indices as i32);
        asm.binary(BinaryOp::I32DivU);
        asm.int(k.extent as i32);
        asm.binary(BinaryOp::I32Mul);
        asm.get(index);
        asm.binary(BinaryOp::I32Add);
        asm.int((k.row * 4) as i32);
        asm.binary(BinaryOp::I32Mul);
        asm.binary(BinaryOp::I32Add);
        asm.set(from);
        asm.get(out);
        asm.times(unit, k.row * 4);
        asm.binary(BinaryOp::I32Add);
        asm.set(to);
        asm.times_do(k.row / 4, |asm| {
            asm.get(to);
            asm.get(from);
            asm.load_v128(0);
            asm.store_v128(0);
            asm.advance(from, 16);
            asm.advance(to, 16);
        });
        asm.times_do(k.row % 4, |asm| {
            asm.get(to);
            asm.get(from);
            asm.load_i32(0);
            asm.store_i32(0);
            asm.advance(from, 4);
            asm.advance(to, 4);
        });
    });
    KernelCode::new(asm.finish(), k.outer * k.indices, k.row * 4)
}
