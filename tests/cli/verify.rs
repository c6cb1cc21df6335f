//! `verify`: what bundles give beside what Keras gave, in Node and in Chromium, and what is said when it cannot be found out.

use crate::support::{Run, Scratch, command, models, root, run, snapshot};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A scratch directory with a bundle of the digits in `dist`, one of four bits in `small`, and Keras' inputs and outputs.
fn digits() -> Scratch {
    let scratch = Scratch::new();
    let examples = root().join("examples/digits");
    for file in ["samples.npz", "outputs.npz"] {
        fs::copy(examples.join(file), scratch.join(file)).unwrap();
    }
    made(&scratch, &examples.join("digits.h5"), "dist", &[]);
    made(
        &scratch,
        &examples.join("digits.h5"),
        "small",
        &["--quantize", "int4"],
    );
    scratch
}

fn made(scratch: &Scratch, model: &Path, out: &str, options: &[&str]) {
    let arguments = [&[model.to_str().unwrap(), "--out", out, "--quiet"], options].concat();
    let said = run(scratch.path(), &arguments);
    assert_eq!(said.code, Some(0), "{said:#?}");
}

fn in_chromium(scratch: &Scratch, arguments: &[&str]) -> Run {
    let chromium = std::env::var_os("CHROMIUM").map_or("/usr/bin/chromium".into(), PathBuf::from);
    let output = command(scratch.path())
        .args(arguments)
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("no JSON: {run:#?}"))
}

const NODE: [&str; 2] = ["--engine", "node"];
const FILES: [&str; 4] = ["--samples", "samples.npz", "--expect", "outputs.npz"];

#[test]
fn a_bundle_gives_what_keras_gave_in_node() {
    let scratch = digits();
    let said = run(
        scratch.path(),
        &[&["verify", "dist"], &NODE[..], &FILES[..]].concat(),
    );
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:#?}");
    for part in [
        "\"digit\"",
        "20 of 20",
        "\nagrees within 1e-5",
        "20 predictions from samples.npz on wasm (",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:#?}");
    }
}

#[test]
fn and_in_chromium_on_every_backend() {
    let scratch = digits();
    for backend in ["wasm", "webgpu", "webgl"] {
        let options = ["verify", "dist", "--backend", backend, "--json"];
        let said = in_chromium(&scratch, &[&options, &FILES[..]].concat());
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (Some(0), ""),
            "{backend}: {said:#?}"
        );
        let found = json(&said);
        assert_eq!((&found["version"], &found["agrees"]), (&1.into(), &true.into()));
        assert_eq!(
            (&found["backend"], &found["engine"]),
            (&backend.into(), &"chromium".into())
        );
        let output = &found["outputs"][0];
        assert_eq!(
            (&output["name"], &output["top1"], &output["top5"]),
            (&"digit".into(), &20.into(), &20.into())
        );
        assert!(output["largest_error"].as_f64().unwrap() < 1e-5, "{found}");
        assert_eq!((&output["numbers"], &output["beyond"]), (&200.into(), &0.into()));
        assert_eq!(found["against"]["file"], "outputs.npz");
    }
}

/// The outputs of a network of four bits are not those of Keras, unless they may be as far off.
#[test]
fn one_that_gives_others_does_not_agree() {
    let scratch = digits();
    let said = run(
        scratch.path(),
        &[&["verify", "small"], &NODE[..], &FILES[..]].concat(),
    );
    assert_eq!((said.code, said.stderr.as_str()), (Some(1), ""), "{said:#?}");
    assert!(
        said.stdout.contains("does not agree: of \"digit\", "),
        "{said:#?}"
    );
    let with = |more: &[&str]| {
        let said = run(
            scratch.path(),
            &[&["verify", "small", "--json"], &NODE[..], &FILES[..], more].concat(),
        );
        let output = json(&said)["outputs"][0].clone();
        (said.code, output)
    };
    let (code, output) = with(&["--max-error", "1"]);
    assert_eq!(code, Some(0));
    let error = output["relative_error"].as_f64().unwrap();
    assert!(error > 1e-3 && error < 0.5, "{output}");
    assert!((output["atol"].as_f64().unwrap() - output["magnitude"].as_f64().unwrap()).abs() < 1e-12);
    let (code, output) = with(&["--max-error", &(error * 1.001).to_string()]);
    assert_eq!((code, &output["beyond"]), (Some(0), &0.into()));
    let (code, output) = with(&["--max-error", &(error * 0.999).to_string()]);
    assert_eq!((code, &output["beyond"]), (Some(1), &1.into()));
    assert!(output["worst_sample"].as_u64().unwrap() < 20);
}

#[test]
fn bundles_are_compared_with_each_other() {
    let scratch = digits();
    let options = ["--samples", "samples.npz", "--against", "dist", "--json"];
    let same = run(
        scratch.path(),
        &[&["verify", "dist", "--max-error", "0"], &NODE[..], &options].concat(),
    );
    assert_eq!(same.code, Some(0), "{same:#?}");
    assert_eq!(json(&same)["outputs"][0]["largest_error"], 0.0);
    let other = run(
        scratch.path(),
        &[&["verify", "small"], &NODE[..], &options].concat(),
    );
    assert_eq!(other.code, Some(1), "{other:#?}");
    let against = json(&other)["against"]["bundle"].clone();
    assert_eq!(
        (&against["directory"], &against["backend"]),
        (&"dist".into(), &"wasm".into())
    );
    // With several samples in a prediction, too.
    made(
        &scratch,
        &root().join("examples/digits/digits.h5"),
        "four",
        &["--input-shape", "4,8,8,1"],
    );
    let four = run(
        scratch.path(),
        &[&["verify", "four"], &NODE[..], &options].concat(),
    );
    assert_eq!(four.code, Some(0), "{four:#?}");
    assert_eq!(json(&four)["predictions"], 5);
}

#[test]
fn integers_are_read_as_such() {
    let scratch = Scratch::new();
    let arrays = root().join("tests/goldens/arrays");
    for file in ["integers-samples.npz", "integers-outputs.npz", "kinds.npz"] {
        fs::copy(arrays.join(file), scratch.join(file)).unwrap();
    }
    made(&scratch, &models().join("k3-integers.keras"), "dist", &[]);
    let files = [
        "--samples",
        "integers-samples.npz",
        "--expect",
        "integers-outputs.npz",
    ];
    let said = run(scratch.path(), &[&["verify", "dist"], &NODE[..], &files].concat());
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:#?}");
}

/// What is wrong with files and bundles is said with file, array, value and remedy.
#[test]
fn what_does_not_fit_is_named() {
    let scratch = digits();
    let arrays = root().join("tests/goldens/arrays");
    made(&scratch, &models().join("k3-integers.keras"), "integers", &[]);
    for file in ["integers-samples.npz", "halves-samples.npz"] {
        fs::copy(arrays.join(file), scratch.join(file)).unwrap();
    }
    fs::write(scratch.join("text.npz"), "no archive").unwrap();
    made(
        &scratch,
        &root().join("examples/digits/digits.h5"),
        "relu",
        &["--outputs", "relu3"],
    );
    made(
        &scratch,
        &root().join("examples/digits/digits.h5"),
        "three",
        &["--input-shape", "3,8,8,1"],
    );
    made(
        &scratch,
        &models().join("k3-text-adapted.keras"),
        "words",
        &["--input-shape", "text=1", "--input-shape", "kind=1,1"],
    );
    made(&scratch, &root().join("examples/digits/digits.h5"), "torn", &[]);
    let weights = scratch
        .contents()
        .into_iter()
        .find(|name| name.starts_with("torn/weights"));
    fs::write(scratch.join(&weights.unwrap()), "torn").unwrap();
    let lines: &[&[&str]] = &[
        &["verify", "dist"],
        &["verify", "dist", "--samples", "samples.npz"],
        &[
            "verify",
            "dist",
            "--samples",
            "samples.npz",
            "--expect",
            "outputs.npz",
            "--against",
            "small",
        ],
        &[
            "verify",
            "dist",
            "--samples",
            "samples.npz",
            "--expect",
            "outputs.npz",
            "--max-error",
            "-1",
        ],
        &[
            "verify",
            "dist",
            "--samples",
            "no-such.npz",
            "--expect",
            "outputs.npz",
        ],
        &[
            "verify",
            "dist",
            "--samples",
            "text.npz",
            "--expect",
            "outputs.npz",
        ],
        &[
            "verify",
            "dist",
            "--samples",
            "integers-samples.npz",
            "--expect",
            "outputs.npz",
        ],
        &[
            "verify",
            "three",
            "--samples",
            "samples.npz",
            "--expect",
            "outputs.npz",
        ],
        &[
            "verify",
            "dist",
            "--engine",
            "node",
            "--samples",
            "samples.npz",
            "--expect",
            "samples.npz",
        ],
        &[
            "verify",
            "relu",
            "--engine",
            "node",
            "--samples",
            "samples.npz",
            "--against",
            "dist",
        ],
        &[
            "verify",
            "words",
            "--engine",
            "node",
            "--samples",
            "samples.npz",
            "--against",
            "dist",
        ],
        &[
            "verify",
            "torn",
            "--samples",
            "samples.npz",
            "--expect",
            "outputs.npz",
        ],
        &[
            "verify",
            ".",
            "--samples",
            "samples.npz",
            "--expect",
            "outputs.npz",
        ],
    ];
    let mut text = String::new();
    for arguments in lines {
        let said = run(scratch.path(), arguments);
        assert!(matches!(said.code, Some(1 | 2)), "{said:#?}");
        text += &said.transcript(arguments);
        text += "\n";
    }
    // The names of files carry hashes.
    let names = scratch
        .contents()
        .into_iter()
        .filter(|name| name.starts_with("torn/weights"));
    let text = names.fold(text, |text, name| text.replace(&name, "torn/WEIGHTS"));
    snapshot("verify", &text);
}
