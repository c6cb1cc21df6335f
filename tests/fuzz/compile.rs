//! A model through the compiler.

use super::runner::{Outcome, Stage, refused};
use keras_compile::backends::wasm::{Features, Threading, Wasm, emit};
use keras_compile::backends::{self, BACKENDS};
use keras_compile::graph::Graph;
use keras_compile::keras::{self, InputShapes, KerasModel};
use keras_compile::tensor::{DType, Data, Tensor};
use keras_compile::{passes, plan};
use keras_compile_tests::interpreter::interpret;
use keras_compile_tests::random::Random;

/// Numbers are compared if the reference takes no more operations, and memory no more elements.
const COMPARED: u64 = 200_000;

/// One model of so many goes through another backend as well: what that writes takes longer to check.
const TURN: u64 = 8;

/// Lowers, optimises, plans and emits; small models are computed too.
pub fn compile(model: &KerasModel, shapes: &InputShapes, number: u64) -> Outcome {
    let lowered = match keras::lower(model, shapes) {
        Ok(lowered) => lowered,
        Err(errors) => return refused(errors, Stage::Read),
    };
    let mut graph = lowered.graph;
    let before = expected(&graph, number)?;
    let options = passes::Options {
        verify: true,
        ..passes::Options::default()
    };
    let target = Wasm {
        exact: number.is_multiple_of(3),
    };
    if let Err(error) = passes::run(&mut graph, options) {
        return refused(error, Stage::Lowered);
    }
    let plan = match plan::plan(&graph, &target) {
        Ok(plan) => plan,
        Err(error) => return refused(error, Stage::Lowered),
    };
    let features = [Features::Baseline, Features::Relaxed][(number % 2) as usize];
    let threading = [Threading::Single, Threading::MULTI][(number / 2 % 2) as usize];
    if let Err(error) = emit(&plan, features, threading) {
        return refused(error, Stage::Lowered);
    }
    let mut others = Vec::new();
    if number.is_multiple_of(TURN) {
        let backend = BACKENDS[1 + (number / TURN) as usize % (BACKENDS.len() - 1)];
        let options = backends::Options::default();
        let other = match plan::plan(&graph, (backend.target)(options).as_ref()) {
            Ok(other) => other,
            Err(error) => return refused(error, Stage::Lowered),
        };
        if let Err(error) = (backend.emit)(&other, options) {
            return refused(error, Stage::Lowered);
        }
        others.push((backend.name, other));
    }
    let Some((inputs, before)) = before.filter(|_| (plan.arena_bytes as u64) < 4 * COMPARED) else {
        return Ok(Stage::Emitted);
    };
    let after = graph.eval(&inputs).map_err(|error| format!("eval: {error}"))?;
    same("passes", &before, &after)?;
    same("kernels", &after, &interpret(&plan, &inputs))?;
    for (name, other) in &others {
        same(name, &after, &interpret(other, &inputs))?;
    }
    Ok(Stage::Compared)
}

/// Inputs, and what a graph makes of them.
type Example = (Vec<Tensor>, Vec<Tensor>);

/// An example, if it is little work.
fn expected(graph: &Graph, number: u64) -> Result<Option<Example>, String> {
    let elements: usize = graph.order().iter().map(|&id| graph.ty(id).shape.count()).sum();
    if graph.flops() > COMPARED || elements as u64 > COMPARED {
        return Ok(None);
    }
    let mut random = Random::new(number);
    let inputs: Vec<_> = graph
        .inputs()
        .iter()
        .map(|&id| random.of_type(graph.ty(id)))
        .collect();
    let values = graph.eval(&inputs).map_err(|error| format!("eval: {error}"))?;
    Ok(Some((inputs, values)))
}

/// Numbers beyond this, and what is no number, hang on how it is rounded.
const SOUND: f32 = 1e4;

/// Whether two lists of results are the same but for rounding.
fn same(what: &str, expected: &[Tensor], found: &[Tensor]) -> Result<(), String> {
    for (expected, found) in expected.iter().zip(found) {
        if expected.ty() != found.ty() {
            return Err(format!("{what}: {} instead of {}", found.ty(), expected.ty()));
        }
        let (a, b) = (floats(expected), floats(found));
        if !a.iter().all(|v| v.abs() < SOUND) {
            continue;
        }
        let scale = a.iter().fold(1.0f32, |most, v| most.max(v.abs()));
        let close = |a: f32, b: f32| (a - b).abs() <= 5e-3 * scale;
        // What is no number is close to nothing.
        let off = a.iter().zip(&b).find(|(a, b)| !close(**a, **b));
        if let Some((a, b)) = off {
            return Err(format!("{what}: {b} instead of {a}"));
        }
    }
    Ok(())
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    match (tensor.ty().dtype, tensor.data()) {
        (DType::F32, Data::F32(data)) => data.to_vec(),
        (_, Data::I32(data)) => data.iter().map(|&v| v as f32).collect(),
        _ => Vec::new(),
    }
}
