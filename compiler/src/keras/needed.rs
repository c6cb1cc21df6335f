//! What the outputs of a model need: other calls are left out before anything is asked of them. Keras keeps branches
//! that serve training only, such as `AddLoss` and what leads to it.

use super::model::{Layer, Network};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Leaves every call out of the schedules that no output of the model needs, and says how many layers have none left.
/// Nested models keep what any of their calls needs.
pub(super) fn prune(root: &mut Network) -> usize {
    let outputs = (0..root.outputs.len()).collect();
    prune_to(root, &outputs);
    unused(root)
}

fn prune_to(network: &mut Network, outputs: &BTreeSet<usize>) {
    let wanted = network.outputs.iter().enumerate();
    let wanted = wanted.filter(|(index, _)| outputs.contains(index));
    let mut tensors: Vec<_> = wanted.map(|(_, port)| port.tensor).collect();
    let mut needed = HashSet::new();
    let mut inner: HashMap<usize, BTreeSet<usize>> = HashMap::new();
    while let Some(tensor) = tensors.pop() {
        inner.entry(tensor.layer.0).or_default().insert(tensor.output);
        if needed.insert((tensor.layer, tensor.call))
            && let Some(call) = network
                .layers
                .get(tensor.layer.0)
                .and_then(|layer| layer.calls.get(tensor.call))
        {
            tensors.extend(call.tensors());
        }
    }
    let (layers, schedule) = (&mut network.layers, &mut network.schedule);
    let is_input = |layer: usize| layers.get(layer).is_some_and(Layer::is_input);
    schedule.retain(|step| needed.contains(&(step.layer, step.call)) || is_input(step.layer.0));
    for (index, outputs) in inner {
        if let Some(inner) = layers.get_mut(index).and_then(|layer| layer.network.as_mut()) {
            prune_to(inner, &outputs);
        }
    }
}

/// How many layers of a model are never called.
fn unused(network: &Network) -> usize {
    let used: HashSet<_> = network.schedule.iter().map(|step| step.layer).collect();
    let of = |(id, layer): (_, &Layer)| match (&layer.network, used.contains(&id)) {
        (Some(inner), true) => unused(inner),
        (_, used) => usize::from(!used),
    };
    network.iter().map(of).sum()
}
