//! Configurations of layers: where strings end.
//!
//! [`Config`] is the JSON object of one layer; [`Fields`] reads it, remembers which keys were read,
//! and at the end refuses what nobody read: an argument that is ignored could change the numbers.

use crate::error::{Error, ErrorKind, Errors, Result};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The arguments that a layer (or another serialized object) was made with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Path and class of the layer, for error messages.
    path: String,
    class: String,
    /// Prefix of the fields when this is an object inside a layer's config.
    prefix: String,
    fields: Map<String, Value>,
}

/// An object inside a config, in whichever dialect it was written: a plain string,
/// `{"class_name", "config"}`, or Keras 3's with module and registered name.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The class, or the plain string (`"relu"`).
    pub class: String,
    /// The package of a user's own registered class; `None` for Keras' own.
    pub package: Option<String>,
    /// Its arguments; empty for a plain string.
    pub config: Config,
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

/// One reading of a [`Config`]. Every getter marks its key as read; [`Fields::finish`] reports the rest.
#[derive(Debug)]
pub struct Fields<'a> {
    config: &'a Config,
    read: RefCell<BTreeSet<&'a str>>,
}

impl Config {
    /// The config of the layer at `path` of class `class`.
    pub fn new(path: impl Into<String>, class: impl Into<String>, fields: Map<String, Value>) -> Self {
        todo!()
    }
    /// Starts reading.
    pub fn fields(&self) -> Fields<'_> {
        todo!()
    }
    /// An error in this layer, without a field.
    pub fn error(&self, kind: ErrorKind) -> Error {
        todo!()
    }
}

impl<'a> Fields<'a> {
    /// The raw value; `None` when the key is absent. Null is a value here.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        todo!()
    }
    /// Marks keys as read whose value cannot matter to the caller. Say why at the call.
    pub fn ignore(&self, keys: &[&str]) {
        todo!()
    }
    /// Accepts an absent key or one of `allowed`; refuses any other value.
    pub fn only(&self, key: &str, allowed: &[Value]) -> Result<()> {
        todo!()
    }
    /// An error at this field with its value.
    pub fn unsupported(&self, key: &str) -> Error {
        todo!()
    }
    /// A required bool.
    pub fn bool(&self, key: &str) -> Result<bool> {
        todo!()
    }
    /// A bool with a default for an absent key.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        todo!()
    }
    /// A required finite number.
    pub fn f64(&self, key: &str) -> Result<f64> {
        todo!()
    }
    /// A number; `None` when absent or null.
    pub fn opt_f64(&self, key: &str) -> Result<Option<f64>> {
        todo!()
    }
    /// A number with a default for an absent key; null is refused.
    pub fn f64_or(&self, key: &str, default: f64) -> Result<f64> {
        todo!()
    }
    /// A required integer that is not negative.
    pub fn usize(&self, key: &str) -> Result<usize> {
        todo!()
    }
    /// An integer; `None` when absent or null.
    pub fn opt_usize(&self, key: &str) -> Result<Option<usize>> {
        todo!()
    }
    /// An integer with a default for an absent key; null is refused.
    pub fn usize_or(&self, key: &str, default: usize) -> Result<usize> {
        todo!()
    }
    /// A required integer of either sign, such as an axis.
    pub fn i64(&self, key: &str) -> Result<i64> {
        todo!()
    }
    /// A signed integer with a default for an absent key.
    pub fn i64_or(&self, key: &str, default: i64) -> Result<i64> {
        todo!()
    }
    /// A required string.
    pub fn str(&self, key: &str) -> Result<&'a str> {
        todo!()
    }
    /// A string; `None` when absent or null.
    pub fn opt_str(&self, key: &str) -> Result<Option<&'a str>> {
        todo!()
    }
    /// A string out of a table, as what the table gives for it. An absent or null key takes `default`;
    /// without a default it is an error. Case does not matter, as in Keras' `"SAME"`.
    pub fn choice<T: Copy>(&self, key: &str, table: &[(&str, T)], default: Option<T>) -> Result<T> {
        todo!()
    }
    /// `N` positive integers, from a list of `N` or from one number that is repeated.
    pub fn tuple<const N: usize>(&self, key: &str) -> Result<[usize; N]> {
        todo!()
    }
    /// The same with a default for an absent or null key.
    pub fn tuple_or<const N: usize>(&self, key: &str, default: [usize; N]) -> Result<[usize; N]> {
        todo!()
    }
    /// `[[before, after]; N]` from a number, from `N` numbers or from `N` pairs, as ZeroPadding2D and
    /// Cropping2D take them.
    pub fn sides<const N: usize>(&self, key: &str) -> Result<[[usize; 2]; N]> {
        todo!()
    }
    /// A list of signed integers; a single number is a list of one.
    pub fn ints(&self, key: &str) -> Result<Vec<i64>> {
        todo!()
    }
    /// A list of numbers (also nested, then flattened); a single number is a list of one.
    pub fn floats(&self, key: &str) -> Result<Vec<f64>> {
        todo!()
    }
    /// A shape with open dimensions, as in `batch_shape`; `None` when absent or null.
    pub fn shape(&self, key: &str) -> Result<Option<Vec<Option<usize>>>> {
        todo!()
    }
    /// A serialized object; `None` when absent or null.
    pub fn object(&self, key: &str) -> Result<Option<Object>> {
        todo!()
    }
    /// The element type that a key (`dtype`, `output_dtype`) names; `None` when absent or null.
    pub fn dtype(&self, key: &str) -> Result<Option<KerasDType>> {
        todo!()
    }
    /// Refuses every key that nobody read and that is not known to have no influence on inference.
    ///
    /// # Errors
    /// One [`ErrorKind::UnknownField`] per such key.
    pub fn finish(self) -> Result<(), Errors> {
        todo!()
    }
}
