//! What is said about strings that cannot be computed with, and what is made of those that can.

use super::super::tests::{lowered, problems};
use crate::keras::dtype::KerasDType;
use crate::preparation::Step;
use serde_json::{Value, json};

/// A chain of layers on an input of this type and shape.
fn chain(keras: &str, dtype: &str, shape: &Value, layers: &[(&str, Value)]) -> Value {
    let input = json!({"batch_input_shape": shape, "name": "x", "dtype": dtype});
    let mut all = vec![json!({"class_name": "InputLayer", "config": input})];
    for (index, (class, config)) in layers.iter().enumerate() {
        let mut config = config.clone();
        config["name"] = json!(format!("layer{index}"));
        all.push(json!({"class_name": class, "module": "keras.layers", "config": config}));
    }
    json!({"class_name": "Sequential", "keras_version": keras, "config": {"name": "model", "layers": all}})
}

/// The arguments of a TextVectorization.
fn vectorization(more: Value) -> Value {
    let mut config = json!({"vocabulary": ["cat", "dog"], "output_sequence_length": 4});
    let map = config.as_object_mut().expect("an object");
    map.extend(more.as_object().expect("an object").clone());
    config
}

#[test]
fn what_texts_cannot_be_is_refused_by_name() {
    let function = json!({"class_name": "function", "config": "mine"});
    let cases = [
        (
            json!({"standardize": function}),
            "standardize: value",
            "do what a function of Python does in JavaScript",
        ),
        (
            json!({"split": function}),
            "split: value",
            "it can be None, \"whitespace\", \"character\"",
        ),
        (
            json!({"split": "sentence"}),
            "split: value \"sentence\"",
            "make the layer with None",
        ),
        (
            json!({"ragged": true}),
            "ragged: value true",
            "output_sequence_length=N",
        ),
        (
            json!({"ngrams": [0]}),
            "ngrams",
            "it can be an integer from 1 to 64",
        ),
        (json!({"ngrams": "two"}), "ngrams", ""),
        (json!({"ngrams": []}), "ngrams: value []", ""),
        (
            json!({"encoding": "utf-16"}),
            "encoding: value \"utf-16\"",
            "encoding=\"utf-8\"",
        ),
        (
            json!({"output_mode": null}),
            "output_mode: value null",
            "output_mode=\"int\"",
        ),
        (
            json!({"output_mode": "one_hot", "output_sequence_length": null}),
            "output_mode: value \"one_hot\"",
            "output_mode=\"multi_hot\"",
        ),
        (
            json!({"output_sequence_length": null}),
            "output_sequence_length: value null",
            "make the layer with output_sequence_length=N",
        ),
        (
            json!({"vocabulary": null}),
            "vocabulary: value null",
            "vocabulary=layer.get_vocabulary()",
        ),
        (
            json!({"vocabulary": "words.txt"}),
            "vocabulary: value \"words.txt\"",
            "is in another file",
        ),
        (
            json!({"vocabulary": ["cat", "cat"]}),
            "the vocabulary has a token twice",
            "",
        ),
        (json!({"vocabulary": ["cat", 3]}), "vocabulary: value", ""),
        (json!({"output_sequence_length": 0}), "has no elements", ""),
    ];
    for (config, what, remedy) in cases {
        for keras in ["2.15.0", "3.15.1"] {
            let layers = [("TextVectorization", vectorization(config.clone()))];
            let said = problems(chain(keras, "string", &json!([null, 1]), &layers), &[], &[]).join("\n");
            let named = said.contains("layer \"layer0\" (TextVectorization)");
            assert!(
                named && said.contains(what) && said.contains(remedy),
                "{config}: {said}"
            );
        }
    }
}

#[test]
fn strings_go_where_they_can() {
    let lookup = |more: Value| {
        let mut config = json!({"vocabulary": ["cat", "dog"]});
        let map = config.as_object_mut().expect("an object");
        map.extend(more.as_object().expect("an object").clone());
        ("StringLookup", config)
    };
    let back = || lookup(json!({"invert": true}));
    let row = json!([null, 3]);
    let text = ("TextVectorization", vectorization(json!({})));
    let cases = [
        (
            "string",
            vec![("Dense", json!({"units": 2}))],
            "layer0\" (Dense): call argument: value a tensor of strings",
        ),
        (
            "string",
            vec![("Activation", json!({"activation": "relu"}))],
            "a tensor of strings is not supported",
        ),
        (
            "string",
            vec![("Flatten", json!({}))],
            "layer0\" (Flatten): call argument: value a tensor of strings",
        ),
        ("string", vec![back()], "a tensor of strings is not supported"),
        (
            "int32",
            vec![back(), lookup(json!({}))],
            "strings that the network gives is not supported; they exist behind",
        ),
        (
            "int32",
            vec![back(), ("Hashing", json!({"num_bins": 3}))],
            "strings that the network gives is not supported",
        ),
        (
            "int32",
            vec![back(), ("CategoryEncoding", json!({"num_tokens": 3}))],
            "(CategoryEncoding): call argument",
        ),
        (
            "int32",
            vec![lookup(json!({}))],
            "it takes strings, but is called with numbers",
        ),
        (
            "string",
            vec![text.clone()],
            "it splits texts of shape (batch,) or (batch, 1), but is called with [1,3]",
        ),
        (
            "string",
            vec![("Hashing", json!({"num_bins": 3, "mask_value": 3}))],
            "mask_value is not of the type",
        ),
        (
            "int32",
            vec![("Hashing", json!({"num_bins": 3, "mask_value": "a"}))],
            "mask_value is not of the type",
        ),
        (
            "int32",
            vec![("Hashing", json!({"num_bins": 3, "mask_value": 0.5}))],
            "mask_value: value 0.5",
        ),
        (
            "int32",
            vec![("Hashing", json!({"num_bins": 0}))],
            "num_bins: value 0",
        ),
        (
            "int32",
            vec![("Hashing", json!({"num_bins": 3, "salt": [1]}))],
            "salt: value [1]",
        ),
        (
            "float32",
            vec![("Hashing", json!({"num_bins": 3}))],
            "it takes strings or integers",
        ),
        (
            "bool",
            vec![("Hashing", json!({"num_bins": 3}))],
            "it takes strings or integers",
        ),
        (
            "float32",
            vec![
                ("Discretization", json!({"bin_boundaries": [0.5]})),
                ("Hashing", json!({"num_bins": 3})),
            ],
            "numbers that the network computes is not supported; strings and integers are hashed before the network",
        ),
        (
            "string",
            vec![("HashedCrossing", json!({"num_bins": 3}))],
            "it takes at least two tensors",
        ),
        (
            "string",
            vec![("Dense", json!({"units": 2, "dtype": "string"}))],
            "dtype: value \"string\"",
        ),
    ];
    for (dtype, layers, what) in cases {
        let said = problems(chain("2.15.0", dtype, &row, &layers), &[], &[]).join("\n");
        assert!(said.contains(what), "{layers:?} of {dtype}: {said}");
    }
}

#[test]
fn the_graph_begins_behind_strings() {
    let layers = [
        ("Reshape", json!({"target_shape": [3]})),
        ("TextVectorization", vectorization(json!({"split": null}))),
    ];
    let found = lowered(chain("3.15.1", "string", &json!([2, 3, 1]), &layers), &[], &[]).expect("a model");
    let prepared = found.prepared.expect("strings");
    assert_eq!(prepared.passed.len(), 1);
    assert_eq!(prepared.passed[0].dtype, KerasDType::Text);
    assert_eq!(prepared.passed[0].shape.dims(), [2, 3, 1]);
    let steps: Vec<_> = prepared.preparation.steps.iter().collect();
    assert!(
        matches!(
            steps[..],
            [
                Step::Lower { of: 0 },
                Step::Strip { of: 1 },
                Step::Rows { of: 2, length: 3 },
                Step::Fit { of: 3, length: 4 },
                Step::Lookup { of: 4, .. }
            ]
        ),
        "{steps:?}"
    );
    assert_eq!(prepared.preparation.given, [5]);
    assert_eq!(found.inputs.len(), 1);
    assert_eq!(found.inputs[0].name, "layer1 (0)");
    assert_eq!(found.inputs[0].shape.dims(), [2, 4]);
    assert_eq!(found.graph.inputs().len(), 1);
}

/// Integers that are only hashed are none of the graph's inputs, and may be larger than floats hold.
#[test]
fn integers_that_are_only_hashed_stay_outside() {
    let hashing = [("Hashing", json!({"num_bins": 10, "salt": [-1, 5]}))];
    let found = lowered(chain("3.15.1", "int64", &json!([null, 2]), &hashing), &[], &[]).expect("a model");
    assert_eq!(found.inputs.len(), 1);
    assert_eq!(found.inputs[0].name, "layer0 (0)");
    let preparation = found.prepared.expect("hashes").preparation;
    let key = Some([u64::MAX.to_string(), "5".to_owned()]);
    let expected = Step::Hash {
        of: 0,
        bins: 10,
        mask: None,
        key,
    };
    assert_eq!(preparation.steps, [expected]);
}

/// However many shapes strings are brought into, nothing of them is left in the graph.
#[test]
fn shapes_of_shapes_are_found_at_once() {
    let shape = |place: usize| {
        if place.is_multiple_of(2) {
            json!([3])
        } else {
            json!([3, 1])
        }
    };
    let mut layers: Vec<_> = (0..5000)
        .map(|place| ("Reshape", json!({"target_shape": shape(place)})))
        .collect();
    layers.push(("StringLookup", json!({"vocabulary": ["cat", "dog"]})));
    let found = lowered(chain("3.15.1", "string", &json!([2, 3]), &layers), &[], &[]).expect("a model");
    assert_eq!(found.graph.inputs().len(), 1);
    assert_eq!(found.graph.len(), 1);
    assert_eq!(found.prepared.expect("strings").preparation.steps.len(), 1);
}

/// An integer that is hashed and used as it is is both; what a layer keeps comes last.
#[test]
fn inputs_are_in_the_order_of_the_graph() {
    let input = |name: &str, dtype: &str, shape: Value| {
        json!({"class_name": "InputLayer", "name": name, "inbound_nodes": [],
        "config": {"name": name, "batch_input_shape": shape, "dtype": dtype}})
    };
    let layer = |class: &str, config: Value, from: &str| {
        json!({"class_name": class, "name": config["name"], "config": config,
        "inbound_nodes": [[[from, 0, 0, {}]]]})
    };
    let model = json!({"class_name": "Functional", "keras_version": "2.15.0", "config": {"name": "model", "layers": [
        input("steps", "float32", json!([1, 2, 3])),
        input("word", "string", json!([1, 1])),
        input("id", "int32", json!([1, 1])),
        layer("SimpleRNN", json!({"name": "rnn", "units": 2, "stateful": true, "use_bias": false}), "steps"),
        layer("StringLookup", json!({"name": "places", "vocabulary": ["cat", "dog"]}), "word"),
        layer("Hashing", json!({"name": "hash", "num_bins": 4}), "id"),
        layer("Flatten", json!({"name": "same"}), "id"),
    ], "input_layers": [["steps", 0, 0], ["word", 0, 0], ["id", 0, 0]],
       "output_layers": [["rnn", 0, 0], ["places", 0, 0], ["hash", 0, 0], ["same", 0, 0]]}});
    let found = lowered(model, &[("rnn", &[&[3, 2], &[2, 2]])], &[]).expect("a model");
    let names: Vec<_> = found.inputs.iter().map(|info| info.name.as_str()).collect();
    let graph = &found.graph;
    let inputs: Vec<_> = graph
        .inputs()
        .iter()
        .map(|id| graph.node(*id).input_name())
        .collect();
    assert_eq!(names, ["steps", "id", "places (0)", "hash (1)", "rnn/state 0"]);
    assert_eq!(inputs, names);
    let preparation = found.prepared.expect("strings").preparation;
    assert_eq!(preparation.given, [0, 2, 3, 4]);
    assert_eq!(found.states[0].input, 4);
}
