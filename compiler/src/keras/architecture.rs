//! From the JSON of an architecture to [`Network`]s without weights.

use super::config::Config;
use super::dtype::{self, Effect};
use super::fields::shown;
use super::model::{Argument, Call, Layer, LayerId, Network, Origin, Port, Semantics, Step, TensorRef};
use super::object::{Class, class_of};
use super::topology::{self, Names, bad};
use crate::budget::{Budget, Resource};
use crate::error::{Collector, Error, ErrorKind, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Layers of Keras 3 that do not write whether they are trainable, since their `get_config` does not ask their parents'.
const UNMARKED: &[&str] = &[
    "InputLayer",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Discretization",
    "HashedCrossing",
    "Pipeline",
];

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
        let Some(Class {
            name,
            written,
            origin,
        }) = class_of(&map)
        else {
            return self.problems.keep(found);
        };
        let Some(form) = self.form(&name, &origin, map.get("config")) else {
            self.problems.push(subclassed(written));
            return None;
        };
        let config = map.remove("config").unwrap_or_default();
        self.network(&name, form, config, "", None)
    }

    /// The form of a model, noting a subclass.
    fn form(&mut self, class: &str, origin: &Origin, config: Option<&Value>) -> Option<Form> {
        let form = form_of(class, origin, config.and_then(Value::as_object))?;
        if form_of(class, origin, None).is_none() {
            self.subclasses.insert(class.to_owned());
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
        let Some(Class {
            name: class,
            written,
            origin,
        }) = class_of(&map)
        else {
            self.problems
                .push(bad(format!("layer {index} has no class_name")));
            return None;
        };
        let config = map.remove("config").unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let name = text(map.get("name")).or_else(|| text(config.get("name")));
        // Nested Sequential models of Keras 2.0 have no name in the file.
        let name = name.unwrap_or_else(|| format!("{}_{index}", written.to_lowercase()));
        let path = format!("{prefix}{name}");
        let named = self.name(&path, &class);
        self.problems
            .keep(named.map_err(|error| error.in_layer(path.as_str(), class.as_str())))?;
        let nodes = match map.remove("inbound_nodes") {
            Some(Value::Array(nodes)) => nodes,
            None | Some(Value::Null) => Vec::new(),
            Some(other) => {
                let error = bad(format!("inbound_nodes is not a list: {}", shown(&other)));
                self.problems
                    .push(error.in_layer(path.as_str(), written.as_str()));
                Vec::new()
            }
        };
        let (values, network) = if let Some(form) = self.form(&class, &origin, Some(&config)) {
            let network = self.network(&class, form, config, &format!("{path}/"), Some(&name))?;
            (Map::new(), Some(network))
        } else {
            match config {
                Value::Object(values) => (values, None),
                Value::Null => (Map::new(), None),
                other => {
                    let error = Error::malformed(format!("the config is not an object: {}", shown(&other)));
                    self.problems
                        .push(error.in_layer(path.as_str(), written.as_str()));
                    return None;
                }
            }
        };
        let origin = if self.is_bare_operation(&map, &values, &class, network.is_some()) {
            Origin::Operation
        } else {
            origin
        };
        self.check_dtype(&values, &path, &written);
        let values = if class == "InputLayer" {
            input_config(values)
        } else {
            values
        };
        let layer = Layer {
            config: Config::new(path.as_str(), written.as_str(), values),
            name,
            path,
            class,
            written,
            origin,
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
    /// layers; but layers write whether they are trainable, all but [`UNMARKED`], and no operation does.
    fn is_bare_operation(
        &self,
        raw: &Map<String, Value>,
        config: &Map<String, Value>,
        class: &str,
        network: bool,
    ) -> bool {
        self.semantics == Semantics::Keras3
            && !raw.contains_key("module")
            && !config.contains_key("trainable")
            && !UNMARKED.contains(&class)
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
            let keep_lists = matches!(layer.class.as_str(), "TFOpLambda" | "SlicingOpLambda");
            for node in nodes {
                let call = topology::call(node, &names, keep_lists);
                let call = call.map_err(|error| layer.at(error));
                layer.calls.extend(found.keep(call));
            }
            if layer.class != "InputLayer" {
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
        let from_one = |layer: &Layer| !(semantics == Semantics::Keras3 && layer.class == "Sequential");
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
        if first.layer.class != "InputLayer" {
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
        for layer in layers.iter().skip(1).filter(|layer| layer.class == "InputLayer") {
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
        Layer {
            config: Config::new(path.as_str(), "InputLayer", values),
            name,
            path,
            class: "InputLayer".to_owned(),
            written: "InputLayer".to_owned(),
            origin: Origin::Keras,
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
        Some(class) if form_of(&class.name, &class.origin, config).is_none() => {
            Err(subclassed(class.written))
        }
        _ => Ok(()),
    }
}

fn subclassed(class: String) -> Error {
    Error::new(ErrorKind::UnsupportedLayer { class }).help(
        "a subclassed model is Python code, which is not in the file: in Python, call it on an input, \
         x = keras.Input(shape), and save keras.Model(x, model.call(x)), which holds its layers",
    )
}

/// How the config of a model describes its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As a graph.
    Functional,
    /// As a list.
    Sequential,
}

/// The form of a model made of layers, if it is one. Keras writes a subclass of its models by the name of the subclass
/// with the config of the model, unless its constructor is another.
pub(super) fn form_of(class: &str, origin: &Origin, config: Option<&Map<String, Value>>) -> Option<Form> {
    match (origin, class) {
        (Origin::Keras, "Functional" | "Model") => return Some(Form::Functional),
        (Origin::Keras, "Sequential") => return Some(Form::Sequential),
        (Origin::Operation, _) => return None,
        (Origin::Keras | Origin::Custom(_), _) => {}
    }
    let config = config?;
    let layers = config.get("layers")?.as_array()?;
    let has = |key: &str| config.get(key).is_some();
    match (has("input_layers"), has("output_layers")) {
        (true, true) => Some(Form::Functional),
        // Lists of layers occur in configs of other layers, too, but not with an input first.
        (false, false) if layers.first()?.get("class_name")? == "InputLayer" => Some(Form::Sequential),
        _ => None,
    }
}

/// The model inside a wrapper (`TimeDistributed(model)`). What is wrong with it is said when the layer is lowered.
pub(super) fn wrapped(layer: &Layer, semantics: Semantics, budget: &Budget) -> Option<Network> {
    let object = layer.config.values().get("layer")?;
    let class = class_of(object.as_object()?)?;
    form_of(
        &class.name,
        &class.origin,
        object.get("config").and_then(Value::as_object),
    )?;
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
        if layers.get(at).is_none_or(|layer| layer.class != "InputLayer") {
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
        if layer.class == "InputLayer" && !fed {
            let error = bad(format!("the layer is not among the inputs of model {model:?}"));
            problems.push(layer.at(error));
        }
    }
}
