//! Scalar functions over broadcast inputs.

use super::found::mapped;
use super::interpret::dot;
use super::operand::operands;
use super::{Account, Elements, Family, Found, Operand, Role, Span, axes};
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
    pub fn simplified(self) -> Self {
        let strides = self.inputs.iter().map(|input| &input.strides).chain([&self.out]);
        let walks: Vec<_> = strides.map(|strides| axes::signed(strides)).collect();
        let walks: Vec<_> = walks.iter().map(Vec::as_slice).collect();
        let mut merged = axes::rows(&self.dims, &walks);
        axes::merge(&mut merged, axes::Innermost::Stays);
        let (dims, walks) = axes::columns(&merged, walks.len());
        let mut walks = walks.iter().map(|walk| axes::unsigned(walk));
        let inputs = self.inputs.iter().zip(walks.by_ref());
        let inputs = inputs.map(|(input, strides)| MapInput {
            strides,
            dtype: input.dtype,
        });
        Self {
            inputs: inputs.collect(),
            out: walks.next().unwrap_or_default(),
            dims,
            tape: self.tape,
        }
    }
}

operands! {
    /// What a [`Map`] touches.
    MapOperands {
        /// The inputs in order.
        inputs: Many,
        /// The result.
        out: One,
    }
}

impl Family for Map {
    const NAME: &'static str = "map";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = MapOperands<T>;

    fn operands(&self) -> MapOperands<Operand> {
        let operand = |role, strides: &[usize]| {
            let axes = self.dims.iter().copied().zip(strides.iter().copied());
            Operand::new(role, Span::new(axes))
        };
        let inputs = self.inputs.iter();
        MapOperands {
            inputs: inputs
                .map(|input| operand(Role::Epilogue, &input.strides).of_type(input.dtype))
                .collect(),
            out: operand(Role::Out, &self.out),
        }
    }

    fn extents(&self) -> Vec<usize> {
        self.dims.clone()
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &MapOperands<usize>,
        index: &[usize],
    ) -> Found {
        let inputs = self.inputs.iter().zip(&at.inputs);
        let inputs: Vec<(f32, DType)> = inputs
            .map(|(input, base)| {
                let value = memory.number(base + dot(index, &input.strides), input.dtype);
                (value, input.dtype)
            })
            .collect();
        mapped::<A>(&self.tape, &inputs, at.out + dot(index, &self.out))
    }
}
