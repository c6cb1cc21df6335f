//! What ends with this process: the engine, and the directory that was made for it.

use crate::cli::signals;
use keras_compile::error::Result;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most names that are tried for a directory.
const ATTEMPTS: u32 = 1000;

/// How often removing it is tried, every 50 ms.
const ATTEMPTS_TO_REMOVE: u32 = 60;

/// An engine and its directory; both are gone when it is dropped, or a signal ends this process.
pub(super) struct Running(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    child: Option<Child>,
    directory: Option<PathBuf>,
}

impl Running {
    /// Nothing runs yet.
    pub(super) fn new() -> Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let other = Arc::clone(&state);
        signals::on_end(move || {
            let mut state = lock(&other);
            state.end();
            // Nothing is to be started any more.
            mem::forget(state);
        })?;
        Ok(Self(state))
    }

    /// Makes an empty directory.
    pub(super) fn directory(&self) -> io::Result<PathBuf> {
        let mut state = lock(&self.0);
        let process = std::process::id();
        for number in 0..ATTEMPTS {
            let path = std::env::temp_dir().join(format!("keras-compile-run-{process}-{number}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|()| state.directory.insert(path).clone()),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Starts a program.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.child = Some(command.spawn()?);
        Ok(())
    }

    /// How the program ended, if it has.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        lock(&self.0).child.as_mut()?.try_wait().ok()?
    }

    /// Runs a program to its end.
    pub(super) fn output(&self, command: &mut Command) -> io::Result<Output> {
        self.start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let pipes = lock(&self.0)
            .child
            .as_mut()
            .map(|child| (child.stdout.take(), child.stderr.take()));
        let (out, err) = pipes.unwrap_or_default();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| err.map_or(Ok(0), |mut err| err.read_to_end(&mut stderr)));
            let read = out.map_or(Ok(0), |mut out| out.read_to_end(&mut stdout));
            read.and(reading.join().unwrap_or(Ok(0)))
        })?;
        let child = lock(&self.0).child.take();
        let status = child.map_or(Err(ErrorKind::NotFound.into()), |mut child| child.wait())?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.0).end();
    }
}

impl State {
    fn end(&mut self) {
        // It may have ended by itself.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let Some(directory) = self.directory.take() else {
            return;
        };
        // A browser's last processes may still write into it, or make it anew.
        let mut gone = 0;
        for _ in 0..ATTEMPTS_TO_REMOVE {
            let removed = fs::remove_dir_all(&directory);
            let absent = removed.is_err_and(|error| error.kind() == ErrorKind::NotFound);
            gone = if absent { gone + 1 } else { 0 };
            if gone == 2 {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
