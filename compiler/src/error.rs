//! What can go wrong, as data. Every error says where (file, layer, field), what is wrong
//! and what to do about it; a run collects all it finds before it stops.

use crate::text::{MESSAGE, NAME, VALUE, brief, printable};
use std::fmt::{self, Write};

/// What went wrong. The values found are part of the kind, so that tests and callers need not parse text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused to read or write.
    #[error("{0}")]
    Io(String),
    /// The file is not what its name or its first bytes promise, or it is damaged.
    #[error("{0}")]
    Malformed(String),
    /// A resource bound that protects against hostile files was exceeded.
    #[error("{what} is {found}, more than the limit of {limit}")]
    TooLarge {
        /// What was measured, with its unit.
        what: String,
        /// The value found.
        found: u64,
        /// The bound.
        limit: u64,
    },
    /// A layer class that this version cannot compile.
    #[error("layer class {} is not supported", brief(class, NAME))]
    UnsupportedLayer {
        /// Keras' class name.
        class: String,
    },
    /// A value of a field that this version cannot compile, or that Keras itself would refuse.
    #[error("value {} is not supported", brief(value, VALUE))]
    UnsupportedValue {
        /// The value as JSON text.
        value: String,
    },
    /// A field of a layer's config that the reader does not know: ignoring it could change the numbers.
    #[error("field is not known (value {})", brief(value, VALUE))]
    UnknownField {
        /// The value as JSON text.
        value: String,
    },
    /// Python code that this version cannot compile.
    #[error("{0}")]
    UnsupportedCode(String),
    /// A required field is absent.
    #[error("field is missing")]
    MissingField,
    /// A weight that the layer needs is not in the file.
    #[error("weight is missing from the file")]
    MissingWeight,
    /// Shapes, weights or graph edges contradict each other.
    #[error("{0}")]
    Inconsistent(String),
    /// The graph has a cycle or an edge to nowhere.
    #[error("{0}")]
    BadGraph(String),
    /// An input's shape is not known at compile time.
    #[error("input shape {} leaves a dimension open", brief(shape, VALUE))]
    OpenShape {
        /// The shape as Keras writes it.
        shape: String,
    },
    /// The command line asks for something that does not fit the model.
    #[error("{0}")]
    Usage(String),
    /// The caller gave the compilation up.
    #[error("the compilation was cancelled")]
    Cancelled,
    /// The compiler's own invariant broke: a bug of ours, never the user's.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Where it went wrong; empty parts are left out of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: Option<String>,
    /// Path of the layer's name through nested models, joined with `/`.
    pub layer: Option<String>,
    /// Keras' class name of that layer.
    pub class: Option<String>,
    /// The config field, weight or command-line option.
    pub field: Option<String>,
}

/// One problem: what, where and the remedy. Displays as a single line
/// `model.h5: layer "conv_3" (Conv1D): padding: value "causal" is not supported; <help>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Where.
    pub place: Place,
    /// What the user can do about it.
    pub help: Option<String>,
}

impl Error {
    /// An error without a place yet.
    pub fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            place: Place::default(),
            help: None,
        }
    }
    /// Shorthand for a damaged file.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed(message.into()))
    }
    /// Shorthand for a contradiction between shapes, weights or edges.
    pub fn inconsistent(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Inconsistent(message.into()))
    }
    /// Shorthand for a broken invariant of the compiler.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal(message.into()))
    }
    /// Names the file, unless one is named already.
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.place.file.get_or_insert_with(|| file.into());
        self
    }
    /// Names the layer and its class, unless they are named already.
    pub fn in_layer(mut self, layer: impl Into<String>, class: impl Into<String>) -> Self {
        let layer = layer.into();
        let place = &mut self.place;
        let known = place.layer.get_or_insert_with(|| layer.clone());
        if *known == layer {
            place.class.get_or_insert_with(|| class.into());
        }
        self
    }
    /// Names the layer that a node comes from, after which the node is called, unless a layer is named already.
    pub fn in_node(mut self, name: &str) -> Self {
        if !name.is_empty() {
            self.place.layer.get_or_insert_with(|| name.to_owned());
        }
        self
    }
    /// Names the field, unless one is named already.
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.place.field.get_or_insert_with(|| field.into());
        self
    }
    /// The same with every text cut that is too long to be read.
    fn shortened(mut self) -> Self {
        use ErrorKind::{BadGraph, Inconsistent, Internal, Io, Malformed, Usage};
        match &mut self.kind {
            Io(text)
            | Malformed(text)
            | Inconsistent(text)
            | BadGraph(text)
            | Usage(text)
            | Internal(text)
            | ErrorKind::UnsupportedCode(text)
            | ErrorKind::UnsupportedLayer { class: text }
            | ErrorKind::UnsupportedValue { value: text }
            | ErrorKind::UnknownField { value: text }
            | ErrorKind::OpenShape { shape: text }
            | ErrorKind::TooLarge { what: text, .. } => shorten(text),
            ErrorKind::MissingField | ErrorKind::MissingWeight | ErrorKind::Cancelled => {}
        }
        let Place {
            file,
            layer,
            class,
            field,
        } = &mut self.place;
        let texts = [file, layer, class, field, &mut self.help];
        texts.into_iter().flatten().for_each(shorten);
        self
    }
    /// Says what to do about it, in place of what was said.
    #[must_use]
    pub fn instead(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// Says what to do about it, unless that is said already.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.get_or_insert_with(|| help.into());
        self
    }
}

/// Most bytes of a text in an error; names and values in a file can have any length.
const LONGEST: usize = 1_000;

fn shorten(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place {
            file,
            layer,
            class,
            field,
        } = &self.place;
        let mut text = String::new();
        if let Some(file) = file {
            write!(text, "{file}: ")?;
        }
        if let Some(layer) = layer {
            write!(text, "layer {:?}", brief(layer, NAME))?;
            if let Some(class) = class.as_ref().filter(|class| !class.is_empty()) {
                write!(text, " ({})", brief(class, NAME))?;
            }
            text += ": ";
        }
        if let Some(field) = field {
            write!(text, "{}: ", brief(field, NAME))?;
        }
        text += &brief(&self.kind, MESSAGE);
        if let Some(help) = &self.help {
            write!(text, "; {}", brief(help, MESSAGE))?;
        }
        f.write_str(&printable(&text))
    }
}

impl std::error::Error for Error {}

/// All problems of a run, at least one, in the order of the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Errors {
    problems: Vec<Error>,
    /// How many more there were than are listed.
    unlisted: usize,
}

impl Errors {
    /// The problems, first to last.
    pub fn as_slice(&self) -> &[Error] {
        &self.problems
    }
    /// Applies `f` to each problem, for example to name the file.
    pub fn map(self, f: impl FnMut(Error) -> Error) -> Self {
        let problems = self.problems.into_iter().map(f).collect();
        Self { problems, ..self }
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self {
            problems: vec![error],
            unlisted: 0,
        }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more problems"),
        }
    }
}

impl std::error::Error for Errors {}

/// Most problems that one run lists; a hostile file can have any number.
const MOST_PROBLEMS: usize = 500;

/// Collects problems while reading goes on, so that all are reported at once.
#[derive(Debug, Default)]
pub struct Collector {
    problems: Vec<Error>,
    /// How many more there were than are listed.
    unlisted: usize,
}

impl Collector {
    /// Keeps the error if there is one and goes on.
    pub fn keep<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }
    /// Keeps all errors if there are some and goes on.
    pub fn keep_all<T>(&mut self, result: Result<T, Errors>) -> Option<T> {
        let keep = |Errors { problems, unlisted }| {
            problems.into_iter().for_each(|error| self.push(error));
            self.unlisted += unlisted;
        };
        result.map_err(keep).ok()
    }
    /// Adds a problem; the same one is kept once.
    pub fn push(&mut self, error: Error) {
        let error = error.shortened();
        if self.problems.contains(&error) {
            return;
        }
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(error);
        } else {
            self.unlisted += 1;
        }
    }
    /// Whether nothing was collected so far.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }
    /// The value if nothing was collected, else all problems.
    pub fn finish<T>(self, value: T) -> Result<T, Errors> {
        let Self { problems, unlisted } = self;
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(Errors { problems, unlisted })
        }
    }
}

/// Result of a step that stops at its first problem.
pub type Result<T, E = Error> = std::result::Result<T, E>;
