//! Configurations of layers: where strings end.
//!
//! [`Config`] is the JSON object of one layer; [`Fields`] reads it, remembers which keys were read,
//! and at the end refuses what nobody read: an argument that is ignored could change the numbers.

use super::fields::Fields;
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

/// Element types that a config may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KerasDType {
    /// float16, bfloat16, float32 or float64: all compute in f32 here.
    Float,
    /// Signed or unsigned integers: all compute in i32 here.
    Int,
    /// bool.
    Bool,
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
    /// Starts reading.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(self)
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

/// What an unread key may hold without changing what inference computes.
pub(super) enum Rule {
    /// Anything: the key matters to training, building or speed only, or the reader has dealt with it.
    Anything,
    /// Only these; null is always allowed.
    Only(&'static [Value]),
}

const FALSE: &[Value] = &[Value::Bool(false)];
const NULL: &[Value] = &[];

/// Keys of many layers, by their full name.
const KEYS: &[(&str, Rule)] = &[
    ("name", Rule::Anything),
    ("trainable", Rule::Anything),
    // Checked once for every layer when the model is read: see `dtype::check`.
    ("dtype", Rule::Anything),
    ("autocast", Rule::Anything),
    // The shape that the layer was built for; the InputLayer says it with authority.
    ("batch_input_shape", Rule::Anything),
    ("build_config", Rule::Anything),
    ("build_input_shape", Rule::Anything),
    ("input_dtype", Rule::Anything),
    // Embedding: the length of sequences, now taken from the input.
    ("input_length", Rule::Anything),
    // Tensors that are not dense.
    ("sparse", Rule::Only(FALSE)),
    ("ragged", Rule::Only(FALSE)),
    ("optional", Rule::Only(FALSE)),
    // Recurrences: how the loop runs on a CPU or GPU, with equal numbers.
    ("implementation", Rule::Anything),
    ("unroll", Rule::Anything),
    ("use_cudnn", Rule::Anything),
    // Recurrences: these do change the numbers.
    ("time_major", Rule::Only(FALSE)),
    ("stateful", Rule::Only(FALSE)),
    ("return_state", Rule::Only(FALSE)),
    ("zero_output_for_mask", Rule::Only(FALSE)),
    // Training only.
    ("seed", Rule::Anything),
    ("noise_shape", Rule::Anything),
    ("dropout", Rule::Anything),
    ("recurrent_dropout", Rule::Anything),
    // BatchNormalization: how the moving statistics are gathered.
    ("momentum", Rule::Anything),
    ("fused", Rule::Anything),
    ("synchronized", Rule::Anything),
    ("renorm_clipping", Rule::Anything),
    ("renorm_momentum", Rule::Anything),
    ("renorm", Rule::Only(FALSE)),
    ("virtual_batch_size", Rule::Only(NULL)),
    ("adjustment", Rule::Only(NULL)),
    // Low-rank adaption and quantization rewrite the weights.
    ("lora_rank", Rule::Only(NULL)),
    ("lora_alpha", Rule::Anything),
    ("quantization_config", Rule::Only(NULL)),
];

/// Keys of many layers, by how they end: what shapes weights in training.
const ENDINGS: &[&str] = &["_initializer", "_regularizer", "_constraint"];

/// The rule for a key that the layer's own code did not read.
pub(super) fn rule(key: &str) -> Option<&'static Rule> {
    if ENDINGS.iter().any(|ending| key.ends_with(ending)) {
        return Some(&Rule::Anything);
    }
    KEYS.iter().find(|(name, _)| *name == key).map(|(_, rule)| rule)
}
