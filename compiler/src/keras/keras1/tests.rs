use super::{Backend, Dialect, Names, arguments, begins_with_branches, join_branches, speaks};
use serde_json::{Value, json};

fn put(class: &str, values: Value, document: &Value) -> Value {
    let Value::Object(values) = values else {
        panic!("an object")
    };
    let dialect = Dialect::of(document, None, None);
    Value::Object(arguments(class, values, dialect).0)
}

#[test]
fn arguments_are_put_as_keras_2_has_them() {
    let tf = json!({"dim_ordering": "tf"});
    assert_eq!(
        put(
            "Convolution2D",
            json!({"nb_filter": 2, "nb_row": 3, "nb_col": 4, "init": "uniform", "bias": true}),
            &tf
        ),
        json!({"filters": 2, "kernel_size": [3, 4], "use_bias": true})
    );
    assert_eq!(
        put("Dense", json!({"output_dim": 3, "input_dim": null}), &tf),
        json!({"units": 3})
    );
    assert_eq!(
        put(
            "Embedding",
            json!({"output_dim": 3, "input_dim": 9, "dropout": 0.5}),
            &tf
        ),
        json!({"output_dim": 3, "input_dim": 9})
    );
    let padding = |value| put("ZeroPadding2D", json!({"padding": value}), &tf)["padding"].clone();
    assert_eq!(padding(json!([1, 2])), json!([1, 2]));
    assert_eq!(padding(json!([1, 2, 3, 4])), json!([[1, 2], [3, 4]]));
    assert_eq!(
        padding(json!({"top_pad": 1, "right_pad": 2})),
        json!([[1, 0], [0, 2]])
    );
}

#[test]
fn layers_that_do_not_say_where_channels_stand_follow_those_that_do() {
    let first = json!([{"config": {"dim_ordering": "th"}}]);
    let both = json!([{"dim_ordering": "th"}, {"dim_ordering": "tf"}]);
    let said = |document: &Value| {
        put("UpSampling2D", json!({}), document)
            .get("data_format")
            .cloned()
    };
    assert_eq!(said(&first), Some(json!("th")));
    assert_eq!(said(&json!({})), None);
    assert_eq!(said(&both), Some(json!("default")));
}

#[test]
fn the_backend_is_known_by_the_names_of_weights() {
    let convolution = json!({"class_name": "Convolution1D", "config": {}});
    let of = |stated, names| Dialect::of(&convolution, stated, names);
    let theano = of(None, Some(Names::Theano));
    assert_eq!(theano.backend, Backend::Theano);
    assert!(theano.note().is_some_and(|note| note.contains("turned round")));
    let converted = of(None, Some(Names::Converted));
    assert_eq!(converted.backend, Backend::TensorFlow);
    assert!(converted.note().is_some_and(|note| note.contains("as they are")));
    let tensorflow = of(None, Some(Names::TensorFlow));
    assert_eq!(
        (tensorflow.backend, tensorflow.note()),
        (Backend::TensorFlow, None)
    );
    let stated = of(Some(Backend::TensorFlow), Some(Names::Theano));
    assert_eq!((stated.backend, stated.note()), (Backend::TensorFlow, None));
}

#[test]
fn the_dialect_is_known_by_the_layers() {
    let layer = |class: &str, config: Value| json!({"config": [{"class_name": class, "config": config}]});
    assert!(speaks(&layer("Dense", json!({"W_regularizer": null}))));
    assert!(!speaks(&layer("Dense", json!({"kernel_regularizer": null}))));
}

#[test]
fn branches_become_a_graph() {
    let branch = |name: &str| json!({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"name": name, "batch_input_shape": [null, 2]}}]});
    let merge =
        json!({"class_name": "Merge", "config": {"name": "merge_1", "layers": [branch("a"), branch("b")]}});
    let last = json!({"class_name": "Dense", "config": {"name": "c"}});
    let layers = vec![merge, last];
    assert!(begins_with_branches(&layers) && !begins_with_branches(&[]));
    let joined = join_branches(layers, "m").unwrap();
    let names: Vec<_> = joined["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["name"].clone())
        .collect();
    assert_eq!(names, ["a_input", "a", "b_input", "b", "merge_1", "c"]);
    assert_eq!(
        joined["layers"][4]["inbound_nodes"],
        json!([[["a", 0, 0], ["b", 0, 0]]])
    );
    assert_eq!(joined["output_layers"], json!([["c", 0, 0]]));
}

#[test]
fn a_model_that_begins_a_branch_says_what_is_fed_in() {
    let inner = json!({"class_name": "Dense", "config": {"name": "a", "batch_input_shape": [null, 2]}});
    let model = json!({"class_name": "Sequential", "config": [inner]});
    let branch = json!({"class_name": "Sequential", "config": [model]});
    let merge = json!({"class_name": "Merge", "config": {"name": "m", "layers": [branch.clone(), branch]}});
    let joined = join_branches(vec![merge], "m").unwrap();
    assert_eq!(
        joined["layers"][0]["config"]["batch_input_shape"],
        json!([null, 2])
    );
    assert_eq!(joined["layers"][0]["name"], "sequential_at_0_input");
    assert_eq!(joined["layers"][3]["name"], "sequential_at_1");
}
