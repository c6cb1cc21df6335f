//! Node as an engine.

use super::running::Running;
use super::{Place, Script, absent, write};
use keras_compile::backends::Backend;
use keras_compile::error::Result;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the bundle in Node; what the script answers.
pub(super) fn run(place: &Place, backend: &Backend, script: &Script) -> Result<Vec<u8>> {
    let running = Running::new()?;
    let refused = |error: io::Error| place.failed(&format!("no temporary directory: {error}"));
    let directory = running.directory().map_err(refused)?;
    write(&directory, "settings", script.settings.as_bytes()).map_err(refused)?;
    write(&directory, "samples", &script.samples).map_err(refused)?;
    let text = [&script.text, include_str!("node.js")].concat();
    let text = write(&directory, "script.mjs", text.as_bytes()).map_err(refused)?;
    let node = |flags: &[&str]| node(place, &running, &directory, &text, flags);
    let mut output = node(backend.bench.node_flags)?;
    // Other versions do not know the flags and do not need them.
    if String::from_utf8_lossy(&output.stderr).contains("bad option") {
        output = node(&[])?;
    }
    if !output.status.success() {
        return Err(place.failed(&String::from_utf8_lossy(&output.stderr)));
    }
    let answer = File::open(directory.join("answer"));
    let mut bytes = Vec::new();
    answer
        .and_then(|answer| answer.take(script.most as u64).read_to_end(&mut bytes))
        .map_err(|error| place.failed(&format!("no answer: {error}")))?;
    Ok(bytes)
}

fn node(place: &Place, running: &Running, directory: &Path, script: &Path, flags: &[&str]) -> Result<Output> {
    let mut command = Command::new("node");
    command
        .args(flags)
        .arg(script)
        .args([&place.directory, directory])
        .stdin(Stdio::null());
    running.output(&mut command).map_err(|error| match error.kind() {
        ErrorKind::NotFound => absent(
            "node",
            "--engine",
            "install Node from version 20 on, or choose --engine chromium",
        ),
        _ => place.failed(&format!("node: {error}")),
    })
}
