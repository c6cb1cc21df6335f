//! Reads a bundle back.

use super::directory::io_error;
use super::hash::hex;
use super::manifest::{ENCODED_FORMAT, FORMAT, FileEntry, MANIFEST, Manifest, Section};
use super::stamp::{read_limited, stamp};
use crate::backends;
use crate::error::{Error, Result};
use crate::files::{self, Links};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

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
    if ![FORMAT, ENCODED_FORMAT].contains(&stamp.format) {
        let what = format!("has format {}, not {FORMAT} or {ENCODED_FORMAT}", stamp.format);
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
    let sections = manifest.backends.iter();
    let faults = sections.filter_map(|(name, section)| {
        fault(name, section).or_else(|| unready(name, section, manifest.weights.shards.len()))
    });
    let strange = faults.chain(manifest.weights.disorder());
    let strange = strange.map(|what| wrong(what).help("compile the model anew"));
    let problems = unlisted.chain(strange).chain(damaged).collect();
    Ok(Inspection { manifest, problems })
}

/// What is wrong with a backend's section.
fn fault(name: &str, section: &Section) -> Option<String> {
    let Some(backend) = backends::find(name) else {
        return Some(format!("names a backend {name:?}, which does not exist"));
    };
    let why = (backend.check)(&section.own).err()?;
    Some(format!("is damaged (backends.{name}: {why})"))
}

/// What is wrong with what a section says of steps that can be run early.
fn unready(name: &str, section: &Section, files: usize) -> Option<String> {
    let ready = &section.ready;
    let grows = ready.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1]);
    let sound = match ready.last() {
        None => true,
        Some(all) => ready.len() == files && grows && all[1] == section.steps,
    };
    (!sound).then(|| format!("is damaged (backends.{name}.ready: its files and steps are others)"))
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
