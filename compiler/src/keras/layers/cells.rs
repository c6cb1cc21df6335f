//! Cells of recurrent layers: one time step as a graph.
//!
//! The product of the inputs with the kernel is computed for all steps at once outside; a step adds the product of
//! the state with the recurrent kernel and applies the gates. Gates are views of one product, and each state
//! is one map, so that a step takes as few kernels as possible. [`super::products`] has the products, which may be
//! convolutions.

use super::context::Cx;
use super::conv_lstm::Convolution;
use super::products::Constants;
use super::read::Read;
use crate::error::Result;
use crate::graph::{Builder, NodeId};
use crate::keras::class::Recurrence;
use crate::keras::ranges::{ANY, COUNT};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Value};

/// A cell with its arguments.
pub struct Cell {
    pub(super) kind: Kind,
    /// Elements of a state, or channels of one that is an image.
    pub units: usize,
    /// What stands in place of products, if states are images.
    pub convolution: Option<Convolution>,
    pub(super) bias: bool,
    activation: Tape,
    gate: Tape,
}

/// Which gates there are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Gates input, forget, candidate, output; states h, c.
    Lstm,
    /// Gates update, reset, candidate; state h. The reset gate is applied after the product with the state or before.
    Gru { reset_after: bool },
    /// State h.
    Simple,
}

impl Cell {
    /// Reads the arguments of a layer or of its cell; `None` for a layer whose cell has them.
    pub fn read(cx: &Cx<'_>, recurrence: Recurrence, r: &Read<'_>) -> Option<Self> {
        let mut convolution = None;
        let kind = match recurrence {
            Recurrence::Lstm => Kind::Lstm,
            Recurrence::ConvLstm(axes) => {
                convolution = Some(Convolution::read(r, axes));
                Kind::Lstm
            }
            Recurrence::CudnnGru => Kind::Gru { reset_after: true },
            // Keras before 2.1 has no such argument and resets before.
            Recurrence::Gru => Kind::Gru {
                reset_after: r.flag("reset_after", cx.is_keras3()),
            },
            Recurrence::Simple => Kind::Simple,
            Recurrence::OfCell => return None,
        };
        // What is left out in training.
        for key in ["dropout", "recurrent_dropout"] {
            r.number(key, 0.0, ANY);
        }
        let elementwise = |key: &str, default: &str| {
            let found = r.activation(key, default).tape().cloned();
            let error = || {
                r.fields
                    .unsupported(key)
                    .help("a recurrent layer takes functions of single elements")
            };
            r.or_harmless(found.ok_or_else(error), Tape::identity())
        };
        let (units, gate) = match convolution {
            // Keras 2 has the piecewise linear one here only.
            Some(_) if !cx.is_keras3() => ("filters", "hard_sigmoid"),
            Some(_) => ("filters", "sigmoid"),
            None => ("units", "sigmoid"),
        };
        Some(Self {
            kind,
            units: r.usize(units, COUNT),
            convolution,
            bias: r.flag("use_bias", true),
            activation: elementwise("activation", "tanh"),
            gate: if kind == Kind::Simple {
                Tape::identity()
            } else {
                elementwise("recurrent_activation", gate)
            },
        })
    }
    /// Number of states.
    pub fn states(&self) -> usize {
        if self.kind == Kind::Lstm { 2 } else { 1 }
    }
    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        2 + usize::from(self.bias)
    }
    pub(super) fn gates(&self) -> usize {
        match self.kind {
            Kind::Lstm => 4,
            Kind::Gru { .. } => 3,
            Kind::Simple => 1,
        }
    }
    /// The axis of a state and of its gates along which the units stand.
    fn axis(&self) -> usize {
        1 + self.convolution.as_ref().map_or(0, |found| found.size.len())
    }

    /// Adds a step to a body: the next states from the last ones and the projected input.
    /// Where a mask `[batch, 1]`, of the rank of a state, is 0, states stay.
    pub fn step(
        &self,
        b: &mut Builder<'_>,
        constants: &Constants,
        z: NodeId,
        states: &[NodeId],
        mask: Option<NodeId>,
    ) -> Result<Vec<NodeId>> {
        match (self.kind, states) {
            (Kind::Lstm, &[h, c]) => self.lstm(b, constants, z, [h, c], mask),
            (Kind::Gru { reset_after: true }, &[h]) => self.gru_after(b, constants, z, h, mask),
            (Kind::Gru { reset_after: false }, &[h]) => self.gru_before(b, constants, z, h, mask),
            (Kind::Simple, &[h]) => self.simple(b, constants, z, h, mask),
            _ => Err(crate::error::Error::internal(
                "a cell with another number of states",
            )),
        }
    }

    fn lstm(
        &self,
        b: &mut Builder<'_>,
        constants: &Constants,
        z: NodeId,
        [h, c]: [NodeId; 2],
        mask: Option<NodeId>,
    ) -> Result<Vec<NodeId>> {
        let sum = constants.product(b, h, 0, false, Some(z))?;
        let mut gates = Vec::new();
        for gate in 0..4 {
            gates.push(b.slice(sum, self.axis(), gate * self.units, self.units)?);
        }
        let [input, forget, candidate, output] = gates[..] else {
            return Err(crate::error::Error::internal("an LSTM has four gates"));
        };
        // c' = gate(forget)·c + gate(input)·activation(candidate)
        let next_c = masked(b, 4, &[input, forget, candidate, c], 3, mask, |t, v| {
            let kept = t.inline(&self.gate, &v[1..2]);
            let kept = t.binary(Binary::Mul, kept, v[3]);
            let new = t.inline(&self.gate, &v[..1]);
            let candidate = t.inline(&self.activation, &v[2..3]);
            let new = t.binary(Binary::Mul, new, candidate);
            t.binary(Binary::Add, kept, new)
        })?;
        // h' = gate(output)·activation(c')
        let next_h = masked(b, 2, &[output, next_c, h], 2, mask, |t, v| {
            let gate = t.inline(&self.gate, &v[..1]);
            let c = t.inline(&self.activation, &v[1..2]);
            t.binary(Binary::Mul, gate, c)
        })?;
        Ok(vec![next_h, next_c])
    }

    /// h' = u·h + (1 - u)·candidate, of gates that are not yet activated.
    fn blend(&self, t: &mut TapeBuilder, update: Value, h: Value, candidate: Value) -> Value {
        let one = t.constant(1.0);
        let candidate = t.inline(&self.activation, &[candidate]);
        let update = t.inline(&self.gate, &[update]);
        let kept = t.binary(Binary::Mul, update, h);
        let rest = t.binary(Binary::Sub, one, update);
        let new = t.binary(Binary::Mul, rest, candidate);
        t.binary(Binary::Add, kept, new)
    }

    fn gru_after(
        &self,
        b: &mut Builder<'_>,
        constants: &Constants,
        z: NodeId,
        h: NodeId,
        mask: Option<NodeId>,
    ) -> Result<Vec<NodeId>> {
        let product = constants.product(b, h, 0, self.bias, None)?;
        let mut inputs = Vec::new();
        for gate in 0..3 {
            inputs.push(b.slice(z, 1, gate * self.units, self.units)?);
            inputs.push(b.slice(product, 1, gate * self.units, self.units)?);
        }
        inputs.push(h);
        let next = masked(b, 7, &inputs, 6, mask, |t, v| {
            let update = t.binary(Binary::Add, v[0], v[1]);
            let reset = t.binary(Binary::Add, v[2], v[3]);
            let reset = t.inline(&self.gate, &[reset]);
            let recurrent = t.binary(Binary::Mul, reset, v[5]);
            let candidate = t.binary(Binary::Add, v[4], recurrent);
            self.blend(t, update, v[6], candidate)
        })?;
        Ok(vec![next])
    }

    fn gru_before(
        &self,
        b: &mut Builder<'_>,
        constants: &Constants,
        z: NodeId,
        h: NodeId,
        mask: Option<NodeId>,
    ) -> Result<Vec<NodeId>> {
        let of_gates = b.slice(z, 1, 0, 2 * self.units)?;
        let of_candidate = b.slice(z, 1, 2 * self.units, self.units)?;
        let gates = constants.product(b, h, 0, false, Some(of_gates))?;
        let update = b.slice(gates, 1, 0, self.units)?;
        let reset = b.slice(gates, 1, self.units, self.units)?;
        let reset_h = masked(b, 2, &[reset, h], 1, None, |t, v| {
            let reset = t.inline(&self.gate, &v[..1]);
            t.binary(Binary::Mul, reset, v[1])
        })?;
        let candidate = constants.product(b, reset_h, 1, false, Some(of_candidate))?;
        let next = masked(b, 3, &[update, h, candidate], 1, mask, |t, v| {
            self.blend(t, v[0], v[1], v[2])
        })?;
        Ok(vec![next])
    }

    fn simple(
        &self,
        b: &mut Builder<'_>,
        constants: &Constants,
        z: NodeId,
        h: NodeId,
        mask: Option<NodeId>,
    ) -> Result<Vec<NodeId>> {
        let sum = constants.product(b, h, 0, false, Some(z))?;
        let next = if mask.is_none() && self.activation.is_identity() {
            sum
        } else {
            masked(b, 1, &[sum, h], 1, mask, |t, v| {
                t.inline(&self.activation, &v[..1])
            })?
        };
        Ok(vec![next])
    }
}

/// Maps `inputs`, of which the first `used` matter to `make`; where the mask is 0 gives input `old`.
fn masked(
    b: &mut Builder<'_>,
    used: usize,
    inputs: &[NodeId],
    old: usize,
    mask: Option<NodeId>,
    make: impl FnOnce(&mut TapeBuilder, &[Value]) -> Value,
) -> Result<NodeId> {
    let mut nodes = inputs.to_vec();
    match mask {
        Some(mask) => nodes.push(mask),
        None => nodes.truncate(used),
    }
    let mut t = TapeBuilder::new(nodes.len() as u32);
    let values: Vec<Value> = (0..nodes.len() as u32).map(|i| t.input(i)).collect();
    let mut result = make(&mut t, &values);
    if mask.is_some() {
        let zero = t.constant(0.0);
        let counts = t.compare(Compare::Ne, values[nodes.len() - 1], zero);
        result = t.select(counts, result, values[old]);
    }
    b.map(t.finish(result), &nodes)
}
