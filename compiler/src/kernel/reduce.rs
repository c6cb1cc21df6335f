//! Reduction over whole axes.

use super::axes::{Innermost, WalkedAxis, merge};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Family, Found, Operand, Raw, Role, Span};
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
    /// Reduces all of `values`, with the error of doing so.
    fn account<A: Account>(self, values: &[f32]) -> Raw {
        let mut account = A::default();
        let all = values.iter().copied();
        match self {
            Self::Sum => all.for_each(|value| account.add(f64::from(value))),
            Self::Max | Self::Min => return A::exact(self.reduce(all)),
            // Its error is relative to itself.
            Self::Product => account.add(f64::from(self.reduce(all))),
        }
        account.total()
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
/// One axis of x is contiguous: the last kept or the last reduced one.
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
        let mut reduced: Vec<_> = self.reduced.iter().map(reduced_axis).collect();
        merge(&mut reduced, Innermost::Stays);
        self.reduced = reduced
            .iter()
            .map(|axis| (axis.extent, axis.strides[0] as usize))
            .collect();
        let mut kept: Vec<_> = self.kept.iter().map(KeptAxis::walked).collect();
        merge(&mut kept, Innermost::Stays);
        self.kept = kept.iter().map(KeptAxis::of_walked).collect();
        self
    }
}

fn reduced_axis(&(extent, x): &(usize, usize)) -> WalkedAxis {
    WalkedAxis {
        extent,
        strides: vec![x as isize],
    }
}

impl KeptAxis {
    fn walked(&self) -> WalkedAxis {
        let strides = [self.x, self.out]
            .into_iter()
            .chain(self.operands.iter().copied());
        WalkedAxis {
            extent: self.extent,
            strides: strides.map(|stride| stride as isize).collect(),
        }
    }

    fn of_walked(axis: &WalkedAxis) -> Self {
        let strides: Vec<_> = axis.strides.iter().map(|&stride| stride as usize).collect();
        Self {
            extent: axis.extent,
            x: strides[0],
            out: strides[1],
            operands: strides[2..].to_vec(),
        }
    }
}

operands! {
    /// What a [`Reduce`] touches.
    ReduceOperands {
        /// What is reduced.
        x: One,
        /// The result.
        out: One,
        /// Further inputs of the tape. A result may be written piece by piece, so that it must not lie over them.
        operands: Many,
    }
}

impl Family for Reduce {
    const NAME: &'static str = "reduce";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = ReduceOperands<T>;

    fn operands(&self) -> ReduceOperands<Operand> {
        let kept = |stride: &dyn Fn(&KeptAxis) -> usize| -> Vec<(usize, usize)> {
            self.kept.iter().map(|axis| (axis.extent, stride(axis))).collect()
        };
        let x = kept(&|axis| axis.x)
            .into_iter()
            .chain(self.reduced.iter().copied());
        let count = self.tape.inputs() as usize - 1;
        let operand = |i: usize| Operand::new(Role::In, Span::new(kept(&|axis| axis.operands[i])));
        ReduceOperands {
            x: Operand::new(Role::In, Span::new(x)),
            out: Operand::new(Role::Out, Span::new(kept(&|axis| axis.out))),
            operands: (0..count).map(operand).collect(),
        }
    }

    fn extents(&self) -> Vec<usize> {
        self.kept.iter().map(|axis| axis.extent).collect()
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &ReduceOperands<usize>,
        index: &[usize],
    ) -> Found {
        let along = |stride: &dyn Fn(&KeptAxis) -> usize| -> usize {
            let axes = index.iter().zip(&self.kept);
            axes.map(|(i, axis)| i * stride(axis)).sum()
        };
        let (extents, strides): (Vec<usize>, Vec<usize>) = self.reduced.iter().copied().unzip();
        let base = at.x + along(&|axis| axis.x);
        let mut values = Vec::new();
        for_each(&extents, |inner| {
            values.push(memory.f32(base + dot(inner, &strides)))
        });
        let operands = at.operands.iter().enumerate();
        let operands = operands.map(|(i, address)| memory.f32(address + along(&|axis| axis.operands[i])));
        self.kind
            .account::<A>(&values)
            .finish(&self.tape, operands, at.out + along(&|axis| axis.out))
    }
}
