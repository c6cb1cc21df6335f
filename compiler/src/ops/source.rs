//! Values that no operation computes.

use super::attributes::{Attributes, list, parsed};
use super::{Operation, Storage, exactly};
use crate::error::{Error, Result};
use crate::graph::unquoted;
use crate::tensor::{DType, Data, Shape, Tensor, TensorType};
use std::fmt;
use std::str::FromStr;

/// A value that the caller of the graph provides.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name, unique in the graph.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
}

impl Operation for Input {
    const NAME: &'static str = "input";
    fn storage(&self) -> Storage {
        Storage::Elsewhere
    }
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [] = exactly(inputs)?;
        Ok(vec![self.ty.clone()])
    }
    fn eval(&self, _: &[&Tensor]) -> Result<Vec<Tensor>> {
        Err(Error::internal(format!("input {:?} has no value", self.name)))
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {:?}", self.name)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let (name, ty) = (unquoted(text.next("a name")?)?, text.ty()?.clone());
        Ok(Self { name, ty })
    }
}

/// A value known at compile time.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant(pub Tensor);

impl Operation for Constant {
    const NAME: &'static str = "constant";
    fn storage(&self) -> Storage {
        Storage::Elsewhere
    }
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [] = exactly(inputs)?;
        Ok(vec![self.0.ty()])
    }
    fn eval(&self, _: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![self.0.clone()])
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.shape().count() <= SPELLED_OUT;
        match self.0.data() {
            Data::F32(d) if all => write!(f, " {d:?}"),
            Data::I32(d) if all => write!(f, " {d:?}"),
            Data::F32(d) => match d.iter().all(|v| v.to_bits() == d[0].to_bits()) {
                true => write!(f, " splat={:?}", d[0]),
                false => Ok(()),
            },
            Data::I32(d) => match d.iter().all(|v| *v == d[0]) {
                true => write!(f, " splat={}", d[0]),
                false => Ok(()),
            },
        }
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let ty = text.ty()?.clone();
        let splat = text.optional("splat")?;
        let seed = text.optional("seed")?.map_or(Ok(text.label), parsed)?;
        let spelled = splat.is_none() && text.rest().starts_with('[');
        let spelled = if spelled {
            Some(text.next("elements")?)
        } else {
            None
        };
        let count = Shape::checked(ty.shape.dims())?.count();
        let data = match ty.dtype {
            DType::F32 => Data::F32(elements(spelled, splat, count, || generated(seed))?.into()),
            DType::I32 => {
                let in_turn = || (seed..).map(|i| (i % 2) as i32);
                Data::I32(elements(spelled, splat, count, in_turn)?.into())
            }
        };
        Ok(Self(Tensor::new(ty.shape, data)?))
    }
}

/// Constants with more elements print without them, but for those whose elements are all the same.
const SPELLED_OUT: usize = 4;

/// The elements of a constant: as the text says, or made.
fn elements<T: FromStr + Clone, I: Iterator<Item = T>>(
    spelled: Option<&str>,
    splat: Option<&str>,
    count: usize,
    made: impl Fn() -> I,
) -> Result<Vec<T>> {
    match (spelled, splat) {
        (Some(text), _) => list(text),
        (None, Some(value)) => Ok(vec![parsed(value)?; count]),
        (None, None) => Ok(made().take(count).collect()),
    }
}

/// Floats between -1 and 1 that look random (splitmix64).
fn generated(seed: u64) -> impl Iterator<Item = f32> {
    (1..).map(move |i: u64| {
        let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}
