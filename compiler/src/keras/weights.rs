//! Which weights of a file belong to which layer.
//!
//! Two layouts exist. `legacy` is what `.h5` models have had since Keras 1: one group per layer, named
//! by the layer, with the list of its weights as attribute. `checkpoint` is what `.keras` and
//! `.weights.h5` have: the tree of Python attributes, with layers counted by class.

mod checkpoint;
mod cudnn;
mod keras1;
mod legacy;
mod lora;
mod quantized;
#[cfg(test)]
mod tests;

pub(super) use checkpoint::{LISTS, class_keys};
pub(in crate::keras) use keras1::names as names_of_keras1;

use super::hdf5::Tree;
use super::layers;
use super::model::{KerasModel, Layer, Network, Semantics, Weight};
use crate::error::{Collector, Result};

/// Where weights stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrangement {
    /// One group per layer below this group.
    Legacy(&'static str),
    /// The tree of attributes.
    Checkpoint,
}

impl Arrangement {
    /// Recognises the layout; `None` for a file without weights of Keras.
    pub(super) fn of(tree: &dyn Tree) -> Result<Option<Self>> {
        for group in ["model_weights", ""] {
            if legacy::strings(tree, group, "layer_names")?.is_some() {
                return Ok(Some(Self::Legacy(group)));
            }
        }
        let groups = tree.groups("")?;
        let found = groups
            .iter()
            .any(|name| checkpoint::LISTS.contains(&name.as_str()));
        Ok(found.then_some(Self::Checkpoint))
    }
}

/// Gives every layer its weights.
pub(super) fn load(model: &mut KerasModel, tree: &dyn Tree, layout: Arrangement, problems: &mut Collector) {
    let budget = &model.budget;
    match layout {
        Arrangement::Legacy(group) => {
            legacy::load(&mut model.root, tree, group, budget, problems);
            // Keras 2 reads them as they stand, whatever they were.
            if model.version.semantics == Semantics::Keras3 {
                legacy::turn_bidirectional(&mut model.root);
            }
            problems.keep(keras1::convert(&mut model.root));
            legacy::sort_stacks(&mut model.root, problems);
            problems.keep(cudnn::convert(&mut model.root));
            problems.keep(lora::merge(&mut model.root));
            quantized::arrange(&mut model.root);
        }
        Arrangement::Checkpoint => {
            let reader = checkpoint::TreeReader::new(tree, budget);
            reader.network(&mut model.root, Some(""), problems);
        }
    }
}

/// Bytes of all weights of a model.
pub(super) fn bytes(network: &Network) -> u64 {
    4 * network.layers.iter().map(Layer::parameters).sum::<usize>() as u64
}

/// Gives every layer the weights that `source` has for its path.
pub(super) fn fill(network: &mut Network, source: &mut dyn FnMut(&str) -> Vec<Weight>) -> Result<()> {
    fn give(network: &mut Network, source: &mut dyn FnMut(&str) -> Vec<Weight>) {
        for layer in &mut network.layers {
            match &mut layer.network {
                Some(inner) => give(inner, source),
                None => {
                    let weights = source(&layer.path);
                    put(layer, weights);
                }
            }
        }
    }
    give(network, source);
    keras1::convert(network)?;
    cudnn::convert(network)?;
    lora::merge(network)?;
    quantized::arrange(network);
    Ok(())
}

/// Gives a layer that is no model its weights. Those of a model that it wraps come in the order
/// `trainable_weights + non_trainable_weights`: first each layer's trainable ones in the order of the layers, then the
/// others. The layer keeps what is left over, which nothing takes.
fn put(layer: &mut Layer, weights: Vec<Weight>) {
    let mut weights = weights.into_iter();
    if let Some(inner) = &mut layer.wrapped {
        for trainable in [true, false] {
            take(inner, &mut weights, trainable, true);
        }
    }
    layer.weights = weights.collect();
}

/// Hands out the weights that are trained, or those that are not; those of a frozen model are not.
fn take(layer: &mut Layer, weights: &mut impl Iterator<Item = Weight>, trainable: bool, above: bool) {
    if layer.network.is_some() || layer.wrapped.is_some() {
        let active = above && !layer.is_frozen();
        for inner in layer.inner_mut() {
            take(inner, &mut *weights, trainable, active);
        }
        return;
    }
    let all = keras1::stored(layer);
    let fixed = if above {
        layers::fixed_weights(layer, all)
    } else {
        all
    };
    let count = if trainable {
        all.saturating_sub(fixed)
    } else {
        fixed
    };
    layer.weights.extend(weights.by_ref().take(count));
}

/// A list for a message, cut when long.
fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    const MOST: usize = 12;
    let names: Vec<_> = names.into_iter().collect();
    let mut text = names
        .iter()
        .take(MOST)
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST {
        text.push_str(&format!(", … ({} in all)", names.len()));
    }
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        text
    }
}
