//! Scales and shifts of channels, above all of batch normalisation, folded into weights.
//!
//! Finds maps `x * scale[c] + shift[c]` whose operands are constants, and gives their work to the operations that
//! produce `x` ([`before`]) or else to all that use the result ([`after`]). The map disappears. Where it must
//! stay, its operands are brought into the simplest form (see [`simplify`]), so that it costs one
//! multiplication and one addition.
//!
//! Exact in real numbers; products and sums are computed in double precision and rounded once. A convolution that
//! pads with zeros sees zeros there before and after folding, which is why a shift cannot pass it from above.
//! Never duplicates work: a producer that others use stays as it is.

pub(super) mod affine;
mod after;
mod before;
mod shared;

use super::linear::{self, Linear};
use super::{Log, rewrite};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Map, Op};
use crate::pointwise::{Binary, Tape, TapeBuilder};
use crate::tensor::Tensor;
use affine::Affine;
use shared::Other;

/// Copies of shared weights are made up to this many elements.
const SMALL: usize = 4096;

/// See the module. Goes on until nothing is found: what is folded away may have stood in the way of another map.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    rewrite::exhaust(graph, log, |graph, log| {
        let mut folded = 0;
        for id in graph.order() {
            folded += usize::from(graph.contains(id) && fold(graph, id, log)?);
        }
        Ok(folded)
    })
}

/// Folds or simplifies a node if it is such a map. Whether something changed.
fn fold(graph: &mut Graph, id: NodeId, log: &mut Log) -> Result<bool> {
    let Some((x, affine)) = affine::recognise(graph, id) else {
        return Ok(false);
    };
    let name = rewrite::name(graph, id);
    let before = before::plan(graph, x, affine.clone());
    // One factor for all costs next to nothing there, and weights are large.
    let is_free = affine.axis.is_none() && graph.op(x).epilogue().is_some() && graph.sole_user(x) == Some(id);
    if before.is_err() && is_free {
        return Ok(false);
    }
    let edits =
        before.or_else(|first| after::plan(graph, id, affine.clone()).map_err(|second| [first, second]));
    match edits {
        Ok(edits) => {
            log.forget_work(&name);
            for edit in edits {
                log.done(&name, rewrite::name(graph, edit.node));
                for other in edit.others() {
                    log.done(rewrite::name(graph, other.map), rewrite::name(graph, other.node));
                }
                edit.apply(graph)?;
            }
            rewrite::substitute(graph, id, x)?;
            Ok(true)
        }
        Err(reasons) => {
            log.missed_work(&name, reasons);
            simplify(graph, id, x, &affine)
        }
    }
}

/// A change of one node, planned before anything is changed.
struct Edit {
    node: NodeId,
    what: What,
}

enum What {
    /// Multiplies the channels of a linear operation's result and then adds to them.
    Results {
        scale: Vec<f64>,
        shift: Vec<f64>,
        /// Operations that share the weights.
        others: Vec<Other>,
    },
    /// Does to a linear operation what multiplying the channels of its input, and then adding to them, does.
    Inputs { scale: Vec<f64>, shift: Vec<f64> },
    /// Changes the operation, not its inputs.
    Op(Op),
}

impl Edit {
    /// Other operations that are changed too.
    fn others(&self) -> &[Other] {
        match &self.what {
            What::Results { others, .. } => others,
            _ => &[],
        }
    }

    fn apply(self, graph: &mut Graph) -> Result<()> {
        match self.what {
            What::Op(op) => {
                let inputs = graph.inputs_of(self.node).to_vec();
                graph.replace(self.node, op, &inputs)
            }
            What::Results { scale, shift, others } => {
                let weights = own_weights(graph, self.node, &scale, others.is_empty())?;
                if scale.iter().any(|&s| s != 1.0) {
                    graph.edit_constant(weights, |w| Linear::scale_outputs(w, &scale))?;
                }
                scale_results(graph, self.node, weights, &scale, &shift)?;
                for other in others {
                    scale_results(graph, other.node, weights, &scale, &other.shift)?;
                    rewrite::substitute(graph, other.map, other.node)?;
                }
                Ok(())
            }
            What::Inputs { scale, shift } => scale_inputs(graph, self.node, scale, &shift),
        }
    }
}

/// `bias * scale + shift`, and weights that are scaled already.
fn scale_results(graph: &mut Graph, id: NodeId, weights: NodeId, scale: &[f64], shift: &[f64]) -> Result<()> {
    let bias: Vec<f64> = match bias(graph, id)? {
        Some(bias) => (0..scale.len()).map(|c| bias[c] * scale[c] + shift[c]).collect(),
        None => shift.to_vec(),
    };
    set_bias(graph, id, weights, &bias)
}

/// `scale` into the rows of the weights, and what `shift` makes of the old weights into the bias.
fn scale_inputs(graph: &mut Graph, id: NodeId, scale: Vec<f64>, shift: &[f64]) -> Result<()> {
    let weights = own_weights(graph, id, &scale, true)?;
    let shape = graph.ty(weights).shape.clone();
    let linear = Linear::of(graph, id).ok_or_else(|| Error::internal("a linear operation is gone"))?;
    let mut sums = match graph.constant(weights) {
        Some(tensor) => linear.shifted(tensor.as_f32()?, &shape, shift),
        None => return Err(Error::internal("constant weights are gone")),
    };
    let edit = scale
        .iter()
        .any(|&s| s != 1.0)
        .then(|| linear.scale_inputs(shape, scale));
    if let Some(bias) = bias(graph, id)? {
        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
    }
    if let Some(edit) = edit {
        graph.edit_constant(weights, edit)?;
    }
    set_bias(graph, id, weights, &sums)
}

/// The weights of an operation if only it uses them, or not alone is to have them, or `scale` leaves them as they
/// are; else a copy.
fn own_weights(graph: &mut Graph, id: NodeId, scale: &[f64], alone: bool) -> Result<NodeId> {
    let weights = graph.inputs_of(id)[1];
    if !alone || graph.sole_user(weights).is_some() || scale.iter().all(|&s| s == 1.0) {
        return Ok(weights);
    }
    let (name, copy) = (graph.node(weights).name.clone(), graph.op(weights).clone());
    graph.add(name, copy, &[])
}

/// The numbers of a constant bias.
fn bias(graph: &Graph, id: NodeId) -> Result<Option<Vec<f64>>> {
    let Some(bias) = Linear::of(graph, id).and_then(|linear| linear.bias) else {
        return Ok(None);
    };
    let tensor = graph
        .constant(bias)
        .ok_or_else(|| Error::internal("a constant bias is gone"))?;
    Ok(Some(tensor.as_f32()?.iter().map(|&b| f64::from(b)).collect()))
}

/// Gives a linear operation other weights and another bias; none if it is all zeros.
fn set_bias(graph: &mut Graph, id: NodeId, weights: NodeId, bias: &[f64]) -> Result<()> {
    let had_bias = Linear::of(graph, id).is_some_and(|linear| linear.bias.is_some());
    let has_bias = bias.iter().any(|&b| b != 0.0);
    let op = linear::with_bias(graph.op(id), has_bias);
    let old = graph.inputs_of(id).to_vec();
    let mut inputs = vec![old[0], weights];
    if has_bias {
        let name = graph.node(id).name.clone();
        let bias = bias.iter().map(|&b| b as f32).collect();
        inputs.push(rewrite::vector(graph, &name, bias)?);
    }
    inputs.extend_from_slice(&old[2 + usize::from(had_bias)..]);
    rewrite::replace(graph, id, op, &inputs)
}

/// Brings a map that stays into the form `x * scale + shift`, without what is neutral. Whether something changed.
fn simplify(graph: &mut Graph, id: NodeId, x: NodeId, affine: &Affine) -> Result<bool> {
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
