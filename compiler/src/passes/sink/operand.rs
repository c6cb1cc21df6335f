//! What becomes of the other operands when a value is used as it was before it was moved.

use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Op, Reshape, Transpose};
use crate::tensor::Shape;

/// An operand for the value before the move. Planned first, since nothing may be changed before all are known.
pub enum Operand {
    /// A node as it is.
    Same(NodeId),
    /// A node that has the operand before the move, for other users.
    There(NodeId),
    /// A node under another shape.
    Reshaped(NodeId, Shape),
    /// A constant, given leading axes of extent 1, with its axes permuted.
    Permuted(NodeId, Shape, Vec<usize>),
}

/// Constants of more elements are not permuted: the reference evaluation is slow.
const PERMUTED: usize = 1 << 20;

impl Operand {
    /// Makes the operand.
    pub fn make(self, graph: &mut Graph) -> Result<NodeId> {
        match self {
            Self::Same(id) | Self::There(id) => Ok(id),
            Self::Reshaped(id, shape) => {
                let name = graph.node(id).name.clone();
                match graph.constant(id) {
                    Some(tensor) => {
                        let tensor = tensor.reshape(shape)?;
                        graph.add(name, Constant(tensor), &[])
                    }
                    None => graph.add(name, Reshape { shape }, &[id]),
                }
            }
            Self::Permuted(id, shape, perm) => {
                let name = graph.node(id).name.clone();
                let extended = Self::Reshaped(id, shape).make(graph)?;
                let permuted = match graph.constant(extended) {
                    Some(tensor) => {
                        let value = Op::from(Transpose { perm }).eval(&[tensor])?.remove(0);
                        graph.add(name, Constant(value), &[])?
                    }
                    None => graph.add(name, Transpose { perm }, &[extended])?,
                };
                crate::passes::rewrite::remove_unused(graph, extended)?;
                Ok(permuted)
            }
        }
    }
}

/// The extents with leading ones, so that there are `rank`.
fn extended(shape: &Shape, rank: usize) -> Vec<usize> {
    let mut dims = vec![1; rank - shape.rank()];
    dims.extend(shape.dims());
    dims
}

/// The permutation that undoes `perm`.
pub fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    for (to, &from) in perm.iter().enumerate() {
        inverse[from] = to;
    }
    inverse
}

/// Whether an operation can be exchanged with the transposes by `perm` among its inputs and not be exchanged back with
/// those that take their place: they stay for other users, so that another one must vanish.
pub fn settles(graph: &Graph, id: NodeId, perm: &[usize], operands: &[Operand]) -> bool {
    let stays = |id: NodeId| {
        operands
            .iter()
            .any(|operand| matches!(operand, Operand::There(there) if *there == id))
    };
    let vanishes = |&input: &NodeId| {
        let transposed = matches!(graph.op(input), Op::Transpose(op) if op.perm == perm);
        transposed && graph.sole_user(input) == Some(id) && !stays(input)
    };
    !operands
        .iter()
        .any(|operand| matches!(operand, Operand::There(_)))
        || graph.inputs_of(id).iter().any(vanishes)
}

/// An operand of values that were transposed by `perm`, for the values before that.
pub fn before_transpose(graph: &Graph, perm: &[usize], operand: NodeId) -> Option<Operand> {
    let shape = &graph.ty(operand).shape;
    if let Op::Transpose(other) = graph.op(operand)
        && other.perm == perm
    {
        return Some(Operand::Same(graph.inputs_of(operand)[0]));
    }
    if shape.count() == 1 {
        return Some(Operand::Same(operand));
    }
    let dims = extended(shape, perm.len());
    let back = inverse(perm);
    let is_inverse = |user: &NodeId| matches!(graph.op(*user), Op::Transpose(op) if op.perm == back);
    if let Some(there) = graph.users(operand).into_iter().find(is_inverse) {
        return Some(Operand::There(there));
    }
    if back.iter().filter(|&&axis| dims[axis] != 1).is_sorted() {
        let dims: Vec<_> = back.iter().map(|&axis| dims[axis]).collect();
        return Some(Operand::Reshaped(operand, dims.into()));
    }
    (graph.constant(operand).is_some() && shape.count() <= PERMUTED)
        .then(|| Operand::Permuted(operand, dims.into(), back))
}

/// An operand of values that were reshaped from shape `from` to shape `to`, for the values before that.
///
/// With `pull`, a reshape may be put before an operand that is as large as the result. To sink reshapes it must not:
/// the two would change places for ever.
pub fn before_reshape(
    graph: &Graph,
    from: &Shape,
    to: &Shape,
    operand: NodeId,
    pull: bool,
) -> Option<Operand> {
    let shape = &graph.ty(operand).shape;
    if shape.count() == 1 {
        return Some(if shape.rank() <= from.rank() {
            Operand::Same(operand)
        } else {
            Operand::Reshaped(operand, Shape::default())
        });
    }
    if let Op::Reshape(_) = graph.op(operand)
        && graph.ty(graph.inputs_of(operand)[0]).shape == *from
    {
        return Some(Operand::Same(graph.inputs_of(operand)[0]));
    }
    if shape == to && graph.constant(operand).is_none() && !pull {
        return None;
    }
    let dims = extended(shape, to.rank());
    let mut before = Vec::with_capacity(from.rank());
    for group in groups(from, to) {
        let (old, new) = (&from.dims()[group.from.clone()], &to.dims()[group.to.clone()]);
        let mine = &dims[group.to.clone()];
        if mine == new {
            before.extend_from_slice(old);
        } else if mine.iter().all(|&dim| dim == 1) {
            before.extend(vec![1; old.len()]);
        } else {
            return None;
        }
    }
    if before == shape.dims() {
        return Some(Operand::Same(operand));
    }
    Some(Operand::Reshaped(operand, before.into()))
}

/// Axes of one shape and those of the other that they become.
pub struct Group {
    pub from: std::ops::Range<usize>,
    pub to: std::ops::Range<usize>,
}

/// Splits two shapes of the same count into the smallest groups of axes of the same count.
pub fn groups(from: &Shape, to: &Shape) -> Vec<Group> {
    let mut groups = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.rank() || j < to.rank() {
        let (start_i, start_j) = (i, j);
        let (mut left, mut right) = (1, 1);
        // At least one axis of either side if there is one, so that every step makes progress.
        if i < from.rank() {
            left *= from[i];
            i += 1;
        }
        if j < to.rank() && (left != 1 || start_i == i) {
            right *= to[j];
            j += 1;
        }
        while left != right {
            if left < right {
                left *= from[i];
                i += 1;
            } else {
                right *= to[j];
                j += 1;
            }
        }
        groups.push(Group {
            from: start_i..i,
            to: start_j..j,
        });
    }
    groups
}
