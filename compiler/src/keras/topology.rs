//! How the layers of one network are connected: reads the inbound nodes of both dialects, resolves
//! names to indices, and orders the calls.
//!
//! Keras 2 writes a node as a nest of `[layer, node, tensor, kwargs]`, where the kwargs may hold
//! further `[layer, node, tensor]`; Keras 3 writes `{"args": …, "kwargs": …}` with every tensor as an
//! object of class `__keras_tensor__`.

use super::model::{Argument, Call, Layer, LayerId, ScheduledCall, TensorRef};
use super::values::shown;
use crate::error::{Collector, Error, ErrorKind, Result};
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// What Keras 2 writes instead of a layer's name for a constant as first argument.
const CONSTANT: &str = "_CONSTANT_VALUE";

/// Names of the layers of one network.
pub(super) struct Names(HashMap<String, LayerId>);

impl Names {
    /// Indexes the layers; a name that occurs twice is reported.
    pub(super) fn new(layers: &[Layer], problems: &mut Collector) -> Self {
        let mut names = HashMap::with_capacity(layers.len());
        for (i, layer) in layers.iter().enumerate() {
            if names.insert(layer.name.clone(), LayerId(i)).is_some() {
                let error = bad(format!("two layers are named {:?}", layer.name));
                problems.push(layer.at(error));
            }
        }
        Self(names)
    }

    /// Reads `[layer, node, tensor]`; the call index still counts as the file does.
    pub(super) fn reference(&self, items: &[Value]) -> Result<TensorRef> {
        let index = |i: usize| {
            let number = items.get(i).and_then(Value::as_u64);
            number.and_then(|n| usize::try_from(n).ok())
        };
        let name = items.first().and_then(Value::as_str);
        let (Some(name), Some(call), Some(output)) = (name, index(1), index(2)) else {
            let found = shown(&Value::Array(items.to_vec()));
            return Err(bad(format!("{found} is not a reference [layer, node, tensor]")));
        };
        match self.0.get(name) {
            Some(&layer) => Ok(TensorRef { layer, call, output }),
            None => Err(bad(format!(
                "a tensor of layer {name:?} is used, but there is no such layer"
            ))),
        }
    }
}

/// Reads one inbound node. `keep_lists` is for layers whose single tensor in a list is a list.
pub(super) fn call(node: &Value, names: &Names, keep_lists: bool) -> Result<Call> {
    match node {
        Value::Object(map) if map.contains_key("args") => three::call(map, names),
        node => two::call(node, names, keep_lists),
    }
}

/// Keras 2.
mod two {
    use super::{Argument, CONSTANT, Call, Map, Names, Result, Value, bad, shown, simplify};

    pub(super) fn call(node: &Value, names: &Names, keep_lists: bool) -> Result<Call> {
        let mut kwargs = None;
        let mut first = nest(node, names, &mut kwargs)?;
        if let (false, Argument::List(items)) = (keep_lists, &mut first) {
            // A literal in a list is one constant as first argument.
            if items.len() == 1
                && let Some(only) = items.pop()
            {
                first = only;
            }
        }
        let keyword = |(key, value): (&String, &Value)| Ok((key.clone(), keyword(value, names)?));
        let kwargs = kwargs.map(|map| map.iter().map(keyword).collect());
        Ok(Call {
            args: vec![first],
            kwargs: kwargs.unwrap_or(Ok(Vec::new()))?,
        })
    }

    /// The first argument: a nest whose leaves are references with the call's kwargs beside them.
    fn nest<'v>(
        value: &'v Value,
        names: &Names,
        kwargs: &mut Option<&'v Map<String, Value>>,
    ) -> Result<Argument> {
        match value {
            Value::Array(items) if is_leaf(items) => {
                if let Some(found) = items.get(3).filter(|found| !found.is_null()) {
                    *kwargs = Some(found.as_object().ok_or_else(|| not_a_node(value))?);
                }
                if items.first().and_then(Value::as_str) == Some(CONSTANT) {
                    return Ok(Argument::Literal(items.get(2).cloned().unwrap_or_default()));
                }
                Ok(Argument::Tensor(names.reference(items)?))
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| nest(item, names, kwargs));
                Ok(Argument::List(items.collect::<Result<_>>()?))
            }
            Value::Object(map) => {
                let mut entries = Vec::with_capacity(map.len());
                for (key, item) in map {
                    entries.push((key.clone(), nest(item, names, kwargs)?));
                }
                Ok(Argument::Dict(entries))
            }
            _ => Err(not_a_node(value)),
        }
    }

    fn is_leaf(items: &[Value]) -> bool {
        matches!(items.len(), 3 | 4) && items.first().is_some_and(Value::is_string)
    }

    /// A keyword argument: anything, with references as lists of three inside.
    fn keyword(value: &Value, names: &Names) -> Result<Argument> {
        let argument = match value {
            Value::Array(items) if is_leaf(items) && names.reference(items).is_ok() => {
                Argument::Tensor(names.reference(items)?)
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| keyword(item, names));
                Argument::List(items.collect::<Result<_>>()?)
            }
            Value::Object(map) if !map.contains_key("class_name") => {
                let entry = |(key, item): (&String, &Value)| Ok((key.clone(), keyword(item, names)?));
                Argument::Dict(map.iter().map(entry).collect::<Result<_>>()?)
            }
            value => Argument::Literal(value.clone()),
        };
        Ok(simplify(argument))
    }

    fn not_a_node(value: &Value) -> crate::error::Error {
        bad(format!("inbound node {} is not understood", shown(value)))
    }
}

/// Keras 3.
mod three {
    use super::{Argument, Call, ErrorKind, Map, Names, Result, Value, bad, shown, simplify};
    use crate::error::Error;

    pub(super) fn call(node: &Map<String, Value>, names: &Names) -> Result<Call> {
        let args = match node.get("args") {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(value) => match tuple(value) {
                Some(items) => items.iter().collect(),
                None => return Err(bad(format!("call arguments {} are not a list", shown(value)))),
            },
            None => Vec::new(),
        };
        let args = args.into_iter().map(|item| argument(item, names));
        let args = args.collect::<Result<_>>()?;
        let kwargs = match node.get("kwargs") {
            Some(Value::Object(map)) => map
                .iter()
                .map(|(key, item)| Ok((key.clone(), argument(item, names)?)))
                .collect::<Result<_>>()?,
            _ => Vec::new(),
        };
        Ok(Call { args, kwargs })
    }

    fn tuple(value: &Value) -> Option<&Vec<Value>> {
        let map = value.as_object()?;
        let named = map.get("class_name")?.as_str()? == "__tuple__";
        named.then(|| map.get("items")?.as_array()).flatten()
    }

    fn argument(value: &Value, names: &Names) -> Result<Argument> {
        let found = match value {
            Value::Array(items) => list(items, names)?,
            Value::Object(map) => match map.get("class_name").and_then(Value::as_str) {
                Some("__keras_tensor__") => {
                    let history = map.get("config").and_then(|config| config.get("keras_history"));
                    let Some(Value::Array(history)) = history else {
                        return Err(bad("a tensor in a call has no keras_history"));
                    };
                    Argument::Tensor(names.reference(history)?)
                }
                Some("__tuple__") => match tuple(value) {
                    Some(items) => list(items, names)?,
                    None => return Err(bad(format!("{} is not a tuple", shown(value)))),
                },
                // Python code is never run.
                Some("__lambda__") => {
                    let value = "lambda".to_owned();
                    let error = Error::new(ErrorKind::UnsupportedValue { value }).in_field("call argument");
                    return Err(error.help("Python code in a file is never run; use layers instead"));
                }
                Some(_) if mentions_tensor(value) => {
                    let value = shown(value);
                    return Err(Error::new(ErrorKind::UnsupportedValue { value })
                        .help("tensors inside slices or objects of a call are not supported"));
                }
                Some(_) => Argument::Literal(value.clone()),
                None => {
                    let entry = |(key, item): (&String, &Value)| Ok((key.clone(), argument(item, names)?));
                    Argument::Dict(map.iter().map(entry).collect::<Result<_>>()?)
                }
            },
            value => Argument::Literal(value.clone()),
        };
        Ok(simplify(found))
    }

    fn list(items: &[Value], names: &Names) -> Result<Argument> {
        let items = items.iter().map(|item| argument(item, names));
        Ok(Argument::List(items.collect::<Result<_>>()?))
    }

    fn mentions_tensor(value: &Value) -> bool {
        match value {
            Value::String(text) => text == "__keras_tensor__",
            Value::Array(items) => items.iter().any(mentions_tensor),
            Value::Object(map) => map.values().any(mentions_tensor),
            _ => false,
        }
    }
}

/// Lists and dicts without tensors are literals.
fn simplify(argument: Argument) -> Argument {
    let literal = |argument: &Argument| matches!(argument, Argument::Literal(_));
    let value = |argument: Argument| match argument {
        Argument::Literal(value) => value,
        _ => Value::Null,
    };
    match argument {
        Argument::List(items) if items.iter().all(literal) => {
            Argument::Literal(items.into_iter().map(value).collect())
        }
        Argument::Dict(items) if items.iter().all(|(_, item)| literal(item)) => {
            let entries = items.into_iter().map(|(key, item)| (key, value(item)));
            Argument::Literal(Value::Object(entries.collect()))
        }
        other => other,
    }
}

/// The numbers that a file gives to the first call of a layer: where other calls take its tensors, and among the inputs
/// and outputs of the model.
pub(super) type FirstCall = [usize; 2];

/// Turns the node numbers of the file into indices of calls and checks them. `first` is the rule by which the calls of
/// nested models are numbered: in Keras 2 a model that was made with an input starts with a node of its own, so that its
/// calls count from 1; in Keras 3 they count so among the outputs only (`Functional.get_config`, `serialize_node`).
pub(super) fn resolve(
    layers: &mut [Layer],
    ports: &mut [&mut TensorRef],
    first: impl Fn(&Layer) -> FirstCall,
    problems: &mut Collector,
) {
    let used = layers
        .iter()
        .flat_map(|layer| &layer.calls)
        .flat_map(Call::tensors);
    let in_calls = ranges(layers.len(), used);
    let in_ports = ranges(layers.len(), ports.iter().map(|port| **port));
    // What the numbers themselves show comes before the rule.
    let offset = |layer: &Layer, range: Option<(usize, usize)>, rule: usize| match (&layer.network, range) {
        (Some(_), Some((_, high))) if high >= layer.calls.len() => 1,
        (Some(_), Some((low, _))) if low > 0 => rule,
        _ => 0,
    };
    let offsets: Vec<FirstCall> = layers
        .iter()
        .zip(in_calls.into_iter().zip(in_ports))
        .map(|(layer, (calls, ports))| match first(layer) {
            [a, b] if a == b => [offset(layer, joined(calls, ports), a); 2],
            [a, b] => [offset(layer, calls, a), offset(layer, ports, b)],
        })
        .collect();
    let counts: Vec<_> = layers.iter().map(|layer| layer.calls.len()).collect();
    let names: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
    let fix = |tensor: &mut TensorRef, place: fn(FirstCall) -> usize| -> Result<()> {
        let at = tensor.layer.0;
        let (offset, count) = (offsets.get(at).copied(), counts.get(at).copied());
        let call = tensor.call.checked_sub(offset.map_or(0, place));
        match call.filter(|call| *call < count.unwrap_or_default()) {
            Some(call) => {
                tensor.call = call;
                Ok(())
            }
            None => {
                let name = names.get(at).map_or("", String::as_str);
                Err(bad(format!(
                    "node {} of layer {name:?} is used, but there is no such node",
                    tensor.call
                )))
            }
        }
    };
    for layer in layers.iter_mut() {
        for call in &mut layer.calls {
            let args = call
                .args
                .iter_mut()
                .chain(call.kwargs.iter_mut().map(|(_, arg)| arg));
            for arg in args {
                if let Err(error) = each(arg, &mut |tensor| fix(tensor, |[calls, _]| calls)) {
                    problems.push(error.in_layer(layer.path.as_str(), layer.written.as_str()));
                }
            }
        }
    }
    for port in ports {
        if let Err(error) = fix(port, |[_, ports]| ports) {
            problems.push(error);
        }
    }
}

/// The lowest and the highest number of a call of each layer.
fn ranges(layers: usize, tensors: impl Iterator<Item = TensorRef>) -> Vec<Option<(usize, usize)>> {
    let mut seen = vec![None; layers];
    for TensorRef { layer, call, .. } in tensors {
        if let Some(range) = seen.get_mut(layer.0) {
            *range = joined(*range, Some((call, call)));
        }
    }
    seen
}

/// The range that covers both.
fn joined(a: Option<(usize, usize)>, b: Option<(usize, usize)>) -> Option<(usize, usize)> {
    match (a, b) {
        (Some((low, high)), Some((b_low, b_high))) => Some((low.min(b_low), high.max(b_high))),
        (a, b) => a.or(b),
    }
}

/// Does something with every tensor of an argument.
pub(super) fn each(argument: &mut Argument, f: &mut impl FnMut(&mut TensorRef) -> Result<()>) -> Result<()> {
    match argument {
        Argument::Tensor(tensor) => f(tensor),
        Argument::List(items) => items.iter_mut().try_for_each(|item| each(item, f)),
        Argument::Dict(items) => items.iter_mut().try_for_each(|(_, item)| each(item, f)),
        Argument::Literal(_) => Ok(()),
    }
}

/// Orders the calls so that each stands after those it takes tensors from; among those that could
/// come next, the one that the file lists first. References are in range.
pub(super) fn schedule(layers: &[Layer]) -> Result<Vec<ScheduledCall>> {
    let mut first = Vec::with_capacity(layers.len());
    let mut steps = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        first.push(steps.len());
        steps.extend((0..layer.calls.len()).map(|call| ScheduledCall {
            layer: LayerId(i),
            call,
        }));
    }
    let index = |layer: LayerId, call: usize| first.get(layer.0).map_or(usize::MAX, |start| start + call);
    let mut users = vec![Vec::new(); steps.len()];
    let mut waiting = vec![0usize; steps.len()];
    for (at, layer, call) in layers
        .iter()
        .flat_map(|layer| layer.calls.iter().map(move |call| (layer, call)))
        .enumerate()
        .map(|(at, (layer, call))| (at, layer, call))
    {
        let mut needs: Vec<_> = call.tensors().iter().map(|t| index(t.layer, t.call)).collect();
        needs.sort_unstable();
        needs.dedup();
        for need in needs {
            let Some(list) = users.get_mut(need) else {
                return Err(Error::internal(format!("{} refers beyond the graph", layer.path)));
            };
            list.push(at);
            if let Some(count) = waiting.get_mut(at) {
                *count += 1;
            }
        }
    }
    let ready = waiting.iter().enumerate().filter(|(_, count)| **count == 0);
    let mut ready: BinaryHeap<_> = ready.map(|(at, _)| Reverse(at)).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.extend(steps.get(at));
        for &user in users.get(at).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(user));
                }
            }
        }
    }
    if order.len() == steps.len() {
        return Ok(order);
    }
    let stuck = steps.iter().zip(&waiting).filter(|(_, count)| **count > 0);
    let mut names: Vec<_> = stuck
        .filter_map(|(step, _)| layers.get(step.layer.0))
        .map(|l| &l.name)
        .collect();
    names.dedup();
    let more = if names.len() > 8 { ", …" } else { "" };
    names.truncate(8);
    Err(bad(format!(
        "the graph has a cycle: on it or behind it are {names:?}{more}"
    )))
}

/// A problem of the graph.
pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadGraph(message.into()))
}
