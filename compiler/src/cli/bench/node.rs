//! Node as an engine.

use super::running::Running;
use super::{Options, absent, failed, script};
use keras_compile::backends::Backend;
use keras_compile::error::Result;
use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

/// Runs the bundle in Node; what the script answers.
pub(super) fn run(options: &Options, backend: &Backend) -> Result<String> {
    let running = Running::new()?;
    let mut output = node(options, backend, &running, backend.bench.node_flags)?;
    // Other versions do not know the flags and do not need them.
    if String::from_utf8_lossy(&output.stderr).contains("bad option") {
        output = node(options, backend, &running, &[])?;
    }
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(options, &String::from_utf8_lossy(&output.stderr)))
    }
}

fn node(options: &Options, backend: &Backend, running: &Running, flags: &[&str]) -> Result<Output> {
    let script = script(backend, include_str!("node.js"));
    let settings = format!(
        "{{\"rounds\":{},\"threads\":{},\"backend\":\"{}\"}}",
        options.rounds, options.threads, backend.name
    );
    let mut command = Command::new("node");
    command
        .args(flags)
        .args(["--input-type=module", "--eval", &script, "--"])
        .arg(&options.directory)
        .arg(settings)
        .stdin(Stdio::null());
    running.output(&mut command).map_err(|error| match error.kind() {
        ErrorKind::NotFound => absent(
            "node",
            "--engine",
            "install Node from version 20 on, or choose --engine chromium",
        ),
        _ => failed(options, &format!("node: {error}")),
    })
}
