//! Both layouts on made-up files: a tree of names, in which every weight is one number.

use super::{Arrangement, load};
use crate::error::{Collector, Result};
use crate::keras::hdf5::Tree;
use crate::keras::{KerasModel, Network, from_architecture};
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Datasets by path, and lists of strings by group and name.
#[derive(Default)]
struct Fake {
    datasets: BTreeMap<String, f32>,
    strings: BTreeMap<(String, String), Vec<String>>,
}

impl Fake {
    /// A file of the layout of `.keras`, whose weights count from 0 in the order given.
    fn checkpoint(paths: &[&str]) -> Self {
        let numbered = (0u8..).zip(paths);
        let datasets = numbered
            .map(|(i, path)| ((*path).to_owned(), f32::from(i)))
            .collect();
        Self {
            datasets,
            ..Self::default()
        }
    }
    /// A file of the layout of `.h5` at its root.
    fn legacy(layers: &[(&str, &[&str])]) -> Self {
        let mut fake = Self::default();
        let mut next = 0u8;
        for (layer, weights) in layers {
            for weight in *weights {
                fake.datasets.insert(format!("{layer}/{weight}"), f32::from(next));
                next += 1;
            }
            fake.list(layer, "weight_names", weights);
        }
        let names: Vec<_> = layers.iter().map(|(layer, _)| *layer).collect();
        fake.list("", "layer_names", &names);
        fake
    }
    fn list(&mut self, group: &str, name: &str, strings: &[&str]) {
        let strings = strings.iter().map(|text| (*text).to_owned()).collect();
        self.strings.insert((group.to_owned(), name.to_owned()), strings);
    }
    /// First parts of the paths below a group; `deep` for those with more behind.
    fn below(&self, group: &str, deep: bool) -> Vec<String> {
        let prefix = if group.is_empty() {
            String::new()
        } else {
            format!("{group}/")
        };
        let paths = self.datasets.keys().filter_map(|path| path.strip_prefix(&prefix));
        let parts = paths.filter(|rest| rest.contains('/') == deep);
        let first = parts.map(|rest| rest.split('/').next().unwrap().to_owned());
        first.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Tree for Fake {
    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>> {
        Ok(self.strings.get(&(group.to_owned(), name.to_owned())).cloned())
    }
    fn groups(&self, group: &str) -> Result<Vec<String>> {
        Ok(self.below(group, true))
    }
    fn datasets(&self, group: &str) -> Result<Vec<String>> {
        Ok(self.below(group, false))
    }
    fn tensor(&self, path: &str) -> Result<Option<Tensor>> {
        Ok(self.datasets.get(path).map(|value| Tensor::scalar(*value)))
    }
}

fn layer(class: &str, name: &str) -> Value {
    json!({"class_name": class, "config": {"name": name}})
}

fn sequential(name: &str, layers: &[Value]) -> Value {
    json!({"class_name": "Sequential", "config": {"name": name, "layers": layers}})
}

/// Every layer with weights: its path and their numbers.
fn loaded(architecture: Value, fake: &Fake) -> Result<Vec<(String, Vec<f32>)>, String> {
    fn collect(network: &Network, found: &mut Vec<(String, Vec<f32>)>) {
        for layer in &network.layers {
            if let Some(inner) = &layer.network {
                collect(inner, found);
            } else if let Some(inner) = layer.wrapped.as_ref().and_then(|inner| inner.network.as_ref()) {
                collect(inner, found);
            } else if !layer.weights.is_empty() {
                let numbers = layer.weights.iter().map(|w| w.tensor.as_f32().unwrap()[0]);
                found.push((layer.path.clone(), numbers.collect()));
            }
        }
    }
    let mut model: KerasModel = from_architecture(architecture, &mut |_| Vec::new()).unwrap();
    let layout = Arrangement::of(fake).unwrap().expect("a layout");
    let mut problems = Collector::default();
    load(&mut model, fake, layout, &mut problems);
    problems.finish(()).map_err(|errors| errors.to_string())?;
    let mut found = Vec::new();
    collect(&model.root, &mut found);
    Ok(found)
}

fn at(path: &str, numbers: &[f32]) -> (String, Vec<f32>) {
    (path.to_owned(), numbers.to_vec())
}

#[test]
fn legacy_by_name_and_by_place() {
    let model = || {
        sequential(
            "m",
            &[layer("Dense", "a"), layer("Flatten", "f"), layer("Dense", "b/c")],
        )
    };
    let fake = Fake::legacy(&[("b/c", &["k", "b"]), ("f", &[]), ("a", &["k"])]);
    assert_eq!(
        loaded(model(), &fake).unwrap(),
        [at("a", &[2.0]), at("b/c", &[0.0, 1.0])]
    );
    // The weights of another instance of the same model.
    let fake = Fake::legacy(&[("dense_8", &["k", "b"]), ("flatten", &[]), ("dense_9", &["k"])]);
    assert_eq!(
        loaded(model(), &fake).unwrap(),
        [at("a", &[0.0, 1.0]), at("b/c", &[2.0])]
    );
    let fake = Fake::legacy(&[("dense_8", &["k", "b"])]);
    assert!(
        loaded(model(), &fake)
            .unwrap_err()
            .contains(r#"no weights for the layers "a", "f", "b/c""#)
    );
}

#[test]
fn legacy_nested_models_by_the_names_of_weights() {
    let inner = sequential("i", &[layer("Dense", "d"), layer("BatchNormalization", "n")]);
    let model = || sequential("m", &[layer("Dense", "d"), inner.clone()]);
    let expected = [at("d", &[0.0]), at("i/d", &[1.0, 2.0]), at("i/n", &[3.0, 4.0])];
    for names in [
        // Built on its own, built inside the outer model, and as TensorFlow 1 counts scopes.
        ["d/kernel:0", "d/bias:0", "n/gamma:0", "n/moving_mean:0"],
        ["m/i/d/kernel", "m/i/d/bias", "m/i/n/gamma", "m/i/n/moving_mean"],
        ["d_1/kernel:0", "d_1/bias:0", "n_3/gamma:0", "n_3/moving_mean:0"],
    ] {
        let fake = Fake::legacy(&[("d", &["d/kernel:0"]), ("i", &names)]);
        assert_eq!(loaded(model(), &fake).unwrap(), expected, "{names:?}");
    }
    let fake = Fake::legacy(&[("d", &[]), ("i", &["other/kernel:0"])]);
    assert!(
        loaded(model(), &fake)
            .unwrap_err()
            .contains("belongs to none of the layers")
    );
}

#[test]
fn legacy_ways_of_which_one_is_not_trained() {
    let way =
        |trainable: bool| json!({"class_name": "LSTM", "config": {"name": "way", "trainable": trainable}});
    let model = |keras: &str, forward: bool, backward: bool| {
        let config =
            json!({"name": "b", "trainable": true, "layer": way(forward), "backward_layer": way(backward)});
        let mut model = sequential("m", &[json!({"class_name": "Bidirectional", "config": config})]);
        model["keras_version"] = json!(keras);
        model
    };
    let fake = Fake::legacy(&[("b", &["k0", "r0", "k1", "r1"])]);
    for (keras, forward, backward, expected) in [
        ("3.15.1", true, true, [0.0, 1.0, 2.0, 3.0]),
        ("3.15.1", true, false, [0.0, 1.0, 2.0, 3.0]),
        ("3.15.1", false, false, [0.0, 1.0, 2.0, 3.0]),
        ("3.15.1", false, true, [2.0, 3.0, 0.0, 1.0]),
        ("2.15.0", false, true, [0.0, 1.0, 2.0, 3.0]),
    ] {
        let found = loaded(model(keras, forward, backward), &fake).unwrap();
        assert_eq!(found, [at("b", &expected)], "{keras} {forward} {backward}");
    }
}

#[test]
fn legacy_models_in_models_with_equal_names() {
    let inner = sequential("i", &[layer("Dense", "d")]);
    let model = sequential("m", &[sequential("s", &[layer("Dense", "d"), inner])]);
    let fake = Fake::legacy(&[("s", &["m/s/d/kernel", "m/s/i/d/kernel"])]);
    assert_eq!(
        loaded(model, &fake).unwrap(),
        [at("s/d", &[0.0]), at("s/i/d", &[1.0])]
    );
}

#[test]
fn checkpoints_count_classes() {
    let model = sequential(
        "m",
        &[
            layer("Dense", "dense_1"),
            layer("PReLU", "p"),
            layer("Dense", "dense"),
        ],
    );
    for list in ["layers", "_layer_checkpoint_dependencies"] {
        let paths = ["dense/vars/0", "dense/vars/1", "dense_1/vars/0", "p_re_lu/vars/0"];
        let paths = paths.map(|path| format!("{list}/{path}"));
        let fake = Fake::checkpoint(&paths.each_ref().map(String::as_str));
        let expected = [at("dense_1", &[0.0, 1.0]), at("p", &[3.0]), at("dense", &[2.0])];
        assert_eq!(loaded(model.clone(), &fake).unwrap(), expected);
    }
}

#[test]
fn checkpoints_that_name_layers() {
    let model = || sequential("m", &[layer("Dense", "a"), layer("Dense", "b")]);
    // As groups, and as attributes beside the variables, which here are in another order.
    let fake = Fake::checkpoint(&["layers/b/vars/0", "layers/a/vars/0"]);
    assert_eq!(
        loaded(model(), &fake).unwrap(),
        [at("a", &[1.0]), at("b", &[0.0])]
    );
    let mut fake = Fake::checkpoint(&["layers/dense/vars/0", "layers/dense_1/vars/0"]);
    fake.list("layers/dense/vars", "name", &["b"]);
    fake.list("layers/dense_1/vars", "name", &["a"]);
    assert_eq!(
        loaded(model(), &fake).unwrap(),
        [at("a", &[1.0]), at("b", &[0.0])]
    );
}

#[test]
fn checkpoints_order_what_is_inside_a_layer() {
    let cells = json!([{"class_name": "LSTMCell", "config": {}}, {"class_name": "GRUCell", "config": {}}, {"class_name": "LSTMCell", "config": {}}]);
    let stacked = json!({"class_name": "StackedRNNCells", "config": {"cells": cells}});
    let model = sequential(
        "m",
        &[
            layer("Bidirectional", "two"),
            json!({"class_name": "RNN", "config": {"name": "rnn", "cell": stacked}}),
            layer("Dropout", "drop"),
        ],
    );
    let fake = Fake::checkpoint(&[
        "layers/bidirectional/backward_layer/cell/vars/0",
        "layers/bidirectional/forward_layer/cell/vars/0",
        "layers/rnn/cell/cells/gru_cell/vars/0",
        "layers/rnn/cell/cells/lstm_cell/vars/0",
        "layers/rnn/cell/cells/lstm_cell_1/vars/0",
        "layers/dropout/seed_generator/vars/0",
    ]);
    assert_eq!(
        loaded(model, &fake).unwrap(),
        [at("two", &[1.0, 0.0]), at("rnn", &[3.0, 2.0, 4.0])]
    );
}

#[test]
fn stacked_cells_that_are_not_trained_come_last() {
    let cell = |trained: bool| json!({"class_name": "LSTMCell", "config": {"use_bias": false, "trainable": trained}});
    let stack = |config: Value| json!({"class_name": "StackedRNNCells", "config": config});
    let rnn = |name: &str, cells: [Value; 3]| {
        let cell = stack(json!({"cells": cells}));
        json!({"class_name": "RNN", "config": {"name": name, "trainable": true, "cell": cell}})
    };
    let fake = Fake::legacy(&[("rnn", &["a", "b", "c", "d", "e", "f"])]);
    let model = sequential("m", &[rnn("rnn", [cell(false), cell(true), cell(true)])]);
    assert_eq!(
        loaded(model, &fake).unwrap(),
        [at("rnn", &[4.0, 5.0, 0.0, 1.0, 2.0, 3.0])]
    );
    let model = sequential("m", &[rnn("rnn", [cell(true), cell(false), cell(false)])]);
    assert_eq!(
        loaded(model, &fake).unwrap(),
        [at("rnn", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])]
    );
    let inner = rnn("inner", [cell(false), cell(true), cell(true)]);
    let model = json!({"class_name": "Bidirectional", "config": {"name": "rnn", "layer": inner}});
    let error = loaded(sequential("m", &[model]), &fake).unwrap_err();
    assert!(
        error.contains("some of the stacked cells inside are trained, and others are not"),
        "{error}"
    );
}

#[test]
fn a_wrapped_model_has_its_weights() {
    let inner = sequential("i", &[layer("BatchNormalization", "n"), layer("Dense", "d")]);
    let model = sequential(
        "m",
        &[json!({"class_name": "TimeDistributed", "config": {"name": "t", "layer": inner}})],
    );
    let base = "layers/time_distributed/layer/layers";
    let paths = [
        "batch_normalization/vars/0",
        "batch_normalization/vars/1",
        "batch_normalization/vars/2",
        "batch_normalization/vars/3",
        "dense/vars/0",
    ];
    let paths = paths.map(|path| format!("{base}/{path}"));
    let fake = Fake::checkpoint(&paths.each_ref().map(String::as_str));
    assert_eq!(
        loaded(model.clone(), &fake).unwrap(),
        [at("t/i/n", &[0.0, 1.0, 2.0, 3.0]), at("t/i/d", &[4.0])]
    );
    // Gamma and beta, the kernel and a bias, then the statistics.
    let fake = Fake::legacy(&[("t", &["g", "b", "k", "c", "m", "v"])]);
    assert_eq!(
        loaded(model, &fake).unwrap(),
        [at("t/i/n", &[0.0, 1.0, 4.0, 5.0]), at("t/i/d", &[2.0, 3.0])]
    );
}

#[test]
fn checkpoints_with_gaps_or_leftovers() {
    let model = || sequential("m", &[layer("Dense", "a")]);
    let fake = Fake::checkpoint(&["layers/dense/vars/1"]);
    assert!(
        loaded(model(), &fake)
            .unwrap_err()
            .contains(r#"layer "a" (Dense): 0: weight is missing"#)
    );
    let fake = Fake::checkpoint(&["layers/dense/vars/0", "layers/conv2d/vars/0"]);
    assert!(
        loaded(model(), &fake)
            .unwrap_err()
            .contains(r#"weights for "conv2d" that no layer takes"#)
    );
}
