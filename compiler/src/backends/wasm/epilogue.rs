//! Epilogues of image kernels: how operands are addressed and results are finished.

use super::asm::{Asm, Context};
use super::tape::Scalar;
use crate::kernel::Epilogue;
use walrus::LocalId;

/// An epilogue ready to be applied.
#[derive(Clone)]
pub(super) struct Finish {
    scalar: Scalar,
    operands: Vec<[usize; 4]>,
}

impl Finish {
    pub fn new(cx: &mut Context, epilogue: &Epilogue) -> Self {
        Self {
            scalar: Scalar::new(cx, &epilogue.tape),
            operands: epilogue.operands.clone(),
        }
    }

    /// Number of operands.
    pub fn operands(&self) -> usize {
        self.operands.len()
    }

    /// Strides in bytes of operand `index` between batches, rows, pixels and channels.
    pub fn stride(&self, index: usize, axis: usize) -> usize {
        self.operands[index][axis] * 4
    }

    /// Replaces the vector in `value` by its result. `operands` point at the tile's first pixel and channel;
    /// `pixel` and `channel` say where in the tile the vector lies.
    pub fn apply(
        &self,
        asm: &mut Asm<'_>,
        value: LocalId,
        operands: &[LocalId],
        pixel: usize,
        channel: usize,
    ) {
        if matches!(self.scalar, Scalar::Identity) {
            return;
        }
        let mut inputs = vec![value];
        for (i, &pointer) in operands.iter().enumerate() {
            let offset = pixel * self.stride(i, 2) + channel * self.stride(i, 3);
            let loaded = asm.v128();
            asm.get(pointer);
            if self.operands[i][3] == 0 {
                asm.load_splat(offset)
            } else {
                asm.load_v128(offset)
            }
            asm.set(loaded);
            inputs.push(loaded);
        }
        self.scalar.apply(asm, &inputs);
        asm.set(value);
        asm.release(inputs.into_iter().skip(1));
    }
}
