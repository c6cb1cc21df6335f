//! Sums of products over axes with labels, as `einsum` states them.

use super::context::{Cx, Stop};
use crate::graph::NodeId;
use crate::ops::{MatMul, ReduceKind};
use crate::pointwise::Tape;

/// A tensor with a label for every axis.
pub struct Labelled {
    /// The tensor.
    pub node: NodeId,
    /// One label for each axis.
    pub labels: Vec<char>,
}

impl Labelled {
    /// A tensor under those labels.
    pub fn new(node: NodeId, labels: impl Into<Vec<char>>) -> Self {
        let labels = labels.into();
        Self { node, labels }
    }
    /// Sums over the labels that occur neither in the other tensor nor in the result.
    pub fn summed(self, cx: &mut Cx<'_>, other: &[char], output: &[char]) -> Result<Self, Stop> {
        let alone = |label: &char| !other.contains(label) && !output.contains(label);
        let axes: Vec<usize> = (0..self.labels.len())
            .filter(|&axis| alone(&self.labels[axis]))
            .collect();
        if axes.is_empty() {
            return Ok(self);
        }
        let sum = cx.b().reduce(ReduceKind::Sum, axes.clone(), self.node)?;
        let node = super::pool::drop_axes(cx, sum, &axes, false)?;
        let labels = self.labels.into_iter().filter(|label| !alone(label)).collect();
        Ok(Self { node, labels })
    }
    /// The extent of a label.
    fn extent(&self, cx: &Cx<'_>, label: char) -> usize {
        let axis = self.labels.iter().position(|&other| other == label);
        axis.and_then(|axis| cx.dims(self.node).get(axis).copied())
            .unwrap_or(1)
    }
    /// The tensor with its axes in that order.
    pub fn ordered(&self, cx: &mut Cx<'_>, order: &[char]) -> Result<NodeId, Stop> {
        let place = |label: &char| self.labels.iter().position(|other| other == label);
        let perm: Option<Vec<usize>> = order.iter().map(place).collect();
        let perm = perm.filter(|perm| perm.len() == self.labels.len());
        let perm = perm.ok_or_else(|| cx.inconsistent("its labels do not match"))?;
        if perm.iter().enumerate().all(|(i, &axis)| i == axis) {
            return Ok(self.node);
        }
        Ok(cx.b().transpose(self.node, perm)?)
    }
}

/// Σ a·b over the labels that the result has not, with the axes of the result in the order of `output`.
pub fn product(cx: &mut Cx<'_>, a: Labelled, b: Labelled, output: &[char]) -> Result<NodeId, Stop> {
    contracted(cx, a, b, output)?.ordered(cx, output)
}

/// The same with the axes as a product of matrices leaves them.
fn contracted(cx: &mut Cx<'_>, a: Labelled, b: Labelled, output: &[char]) -> Result<Labelled, Stop> {
    let a = a.summed(cx, &b.labels, output)?;
    let b = b.summed(cx, &a.labels, output)?;
    let differs = |cx: &Cx<'_>, label: char| a.extent(cx, label) != b.extent(cx, label);
    let shared: Vec<char> = a
        .labels
        .iter()
        .copied()
        .filter(|label| b.labels.contains(label))
        .collect();
    if let Some(&label) = shared.iter().find(|&&label| differs(cx, label)) {
        return Err(cx.inconsistent(format!("axis {label:?} has two extents")));
    }
    let (batch, inner): (Vec<char>, Vec<char>) = shared.iter().partition(|label| output.contains(label));
    let only = |of: &Labelled| -> Vec<char> {
        of.labels
            .iter()
            .copied()
            .filter(|label| !shared.contains(label))
            .collect()
    };
    let (rows, columns) = (only(&a), only(&b));
    let extents = |cx: &Cx<'_>, of: &Labelled, labels: &[char]| -> Vec<usize> {
        labels.iter().map(|&label| of.extent(cx, label)).collect()
    };
    let product = |extents: &[usize]| extents.iter().product::<usize>();
    let batches = extents(cx, &a, &batch);
    let (inner_count, row_extents, column_extents) = (
        product(&extents(cx, &a, &inner)),
        extents(cx, &a, &rows),
        extents(cx, &b, &columns),
    );
    let left = a.ordered(cx, &[&batch[..], &rows, &inner].concat())?;
    let right = b.ordered(cx, &[&batch[..], &inner, &columns].concat())?;
    let mut sizes = [product(&batches), product(&row_extents), inner_count].to_vec();
    let mut others = [product(&batches), inner_count, product(&column_extents)].to_vec();
    if batch.is_empty() {
        sizes.remove(0);
        others.remove(0);
    }
    let left = cx.b().reshape(left, sizes)?;
    let right = cx.b().reshape(right, others)?;
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let node = cx.b().add(op, &[left, right])?;
    let node = cx
        .b()
        .reshape(node, [batches, row_extents, column_extents].concat())?;
    Ok(Labelled {
        node,
        labels: [batch, rows, columns].concat(),
    })
}

/// A label for every number.
pub fn label(index: usize) -> char {
    u32::try_from(index)
        .ok()
        .and_then(|index| char::from_u32(0x4E00 + index))
        .unwrap_or('?')
}
