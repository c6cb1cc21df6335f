//! Pooling.

use super::epilogue::{four, image_result};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Epilogue, Family, Found, Image, Operand, Role, Span, WindowAxis};
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

    fn extents(&self) -> Vec<usize> {
        self.dims.to_vec()
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &PoolOperands<usize>,
        index: &[usize],
    ) -> Found {
        let [batch, row, pixel, c] = four(index);
        let [wy, wx] = self.window;
        let mut values = Vec::new();
        for_each(&[wy.size, wx.size], |tap| {
            match (
                wy.position(row, tap[0], self.input[0]),
                wx.position(pixel, tap[1], self.input[1]),
            ) {
                (Some(y), Some(x)) => values.push(memory.f32(at.x + dot(&[batch, y, x], &self.x) + c)),
                _ if self.padding == PoolPadding::Zero => values.push(0.0),
                _ => {}
            }
        });
        let raw = match self.kind {
            PoolKind::Max => {
                let largest = values.iter().copied();
                A::exact(largest.fold(f32::NEG_INFINITY, |a, b| Binary::Max.eval(a, b)))
            }
            PoolKind::Average => {
                let mut sum = A::default();
                values.iter().for_each(|&value| sum.add(f64::from(value)));
                sum.over(values.len() as f64)
            }
        };
        let out = at.out + dot(&[batch, row, pixel], &self.out) + c;
        self.epilogue
            .finish(memory, &at.epilogue, [batch, row, pixel, c], raw, out)
    }
}
