//! `keras.layers.Embedding`, `ReversibleEmbedding`.

use super::context::{Cx, KerasTensor, Outcome, Stop, one};
use super::dense::projected;
use super::mask::differs_from;
use super::quantized::{Table, divided, expect_table, rounded};
use crate::error::Error;
use crate::graph::NodeId;
use crate::keras::dtype::KerasDType;
use crate::keras::quantization::{AbsMax, Quantization};
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
    let quantization = r.quantization();
    r.finish(cx)?;
    let table = match quantization {
        Some(Quantization { kind, .. }) => {
            expect_table(cx, kind)?;
            Table::take(cx, kind, [rows, columns], true)?.embeddings(cx)?
        }
        None => {
            let weights = cx.weights([Some(("embeddings", vec![rows, columns]))]);
            weights.node(cx, "embeddings")?
        }
    };
    picked(cx, table, mask_zero)
}

/// The rows of a table at the indices that come in.
fn picked(cx: &mut Cx<'_>, table: NodeId, mask_zero: bool) -> Outcome {
    let indices = cx.input()?.node;
    let negative = cx.is_keras3();
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
    let quantization = r.quantization();
    r.finish(cx)?;
    let logits = match quantization {
        Some(quantization) => {
            expect_table(cx, quantization.kind)?;
            let table = Table::take(cx, quantization.kind, [rows, columns], tied)?;
            if !reverse {
                let table = table.embeddings(cx)?;
                return picked(cx, table, mask_zero);
            }
            let x = features(cx, columns)?;
            let last = cx.dims(x).len() - 1;
            let (x, scale) = match quantization.inputs_or(Some(AbsMax::DEFAULT)) {
                Some(round) => rounded(cx, round, x, &[last]).map(|(x, scale)| (x, Some(scale)))?,
                None => (x, None),
            };
            let (kernel, of_rows) = table.reverse(cx)?;
            let logits = projected(cx, x, &[kernel], 1, &[rows])?;
            divided(cx, logits, [scale, of_rows])?
        }
        None => match of_floats(cx, [rows, columns], tied, reverse)? {
            Way::Ahead(table) => return picked(cx, table, mask_zero),
            Way::Back(logits) => logits,
        },
    };
    let Some(cap) = cap else { return one(logits) };
    let capped = Tape::binary_const(Binary::Div, cap as f32)
        .then(&Tape::unary(Unary::Tanh))
        .then(&Tape::binary_const(Binary::Mul, cap as f32));
    one(cx.apply(capped, logits)?)
}

/// A table to pick from, or what the way back gives.
enum Way {
    Ahead(NodeId),
    Back(NodeId),
}

/// The ways of a table of floats.
fn of_floats(cx: &mut Cx<'_>, [rows, columns]: [usize; 2], tied: bool, reverse: bool) -> Result<Way, Stop> {
    let weights = cx.weights([
        Some(("embeddings", vec![rows, columns])),
        (!tied).then(|| ("reverse_embeddings", vec![columns, rows])),
    ]);
    if !reverse {
        return Ok(Way::Ahead(weights.node(cx, "embeddings")?));
    }
    let kernel = if tied {
        let table = weights.node(cx, "embeddings")?;
        cx.b().transpose(table, [1, 0])?
    } else {
        weights.node(cx, "reverse_embeddings")?
    };
    let x = features(cx, columns)?;
    Ok(Way::Back(projected(cx, x, &[kernel], 1, &[rows])?))
}

/// What goes the way back.
fn features(cx: &mut Cx<'_>, columns: usize) -> Result<NodeId, Stop> {
    let x = cx.float_input()?;
    if cx.dims(x).last() == Some(&columns) {
        return Ok(x);
    }
    let message = format!("it takes {columns} features in reverse");
    Err(cx.inconsistent(message))
}
