//! Epilogues of image kernels: how operands are addressed and results are finished.

use super::asm::Asm;
use super::tape::{Constants, Scalar};
use crate::kernel::{Epilogue, Image};
use walrus::LocalId;
use walrus::ir::BinaryOp;

/// Where the pixels of a tile go on in the next row.
pub(super) struct Fold {
    /// How many pixels lie before the fold; more than the tile has if there is none.
    pub at: LocalId,
    /// Bytes that out and the operands are further there.
    pub gaps: Vec<usize>,
}

impl Fold {
    /// Pointers to a tile, beyond the fold for a `pixel` that lies there.
    pub fn pointers(&self, asm: &mut Asm<'_>, at: &[LocalId], pixel: usize) -> Vec<LocalId> {
        let folded = |(&pointer, &gap): (&LocalId, &usize)| {
            // A fold lies behind the first pixel.
            if gap == 0 || pixel == 0 {
                return pointer;
            }
            let to = asm.i32();
            asm.get(pointer);
            asm.int(gap as i32);
            asm.binary(BinaryOp::I32Add);
            asm.get(pointer);
            asm.get(self.at);
            asm.int(pixel as i32);
            asm.binary(BinaryOp::I32LeU);
            asm.push(walrus::ir::Select { ty: None });
            asm.set(to);
            to
        };
        at.iter().zip(&self.gaps).map(folded).collect()
    }

    /// One pixel on: `left` counts down to the fold, where pointers skip the gaps.
    fn step(&self, asm: &mut Asm<'_>, at: &[LocalId], left: LocalId) {
        asm.advance(left, -1);
        asm.get(left);
        let skip = |asm: &mut Asm<'_>| {
            for (&pointer, &gap) in at.iter().zip(&self.gaps) {
                asm.advance(pointer, gap as i64);
            }
        };
        asm.branch(|_| {}, skip);
    }
}

/// Channels that a turn of [`Finish::sweep`] finishes: two vectors, whose instructions overlap.
const SWEEP: usize = 8;

/// An epilogue ready to be applied.
#[derive(Clone)]
pub(super) struct Finish {
    scalar: Scalar,
    operands: Vec<[usize; 4]>,
    /// Whether results are written raw and finished in memory.
    afterwards: bool,
}

impl Finish {
    /// `out` is how the results lie.
    pub fn new(epilogue: &Epilogue, out: &Image) -> Self {
        let scalar = Scalar::new(&epilogue.tape);
        // Raw results must not be written over an operand that may lie in their place.
        let covered = |operand: &[usize; 4]| operand[..3] == out[..];
        let afterwards = matches!(scalar, Scalar::Long(_)) && !epilogue.operands.iter().any(covered);
        Self {
            scalar,
            operands: epilogue.operands.clone(),
            afterwards,
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

    /// Replaces the vector in `value` by its result, unless that is left to [`Finish::sweep`]. `operands` point at the
    /// tile's first pixel and channel; `pixel` and `channel` say where in the tile the vector lies.
    pub fn apply(
        &self,
        asm: &mut Asm<'_>,
        value: LocalId,
        operands: &[LocalId],
        pixel: usize,
        channel: usize,
    ) {
        if !self.afterwards {
            self.apply_now(asm, value, operands, pixel, channel);
        }
    }

    /// Replaces the vector in `value` by its result.
    pub fn apply_now(
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
        let inputs = self.inputs(asm, value, operands, pixel, channel);
        self.scalar.apply(asm, &inputs);
        asm.set(value);
        asm.release(inputs.into_iter().skip(1));
    }

    /// The vector in `value` and those of the operands.
    fn inputs(
        &self,
        asm: &mut Asm<'_>,
        value: LocalId,
        operands: &[LocalId],
        pixel: usize,
        channel: usize,
    ) -> Vec<LocalId> {
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
        inputs
    }

    /// Finishes what lies in memory where [`Finish::apply`] did not: `channels` of `pixels` beside each other. `at`
    /// are out, whose pixels are `stride` bytes apart, and the operands.
    ///
    /// A loop with the function written once: in registers, a long one would spill a tile's accumulators at each of
    /// its calls.
    pub fn sweep(
        &self,
        asm: &mut Asm<'_>,
        at: &[LocalId],
        stride: usize,
        pixels: usize,
        channels: usize,
        fold: Option<&Fold>,
    ) {
        if !self.afterwards {
            return;
        }
        let constants = self.scalar.hoist(asm);
        let pixel: Vec<LocalId> = at.iter().map(|&pointer| asm.copy(pointer)).collect();
        let left = fold.map(|fold| (fold, asm.copy(fold.at)));
        asm.times_do(pixels, |asm| {
            let group: Vec<LocalId> = pixel.iter().map(|&pointer| asm.copy(pointer)).collect();
            asm.times_do(channels / SWEEP, |asm| {
                self.sweep_group(asm, &group, SWEEP, &constants);
                for (i, &pointer) in group.iter().enumerate() {
                    let bytes = i.checked_sub(1).map_or(4, |operand| self.stride(operand, 3));
                    asm.advance(pointer, (SWEEP * bytes) as i64);
                }
            });
            self.sweep_group(asm, &group, channels % SWEEP, &constants);
            for (i, &pointer) in pixel.iter().enumerate() {
                let bytes = i.checked_sub(1).map_or(stride, |operand| self.stride(operand, 2));
                asm.advance(pointer, bytes as i64);
            }
            if let Some((fold, left)) = &left {
                fold.step(asm, &pixel, *left);
            }
        });
        asm.release(constants.into_values());
    }

    /// Finishes some channels of one pixel, two vectors side by side.
    fn sweep_group(&self, asm: &mut Asm<'_>, at: &[LocalId], channels: usize, constants: &Constants) {
        for channel in (0..channels).step_by(4) {
            let value = asm.v128();
            asm.get(at[0]);
            asm.load_v128(channel * 4);
            asm.set(value);
            let inputs = self.inputs(asm, value, &at[1..], 0, channel);
            self.scalar.apply_in_loop(asm, &inputs, constants);
            asm.set(value);
            asm.store_lanes(at[0], channel * 4, value, channels - channel);
            asm.release(inputs);
        }
    }
}
