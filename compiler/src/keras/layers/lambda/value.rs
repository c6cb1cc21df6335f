//! What the steps of an expression are worth while it is lowered.

use crate::graph::NodeId;
use crate::keras::expression::Constant;
use crate::keras::layers::context::{Arg, KerasTensor};
use crate::keras::values::number;
use crate::tensor::{Data, Tensor};
use serde_json::{Map, Value as Json, json};

/// A Python value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A tensor.
    Tensor {
        /// The tensor itself.
        node: NodeId,
        /// Whether its elements are true or false, as 1 or 0.
        truth: bool,
        /// Keras' mask for it, which goes into layers that are called with it, and no further than functions.
        mask: Option<NodeId>,
    },
    /// A constant.
    Constant(Constant),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list.
    List(Vec<Value>),
    /// A dict with texts as keys.
    Dict(Vec<(String, Value)>),
    /// `start:stop:step`.
    Slice(Box<[Value; 3]>),
    /// What has that name in a module.
    Name(String),
    /// A method of a value.
    Method(Box<Value>, String),
    /// A layer inside the one that is described.
    Layer(String),
    /// Nothing that is known, under the name of the parameter.
    Unknown(String),
}

impl Value {
    /// `None`.
    pub const NONE: Self = Self::Constant(Constant::None);

    /// A tensor of numbers.
    pub fn tensor(node: NodeId) -> Self {
        Self::Tensor {
            node,
            truth: false,
            mask: None,
        }
    }
    /// An integer.
    pub fn int(value: usize) -> Self {
        Self::Constant(Constant::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }
    /// What a value is to a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tensor { .. } => "a tensor",
            Self::Constant(Constant::Text(_)) => "a text",
            Self::Constant(Constant::None) => "None",
            Self::Constant(Constant::Ellipsis) => "an ellipsis",
            Self::Constant(_) => "a number",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Slice(_) => "a slice",
            Self::Name(_) | Self::Method(..) => "a function or a module",
            Self::Layer(_) => "a layer",
            Self::Unknown(_) => "a value that is not known",
        }
    }
    /// The items of a tuple or a list.
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Tuple(items) | Self::List(items) => Some(items),
            _ => None,
        }
    }
    /// An integer that is known.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Constant(Constant::Int(value)) => Some(*value),
            Self::Constant(Constant::Bool(value)) => Some(i64::from(*value)),
            _ => None,
        }
    }
    /// Whether a tensor is in it.
    pub fn has_tensor(&self) -> bool {
        match self {
            Self::Tensor { .. } => true,
            Self::Tuple(items) | Self::List(items) => items.iter().any(Self::has_tensor),
            Self::Dict(items) => items.iter().any(|(_, item)| item.has_tensor()),
            Self::Slice(parts) => parts.iter().any(Self::has_tensor),
            _ => false,
        }
    }
    /// The value of a literal of a config; `None` for what no expression holds.
    pub fn of_json(value: &Json) -> Option<Self> {
        Some(match value {
            Json::Null => Self::NONE,
            Json::Bool(flag) => Self::Constant(Constant::Bool(*flag)),
            Json::Number(found) => match found.as_i64() {
                Some(int) => Self::Constant(Constant::Int(int)),
                None => Self::Constant(Constant::float(found.as_f64()?)),
            },
            Json::String(text) => Self::Constant(match number(value) {
                Some(infinity) => Constant::float(infinity),
                None => Constant::Text(text.clone()),
            }),
            Json::Array(items) => Self::List(items.iter().map(Self::of_json).collect::<Option<_>>()?),
            Json::Object(map) => {
                let items = map.get("items").or_else(|| map.get("config")?.get("value"))?;
                match (map.get("class_name")?.as_str()?, Self::of_json(items)?) {
                    ("__tuple__", Self::List(items)) => Self::Tuple(items),
                    ("__numpy__" | "__tensor__", value) => value,
                    _ => return None,
                }
            }
        })
    }
    /// The value as a literal of a call, as Keras writes it; `None` where there is something in it that none can hold.
    pub fn json(&self) -> Option<Json> {
        Some(match self {
            Self::Constant(Constant::None) => Json::Null,
            Self::Constant(Constant::Ellipsis) => json!({"class_name": "__ellipsis__", "config": {}}),
            Self::Constant(Constant::Bool(flag)) => Json::Bool(*flag),
            Self::Constant(Constant::Int(int)) => Json::from(*int),
            Self::Constant(Constant::Float(float)) => match float.value() {
                finite if finite.is_finite() => Json::from(finite),
                infinite if infinite > 0.0 => Json::from("Infinity"),
                infinite if infinite < 0.0 => Json::from("-Infinity"),
                _ => Json::from("NaN"),
            },
            Self::Constant(Constant::Text(text)) => Json::from(text.as_str()),
            Self::List(items) => Json::Array(items.iter().map(Self::json).collect::<Option<_>>()?),
            Self::Tuple(items) => {
                let items = items.iter().map(Self::json).collect::<Option<Vec<_>>>()?;
                json!({"class_name": "__tuple__", "items": items})
            }
            Self::Slice(parts) => {
                let [start, stop, step] = &**parts;
                let parts = json!({"start": start.json()?, "stop": stop.json()?, "step": step.json()?});
                json!({"class_name": "__slice__", "config": parts})
            }
            Self::Dict(items) => {
                let entry = |(key, item): &(String, Self)| Some((key.clone(), item.json()?));
                Json::Object(items.iter().map(entry).collect::<Option<Map<_, _>>>()?)
            }
            Self::Tensor { .. } | Self::Name(_) | Self::Method(..) | Self::Layer(_) | Self::Unknown(_) => {
                return None;
            }
        })
    }
}

/// An argument of a call of a layer as a value; `None` for what no expression holds.
pub fn of_argument(argument: &Arg<'_>) -> Option<Value> {
    Some(match argument {
        Arg::KerasTensor(tensor) => Value::Tensor {
            node: tensor.node,
            truth: false,
            mask: tensor.mask,
        },
        Arg::List(items) => Value::List(items.iter().map(of_argument).collect::<Option<_>>()?),
        Arg::Dict(items) => {
            let entry = |(key, item): &(&str, Arg<'_>)| Some(((*key).to_owned(), of_argument(item)?));
            Value::Dict(items.iter().map(entry).collect::<Option<_>>()?)
        }
        Arg::Literal(value) => Value::of_json(value)?,
    })
}

/// A value as an argument of a call, with its literals.
pub enum Owned {
    Tensor(KerasTensor),
    Literal(Json),
    List(Vec<Owned>),
}

impl Owned {
    /// `None` where the value is none that a call takes.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Tensor { node, mask, .. } => Some(Self::Tensor(KerasTensor {
                node: *node,
                mask: *mask,
            })),
            Value::Tuple(items) | Value::List(items) if value.has_tensor() => {
                items.iter().map(Self::of).collect::<Option<_>>().map(Self::List)
            }
            other => other.json().map(Self::Literal),
        }
    }
    /// The argument of a layer.
    pub fn arg(&self) -> Arg<'_> {
        match self {
            Self::Tensor(tensor) => Arg::KerasTensor(*tensor),
            Self::Literal(value) => Arg::Literal(value),
            Self::List(items) => Arg::List(items.iter().map(Self::arg).collect()),
        }
    }
}

/// A tensor that is known as a value: whole numbers are integers.
pub fn of_known(tensor: &Tensor) -> Option<Value> {
    /// Sizes have as many elements as a tensor has axes.
    const MOST: usize = 64;
    let int = |value: f64| match value.fract() == 0.0 && value.abs() < 1e9 {
        true => Value::Constant(Constant::Int(value as i64)),
        false => Value::Constant(Constant::float(value)),
    };
    if tensor.shape().count() > MOST {
        return None;
    }
    let mut items: Vec<Value> = match tensor.data() {
        Data::I32(data) => data.iter().map(|&v| int(f64::from(v))).collect(),
        Data::F32(data) => data.iter().map(|&v| int(f64::from(v))).collect(),
    };
    match tensor.shape().rank() {
        0 => items.pop(),
        1 => Some(Value::List(items)),
        2 => {
            let rows = items.chunks(tensor.shape().dims().get(1).copied().unwrap_or(1).max(1));
            Some(Value::List(rows.map(|row| Value::List(row.to_vec())).collect()))
        }
        _ => None,
    }
}
