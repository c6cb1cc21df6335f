//! Lowers an expression: goes through its steps, with tensors of the graph and values that are known.

mod known;

use super::names::{self, Meaning, Operation};
use super::natives::{self, Native};
use super::value::{Owned, Value};
use crate::graph::NodeId;
use crate::keras::class::Origin;
use crate::keras::config::Config;
use crate::keras::expression::{self, Binary, Constant, Expr, Function, Unary};
use crate::keras::layers::activation::Activation;
use crate::keras::layers::context::{CalledLayer, Cx, KerasTensor, Stop};
use crate::keras::layers::described;
use crate::keras::layers::operators::{self, Library};
use crate::keras::model::Semantics;
use crate::tensor::{DType, Tensor};
use known::{matrix, settled};
use serde_json::Map;

/// Where an expression stands.
pub struct Place {
    /// Name of its nodes and constants.
    pub path: String,
    /// Whether it is one of this module's own.
    pub own: bool,
}

type Found = Result<Value, Stop>;
/// Arguments by name.
pub type Named = Vec<(String, Value)>;

/// What a function gives for arguments by position and by name.
pub fn evaluate(
    cx: &mut Cx<'_>,
    place: &Place,
    function: &Function,
    arguments: Vec<Value>,
    named: Named,
) -> Found {
    let parameters = &function.parameters;
    let mut bound = bind(cx, function, arguments, named)?;
    let mut values: Vec<Value> = Vec::with_capacity(function.nodes.len());
    for (step, expr) in function.nodes.iter().enumerate() {
        let at = |id: &usize| values.get(*id).cloned().unwrap_or(Value::NONE);
        let value = match expr {
            Expr::Parameter(index) => {
                let given = bound.get_mut(*index).and_then(|value| value.clone());
                let default = parameters.get(*index).and_then(|parameter| parameter.default);
                match given.or(default.map(|id| at(&id))) {
                    Some(Value::Unknown(name)) => {
                        return Err(cx.inconsistent(format!("its function uses the argument {name}")));
                    }
                    Some(value) => value,
                    None => {
                        let name = parameters.get(*index).map_or("", |parameter| &parameter.name);
                        return Err(cx.inconsistent(format!("its function is called without {name}")));
                    }
                }
            }
            Expr::Constant(constant) => Value::Constant(constant.clone()),
            Expr::Name(name) => match names::meaning(name) {
                Some(Meaning::Constant(value)) => value,
                _ => Value::Name(name.clone()),
            },
            Expr::Attribute(of, name) => attribute(cx, at(of), name),
            Expr::Tuple(items) => Value::Tuple(items.iter().map(at).collect()),
            Expr::List(items) => Value::List(items.iter().map(at).collect()),
            Expr::Slice([start, stop, step]) => Value::Slice(Box::new([at(start), at(stop), at(step)])),
            Expr::Unary(op, of) => {
                let of = at(of);
                self::unary(cx, &place.at(step), *op, of)?
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (at(a), at(b));
                self::binary(cx, &place.at(step), *op, a, b)?
            }
            Expr::Index { of, index } => {
                let (of, by) = (at(of), at(index));
                known::index(cx, &place.at(step), of, by)?
            }
            Expr::Call {
                function,
                arguments,
                keywords,
            } => {
                let function = at(function);
                let arguments = arguments.iter().map(at).collect();
                let keywords = keywords.iter().map(|(name, id)| (name.clone(), at(id))).collect();
                call(cx, &place.at(step), function, arguments, keywords)?
            }
        };
        values.push(value);
    }
    Ok(values.into_iter().nth(function.result).unwrap_or(Value::NONE))
}

impl Place {
    /// One of its steps.
    fn at(&self, step: usize) -> Self {
        Self {
            path: format!("{}/{step}", self.path),
            own: self.own,
        }
    }
}

/// The arguments in the order of the parameters; `None` for one that is not given.
fn bind(
    cx: &Cx<'_>,
    function: &Function,
    arguments: Vec<Value>,
    named: Named,
) -> Result<Vec<Option<Value>>, Stop> {
    let count = function.parameters.len();
    if arguments.len() > count {
        let message = format!(
            "its function takes {count} arguments, but is called with {}",
            arguments.len()
        );
        return Err(cx.inconsistent(message));
    }
    let mut bound: Vec<Option<Value>> = arguments.into_iter().map(Some).collect();
    bound.resize(count, None);
    for (name, value) in named {
        let place = function
            .parameters
            .iter()
            .position(|parameter| parameter.name == name);
        match place.and_then(|place| bound.get_mut(place)) {
            Some(slot @ None) => *slot = Some(value),
            Some(Some(_)) => return Err(cx.inconsistent(format!("its function is given {name} twice"))),
            None => return Err(cx.inconsistent(format!("its function takes no argument {name}"))),
        }
    }
    Ok(bound)
}

fn attribute(cx: &Cx<'_>, of: Value, name: &str) -> Value {
    let dims = match &of {
        Value::Tensor { node, .. } => Some(cx.dims(*node)),
        _ => None,
    };
    match (&of, name, dims) {
        (_, "shape", Some(dims)) => Value::Tuple(dims.into_iter().map(Value::int).collect()),
        (_, "ndim", Some(dims)) => Value::int(dims.len()),
        // What is computed may stand for integers.
        (Value::Tensor { node, .. }, "dtype", _) if is_float_input(cx, *node) => {
            Value::Constant(Constant::Text("float32".to_owned()))
        }
        (Value::Dict(items), key, _) if items.iter().any(|(of, _)| of == key) => {
            let item = items.iter().find(|(of, _)| of == key);
            item.map_or(Value::NONE, |(_, item)| item.clone())
        }
        // Of a shape.
        (Value::Tuple(items), "rank" | "ndims", _) => Value::int(items.len()),
        // Of an extent in TensorFlow 1.
        (Value::Constant(Constant::Int(_)), "value", _) => of,
        _ => Value::Method(Box::new(of), name.to_owned()),
    }
}

fn is_float_input(cx: &Cx<'_>, node: NodeId) -> bool {
    let mut given = cx.arguments().flat_map(|argument| argument.values());
    cx.state.graph.ty(node).dtype == DType::F32 && given.any(|value| value.node == node)
}

fn unary(cx: &mut Cx<'_>, place: &Place, op: Unary, of: Value) -> Found {
    let of = settled(cx, of);
    match (op, &of) {
        (_, Value::Constant(constant)) => {
            let found = expression::unary(op, constant).map(Value::Constant);
            found.ok_or_else(|| cx.inconsistent(format!("its function has an operator for {}", of.kind())))
        }
        (Unary::Positive, Value::Tensor { .. }) => Ok(of),
        (Unary::Negative, Value::Tensor { .. }) => class(cx, place, "Negative", vec![of]),
        (Unary::Invert, Value::Tensor { truth: true, .. }) => class(cx, place, "LogicalNot", vec![of]),
        _ => Err(cx.inconsistent(format!("its function has an operator for {}", of.kind()))),
    }
}

fn binary(cx: &mut Cx<'_>, place: &Place, op: Binary, a: Value, b: Value) -> Found {
    let operation = match op {
        Binary::Add => "Add",
        Binary::Subtract => "Subtract",
        Binary::Multiply => "Multiply",
        Binary::Divide => "TrueDivide",
        Binary::FloorDivide => "FloorDivide",
        Binary::Remainder => "Mod",
        Binary::Power => "Power",
        Binary::MatrixMultiply => "Matmul",
        Binary::And => "LogicalAnd",
        Binary::Or => "LogicalOr",
        Binary::Xor => "LogicalXor",
        Binary::Less => "Less",
        Binary::LessEqual => "LessEqual",
        Binary::Equal => "Equal",
        Binary::NotEqual => "NotEqual",
        Binary::Greater => "Greater",
        Binary::GreaterEqual => "GreaterEqual",
    };
    let is_tensor = |value: &Value| matches!(value, Value::Tensor { .. });
    if !is_tensor(&a) && !is_tensor(&b) {
        return known::known(cx, op, a, b);
    }
    let is_truth = |value: &Value| {
        matches!(
            value,
            Value::Tensor { truth: true, .. } | Value::Constant(Constant::Bool(_))
        )
    };
    // Of integers they are those of bits.
    if matches!(op, Binary::And | Binary::Or | Binary::Xor) && !(is_truth(&a) && is_truth(&b)) {
        return Err(
            cx.inconsistent("its function has an operator of bits for what are not results of comparisons")
        );
    }
    class(cx, place, operation, vec![a, b])
}

fn call(cx: &mut Cx<'_>, place: &Place, function: Value, arguments: Vec<Value>, named: Named) -> Found {
    let name = match function {
        Value::Name(name) => name,
        Value::Layer(name) if named.is_empty() => {
            return Ok(several(described::call(cx, &name, &arguments)?, false));
        }
        Value::Method(of, name) => return method(cx, &of, &name, &arguments),
        other => return Err(cx.inconsistent(format!("its function calls {}", other.kind()))),
    };
    if let Some(native) = natives::inner(&name).filter(|_| place.own) {
        return of_native(cx, native, arguments, named);
    }
    match names::meaning(&name) {
        Some(Meaning::Operation(operation)) => of_table(cx, place, &operation, &name, arguments, named),
        Some(Meaning::Native(native)) => of_native(cx, native, arguments, named),
        Some(Meaning::Definition(text)) => {
            let function = expression::parse(text).map_err(crate::error::Error::internal)?;
            let place = Place {
                path: place.path.clone(),
                own: true,
            };
            let named = named.into_iter().filter(|(name, _)| name != "name").collect();
            evaluate(cx, &place, &function, arguments, named)
        }
        Some(Meaning::Activation(activation)) => {
            let semantics = cx.state.semantics;
            let found = Activation::named(&activation, semantics);
            match (found, &arguments[..], &named[..]) {
                (Some(activation), &[Value::Tensor { node, .. }], []) => {
                    let x = cx.float(node)?;
                    Ok(Value::tensor(activation.apply(cx, x)?))
                }
                _ => Err(unknown(cx, &name)),
            }
        }
        Some(Meaning::Constant(value)) => {
            Err(cx.inconsistent(format!("its function calls {}", value.kind())))
        }
        None => Err(unknown(cx, &name)),
    }
}

fn unknown(cx: &Cx<'_>, name: &str) -> Stop {
    cx.inconsistent(super::unknown_function(name))
}

/// Methods of shapes.
fn method(cx: &Cx<'_>, of: &Value, name: &str, arguments: &[Value]) -> Found {
    match (of, name, arguments) {
        (Value::Tensor { .. }, "get_shape", []) => Ok(attribute(cx, of.clone(), "shape")),
        (Value::Tuple(items), "as_list", []) => Ok(Value::List(items.clone())),
        _ => Err(cx.inconsistent(format!(
            "its function calls the method {name:?} of {}, which is not known",
            of.kind()
        ))),
    }
}

fn of_native(cx: &mut Cx<'_>, native: Native, arguments: Vec<Value>, named: Named) -> Found {
    let (parameters, function) = native;
    let names: Vec<&str> = parameters.split(' ').collect();
    let mut bound: Vec<Option<Value>> = arguments.into_iter().map(Some).collect();
    if bound.len() > names.len() {
        return Err(cx.inconsistent("its function calls another with too many arguments"));
    }
    bound.resize(names.len(), None);
    for (name, value) in named {
        let place = names.iter().position(|of| *of == name);
        match place.and_then(|place| bound.get_mut(place)) {
            Some(slot @ None) => *slot = Some(value),
            _ => {
                return Err(cx.inconsistent(format!(
                    "its function calls another with the argument {name}, which is not known"
                )));
            }
        }
    }
    function(cx, &bound)
}

/// An operation of Keras by its class.
fn class(cx: &mut Cx<'_>, place: &Place, class: &'static str, arguments: Vec<Value>) -> Found {
    let operation = names::of_class(class);
    let operation =
        operation.ok_or_else(|| crate::error::Error::internal(format!("there is no operation {class}")))?;
    of_table(cx, place, &operation, class, arguments, Vec::new())
}

/// Operations whose results are true or false.
const TRUTHS: &[&str] = &[
    "Equal",
    "NotEqual",
    "Less",
    "LessEqual",
    "Greater",
    "GreaterEqual",
    "LogicalNot",
    "LogicalAnd",
    "LogicalOr",
    "LogicalXor",
    "Isnan",
    "Isinf",
    "Isfinite",
    "Any",
    "All",
    "math.equal",
    "math.not_equal",
    "math.less",
    "math.less_equal",
    "math.greater",
    "math.greater_equal",
    "math.logical_not",
    "math.logical_and",
    "math.logical_or",
    "math.logical_xor",
    "math.is_nan",
    "math.is_inf",
    "math.is_finite",
    "math.reduce_any",
    "math.reduce_all",
];

/// A row of the tables: the first argument by position and all others by name, as Keras stores calls of functions.
fn of_table(
    cx: &mut Cx<'_>,
    place: &Place,
    operation: &Operation,
    written: &str,
    arguments: Vec<Value>,
    named: Named,
) -> Found {
    let (mut by_place, mut by_name) = placed(cx, operation, written, arguments)?;
    by_name.extend(named);
    // Paddings may be a tensor that is known.
    let by_name = by_name.into_iter().map(|(name, value)| (name, matrix(cx, value)));
    let by_name: Named = by_name.collect();
    // A function of numbers is computed, which needs a tensor of them.
    if !by_place.iter().any(Value::has_tensor)
        && !by_name.iter().any(|(_, value)| value.has_tensor())
        && let Some(first @ Value::Constant(Constant::Int(_) | Constant::Float(_))) = by_place.first_mut()
        && !MADE.contains(&operation.name)
    {
        let number = first.json().and_then(|json| json.as_f64()).unwrap_or_default();
        *first = Value::tensor(cx.b().constant(Tensor::scalar(number as f32))?);
    }
    let refuse =
        |value: &Value| cx.inconsistent(format!("its function calls {written} with {}", value.kind()));
    let owned = |value: &Value| Owned::of(value).ok_or_else(|| refuse(value));
    let by_place = by_place.iter().map(owned).collect::<Result<Vec<_>, _>>()?;
    let by_name = by_name
        .iter()
        .map(|(name, value)| Ok((name.as_str(), owned(value)?)))
        .collect::<Result<Vec<_>, Stop>>()?;
    let config = Config::new(cx.site.path.as_str(), cx.site.written, Map::new());
    let origin = Origin::Operation;
    let site = CalledLayer {
        path: place.path.clone(),
        class: None,
        written,
        origin: &origin,
        config: &config,
        weights: &[],
    };
    let args = by_place.iter().map(Owned::arg).collect();
    let kwargs = by_name.iter().map(|(name, value)| (*name, value.arg())).collect();
    let semantics = cx.state.semantics;
    // Each library's functions follow its own rules, whoever calls them.
    cx.state.semantics = match operation.library {
        Library::Keras => Semantics::Keras3,
        Library::TensorFlow => Semantics::Keras2,
    };
    let mut inner = Cx::new(cx.state, site, args, kwargs);
    let outcome = operators::run(&mut inner, operation.library, operation.kind);
    cx.state.semantics = semantics;
    let truth = TRUTHS.contains(&operation.name);
    // Masks end in functions.
    let mut values = outcome?;
    values.iter_mut().for_each(|value| value.mask = None);
    Ok(several(values, truth))
}

/// Operations whose first argument is a size or a number, and no tensor.
const MADE: &[&str] = &["zeros", "ones", "fill", "range", "Arange", "Eye"];

/// The arguments that go by position, and those that go by name.
fn placed(
    cx: &Cx<'_>,
    operation: &Operation,
    written: &str,
    arguments: Vec<Value>,
) -> Result<(Vec<Value>, Named), Stop> {
    let parameters: Vec<&str> = operation.parameters.split(' ').collect();
    let star = parameters.iter().position(|parameter| parameter.starts_with('*'));
    let (mut by_place, mut by_name) = (Vec::new(), Vec::new());
    for (at, value) in arguments.into_iter().enumerate() {
        match (star, parameters.get(at)) {
            (Some(star), _) if at >= star => by_place.push(value),
            (None, _) if at == 0 => by_place.push(value),
            (_, Some(parameter)) => by_name.push(((*parameter).to_owned(), value)),
            (_, None) => {
                return Err(cx.inconsistent(format!("its function calls {written} with too many arguments")));
            }
        }
    }
    Ok((by_place, by_name))
}

fn several(values: Vec<KerasTensor>, truth: bool) -> Value {
    let mut found: Vec<Value> = values
        .into_iter()
        .map(|value| Value::Tensor {
            node: value.node,
            truth,
            mask: value.mask,
        })
        .collect();
    match found.len() {
        1 => found.pop().unwrap_or(Value::NONE),
        _ => Value::List(found),
    }
}
