//! Transposes that end in a matrix product, as where an image is flattened for a dense layer.

use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Op};
use crate::passes::rewrite;
use crate::tensor::Tensor;

/// Lets a product of a flattened transpose take the values in their original order, with the rows of its constant
/// weights in that order too. Whether there was one.
pub fn permute(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Some(rows) = rows(graph, id) else {
        return Ok(false);
    };
    let inputs = graph.inputs_of(id).to_vec();
    let (flat, weights) = (inputs[0], inputs[1]);
    let value = graph
        .constant(weights)
        .map(|weights| permuted(weights, &rows))
        .transpose()?;
    let Some(value) = value else { return Ok(false) };
    let x = graph.inputs_of(graph.inputs_of(flat)[0])[0];
    let (name, op) = (graph.node(weights).name.clone(), graph.op(flat).clone());
    let mut changed = inputs.clone();
    changed[1] = graph.add(name, Constant(value), &[])?;
    changed[0] = graph.add(graph.node(flat).name.clone(), op, &[x])?;
    let op = graph.op(id).clone();
    rewrite::replace(graph, id, op, &changed)?;
    Ok(true)
}

/// The old row of the weights for each new one, if `id` is such a product and the flattened axes are all but the
/// first, which stays first.
fn rows(graph: &Graph, id: NodeId) -> Option<Vec<usize>> {
    let Op::MatMul(_) = graph.op(id) else { return None };
    let &[flat, weights, ..] = graph.inputs_of(id) else {
        return None;
    };
    let constant = graph.constant(weights)?;
    let Op::Reshape(reshape) = graph.op(flat) else {
        return None;
    };
    let transpose = graph.inputs_of(flat)[0];
    let Op::Transpose(op) = graph.op(transpose) else {
        return None;
    };
    let shape = &graph.ty(transpose).shape;
    let fits = constant.shape().rank() == 2
        && graph.sole_user(weights) == Some(id)
        && op.perm[0] == 0
        && reshape.shape.dims() == [shape[0], shape.count() / shape[0]];
    if !fits {
        return None;
    }
    // Element `i` of the transposed value, for each element of the original in order.
    let dims: Vec<usize> = (1..shape.rank()).map(|axis| shape[axis]).collect();
    let strides = crate::tensor::Shape::new(dims).strides();
    let back = super::operand::inverse(&op.perm);
    let mut rows = vec![0];
    for &axis in &back[1..] {
        let stride = strides[axis - 1];
        rows = rows
            .iter()
            .flat_map(|row| (0..shape[axis]).map(move |i| row + i * stride))
            .collect();
    }
    Some(rows)
}

fn permuted(weights: &Tensor, rows: &[usize]) -> Result<Tensor> {
    let n = weights.shape()[1];
    let old = weights.as_f32()?;
    let data: Vec<f32> = rows
        .iter()
        .flat_map(|row| &old[row * n..(row + 1) * n])
        .copied()
        .collect();
    Tensor::f32(weights.shape().clone(), data)
}
