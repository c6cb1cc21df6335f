//! Pooling.

use super::epilogue::image_result;
use super::interpret::for_each;
use super::operand::operands;
use super::{Epilogue, Family, Image, Memory, Operand, Role, Span, WindowAxis};
use crate::pointwise::Binary;

/// How a window becomes one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest element; NaN if there is one.
    Max,
    /// The mean.
    Average,
}

/// What padded positions count as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolPadding {
    /// They are left out; the mean divides by the elements present. What `padding="same"` means in Keras.
    Exclude,
    /// They are zeros. What an explicit zero padding before the pool means.
    Zero,
}

/// Windows over an unpadded image; taps outside of it are skipped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Maximum or mean.
    pub kind: PoolKind,
    /// What padded positions count as.
    pub padding: PoolPadding,
    /// Extents of the result: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Rows and pixels of x.
    pub input: [usize; 2],
    /// Strides of x.
    pub x: Image,
    /// Windows along rows and pixels.
    pub window: [WindowAxis; 2],
    /// Strides of the result.
    pub out: Image,
    /// Applied to each result.
    pub epilogue: Epilogue,
}

operands! {
    /// What a [`Pool`] touches.
    PoolOperands {
        /// The image.
        x: One,
        /// The result.
        out: One,
        /// Operands of the epilogue.
        epilogue: Many,
    }
}

impl Family for Pool {
    const NAME: &'static str = "pool";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = PoolOperands<T>;

    fn operands(&self) -> PoolOperands<Operand> {
        let [batches, _, _, channels] = self.dims;
        let [rows, pixels] = self.input;
        let image = [batches, rows, pixels].into_iter().zip(self.x);
        PoolOperands {
            x: Operand::new(Role::In, Span::new(image.chain([(channels, 1)]))),
            out: image_result(self.dims, &self.out),
            epilogue: self.epilogue.operands(&self.dims),
        }
    }

    fn interpret(&self, memory: &mut Memory, at: PoolOperands<usize>) {
        let [wy, wx] = self.window;
        for_each(&self.dims, |index| {
            let &[batch, row, pixel, c] = index else {
                unreachable!("four axes")
            };
            let mut values = Vec::new();
            for_each(&[wy.size, wx.size], |tap| {
                match (
                    wy.position(row, tap[0], self.input[0]),
                    wx.position(pixel, tap[1], self.input[1]),
                ) {
                    (Some(y), Some(x)) => {
                        values.push(memory.f32(at.x + batch * self.x[0] + y * self.x[1] + x * self.x[2] + c))
                    }
                    _ if self.padding == PoolPadding::Zero => values.push(0.0),
                    _ => {}
                }
            });
            let raw = match self.kind {
                PoolKind::Max => values
                    .iter()
                    .copied()
                    .fold(f32::NEG_INFINITY, |a, b| Binary::Max.eval(a, b)),
                PoolKind::Average => {
                    (values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64) as f32
                }
            };
            let result = self
                .epilogue
                .apply(memory, &at.epilogue, [batch, row, pixel, c], raw);
            memory.set(
                at.out + batch * self.out[0] + row * self.out[1] + pixel * self.out[2] + c,
                result,
            );
        });
    }
}
