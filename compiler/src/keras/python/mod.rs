//! Functions of Python from their byte code, which is read and never run.
//!
//! Keras stores a `Lambda` as its code object, in the format of Python's module `marshal`, in base64. [`decode`] reads that
//! without trust: sizes and depth are bounded, references lead back only. Then it follows the instructions of a function
//! without branches and loops, with expressions in place of values. The file does not say which Python wrote it: the layout of
//! the code object leaves two to four versions, each of which is tried. Those that understand every instruction must agree.

pub(in crate::keras) mod base64;
mod code;
mod instructions;
mod machine;
mod marshal;
mod opcodes;
#[cfg(test)]
mod tests;

use super::expression::Function;
use code::Code;
use machine::Stopped;
use marshal::Object;
use serde_json::Value as Json;

/// Longest code in bytes of base64. Code of one expression has a few hundred.
const LONGEST: usize = 1 << 16;

/// Why a function is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no code of Python.
    #[error("its Python code is damaged: {0}")]
    Damaged(&'static str),
    /// An instruction has no meaning here.
    #[error(
        "its Python code branches, loops or assigns: instruction {instruction} is not understood ({place})"
    )]
    Instruction {
        /// The name of the instruction.
        instruction: String,
        /// Which instruction it is, and of which Python.
        place: String,
    },
    /// It is understood up to something else.
    #[error("its Python code is not understood: {0}")]
    Other(String),
    /// Two Pythons give it two meanings.
    #[error("its Python code means different things to Python 3.{0} and 3.{1}")]
    Ambiguous(u8, u8),
}

/// The function of a code object in base64, with the values of its last parameters where they are not given and of the
/// variables of functions around it, as Keras stores both.
///
/// # Errors
/// When it is damaged, or does more than compute one expression.
pub fn decode(text: &str, defaults: &Json, closure: &Json) -> Result<Function, Problem> {
    if text.len() > LONGEST {
        return Err(Problem::Damaged("it is longer than code of an expression"));
    }
    let code = base64::decode(text).ok_or(Problem::Damaged("it is no base64"))?;
    bytes(&code, defaults, closure)
}

fn bytes(code: &[u8], defaults: &Json, closure: &Json) -> Result<Function, Problem> {
    match marshal::read(code)? {
        Object::Code(code) => every_version(&code, defaults, closure),
        _ => Err(Problem::Damaged("it is no function")),
    }
}

/// Follows the code as each Python that may have written it.
fn every_version(code: &Code, defaults: &Json, closure: &Json) -> Result<Function, Problem> {
    let mut found: Option<(u8, Function)> = None;
    let mut stopped: Option<Stopped> = None;
    for &column in code.layout.columns() {
        let version = opcodes::PYTHONS.get(column).copied().unwrap_or_default();
        match (machine::follow(code, column, defaults, closure), &found) {
            (Ok(function), None) => found = Some((version, function)),
            (Ok(function), Some((other, known))) if function != *known => {
                return Err(Problem::Ambiguous(version.min(*other), version.max(*other)));
            }
            (Ok(_), Some(_)) => {}
            // The version that understands most is the one that wrote it.
            (Err(reason), _) if stopped.as_ref().is_none_or(|known| known.at < reason.at) => {
                stopped = Some(reason);
            }
            (Err(_), _) => {}
        }
    }
    match (found, stopped) {
        (Some((_, function)), _) => Ok(function),
        (None, Some(stopped)) => Err(stopped.problem),
        (None, None) => Err(Problem::Damaged("no Python wrote it")),
    }
}
