//! Operations that are no layers: `keras.ops` applied to symbolic tensors in Keras 3, and TensorFlow functions in
//! Keras 2, which become layers of class `TFOpLambda` and `SlicingOpLambda`.

mod algebra;
mod arguments;
mod attention;
mod colours;
mod common;
mod convolutions;
mod cumulative;
mod filters;
mod fourier;
mod functions;
mod images;
mod indexing;
mod joins;
mod losses;
mod made;
mod matrices;
mod nans;
mod normalization;
mod norms;
mod ordering;
mod padding;
mod picking;
mod pointwise;
mod products;
mod quantiles;
mod rearrange;
mod reductions;
mod refused;
mod scatter;
mod selection;
mod settings;
mod shapes;
mod sizes;
pub(super) mod steps;
mod table;
mod transcription;
mod translation;
mod warps;
mod windows;

use super::context::{Cx, Outcome};
use super::scalars::{self, Scalar};
use crate::error::{Error, ErrorKind};
use arguments::Arguments;
pub use arguments::numbers;
pub use common::picked;
pub use cumulative::sums_along;
use table::{FUNCTIONS, Function, OPERATIONS};

/// What an operation does.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A function of single elements.
    Scalar(&'static Scalar),
    /// Anything else.
    Other(Function),
}

/// The operations of one framework.
#[derive(Clone, Copy, PartialEq)]
pub enum Library {
    /// `keras.ops`.
    Keras,
    /// `tf`.
    TensorFlow,
}

impl Library {
    /// What the operation of that name does; nothing for one that is not known.
    pub fn find(self, name: &str) -> Option<Kind> {
        let (scalar, table) = match self {
            Self::Keras => (scalars::operation(name), OPERATIONS),
            Self::TensorFlow => (scalars::function(name), FUNCTIONS),
        };
        let other = || table.iter().find(|(of, _)| *of == name);
        scalar
            .map(Kind::Scalar)
            .or_else(|| other().map(|(_, function)| Kind::Other(*function)))
    }
}

/// Whether an operation of Keras 3 can be compiled.
pub fn is_operation(class: &str) -> bool {
    Library::Keras.find(class).is_some()
}

/// Why an operation of Keras 3 is refused by name.
pub fn refused_operation(class: &str) -> Option<&'static str> {
    refused::reason(class)
}

/// An operation of Keras 3.
pub fn operation(cx: &mut Cx<'_>) -> Outcome {
    match Library::Keras.find(cx.site.written) {
        Some(kind) => run(cx, Library::Keras, kind),
        // Said before by `refuse_unsupported`.
        None => Err(
            super::refusal::unsupported(cx.site.written, cx.site.origin, super::last(&cx.site.path)).into(),
        ),
    }
}

/// `TFOpLambda` and `SlicingOpLambda` of Keras 2.
pub fn tf_function(cx: &mut Cx<'_>) -> Outcome {
    match function(cx.site.config) {
        Ok(kind) => run(cx, Library::TensorFlow, kind),
        // Said before, or here for a layer inside another.
        Err(error) => Err(error.into()),
    }
}

/// Why a TensorFlow function cannot be compiled, if so.
pub fn refuse_function(config: &crate::keras::Config) -> Option<Error> {
    function(config).err()
}

fn function(config: &crate::keras::Config) -> Result<Kind, Error> {
    let name = config.fields().str("function")?.to_owned();
    let short = name.strip_prefix("compat.v1.").unwrap_or(&name);
    Library::TensorFlow.find(short).ok_or_else(|| {
        let kind = ErrorKind::UnsupportedValue {
            value: format!("{name:?}"),
        };
        config
            .error_at("function", kind)
            .help("rebuild this part of the model from Keras' layers")
    })
}

/// Runs an operation on the arguments of a call.
pub fn run(cx: &mut Cx<'_>, library: Library, kind: Kind) -> Outcome {
    cx.refuse_undefined()?;
    let arguments = Arguments::new(cx);
    let values = match kind {
        Kind::Scalar(row) => pointwise::scalar(cx, &arguments, library, row),
        Kind::Other(function) => function(cx, &arguments),
    }?;
    arguments.finish(cx)?;
    if sizes::known(cx) {
        return sizes::fold(cx, values);
    }
    Ok(values)
}
