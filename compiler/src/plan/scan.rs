//! Recurrences: loops around the steps of their bodies.

use super::layout::{Place, Places};
use super::lower::Lowering;
use super::step::{BufferId, Run, Step};
use super::target::Joins;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::ops::Scan;

impl Lowering<'_> {
    /// A recurrence: copies the initial carries, then loops over the body.
    pub fn scan(&mut self, graph: &Graph, id: NodeId, scan: &Scan, places: &Places) -> Result<()> {
        let node = graph.node(id);
        let (body, inputs) = (&*scan.body, &node.inputs);
        let mut given = Places::new();
        let mut first = Vec::new();
        for (i, (&input, &param)) in inputs.iter().zip(body.inputs()).enumerate() {
            let place = if i < scan.carries {
                // The carry lives where its last value is a result of the node.
                let carry = places[&(id, i)].clone();
                let run = self.copy(graph, input, places, &carry)?;
                self.program.steps.push(Step::Run(run));
                carry
            } else {
                let place = self.provided(graph, input, places)?;
                if i >= scan.carries + scan.scanned {
                    place
                } else if self.layout.views.parts {
                    slice(&place, scan)
                } else {
                    let own = self
                        .layout
                        .dense(body.ty(param).shape.dims(), body.ty(param).dtype);
                    let name = &body.node(param).name;
                    first.push(self.copy_from(Some(&slice(&place, scan)), &[None], &own, name)?);
                    own
                }
            };
            given.insert((param, 0), place);
        }
        let collected: Vec<(NodeId, Place)> = body.outputs()[scan.carries..]
            .iter()
            .enumerate()
            .map(|(i, output)| (output.node, slice(&places[&(id, scan.carries + i)], scan)))
            .collect();
        for (node, place) in &collected {
            if self.layout.views.joins != Joins::None
                && !body.op(*node).is_view()
                && body.constant(*node).is_none()
            {
                given.entry((*node, 0)).or_insert_with(|| place.clone());
            }
        }
        let order = super::schedule::schedule(body);
        let (methods, inner) = self.arrange(body, &order, given)?;
        let mut runs = first;
        for &node in &order {
            if body.op(node).as_scan().is_some() {
                return Err(Error::internal("a recurrence inside a recurrence"));
            }
            runs.extend(self.node(body, node, &methods, &inner)?);
        }
        for (node, place) in &collected {
            if inner.get(&(*node, 0)).is_none_or(|at| at.buffer != place.buffer) {
                runs.push(self.copy(body, *node, &inner, place)?);
            }
        }
        runs.extend(self.carry(body, scan, &inner)?);
        self.program.steps.push(Step::Loop {
            count: scan.steps,
            body: runs,
        });
        Ok(())
    }

    /// The place of a value; a constant gets one in the arena, since slices of it move.
    fn provided(&mut self, graph: &Graph, id: NodeId, places: &Places) -> Result<Place> {
        if let Some(place) = places.get(&(id, 0)) {
            return Ok(place.clone());
        }
        let place = self.layout.dense(graph.ty(id).shape.dims(), graph.ty(id).dtype);
        let run = self.copy(graph, id, places, &place)?;
        self.program.steps.push(Step::Run(run));
        Ok(place)
    }

    /// Moves the next carries into place. All are saved first when one of them is another carry.
    fn carry(&mut self, body: &Graph, scan: &Scan, inner: &Places) -> Result<Vec<Run<BufferId>>> {
        let carries: Vec<Place> = body.inputs()[..scan.carries]
            .iter()
            .map(|&p| inner[&(p, 0)].clone())
            .collect();
        let next: Vec<NodeId> = body.outputs()[..scan.carries].iter().map(|o| o.node).collect();
        let crossed = next.iter().enumerate().any(|(i, n)| {
            inner.get(&(*n, 0)).is_some_and(|p| {
                carries
                    .iter()
                    .enumerate()
                    .any(|(j, c)| i != j && c.buffer == p.buffer)
            })
        });
        let mut runs = Vec::new();
        let mut saved = inner.clone();
        if crossed {
            for &node in &next {
                let place = self.layout.dense(body.ty(node).shape.dims(), body.ty(node).dtype);
                runs.push(self.copy(body, node, inner, &place)?);
                saved.insert((node, 0), place);
            }
        }
        for (&node, carry) in next.iter().zip(&carries) {
            if saved.get(&(node, 0)).is_none_or(|p| p.buffer != carry.buffer) {
                runs.push(self.copy(body, node, &saved, carry)?);
            }
        }
        Ok(runs)
    }
}

/// The place of one time step of a sequence.
fn slice(sequence: &Place, scan: &Scan) -> Place {
    let stride = sequence.view.strides[0];
    let mut place = sequence.clone();
    place.view.dims.remove(0);
    place.view.strides.remove(0);
    place.view.frame = [[0; 2]; 2];
    place.advance = stride as isize;
    if scan.reverse {
        place.offset += (scan.steps - 1) * stride;
        place.advance = -place.advance;
    }
    place
}
