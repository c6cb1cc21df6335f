//! Constant areas, usually the zeros around an image.

use super::interpret::{dot, for_each};
use super::{Interpret, Memory};

/// A box of elements; the innermost axis is contiguous.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    /// Distance of its first element from the pointer.
    pub offset: usize,
    /// Extents.
    pub dims: Vec<usize>,
    /// Strides.
    pub strides: Vec<usize>,
}

/// Writes one value into several regions. Pointer: out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fill {
    /// The value's bits.
    pub bits: u32,
    /// Where to.
    pub regions: Vec<Region>,
}

impl Fill {
    /// The regions around the middle of a row-major array: `inner` elements from `start`, on every axis.
    pub fn border(outer: &[usize], start: &[usize], inner: &[usize], value: f32) -> Self {
        let mut strides = vec![1; outer.len()];
        for axis in (1..outer.len()).rev() {
            strides[axis - 1] = strides[axis] * outer[axis];
        }
        let mut regions = Vec::new();
        // Axes before `axis` are inside, axes after it go over everything: no element is written twice.
        for axis in 0..outer.len() {
            for (from, to) in [(0, start[axis]), (start[axis] + inner[axis], outer[axis])] {
                if from == to {
                    continue;
                }
                let mut dims = outer.to_vec();
                dims[..axis].copy_from_slice(&inner[..axis]);
                dims[axis] = to - from;
                let offset = dot(&start[..axis], &strides[..axis]) + from * strides[axis];
                regions.push(
                    Region {
                        offset,
                        dims,
                        strides: strides.clone(),
                    }
                    .simplified(),
                );
            }
        }
        Self {
            bits: value.to_bits(),
            regions,
        }
    }
}

impl Region {
    fn simplified(mut self) -> Self {
        let mut axis = 0;
        while axis + 1 < self.dims.len() {
            let merges = self.strides[axis] == self.strides[axis + 1] * self.dims[axis + 1];
            if merges || self.dims[axis] == 1 {
                if merges {
                    self.dims[axis + 1] *= self.dims[axis];
                }
                self.dims.remove(axis);
                self.strides.remove(axis);
            } else {
                axis += 1;
            }
        }
        self
    }
}

impl Interpret for Fill {
    fn interpret(&self, memory: &mut Memory, at: &[usize]) {
        for region in &self.regions {
            for_each(&region.dims, |index| {
                memory.0[at[0] + region.offset + dot(index, &region.strides)] = self.bits;
            });
        }
    }
}
