//! Giving a compilation up from another thread.

use super::claim::Claim;
use crate::error::{Error, ErrorKind, Result};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Gives compilations up: what they have written vanishes, and they end with [`ErrorKind::Cancelled`] as soon as they would
/// write more. Clones stand for the same compilations. A program that is told to end by a signal cancels first.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    begun: Vec<Weak<Traces>>,
}

/// What an unfinished compilation has made on the disk.
#[derive(Debug)]
pub(super) struct Traces {
    /// The directory that is being filled; none when the compilation has ended.
    claim: Mutex<Option<Claim>>,
    /// Directories that did not exist before, outermost first.
    parents: Vec<PathBuf>,
}

impl CancelToken {
    /// Gives up. When this returns nothing is left, and nothing more will be written.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        state
            .begun
            .drain(..)
            .filter_map(|traces| traces.upgrade())
            .for_each(|traces| traces.remove());
    }

    /// Whether to go on: between parts of long work that writes nothing.
    ///
    /// # Errors
    /// When somebody has given up.
    pub fn check(&self) -> Result<()> {
        self.hold().map(drop)
    }

    /// As long as this is held nobody gives up.
    ///
    /// # Errors
    /// When somebody has.
    pub(super) fn hold(&self) -> Result<Held<'_>> {
        let state = self.lock();
        match state.cancelled {
            true => Err(Error::new(ErrorKind::Cancelled)),
            false => Ok(Held(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this lives, nothing is cancelled.
#[derive(Debug)]
pub(super) struct Held<'a>(MutexGuard<'a, State>);

impl Held<'_> {
    /// Has something removed when the compilation is given up.
    pub(super) fn begin(&mut self, claim: Claim, parents: Vec<PathBuf>) -> Arc<Traces> {
        let claim = Mutex::new(Some(claim));
        let traces = Arc::new(Traces { claim, parents });
        self.0.begun.retain(|traces| traces.strong_count() > 0);
        self.0.begun.push(Arc::downgrade(&traces));
        traces
    }
}

impl Traces {
    /// The claim ends, and what was made stays.
    pub(super) fn finish(&self) -> Option<Claim> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Removes everything, once. Who calls this meanwhile waits.
    pub(super) fn remove(&self) {
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(claim) = claim.take() else { return };
        // What fails here could only be reported over what led here.
        match fs::remove_dir_all(claim.partial()) {
            // An old bundle that could not be put back waits for the next run.
            Ok(()) if !claim.old().exists() => drop(claim),
            _ => claim.leave(),
        }
        remove_parents(&self.parents);
    }
}

/// Removes directories, the last first, unless something else is in them.
pub(super) fn remove_parents(parents: &[PathBuf]) {
    for parent in parents.iter().rev() {
        let _ = fs::remove_dir(parent);
    }
}
