//! JSON as Python writes it, within bounds.

use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Memory of an object: a node of a tree that has room for eleven entries.
const OBJECT: u64 = 640;
/// Memory of a further value in a list or object, with its key.
const VALUE: u64 = 100;

/// Parses a document. `what` names it in errors. Nesting is bounded by serde_json itself (128 levels).
pub(super) fn parse(text: &str, what: &str, budget: &Budget) -> Result<Value> {
    budget.take_for(Resource::Text, text.len(), what)?;
    let text = text.trim_start_matches('\u{feff}');
    budget.take(Resource::Values, memory_of_text(text))?;
    serde_json::from_str(&quote_bare_words(text))
        .map_err(|error| Error::malformed(format!("{what} is not valid JSON: {error}")))
}

/// About the memory that the values of a document will take, in bytes.
fn memory_of_text(text: &str) -> u64 {
    let (mut in_string, mut escaped) = (false, false);
    let (mut objects, mut values) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'{' if !in_string => objects += 1,
            b'[' | b',' if !in_string => values += 1,
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    text.len() as u64 + OBJECT * objects + VALUE * values
}

/// About the memory that an object takes with all that is in it, in bytes.
pub(super) fn memory(map: &Map<String, Value>) -> u64 {
    fn of(value: &Value) -> u64 {
        match value {
            Value::String(text) => text.len() as u64,
            Value::Array(items) => VALUE * items.len() as u64 + items.iter().map(of).sum::<u64>(),
            Value::Object(map) => memory(map),
            _ => 0,
        }
    }
    let entry = |(key, value): (&String, &Value)| VALUE + key.len() as u64 + of(value);
    OBJECT + map.iter().map(entry).sum::<u64>()
}

/// Python's json module writes `NaN`, `Infinity` and `-Infinity` bare, which JSON does not know:
/// puts them in quotes, outside of strings only.
fn quote_bare_words(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(word) = WORDS.iter().find(|word| !in_string && rest.starts_with(**word)) {
            out.push('"');
            out.push_str(word);
            out.push('"');
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        if c == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bare_words_become_strings() {
        let text = r#"{"a": [NaN, -Infinity, Infinity], "b \" NaN": "NaN\\"}"#;
        let value = parse(text, "x", &Budget::new()).unwrap();
        assert_eq!(
            value,
            json!({"a": ["NaN", "-Infinity", "Infinity"], "b \" NaN": "NaN\\"})
        );
    }

    #[test]
    fn bounds() {
        let deep = "[".repeat(100_000);
        let error = parse(&deep, "config.json", &Budget::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("recursion limit"), "{error}");
        let long = " ".repeat(33 << 20);
        let error = parse(&long, "config.json", &Budget::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the size of config.json in bytes is 34603008"),
            "{error}"
        );
        let many = format!("[{}1]", r#"{"":0},"#.repeat(1_000_000));
        let error = parse(&many, "config.json", &Budget::new())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the memory of the JSON values in bytes is 7"),
            "{error}"
        );
    }

    #[test]
    fn memory_is_estimated_from_values_and_text_alike() {
        let text = r#"{"a": [1, 2, {"b": "c,d[{\"{"}], "e": {"f": null}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let estimate = memory(value.as_object().unwrap());
        // Three objects and a few values, not what only looks like them inside of strings.
        for memory in [memory_of_text(text), estimate] {
            assert!((3 * OBJECT..5 * OBJECT).contains(&memory), "{memory}");
        }
    }
}
