//! Modules as naga sees them.

use crate::error::{Error, Result};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Parses and validates a module with what every device has.
pub(super) fn validate(number: usize, text: &str) -> Result<()> {
    let wrong = |what: String| Error::internal(format!("module {number} is not valid: {what}\n{text}"));
    let module = naga::front::wgsl::parse_str(text).map_err(|error| wrong(error.emit_to_string(text)))?;
    // Packing two halves into a word is not optional in WebGPU.
    Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
        .validate(&module)
        .map(|_| ())
        .map_err(|error| wrong(error.emit_to_string(text)))
}
