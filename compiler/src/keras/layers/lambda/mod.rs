//! `keras.layers.Lambda`: a function of Python, from its byte code, its name, or an expression that the user gives.

mod backend;
mod evaluate;
mod names;
mod natives;
mod nodes;
pub mod of_elements;
mod signatures;
mod value;

use super::context::{Cx, KerasTensor, Outcome};
use super::refusal::CALL_IT;
use crate::budget::Resource;
use crate::error::{Error, ErrorKind};
use crate::keras::config::Config;
use crate::keras::expression::{self, Builder, Expr, Function, Parameter};
use crate::keras::model::Layer;
use crate::keras::python;
use crate::text::{NAME, brief};
pub use evaluate::{Place, evaluate};
use names::Meaning;
pub use nodes::{node, refuse_node};
use serde_json::{Map, Value as Json};
pub use value::{Owned, Value, of_argument};

/// The class under which an expression of the user's stands in place of a function.
pub const EXPRESSION: &str = "__expression__";

/// How often the config of a layer with a function counts: its code is read anew at each call.
pub const COST: u64 = 8;

/// `Lambda`.
pub fn lambda(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let arguments = r.fields.value("arguments").cloned().unwrap_or_default();
    r.fields.ignore(&["function"]);
    r.finish(cx)?;
    cx.state
        .budget
        .take(Resource::Arguments, COST * cx.site.config.memory())?;
    let function = function(cx.site.config)?;
    let named = match &arguments {
        Json::Null => Vec::new(),
        Json::Object(map) => {
            values(map).ok_or_else(|| refused(cx.site.config, "arguments", "its arguments hold an object"))?
        }
        _ => return Err(refused(cx.site.config, "arguments", "its arguments are no dict").into()),
    };
    apply(cx, &function, named)
}

fn values(map: &Map<String, Json>) -> Option<Vec<(String, Value)>> {
    map.iter()
        .map(|(name, value)| Some((name.clone(), Value::of_json(value)?)))
        .collect()
}

/// Applies a function to what the layer is called with.
fn apply(cx: &mut Cx<'_>, function: &Function, mut named: Vec<(String, Value)>) -> Outcome {
    let masked = cx.inputs().iter().any(|input| input.mask.is_some());
    let of = match cx.arg(0).map(of_argument) {
        Some(Some(value)) => value,
        Some(None) => return Err(cx.inconsistent("it is called with what is no tensor")),
        None => match cx.inputs()[..] {
            [input] => Value::tensor(input.node),
            _ => return Err(cx.inconsistent("it is called without a tensor")),
        },
    };
    for parameter in &function.parameters {
        let value = match parameter.name.as_str() {
            "mask" if masked => Value::Unknown("mask".to_owned()),
            "mask" => Value::NONE,
            "training" => Value::Constant(expression::Constant::Bool(false)),
            _ => continue,
        };
        if named.iter().all(|(name, _)| *name != parameter.name)
            && function.parameters.first() != Some(parameter)
        {
            named.push((parameter.name.clone(), value));
        }
    }
    let needed = function.parameters.iter().filter(|parameter| {
        parameter.default.is_none() && named.iter().all(|(name, _)| *name != parameter.name)
    });
    // A function of several tensors gets them from a list of as many.
    let arguments = match (needed.count(), of) {
        (0 | 1, of) => vec![of],
        (count, Value::List(items)) if items.len() == count => items,
        (_, of) => vec![of],
    };
    let calls = cx.state.called(&cx.site.path);
    let path = match calls {
        0 => cx.site.path.clone(),
        calls => format!("{}/call_{calls}", cx.site.path),
    };
    let result = evaluate(cx, &Place { path, own: false }, function, arguments, named)?;
    unmasked(cx, &result)
}

/// The tensors that a function gives, without masks of what it was called with.
fn unmasked(cx: &mut Cx<'_>, result: &Value) -> Outcome {
    let mut values = tensors(cx, result)?;
    values.iter_mut().for_each(|value| value.mask = None);
    Ok(values)
}

/// The tensors that a function gives.
pub fn tensors(cx: &mut Cx<'_>, result: &Value) -> Outcome {
    let single = |cx: &Cx<'_>, value: &Value| match value {
        Value::Tensor { node, mask, .. } => Ok(KerasTensor {
            node: *node,
            mask: *mask,
        }),
        other => Err(cx.inconsistent(format!("its function gives {}, and no tensor", other.kind()))),
    };
    match result.items() {
        Some([]) => Err(cx.inconsistent("its function gives nothing")),
        Some(items) => items.iter().map(|item| single(cx, item)).collect(),
        None => single(cx, result).map(|tensor| vec![tensor]),
    }
}

/// Why a `Lambda` cannot be compiled whatever its inputs are, if so.
pub fn refuse(layer: &Layer) -> Option<Error> {
    let function = match function(&layer.config) {
        Ok(function) => function,
        Err(error) => return Some(error),
    };
    unknown_name(&function, "the file").map(|message| refused(&layer.config, "function", message))
}

/// What a function names that is not known, if it does: `who` does not say it.
pub fn unknown_name(function: &Function, who: &str) -> Option<String> {
    let called: Vec<usize> = function
        .nodes
        .iter()
        .filter_map(|expr| match expr {
            Expr::Call { function, .. } => Some(*function),
            _ => None,
        })
        .collect();
    let problem = |(id, expr): (usize, &Expr)| {
        let Expr::Name(name) = expr else { return None };
        match names::meaning(name) {
            Some(Meaning::Constant(_)) => None,
            Some(_) if called.contains(&id) => None,
            _ if called.contains(&id) => Some(unknown_function(name)),
            _ => Some(format!("{who} does not say what {} is", brief(name, NAME))),
        }
    };
    function.nodes.iter().enumerate().find_map(problem)
}

/// What is said of a function that is not known.
fn unknown_function(name: &str) -> String {
    format!("the function {} is not supported", brief(&name, NAME))
}

/// A refusal of the function, with what the user can do.
fn refused(config: &Config, field: &str, message: impl Into<String>) -> Error {
    let (path, parameters) = (config.path(), "x / 127.5 - 1");
    let plain = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let option = match path.chars().all(plain) {
        true => format!("--lambda {path}='{parameters}'"),
        false => format!("--lambda \"{path}={parameters}\""),
    };
    config
        .error_at(field, ErrorKind::UnsupportedCode(message.into()))
        .help(format!(
            "say what it computes, as in {option}, or {CALL_IT}, and save the model again"
        ))
}

/// The function that InceptionResNetV2 of `keras.applications` had before Keras 2.13, whatever Python stored it.
const INCEPTION: &str = "lambda inputs, scale: inputs[0] + inputs[1] * scale";

/// Whether a Lambda is one of InceptionResNetV2, which are known by name and argument.
fn is_of_inception(config: &Config) -> bool {
    let name = config.path().rsplit('/').next().unwrap_or_default();
    let Some((block, number)) = name.split_once('_') else {
        return false;
    };
    let arguments = config.values().get("arguments").and_then(Json::as_object);
    let scaled = arguments.is_some_and(|map| map.len() == 1 && map.get("scale").is_some_and(Json::is_number));
    scaled && ["block35", "block17", "block8"].contains(&block) && number.parse::<u32>().is_ok()
}

/// The function of a Lambda, in every dialect.
fn function(config: &Config) -> Result<Function, Error> {
    if is_of_inception(config) {
        return expression::parse(INCEPTION).map_err(Error::internal);
    }
    let stored = config.values().get("function").unwrap_or(&Json::Null);
    read(config, stored).map_err(|message| refused(config, "function", message))
}

fn read(config: &Config, stored: &Json) -> Result<Function, String> {
    let null = Json::Null;
    match stored {
        Json::Array(items) => match items.as_slice() {
            // Bytes as characters (`func_dump`), which are of Pythons before 3.6 mostly.
            [Json::String(_), _, _] if config.keras1().is_some() => {
                Err("Keras 1 stores Python code in a form that is not read".to_owned())
            }
            [Json::String(code), defaults, closure] => decoded(code, defaults, closure),
            _ => Err("it is no function".to_owned()),
        },
        // Keras 2 has the module beside the name.
        Json::String(name) => named(config, config.values().get("module"), name),
        Json::Object(map) => {
            let inner = map.get("config").unwrap_or(&null);
            match (map.get("class_name").and_then(Json::as_str), inner) {
                (Some(EXPRESSION), Json::String(text)) => expression::parse(text),
                (Some("__lambda__"), Json::Object(inner)) => match (inner.get("code"), inner.get("value")) {
                    (Some(Json::String(code)), _) => {
                        let get = |key: &str| inner.get(key).unwrap_or(&null);
                        decoded(code, get("defaults"), get("closure"))
                    }
                    (_, Some(value @ Json::Array(_))) => read(config, value),
                    _ => Err("it is no function".to_owned()),
                },
                (Some("function" | "builtin_function_or_method"), Json::String(name)) => {
                    named(config, map.get("module"), name)
                }
                (None, _) if map.contains_key("code") => {
                    let get = |key: &str| map.get(key).unwrap_or(&null);
                    decoded(
                        get("code").as_str().unwrap_or_default(),
                        get("defaults"),
                        get("closure"),
                    )
                }
                _ => match map.get("value") {
                    Some(value @ Json::Array(_)) => read(config, value),
                    _ => Err("it is no function".to_owned()),
                },
            }
        }
        _ => Err("it is no function".to_owned()),
    }
}

fn decoded(code: &str, defaults: &Json, closure: &Json) -> Result<Function, String> {
    python::decode(code, defaults, closure).map_err(|problem| problem.to_string())
}

/// A function that a module has under a name, called with the arguments of the layer.
fn named(config: &Config, module: Option<&Json>, name: &str) -> Result<Function, String> {
    let module = module.and_then(Json::as_str).unwrap_or_default();
    let whole = format!("{module}.{name}");
    let found = match names::meaning(&whole) {
        Some(
            Meaning::Operation(_) | Meaning::Definition(_) | Meaning::Native(_) | Meaning::Activation(_),
        ) => whole,
        _ => return Err(format!("the function {} is not in the file", brief(&name, NAME))),
    };
    let mut builder = Builder::default();
    let function = builder.add(Expr::Name(found));
    let x = builder.add(Expr::Parameter(0));
    let arguments = config.values().get("arguments").and_then(Json::as_object);
    let names: Vec<String> = arguments
        .into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect();
    let keyword = |(at, name): (usize, &String)| (name.clone(), builder.add(Expr::Parameter(at + 1)));
    let keywords = names.iter().enumerate().map(keyword).collect();
    let call = builder.add(Expr::Call {
        function,
        arguments: vec![x],
        keywords,
    });
    let parameter = |name| Parameter { name, default: None };
    let parameters = ["inputs".to_owned()].into_iter().chain(names).map(parameter);
    let function = builder.finish(parameters.collect(), call);
    function.ok_or_else(|| "it is no function".to_owned())
}
