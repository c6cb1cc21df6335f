//! A model inside a wrapper, such as `TimeDistributed(model)`: the wrapper's config holds its architecture, and
//! the wrapper's weights are those of all its layers.

use super::context::{Cx, Outcome, Stop, Value};
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::architecture::Reader;
use crate::keras::lower::State;
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::object::Object;
use crate::keras::weights as of_layers;
use crate::ops::Input;
use serde_json::json;
use std::collections::HashMap;

/// Calls the model that `object` describes with the weights of the layer.
pub fn call(cx: &mut Cx<'_>, object: &Object, x: NodeId) -> Outcome {
    let mut reader = Reader::new(cx.state.semantics, &cx.state.budget);
    let document = json!({"class_name": object.class, "config": object.config.values()});
    let network = reader.model(document);
    let read = std::mem::take(&mut reader.problems).finish(());
    if cx.state.problems.keep_all(read).is_none() {
        return Err(Stop::Told);
    }
    let mut network = network.ok_or(Stop::Told)?;
    if let Some(layer) = network.layers.iter().find(|layer| hides_statistics(layer)) {
        let message = format!(
            "layer {:?} inside wraps a normalisation, whose weights cannot be told apart",
            layer.name
        );
        return Err(cx.inconsistent(message));
    }
    if network.inputs.len() != 1 {
        return Err(cx.inconsistent(format!("the model inside takes {} tensors", network.inputs.len())));
    }
    let prefix = format!("{}/{}/", cx.site.path, network.name);
    rename(&mut network, &prefix);
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

/// Whether a wrapper inside has weights that are not trained.
fn hides_statistics(layer: &Layer) -> bool {
    let wraps = layer.config.values().contains_key("layer");
    match &layer.network {
        Some(inner) => inner.layers.iter().any(hides_statistics),
        None => wraps && json!(layer.config.values()).to_string().contains("Normalization"),
    }
}

/// Layers are called after the wrapper.
fn rename(network: &mut Network, prefix: &str) {
    for layer in &mut network.layers {
        layer.path = format!("{prefix}{}", layer.path);
        if let Some(inner) = &mut layer.network {
            rename(inner, prefix);
        }
    }
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
        let active = above && layer.config.values().get("trainable") != Some(&json!(false));
        if let Some(inner) = &mut layer.network {
            take(inner, wanted, weights, trainable, active);
            continue;
        }
        let all = wanted.get(&layer.path).copied().unwrap_or_default();
        let fixed = of_layers::fixed(layer, all);
        let count = match (trainable, active) {
            (true, true) => all - fixed,
            (true, false) => 0,
            (false, true) => fixed,
            (false, false) => all,
        };
        layer.weights.extend(weights.by_ref().take(count).cloned());
    }
}
