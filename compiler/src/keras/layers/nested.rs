//! A model inside a wrapper, such as `TimeDistributed(model)`: the wrapper's config holds its architecture, and
//! the wrapper's weights are those of all its layers.

use super::context::{Cx, Outcome, Stop, Value};
use crate::budget::{Budget, Resource};
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::architecture::{self, Reader, form_of};
use crate::keras::lower::State;
use crate::keras::model::{Layer, Network, Semantics, Weight};
use crate::keras::object::Object;
use crate::ops::Input;
use serde_json::json;
use std::collections::HashMap;

/// Whether an object is a model made of layers.
pub fn is_model(object: &Object) -> bool {
    form_of(&object.class, Some(object.config.values())).is_some()
}

/// Calls the model that `object` describes with the weights of the layer.
pub fn call(cx: &mut Cx<'_>, object: &Object, x: NodeId) -> Outcome {
    let semantics = cx.state.semantics;
    let budget = &cx.state.budget.clone();
    let mut reader = Reader::new(semantics, budget);
    let document = json!({"class_name": object.class.written, "config": object.config.values()});
    let network = reader.model(document);
    let read = std::mem::take(&mut reader.problems).finish(());
    let (path, class) = (cx.site.path.as_str(), cx.site.written);
    let read = read.map_err(|errors| {
        errors.map(|error| match error.kind {
            ErrorKind::TooLarge { .. } => error.in_layer(path, class),
            _ => error,
        })
    });
    if cx.state.problems.keep_all(read).is_none() {
        return Err(Stop::Told);
    }
    let mut network = network.ok_or(Stop::Told)?;
    if let Some(layer) = network
        .layers
        .iter()
        .find(|layer| hides_statistics(layer, semantics, budget))
    {
        let message = format!(
            "layer {:?} inside wraps a model with weights that are not trained, which cannot be told apart",
            layer.name
        );
        return Err(cx.inconsistent(message));
    }
    if network.inputs.len() != 1 {
        return Err(cx.inconsistent(format!("the model inside takes {} tensors", network.inputs.len())));
    }
    let prefix = format!("{}/{}/", cx.site.path, network.name);
    rename(&mut network, &prefix, budget)?;
    if !cx.state.trial {
        let wanted = wanted(cx, &network, x)?;
        distribute(&mut network, &wanted, &mut cx.site.weights.iter());
    }
    let outer = cx.state.current.clone();
    let values = cx.state.network(&network, vec![Some(Value::new(x))]);
    cx.state.current = outer;
    let all = count(&network, &cx.state.wanted);
    cx.state.note_weights(all);
    values.into_iter().collect::<Option<Vec<_>>>().ok_or(Stop::Told)
}

/// How many weights the layers of a model want together.
fn count(network: &Network, wanted: &HashMap<String, usize>) -> usize {
    let of = |layer: &Layer| match &layer.network {
        Some(inner) => count(inner, wanted),
        None => wanted.get(&layer.path).copied().unwrap_or_default(),
    };
    network.layers.iter().map(of).sum()
}

/// Whether a wrapper inside holds a model with weights that are not trained: how many is known only to who lowers it.
fn hides_statistics(layer: &Layer, semantics: Semantics, budget: &Budget) -> bool {
    match &layer.network {
        Some(inner) => inner
            .layers
            .iter()
            .any(|layer| hides_statistics(layer, semantics, budget)),
        None => architecture::wrapped(layer, semantics, budget)
            .is_some_and(|inner| has_statistics(&inner, semantics, budget)),
    }
}

fn has_statistics(network: &Network, semantics: Semantics, budget: &Budget) -> bool {
    network.layers.iter().any(|layer| match &layer.network {
        Some(inner) => has_statistics(inner, semantics, budget),
        None => super::fixed_weights(layer, usize::MAX) > 0 || hides_statistics(layer, semantics, budget),
    })
}

/// Layers are called after the wrapper.
fn rename(network: &mut Network, prefix: &str, budget: &Budget) -> Result<(), Error> {
    for layer in &mut network.layers {
        let length = prefix.len() + layer.path.len();
        budget.take(Resource::Path, length)?;
        budget.take(Resource::Names, length)?;
        layer.path = format!("{prefix}{}", layer.path);
        if let Some(inner) = &mut layer.network {
            rename(inner, prefix, budget)?;
        }
    }
    Ok(())
}

/// How many weights each layer wants, by its path: from a trial without any.
fn wanted(cx: &mut Cx<'_>, network: &Network, x: NodeId) -> Result<HashMap<String, usize>, Stop> {
    let mut trial = State::new(cx.state.semantics, cx.state.budget.clone());
    trial.trial = true;
    let input = Input {
        name: "input".to_owned(),
        ty: cx.state.graph.ty(x).clone(),
    };
    let node = trial.graph.add("input", input, &[])?;
    trial.network(network, vec![Some(Value::new(node))]);
    if cx.state.budget.is_over() {
        // Of all problems, the only one that does not come again.
        if let Err(errors) = trial.problems.finish(()) {
            let large = |error: &&Error| matches!(error.kind, ErrorKind::TooLarge { .. });
            let large = errors.as_slice().iter().find(large).cloned();
            cx.state.problems.keep(large.map_or(Ok(()), Err));
        }
        return Err(Stop::Told);
    }
    Ok(trial.wanted)
}

/// Gives the layers their weights out of `trainable_weights + non_trainable_weights`: first each layer's trainable
/// ones in the order of the layers, then the others.
fn distribute<'w>(
    network: &mut Network,
    wanted: &HashMap<String, usize>,
    weights: &mut impl Iterator<Item = &'w Weight>,
) {
    for trainable in [true, false] {
        take(network, wanted, weights, trainable, true);
    }
}

fn take<'w>(
    network: &mut Network,
    wanted: &HashMap<String, usize>,
    weights: &mut impl Iterator<Item = &'w Weight>,
    trainable: bool,
    above: bool,
) {
    for layer in &mut network.layers {
        if let Some(inner) = &mut layer.network {
            let active = above && layer.config.values().get("trainable") != Some(&json!(false));
            take(inner, wanted, weights, trainable, active);
            continue;
        }
        let all = wanted.get(&layer.path).copied().unwrap_or_default();
        let fixed = if above {
            super::fixed_weights(layer, all)
        } else {
            all
        };
        let count = if trainable { all - fixed } else { fixed };
        layer.weights.extend(weights.by_ref().take(count).cloned());
    }
}
