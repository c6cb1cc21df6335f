//! Modules as naga sees them.

use crate::error::{Error, Result};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Parses and validates a module with what every device has.
pub(super) fn validate(number: usize, text: &str) -> Result<()> {
    let wrong = |what: String| Error::internal(format!("module {number} is not valid: {what}\n{text}"));
    let module = naga::front::wgsl::parse_str(text).map_err(|error| wrong(error.emit_to_string(text)))?;
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map(|_| ())
        .map_err(|error| wrong(error.emit_to_string(text)))
}
