//! `keras.layers.Embedding`, `ReversibleEmbedding`.

use super::context::{Cx, KerasTensor, Outcome, one};
use super::dense::projected;
use super::mask::differs_from;
use super::weights::Weights;
use crate::error::Error;
use crate::keras::dtype::KerasDType;
use crate::keras::ranges::{ANY, COUNT};
use crate::ops::Gather;
use crate::pointwise::{Binary, Tape, Unary};

/// Rows of a table `[input_dim, output_dim]` by index; with `mask_zero`, index 0 is masked. Keras 3 counts negative
/// indices from the end (`take` of its TensorFlow backend); Keras 2 (`tf.nn.embedding_lookup`) knows none.
pub fn embedding(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let rows = r.usize("input_dim", COUNT);
    let columns = r.usize("output_dim", COUNT);
    let mask_zero = r.flag("mask_zero", false);
    r.finish(cx)?;
    let weights = cx.weights([Some(("embeddings", vec![rows, columns]))]);
    picked(cx, &weights, mask_zero)
}

/// The rows of the table `embeddings` at the indices that come in.
fn picked(cx: &mut Cx<'_>, weights: &Weights<'_>, mask_zero: bool) -> Outcome {
    let indices = cx.input()?.node;
    let negative = cx.is_keras3();
    let table = weights.node(cx, "embeddings")?;
    let node = cx.b().add(Gather { axis: 0, negative }, &[table, indices])?;
    let mask = if mask_zero {
        Some(cx.apply(differs_from(0.0), indices)?)
    } else {
        None
    };
    Ok(vec![KerasTensor { node, mask }])
}

/// `ReversibleEmbedding`: an Embedding, and with the call argument `reverse` a product with the transposed table, or
/// with a table `[output_dim, input_dim]` of its own, that ends any mask. `logit_soft_cap` c makes c·tanh(x/c) of it.
pub fn reversible(cx: &mut Cx<'_>) -> Outcome {
    let reverse = cx.switch("reverse")?;
    let r = cx.read();
    let rows = r.usize("input_dim", COUNT);
    let columns = r.usize("output_dim", COUNT);
    let mask_zero = r.flag("mask_zero", false);
    let tied = r.flag("tie_weights", true);
    let cap = r.opt_number("logit_soft_cap", ANY);
    // Whatever kind of float it is: all compute in float32 here.
    let dtype = r.or_harmless(r.fields.dtype("reverse_dtype"), None);
    if dtype.is_some_and(|dtype| dtype != KerasDType::Float) {
        r.or_harmless(Err::<(), Error>(r.fields.unsupported("reverse_dtype")), ());
    }
    r.finish(cx)?;
    let weights = cx.weights([
        Some(("embeddings", vec![rows, columns])),
        (!tied).then(|| ("reverse_embeddings", vec![columns, rows])),
    ]);
    if !reverse {
        return picked(cx, &weights, mask_zero);
    }
    let kernel = if tied {
        let table = weights.node(cx, "embeddings")?;
        cx.b().transpose(table, [1, 0])?
    } else {
        weights.node(cx, "reverse_embeddings")?
    };
    let x = cx.float_input()?;
    let features = cx.dims(x).last().copied();
    if features != Some(columns) {
        let message = format!("it takes {columns} features in reverse");
        return Err(cx.inconsistent(message));
    }
    let logits = projected(cx, x, &[kernel], 1, &[rows])?;
    let Some(cap) = cap else { return one(logits) };
    let capped = Tape::binary_const(Binary::Div, cap as f32)
        .then(&Tape::unary(Unary::Tanh))
        .then(&Tape::binary_const(Binary::Mul, cap as f32));
    one(cx.apply(capped, logits)?)
}
