//! `manifest.json`: what a bundle holds, for the loader and for [`inspect`](super::inspect()).

use crate::error::{Error, Result};
use crate::text::printable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the only file that is not listed in itself.
pub(super) const MANIFEST: &str = "manifest.json";

/// The layout that this version writes; the loader reads exactly one.
pub(super) const FORMAT: u32 = 1;

/// Begins the generator of every bundle, by which one is told from other directories.
pub(super) const PROGRAM: &str = "keras-compile";

/// This program and its version.
pub(super) const GENERATOR: &str = concat!("keras-compile ", env!("CARGO_PKG_VERSION"));

/// The contents of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub format: u32,
    /// The program that wrote the bundle, with its version.
    pub generator: String,
    /// The model's name.
    pub model: String,
    /// The model's inputs, in Keras' order.
    pub inputs: Vec<Slot>,
    /// The model's outputs, in Keras' order.
    pub outputs: Vec<Slot>,
    /// The memory that all modules share.
    pub memory: Memory,
    /// Steps that are run once, when the weights are there: the first that the modules' `run(begin, end)` counts.
    pub prepare: usize,
    /// Steps of a prediction, those that follow.
    pub steps: usize,
    /// The file with what each step does, as [`report::steps`](crate::report::steps) tells it; read for profiles only.
    pub profile: String,
    /// The code.
    pub backends: Backends,
    /// The constants.
    pub weights: WeightFiles,
    /// Every file of the bundle but the manifest.
    pub files: BTreeMap<String, FileEntry>,
}

/// An input or output and where it lies in the memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Keras' name.
    pub name: String,
    /// Extents, batch first.
    pub shape: Vec<usize>,
    /// Keras' element type, which says what TypedArray a page passes.
    pub dtype: String,
    /// The element type in memory.
    pub storage: Storage,
    /// Byte address.
    pub offset: usize,
    /// What the elements of an input must be, where they are indices: the first, and the one after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[i64; 2]>,
}

/// Element types in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// IEEE 754 binary32.
    F32,
    /// Two's complement 32-bit integer.
    I32,
}

/// The memory that the modules import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its size in units of 64 KiB.
    pub pages: usize,
}

/// The code for each backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backends {
    /// WebAssembly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasm: Option<Wasm>,
}

/// The wasm modules by the instructions they need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wasm {
    /// With relaxed SIMD.
    pub relaxed: String,
    /// With SIMD128 only.
    pub baseline: String,
    /// Those that threads share, if the bundle has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<Threads>,
}

/// The wasm modules for threads, and what they need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threads {
    /// With relaxed SIMD.
    pub relaxed: String,
    /// With SIMD128 only.
    pub baseline: String,
    /// Bytes of scratch memory for every thread but the first.
    pub scratch: usize,
    /// Byte address of four words by which the host wakes the first thread; those of the others lie 64 bytes before.
    pub command: usize,
    /// The number of threads beyond which a prediction gains little.
    pub useful: usize,
}

/// The constants, cut into files that follow each other in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightFiles {
    /// Byte address of the first.
    pub offset: usize,
    /// Bytes of all.
    pub bytes: usize,
    /// File names in order.
    pub shards: Vec<String>,
    /// For each shard, how many of the steps to prepare can be run when it and those before it are there.
    pub ready: Vec<usize>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map(|text| text + "\n")
            .map_err(|error| Error::internal(format!("the manifest cannot be written ({error})")))
    }

    /// Number of files of the bundle and the sum of their bytes, the manifest included.
    pub fn total(&self) -> (usize, u64) {
        let own = self.to_json().map_or(0, |text| text.len() as u64);
        let others: u64 = self.files.values().map(|file| file.bytes).sum();
        (self.files.len() + 1, others + own)
    }

    /// The files that it names outside the list of all.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let wasm = self.backends.wasm.iter();
        let code = wasm.flat_map(|wasm| {
            let threads = wasm.threads.iter().flat_map(|t| [&t.baseline, &t.relaxed]);
            [&wasm.baseline, &wasm.relaxed].into_iter().chain(threads)
        });
        code.chain(&self.weights.shards)
            .chain([&self.profile])
            .map(String::as_str)
    }

    /// The manifest as members of an object in a script, a line each, those of objects in it as well.
    pub(super) fn to_lines(&self) -> Result<Vec<String>> {
        let value = serde_json::to_value(self)
            .map_err(|error| Error::internal(format!("the manifest cannot be written ({error})")))?;
        // JSON is JavaScript, and so is what Rust escapes of characters that cannot be seen.
        let shown = |value: &serde_json::Value| printable(&value.to_string()).into_owned();
        let mut lines = Vec::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(members) => {
                    lines.push(format!("{key}: {{"));
                    lines.extend(
                        members
                            .iter()
                            .map(|(name, value)| format!("  '{name}': {value},")),
                    );
                    lines.push("},".to_owned());
                }
                None => lines.push(format!("{key}: {},", shown(value))),
            }
        }
        Ok(lines)
    }
}
