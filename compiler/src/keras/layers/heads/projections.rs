//! The projections of an attention of several heads.

use super::call::{Call, Common};
use crate::error::ErrorKind;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop};
use crate::keras::layers::dense::projected;
use crate::keras::layers::weights::Weights;
use crate::pointwise::{Binary, Tape, library};

/// The weights in Keras' order, as the layers that hold them are called, with names of their kernels and biases.
const QUERY: [&str; 2] = ["query kernel", "query bias"];
const KEY: [&str; 2] = ["key kernel", "key bias"];
const GATE: [&str; 2] = ["gate kernel", "gate bias"];
const VALUE: [&str; 2] = ["value kernel", "value bias"];
const OUTPUT: [&str; 2] = ["attention_output kernel", "attention_output bias"];

/// Heads and their sizes after the projections, and the shape of what comes out.
pub struct Sizes {
    /// Of queries.
    pub queries: [usize; 2],
    /// Of keys.
    pub keys: [usize; 2],
    /// Of values.
    pub values: [usize; 2],
    /// The axes behind the places of queries.
    pub out: Vec<usize>,
}

/// The projections of a call, and the weights of the last one.
pub struct Projections<'a> {
    /// Of queries, already scaled by 1/√size, of keys and of values: `[batch, …, heads, size]`.
    pub values: [NodeId; 3],
    /// What the results are multiplied with before the last projection.
    gate: Option<NodeId>,
    out: Vec<usize>,
    weights: Weights<'a>,
}

impl<'a> Projections<'a> {
    /// Projects what the call gives.
    pub fn new(cx: &mut Cx<'a>, call: &Call, common: &Common, sizes: Sizes) -> Result<Self, Stop> {
        let Sizes {
            queries,
            keys,
            values,
            out,
        } = sizes;
        let given = [call.query, call.key, call.value].map(|value| value.node);
        let ranks = given.map(|node| cx.dims(node).len());
        if ranks[0] < 3 || ranks.iter().any(|&rank| rank != ranks[0]) {
            return Err(cx.inconsistent("it takes tensors of rank 3 or more, all of one rank"));
        }
        let features = given.map(|node| cx.dims(node).last().copied().unwrap_or(1));
        let gate = [queries[0], values[1]];
        let kernel = |names: [&'static str; 2], from: usize, to: [usize; 2]| {
            [
                Some((names[0], [&[from][..], &to].concat())),
                common.bias.then(|| (names[1], to.to_vec())),
            ]
        };
        let [q, q_bias] = kernel(QUERY, features[0], queries);
        let [k, k_bias] = kernel(KEY, features[1], keys);
        let [g, g_bias] = kernel(GATE, features[0], gate);
        let [v, v_bias] = kernel(VALUE, features[2], values);
        refuse_few_bits(cx)?;
        let weights = cx.weights([
            q,
            q_bias,
            k,
            k_bias,
            g.filter(|_| common.gate),
            g_bias.filter(|_| common.gate),
            v,
            v_bias,
            Some((OUTPUT[0], [&gate[..], &out].concat())),
            common.bias.then(|| (OUTPUT[1], out.clone())),
        ]);
        let given = [cx.float(given[0])?, cx.float(given[1])?, cx.float(given[2])?];
        let q = project(cx, &weights, QUERY, given[0], 1, &queries)?;
        let q = cx.apply(
            Tape::binary_const(Binary::Mul, (1.0 / (queries[1] as f64).sqrt()) as f32),
            q,
        )?;
        let k = project(cx, &weights, KEY, given[1], 1, &keys)?;
        let gate = if common.gate {
            let x = project(cx, &weights, GATE, given[0], 1, &gate)?;
            Some(cx.apply(library::sigmoid::tape(), x)?)
        } else {
            None
        };
        let v = project(cx, &weights, VALUE, given[2], 1, &values)?;
        Ok(Self {
            values: [q, k, v],
            gate,
            out,
            weights,
        })
    }

    /// What the layer gives: the context `[batch, …, heads, size]` through the gate and the last projection, under the mask of the
    /// queries, and the weights of the softmax if they are asked for.
    pub fn finish(self, cx: &mut Cx<'_>, call: &Call, context: NodeId, scores: NodeId) -> Outcome {
        let context = match self.gate {
            Some(gate) => cx.b().map(Tape::binary(Binary::Mul), &[context, gate])?,
            None => context,
        };
        let node = project(cx, &self.weights, OUTPUT, context, 2, &self.out)?;
        let mask = call.query.mask;
        let mut results = vec![KerasTensor { node, mask }];
        if call.scores {
            results.push(KerasTensor::new(scores));
        }
        Ok(results)
    }
}

/// `model.quantize` reaches the projections inside, of which the config of the layer says nothing, so that Keras cannot load
/// such a file either: each then has scales beside its kernel.
fn refuse_few_bits(cx: &Cx<'_>) -> Result<(), Stop> {
    let expected = cx.site.class.map_or(0, |class| (class.weights)(cx.site.config));
    if cx.site.weights.len() < expected + 4 {
        return Ok(());
    }
    let message = "its projections were quantized, which its config does not say";
    let error = cx.site.config.error(ErrorKind::Inconsistent(message.to_owned()));
    Err(error
        .help("Keras itself cannot load this file: quantize all layers but this one, or save the model as it was before")
        .into())
}

/// The last `bound` axes of `x` projected to the axes `to`.
fn project(
    cx: &mut Cx<'_>,
    weights: &Weights<'_>,
    [kernel, bias]: [&str; 2],
    x: NodeId,
    bound: usize,
    to: &[usize],
) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let inner = dims.iter().rev().take(bound).product();
    let columns = to.iter().product();
    let mut parts = vec![weights.reshaped(cx, kernel, &[inner, columns])?];
    if weights.has(bias) {
        parts.push(weights.reshaped(cx, bias, &[columns])?);
    }
    projected(cx, x, &parts, bound, to)
}
