//! Typed reading of a config, with a memory of what was read.

use super::class::{Rule, rule};
use super::config::Config;
use super::dtype::{self, KerasDType};
use super::ranges::{Number, spoken};
use super::values::{boolean, flatten, integer, integers, list, natural, number, shown, sides, tuple};
use crate::error::{Collector, Error, ErrorKind, Errors, Result};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// One reading of a [`Config`]. Every getter marks its key as read; [`Fields::finish`] reports the rest.
#[derive(Debug)]
pub struct Fields<'a> {
    config: &'a Config,
    read: RefCell<BTreeSet<String>>,
}

impl Config {
    /// Starts reading.
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            config: self,
            read: RefCell::default(),
        }
    }
}

impl<'a> Fields<'a> {
    /// What is read.
    pub(super) fn config(&self) -> &'a Config {
        self.config
    }
    /// The raw value; `None` when the key is absent. Null is a value here.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(key.to_owned());
        self.config.values().get(key)
    }
    /// Marks keys as read whose value cannot matter to the caller. Say why at the call.
    pub fn ignore(&self, keys: &[&str]) {
        self.read
            .borrow_mut()
            .extend(keys.iter().map(|&key| key.to_owned()));
    }
    /// Accepts an absent or null key or one of `allowed`; refuses any other value.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedValue`].
    pub fn only(&self, key: &str, allowed: &[Value]) -> Result<()> {
        match self.present(key) {
            Some(value) if !allowed.contains(value) => Err(self.unsupported(key)),
            _ => Ok(()),
        }
    }
    /// An error at this field that shows its value.
    pub fn unsupported(&self, key: &str) -> Error {
        self.refused(key, &shown(self.value(key).unwrap_or(&Value::Null)))
    }
    /// An error at this field that says of its value what `value` says.
    pub(super) fn refused(&self, key: &str, value: &str) -> Error {
        let value = value.to_owned();
        self.config.error_at(key, ErrorKind::UnsupportedValue { value })
    }
    /// The value unless it is absent or null.
    fn present(&self, key: &str) -> Option<&'a Value> {
        self.value(key).filter(|value| !value.is_null())
    }
    fn required(&self, key: &str) -> Result<&'a Value> {
        match self.value(key) {
            Some(Value::Null) => Err(self.unsupported(key)),
            Some(value) => Ok(value),
            None => Err(self.config.error_at(key, ErrorKind::MissingField)),
        }
    }
    /// Reads a required value with `parse`, which gives `None` for what it does not understand.
    pub(super) fn parse<T>(&self, key: &str, parse: impl Fn(&'a Value) -> Option<T>) -> Result<T> {
        parse(self.required(key)?).ok_or_else(|| self.unsupported(key))
    }
    /// The same; `None` when it is absent or null.
    pub(super) fn parse_opt<T>(
        &self,
        key: &str,
        parse: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.present(key) {
            Some(value) => parse(value).map(Some).ok_or_else(|| self.unsupported(key)),
            None => Ok(None),
        }
    }
    /// Absent gives the default; null is refused, since the caller's default need not be Python's `None`.
    fn parse_or<T>(&self, key: &str, default: T, parse: impl Fn(&'a Value) -> Option<T>) -> Result<T> {
        match self.value(key) {
            Some(value) => parse(value).ok_or_else(|| self.unsupported(key)),
            None => Ok(default),
        }
    }

    /// A required bool.
    ///
    /// # Errors
    /// When it is missing or anything else; so for every getter below.
    pub fn bool(&self, key: &str) -> Result<bool> {
        self.parse(key, boolean)
    }
    /// A bool with a default for an absent key.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        self.parse_or(key, default, boolean)
    }
    /// Refuses numbers out of their range, and says the range of what is refused.
    fn within<T: Number, V>(
        &self,
        key: &str,
        range: &RangeInclusive<T>,
        found: Result<V>,
        numbers: impl Fn(&V) -> Vec<T>,
    ) -> Result<V> {
        let fits = |value: &V| numbers(value).iter().all(|number| range.contains(number));
        let found = found.and_then(|value| match fits(&value) {
            true => Ok(value),
            false => Err(self.unsupported(key)),
        });
        found.map_err(|error| match error.kind {
            ErrorKind::UnsupportedValue { .. } => error.help(spoken(range)),
            _ => error,
        })
    }
    /// A number; `None` when absent or null. Infinities are numbers, NaN is not.
    ///
    /// # Errors
    /// When it is anything else or out of its range; so for every getter below.
    pub fn opt_f64(&self, key: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        let numbers = |found: &Option<f64>| found.iter().copied().collect();
        self.within(key, &range, self.parse_opt(key, number), numbers)
    }
    /// A number with a default for an absent key; null is refused.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn f64_or(&self, key: &str, default: f64, range: RangeInclusive<f64>) -> Result<f64> {
        self.within(key, &range, self.parse_or(key, default, number), |found| {
            vec![*found]
        })
    }
    /// A required integer that is not negative.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn usize(&self, key: &str, range: RangeInclusive<usize>) -> Result<usize> {
        self.within(key, &range, self.parse(key, natural), |found| vec![*found])
    }
    /// An integer that is not negative with a default for an absent key; null is refused.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn usize_or(&self, key: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize> {
        self.within(key, &range, self.parse_or(key, default, natural), |found| {
            vec![*found]
        })
    }
    /// An integer of either sign with a default for an absent key; null is refused.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn i64_or(&self, key: &str, default: i64, range: RangeInclusive<i64>) -> Result<i64> {
        self.within(key, &range, self.parse_or(key, default, integer), |found| {
            vec![*found]
        })
    }
    /// A required string.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn str(&self, key: &str) -> Result<&'a str> {
        self.parse(key, Value::as_str)
    }
    /// A string; `None` when absent or null.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn opt_str(&self, key: &str) -> Result<Option<&'a str>> {
        self.parse_opt(key, Value::as_str)
    }
    /// A string out of a table, as what the table gives for it. An absent or null key takes `default`;
    /// without a default it is an error. Case does not matter, as in Keras' `"SAME"`.
    ///
    /// # Errors
    /// When it is not in the table.
    pub fn choice<T: Copy>(&self, key: &str, table: &[(&str, T)], default: Option<T>) -> Result<T> {
        if let (None, Some(default)) = (self.present(key), default) {
            return Ok(default);
        }
        let found = |value: &Value| {
            let text = value.as_str()?;
            let row = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            row.map(|(_, meaning)| *meaning)
        };
        self.parse(key, found).map_err(|error| {
            let names: Vec<_> = table.iter().map(|(name, _)| format!("{name:?}")).collect();
            error.help(format!("it can be {}", names.join(", ")))
        })
    }
    /// `N` integers that are not negative, from a list of `N` or from one number that is repeated.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn tuple<const N: usize>(&self, key: &str, range: RangeInclusive<usize>) -> Result<[usize; N]> {
        self.within(key, &range, self.parse(key, tuple), |found| found.to_vec())
    }
    /// The same with a default for an absent key; null is refused.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn tuple_or<const N: usize>(
        &self,
        key: &str,
        default: [usize; N],
        range: RangeInclusive<usize>,
    ) -> Result<[usize; N]> {
        self.within(key, &range, self.parse_or(key, default, tuple), |found| {
            found.to_vec()
        })
    }
    /// `[[before, after]; N]` from a number, from `N` numbers or from `N` pairs, as ZeroPadding2D and
    /// Cropping2D take them. With `N` = 1 also from one pair.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn sides<const N: usize>(&self, key: &str, range: RangeInclusive<usize>) -> Result<[[usize; 2]; N]> {
        self.within(key, &range, self.parse(key, sides), |found| found.concat())
    }
    /// A list of signed integers; a single number is a list of one.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn ints(&self, key: &str, range: RangeInclusive<i64>) -> Result<Vec<i64>> {
        let parse = |value: &Value| match list(value) {
            Some(_) => integers(value),
            None => Some(vec![integer(value)?]),
        };
        self.within(key, &range, self.parse(key, parse), Vec::clone)
    }
    /// A list of signed integers.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn list(&self, key: &str, range: RangeInclusive<i64>) -> Result<Vec<i64>> {
        self.within(key, &range, self.parse(key, integers), Vec::clone)
    }
    /// A list of numbers (also nested, then flattened); a single number is a list of one.
    ///
    /// # Errors
    /// When it is missing or anything else.
    pub fn floats(&self, key: &str, range: RangeInclusive<f64>) -> Result<Vec<f64>> {
        let parse = |value: &Value| {
            let mut found = Vec::new();
            flatten(value, &mut found)?;
            Some(found)
        };
        self.within(key, &range, self.parse(key, parse), Vec::clone)
    }
    /// A shape with open dimensions, as in `batch_shape`; `None` when absent or null.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn shape(&self, key: &str) -> Result<Option<Vec<Option<usize>>>> {
        self.parse_opt(key, |value| {
            let extent = |d: &Value| {
                if d.is_null() {
                    Some(None)
                } else {
                    natural(d).map(Some)
                }
            };
            list(value)?.iter().map(extent).collect()
        })
    }
    /// The element type that a key (`dtype`, `output_dtype`) names, directly or as a policy; `None`
    /// when absent or null.
    ///
    /// # Errors
    /// When it names none that numbers can have here.
    pub fn dtype(&self, key: &str) -> Result<Option<KerasDType>> {
        self.parse_opt(key, |value| dtype::element(dtype::policy_name(value)?))
    }
    /// Refuses every key that nobody read and that is not known to have no influence on inference: all layers may have
    /// some, and those of this class `keys`. Null is Python's `None`, an option that was not given.
    ///
    /// # Errors
    /// One per such key.
    pub fn finish(self, keys: &[(&str, Rule)]) -> Result<(), Errors> {
        let read = self.read.borrow();
        let mut problems = Collector::default();
        for (key, value) in self.config.values() {
            if read.contains(key) || value.is_null() {
                continue;
            }
            match rule(key, keys) {
                Some(Rule::Anything) => {}
                Some(Rule::Only(allowed)) if allowed.contains(value) => {}
                Some(Rule::Only(_)) => {
                    let value = shown(value);
                    problems.push(self.config.error_at(key, ErrorKind::UnsupportedValue { value }));
                }
                None => {
                    let value = shown(value);
                    problems.push(self.config.error_at(key, ErrorKind::UnknownField { value }));
                }
            }
        }
        problems.finish(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras::ranges::{ANY, COUNT, SHARE, SIDE, WINDOW};
    use serde_json::json;

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let config = config(json!({"a": 0, "b": 1.5, "c": [1, 70_000], "d": null, "e": 1}));
        let f = config.fields();
        let said = |error: Error| error.to_string().split_once("): ").unwrap().1.to_owned();
        let a = f.usize("a", COUNT).unwrap_err();
        assert_eq!(
            said(a),
            "a: value 0 is not supported; it can be an integer from 1 on"
        );
        let b = f.f64_or("b", 0.0, SHARE).unwrap_err();
        assert_eq!(
            said(b),
            "b: value 1.5 is not supported; it can be a number from 0 to 1"
        );
        let c = f.tuple::<2>("c", WINDOW).unwrap_err();
        assert_eq!(
            said(c),
            "c: value [1,70000] is not supported; it can be an integer from 1 to 65536"
        );
        let d = f.tuple_or::<2>("d", [1; 2], WINDOW).unwrap_err();
        assert_eq!(
            said(d),
            "d: value null is not supported; it can be an integer from 1 to 65536"
        );
        assert!(f.list("e", -1..=1).is_err() && f.ints("e", -1..=1) == Ok(vec![1]));
    }

    fn config(value: Value) -> Config {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        Config::new("conv_3", "Conv1D", map)
    }

    #[test]
    fn numbers_tuples_and_sides() {
        let config = config(json!({
            "a": 3, "b": [1, 2], "c": [[1, 2], [3, 4]], "d": 2.0, "e": "Infinity", "f": [3, 4],
            "g": {"class_name": "__tuple__", "items": [5, 6]}, "h": [null, 28, 28],
        }));
        let f = config.fields();
        assert_eq!(f.tuple("a", WINDOW), Ok([3, 3]));
        assert_eq!(f.tuple("b", WINDOW), Ok([1, 2]));
        assert_eq!(f.tuple("g", WINDOW), Ok([5, 6]));
        assert_eq!(f.sides("c", SIDE), Ok([[1, 2], [3, 4]]));
        assert_eq!(f.sides("a", SIDE), Ok([[3, 3], [3, 3]]));
        assert_eq!(f.sides("f", SIDE), Ok([[3, 3], [4, 4]]));
        assert_eq!(f.sides("f", SIDE), Ok([[3, 4]]));
        assert_eq!(f.usize("d", COUNT), Ok(2));
        assert_eq!(f.f64_or("e", 0.0, ANY), Ok(f64::INFINITY));
        assert_eq!(f.shape("h"), Ok(Some(vec![None, Some(28), Some(28)])));
        assert_eq!(f.opt_f64("missing", ANY), Ok(None));
    }

    #[test]
    fn errors_name_layer_field_value_and_choices() {
        let config =
            config(json!({"padding": "causal", "layer": {"class_name": "Dense", "config": {"units": -1}}}));
        let f = config.fields();
        let error = f.choice("padding", &[("same", 0), ("valid", 1)], None);
        assert_eq!(
            error.unwrap_err().to_string(),
            r#"layer "conv_3" (Conv1D): padding: value "causal" is not supported; it can be "same", "valid""#
        );
        let inner = f.object("layer").unwrap().unwrap();
        assert_eq!(
            inner
                .config
                .fields()
                .usize("units", COUNT)
                .unwrap_err()
                .to_string(),
            r#"layer "conv_3" (Conv1D): layer.units: value -1 is not supported; it can be an integer from 1 on"#
        );
        assert_eq!(
            f.bool("use_bias").unwrap_err().to_string(),
            r#"layer "conv_3" (Conv1D): use_bias: field is missing"#
        );
    }

    #[test]
    fn what_nobody_read_is_refused() {
        let config = config(json!({
            "name": "x", "kernel_initializer": {"class_name": "Zeros", "config": {}}, "sparse": false,
            "future": null, "time_major": true, "wobble": 3, "filters": 4, "unroll": true,
        }));
        let f = config.fields();
        assert_eq!(f.usize("filters", COUNT), Ok(4));
        let off = Rule::Only(&[Value::Bool(false)]);
        let keys = [("unroll", Rule::Anything), ("sparse", off), ("time_major", off)];
        let errors = f.finish(&keys).unwrap_err().to_string();
        assert_eq!(
            errors,
            "layer \"conv_3\" (Conv1D): time_major: value true is not supported\n\
             layer \"conv_3\" (Conv1D): wobble: field is not known (value 3)"
        );
    }
}
