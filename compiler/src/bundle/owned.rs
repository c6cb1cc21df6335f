//! Which files of a directory are a bundle's, and may go when it is replaced.
//!
//! A manifest may come from anywhere, and a directory may hold what its manifest does not tell. So a file is deleted only
//! when it has a name that this program gives, and is what the manifest says: a regular file with that SHA-256.

use super::hash::hex;
use super::manifest::{FileEntry, MANIFEST};
use super::stamp::{AnyEntry, Stamp, read_stamp};
use crate::backends::BACKENDS;
use crate::files::{self, Links};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;

/// Files without a hash in their names, of this version and of those before. Backends have more.
const FIXED: [&str; 8] = [
    "bundle.js",
    "index.d.ts",
    "index.js",
    "internal.d.ts",
    "model.js",
    "package.json",
    "source.js",
    "tensor.js",
];

/// Why a directory is not to be deleted.
#[derive(Debug, PartialEq)]
pub(super) enum Obstacle {
    /// It has no manifest of ours.
    NoBundle,
    /// What lies in it beside the bundle.
    Foreign(Vec<String>),
    /// A file of the bundle that somebody changed or replaced.
    Changed(String),
}

/// Tells by names whether all in a directory is a bundle's. An empty one is fine.
pub(super) fn names(directory: &Path) -> io::Result<Result<(), Obstacle>> {
    Ok(judge(directory)?.map(|_| ()))
}

/// Tells by names and contents whether all in a directory is a bundle's.
pub(super) fn contents(directory: &Path) -> io::Result<Result<(), Obstacle>> {
    let owned = match judge(directory)? {
        Ok(owned) => owned,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    for (name, entry) in owned {
        if entry.is_some_and(|entry| !matches(&directory.join(&name), &entry)) {
            return Ok(Err(Obstacle::Changed(name)));
        }
    }
    Ok(Ok(()))
}

/// Deletes a bundle whose contents were judged, file by file.
///
/// # Errors
/// What the operating system says, or that something in it is not the bundle's; then nothing is deleted.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    let owned = judge(directory)?.map_err(|_| io::Error::other("it holds more than a bundle"))?;
    let mut names: Vec<_> = owned.into_iter().map(|(name, _)| name).collect();
    // The manifest tells of the others until they are gone.
    names.sort_by_key(|name| name == MANIFEST);
    names
        .iter()
        .try_for_each(|name| fs::remove_file(directory.join(name)))?;
    fs::remove_dir(directory)
}

/// The names in a directory with what the manifest says of each, itself excepted.
type Owned = Vec<(String, Option<FileEntry>)>;

fn judge(directory: &Path) -> io::Result<Result<Owned, Obstacle>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        found.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.file_type()?.is_file(),
        ));
    }
    found.sort();
    if found.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let Some(Stamp { mut files, .. }) = read_stamp(directory) else {
        return Ok(Err(Obstacle::NoBundle));
    };
    let (mut owned, mut foreign, mut changed) = (Vec::new(), Vec::new(), None);
    for (name, regular) in found {
        let entry = match files.remove(&name) {
            Some(AnyEntry::Known(entry)) if is_ours(&name, &entry) => Some(entry),
            _ => None,
        };
        match entry.is_some() || name == MANIFEST {
            true if regular => owned.push((name, entry)),
            true => changed = Some(name),
            false => foreign.push(name),
        }
    }
    Ok(match changed {
        _ if !foreign.is_empty() => Err(Obstacle::Foreign(foreign)),
        Some(name) => Err(Obstacle::Changed(name)),
        None => Ok(owned),
    })
}

/// Whether this program gives files such names: fixed ones, and `<stem>.<8 digits of the hash>.<end>`.
fn is_ours(name: &str, entry: &FileEntry) -> bool {
    let parts: Vec<_> = name.split('.').collect();
    let hashed = match parts.as_slice() {
        [stem, hash, end] if is_end(end) => {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            stem.bytes().all(plain) && hash.len() == 8 && entry.sha256.starts_with(hash)
        }
        _ => false,
    };
    hashed || is_fixed(name)
}

/// Whether files with a hash in their names end so.
fn is_end(end: &str) -> bool {
    let mut code = BACKENDS.iter().flat_map(|backend| backend.files);
    matches!(end, "bin" | "json" | "js") || code.any(|file| file.end == end)
}

/// Whether a file without a hash has such a name.
pub(super) fn is_fixed(name: &str) -> bool {
    let mut scripts = BACKENDS.iter().flat_map(|backend| backend.scripts);
    FIXED.contains(&name) || scripts.any(|&script| script == name)
}

/// Whether a file is still what the manifest says; one that cannot be read is not known to be.
fn matches(path: &Path, entry: &FileEntry) -> bool {
    let Ok((mut file, bytes)) = files::open(path, Links::Refuse) else {
        return false;
    };
    let mut hash = Sha256::new();
    bytes == entry.bytes && io::copy(&mut file, &mut hash).is_ok() && hex(&hash.finalize()) == entry.sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_ours() {
        let entry = FileEntry {
            bytes: 1,
            sha256: "0123456789abcdef".repeat(4),
        };
        let code = BACKENDS.iter().flat_map(|backend| backend.files);
        let code = code.map(|file| format!("model-fast.01234567.{}", file.end));
        let scripts = BACKENDS.iter().flat_map(|backend| backend.scripts);
        let scripts = scripts.map(|&name| name.to_owned());
        let names = ["index.js", "steps.01234567.json", "weights-12.01234567.bin"];
        for name in names.map(str::to_owned).into_iter().chain(code).chain(scripts) {
            assert!(is_ours(&name, &entry), "{name}");
        }
        for name in [
            "labels.json",
            "steps.11234567.json",
            "a/b.01234567.bin",
            "A.01234567.bin",
            "x.01234567.h5",
            "x.012.bin",
        ] {
            assert!(!is_ours(name, &entry), "{name}");
        }
    }
}
