//! Loops of steps whose number is known, and what steps are made of.

use super::common::numbers;
use crate::error::Result;
use crate::graph::{Builder, Graph, NodeId};
use crate::keras::layers::context::{Cx, Stop};
use crate::ops::{Gather, Scan};
use crate::pointwise::{Tape, TapeBuilder, Value};
use crate::tensor::{Shape, Tensor, TensorType};
use std::sync::Arc;

/// What a step does, of its graph, the values that are carried from step to step and behind them those that every step sees, and
/// the number `[1]` of the step: the next carries, and what is collected.
pub type Body<'f> = &'f dyn Fn(&mut Builder<'_>, &[NodeId], NodeId) -> Result<(Vec<NodeId>, Vec<NodeId>)>;

/// How a loop goes.
pub struct Loop<'v> {
    /// The number of steps.
    pub steps: usize,
    /// Whether the last step comes first.
    pub reverse: bool,
    /// What is carried, at the start.
    pub carries: &'v [NodeId],
    /// What every step sees.
    pub whole: &'v [NodeId],
}

/// A loop that only carries, from the first step to the last.
pub fn repeated(
    cx: &mut Cx<'_>,
    steps: usize,
    carries: &[NodeId],
    body: Body<'_>,
) -> Result<Vec<NodeId>, Stop> {
    let of = Loop {
        steps,
        reverse: false,
        carries,
        whole: &[],
    };
    looped(cx, &of, body)
}

/// A loop. Gives the last carries, then what was collected, `[steps, …]`.
pub fn looped(cx: &mut Cx<'_>, of: &Loop<'_>, body: Body<'_>) -> Result<Vec<NodeId>, Stop> {
    let &Loop {
        steps,
        reverse,
        carries,
        whole,
    } = of;
    let numbers = numbers(cx, "steps", &[steps, 1], |i| i as f32)?;
    let mut graph = Graph::within(cx.state.budget.clone());
    let mut b = Builder::new(&mut graph, cx.site.path.as_str());
    let mut inputs = Vec::new();
    for (index, &carry) in carries.iter().enumerate() {
        let ty = cx.state.graph.ty(carry).clone();
        inputs.push(b.input(format!("carry {index}"), ty)?);
    }
    let number = b.input("step", TensorType::f32([1]))?;
    for (index, &value) in whole.iter().enumerate() {
        let ty = cx.state.graph.ty(value).clone();
        inputs.push(b.input(format!("value {index}"), ty)?);
    }
    let (next, collected) = body(&mut b, &inputs, number)?;
    for (index, &node) in next.iter().chain(&collected).enumerate() {
        graph.add_output(format!("result {index}"), node);
    }
    let scan = Scan {
        body: Arc::new(graph),
        steps,
        carries: carries.len(),
        scanned: 1,
        reverse,
    };
    let scan = cx.b().add(scan, &[carries, &[numbers], whole].concat())?;
    let count = next.len() + collected.len();
    if count == 1 {
        return Ok(vec![scan]);
    }
    let mut results = Vec::new();
    for index in 0..count {
        results.push(cx.b().project(scan, index)?);
    }
    Ok(results)
}

/// A function of so many numbers.
pub fn tape<const N: usize>(make: impl FnOnce(&mut TapeBuilder, [Value; N]) -> Value) -> Tape {
    let mut t = TapeBuilder::new(N as u32);
    let inputs = std::array::from_fn(|i| t.input(i as u32));
    let result = make(&mut t, inputs);
    t.finish(result)
}

/// The places 0, 1, … along one of three axes.
pub fn places(b: &mut Builder<'_>, extent: usize, axis: usize) -> Result<NodeId> {
    let mut shape = [1; 3];
    shape[axis] = extent;
    let places: Vec<f32> = (0..extent).map(|i| i as f32).collect();
    b.constant(Tensor::f32(Shape::new(shape), places)?)
}

/// What stands at the place `[1]` of an axis, which stays with extent 1.
pub fn at(b: &mut Builder<'_>, x: NodeId, axis: usize, place: NodeId) -> Result<NodeId> {
    let gather = Gather {
        axis,
        negative: false,
    };
    b.add(gather, &[x, place])
}
