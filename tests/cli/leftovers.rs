//! What a run leaves that does not come to its end, and what the next one makes of it.

use crate::support::{Scratch, command, compile, models, root};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A small file that makes a bundle of 17 MB. `make_wide.py` made it.
fn wide() -> PathBuf {
    root().join("tests/cli/wide.h5")
}

/// Starts to compile to `dist`.
fn start(scratch: &Scratch, flags: &[&str]) -> Child {
    let mut command = command(scratch.path());
    command
        .arg(wide())
        .args(["--out", "new/dist", "--quiet"])
        .args(flags);
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the process has something beside the target, or has ended; tells whether it has not.
fn writes(scratch: &Scratch, child: &mut Child) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if hidden(&scratch.join("new"))
            .iter()
            .any(|name| name.ends_with(".partial"))
        {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
    }
    panic!("nothing was written in a minute");
}

fn hidden(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Ends runs at 40 moments of their writing.
#[test]
fn a_signal_leaves_nothing() {
    let signals = [("-INT", 2), ("-TERM", 15), ("-HUP", 1)];
    let mut interrupted = 0;
    for turn in 0..40 {
        let scratch = Scratch::new();
        let mut child = start(&scratch, &[]);
        let (signal, number) = signals[turn as usize % signals.len()];
        if writes(&scratch, &mut child) {
            std::thread::sleep(Duration::from_micros(turn * turn * 25));
            send(signal, &child);
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "");
        match output.status.signal() {
            Some(found) => {
                assert_eq!(found, number);
                interrupted += 1;
                // It may have been done just before.
                let contents = scratch.contents();
                assert!(
                    contents.is_empty() || contents.contains(&"new/dist/manifest.json".to_owned()),
                    "{signal} in turn {turn} left {contents:?}"
                );
            }
            None => assert_eq!(output.status.code(), Some(0)),
        }
        assert_eq!(
            hidden(&scratch.join("new")),
            Vec::<String>::new(),
            "{signal} in turn {turn}"
        );
    }
    assert!(interrupted >= 10, "{interrupted} of 40 were interrupted");
}

#[test]
fn what_a_killed_run_leaves_is_swept_by_the_next_one() {
    let scratch = Scratch::new();
    let mut left = 0;
    for turn in 0..6 {
        let mut child = start(&scratch, &["--force"]);
        if writes(&scratch, &mut child) {
            std::thread::sleep(Duration::from_millis(turn * 3));
            send("-KILL", &child);
        }
        child.wait().unwrap();
        let found = hidden(&scratch.join("new"));
        left += usize::from(!found.is_empty());
        // What the run before has left is gone: a directory and its lock at most.
        assert!(found.len() <= 3, "{found:?}");
    }
    assert!(left > 0, "no run was killed in time");
    // Another target is not its business.
    compile(&models().join("k3-cnn.keras"), &scratch.join("new/other"));
    let before = hidden(&scratch.join("new"));
    compile(&models().join("k3-cnn.keras"), &scratch.join("last/dist"));
    assert_eq!(hidden(&scratch.join("new")), before);
    let output = start(&scratch, &["--force"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(hidden(&scratch.join("new")), Vec::<String>::new());
}

/// While one run is stopped amid its writing, another writes to the same place.
#[test]
fn runs_do_not_sweep_each_other() {
    for flags in [&[][..], &["--force"]] {
        let scratch = Scratch::new();
        let mut first = start(&scratch, flags);
        if !writes(&scratch, &mut first) {
            panic!("the first run ended too soon");
        }
        send("-STOP", &first);
        let before = hidden(&scratch.join("new"));
        let second = start(&scratch, flags).wait_with_output().unwrap();
        assert_eq!(second.status.code(), Some(0), "{second:?}");
        let after = hidden(&scratch.join("new"));
        assert_eq!(after, before, "the second run took what the first one is writing");
        send("-CONT", &first);
        let first = first.wait_with_output().unwrap();
        let said = String::from_utf8(first.stderr).unwrap();
        let expected = if flags.is_empty() { 2 } else { 0 };
        assert_eq!(first.status.code(), Some(expected), "{said}");
        assert_eq!(
            said.contains("add --force to replace it"),
            flags.is_empty(),
            "{said}"
        );
        assert_eq!(hidden(&scratch.join("new")), Vec::<String>::new());
        assert!(scratch.join("new/dist/manifest.json").exists());
    }
}

/// Many runs replace the same bundle; one of them is the last, and nothing else is left.
#[test]
fn runs_at_once_end_with_one_bundle() {
    let scratch = Scratch::new();
    let compile = |model: &str| {
        let mut command = command(scratch.path());
        command
            .arg(models().join(model))
            .args(["--out", "dist", "--force", "--quiet"]);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    for round in 0..8 {
        let runs: Vec<_> = ["k3-cnn.keras", "k2-sequential.h5", "k2-cnn.h5", "k3-cnn.keras"]
            .map(compile)
            .into();
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert_eq!(
                output.status.code(),
                Some(0),
                "{round}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        assert_eq!(hidden(scratch.path()), Vec::<String>::new());
        let inspected = crate::support::run(scratch.path(), &["inspect", "dist"]);
        assert_eq!(inspected.code, Some(0), "{inspected:?}");
    }
}

#[test]
fn what_was_to_be_ignored_is_ignored() {
    let scratch = Scratch::new();
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_keras-compile")).arg(wide());
    command
        .args(["--out", "new/dist", "--quiet"])
        .current_dir(scratch.path());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(writes(&scratch, &mut child), "it ended too soon");
    send("-HUP", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A page's server, an engine and its directory end with the command.
#[test]
fn a_benchmark_that_is_ended_leaves_nothing() {
    let scratch = Scratch::new();
    compile(&models().join("k3-cnn.keras"), &scratch.join("dist"));
    fs::create_dir(scratch.join("temporary")).unwrap();
    let engines = ["chromium", "node"];
    for engine in engines {
        let mut command = command(scratch.path());
        command.args(["bench", "dist", "--rounds", "10000", "--engine", engine]);
        let chromium = std::env::var_os("CHROMIUM").unwrap_or("/usr/bin/chromium".into());
        command
            .env("CHROMIUM", chromium)
            .env("TMPDIR", scratch.join("temporary"));
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let children = || children(child.id());
        while children().is_empty() && begin.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let started = children();
        assert!(!started.is_empty(), "{engine} was not started");
        std::thread::sleep(Duration::from_millis(500));
        send("-TERM", &child);
        let status = { child }.wait().unwrap();
        assert_eq!(status.signal(), Some(15), "{engine}: {status}");
        for process in started {
            assert!(
                !Path::new(&format!("/proc/{process}")).exists(),
                "{engine} goes on"
            );
        }
        let left = fs::read_dir(scratch.join("temporary"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left
            .filter(|name| name.to_string_lossy().starts_with("keras-compile"))
            .collect();
        assert!(left.is_empty(), "{engine} left {left:?}");
    }
}

/// The processes that a process has started and that live.
fn children(process: u32) -> Vec<String> {
    let path = format!("/proc/{process}/task/{process}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().map(str::to_owned).collect()
}
