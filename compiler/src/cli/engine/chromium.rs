//! Headless Chromium as an engine: it gets the bundle and a page from a server of ours, and sends the result back.

use super::running::Running;
use super::{Place, Script, absent};
use crate::cli::serve::{Request, Response, Root, listen};
use keras_compile::error::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Names under which it is installed.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// How often to see whether the browser still lives.
const WATCH: Duration = Duration::from_millis(200);

/// Runs the bundle in a page, with these flags besides others; what the script answers.
pub(super) fn run(place: &Place, script: &Script, flags: &[&str]) -> Result<Vec<u8>> {
    let root = Root::new(&place.directory)?;
    let (sender, results) = mpsc::channel();
    let page = page(script);
    // A bundle has no folders.
    let beside = [
        ("settings", Arc::from(script.settings.as_bytes())),
        ("samples", Arc::clone(&script.samples)),
    ];
    let address = listen(0, script.most, move |request: &Request| match &request.body {
        Some(body) => {
            // Nobody listens any more once the first result was taken.
            let _ = sender.send(body.clone());
            Response::message("200 OK", "Thank you.")
        }
        None if request.path == [""] => Response::page(page.clone()),
        None => match beside.iter().find(|(name, _)| request.path == ["run", *name]) {
            Some((_, bytes)) => Response::bytes(Arc::clone(bytes)),
            None => root.respond(request),
        },
    })?;
    let url = format!("http://{address}/");
    let running = Running::new()?;
    let profile = running
        .directory()
        .map_err(|error| place.failed(&format!("no temporary directory: {error}")))?;
    start(place, &running, &profile, flags, &url)?;
    wait(place, &running, &results)
}

fn page(script: &Script) -> String {
    let script = [&script.text, include_str!("page.js")].concat();
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>keras-compile</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <script type=\"module\">\n{script}</script>\n"
    )
}

/// Until there is a result or no browser.
fn wait(place: &Place, running: &Running, results: &Receiver<Vec<u8>>) -> Result<Vec<u8>> {
    loop {
        match results.recv_timeout(WATCH) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("the server ended")),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = running.status() {
                    return Err(place.failed(&format!("Chromium ended with {status}")));
                }
            }
        }
    }
}

fn start(place: &Place, running: &Running, profile: &Path, flags: &[&str], url: &str) -> Result<()> {
    let names: Vec<PathBuf> = match &place.chromium {
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
            Err(error) => return Err(place.failed(&format!("{}: {error}", name.display()))),
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
