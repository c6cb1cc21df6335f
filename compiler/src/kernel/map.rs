//! Scalar functions over broadcast inputs.

use super::interpret::{dot, for_each};
use super::{Interpret, Memory};
use crate::pointwise::Tape;
use crate::tensor::DType;

/// One input of a [`Map`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MapInput {
    /// Distance between elements along every axis; 0 repeats. The innermost is 0 or 1.
    pub strides: Vec<usize>,
    /// Element type; integers are converted to f32.
    pub dtype: DType,
}

/// `out[i] = tape(inputs[i]…)` over any number of axes.
///
/// Pointers: inputs in order, out. The result may lie exactly on an f32 input of the same strides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Map {
    /// Extents, at least one axis.
    pub dims: Vec<usize>,
    /// The inputs.
    pub inputs: Vec<MapInput>,
    /// Strides of the result; the innermost is 1.
    pub out: Vec<usize>,
    /// The scalar function.
    pub tape: Tape,
}

impl Map {
    /// Merges axes that all tensors walk as one, and drops axes of extent 1.
    #[must_use]
    pub fn simplified(mut self) -> Self {
        let mut axis = 0;
        while axis < self.dims.len() {
            let fuses = axis + 1 < self.dims.len()
                && std::iter::once(&self.out)
                    .chain(self.inputs.iter().map(|i| &i.strides))
                    .all(|s| s[axis] == s[axis + 1] * self.dims[axis + 1]);
            if self.dims[axis] == 1 && self.dims.len() > 1 && axis + 1 < self.dims.len() {
                self.remove(axis);
            } else if fuses {
                self.dims[axis + 1] *= self.dims[axis];
                self.remove(axis);
            } else {
                axis += 1;
            }
        }
        self
    }

    fn remove(&mut self, axis: usize) {
        self.dims.remove(axis);
        self.out.remove(axis);
        for input in &mut self.inputs {
            input.strides.remove(axis);
        }
    }
}

impl Interpret for Map {
    fn interpret(&self, memory: &mut Memory, at: &[usize]) {
        for_each(&self.dims, |index| {
            let args: Vec<f32> = self
                .inputs
                .iter()
                .zip(at)
                .map(|(input, base)| memory.number(base + dot(index, &input.strides), input.dtype))
                .collect();
            memory.set(
                at[self.inputs.len()] + dot(index, &self.out),
                self.tape.eval(&args),
            );
        });
    }
}
