//! What the command does: arguments in, text out. All work is the library's.

mod compile;
mod inspect;
mod progress;
mod serve;

pub use compile::{compile, emit};
pub use inspect::inspect;
pub use serve::serve;

use crate::ModelArgs;
use keras_compile::Source;
use keras_compile::error::{ErrorKind, Errors};
use std::io::Write;
use std::process::ExitCode;

/// An argument of `--input-shape`: the input's name, if one is given, and the extents.
pub type InputShape = (Option<String>, Vec<usize>);

/// Parses `[NAME=]D,D,…`.
pub fn input_shape(text: &str) -> Result<InputShape, String> {
    let (name, dims) = match text.rsplit_once('=') {
        Some((name, dims)) => (Some(name.to_owned()), dims),
        None => (None, text),
    };
    let extent = |dim: &str| match dim.trim().parse() {
        Ok(0) | Err(_) => Err(format!("{dim:?} is no extent; write positive numbers with commas, as in 1,224,224,3")),
        Ok(extent) => Ok(extent),
    };
    Ok((name, dims.split(',').map(extent).collect::<Result<_, _>>()?))
}

impl ModelArgs {
    fn source(&self) -> Source {
        Source {
            model: self.model.clone(),
            weights: self.weights.clone(),
            input_shapes: self.input_shape.iter().cloned().collect(),
        }
    }
}

/// Writes to stdout. When nobody listens any more, as in `… | head`, that is no error.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints all problems to stderr and says with which code to exit. `writes` tells that a bundle was to be written.
pub fn report(errors: &Errors, writes: bool) -> ExitCode {
    let errors = errors.as_slice();
    let mut text = String::new();
    for error in errors {
        text += &format!("error: {}\n", printable(&error.to_string()));
    }
    let problems = match errors.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    text += &format!("{problems}{}\n", if writes { "; nothing was written" } else { "" });
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    let usage = errors.iter().all(|error| matches!(error.kind, ErrorKind::Usage(_)));
    ExitCode::from(if usage { 2 } else { 1 })
}

/// Names and values come from files that nobody vetted: they must not steer the terminal or fake lines.
pub fn printable(text: &str) -> String {
    let one = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_shapes() {
        assert_eq!(input_shape("1,2, 3"), Ok((None, vec![1, 2, 3])));
        assert_eq!(input_shape("a=b=1,2"), Ok((Some("a=b".to_owned()), vec![1, 2])));
        for wrong in ["", "1,,2", "x=", "0", "-1", "1x2", "99999999999999999999"] {
            assert!(input_shape(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(printable("é\u{1b}[2J\n"), "é\\u{1b}[2J\\n");
    }
}
