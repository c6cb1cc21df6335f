//! What is refused of linear algebra, and with what words.

use crate::keras::layers::tests::{lowered, problems};
use serde_json::{Value, json};

/// A tensor of that shape which a layer gives.
fn tensor(shape: &[usize], layer: &str, index: usize) -> Value {
    json!({"class_name": "__keras_tensor__", "config": {"shape": shape, "dtype": "float32", "keras_history": [layer, 0, index]}})
}

/// A Keras 3 model of an input of that shape and an operation, with result `output` of it.
fn model(shape: &[usize], class: &str, output: usize) -> Value {
    let input = json!({"module": "keras.layers", "class_name": "InputLayer", "name": "x", "inbound_nodes": [],
        "config": {"batch_shape": shape, "dtype": "float32", "name": "x"}});
    let layer = json!({"module": "keras.src.ops.linalg", "class_name": class, "name": "made", "config": {"name": "made"},
        "registered_name": class, "inbound_nodes": [{"args": [tensor(shape, "x", 0)], "kwargs": {}}]});
    let then = json!({"module": "keras.layers", "class_name": "ReLU", "name": "then", "config": {"name": "then"},
        "registered_name": null, "inbound_nodes": [{"args": [tensor(shape, "made", output)], "kwargs": {}}]});
    json!({"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
        "keras_version": "3.15.1", "config": {"name": "model", "layers": [input, layer, then],
        "input_layers": [["x", 0, 0]], "output_layers": [["then", 0, 0]]}})
}

#[test]
fn only_values_are_taken_of_what_has_no_defined_sign() {
    let expected = "layer \"then\" (ReLU): the signs of singular vectors and eigenvectors are not defined, and Keras' backends give \
                    different ones: use the values only; or pinv, solve, inv, cholesky or qr, whose results are defined";
    for (class, vectors, values) in [("SVD", 0, 1), ("SVD", 2, 1), ("Eigh", 1, 0)] {
        assert_eq!(problems(model(&[2, 3, 3], class, vectors), &[], &[]), [expected]);
        assert!(lowered(model(&[2, 3, 3], class, values), &[], &[]).is_ok());
    }
}

#[test]
fn undefined_outputs_are_refused() {
    let mut model = model(&[2, 3, 3], "Eigh", 0);
    model["config"]["output_layers"] = json!([["then", 0, 0], ["made", 0, 1]]);
    let found = problems(model, &[], &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("layer \"made\" (Eigh): the signs of singular vectors"),
        "{found:?}"
    );
}

#[test]
fn large_matrices_are_refused() {
    let expected = |most: usize, extent: usize, class: &str| {
        format!(
            "layer \"made\" ({class}): it takes matrices of no more than {most} rows and columns, not {extent}x{extent}: its steps, \
             each of which waits for the one before, would take a browser too long; work on smaller blocks, or compute it before"
        )
    };
    for (most, class) in [(64, "Inv"), (64, "Det"), (64, "Qr"), (32, "Pinv"), (32, "Eigh")] {
        let extent = most + 1;
        let found = problems(model(&[1, extent, extent], class, 0), &[], &[]);
        assert_eq!(found, [expected(most, extent, class)]);
        assert!(lowered(model(&[1, most, most], class, 0), &[], &[]).is_ok());
    }
    let found = problems(model(&[1, 3, 4], "Inv", 0), &[], &[]);
    assert_eq!(found, ["layer \"made\" (Inv): it takes square matrices, not 3x4"]);
}
