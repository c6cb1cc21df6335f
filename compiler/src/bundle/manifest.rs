//! `manifest.json`: what a bundle holds, for the loader and for [`inspect`](super::inspect()).

use super::element::ElementType;
use crate::backends;
use crate::error::{Error, Result};
use crate::preparation::{Picture, Step, ValueId, Words};
use crate::report::WeightSizes;
use crate::tensor::Encoding;
use crate::text::printable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the only file that is not listed in itself.
pub(super) const MANIFEST: &str = "manifest.json";

/// The layout that this version writes.
pub(super) const FORMAT: u32 = 2;

/// The same with weights that must be decoded, of which other loaders know nothing.
pub(super) const ENCODED_FORMAT: u32 = 3;

/// Begins the generator of every bundle, by which one is told from other directories.
pub(super) const PROGRAM: &str = "keras-compile";

/// This program and its version.
pub(super) const GENERATOR: &str = concat!("keras-compile ", env!("CARGO_PKG_VERSION"));

/// The contents of a bundle: what is true of the model whatever runs it, and a section for each backend.
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
    /// What each backend adds, by its name.
    pub backends: BTreeMap<String, Section>,
    /// The constants.
    pub weights: WeightFiles,
    /// What is done to strings outside of tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strings: Option<StringWork>,
    /// The names of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelFile>,
    /// Every file of the bundle but the manifest.
    pub files: BTreeMap<String, FileEntry>,
}

/// Names of what the last axis of an output stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelFile {
    /// The file, a list of strings in JSON.
    pub file: String,
    /// The output.
    pub output: String,
    /// Whether it gives logits, of which softmax makes shares.
    pub softmax: bool,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Keras' name.
    pub name: String,
    /// Extents, batch first.
    pub shape: Vec<usize>,
    /// Keras' element type, which says what TypedArray a page passes.
    pub dtype: ElementType,
    /// What the elements of an input must be, where they are indices or integers of 32 bits and more: the first, and the one
    /// after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[i64; 2]>,
    /// The output of the prediction before that an input stands for, where nobody passes it: a state, which is 0 at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<usize>,
    /// The value of the steps for strings that an input is, where there are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<ValueId>,
    /// What the integers of an output become, where they become strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Words>,
    /// What pictures an input takes, where it takes such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
}

/// What is done to strings before a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StringWork {
    /// What a page passes, in Keras' order.
    pub inputs: Vec<Slot>,
    /// What is done with it.
    pub steps: Vec<Step>,
    /// The file with all vocabularies, a list of lists of strings in JSON; none where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabularies: Option<String>,
}

impl Slot {
    /// The element type as a page sees it.
    pub fn element(&self) -> ElementType {
        match self.words {
            Some(_) => ElementType::String,
            None => self.dtype,
        }
    }
}

/// The code for one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Its files by what the backend's runtime calls them.
    pub code: BTreeMap<String, String>,
    /// Bytes of memory that a loaded model takes.
    pub memory: u64,
    /// Steps of a prediction.
    pub steps: usize,
    /// The file with what each step does, as [`report::steps`](crate::report::steps) tells it; read for profiles only.
    pub profile: String,
    /// For each file of weights, in the order in which they are needed, how many of the steps that prepare weights and how many of those
    /// of a prediction can be run when it and the ones before it are there. Nothing where all or none can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ready: Vec<[usize; 2]>,
    /// What only the backend's runtime reads.
    #[serde(flatten)]
    pub own: backends::Section,
}

/// The constants, cut into files that follow each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightFiles {
    /// Bytes of all.
    pub bytes: usize,
    /// File names in order.
    pub shards: Vec<String>,
    /// The numbers of the files in the order in which they are needed, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<usize>>,
    /// What each file has in fewer bits, in the order of the file, where any has; all else stands there as kernels read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoded: Option<Vec<Vec<EncodedPart>>>,
}

impl WeightFiles {
    /// The names of the files in the order in which they are needed.
    pub fn in_order(&self) -> Vec<&str> {
        let name = |&place: &usize| self.shards.get(place).map(String::as_str);
        match &self.order {
            Some(order) => order.iter().filter_map(name).collect(),
            None => self.shards.iter().map(String::as_str).collect(),
        }
    }

    /// What is wrong with the order.
    pub(super) fn disorder(&self) -> Option<String> {
        let mut order = self.order.clone()?;
        order.sort_unstable();
        let each_once = order.into_iter().eq(0..self.shards.len());
        (!each_once).then(|| "is damaged (weights.order: has not each file once)".to_owned())
    }
}

/// Weights in fewer bits: see [`encoded`](crate::tensor::encoded) for how they are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodedPart {
    /// Where it begins in its file.
    pub from: u64,
    /// Its bytes there.
    pub bytes: u64,
    /// The byte of all weights, as kernels read them, at which its numbers begin.
    pub to: u64,
    /// How many numbers.
    pub elements: usize,
    /// How they are written.
    pub encoding: Encoding,
    /// Where in its block the first of them stands.
    pub first: usize,
    /// Elements of a block.
    pub block: usize,
    /// Elements of a row of a block, each with a scale of its own.
    pub lanes: usize,
    /// Rows that share their scales.
    pub rows: usize,
    /// Whether the first row of a block is of floats.
    pub head: bool,
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

    /// The inputs that a page passes.
    pub fn passed(&self) -> impl Iterator<Item = &Slot> {
        let inputs = self
            .strings
            .as_ref()
            .map_or(&self.inputs, |strings| &strings.inputs);
        inputs.iter().filter(|slot| slot.state.is_none())
    }

    /// The outputs that a page gets.
    pub fn given(&self) -> impl Iterator<Item = &Slot> {
        let kept = |index: usize| self.inputs.iter().any(|slot| slot.state == Some(index));
        self.outputs
            .iter()
            .enumerate()
            .filter(move |(index, _)| !kept(*index))
            .map(|(_, slot)| slot)
    }

    /// What goes from one prediction to the next.
    pub fn states(&self) -> impl Iterator<Item = &Slot> {
        self.inputs.iter().filter(|slot| slot.state.is_some())
    }

    /// Number of files of the bundle and the sum of their bytes, the manifest included.
    pub fn total(&self) -> (usize, u64) {
        let own = self.to_json().map_or(0, |text| text.len() as u64);
        let others: u64 = self.files.values().map(|file| file.bytes).sum();
        (self.files.len() + 1, others + own)
    }

    /// Bytes of weights in files by encoding, none being that of those which stay as they are, and of the floats that they stand for.
    pub fn weight_sizes(&self) -> WeightSizes {
        let mut sizes = WeightSizes::new();
        let files = self.weights.shards.iter().filter_map(|name| self.files.get(name));
        let mut plain = files.map(|file| file.bytes).sum::<u64>();
        for part in self.weights.encoded.iter().flatten().flatten() {
            let [bytes, floats] = sizes.entry(Some(part.encoding)).or_default();
            *bytes = bytes.saturating_add(part.bytes);
            *floats = floats.saturating_add((part.elements as u64).saturating_mul(4));
            plain = plain.saturating_sub(part.bytes);
        }
        sizes.insert(None, [plain, plain]);
        sizes
    }

    /// The files that it names outside the list of all.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let sections = self.backends.values();
        sections
            .flat_map(|section| section.code.values().chain([&section.profile]))
            .chain(&self.weights.shards)
            .chain(self.strings.iter().flat_map(|strings| &strings.vocabularies))
            .chain(self.labels.iter().map(|labels| &labels.file))
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
