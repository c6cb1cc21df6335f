//! Which Keras wrote a file, and whose semantics it follows.

use super::hdf5::Tree;
use super::keras1;
use super::model::{Semantics, Version};
use crate::error::{Error, ErrorKind, Result};
use serde_json::Value;

/// The version of an architecture that states its own, as `model.to_json()` does in Keras 2.
pub(super) fn of_architecture(config: &Value) -> Result<Version> {
    let stated = config.get("keras_version").and_then(Value::as_str);
    of(stated.map(str::to_owned), config)
}

/// The version of a `.keras` archive.
pub(super) fn of_archive(metadata: Option<&Value>, config: &Value) -> Result<Version> {
    let stated = metadata
        .and_then(|metadata| metadata.get("keras_version"))
        .and_then(Value::as_str);
    of(stated.map(str::to_owned), config)
}

/// The version as stated, or, if the file does not say, by the dialect: only Keras 3 names modules, and Keras 1, which did
/// not state its version before 1.2, has arguments of its own.
pub(super) fn of(stated: Option<String>, config: &Value) -> Result<Version> {
    let stated = stated.filter(|text| !text.trim().is_empty());
    let Some(text) = &stated else {
        let semantics = if config.get("module").is_some() {
            Semantics::Keras3
        } else if keras1::speaks(config) {
            Semantics::Keras1
        } else {
            Semantics::Keras2
        };
        return Ok(Version {
            semantics,
            text: None,
        });
    };
    let major = text.trim().split('.').next().unwrap_or_default();
    let semantics = match major.parse::<u32>() {
        Ok(1) => Semantics::Keras1,
        Ok(2) => Semantics::Keras2,
        Ok(number) if number >= 3 => Semantics::Keras3,
        _ => {
            let value = format!("{text:?}");
            let error = Error::new(ErrorKind::UnsupportedValue { value }).in_field("keras_version");
            return Err(error.help(match major {
                "0" => "files of Keras 0 are not read: load the file with Keras 1.2 and save it there",
                _ => "Keras has had no such version: load the file in Python and save it again",
            }));
        }
    };
    Ok(Version {
        semantics,
        text: stated,
    })
}

/// The backend that a file says its weights are of.
pub(super) fn stated_backend(tree: &dyn Tree, group: &str) -> Result<Option<String>> {
    Ok(tree.strings(group, "backend")?.and_then(|mut names| names.pop()))
}

/// Theano flips the kernels of its convolutions, so that its weights mean something else.
pub(super) fn check_backend(tree: &dyn Tree, group: &str) -> Result<()> {
    match stated_backend(tree, group)? {
        Some(name) if name == "theano" => {
            let value = format!("{name:?}");
            let error = Error::new(ErrorKind::UnsupportedValue { value }).in_field("backend");
            Err(error.help("load the file with Keras on TensorFlow and save it again"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stated_and_guessed() {
        let semantics =
            |stated: Option<&str>, config| of(stated.map(str::to_owned), &config).map(|v| v.semantics);
        assert_eq!(semantics(Some("2.0.9"), json!({})), Ok(Semantics::Keras2));
        assert_eq!(semantics(Some("2.1.6-tf"), json!({})), Ok(Semantics::Keras2));
        assert_eq!(semantics(Some("3.15.1"), json!({})), Ok(Semantics::Keras3));
        assert_eq!(semantics(None, json!({"module": "keras"})), Ok(Semantics::Keras3));
        assert_eq!(semantics(None, json!({})), Ok(Semantics::Keras2));
        assert_eq!(semantics(Some("1.2.2"), json!({})), Ok(Semantics::Keras1));
        assert!(semantics(Some("0.3.3"), json!({})).is_err());
        assert!(semantics(Some("x"), json!({})).is_err());
    }
}
