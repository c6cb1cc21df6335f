//! Changes of weights and biases.

use super::shared::Other;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::passes::linear::{self, Linear};
use crate::passes::rewrite;

/// A change of one node, planned before anything is changed.
pub struct Edit {
    pub node: NodeId,
    pub what: What,
}

pub enum What {
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
    pub fn others(&self) -> &[Other] {
        match &self.what {
            What::Results { others, .. } => others,
            _ => &[],
        }
    }

    /// Makes the change.
    pub fn apply(self, graph: &mut Graph) -> Result<()> {
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
