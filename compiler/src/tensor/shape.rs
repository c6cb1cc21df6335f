//! Static shapes and element types.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::str::FromStr;

/// Most elements that one tensor may have: beyond it, byte offsets leave a 32-bit address space.
pub const MAX_ELEMENTS: usize = 1 << 29;

/// Extents of a tensor, outermost axis first; images are `[batch, height, width, channels]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape from its extents. Zero extents are allowed by the type and refused by [`Shape::checked`].
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Self(dims.into())
    }
    /// A shape whose element count is at least 1 and at most [`MAX_ELEMENTS`].
    ///
    /// # Errors
    /// [`ErrorKind::Inconsistent`] for an empty tensor, [`ErrorKind::TooLarge`] for a huge one.
    pub fn checked(dims: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = Self(dims.into());
        let count = shape
            .0
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .unwrap_or(usize::MAX);
        if count == 0 {
            return Err(Error::inconsistent(format!("shape {shape} has no elements")));
        }
        if count > MAX_ELEMENTS {
            return Err(Error::new(ErrorKind::TooLarge {
                what: format!("the element count of shape {shape}"),
                found: count as u64,
                limit: MAX_ELEMENTS as u64,
            }));
        }
        Ok(shape)
    }
    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }
    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }
    /// Number of elements; 1 for a scalar.
    pub fn count(&self) -> usize {
        self.0.iter().product()
    }
    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.0.len()];
        for axis in (1..self.0.len()).rev() {
            strides[axis - 1] = strides[axis] * self.0[axis];
        }
        strides
    }
    /// NumPy broadcasting of two shapes, or `None` when they do not fit.
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let rank = self.rank().max(other.rank());
        let at =
            |shape: &Self, axis: usize| (axis + shape.rank()).checked_sub(rank).map_or(1, |i| shape.0[i]);
        (0..rank)
            .map(|axis| match (at(self, axis), at(other, axis)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }
}

impl std::ops::Index<usize> for Shape {
    type Output = usize;
    fn index(&self, axis: usize) -> &usize {
        &self.0[axis]
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (i, d) in self.0.iter().enumerate() {
            write!(f, "{}{d}", if i > 0 { "," } else { "" })?;
        }
        write!(f, "]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Element type inside the compiler; both are four bytes, so that every buffer is counted in words.
/// Other types that a file or a page may use (bool, uint8, float16 …) are converted at the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// Two's complement 32-bit integer.
    I32,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::I32 => "i32",
        })
    }
}

/// Shape and element type of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl TensorType {
    /// An f32 type.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self {
            shape: shape.into(),
            dtype: DType::F32,
        }
    }
    /// An i32 type.
    pub fn i32(shape: impl Into<Shape>) -> Self {
        Self {
            shape: shape.into(),
            dtype: DType::I32,
        }
    }
}

/// What [`TensorType`] prints as.
impl FromStr for TensorType {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::malformed(format!("{text:?} is no type"));
        let (dtype, dims) = text.split_once('[').ok_or_else(wrong)?;
        let dtype = [DType::F32, DType::I32]
            .into_iter()
            .find(|ty| ty.to_string() == dtype);
        let dims = dims.strip_suffix(']').ok_or_else(wrong)?;
        let dims = dims.split(',').filter(|dim| !dim.is_empty()).map(str::parse);
        Ok(Self {
            shape: Shape::checked(dims.collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?)?,
            dtype: dtype.ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}
