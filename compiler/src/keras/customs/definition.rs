//! What a user says that a class or a function computes.

use crate::error::{Error, ErrorKind};
use crate::keras::expression::{self, Expr, Function};
use crate::keras::layers;
use crate::text::{NAME, brief};
use serde_json::{Map, Value, json};

/// The parameter that stands for the arguments of the layer.
pub const CONFIG: &str = "config";

/// What is said of one name.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// A function of one tensor, as an expression.
    Function(String),
    /// A layer.
    Layer(Described),
}

/// What a layer computes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Described {
    /// Names of its inputs.
    pub inputs: Vec<String>,
    /// Names of its own weights.
    pub weights: Vec<String>,
    /// The layers inside it, by name, as Keras serializes them; `"$key"` stands for an argument of the layer.
    pub layers: Vec<(String, Value)>,
    /// Whether the mask of its first input goes on; unknown if nothing is said.
    pub mask: Option<bool>,
    /// What it gives, as an expression of all these names and `config`.
    pub call: String,
}

/// The value of a key, or an error that names it.
fn field<T>(
    map: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, Error> {
    let found = map.get(key);
    let refuse = |value: &Value| {
        let kind = ErrorKind::UnsupportedValue {
            value: value.to_string(),
        };
        Error::new(kind).in_field(key).help(FORM)
    };
    found
        .map(|value| read(value).ok_or_else(|| refuse(value)))
        .transpose()
}

const FORM: &str = "a layer has inputs, weights and layers, lists, mask, \"pass\" or \"end\", and call, an expression; a function has an expression as function";

fn names(value: &Value) -> Option<Vec<String>> {
    let text = |item: &Value| item.as_str().map(str::to_owned);
    value.as_array()?.iter().map(text).collect()
}

fn inner(value: &Value) -> Option<Vec<(String, Value)>> {
    let layer = |item: &Value| {
        let mut map = item.as_object()?.clone();
        let Value::String(name) = map.remove("name")? else {
            return None;
        };
        map.get("class_name")?.as_str()?;
        Some((name, Value::Object(map)))
    };
    value.as_array()?.iter().map(layer).collect()
}

fn mask(value: &Value) -> Option<bool> {
    match value.as_str()? {
        "pass" => Some(true),
        "end" => Some(false),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl Definition {
    /// Reads what stands under a name; pushes all problems.
    pub fn read(value: &Value, problems: &mut Vec<Error>) -> Option<Self> {
        let Some(map) = value.as_object() else {
            problems.push(Error::malformed("it is not an object").help(FORM));
            return None;
        };
        let before = problems.len();
        let is_function = map.contains_key("function");
        let known: &[&str] = match is_function {
            true => &["function"],
            false => &["inputs", "weights", "layers", "mask", "call"],
        };
        for (key, value) in map.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let kind = ErrorKind::UnknownField {
                value: value.to_string(),
            };
            problems.push(Error::new(kind).in_field(key.as_str()).help(FORM));
        }
        let mut keep = |found: Result<(), Error>| problems.extend(found.err());
        let mut found = Described::default();
        let mut function = None;
        if is_function {
            keep(field(map, "function", text).map(|value| function = value));
        } else {
            keep(field(map, "inputs", names).map(|value| {
                found.inputs = value.unwrap_or_else(|| vec!["x".to_owned()]);
            }));
            keep(field(map, "weights", names).map(|value| found.weights = value.unwrap_or_default()));
            keep(field(map, "layers", inner).map(|value| found.layers = value.unwrap_or_default()));
            keep(field(map, "mask", mask).map(|value| found.mask = value));
            let missing = || Error::new(ErrorKind::MissingField).in_field("call").help(FORM);
            keep(field(map, "call", text).and_then(|value| {
                found.call = value.ok_or_else(missing)?;
                Ok(())
            }));
        }
        if problems.len() > before {
            return None;
        }
        let definition = match function {
            Some(text) => Self::Function(text),
            None => Self::Layer(found),
        };
        problems.extend(definition.check().err());
        (problems.len() == before).then_some(definition)
    }

    /// Checks the expression, and the names in it.
    fn check(&self) -> Result<(), Error> {
        let (key, found) = match self {
            Self::Function(text) => ("function", expression::parse(text)),
            Self::Layer(layer) => {
                layer.check_names()?;
                ("call", layer.function())
            }
        };
        let unknown = |function: Function| layers::unknown_name(&function, "it").map_or(Ok(()), Err);
        found.and_then(unknown).map_err(|message| {
            let help = "write a Python expression of the names that stand beside it, with functions of K, tf and ops";
            Error::new(ErrorKind::UnsupportedCode(message)).in_field(key).help(help)
        })
    }
}

impl Described {
    fn names(&self) -> impl Iterator<Item = &str> {
        let layers = self.layers.iter().map(|(name, _)| name);
        let all = self.inputs.iter().chain(&self.weights).chain(layers);
        all.map(String::as_str)
    }

    fn check_names(&self) -> Result<(), Error> {
        let word = |name: &str| {
            let mut letters = name.chars();
            letters
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let mut seen = vec![CONFIG];
        for name in self.names() {
            let message = match (word(name), seen.contains(&name)) {
                (true, false) => {
                    seen.push(name);
                    continue;
                }
                (false, _) => format!("{:?} is not a name in Python", brief(&name, NAME)),
                (true, true) => format!("{name:?} stands for two things"),
            };
            let help = "inputs, weights and layers need names of their own, letters and digits; config stands for the layer's arguments";
            return Err(Error::new(ErrorKind::Inconsistent(message)).help(help));
        }
        if self.inputs.is_empty() {
            let error = Error::inconsistent("it has no inputs").in_field("inputs");
            return Err(error.help("name the tensors that it is called with"));
        }
        Ok(())
    }

    /// What it computes, with its inputs, weights, layers and config as parameters.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn function(&self) -> Result<Function, String> {
        let parameters: Vec<&str> = self.names().chain([CONFIG]).collect();
        expression::parse(&format!("lambda {}: {}", parameters.join(", "), self.call))
    }

    /// The arguments of the layer that it uses.
    pub fn used_arguments(&self) -> Vec<String> {
        let Ok(function) = self.function() else {
            return Vec::new();
        };
        let is_config = |id: usize| match function.nodes.get(id) {
            Some(Expr::Parameter(place)) => function
                .parameters
                .get(*place)
                .is_some_and(|of| of.name == CONFIG),
            _ => false,
        };
        let of_expression = function.nodes.iter().filter_map(|expr| match expr {
            Expr::Attribute(of, name) if is_config(*of) => Some(name.clone()),
            _ => None,
        });
        let mut found: Vec<String> = of_expression.collect();
        self.layers
            .iter()
            .for_each(|(_, layer)| referred(layer, &mut found));
        found
    }

    /// A layer inside, with the arguments of the whole in place of their names.
    ///
    /// # Errors
    /// When the layer has no such argument.
    pub fn layer(&self, name: &str, arguments: &Map<String, Value>) -> Option<Value> {
        let (_, layer) = self.layers.iter().find(|(of, _)| of == name)?;
        filled(layer, arguments)
    }

    /// As it is kept in the config of a layer.
    pub fn to_json(&self) -> Value {
        let named = |(name, layer): &(String, Value)| {
            let mut layer = layer.clone();
            if let Some(map) = layer.as_object_mut() {
                map.insert("name".to_owned(), Value::String(name.clone()));
            }
            layer
        };
        let mut json = json!({
            "inputs": self.inputs,
            "weights": self.weights,
            "layers": self.layers.iter().map(named).collect::<Vec<_>>(),
            "call": self.call,
        });
        if let (Some(pass), Some(map)) = (self.mask, json.as_object_mut()) {
            let said = if pass { "pass" } else { "end" };
            map.insert("mask".to_owned(), said.into());
        }
        json
    }
}

/// The name of an argument, where `"$name"` stands for it.
fn argument(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix('$')
}

/// All arguments that are named in a value.
fn referred(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| referred(item, found)),
        Value::Object(map) => map.values().for_each(|item| referred(item, found)),
        _ => found.extend(argument(value).map(str::to_owned)),
    }
}

/// The value with arguments in place of their names.
fn filled(value: &Value, arguments: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| filled(item, arguments));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, item)| Some((key.clone(), filled(item, arguments)?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
        _ => match argument(value) {
            Some(name) => arguments.get(name)?.clone(),
            None => value.clone(),
        },
    })
}
