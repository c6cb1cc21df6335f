//! Recognising functions `x * scale[channel] + shift[channel]`.

use crate::budget::Resource;
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::tensor::{DType, Shape, Tensor};
use std::sync::Arc;

/// Factors and summands along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// The axis; `None` if all elements have the same scale and shift.
    pub axis: Option<usize>,
    /// A factor for each index of the axis, or a single one.
    pub scale: Vec<f64>,
    /// A summand for each index of the axis, or a single one.
    pub shift: Vec<f64>,
}

impl Affine {
    /// Whether nothing is added.
    pub fn is_scaling(&self) -> bool {
        self.shift.iter().all(|&t| t == 0.0)
    }
    /// Whether nothing is multiplied.
    pub fn is_shift(&self) -> bool {
        self.scale.iter().all(|&s| s == 1.0)
    }
    /// The same function with its numbers spelled out for `extent` indices of `axis`; `None` if it runs along another
    /// axis.
    pub fn along(mut self, axis: usize, extent: usize) -> Option<Self> {
        match self.axis {
            None => {
                self.scale = vec![self.scale[0]; extent];
                self.shift = vec![self.shift[0]; extent];
                self.axis = Some(axis);
                Some(self)
            }
            Some(found) => (found == axis && self.scale.len() == extent).then_some(self),
        }
    }
    /// The same function of the elements in another shape, `from` reshaped to `to`; `None` where it would not
    /// run along an axis. In row-major order, the index on the axis of extent `c` with `inner` elements
    /// behind it is `flat / inner % c`.
    pub fn reshaped(self, from: &Shape, to: &Shape) -> Option<Self> {
        let Some(axis) = self.axis else { return Some(self) };
        let (extent, inner) = (from[axis], from.strides()[axis]);
        // The same axis in the other shape.
        let strides = to.strides();
        if let Some(axis) = (0..to.rank()).find(|&a| to[a] == extent && strides[a] == inner) {
            return Some(Self {
                axis: Some(axis),
                ..self
            });
        }
        // An axis of the other shape that this one is the innermost part of, as when images become vectors.
        let axis = (0..to.rank()).find(|&a| strides[a] <= inner && inner * extent <= strides[a] * to[a])?;
        let whole = inner.is_multiple_of(strides[axis]);
        if !whole || to[axis] > SPELLED_OUT || !to[axis].is_multiple_of(inner / strides[axis] * extent) {
            return None;
        }
        let repeat = |values: &[f64]| -> Vec<f64> {
            (0..to[axis])
                .map(|i| values[i * strides[axis] / inner % extent])
                .collect()
        };
        Some(Self {
            axis: Some(axis),
            scale: repeat(&self.scale),
            shift: repeat(&self.shift),
        })
    }
}

/// The data input of a map and the function that the map is of it, if it is one of these with constant operands.
pub fn recognise(graph: &Graph, map: NodeId) -> Option<(NodeId, Affine)> {
    let Op::Map(op) = graph.op(map) else { return None };
    let inputs = graph.inputs_of(map);
    let mut data = inputs.iter().filter(|&&input| graph.constant(input).is_none());
    let (Some(&x), None) = (data.next(), data.next()) else {
        return None;
    };
    if graph.ty(x) != graph.ty(map) || graph.ty(x).dtype != DType::F32 {
        return None;
    }
    let axis = common_axis(graph, map, x)?;
    let channels = axis.map_or(1, |axis| graph.ty(map).shape[axis]);
    if !look(graph, channels) {
        return None;
    }
    let operands: Vec<Option<Arc<[f32]>>> = inputs
        .iter()
        .map(|&input| graph.constant(input).map(Tensor::to_f32))
        .collect();
    let (mut scale, mut shift) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for channel in 0..channels {
        let number = |input: usize| {
            operands[input]
                .as_ref()
                .map(|numbers| numbers[channel % numbers.len()])
        };
        let (s, t) = op.tape.affine_in(number)?;
        scale.push(s);
        shift.push(t);
    }
    Some((x, Affine { axis, scale, shift }))
}

/// Most indices of an axis for which a function is spelled out that was known for the innermost part of it.
const SPELLED_OUT: usize = 1 << 20;

/// What looking at an operation costs besides its channels.
const LOOK: usize = 32;

/// Takes what it needs to look at so many channels of an operation, if it is there.
pub fn look(graph: &Graph, channels: usize) -> bool {
    graph.budget().spare(Resource::Scaled, (LOOK + channels) as u64)
}

/// The one axis that constant operands of a map vary along; the inner `None` if they do not vary. `None` if they vary
/// along several.
fn common_axis(graph: &Graph, map: NodeId, x: NodeId) -> Option<Option<usize>> {
    let rank = graph.ty(map).shape.rank();
    let mut common = None;
    for &input in graph.inputs_of(map).iter().filter(|&&input| input != x) {
        let shape = &graph.ty(input).shape;
        for axis in (0..shape.rank()).filter(|&a| shape[a] != 1) {
            let axis = axis + rank - shape.rank();
            if common.is_some_and(|found| found != axis) {
                return None;
            }
            common = Some(axis);
        }
    }
    Some(common)
}
