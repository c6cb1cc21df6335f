//! Node as an engine.

use super::running::Running;
use super::{Options, SCRIPT, absent, failed};
use keras_compile::error::Result;
use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

/// Needed before Node 22, and unknown to later ones.
const RELAXED: &str = "--experimental-wasm-relaxed-simd";

/// Runs the bundle in Node; what the script answers.
pub(super) fn run(options: &Options) -> Result<String> {
    let running = Running::new()?;
    let mut output = node(options, &running, &[RELAXED])?;
    if String::from_utf8_lossy(&output.stderr).contains("bad option") {
        output = node(options, &running, &[])?;
    }
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(options, &String::from_utf8_lossy(&output.stderr)))
    }
}

fn node(options: &Options, running: &Running, flags: &[&str]) -> Result<Output> {
    let script = [SCRIPT, include_str!("node.js")].concat();
    let settings = format!(
        "{{\"rounds\":{},\"threads\":{}}}",
        options.rounds, options.threads
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
