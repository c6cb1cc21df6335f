//! Bundles and directories of somebody else: names that lead away, links, pipes, numbers without end.

use crate::support::{Run, Scratch, command, compile, models, run, snapshot};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Runs the command and fails when it waits for something.
fn at_once(directory: &Path, arguments: &[&str]) -> Run {
    let (sender, receiver) = mpsc::channel();
    let mut command = command(directory);
    let command = command.args(arguments).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id().to_string();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let Ok(output) = receiver.recv_timeout(Duration::from_secs(30)) else {
        let _ = Command::new("kill").args(["-KILL", &process]).status();
        panic!("{arguments:?} hangs");
    };
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn bundle() -> Scratch {
    let scratch = Scratch::new();
    compile(&models().join("k3-cnn.keras"), &scratch.join("dist"));
    scratch
}

/// Changes the manifest of the bundle.
fn edit(scratch: &Scratch, change: impl FnOnce(&mut Value)) {
    let path = scratch.join("dist/manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

/// What a manifest says of a file with these bytes.
fn entry(bytes: &[u8]) -> Value {
    let hash: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({ "bytes": bytes.len(), "sha256": hash })
}

/// Each case changes a bundle; `--force` must refuse to replace it and leave it as it is.
#[test]
fn force_deletes_nothing_but_what_was_written() {
    type Change = fn(&Scratch);
    let cases: [(&str, Change); 10] = [
        ("a file of the user", |s| {
            fs::write(s.join("dist/labels.json"), "[]").unwrap()
        }),
        ("a file of the user that the manifest names", |s| {
            fs::write(s.join("dist/thesis.txt"), "years of work").unwrap();
            edit(s, |manifest| {
                manifest["files"]["thesis.txt"] = entry(b"years of work")
            });
        }),
        ("two files of the user", |s| {
            fs::write(s.join("dist/labels.json"), "[]").unwrap();
            fs::write(s.join("dist/page.html"), "").unwrap();
        }),
        ("an edited script", |s| {
            let text = fs::read_to_string(s.join("dist/index.js")).unwrap();
            fs::write(s.join("dist/index.js"), text + "// mine\n").unwrap();
        }),
        ("a file of the same length", |s| {
            let length = fs::metadata(s.join("dist/index.d.ts")).unwrap().len();
            fs::write(s.join("dist/index.d.ts"), vec![b' '; length as usize]).unwrap();
        }),
        ("a link in place of a file", |s| {
            fs::rename(s.join("dist/index.js"), s.join("index.js")).unwrap();
            symlink("../index.js", s.join("dist/index.js")).unwrap();
        }),
        ("a directory in place of a file", |s| {
            fs::remove_file(s.join("dist/index.js")).unwrap();
            fs::create_dir(s.join("dist/index.js")).unwrap();
        }),
        ("a pipe in place of a file", |s| {
            fs::remove_file(s.join("dist/index.js")).unwrap();
            pipe(&s.join("dist/index.js"));
        }),
        ("a pipe in place of the manifest", |s| {
            fs::remove_file(s.join("dist/manifest.json")).unwrap();
            pipe(&s.join("dist/manifest.json"));
        }),
        ("a manifest without end", |s| {
            fs::remove_file(s.join("dist/manifest.json")).unwrap();
            symlink("/dev/zero", s.join("dist/manifest.json")).unwrap();
        }),
    ];
    let model = models().join("k3-cnn.keras");
    let mut text = String::new();
    for (what, change) in cases {
        let scratch = bundle();
        change(&scratch);
        let before = scratch.contents();
        let run = at_once(
            scratch.path(),
            &[model.to_str().unwrap(), "--out", "dist", "--force", "--quiet"],
        );
        assert_eq!(run.code, Some(2), "{what}: {run:#?}");
        assert_eq!(scratch.contents(), before, "{what}");
        text += &format!("{what}\n{}\n", run.stderr);
    }
    snapshot("refused-replacements", &text);
}

/// A bundle that lacks files, or of another version with other scripts, is still one.
#[test]
fn force_replaces_what_is_a_bundle() {
    let scratch = bundle();
    fs::remove_file(scratch.join("dist/index.d.ts")).unwrap();
    fs::write(scratch.join("dist/source.js"), "older").unwrap();
    edit(&scratch, |manifest| {
        manifest["generator"] = json!("keras-compile 0.0.1");
        manifest["files"]["source.js"] = entry(b"older");
    });
    let model = models().join("k3-cnn.keras");
    let run = run(
        scratch.path(),
        &[model.to_str().unwrap(), "--out", "dist", "--force"],
    );
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(scratch.join("dist/index.d.ts").exists());
}

/// Each case changes the bundle; `inspect` and `bench` must say what is wrong, and `bench` must not run it.
#[test]
fn names_in_a_manifest_lead_nowhere() {
    type Change = fn(&Scratch);
    let cases: [(&str, Change); 8] = [
        ("a profile that is a device", |s| {
            edit(s, |m| m["backends"]["wasm"]["profile"] = json!("/dev/zero"))
        }),
        ("a profile outside", |s| {
            fs::write(s.join("steps.json"), "[]").unwrap();
            edit(s, |m| m["backends"]["wasm"]["profile"] = json!("../steps.json"));
        }),
        ("a profile that is not listed", |s| {
            fs::write(s.join("dist/steps.json"), "[]").unwrap();
            edit(s, |m| m["backends"]["wasm"]["profile"] = json!("steps.json"));
        }),
        ("a module that is not listed", |s| {
            edit(s, |m| {
                m["backends"]["wasm"]["code"]["relaxed"] = json!("../x.wasm")
            })
        }),
        ("weights that are not listed", |s| {
            edit(s, |m| m["weights"]["shards"][0] = json!("/dev/zero"))
        }),
        ("a listed file outside", |s| {
            fs::write(s.join("x"), "secret").unwrap();
            edit(s, |m| m["files"]["../x"] = entry(b"secret"));
        }),
        ("a listed link", |s| {
            fs::write(s.join("x"), "secret").unwrap();
            symlink("../x", s.join("dist/x")).unwrap();
            edit(s, |m| m["files"]["x"] = entry(b"secret"));
        }),
        ("a listed pipe", |s| {
            pipe(&s.join("dist/x"));
            edit(s, |m| m["files"]["x"] = entry(b""));
        }),
    ];
    let mut text = String::new();
    for (what, change) in cases {
        let scratch = bundle();
        change(&scratch);
        let inspected = at_once(scratch.path(), &["inspect", "dist"]);
        assert_eq!(inspected.code, Some(1), "{what}: {inspected:#?}");
        let run = at_once(scratch.path(), &["bench", "dist", "--engine", "node"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{what}");
        assert_eq!(run.stderr, inspected.stderr, "{what}");
        text += &format!("{what}\n{}\n", run.stderr);
    }
    snapshot("foreign-manifests", &text);
}

#[test]
fn numbers_in_a_manifest_are_not_trusted() {
    let scratch = bundle();
    edit(&scratch, |manifest| {
        manifest["backends"]["wasm"]["memory"] = json!(u64::MAX);
        manifest["weights"]["bytes"] = json!(u64::MAX);
        manifest["backends"]["wasm"]["steps"] = json!(u64::MAX);
        manifest["inputs"][0]["shape"] = json!([u64::MAX, u64::MAX]);
    });
    let inspected = at_once(scratch.path(), &["inspect", "dist"]);
    assert_eq!(inspected.code, Some(0), "{inspected:#?}");
    edit(&scratch, |manifest| {
        manifest["files"]["index.js"]["bytes"] = json!(u64::MAX)
    });
    let inspected = at_once(scratch.path(), &["inspect", "dist"]);
    assert!(inspected.stderr.contains("index.js: has"), "{inspected:#?}");
}

#[test]
fn pipes_are_not_waited_for() {
    let scratch = bundle();
    pipe(&scratch.join("pipe.h5"));
    fs::create_dir(scratch.join("pipes")).unwrap();
    pipe(&scratch.join("pipes/manifest.json"));
    let model = models().join("k3-cnn.keras");
    let json = models().join("k2-cnn.model.json");
    let (model, json) = (model.to_str().unwrap(), json.to_str().unwrap());
    let cases: [(&[&str], &str); 8] = [
        (
            &["pipe.h5", "--out", "new"],
            "it is a pipe, a socket or a device, not a regular file; write it to a file first",
        ),
        (
            &["inspect", "pipe.h5"],
            "it is a pipe, a socket or a device, not a regular file; write it to a file first",
        ),
        (
            &[json, "--weights", "pipe.h5", "--out", "new"],
            "pipe.h5: it is a pipe, a socket or a device",
        ),
        (&[model, "--out", "pipe.h5"], "exists and is not a directory"),
        (
            &[model, "--out", "pipes", "--force"],
            "exists and is not a bundle",
        ),
        (
            &["inspect", "pipes"],
            "pipes/manifest.json: cannot be read (it is a pipe",
        ),
        (
            &["bench", "pipes"],
            "pipes/manifest.json: cannot be read (it is a pipe",
        ),
        (&["serve", "pipe.h5", "--port", "0"], "it is not a directory"),
    ];
    for (arguments, said) in cases {
        let run = at_once(scratch.path(), arguments);
        assert_ne!(run.code, Some(0), "{arguments:?}");
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn the_benchmark_says_that_it_runs_what_it_is_given() {
    let scratch = Scratch::new();
    let help = run(scratch.path(), &["bench", "--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("runs the bundle's code"), "{help}");
}
