//! Rows by index.

use super::{Interpret, Memory};
use crate::tensor::DType;

/// `out[o, i, …] = table[o, indices[i], …]`. A negative index counts from the end; what is out of range is clamped.
///
/// Pointers: table, indices, out.
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

impl Interpret for Gather {
    fn interpret(&self, memory: &mut Memory, at: &[usize]) {
        for outer in 0..self.outer {
            for i in 0..self.indices {
                let index = match self.dtype {
                    DType::I32 => memory.0[at[1] + i] as i32,
                    DType::F32 => memory.f32(at[1] + i) as i32,
                };
                let from = at[0] + (outer * self.extent + Self::clamp(index, self.extent)) * self.row;
                let to = at[2] + (outer * self.indices + i) * self.row;
                memory.0.copy_within(from..from + self.row, to);
            }
        }
    }
}
