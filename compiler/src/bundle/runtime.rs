//! The files of `runtime-web/` that ship with a bundle.

use super::directory::Staging;
use super::manifest::Manifest;
use super::types;
use crate::error::{Error, Result};

/// Embeds files of the runtime by name.
macro_rules! runtime {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../runtime-web/src/", $name)))),+]
    };
}

/// Those that every bundle needs and the wasm backend.
const FILES: [(&str, &str); 7] = runtime!(
    "bundle.js",
    "index.d.ts",
    "index.js",
    "model.js",
    "package.json",
    "tensor.js",
    "wasm.js",
);

/// Where `index.js` lists the files that it fetches.
const TABLE: &str = "  // keras-compile: a line per file\n";

/// Adds all files, those with places for this model filled in.
pub(super) fn add(manifest: &Manifest, staging: &mut Staging) -> Result<()> {
    for (name, text) in FILES {
        let filled = match name {
            "index.js" => list_files(text, manifest)?,
            "index.d.ts" => types::declare(text, manifest)?,
            _ => text.to_owned(),
        };
        staging.add(name, filled.as_bytes())?;
    }
    Ok(())
}

/// Fills in the table of addresses. Literal ones are what bundlers find; the names are our own and need no quoting.
fn list_files(text: &str, manifest: &Manifest) -> Result<String> {
    let (before, after) = text
        .split_once(TABLE)
        .ok_or_else(|| Error::internal("index.js has no place for its files"))?;
    let lines = manifest
        .fetched()
        .map(|name| format!("  '{name}': new URL('./{name}', import.meta.url),\n"));
    Ok([before.to_owned()]
        .into_iter()
        .chain(lines)
        .chain([after.to_owned()])
        .collect())
}
