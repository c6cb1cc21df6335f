//! Reading of a layer's config that goes on after a problem.

use super::context::{Cx, Stop};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::keras::class::Rule;
use crate::keras::fields::Fields;
use crate::keras::model::Semantics;
use crate::keras::object::Object;
use crate::keras::state::State;
use serde_json::Value as Json;
use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;

impl<'a> Cx<'a> {
    /// Starts reading the config.
    pub fn read(&self) -> Read<'a> {
        let keys = self.site.class.map_or(&[][..], |class| class.keys);
        Read::new(self.site.config.fields(), keys, self.state)
    }
}

/// Reads a config. A getter that finds a problem keeps it for [`Read::finish`] and gives a placeholder.
pub struct Read<'a> {
    /// For what has no getter here.
    pub fields: Fields<'a>,
    /// Whose numbers they follow.
    pub semantics: Semantics,
    /// What decoding functions takes from.
    pub budget: Budget,
    /// The keys that nobody need read.
    keys: &'static [(&'static str, Rule)],
    problems: RefCell<Vec<Error>>,
    /// Whether a placeholder may have changed a shape.
    lost: Cell<bool>,
}

impl<'a> Read<'a> {
    pub(super) fn new(fields: Fields<'a>, keys: &'static [(&'static str, Rule)], state: &State) -> Self {
        Self {
            fields,
            semantics: state.semantics,
            budget: state.budget.clone(),
            keys,
            problems: RefCell::default(),
            lost: Cell::new(false),
        }
    }
    /// Keeps a problem after which shapes are unknown.
    pub fn or<T>(&self, result: Result<T>, placeholder: T) -> T {
        result.unwrap_or_else(|error| {
            self.problems.borrow_mut().push(error);
            self.lost.set(true);
            placeholder
        })
    }
    /// Keeps a problem that no shape depends on.
    pub fn or_harmless<T>(&self, result: Result<T>, placeholder: T) -> T {
        result.unwrap_or_else(|error| {
            self.problems.borrow_mut().push(error);
            placeholder
        })
    }
    /// A required count or extent.
    pub fn usize(&self, key: &str, range: RangeInclusive<usize>) -> usize {
        self.or(self.fields.usize(key, range), 1)
    }
    /// A count or extent with a default.
    pub fn usize_or(&self, key: &str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.or(self.fields.usize_or(key, default, range), 1)
    }
    /// `N` sizes, strides or dilations of a window.
    pub fn tuple<const N: usize>(&self, key: &str, range: RangeInclusive<usize>) -> [usize; N] {
        self.or(self.fields.tuple(key, range), [1; N])
    }
    /// The same with a default for an absent key.
    pub fn tuple_or<const N: usize>(
        &self,
        key: &str,
        default: [usize; N],
        range: RangeInclusive<usize>,
    ) -> [usize; N] {
        self.or(self.fields.tuple_or(key, default, range), [1; N])
    }
    /// What comes before and after, for `N` axes.
    pub fn sides<const N: usize>(&self, key: &str, range: RangeInclusive<usize>) -> [[usize; 2]; N] {
        self.or(self.fields.sides(key, range), [[0; 2]; N])
    }
    /// A switch that decides about shapes.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.or(self.fields.bool_or(key, default), default)
    }
    /// A number with a default for an absent key. Keras writes some numbers as arrays without axes.
    pub fn number(&self, key: &str, default: f64, range: RangeInclusive<f64>) -> f64 {
        match self.wrapped(key) {
            Some(number) if range.contains(&number) => number,
            _ => self.or_harmless(self.fields.f64_or(key, default, range), default),
        }
    }
    /// A number, unless the key is absent or null.
    pub fn opt_number(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        self.or_harmless(self.fields.opt_f64(key, range), None)
    }
    /// The number in an array without axes.
    fn wrapped(&self, key: &str) -> Option<f64> {
        let map = self.fields.value(key)?.as_object()?;
        let config = map.get("config").and_then(Json::as_object).unwrap_or(map);
        config.get("value")?.as_f64()
    }
    /// An axis or another signed integer.
    pub fn i64_or(&self, key: &str, default: i64, range: RangeInclusive<i64>) -> i64 {
        self.or(self.fields.i64_or(key, default, range), default)
    }
    /// Signed integers in a list, or one alone, with a default for an absent key.
    pub fn ints_or(&self, key: &str, default: &[i64], range: RangeInclusive<i64>) -> Vec<i64> {
        match self.fields.value(key) {
            None => default.to_vec(),
            Some(_) => self.or(self.fields.ints(key, range), default.to_vec()),
        }
    }
    /// The same; `None` when absent or null.
    pub fn opt_ints(&self, key: &str, range: RangeInclusive<i64>) -> Option<Vec<i64>> {
        match self.fields.value(key) {
            None | Some(Json::Null) => None,
            Some(_) => Some(self.or(self.fields.ints(key, range), Vec::new())),
        }
    }
    /// A required list of signed integers.
    pub fn list(&self, key: &str, range: RangeInclusive<i64>) -> Vec<i64> {
        self.or(self.fields.list(key, range), Vec::new())
    }
    /// A list of numbers, or one, with a default for an absent key.
    pub fn floats_or(&self, key: &str, default: &[f64], range: RangeInclusive<f64>) -> Vec<f64> {
        match self.fields.value(key) {
            None => default.to_vec(),
            Some(_) => self.or_harmless(self.fields.floats(key, range), default.to_vec()),
        }
    }
    /// The same; `None` when absent or null.
    pub fn opt_floats(&self, key: &str, range: RangeInclusive<f64>) -> Option<Vec<f64>> {
        match self.fields.value(key) {
            None | Some(Json::Null) => None,
            Some(_) => Some(self.or_harmless(self.fields.floats(key, range), vec![0.0])),
        }
    }
    /// One of a table's values; `default` for an absent or null key.
    pub fn choice<T: Copy>(&self, key: &str, table: &[(&str, T)], default: T) -> T {
        self.or(self.fields.choice(key, table, Some(default)), default)
    }
    /// A serialized object.
    pub fn object(&self, key: &str) -> Option<Object> {
        self.or(self.fields.object(key), None)
    }
    /// Accepts only these values.
    pub fn only(&self, key: &str, allowed: &[Json]) {
        self.or_harmless(self.fields.only(key, allowed), ());
    }
    /// Reports what was found, and keys that nobody read; stops if shapes are unknown.
    pub fn finish(self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        for problem in self.problems.into_inner() {
            cx.state.problems.push(problem);
        }
        cx.state.problems.keep_all(self.fields.finish(self.keys));
        if self.lost.get() { Err(Stop::Told) } else { Ok(()) }
    }
    /// Reports what was found, whatever keys there are: for layers that compute nothing.
    pub fn finish_idle(self, cx: &mut Cx<'_>) {
        for problem in self.problems.into_inner() {
            cx.state.problems.push(problem);
        }
    }
}

/// Refuses a call with `training=True`, which asks for dropout and the statistics of the batch. In Keras 3 `predict` overrules
/// what is saved with a call (`operation_fn` in `keras.src.models.functional`).
pub fn check_training<'v>(semantics: Semantics, training: impl Into<Training<'v>>) -> Result<()> {
    match training.into().0 {
        _ if semantics == Semantics::Keras3 => Ok(()),
        Some(value) if *value == Json::Bool(true) || value.as_i64() == Some(1) => {
            Err(Error::new(ErrorKind::UnsupportedValue {
                value: value.to_string(),
            })
            .in_field("call argument training")
            .help("build the model with training=False or without it, and save it again"))
        }
        _ => Ok(()),
    }
}

/// The `training` argument of a call, if it is a literal.
pub struct Training<'v>(Option<&'v Json>);

impl<'v> From<Option<&'v Json>> for Training<'v> {
    fn from(value: Option<&'v Json>) -> Self {
        Self(value)
    }
}

impl<'v> From<Option<&'v crate::keras::model::Argument>> for Training<'v> {
    fn from(argument: Option<&'v crate::keras::model::Argument>) -> Self {
        match argument {
            Some(crate::keras::model::Argument::Literal(value)) => Self(Some(value)),
            _ => Self(None),
        }
    }
}
