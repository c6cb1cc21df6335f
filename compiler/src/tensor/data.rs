//! Constant tensors.

use super::{DType, Encoded, Shape, TensorType};
use crate::error::{Error, Result};
use std::sync::Arc;

/// Elements in row-major order. Shared, since weights are large and passes copy nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// f32 elements.
    F32(Arc<[f32]>),
    /// i32 elements.
    I32(Arc<[i32]>),
}

/// A constant: shape and elements, and what these are made of where they can be written in fewer bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Data,
    encoded: Option<Arc<Encoded>>,
}

impl Tensor {
    /// A float tensor.
    ///
    /// # Errors
    /// When `data` has not as many elements as `shape`.
    pub fn f32(shape: impl Into<Shape>, data: impl Into<Arc<[f32]>>) -> Result<Self> {
        Self::new(shape.into(), Data::F32(data.into()))
    }
    /// An integer tensor.
    ///
    /// # Errors
    /// When `data` has not as many elements as `shape`.
    pub fn i32(shape: impl Into<Shape>, data: impl Into<Arc<[i32]>>) -> Result<Self> {
        Self::new(shape.into(), Data::I32(data.into()))
    }
    /// A tensor of either type.
    ///
    /// # Errors
    /// When `data` has not as many elements as `shape`.
    pub fn new(shape: Shape, data: Data) -> Result<Self> {
        let found = match &data {
            Data::F32(d) => d.len(),
            Data::I32(d) => d.len(),
        };
        if found == shape.count() {
            Ok(Self {
                shape,
                data,
                encoded: None,
            })
        } else {
            Err(Error::inconsistent(format!(
                "{found} elements do not fill shape {shape}"
            )))
        }
    }
    /// A float scalar.
    pub fn scalar(value: f32) -> Self {
        Self {
            shape: Shape::default(),
            data: Data::F32(Arc::from([value])),
            encoded: None,
        }
    }
    /// A float tensor with every element `value`.
    pub fn splat(shape: impl Into<Shape>, value: f32) -> Self {
        let shape = shape.into();
        Self {
            data: Data::F32(vec![value; shape.count()].into()),
            shape,
            encoded: None,
        }
    }
    /// The same elements, with what they are made of.
    #[must_use]
    pub fn encoded_as(self, encoded: Encoded) -> Self {
        Self {
            encoded: Some(Arc::new(encoded)),
            ..self
        }
    }
    /// What the elements are made of, where they can be written in fewer bits.
    pub fn encoded(&self) -> Option<&Arc<Encoded>> {
        self.encoded.as_ref()
    }
    /// Extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
    /// Elements.
    pub fn data(&self) -> &Data {
        &self.data
    }
    /// Shape and element type.
    pub fn ty(&self) -> TensorType {
        TensorType {
            shape: self.shape.clone(),
            dtype: self.dtype(),
        }
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::I32(_) => DType::I32,
        }
    }
    /// The elements of a float tensor.
    ///
    /// # Errors
    /// When the tensor holds integers.
    pub fn as_f32(&self) -> Result<&[f32]> {
        match &self.data {
            Data::F32(d) => Ok(d),
            Data::I32(_) => Err(Error::internal("an i32 tensor was read as f32")),
        }
    }
    /// The elements of a float tensor, to be changed; copied first when they are shared.
    ///
    /// # Errors
    /// When the tensor holds integers.
    pub fn as_f32_mut(&mut self) -> Result<&mut [f32]> {
        self.encoded = None;
        match &mut self.data {
            Data::F32(d) => Ok(Arc::make_mut(d)),
            Data::I32(_) => Err(Error::internal("an i32 tensor was changed as f32")),
        }
    }
    /// The elements as floats; integers are converted (exactly up to 2^24).
    pub fn to_f32(&self) -> Arc<[f32]> {
        match &self.data {
            Data::F32(d) => d.clone(),
            Data::I32(d) => d.iter().map(|&v| v as f32).collect(),
        }
    }
    /// The same elements under another shape.
    ///
    /// # Errors
    /// When the element counts differ.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        Self::new(shape.into(), self.data.clone())
    }
}
