//! Shapes, element types and constant data, and how floats are written in fewer bits.

mod data;
pub mod encoded;
mod shape;

pub use data::{Data, Tensor};
pub use encoded::{Encoded, Encoding, Grouping};
pub use shape::{DType, MAX_ELEMENTS, Shape, TensorType};
