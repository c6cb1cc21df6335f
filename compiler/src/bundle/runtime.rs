//! The files of `runtime-web/` that ship with a bundle.

use super::directory::Staging;
use super::join::join;
use super::manifest::Manifest;
use super::package::PackageName;
use super::types;
use crate::error::{Error, Result};

/// Embeds files of the runtime by name.
macro_rules! runtime {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../runtime-web/src/", $name)))),+]
    };
}

/// Those that become `index.js`, each after the ones that it imports.
const MODULES: [(&str, &str); 9] = runtime!(
    "source.js",
    "manifest.js",
    "bundle.js",
    "tensor.js",
    "model.js",
    "wasm.js",
    "pool.js",
    "threads.js",
    "index.js",
);

/// Those of them that only bundles with threads need.
const THREADS: [&str; 2] = ["pool.js", "threads.js"];

/// What a thread runs.
const WORKER: (&str, &str) = runtime!("worker.js")[0];

/// The types that comments of the two scripts name.
const INTERNAL: (&str, &str) = runtime!("internal.d.ts")[0];

/// The types that a user sees.
const TYPES: (&str, &str) = runtime!("index.d.ts")[0];

/// For npm, Node and TypeScript.
const PACKAGE: (&str, &str) = runtime!("package.json")[0];

/// Lines of `index.js` around what only bundles with threads need.
const BEGIN: &str = "// keras-compile: threads {\n";
const END: &str = "// keras-compile: threads }\n";

/// Where `index.js` holds the manifest.
const OWN: &str = "// keras-compile: manifest\n";

/// Where `index.js` lists the files that it fetches.
const TABLE: &str = "// keras-compile: files\n";

/// What `package.json` is called in the template.
const NAME: &str = "\"keras-compile: name\"";

/// Adds all files, those with places for this model filled in. The manifest knows its other files already.
pub(super) fn add(manifest: &Manifest, package: &PackageName, staging: &mut Staging) -> Result<()> {
    let threads = manifest.backends.wasm.iter().any(|wasm| wasm.threads.is_some());
    staging.add("index.js", script(manifest, threads)?.as_bytes())?;
    if threads {
        staging.add(WORKER.0, join(&[WORKER])?.as_bytes())?;
    }
    staging.add(TYPES.0, types::declare(TYPES.1, manifest)?.as_bytes())?;
    staging.add(INTERNAL.0, INTERNAL.1.as_bytes())?;
    let named = PACKAGE.1.replacen(NAME, &format!("\"{package}\""), 1);
    staging.add(PACKAGE.0, named.as_bytes())
}

/// `index.js` of one model.
fn script(manifest: &Manifest, threads: bool) -> Result<String> {
    let wanted = |name: &str| threads || !THREADS.contains(&name);
    let chosen = MODULES
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, text)| Ok((name, choose(text, threads)?)))
        .collect::<Result<Vec<_>>>()?;
    let modules: Vec<_> = chosen.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let text = fill(&join(&modules)?, OWN, &manifest.to_lines()?)?;
    // Literal addresses are what bundlers find; the names are our own and need no quoting.
    let address = |name| format!("'{name}': new URL('./{name}', import.meta.url),");
    fill(
        &text,
        TABLE,
        &manifest.files.keys().map(address).collect::<Vec<_>>(),
    )
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

/// Puts lines in the place of a mark.
fn fill(text: &str, mark: &str, lines: &[String]) -> Result<String> {
    let (before, after) = text
        .split_once(mark)
        .ok_or_else(|| Error::internal(format!("index.js has no place `{}`", mark.trim_end())))?;
    let before = before.trim_end_matches(' ');
    let filled: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    Ok(format!("{before}{filled}{after}"))
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
        let others = [WORKER, INTERNAL, TYPES, PACKAGE];
        let mut shipped: Vec<_> = MODULES.into_iter().chain(others).map(|(name, _)| name).collect();
        shipped.sort();
        assert_eq!(shipped, names);
        // Else no bundle could be replaced.
        assert!(FIXED.contains(&"index.js") && others.iter().all(|(name, _)| FIXED.contains(name)));
    }
}
