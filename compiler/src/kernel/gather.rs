//! Rows by index.

use super::operand::operands;
use super::{Account, Elements, Family, Found, Operand, Role, Span};
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
            indices: Operand::new(Role::In, Span::dense(self.indices))
                .of_type(self.dtype)
                .indices(self.extent),
            out: Operand::new(Role::Out, Span::dense(rows)),
        }
    }

    fn extents(&self) -> Vec<usize> {
        vec![self.outer, self.indices, self.row]
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &GatherOperands<usize>,
        index: &[usize],
    ) -> Found {
        let &[outer, i, element] = index else {
            unreachable!("three axes")
        };
        let row = match self.dtype {
            DType::I32 => memory.bits(at.indices + i) as i32,
            DType::F32 => memory.f32(at.indices + i) as i32,
        };
        let from = (outer * self.extent + Self::clamp(row, self.extent)) * self.row;
        let to = (outer * self.indices + i) * self.row;
        Found::copy(memory, at.table + from + element, at.out + to + element)
    }
}
