//! Files with Python code of the user's, as Keras saved them, with what `--custom` and `--lambda` say of it: the numbers are
//! Keras', and every way in which the two do not fit is said.

use keras_compile::error::Errors;
use keras_compile::keras::{self, Given, InputShapes};
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::signature;
use keras_compile_tests::goldens::decode;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/custom")
}

fn definitions() -> Value {
    let text = std::fs::read_to_string(folder().join("custom.json")).expect("custom.json");
    serde_json::from_str(&text).expect("JSON")
}

fn given(definitions: &Value) -> Result<Given, Errors> {
    let mut given = Given::default();
    given.customs.parse("custom.json", &definitions.to_string())?;
    Ok(given)
}

fn lowered(file: &str, given: &Given) -> Result<keras::Lowered, Errors> {
    let model = keras::read_given(&folder().join(file), None, given)?;
    let mut shapes = InputShapes::default();
    for port in &model.root.inputs {
        let extent = if file.contains("distance") { 3 } else { 4 };
        shapes.add(Some(port.name.clone()), vec![2, extent]);
    }
    keras::lower(&model, &shapes)
}

/// The largest difference from what Keras predicts.
fn difference(id: &str, given: &Given) -> f32 {
    let text = std::fs::read_to_string(folder().join(format!("{id}.golden.json"))).expect("a golden");
    let golden: Value = serde_json::from_str(&text).expect("JSON");
    let file = golden["files"]["model"].as_str().expect("a file");
    let lowered = lowered(file, given).unwrap_or_else(|errors| panic!("{id}: {errors}"));
    let tensor = |name: &str| {
        let inputs = golden["inputs"].as_array().expect("inputs").iter();
        let spec = inputs
            .clone()
            .find(|spec| spec["name"] == name)
            .expect("an input");
        let shape: Vec<usize> = serde_json::from_value(spec["shape"].clone()).expect("a shape");
        Tensor::f32(shape, decode(spec["data"].as_str().expect("data"))).expect("a tensor")
    };
    let inputs: Vec<Tensor> = signature(&lowered.graph)
        .iter()
        .map(|(name, _)| tensor(name))
        .collect();
    let found = lowered.graph.eval(&inputs).expect("values");
    let expected = golden["outputs"].as_array().expect("outputs");
    assert_eq!(found.len(), expected.len(), "{id}");
    let pairs = found.iter().zip(expected).flat_map(|(found, expected)| {
        let expected = decode(expected["data"].as_str().expect("data"));
        assert_eq!(found.to_f32().len(), expected.len(), "{id}");
        found.to_f32().to_vec().into_iter().zip(expected)
    });
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn numbers_are_those_of_keras() {
    let given = given(&definitions()).expect("definitions");
    for id in [
        "k2-network-h5",
        "k2-network-keras",
        "k3-network-h5",
        "k3-network-keras",
    ] {
        let most = difference(id, &given);
        assert!(most < 2e-5, "{id}: {most}");
    }
}

#[test]
fn a_lambda_is_what_the_option_says() {
    let mut given = Given::default();
    given
        .lambdas
        .parse("distance=lambda a, b: K.abs(a - b)")
        .expect("an expression");
    let most = difference("k2-distance-h5", &given);
    assert!(most < 2e-5, "{most}");
    let refused = lowered("k2-distance.h5", &Given::default()).expect_err("code with a branch");
    assert!(refused.to_string().contains("--lambda distance="), "{refused}");
}

/// The definitions with another value at a place.
fn changed(place: &str, value: Value) -> Value {
    let mut definitions = definitions();
    let (parent, key) = place.rsplit_once('/').expect("a place");
    let parent = definitions.pointer_mut(parent).expect("a parent");
    match value {
        Value::Null => parent.as_object_mut().expect("an object").remove(key),
        value => parent
            .as_object_mut()
            .expect("an object")
            .insert(key.to_owned(), value),
    };
    definitions
}

/// What is said of files and definitions that do not fit, for every way in which they may not: file, name, field and remedy.
#[test]
fn what_does_not_fit_is_said() {
    let scale = "/mine>Scale";
    let cases: &[(&str, Value, &str)] = &[
        (
            "/mine>Scale/call",
            json!("x * gamma + delta"),
            "custom.json: mine>Scale: call: it does not say what delta is",
        ),
        (
            "/mine>Scale/call",
            json!("x *"),
            "custom.json: mine>Scale: call: ",
        ),
        (
            "/mine>Scale/call",
            Value::Null,
            "custom.json: mine>Scale: call: field is missing",
        ),
        (
            "/mine>Scale/call",
            json!("tf.nonsense(x)"),
            "the function tf.nonsense is not supported",
        ),
        (
            "/mine>Scale/colour",
            json!(1),
            "custom.json: mine>Scale: colour: field is not known",
        ),
        (
            "/mine>Scale/mask",
            json!("maybe"),
            "custom.json: mine>Scale: mask: value \"maybe\" is not supported",
        ),
        (
            "/mine>Scale/inputs",
            json!([]),
            "custom.json: mine>Scale: inputs: it has no inputs",
        ),
        (
            "/mine>Scale/inputs",
            json!(["x", "gamma"]),
            "\"gamma\" stands for two things",
        ),
        (
            "/mine>Scale/inputs",
            json!(["x y"]),
            "\"x y\" is not a name in Python",
        ),
        (
            "/mine>Scale/inputs",
            json!(["x", "y"]),
            "it is called with 1 tensors, and has the inputs [\"x\", \"y\"]",
        ),
        (
            "/mine>Scale/weights",
            json!(["gamma"]),
            "it does not say what beta is",
        ),
        (
            "/mine>Scale/weights",
            json!(["gamma", "beta", "more"]),
            "the definition has 3 weights, and the file 2",
        ),
        (
            "/mine>Unit/call",
            json!("x * config.size"),
            "its config has no \"size\", which the definition uses",
        ),
        (
            "/mine>Residual/layers",
            json!([{"name": "wide", "class_name": "Dense"}]),
            "the function narrow is not supported",
        ),
        (
            "/mine>Residual/layers/0/config",
            json!({"units": "$size", "activation": "relu"}),
            "its config has no \"size\"",
        ),
        (
            "/mine>Residual/layers/0/config",
            json!({"units": 7, "activation": "relu"}),
            "the weight has shape",
        ),
        (
            "/mine>Residual/layers/0/name",
            json!("broad"),
            "the function wide is not supported",
        ),
        (
            "/mine>bent/function",
            json!("x * y"),
            "custom.json: mine>bent: function: it does not say what y is",
        ),
        (
            "/Nothing",
            json!({"call": "x"}),
            "the model has no layer of class \"Nothing\"",
        ),
        (
            "/nothing",
            json!({"function": "x"}),
            "the model has no function \"nothing\"",
        ),
        (scale, Value::Null, "layer class Scale is not supported"),
        ("/mine>bent", Value::Null, "say what it computes with --custom"),
    ];
    for (place, value, expected) in cases {
        let definitions = changed_list(place, value.clone());
        let found = given(&definitions).and_then(|given| lowered("k3-network.keras", &given));
        let errors = found
            .err()
            .unwrap_or_else(|| panic!("{place} = {value} is accepted"));
        let text = errors.to_string();
        assert!(text.contains(expected), "{place} = {value}: {text}");
        let helped = errors.as_slice().iter().all(|error| error.help.is_some());
        assert!(helped || text.contains("weight"), "{place}: no remedy: {text}");
    }
}

/// The same for places inside lists.
fn changed_list(place: &str, value: Value) -> Value {
    let Some((list, rest)) = place.split_once("/layers/0/") else {
        return changed(place, value);
    };
    let mut definitions = definitions();
    let at = format!("{list}/layers/0/{rest}");
    *definitions.pointer_mut(&at).expect("a place") = value;
    definitions
}

/// Problems of several definitions are said at once.
#[test]
fn all_problems_are_said() {
    let definitions = json!({"A": {"call": "x +"}, "B": {"inputs": 1, "call": 2}, "C": 3});
    let errors = given(&definitions).expect_err("problems");
    assert_eq!(errors.as_slice().len(), 4, "{errors}");
    let mut given = Given::default();
    let errors = given.customs.parse("custom.json", "{").expect_err("no JSON");
    assert!(
        errors
            .to_string()
            .starts_with("custom.json: it is not valid JSON"),
        "{errors}"
    );
}

/// A class that is not known comes with a definition to begin with, and that definition is one.
#[test]
fn an_example_can_be_edited() {
    for file in ["k2-network.h5", "k3-network.h5", "k3-network.keras"] {
        let without = keras::read(&folder().join(file), None).expect("a model");
        let errors = keras::lower(&without, &InputShapes::default()).expect_err("classes that are not known");
        let classes = ["Scale", "Unit", "Gate", "Residual"];
        for class in classes {
            let of = |error: &&keras_compile::error::Error| error.place.class.as_deref() == Some(class);
            let error = errors
                .as_slice()
                .iter()
                .find(of)
                .unwrap_or_else(|| panic!("{file}: {class}: {errors}"));
            let help = error.help.clone().expect("a remedy");
            let (_, example) = help.split_once("JSON such as ").expect("an example");
            let (example, _) = example.rsplit_once("; it has ").expect("facts");
            let example: Value = serde_json::from_str(example).expect("JSON");
            assert!(given(&example).is_ok(), "{file}: {class}: {example}");
        }
    }
}
