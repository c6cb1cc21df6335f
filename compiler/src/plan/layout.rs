//! Where values lie.
//!
//! Buffers are found from the last node to the first, since users decide: a concatenation offers its inputs a place
//! inside it, a padded convolution asks for a frame of zeros around its input. Views (reshapes, slices) follow from
//! first to last.

use super::methods::Methods;
use super::step::BufferId;
use super::target::{Joins, Views};
use super::windows::framed;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::kernel::Fill;
use crate::ops::Storage;
use crate::ops::lowering::View;
use crate::tensor::DType;
use std::collections::{HashMap, HashSet};

/// Contiguous memory with one lifetime.
#[derive(Debug, Clone)]
pub(super) struct Buffer {
    /// Its length.
    pub elements: usize,
    /// What must be written before anything else: the zeros of its frame.
    pub border: Option<Fill>,
}

/// Where a value lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The buffer.
    pub buffer: BufferId,
    /// First element in the buffer.
    pub offset: usize,
    /// Extents and strides.
    pub view: View,
    /// Elements by which the place moves in every iteration of the loop around.
    pub advance: isize,
}

/// A result of a node.
pub(super) type ResultId = (NodeId, usize);

/// Gives values their places. Constants have none.
#[derive(Debug)]
pub(super) struct Layout {
    /// All buffers, those of loop bodies too.
    pub buffers: Vec<Buffer>,
    /// What may lie inside what.
    pub views: Views,
}

/// The places of the values of one graph: the model, or the body of a loop.
pub(super) type Places = HashMap<ResultId, Place>;

/// What a concatenation reserves for an input.
struct Slot {
    owner: NodeId,
    axis: usize,
    start: usize,
}

impl Layout {
    /// Nothing yet.
    pub fn new(views: Views) -> Self {
        Self {
            buffers: Vec::new(),
            views,
        }
    }

    /// Adds a buffer.
    pub fn buffer(&mut self, elements: usize, border: Option<Fill>) -> BufferId {
        self.buffers.push(Buffer { elements, border });
        BufferId(self.buffers.len() - 1)
    }

    /// A value in a buffer of its own, without gaps.
    pub fn dense(&mut self, dims: &[usize], dtype: DType) -> Place {
        let view = View::dense(dims, dtype);
        Place {
            buffer: self.buffer(dims.iter().product(), None),
            offset: 0,
            view,
            advance: 0,
        }
    }

    /// Finds a place for every value of `graph` that `given` has none for yet.
    pub fn assign(
        &mut self,
        graph: &Graph,
        order: &[NodeId],
        methods: &Methods,
        given: Places,
    ) -> Result<Places> {
        let slots = match self.views.joins {
            Joins::All => reserve(graph, order, &given),
            Joins::Apart => apart(graph, order, reserve(graph, order, &given)),
            Joins::None => HashMap::new(),
        };
        let mut places = given;
        for &id in order.iter().rev() {
            if places.contains_key(&(id, 0)) || graph.constant(id).is_some() || slots.contains_key(&id) {
                continue;
            }
            match graph.op(id).storage() {
                Storage::Reshaped | Storage::Part(_) => {}
                Storage::Elsewhere if !graph.is_input(id) => {}
                Storage::Dense | Storage::Elsewhere => {
                    for (i, ty) in graph.node(id).types.iter().enumerate() {
                        let place = self.dense(ty.shape.dims(), ty.dtype);
                        places.insert((id, i), place);
                    }
                }
                Storage::Strided | Storage::Joined(_) => {
                    let place = self.strided(graph, id, methods, &slots);
                    places.insert((id, 0), place);
                }
            }
        }
        // A slot's owner comes later in the order, so going backwards it has its place already.
        for &id in order.iter().rev() {
            if let Some(slot) = slots.get(&id) {
                let place = part_of(&places[&(slot.owner, 0)], graph, id, slot);
                places.insert((id, 0), place);
            }
        }
        for &id in order {
            self.view(graph, id, &mut places);
        }
        Ok(places)
    }

    /// A place of its own, with the frame that users ask for.
    fn strided(
        &mut self,
        graph: &Graph,
        id: NodeId,
        methods: &Methods,
        slots: &HashMap<NodeId, Slot>,
    ) -> Place {
        let ty = graph.ty(id);
        let dims = ty.shape.dims();
        let Ok(image) = <[usize; 4]>::try_from(dims) else {
            return self.dense(dims, ty.dtype);
        };
        if !self.views.frames || graph.is_output(id) {
            return self.dense(dims, ty.dtype);
        }
        let frame = wanted_frame(graph, id, methods, slots);
        if frame == [[0; 2]; 2] {
            return self.dense(dims, ty.dtype);
        }
        let (outer, start) = framed(image, frame);
        let mut view = View::dense(&outer, ty.dtype);
        let offset = start.iter().zip(&view.strides).map(|(a, b)| a * b).sum();
        let border = Fill::border(&outer, &start, dims, 0.0);
        view.dims = dims.to_vec();
        view.frame = frame;
        Place {
            buffer: self.buffer(outer.iter().product(), Some(border)),
            offset,
            view,
            advance: 0,
        }
    }

    /// Places a view into its input, or gives it memory of its own when the strides do not allow it.
    fn view(&mut self, graph: &Graph, id: NodeId, places: &mut Places) {
        if places.contains_key(&(id, 0)) || graph.constant(id).is_some() {
            return;
        }
        let ty = graph.ty(id);
        let input = graph.inputs_of(id).first().copied();
        let from = input.and_then(|input| places.get(&(input, 0)));
        let place = match (graph.op(id).storage(), from) {
            (Storage::Reshaped, Some(from)) if self.views.reshapes => reshaped(from, ty.shape.dims()),
            (Storage::Part(starts), Some(from)) if self.views.parts => {
                let skip: usize = starts.iter().zip(&from.view.strides).map(|(a, b)| a * b).sum();
                let mut place = Place {
                    offset: from.offset + skip,
                    ..from.clone()
                };
                place.view.dims = ty.shape.dims().to_vec();
                // What surrounds a part are its neighbours, not zeros.
                place.view.frame = [[0; 2]; 2];
                Some(place)
            }
            (Storage::Elsewhere, _) => {
                let index = graph.op(id).projection().unwrap_or(0);
                input.and_then(|input| places.get(&(input, index))).cloned()
            }
            _ => None,
        };
        // Results of the whole graph are read without gaps.
        let place = place.filter(|place| !graph.is_output(id) || place.view.is_dense());
        let place = place.unwrap_or_else(|| self.dense(ty.shape.dims(), ty.dtype));
        places.insert((id, 0), place);
    }
}

/// Zeros that users of a value, and of the parts that are written into it, want around it; users that cannot live
/// with gaps forbid it.
fn wanted_frame(
    graph: &Graph,
    id: NodeId,
    methods: &Methods,
    slots: &HashMap<NodeId, Slot>,
) -> [[usize; 2]; 2] {
    let mut frame = [[0; 2]; 2];
    let mut open = vec![id];
    while let Some(part) = open.pop() {
        let Some(wanted) = own_frame(graph, part, methods) else {
            if part == id {
                return [[0; 2]; 2];
            }
            continue;
        };
        frame = around_both(frame, wanted);
        let inside = |input: &NodeId| {
            slots
                .get(input)
                .is_some_and(|slot| slot.owner == part && slot.axis == 3)
        };
        open.extend(graph.inputs_of(part).iter().copied().filter(inside));
    }
    frame
}

/// Zeros that the users of a value itself want around it; `None` if one of them cannot live with gaps.
fn own_frame(graph: &Graph, id: NodeId, methods: &Methods) -> Option<[[usize; 2]; 2]> {
    let mut frame = [[0; 2]; 2];
    for user in graph.users(id) {
        if matches!(graph.op(user).storage(), Storage::Reshaped) {
            return None;
        }
        if let Some(chosen) = methods.get(&user).filter(|_| graph.inputs_of(user)[0] == id) {
            frame = around_both(frame, chosen.frame());
        }
    }
    Some(frame)
}

/// The smallest frame that has room for two.
fn around_both(a: [[usize; 2]; 2], b: [[usize; 2]; 2]) -> [[usize; 2]; 2] {
    std::array::from_fn(|axis| std::array::from_fn(|side| a[axis][side].max(b[axis][side])))
}

/// Which values are written straight into the concatenation that uses them.
fn reserve(graph: &Graph, order: &[NodeId], given: &Places) -> HashMap<NodeId, Slot> {
    let mut slots: HashMap<NodeId, Slot> = HashMap::new();
    let known: HashSet<NodeId> = order.iter().copied().collect();
    for &owner in order.iter().rev() {
        let Storage::Joined(axis) = graph.op(owner).storage() else {
            continue;
        };
        let inputs = graph.inputs_of(owner);
        let mut counts: HashMap<NodeId, usize> = HashMap::new();
        for &input in inputs {
            *counts.entry(input).or_default() += 1;
        }
        let mut start = 0;
        for &input in inputs {
            let free = matches!(graph.op(input).storage(), Storage::Strided | Storage::Joined(_))
                && known.contains(&input)
                && !slots.contains_key(&input)
                && !given.contains_key(&(input, 0))
                && !graph.is_output(input)
                && graph.constant(input).is_none()
                && counts[&input] == 1
                && !graph
                    .users(input)
                    .iter()
                    .any(|&u| matches!(graph.op(u).storage(), Storage::Reshaped));
            if free {
                slots.insert(input, Slot { owner, axis, start });
            }
            start += graph.ty(input).shape[axis];
        }
    }
    slots
}

/// The reservations without those whose kernels would read the memory that they write to.
fn apart(graph: &Graph, order: &[NodeId], mut slots: HashMap<NodeId, Slot>) -> HashMap<NodeId, Slot> {
    loop {
        let homes = homes(graph, order, &slots);
        let joined = |id: NodeId| matches!(graph.op(id).storage(), Storage::Joined(_));
        // What lies in a concatenation already is not read for it.
        let in_place = |input: NodeId, user: NodeId| slots.get(&input).is_some_and(|slot| slot.owner == user);
        let reads_own = |id: NodeId| {
            let inputs = graph.inputs_of(id).iter();
            let read = inputs.filter(|&&input| !(joined(id) && in_place(input, id)));
            read.into_iter().any(|input| homes.get(input) == homes.get(&id))
        };
        let writes = |id: NodeId| slots.contains_key(&id) || joined(id);
        let wrong = order.iter().filter(|&&id| writes(id) && reads_own(id));
        let wrong: Vec<NodeId> = wrong.copied().collect();
        if wrong.is_empty() {
            return slots;
        }
        for id in wrong {
            if slots.remove(&id).is_none() {
                // A concatenation that copies a part of what is written into it: all of it is copied.
                slots.retain(|_, slot| slot.owner != id);
            }
        }
    }
}

/// The value in whose memory each value lies.
fn homes(graph: &Graph, order: &[NodeId], slots: &HashMap<NodeId, Slot>) -> HashMap<NodeId, NodeId> {
    let mut homes = HashMap::new();
    for &id in order {
        let mut home = id;
        while let Some(slot) = slots.get(&home) {
            home = slot.owner;
        }
        if let (Storage::Reshaped | Storage::Part(_), Some(input)) =
            (graph.op(id).storage(), graph.inputs_of(id).first())
        {
            home = homes.get(input).copied().unwrap_or(*input);
        }
        homes.insert(id, home);
    }
    homes
}

/// The place of a concatenation's input inside it.
fn part_of(owner: &Place, graph: &Graph, id: NodeId, slot: &Slot) -> Place {
    let mut place = owner.clone();
    place.offset += slot.start * owner.view.strides[slot.axis];
    place.view.dims = graph.ty(id).shape.dims().to_vec();
    if slot.axis != 3 {
        place.view.frame = [[0; 2]; 2];
    }
    place
}

/// The same elements under other extents, if strides can express it.
fn reshaped(from: &Place, dims: &[usize]) -> Option<Place> {
    let strides = reshape_strides(&from.view.dims, &from.view.strides, dims)?;
    let view = View {
        dims: dims.to_vec(),
        strides,
        frame: [[0; 2]; 2],
        dtype: from.view.dtype,
    };
    Some(Place { view, ..from.clone() })
}

/// Strides of `to` over elements that lie in `from` extents under `strides`, as NumPy's reshape without a copy: axes
/// are matched in groups of equal element count, and inside a group the old axes must follow without a gap.
fn reshape_strides(from: &[usize], strides: &[usize], to: &[usize]) -> Option<Vec<usize>> {
    let (mut i, mut j) = (0, 0);
    let mut result = vec![1; to.len()];
    while i < from.len() && j < to.len() {
        let (i0, j0) = (i, j);
        let (mut a, mut b) = (from[i], to[j]);
        while a != b {
            if a < b {
                i += 1;
                a *= *from.get(i)?;
            } else {
                j += 1;
                b *= *to.get(j)?;
            }
        }
        // Axes of extent 1 have no stride of their own.
        let axes: Vec<usize> = (i0..=i).filter(|&axis| from[axis] != 1).collect();
        if axes
            .windows(2)
            .any(|w| strides[w[0]] != strides[w[1]] * from[w[1]])
        {
            return None;
        }
        let mut stride = axes.last().map_or(1, |&axis| strides[axis]);
        for axis in (j0..=j).rev() {
            result[axis] = stride;
            stride *= to[axis];
        }
        (i, j) = (i + 1, j + 1);
    }
    let innermost = (0..to.len()).rev().find(|&axis| to[axis] != 1);
    innermost.is_none_or(|axis| result[axis] == 1).then_some(())?;
    // The innermost axis counts as contiguous, also when it has one element only.
    if let Some(last) = result.last_mut().filter(|_| to.last() == Some(&1)) {
        *last = 1;
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::reshape_strides;

    #[test]
    fn reshapes_split_and_merge_axes_that_have_no_gap() {
        assert_eq!(
            reshape_strides(&[2, 3, 4], &[12, 4, 1], &[6, 4]),
            Some(vec![4, 1])
        );
        assert_eq!(
            reshape_strides(&[2, 12], &[20, 1], &[2, 3, 4]),
            Some(vec![20, 4, 1])
        );
        assert_eq!(reshape_strides(&[2, 3, 4], &[20, 4, 1], &[6, 4]), None);
        assert_eq!(reshape_strides(&[1, 1, 8], &[99, 77, 1], &[8]), Some(vec![1]));
    }

    #[test]
    fn an_innermost_axis_with_gaps_is_refused() {
        assert_eq!(
            reshape_strides(&[4, 2], &[10, 1], &[4, 2, 1]),
            Some(vec![10, 1, 1])
        );
        assert_eq!(reshape_strides(&[4, 1], &[10, 1], &[4]), None);
    }
}
