//! Reads every Keras dialect; no Keras word lives outside this module.

pub mod config;
pub mod model;

pub use config::{Config, Fields, KerasDType, Object};
pub use model::{
    Argument, Call, KerasModel, Layer, LayerId, Network, Origin, Port, Semantics, Step, TensorRef, Version,
    Weight,
};

use crate::error::Errors;
use serde_json::Value;
use std::path::Path;

/// Reads a model from `.h5`, `.keras` or a `.json` architecture with its weights in a second file.
///
/// # Errors
/// All problems found in the files.
pub fn read(model: &Path, weights: Option<&Path>) -> Result<KerasModel, Errors> {
    todo!()
}

/// Builds a model from an architecture as `model.to_json()` writes it, asking `weights` for those of
/// each layer by its [`Layer::path`], for tests whose numbers are generated rather than stored.
///
/// # Errors
/// All problems found in the architecture.
pub fn from_architecture(
    json: &Value,
    weights: &mut dyn FnMut(&str) -> Vec<Weight>,
) -> Result<KerasModel, Errors> {
    todo!()
}
