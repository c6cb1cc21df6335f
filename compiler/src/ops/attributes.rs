//! Attributes in the textual IR, as an operation reads back what it printed.

use super::WindowAxis;
use crate::error::{Error, Result};
use crate::pointwise::Tape;
use crate::tensor::TensorType;
use std::str::FromStr;

/// The attributes of a node that are still to be read, and what else its line says. They are read in the order in which they are
/// printed; values hold no spaces but in brackets, braces and quotes.
#[derive(Debug)]
pub struct Attributes<'t> {
    rest: &'t str,
    /// The number of the node in its text.
    pub label: u64,
    /// How many inputs the node has.
    pub inputs: usize,
    /// Types of its results.
    pub types: &'t [TensorType],
}

impl<'t> Attributes<'t> {
    /// Of a node with these inputs and results.
    pub fn new(text: &'t str, label: u64, inputs: usize, types: &'t [TensorType]) -> Self {
        Self {
            rest: text.trim(),
            label,
            inputs,
            types,
        }
    }

    /// What was not read.
    pub fn rest(&self) -> &'t str {
        self.rest
    }

    /// The next word or value, as it stands there.
    ///
    /// # Errors
    /// When there is none; so for all functions below, and where a value is not what is asked for.
    pub fn next(&mut self, what: &str) -> Result<&'t str> {
        let end = end_of_value(self.rest);
        if end == 0 {
            return Err(Error::malformed(format!("{what} is missing")));
        }
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        Ok(value)
    }

    /// Whether this word comes next; if so, it is read.
    pub fn word(&mut self, word: &str) -> bool {
        let found = &self.rest[..end_of_value(self.rest)] == word;
        if found {
            self.rest = self.rest[word.len()..].trim_start();
        }
        found
    }

    /// The value that comes next under this key, if it does.
    pub fn optional(&mut self, key: &str) -> Result<Option<&'t str>> {
        let value = self
            .rest
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix('='));
        let Some(value) = value else { return Ok(None) };
        self.rest = value;
        self.next(key).map(Some)
    }

    /// The value that must come next under this key.
    pub fn value(&mut self, key: &str) -> Result<&'t str> {
        self.optional(key)?
            .ok_or_else(|| Error::malformed(format!("{key}=… is missing before {:?}", self.rest)))
    }

    /// A number under a key.
    pub fn number<T: FromStr>(&mut self, key: &str) -> Result<T> {
        parsed(self.value(key)?)
    }

    /// A list of numbers under a key.
    pub fn list<T: FromStr>(&mut self, key: &str) -> Result<Vec<T>> {
        list(self.value(key)?)
    }

    /// Windows along height and width.
    pub fn windows(&mut self) -> Result<[WindowAxis; 2]> {
        let text = self.value("window")?;
        let (height, width) = text.split_once('x').ok_or_else(|| wrong(text))?;
        Ok([height.parse()?, width.parse()?])
    }

    /// The epilogue of an operation with so many inputs before its operands; the identity where none is given.
    pub fn epilogue(&mut self, before: usize) -> Result<Tape> {
        let Some(text) = self.optional("epilogue")? else {
            return Ok(Tape::identity());
        };
        let operands = self.inputs.checked_sub(before);
        let operands = operands.ok_or_else(|| Error::malformed(format!("fewer than {before} inputs")))?;
        Tape::parse(braced(text)?, operands as u32 + 1)
    }

    /// The type of the only result.
    pub fn ty(&self) -> Result<&'t TensorType> {
        match self.types {
            [ty] => Ok(ty),
            types => Err(Error::malformed(format!(
                "{} results where one is needed",
                types.len()
            ))),
        }
    }
}

/// What stands between braces.
///
/// # Errors
/// When there are none.
pub fn braced(text: &str) -> Result<&str> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.ok_or_else(|| wrong(text))
}

/// A number.
///
/// # Errors
/// When it is none of this type.
pub fn parsed<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(text))
}

/// A list as `[1, 2]`.
///
/// # Errors
/// When it is none, or what is in it is not of this type.
pub fn list<T: FromStr>(text: &str) -> Result<Vec<T>> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let inner = inner.ok_or_else(|| wrong(text))?.trim();
    match inner {
        "" => Ok(Vec::new()),
        _ => inner.split(',').map(|item| parsed(item.trim())).collect(),
    }
}

fn wrong(text: &str) -> Error {
    Error::malformed(format!("{text:?} is not what is needed here"))
}

/// Where the value at the start of a text ends: at the first space outside of brackets, braces and quotes.
fn end_of_value(text: &str) -> usize {
    outside(text, |c| c == ' ').unwrap_or(text.len())
}

/// The first place outside of brackets, braces and quotes, but for the opening ones, where a character is of this kind.
pub fn outside(text: &str, is_it: impl Fn(char) -> bool) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, c) in text.char_indices() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if depth == 0 && is_it(c) {
            return Some(at);
        }
        match c {
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}
