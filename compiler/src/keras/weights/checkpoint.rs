//! The layout of `.keras` and `.weights.h5`: `layers/conv2d_1/vars/0` is the first variable of the
//! second Conv2D in `model.layers`. Below a layer stand its Python attributes that hold variables:
//! `layers/bidirectional/forward_layer/cell/vars/0`.

use super::listed;
use crate::budget::{Budget, Resource};
use crate::error::{Collector, Error, ErrorKind, Result};
use crate::keras::class::{Child, Class, Origin};
use crate::keras::hdf5::Tree;
use crate::keras::layers;
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::object::class_of;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// The attribute that holds a model's layers; TensorFlow 2.12 and 2.13 wrote the second.
pub(in crate::keras) const LISTS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// What is known of the arguments of the object whose attributes are read.
#[derive(Clone, Copy)]
enum Known<'a> {
    Nothing,
    /// An object: its class, if that is known, and its config.
    Object(Option<&'static Class>, &'a Map<String, Value>),
    /// A list of serialized objects.
    List(&'a [Value]),
}

/// Reads one file of this layout.
pub(super) struct TreeReader<'a> {
    tree: &'a dyn Tree,
    budget: &'a Budget,
}

impl<'a> TreeReader<'a> {
    pub(super) fn new(tree: &'a dyn Tree, budget: &'a Budget) -> Self {
        Self { tree, budget }
    }

    /// Gives the layers of a network their weights; `base` is the group of the network, with a slash
    /// behind it, or `None` when the file has no group for it.
    pub(super) fn network(&self, network: &mut Network, base: Option<&str>, problems: &mut Collector) {
        // Without groups no layer has weights; whoever needs some says so.
        let Some((list, groups)) = problems.keep(self.list(base)) else {
            return;
        };
        let Some(keys) = problems.keep(self.keys(network, &list, &groups)) else {
            return;
        };
        let mut unused: BTreeSet<_> = groups.into_iter().collect();
        for (layer, key) in network.layers.iter_mut().zip(keys) {
            let path = key.map(|key| {
                unused.remove(&key);
                format!("{list}/{key}")
            });
            self.layer(layer, path.as_deref(), problems);
            if self.budget.is_over() {
                return;
            }
        }
        let has_weights = |key: &&String| {
            let variables = self.variables(&format!("{list}/{key}"), "", Known::Nothing);
            variables.is_ok_and(|variables| !variables.is_empty())
        };
        let extra: Vec<_> = unused.iter().filter(has_weights).collect();
        if !extra.is_empty() {
            let message = format!("the file has weights for {} that no layer takes", listed(extra));
            problems
                .push(Error::inconsistent(message).help("the weights are not those of this architecture"));
        }
    }

    /// The group that holds the layers of a model, and the groups in it.
    fn list(&self, base: Option<&str>) -> Result<(String, Vec<String>)> {
        for list in LISTS {
            let Some(base) = base else { break };
            let path = format!("{base}{list}");
            let groups = self.tree.groups(&path)?;
            if !groups.is_empty() {
                return Ok((path, groups));
            }
        }
        Ok(Default::default())
    }

    /// The group of each layer in a list of groups.
    fn keys(&self, network: &Network, list: &str, groups: &[String]) -> Result<Vec<Option<String>>> {
        let present: BTreeSet<_> = groups.iter().collect();
        let by_class = class_keys(network);
        let layers = || {
            network
                .layers
                .iter()
                .filter(|layer| layer.origin != Origin::Operation)
        };
        let names: BTreeSet<_> = layers().map(|layer| &layer.name).collect();
        let classes: BTreeSet<_> = by_class.iter().flatten().collect();
        // Some versions of Keras 3 named the groups by the layers.
        if !present.iter().all(|key| classes.contains(key)) && present.iter().all(|key| names.contains(key)) {
            let own = |layer: &Layer| Some(layer.name.clone()).filter(|name| present.contains(name));
            return Ok(network.layers.iter().map(own).collect());
        }
        // Others wrote the name beside the variables, which is worth more than the count.
        let mut named = HashMap::new();
        for key in groups {
            if let Some(name) = self
                .tree
                .strings(&format!("{list}/{key}/vars"), "name")?
                .and_then(|mut n| n.pop())
            {
                named.insert(name, key.clone());
            }
        }
        let trusted = layers().all(|layer| layer.is_input() || named.contains_key(&layer.name));
        let key = |(layer, key): (&Layer, Option<String>)| {
            let key = if trusted {
                named.get(&layer.name).cloned()
            } else {
                key
            };
            key.filter(|key| layer.origin != Origin::Operation && present.contains(key))
        };
        Ok(network.layers.iter().zip(by_class).map(key).collect())
    }

    fn layer(&self, layer: &mut Layer, path: Option<&str>, problems: &mut Collector) {
        if let Some(inner) = &mut layer.network {
            let base = path.map(|path| format!("{path}/"));
            return self.network(inner, base.as_deref(), problems);
        }
        let Some(path) = path else { return };
        if let Some(inner) = &mut layer.wrapped {
            return self.layer(inner, Some(&format!("{path}/layer")), problems);
        }
        let read = self.read(path, Known::Object(layer.class, layer.config.values()));
        let weights = problems.keep(read.map_err(|error| layer.at(error)));
        layer.weights = weights.unwrap_or_default();
    }

    fn read(&self, path: &str, known: Known) -> Result<Vec<Weight>> {
        let mut weights = Vec::new();
        for (name, path) in self.variables(path, "", known)? {
            let tensor = self.tree.tensor(&path);
            let tensor = tensor.map_err(|error| error.in_field(name.as_str()))?;
            weights.extend(tensor.map(|tensor| Weight { name, tensor }));
        }
        Ok(weights)
    }

    /// Name and path of every variable of an object and of all inside it, in order.
    fn variables(&self, path: &str, name: &str, known: Known) -> Result<Vec<(String, String)>> {
        // Groups can be linked to themselves, which makes a tree without end.
        self.budget.take(Resource::Depth, path.split('/').count())?;
        self.budget.take(Resource::Groups, 1_u64)?;
        let mut variables = self.tree.datasets(&format!("{path}/vars"))?;
        variables.sort_by_key(|name| (name.len(), name.clone()));
        for (place, variable) in variables.iter().enumerate() {
            // Keras numbers them from 0.
            if variable.parse::<usize>().is_ok_and(|number| number != place) {
                return Err(Error::new(ErrorKind::MissingWeight).in_field(format!("{name}{place}")));
            }
        }
        let entry = |variable: String| (format!("{name}{variable}"), format!("{path}/vars/{variable}"));
        let mut found: Vec<_> = variables.into_iter().map(entry).collect();
        let mut children = self.tree.groups(path)?;
        children.retain(|child| child != "vars" && !child.contains("seed_generator"));
        children.retain(|child| found.is_empty() || known.same() != Some(child));
        let places = known.places();
        // lstm_cell_10 comes after lstm_cell_9.
        children.sort_by_cached_key(|child| (known.rank(&places, child), child.len(), child.clone()));
        for child in children {
            let (path, name) = (format!("{path}/{child}"), format!("{name}{child}/"));
            let known = known.child(&places, &child);
            found.extend(self.variables(&path, &name, known)?);
        }
        Ok(found)
    }
}

impl<'a> Known<'a> {
    /// The place of each object in a list by its key.
    fn places(self) -> HashMap<String, usize> {
        let Self::List(items) = self else {
            return HashMap::new();
        };
        let mut counter = Counter::default();
        let class = |item: &Value| Some(class_of(item.as_object()?)?.written);
        let classes = items.iter().map(|item| class(item).unwrap_or_default());
        classes
            .enumerate()
            .map(|(place, class)| (counter.key(&class), place))
            .collect()
    }
    /// The layers inside, in the order in which the object makes them, which is the order of its weights.
    fn order(self) -> &'static [Child] {
        match self {
            Self::Object(Some(class), _) => class.children,
            _ => &[],
        }
    }
    /// The attribute that has the object's own weights a second time.
    fn same(self) -> Option<&'static str> {
        match self {
            Self::Object(Some(class), _) => class.same,
            _ => None,
        }
    }
    /// Where a child stands in the order in which weights were made. Attributes that nothing is known of come in the order
    /// of their names, behind all others.
    fn rank(self, places: &HashMap<String, usize>, child: &str) -> usize {
        match self {
            Self::List(_) => places.get(child).copied().unwrap_or(usize::MAX),
            _ => {
                let order = self.order();
                let place = order.iter().position(|known| known.attribute == plain(child));
                place.unwrap_or(order.len())
            }
        }
    }
    /// What is known of a child.
    fn child(self, places: &HashMap<String, usize>, child: &str) -> Self {
        let value = match self {
            Self::Nothing => None,
            Self::List(items) => places.get(child).and_then(|place| items.get(*place)),
            Self::Object(_, config) => {
                let known = self.order().iter().find(|known| known.attribute == child);
                let there = |key: &&str| config.get(*key).filter(|value| !value.is_null());
                match known {
                    Some(known) => known.keys.iter().find_map(there),
                    None => config.get(child),
                }
            }
        };
        match value {
            Some(Value::Array(items)) => Self::List(items),
            Some(Value::Object(object)) => {
                let class = class_of(object).and_then(|name| layers::known(&name));
                let config = object.get("config").and_then(Value::as_object);
                config.map_or(Self::Nothing, |config| Self::Object(class, config))
            }
            _ => Self::Nothing,
        }
    }
}

/// An attribute without the mark of a private one.
fn plain(attribute: &str) -> &str {
    attribute.trim_start_matches('_')
}

/// Keras' names of objects in a list: the class in snake case, counted.
#[derive(Default)]
struct Counter(HashMap<String, usize>);

impl Counter {
    fn key(&mut self, class: &str) -> String {
        let name = snake_case(class);
        let count = self.0.entry(name.clone()).or_default();
        let key = if *count == 0 {
            name
        } else {
            format!("{name}_{count}")
        };
        *count += 1;
        key
    }
}

/// The keys of the layers of a model. Operations are not in the list that is saved.
pub(in crate::keras) fn class_keys(network: &Network) -> Vec<Option<String>> {
    let mut counter = Counter::default();
    let key = |layer: &Layer| {
        let internal = layer.class.and_then(|class| class.internal);
        (layer.origin != Origin::Operation).then(|| counter.key(internal.unwrap_or(&layer.written)))
    };
    network.layers.iter().map(key).collect()
}

/// Keras' `to_snake_case`: `BatchNormalization` to `batch_normalization`, `PReLU` to `p_re_lu`.
fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut words = String::new();
    let mut i = 0;
    // A word that starts inside: any character before a capital that lower-case letters follow.
    while i < chars.len() {
        words.push(at(i));
        if at(i + 1).is_ascii_uppercase() && at(i + 2).is_ascii_lowercase() {
            words.push('_');
            words.push(at(i + 1));
            i += 2;
            while at(i).is_ascii_lowercase() {
                words.push(at(i));
                i += 1;
            }
        } else {
            i += 1;
        }
    }
    let mut out = String::new();
    let mut before = '\0';
    for c in words.chars() {
        if before.is_ascii_lowercase() && c.is_ascii_uppercase() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_keras_makes_them() {
        for (class, name) in [
            ("Dense", "dense"),
            ("Conv2D", "conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("PReLU", "p_re_lu"),
            ("ReLU", "re_lu"),
            ("LSTM", "lstm"),
            ("LSTMCell", "lstm_cell"),
            ("ConvLSTM2D", "conv_lstm2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("TFOpLambda", "tf_op_lambda"),
            ("Conv2DTranspose", "conv2d_transpose"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }
}
