//! Architectures in every dialect, and broken ones.

use super::{Argument, KerasModel, LayerId, Network, Origin, TensorRef, from_architecture};
use crate::budget::{Budget, Resource};
use crate::error::ErrorKind;
use serde_json::{Value, json};

fn read(model: Value) -> Result<KerasModel, String> {
    from_architecture(model, &mut |_| Vec::new()).map_err(|errors| errors.to_string())
}

fn root(model: Value) -> Network {
    read(model).unwrap().root
}

fn functional(layers: Value, inputs: Value, outputs: Value) -> Value {
    let config = json!({"name": "m", "layers": layers, "input_layers": inputs, "output_layers": outputs});
    json!({"class_name": "Functional", "config": config, "keras_version": "2.9.0"})
}

fn layer(class: &str, name: &str, nodes: Value) -> Value {
    json!({"class_name": class, "name": name, "config": {"name": name}, "inbound_nodes": nodes})
}

fn input(name: &str) -> Value {
    let config = json!({"name": name, "batch_input_shape": [null, 4], "dtype": "float32"});
    json!({"class_name": "InputLayer", "name": name, "config": config, "inbound_nodes": []})
}

fn tensor(layer: usize, call: usize, output: usize) -> Argument {
    Argument::Tensor(TensorRef {
        layer: LayerId(layer),
        call,
        output,
    })
}

#[test]
fn keras_2_calls() {
    let layers = json!([
        input("x"),
        layer(
            "Dense",
            "d",
            json!([[["x", 0, 0, {}]], [["d", 0, 0, {"training": false}]]])
        ),
        layer("Concatenate", "c", json!([[["d", 0, 0, {}], ["d", 1, 0, {}]]])),
        layer(
            "TFOpLambda",
            "add",
            json!([["c", 0, 0, {"y": ["d", 1, 0], "name": null, "z": [1, 2]}]])
        ),
        layer("TFOpLambda", "cat", json!([[["c", 0, 0, {"axis": -1}]]])),
        layer(
            "TFOpLambda",
            "sub",
            json!([["_CONSTANT_VALUE", -1, 2.5, {"y": ["d", 1, 0]}]])
        ),
    ]);
    let outputs = json!([["add", 0, 0], ["cat", 0, 0], ["sub", 0, 0]]);
    let net = root(functional(layers, json!([["x", 0, 0]]), outputs));
    let calls = |at: usize| &net.layers[at].calls;
    assert_eq!(calls(1)[0].args, [tensor(0, 0, 0)]);
    assert_eq!(
        calls(1)[1].kwarg("training"),
        Some(&Argument::Literal(json!(false)))
    );
    assert_eq!(
        calls(2)[0].args,
        [Argument::List(vec![tensor(1, 0, 0), tensor(1, 1, 0)])]
    );
    assert_eq!(calls(3)[0].kwarg("y"), Some(&tensor(1, 1, 0)));
    assert_eq!(calls(3)[0].kwarg("z"), Some(&Argument::Literal(json!([1, 2]))));
    assert!(calls(3)[0].kwarg("name").unwrap().is_none());
    // tf.concat([x], -1) keeps its list.
    assert_eq!(calls(4)[0].args, [Argument::List(vec![tensor(2, 0, 0)])]);
    assert_eq!(calls(5)[0].args, [Argument::Literal(json!(2.5))]);
    let order: Vec<_> = net
        .schedule
        .iter()
        .map(|step| (step.layer.0, step.call))
        .collect();
    assert_eq!(order, [(0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0), (5, 0)]);
}

#[test]
fn keras_3_calls() {
    let kt = |name: &str, node: usize| json!({"class_name": "__keras_tensor__", "config": {"shape": [null], "dtype": "float32", "keras_history": [name, node, 0]}});
    let op = |class: &str, name: &str, args: Value, kwargs: Value| {
        json!({"module": "keras.src.ops.numpy", "class_name": class, "name": name, "config": {"name": name},
               "inbound_nodes": [{"args": args, "kwargs": kwargs}]})
    };
    let tuple = |items: Value| json!({"class_name": "__tuple__", "items": items});
    let layers = json!([
        {"module": "keras.layers", "class_name": "InputLayer", "name": "x", "config": {"batch_shape": [null, 4]}, "inbound_nodes": []},
        op("Add", "add", json!([kt("x", 0), 2.0]), json!({})),
        op("Stack", "stack", json!([tuple(json!([kt("x", 0), kt("add", 0)]))]), json!({"axis": tuple(json!([1, 2]))})),
        op("GetItem", "get", json!([kt("stack", 0), {"class_name": "__slice__", "config": {"start": 0, "stop": 1, "step": null}}]), json!({"mask": null})),
    ]);
    let config = json!({"name": "m", "layers": layers, "input_layers": ["x", 0, 0], "output_layers": {"b": ["get", 0, 0], "a": ["add", 0, 0]}});
    let net = root(json!({"module": "keras", "class_name": "Functional", "config": config}));
    assert_eq!(net.layers[1].origin, Origin::Operation);
    assert_eq!(
        net.layers[1].calls[0].args,
        [tensor(0, 0, 0), Argument::Literal(json!(2.0))]
    );
    assert_eq!(
        net.layers[2].calls[0].args,
        [Argument::List(vec![tensor(0, 0, 0), tensor(1, 0, 0)])]
    );
    assert_eq!(
        net.layers[2].calls[0].kwarg("axis"),
        Some(&Argument::Literal(json!([1, 2])))
    );
    assert!(matches!(
        &net.layers[3].calls[0].args[1],
        Argument::Literal(Value::Object(_))
    ));
    let outputs: Vec<_> = net
        .outputs
        .iter()
        .map(|port| (port.name.as_str(), port.key.as_deref()))
        .collect();
    assert_eq!(outputs, [("add", Some("a")), ("get", Some("b"))]);
}

#[test]
fn keras_3_layers_without_modules() {
    let kt = |name: &str| json!([{"args": [{"class_name": "__keras_tensor__", "config": {"shape": [null, 4], "dtype": "float32", "keras_history": [name, 0, 0]}}], "kwargs": {}}]);
    let bare = |class: &str, name: &str, from: &str, config: Value| json!({"class_name": class, "name": name, "config": config, "inbound_nodes": kt(from)});
    let layers = json!([
        {"class_name": "InputLayer", "name": "x", "config": {"batch_shape": [null, 4], "name": "x"}, "inbound_nodes": []},
        bare("SpatialDropout1D", "drop", "x", json!({"name": "drop", "rate": 0.2, "seed": null, "dtype": "float32"})),
        bare("Softmax", "layer", "drop", json!({"name": "layer", "trainable": true, "axis": -1})),
        bare("Softmax", "operation", "layer", json!({"name": "operation", "axis": -1})),
    ]);
    let config = json!({"name": "m", "layers": layers, "input_layers": ["x", 0, 0], "output_layers": ["operation", 0, 0]});
    let net = root(json!({"class_name": "Functional", "config": config, "keras_version": "3.15.1"}));
    let origins: Vec<_> = net.layers.iter().map(|layer| &layer.origin).collect();
    assert_eq!(
        origins,
        [&Origin::Keras, &Origin::Keras, &Origin::Keras, &Origin::Operation]
    );
}

#[test]
fn repeated_output_names_are_counted() {
    let layers = json!([input("x"), layer("Dense", "d", json!([[["x", 0, 0, {}]]]))]);
    let net = root(functional(
        layers,
        json!([["x", 0, 0]]),
        json!([["d", 0, 0], ["d", 0, 0], ["x", 0, 0]]),
    ));
    let names: Vec<_> = net.outputs.iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["d", "d_1", "x"]);
}

#[test]
fn calls_of_nested_models_count_from_one_or_zero() {
    let inner = |class: &str, nodes: Value| {
        let mut inner = match class {
            "Functional" => functional(json!([input("i")]), json!([["i", 0, 0]]), json!([["i", 0, 0]])),
            _ => {
                json!({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"name": "q"}}]})
            }
        };
        inner["name"] = json!("inner");
        inner["inbound_nodes"] = nodes;
        inner
    };
    // The numbers themselves tell, whichever the class.
    for (class, first) in [("Functional", 1), ("Sequential", 0), ("Sequential", 1)] {
        let layers = json!([
            input("x"),
            inner(class, json!([[["x", 0, 0, {}]], [["inner", first, 0, {}]]])),
            layer(
                "Add",
                "add",
                json!([[["inner", first, 0, {}], ["inner", first + 1, 0, {}]]])
            ),
        ]);
        let net = root(functional(layers, json!([["x", 0, 0]]), json!([["add", 0, 0]])));
        assert_eq!(
            net.layers[2].calls[0].args,
            [Argument::List(vec![tensor(1, 0, 0), tensor(1, 1, 0)])]
        );
        let inner = net.layers[1].network.as_ref().unwrap();
        assert!(inner.layers[0].path.starts_with("inner/"));
    }
}

#[test]
fn sequential_models_of_every_age() {
    let dense = json!({"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [null, 4], "dtype": "float32"}});
    let bare = json!({"class_name": "Sequential", "config": [dense], "keras_version": "2.0.9"});
    let named = json!({"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}});
    for model in [bare, named] {
        let net = root(model);
        assert_eq!(net.inputs[0].name, "d_input");
        assert_eq!(
            net.layers[0].config.fields().shape("batch_shape"),
            Ok(Some(vec![None, Some(4)]))
        );
        assert_eq!(net.layers[1].calls[0].args, [tensor(0, 0, 0)]);
    }
    // The shape of a model that starts with a model is that model's.
    let inner = functional(json!([input("i")]), json!([["i", 0, 0]]), json!([["i", 0, 0]]));
    let net = root(json!({"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}));
    assert_eq!(net.inputs[0].name, "m_input");
    assert_eq!(
        net.layers[0].config.fields().shape("batch_shape"),
        Ok(Some(vec![None, Some(4)]))
    );
}

#[test]
fn broken_graphs() {
    let error =
        |layers: Value, outputs: Value| read(functional(layers, json!([["x", 0, 0]]), outputs)).unwrap_err();
    let dense = |name: &str, from: Value| layer("Dense", name, json!([[from]]));
    let one = json!([["a", 0, 0]]);
    assert_eq!(
        error(
            json!([
                input("x"),
                dense("a", json!(["b", 0, 0])),
                dense("b", json!(["a", 0, 0]))
            ]),
            one.clone()
        ),
        r#"the graph has a cycle: on it or behind it are ["a", "b"]"#
    );
    assert_eq!(
        error(json!([input("x"), dense("a", json!(["a", 0, 0]))]), one.clone()),
        r#"the graph has a cycle: on it or behind it are ["a"]"#
    );
    assert_eq!(
        error(
            json!([input("x"), dense("a", json!(["nowhere", 0, 0]))]),
            one.clone()
        ),
        r#"layer "a" (Dense): a tensor of layer "nowhere" is used, but there is no such layer"#
    );
    assert_eq!(
        error(json!([input("x"), dense("a", json!(["x", 7, 0]))]), one.clone()),
        r#"layer "a" (Dense): node 7 of layer "x" is used, but there is no such node"#
    );
    assert_eq!(
        error(
            json!([
                input("x"),
                dense("a", json!(["x", 0, 0])),
                dense("a", json!(["x", 0, 0]))
            ]),
            one.clone()
        ),
        r#"layer "a" (Dense): two layers are named "a""#
    );
    assert_eq!(
        error(
            json!([input("x"), input("y"), dense("a", json!(["y", 0, 0]))]),
            one.clone()
        ),
        r#"layer "y" (InputLayer): the layer is not among the inputs of model "m""#
    );
    assert_eq!(
        error(json!([input("x"), layer("Dense", "a", json!([17]))]), one.clone()),
        r#"layer "a" (Dense): inbound node 17 is not understood"#
    );
    assert_eq!(
        error(json!([input("x")]), json!([])),
        "output_layers: the list is empty"
    );
    assert_eq!(
        error(json!([input("x")]), json!([["a", 0, 0]])),
        r#"output_layers: a tensor of layer "a" is used, but there is no such layer"#
    );
}

#[test]
fn all_problems_at_once() {
    let mixed = json!({"class_name": "Dense", "name": "a", "config": {"dtype": "complex64"}, "inbound_nodes": [[["x", 0, 0, {}]]]});
    let layers = json!([
        input("x"),
        mixed,
        layer("Dense", "b", json!([[["p", 0, 0]]])),
        layer("Dense", "c", json!([[["q", 0, 0]]]))
    ]);
    let errors = read(functional(layers, json!([["x", 0, 0]]), json!([["c", 0, 0]]))).unwrap_err();
    assert_eq!(errors.lines().count(), 3, "{errors}");
}

#[test]
fn problems_without_end_are_counted() {
    let broken = |i: usize| layer("Dense", &format!("d{i}"), json!([[["nowhere", 0, 0, {}]]]));
    let layers: Vec<_> = std::iter::once(input("x"))
        .chain((0..15_000).map(broken))
        .collect();
    let errors = read(functional(
        json!(layers),
        json!([["x", 0, 0]]),
        json!([["x", 0, 0]]),
    ))
    .unwrap_err();
    assert_eq!(errors.lines().count(), 501);
    assert!(errors.ends_with("… and 14500 more problems"), "{errors}");
}

#[test]
fn models_that_are_python_code() {
    let errors = read(json!({"class_name": "MyModel", "config": {"units": 3}})).unwrap_err();
    assert!(
        errors.starts_with("layer class MyModel is not supported; a subclassed model"),
        "{errors}"
    );
    assert!(read(json!(3)).is_err());
    assert!(read(json!({"class_name": "Sequential", "config": {"layers": []}})).is_err());
    assert!(read(json!({"class_name": "Functional", "config": [1]})).is_err());
}

#[test]
fn policies_are_noted() {
    let half = json!({"class_name": "Dense", "config": {"name": "d", "dtype": {"class_name": "Policy", "config": {"name": "mixed_float16"}}}});
    let model = read(json!({"class_name": "Sequential", "config": {"name": "s", "layers": [half]}})).unwrap();
    assert_eq!(
        model.notes,
        ["layers that ask for float16 compute in float32 here: 1"]
    );
}

#[test]
fn a_reader_that_asks_for_too_much_is_stopped_by_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/budget/none.weights.h5");
    let file = std::fs::read(path).unwrap();
    let open = |budget: &Budget| {
        let length = file.len() as u64;
        let store = super::hdf5::Store::open(std::io::Cursor::new(file.clone()), 0, length, budget)?;
        super::hdf5::Tree::groups(&store, "layers")
    };
    let budget = Budget::new();
    assert_eq!(open(&budget).unwrap(), ["re_lu"]);
    let most = 64 << 20;
    for left in [0_u64, 400] {
        let budget = Budget::new();
        budget.take(Resource::Fetched, most - left).unwrap();
        let error = open(&budget).unwrap_err();
        let fetched = |kind: &ErrorKind| matches!(kind, ErrorKind::TooLarge { limit, .. } if *limit == most);
        assert!(fetched(&error.kind), "{error}");
    }
}
