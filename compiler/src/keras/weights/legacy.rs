//! The layout of `.h5` models: `layer_names` of a group names groups, `weight_names` of each names
//! datasets in it, in Keras' order `trainable_weights + non_trainable_weights`.

use super::{listed, put, take};
use crate::budget::{Budget, Resource};
use crate::error::{Collector, Error, ErrorKind, Result};
use crate::keras::class::{Origin, Role};
use crate::keras::config::Config;
use crate::keras::hdf5::Tree;
use crate::keras::layers;
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::object::Object;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Reads a list of strings that is cut into `name0`, `name1`, … when it exceeds what one HDF5
/// attribute can hold.
pub(super) fn strings(tree: &dyn Tree, group: &str, name: &str) -> Result<Option<Vec<String>>> {
    if let Some(found) = tree.strings(group, name)? {
        return Ok(Some(found));
    }
    let mut all = None;
    for part in 0.. {
        match tree.strings(group, &format!("{name}{part}"))? {
            Some(found) => all.get_or_insert_with(Vec::new).extend(found),
            None => break,
        }
    }
    Ok(all)
}

/// Gives every layer of the outermost model its weights.
pub(super) fn load(
    network: &mut Network,
    tree: &dyn Tree,
    group: &str,
    budget: &Budget,
    problems: &mut Collector,
) {
    let names = match strings(tree, group, "layer_names") {
        Ok(names) => names.unwrap_or_default(),
        Err(error) => return problems.push(error),
    };
    let Some(order) = problems.keep(assign(network, &names)) else {
        return;
    };
    for (layer, name) in network.layers.iter_mut().zip(order) {
        let Some(name) = name else { continue };
        if budget.is_over() {
            return;
        }
        let weights = read(tree, &join(group, &name)).map_err(|error| layer.at(error));
        if let Some(weights) = problems.keep(weights) {
            let renamed = name != layer.name;
            let given = give(layer, weights, renamed, budget).map_err(|error| layer.at(error));
            problems.keep(given);
        }
    }
    if let Ok(Some(more)) = strings(tree, &join(group, "top_level_model_weights"), "weight_names")
        && !more.is_empty()
    {
        let error = Error::inconsistent(format!("the model itself has weights: {}", listed(&more)));
        problems.push(error.help("weights that belong to no layer are not supported"));
    }
}

/// The group of each layer: that of its name, or, when the weights come from another instance of the
/// model with other names, the one at its place.
fn assign(network: &Network, names: &[String]) -> Result<Vec<Option<String>>> {
    let has_group = |layer: &&Layer| !layer.is_input() && layer.origin != Origin::Operation;
    let known: HashSet<_> = names.iter().collect();
    let missing: Vec<_> = network
        .layers
        .iter()
        .filter(has_group)
        .filter(|layer| !is_left_out(layer))
        .map(|layer| &layer.name)
        .collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| !known.contains(name)).collect();
    if missing.is_empty() {
        let own =
            |layer: &Layer| (has_group(&layer) && known.contains(&layer.name)).then(|| layer.name.clone());
        return Ok(network.layers.iter().map(own).collect());
    }
    // Sequential models leave out their InputLayer, functional ones list it.
    let listed_layers = |layer: &&Layer| layer.origin != Origin::Operation;
    for keep_inputs in [true, false] {
        let is_absent = |layer: &Layer| is_left_out(layer) && !known.contains(&layer.name);
        let takes =
            |layer: &&Layer| listed_layers(layer) && !is_absent(layer) && (keep_inputs || has_group(layer));
        if network.layers.iter().filter(takes).count() == names.len() {
            let mut next = names.iter();
            let place = |layer: &Layer| if takes(&layer) { next.next().cloned() } else { None };
            let places: Vec<_> = network.layers.iter().map(place).collect();
            let input = |(layer, name): (&Layer, Option<String>)| name.filter(|_| has_group(&layer));
            return Ok(network.layers.iter().zip(places).map(input).collect());
        }
    }
    let message = format!(
        "no weights for the layers {}; the file has weights for {}",
        listed(missing.iter().copied()),
        listed(names)
    );
    Err(Error::inconsistent(message).help("the weights are not those of this architecture"))
}

/// Whether Keras 1 may leave a layer out of its list: the one that merges branches in a Sequential model.
fn is_left_out(layer: &Layer) -> bool {
    layer.origin == Origin::Keras1 && layer.inner().next().is_none() && layers::count_weights(layer) == 0
}

/// The weights in one layer's group.
fn read(tree: &dyn Tree, group: &str) -> Result<Vec<Weight>> {
    let names = strings(tree, group, "weight_names")?;
    let Some(names) = names else {
        return Err(Error::malformed(format!(
            "the list of its weights, weight_names of group /{group}, is missing"
        )));
    };
    let mut weights = Vec::with_capacity(names.len());
    for name in names {
        // The state of random numbers, which some versions list.
        if name.contains("seed_generator") {
            continue;
        }
        match tree.tensor(&join(group, &name)) {
            Ok(Some(tensor)) => weights.push(Weight { name, tensor }),
            Ok(None) => return Err(Error::new(ErrorKind::MissingWeight).in_field(name)),
            Err(error) => return Err(error.in_field(name)),
        }
    }
    Ok(weights)
}

/// Puts the weights of the forward layer of a Bidirectional first. They stand last where it alone is not trained, since the
/// trainable weights of a layer come first, and there are as many of either layer.
pub(super) fn turn_bidirectional(network: &mut Network) {
    let is_off = |value: Option<&Value>| value == Some(&Value::Bool(false));
    for layer in &mut network.layers {
        if let Some(inner) = &mut layer.network {
            turn_bidirectional(inner);
            continue;
        }
        let config = layer.config.values();
        let fixed = |key: &str| {
            is_off(
                config
                    .get(key)
                    .and_then(|inner| inner.pointer("/config/trainable")),
            )
        };
        let turned = fixed("layer") && !fixed("backward_layer") && config.contains_key("backward_layer");
        if layer.role() == Role::Bidirectional && turned && !is_off(config.get("trainable")) {
            let half = layer.weights.len() / 2;
            layer.weights.rotate_left(half);
        }
    }
}

/// Puts the weights of stacked cells in the order of the cells: those of cells that alone are not trained stand last.
pub(super) fn sort_stacks(network: &mut Network, problems: &mut Collector) {
    for layer in &mut network.layers {
        if let Some(inner) = &mut layer.network {
            sort_stacks(inner, problems);
            continue;
        }
        if layer.config.values().get("trainable") == Some(&Value::Bool(false)) {
            continue;
        }
        let cells = stacked(&layer.config);
        if is_mixed(&cells) {
            sort_cells(&mut layer.weights, &cells);
        }
        // Around two ways, and around what is not trained, there is more than one order.
        let wrapped = ["layer", "backward_layer"].map(|key| layer.config.fields().object(key));
        if wrapped
            .into_iter()
            .flatten()
            .flatten()
            .any(|inner| is_mixed(&stacked(&inner.config)))
        {
            let message = "some of the stacked cells inside are trained, and others are not";
            let error = Error::inconsistent(message);
            problems.push(layer.at(error.help("save the model with model.save('model.keras')")));
        }
    }
}

/// How many weights each cell of a stack has, and whether it is trained.
fn stacked(config: &Config) -> Vec<(usize, bool)> {
    let stack = config.fields().object("cell").ok().flatten();
    let stack =
        stack.filter(|cell| layers::known(&cell.class).is_some_and(|class| class.role == Role::Cells));
    let cells = stack.and_then(|stack| stack.config.fields().objects("cells").ok());
    let facts = |cell: &Object| {
        let count = layers::known(&cell.class).map_or(0, |class| (class.weights)(&cell.config));
        (
            count,
            cell.config.values().get("trainable") != Some(&Value::Bool(false)),
        )
    };
    cells.unwrap_or_default().iter().map(facts).collect()
}

fn is_mixed(cells: &[(usize, bool)]) -> bool {
    [true, false]
        .iter()
        .all(|kind| cells.iter().any(|(_, trained)| trained == kind))
}

fn sort_cells(weights: &mut Vec<Weight>, cells: &[(usize, bool)]) {
    let trained = cells
        .iter()
        .filter(|(_, trained)| *trained)
        .map(|(count, _)| count)
        .sum();
    if trained > weights.len() {
        // Said where the layer takes them.
        return;
    }
    let mut fixed = weights.split_off(trained).into_iter();
    let mut free = std::mem::take(weights).into_iter();
    for &(count, trained) in cells {
        weights.extend(if trained { free.by_ref() } else { fixed.by_ref() }.take(count));
    }
    weights.extend(fixed);
}

/// Gives a layer its weights. Those of a nested model that has another name in the file than here, and that have other
/// names all of them, come in order.
fn give(layer: &mut Layer, weights: Vec<Weight>, renamed: bool, budget: &Budget) -> Result<()> {
    let Some(network) = &mut layer.network else {
        put(layer, weights);
        return Ok(());
    };
    let leaves = leaves(network);
    let known = Owners::new(&leaves, budget)?;
    let owners: Vec<_> = weights
        .iter()
        .map(|weight| known.of(&weight.name, budget))
        .collect();
    // Keras 1 names weights after their layer alone, and takes them in order whatever their names are.
    let in_order = layer.origin == Origin::Keras1 || renamed && owners.iter().all(Result::is_err);
    if in_order && !budget.is_over() {
        let mut weights = weights.into_iter();
        for trainable in [true, false] {
            take(layer, &mut weights, trainable, true);
        }
        let more = weights.count();
        return match more {
            0 => Ok(()),
            more => Err(Error::inconsistent(format!(
                "the file has {more} weights more than the layers inside take"
            ))),
        };
    }
    let owners = owners.into_iter().collect::<Result<Vec<_>>>()?;
    let mut slots: Vec<Vec<Weight>> = leaves.iter().map(|_| Vec::new()).collect();
    for (weight, owner) in weights.into_iter().zip(owners) {
        slots
            .get_mut(owner)
            .into_iter()
            .for_each(|slot| slot.push(weight.clone()));
    }
    let mut slots = slots.into_iter();
    hand_out(network, &mut slots);
    Ok(())
}

/// A layer inside a nested model that can have weights.
struct Leaf {
    /// Its path below the nested model.
    path: String,
    /// How many bytes at the end of the path are its own name, which may hold `/` too.
    name: usize,
}

/// The leaves of a nested model, in order.
fn leaves(network: &Network) -> Vec<Leaf> {
    fn walk(network: &Network, prefix: &str, found: &mut Vec<Leaf>) {
        for layer in &network.layers {
            match &layer.network {
                Some(inner) => walk(inner, &format!("{prefix}{}/", layer.name), found),
                None => found.push(Leaf {
                    path: format!("{prefix}{}", layer.name),
                    name: layer.name.len(),
                }),
            }
        }
    }
    let mut found = Vec::new();
    walk(network, "", &mut found);
    found
}

/// The inverse of [`leaves`]: takes one list for each.
fn hand_out(network: &mut Network, slots: &mut impl Iterator<Item = Vec<Weight>>) {
    for layer in &mut network.layers {
        match &mut layer.network {
            Some(inner) => hand_out(inner, slots),
            None => put(layer, slots.next().unwrap_or_default()),
        }
    }
}

/// Finds the layers inside a nested model by the names of weights. Keras lists all trainable weights
/// of the model first, then the others, so that the order alone does not tell; the name does: it holds
/// the layer's name as part of its path, and more of the path when the model was built inside another.
struct Owners(HashMap<String, Claims>);

/// Who is meant by the end of a path.
#[derive(Default)]
struct Claims {
    /// Layers whose whole path this is.
    whole: Vec<usize>,
    /// Layers deeper inside, whose path ends so.
    ends: Vec<usize>,
}

impl Owners {
    fn new(leaves: &[Leaf], budget: &Budget) -> Result<Self> {
        let mut claims: HashMap<String, Claims> = HashMap::new();
        for (index, leaf) in leaves.iter().enumerate() {
            claims.entry(leaf.path.clone()).or_default().whole.push(index);
            let starts = leaf.path.match_indices('/').map(|(at, _)| at + 1);
            let ends = starts.filter_map(|start| leaf.path.get(start..));
            for end in ends.filter(|end| end.len() >= leaf.name) {
                budget.take(Resource::Names, end.len())?;
                claims.entry(end.to_owned()).or_default().ends.push(index);
            }
        }
        Ok(Self(claims))
    }

    fn of(&self, weight: &str, budget: &Budget) -> Result<usize> {
        let scope = weight.rsplit_once('/').map_or("", |(scope, _)| scope);
        let plain: Vec<_> = scope.split('/').collect();
        budget.take(Resource::Depth, plain.len())?;
        let counted: Vec<_> = plain.iter().map(|part| without_counter(part)).collect();
        for parts in [plain, counted] {
            let ranges =
                (0..parts.len()).flat_map(|start| (start + 1..=parts.len()).map(move |end| start..end));
            let paths = ranges.map(|range| parts.get(range).unwrap_or_default().join("/"));
            // The more of the path stands in the name, the better.
            let best = paths
                .filter(|path| self.0.contains_key(path))
                .max_by_key(String::len);
            let Some(claims) = best.and_then(|path| self.0.get(&path)) else {
                continue;
            };
            return match (claims.whole.as_slice(), claims.ends.as_slice()) {
                ([only], _) | ([], [only]) => Ok(*only),
                _ => Err(unclear(weight, "more than one of the layers")),
            };
        }
        Err(unclear(weight, "none of the layers"))
    }
}

fn unclear(weight: &str, what: &str) -> Error {
    Error::inconsistent(format!(
        "by its name, weight {weight:?} belongs to {what} of the nested model"
    ))
    .help("load the model in Python and save it with model.save('model.keras')")
}

/// TensorFlow 1 appends `_1`, `_2` to a scope that was used before.
fn without_counter(part: &str) -> &str {
    match part.rsplit_once('_') {
        Some((name, count)) if !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => part,
    }
}

fn join(group: &str, name: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{group}/{name}")
    }
}
