//! Cells of recurrent layers: one time step as a graph.
//!
//! The product of the inputs with the kernel is computed for all steps at once outside; a step adds the product of
//! the state with the recurrent kernel and applies the gates. Gates are views of one product, and each state
//! is one map, so that a step takes as few kernels as possible.

use super::context::{Cx, Stop};
use super::read::Read;
use super::weights::Weights;
use crate::error::Result;
use crate::graph::{Builder, NodeId};
use crate::keras::class::Recurrence;
use crate::keras::ranges::{ANY, COUNT};
use crate::ops::MatMul;
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Value};
use crate::tensor::{Shape, Tensor};

/// A cell with its arguments.
pub struct Cell {
    kind: Kind,
    /// Elements of a state.
    pub units: usize,
    bias: bool,
    activation: Tape,
    gate: Tape,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
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
        let kind = match recurrence {
            Recurrence::Lstm => Kind::Lstm,
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
        Some(Self {
            kind,
            units: r.usize("units", COUNT),
            bias: r.flag("use_bias", true),
            activation: elementwise("activation", "tanh"),
            gate: if kind == Kind::Simple {
                Tape::identity()
            } else {
                elementwise("recurrent_activation", "sigmoid")
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
    /// Elements of the projected input of a step.
    pub fn projected(&self) -> usize {
        self.units * self.gates()
    }
    fn gates(&self) -> usize {
        match self.kind {
            Kind::Lstm => 4,
            Kind::Gru { .. } => 3,
            Kind::Simple => 1,
        }
    }
    /// The weights: kernel `[features, gates·units]`, recurrent kernel `[units, gates·units]`, bias, which for a GRU
    /// that resets after has a row for each of both products.
    pub fn weights<'a>(&self, cx: &mut Cx<'a>, features: usize) -> Weights<'a> {
        let all = self.units.saturating_mul(self.gates());
        let bias = match self.kind {
            Kind::Gru { reset_after: true } => vec![2, all],
            _ => vec![all],
        };
        cx.weights([
            Some(("kernel", vec![features, all])),
            Some(("recurrent_kernel", vec![self.units, all])),
            self.bias.then_some(("bias", bias)),
        ])
    }

    /// The inputs of all steps, `[steps, batch, features]`, times the kernel, plus the bias.
    pub fn project(&self, cx: &mut Cx<'_>, weights: &Weights<'_>, x: NodeId) -> Result<NodeId, Stop> {
        let dims = cx.dims(x);
        let [steps, batch, features] = dims[..] else {
            return Err(cx.inconsistent("it takes a sequence [batch, time, features]"));
        };
        let all = self.projected();
        let mut inputs = vec![
            cx.b().reshape(x, [steps * batch, features])?,
            weights.node(cx, "kernel")?,
        ];
        if self.bias {
            let shape = Shape::new([all]);
            inputs.push(weights.derived(cx, "input bias", &shape, |w| part(w.get("bias")?, 0, all))?);
        }
        let op = MatMul {
            bias: self.bias,
            epilogue: Tape::identity(),
        };
        let z = cx.b().add(op, &inputs)?;
        Ok(cx.b().reshape(z, [steps, batch, all])?)
    }

    /// Adds a step to a body: the next states from the last ones and the projected input.
    /// Where a mask `[batch, 1]` is 0, states stay.
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
            gates.push(b.slice(sum, 1, gate * self.units, self.units)?);
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

    /// The constants of a step.
    pub fn constants(&self, weights: &Weights<'_>) -> Result<Constants> {
        let all = self.projected();
        let kernel = match (weights.get("recurrent_kernel"), self.kind) {
            (None, _) => None,
            (Some(kernel), Kind::Gru { reset_after: false }) => {
                let gates = columns(kernel, 0, 2 * self.units)?;
                Some(vec![gates, columns(kernel, 2 * self.units, self.units)?])
            }
            (Some(kernel), _) => Some(vec![kernel.clone()]),
        };
        let after = self.kind == Kind::Gru { reset_after: true };
        let bias = match weights.get("bias") {
            Some(bias) if after => part(bias, all, all).transpose()?,
            _ => None,
        };
        Ok(Constants {
            complete: kernel.is_some() && (bias.is_some() || !(after && self.bias)),
            kernels: kernel.unwrap_or_default(),
            bias,
        })
    }
}

/// Constants of a step, to be placed into its body.
pub struct Constants {
    kernels: Vec<Tensor>,
    bias: Option<Tensor>,
    complete: bool,
}

impl Constants {
    /// A state times a recurrent kernel, plus the recurrent bias or another value.
    fn product(
        &self,
        b: &mut Builder<'_>,
        state: NodeId,
        kernel: usize,
        bias: bool,
        plus: Option<NodeId>,
    ) -> Result<NodeId> {
        let missing = || crate::error::Error::internal("a recurrent weight is missing");
        let kernel = self.kernels.get(kernel).cloned().ok_or_else(missing)?;
        let mut inputs = vec![state, b.constant(kernel)?];
        if bias {
            inputs.push(b.constant(self.bias.clone().ok_or_else(missing)?)?);
        }
        let epilogue = match plus {
            Some(plus) => {
                inputs.push(plus);
                Tape::binary(Binary::Add)
            }
            None => Tape::identity(),
        };
        b.add(MatMul { bias, epilogue }, &inputs)
    }
    /// Whether the step can be built.
    pub fn complete(&self) -> bool {
        self.complete
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

/// `count` elements of a weight, from `start` on, as a vector.
fn part(tensor: &Tensor, start: usize, count: usize) -> Option<Result<Tensor>> {
    if tensor.shape().rank() == 1 && start == 0 {
        return Some(Ok(tensor.clone()));
    }
    let data = tensor.as_f32().ok()?.get(start..start + count)?;
    Some(Tensor::f32([count], data))
}

/// `count` columns of a matrix, from `start` on.
fn columns(matrix: &Tensor, start: usize, count: usize) -> Result<Tensor> {
    let [rows, all] = matrix.shape().dims()[..] else {
        return Err(crate::error::Error::internal("a kernel that is no matrix"));
    };
    let data = matrix.as_f32()?;
    let picked: Vec<f32> = data
        .chunks(all)
        .flat_map(|row| row[start..start + count].iter().copied())
        .collect();
    Tensor::f32([rows, count], picked)
}
