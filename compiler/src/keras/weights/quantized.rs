//! The order of weights in few bits. A `.keras` archive has them as `variable_serialization_spec` lists them, without names;
//! a `.h5` file by their names, those that are trained first.

use crate::keras::fields::Fields;
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::quantization::{Kind, Quantization};

/// Names in the order of the lists, with that of a low-rank adaption behind.
const ORDER: [&str; 22] = [
    "kernel",
    "bias",
    "inputs_scale",
    "inputs_amax_history",
    "kernel_scale",
    "kernel_amax_history",
    "outputs_grad_scale",
    "outputs_grad_amax_history",
    "kernel_zero",
    // What EinsumDense calls it.
    "zero_point",
    "awq_scales",
    "embeddings",
    "embeddings_scale",
    "embeddings_zero",
    "g_idx",
    "reverse_embeddings",
    "reverse_embeddings_scale",
    "reverse_embeddings_zero",
    "lora_kernel_a",
    "lora_kernel_b",
    "lora_embeddings_a",
    "lora_embeddings_b",
];

/// Brings the weights of every layer that keeps them in few bits into order.
pub(super) fn arrange(network: &mut Network) {
    network.layers.iter_mut().for_each(arrange_layer);
}

fn arrange_layer(layer: &mut Layer) {
    if let Some(kind) = kind_of(&layer.config.fields()) {
        arrange_weights(&mut layer.weights, kind);
    }
    layer.inner_mut().for_each(arrange_layer);
}

/// How a layer, or the layer that it wraps, keeps its weights. What is wrong with its config is said where it is lowered.
fn kind_of(fields: &Fields<'_>) -> Option<Kind> {
    if let Some(found) = fields.quantization().ok()? {
        return Some(found.kind);
    }
    let inner = fields.object("layer").ok()??;
    Some(Quantization::of(&inner.config).ok()??.kind)
}

fn arrange_weights(weights: &mut [Weight], kind: Kind) {
    let place = |weight: &Weight| ORDER.iter().position(|name| *name == weight.own_name());
    if !weights.iter().all(|weight| place(weight).is_some()) {
        return;
    }
    // The lists of GPTQ and AWQ begin with the bias.
    let first = matches!(kind, Kind::Grouped { .. });
    weights.sort_by_key(|weight| (!(first && weight.own_name() == "bias"), place(weight)));
}
