//! The slow, obvious interpreter.

use super::Found;
use crate::tensor::DType;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What kernels read: elements of four bytes by their address.
pub trait Elements {
    /// The bits at an element address.
    fn bits(&self, at: usize) -> u32;

    /// The float at an element address.
    fn f32(&self, at: usize) -> f32 {
        f32::from_bits(self.bits(at))
    }

    /// The element at an address as a float; integers are converted.
    fn number(&self, at: usize, dtype: DType) -> f32 {
        match dtype {
            DType::F32 => self.f32(at),
            DType::I32 => self.bits(at) as i32 as f32,
        }
    }
}

/// What kernels read and write.
pub trait Store: Elements {
    /// Writes bits.
    fn set_bits(&mut self, at: usize, bits: u32);

    /// Writes a result where it belongs.
    fn put(&mut self, found: Found) {
        self.set_bits(found.at, found.bits);
    }
}

/// Memory that notes what is touched, if it is to.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    words: Vec<u32>,
    touched: Option<RefCell<Touched>>,
}

/// The element addresses that kernels have read and written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Those that were read.
    pub read: BTreeSet<usize>,
    /// Those that were written.
    pub written: BTreeSet<usize>,
}

impl Memory {
    /// Memory that holds these words.
    pub fn new(words: Vec<u32>) -> Self {
        Self { words, touched: None }
    }

    /// Notes from here on what is touched; gives what was touched since the last call.
    pub fn watch(&mut self) -> Touched {
        let before = self.touched.replace(RefCell::default());
        before.map(RefCell::into_inner).unwrap_or_default()
    }

    /// All words.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// All words, to be set from outside.
    pub fn words_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }
}

impl Elements for Memory {
    fn bits(&self, at: usize) -> u32 {
        if let Some(touched) = &self.touched {
            touched.borrow_mut().read.insert(at);
        }
        self.words[at]
    }
}

impl Store for Memory {
    fn set_bits(&mut self, at: usize, bits: u32) {
        if let Some(touched) = &mut self.touched {
            touched.get_mut().written.insert(at);
        }
        self.words[at] = bits;
    }
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

/// The index below `dims` that comes at this place in row-major order.
pub(super) fn unravel(dims: &[usize], mut place: usize) -> Vec<usize> {
    let mut index = vec![0; dims.len()];
    for (index, &extent) in index.iter_mut().zip(dims).rev() {
        *index = place % extent;
        place /= extent;
    }
    index
}

/// Offset of an index under strides.
pub(super) fn dot(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}
