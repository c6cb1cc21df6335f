//! Recognises a file by its bytes and opens what is inside.

use super::assets::Assets;
use super::hdf5::Store;
use super::shards::{self, Shards};
use super::{foreign, json};
use crate::budget::{Budget, Resource};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, Links};
use serde_json::Value;
use std::io::ErrorKind::InvalidInput;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

const HDF5_MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";

/// What a file holds.
pub(super) enum Container {
    /// A `.h5` file: a model, or weights alone.
    Hdf5(Store),
    /// A `.keras` archive.
    Keras {
        /// `config.json`.
        config: Value,
        /// `metadata.json`, if there is one.
        metadata: Option<Value>,
        /// `model.weights.h5`, if there is one.
        weights: Option<Store>,
        /// Vocabularies of layers.
        assets: Assets,
    },
    /// An architecture alone.
    Json(Value),
    /// Weights in several files.
    Shards(Shards),
}

/// A file to read: on disk or in memory.
#[derive(Debug, Clone, Copy)]
pub enum ModelFile<'a> {
    /// A file on disk.
    Path(&'a Path),
    /// Bytes with the name that errors give them.
    Bytes(&'a str, &'a [u8]),
}

impl ModelFile<'_> {
    /// The name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Bytes(name, _) => (*name).to_owned(),
        }
    }

    fn open(&self) -> Result<(Opened, u64)> {
        match self {
            Self::Path(path) => {
                if path.is_dir() {
                    return Err(foreign::folder(path));
                }
                let (file, length) =
                    files::open(path, Links::Follow).map_err(|error| match error.kind() {
                        // It is read back and forth.
                        InvalidInput => io(error).help("write it to a file first"),
                        _ => io(error),
                    })?;
                Ok((Box::new(file), length))
            }
            Self::Bytes(_, bytes) => Ok((Box::new(Cursor::new(bytes.to_vec())), bytes.len() as u64)),
        }
    }
}

pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}
type Opened = Box<dyn ReadSeek>;

/// Opens a file.
pub(super) fn open(input: &ModelFile, budget: &Budget) -> Result<Container> {
    let (mut file, length) = input.open()?;
    budget.open(length);
    let mut head = Vec::new();
    (&mut file).take(4096).read_to_end(&mut head).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    if head.is_empty() {
        return Err(Error::malformed("the file is empty"));
    }
    if is_hdf5(&head) {
        return Ok(Container::Hdf5(Store::open(file, 0, length, budget)?));
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return archive(file, budget);
    }
    if let Some(error) = foreign::file(&head, Path::new(&input.name())) {
        return Err(error);
    }
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&head)
        .trim_ascii_start();
    if text.starts_with(b"{") || text.starts_with(b"[") {
        return document_alone(file, length, input, budget);
    }
    Err(
        Error::malformed("this is neither an HDF5 file nor a .keras archive nor JSON")
            .help(foreign::FETCH_AGAIN),
    )
}

/// The signature stands at the start, or behind a user block whose size is a power of two.
fn is_hdf5(head: &[u8]) -> bool {
    let at = |offset: usize| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(HDF5_MAGIC))
    };
    [0, 512, 1024, 2048].into_iter().any(at)
}

/// Reads a `.keras` archive. Nothing is ever unpacked to a disk.
fn archive(file: Opened, budget: &Budget) -> Result<Container> {
    let mut zip = ZipArchive::new(file).map_err(bad_zip)?;
    check_names(&zip, budget)?;
    let Some(config) = document(&mut zip, "config.json", budget)? else {
        let names: Vec<_> = zip.file_names().flatten().collect();
        return Err(foreign::archive(&names));
    };
    let metadata = document(&mut zip, "metadata.json", budget)?;
    let assets = assets(&mut zip, budget)?;
    let weights = weights(zip, budget)?;
    Ok(Container::Keras {
        config,
        metadata,
        weights,
        assets,
    })
}

/// A member that would be written elsewhere when unpacked marks an archive that means no good.
fn check_names(zip: &ZipArchive<Opened>, budget: &Budget) -> Result<()> {
    budget.take(Resource::Members, zip.len())?;
    for name in zip.file_names() {
        let name = name.map_err(bad_zip)?;
        let parts = name.split(['/', '\\']);
        if name.starts_with(['/', '\\']) || name.contains(':') || parts.into_iter().any(|part| part == "..") {
            return Err(Error::malformed(format!(
                "the archive has a member {name:?} outside of itself"
            )));
        }
    }
    if zip.has_duplicate_names() {
        return Err(Error::malformed("the archive has two members of one name"));
    }
    Ok(())
}

/// Reads a JSON member; `None` if there is none.
fn document(zip: &mut ZipArchive<Opened>, name: &str, budget: &Budget) -> Result<Option<Value>> {
    match member_text(zip, name, budget)? {
        Some(text) => json::parse(&text, name, budget).map(Some),
        None => Ok(None),
    }
}

/// Reads the vocabularies of layers.
fn assets(zip: &mut ZipArchive<Opened>, budget: &Budget) -> Result<Assets> {
    let names = zip.file_names().flatten().filter(|name| Assets::is_one(name));
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    let mut assets = Assets::default();
    for name in names {
        if let Some(text) = member_text(zip, &name, budget)? {
            assets.add(name, text);
        }
    }
    Ok(assets)
}

/// Reads a member that is text; `None` if there is none.
fn member_text(zip: &mut ZipArchive<Opened>, name: &str, budget: &Budget) -> Result<Option<String>> {
    let Some(index) = zip.index_for_name(name) else {
        return Ok(None);
    };
    let member = zip.by_index(index).map_err(bad_zip)?;
    let size = member.size();
    budget.take_for(Resource::Text, size, name)?;
    let mut bytes = Vec::new();
    // The size in the archive's directory is a claim.
    let read = member.take(size.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Error::malformed(format!("{name}: {error}")))?;
    text(bytes, name).map(Some)
}

fn weights(mut zip: ZipArchive<Opened>, budget: &Budget) -> Result<Option<Store>> {
    const NAME: &str = "model.weights.h5";
    let Some(index) = zip.index_for_name(NAME) else {
        for (other, what) in [
            ("model.weights.npz", "as NumPy archive"),
            ("model.weights.json", "in shards"),
        ] {
            if zip.index_for_name(other).is_some() {
                let error = Error::malformed(format!("the archive holds its weights {what} ({other})"));
                return Err(error.help("save it again with weights as HDF5, model.save('model.keras')"));
            }
        }
        return Ok(None);
    };
    let damaged = |error: std::io::Error| Error::malformed(format!("{NAME}: {error}"));
    let mut member = zip.by_index(index).map_err(bad_zip)?;
    let size = member.size();
    budget.take(Resource::Unpacked, size)?;
    let start = member.data_start();
    if let (CompressionMethod::Stored, Some(start)) = (member.compression(), start) {
        // Keras stores without compression: read in place. This pass checks the checksum.
        let found = std::io::copy(&mut member, &mut std::io::sink()).map_err(damaged)?;
        drop(member);
        return Store::open(zip.into_inner(), start, found, budget).map(Some);
    }
    let mut bytes = Vec::new();
    member.take(size).read_to_end(&mut bytes).map_err(damaged)?;
    let length = bytes.len() as u64;
    Store::open(Cursor::new(bytes), 0, length, budget).map(Some)
}

/// A file of JSON: an architecture, or a map of files with weights.
fn document_alone(mut file: Opened, length: u64, input: &ModelFile, budget: &Budget) -> Result<Container> {
    budget.take_for(Resource::Text, length, "the architecture")?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    let value = json::parse(&text(bytes, "the architecture")?, "the architecture", budget)?;
    match foreign::json(&value) {
        Some(error) => Err(error),
        None if shards::is_map(&value) => Ok(Container::Shards(Shards::open(&value, input, budget)?)),
        None => Ok(Container::Json(value)),
    }
}

fn text(bytes: Vec<u8>, what: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::malformed(format!("{what} is not UTF-8 text")))
}

fn io(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io(error.to_string()))
}

fn bad_zip(error: zip::result::ZipError) -> Error {
    Error::malformed(format!("the archive is damaged: {error}"))
}
