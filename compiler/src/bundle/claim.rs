//! Hidden neighbours of a target: what is being written, and what is being replaced.
//!
//! They are claimed by a lock file, made before and removed after them, which the operating system unlocks when a process
//! dies, however it dies. So what nobody holds any more can be told from what another run is writing this very moment.

use super::owned;
use crate::files::{self, Links};
use sha2::{Digest, Sha256};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Most names that are tried.
const ATTEMPTS: u32 = 1000;

/// The name of the lock file ends so.
const LOCK: &str = "lock";

/// A free name beside a target, held until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Claim {
    /// Takes a name and makes the directory to write in.
    pub(super) fn new(target: &Path) -> io::Result<Self> {
        let prefix = prefix(target);
        for number in 0..ATTEMPTS {
            let path = target.with_file_name(format!("{prefix}{}-{number}.{LOCK}", std::process::id()));
            let lock = match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            // A run that sweeps may have come between; where there are no locks, nobody sweeps.
            if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) || !is_at(&lock, &path) {
                continue;
            }
            let claim = Self { path, _lock: lock };
            match fs::create_dir(claim.partial()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| claim),
            }
        }
        Err(io::Error::other("all names beside it are taken"))
    }

    /// The directory that is being filled.
    pub(super) fn partial(&self) -> PathBuf {
        partial(&self.path)
    }

    /// Where a bundle that is being replaced waits for its end.
    pub(super) fn old(&self) -> PathBuf {
        old(&self.path)
    }

    /// Gives the name up but leaves its lock file, so that the next run sweeps.
    pub(super) fn leave(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What stays is swept the next time. Nothing has an empty name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what runs that were killed left beside `target`, and gives back the bundle that one had only put aside. What
/// cannot be removed stays: that is no reason not to compile.
pub(super) fn sweep(target: &Path) {
    let prefix = prefix(target);
    let Some(Ok(entries)) = target.parent().map(fs::read_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&prefix)
            && entry.path().extension().is_some_and(|end| end == LOCK)
        {
            let _ = clear(&entry.path(), target);
        }
    }
}

fn clear(path: &Path, target: &Path) -> io::Result<()> {
    let (lock, _) = files::open(path, Links::Refuse)?;
    if lock.try_lock().is_err() || !is_at(&lock, path) {
        return Ok(());
    }
    let (partial, old) = (partial(path), old(path));
    if old.symlink_metadata().is_ok() {
        match target.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(&old, target)?,
            _ if owned::contents(&old)?.is_ok() => owned::remove(&old)?,
            _ => return Ok(()),
        }
    }
    match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::remove_file(path),
    }
}

/// Begins the names of all that belongs to a target.
fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    let hash = super::hash::hex(&Sha256::digest(name.as_encoded_bytes()));
    format!(".keras-compile-{}-", &hash[..16])
}

fn partial(lock: &Path) -> PathBuf {
    lock.with_extension("partial")
}

fn old(lock: &Path) -> PathBuf {
    lock.with_extension("old")
}

/// Whether the open file is still the one at the path.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(found)) => files::identity(&open) == files::identity(&found),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target in a directory of its own.
    fn place(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("keras-compile-claim-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path.join("dist")
    }

    fn names(target: &Path) -> Vec<String> {
        let entries = fs::read_dir(target.parent().unwrap()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What a process that is killed leaves: the files, and no lock.
    fn abandon(target: &Path) -> PathBuf {
        let claim = Claim::new(target).unwrap();
        fs::write(claim.partial().join("unnamed"), "half").unwrap();
        let path = claim.path.clone();
        claim.leave();
        path
    }

    #[test]
    fn what_is_held_is_not_swept() {
        let target = place("held");
        let claim = Claim::new(&target).unwrap();
        sweep(&target);
        assert!(claim.partial().is_dir());
        assert_eq!(names(&target).len(), 2, "{:?}", names(&target));
        let other = Claim::new(&target).unwrap();
        assert_ne!(claim.partial(), other.partial());
        for claim in [claim, other] {
            fs::remove_dir(claim.partial()).unwrap();
        }
        assert_eq!(names(&target), Vec::<String>::new());
        fs::remove_dir_all(target.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_is_abandoned_is_swept_for_its_target_only() {
        let target = place("abandoned");
        let other = target.with_file_name("other");
        abandon(&target);
        abandon(&other);
        fs::write(target.with_file_name(".keras-compile-mine.lock"), "").unwrap();
        assert_eq!(names(&target).len(), 5);
        sweep(&target);
        assert_eq!(names(&target).len(), 3, "{:?}", names(&target));
        sweep(&other);
        assert_eq!(names(&target), [".keras-compile-mine.lock"]);
        fs::remove_dir_all(target.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_bundle_that_was_put_aside_comes_back() {
        let target = place("aside");
        let path = abandon(&target);
        fs::create_dir(old(&path)).unwrap();
        fs::write(old(&path).join("thesis.txt"), "years of work").unwrap();
        sweep(&target);
        assert_eq!(names(&target), ["dist"]);
        assert!(target.join("thesis.txt").exists());
        // Where another has taken its place, nothing but a bundle's files is removed.
        let path = abandon(&target);
        fs::create_dir(old(&path)).unwrap();
        fs::write(old(&path).join("thesis.txt"), "years of work").unwrap();
        sweep(&target);
        assert!(old(&path).join("thesis.txt").exists());
        fs::remove_dir_all(target.parent().unwrap()).unwrap();
    }
}
