//! Recurrent layers: `keras.layers.LSTM`, `GRU`, `SimpleRNN`, `RNN` of their cells.

use super::cells::Cell;
use super::context::{Arg, Cx, KerasTensor, Outcome, Stop};
use super::mask;
use super::read::{Read, check_training};
use crate::error::{Error, ErrorKind};
use crate::graph::{Builder, Graph, NodeId};
use crate::keras::class::{Recurrence, Role};
use crate::ops::{Input, Scan, Slice};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor, TensorType};
use std::sync::Arc;

/// A recurrent layer as its config has it.
pub struct Recurrent {
    cell: Cell,
    /// Whether it gives the outputs of all steps.
    pub sequences: bool,
    /// Whether it gives its last states too.
    pub state: bool,
    /// Whether time runs from the last step to the first.
    pub backwards: bool,
    /// Whether the output of a masked step is 0, not the output of the step before.
    pub zero_output: bool,
    /// Whether Keras writes the steps out, which changes nothing but [`Recurrent::zeroed_in_reverse`].
    unrolled: bool,
}

/// What a recurrent layer is called with.
pub struct Sequence {
    /// `[batch, time, features]`.
    pub x: NodeId,
    /// The steps that count, `[batch, time]`.
    pub mask: Option<NodeId>,
    /// The mask that goes on with outputs of all steps.
    pub passed: Option<NodeId>,
    /// The states to start with, if they are given.
    pub states: Vec<NodeId>,
}

/// What a recurrent layer computes.
pub struct Computed {
    /// The last output, or those of all steps `[batch, time, units]`.
    pub output: NodeId,
    /// The last states.
    pub states: Vec<NodeId>,
}

/// `LSTM`, `GRU`, `SimpleRNN` and `RNN`.
pub fn recurrent(cx: &mut Cx<'_>) -> Outcome {
    let layer = Recurrent::read(cx)?;
    let sequence = sequence(cx)?;
    let mask = sequence.passed.filter(|_| layer.sequences);
    let computed = layer.run(cx, &sequence, layer.backwards)?;
    let mut values = vec![KerasTensor {
        node: computed.output,
        mask,
    }];
    if layer.state {
        values.extend(computed.states.into_iter().map(KerasTensor::new));
    }
    Ok(values)
}

/// The arguments of a call. Keras 2 passes states in one list with the sequence, Keras 3 as `initial_state`.
///
/// A mask that is an argument counts in both. The mask that the sequence itself carries counts in Keras 2, whose
/// `RNN.call` takes the first of a list of masks. In Keras 3, `Layer.__call__` (step 6) makes it the argument only
/// where the layer is called with one tensor: with initial states every step counts. The mask still goes on
/// (`Layer._set_mask_metadata`).
pub fn sequence(cx: &mut Cx<'_>) -> Result<Sequence, Stop> {
    let mut values = cx.inputs();
    if values.is_empty() {
        return Err(cx.inconsistent("it is called without a tensor"));
    }
    values.extend(cx.kwarg("initial_state").iter().flat_map(Arg::values));
    let given = cx.mask_argument()?;
    let passed = given.or(values[0].mask);
    let unmasked = cx.is_keras3() && values.len() > 1 && given.is_none();
    let mut nodes = Vec::new();
    for value in &values {
        nodes.push(cx.float(value.node)?);
    }
    let x = nodes.remove(0);
    cx.expect_rank(x, 3)?;
    let dims = cx.dims(x);
    if let Some(mask) = passed
        && cx.dims(mask) != dims[..2]
    {
        return Err(cx.inconsistent("the mask is not of shape [batch, time]"));
    }
    Ok(Sequence {
        x,
        mask: passed.filter(|_| !unmasked),
        passed,
        states: nodes,
    })
}

impl Recurrent {
    /// Reads the config of the layer.
    pub fn read(cx: &mut Cx<'_>) -> Result<Self, Stop> {
        check_training(cx.literal("training"))?;
        let r = cx.read();
        let Role::Recurrent(recurrence) = cx.site.role() else {
            return Err(Error::internal("a recurrent layer without a loop").into());
        };
        let cell = match recurrence {
            Recurrence::OfCell => read_cell(cx, &r)?,
            recurrence => Cell::read(cx, recurrence, &r),
        };
        let sequences = r.flag("return_sequences", false);
        let state = r.flag("return_state", false);
        let backwards = r.flag("go_backwards", false);
        let zero_output = r.flag("zero_output_for_mask", false);
        let unrolled = r.flag("unroll", false);
        if r.flag("stateful", false) {
            let help = "its states would go from one prediction to the next: build the model with stateful=False, set \
                        the same weights and save it again";
            r.or_harmless(Err(r.fields.unsupported("stateful").help(help)), ());
        }
        if cell.is_none() {
            let help = "cells can be LSTMCell, GRUCell and SimpleRNNCell";
            r.or(Err(r.fields.unsupported("cell").help(help)), ());
        }
        r.finish(cx)?;
        Ok(Self {
            cell: cell.ok_or(Stop::Told)?,
            sequences,
            state,
            backwards,
            zero_output,
            unrolled,
        })
    }
    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.cell.weight_count()
    }

    /// Runs over a sequence. With `flip`, the outputs of all steps are given from the last time to the first.
    pub fn run(&self, cx: &mut Cx<'_>, sequence: &Sequence, flip: bool) -> Result<Computed, Stop> {
        let dims = cx.dims(sequence.x);
        let [batch, steps, features] = dims[..] else {
            return Err(cx.inconsistent("it takes a sequence [batch, time, features]"));
        };
        let units = self.cell.units;
        let weights = self.cell.weights(cx, features);
        let constants = self.cell.constants(&weights)?;
        if !constants.complete() {
            // The missing weight has been reported; the shapes are known.
            return self.placeholder(cx, [batch, steps, units]);
        }
        let states = self.initial(cx, sequence, batch)?;
        let x = swap_batch_and_time(cx, sequence.x)?;
        let z = self.cell.project(cx, &weights, x)?;
        let mask = match sequence.mask {
            Some(mask) => {
                let mask = cx.b().reshape(mask, [batch, steps, 1])?;
                Some(swap_batch_and_time(cx, mask)?)
            }
            None => None,
        };
        // A masked step gives the output before it, which at the start is 0 and not a given state.
        let zeroed = self.zero_output && !self.zeroed_in_reverse();
        let held = mask.is_some() && !sequence.states.is_empty() && !zeroed;
        let (body, carries) = self.body(cx, &constants, batch, mask.is_some(), held)?;
        let mut inputs = states.clone();
        if held {
            inputs.push(zeros(cx, batch, units)?);
        }
        inputs.push(z);
        inputs.extend(mask);
        let scan = Scan {
            body: Arc::new(body),
            steps,
            carries,
            scanned: 1 + usize::from(mask.is_some()),
            reverse: self.backwards,
        };
        let several = carries + usize::from(self.sequences) > 1;
        let scan = cx.b().add(scan, &inputs)?;
        let result = |cx: &mut Cx<'_>, index: usize| match several {
            true => cx.b().project(scan, index),
            false => Ok(scan),
        };
        let mut last = Vec::new();
        for index in 0..self.cell.states() {
            last.push(result(cx, index)?);
        }
        let output = if self.sequences {
            let all = result(cx, carries)?;
            self.all_outputs(cx, all, mask, flip)?
        } else {
            let output = if held { result(cx, carries - 1)? } else { last[0] };
            self.last_output(cx, output, mask, steps)?
        };
        Ok(Computed { output, states: last })
    }

    /// The states to start with: given, or 0.
    fn initial(&self, cx: &mut Cx<'_>, sequence: &Sequence, batch: usize) -> Result<Vec<NodeId>, Stop> {
        let count = self.cell.states();
        if sequence.states.is_empty() {
            return Ok(vec![zeros(cx, batch, self.cell.units)?; count]);
        }
        let shape = [batch, self.cell.units];
        let fits = sequence.states.len() == count && sequence.states.iter().all(|&s| cx.dims(s) == shape);
        if fits {
            Ok(sequence.states.clone())
        } else {
            let message = format!(
                "it takes {count} initial states of shape {shape:?}, but is called with {}",
                sequence.states.len()
            );
            Err(cx.site.config.error(ErrorKind::Inconsistent(message)).into())
        }
    }

    /// The graph of one step and its number of carries. Outputs: the carries, then the output if all are wanted.
    fn body(
        &self,
        cx: &Cx<'_>,
        constants: &super::cells::Constants,
        batch: usize,
        masked: bool,
        held: bool,
    ) -> Result<(Graph, usize), Stop> {
        let mut graph = Graph::within(cx.state.budget.clone());
        let mut b = Builder::new(&mut graph, cx.site.path.as_str());
        let state = [batch, self.cell.units];
        let mut states = Vec::new();
        for index in 0..self.cell.states() {
            states.push(b.input(format!("state {index}"), TensorType::f32(state))?);
        }
        let before = if held {
            Some(b.input("output", TensorType::f32(state))?)
        } else {
            None
        };
        let z = b.input("input", TensorType::f32([batch, self.cell.projected()]))?;
        let mask = if masked {
            Some(b.input("mask", TensorType::f32([batch, 1]))?)
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

    /// Whether the outputs of all steps become 0 where the mask, read from its other end, says so: in `backend.rnn` of both
    /// Kerases the mask of an unrolled layer that goes backwards is turned round for the steps, and not for the outputs.
    fn zeroed_in_reverse(&self) -> bool {
        self.zero_output && self.unrolled && self.backwards && self.sequences
    }

    /// Outputs of all steps, batch first.
    fn all_outputs(
        &self,
        cx: &mut Cx<'_>,
        mut all: NodeId,
        mask: Option<NodeId>,
        flip: bool,
    ) -> Result<NodeId, Stop> {
        if let (true, Some(mut mask)) = (self.zero_output, mask) {
            if self.zeroed_in_reverse() {
                mask = reversed(cx, mask, 0)?;
            }
            all = cx.b().map(Tape::binary(Binary::Mul), &[all, mask])?;
        }
        if flip {
            all = reversed(cx, all, 0)?;
        }
        swap_batch_and_time(cx, all)
    }

    /// The output of the last step that ran.
    fn last_output(
        &self,
        cx: &mut Cx<'_>,
        output: NodeId,
        mask: Option<NodeId>,
        steps: usize,
    ) -> Result<NodeId, Stop> {
        let (true, Some(mask)) = (self.zero_output, mask) else {
            return Ok(output);
        };
        let at = if self.backwards { 0 } else { steps - 1 };
        let step = cx.b().slice(mask, 0, at, 1)?;
        let batch = cx.dims(step)[1];
        let step = cx.b().reshape(step, [batch, 1])?;
        Ok(cx.b().map(Tape::binary(Binary::Mul), &[output, step])?)
    }

    /// Values of the right shapes, to go on with after a problem.
    fn placeholder(&self, cx: &mut Cx<'_>, [batch, steps, units]: [usize; 3]) -> Result<Computed, Stop> {
        let path = cx.site.path.clone();
        let mut place = |name: &str, shape: &[usize]| {
            let name = format!("{path}/{name}");
            let ty = TensorType::f32(Shape::checked(shape)?);
            cx.b().add(Input { name, ty }, &[])
        };
        let output = if self.sequences {
            place("output", &[batch, steps, units])?
        } else {
            place("output", &[batch, units])?
        };
        let mut states = Vec::new();
        for _ in 0..self.cell.states() {
            states.push(place("state", &[batch, units])?);
        }
        Ok(Computed { output, states })
    }
}

/// The cell of an `RNN`; `None` when it is not a known one.
fn read_cell(cx: &mut Cx<'_>, r: &Read<'_>) -> Result<Option<Cell>, Stop> {
    let Some(object) = r.object("cell") else {
        return Ok(None);
    };
    let Some(class) = super::known(&object.class) else {
        return Ok(None);
    };
    let Role::Cell(recurrence) = class.role else {
        return Ok(None);
    };
    let inner = Read::new(object.config.fields(), class.keys, cx.state.semantics);
    let cell = Cell::read(cx, recurrence, &inner);
    inner.finish(cx)?;
    Ok(cell)
}

/// States of 0.
fn zeros(cx: &mut Cx<'_>, batch: usize, units: usize) -> Result<NodeId, Stop> {
    let shape = Shape::checked([batch, units])?;
    Ok(cx.constant(&format!("zeros {shape}"), shape.count(), || {
        Ok(Tensor::splat(shape.clone(), 0.0))
    })?)
}

/// Exchanges the first two of three axes, which moves nothing if one of them is 1.
fn swap_batch_and_time(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let [a, b, c] = dims[..] else {
        return Err(cx.inconsistent("it takes a sequence [batch, time, features]"));
    };
    if a == 1 || b == 1 {
        Ok(cx.b().reshape(x, [b, a, c])?)
    } else {
        Ok(cx.b().transpose(x, [1, 0, 2])?)
    }
}

/// An axis from its end to its start.
pub fn reversed(cx: &mut Cx<'_>, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let sizes = cx.dims(x);
    if sizes[axis] == 1 {
        return Ok(x);
    }
    let mut starts = vec![0; sizes.len()];
    let mut steps = vec![1; sizes.len()];
    starts[axis] = sizes[axis] - 1;
    steps[axis] = -1;
    Ok(cx.b().add(Slice { starts, sizes, steps }, &[x])?)
}
