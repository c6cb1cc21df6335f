//! Configurations of layers: where strings end.
//!
//! [`Config`] is the JSON object of one layer; [`Fields`](super::fields::Fields) reads it, remembers which keys were read,
//! and at the end refuses what nobody read: an argument that is ignored could change the numbers.

use super::json;
use super::keras1::{self, Dialect};
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
    /// How the file says things, if Keras 1 wrote it.
    keras1: Option<Dialect>,
    /// What keys are called in the file where that is something else.
    written: Vec<keras1::Renamed>,
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
            keras1: None,
            written: Vec::new(),
        }
    }
    /// The same of a file of Keras 1, with the arguments as Keras 2 has them.
    pub(super) fn of_keras1(
        path: impl Into<String>,
        class: impl Into<String>,
        values: Map<String, Value>,
        dialect: Dialect,
    ) -> Self {
        let config = Self::new(path, class, values);
        let class = config.class.clone();
        config.spoken(&class, dialect)
    }
    /// Puts the arguments of a `class` as Keras 2 has them.
    fn spoken(mut self, class: &str, dialect: Dialect) -> Self {
        (self.values, self.written) = keras1::arguments(class, self.values, dialect);
        self.keras1 = Some(dialect);
        self.memory = json::memory(&self.values);
        self
    }
    /// The config of an object of `class` that stands in this one under `key`.
    pub(super) fn inner(&self, key: &str, class: &str, values: Map<String, Value>) -> Self {
        let config = Self {
            path: self.path.clone(),
            class: self.class.clone(),
            prefix: format!("{}{key}.", self.prefix),
            memory: json::memory(&values),
            values,
            keras1: None,
            written: Vec::new(),
        };
        match self.keras1 {
            Some(dialect) => config.spoken(class, dialect),
            None => config,
        }
    }
    /// How the file says things, if Keras 1 wrote it.
    pub(super) fn keras1(&self) -> Option<Dialect> {
        self.keras1
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
        let renamed = self.written.iter().find(|renamed| renamed.now == key);
        let key = renamed.map_or(key, |renamed| renamed.then.as_str());
        self.error(kind).in_field(format!("{}{key}", self.prefix))
    }
    /// The raw values, for the reader itself and for messages. Layers read through [`Config::fields`].
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }
}
