//! Reduction over whole axes.

use super::interpret::{dot, for_each};
use super::{Interpret, Memory};
use crate::pointwise::{Binary, Tape};

/// How elements are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReduceKind {
    /// Sum.
    Sum,
    /// Largest element; NaN if there is one.
    Max,
    /// Smallest element; NaN if there is one.
    Min,
    /// Product.
    Product,
}

impl ReduceKind {
    /// The value that changes nothing.
    pub fn identity(self) -> f32 {
        match self {
            Self::Sum => 0.0,
            Self::Max => f32::NEG_INFINITY,
            Self::Min => f32::INFINITY,
            Self::Product => 1.0,
        }
    }
    /// One step of the reduction.
    pub fn combine(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Sum => a + b,
            Self::Max => Binary::Max.eval(a, b),
            Self::Min => Binary::Min.eval(a, b),
            Self::Product => a * b,
        }
    }
    /// Reduces all of `values`; sums are kept in double precision.
    pub fn reduce(self, values: impl Iterator<Item = f32>) -> f32 {
        match self {
            Self::Sum => values.map(f64::from).sum::<f64>() as f32,
            _ => values.fold(self.identity(), |a, b| self.combine(a, b)),
        }
    }
}

/// An axis that stays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeptAxis {
    /// Its extent.
    pub extent: usize,
    /// Distance of its elements in x.
    pub x: usize,
    /// Distance of its elements in the result.
    pub out: usize,
    /// Distance of its elements in every epilogue operand.
    pub operands: Vec<usize>,
}

/// `out[kept] = tape(reduction over reduced of x[kept, reduced], operands…)`.
///
/// Pointers: x, out, epilogue operands. One axis of x is contiguous: the last kept or the last reduced one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reduce {
    /// How elements are combined.
    pub kind: ReduceKind,
    /// Axes that stay, outermost first.
    pub kept: Vec<KeptAxis>,
    /// Axes that go: extent and distance in x, outermost first.
    pub reduced: Vec<(usize, usize)>,
    /// Applied to each result.
    pub tape: Tape,
}

impl Reduce {
    /// Merges axes that are walked as one, and drops axes of extent 1.
    #[must_use]
    pub fn simplified(mut self) -> Self {
        self.kept.retain(|axis| axis.extent != 1);
        self.reduced.retain(|axis| axis.0 != 1);
        let mut at = 0;
        while at + 1 < self.reduced.len() {
            let (outer, inner) = (self.reduced[at], self.reduced[at + 1]);
            if outer.1 == inner.0 * inner.1 {
                self.reduced[at + 1].0 *= outer.0;
                self.reduced.remove(at);
            } else {
                at += 1;
            }
        }
        let mut at = 0;
        while at + 1 < self.kept.len() {
            let (outer, inner) = (&self.kept[at], &self.kept[at + 1]);
            let pairs = outer.operands.iter().zip(&inner.operands);
            let n = inner.extent;
            if outer.x == inner.x * n
                && outer.out == inner.out * n
                && pairs.into_iter().all(|(o, i)| *o == i * n)
            {
                self.kept[at + 1].extent *= outer.extent;
                self.kept.remove(at);
            } else {
                at += 1;
            }
        }
        self
    }
}

impl Interpret for Reduce {
    fn interpret(&self, memory: &mut Memory, at: &[usize]) {
        let kept: Vec<usize> = self.kept.iter().map(|a| a.extent).collect();
        let reduced: Vec<usize> = self.reduced.iter().map(|a| a.0).collect();
        let strides: Vec<usize> = self.reduced.iter().map(|a| a.1).collect();
        for_each(&kept, |index| {
            let along = |stride: &dyn Fn(&KeptAxis) -> usize| -> usize {
                index
                    .iter()
                    .zip(&self.kept)
                    .map(|(i, axis)| i * stride(axis))
                    .sum()
            };
            let base = at[0] + along(&|axis| axis.x);
            let mut values = Vec::new();
            for_each(&reduced, |inner| {
                values.push(memory.f32(base + dot(inner, &strides)))
            });
            let mut args = vec![self.kind.reduce(values.into_iter())];
            for (operand, address) in at[2..].iter().enumerate() {
                args.push(memory.f32(address + along(&|axis| axis.operands[operand])));
            }
            memory.set(at[1] + along(&|axis| axis.out), self.tape.eval(&args));
        });
    }
}
