//! What Python values are as JSON, in every dialect.

use crate::text::{self, brief};
use serde_json::Value;

/// Most numbers that one list in a config may hold.
const MAX_LIST: usize = 1 << 20;

/// A value as an error shows it: JSON text, cut when long.
pub(super) fn shown(value: &Value) -> String {
    brief(value, text::VALUE)
}

/// A bool.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        // Keras 1 and some converters write Python's ints.
        Value::Number(n) if n.as_u64() == Some(0) => Some(false),
        Value::Number(n) if n.as_u64() == Some(1) => Some(true),
        _ => None,
    }
}

/// Python writes infinities as bare words, which `json::parse` turns into strings.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) if text == "Infinity" => Some(f64::INFINITY),
        Value::String(text) if text == "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// An integer, also one that was written as `2.0`.
pub(super) fn integer(value: &Value) -> Option<i64> {
    let exact = |f: f64| (f.fract() == 0.0 && f.abs() < 9e15).then_some(f as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(exact))
}

/// An integer that is not negative.
pub(super) fn natural(value: &Value) -> Option<usize> {
    usize::try_from(integer(value)?).ok()
}

/// A JSON list, or Keras 3's tuple.
pub(super) fn list(value: &Value) -> Option<&Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(map) if map.get("class_name")?.as_str()? == "__tuple__" => map.get("items")?.as_array(),
        _ => None,
    }
}

/// `N` integers that are not negative: a list of them, or one for all.
pub(super) fn tuple<const N: usize>(value: &Value) -> Option<[usize; N]> {
    match list(value) {
        Some(items) => {
            let numbers: Option<Vec<_>> = items.iter().map(natural).collect();
            numbers?.try_into().ok()
        }
        None => Some([natural(value)?; N]),
    }
}

/// A list of integers.
pub(super) fn integers(value: &Value) -> Option<Vec<i64>> {
    let items = list(value).filter(|items| items.len() <= MAX_LIST)?;
    items.iter().map(integer).collect()
}

/// `N` pairs, from a number, from `N` numbers or from `N` pairs; with `N` = 1 also from one pair.
pub(super) fn sides<const N: usize>(value: &Value) -> Option<[[usize; 2]; N]> {
    let pair = |v: &Value| match list(v) {
        Some(items) => {
            let numbers: Option<Vec<_>> = items.iter().map(natural).collect();
            numbers?.try_into().ok()
        }
        None => natural(v).map(|n| [n, n]),
    };
    let Some(items) = list(value) else {
        return Some([pair(value)?; N]);
    };
    if N == 1 && items.len() == 2 {
        return Some([pair(value)?; N]);
    }
    let pairs: Option<Vec<_>> = items.iter().map(pair).collect();
    pairs?.try_into().ok()
}

/// Adds all numbers of nested lists to those found; `None` when something else is among them.
pub(super) fn flatten(value: &Value, found: &mut Vec<f64>) -> Option<()> {
    match list(value) {
        Some(items) => items.iter().try_for_each(|item| flatten(item, found)),
        None => {
            found.push(number(value)?);
            (found.len() <= MAX_LIST).then_some(())
        }
    }
}
