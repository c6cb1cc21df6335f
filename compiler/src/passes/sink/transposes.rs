//! Transposes sunk below operations that treat all axes alike, up to their own attributes.

use super::operand::{Operand, before_transpose, settles};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Concat, Gather, MatMul, Op, Pad, Reduce, Slice, Transpose};
use crate::passes::rewrite;

/// Exchanges an operation with the transpose of its input, or of all of its inputs. Whether there was one.
pub fn sink(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Some((op, operands, perm)) = exchange(graph, id) else {
        return Ok(false);
    };
    let name = graph.node(id).name.clone();
    let operands = operands
        .into_iter()
        .map(|o| o.make(graph))
        .collect::<Result<Vec<_>>>()?;
    let inner = graph.add(name, op, &operands)?;
    rewrite::replace(graph, id, Transpose { perm }, &[inner])?;
    Ok(true)
}

/// The operation on the values before the transpose, its inputs, and the transpose that follows.
fn exchange(graph: &Graph, id: NodeId) -> Option<(Op, Vec<Operand>, Vec<usize>)> {
    let inputs = graph.inputs_of(id);
    let perm = inputs
        .iter()
        .take(moved(graph.op(id), inputs))
        .find_map(|&input| match graph.op(input) {
            Op::Transpose(Transpose { perm }) => Some(perm),
            _ => None,
        })?;
    // Axis `i` of a result with attribute `a[i]` is axis `perm[i]` of the value before.
    let back = super::operand::inverse(perm);
    let permuted = |values: &[usize]| back.iter().map(|&i| values[i]).collect::<Vec<_>>();
    let op: Op = match graph.op(id) {
        Op::Reduce(op) => {
            let mut axes: Vec<_> = op.axes.iter().map(|&axis| perm[axis]).collect();
            axes.sort_unstable();
            Reduce { axes, ..op.clone() }.into()
        }
        Op::Concat(op) => Concat { axis: perm[op.axis] }.into(),
        Op::Pad(op) => Pad {
            pads: back.iter().map(|&i| op.pads[i]).collect(),
            value: op.value,
        }
        .into(),
        Op::Slice(op) => Slice {
            starts: permuted(&op.starts),
            sizes: permuted(&op.sizes),
            steps: back.iter().map(|&i| op.steps[i]).collect(),
        }
        .into(),
        Op::Gather(op) if graph.ty(inputs[1]).shape.rank() == 1 => Gather {
            axis: perm[op.axis],
            negative: op.negative,
        }
        .into(),
        Op::MatMul(op) if keeps_last(perm) && graph.ty(inputs[1]).shape.rank() == 2 => {
            MatMul::clone(op).into()
        }
        _ => return None,
    };
    // What comes before the epilogue's operands and is no moved value: weights, indices.
    let fixed = match &op {
        Op::Concat(_) => 0,
        Op::Gather(_) => 2,
        op => op.epilogue().map_or(1, |(_, first)| first),
    };
    let operands = inputs.iter().enumerate().map(|(i, &input)| {
        if i > 0 && i < fixed {
            Some(Operand::Same(input))
        } else {
            before_transpose(graph, perm, input)
        }
    });
    let operands = operands.collect::<Option<Vec<_>>>()?;
    settles(graph, id, perm, &operands).then(|| (op, operands, perm.clone()))
}

/// How many of the inputs are values that are moved along: all those of a concatenation, else the first.
fn moved(op: &Op, inputs: &[NodeId]) -> usize {
    if matches!(op, Op::Concat(_)) {
        inputs.len()
    } else {
        1.min(inputs.len())
    }
}

/// Whether the innermost axis stays innermost.
fn keeps_last(perm: &[usize]) -> bool {
    perm.last() == Some(&(perm.len() - 1))
}
