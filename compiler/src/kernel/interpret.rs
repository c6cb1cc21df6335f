//! The slow, obvious interpreter.

use crate::tensor::DType;

/// The memory that kernels work on: elements of four bytes.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub Vec<u32>);

impl Memory {
    /// The float at an element address.
    pub fn f32(&self, at: usize) -> f32 {
        f32::from_bits(self.0[at])
    }
    /// The element at an address as a float; integers are converted.
    pub fn number(&self, at: usize, dtype: DType) -> f32 {
        match dtype {
            DType::F32 => self.f32(at),
            DType::I32 => self.0[at] as i32 as f32,
        }
    }
    /// Writes a float.
    pub fn set(&mut self, at: usize, value: f32) {
        self.0[at] = value.to_bits();
    }
}

/// A family that can run itself.
pub trait Interpret {
    /// Runs the kernel on `memory`; `at` holds the element address of each tensor, in the family's order.
    fn interpret(&self, memory: &mut Memory, at: &[usize]);
}

/// Calls `visit` with every index below `dims`, in row-major order.
pub(super) fn for_each(dims: &[usize], mut visit: impl FnMut(&[usize])) {
    if dims.contains(&0) {
        return;
    }
    let mut index = vec![0; dims.len()];
    loop {
        visit(&index);
        let mut axis = dims.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Offset of an index under strides.
pub(super) fn dot(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}
