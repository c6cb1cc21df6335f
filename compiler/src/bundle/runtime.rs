//! The files of `runtime-web/` that ship with a bundle.

use super::directory::Staging;
use super::join::join;
use super::manifest::Manifest;
use super::package::PackageName;
use super::types;
use crate::backends::{Build, Part, Script};
use crate::error::{Error, Result};

/// Embeds files of the runtime by name.
macro_rules! runtime {
    ($($name:literal),+ $(,)?) => {
        [$(Script {
            name: $name,
            text: include_str!(concat!("../../runtime-web/src/", $name)),
        }),+]
    };
}

/// Those that become `index.js` with those of backends, each after the ones that it imports.
const MODULES: [Script; 6] = runtime!(
    "source.js",
    "storage.js",
    "manifest.js",
    "bundle.js",
    "tensor.js",
    "model.js"
);

/// What only models need that take or give strings.
const STRINGS: Part = Part {
    mark: "strings",
    modules: &runtime!("hash.js", "strings.js"),
    scripts: &[],
};

/// What only bundles need from which a page chooses.
const SEVERAL: Part = Part {
    mark: "several",
    modules: &runtime!("several.js"),
    scripts: &[],
};

/// What only bundles need whose weights are in several files.
const EARLY: Part = Part {
    mark: "early",
    modules: &runtime!("early.js"),
    scripts: &[],
};

/// What only bundles need whose weights must be decoded.
const ENCODED: Part = Part {
    mark: "encoded",
    modules: &runtime!("decode.js"),
    scripts: &[],
};

/// What only models need whose inputs take pictures.
const PICTURES: Part = Part {
    mark: "pictures",
    modules: &runtime!("pictures.js"),
    scripts: &[],
};

/// What only models need that name classes.
const LABELS: Part = Part {
    mark: "labels",
    modules: &runtime!("labels.js"),
    scripts: &[],
};

/// The last of them.
const ENTRY: Script = runtime!("index.js")[0];

/// The types that comments of the scripts name.
const INTERNAL: Script = runtime!("internal.d.ts")[0];

/// The types that a user sees.
const TYPES: Script = runtime!("index.d.ts")[0];

/// For npm, Node and TypeScript.
const PACKAGE: Script = runtime!("package.json")[0];

/// Begins the lines of scripts around what only some bundles need; a name and ` {` or ` }` follow.
const MARK: &str = "// keras-compile: ";

/// Where `index.js` holds the manifest.
const OWN: &str = "// keras-compile: manifest\n";

/// Where `index.js` lists the files that it fetches.
const TABLE: &str = "// keras-compile: files\n";

/// What `package.json` is called in the template.
const NAME: &str = "\"keras-compile: name\"";

/// Adds all files, those with places for this model filled in. The manifest knows its other files already.
pub(super) fn add(
    manifest: &Manifest,
    labels: &[String],
    package: &PackageName,
    builds: &[Build],
    staging: &mut Staging,
) -> Result<()> {
    let mut parts: Vec<&Part> = Vec::new();
    for &part in builds.iter().flat_map(|build| &build.emitted.parts) {
        // Backends may share some.
        if parts.iter().all(|other| other.mark != part.mark) {
            parts.push(part);
        }
    }
    if builds.len() > 1 {
        parts.push(&SEVERAL);
    }
    if manifest.weights.shards.len() > 1 {
        // Backends import it.
        parts.insert(0, &EARLY);
    }
    if manifest.strings.is_some() {
        parts.push(&STRINGS);
    }
    if manifest.weights.encoded.is_some() {
        parts.push(&ENCODED);
    }
    if manifest.passed().any(|slot| slot.picture.is_some()) {
        parts.push(&PICTURES);
    }
    if manifest.labels.is_some() {
        parts.push(&LABELS);
    }
    staging.add(ENTRY.name, script(manifest, &parts)?.as_bytes())?;
    for &Script { name, text } in parts.iter().flat_map(|part| part.scripts) {
        staging.add(name, join(&[(name, text)])?.as_bytes())?;
    }
    let backends: Vec<_> = builds.iter().map(|build| build.backend).collect();
    let types = types::declare(TYPES.text, manifest, labels, &backends)?;
    staging.add(TYPES.name, types.as_bytes())?;
    staging.add(INTERNAL.name, INTERNAL.text.as_bytes())?;
    let named = PACKAGE.text.replacen(NAME, &format!("\"{package}\""), 1);
    staging.add(PACKAGE.name, named.as_bytes())
}

/// `index.js` of one model.
fn script(manifest: &Manifest, parts: &[&Part]) -> Result<String> {
    let own = parts.iter().flat_map(|part| part.modules);
    let chosen = |module: &Script| {
        let text = choose(module.text, |mark| parts.iter().any(|part| part.mark == mark))?;
        Ok((module.name, text))
    };
    let modules = MODULES.iter().chain(own).chain([&ENTRY]).map(chosen);
    let modules = modules.collect::<Result<Vec<_>>>()?;
    let modules: Vec<_> = modules
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let text = fill(&join(&modules)?, OWN, &manifest.to_lines()?)?;
    // Literal addresses are what bundlers find; the names are our own and need no quoting.
    let address = |name| format!("'{name}': new URL('./{name}', import.meta.url),");
    fill(
        &text,
        TABLE,
        &manifest.files.keys().map(address).collect::<Vec<_>>(),
    )
}

/// Drops the lines that mark parts, and what stands between those of parts that are not wanted.
fn choose(text: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let mut chosen = String::new();
    let mut open = None;
    for line in text.split_inclusive('\n') {
        let mark = line
            .strip_prefix(MARK)
            .and_then(|mark| mark.trim_end().split_once(' '));
        match (mark, open) {
            (Some((name, "{")), None) => open = Some(name),
            (Some((name, "}")), Some(begun)) if name == begun => open = None,
            (Some((name, "{" | "}")), _) => {
                let what = format!("a script has a mark of {name:?} where none should be");
                return Err(Error::internal(what));
            }
            (_, Some(name)) if !wanted(name) => {}
            _ => chosen += line,
        }
    }
    match open {
        Some(name) => Err(Error::internal(format!(
            "a script does not end what is for {name:?}"
        ))),
        None => Ok(chosen),
    }
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
    use super::super::owned::is_fixed;
    use super::*;
    use crate::backends::BACKENDS;

    /// Those of all backends, and the others.
    fn parts() -> impl Iterator<Item = &'static Part> {
        let of_backends = BACKENDS.iter().flat_map(|backend| backend.parts);
        of_backends
            .copied()
            .chain([&EARLY, &ENCODED, &LABELS, &PICTURES, &SEVERAL, &STRINGS])
    }

    #[test]
    fn every_file_of_the_runtime_ships() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime-web/src");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let scripts = parts().flat_map(|part| part.scripts).map(|script| script.name);
        let others = [ENTRY, INTERNAL, TYPES, PACKAGE].map(|script| script.name);
        let copied: Vec<_> = scripts.chain(others).collect();
        let modules = MODULES.iter().chain(parts().flat_map(|part| part.modules));
        let modules = modules.map(|module| module.name);
        let mut shipped: Vec<_> = modules.chain(copied.iter().copied()).collect();
        shipped.sort();
        // Backends may share parts.
        shipped.dedup();
        assert_eq!(shipped, names);
        // Else no bundle could be replaced.
        copied.iter().for_each(|name| assert!(is_fixed(name), "{name}"));
    }

    #[test]
    fn every_mark_is_a_part() {
        let found = std::cell::RefCell::new(std::collections::BTreeSet::new());
        for module in MODULES.iter().chain([&ENTRY]) {
            choose(module.text, |mark| found.borrow_mut().insert(mark.to_owned())).unwrap();
        }
        // What others import needs no line of its own.
        let imported = |part: &&Part| part.mark == "gpu";
        let own = parts().filter(|part| !imported(part));
        let marks: std::collections::BTreeSet<_> = own.map(|part| part.mark.to_owned()).collect();
        assert_eq!(found.into_inner(), marks);
    }

    #[test]
    fn parts_are_chosen() {
        let text = "a\n// keras-compile: one {\nb\n// keras-compile: one }\n// keras-compile: two {\nc\n\
            // keras-compile: two }\n// keras-compile: d\n";
        let chosen = |wanted: &[&str]| choose(text, |mark| wanted.contains(&mark)).unwrap();
        assert_eq!(chosen(&[]), "a\n// keras-compile: d\n");
        assert_eq!(chosen(&["two"]), "a\nc\n// keras-compile: d\n");
        assert_eq!(chosen(&["one", "two"]), "a\nb\nc\n// keras-compile: d\n");
        for wrong in [
            "// keras-compile: one {\n",
            "// keras-compile: one }\n",
            "// keras-compile: one {\n// keras-compile: two {\n// keras-compile: two }\n// keras-compile: one }\n",
        ] {
            assert!(choose(wrong, |_| true).is_err(), "{wrong}");
        }
    }
}
