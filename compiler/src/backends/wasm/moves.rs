//! Copies and fills: loops over the outer axes, vectors along an innermost axis that is contiguous on both sides.

use super::asm::{Asm, Context};
use super::target::ALIGNMENT;
use super::{KernelCode, kernel_function};
use crate::kernel::{Fill, FillOperands, Move, MoveOperands};
use walrus::LocalId;
use walrus::ir::BinaryOp;

/// Emits a copy. A unit of work is one element of the outermost of several axes.
pub(super) fn emit_move(cx: &mut Context, k: &Move) -> KernelCode {
    let (mut asm, MoveOperands { x, out }) = kernel_function(cx, k);
    let (unit, end) = (asm.param(1), asm.param(2));
    let at = [asm.i32(), asm.i32()];
    let split = k.dims.len() > 1;
    asm.while_below(unit, end, |asm| {
        let strides = if split {
            [k.x[0] * 4, k.out[0] as isize * 4]
        } else {
            [0, 0]
        };
        for ((base, &at), stride) in [x, out].into_iter().zip(&at).zip(strides) {
            asm.get(base);
            asm.times(unit, stride as usize);
            asm.binary(BinaryOp::I32Add);
            asm.set(at);
        }
        copy_axis(asm, k, at, usize::from(split));
    });
    let units = if split { k.dims[0] } else { 1 };
    KernelCode::new(asm.finish(), units, k.out[0] * 4)
}

/// Loops over an axis; moves the pointers.
fn copy_axis(asm: &mut Asm<'_>, k: &Move, [from, to]: [LocalId; 2], axis: usize) {
    let (count, x, out) = (k.dims[axis], k.x[axis], k.out[axis]);
    if axis + 1 < k.dims.len() {
        let inner = [asm.i32(), asm.i32()];
        return asm.times_do(count, |asm| {
            asm.add_to(inner[0], from, 0);
            asm.add_to(inner[1], to, 0);
            copy_axis(asm, k, inner, axis + 1);
            asm.advance(from, x as i64 * 4);
            asm.advance(to, out as i64 * 4);
        });
    }
    let contiguous = x == 1 && out == 1;
    if contiguous {
        asm.times_do(count / 4, |asm| {
            asm.get(to);
            asm.get(from);
            asm.load_v128(0);
            asm.store_v128(0);
            asm.advance(from, 16);
            asm.advance(to, 16);
        });
    }
    asm.times_do(if contiguous { count % 4 } else { count }, |asm| {
        asm.get(to);
        asm.get(from);
        asm.load_i32(0);
        asm.store_i32(0);
        asm.advance(from, x as i64 * 4);
        asm.advance(to, out as i64 * 4);
    });
}

/// Emits a fill: one unit of work.
pub(super) fn emit_fill(cx: &mut Context, k: &Fill) -> KernelCode {
    let (mut asm, FillOperands { out }) = kernel_function(cx, k);
    let (unit, end) = (asm.param(1), asm.param(2));
    let at = asm.i32();
    asm.while_below(unit, end, |asm| {
        for region in &k.regions {
            asm.add_to(at, out, region.offset as i64 * 4);
            fill_axis(asm, k.bits, at, &region.dims, &region.strides);
        }
    });
    KernelCode::new(asm.finish(), 1, ALIGNMENT)
}

fn fill_axis(asm: &mut Asm<'_>, bits: u32, at: LocalId, dims: &[usize], strides: &[usize]) {
    if dims.len() > 1 {
        let inner = asm.i32();
        return asm.times_do(dims[0], |asm| {
            asm.add_to(inner, at, 0);
            fill_axis(asm, bits, inner, &dims[1..], &strides[1..]);
            asm.advance(at, strides[0] as i64 * 4);
        });
    }
    asm.times_do(dims[0] / 4, |asm| {
        asm.get(at);
        asm.splat_const(bits);
        asm.store_v128(0);
        asm.advance(at, 16);
    });
    asm.times_do(dims[0] % 4, |asm| {
        asm.get(at);
        asm.int(bits as i32);
        asm.store_i32(0);
        asm.advance(at, 4);
    });
}
