//! What the command prints, as snapshots: help, usage errors, problems of models, tables.

use crate::support::{self, Scratch, models, root, run, snapshot};
use keras_compile::text::printable_lines;
use serde_json::{Value, json};
use std::fs;

/// What the command says in the directory of the small models.
fn transcripts(name: &str, lines: &[&[&str]]) {
    support::transcripts(name, &models(), lines);
}

#[test]
fn help() {
    transcripts(
        "help",
        &[
            &["--help"],
            &["inspect", "--help"],
            &["build", "--help"],
            &["serve", "--help"],
            &["bench", "--help"],
            &["verify", "--help"],
            &["--version"],
        ],
    );
}

#[test]
fn usage() {
    transcripts(
        "usage",
        &[
            &["k3-cnn.h5"],
            &["--out", "OUT"],
            &["k3-cnn.h5", "--out", "OUT", "--backends", "wasm,webnn"],
            &["k3-cnn.h5", "--out", "OUT", "--backends", ""],
            &["k3-cnn.h5", "--emit", "plan", "--backends", "webnn"],
            &["k3-cnn.h5", "--emit", "ir", "--out", "OUT"],
            &["k3-cnn.h5", "--emit", "wat", "--stop-after", "dead_code"],
            &["k3-cnn.h5", "--emit", "ir", "--stop-after", "no_such_pass"],
            &["k3-cnn.h5", "--out", "OUT", "--quiet", "--verbose"],
            &["k3-cnn.h5", "--out", "OUT", "--input-shape", "1,x"],
            &["k3-cnn.h5", "--out", "OUT", "--input-shape", "other=1,6,6,2"],
            &["k3-cnn.h5", "--out", "OUT", "--input-shape", "1,7,7,2"],
            &["k3-cnn.h5", "--out", "OUT", "--quantize", "int9"],
            &["k3-cnn.h5", "--out", "OUT", "--quantize", ""],
            &["k3-cnn.h5", "--out", "OUT", "--quantize", "conv*=half"],
            &["k3-cnn.h5", "--out", "OUT", "--quantize", "int8,int4"],
            &["k3-cnn.h5", "--out", "OUT", "--quantize", "=int8"],
            &["k3-cnn.h5", "--out", "OUT", "--quantize", "no-such*=int8,f16"],
            &["k3-cnn.h5", "--out", "OUT", "--samples", "samples.npz"],
            &[
                "k3-cnn.h5",
                "--out",
                "OUT",
                "--quantize",
                "auto",
                "--compute",
                "int8",
            ],
            &[
                "k3-cnn.h5",
                "--out",
                "OUT",
                "--quantize",
                "int8",
                "--samples",
                "no-such.npz",
            ],
            &[
                "k3-cnn.h5",
                "--out",
                "OUT",
                "--quantize",
                "int8",
                "--samples",
                "k3-cnn.h5",
            ],
            &["k3-cnn.model.json", "--out", "OUT"],
            &["k3-cnn.h5", "k3-cnn.keras"],
            &["k3-cnn.h5", "--out", "OUT", "k3-cnn.keras"],
            &["inspect", "k3-cnn.h5", "k3-cnn.keras"],
            &["k3-cnn.h5", "--out", "OUT", "serve", "."],
            &["serve", "no-such-directory"],
            &["serve", ".", "--port", "65536"],
        ],
    );
}

/// What a small network is in the languages of shaders.
#[test]
fn shaders_as_text() {
    for language in ["wgsl", "glsl"] {
        let said = run(&models(), &["k3-cnn.h5", "--emit", language, "--quiet"]);
        assert_eq!(said.code, Some(0), "{said:#?}");
        assert_eq!(said.stderr, "");
        snapshot(language, &said.stdout);
    }
}

#[test]
fn files_that_are_no_models() {
    transcripts(
        "no-models",
        &[
            &["no-such-file.h5", "--out", "OUT"],
            &[".", "--out", "OUT"],
            &["../golden.py", "--out", "OUT"],
            &["k3-cnn.weights.h5", "--out", "OUT"],
            &[
                "k3-cnn.model.json",
                "--weights",
                "k3-sequential.h5",
                "--out",
                "OUT",
            ],
            &["k3-cnn.model.json", "--weights", "../golden.py", "--out", "OUT"],
            &["inspect", "no-such-file.h5"],
            &["inspect", "."],
        ],
    );
}

/// Finds a layer of an architecture by name.
fn layer<'a>(model: &'a mut Value, name: &str) -> &'a mut Value {
    let layers = model["config"]["layers"].as_array_mut().unwrap();
    layers
        .iter_mut()
        .find(|layer| layer["config"]["name"] == name)
        .unwrap()
}

#[test]
fn all_problems_at_once() {
    let text = fs::read_to_string(models().join("k3-cnn.model.json")).unwrap();
    let mut model: Value = serde_json::from_str(&text).unwrap();
    layer(&mut model, "average")["class_name"] = json!("Mystery");
    layer(&mut model, "drop")["class_name"] = json!("Lambda");
    layer(&mut model, "conv")["config"]["padding"] = json!("sideways");
    layer(&mut model, "conv")["config"]["made_up"] = json!([1, "two"]);
    let scratch = Scratch::new();
    fs::write(scratch.join("model.json"), model.to_string()).unwrap();
    let weights = models().join("k3-cnn.weights.h5");
    fs::copy(weights, scratch.join("w.h5")).unwrap();
    let mut text = String::new();
    for arguments in [
        &["model.json", "--weights", "w.h5", "--out", "dist"][..],
        &["inspect", "model.json", "--weights", "w.h5"],
    ] {
        text += &(run(scratch.path(), arguments).transcript(arguments) + "\n");
    }
    assert_eq!(scratch.contents(), ["model.json", "w.h5"]);
    snapshot("problems", &text);
}

#[test]
fn names_cannot_steer_a_terminal() {
    let text = fs::read_to_string(models().join("k3-cnn.model.json")).unwrap();
    let mut model: Value = serde_json::from_str(&text).unwrap();
    layer(&mut model, "conv")["class_name"] = json!("\u{1b}[31mRed\nerror: forged");
    let scratch = Scratch::new();
    fs::write(scratch.join("model.json"), model.to_string()).unwrap();
    let weights = models().join("k3-cnn.weights.h5");
    let weights = weights.to_str().unwrap();
    for arguments in [
        &["model.json", "--weights", weights, "--out", "dist"][..],
        &["inspect", "model.json", "--weights", weights],
    ] {
        let run = run(scratch.path(), arguments);
        let said = run.stdout.clone() + &run.stderr;
        assert_eq!(run.code, Some(1));
        assert!(
            !said.contains('\u{1b}') && !said.contains("\nerror: forged"),
            "{said}"
        );
    }
}

/// Characters that cannot be seen or reorder a line are escaped in tables, graphs, plans, reports and types.
#[test]
fn nothing_printed_is_invisible() {
    let name = "x\u{202e}gnp.live\u{202c}\u{2028}\u{200b}\u{1b}]0;hi\u{7}";
    let scratch = Scratch::new();
    let text = fs::read_to_string(models().join("k3-cnn.model.json")).unwrap();
    for old in ["image", "conv", "average"] {
        assert!(text.contains(&format!("\"{old}\"")), "{text}");
    }
    let renamed = |old: &str| json!(format!("{old}{name}")).to_string();
    let text = ["image", "conv", "average"].iter().fold(text, |text, old| {
        text.replace(&format!("\"{old}\""), &renamed(old))
    });
    let directory = format!("m{name}").replace('/', "");
    fs::create_dir(scratch.join(&directory)).unwrap();
    let model = scratch.join(&directory).join("model.json");
    fs::write(&model, text).unwrap();
    let weights = models().join("k3-cnn.weights.h5");
    let given = [model.to_str().unwrap(), "--weights", weights.to_str().unwrap()];
    let out = scratch.join(&directory).join("dist");
    let out = out.to_str().unwrap();
    let lines: [&[&str]; 7] = [
        &["--out", out, "--verbose"],
        &["--emit", "ir"],
        &["--emit", "plan"],
        &["--emit", "wat"],
        &["--out", out],
        &["inspect"],
        &["inspect", out],
    ];
    for arguments in lines {
        let arguments: Vec<&str> = match arguments {
            ["inspect", ..] if arguments.len() == 2 => arguments.to_vec(),
            ["inspect"] => [&["inspect"], &given[..]].concat(),
            _ => [&given[..], arguments].concat(),
        };
        let run = run(scratch.path(), &arguments);
        let said = run.stdout.clone() + &run.stderr;
        assert!(
            said.contains("\\u{202e}") || said.contains("(module"),
            "{arguments:?}: {said}"
        );
        assert_eq!(said, printable_lines(&said), "{arguments:?}");
    }
    let types = fs::read_to_string(format!("{out}/index.d.ts")).unwrap();
    assert!(
        types.contains("image") && types == printable_lines(&types),
        "{types}"
    );
}

#[test]
fn inspect_shows_layers() {
    transcripts(
        "inspect-models",
        &[
            &["inspect", "k3-cnn.keras"],
            &["inspect", "k2-nested.h5"],
            &["inspect", "k3-cnn.model.json", "--weights", "k3-cnn.weights.h5"],
        ],
    );
}

#[test]
fn exact_convolutions_are_computed_product_by_product() {
    let plan = |more: &[&str]| {
        let arguments = [&["examples/digits/digits.h5", "--emit", "plan", "--quiet"], more].concat();
        run(&root(), &arguments).stdout
    };
    assert!(plan(&[]).contains(" = Winograd("));
    let exact = plan(&["--exact"]);
    assert!(exact.contains(" = Contract(") && !exact.contains(" = Winograd("));
}

#[test]
fn representations() {
    let out = run(&models(), &["k3-cnn.keras", "--emit", "ir", "--quiet"]);
    assert_eq!((out.code, out.stderr.as_str()), (Some(0), ""));
    assert!(out.stdout.contains("output \""), "{}", out.stdout);
    let early = run(
        &models(),
        &["k3-cnn.keras", "--emit", "ir", "--stop-after", "dead_code", "-q"],
    );
    assert_eq!(early.code, Some(0));
    assert!(
        early.stdout.lines().count() > out.stdout.lines().count(),
        "passes fuse"
    );
    let plan = run(&models(), &["k3-cnn.keras", "--emit", "plan", "--quiet"]);
    assert_eq!(plan.code, Some(0));
    for part in [
        "arena ",
        "weights ",
        "input \"image\" f32[1,6,6,2] at arena+",
        "k0 = ",
        "0: k0(",
    ] {
        assert!(plan.stdout.contains(part), "{part:?} is not in\n{}", plan.stdout);
    }
    let wat = run(&models(), &["k3-cnn.keras", "--emit", "wat", "--quiet"]);
    assert_eq!(wat.code, Some(0));
    assert!(wat.stdout.starts_with("(module"), "{}", wat.stdout);
    assert!(wat.stdout.contains("f32x4.relaxed_madd"));
}

#[test]
fn reports() {
    let scratch = Scratch::new();
    let text = |flags: &[&str]| {
        let out = scratch.join(&format!("dist{}", flags.len()));
        let mut arguments = vec!["k3-cnn.keras", "--out", out.to_str().unwrap()];
        arguments.extend(flags);
        let run = run(&models(), &arguments);
        assert_eq!(run.code, Some(0), "{run:#?}");
        (run.stdout, run.stderr)
    };
    let (short, progress) = text(&[]);
    for part in [
        "kernel", "MFLOP", "share", "contract", "100.0 %", "memory", "wasm", "passes",
    ] {
        assert!(short.contains(part), "{part:?} is not in\n{short}");
    }
    assert_eq!(
        progress,
        "reading\nlowering\noptimising\nplanning\ngenerating code\nwriting\n"
    );
    assert_eq!(text(&["--quiet", "--force"]), (String::new(), String::new()));
    let (long, times) = text(&["--verbose"]);
    assert!(long.lines().count() > short.lines().count(), "{long}");
    assert!(times.contains("reading took "), "{times}");
}

#[test]
fn a_file_may_be_called_like_a_command() {
    let scratch = Scratch::new();
    fs::copy(models().join("k3-cnn.keras"), scratch.join("inspect")).unwrap();
    let run = run(scratch.path(), &["./inspect", "--out", "dist"]);
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(scratch.join("dist/manifest.json").exists());
}

/// Runs a line of a shell in which `$0` is the command.
fn shell(script: &str) -> (Option<i32>, String) {
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_keras-compile")])
        .current_dir(models());
    let output = shell.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn output_may_be_cut_short() {
    let (code, said) = shell("{ $0 k3-cnn.keras --emit wat --quiet; echo $? >&2; } | head -1");
    assert_eq!((code, said.as_str()), (Some(0), "0\n"));
}

#[test]
fn output_must_not_be_lost() {
    let (code, said) = shell("$0 k3-cnn.keras --emit wat --quiet > /dev/full");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: the output cannot be written"), "{said}");
}

#[test]
fn a_terminal_gets_a_bar() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    let line = format!(
        "{} k3-cnn.keras --out {}",
        env!("CARGO_BIN_EXE_keras-compile"),
        out.display()
    );
    // util-linux's script gives the command a terminal.
    let mut script = std::process::Command::new("script");
    let output = script
        .args(["-qec", &line, "/dev/null"])
        .current_dir(models())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    for part in ["█", "reading", "generating code", "kernel"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}
