//! What happens to each result before it is written.

use super::interpret::dot;
use super::{Elements, Found, Operand, Raw, Role, Span};
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

    /// Its operands, where the kernel's result has extents `dims`.
    pub(super) fn operands(&self, dims: &[usize; 4]) -> Vec<Operand> {
        let operand = |strides: &[usize; 4]| {
            Operand::new(Role::Epilogue, Span::new(dims.iter().copied().zip(*strides)))
        };
        self.operands.iter().map(operand).collect()
    }

    /// Applies the tape to `raw` at `[batch, row, pixel, channel]`; `at` holds the operands' addresses, and `out` is where the
    /// result belongs.
    pub(super) fn finish(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &[usize],
        index: [usize; 4],
        raw: Raw,
        out: usize,
    ) -> Found {
        let operands = self.operands.iter().zip(at);
        let operands = operands.map(|(strides, base)| memory.f32(base + dot(&index, strides)));
        raw.finish(&self.tape, operands, out)
    }
}

/// The result of an image kernel.
pub(super) fn image_result([n, h, w, c]: [usize; 4], out: &Image) -> Operand {
    Operand::new(
        Role::Out,
        Span::new([(n, out[0]), (h, out[1]), (w, out[2]), (c, 1)]),
    )
}

/// The index of a result of an image kernel.
pub(super) fn four(index: &[usize]) -> [usize; 4] {
    index.try_into().unwrap_or_else(|_| unreachable!("four axes"))
}
