//! Values that Keras itself refuses: every one that `goldens/make_refused.py` saw refused is refused here, by a
//! message about the value and not about weights that no longer fit.

use keras_compile::error::{Error, ErrorKind, Errors};
use keras_compile::keras::{InputShapes, Weight, from_architecture, lower};
use keras_compile::tensor::Tensor;
use serde_json::{Value, json};
use std::path::Path;

/// A model of one layer.
fn model(keras: &str, row: &Value, config: Value) -> Result<(), Errors> {
    let shape: Vec<Value> = [&[json!(2)], row["shape"].as_array().expect("a shape").as_slice()].concat();
    let input = json!({"class_name": "InputLayer", "config": {"batch_input_shape": shape, "name": "input"}});
    let layer = json!({"class_name": row["class"], "module": "keras.layers", "config": config});
    let architecture = json!({"class_name": "Sequential", "keras_version": keras,
                              "config": {"name": "model", "layers": [input, layer]}});
    let weights = row["weights"].as_array().expect("weights");
    let made = from_architecture(architecture, &mut |path| {
        let tensor = |shape: &Value| Weight {
            name: "w".to_owned(),
            tensor: Tensor::splat(
                serde_json::from_value::<Vec<usize>>(shape.clone()).expect("a shape"),
                0.5,
            ),
        };
        match path {
            "layer" => weights.iter().map(tensor).collect(),
            _ => Vec::new(),
        }
    })?;
    lower(&made, &InputShapes::default()).map(|_| ())
}

/// Whether a problem is only that weights do not fit the arguments.
fn about_weights(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::MissingWeight => true,
        ErrorKind::Inconsistent(text) => {
            text.contains("the layer's arguments make it") || text.contains("the layer takes")
        }
        _ => false,
    }
}

#[test]
fn what_keras_refuses_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/refused");
    let (mut count, mut accepted) = (0, Vec::new());
    for (file, keras) in [("k2.json", "2.15.0"), ("k3.json", "3.15.1")] {
        let text = std::fs::read_to_string(folder.join(file)).expect("the table");
        let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        for row in rows {
            let class = row["class"].as_str().expect("a class");
            if let Err(errors) = model(keras, &row, row["config"].clone()) {
                panic!("{keras} {class}: {errors}");
            }
            for (key, values) in row["refused"].as_object().expect("what is refused") {
                for value in values.as_array().expect("values") {
                    count += 1;
                    let mut config = row["config"].clone();
                    config[key] = value.clone();
                    let result = model(keras, &row, config);
                    let named = |errors: &Errors| errors.as_slice().iter().any(|error| !about_weights(error));
                    match result {
                        Err(errors) if named(&errors) => {
                            let internal = errors
                                .as_slice()
                                .iter()
                                .any(|e| matches!(e.kind, ErrorKind::Internal(_)));
                            assert!(!internal, "{keras} {class} {key}={value}: {errors}");
                        }
                        Ok(()) => accepted.push(format!("{keras} {class} {key}={value} is accepted")),
                        Err(errors) => accepted.push(format!("{keras} {class} {key}={value}: {errors}")),
                    }
                }
            }
        }
    }
    assert!(accepted.is_empty(), "{}\n{}", accepted.len(), accepted.join("\n"));
    assert!(count > 1200, "only {count} values");
}
