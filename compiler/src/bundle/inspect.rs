//! Reads a bundle back.

use super::directory::{hex, io_error};
use super::manifest::{FORMAT, FileEntry, MANIFEST, Manifest, PROGRAM};
use crate::error::{Error, Result};
use crate::files::{self, Links};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Most bytes of a manifest that are read: a thousand times what a large model needs.
const MAX_MANIFEST: u64 = 16 << 20;

/// A bundle and what is wrong with it.
#[derive(Debug)]
pub struct Inspection {
    /// What the bundle says of itself.
    pub manifest: Manifest,
    /// Files that are missing or not what the manifest says.
    pub problems: Vec<Error>,
}

/// Reads the manifest of the bundle at `directory` and checks every file against it.
///
/// # Errors
/// When the manifest cannot be read or is not one of ours.
pub fn inspect(directory: &Path) -> Result<Inspection> {
    let path = directory.join(MANIFEST);
    let shown = path.display().to_string();
    let text = read_limited(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::malformed("the directory is no bundle: it has no manifest.json")
            .in_file(directory.display().to_string()),
        _ => io_error(&shown, "read", &error),
    })?;
    let wrong = |what: String| Error::malformed(what).in_file(&shown);
    let stamp = stamp(&text).ok_or_else(|| wrong("is not the manifest of a bundle".to_owned()))?;
    if stamp.format != FORMAT {
        let what = format!("has format {}, not {FORMAT}", stamp.format);
        return Err(wrong(what).help(format!(
            "inspect it with the version that wrote it, {}",
            stamp.generator
        )));
    }
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("is damaged ({error})")).help("compile the model anew"))?;
    let unlisted = manifest
        .named()
        .filter(|&name| !manifest.files.contains_key(name));
    let unlisted = unlisted.map(|name| {
        wrong(format!("names {name:?}, which is not among its files")).help("compile the model anew")
    });
    let files = manifest.files.iter();
    let damaged = files.filter_map(|(name, entry)| check(directory, name, entry).err());
    let problems = unlisted.chain(damaged).collect();
    Ok(Inspection { manifest, problems })
}

/// Opens a file of the bundle at `directory` and tells its length.
///
/// # Errors
/// When `name` is no plain name, as one of a foreign manifest may be, or no regular file has it.
pub fn open(directory: &Path, name: &str) -> Result<(File, u64)> {
    let path = directory.join(name);
    let shown = path.display().to_string();
    if name.contains(['/', '\\', ':']) || name.contains(char::is_control) || matches!(name, "." | ".." | "") {
        return Err(Error::malformed("is no name of a file in a bundle")
            .in_file(&shown)
            .help("compile the model anew"));
    }
    files::open(&path, Links::Refuse).map_err(|error| io_error(&shown, "read", &error))
}

fn check(directory: &Path, name: &str, entry: &FileEntry) -> Result<()> {
    let shown = directory.join(name).display().to_string();
    let wrong = |what: String| {
        Err(Error::malformed(what)
            .in_file(&shown)
            .help("compile the model anew"))
    };
    let (mut file, bytes) = open(directory, name)?;
    if bytes != entry.bytes {
        return wrong(format!("has {bytes} bytes, {} in the manifest", entry.bytes));
    }
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(|error| io_error(&shown, "read", &error))?;
    if hex(&hash.finalize()) != entry.sha256 {
        return wrong("is damaged: its SHA-256 is not the one in the manifest".to_owned());
    }
    Ok(())
}

/// The part of a manifest that all versions share.
#[derive(Debug, Deserialize)]
pub(super) struct Stamp {
    format: u32,
    generator: String,
    /// The files by name.
    pub(super) files: BTreeMap<String, AnyEntry>,
}

/// What any version says of a file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum AnyEntry {
    /// As this version does.
    Known(FileEntry),
    /// In another way.
    Other(serde::de::IgnoredAny),
}

/// What a directory says of itself, if it is a bundle of any version.
pub(super) fn read_stamp(directory: &Path) -> Option<Stamp> {
    stamp(&read_limited(&directory.join(MANIFEST)).ok()?)
}

fn stamp(text: &[u8]) -> Option<Stamp> {
    let stamp: Stamp = serde_json::from_slice(text).ok()?;
    stamp.generator.starts_with(PROGRAM).then_some(stamp)
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let (file, _) = files::open(path, Links::Refuse)?;
    file.take(MAX_MANIFEST).read_to_end(&mut text)?;
    Ok(text)
}
