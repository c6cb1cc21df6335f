//! Sizes of tensors as tensors, such as `tf.shape(x)[0]`. All shapes are known here, so that they are constants, and so
//! is what operations make of them.

use super::arguments::{Arguments, X};
use crate::graph::NodeId;
use crate::keras::layers::context::{Arg, Cx, KerasTensor, Outcome, Stop, one};
use crate::tensor::{Data, Tensor};
use serde_json::{Map, Value as Json};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Most elements of a tensor that is computed while lowering, and of what it is computed from.
const MAX_ELEMENTS: usize = 1 << 12;

/// `tf.shape`.
pub fn shape(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let extents = dims
        .iter()
        .map(|&extent| i32::try_from(extent).unwrap_or(i32::MAX));
    result(cx, a, extents.collect(), vec![dims.len()])
}

/// `tf.size`: the number of elements.
pub fn size(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let count: usize = cx.dims(x).iter().product();
    result(cx, a, vec![i32::try_from(count).unwrap_or(i32::MAX)], Vec::new())
}

/// `tf.rank`: the number of axes.
pub fn rank(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    result(cx, a, vec![i32::try_from(rank).unwrap_or(i32::MAX)], Vec::new())
}

fn result(cx: &mut Cx<'_>, a: Args<'_, '_>, values: Vec<i32>, shape: Vec<usize>) -> Outcome {
    // All integer types compute in i32 here.
    a.text(cx, 9, &["out_type"])?;
    one(cx.b().constant(Tensor::i32(shape, values)?)?)
}

/// Whether all tensors of the call are known, so that its results are, too.
pub fn known(cx: &Cx<'_>) -> bool {
    let mut values = cx.arguments().flat_map(Arg::values).peekable();
    values.peek().is_some() && values.all(|value| cx.state.graph.constant(value.node).is_some())
}

/// Replaces what was computed from constants only by its value.
pub fn fold(cx: &mut Cx<'_>, values: Vec<KerasTensor>) -> Outcome {
    let mut folded = Vec::new();
    for value in values {
        let node = match computed(cx, value.node)? {
            Some(tensor) => cx.b().constant(tensor)?,
            None => value.node,
        };
        folded.push(KerasTensor { node, ..value });
    }
    Ok(folded)
}

/// The value of a node of constants.
fn computed(cx: &Cx<'_>, node: NodeId) -> Result<Option<Tensor>, Stop> {
    let graph = &cx.state.graph;
    if let Some(tensor) = graph.constant(node) {
        return Ok(Some(tensor.clone()));
    }
    let one_small = graph.node(node).types.len() == 1 && graph.ty(node).shape.count() <= MAX_ELEMENTS;
    let inputs = graph.inputs_of(node);
    if !one_small || inputs.is_empty() {
        return Ok(None);
    }
    let mut tensors = Vec::new();
    for &input in inputs {
        match computed(cx, input)? {
            Some(tensor) if tensor.shape().count() <= MAX_ELEMENTS => tensors.push(tensor),
            _ => return Ok(None),
        }
    }
    let tensors: Vec<&Tensor> = tensors.iter().collect();
    Ok(graph.op(node).eval(&tensors)?.into_iter().next())
}

/// An argument as JSON, if all tensors inside are known.
pub fn literal(cx: &Cx<'_>, argument: &Arg<'_>) -> Option<Json> {
    match argument {
        Arg::Literal(value) => Some((*value).clone()),
        Arg::KerasTensor(value) => cx.state.graph.constant(value.node).and_then(json),
        Arg::List(items) => items.iter().map(|item| literal(cx, item)).collect(),
        Arg::Dict(items) => {
            let entry = |(key, item): &(&str, Arg<'_>)| Some(((*key).to_owned(), literal(cx, item)?));
            items
                .iter()
                .map(entry)
                .collect::<Option<Map<_, _>>>()
                .map(Json::Object)
        }
    }
}

/// A tensor of up to one axis as JSON; whole numbers are integers.
fn json(tensor: &Tensor) -> Option<Json> {
    let number = |value: f64| match value {
        whole if whole.fract() == 0.0 && whole.abs() < 1e9 => Json::from(whole as i64),
        other => Json::from(other),
    };
    let mut numbers: Vec<Json> = match tensor.data() {
        Data::I32(data) => data.iter().map(|&v| number(f64::from(v))).collect(),
        Data::F32(data) => data.iter().map(|&v| number(f64::from(v))).collect(),
    };
    match tensor.shape().rank() {
        0 => numbers.pop(),
        1 => Some(Json::Array(numbers)),
        _ => None,
    }
}
