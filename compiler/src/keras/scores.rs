//! Whether what a model gives are shares of classes or logits.

use crate::graph::{Graph, NodeId};
use crate::ops::{Op, ReduceKind};
use crate::pointwise::{Binary, Tape, library};

/// Whether softmax or sigmoid made a value, in whatever shape it is now. Of a graph as layers gave it, before any pass.
pub fn are_shares(graph: &Graph, mut node: NodeId) -> bool {
    while let (Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_), &[input]) =
        (graph.op(node), graph.inputs_of(node))
    {
        node = input;
    }
    match (graph.op(node), graph.inputs_of(node)) {
        (Op::Map(map), &[_]) => map.tape == library::sigmoid::tape(),
        // Powers over their sum.
        (Op::Map(map), &[powers, sum]) => {
            let sums = matches!(graph.op(sum), Op::Reduce(reduce) if reduce.kind == ReduceKind::Sum);
            map.tape == Tape::binary(Binary::Div) && sums && graph.inputs_of(sum) == [powers]
        }
        _ => false,
    }
}
