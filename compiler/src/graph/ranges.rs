//! Which integers a caller may give.

use super::{Graph, NodeId};
use crate::ops::IndexRange;
use std::collections::HashMap;

/// For each of the graph's inputs, what its elements must be because they are indices into a tensor, as they are or
/// after operations that keep integers; `None` where no element goes straight to where an index is needed. An input
/// with several uses must satisfy all of them. What reaches an index only in part, through a slice, or
/// computed is not counted: there, an operation does what its documentation says.
pub fn index_ranges(graph: &Graph) -> Vec<Option<IndexRange>> {
    let mut found: HashMap<NodeId, IndexRange> = HashMap::new();
    // Users come after producers, so that from the end every node's range is known before its inputs are looked at.
    for id in graph.order().into_iter().rev() {
        let op = graph.op(id);
        let inputs = graph.inputs_of(id);
        let types: Vec<_> = inputs.iter().map(|&input| graph.ty(input)).collect();
        let own = op.indices(&types);
        let passed = found.get(&id).copied();
        for (index, &input) in inputs.iter().enumerate() {
            let needed = own.filter(|(at, _)| *at == index).map(|(_, range)| range);
            let kept = passed.filter(|_| op.keeps_integers(index));
            for range in [needed, kept].into_iter().flatten() {
                let both = found.entry(input).or_insert(range);
                both.first = both.first.max(range.first);
                both.end = both.end.min(range.end);
            }
        }
    }
    graph.inputs().iter().map(|id| found.get(id).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;
    use crate::ops::{Gather, Slice};
    use crate::pointwise::{Binary, Tape, Unary};
    use crate::tensor::{Tensor, TensorType};

    #[test]
    fn of_what_goes_straight_to_an_index() {
        let mut graph = Graph::new();
        let mut b = Builder::new(&mut graph, "");
        let ty = || TensorType::i32([2, 3]);
        let [straight, kept, twice, part, computed] =
            ["straight", "kept", "twice", "part", "computed"].map(|name| b.input(name, ty()).unwrap());
        let free = b.input("free", ty()).unwrap();
        let tables = [5, 7].map(|rows| b.constant(Tensor::splat([rows, 2], 0.0)).unwrap());
        let gather = |b: &mut Builder<'_>, table: usize, ids, negative| {
            let y = b
                .add(Gather { axis: 0, negative }, &[tables[table], ids])
                .unwrap();
            b.graph.add_output("y", y);
        };
        gather(&mut b, 0, straight, false);
        let moved = b.reshape(kept, [3, 2]).unwrap();
        let moved = b.transpose(moved, [1, 0]).unwrap();
        let whole = b.map(Tape::unary(Unary::Trunc), &[moved]).unwrap();
        gather(&mut b, 1, whole, false);
        gather(&mut b, 1, twice, true);
        gather(&mut b, 0, twice, true);
        let (starts, sizes, steps) = (vec![0, 0], vec![2, 1], vec![1, 1]);
        let first = b.add(Slice { starts, sizes, steps }, &[part]).unwrap();
        gather(&mut b, 0, first, false);
        let more = b.map(Tape::binary_const(Binary::Add, 1.0), &[computed]).unwrap();
        gather(&mut b, 0, more, false);
        b.graph.add_output("free", free);
        let range = |first, end| Some(IndexRange { first, end });
        let expected = [range(0, 5), range(0, 7), range(-5, 5), None, None, None];
        assert_eq!(index_ranges(&graph), expected);
    }
}
