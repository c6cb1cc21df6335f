//! Copies from one layout to another.

use super::interpret::for_each;
use super::{Interpret, Memory};

/// `out[i] = x[i]` over any number of axes: transposes, slices, concatenation.
///
/// Pointers: x (at its first element in the order of the walk), out. The two do not overlap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Move {
    /// Extents.
    pub dims: Vec<usize>,
    /// Distance of elements in x; negative walks backwards, 0 repeats.
    pub x: Vec<isize>,
    /// Distance of elements in the result.
    pub out: Vec<usize>,
}

impl Move {
    /// Merges axes that are walked as one, and drops axes of extent 1; one axis remains, also of a scalar.
    #[must_use]
    pub fn simplified(mut self) -> Self {
        if self.dims.is_empty() {
            (self.dims, self.x, self.out) = (vec![1], vec![1], vec![1]);
        }
        let mut axis = 0;
        while axis < self.dims.len() && self.dims.len() > 1 {
            let merges = axis + 1 < self.dims.len()
                && self.x[axis] == self.x[axis + 1] * self.dims[axis + 1] as isize
                && self.out[axis] == self.out[axis + 1] * self.dims[axis + 1];
            if self.dims[axis] == 1 || merges {
                if merges {
                    self.dims[axis + 1] *= self.dims[axis];
                }
                self.dims.remove(axis);
                self.x.remove(axis);
                self.out.remove(axis);
            } else {
                axis += 1;
            }
        }
        self
    }
}

impl Interpret for Move {
    fn interpret(&self, memory: &mut Memory, at: &[usize]) {
        for_each(&self.dims, |index| {
            let from: isize = index.iter().zip(&self.x).map(|(&i, s)| i as isize * s).sum();
            let to = super::interpret::dot(index, &self.out);
            memory.0[at[1] + to] = memory.0[at[0].wrapping_add_signed(from)];
        });
    }
}
