//! Recurrent layers: `keras.layers.LSTM`, `GRU`, `SimpleRNN`, `RNN` of their cells and of `StackedRNNCells`, `ConvLSTM1D`,
//! `ConvLSTM2D`, `ConvLSTM3D`.
//!
//! Cells of a stack run one after the other over the whole sequence: none needs what a later one gives, and a masked step
//! leaves the states of all of them as they were.

use super::cells::Cell;
use super::context::{Arg, CalledLayer, Cx, KerasTensor, Outcome, Stop};
use super::conv_lstm::Convolution;
use super::kept::{keep, kept};
use super::loops::{Loop, Steps, widened};
use super::read::Read;
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::class::{Recurrence, Role};
use crate::keras::object::Object;
use crate::ops::Slice;
use crate::pointwise::{Binary, Tape};

/// A recurrent layer as its config has it.
pub struct Recurrent {
    /// At least one; each takes what the one before it gives.
    cells: Vec<Cell>,
    /// Whether it gives the outputs of all steps.
    pub sequences: bool,
    /// Whether it gives its last states too.
    pub state: bool,
    /// Whether time runs from the last step to the first.
    pub backwards: bool,
    /// Whether the output of a masked step is 0, not the output of the step before.
    pub zero_output: bool,
    /// Whether a prediction begins with the states that the one before it ended with.
    stateful: bool,
    /// Whether Keras writes the steps out, which changes nothing but [`Recurrent::zeroed_in_reverse`].
    unrolled: bool,
}

/// What a recurrent layer is called with.
pub struct Sequence {
    /// `[batch, time, features]`, or images of all steps.
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
    /// The last output, or those of all steps `[batch, time, …]`.
    pub output: NodeId,
    /// The last states.
    pub states: Vec<NodeId>,
}

/// `LSTM`, `GRU`, `SimpleRNN`, `RNN`, `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`.
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
    let dims = cx.dims(x);
    if let Some(mask) = passed
        && Some(&cx.dims(mask)[..]) != dims.get(..2)
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
        cx.check_training()?;
        let r = cx.read();
        let Role::Recurrent(recurrence) = cx.site.role() else {
            return Err(Error::internal("a recurrent layer without a loop").into());
        };
        let cells = match recurrence {
            Recurrence::OfCell => read_cells(cx, &r)?,
            recurrence => Cell::read(cx, recurrence, &r).into_iter().collect(),
        };
        let images = matches!(recurrence, Recurrence::ConvLstm(_));
        let sequences = r.flag("return_sequences", false);
        let state = r.flag("return_state", false);
        let backwards = r.flag("go_backwards", false);
        let zero_output = r.flag("zero_output_for_mask", false);
        if images && !cx.is_keras3() {
            r.only("unroll", &[false.into()]);
        }
        let unrolled = r.flag("unroll", false);
        let stateful = r.flag("stateful", false);
        if stateful && cx.state.folded > 0 {
            let help = "Keras lets its states go from step to step of what is around it: put a recurrent layer there instead";
            r.or_harmless(Err(r.fields.unsupported("stateful").help(help)), ());
        }
        if cells.is_empty() {
            let help = "cells can be LSTMCell, GRUCell and SimpleRNNCell, and StackedRNNCells of these";
            r.or(Err(r.fields.unsupported("cell").help(help)), ());
        }
        r.finish(cx)?;
        let mut layer = Self {
            cells,
            sequences,
            state,
            backwards,
            zero_output: false,
            stateful,
            unrolled,
        };
        layer.set_zero_output(cx, zero_output);
        Ok(layer)
    }
    /// Decides about the output of masked steps. `ConvRNN.call` of Keras 2 does not look at the argument.
    pub fn set_zero_output(&mut self, cx: &Cx<'_>, zero: bool) {
        self.zero_output = zero && (cx.is_keras3() || self.convolution().is_none());
    }
    fn convolution(&self) -> Option<&Convolution> {
        self.cells.first().and_then(|cell| cell.convolution.as_ref())
    }
    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.cells.iter().map(Cell::weight_count).sum()
    }

    /// Runs over a sequence. With `flip`, the outputs of all steps are given from the last time to the first.
    pub fn run(&self, cx: &mut Cx<'_>, sequence: &Sequence, flip: bool) -> Result<Computed, Stop> {
        let axes = self.convolution().map_or(0, |found| found.size.len());
        cx.expect_rank(sequence.x, 3 + axes)?;
        let x = match self.convolution() {
            Some(images) => images.channels_last(cx, sequence.x)?,
            None => sequence.x,
        };
        let dims = cx.dims(x);
        let (batch, steps) = (dims[0], dims[1]);
        let given = self.first_states(cx, sequence, &dims)?;
        let x = swap_batch_and_time(cx, x)?;
        let mask = match sequence.mask {
            Some(mask) => {
                let mask = cx.b().reshape(mask, [batch, steps, 1])?;
                Some(swap_batch_and_time(cx, mask)?)
            }
            None => None,
        };
        let zeroed = self.zero_output && !self.zeroed_in_reverse();
        let held = mask.is_some() && !given.is_empty() && !zeroed;
        let mut weights = cx.site.weights;
        let mut looped = None;
        let mut states = Vec::new();
        let (mut x, mut given) = (x, &given[..]);
        for (place, cell) in self.cells.iter().enumerate() {
            let last = place + 1 == self.cells.len();
            let each = Loop {
                cell,
                sequences: self.sequences || !last,
                backwards: self.backwards,
                held: held && last,
            };
            let (own, rest) = given.split_at(cell.states().min(given.len()));
            let (taken, left) = weights.split_at(cell.weight_count().min(weights.len()));
            let mut site = cx.site.clone();
            if self.cells.len() > 1 {
                site = CalledLayer {
                    path: format!("{}/cells/{place}", site.path),
                    // The last one says it if there are too many.
                    weights: if last { weights } else { taken },
                    ..site
                };
            }
            let mut inner = Cx::new(cx.state, site, Vec::new(), Vec::new());
            let ran = each.run(&mut inner, Steps { x, mask }, own)?;
            (given, weights) = (rest, left);
            states.extend(&ran.states);
            x = ran.all.unwrap_or(x);
            looped = Some(ran);
        }
        let Some(looped) = looped else {
            return Err(Error::internal("a recurrent layer without a cell").into());
        };
        if self.stateful {
            keep(cx, &states);
        }
        let mut output = match looped.all.filter(|_| self.sequences) {
            Some(all) => self.all_outputs(cx, all, mask, flip)?,
            None => self.last_output(cx, looped.output, mask, steps)?,
        };
        if let Some(images) = self.convolution() {
            output = match self.sequences {
                true => images.sequence_restored(cx, output)?,
                false => images.restored(cx, output)?,
            };
            for state in &mut states {
                *state = images.restored(cx, *state)?;
            }
        }
        Ok(Computed { output, states })
    }

    /// The shapes of all states, for a sequence of a shape.
    fn state_shapes(&self, cx: &Cx<'_>, dims: &[usize]) -> Result<Vec<Vec<usize>>, Stop> {
        let mut shapes = Vec::new();
        let mut features = dims[2..].to_vec();
        for cell in &self.cells {
            features = cell.state(cx, &features)?;
            let shape = [&dims[..1], &features[..]].concat();
            shapes.extend(vec![shape; cell.states()]);
        }
        Ok(shapes)
    }

    /// The states to start with, of the shapes that the cells need, for a sequence of a shape: those that are given, or that
    /// are kept. None stands for 0.
    fn first_states(
        &self,
        cx: &mut Cx<'_>,
        sequence: &Sequence,
        dims: &[usize],
    ) -> Result<Vec<NodeId>, Stop> {
        if sequence.states.is_empty() {
            return match self.stateful {
                true => kept(cx, &self.state_shapes(cx, dims)?),
                false => Ok(Vec::new()),
            };
        }
        if self.stateful && !cx.is_keras3() {
            let message = "it is stateful, and called with initial states, which count in Keras 2 until it has kept others";
            return Err(cx.inconsistent(message));
        }
        let mut states = sequence.states.clone();
        if let Some(images) = self.convolution() {
            for state in &mut states {
                *state = images.state_channels_last(cx, *state)?;
            }
        }
        let mut shapes = self.state_shapes(cx, dims)?;
        let fits = states.len() == shapes.len()
            && states.iter().zip(&shapes).all(|(&s, shape)| cx.dims(s) == *shape);
        if fits {
            Ok(states)
        } else {
            let count = shapes.len();
            shapes.dedup();
            let shapes: Vec<_> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
            let message = format!(
                "it takes {count} initial states of shape {}, but is called with {}",
                shapes.join(" and "),
                states.len()
            );
            Err(cx.site.config.error(ErrorKind::Inconsistent(message)).into())
        }
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
            let rank = cx.dims(all).len();
            let mask = widened(&mut cx.b(), mask, rank)?;
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
        let rank = cx.dims(output).len();
        let step = widened(&mut cx.b(), step, rank)?;
        Ok(cx.b().map(Tape::binary(Binary::Mul), &[output, step])?)
    }
}

/// The cell of an `RNN`, or those of its stack; none when one of them is not a known one.
fn read_cells(cx: &mut Cx<'_>, r: &Read<'_>) -> Result<Vec<Cell>, Stop> {
    let Some(object) = r.object("cell") else {
        return Ok(Vec::new());
    };
    let Some(class) = super::known(&object.class) else {
        return Ok(Vec::new());
    };
    if class.role != Role::Cells {
        return Ok(read_cell(cx, &object)?.into_iter().collect());
    }
    let inner = Read::new(object.config.fields(), class.keys, cx.state);
    let objects = inner.or(inner.fields.objects("cells"), Vec::new());
    inner.finish(cx)?;
    let mut cells = Vec::new();
    for object in &objects {
        match read_cell(cx, object)? {
            Some(cell) => cells.push(cell),
            None => return Ok(Vec::new()),
        }
    }
    Ok(cells)
}

/// A cell; `None` when it is not a known one.
fn read_cell(cx: &mut Cx<'_>, object: &Object) -> Result<Option<Cell>, Stop> {
    let Some(class) = super::known(&object.class) else {
        return Ok(None);
    };
    let Role::Cell(recurrence) = class.role else {
        return Ok(None);
    };
    let inner = Read::new(object.config.fields(), class.keys, cx.state);
    let cell = Cell::read(cx, recurrence, &inner);
    inner.finish(cx)?;
    Ok(cell)
}

/// Exchanges the first two axes, which moves nothing if one of them is 1.
fn swap_batch_and_time(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let &[a, b, ref rest @ ..] = &dims[..] else {
        return Err(cx.inconsistent("it takes a sequence [batch, time, features]"));
    };
    let swapped = [&[b, a], rest].concat();
    if a == 1 || b == 1 {
        return Ok(cx.b().reshape(x, swapped)?);
    }
    let x = cx.b().reshape(x, [a, b, rest.iter().product()])?;
    let x = cx.b().transpose(x, [1, 0, 2])?;
    Ok(cx.b().reshape(x, swapped)?)
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
