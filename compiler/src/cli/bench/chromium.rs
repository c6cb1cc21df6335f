//! Headless Chromium as an engine: it gets the bundle and a page from a server of ours, and sends the result back.

use super::running::Running;
use super::{Options, absent, failed, script};
use crate::cli::serve::{Request, Response, Root, listen};
use keras_compile::backends::Backend;
use keras_compile::error::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Names under which it is installed.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Most bytes of a result.
const MAX_RESULT: usize = 4 << 20;

/// How often to see whether the browser still lives.
const WATCH: Duration = Duration::from_millis(200);

/// Runs the bundle in a page, with these flags besides others; what the script answers.
pub(super) fn run(options: &Options, backend: &Backend, flags: &[&str]) -> Result<String> {
    let root = Root::new(&options.directory)?;
    let (sender, results) = mpsc::channel();
    let page = page(backend);
    let address = listen(0, MAX_RESULT, move |request: &Request| match &request.body {
        Some(body) => {
            // Nobody listens any more once the first result was taken.
            let _ = sender.send(String::from_utf8_lossy(body).into_owned());
            Response::message("200 OK", "Thank you.")
        }
        None if request.path == [""] => Response::page(page.clone()),
        None => root.respond(request),
    })?;
    let (rounds, threads, backend) = (options.rounds, options.threads, backend.name);
    let url = format!("http://{address}/?rounds={rounds}&threads={threads}&backend={backend}");
    let running = Running::new()?;
    let profile = running
        .directory()
        .map_err(|error| failed(options, &format!("no temporary directory: {error}")))?;
    start(options, &running, &profile, flags, &url)?;
    wait(options, &running, &results)
}

fn page(backend: &Backend) -> String {
    let script = script(backend, include_str!("page.js"));
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>bench</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <script type=\"module\">\n{script}</script>\n"
    )
}

/// Until there is a result or no browser.
fn wait(options: &Options, running: &Running, results: &Receiver<String>) -> Result<String> {
    loop {
        match results.recv_timeout(WATCH) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("the server ended")),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = running.status() {
                    return Err(failed(options, &format!("Chromium ended with {status}")));
                }
            }
        }
    }
}

fn start(options: &Options, running: &Running, profile: &Path, flags: &[&str], url: &str) -> Result<()> {
    let names: Vec<PathBuf> = match &options.chromium {
        Some(path) => vec![path.clone()],
        None => NAMES.iter().map(PathBuf::from).collect(),
    };
    for name in &names {
        let mut command = Command::new(name);
        command
            .args(["--headless", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .args(flags)
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // It refuses to build its sandbox then.
        if is_superuser() {
            command.arg("--no-sandbox");
        }
        match running.start(command.arg(url)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(options, &format!("{}: {error}", name.display()))),
        }
    }
    let shown = names[0].display().to_string();
    Err(absent(
        &shown,
        "--chromium",
        "install Chromium, name it with --chromium or CHROMIUM, or choose --engine node",
    ))
}

/// Whether this process may do everything.
fn is_superuser() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}
