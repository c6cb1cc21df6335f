//! Moves sunk below scalar functions.

use super::operand::{Operand, before_reshape, before_transpose, settles};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Map, Op, Pad};
use crate::passes::rewrite;
use crate::pointwise::Tape;
use crate::tensor::Shape;

/// Exchanges a map with one of its inputs that only moves values. Whether there was one.
pub fn sink(graph: &mut Graph, id: NodeId) -> Result<bool> {
    let Op::Map(map) = graph.op(id) else {
        return Ok(false);
    };
    let tape = map.tape.clone();
    for at in 0..graph.inputs_of(id).len() {
        let Some((op, operands)) = Exchange::new(graph, id, at).and_then(|exchange| exchange.exchange(&tape))
        else {
            continue;
        };
        let mover = graph.inputs_of(id)[at];
        let name = graph.node(id).name.clone();
        let operands = operands
            .into_iter()
            .map(|o| o.make(graph))
            .collect::<Result<Vec<_>>>()?;
        let map = graph.add(name, Map { tape }, &operands)?;
        let mut inputs = graph.inputs_of(mover).to_vec();
        inputs[0] = map;
        rewrite::replace(graph, id, op, &inputs)?;
        return Ok(true);
    }
    Ok(false)
}

/// A map, one of its inputs, and where that takes its values from.
struct Exchange<'g> {
    graph: &'g Graph,
    id: NodeId,
    at: usize,
    mover: NodeId,
    source: NodeId,
}

impl<'g> Exchange<'g> {
    /// It, if the input has the shape of the result: else it is moved and broadcast.
    fn new(graph: &'g Graph, id: NodeId, at: usize) -> Option<Self> {
        let mover = graph.inputs_of(id)[at];
        let source = *graph.inputs_of(mover).first()?;
        (graph.ty(mover).shape == graph.ty(id).shape).then_some(Self {
            graph,
            id,
            at,
            mover,
            source,
        })
    }

    /// The move that follows the map, and the inputs that the map has before it.
    fn exchange(&self, tape: &Tape) -> Option<(Op, Vec<Operand>)> {
        let (from, to) = (
            &self.graph.ty(self.source).shape,
            &self.graph.ty(self.mover).shape,
        );
        let sole = self.graph.sole_user(self.mover) == Some(self.id);
        let op = self.graph.op(self.mover);
        let operands = match op {
            Op::Reshape(_) => self.operands(|input| before_reshape(self.graph, from, to, input, false)),
            Op::Transpose(op) => self
                .operands(|input| before_transpose(self.graph, &op.perm, input))
                .filter(|operands| settles(self.graph, self.id, &op.perm, operands)),
            Op::Slice(_) if sole && self.slice_pays() => self.operands(|input| self.unmoved(from, to, input)),
            Op::Gather(_) if sole && from.rank() == to.rank() && from.count() <= to.count() => {
                self.operands(|input| self.unmoved(from, to, input))
            }
            Op::Pad(pad) if sole && tape.inputs() == 1 => {
                let value = Some(tape.eval(&[pad.value])).filter(|value| !value.is_nan())?;
                let pad = Pad { value, ..pad.clone() };
                return Some((pad.into(), vec![Operand::Same(self.source)]));
            }
            _ => None,
        };
        Some((op.clone(), operands?))
    }

    /// The inputs of the map, the moved one from before the move and the others by `convert`.
    fn operands(&self, convert: impl Fn(NodeId) -> Option<Operand>) -> Option<Vec<Operand>> {
        let inputs = self.graph.inputs_of(self.id).iter().enumerate();
        let convert = |(i, &input)| {
            if i == self.at {
                Some(Operand::Same(self.source))
            } else {
                convert(input)
            }
        };
        inputs.map(convert).collect()
    }

    /// An operand that is the same for all indices of those axes that the move changes.
    fn unmoved(&self, from: &Shape, to: &Shape, operand: NodeId) -> Option<Operand> {
        let shape = &self.graph.ty(operand).shape;
        let skip = to.rank() - shape.rank();
        let fits = (0..shape.rank()).all(|axis| shape[axis] == 1 || self.keeps(axis + skip, from, to));
        fits.then_some(Operand::Same(operand))
    }

    /// Whether index `i` of an axis is index `i` before the move too.
    fn keeps(&self, axis: usize, from: &Shape, to: &Shape) -> bool {
        match self.graph.op(self.mover) {
            Op::Slice(op) => from[axis] == to[axis] && op.steps[axis] == 1,
            Op::Gather(op) => axis != op.axis,
            _ => false,
        }
    }

    /// Whether the function becomes an epilogue once the slice is out of its way, and is not applied to many more
    /// elements. Reshapes and transposes above the slice will get out of its way too.
    fn slice_pays(&self) -> bool {
        let mut at = self.source;
        while let (Some(_), Op::Reshape(_) | Op::Transpose(_)) = (self.graph.sole_user(at), self.graph.op(at))
        {
            at = self.graph.inputs_of(at)[0];
        }
        let counts = [self.source, self.mover].map(|id| self.graph.ty(id).shape.count());
        counts[0] <= 2 * counts[1]
            && self.graph.op(at).epilogue().is_some()
            && self.graph.sole_user(at).is_some()
    }
}
