//! Files of Keras 1, put as Keras 2 has things before anything else reads them.
//!
//! [`Dialect`] is what a file as a whole says: where channels stand in layers that do not say it, and which backend made
//! the weights. [`arguments()`] gives a layer's arguments the names and forms of Keras 2, keeping those of the file for
//! messages; [`branches`](self::join_branches) makes a graph of a Sequential model that begins with a `Merge` of others.
//! The weights are turned in `weights/keras1`. All follow Keras 1.2.2.

mod arguments;
mod branches;
#[cfg(test)]
mod tests;

pub(super) use arguments::{Renamed, arguments};
pub(super) use branches::{begins_with_branches, join_branches};

use serde_json::{Map, Value};

/// Keys that layers of Keras 1 have and those of Keras 2 have not.
const MARKS: &[&str] = &[
    "W_regularizer",
    "border_mode",
    "dim_ordering",
    "inner_init",
    "input_dtype",
    "nb_filter",
    "pool_length",
];

/// Where channels stand by the layers of a file that say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ordering {
    /// None says it.
    Unsaid,
    Last,
    First,
    /// They do not say the same.
    Mixed,
}

/// What computed with the weights of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// Its convolutions turn their kernels round, and what it calls `same` has the same border on both sides.
    Theano,
    TensorFlow,
}

/// What the list of a file's weights shows of the backend, which files of Keras 1 do not state: weights that TensorFlow names
/// have names that end in `:0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    TensorFlow,
    /// Theano's, in a list of bytes as Keras 1 writes it (`save_weights_to_hdf5_group`).
    Theano,
    /// The same names in a list that something else has written.
    Converted,
}

/// What a file of Keras 1 says as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    ordering: Ordering,
    /// What computed with the weights.
    pub(super) backend: Backend,
    /// What shows it, where the file does not state it.
    names: Option<Names>,
    /// Whether there are kernels that it matters for.
    convolves: bool,
}

impl Dialect {
    /// The dialect of an architecture, with the backend that the file states, and what the names of its weights show.
    pub(super) fn of(document: &Value, stated: Option<Backend>, names: Option<Names>) -> Self {
        let mut found = Found::default();
        found.look(document);
        let ordering = match (found.last, found.first) {
            (false, false) => Ordering::Unsaid,
            (true, false) => Ordering::Last,
            (false, true) => Ordering::First,
            (true, true) => Ordering::Mixed,
        };
        let names = names.filter(|_| stated.is_none());
        let shown = match names {
            Some(Names::Theano) => Backend::Theano,
            // As Keras 2 takes what does not state a backend.
            Some(Names::TensorFlow | Names::Converted) | None => Backend::TensorFlow,
        };
        Self {
            ordering,
            backend: stated.unwrap_or(shown),
            names,
            convolves: found.convolves,
        }
    }
    /// Where channels stand in a layer that does not say it; `None` for where they stand by default.
    fn unsaid_ordering(self) -> Option<&'static str> {
        match self.ordering {
            Ordering::Unsaid | Ordering::Last => None,
            Ordering::First => Some("th"),
            // Refused where it is read.
            Ordering::Mixed => Some("default"),
        }
    }
    /// What a user should know about it.
    pub(super) fn note(self) -> Option<String> {
        let note = match self.names.filter(|_| self.convolves)? {
            Names::TensorFlow => return None,
            Names::Theano => {
                "the file was saved on Theano, by the names of its weights: kernels are turned round, as Theano does"
            }
            Names::Converted => {
                "weights have names as Theano gives them, in a file that Keras 1 itself has not written: kernels are taken as they are"
            }
        };
        Some(note.to_owned())
    }
}

/// What is found in an architecture.
#[derive(Default)]
struct Found {
    last: bool,
    first: bool,
    convolves: bool,
}

impl Found {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
                self.last |= text("dim_ordering") == "tf";
                self.first |= text("dim_ordering") == "th";
                let class = text("class_name");
                self.convolves |= ["Convolution", "Deconvolution2D", "ConvLSTM2D"]
                    .iter()
                    .any(|part| class.contains(part));
                map.values().for_each(|value| self.look(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }
}

/// Whether an architecture that does not state its version is one of Keras 1.
pub(super) fn speaks(document: &Value) -> bool {
    let marked = |map: &Map<String, Value>| MARKS.iter().any(|mark| map.contains_key(*mark));
    match document {
        Value::Object(map) => {
            let config = map.get("config").and_then(Value::as_object);
            map.contains_key("class_name") && config.is_some_and(marked) || map.values().any(speaks)
        }
        Value::Array(items) => items.iter().any(speaks),
        _ => false,
    }
}

/// The backend that goes by a name.
pub(super) fn backend(name: &str) -> Backend {
    match name {
        "theano" => Backend::Theano,
        _ => Backend::TensorFlow,
    }
}
