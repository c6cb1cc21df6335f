//! Puts a directory in its place in one step.

use super::cancel::{CancelToken, Traces, remove_parents};
use super::claim::{Claim, sweep};
use super::hash::hex;
use super::manifest::FileEntry;
use super::owned::{self, Obstacle};
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often another run may be quicker.
const ATTEMPTS: u32 = 10;

/// Where a bundle will be.
#[derive(Debug)]
pub struct Target {
    /// As the user wrote it, for messages.
    shown: String,
    /// The directory itself, symbolic links resolved.
    path: PathBuf,
    force: bool,
    cancel: CancelToken,
}

impl Target {
    /// Checks that a bundle may be written to `out`: there is nothing yet, or an empty directory, or with `force` a
    /// bundle that nobody changed, without other files. Removes what runs that were killed left beside it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it may not; [`ErrorKind::Io`] when it cannot be told.
    pub fn new(out: &Path, force: bool) -> Result<Self> {
        let shown = out.display().to_string();
        let refused = |error: io::Error| io_error(&shown, "used as the output directory", &error);
        let path = match fs::symlink_metadata(out) {
            Ok(found) => fs::canonicalize(out).map_err(|error| match found.is_symlink() {
                true => {
                    refused(error).help("it is a link that leads nowhere; remove it, or choose another --out")
                }
                false => refused(error),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::path::absolute(out).map_err(refused)?
            }
            Err(error) => return Err(refused(error)),
        };
        let target = Self {
            shown,
            path,
            force,
            cancel: CancelToken::default(),
        };
        sweep(&target.path);
        target.check()?;
        Ok(target)
    }

    /// As the user wrote it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Lets `cancel` end what is written here.
    pub fn cancelled_by(self, cancel: CancelToken) -> Self {
        Self { cancel, ..self }
    }

    /// Whether a bundle may take the place of what is there now.
    fn check(&self) -> Result<()> {
        let there = || {
            self.path
                .symlink_metadata()
                .ok()
                .and_then(|found| files::identity(&found))
        };
        let mut attempts = 0;
        loop {
            let before = there();
            let checked = self.check_once();
            attempts += 1;
            // Another run may have put a new bundle there while the old one was looked at.
            if checked.is_ok() || there() == before || attempts == ATTEMPTS {
                return checked;
            }
        }
    }

    fn check_once(&self) -> Result<()> {
        let elsewhere = "choose another --out, or move it away";
        if self.path.file_name().is_none() {
            return Err(self.refuse("names no directory that could be created", elsewhere));
        }
        let empty = match fs::read_dir(&self.path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(self.refuse("exists and is not a directory", elsewhere));
            }
            Err(error) => return Err(io_error(&self.shown, "read", &error)),
        };
        if std::env::current_dir().is_ok_and(|here| here.starts_with(&self.path)) {
            return Err(self.refuse(
                "is the current directory",
                "go elsewhere, or choose another --out",
            ));
        }
        let judged = match self.force {
            true => owned::contents(&self.path),
            false => owned::names(&self.path),
        };
        self.allow(judged)?;
        match empty || self.force {
            true => Ok(()),
            false => Err(self.refuse("is a bundle already", "add --force to replace it")),
        }
    }

    /// Refuses to delete what is not a bundle's.
    fn allow(&self, judged: io::Result<Result<(), Obstacle>>) -> Result<()> {
        let obstacle = match judged.map_err(|error| io_error(&self.shown, "read", &error))? {
            Ok(()) => return Ok(()),
            Err(obstacle) => obstacle,
        };
        let (what, help) = match obstacle {
            Obstacle::NoBundle => (
                "exists and is not a bundle".to_owned(),
                "choose another --out, or move it away; --force replaces bundles only",
            ),
            Obstacle::Foreign(names) => (
                format!("is a bundle that also holds {}", some(&names)),
                "move what is not the bundle's away, or choose another --out",
            ),
            Obstacle::Changed(name) => (
                format!("holds {name:?}, which is not as the manifest describes it"),
                "--force deletes only what was written here before; move the file away, or choose another --out",
            ),
        };
        Err(self.refuse(what, help))
    }

    fn refuse(&self, what: impl Into<String>, help: &str) -> Error {
        Error::new(ErrorKind::Usage(what.into()))
            .in_file(&self.shown)
            .in_field("--out")
            .help(help)
    }

    /// Makes an empty directory beside the target.
    pub(super) fn stage(&self) -> Result<Staging> {
        let failed = |error: io::Error| io_error(&self.shown, "created", &error);
        let mut held = self.cancel.hold()?;
        let parents = create_parents(self.path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        let claim = Claim::new(&self.path).map_err(|error| {
            remove_parents(&parents);
            failed(error)
        })?;
        Ok(Staging {
            shown: self.shown.clone(),
            path: claim.partial(),
            old: claim.old(),
            cancel: self.cancel.clone(),
            traces: held.begin(claim, parents),
            files: BTreeMap::new(),
        })
    }

    /// Moves a finished directory to its place, an old bundle out of its way.
    pub(super) fn commit(&self, staging: Staging) -> Result<()> {
        let removed = |error: io::Error| io_error(&staging.old.display().to_string(), "removed", &error);
        // Others may have been here since the first check.
        self.check()?;
        let _held = self.cancel.hold()?;
        let mut attempts = 0;
        let replaces = loop {
            let replaces = self.put_aside(&staging.old)?;
            let Err(error) = fs::rename(&staging.path, &self.path) else {
                break replaces;
            };
            // Another run may have been quicker; then its bundle takes the place of the one that was put aside.
            if replaces && fs::rename(&staging.old, &self.path).is_err() {
                owned::remove(&staging.old).map_err(removed)?;
            }
            self.check()?;
            attempts += 1;
            if attempts == ATTEMPTS {
                return Err(io_error(&self.shown, "written", &error));
            }
        };
        let claim = staging.traces.finish();
        if replaces && let Err(error) = owned::remove(&staging.old) {
            claim.into_iter().for_each(Claim::leave);
            return Err(removed(error));
        }
        Ok(())
    }

    /// Moves what is at the target's place to `old`; tells whether there was anything.
    fn put_aside(&self, old: &Path) -> Result<bool> {
        let failed = |error: io::Error| io_error(&self.shown, "written", &error);
        match fs::remove_dir(&self.path) {
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(failed(error)),
            Err(error) if !self.force => return self.check().and(Err(failed(error))),
            Err(_) => match fs::rename(&self.path, old) {
                // Another run has put it aside meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                renamed => renamed.map_err(failed)?,
            },
        }
        // Now nobody who knows its name can add to it.
        let allowed = self.allow(owned::names(old));
        if allowed.is_err() {
            fs::rename(old, &self.path).map_err(failed)?;
        }
        allowed.map(|()| true)
    }
}

/// The first of some names, quoted, and how many more there are.
fn some(names: &[String]) -> String {
    match names {
        [first, rest @ ..] if !rest.is_empty() => format!("{first:?} and {} more", rest.len()),
        _ => names.iter().map(|name| format!("{name:?}")).collect(),
    }
}

/// Makes a directory and those above it; gives those that were not there, outermost first.
fn create_parents(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<_> = parent.ancestors().take_while(|path| !path.exists()).collect();
    let mut made = Vec::new();
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            Ok(()) => made.push(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                remove_parents(&made);
                return Err(error);
            }
        }
    }
    Ok(made)
}

/// A directory that is being filled; dropped unfinished, it and the parents made for it vanish.
#[derive(Debug)]
pub(super) struct Staging {
    shown: String,
    path: PathBuf,
    /// Where a bundle that is being replaced goes.
    old: PathBuf,
    cancel: CancelToken,
    traces: Arc<Traces>,
    files: BTreeMap<String, FileEntry>,
}

impl Staging {
    /// The finished files.
    pub(super) fn files(&self) -> &BTreeMap<String, FileEntry> {
        &self.files
    }

    /// Writes a whole file.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut file = self.create()?;
        file.write(bytes)?;
        self.finish(file, |_| name.to_owned()).map(|_| ())
    }

    /// Writes a whole file whose name carries its hash, and gives that name.
    pub(super) fn add_hashed(&mut self, stem: &str, end: &str, bytes: &[u8]) -> Result<String> {
        let mut file = self.create()?;
        file.write(bytes)?;
        self.finish_hashed(file, stem, end)
    }

    /// Starts a file without a name.
    pub(super) fn create(&self) -> Result<NewFile> {
        let _held = self.cancel.hold()?;
        let path = self.path.join("unnamed");
        let file = File::create_new(&path).map_err(|error| io_error(&self.shown, "written", &error))?;
        Ok(NewFile {
            shown: self.shown.clone(),
            path,
            file,
            bytes: 0,
            hash: Sha256::new(),
        })
    }

    /// Ends a file; its name is `<stem>.<8 digits of its hash>.<end>`.
    pub(super) fn finish_hashed(&mut self, file: NewFile, stem: &str, end: &str) -> Result<String> {
        self.finish(file, |hash| format!("{stem}.{}.{end}", &hash[..8]))
    }

    fn finish(&mut self, file: NewFile, name: impl Fn(&str) -> String) -> Result<String> {
        let sha256 = hex(&file.hash.finalize());
        let name = name(&sha256);
        let _held = self.cancel.hold()?;
        fs::rename(&file.path, self.path.join(&name))
            .map_err(|error| io_error(&self.shown, "written", &error))?;
        let bytes = file.bytes;
        self.files.insert(name.clone(), FileEntry { bytes, sha256 });
        Ok(name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.traces.remove();
    }
}

/// A file that is hashed while it is written.
pub(super) struct NewFile {
    shown: String,
    path: PathBuf,
    file: File,
    bytes: u64,
    hash: Sha256,
}

impl NewFile {
    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Appends; there is no buffer, so pass large pieces.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|error| io_error(&self.shown, "written", &error))
    }
}

/// `<path>: cannot be <done> (<reason>)`.
pub(super) fn io_error(path: &str, done: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io(format!("cannot be {done} ({error})"))).in_file(path)
}
