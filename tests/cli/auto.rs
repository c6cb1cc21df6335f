//! `--quantize auto`: what is found keeps its promise in a bundle that runs, and what cannot be found is said with figures.

use crate::support::{Run, Scratch, root, run, snapshot};
use keras_compile::bundle::inspect;
use serde_json::Value;
use std::fs;

const DIGITS: &str = "examples/digits/digits.h5";
const SAMPLES: &str = "examples/digits/samples.npz";

fn compiled(out: &str, options: &[&str]) -> Run {
    let arguments = [
        &[DIGITS, "--out", out, "--samples", SAMPLES, "--quantize"],
        options,
    ]
    .concat();
    run(&root(), &arguments)
}

fn made(scratch: &Scratch, name: &str, options: &[&str]) -> Run {
    let said = compiled(scratch.join(name).to_str().unwrap(), options);
    assert_eq!(said.code, Some(0), "{said:#?}");
    said
}

/// Bytes of weights in files.
fn bytes(scratch: &Scratch, name: &str) -> u64 {
    let manifest = inspect(&scratch.join(name)).unwrap().manifest;
    manifest.weight_sizes().values().map(|both| both[0]).sum()
}

/// How far a bundle is from that of floats, which runs in Node.
fn error(scratch: &Scratch, name: &str) -> f64 {
    let samples = root().join(SAMPLES);
    let arguments = [
        "verify",
        name,
        "--engine",
        "node",
        "--samples",
        samples.to_str().unwrap(),
        "--against",
        "f32",
        "--json",
    ];
    let said = run(scratch.path(), &arguments);
    assert_eq!(said.stderr, "");
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    found["outputs"][0]["relative_error"].as_f64().unwrap()
}

#[test]
fn errors_stay_below_their_bound() {
    let scratch = Scratch::new();
    made(&scratch, "f32", &["f32"]);
    let mut last = bytes(&scratch, "f32");
    for bound in ["0.0002", "0.01", "0.2"] {
        let said = made(&scratch, bound, &["auto", "--max-error", bound]);
        assert!(said.stdout.contains("\nauto     found with "), "{said:#?}");
        let (error, size) = (error(&scratch, bound), bytes(&scratch, bound));
        // Kernels round on their own.
        assert!(error < bound.parse::<f64>().unwrap() + 1e-5, "{bound}: {error}");
        assert!(size < last, "{bound}: {size} bytes, {last} before");
        last = size;
    }
    // A hundredth, when nothing is said.
    made(&scratch, "unsaid", &["auto"]);
    assert_eq!(bytes(&scratch, "unsaid"), bytes(&scratch, "0.01"));
}

#[test]
fn weights_fit_their_bytes() {
    let scratch = Scratch::new();
    made(&scratch, "f32", &["f32"]);
    let mut last = 0.0;
    for (bound, most) in [
        ("200KB", 200_000),
        ("70000", 70_000),
        ("40KB", 40_000),
        ("0.0225MB", 22_500),
    ] {
        made(&scratch, bound, &["auto", "--max-bytes", bound]);
        let (error, size) = (error(&scratch, bound), bytes(&scratch, bound));
        assert!(size <= most, "{bound}: {size} bytes");
        assert!(error >= last, "{bound}: {error}, {last} before");
        last = error;
    }
    assert!(last > 0.0 && last < 0.3, "{last}");
}

#[test]
fn fixed_patterns_hold_and_the_bytes_are_always_the_same() {
    let scratch = Scratch::new();
    let options = ["conv3=f16,auto", "--max-error", "0.1", "--verbose"];
    let said = made(&scratch, "one", &options);
    let row = said
        .stdout
        .lines()
        .find(|line| line.starts_with("conv3 ") && line.contains("13,824"));
    assert_eq!(
        row.and_then(|row| row.split_whitespace().nth(1)),
        Some("f16"),
        "{said:#?}"
    );
    for part in [
        "most noise in",
        "weights, dB",
        "results, dB",
        "of its magnitude",
        "among the first five in 20 of 20",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:#?}");
    }
    made(&scratch, "two", &options);
    for name in fs::read_dir(scratch.join("one"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
    {
        let [one, two] = ["one", "two"].map(|folder| fs::read(scratch.join(folder).join(&name)).unwrap());
        assert!(one == two, "{name:?} differs");
    }
}

#[test]
fn what_cannot_be_found_is_said_with_figures() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    let mut text = String::new();
    let lines: [&[&str]; 6] = [
        &["auto", "--max-bytes", "1KB"],
        &["conv3=f32,auto", "--max-bytes", "40KB"],
        &["conv3=int4,auto", "--max-error", "1e-6"],
        &["auto", "--max-bytes", "22500", "--max-error", "1e-6"],
        &["int8", "--max-error", "0.1"],
        &["auto", "--max-bytes", "many"],
    ];
    for options in lines {
        let said = compiled(out.to_str().unwrap(), options);
        assert_eq!(said.code, Some(2), "{said:#?}");
        let errors = said.stderr.lines().filter(|line| line.starts_with("error"));
        text += &format!("--quantize {}\n", options.join(" "));
        errors.for_each(|line| text += &format!("{line}\n"));
    }
    assert!(scratch.contents().is_empty());
    snapshot("auto", &text);
}
