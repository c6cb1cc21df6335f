//! What `--json` says to programs.

use crate::support::{Scratch, command, models, run};
use serde_json::{Value, json};
use std::fs;

/// The one object on stdout.
fn object(stdout: &str) -> Value {
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(stdout).expect("stdout is JSON")
}

/// The fields of an object, as README.md lists them.
fn fields(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_compilation_is_told() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    let out = out.to_str().unwrap();
    let said = run(
        &models(),
        &["k3-cnn.h5", "--out", out, "--json", "--quantize", "int8"],
    );
    assert_eq!(said.code, Some(0), "{said:#?}");
    let found = object(&said.stdout);
    assert_eq!(
        fields(&found),
        [
            "accuracy",
            "backends",
            "bundle",
            "bytes",
            "files",
            "generator",
            "inputs",
            "model",
            "notes",
            "outputs",
            "problems",
            "version",
            "weights"
        ]
    );
    assert_eq!(
        [&found["version"], &found["bundle"], &found["problems"]],
        [&json!(1), &json!(out), &json!([])]
    );
    let files = found["files"].as_array().unwrap();
    let mut names: Vec<&str> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut written: Vec<_> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort_unstable();
    assert_eq!(names, written);
    let mut total = 0;
    for file in files {
        let bytes = fs::metadata(format!("{out}/{}", file["name"].as_str().unwrap()))
            .unwrap()
            .len();
        assert_eq!(file["bytes"], bytes, "{file}");
        total += bytes;
    }
    assert_eq!(found["bytes"], total);
    assert_eq!(fields(&found["backends"]), ["wasm", "webgl", "webgpu"]);
    let accuracy = &found["accuracy"]["outputs"][0];
    assert!(accuracy["cosine"].as_f64().is_some(), "{accuracy}");
    // The stages are still told, but nothing else.
    assert!(said.stderr.starts_with("reading\n"), "{}", said.stderr);
    let quiet = run(
        &models(),
        &["k3-cnn.h5", "--out", out, "--json", "--quiet", "--force"],
    );
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    assert_eq!(object(&quiet.stdout)["accuracy"], Value::Null);
}

#[test]
fn problems_are_told() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    let out = out.to_str().unwrap();
    let said = run(
        &models(),
        &["k3-cnn.h5", "--out", out, "--json", "--backends", "webnn"],
    );
    assert_eq!(said.code, Some(2));
    let found = object(&said.stdout);
    assert_eq!((&found["version"], &found["bundle"]), (&json!(1), &Value::Null));
    let problem = &found["problems"][0];
    assert_eq!(
        fields(problem),
        ["class", "field", "file", "help", "layer", "message"]
    );
    assert_eq!(problem["field"], "--backends");

    let model = json!({"class_name": "Sequential", "keras_version": "2.4.0", "backend": "tensorflow", "config": {
        "name": "broken",
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": [null, 4], "dtype": "float32"}},
            {"class_name": "Wormhole", "config": {"name": "odd\u{202e}"}},
        ],
    }});
    let file = scratch.join("broken.json");
    fs::write(&file, model.to_string()).unwrap();
    for arguments in [
        &["broken.json", "--weights", "none.h5", "--out", "dist", "--json"][..],
        &["inspect", "broken.json", "--json"],
    ] {
        let output = command(scratch.path()).args(arguments).output().unwrap();
        assert_ne!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\u{202e}'), "{text}");
        let problems = &object(&text)["problems"];
        assert!(!problems.as_array().unwrap().is_empty(), "{text}");
    }
    assert_eq!(scratch.contents(), ["broken.json"]);
}

#[test]
fn inspections_are_told() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    let out = out.to_str().unwrap();
    let said = run(&models(), &["inspect", "k3-cnn.h5", "--json"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let found = object(&said.stdout);
    assert_eq!(
        fields(&found),
        [
            "keras",
            "kind",
            "layers",
            "model",
            "non_trainable",
            "notes",
            "parameters",
            "problems",
            "version"
        ]
    );
    let layers = found["layers"].as_array().unwrap();
    let sum: u64 = layers
        .iter()
        .map(|layer| layer["parameters"].as_u64().unwrap())
        .sum();
    assert_eq!(found["parameters"], sum);
    assert!(
        layers
            .iter()
            .all(|layer| layer["supported"] == true && layer["shapes"][0][0] == 1)
    );

    run(&models(), &["k3-cnn.h5", "--out", out, "--quiet"]);
    let said = run(&models(), &["inspect", out, "--json"]);
    let found = object(&said.stdout);
    assert_eq!((said.code, &found["kind"]), (Some(0), &json!("bundle")));
    assert_eq!(found["problems"], json!([]));
    fs::write(format!("{out}/worker.js"), "changed").unwrap();
    let said = run(&models(), &["inspect", out, "--json"]);
    assert_eq!(said.code, Some(1));
    let problem = &object(&said.stdout)["problems"][0];
    assert!(
        problem["file"].as_str().unwrap().ends_with("worker.js"),
        "{problem}"
    );
}
