//! `keras.layers.Embedding`.

use super::context::{Cx, KerasTensor, Outcome};
use super::mask::differs_from;
use crate::keras::ranges::COUNT;
use crate::ops::Gather;

/// Rows of a table `[input_dim, output_dim]` by index; with `mask_zero`, index 0 is masked. Keras 3 counts negative
/// indices from the end (`take` of its TensorFlow backend); Keras 2 (`tf.nn.embedding_lookup`) knows none.
pub fn embedding(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let rows = r.usize("input_dim", COUNT);
    let columns = r.usize("output_dim", COUNT);
    let mask_zero = r.flag("mask_zero", false);
    r.finish(cx)?;
    let indices = cx.input()?.node;
    let negative = cx.is_keras3();
    let weights = cx.weights([Some(("embeddings", vec![rows, columns]))]);
    let table = weights.node(cx, "embeddings")?;
    let node = cx.b().add(Gather { axis: 0, negative }, &[table, indices])?;
    let mask = if mask_zero {
        Some(cx.apply(differs_from(0.0), indices)?)
    } else {
        None
    };
    Ok(vec![KerasTensor { node, mask }])
}
