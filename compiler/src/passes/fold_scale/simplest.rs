//! The simplest form of a scale and shift that stays.

use super::affine::Affine;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Map, Op};
use crate::passes::rewrite;
use crate::pointwise::{Binary, Tape, TapeBuilder};
use crate::tensor::Tensor;

/// Brings a map that stays into the form `x * scale + shift`, without what is neutral. Whether something changed.
pub fn bring(graph: &mut Graph, id: NodeId, x: NodeId, affine: &Affine) -> Result<bool> {
    let (tape, operands) = simplest(affine);
    let Op::Map(map) = graph.op(id) else {
        return Ok(false);
    };
    if map.tape.cost() <= tape.cost() && graph.inputs_of(id).len() <= 1 + operands.len() {
        return Ok(false);
    }
    let name = graph.node(id).name.clone();
    let behind = affine.axis.map_or(0, |axis| graph.ty(id).shape.rank() - 1 - axis);
    let mut inputs = vec![x];
    for operand in operands {
        let mut dims = vec![1; 1 + behind];
        dims[0] = operand.len();
        inputs.push(graph.add(&*name, Constant(Tensor::f32(dims, operand)?), &[])?);
    }
    rewrite::replace(graph, id, Map { tape }, &inputs)?;
    Ok(true)
}

/// The tape of a scale and shift, and the operands that it takes after the data. Numbers that are equal for all
/// channels stand in the tape.
fn simplest(affine: &Affine) -> (Tape, Vec<Vec<f32>>) {
    let rounded = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
    let steps = [
        (Binary::Mul, rounded(&affine.scale), 1.0),
        (Binary::Add, rounded(&affine.shift), 0.0),
    ];
    let varies = |values: &[f32]| values.iter().any(|&v| v != values[0]);
    let mut b = TapeBuilder::new(1 + steps.iter().filter(|step| varies(&step.1)).count() as u32);
    let mut value = b.input(0);
    let mut operands = Vec::new();
    for (op, values, neutral) in steps {
        let operand = if varies(&values) {
            operands.push(values);
            b.input(operands.len() as u32)
        } else if values[0] == neutral {
            continue;
        } else {
            b.constant(values[0])
        };
        value = b.binary(op, value, operand);
    }
    (b.finish(value), operands)
}
