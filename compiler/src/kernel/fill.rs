//! Constant areas, usually the zeros around an image.

use super::interpret::{dot, unravel};
use super::operand::operands;
use super::{Account, Elements, Family, Found, Operand, Role, Span, axes};

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

/// Writes one value into several regions.
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
    fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    fn simplified(self) -> Self {
        let mut merged = axes::rows(&self.dims, &[&axes::signed(&self.strides)]);
        axes::merge(&mut merged, axes::Innermost::Stays);
        let (dims, walks) = axes::columns(&merged, 1);
        Self {
            offset: self.offset,
            dims,
            strides: axes::unsigned(&walks[0]),
        }
    }
}

operands! {
    /// What a [`Fill`] touches.
    FillOperands {
        /// What the regions lie in.
        out: One,
    }
}

impl Family for Fill {
    const NAME: &'static str = "fill";
    const IS_ARITHMETIC: bool = false;
    type Of<T> = FillOperands<T>;

    fn operands(&self) -> FillOperands<Operand> {
        let span = |region: &Region| Span {
            offset: region.offset,
            ..Span::new(region.dims.iter().copied().zip(region.strides.iter().copied()))
        };
        FillOperands {
            out: Operand::of_spans(Role::Out, self.regions.iter().map(span).collect()),
        }
    }

    fn extents(&self) -> Vec<usize> {
        vec![self.regions.iter().map(Region::elements).sum()]
    }

    fn result<A: Account>(
        &self,
        _: &(impl Elements + ?Sized),
        at: &FillOperands<usize>,
        index: &[usize],
    ) -> Found {
        let mut place = index[0];
        let mut regions = self.regions.iter();
        let region = regions.find(|region| {
            let is_here = place < region.elements();
            place -= if is_here { 0 } else { region.elements() };
            is_here
        });
        let region = region.unwrap_or_else(|| unreachable!("it is below the sum of all"));
        let inside = dot(&unravel(&region.dims, place), &region.strides);
        Found::bits(self.bits, at.out + region.offset + inside)
    }
}
