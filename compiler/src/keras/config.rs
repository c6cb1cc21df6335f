//! Configurations of layers: where strings end.
//!
//! [`Config`] is the JSON object of one layer; [`Fields`](super::fields::Fields) reads it, remembers which keys were read,
//! and at the end refuses what nobody read: an argument that is ignored could change the numbers.

use super::json;
use crate::error::{Error, ErrorKind};
use serde_json::{Map, Value};

/// The arguments that a layer (or another serialized object) was made with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    path: String,
    class: String,
    /// Names the object when this is one inside a layer's config: `layer.` before `layer.units`.
    prefix: String,
    values: Map<String, Value>,
    /// About the memory of the values, in bytes.
    memory: u64,
}

impl Config {
    /// The config of the layer at `path` of class `class`.
    pub fn new(path: impl Into<String>, class: impl Into<String>, values: Map<String, Value>) -> Self {
        Self {
            path: path.into(),
            class: class.into(),
            prefix: String::new(),
            memory: json::memory(&values),
            values,
        }
    }
    /// The config of an object that stands in this one under `key`.
    pub(super) fn inner(&self, key: &str, values: Map<String, Value>) -> Self {
        Self {
            path: self.path.clone(),
            class: self.class.clone(),
            prefix: format!("{}{key}.", self.prefix),
            memory: json::memory(&values),
            values,
        }
    }
    /// About the memory of the arguments in bytes: what reading or copying them once costs.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }
    /// Path of the layer that it is of.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
    /// Puts a value in place of what is there, or of what the file has elsewhere.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.values.insert(key.to_owned(), value);
        self.memory = json::memory(&self.values);
    }
    /// Puts other values in place of all.
    pub(super) fn replace(&mut self, values: Map<String, Value>) {
        self.memory = json::memory(&values);
        self.values = values;
    }
    /// An error in this layer, without a field.
    pub fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).in_layer(self.path.as_str(), self.class.as_str())
    }
    /// An error at a field of this layer.
    pub fn error_at(&self, key: &str, kind: ErrorKind) -> Error {
        self.error(kind).in_field(format!("{}{key}", self.prefix))
    }
    /// The raw values, for the reader itself and for messages. Layers read through [`Config::fields`].
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }
}
