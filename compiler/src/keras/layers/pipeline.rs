//! `keras.layers.Pipeline` of Keras 3: layers one after the other.

use super::context::{Arg, Cx, Outcome};
use super::inner;
use crate::budget::Resource;

/// `Pipeline`: each layer takes what the one before it gives.
pub fn pipeline(cx: &mut Cx<'_>) -> Outcome {
    // Keras saves its default, True, with every call, and overrules it at inference.
    cx.literal("training");
    let r = cx.read();
    let layers = r.or(r.fields.objects("layers"), Vec::new());
    r.finish(cx)?;
    cx.state.budget.take(Resource::Calls, layers.len())?;
    let mut value = cx.input()?;
    let mut weights = cx.site.weights;
    for (index, layer) in layers.iter().enumerate() {
        let count = super::count_of(layer).min(weights.len());
        let (own, rest) = weights.split_at(count);
        weights = rest;
        let given = vec![Arg::KerasTensor(value)];
        let values = inner(cx, layer, &format!("{index}"), own, given)?;
        let &[result] = &values[..] else {
            return Err(cx.inconsistent(format!("layer {index} does not give one tensor")));
        };
        value = result;
    }
    if !weights.is_empty() {
        let message = format!(
            "the file has {} weights more than the layers inside take",
            weights.len()
        );
        return Err(cx.inconsistent(message));
    }
    Ok(vec![value])
}
