//! Puts a directory in its place in one step.

use super::inspect::{Stamp, read_stamp};
use super::manifest::{FileEntry, MANIFEST};
use crate::error::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where a bundle will be.
#[derive(Debug)]
pub struct Target {
    /// As the user wrote it, for messages.
    shown: String,
    /// The directory itself, symbolic links resolved.
    path: PathBuf,
    force: bool,
}

impl Target {
    /// Checks that a bundle may be written to `out`: there is nothing yet, or an empty directory, or with `force` a
    /// bundle without other files.
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
        let target = Self { shown, path, force };
        target.check()?;
        Ok(target)
    }

    fn check(&self) -> Result<()> {
        let elsewhere = "choose another --out, or move it away";
        if self.path.file_name().is_none() {
            return Err(self.refuse("names no directory that could be created", elsewhere));
        }
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
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
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| io_error(&self.shown, "read", &error))?;
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            names.push((entry.file_name().to_string_lossy().into_owned(), folder));
        }
        names.sort();
        self.check_entries(&names)
    }

    /// `names` says of each entry whether it is a directory.
    fn check_entries(&self, names: &[(String, bool)]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let Some(Stamp { files, .. }) = read_stamp(&self.path) else {
            return Err(self.refuse(
                "exists and is not a bundle",
                "choose another --out, or move it away; --force replaces bundles only",
            ));
        };
        let ours = |name: &String| name == MANIFEST || files.contains_key(name);
        let foreign: Vec<_> = names
            .iter()
            .filter(|(name, folder)| *folder || !ours(name))
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        if let [first, rest @ ..] = foreign.as_slice() {
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            return Err(self.refuse(
                format!("is a bundle that also holds {first}{more}"),
                "move what is not the bundle's away, or choose another --out",
            ));
        }
        if self.force {
            return Ok(());
        }
        Err(self.refuse("is a bundle already", "add --force to replace it"))
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
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let mut staging = Staging {
            shown: self.shown.clone(),
            path: PathBuf::new(),
            parents: Vec::new(),
            files: BTreeMap::new(),
        };
        staging.create_parents(parent).map_err(failed)?;
        staging.path = self
            .free_name("partial", |path| fs::create_dir(path))
            .map_err(failed)?;
        Ok(staging)
    }

    /// Tries hidden names beside the target until `take` finds one that is free.
    fn free_name(&self, kind: &str, take: impl Fn(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
        let process = std::process::id();
        let mut number = 0;
        loop {
            let path = self
                .path
                .with_file_name(format!(".keras-compile-{kind}-{process}-{number}"));
            match take(&path) {
                Err(error) if [AlreadyExists, DirectoryNotEmpty].contains(&error.kind()) && number < 100 => {
                    number += 1
                }
                result => return result.map(|()| path),
            }
        }
    }

    /// Moves a finished directory to its place, an old bundle out of its way.
    pub(super) fn commit(&self, mut staging: Staging) -> Result<()> {
        let failed = |error: io::Error| io_error(&self.shown, "written", &error);
        // Others may have been here since the first check.
        self.check()?;
        let old = match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                let old = self.free_name("old", |path| fs::rename(&self.path, path));
                Some(old.map_err(failed)?)
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => None,
        };
        if let Err(error) = fs::rename(&staging.path, &self.path) {
            if let Some(old) = &old {
                fs::rename(old, &self.path).map_err(failed)?;
            }
            return Err(failed(error));
        }
        staging.path = PathBuf::new();
        staging.parents.clear();
        match old {
            Some(old) => fs::remove_dir_all(&old)
                .map_err(|error| io_error(&old.display().to_string(), "removed", &error)),
            None => Ok(()),
        }
    }
}

/// A directory that is being filled; dropped unfinished, it and the parents made for it vanish.
#[derive(Debug)]
pub(super) struct Staging {
    shown: String,
    path: PathBuf,
    /// Directories that did not exist before, outermost first.
    parents: Vec<PathBuf>,
    files: BTreeMap<String, FileEntry>,
}

impl Staging {
    fn create_parents(&mut self, parent: &Path) -> io::Result<()> {
        let missing: Vec<_> = parent.ancestors().take_while(|path| !path.exists()).collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => self.parents.push(path.to_owned()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

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
        fs::rename(&file.path, self.path.join(&name))
            .map_err(|error| io_error(&self.shown, "written", &error))?;
        let bytes = file.bytes;
        self.files.insert(name.clone(), FileEntry { bytes, sha256 });
        Ok(name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What fails here could only be reported over the error that led here.
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.path);
        }
        for parent in self.parents.iter().rev() {
            let _ = fs::remove_dir(parent);
        }
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

/// Hexadecimal digits of a hash.
pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `<path>: cannot be <done> (<reason>)`.
pub(super) fn io_error(path: &str, done: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io(format!("cannot be {done} ({error})"))).in_file(path)
}
