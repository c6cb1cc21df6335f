//! What the names of modules mean that Keras users import: `K`, `tf`, `keras`, `ops`, `np`.

use super::backend::DEFINITIONS;
use super::natives::{self, Native};
use super::signatures::{OPS, TF};
use super::value::Value;
use crate::keras::expression::Constant;
use crate::keras::layers::operators::{Kind, Library};

/// What a name stands for.
pub enum Meaning {
    /// A constant.
    Constant(Value),
    /// A row of the tables of operations.
    Operation(Operation),
    /// An expression of others.
    Definition(&'static str),
    /// A function of this module.
    Native(Native),
    /// An activation.
    Activation(String),
}

/// A row of the tables of operations, as it is called.
pub struct Operation {
    /// Of which library it is.
    pub library: Library,
    /// Its name there.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// Its parameters; all after the one with a star.
    pub parameters: &'static str,
}

/// Beginnings of names and what stands for them here, applied one after the other.
const MODULES: &[(&str, &str)] = &[
    ("tensorflow", "tf"),
    ("tf.compat.v2", "tf"),
    ("tf.python.keras", "keras"),
    ("tf.keras", "keras"),
    ("tf_keras", "keras"),
    ("keras.src", "keras"),
    ("keras.legacy.backend", "K"),
    ("keras._legacy.backend", "K"),
    ("keras.backend", "K"),
    ("backend", "K"),
    ("keras.ops", "ops"),
    ("ops.nn", "ops"),
    ("ops.numpy", "ops"),
    ("ops.math", "ops"),
    ("ops.linalg", "ops"),
    ("ops.core", "ops"),
    ("keras.activations", "activations"),
    ("activations.activations", "activations"),
    ("keras.applications.imagenet_utils", "imagenet_utils"),
    ("numpy", "np"),
    ("tf.experimental.numpy", "np"),
];

/// Types of elements, which modules have under their names.
const TYPES: &[&str] = &[
    "float16", "bfloat16", "float32", "float64", "half", "double", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool",
];

/// Constants of modules.
const CONSTANTS: &[(&str, Constant)] = &[
    ("tf.newaxis", Constant::None),
    ("np.newaxis", Constant::None),
    ("tf.AUTO_REUSE", Constant::None),
];

const NUMBERS: &[(&str, f64)] = &[
    ("np.pi", std::f64::consts::PI),
    ("math.pi", std::f64::consts::PI),
    ("np.e", std::f64::consts::E),
    ("math.e", std::f64::consts::E),
    ("np.inf", f64::INFINITY),
    ("math.inf", f64::INFINITY),
];

/// The name with the module's usual one in front.
pub fn canonical(name: &str) -> String {
    let mut found = name.to_owned();
    for (from, to) in MODULES {
        if let Some(rest) = found.strip_prefix(from)
            && (rest.is_empty() || rest.starts_with('.'))
        {
            found = format!("{to}{rest}");
        }
    }
    found
}

/// What a name means; nothing for one that is not known.
pub fn meaning(name: &str) -> Option<Meaning> {
    let name = canonical(name);
    if let Some((_, value)) = NUMBERS.iter().find(|(of, _)| *of == name) {
        return Some(Meaning::Constant(Value::Constant(Constant::float(*value))));
    }
    if let Some((_, value)) = CONSTANTS.iter().find(|(of, _)| *of == name) {
        return Some(Meaning::Constant(Value::Constant(value.clone())));
    }
    if let Some((_, text)) = DEFINITIONS.iter().find(|(of, _)| *of == name) {
        return Some(Meaning::Definition(text));
    }
    if let Some(native) = natives::native(&name) {
        return Some(Meaning::Native(native));
    }
    let (module, function) = name.split_once('.')?;
    if TYPES.contains(&function) && ["tf", "np", "K"].contains(&module) {
        return Some(Meaning::Constant(Value::Constant(Constant::Text(
            function.to_owned(),
        ))));
    }
    match module {
        "ops" => operation(Library::Keras, OPS, function),
        "tf" => operation(Library::TensorFlow, TF, function),
        "activations" if !function.contains('.') => Some(Meaning::Activation(function.to_owned())),
        _ => None,
    }
}

fn operation(
    library: Library,
    table: &'static [(&'static str, &'static str, &'static str)],
    function: &str,
) -> Option<Meaning> {
    let (_, name, parameters) = table.iter().find(|(of, ..)| *of == function)?;
    Some(Meaning::Operation(Operation {
        library,
        name,
        kind: library.find(name)?,
        parameters,
    }))
}

/// An operation of Keras by its class.
pub fn of_class(class: &'static str) -> Option<Operation> {
    let (_, name, parameters) = OPS.iter().find(|(_, of, _)| *of == class)?;
    Some(Operation {
        library: Library::Keras,
        name,
        kind: Library::Keras.find(name)?,
        parameters,
    })
}
