//! Operands of maps and epilogues.

use super::Reason;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::pointwise::{Instr, Tape};
use crate::tensor::Data;

/// Most inputs of a map. A shader stage may use eight buffers on every device; one is the result.
pub const MAX_MAP: usize = 7;
/// Most operands of an epilogue: a kernel has its input, weights with the bias, and a result as well.
pub const MAX_EPILOGUE: usize = 5;

/// Most steps of a fused function. Every fusion goes through all steps of the function anew, so that a chain of n would
/// take n² without a limit. And long functions run slowly, since browsers have no registers left for their constants:
/// of 1,000 activations of 131,072 elements in Node, 76 ms with a limit of 32, 99 ms with 64, 279 ms with 256 and 399 ms
/// without one. The largest in `keras.applications` has 41, and a masked step of a GRU 73.
pub const MAX_STEPS: usize = 80;

/// Looks for a number in so many elements of a constant.
const SEARCHED: usize = 1 << 16;

/// The number that all elements of a constant are.
pub fn number(graph: &Graph, id: NodeId) -> Option<f32> {
    let tensor = graph.constant(id)?;
    if tensor.shape().count() > SEARCHED {
        return None;
    }
    match tensor.data() {
        Data::F32(d) => d.iter().all(|v| v.to_bits() == d[0].to_bits()).then(|| d[0]),
        Data::I32(d) => d.iter().all(|v| *v == d[0]).then(|| d[0] as f32),
    }
}

/// The same function of fewer nodes: numbers stand in the tape, a node stands once in the list, and what the
/// function does not use is left out. The first `raw` inputs of the tape are no nodes and stay as they are.
/// The tape is in its canonical form, so that layers that compute the same share a kernel.
pub fn tidy(graph: &Graph, raw: u32, tape: &Tape, nodes: &[NodeId]) -> (Tape, Vec<NodeId>) {
    let mut kept: Vec<NodeId> = Vec::new();
    let mut sources: Vec<(Tape, Vec<u32>)> = (0..raw).map(same).collect();
    for (input, &node) in (raw..).zip(nodes) {
        let source = if !tape.instrs().contains(&Instr::Input(input)) {
            (Tape::constant(0.0), vec![])
        } else if let Some(number) = number(graph, node) {
            (Tape::constant(number), vec![])
        } else {
            let position = kept.iter().position(|&k| k == node).unwrap_or_else(|| {
                kept.push(node);
                kept.len() - 1
            });
            same(raw + position as u32)
        };
        sources.push(source);
    }
    let simpler = tape.substitute(&sources, raw + kept.len() as u32);
    // Numbers in the tape may have made other operands superfluous, and come before the inputs now.
    if kept == nodes {
        (simpler, kept)
    } else {
        tidy(graph, raw, &simpler, &kept)
    }
}

/// An input as it is. Substituting all of them brings a tape into its canonical form, in which the inputs come first.
fn same(input: u32) -> (Tape, Vec<u32>) {
    (Tape::identity(), vec![input])
}

/// Whether functions of so many steps may be fused into one, which `id` computes then. Counted before they are: what both
/// have in common, or what cancels out, counts twice.
pub fn check_steps(graph: &Graph, id: NodeId, inner: &Tape, outer: &Tape) -> Result<(), Reason> {
    let steps = inner.instrs().len() + outer.instrs().len();
    if steps > MAX_STEPS {
        return Err(Reason::TooManySteps {
            name: super::rewrite::name(graph, id),
            steps,
            limit: MAX_STEPS,
        });
    }
    Ok(())
}

/// `outer` with its input number `at` computed by `inner`: a tape over the inputs of `inner`, then the other inputs
/// of `outer`.
pub fn compose(inner: &Tape, outer: &Tape, at: usize) -> Tape {
    let others = outer.inputs() - 1;
    let mut next = inner.inputs()..inner.inputs() + others;
    let sources: Vec<(Tape, Vec<u32>)> = (0..outer.inputs() as usize)
        .map(|input| {
            if input == at {
                (inner.clone(), (0..inner.inputs()).collect())
            } else {
                (Tape::identity(), next.next().into_iter().collect())
            }
        })
        .collect();
    outer.substitute(&sources, inner.inputs() + others)
}

/// Brings the epilogue of a node into the simplest form. Whether something changed.
pub fn tidy_epilogue(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Some((tape, first)) = graph.op(id).epilogue() else {
        return Ok(false);
    };
    let inputs = graph.inputs_of(id);
    let (simpler, kept) = tidy(graph, 1, tape, &inputs[first..]);
    if simpler == *tape && kept == inputs[first..] {
        return Ok(false);
    }
    let Some(op) = graph.op(id).with_epilogue(simpler) else {
        return Ok(false);
    };
    let mut all = inputs[..first].to_vec();
    all.extend(kept);
    super::rewrite::replace(graph, id, op, &all)?;
    Ok(true)
}
