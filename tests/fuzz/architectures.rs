//! Mutated architectures with weights that fit them.

use super::compile::compile;
use super::mutate::{Random, odd};
use super::runner::{Outcome, Stage, refused};
use keras_compile::error::Errors;
use keras_compile::keras::{self, InputShapes, KerasModel, Weight};
use keras_compile::tensor::Tensor;
use keras_compile_tests::goldens::{cases, files};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;

/// The architectures of all goldens of layers, and their layers; of Keras 2 and of Keras 3.
pub struct Seeds {
    models: [Vec<Value>; 2],
    layers: [Vec<Value>; 2],
}

impl Seeds {
    /// Reads the goldens.
    pub fn new() -> Self {
        let mut seeds = Self {
            models: [Vec::new(), Vec::new()],
            layers: [Vec::new(), Vec::new()],
        };
        for case in files("layers").iter().flat_map(|path| cases(path)) {
            let dialect = usize::from(case.keras.starts_with('3'));
            let mut model = case.config;
            fix_shapes(&mut model, &case.input_shapes);
            for place in networks(&model) {
                let layers = model.pointer(&place).and_then(Value::as_array);
                let layers = layers
                    .into_iter()
                    .flatten()
                    .filter(|layer| layer["class_name"] != "InputLayer");
                seeds.layers[dialect].extend(layers.cloned());
            }
            seeds.models[dialect].push(model);
        }
        seeds
    }
}

/// Writes shapes of inputs into an architecture that leaves them open.
fn fix_shapes(model: &mut Value, shapes: &HashMap<String, Vec<usize>>) {
    for place in networks(model) {
        let layers = model.pointer_mut(&place).and_then(Value::as_array_mut);
        for layer in layers.into_iter().flatten() {
            let known = layer["config"]["name"].as_str().and_then(|name| shapes.get(name));
            for key in ["batch_shape", "batch_input_shape"] {
                if let (Some(shape), true) = (known, layer["config"][key].is_array()) {
                    layer["config"][key] = json!(shape);
                }
            }
        }
    }
}

/// Gives a layer a name. The config of a Sequential of Keras 1 is a list and has none.
fn rename(layer: &mut Value, name: &str) {
    if layer["config"].is_object() {
        layer["config"]["name"] = json!(name);
    }
    layer["name"] = json!(name);
}

/// Where the lists of layers of a model are, the outermost first.
fn networks(model: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(place) = open.pop() {
        let list = format!("{place}/config/layers");
        let Some(layers) = model.pointer(&list).and_then(Value::as_array) else {
            continue;
        };
        open.extend((0..layers.len()).map(|i| format!("{list}/{i}")));
        found.push(list);
    }
    found
}

/// Compiles the mutant of that number.
pub fn run(seeds: &Seeds, number: u64) -> Outcome {
    let mut random = Random::new(number);
    let dialect = random.below(2);
    let Some(seed) = random.pick(&seeds.models[dialect]) else {
        return Err("there are no seeds".to_owned());
    };
    let mut mutant = Mutant {
        model: seed.clone(),
        keras3: dialect == 1,
        pool: &seeds.layers[dialect],
        random,
        made: 0,
    };
    for _ in 0..=mutant.random.below(4) {
        mutant.mutate();
    }
    if std::env::var_os("FUZZ_SHOW").is_some() {
        println!("{number}: {}", mutant.model);
    }
    match with_weights(&mutant.model, &mut mutant.random) {
        Ok(model) => compile(&model, &InputShapes::default(), number),
        Err(errors) => refused(errors, Stage::Refused),
    }
}

/// A model with weights of the shapes that its layers ask for; now and then one is missing.
fn with_weights(model: &Value, random: &mut Random) -> Result<KerasModel, Errors> {
    // What layers say of weights that fit none of them tells which they want.
    let misfit = Tensor::f32([1; 7], vec![0.0]).expect("one element");
    let asked = RefCell::new(Vec::new());
    let trial = keras::from_architecture(model.clone(), &mut |path| {
        asked.borrow_mut().push(path.to_owned());
        let weight = |i: usize| Weight {
            name: format!("w{i}"),
            tensor: misfit.clone(),
        };
        (0..24).map(weight).collect()
    })?;
    let mut wanted: HashMap<String, Vec<(String, Vec<usize>)>> = HashMap::new();
    if let Err(errors) = keras::lower(&trial, &InputShapes::default()) {
        for error in errors.as_slice() {
            let text = error.kind.to_string();
            let Some((_, shape)) = text.split_once("arguments make it [") else {
                continue;
            };
            let dims = shape
                .trim_end_matches(']')
                .split(',')
                .filter_map(|d| d.parse().ok())
                .collect();
            let at = error.place.layer.clone().unwrap_or_default();
            let asked = asked.borrow();
            let owners = asked
                .iter()
                .filter(|path| at == **path || at.starts_with(&format!("{path}/")));
            if let Some(owner) = owners.max_by_key(|path| path.len()) {
                let field = error.place.field.clone().unwrap_or_default();
                wanted.entry(owner.clone()).or_default().push((field, dims));
            }
        }
    }
    keras::from_architecture(model.clone(), &mut |path| {
        let shapes = wanted.get(path).map_or(&[][..], Vec::as_slice);
        shapes
            .iter()
            .filter(|_| !random.once_in(50))
            .filter_map(|(name, dims)| weight(name, dims))
            .collect()
    })
}

/// Most elements of a weight; larger ones are left away.
const LARGEST: usize = 1 << 20;

fn weight(name: &str, dims: &[usize]) -> Option<Weight> {
    let count = dims.iter().try_fold(1usize, |count, &d| count.checked_mul(d));
    let count = count.filter(|&count| count > 0 && count <= LARGEST)?;
    let low = if name.contains("variance") { 0.5 } else { -0.5 };
    let value = |i: usize| low + (i * 37 % 101) as f32 / 101.0;
    let tensor = Tensor::f32(dims.to_vec(), (0..count).map(value).collect::<Vec<_>>()).ok()?;
    Some(Weight {
        name: name.to_owned(),
        tensor,
    })
}

/// A model that is being changed.
struct Mutant<'s> {
    model: Value,
    keras3: bool,
    pool: &'s [Value],
    random: Random,
    /// Names made up so far.
    made: usize,
}

impl Mutant<'_> {
    fn mutate(&mut self) {
        let places = networks(&self.model);
        let Some(place) = self.random.pick(&places).cloned() else {
            return;
        };
        match self.random.below(14) {
            0..3 => self.change_config(&place),
            3 => self.change_class(&place),
            4 | 5 => self.append(&place, 1),
            6 | 7 => self.append(&place, 2),
            8 => self.rewire(&place),
            9 => self.reshape_input(&place),
            10 => self.wrap(&place),
            11 => self.call_again(&place),
            12 => self.nest(&place),
            _ => self.remove(&place),
        }
    }

    fn layers(&mut self, place: &str) -> &mut Vec<Value> {
        let found = self.model.pointer_mut(place).and_then(Value::as_array_mut);
        found.expect("the place of a list")
    }

    /// The index of some layer, most often not an input.
    fn some(&mut self, place: &str) -> Option<usize> {
        let computing: Vec<usize> = {
            let layers = self.layers(place).iter().enumerate();
            layers
                .filter(|(_, layer)| layer["class_name"] != "InputLayer")
                .map(|(i, _)| i)
                .collect()
        };
        let count = self.layers(place).len();
        if self.random.once_in(6) {
            (count > 0).then(|| self.random.below(count))
        } else {
            self.random.pick(&computing).copied()
        }
    }

    /// The name of any layer.
    fn name(&mut self, place: &str) -> String {
        let count = self.layers(place).len();
        let at = self.random.below(count);
        let layer = self.layers(place).get(at);
        layer
            .and_then(|layer| layer["config"]["name"].as_str())
            .unwrap_or("a")
            .to_owned()
    }

    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("made_{}", self.made)
    }

    fn change_config(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let mut config = self.layers(place)[at]["config"].take();
        if let Some(map) = config.as_object_mut() {
            // Names and element types are for the reader; the rest reaches the layers.
            let keys: Vec<_> = map
                .keys()
                .filter(|key| !matches!(key.as_str(), "name" | "layers"))
                .cloned()
                .collect();
            if let Some(value) = self.random.pick(&keys).and_then(|key| map.get_mut(key)) {
                odd(&mut self.random, value);
            }
        }
        self.layers(place)[at]["config"] = config;
    }

    /// A layer of the goldens under a name.
    fn layer(&mut self, name: &str) -> Value {
        let mut layer = self.random.pick(self.pool).cloned().unwrap_or_default();
        rename(&mut layer, name);
        layer
    }

    fn change_class(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let old = self.layers(place)[at].clone();
        let name = old["config"]["name"].as_str().unwrap_or("a").to_owned();
        let mut layer = self.layer(&name);
        layer["inbound_nodes"] = old["inbound_nodes"].clone();
        self.layers(place)[at] = layer;
    }

    fn tensor(&self, name: &str) -> Value {
        if self.keras3 {
            let config = json!({"shape": [null], "dtype": "float32", "keras_history": [name, 0, 0]});
            json!({"class_name": "__keras_tensor__", "config": config})
        } else {
            json!([name, 0, 0, {}])
        }
    }

    fn node(&self, sources: &[String]) -> Value {
        let tensors: Vec<_> = sources.iter().map(|name| self.tensor(name)).collect();
        match (self.keras3, tensors.len()) {
            (false, _) => json!(tensors),
            (true, 1) => json!({"args": tensors, "kwargs": {}}),
            (true, _) => json!({"args": [tensors], "kwargs": {}}),
        }
    }

    /// Adds a layer that takes some of the others, and makes it an output, beside the others or instead of them.
    fn append(&mut self, place: &str, inputs: usize) {
        let sources: Vec<_> = (0..inputs).map(|_| self.name(place)).collect();
        let name = self.fresh();
        let mut layer = self.layer(&name);
        layer["inbound_nodes"] = json!([self.node(&sources)]);
        let last = self.layers(place).len();
        let sequential = !self.outputs(place).is_array();
        let at = if sequential {
            self.random.below(last + 1)
        } else {
            last
        };
        self.layers(place).insert(at, layer);
        self.lead_out(place, &name);
    }

    fn outputs(&mut self, place: &str) -> &mut Value {
        let config = place.trim_end_matches("/layers").to_owned();
        let config = self.model.pointer_mut(&config).expect("a config around the list");
        // Absent in a Sequential.
        if config.get("output_layers").is_none() {
            config["output_layers"] = Value::Null;
        }
        &mut config["output_layers"]
    }

    fn lead_out(&mut self, place: &str, name: &str) {
        let beside = self.random.once_in(3);
        let outputs = self.outputs(place);
        if let Some(list) = outputs.as_array_mut() {
            if beside && list.first().is_some_and(Value::is_array) {
                list.push(json!([name, 0, 0]));
            } else {
                *outputs = json!([[name, 0, 0]]);
            }
        }
    }

    /// Lets one use of a layer use another.
    fn rewire(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let source = self.name(place);
        let nodes = &mut self.layers(place)[at]["inbound_nodes"];
        if let Some(name) = references(nodes).pop() {
            *name = json!(source);
        }
    }

    fn reshape_input(&mut self, place: &str) {
        let rank = self.random.below(6);
        let dims: Vec<usize> = (0..=rank).map(|_| 1 + self.random.below(7)).collect();
        for layer in self.layers(place) {
            for key in ["batch_shape", "batch_input_shape"] {
                if layer["config"][key].is_array() {
                    layer["config"][key] = json!(dims);
                    return;
                }
            }
        }
    }

    /// Puts a layer into TimeDistributed or Bidirectional.
    fn wrap(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let mut outer = self.layers(place)[at].clone();
        let mut inner = outer.clone();
        let name = self.fresh();
        rename(&mut inner, &name);
        if let Some(inner) = inner.as_object_mut() {
            inner.remove("inbound_nodes");
        }
        let class = ["TimeDistributed", "TimeDistributed", "Bidirectional"][self.random.below(3)];
        outer["class_name"] = json!(class);
        outer["module"] = json!("keras.layers");
        outer["registered_name"] = Value::Null;
        let name = outer["config"]["name"].clone();
        outer["config"] = json!({"name": name, "trainable": true, "dtype": "float32", "layer": inner});
        if class == "Bidirectional" {
            outer["config"]["merge_mode"] = json!(["concat", "sum", "ave", "mul"][self.random.below(4)]);
        }
        self.layers(place)[at] = outer;
    }

    /// Calls a layer on something else as well, and leads the second result out.
    fn call_again(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let source = self.name(place);
        let node = self.node(&[source]);
        let name = self.layers(place)[at]["config"]["name"].clone();
        let Some(nodes) = self.layers(place)[at]["inbound_nodes"].as_array_mut() else {
            return;
        };
        nodes.push(node);
        let call = nodes.len() - 1;
        if self.outputs(place).is_array() {
            *self.outputs(place) = json!([[name, 0, 0], [name, call, 0]]);
        }
    }

    /// Puts a layer into a Sequential of its own.
    fn nest(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let mut outer = self.layers(place)[at].clone();
        let mut inner = outer.clone();
        let inner_name = self.fresh();
        rename(&mut inner, &inner_name);
        if let Some(inner) = inner.as_object_mut() {
            inner.remove("inbound_nodes");
        }
        let more = self.fresh();
        let mut layers = vec![inner];
        if self.random.once_in(2) {
            layers.push(self.layer(&more));
        }
        let name = outer["config"]["name"].clone();
        outer["class_name"] = json!("Sequential");
        outer["module"] = json!("keras");
        outer["registered_name"] = Value::Null;
        outer["config"] = json!({"name": name, "layers": layers});
        self.layers(place)[at] = outer;
    }

    /// Removes a layer; what used it uses what it used.
    fn remove(&mut self, place: &str) {
        let Some(at) = self.some(place) else { return };
        let mut layer = self.layers(place).remove(at);
        let source = references(&mut layer["inbound_nodes"])
            .pop()
            .map(|name| name.clone());
        let (name, source) = (layer["config"]["name"].clone(), source.unwrap_or_default());
        let replace = |name_at: &mut Value| {
            if *name_at == name {
                *name_at = source.clone();
            }
        };
        for layer in self.layers(place) {
            references(&mut layer["inbound_nodes"])
                .into_iter()
                .for_each(replace);
        }
        references(self.outputs(place)).into_iter().for_each(replace);
    }
}

/// The names in all `[name, node, tensor]` inside of a value.
fn references(value: &mut Value) -> Vec<&mut Value> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let found_here = value.as_array().is_some_and(|items| {
            let call = items.get(1).is_some_and(Value::is_u64);
            items.len() >= 3 && call && items[0].is_string()
        });
        match value {
            Value::Array(items) => {
                if found_here {
                    found.extend(items.first_mut());
                } else {
                    open.extend(items);
                }
            }
            Value::Object(map) => open.extend(map.values_mut()),
            _ => {}
        }
    }
    found
}
