//! What nested models are called with.

use super::model::{Argument, Call, Layer, Network, TensorRef};
use super::topology::bad;
use crate::error::Result;
use std::collections::{HashMap, HashSet};

/// The tensors of an argument of a nested model, in the order of the model's inputs.
fn spread(argument: &Argument, net: &Network, given: &mut Vec<TensorRef>) {
    match argument {
        Argument::Dict(items) => {
            // A dict is matched by key or, as Keras does too, by the names of the inputs. Several inputs may stand under
            // one key.
            let mut places: HashMap<&str, usize> = HashMap::new();
            for (place, (key, _)) in items.iter().enumerate() {
                places.entry(key).or_insert(place);
            }
            let mut done = HashSet::new();
            for port in &net.inputs {
                let names = [port.key.as_deref(), Some(port.name.as_str())];
                let place = names.into_iter().flatten().find_map(|name| places.get(name));
                if let Some(&place) = place
                    && done.insert(place)
                    && let Some((_, item)) = items.get(place)
                {
                    spread(item, net, given);
                }
            }
        }
        Argument::List(items) => items.iter().for_each(|item| spread(item, net, given)),
        Argument::Tensor(tensor) => given.push(*tensor),
        Argument::Literal(_) => {}
    }
}

/// The tensors that a call of a nested model takes, in the order of its inputs.
///
/// # Errors
/// When they are not as many.
pub(super) fn taken(layer: &Layer, net: &Network, call: &Call) -> Result<Vec<TensorRef>> {
    let mut given = Vec::new();
    call.args.iter().for_each(|arg| spread(arg, net, &mut given));
    if given.is_empty() {
        let keywords = ["inputs", "sequences", "x"];
        if let Some(arg) = keywords.iter().find_map(|name| call.kwarg(name)) {
            spread(arg, net, &mut given);
        }
    }
    if given.len() == net.inputs.len() {
        return Ok(given);
    }
    Err(layer.at(bad(format!(
        "model {:?} takes {} tensors, but is called with {}",
        layer.name,
        net.inputs.len(),
        given.len()
    ))))
}
