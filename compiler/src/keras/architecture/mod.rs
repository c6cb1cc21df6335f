//! From the JSON of an architecture to [`Network`]s without weights.

mod connect;

use super::class::{Class, ClassName, Form, Origin, Role};
use super::config::Config;
use super::dtype::{self, Effect};
use super::keras1::{self, Dialect};
use super::layers;
use super::model::{Layer, Network, Semantics};
use super::object::class_of;
use super::topology::bad;
use super::values::shown;
use crate::budget::{Budget, Resource};
use crate::error::{Collector, Error, ErrorKind, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Reads one architecture, collecting all problems.
pub(super) struct ArchitectureReader {
    semantics: Semantics,
    /// All problems so far.
    pub(super) problems: Collector,
    /// How many layers ask for a type of float that is not used here.
    policies: BTreeMap<&'static str, usize>,
    /// Classes of the user's that are read as the models of Keras which they extend.
    subclasses: BTreeSet<String>,
    budget: Budget,
    /// How the file says things, if Keras 1 wrote it.
    keras1: Option<Dialect>,
}

/// A layer whose inbound nodes are not yet read.
struct Draft {
    layer: Layer,
    nodes: Vec<Value>,
}

impl ArchitectureReader {
    pub(super) fn new(semantics: Semantics, keras1: Option<Dialect>, budget: &Budget) -> Self {
        Self {
            keras1,
            semantics,
            problems: Collector::default(),
            policies: BTreeMap::new(),
            subclasses: BTreeSet::new(),
            budget: budget.clone(),
        }
    }

    /// What a user should know about this model.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |(float, count): (&&str, &usize)| {
            format!("layers that ask for {float} compute in float32 here: {count}")
        };
        let extended = |class: &String| {
            format!("{class} is read as the model that its config describes; a call() of its own is not seen")
        };
        let policies = self.policies.iter().map(note);
        let notes = policies.chain(self.subclasses.iter().map(extended));
        notes.chain(self.keras1.and_then(Dialect::note)).collect()
    }

    /// Reads the outermost model: `{"class_name": "Functional", "config": …}`.
    pub(super) fn model(&mut self, document: Value) -> Option<Network> {
        let found = Err(Error::malformed(
            "the architecture is not an object with class_name and config",
        ));
        let Value::Object(mut map) = document else {
            return self.problems.keep(found);
        };
        let Some(class) = class_of(&map) else {
            return self.problems.keep(found);
        };
        let Some(form) = self.form(&class, map.get("config")) else {
            self.problems.push(subclassed(class.written));
            return None;
        };
        let config = map.remove("config").unwrap_or_default();
        self.network(&class.written, form, config, "", None)
    }

    /// The form of a model, noting a subclass.
    fn form(&mut self, class: &ClassName, config: Option<&Value>) -> Option<Form> {
        let form = form_of(class, config.and_then(Value::as_object))?;
        if form_of(class, None).is_none() {
            self.subclasses.insert(class.written.clone());
        }
        Some(form)
    }

    /// Reads a model, outermost or nested. `prefix` goes before the paths of its layers.
    fn network(
        &mut self,
        class: &str,
        form: Form,
        config: Value,
        prefix: &str,
        name: Option<&str>,
    ) -> Option<Network> {
        let sequential = form == Form::Sequential;
        let mut map = match config {
            // Keras 1 to 2.2 write a Sequential model as a bare list of layers.
            Value::Array(layers) if sequential => {
                Map::from_iter([("layers".to_owned(), Value::Array(layers))])
            }
            Value::Object(map) => map,
            other => {
                let message = format!(
                    "the config of {class} model {} is not an object",
                    name.unwrap_or_default()
                );
                self.problems
                    .push(Error::malformed(format!("{message}: {}", shown(&other))));
                return None;
            }
        };
        let own_name = map.get("name").and_then(Value::as_str).map(str::to_owned);
        let name = own_name
            .or(name.map(str::to_owned))
            .unwrap_or_else(|| class.to_lowercase());
        let Some(Value::Array(raw)) = map.remove("layers") else {
            self.problems
                .push(bad(format!("model {name:?} has no list of layers")));
            return None;
        };
        if sequential && self.keras1.is_some() && keras1::begins_with_branches(&raw) {
            let joined = keras1::join_branches(raw, &name);
            let config = self.problems.keep(joined)?;
            return self.network(class, Form::Functional, config, prefix, Some(&name));
        }
        let taken = self.budget.take(Resource::Layers, raw.len());
        self.problems
            .keep(taken.map_err(|error| match prefix.strip_suffix('/') {
                Some(path) => error.in_layer(path, class),
                None => error,
            }))?;
        let mut drafts = Vec::with_capacity(raw.len());
        for (i, layer) in raw.into_iter().enumerate() {
            drafts.extend(self.layer(layer, prefix, i));
            if self.budget.is_over() {
                return None;
            }
        }
        if sequential {
            self.sequential(name, &map, drafts, prefix)
        } else {
            self.functional(name, &map, drafts)
        }
    }

    /// Reads one layer and, if it is a model, what is inside.
    fn layer(&mut self, raw: Value, prefix: &str, index: usize) -> Option<Draft> {
        let Value::Object(mut map) = raw else {
            self.problems
                .push(bad(format!("layer {index} is not an object: {}", shown(&raw))));
            return None;
        };
        let Some(named) = class_of(&map) else {
            self.problems
                .push(bad(format!("layer {index} has no class_name")));
            return None;
        };
        let config = map.remove("config").unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let name = text(map.get("name")).or_else(|| text(config.get("name")));
        // Nested Sequential models of Keras 1 and 2.0 have no name in the file, but weights that stand under one, which must
        // not be that of another.
        let name = name.unwrap_or_else(|| format!("{}_at_{index}", named.written.to_lowercase()));
        let path = format!("{prefix}{name}");
        let taken = self.name(&path, &named.written);
        self.problems
            .keep(taken.map_err(|error| error.in_layer(path.as_str(), named.written.as_str())))?;
        let nodes = match map.remove("inbound_nodes") {
            Some(Value::Array(nodes)) => nodes,
            None | Some(Value::Null) => Vec::new(),
            Some(other) => {
                let error = bad(format!("inbound_nodes is not a list: {}", shown(&other)));
                self.problems
                    .push(error.in_layer(path.as_str(), named.written.as_str()));
                Vec::new()
            }
        };
        let (mut values, network) = if let Some(form) = self.form(&named, Some(&config)) {
            let network = self.network(&named.written, form, config, &format!("{path}/"), Some(&name))?;
            (Map::new(), Some(network))
        } else {
            match config {
                Value::Object(values) => (values, None),
                Value::Null => (Map::new(), None),
                other => {
                    let error = Error::malformed(format!("the config is not an object: {}", shown(&other)));
                    self.problems
                        .push(error.in_layer(path.as_str(), named.written.as_str()));
                    return None;
                }
            }
        };
        let named = match self.keras1 {
            Some(_) => named.of_keras1(),
            None => named,
        };
        let mut class = layers::known(&named);
        let ClassName { written, mut origin } = named;
        if self.is_bare_operation(&map, &values, class, network.is_some()) {
            (class, origin) = (None, Origin::Operation);
        }
        self.check_dtype(&values, class, &path, &written);
        let wrapped = match class.map(|class| class.role) {
            Some(Role::TimeDistributed) if is_model_inside(&values) => {
                let inner = values.remove("layer").unwrap_or_default();
                Some(Box::new(self.layer(inner, &format!("{path}/"), 0)?.layer))
            }
            _ => None,
        };
        let values = if class.is_some_and(|class| class.role == Role::Input) {
            input_config(values)
        } else {
            values
        };
        let layer = Layer {
            config: match self.keras1 {
                Some(dialect) => Config::of_keras1(path.as_str(), written.as_str(), values, dialect),
                None => Config::new(path.as_str(), written.as_str(), values),
            },
            name,
            path,
            written,
            origin,
            class,
            weights: Vec::new(),
            calls: Vec::new(),
            network,
            wrapped,
        };
        Some(Draft { layer, nodes })
    }

    /// Takes what a layer's path and class need.
    fn name(&self, path: &str, class: &str) -> Result<()> {
        self.budget.take(Resource::Path, path.len())?;
        self.budget.take(Resource::Path, class.len())?;
        self.budget.take(Resource::Names, path.len() + class.len())
    }

    /// Keras 3 writes operations of `keras.ops` into a `.h5` without the module that would tell them from
    /// layers; but layers write whether they are trainable, all but a few, and no operation does.
    fn is_bare_operation(
        &self,
        raw: &Map<String, Value>,
        config: &Map<String, Value>,
        class: Option<&Class>,
        network: bool,
    ) -> bool {
        self.semantics == Semantics::Keras3
            && !raw.contains_key("module")
            && !config.contains_key("trainable")
            && class.is_none_or(|class| class.marked)
            && !network
    }

    fn check_dtype(&mut self, values: &Map<String, Value>, known: Option<&Class>, path: &str, class: &str) {
        let Some(value) = values.get("dtype") else { return };
        let quantized = known.is_some_and(|class| class.quantized);
        let strings = known.is_some_and(|class| class.strings || class.role == Role::Input);
        match dtype::effect(value, quantized, strings) {
            Effect::None => {}
            Effect::Computes(float) => *self.policies.entry(float).or_default() += 1,
            Effect::Refused => {
                let help = dtype::remedy(value);
                let value = shown(value);
                let error = Error::new(ErrorKind::UnsupportedValue { value }).help(help);
                self.problems.push(error.in_layer(path, class).in_field("dtype"));
            }
        }
    }
}

/// Refuses an outermost model that is not made of layers, whose weights need not be looked at.
pub(super) fn check_class(document: &Value) -> Result<()> {
    let Some(map) = document.as_object() else {
        return Ok(());
    };
    let config = map.get("config").and_then(Value::as_object);
    match class_of(map) {
        Some(class) if form_of(&class, config).is_none() => Err(subclassed(class.written)),
        _ => Ok(()),
    }
}

fn subclassed(class: String) -> Error {
    Error::new(ErrorKind::UnsupportedLayer { class }).help(
        "a subclassed model is Python code, which is not in the file: in Python, call it on an input, \
         x = keras.Input(shape), and save keras.Model(x, model.call(x)), which holds its layers",
    )
}

/// The form of a model made of layers, if it is one. Keras writes a subclass of its models by the name of the subclass
/// with the config of the model, unless its constructor is another.
fn form_of(class: &ClassName, config: Option<&Map<String, Value>>) -> Option<Form> {
    if let Some(Role::Model(form)) = layers::known(class).map(|class| class.role) {
        return Some(form);
    }
    if class.origin == Origin::Operation {
        return None;
    }
    let config = config?;
    let layers = config.get("layers")?.as_array()?;
    let has = |key: &str| config.get(key).is_some();
    match (has("input_layers"), has("output_layers")) {
        (true, true) => Some(Form::Functional),
        // Lists of layers occur in configs of other layers, too, but not with an input first.
        (false, false) if is_input(layers.first()?) => Some(Form::Sequential),
        _ => None,
    }
}

/// Whether a serialized layer is one that a tensor is fed into.
fn is_input(layer: &Value) -> bool {
    let class = layer.as_object().and_then(class_of);
    let class = class.and_then(|class| layers::known(&class));
    class.is_some_and(|class| class.role == Role::Input)
}

/// Whether the layer in the config of a wrapper is a model, or another wrapper of that kind with a model inside.
fn is_model_inside(values: &Map<String, Value>) -> bool {
    let Some(Value::Object(layer)) = values.get("layer") else {
        return false;
    };
    let Some(class) = class_of(layer) else {
        return false;
    };
    let config = layer.get("config").and_then(Value::as_object);
    let wraps = layers::known(&class).is_some_and(|class| class.role == Role::TimeDistributed);
    form_of(&class, config).is_some() || wraps && config.is_some_and(is_model_inside)
}

/// All dialects say the shape under one key, and the type.
fn input_config(mut values: Map<String, Value>) -> Map<String, Value> {
    for (then, now) in [("batch_input_shape", "batch_shape"), ("input_dtype", "dtype")] {
        if let Some(value) = values.remove(then) {
            values.entry(now).or_insert(value);
        }
    }
    values
}
