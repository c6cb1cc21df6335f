//! Sequential models that begin with a `Merge` of other models, as Keras 1 made models of several inputs: a graph.

use crate::error::{Error, ErrorKind, Result};
use crate::keras::values::shown;
use serde_json::{Map, Value, json};

/// The config that says what a layer takes: that of the first layer inside, if it is a model.
fn fed(layer: &Value) -> Option<&Map<String, Value>> {
    let layers = match layer.get("config")? {
        Value::Array(layers) => layers,
        Value::Object(config) => match config.get("layers").and_then(Value::as_array) {
            Some(layers) if class(layer) == "Model" => layers,
            _ => return Some(config),
        },
        _ => return None,
    };
    fed(layers.first()?)
}

/// Whether the first of these layers merges models that stand in its config.
/// So does one that begins with such a model.
pub fn begins_with_branches(layers: &[Value]) -> bool {
    layers
        .first()
        .is_some_and(|layer| branches(layer).is_some() || merged(layer).is_some())
}

/// The layers of a Sequential model that begins with branches.
fn merged(layer: &Value) -> Option<&Vec<Value>> {
    let layers = layer
        .get("config")
        .filter(|_| class(layer) == "Sequential")?
        .as_array()?;
    begins_with_branches(layers).then_some(layers)
}

fn class(layer: &Value) -> &str {
    layer
        .get("class_name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The models that a `Merge` merges, if they stand in its config.
fn branches(layer: &Value) -> Option<&Vec<Value>> {
    (class(layer) == "Merge")
        .then(|| layer.pointer("/config/layers")?.as_array())
        .flatten()
}

/// The config of a functional model with the layers of all branches and those after them: `Sequential.flattened_layers`.
///
/// # Errors
/// Layers that are no objects, and branches without layers or with several results.
pub fn join_branches(layers: Vec<Value>, name: &str) -> Result<Value> {
    let mut graph = Graph::default();
    let output = graph.chain(layers)?;
    Ok(json!({
        "name": name, "layers": graph.layers, "input_layers": graph.inputs, "output_layers": [output],
    }))
}

/// A functional model under way.
#[derive(Default)]
struct Graph {
    layers: Vec<Value>,
    inputs: Vec<Value>,
    /// How many of the layers Keras lists: all but those that merge branches and the inputs that are made up.
    listed: usize,
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadGraph(message.into()))
}

impl Graph {
    /// Adds layers one after the other, and gives a reference to what the last one gives.
    fn chain(&mut self, layers: Vec<Value>) -> Result<Value> {
        let mut layers = layers.into_iter();
        let Some(first) = layers.next() else {
            return Err(bad("a branch of a Merge has no layers"));
        };
        let mut last = self.first(first)?;
        for layer in layers {
            last = self.layer(layer, vec![last])?;
        }
        Ok(last)
    }

    /// Adds the first layer of a chain, with what comes before it.
    fn first(&mut self, mut layer: Value) -> Result<Value> {
        if branches(&layer).is_some() {
            let branches = layer.pointer_mut("/config/layers").map(Value::take);
            let Some(Value::Array(branches)) = branches else {
                return Err(Error::internal("the branches of a Merge were lost"));
            };
            if let Some(config) = layer.get_mut("config").and_then(Value::as_object_mut) {
                config.remove("layers");
            }
            let inputs = branches.into_iter().map(|branch| self.branch(branch));
            let inputs = inputs.collect::<Result<Vec<_>>>()?;
            let name = self.name(&layer);
            return self.add(layer, &name, inputs);
        }
        if let Some(layers) = merged(&layer) {
            let joined = join_branches(layers.clone(), "")?;
            let mut inputs = Vec::new();
            for input in joined
                .get("input_layers")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                inputs.push(self.copy(&joined, input)?);
            }
            return self.layer(layer, inputs);
        }
        if class(&layer) == "InputLayer" {
            let found = self.layer(layer, Vec::new())?;
            self.inputs.push(found.clone());
            return Ok(found);
        }
        let name = self.name(&layer);
        let get = |key: &str| fed(&layer).and_then(|config| config.get(key)).cloned();
        let mut config = Map::from_iter([("name".to_owned(), Value::from(format!("{name}_input")))]);
        for key in ["batch_input_shape", "input_dtype"] {
            config.extend(get(key).map(|value| (key.to_owned(), value)));
        }
        let made_up = json!({"class_name": "InputLayer", "config": config});
        let input = self.add(made_up, &format!("{name}_input"), Vec::new())?;
        self.inputs.push(input.clone());
        self.layer(layer, vec![input])
    }

    /// Adds an input like one of a model inside, which a reference names.
    fn copy(&mut self, model: &Value, reference: &Value) -> Result<Value> {
        let layers = model
            .get("layers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let name = reference.get(0).and_then(Value::as_str).unwrap_or_default();
        let input = layers
            .into_iter()
            .find(|layer| layer.get("name").and_then(Value::as_str) == Some(name));
        let Some(input) = input else {
            return Err(bad(format!("a Model among branches has no input {name:?}")));
        };
        let found = self.add(input.clone(), name, Vec::new())?;
        self.inputs.push(found.clone());
        Ok(found)
    }

    /// Adds the layers of a model, or a layer alone.
    fn branch(&mut self, mut branch: Value) -> Result<Value> {
        match class(&branch) {
            "Sequential" => match branch.get_mut("config").map(Value::take) {
                Some(Value::Array(layers)) => self.chain(layers),
                other => Err(bad(format!(
                    "the config of a Sequential branch is not a list of layers: {}",
                    shown(&other.unwrap_or_default())
                ))),
            },
            "Model" => {
                let mut list =
                    |key: &str| match branch.pointer_mut(&format!("/config/{key}")).map(Value::take) {
                        Some(Value::Array(items)) => Ok(items),
                        _ => Err(bad(format!("a Model among branches has no list of {key}"))),
                    };
                let (layers, inputs, outputs) =
                    (list("layers")?, list("input_layers")?, list("output_layers")?);
                self.listed += layers.len();
                self.layers.extend(layers);
                self.inputs.extend(inputs);
                match <[Value; 1]>::try_from(outputs) {
                    Ok([only]) => Ok(only),
                    Err(all) => Err(bad(format!("a branch of a Merge has {} results", all.len()))),
                }
            }
            _ => self.first(branch),
        }
    }

    /// What a layer is called, as the reader calls those without a name.
    fn name(&self, layer: &Value) -> String {
        let named = layer.pointer("/config/name").or_else(|| layer.get("name"));
        match named.and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => format!("{}_at_{}", class(layer).to_lowercase(), self.listed),
        }
    }

    /// Adds a layer that takes tensors, under the name that it has here.
    fn layer(&mut self, layer: Value, tensors: Vec<Value>) -> Result<Value> {
        let name = self.name(&layer);
        self.listed += 1;
        self.add(layer, &name, tensors)
    }

    fn add(&mut self, layer: Value, name: &str, tensors: Vec<Value>) -> Result<Value> {
        let Value::Object(mut map) = layer else {
            return Err(bad(format!("a layer is not an object: {}", shown(&layer))));
        };
        map.insert("name".to_owned(), name.into());
        let nodes = match tensors.is_empty() {
            true => json!([]),
            false => json!([tensors]),
        };
        map.insert("inbound_nodes".to_owned(), nodes);
        self.layers.push(Value::Object(map));
        Ok(json!([name, 0, 0]))
    }
}
