//! From layers to a network: connects those of a functional model, and chains those of a sequential one.

use super::{ArchitectureReader, Draft};
use crate::error::{Collector, Error, ErrorKind, Result};
use crate::keras::class::{ClassName, Form, Role};
use crate::keras::config::Config;
use crate::keras::dtype;
use crate::keras::layers;
use crate::keras::model::{
    Argument, Call, Layer, LayerId, Network, Port, ScheduledCall, Semantics, TensorRef, unique,
};
use crate::keras::topology::{self, Names, bad};
use crate::keras::values::shown;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

impl ArchitectureReader {
    /// Connects the layers of a functional model by their inbound nodes.
    pub(super) fn functional(
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
        let inputs = found.keep(read_ports(config, "input_layers", &names));
        let outputs = found.keep(read_ports(config, "output_layers", &names));
        // With calls missing, further messages would only follow from that.
        self.problems.keep_all(found.finish(()))?;
        let (mut inputs, mut outputs) = (inputs?, outputs?);
        let semantics = self.semantics;
        let first = |layer: &Layer| match (semantics, layer.role()) {
            (Semantics::Keras1 | Semantics::Keras2, _) => [1, 1],
            (Semantics::Keras3, Role::Model(Form::Sequential)) => [0, 0],
            (Semantics::Keras3, _) => [0, 1],
        };
        let mut ports: Vec<_> = inputs
            .iter_mut()
            .chain(&mut outputs)
            .map(|port| &mut port.tensor)
            .collect();
        let mut found = Collector::default();
        topology::resolve(&mut layers, &mut ports, first, &mut found);
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
    pub(super) fn sequential(
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
                .map(|i| ScheduledCall {
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
        let key = match self.semantics {
            Semantics::Keras1 => "input_dtype",
            _ => "dtype",
        };
        let dtype = own.get(key).or_else(|| inner?.get("dtype"));
        let dtype = dtype
            .and_then(dtype::policy_name)
            .filter(|name| dtype::element(name).is_some());
        let name = match self.semantics {
            Semantics::Keras1 | Semantics::Keras2 => format!("{}_input", first.name),
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
            wrapped: None,
        }
    }
}

/// A tensor among the inputs or outputs of a model, as the file has it.
struct Found {
    tensor: TensorRef,
    /// The name of its layer.
    layer: String,
    /// The innermost key of a dict under which it stands.
    key: Option<String>,
}

/// Reads `input_layers` or `output_layers`: references `[layer, node, tensor]`, one or nested in lists and dicts.
fn read_ports(config: &Map<String, Value>, key: &str, names: &Names) -> Result<Vec<Port>> {
    let mut found = Vec::new();
    let Some(value) = config.get(key) else {
        return Err(Error::new(ErrorKind::MissingField).in_field(key));
    };
    ports(value, None, names, &mut found).map_err(|error| error.in_field(key))?;
    if found.is_empty() {
        return Err(bad("the list is empty").in_field(key));
    }
    let unique = unique(found.iter().map(|port| port.layer.as_str()));
    let port = |(port, name): (Found, String)| Port {
        name,
        key: port.key,
        tensor: port.tensor,
    };
    Ok(found.into_iter().zip(unique).map(port).collect())
}

fn ports(value: &Value, key: Option<&str>, names: &Names, found: &mut Vec<Found>) -> Result<()> {
    match value {
        Value::Array(items) if items.first().is_some_and(Value::is_string) => {
            found.push(Found {
                tensor: names.reference(items)?,
                layer: items
                    .first()
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                key: key.map(str::to_owned),
            });
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
