//! Shapes, element types and constant data.

mod data;
mod shape;

pub use data::{Data, Tensor};
pub use shape::{DType, MAX_ELEMENTS, Shape, TensorType};
