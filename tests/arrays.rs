//! Files that NumPy wrote, as `tests/goldens/make_arrays.py` has it.

use keras_compile::arrays::{Array, read};
use serde_json::Value;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/arrays")
        .join(name)
}

/// What is not finite stands there as text.
fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    }
}

#[test]
fn every_kind_of_numbers_is_read() {
    let kinds: Value = serde_json::from_slice(&std::fs::read(file("kinds.json")).unwrap()).unwrap();
    let kinds = kinds.as_object().unwrap();
    assert!(kinds.len() > 25);
    for name in ["kinds.npz", "compressed.npz"] {
        let (arrays, others) = read(&file(name), |_| true).unwrap();
        assert_eq!((arrays.len(), others.len()), (kinds.len(), 0));
        for (kind, wanted) in kinds {
            let Array { shape, data, .. } = &arrays[kind];
            let list = |key: &str| {
                wanted[key]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(number)
                    .collect::<Vec<_>>()
            };
            let bits = |values: &[f64]| {
                values
                    .iter()
                    .map(|v| if v.is_nan() { 1 } else { v.to_bits() })
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                shape.iter().map(|&extent| extent as f64).collect::<Vec<_>>(),
                list("shape"),
                "{kind}"
            );
            assert_eq!(bits(data), bits(&list("values")), "{kind}");
        }
    }
}

#[test]
fn others_are_named() {
    let (arrays, others) = read(&file("kinds.npz"), |name| name == "rows").unwrap();
    assert_eq!(arrays.len(), 1);
    assert!(others.iter().any(|name| name == "columns") && others.len() > 20);
}

#[test]
fn what_is_no_number_is_refused() {
    for (name, why) in [
        ("complex", "has elements of type \"<c8\"; save floats or integers"),
        ("text", "has elements of type \"<U2\"; save floats or integers"),
        ("bytes", "has elements of type \"|S1\"; save floats or integers"),
        ("objects", "has elements of type \"|O\"; save floats or integers"),
        ("fields", "has no plain numbers"),
        (
            "dates",
            "has elements of type \"<M8[D]\"; save floats or integers",
        ),
        (
            "extended",
            "has elements of type \"<f16\"; save floats or integers",
        ),
    ] {
        let path = file("refused.npz");
        let error = read(&path, |other| other == name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: array {name:?} {why}", path.display())
        );
    }
}
