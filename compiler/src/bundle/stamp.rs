//! What a manifest of any version says.

use super::manifest::{FileEntry, MANIFEST, PROGRAM};
use crate::files::{self, Links};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Most bytes of a manifest that are read: a thousand times what a large model needs.
const MAX_MANIFEST: u64 = 16 << 20;

/// The part of a manifest that all versions share.
#[derive(Debug, Deserialize)]
pub(super) struct Stamp {
    /// The version of the layout.
    pub(super) format: u32,
    /// The program that wrote it.
    pub(super) generator: String,
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

/// The stamp of a manifest, if it is one of ours.
pub(super) fn stamp(text: &[u8]) -> Option<Stamp> {
    let stamp: Stamp = serde_json::from_slice(text).ok()?;
    stamp.generator.starts_with(PROGRAM).then_some(stamp)
}

/// The text of a manifest, up to a limit.
pub(super) fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let (file, _) = files::open(path, Links::Refuse)?;
    file.take(MAX_MANIFEST).read_to_end(&mut text)?;
    Ok(text)
}
