//! What the command says to programs: one object of JSON on stdout. README.md has its fields.

use keras_compile::bundle::{Manifest, Slot};
use keras_compile::error::{Error, ErrorKind, Errors, Result};
use keras_compile::text::printable;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

/// Version of all objects; it grows when a field goes or means something else, not when one is added.
pub const VERSION: u32 = 1;

/// An input or output.
#[derive(Serialize)]
pub struct Port<'a> {
    name: &'a str,
    shape: &'a [usize],
    dtype: String,
}

impl<'a> Port<'a> {
    /// All of these.
    pub fn all(slots: impl Iterator<Item = &'a Slot>) -> Vec<Self> {
        let port = |slot: &'a Slot| Self {
            name: &slot.name,
            shape: &slot.shape,
            dtype: slot.element().to_string(),
        };
        slots.map(port).collect()
    }
}

/// A file of a bundle.
#[derive(Serialize)]
pub struct BundleFile<'a> {
    name: &'a str,
    bytes: u64,
    /// `None` of the manifest, which has those of all others.
    sha256: Option<&'a str>,
}

impl<'a> BundleFile<'a> {
    /// All files, the manifest last.
    pub fn all(manifest: &'a Manifest) -> Vec<Self> {
        let listed: u64 = manifest.files.values().map(|entry| entry.bytes).sum();
        let own = Self {
            name: "manifest.json",
            bytes: manifest.total().1 - listed,
            sha256: None,
        };
        let file = |(name, entry): (&'a String, &'a keras_compile::bundle::FileEntry)| Self {
            name,
            bytes: entry.bytes,
            sha256: Some(&entry.sha256),
        };
        manifest.files.iter().map(file).chain([own]).collect()
    }
}

/// Weights in files.
#[derive(Serialize)]
pub struct WeightBytes {
    /// Bytes in files.
    bytes: u64,
    /// Bytes of the floats that they stand for.
    decoded: u64,
    /// Bytes in files by encoding; `f32` are those that stay as they are.
    encodings: BTreeMap<String, u64>,
}

impl WeightBytes {
    /// Those of a bundle.
    pub fn of(manifest: &Manifest) -> Self {
        let sizes = manifest.weight_sizes();
        let name = |encoding: &Option<_>| match encoding {
            Some(encoding) => format!("{encoding}"),
            None => "f32".to_owned(),
        };
        let present = sizes.iter().filter(|(_, both)| both[0] > 0);
        Self {
            bytes: sizes.values().map(|both| both[0]).sum(),
            decoded: sizes.values().map(|both| both[1]).sum(),
            encodings: present
                .map(|(encoding, both)| (name(encoding), both[0]))
                .collect(),
        }
    }
}

/// A problem: where it is, what it is and the remedy. Absent parts are `null`.
#[derive(Serialize)]
pub struct Problem {
    file: Option<String>,
    layer: Option<String>,
    class: Option<String>,
    field: Option<String>,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// One.
    pub fn of(error: &Error) -> Self {
        let place = error.place.clone();
        Self {
            file: place.file,
            layer: place.layer,
            class: place.class.filter(|class| !class.is_empty()),
            field: place.field,
            message: error.kind.to_string(),
            help: error.help.clone(),
        }
    }
    /// All.
    pub fn all(errors: &Errors) -> Vec<Self> {
        errors.as_slice().iter().map(Self::of).collect()
    }
}

/// Writes an object to stdout, in a line, with what cannot be seen of a file's text escaped.
///
/// # Errors
/// When it cannot be written.
pub fn write(object: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(object);
    let text = text.map_err(|error| Error::internal(format!("the JSON cannot be written ({error})")))?;
    let line = escaped(&text) + "\n";
    let mut out = std::io::stdout().lock();
    match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::new(ErrorKind::Io(
            format!("the output cannot be written ({error})"),
        ))),
        _ => Ok(()),
    }
}

/// The same JSON without characters that must not be shown, which stand in strings only.
fn escaped(json: &str) -> String {
    let mut units = [0; 2];
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if printable(c.encode_utf8(&mut [0; 4])).starts_with("\\u") {
            let escapes = c.encode_utf16(&mut units).iter();
            text.extend(escapes.map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_cannot_be_seen_is_escaped_as_json_has_it() {
        let hidden = "\u{202e}a\u{e0041}\u{7f}é\\n";
        let text = serde_json::to_string(hidden).unwrap();
        let shown = escaped(&text);
        assert_eq!(shown, r#""\u202ea\udb40\udc41\u007fé\\n""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hidden);
    }
}
