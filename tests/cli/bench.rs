//! `bench`: a small bundle in Node and in Chromium, and what is said when it cannot run.

use crate::support::{Run, Scratch, command, compile, models, root, run};
use std::path::PathBuf;

/// A bundle in a directory of its own.
fn bundle() -> Scratch {
    let scratch = Scratch::new();
    compile(&models().join("k3-cnn.keras"), &scratch.join("dist"));
    scratch
}

/// What stands behind a word at the start of a line.
fn line<'a>(run: &'a Run, word: &str) -> &'a str {
    let found = run.stdout.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("no line starts with {word:?}: {run:#?}"))
}

/// A measurement, made again where others who used the machine meanwhile lowered the peak, but not for ever.
fn measured(measure: impl Fn() -> Run) -> Run {
    let lowered = |run: &Run| costs(run).iter().any(|[.., share, _]| *share >= MOST);
    let mut run = measure();
    for _ in 0..2 {
        if lowered(&run) {
            run = measure();
        }
    }
    run
}

/// Percent of the peak that no step reaches.
const MOST: f64 = 110.0;

/// The numbers of each step: milliseconds, percent of all, GFLOP/s, GB/s, percent of the peak, milliseconds lost; NaN where there is none.
fn costs(run: &Run) -> Vec<[f64; 6]> {
    let number = |text: &str| match text {
        "-" => Some(f64::NAN),
        text => text.parse::<f64>().ok(),
    };
    let costs = |line: &str| -> Option<[f64; 6]> {
        let words: Vec<_> = line.split_whitespace().collect();
        let numbers: Option<Vec<_>> = words.last_chunk::<6>()?.iter().map(|word| number(word)).collect();
        numbers?.try_into().ok()
    };
    run.stdout.lines().filter_map(costs).collect()
}

/// The steps with their families, and the time of all.
fn assert_times(run: &Run) {
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(run.stdout.contains("contract"), "{run:#?}");
    let all: Vec<_> = line(run, "all ").split_whitespace().collect();
    let (steps, ms): (usize, f64) = (all[0].parse().unwrap(), all[1].parse().unwrap());
    assert!(steps >= 3 && ms > 0.0, "{run:#?}");
    assert_plausible(run);
    let peak = line(run, "peak ").split_whitespace().next().unwrap();
    assert!(peak.parse::<f64>().unwrap() > 0.1, "{run:#?}");
}

/// However short a step is beside the step of the clock: it is not faster than the peak, and loses no less than nothing.
fn assert_plausible(run: &Run) {
    let rows = costs(run);
    assert!(
        rows.iter().any(|[_, _, gflops, ..]| gflops.is_finite()),
        "no step is seen by the clock: {run:#?}"
    );
    for [ms, _, _, _, share, lost] in rows {
        assert!(ms >= 0.0, "{run:#?}");
        assert!(
            share.is_nan() || (0.0..MOST).contains(&share),
            "{share} % of peak: {run:#?}"
        );
        assert!(
            lost.is_nan() || lost.is_sign_positive(),
            "{lost} ms lost: {run:#?}"
        );
    }
}

#[test]
fn steps_are_timed_in_node() {
    let scratch = bundle();
    let run = measured(|| {
        run(
            scratch.path(),
            &["bench", "dist", "--engine", "node", "--rounds", "3", "--top", "2"],
        )
    });
    assert_times(&run);
    assert!(run.stdout.contains("faster steps; --top shows more"), "{run:#?}");
    assert!(line(&run, "predict ").contains("ms (median)"), "{run:#?}");
}

#[test]
fn steps_are_timed_in_chromium() {
    let chromium = std::env::var_os("CHROMIUM").map_or("/usr/bin/chromium".into(), PathBuf::from);
    // Steps of a few microseconds, one of them a convolution by Winograd's algorithm.
    let scratch = Scratch::new();
    compile(&root().join("examples/digits/digits.h5"), &scratch.join("dist"));
    let run = measured(|| {
        let output = command(scratch.path())
            .args(["bench", "dist", "--rounds", "3"])
            .env("CHROMIUM", &chromium)
            .output()
            .unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    });
    assert_times(&run);
}

/// A GPU of software does where there is no other; nothing is compared with a peak that nobody knows.
#[test]
fn steps_are_timed_on_gpus() {
    let chromium = std::env::var_os("CHROMIUM").map_or("/usr/bin/chromium".into(), PathBuf::from);
    let scratch = bundle();
    for backend in ["webgpu", "webgl"] {
        let output = command(scratch.path())
            .args(["bench", "dist", "--rounds", "2", "--backend", backend])
            .env("CHROMIUM", &chromium)
            .output()
            .unwrap();
        let run = Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert_eq!(run.code, Some(0), "{backend}: {run:#?}");
        let all: Vec<_> = line(&run, "all ").split_whitespace().collect();
        let (steps, ms): (usize, f64) = (all[0].parse().unwrap(), all[1].parse().unwrap());
        assert!(steps >= 3 && ms > 0.0, "{backend}: {run:#?}");
        assert!(line(&run, "module ").contains("f32"), "{backend}: {run:#?}");
        assert!(!run.stdout.contains("peak"), "{backend}: {run:#?}");
    }
}

#[test]
fn backends_that_cannot_be_measured_are_refused() {
    let scratch = Scratch::new();
    let (model, out) = (models().join("k3-cnn.keras"), scratch.join("dist"));
    let arguments = [
        model.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--backends",
        "webgpu",
    ];
    assert_eq!(run(scratch.path(), &arguments).code, Some(0));
    let said = run(scratch.path(), &["bench", "dist", "--backend", "wasm"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
    assert_eq!(
        said.stderr,
        "error: --backend: the bundle holds nothing for \"wasm\"; it holds webgpu\n1 problem\n"
    );
    // Node has no GPU.
    let said = run(scratch.path(), &["bench", "dist", "--engine", "node"]);
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.stderr.contains("there is no WebGPU here"), "{said:#?}");
}

#[test]
fn engines_that_are_absent_are_named() {
    let scratch = bundle();
    let arguments = ["bench", "dist", "--chromium", "nowhere/chromium"];
    let said = run(scratch.path(), &arguments);
    assert_eq!(said.code, Some(2), "{said:#?}");
    for part in [
        "--chromium",
        "nowhere/chromium cannot be found",
        "choose --engine node",
    ] {
        assert!(said.stderr.contains(part), "{part}: {said:#?}");
    }
    let output = command(scratch.path())
        .args(["bench", "dist", "--engine", "node"])
        .env("PATH", scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("node cannot be found") && said.contains("install Node"),
        "{said}"
    );
}

#[test]
fn what_is_no_bundle_is_refused() {
    let scratch = bundle();
    let said = run(scratch.path(), &["bench", "."]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("the directory is no bundle"), "{said:#?}");
    let steps = scratch
        .contents()
        .into_iter()
        .find(|name| name.contains("steps."))
        .unwrap();
    std::fs::write(scratch.join(&steps), "[]").unwrap();
    let said = run(scratch.path(), &["bench", "dist", "--engine", "node"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains(&steps), "{said:#?}");
}
