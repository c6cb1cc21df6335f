//! Copies from one layout to another.

use super::interpret::dot;
use super::operand::operands;
use super::{Account, Elements, Family, Found, Operand, Role, Span, axes};

/// `out[i] = x[i]` over any number of axes: transposes, slices, concatenation. The two do not overlap.
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
        let mut merged = axes::rows(&self.dims, &[&self.x, &axes::signed(&self.out)]);
        axes::merge(&mut merged, axes::Innermost::MayGo);
        let (dims, walks) = axes::columns(&merged, 2);
        Self {
            dims,
            x: walks[0].clone(),
            out: axes::unsigned(&walks[1]),
        }
    }
}

operands! {
    /// What a [`Move`] touches.
    MoveOperands {
        /// What is copied, at its first element in the order of the walk.
        x: One,
        /// Where to.
        out: One,
    }
}

impl Family for Move {
    const NAME: &'static str = "move";
    const IS_ARITHMETIC: bool = false;
    type Of<T> = MoveOperands<T>;

    fn operands(&self) -> MoveOperands<Operand> {
        let dims = || self.dims.iter().copied();
        MoveOperands {
            x: Operand::new(Role::In, Span::new(dims().zip(self.x.iter().copied()))),
            out: Operand::new(Role::Out, Span::new(dims().zip(self.out.iter().copied()))),
        }
    }

    fn extents(&self) -> Vec<usize> {
        self.dims.clone()
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &MoveOperands<usize>,
        index: &[usize],
    ) -> Found {
        let from: isize = index.iter().zip(&self.x).map(|(&i, s)| i as isize * s).sum();
        Found::copy(
            memory,
            at.x.wrapping_add_signed(from),
            at.out + dot(index, &self.out),
        )
    }
}
