//! Reproducible random tensors.

use keras_compile::tensor::{DType, Tensor, TensorType};

/// A 64-bit linear congruential generator (Knuth's MMIX constants); the upper bits are used.
pub struct Random(u64);

impl Random {
    /// A generator that always gives the same sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// The next number in [0, 1).
    pub fn unit(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
    /// A float tensor with elements in [-1, 1).
    ///
    /// # Panics
    /// Never: the element count fits the shape.
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let data: Vec<f32> = (0..shape.iter().product())
            .map(|_| self.unit() * 2.0 - 1.0)
            .collect();
        Tensor::f32(shape.to_vec(), data).expect("as many as the shape says")
    }
    /// A tensor of any type; integers in [-8, 8).
    ///
    /// # Panics
    /// Never: the element count fits the shape.
    pub fn of_type(&mut self, ty: &TensorType) -> Tensor {
        match ty.dtype {
            DType::F32 => self.tensor(ty.shape.dims()),
            DType::I32 => {
                let data: Vec<i32> = (0..ty.shape.count())
                    .map(|_| (self.unit() * 16.0) as i32 - 8)
                    .collect();
                Tensor::i32(ty.shape.clone(), data).expect("as many as the shape says")
            }
        }
    }
}
