//! JSON as Python writes it, within bounds.

use crate::error::{Error, ErrorKind, Result};
use serde_json::Value;
use std::borrow::Cow;

/// Most bytes of one JSON document. Values take some twenty times the memory of their text.
pub(super) const MAX_JSON: u64 = 32 << 20;

/// Parses a document. `what` names it in errors. Nesting is bounded by serde_json itself (128 levels).
pub(super) fn parse(text: &str, what: &str) -> Result<Value> {
    check_size(text.len() as u64, what)?;
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(&quote_bare_words(text))
        .map_err(|error| Error::malformed(format!("{what} is not valid JSON: {error}")))
}

/// Refuses a document that is too large to be parsed in bounded memory.
pub(super) fn check_size(found: u64, what: &str) -> Result<()> {
    if found <= MAX_JSON {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TooLarge {
        what: format!("the size of {what} in bytes"),
        found,
        limit: MAX_JSON,
    }))
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
        let value = parse(r#"{"a": [NaN, -Infinity, Infinity], "b \" NaN": "NaN\\"}"#, "x").unwrap();
        assert_eq!(
            value,
            json!({"a": ["NaN", "-Infinity", "Infinity"], "b \" NaN": "NaN\\"})
        );
    }

    #[test]
    fn bounds() {
        let deep = "[".repeat(100_000);
        let error = parse(&deep, "config.json").unwrap_err().to_string();
        assert!(error.contains("recursion limit"), "{error}");
        assert!(check_size(MAX_JSON + 1, "config.json").is_err());
    }
}
