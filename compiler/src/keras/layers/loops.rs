//! The loop of one recurrent cell over time. Sequences have time first here, and channels of images last.

use super::cells::Cell;
use super::context::{Cx, Stop};
use super::mask;
use super::products::Constants;
use crate::error::Result;
use crate::graph::{Builder, Graph, NodeId};
use crate::ops::{Input, Scan};
use crate::tensor::{Shape, Tensor, TensorType};
use std::sync::Arc;

/// How a cell runs over time.
pub struct Loop<'c> {
    /// The cell.
    pub cell: &'c Cell,
    /// Whether the outputs of all steps are wanted.
    pub sequences: bool,
    /// Whether time runs from the last step to the first.
    pub backwards: bool,
    /// Whether masked steps give the output of the step before them, which at the start is 0 and not a given state. Else they
    /// give the state.
    pub held: bool,
}

/// What the loop runs over.
#[derive(Clone, Copy)]
pub struct Steps {
    /// `[time, batch, features]`, or images of all steps.
    pub x: NodeId,
    /// The steps that count, `[time, batch, 1]`.
    pub mask: Option<NodeId>,
}

/// What the loop gives.
pub struct Looped {
    /// The outputs of all steps `[time, batch, …]`, if they are wanted.
    pub all: Option<NodeId>,
    /// The last output.
    pub output: NodeId,
    /// The last states.
    pub states: Vec<NodeId>,
}

impl Loop<'_> {
    /// Adds the loop. It starts with the states that are given, or with 0.
    pub fn run(&self, cx: &mut Cx<'_>, steps: Steps, given: &[NodeId]) -> Result<Looped, Stop> {
        let dims = cx.dims(steps.x);
        let &[time, batch, ref features @ ..] = &dims[..] else {
            return Err(cx.inconsistent("it takes a sequence [batch, time, features]"));
        };
        let state = self.cell.state(cx, features)?;
        let shape = [&[batch], &state[..]].concat();
        let weights = self
            .cell
            .weights(cx, features.last().copied().unwrap_or_default());
        let constants = self.cell.constants(&weights, &state)?;
        if !constants.complete() {
            // The missing weight has been reported; the shapes are known.
            return self.placeholder(cx, time, &shape);
        }
        let z = self.cell.project(cx, &weights, steps.x)?;
        let mut inputs = match given {
            [] => vec![zeros(cx, &shape)?; self.cell.states()],
            given => given.to_vec(),
        };
        if self.held {
            inputs.push(zeros(cx, &shape)?);
        }
        let (body, carries) = self.body(cx, &constants, &shape, steps.mask.is_some())?;
        inputs.push(z);
        inputs.extend(steps.mask);
        let scan = Scan {
            body: Arc::new(body),
            steps: time,
            carries,
            scanned: 1 + usize::from(steps.mask.is_some()),
            reverse: self.backwards,
        };
        let several = carries + usize::from(self.sequences) > 1;
        let scan = cx.b().add(scan, &inputs)?;
        let result = |cx: &mut Cx<'_>, index: usize| match several {
            true => cx.b().project(scan, index),
            false => Ok(scan),
        };
        let mut states = Vec::new();
        for index in 0..self.cell.states() {
            states.push(result(cx, index)?);
        }
        let all = if self.sequences {
            Some(result(cx, carries)?)
        } else {
            None
        };
        let output = if self.held && !self.sequences {
            result(cx, carries - 1)?
        } else {
            states[0]
        };
        Ok(Looped { all, output, states })
    }

    /// The graph of one step and its number of carries. Outputs: the carries, then the output if all are wanted.
    fn body(
        &self,
        cx: &Cx<'_>,
        constants: &Constants,
        state: &[usize],
        masked: bool,
    ) -> Result<(Graph, usize), Stop> {
        let mut graph = Graph::within(cx.state.budget.clone());
        let mut b = Builder::new(&mut graph, cx.site.path.as_str());
        let mut states = Vec::new();
        for index in 0..self.cell.states() {
            states.push(b.input(format!("state {index}"), TensorType::f32(Shape::new(state)))?);
        }
        let before = if self.held {
            Some(b.input("output", TensorType::f32(Shape::new(state)))?)
        } else {
            None
        };
        let z = b.input("input", TensorType::f32(self.cell.projected(state)))?;
        let mask = if masked {
            let mask = b.input("mask", TensorType::f32([state[0], 1]))?;
            Some(widened(&mut b, mask, state.len())?)
        } else {
            None
        };
        let mut next = self.cell.step(&mut b, constants, z, &states, mask)?;
        let mut output = next[0];
        if let (Some(before), Some(mask)) = (before, mask) {
            output = b.map(mask::select(), &[mask, output, before])?;
            next.push(output);
        }
        for (index, node) in next.iter().enumerate() {
            graph.add_output(format!("state {index}"), *node);
        }
        if self.sequences {
            graph.add_output("output", output);
        }
        Ok((graph, next.len()))
    }

    /// Values of the right shapes, to go on with after a problem.
    fn placeholder(&self, cx: &mut Cx<'_>, time: usize, state: &[usize]) -> Result<Looped, Stop> {
        let path = cx.site.path.clone();
        let mut place = |name: &str, shape: &[usize]| {
            let name = format!("{path}/{name}");
            let ty = TensorType::f32(Shape::checked(shape)?);
            cx.b().add(Input { name, ty }, &[])
        };
        let all = if self.sequences {
            Some(place("outputs", &[&[time], state].concat())?)
        } else {
            None
        };
        let output = place("output", state)?;
        let mut states = Vec::new();
        for _ in 0..self.cell.states() {
            states.push(place("state", state)?);
        }
        Ok(Looped { all, output, states })
    }
}

/// A mask with axes of extent 1 behind its own, up to a rank.
pub fn widened(b: &mut Builder<'_>, mask: NodeId, rank: usize) -> Result<NodeId> {
    let mut dims = b.shape(mask).dims().to_vec();
    dims.resize(rank.max(dims.len()), 1);
    b.reshape(mask, dims)
}

/// States of 0.
fn zeros(cx: &mut Cx<'_>, shape: &[usize]) -> Result<NodeId, Stop> {
    let shape = Shape::checked(shape)?;
    Ok(cx.constant(&format!("zeros {shape}"), shape.count(), || {
        Ok(Tensor::splat(shape.clone(), 0.0))
    })?)
}
