//! Rows by index.

use super::operand::operands;
use super::{Family, Memory, Operand, Role, Span};
use crate::tensor::DType;

/// `out[o, i, …] = table[o, indices[i], …]`. A negative index counts from the end; what is out of range is clamped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gather {
    /// Tables that are gathered from with the same indices.
    pub outer: usize,
    /// Rows of a table.
    pub extent: usize,
    /// Number of indices.
    pub indices: usize,
    /// Elements of a row.
    pub row: usize,
    /// Element type of the indices; floats are truncated toward zero.
    pub dtype: DType,
}

impl Gather {
    /// The row that an index means in a table of `extent` rows.
    pub fn clamp(index: i32, extent: usize) -> usize {
        let extent = extent as i64;
        let index = i64::from(index);
        (if index < 0 { index + extent } else { index }).clamp(0, extent - 1) as usize
    }
}

operands! {
    /// What a [`Gather`] touches.
    GatherOperands {
        /// The tables.
        table: One,
        /// The indices.
        indices: One,
        /// The rows.
        out: One,
    }
}

impl Family for Gather {
    const NAME: &'static str = "gather";
    const IS_ARITHMETIC: bool = false;
    type Of<T> = GatherOperands<T>;

    fn operands(&self) -> GatherOperands<Operand> {
        let rows = self.outer * self.indices * self.row;
        let table = Span::dense(self.outer * self.extent * self.row);
        GatherOperands {
            table: Operand::new(Role::In, table).at_most(rows),
            indices: Operand::new(Role::In, Span::dense(self.indices)),
            out: Operand::new(Role::Out, Span::dense(rows)),
        }
    }

    fn interpret(&self, memory: &mut Memory, at: GatherOperands<usize>) {
        for outer in 0..self.outer {
            for i in 0..self.indices {
                let index = match self.dtype {
                    DType::I32 => memory.bits(at.indices + i) as i32,
                    DType::F32 => memory.f32(at.indices + i) as i32,
                };
                let from = at.table + (outer * self.extent + Self::clamp(index, self.extent)) * self.row;
                let to = at.out + (outer * self.indices + i) * self.row;
                for i in 0..self.row {
                    let bits = memory.bits(from + i);
                    memory.set_bits(to + i, bits);
                }
            }
        }
    }
}
