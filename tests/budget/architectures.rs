//! Architectures of Keras 3 as JSON.

use serde_json::{Value, json};

/// A list of what `make` gives for every number below `count`.
pub fn times(count: usize, make: impl FnMut(usize) -> Value) -> Value {
    (0..count).map(make).collect()
}

/// The only output of a call of a layer.
pub fn tensor(layer: &str, call: usize) -> Value {
    json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call, 0]}})
}

/// A call with these tensors.
pub fn node(tensors: &[Value]) -> Value {
    match tensors {
        [only] => json!({"args": [only], "kwargs": {}}),
        several => json!({"args": [several], "kwargs": {}}),
    }
}

/// A layer that is called once, with the first outputs of the layers of these names.
pub fn layer(class: &str, name: &str, mut config: Value, inputs: &[&str]) -> Value {
    config["name"] = json!(name);
    config["trainable"] = json!(true);
    let inputs: Vec<_> = inputs.iter().map(|name| tensor(name, 0)).collect();
    json!({
        "module": "keras.layers",
        "class_name": class,
        "name": name,
        "config": config,
        "inbound_nodes": [node(&inputs)],
    })
}

/// An input of this shape, without the batch.
pub fn input(name: &str, shape: &[usize]) -> Value {
    let batch = [Value::Null].into_iter();
    let shape: Vec<_> = batch.chain(shape.iter().map(|extent| json!(extent))).collect();
    let config = json!({"name": name, "batch_shape": shape, "dtype": "float32"});
    json!({"module": "keras.layers", "class_name": "InputLayer", "name": name, "config": config, "inbound_nodes": []})
}

/// An output of a model: a layer, and which of its calls if it is not the first.
pub trait Output {
    /// As `output_layers` has it.
    fn reference(&self) -> Value;
}

impl Output for &str {
    fn reference(&self) -> Value {
        json!([self, 0, 0])
    }
}

impl Output for [&str; 2] {
    fn reference(&self) -> Value {
        let call: usize = self[1].parse().expect("a number");
        json!([self[0], call, 0])
    }
}

/// A model whose input is `in`.
pub fn functional(name: &str, layers: Vec<Value>, output: impl Output) -> Value {
    json!({
        "module": "keras",
        "class_name": "Functional",
        "name": name,
        "config": {
            "name": name,
            "layers": layers,
            "input_layers": [["in", 0, 0]],
            "output_layers": [output.reference()],
        },
    })
}

/// A model that calls another one, of one input `in` of 4 features, several times in a row.
pub fn nested(name: &str, mut inner: Value, calls: usize) -> Value {
    let of = inner["name"].as_str().expect("a name").to_owned();
    // Keras 3 counts the calls of a nested model from 0 where calls take what they give, and from 1 among the outputs.
    inner["inbound_nodes"] = times(calls, |i| {
        node(&[if i == 0 {
            tensor("in", 0)
        } else {
            tensor(&of, i - 1)
        }])
    });
    functional(
        name,
        vec![input("in", &[4]), inner],
        [of.as_str(), &calls.to_string()],
    )
}

/// One layer after the other, on an input `in` of this shape.
pub fn chain(class: &str, length: usize, config: impl Fn(usize) -> Value, shape: &[usize]) -> Value {
    let mut layers = vec![input("in", shape)];
    let mut before = "in".to_owned();
    for i in 0..length {
        let name = format!("l{i}");
        layers.push(layer(class, &name, config(i), &[&before]));
        before = name;
    }
    functional("chain", layers, before.as_str())
}

/// A Sequential model.
pub fn sequential(shape: &[usize], layers: Value) -> Value {
    let mut all = vec![input("in", shape)];
    all.extend(layers.as_array().into_iter().flatten().cloned());
    json!({"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": all}})
}
