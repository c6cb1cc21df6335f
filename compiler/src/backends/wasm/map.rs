//! Maps: loops over the outer axes, vectors along the innermost.

use super::asm::{Asm, Context};
use super::tape::{Constants, Scalar};
use super::{KernelCode, kernel_function};
use crate::kernel::{Map, MapOperands, Operands};
use crate::tensor::DType;
use walrus::LocalId;
use walrus::ir::{BinaryOp, UnaryOp};

/// Elements of a unit of work along a single axis.
const UNIT: usize = 1024;

/// Vectors of a turn of the innermost loop: their instructions overlap.
const UNROLL: usize = 2;

/// Emits a map. A unit of work is one element of the outermost axis, or [`UNIT`] elements of the only axis.
pub(super) fn emit(cx: &mut Context, k: &Map) -> KernelCode {
    let scalar = Scalar::new(&k.tape);
    // A single axis is cut into units: a new outer axis, whose last element is shorter.
    let flat = k.dims.len() == 1;
    let (mut asm, pointers) = kernel_function(cx, k);
    let pointers = pointers.into_list();
    let (unit, end) = (asm.param(1), asm.param(2));
    let at: Vec<LocalId> = pointers.iter().map(|_| asm.i32()).collect();
    let constants = scalar.hoist(&mut asm);
    let strides = MapOperands {
        inputs: k.inputs.iter().map(|input| input.strides.as_slice()).collect(),
        out: k.out.as_slice(),
    };
    let walk = Walk {
        k,
        strides: strides.into_list(),
        scalar,
        constants,
    };
    asm.while_below(unit, end, |asm| {
        for (i, (&base, &at)) in pointers.iter().zip(&at).enumerate() {
            asm.get(base);
            let bytes = walk.stride(i, 0) * 4 * if flat { UNIT } else { 1 };
            if bytes > 0 {
                asm.times(unit, bytes);
                asm.binary(BinaryOp::I32Add);
            }
            asm.set(at);
        }
        if !flat {
            return walk.axis(asm, &at, 1);
        }
        let (whole, rest) = (k.dims[0] / UNIT, k.dims[0] % UNIT);
        match (whole, rest) {
            (0, rest) => walk.line(asm, &at, rest),
            (_, 0) => walk.line(asm, &at, UNIT),
            _ => {
                asm.get(unit);
                asm.int(whole as i32);
                asm.binary(BinaryOp::I32LtU);
                asm.branch(|asm| walk.line(asm, &at, UNIT), |asm| walk.line(asm, &at, rest));
            }
        }
    });
    let (units, bytes) = if flat {
        (k.dims[0].div_ceil(UNIT), UNIT * 4)
    } else {
        (k.dims[0], k.out[0] * 4)
    };
    KernelCode::new(asm.finish(), units, bytes)
}

struct Walk<'k> {
    k: &'k Map,
    /// Strides in elements of every pointer.
    strides: Vec<&'k [usize]>,
    scalar: Scalar,
    constants: Constants,
}

impl Walk<'_> {
    fn stride(&self, i: usize, axis: usize) -> usize {
        self.strides[i][axis]
    }

    /// Loops over an axis; pointers stay where they are.
    fn axis(&self, asm: &mut Asm<'_>, pointers: &[LocalId], axis: usize) {
        if axis + 1 == self.k.dims.len() {
            let at: Vec<LocalId> = pointers
                .iter()
                .map(|&p| {
                    let local = asm.i32();
                    asm.add_to(local, p, 0);
                    local
                })
                .collect();
            return self.line(asm, &at, self.k.dims[axis]);
        }
        let at: Vec<LocalId> = pointers
            .iter()
            .map(|&pointer| {
                let local = asm.i32();
                asm.add_to(local, pointer, 0);
                local
            })
            .collect();
        asm.times_do(self.k.dims[axis], |asm| {
            self.axis(asm, &at, axis + 1);
            for (i, &pointer) in at.iter().enumerate() {
                asm.advance(pointer, self.stride(i, axis) as i64 * 4);
            }
        });
    }

    /// `count` elements of the innermost axis; moves the pointers.
    fn line(&self, asm: &mut Asm<'_>, at: &[LocalId], count: usize) {
        let (vectors, rest) = (count / 4, count % 4);
        let turn = |asm: &mut Asm<'_>, vectors: usize| {
            for vector in 0..vectors {
                self.vector(asm, at, vector, 4);
            }
            for (i, &pointer) in at.iter().enumerate() {
                asm.advance(
                    pointer,
                    (vectors * self.stride(i, self.k.dims.len() - 1)) as i64 * 16,
                );
            }
        };
        asm.times_do(vectors / UNROLL, |asm| turn(asm, UNROLL));
        if !vectors.is_multiple_of(UNROLL) {
            turn(asm, vectors % UNROLL);
        }
        if rest > 0 {
            self.vector(asm, at, 0, rest);
        }
    }

    /// The vector numbered `index` from where the pointers stand, of which `lanes` are written.
    fn vector(&self, asm: &mut Asm<'_>, at: &[LocalId], index: usize, lanes: usize) {
        let innermost = self.k.dims.len() - 1;
        let at = MapOperands::from_list(at.to_vec());
        let inputs = asm.v128s(self.k.inputs.len());
        for (i, (&pointer, &loaded)) in at.inputs.iter().zip(&inputs).enumerate() {
            asm.get(pointer);
            if self.k.inputs[i].strides[innermost] == 0 {
                asm.load_splat(0)
            } else {
                asm.load_v128(16 * index)
            }
            if self.k.inputs[i].dtype == DType::I32 {
                asm.unary(UnaryOp::F32x4ConvertI32x4S);
            }
            asm.set(loaded);
        }
        self.scalar.apply_in_loop(asm, &inputs, &self.constants);
        let value = asm.v128();
        asm.set(value);
        asm.store_lanes(at.out, 16 * index, value, lanes);
        asm.release([value]);
        asm.release(inputs);
    }
}
