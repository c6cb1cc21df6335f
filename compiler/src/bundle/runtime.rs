//! The files of `runtime-web/` that ship with a bundle.

use super::directory::Staging;
use super::manifest::Manifest;
use super::types;
use crate::error::{Error, Result};

/// Embeds files of the runtime by name.
macro_rules! runtime {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../runtime-web/src/", $name)))),+]
    };
}

/// Those that every bundle needs, the wasm backend and threads.
const FILES: [(&str, &str); 11] = runtime!(
    "bundle.js",
    "index.d.ts",
    "index.js",
    "model.js",
    "package.json",
    "pool.js",
    "source.js",
    "tensor.js",
    "threads.js",
    "wasm.js",
    "worker.js",
);

/// Those that only bundles with threads need.
const THREADS: [&str; 3] = ["pool.js", "threads.js", "worker.js"];

/// Lines of `index.js` around what only bundles with threads need.
const BEGIN: &str = "// keras-compile: threads {\n";
const END: &str = "// keras-compile: threads }\n";

/// Where `index.js` lists the files that it fetches.
const TABLE: &str = "// keras-compile: files\n";

/// Adds all files, those with places for this model filled in.
pub(super) fn add(manifest: &Manifest, staging: &mut Staging) -> Result<()> {
    let threads = manifest.backends.wasm.iter().any(|wasm| wasm.threads.is_some());
    for (name, text) in FILES {
        if !threads && THREADS.contains(&name) {
            continue;
        }
        let filled = match name {
            "index.js" => list_files(&choose(text, threads)?, manifest)?,
            "index.d.ts" => types::declare(text, manifest)?,
            _ => text.to_owned(),
        };
        staging.add(name, filled.as_bytes())?;
    }
    Ok(())
}

/// Drops the lines that mark what is for threads, and unless `threads` what stands between them.
fn choose(text: &str, threads: bool) -> Result<String> {
    let mut parts = text.split(BEGIN);
    let mut chosen = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inner, rest) = part
            .split_once(END)
            .ok_or_else(|| Error::internal("index.js does not end what is for threads"))?;
        chosen += if threads { inner } else { "" };
        chosen += rest;
    }
    Ok(chosen)
}

/// Fills in the table of addresses. Literal ones are what bundlers find; the names are our own and need no quoting.
fn list_files(text: &str, manifest: &Manifest) -> Result<String> {
    let (before, after) = text
        .split_once(TABLE)
        .ok_or_else(|| Error::internal("index.js has no place for its files"))?;
    let indent = &before[before.trim_end_matches(' ').len()..];
    let lines: Vec<_> = manifest
        .fetched()
        .map(|name| format!("'{name}': new URL('./{name}', import.meta.url),\n"))
        .collect();
    Ok(format!("{before}{}{after}", lines.join(indent)))
}

#[cfg(test)]
mod tests {
    use super::super::owned::FIXED;
    use super::*;

    #[test]
    fn every_file_of_the_runtime_ships() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime-web/src");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(FILES.map(|(name, _)| name).to_vec(), names);
        // Else no bundle could be replaced.
        assert!(FILES.iter().all(|(name, _)| FIXED.contains(name)));
    }
}
