//! Problems of models: what is said, and that all of it is said at once.

use crate::keras::{InputShapes, Lowered, Weight, from_architecture, lower};
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// A Keras 2 chain of layers `(class, config)` on an input of this shape.
fn chain(shape: Value, layers: Vec<(&str, Value)>) -> Value {
    let mut all =
        vec![json!({"class_name": "InputLayer", "config": {"batch_input_shape": shape, "name": "x"}})];
    for (index, (class, mut config)) in layers.into_iter().enumerate() {
        config["name"] = json!(format!("layer{index}"));
        all.push(json!({"class_name": class, "config": config}));
    }
    json!({"class_name": "Sequential", "keras_version": "2.15.0", "config": {"name": "model", "layers": all}})
}

/// Weights of zeros with these shapes, for every layer that has a row.
pub(super) fn lowered(
    model: Value,
    weights: &[(&str, &[&[usize]])],
    shapes: &[&str],
) -> Result<Lowered, Vec<String>> {
    let lines = |errors: crate::error::Errors| {
        errors
            .as_slice()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let model = from_architecture(model, &mut |path| {
        let row = weights.iter().find(|(of, _)| *of == path);
        let tensor = |shape: &&[usize]| Weight {
            name: "w".to_owned(),
            tensor: Tensor::splat(shape.to_vec(), 0.0),
        };
        row.map_or(Vec::new(), |(_, shapes)| shapes.iter().map(tensor).collect())
    });
    let mut given = InputShapes::default();
    for shape in shapes {
        given.parse(shape).map_err(|error| vec![error.to_string()])?;
    }
    lower(&model.map_err(lines)?, &given).map_err(lines)
}

pub(super) fn problems(model: Value, weights: &[(&str, &[&[usize]])], shapes: &[&str]) -> Vec<String> {
    match lowered(model, weights, shapes) {
        Ok(lowered) => panic!("no problem in\n{}", lowered.graph),
        Err(lines) => lines,
    }
}

#[test]
fn all_problems_are_reported_and_nothing_that_follows_from_them() {
    let model = chain(
        json!([null, 8, 8, 3]),
        vec![
            (
                "Conv2D",
                json!({"filters": 4, "kernel_size": 3, "padding": "reflect"}),
            ),
            ("Conv2D", json!({"filters": 4, "kernel_size": 3})),
            ("Capsule", json!({})),
            ("Lambda", json!({"function": ["4wEAAAA=", null, null]})),
            ("Dense", json!({"units": 2})),
        ],
    );
    let expected = [
        "layer \"layer2\" (Capsule): layer class Capsule is not supported; it is none of Keras' classes: say \
         what it computes with --custom FILE, JSON such as {\"Capsule\":{\"call\":\"x\",\"inputs\":[\"x\"]}}; it has no \
         weights and no arguments",
        "layer \"layer3\" (Lambda): function: its Python code is damaged: it ends too soon; say what it computes, as in \
         --lambda layer3='x / 127.5 - 1', or call the function on the tensor, y = f(x), which Keras saves as operations, \
         and save the model again",
        "layer \"layer0\" (Conv2D): padding: value \"reflect\" is not supported; it can be \"valid\", \"same\"",
    ];
    assert_eq!(problems(model, &[], &[]), expected);
}

#[test]
fn a_recurrent_layer_without_some_of_its_weights() {
    for (given, missing) in [
        (&[&[2usize, 9][..], &[3, 9]][..], "bias"),
        (&[&[2, 9]], "recurrent_kernel"),
        (&[], "kernel"),
    ] {
        let model = chain(
            json!([1, 4, 2]),
            vec![("GRU", json!({"units": 3, "reset_after": true}))],
        );
        let lines = problems(model, &[("layer0", given)], &[]);
        let expected = format!("layer \"layer0\" (GRU): {missing}: weight is missing");
        assert!(lines.iter().any(|line| line.contains(&expected)), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("internal")), "{lines:?}");
    }
}

#[test]
fn arguments_of_recurrent_convolutions_and_stacks_are_refused_by_name() {
    let image = |more: serde_json::Value| {
        let mut config = json!({"filters": 3, "kernel_size": [2, 2]});
        let map = config.as_object_mut().expect("an object");
        map.extend(more.as_object().expect("an object").clone());
        ("ConvLSTM2D", config, json!([1, 2, 4, 4, 1]))
    };
    let cell = json!({"class_name": "LSTMCell", "config": {"units": 2}});
    let stack =
        |cells: serde_json::Value| json!({"class_name": "StackedRNNCells", "config": {"cells": cells}});
    let rnn = |cell: serde_json::Value| ("RNN", json!({"cell": cell}), json!([1, 4, 2]));
    for ((class, config, shape), said) in [
        (
            (
                "TimeDistributed",
                json!({"layer": {"class_name": "LSTM", "config": {"units": 2, "stateful": true}}}),
                json!([1, 3, 4, 2]),
            ),
            "stateful: value true is not supported",
        ),
        (image(json!({"groups": 2})), "groups: field is not known"),
        (image(json!({"padding": "causal"})), "padding: value \"causal\""),
        (
            image(json!({"activation": "softmax"})),
            "activation: value \"softmax\"",
        ),
        (
            image(json!({"strides": 2, "dilation_rate": 2})),
            "strides and dilation_rate cannot both be above 1",
        ),
        (rnn(stack(json!([]))), "cell: value"),
        (
            rnn(stack(json!([stack(json!([cell]))]))),
            "cells can be LSTMCell, GRUCell and SimpleRNNCell",
        ),
        (
            rnn(stack(json!([{"class_name": "Dense", "config": {"units": 2}}]))),
            "cells can be LSTMCell",
        ),
        (rnn(stack(json!({}))), "cells: value {} is not supported"),
    ] {
        let lines = problems(chain(shape, vec![(class, config.clone())]), &[], &[]);
        assert!(
            lines.iter().any(|line| line.contains(said)),
            "{config}: {lines:?}"
        );
        assert!(!lines.iter().any(|line| line.contains("internal")), "{lines:?}");
    }
}

#[test]
fn weights_that_are_missing_or_wrong_do_not_stop_the_rest() {
    let model = chain(
        json!([null, 4]),
        vec![
            ("Dense", json!({"units": 3, "activation": "maxout", "volume": 11})),
            ("Dense", json!({"units": 2})),
            ("BatchNormalization", json!({"scale": false})),
            ("Dense", json!({"units": 2})),
        ],
    );
    let weights: &[(&str, &[&[usize]])] = &[
        ("layer0", &[&[4, 3], &[3]]),
        ("layer1", &[&[3, 2]]),
        ("layer2", &[&[2], &[2], &[2], &[2]]),
        ("layer3", &[&[2, 3], &[2]]),
    ];
    let expected = [
        "layer \"layer0\" (Dense): activation: value \"maxout\" is not supported; it can be one of Keras' own; else say what it computes with --custom, or leave it away and call the function on the tensor, y = f(x), which Keras saves as operations",
        "layer \"layer0\" (Dense): volume: field is not known (value 11)",
        "layer \"layer1\" (Dense): bias: weight is missing from the file",
        "layer \"layer2\" (BatchNormalization): the layer takes 3 weights, but the file has 4: [\"w\", \"w\", \"w\", \"w\"]",
        "layer \"layer3\" (Dense): kernel: the weight has shape [2,3], but the layer's arguments make it [2,2]",
    ];
    assert_eq!(problems(model, weights, &[]), expected);
}

#[test]
fn open_shapes_need_an_option_that_fits() {
    let model = || {
        chain(
            json!([null, null, null, 3]),
            vec![("GlobalMaxPooling2D", json!({}))],
        )
    };
    let open = problems(model(), &[], &[]);
    let expected = "layer \"x\" (InputLayer): input shape (None, None, None, 3) leaves a dimension open; give it, for \
                    example --input-shape 1,224,224,3";
    assert_eq!(open, [expected]);
    let wrong = problems(model(), &[], &["1,8,8,4"]);
    let expected = "layer \"x\" (InputLayer): --input-shape: shape [1,8,8,4] does not fit (None, None, None, 3); give it, for \
                    example --input-shape 1,224,224,3";
    assert_eq!(wrong, [expected]);
    let unknown = problems(model(), &[], &["y=1,8,8,3"]);
    let expected = "--input-shape: the model has no input \"y\"; the inputs are [\"x\"]";
    assert_eq!(unknown[0], expected);
    let lowered = lowered(model(), &[], &["x=2,8,8,3"]).unwrap();
    assert_eq!(lowered.outputs[0].shape.dims(), [2, 3]);
    assert_eq!(lowered.shapes["layer0"][0].dims(), [2, 3]);
    assert_eq!(lowered.inputs[0].name, "x");
}

#[test]
fn the_batch_is_one_and_other_dimensions_are_the_files() {
    let lowered = lowered(chain(json!([null, 5]), vec![("ReLU", json!({}))]), &[], &[]).unwrap();
    assert_eq!(lowered.inputs[0].shape.dims(), [1, 5]);
}

#[test]
fn statistics_of_a_normalization_tell_the_shape() {
    let model = || {
        chain(
            json!([null, null, null]),
            vec![
                ("Normalization", json!({"axis": [-1]})),
                ("Dense", json!({"units": 2})),
            ],
        )
    };
    let weights: &[(&str, &[&[usize]])] = &[("layer0", &[&[9], &[9], &[]]), ("layer1", &[&[9, 2], &[2]])];
    let expected = "layer \"x\" (InputLayer): input shape (None, None, 9) leaves a dimension open; give it, for example \
                    --input-shape 1,100,9";
    assert_eq!(problems(model(), weights, &[]), [expected]);
    let wrong = problems(model(), weights, &["1,4,8"]);
    assert!(
        wrong[0].contains("shape [1,4,8] does not fit (None, None, 9)"),
        "{}",
        wrong[0]
    );
    let lowered = lowered(model(), weights, &["1,4,9"]).unwrap();
    assert_eq!(lowered.outputs[0].shape.dims(), [1, 4, 2]);
}

#[test]
fn statistics_of_a_normalization_inside_tell_the_shape() {
    let inner = chain(json!([null, null]), vec![("Normalization", json!({}))]);
    let inner = inner.get("config").cloned().unwrap();
    let model = chain(json!([null, null]), vec![("Sequential", inner)]);
    let weights: &[(&str, &[&[usize]])] = &[("layer0/layer0", &[&[5], &[5], &[]])];
    let lowered = lowered(model, weights, &[]).unwrap();
    assert_eq!(lowered.inputs[0].shape.dims(), [1, 5]);
}

/// A functional model of layers that take the first outputs of others.
fn functional(layers: &[(&str, &str, Value, &[&str])], outputs: &[&str]) -> Value {
    let layer = |(class, name, config, from): &(&str, &str, Value, &[&str])| {
        let mut config = config.clone();
        config["name"] = json!(name);
        let node: Vec<_> = from.iter().map(|from| json!([from, 0, 0, {}])).collect();
        let nodes = if node.is_empty() { json!([]) } else { json!([node]) };
        json!({"class_name": class, "name": name, "config": config, "inbound_nodes": nodes})
    };
    json!({"class_name": "Functional", "keras_version": "2.15.0", "config": {
        "name": "model",
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        "input_layers": [["x", 0, 0]],
        "output_layers": outputs.iter().map(|name| json!([name, 0, 0])).collect::<Vec<_>>(),
    }})
}

#[test]
fn what_no_output_needs_is_not_judged() {
    let input = (
        "InputLayer",
        "x",
        json!({"batch_input_shape": [null, 4]}),
        &[][..],
    );
    let layers = [
        input.clone(),
        ("ReLU", "relu", json!({}), &["x"]),
        ("Capsule", "capsule", json!({}), &["relu"]),
        ("AddLoss", "loss", json!({}), &["capsule"]),
    ];
    let found = lowered(functional(&layers, &["relu"]), &[], &[]).unwrap();
    assert_eq!(found.outputs.len(), 1);
    let read = from_architecture(functional(&layers, &["relu"]), &mut |_| Vec::new());
    assert_eq!(
        read.unwrap().notes,
        ["layers that no output needs are left out: 2"]
    );
    let found = problems(functional(&layers, &["loss"]), &[], &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    // Inside a model of which only one output is used.
    let inner = functional(&layers, &["capsule", "relu"])["config"].clone();
    let outer = |output: u32| {
        let relu = json!({"class_name": "ReLU", "name": "last", "config": {"name": "last"},
                          "inbound_nodes": [[["inner", 1, output, {}]]]});
        let mut model = functional(
            &[input.clone(), ("Functional", "inner", inner.clone(), &["x"])],
            &["last"],
        );
        model["config"]["layers"].as_array_mut().unwrap().push(relu);
        model
    };
    assert!(lowered(outer(1), &[], &[]).is_ok());
    let found = problems(outer(0), &[], &[]);
    assert!(found[0].contains("inner/capsule"), "{found:?}");
}

#[test]
fn arguments_of_operations_that_make_no_sense_are_refused() {
    let cases = [
        (
            "compat.v1.pad",
            json!({"paddings": [[0, 0], [4, 0]], "mode": "REFLECT"}),
            "axis 1 of 4 cannot be padded by 4",
        ),
        (
            "compat.v1.pad",
            json!({"paddings": [[0, 0], [5, 0]], "mode": "SYMMETRIC"}),
            "axis 1 of 4 cannot be padded by 5",
        ),
        (
            "compat.v1.gather",
            json!({"indices": [0, 4], "axis": 1}),
            "there is no element 4 among 4",
        ),
        (
            "compat.v1.gather",
            json!({"indices": [0], "axis": 1, "batch_dims": 2}),
            "axes in common",
        ),
        (
            "reshape",
            json!({"shape": ["x", 0, 0]}),
            "argument newshape: value a tensor is not supported; it must not depend",
        ),
        (
            "slice",
            json!({"begin": [0, 3], "size": [1, 2]}),
            "[0, 3] and [1, 2] are no part of [1, 4]",
        ),
        (
            "broadcast_to",
            json!({"shape": [1, 5]}),
            "[1, 4] does not become [1, 5]",
        ),
        (
            "one_hot",
            json!({"depth": 1_000_000_000_000_u64}),
            "the element count",
        ),
        (
            "norm",
            json!({"ord": "nux"}),
            "argument ord: value \"nux\" is not supported",
        ),
        (
            "image.resize",
            json!({"size": [2, 2], "preserve_aspect_ratio": true}),
            "argument preserve_aspect_ratio: value true",
        ),
    ];
    for (function, arguments, expected) in cases {
        let input = (
            "InputLayer",
            "x",
            json!({"batch_input_shape": [null, 4]}),
            &[][..],
        );
        let layer = ("TFOpLambda", "op", json!({"function": function}), &["x"][..]);
        let mut model = functional(&[input, layer], &["op"]);
        model["config"]["layers"][1]["inbound_nodes"] = json!([["x", 0, 0, arguments]]);
        let found = problems(model, &[], &[]);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{function}: {found:?}"
        );
    }
}

#[test]
fn an_image_is_either_cropped_or_padded() {
    let config = json!({"height": 2, "width": 2, "crop_to_aspect_ratio": true, "pad_to_aspect_ratio": true});
    let found = problems(
        chain(json!([null, 4, 4, 3]), vec![("Resizing", config)]),
        &[],
        &[],
    );
    assert!(found[0].contains("exclude each other"), "{found:?}");
}

#[test]
fn subclasses_of_models_are_read_by_their_config() {
    let input = (
        "InputLayer",
        "x",
        json!({"batch_input_shape": [null, 4]}),
        &[][..],
    );
    let layers = [input, ("ReLU", "relu", json!({}), &["x"])];
    let mut model = functional(&layers, &["relu"]);
    model["class_name"] = json!("Mine>Trained");
    let read = |model| from_architecture(model, &mut |_| Vec::new());
    let notes = read(model.clone()).unwrap().notes;
    assert_eq!(
        notes,
        ["Trained is read as the model that its config describes; a call() of its own is not seen"]
    );
    // Without outputs it may be anything that has layers.
    model["config"].as_object_mut().unwrap().remove("output_layers");
    assert!(read(model).is_err());
    let list = |first: &str| {
        let layers = json!([{"class_name": first, "config": {"name": "a", "batch_input_shape": [null, 4]}},
                            {"class_name": "ReLU", "config": {"name": "b"}}]);
        json!({"class_name": "Stack", "config": {"name": "stack", "layers": layers}})
    };
    assert!(read(list("InputLayer")).is_ok());
    assert!(read(list("ReLU")).is_err());
}

#[test]
fn training_is_refused_where_it_changes_the_numbers() {
    let tensor = |name: &str| json!([[[name, 0, 0, {"training": true}]]]);
    let model = json!({"class_name": "Functional", "keras_version": "2.15.0", "config": {
        "name": "model",
        "layers": [
            {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [null, 4], "name": "x"}, "inbound_nodes": []},
            {"class_name": "Dropout", "name": "drop", "config": {"name": "drop", "rate": 0.5}, "inbound_nodes": tensor("x")},
            {"class_name": "ReLU", "name": "relu", "config": {"name": "relu"}, "inbound_nodes": tensor("x")},
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["drop", 0, 0], ["relu", 0, 0]],
    }});
    let expected = "layer \"drop\" (Dropout): call argument training: value true is not supported; build the model with \
                    training=False or without it, and save it again";
    assert_eq!(problems(model, &[], &[]), [expected]);
}

#[test]
fn functions_and_arguments_that_are_not_known_are_refused() {
    let layer = |name: &str, function: &str, kwargs: Value| {
        json!({"class_name": "TFOpLambda", "name": name, "config": {"name": name, "function": function},
               "inbound_nodes": [["x", 0, 0, kwargs]]})
    };
    let model = json!({"class_name": "Functional", "keras_version": "2.15.0", "config": {
        "name": "model",
        "layers": [
            {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [null, 4], "name": "x"}, "inbound_nodes": []},
            layer("svd", "linalg.svd", json!({})),
            layer("sum", "math.reduce_sum", json!({"axis": 1, "where": [true, false]})),
            layer("shape", "reshape", json!({})),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["svd", 0, 0], ["sum", 0, 0], ["shape", 0, 0]],
    }});
    let expected = [
        "layer \"svd\" (TFOpLambda): function: value \"linalg.svd\" is not supported; rebuild this part of the model \
         from Keras' layers",
        "layer \"sum\" (TFOpLambda): call argument where: value [true,false] is not supported",
        "layer \"shape\" (TFOpLambda): call argument shape: field is missing; Keras does not save arguments that are \
         given by position: call the function with NAME=… and save the model again",
    ];
    assert_eq!(problems(model, &[], &[]), expected);
}

#[test]
fn constants_among_tensors_are_refused() {
    let model = json!({"class_name": "Functional", "keras_version": "3.0.0", "config": {
        "name": "model",
        "layers": [
            {"class_name": "InputLayer", "name": "x", "config": {"batch_shape": [null, 4], "name": "x"}, "inbound_nodes": []},
            {"class_name": "Multiply", "name": "times", "module": "keras.layers", "config": {"name": "times"}, "inbound_nodes": [
                {"args": [[{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}, 2.0]], "kwargs": {}}
            ]},
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["times", 0, 0]],
    }});
    let found = problems(model, &[], &[]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("layer \"times\" (Multiply): call argument: value 2.0 is not supported"),
        "{}",
        found[0]
    );
}

#[test]
fn huge_numbers_are_refused_before_memory_is_taken() {
    let cases = [
        ("UpSampling2D", json!({"size": [60000, 60000]})),
        (
            "UpSampling2D",
            json!({"size": 60000, "interpolation": "bilinear"}),
        ),
        (
            "Conv2DTranspose",
            json!({"filters": 1, "kernel_size": 1, "strides": 20000, "use_bias": false}),
        ),
        (
            "Conv2D",
            json!({"filters": 1_000_000_000_000_u64, "kernel_size": 3}),
        ),
        ("MaxPooling2D", json!({"pool_size": 1_000_000, "padding": "same"})),
        ("ZeroPadding2D", json!({"padding": 60000})),
        ("Resizing", json!({"height": 500_000_000, "width": 1})),
    ];
    for (class, config) in cases {
        let model = chain(json!([null, 8, 8, 3]), vec![(class, config)]);
        let found = problems(model, &[("layer0", &[&[1, 1, 1, 3]])], &[]);
        assert!(
            found.iter().all(|line| line.starts_with("layer \"layer0\"")),
            "{found:?}"
        );
    }
}

/// The file holds byte code; no message shows it, and what starts a weight does not matter.
#[test]
fn a_lambda_is_refused_without_its_code() {
    let code = json!([
        "4wEAAAAAAAAAAAAAAAUAAAADAAAA80wAAACXAHwAdAAAAAAAAAAAAAAAagEAAAAA",
        null,
        null
    ]);
    let dialects = [
        code.clone(),
        json!({"value": code}),
        json!({"class_name": "__lambda__", "config": {"value": code}}),
        json!({"class_name": "__lambda__", "config": {"value": {"code": "4wEAAA", "defaults": null, "closure": null}}}),
    ];
    for lambda in dialects {
        for key in ["activation", "recurrent_activation"] {
            let class = if key == "activation" { "Dense" } else { "LSTM" };
            let config = json!({"units": 2, key: lambda, "kernel_initializer": lambda});
            let found = problems(
                chain(json!([null, 3, 4]), vec![(class, config)]),
                &[
                    ("layer0", &[&[4, 8], &[2, 8], &[8]]),
                    ("layer0", &[&[4, 2], &[2]]),
                ],
                &[],
            );
            let expected = format!("layer \"layer0\" ({class}): {key}: it");
            let help = "; give the function a name, def f(x), and say what it computes with --custom, or leave it away and \
                        call the function on the tensor, y = f(x), which Keras saves as operations";
            assert!(
                found[0].starts_with(&expected) && found[0].ends_with(help),
                "{found:?}"
            );
            assert!(found.iter().all(|line| !line.contains("4wE")), "{found:?}");
        }
    }
}

#[test]
fn long_values_are_not_dumped() {
    let long = vec![0; 100_000];
    let found = problems(
        chain(
            json!([null, 4]),
            vec![
                ("Dense", json!({"units": 2, "activation": long, "made_up": long})),
                ("Softmax", json!({"axis": "x".repeat(100_000)})),
                ("Capsule".repeat(500).leak(), json!({})),
            ],
        ),
        &[("layer0", &[&[4, 2], &[2]])],
        &[],
    );
    assert!(found.len() >= 4, "{found:?}");
    assert!(found.iter().all(|line| line.chars().count() < 700), "{found:?}");
}

/// Keras gives its variables what it finds in a file, whatever its type; products of many axes are products too.
#[test]
fn products_have_any_number_of_axes() {
    let input = |name: &str, shape: Value| json!({"class_name": "InputLayer", "name": name, "config": {"batch_input_shape": shape, "name": name}, "inbound_nodes": []});
    for other in [json!([null, 2, 3, 5, 6]), json!([null, 7, 3, 5, 6])] {
        let model = json!({"class_name": "Functional", "keras_version": "2.15.0", "config": {
            "name": "model",
            "layers": [
                input("a", json!([null, 2, 3, 4, 5])),
                input("b", other),
                {"class_name": "TFOpLambda", "name": "product", "config": {"name": "product", "function": "linalg.matmul"},
                 "inbound_nodes": [["a", 0, 0, {"b": ["b", 0, 0]}]]},
            ],
            "input_layers": [["a", 0, 0], ["b", 0, 0]],
            "output_layers": [["product", 0, 0]],
        }});
        match lowered(model, &[], &[]) {
            Ok(lowered) => {
                assert_eq!(lowered.outputs[0].shape.dims(), [1, 2, 3, 4, 6]);
                assert!(crate::plan::plan(&lowered.graph, &crate::backends::wasm::Wasm::default()).is_ok());
            }
            Err(found) => assert!(
                found[0].starts_with("layer \"product\" (TFOpLambda): ")
                    && found[0].contains("do not broadcast"),
                "{found:?}"
            ),
        }
    }
}

#[test]
fn the_closest_class_is_named() {
    let found = problems(chain(json!([null, 4]), vec![("Dence", json!({}))]), &[], &[]);
    assert_eq!(
        found,
        [
            "layer \"layer0\" (Dence): layer class Dence is not supported; the closest supported layer is Dense"
        ]
    );
}

#[test]
fn a_class_is_called_as_the_file_calls_it() {
    let strange = json!({"virtual_batch_size": 2});
    let inner = json!({"class_name": "BatchNormalizationV1", "config": {"name": "inner"}});
    let model = chain(
        json!([null, 3, 2]),
        vec![
            ("SyncBatchNormalization", strange),
            ("TimeDistributed", json!({"layer": inner})),
        ],
    );
    let statistics: &[&[usize]] = &[&[2], &[2], &[2], &[2]];
    let expected = [
        "layer \"layer0\" (SyncBatchNormalization): virtual_batch_size: value 2 is not supported",
        "layer \"layer1/BatchNormalizationV1\" (BatchNormalizationV1): gamma: weight is missing from the file",
    ];
    let found = problems(model, &[("layer0", statistics)], &[]);
    assert_eq!(found[..2], expected, "{found:#?}");
}

#[test]
fn layers_that_prepare_inputs_say_what_they_cannot_do() {
    let said = |class: &str, config: Value| {
        let errors = lowered(chain(json!([null, 4]), vec![(class, config)]), &[], &[]).unwrap_err();
        errors.join("\n")
    };
    let lookup = |more: Value| {
        let mut config = json!({"vocabulary": [1, 2], "num_oov_indices": 1, "oov_token": -1});
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        said("IntegerLookup", config)
    };
    let cases = [
        (
            lookup(json!({"num_oov_indices": 2})),
            "layer \"layer0\" (IntegerLookup): num_oov_indices: value 2 is not supported; tensors hold floats here, of which \
             remainders are not exact: make the layer with num_oov_indices=1",
        ),
        (
            lookup(json!({"vocabulary": [1, 16_777_216]})),
            "layer \"layer0\" (IntegerLookup): vocabulary: value 16777216 is not supported; tensors hold floats here, which \
             are exact below 16777216: use smaller numbers in the vocabulary",
        ),
        (
            lookup(json!({"vocabulary": null})),
            "layer \"layer0\" (IntegerLookup): vocabulary: value null is not supported; the file does not hold what adapt() \
             found: save as .keras, or make the layer with vocabulary=layer.get_vocabulary()",
        ),
        (
            lookup(json!({"vocabulary": "words.txt"})),
            "layer \"layer0\" (IntegerLookup): vocabulary: value \"words.txt\" is not supported; the vocabulary is in another \
             file: make the layer with vocabulary=[…]",
        ),
        (
            lookup(json!({"sparse": true, "output_mode": "count"})),
            "layer \"layer0\" (IntegerLookup): sparse: value true is not supported",
        ),
        (
            said(
                "Discretization",
                json!({"bin_boundaries": [], "output_mode": "int"}),
            ),
            "layer \"layer0\" (Discretization): bin_boundaries: value null is not supported; call adapt() of the layer, or \
             give it bin_boundaries, before the model is saved",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}
