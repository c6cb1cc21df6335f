//! What happens to each result before it is written.

use super::Memory;
use crate::pointwise::Tape;

/// Strides of an image between batches, rows and pixels; channels are contiguous.
pub type Image = [usize; 3];

/// A tape over the raw result (its input 0) and operands at the same position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epilogue {
    /// The scalar function.
    pub tape: Tape,
    /// Strides of every operand between batches, rows, pixels and channels; 0 repeats, channels have 0 or 1.
    pub operands: Vec<[usize; 4]>,
}

impl Epilogue {
    /// Leaves results as they are.
    pub fn none() -> Self {
        Self {
            tape: Tape::identity(),
            operands: Vec::new(),
        }
    }

    /// Applies the tape to `raw` at `[batch, row, pixel, channel]`; `at` holds the operands' addresses.
    pub(super) fn apply(&self, memory: &Memory, at: &[usize], index: [usize; 4], raw: f32) -> f32 {
        let mut args = vec![raw];
        args.extend(
            self.operands
                .iter()
                .zip(at)
                .map(|(strides, base)| memory.f32(base + super::interpret::dot(&index, strides))),
        );
        self.tape.eval(&args)
    }
}
