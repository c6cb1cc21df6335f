//! Recurrence.

use super::Operation;
use super::attributes::{Attributes, braced};
use crate::error::{Error, Result};
use crate::graph::{Graph, ParseError};
use crate::tensor::{Shape, Tensor, TensorType};
use std::fmt;
use std::sync::Arc;

/// Runs a body once per time step.
///
/// Inputs of the node: `carries` initial carries, `scanned` sequences `[time, …]`, then values that every step
/// sees whole. Inputs of the body, in this order: the carries, one slice of each sequence (without its time
/// axis), the whole values. Outputs of the body: the next carries, then any number of values to collect.
/// Results of the node: the last carries, then each collected value as `[time, …]`.
/// With `reverse`, time runs from the last slice to the first; collected values stand at the time of their slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// What happens in a time step.
    pub body: Arc<Graph>,
    /// Number of time steps, at least 1.
    pub steps: usize,
    /// Number of carries.
    pub carries: usize,
    /// Number of sequences.
    pub scanned: usize,
    /// Whether time runs backwards.
    pub reverse: bool,
}

impl Scan {
    /// The time of every step, in order of execution.
    fn times(&self) -> Box<dyn Iterator<Item = usize>> {
        if self.reverse {
            Box::new((0..self.steps).rev())
        } else {
            Box::new(0..self.steps)
        }
    }
}

impl Operation for Scan {
    const NAME: &'static str = "scan";
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let params = self.body.inputs();
        let outputs = self.body.outputs();
        if inputs.len() != params.len()
            || inputs.len() < self.carries + self.scanned
            || outputs.len() < self.carries
            || self.steps == 0
        {
            return Err(Error::inconsistent(format!(
                "{} inputs and a body of {} inputs and {} outputs do not fit {} carries and {} sequences",
                inputs.len(),
                params.len(),
                outputs.len(),
                self.carries,
                self.scanned
            )));
        }
        for (i, (&input, &param)) in inputs.iter().zip(params).enumerate() {
            let mut expected = self.body.ty(param).clone();
            if (self.carries..self.carries + self.scanned).contains(&i) {
                let mut dims = vec![self.steps];
                dims.extend(expected.shape.dims());
                expected.shape = Shape::new(dims);
            }
            if *input != expected {
                return Err(Error::inconsistent(format!(
                    "input {i} is {input} where the body needs {expected}"
                )));
            }
        }
        let mut results = Vec::new();
        for (i, output) in outputs.iter().enumerate() {
            let ty = self.body.ty(output.node);
            if i < self.carries {
                if ty != inputs[i] {
                    return Err(Error::inconsistent(format!(
                        "carry {i} changes from {} to {ty}",
                        inputs[i]
                    )));
                }
                results.push(ty.clone());
            } else {
                let mut dims = vec![self.steps];
                dims.extend(ty.shape.dims());
                results.push(TensorType {
                    shape: Shape::checked(dims)?,
                    dtype: ty.dtype,
                });
            }
        }
        Ok(results)
    }
    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let mut carries: Vec<Tensor> = inputs[..self.carries].iter().map(|&t| t.clone()).collect();
        let collected = self.body.outputs().len() - self.carries;
        let mut sequences: Vec<Vec<Option<Tensor>>> = vec![vec![None; self.steps]; collected];
        for time in self.times() {
            let mut args = std::mem::take(&mut carries);
            for sequence in &inputs[self.carries..self.carries + self.scanned] {
                args.push(slice_at(sequence, time)?);
            }
            args.extend(inputs[self.carries + self.scanned..].iter().map(|&t| t.clone()));
            let mut results = self.body.eval(&args)?;
            for (sequence, value) in sequences.iter_mut().zip(results.split_off(self.carries)) {
                sequence[time] = Some(value);
            }
            carries = results;
        }
        for sequence in sequences {
            carries.push(stack(&sequence.into_iter().flatten().collect::<Vec<_>>())?);
        }
        Ok(carries)
    }
    fn as_scan(&self) -> Option<&Scan> {
        Some(self)
    }
    fn attributes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " steps={} carries={} scanned={}",
            self.steps, self.carries, self.scanned
        )?;
        if self.reverse {
            write!(f, " reverse")?;
        }
        write!(f, " body={{\n{}}}", self.body)
    }
    fn parse(text: &mut Attributes<'_>) -> Result<Self> {
        let [steps, carries, scanned] = ["steps", "carries", "scanned"].map(|key| text.number(key));
        let (steps, carries, scanned) = (steps?, carries?, scanned?);
        let reverse = text.word("reverse");
        let within = |error: ParseError| Error::malformed(format!("in its body, {error}"));
        let body = Arc::new(braced(text.value("body")?)?.parse::<Graph>().map_err(within)?);
        Ok(Self {
            body,
            steps,
            carries,
            scanned,
            reverse,
        })
    }
    fn flops(&self, _: &[&TensorType], _: &[TensorType]) -> u64 {
        self.steps as u64 * self.body.flops()
    }
}

/// Slice `time` of a sequence `[time, …]`.
fn slice_at(sequence: &Tensor, time: usize) -> Result<Tensor> {
    let dims = sequence.shape().dims();
    let slice = super::Slice::along(sequence.shape(), 0, time, 1);
    slice.eval(&[sequence])?.remove(0).reshape(dims[1..].to_vec())
}

/// Joins equal tensors along a new first axis.
fn stack(parts: &[Tensor]) -> Result<Tensor> {
    let widened = parts
        .iter()
        .map(|part| {
            let mut dims = vec![1];
            dims.extend(part.shape().dims());
            part.reshape(dims)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(super::Concat { axis: 0 }
        .eval(&widened.iter().collect::<Vec<_>>())?
        .remove(0))
}
