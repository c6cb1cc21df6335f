//! Operators and indices of values that are no tensors, and what tensors are worth that are known.

use super::{Found, Place, class};
use crate::keras::expression::{self, Binary, Constant};
use crate::keras::layers::context::Cx;
use crate::keras::layers::lambda::value::{Value, of_known};

/// Most items of a list that is multiplied.
const MOST_ITEMS: usize = 1 << 10;

/// An operator of values that are no tensors.
pub(super) fn known(cx: &Cx<'_>, op: Binary, a: Value, b: Value) -> Found {
    let found = match (op, &a, &b) {
        (_, Value::Constant(first), Value::Constant(second)) => {
            expression::binary(op, first, second).map(Value::Constant)
        }
        (Binary::Add, Value::List(first), Value::List(second)) => {
            Some(Value::List([first.as_slice(), second].concat()))
        }
        (Binary::Add, Value::Tuple(first), Value::Tuple(second)) => {
            Some(Value::Tuple([first.as_slice(), second].concat()))
        }
        (Binary::Multiply, Value::List(items) | Value::Tuple(items), times)
        | (Binary::Multiply, times, Value::List(items) | Value::Tuple(items)) => {
            let times = times.as_int().map(|times| usize::try_from(times).unwrap_or(0));
            let times = times.filter(|&times| items.len().saturating_mul(times) <= MOST_ITEMS);
            let is_list = matches!((&a, &b), (Value::List(_), _) | (_, Value::List(_)));
            times.map(|times| {
                let repeated: Vec<Value> = std::iter::repeat_n(items, times).flatten().cloned().collect();
                if is_list {
                    Value::List(repeated)
                } else {
                    Value::Tuple(repeated)
                }
            })
        }
        _ => None,
    };
    found.ok_or_else(|| {
        cx.inconsistent(format!(
            "its function has an operator for {} and {}",
            a.kind(),
            b.kind()
        ))
    })
}

/// A tensor of few elements that is known as what it is worth.
pub(super) fn settled(cx: &Cx<'_>, value: Value) -> Value {
    let known = match &value {
        Value::Tensor { node, .. } => cx.state.graph.constant(*node).and_then(of_known),
        _ => None,
    };
    known.unwrap_or(value)
}

/// A matrix of few numbers that are known as lists of them.
pub(super) fn matrix(cx: &Cx<'_>, value: Value) -> Value {
    match &value {
        Value::Tensor { node, .. } if cx.dims(*node).len() == 2 => settled(cx, value),
        _ => value,
    }
}

/// The same, with what is in it.
fn settled_inside(cx: &Cx<'_>, value: Value) -> Value {
    let all = |items: Vec<Value>| items.into_iter().map(|item| settled_inside(cx, item)).collect();
    match value {
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::List(items) => Value::List(all(items)),
        Value::Slice(parts) => Value::Slice(Box::new(parts.map(|part| settled(cx, part)))),
        other => settled(cx, other),
    }
}

pub(super) fn index(cx: &mut Cx<'_>, place: &Place, of: Value, index: Value) -> Found {
    let index = settled_inside(cx, index);
    match (&of, &index) {
        (Value::Tensor { truth, .. }, _) => {
            let truth = *truth;
            match class(cx, place, "GetItem", vec![of, index])? {
                Value::Tensor { node, .. } => Ok(Value::Tensor {
                    node,
                    truth,
                    mask: None,
                }),
                other => Ok(other),
            }
        }
        (Value::Dict(items), Value::Constant(Constant::Text(key))) => {
            let item = items
                .iter()
                .find(|(of, _)| of == key)
                .map(|(_, item)| item.clone());
            item.ok_or_else(|| {
                cx.inconsistent(format!(
                    "its function asks for the key {key:?}, which is not there"
                ))
            })
        }
        (Value::Tuple(items), Value::Slice(parts)) => part(items, parts)
            .map(Value::Tuple)
            .ok_or_else(|| cx.inconsistent("its function takes a part of a tuple that is not understood")),
        (Value::List(items), Value::Slice(parts)) => part(items, parts)
            .map(Value::List)
            .ok_or_else(|| cx.inconsistent("its function takes a part of a list that is not understood")),
        (Value::Tuple(items) | Value::List(items), _) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let place = index
                .as_int()
                .map(|at| if at < 0 { at.saturating_add(length) } else { at });
            let item = place.and_then(|at| items.get(usize::try_from(at).ok()?)).cloned();
            item.ok_or_else(|| {
                cx.inconsistent(format!("its function asks for an item that {length} have not"))
            })
        }
        _ => Err(cx.inconsistent(format!("its function indexes {}", of.kind()))),
    }
}

/// `items[start:stop:step]` with Python's rules, for steps ahead.
fn part(items: &[Value], parts: &[Value; 3]) -> Option<Vec<Value>> {
    let length = i64::try_from(items.len()).ok()?;
    let bound = |value: &Value, open: i64| match value {
        Value::Constant(Constant::None) => Some(open),
        value => {
            let at = value.as_int()?;
            Some(if at < 0 { at.saturating_add(length) } else { at }.clamp(0, length))
        }
    };
    let [start, stop, step] = parts;
    if *step == Value::Constant(Constant::Int(-1)) && [start, stop].iter().all(|bound| **bound == Value::NONE)
    {
        return Some(items.iter().rev().cloned().collect());
    }
    let step = match step {
        Value::Constant(Constant::None) => 1,
        step => usize::try_from(step.as_int()?).ok().filter(|&step| step > 0)?,
    };
    let start = usize::try_from(bound(start, 0)?).ok()?;
    let stop = usize::try_from(bound(stop, length)?).ok()?;
    Some(
        items
            .get(start..stop.max(start))?
            .iter()
            .step_by(step)
            .cloned()
            .collect(),
    )
}
