//! Names of classes: from a file of the user's to one of the bundle.

use super::directory::Staging;
use super::manifest::LabelFile;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, Links};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The 1000 classes of ImageNet in the order of `keras.applications`, a line each, as `@tensorflow-models/mobilenet` 2.1.1 has them (Apache 2.0,
/// Google): WordNet's synonyms, of which the first is the label.
const IMAGENET: &str = include_str!("imagenet.txt");

/// Bytes of a file of names: a hundred thousand long ones.
const MOST: u64 = 16 << 20;

const OPTION: &str = "--labels";

/// What `--labels` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The output whose last axis they name; the only one without.
    output: Option<String>,
    names: Vec<String>,
}

/// An output with the names of its last axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The output.
    pub output: String,
    /// The names.
    pub names: Vec<String>,
    /// Whether the output gives logits.
    pub softmax: bool,
}

/// What is known of an output.
#[derive(Debug, Clone, Copy)]
pub struct GivenOutput<'a> {
    /// Its name.
    pub name: &'a str,
    /// Extents, batch first.
    pub shape: &'a [usize],
    /// Whether it gives floats.
    pub floats: bool,
    /// Whether it gives shares: what softmax or sigmoid made.
    pub shares: bool,
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage(message)).in_field(OPTION)
}

impl Labels {
    /// Reads `[OUTPUT=]FILE|imagenet` as on the command line, and the file.
    ///
    /// # Errors
    /// When there is no such file, or it holds no names.
    pub fn read(text: &str) -> Result<Self> {
        let (output, file) = match text.split_once('=') {
            Some((output, file)) if !Path::new(text).exists() => (Some(output.to_owned()), file),
            _ => (None, text),
        };
        let content = match file {
            "imagenet" => {
                let first = |line: &str| line.split(", ").next().unwrap_or(line).to_owned();
                let names = IMAGENET.lines().map(first).collect();
                return Ok(Self { output, names });
            }
            file => content(Path::new(file)).map_err(|error| error.in_file(file))?,
        };
        let names = names(&content).map_err(|error| error.in_file(file))?;
        Ok(Self { output, names })
    }

    /// The output that they name.
    ///
    /// # Errors
    /// When the model has no such output, or another number of classes.
    pub fn of(self, outputs: &[GivenOutput<'_>]) -> Result<Labelled> {
        let all: Vec<_> = outputs.iter().map(|output| output.name).collect();
        let found = match (&self.output, outputs) {
            (None, [only]) => *only,
            (None, _) => {
                let help = format!("write OUTPUT=FILE; the outputs are {all:?}");
                return Err(usage(format!("the model has {} outputs", outputs.len())).help(help));
            }
            (Some(name), _) => {
                let found = outputs.iter().find(|output| output.name == name);
                *found.ok_or_else(|| {
                    usage(format!("the model has no output {name:?}"))
                        .help(format!("the outputs are {all:?}"))
                })?
            }
        };
        if !found.floats {
            return Err(usage(format!(
                "output {:?} gives no scores of classes",
                found.name
            )));
        }
        let classes = found.shape.last().copied().unwrap_or(1);
        if classes != self.names.len() {
            let (count, name, shape) = (self.names.len(), found.name, found.shape);
            let message = format!("there are {count} labels for output {name:?} of shape {shape:?}");
            let help = format!("name as many classes as its last axis has, {classes}");
            return Err(usage(message).help(help));
        }
        Ok(Labelled {
            output: found.name.to_owned(),
            names: self.names,
            softmax: !found.shares,
        })
    }
}

impl Labelled {
    /// Adds the file.
    pub(super) fn write(&self, staging: &mut Staging) -> Result<LabelFile> {
        let text = serde_json::to_vec(&self.names)
            .map_err(|error| Error::internal(format!("labels cannot be written ({error})")))?;
        Ok(LabelFile {
            file: staging.add_hashed("labels", "bin", &text)?,
            output: self.output.clone(),
            softmax: self.softmax,
        })
    }
}

/// The text of a file.
fn content(path: &Path) -> Result<String> {
    let io = |error: std::io::Error| Error::new(ErrorKind::Io(error.to_string())).in_field(OPTION);
    let (file, bytes) = files::open(path, Links::Follow).map_err(io)?;
    if bytes > MOST {
        return Err(Error::new(ErrorKind::TooLarge {
            what: "the size of the file in bytes".to_owned(),
            found: bytes,
            limit: MOST,
        }));
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// The names in a list in JSON, an object of indices as Keras' `imagenet_class_index.json` is, or lines.
fn names(text: &str) -> Result<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let names: Vec<String> = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) => list.iter().map(name).collect::<Option<_>>(),
        Ok(Value::Object(object)) => {
            let place = |(key, value): (&String, &Value)| Some((key.parse::<usize>().ok()?, name(value)?));
            let places: Option<BTreeMap<usize, String>> = object.iter().map(place).collect();
            let dense = |places: &BTreeMap<usize, String>| places.keys().copied().eq(0..object.len());
            places.filter(dense).map(|places| places.into_values().collect())
        }
        _ => Some(text.trim_end().lines().map(|line| line.trim().to_owned()).collect()),
    }
    .ok_or_else(|| {
        let help = "write a name on each line, a list of strings in JSON, or an object of them by \"0\", \"1\" and so on";
        usage("the JSON holds no names of classes".to_owned()).help(help)
    })?;
    match names.iter().position(String::is_empty) {
        Some(at) => Err(usage(format!("label {at} is empty"))),
        None if names.is_empty() => Err(usage("there are no labels".to_owned())),
        None => Ok(names),
    }
}

/// A name, or the second of an identity and a name.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Array(pair) => match &pair[..] {
            [Value::String(_), Value::String(name)] => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for text in [
            "cat\ndog\n",
            "cat\r\ndog",
            "\u{feff}cat\n dog \n\n",
            r#"["cat", "dog"]"#,
            r#"{"1": ["n2", "dog"], "0": ["n1", "cat"]}"#,
            r#"{"0": "cat", "1": "dog"}"#,
        ] {
            assert_eq!(names(text).unwrap(), ["cat", "dog"], "{text}");
        }
        // A file of one number is a line.
        assert_eq!(names("7").unwrap(), ["7"]);
    }

    #[test]
    fn others_are_refused() {
        for (text, message) in [
            ("", "there are no labels"),
            ("a\n\nb", "label 1 is empty"),
            ("[]", "there are no labels"),
            ("[1]", "holds no names"),
            (r#"{"a": "b"}"#, "holds no names"),
            (r#"{"0": "a", "2": "b"}"#, "holds no names"),
        ] {
            let error = names(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn imagenet_has_a_thousand() {
        let labels = Labels::read("imagenet").unwrap();
        assert_eq!(labels.names.len(), 1000);
        assert_eq!([&labels.names[0], &labels.names[999]], ["tench", "toilet tissue"]);
    }
}
