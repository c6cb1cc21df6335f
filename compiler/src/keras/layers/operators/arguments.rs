//! Arguments of operations. Keras 3 keeps some in the config and others in the call, by position or by name;
//! Keras 2 has the first by position and all others by name.

use super::sizes;
use crate::error::{ErrorKind, Result};
use crate::graph::NodeId;
use crate::keras::class::Role;
use crate::keras::layers::context::{Arg, Cx, Stop};
use crate::keras::layers::read::Read;
use crate::keras::values::shown;
use crate::tensor::{MAX_ELEMENTS, Tensor};
use serde_json::Value as Json;
use std::cell::RefCell;

/// Names of the first operand.
pub const X: &[&str] = &[
    "x",
    "x1",
    "a",
    "input",
    "inputs",
    "tensor",
    "value",
    "values",
    "features",
    "logits",
    "t",
    "images",
    "condition",
    "arrays",
];
/// Names of the second operand.
pub const Y: &[&str] = &["y", "x2", "b", "x"];

/// Arguments of TensorFlow's functions that change no number: how to compute, and what to check.
const ONLY_ABOUT_HOW: &[&str] = &[
    "use_cudnn_on_gpu",
    "a_is_sparse",
    "b_is_sparse",
    "bad_indices_policy",
    "validate_indices",
];

/// The arguments of one call.
pub struct Arguments<'a> {
    read: RefCell<Read<'a>>,
}

/// An operand of a function of elements.
pub enum Operand {
    /// A tensor.
    Tensor(NodeId),
    /// A number.
    Number(f32),
}

impl Operand {
    /// The operand as a tensor.
    pub fn node(self, cx: &mut Cx<'_>) -> Result<NodeId, Stop> {
        match self {
            Self::Tensor(node) => Ok(node),
            Self::Number(number) => Ok(cx.b().constant(Tensor::scalar(number))?),
        }
    }
}

impl<'a> Arguments<'a> {
    pub(super) fn new(cx: &Cx<'a>) -> Self {
        let read = cx.read();
        // Of TFOpLambda; the caller has found it in its table.
        read.fields.ignore(&["function"]);
        Self {
            read: RefCell::new(read),
        }
    }
    /// An argument of the call, by name or position.
    fn given<'c>(&self, cx: &mut Cx<'c>, index: usize, names: &[&str]) -> Option<Arg<'c>> {
        let named = names.iter().find_map(|name| cx.kwarg(name));
        // In Keras 2 the second operand may be called as the first is elsewhere, so that position comes first.
        match cx.arg(index) {
            Some(arg) => Some(arg.clone()),
            None => named,
        }
    }
    /// A literal of the call by name, of the config, or of the call by position; Python's `None` is `None`.
    pub fn literal(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Option<Json>, Stop> {
        if let Some(arg) = names.iter().find_map(|name| cx.kwarg(name)) {
            return self.known(cx, &arg, names).map(Some);
        }
        // The config of TFOpLambda is about the layer, not about the function.
        if cx.site.role() != Role::Function {
            let read = self.read.borrow();
            let mut stored = names.iter().filter_map(|name| read.fields.value(name));
            if let Some(value) = stored.next() {
                return Ok(Some(value.clone()).filter(|value| !value.is_null()));
            }
        }
        match cx.arg(index) {
            None | Some(Arg::Literal(Json::Null)) => Ok(None),
            Some(arg) => self.known(cx, arg, names).map(Some),
        }
    }
    /// What an argument is that must be known.
    fn known(&self, cx: &Cx<'_>, arg: &Arg<'_>, names: &[&str]) -> Result<Json, Stop> {
        sizes::literal(cx, arg).ok_or_else(|| {
            let kind = ErrorKind::UnsupportedValue {
                value: "a tensor".to_owned(),
            };
            let error = cx.site.config.error(kind);
            error
                .in_field(format!("argument {}", names.first().unwrap_or(&"")))
                .help(
                    "it must not depend on the inputs' values: give a number, or a size as tf.shape gives it",
                )
                .into()
        })
    }
    /// Whether an argument of the call is a tensor, and not a number.
    pub fn is_tensor(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> bool {
        let given = self.given(cx, index, names);
        given.is_some_and(|arg| {
            sizes::literal(cx, &arg).is_none_or(|value| !value.is_number() && !value.is_null())
        })
    }
    /// A literal integer.
    pub fn integer(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Option<i64>, Stop> {
        match self.literal(cx, index, names)? {
            None => Ok(None),
            Some(value) => match integers(&value).as_deref() {
                Some(&[only]) => Ok(Some(only)),
                _ => Err(self.unsupported(cx, names, &value)),
            },
        }
    }
    /// A list of literal integers, or one.
    pub fn integers(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Option<Vec<i64>>, Stop> {
        match self.literal(cx, index, names)? {
            None => Ok(None),
            Some(value) => match integers(&value) {
                Some(found) => Ok(Some(found)),
                None => Err(self.unsupported(cx, names, &value)),
            },
        }
    }
    /// A literal number.
    pub fn number(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Option<f64>, Stop> {
        match self.literal(cx, index, names)? {
            None => Ok(None),
            Some(value) => match numbers(&value).map(|(_, found)| found).as_deref() {
                Some(&[only]) => Ok(Some(only)),
                _ => Err(self.unsupported(cx, names, &value)),
            },
        }
    }
    /// A literal switch.
    pub fn flag(&self, cx: &mut Cx<'_>, index: usize, names: &[&str], default: bool) -> Result<bool, Stop> {
        match self.literal(cx, index, names)? {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(flag),
            Some(value) => Err(self.unsupported(cx, names, &value)),
        }
    }
    /// A literal string, in lower case.
    pub fn text(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Option<String>, Stop> {
        match self.literal(cx, index, names)? {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.to_lowercase())),
            Some(value) => Err(self.unsupported(cx, names, &value)),
        }
    }
    /// A required argument.
    pub fn required<T>(&self, cx: &Cx<'_>, found: Option<T>, name: &str) -> Result<T, Stop> {
        found.ok_or_else(|| {
            let error = cx.site.config.error(ErrorKind::MissingField);
            error
                .in_field(format!("call argument {name}"))
                .help("Keras does not save arguments that are given by position: call the function with NAME=… and save the model again")
                .into()
        })
    }
    /// A refusal of an argument.
    pub fn unsupported(&self, cx: &Cx<'_>, names: &[&str], value: &Json) -> Stop {
        let value = shown(value);
        let error = cx.site.config.error(ErrorKind::UnsupportedValue { value });
        error
            .in_field(format!("argument {}", names.first().unwrap_or(&"")))
            .into()
    }
    /// A tensor operand as floats.
    pub fn tensor(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<NodeId, Stop> {
        self.operand(cx, index, names)?.node(cx)
    }
    /// A tensor operand that may be absent.
    pub fn optional(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Option<NodeId>, Stop> {
        match self.given(cx, index, names) {
            None | Some(Arg::Literal(Json::Null)) => Ok(None),
            Some(_) => self.tensor(cx, index, names).map(Some),
        }
    }
    /// All tensors of a list, of which some may be numbers.
    pub fn tensors(&self, cx: &mut Cx<'_>) -> Result<Vec<NodeId>, Stop> {
        self.list(cx, 0, &["xs", "x", "arrays", "values", "inputs"])
    }
    /// The same of another argument.
    pub fn list(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Vec<NodeId>, Stop> {
        let items = match self.given(cx, index, names) {
            Some(Arg::List(items)) => items,
            // One tensor, or a list of numbers.
            Some(arg) => vec![arg],
            None => Vec::new(),
        };
        if items.is_empty() {
            return Err(cx.inconsistent("it is called without tensors"));
        }
        let mut nodes = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let operand = self.operand_of(cx, item, &format!("operand {index} {place}"), names)?;
            nodes.push(operand.node(cx)?);
        }
        Ok(nodes)
    }
    /// An operand: a tensor, a number or an array of numbers.
    pub fn operand(&self, cx: &mut Cx<'_>, index: usize, names: &[&str]) -> Result<Operand, Stop> {
        let found = self.given(cx, index, names);
        let found = self.required(cx, found, names.first().unwrap_or(&""))?;
        self.operand_of(cx, &found, &format!("operand {index}"), names)
    }
    fn operand_of(
        &self,
        cx: &mut Cx<'_>,
        arg: &Arg<'_>,
        role: &str,
        names: &[&str],
    ) -> Result<Operand, Stop> {
        let literal = match arg {
            Arg::KerasTensor(value) => return Ok(Operand::Tensor(cx.float(value.node)?)),
            Arg::Literal(value) => (*value).clone(),
            arg => sizes::literal(cx, arg)
                .ok_or_else(|| cx.inconsistent("it takes a tensor, but is called with a list"))?,
        };
        let Some((shape, values)) = numbers(&literal) else {
            return Err(self.unsupported(cx, names, &literal));
        };
        if shape.is_empty() {
            return Ok(Operand::Number(values.first().copied().unwrap_or_default() as f32));
        }
        let count = values.len();
        let make = || crate::keras::layers::weights::rounded(&shape, values);
        Ok(Operand::Tensor(cx.constant(role, count, make)?))
    }
    /// Reports what nobody read.
    pub(super) fn finish(self, cx: &mut Cx<'_>) -> Result<(), Stop> {
        for name in ONLY_ABOUT_HOW {
            cx.kwarg(name);
        }
        self.read.into_inner().finish(cx)?;
        cx.finish_arguments();
        Ok(())
    }
}

/// Integers of a literal, flattened.
pub fn integers(value: &Json) -> Option<Vec<i64>> {
    let (_, numbers) = numbers(value)?;
    let exact = |n: &f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(*n as i64);
    numbers.iter().map(exact).collect()
}

/// Shape and elements of a literal array, in whichever way Keras writes one.
pub fn numbers(value: &Json) -> Option<(Vec<usize>, Vec<f64>)> {
    match value {
        Json::Number(number) => Some((Vec::new(), vec![number.as_f64()?])),
        Json::Bool(flag) => Some((Vec::new(), vec![f64::from(u8::from(*flag))])),
        Json::Array(items) => {
            let mut shape = None;
            let mut all = Vec::new();
            for item in items {
                let (inner, values) = numbers(item)?;
                if *shape.get_or_insert_with(|| inner.clone()) != inner
                    || all.len() + values.len() > MAX_ELEMENTS
                {
                    return None;
                }
                all.extend(values);
            }
            let inner = shape?;
            Some(([&[items.len()][..], &inner].concat(), all))
        }
        Json::Object(map) => {
            let wrapped = ["__numpy__", "__tensor__", "__tuple__"];
            let class = map.get("class_name")?.as_str()?;
            let inner = map.get("items").or_else(|| map.get("config")?.get("value"))?;
            wrapped.contains(&class).then(|| numbers(inner)).flatten()
        }
        _ => None,
    }
}
