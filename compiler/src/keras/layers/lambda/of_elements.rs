//! Functions of Python as activations of other layers: what is one of each element alone becomes a tape, which recurrent
//! layers and fused products take; others are evaluated where they are applied.

use super::evaluate::{Place, evaluate};
use super::value::Value;
use super::{read, unknown_name};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind};
use crate::graph::{Graph, NodeId};
use crate::keras::class::Origin;
use crate::keras::config::Config;
use crate::keras::expression::Function;
use crate::keras::layers::context::{Arg, CalledLayer, Cx, KerasTensor, Stop};
use crate::keras::layers::refusal::CALL_IT;
use crate::keras::model::Semantics;
use crate::keras::state::State;
use crate::ops::{Input, Op};
use crate::pointwise::Tape;
use crate::tensor::{Shape, TensorType};
use serde_json::Value as Json;
use std::collections::HashMap;

/// The function that a config has under a key.
///
/// # Errors
/// When its code cannot be read, or names what is not known.
pub fn function(config: &Config, key: &str, stored: &Json) -> Result<Function, Error> {
    let found = read(config, stored).and_then(|function| match unknown_name(&function, "the file") {
        Some(message) => Err(message),
        None => Ok(function),
    });
    found.map_err(|message| {
        config
            .error_at(key, ErrorKind::UnsupportedCode(message))
            .help(format!(
                "give the function a name, def f(x), and say what it computes with --custom, or leave it away and {CALL_IT}"
            ))
    })
}

/// Applies a function of one tensor.
pub fn apply(cx: &mut Cx<'_>, function: &Function, x: NodeId) -> Result<NodeId, Stop> {
    let path = format!("{}/activation", cx.site.path);
    let calls = cx.state.called(&path);
    let place = Place {
        path: format!("{path}_{calls}"),
        own: false,
    };
    match evaluate(cx, &place, function, vec![Value::tensor(x)], Vec::new())? {
        Value::Tensor { node, .. } => Ok(node),
        other => Err(cx.inconsistent(format!("its activation gives {}, and no tensor", other.kind()))),
    }
}

/// The function as a tape, if it is one of each element alone: the same for tensors of different shapes, and made of
/// functions of elements.
pub fn tape(function: &Function, semantics: Semantics, budget: &Budget) -> Option<Tape> {
    let [first, second] = [&[2, 3][..], &[3, 5, 7]].map(|shape| tape_for(function, shape, semantics, budget));
    first.filter(|tape| second.as_ref() == Some(tape))
}

fn tape_for(function: &Function, shape: &[usize], semantics: Semantics, budget: &Budget) -> Option<Tape> {
    let mut state = State::new(semantics, budget.clone());
    let input = Input {
        name: "x".to_owned(),
        ty: TensorType::f32(Shape::new(shape)),
    };
    let x = state.graph.add("x", Op::Input(input), &[]).ok()?;
    let config = Config::default();
    let site = CalledLayer {
        path: String::new(),
        class: None,
        written: "",
        origin: &Origin::Operation,
        config: &config,
        weights: &[],
    };
    let arguments = vec![Arg::KerasTensor(KerasTensor::new(x))];
    let y = apply(&mut Cx::new(&mut state, site, arguments, Vec::new()), function, x).ok()?;
    composed(&state.graph, x, y)
}

/// The nodes between `x` and `y` as one tape.
fn composed(graph: &Graph, x: NodeId, y: NodeId) -> Option<Tape> {
    /// Most instructions: a longer function is cheaper as several operations.
    const MOST: usize = 64;
    let mut known: HashMap<NodeId, Tape> = HashMap::from([(x, Tape::identity())]);
    for node in graph.order() {
        let tape = match graph.op(node) {
            _ if node == x => continue,
            Op::Map(map) => {
                let inputs = graph.inputs_of(node).iter();
                let inputs = inputs.map(|input| {
                    let tape = known.get(input)?.clone();
                    let numbers = (0..tape.inputs()).collect();
                    Some((tape, numbers))
                });
                match inputs.collect::<Option<Vec<_>>>() {
                    Some(inputs) => map.tape.substitute(&inputs, 1),
                    None => continue,
                }
            }
            _ => match graph.constant(node).filter(|tensor| tensor.shape().count() == 1) {
                Some(tensor) => Tape::constant(tensor.to_f32().first().copied()?),
                None => continue,
            },
        };
        if tape.instrs().len() > MOST {
            return None;
        }
        known.insert(node, tape);
    }
    let same = graph.ty(x).shape == graph.ty(y).shape;
    known.remove(&y).filter(|tape| same && tape.inputs() == 1)
}
