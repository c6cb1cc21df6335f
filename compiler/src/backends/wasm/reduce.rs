//! Reductions: along the contiguous axis if that one goes, else across it with a vector of results.

use super::asm::{Asm, Context};
use super::tape::Scalar;
use super::{KernelCode, kernel_function};
use crate::kernel::{KeptAxis, Operands, Reduce, ReduceKind, ReduceOperands};
use walrus::LocalId;
use walrus::ir::{BinaryOp, UnaryOp};

/// Emits a reduction. A unit of work is one element of the outermost kept axis, or four where vectors run along it.
pub(super) fn emit(cx: &mut Context, k: &Reduce) -> KernelCode {
    let scalar = Scalar::new(&k.tape);
    let contiguous =
        k.reduced.last().is_some_and(|axis| axis.1 == 1) || k.kept.last().is_none_or(|axis| axis.x != 1);
    let walk = Walk {
        k,
        scalar,
        across: !contiguous,
    };
    let (mut asm, pointers) = kernel_function(cx, k);
    let pointers = pointers.into_list();
    let Some(first) = k.kept.first() else {
        // One result: a single unit, whatever the share.
        let (begin, end) = (asm.param(1), asm.param(2));
        asm.while_below(begin, end, |asm| walk.result(asm, &pointers, 1));
        return KernelCode::new(asm.finish(), 1, 4);
    };
    let (unit, end) = (asm.param(1), asm.param(2));
    let at: Vec<LocalId> = pointers.iter().map(|_| asm.i32()).collect();
    let vectors = walk.across && k.kept.len() == 1;
    let step = if vectors { 4 } else { 1 };
    asm.while_below(unit, end, |asm| {
        for ((&base, &at), stride) in pointers.iter().zip(&at).zip(strides(first)) {
            asm.get(base);
            let bytes = stride * 4 * step;
            if bytes > 0 {
                asm.times(unit, bytes);
                asm.binary(BinaryOp::I32Add);
            }
            asm.set(at);
        }
        if !vectors {
            return walk.axis(asm, &at, 1);
        }
        let (whole, rest) = (first.extent / 4, first.extent % 4);
        match (whole, rest) {
            (0, rest) => walk.result(asm, &at, rest),
            (_, 0) => walk.result(asm, &at, 4),
            _ => {
                asm.get(unit);
                asm.int(whole as i32);
                asm.binary(BinaryOp::I32LtU);
                asm.branch(|asm| walk.result(asm, &at, 4), |asm| walk.result(asm, &at, rest));
            }
        }
    });
    KernelCode::new(asm.finish(), first.extent.div_ceil(step), first.out * step * 4)
}

/// Strides in elements of every pointer along a kept axis.
fn strides(axis: &KeptAxis) -> Vec<usize> {
    let strides = ReduceOperands {
        x: axis.x,
        out: axis.out,
        operands: axis.operands.clone(),
    };
    strides.into_list()
}

struct Walk<'k> {
    k: &'k Reduce,
    scalar: Scalar,
    /// Whether a vector holds four results, rather than four elements of one.
    across: bool,
}

impl Walk<'_> {
    /// Loops over kept axes from `axis` on; the pointers stay where they are.
    fn axis(&self, asm: &mut Asm<'_>, pointers: &[LocalId], axis: usize) {
        let Some(kept) = self.k.kept.get(axis) else {
            return self.result(asm, pointers, 1);
        };
        let at: Vec<LocalId> = pointers
            .iter()
            .map(|&pointer| {
                let local = asm.i32();
                asm.add_to(local, pointer, 0);
                local
            })
            .collect();
        let vectors = self.across && axis + 1 == self.k.kept.len();
        let step = if vectors { 4 } else { 1 };
        asm.times_do(kept.extent / step, |asm| {
            if vectors {
                self.result(asm, &at, 4)
            } else {
                self.axis(asm, &at, axis + 1)
            }
            for (&pointer, stride) in at.iter().zip(strides(kept)) {
                asm.advance(pointer, (stride * step) as i64 * 4);
            }
        });
        if kept.extent % step > 0 {
            self.result(asm, &at, kept.extent % step);
        }
    }

    /// Reduces and writes `lanes` results.
    fn result(&self, asm: &mut Asm<'_>, pointers: &[LocalId], lanes: usize) {
        let pointers = ReduceOperands::from_list(pointers.to_vec());
        let acc = asm.v128();
        asm.splat_const(self.k.kind.identity().to_bits());
        asm.set(acc);
        let x = asm.i32();
        asm.add_to(x, pointers.x, 0);
        self.reduced(asm, x, acc, 0);
        if !self.across {
            self.fold(asm, acc);
        }
        let mut inputs = vec![acc];
        for (i, &pointer) in pointers.operands.iter().enumerate() {
            let loaded = asm.v128();
            asm.get(pointer);
            let repeats = !self.across || self.k.kept.last().is_none_or(|axis| axis.operands[i] == 0);
            if repeats {
                asm.load_splat(0)
            } else {
                asm.load_v128(0)
            }
            asm.set(loaded);
            inputs.push(loaded);
        }
        self.scalar.apply(asm, &inputs);
        asm.set(acc);
        asm.store_lanes(pointers.out, 0, acc, lanes);
        asm.release(inputs);
    }

    /// Loops over reduced axes from `axis` on.
    fn reduced(&self, asm: &mut Asm<'_>, x: LocalId, acc: LocalId, axis: usize) {
        let Some(&(extent, stride)) = self.k.reduced.get(axis) else {
            asm.get(acc);
            asm.get(x);
            if self.across {
                asm.load_v128(0)
            } else {
                self.single(asm)
            }
            self.combine(asm);
            return asm.set(acc);
        };
        let at = asm.i32();
        asm.add_to(at, x, 0);
        if !self.across && stride == 1 && axis + 1 == self.k.reduced.len() {
            asm.times_do(extent / 4, |asm| {
                asm.get(acc);
                asm.get(at);
                asm.load_v128(0);
                self.combine(asm);
                asm.set(acc);
                asm.advance(at, 16);
            });
            for i in 0..extent % 4 {
                asm.get(acc);
                asm.get(at);
                asm.advance(at, if i + 1 < extent % 4 { 4 } else { 0 });
                self.single(asm);
                self.combine(asm);
                asm.set(acc);
            }
        } else {
            asm.times_do(extent, |asm| {
                self.reduced(asm, at, acc, axis + 1);
                asm.advance(at, stride as i64 * 4);
            });
        }
    }

    /// The address on the stack becomes a vector that holds one element and otherwise changes nothing.
    fn single(&self, asm: &mut Asm<'_>) {
        let address = asm.i32();
        asm.set(address);
        asm.splat_const(self.k.kind.identity().to_bits());
        asm.get(address);
        asm.load_f32(0);
        asm.binary(BinaryOp::F32x4ReplaceLane { idx: 0 });
    }

    fn combine(&self, asm: &mut Asm<'_>) {
        asm.binary(match self.k.kind {
            ReduceKind::Sum => BinaryOp::F32x4Add,
            ReduceKind::Max => BinaryOp::F32x4Max,
            ReduceKind::Min => BinaryOp::F32x4Min,
            ReduceKind::Product => BinaryOp::F32x4Mul,
        });
    }

    /// Combines the four lanes; all of them hold the result.
    fn fold(&self, asm: &mut Asm<'_>, acc: LocalId) {
        for lane in 0..4 {
            asm.get(acc);
            asm.unary(UnaryOp::F32x4ExtractLane { idx: lane });
            asm.unary(UnaryOp::F32x4Splat);
        }
        (0..3).for_each(|_| self.combine(asm));
        asm.set(acc);
    }
}
