//! From the JSON of an architecture to [`Network`]s without weights.

use super::class::{Class, ClassName, Form, Origin, Role};
use super::config::Config;
use super::dtype::{self, Effect};
use super::layers;
use super::model::{Argument, Call, Layer, LayerId, Network, Port, Semantics, Step, TensorRef};
use super::object::class_of;
use super::topology::{self, Names, bad};
use super::values::shown;
use crate::budget::{Budget, Resource};
use crate::error::{Collector, Error, ErrorKind, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Reads one architecture, collecting all problems.
pub(super) struct Reader {
    semantics: Semantics,
    /// All problems so far.
    pub(super) problems: Collector,
    /// How many layers ask for a type of float that is not used here.
    policies: BTreeMap<&'static str, usize>,
    /// Classes of the user's that are read as the models of Keras which they extend.
    subclasses: BTreeSet<String>,
    budget: Budget,
}

/// A layer whose inbound nodes are not yet read.
struct Draft {
    layer: Layer,
    nodes: Vec<Value>,
}

impl Reader {
    pub(super) fn new(semantics: Semantics, budget: &Budget) -> Self {
        Self {
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
        policies.chain(self.subclasses.iter().map(extended)).collect()
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
            // Keras 2.0 to 2.2 write a Sequential model as a bare list of layers.
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
        // Nested Sequential models of Keras 2.0 have no name in the file.
        let name = name.unwrap_or_else(|| format!("{}_{index}", named.written.to_lowercase()));
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
        let (values, network) = if let Some(form) = self.form(&named, Some(&config)) {
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
        let mut class = layers::known(&named);
        let ClassName { written, mut origin } = named;
        if self.is_bare_operation(&map, &values, class, network.is_some()) {
            (class, origin) = (None, Origin::Operation);
        }
        self.check_dtype(&values, &path, &written);
        let values = if class.is_some_and(|class| class.role == Role::Input) {
            input_config(values)
        } else {
            values
        };
        let layer = Layer {
            config: Config::new(path.as_str(), written.as_str(), values),
            name,
            path,
            written,
            origin,
            class,
            weights: Vec::new(),
            calls: Vec::new(),
            network,
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

    fn check_dtype(&mut self, values: &Map<String, Value>, path: &str, class: &str) {
        let Some(value) = values.get("dtype") else { return };
        match dtype::effect(value) {
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

    /// Connects the layers of a functional model by their inbound nodes.
    fn functional(
        &mut self,
        name: String,
        config: &Map<String, Value>,
        drafts: Vec<Draft>,
    ) -> Option<Network> {
        let (mut layers, nodes): (Vec<_>, Vec<_>) = drafts.into_iter().map(|d| (d.layer, d.nodes)).unzip();
        let mut found = Collector::default();
        let names = Names::new(&layers, &mut found);
        for (layer, nodes) in layers.iter_mut().zip(&nodes) {
            // These take a list of one tensor as a list.
            let keep_lists = layer.role() == Role::Function;
            for node in nodes {
                let call = topology::call(node, &names, keep_lists);
                let call = call.map_err(|error| layer.at(error));
                layer.calls.extend(found.keep(call));
            }
            if !layer.is_input() {
                continue;
            }
            if layer.calls.iter().any(|call| !call.tensors().is_empty()) {
                let error = bad("an input is called with tensors");
                found.push(layer.at(error));
            }
            if layer.calls.is_empty() {
                layer.calls.push(Call::default());
            }
        }
        let inputs = found.keep(read_ports(config, "input_layers", &names, &layers));
        let outputs = found.keep(read_ports(config, "output_layers", &names, &layers));
        // With calls missing, further messages would only follow from that.
        self.problems.keep_all(found.finish(()))?;
        let (mut inputs, mut outputs) = (inputs?, outputs?);
        let semantics = self.semantics;
        let from_one = |layer: &Layer| {
            !(semantics == Semantics::Keras3 && layer.role() == Role::Model(Form::Sequential))
        };
        let mut ports: Vec<_> = inputs
            .iter_mut()
            .chain(&mut outputs)
            .map(|port| &mut port.tensor)
            .collect();
        let mut found = Collector::default();
        topology::resolve(&mut layers, &mut ports, from_one, &mut found);
        check_inputs(&name, &inputs, &layers, &mut found);
        let schedule = if found.is_empty() {
            found.keep(topology::schedule(&layers))
        } else {
            None
        };
        self.problems.keep_all(found.finish(()));
        Some(Network {
            name,
            inputs,
            outputs,
            schedule: schedule?,
            layers,
        })
    }

    /// Chains the layers of a sequential model.
    fn sequential(
        &mut self,
        name: String,
        config: &Map<String, Value>,
        mut drafts: Vec<Draft>,
        prefix: &str,
    ) -> Option<Network> {
        let Some(first) = drafts.first() else {
            self.problems.push(bad(format!("model {name:?} has no layers")));
            return None;
        };
        if !first.layer.is_input() {
            let input = self.made_up_input(config, &first.layer, prefix);
            drafts.insert(
                0,
                Draft {
                    layer: input,
                    nodes: Vec::new(),
                },
            );
        }
        let mut layers: Vec<_> = drafts.into_iter().map(|draft| draft.layer).collect();
        Names::new(&layers, &mut self.problems);
        for layer in layers.iter().skip(1).filter(|layer| layer.is_input()) {
            let error = bad(format!("it is not the first layer of Sequential model {name:?}"))
                .help("leave it out and save the model again");
            self.problems.push(layer.at(error));
        }
        let tensor = |layer: usize| TensorRef {
            layer: LayerId(layer),
            call: 0,
            output: 0,
        };
        for (i, layer) in layers.iter_mut().enumerate() {
            let args = i.checked_sub(1).map(|before| Argument::Tensor(tensor(before)));
            let kwargs = Vec::new();
            layer.calls = vec![Call {
                args: args.into_iter().collect(),
                kwargs,
            }];
        }
        let last = layers.len().saturating_sub(1);
        let port = |at: usize| {
            let layer = layers.get(at).map(|layer| layer.name.clone());
            let (name, key) = (layer.unwrap_or_default(), None);
            Port {
                name,
                key,
                tensor: tensor(at),
            }
        };
        Some(Network {
            name,
            inputs: vec![port(0)],
            outputs: vec![port(last)],
            schedule: (0..layers.len())
                .map(|i| Step {
                    layer: LayerId(i),
                    call: 0,
                })
                .collect(),
            layers,
        })
    }

    /// The InputLayer that Keras makes when a Sequential model starts with another layer: its shape is
    /// that layer's, or that of the model in its place, or unknown.
    fn made_up_input(&self, config: &Map<String, Value>, first: &Layer, prefix: &str) -> Layer {
        let inner = first
            .network
            .as_ref()
            .and_then(|net| net.inputs.first().map(|port| (net, port)));
        let inner = inner.and_then(|(net, port)| net.layers.get(port.tensor.layer.0));
        let inner = inner.map(|layer| layer.config.values());
        let own = first.config.values();
        let shape = own
            .get("batch_input_shape")
            .or_else(|| inner?.get("batch_shape"))
            .or_else(|| config.get("build_input_shape"));
        let dtype = own.get("dtype").or_else(|| inner?.get("dtype"));
        let dtype = dtype
            .and_then(dtype::policy_name)
            .filter(|name| dtype::element(name).is_some());
        let name = match self.semantics {
            Semantics::Keras2 => format!("{}_input", first.name),
            Semantics::Keras3 => "input_layer".to_owned(),
        };
        let values = Map::from_iter([
            ("name".to_owned(), Value::from(name.as_str())),
            ("batch_shape".to_owned(), shape.cloned().unwrap_or_default()),
            ("dtype".to_owned(), Value::from(dtype.unwrap_or("float32"))),
        ]);
        let path = format!("{prefix}{name}");
        let input = layers::input();
        let class = layers::known(&input);
        let ClassName { written, origin } = input;
        Layer {
            config: Config::new(path.as_str(), written.as_str(), values),
            name,
            path,
            class,
            written,
            origin,
            weights: Vec::new(),
            calls: Vec::new(),
            network: None,
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
pub(super) fn form_of(class: &ClassName, config: Option<&Map<String, Value>>) -> Option<Form> {
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

/// The model inside a wrapper (`TimeDistributed(model)`). What is wrong with it is said when the layer is lowered.
pub(super) fn wrapped(layer: &Layer, semantics: Semantics, budget: &Budget) -> Option<Network> {
    let object = layer.config.values().get("layer")?;
    let class = class_of(object.as_object()?)?;
    form_of(&class, object.get("config").and_then(Value::as_object))?;
    Reader::new(semantics, budget).model(object.clone())
}

/// Both dialects say the shape under one key.
fn input_config(mut values: Map<String, Value>) -> Map<String, Value> {
    if let Some(shape) = values.remove("batch_input_shape") {
        values.entry("batch_shape").or_insert(shape);
    }
    values
}

/// Reads `input_layers` or `output_layers`: one reference, a list of them or a dict.
fn read_ports(config: &Map<String, Value>, key: &str, names: &Names, layers: &[Layer]) -> Result<Vec<Port>> {
    let mut found = Vec::new();
    let Some(value) = config.get(key) else {
        return Err(Error::new(ErrorKind::MissingField).in_field(key));
    };
    ports(value, None, names, &mut found).map_err(|error| error.in_field(key))?;
    if found.is_empty() {
        return Err(bad("the list is empty").in_field(key));
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut taken = HashSet::new();
    let mut named = Vec::with_capacity(found.len());
    for (key, tensor) in found {
        let name = layers.get(tensor.layer.0).map(|layer| layer.name.clone());
        let name = name.unwrap_or_default();
        let mut unique = name.clone();
        // As tf.keras counts, which also avoids the names of other layers.
        while !taken.insert(unique.clone()) {
            let count = counts.entry(name.clone()).or_insert(0);
            *count += 1;
            unique = format!("{name}_{count}");
        }
        named.push(Port {
            name: unique,
            key,
            tensor,
        });
    }
    Ok(named)
}

fn ports(
    value: &Value,
    key: Option<&str>,
    names: &Names,
    found: &mut Vec<(Option<String>, TensorRef)>,
) -> Result<()> {
    match value {
        Value::Array(items) if items.first().is_some_and(Value::is_string) => {
            found.push((key.map(str::to_owned), names.reference(items)?));
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| ports(item, key, names, found)),
        Value::Object(map) => {
            // Keras flattens dicts by sorted keys.
            let sorted: BTreeMap<_, _> = map.iter().collect();
            sorted
                .into_iter()
                .try_for_each(|(key, item)| ports(item, Some(key), names, found))
        }
        other => Err(bad(format!(
            "{} is not a reference [layer, node, tensor]",
            shown(other)
        ))),
    }
}

/// Inputs must be InputLayers, and every InputLayer an input: else a tensor would have no source.
fn check_inputs(model: &str, inputs: &[Port], layers: &[Layer], problems: &mut Collector) {
    let mut fed = vec![false; layers.len()];
    for port in inputs {
        let at = port.tensor.layer.0;
        if layers.get(at).is_none_or(|layer| !layer.is_input()) {
            problems.push(bad(format!(
                "input {:?} of model {model:?} is not an InputLayer",
                port.name
            )));
        }
        if let Some(flag) = fed.get_mut(at) {
            if *flag {
                problems.push(bad(format!("model {model:?} has input {:?} twice", port.name)));
            }
            *flag = true;
        }
    }
    for (layer, fed) in layers.iter().zip(fed) {
        if layer.is_input() && !fed {
            let error = bad(format!("the layer is not among the inputs of model {model:?}"));
            problems.push(layer.at(error));
        }
    }
}
