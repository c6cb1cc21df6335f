//! Weights of Keras 1, as Keras 2 has them: `preprocess_weights_for_loading` of Keras 2.2.4 (`keras/engine/saving.py`), but for
//! what that has wrong, which is told where it is done.

use super::legacy::strings;
use crate::error::Result;
use crate::keras::class::{Class, Origin, Recurrence, Role};
use crate::keras::config::Config;
use crate::keras::hdf5::Tree;
use crate::keras::keras1::{Backend, Names};
use crate::keras::layers;
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::object::Object;
use crate::tensor::Tensor;
use serde_json::Value;

/// The axes of a kernel with channels first, `[filters, channels, rows, columns]`, as `[rows, columns, channels, filters]`.
const LAST: [usize; 4] = [2, 3, 1, 0];

/// Which gate Keras 2 has at a place, counted as Keras 1 counts: input, candidate, forget, output.
const LSTM: &[usize] = &[0, 2, 1, 3];
/// Update, reset, candidate in both.
const GRU: &[usize] = &[0, 1, 2];

/// What the names of the weights in a group show; `None` without weights.
pub(in crate::keras) fn names(tree: &dyn Tree, group: &str) -> Result<Option<Names>> {
    let layers = strings(tree, group, "layer_names")?.unwrap_or_default();
    let mut found = None;
    for layer in layers {
        let layer = match group {
            "" => layer,
            group => format!("{group}/{layer}"),
        };
        let names = strings(tree, &layer, "weight_names")?.unwrap_or_default();
        if names.iter().any(|name| name.contains(':')) {
            return Ok(Some(Names::TensorFlow));
        }
        if found.is_none() && !names.is_empty() {
            let own = ["weight_names", "weight_names0"].map(|name| tree.is_fixed_text(&layer, name));
            let [whole, cut] = own;
            found = Some(if whole? || cut? {
                Names::Theano
            } else {
                Names::Converted
            });
        }
    }
    Ok(found)
}

/// How many weights a layer has in the file.
pub(super) fn stored(layer: &Layer) -> usize {
    match layer.origin {
        Origin::Keras1 => stored_of(layer.class, &layer.config),
        _ => layers::count_weights(layer),
    }
}

fn stored_of(class: Option<&Class>, config: &Config) -> usize {
    let Some(class) = class else { return 0 };
    let inside = || inner(config).map_or(0, |inner| stored_of(layers::known(&inner.class), &inner.config));
    match class.role {
        Role::Bidirectional => inside().saturating_mul(2),
        Role::TimeDistributed => inside(),
        _ => match gates(class, config) {
            Some(order) => 3 * order.len(),
            None => (class.weights)(config),
        },
    }
}

/// The order of gates whose weights stand apart, which they do unless they are made for a GPU.
fn gates(class: &Class, config: &Config) -> Option<&'static [usize]> {
    let together = config.values().get("implementation").and_then(Value::as_str) == Some("gpu");
    match class.role {
        Role::Recurrent(Recurrence::ConvLstm(_)) => Some(LSTM),
        Role::Recurrent(Recurrence::Lstm) if !together => Some(LSTM),
        Role::Recurrent(Recurrence::Gru) if !together => Some(GRU),
        _ => None,
    }
}

fn inner(config: &Config) -> Option<Object> {
    config.fields().object("layer").ok().flatten()
}

/// Converts the weights of all layers of Keras 1.
pub(super) fn convert(network: &mut Network) -> Result<()> {
    network.layers.iter_mut().try_for_each(convert_layer)
}

fn convert_layer(layer: &mut Layer) -> Result<()> {
    if layer.origin != Origin::Keras1 {
        return Ok(());
    }
    layer.inner_mut().try_for_each(convert_layer)?;
    let weights = std::mem::take(&mut layer.weights);
    let converted = converted(layer.class, &layer.config, weights);
    layer.weights = converted.map_err(|error| layer.at(error))?;
    Ok(())
}

/// The weights of a layer of `class`, or of the layers inside it.
fn converted(class: Option<&Class>, config: &Config, mut weights: Vec<Weight>) -> Result<Vec<Weight>> {
    let Some(class) = class else { return Ok(weights) };
    let inside = |weights| match inner(config) {
        Some(inner) => converted(layers::known(&inner.class), &inner.config, weights),
        None => Ok(weights),
    };
    match class.role {
        Role::Bidirectional => {
            let back = weights.split_off(weights.len() / 2);
            Ok([inside(weights)?, inside(back)?].concat())
        }
        Role::TimeDistributed => inside(weights),
        _ => {
            // The kernels of each gate are turned before they are put side by side, which Keras 2.2.4 does after.
            for weight in &mut weights {
                if let Some(turned) = turned(class, config, &weight.tensor)? {
                    weight.tensor = turned;
                }
            }
            match gates(class, config) {
                Some(order) if weights.len() == 3 * order.len() => joined(&weights, order),
                _ => Ok(weights),
            }
        }
    }
}

/// A kernel with its axes, and its ends, as Keras 2 has them; `None` for what stays.
fn turned(class: &Class, config: &Config, kernel: &Tensor) -> Result<Option<Tensor>> {
    let first = config.values().get("data_format").and_then(Value::as_str) == Some("th");
    let rank = kernel.shape().rank();
    let axes: Option<&[usize]> = match (class.name, rank, first) {
        ("Conv1D", 4, _) => Some(match is_oldest(config, kernel) {
            true => &LAST,
            false => &[0, 1, 2, 3],
        }),
        ("Conv2D" | "SeparableConv2D" | "ConvLSTM2D", 4, true) => Some(&LAST),
        ("Conv2D" | "SeparableConv2D" | "ConvLSTM2D", 4, false) => Some(&[0, 1, 2, 3]),
        ("Conv2DTranspose", 4, true) => Some(&[2, 3, 0, 1]),
        ("Conv2DTranspose", 4, false) => Some(&[0, 1, 3, 2]),
        ("Conv3D", 5, true) => Some(&[2, 3, 4, 1, 0]),
        ("Conv3D", 5, false) => Some(&[0, 1, 2, 3, 4]),
        _ => None,
    };
    let Some(axes) = axes else { return Ok(None) };
    let theano = config
        .keras1()
        .is_some_and(|dialect| dialect.backend == Backend::Theano);
    if !theano && rank > 3 && class.name != "Conv1D" && axes.is_sorted() {
        return Ok(None);
    }
    let kernel = moved(kernel, axes, if theano { rank - 2 } else { 0 })?;
    match (class.name, kernel.shape().dims()) {
        ("Conv1D", &[size, 1, channels, filters]) => kernel.reshape([size, channels, filters]).map(Some),
        _ => Ok(Some(kernel)),
    }
}

/// Whether a kernel of a sequence is one from before Keras 1.1, `[filters, channels, size, 1]` instead of
/// `[size, 1, channels, filters]`: the rule of `load_weights_from_hdf5_group`.
fn is_oldest(config: &Config, kernel: &Tensor) -> bool {
    let number = |key: &str| config.values().get(key).and_then(Value::as_u64);
    let dims: Vec<u64> = kernel
        .shape()
        .dims()
        .iter()
        .map(|&extent| extent as u64)
        .collect();
    let &[a, b, _, d] = &dims[..] else { return false };
    (Some(a), b) != (number("kernel_size"), 1) || Some(d) != number("filters")
}

/// A tensor with its axes in another order, and the first `reversed` of those turned round.
fn moved(tensor: &Tensor, axes: &[usize], reversed: usize) -> Result<Tensor> {
    let data = tensor.as_f32()?;
    let from = tensor.shape().dims();
    let mut strides = vec![1; from.len()];
    for axis in (1..from.len()).rev() {
        strides[axis - 1] = strides[axis] * from[axis];
    }
    let dims: Vec<usize> = axes.iter().map(|&axis| from[axis]).collect();
    let mut result = Vec::with_capacity(data.len());
    for index in 0..data.len() {
        let (mut rest, mut place) = (index, 0);
        for (at, &extent) in dims.iter().enumerate().rev() {
            let coordinate = rest % extent;
            rest /= extent;
            let coordinate = if at < reversed {
                extent - 1 - coordinate
            } else {
                coordinate
            };
            place += coordinate * strides[axes[at]];
        }
        result.push(data[place]);
    }
    Tensor::f32(dims, result)
}

/// Kernel, recurrent kernel and bias of all gates, from those of each gate.
fn joined(weights: &[Weight], order: &[usize]) -> Result<Vec<Weight>> {
    let mut all = Vec::new();
    for part in 0..3 {
        let gates = order.iter().filter_map(|gate| weights.get(3 * gate + part));
        let gates: Vec<_> = gates.collect();
        let Some(name) = gates.first().map(|weight| weight.name.clone()) else {
            return Ok(weights.to_vec());
        };
        let dims = gates[0].tensor.shape().dims();
        let same = gates.iter().all(|gate| gate.tensor.shape().dims() == dims);
        let Some((&width, rows)) = dims.split_last().filter(|_| same) else {
            // Said where the layer takes them.
            return Ok(weights.to_vec());
        };
        let parts: Vec<&[f32]> = gates
            .iter()
            .map(|gate| gate.tensor.as_f32())
            .collect::<Result<_>>()?;
        let mut data = Vec::new();
        for row in 0..rows.iter().product() {
            for part in &parts {
                data.extend_from_slice(&part[row * width..(row + 1) * width]);
            }
        }
        let tensor = Tensor::f32([rows, &[gates.len() * width]].concat(), data)?;
        all.push(Weight { name, tensor });
    }
    Ok(all)
}
