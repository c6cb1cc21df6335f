//! How many weights layers have, by their configs. What their functions ask for is the same: a test compares the counts
//! with the weights of all goldens, which the functions take.

use super::count_of;
use crate::keras::config::Config;
use crate::keras::quantization::{Kind, Quantization};

/// Whether a switch is on; what is wrong with it is said where the layer is lowered.
fn is_on(config: &Config, key: &str, default: bool) -> usize {
    usize::from(config.fields().bool_or(key, default).unwrap_or(default))
}

/// Whether an argument is there and not null.
fn given(config: &Config, key: &str) -> bool {
    config.values().get(key).is_some_and(|value| !value.is_null())
}

/// `N`, and a bias unless the config does away with it.
pub fn biased<const N: usize>(config: &Config) -> usize {
    N + is_on(config, "use_bias", true)
}

/// A factor and a shift, unless the config does away with them.
pub fn affine(config: &Config) -> usize {
    is_on(config, "scale", true) + is_on(config, "center", true)
}

/// A kernel with a bias unless the config does away with it, and what a kernel in few bits has besides.
pub fn dense(config: &Config) -> usize {
    biased::<1>(config) + beside_kernel(config)
}

/// A kernel, a bias if there are axes of it, and what a kernel in few bits has besides.
pub fn einsum_dense(config: &Config) -> usize {
    1 + usize::from(given(config, "bias_axes")) + beside_kernel(config)
}

/// How a layer keeps its weights, where that makes sense.
fn kind(config: &Config) -> Option<Kind> {
    let found = Quantization::of(config).ok().flatten();
    found.map(|quantization| quantization.kind)
}

/// Scales, zeros, groups and histories beside a kernel.
fn beside_kernel(config: &Config) -> usize {
    match kind(config) {
        None => 0,
        Some(Kind::Int8 | Kind::Int4 { block: None }) => 1,
        Some(Kind::Int4 { .. } | Kind::Grouped { scaled: false, .. }) => 3,
        Some(Kind::Grouped { .. }) => 4,
        Some(Kind::Float8 { .. }) => 6,
    }
}

/// A table, and what one in few bits has besides.
pub fn embedding(config: &Config) -> usize {
    1 + beside_kernel(config)
}

/// Kernels of query, key, value, output and perhaps a gate, each with a bias unless the config does away with it.
pub fn heads(config: &Config) -> usize {
    (4 + is_on(config, "use_gate", false)) * biased::<1>(config)
}

/// A factor, and another one for scores of concatenations.
pub fn attention(config: &Config) -> usize {
    let concat = config.values().get("score_mode").and_then(|mode| mode.as_str()) == Some("concat");
    is_on(config, "use_scale", false) + usize::from(concat)
}

/// A factor, unless the config does away with it.
pub fn additive_attention(config: &Config) -> usize {
    is_on(config, "use_scale", true)
}

/// A table, and another one for the way back unless it is the same; each with what one in few bits has besides. Both share
/// their groups.
pub fn reversible_embedding(config: &Config) -> usize {
    let apart = 1 - is_on(config, "tie_weights", true);
    let back = match kind(config) {
        None => 1,
        Some(Kind::Int4 { block: Some(_) }) => 3,
        Some(_) => 2,
    };
    embedding(config) + apart * back
}

/// Those of [`affine`], two statistics, and three more of renormalisation.
pub fn batch_normalization(config: &Config) -> usize {
    affine(config) + 2 + 3 * is_on(config, "renorm", false)
}

/// Those of [`affine`], or a factor alone.
pub fn layer_normalization(config: &Config) -> usize {
    match is_on(config, "rms_scaling", false) {
        0 => affine(config),
        _ => 1,
    }
}

/// Mean, variance and a count, unless both statistics are arguments.
pub fn normalization(config: &Config) -> usize {
    if given(config, "mean") && given(config, "variance") {
        0
    } else {
        3
    }
}

/// Those of the cell of an `RNN`.
pub fn of_cell(config: &Config) -> usize {
    within(config, "cell")
}

/// Those of all cells of a stack.
pub fn of_cells(config: &Config) -> usize {
    all(config, "cells")
}

/// Those of all layers of a pipeline.
pub fn of_layers(config: &Config) -> usize {
    all(config, "layers")
}

fn all(config: &Config, key: &str) -> usize {
    let objects = config.fields().objects(key).unwrap_or_default();
    objects.iter().map(count_of).sum()
}

/// Those of the layer inside a wrapper.
pub fn inside(config: &Config) -> usize {
    within(config, "layer")
}

/// Those of the layer inside, and a vector that training keeps.
pub fn spectral(config: &Config) -> usize {
    1 + inside(config)
}

/// Those of the layer inside, and those of the one that runs the other way, which is the same but where it is given.
pub fn both_ways(config: &Config) -> usize {
    let ahead = inside(config);
    match config.values().get("backward_layer") {
        None | Some(serde_json::Value::Null) => 2 * ahead,
        Some(_) => ahead + within(config, "backward_layer"),
    }
}

fn within(config: &Config, key: &str) -> usize {
    config
        .fields()
        .object(key)
        .ok()
        .flatten()
        .map_or(0, |object| count_of(&object))
}
