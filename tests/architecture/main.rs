//! Holds the source to `compiler/ARCHITECTURE.md`: who may import whom, and what may be named where.

mod circles;
mod paths;
mod source;

use circles::{circles, top};
use paths::Paths;
use source::{Crate, File};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the library with those that it may import. Itself is always allowed.
const IMPORTS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("error", &["text"]),
    ("files", &[]),
    ("budget", &["error"]),
    ("tensor", &["error"]),
    ("preparation", &[]),
    ("pointwise", &["error", "tensor"]),
    ("kernel", &["error", "tensor", "pointwise"]),
    ("ops", &["error", "tensor", "pointwise", "kernel", "graph"]),
    (
        "graph",
        &["error", "budget", "tensor", "pointwise", "kernel", "ops"],
    ),
    (
        "keras",
        &[
            "text",
            "error",
            "files",
            "budget",
            "tensor",
            "pointwise",
            "preparation",
            "kernel",
            "ops",
            "graph",
        ],
    ),
    (
        "passes",
        &["error", "budget", "tensor", "pointwise", "kernel", "ops", "graph"],
    ),
    (
        "plan",
        &["error", "budget", "tensor", "pointwise", "kernel", "ops", "graph"],
    ),
    ("arrays", &["error", "files"]),
    (
        "quantize",
        &["error", "arrays", "tensor", "kernel", "ops", "graph"],
    ),
    ("shader", &["error", "tensor", "pointwise", "kernel"]),
    ("check", &["error", "tensor", "kernel", "plan"]),
    (
        "backends",
        &[
            "error",
            "budget",
            "tensor",
            "pointwise",
            "kernel",
            "plan",
            "shader",
            "check",
        ],
    ),
    (
        "report",
        &[
            "text",
            "error",
            "tensor",
            "pointwise",
            "kernel",
            "plan",
            "passes",
            "arrays",
            "quantize",
            "backends",
        ],
    ),
    (
        "bundle",
        &[
            "text",
            "error",
            "files",
            "tensor",
            "plan",
            "backends",
            "report",
            "preparation",
        ],
    ),
    (
        "compile",
        &[
            "error", "graph", "keras", "passes", "quantize", "plan", "backends", "report", "bundle",
        ],
    ),
    ("lib", &["compile"]),
];

/// Words of backends, in lower case: above `backends/` nobody knows them.
const BACKEND_WORDS: &[&str] = &[
    "wasm",
    "webassembly",
    "simd",
    "relaxed",
    "cache line",
    "chromium",
    "v8",
    "webgpu",
    "webgl",
    "wgsl",
    "glsl",
    "texture",
    "texel",
];

/// In lower case, what contains one of these words and means something else.
const MEAN_OTHERS: &[&str] = &["ordering::relaxed"];

/// Where they stand nevertheless, with the reason.
const MAY_SAY: &[(&str, &str)] = &[
    ("lib.rs", "tells the whole line"),
    (
        "main.rs",
        "says to users what a bundle is, and which browsers measure it",
    ),
    ("cli/engine/", "runs bundles in browsers, which it names"),
    ("bundle/package.rs", "lists modules of Node"),
    ("shader/", "writes the language that several backends share"),
    (
        "keras/foreign.rs",
        "knows other files than models by what they hold",
    ),
];

/// Modules where more than three files may lead to each other.
const MAY_CIRCLE: &[&str] = &["keras"];

/// To add something of this kind, the library is touched in these places only: an example of its kind is named in no others.
/// What uses it where it pays, as passes and layers use operations, is not counted. See the table in the map.
const TO_ADD: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "an activation",
        "softsign",
        &["pointwise/library", "keras/layers/"],
        &[],
    ),
    (
        "an operation",
        "Pad",
        &["ops/pad.rs", "ops/mod.rs"],
        &["passes/", "keras/"],
    ),
    ("a pass", "merge_strides", &["passes/mod.rs"], &[]),
    (
        "a kernel family",
        "Kernel::Gather",
        &["report/kernels.rs", "backends/"],
        &[],
    ),
    (
        "the shader of a kernel family",
        "shader::gather",
        &["backends/webgpu/", "backends/webgl/"],
        &[],
    ),
];

/// Words of code with the only files below `compiler/src` where they may stand.
const PLACES: &[(&str, &[&str])] = &[
    (
        "hdf5_pure",
        &[
            "keras/hdf5",
            "keras/blocks.rs",
            "keras/links.rs",
            "keras/paths.rs",
            "keras/source.rs",
        ],
    ),
    ("hdf5_metno", &["keras/libhdf5.rs"]),
    ("zip::", &["keras/archive", "arrays/npz"]),
    ("channels_first", &["keras/"]),
    ("data_format", &["keras/"]),
    ("walrus", &["backends/wasm/"]),
    ("wasmparser", &["backends/wasm/"]),
    ("wasmprinter", &["backends/wasm/"]),
    ("clap", &["main.rs"]),
    ("libc", &["files.rs"]),
    ("signal_hook", &["cli/signals.rs"]),
    ("httparse", &["cli/serve/request.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("env::var", &[]),
    ("print!", &["cli/"]),
    ("println!", &["cli/"]),
    ("todo!", &[]),
    ("dbg!", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// All files below a directory with their paths relative to it, but for what is built or fetched.
fn files(directory: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_str().unwrap();
            if entry.is_dir() && !["target", "node_modules", ".venv", ".git", "dist"].contains(&name) {
                waiting.push(entry);
            } else if entry.is_file() && name != ".git" {
                let relative = entry.strip_prefix(directory).unwrap().to_str().unwrap();
                found.push((relative.to_owned(), entry));
            }
        }
    }
    found.sort();
    found
}

/// The library and the command. What only tests are built from is left out.
fn crates() -> [Crate; 2] {
    ["lib.rs", "main.rs"].map(|file| Crate::read(&root().join("compiler/src").join(file)))
}

/// Every source file of both.
fn sources() -> Vec<File> {
    crates().into_iter().flat_map(|tree| tree.files).collect()
}

/// Fails with all complaints at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Whether a word stands in a line where a word begins.
fn names(line: &str, word: &str) -> bool {
    let mut hits = line.match_indices(word);
    hits.any(|(i, _)| !line[..i].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Whether a whole word stands in a line.
fn names_alone(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut hits = line.match_indices(word);
    hits.any(|(i, _)| !line[..i].ends_with(is_word) && !line[i + word.len()..].starts_with(is_word))
}

#[test]
fn modules_import_only_what_stands_above_them() {
    let [library, _] = crates();
    let mut complaints = Vec::new();
    for mention in Paths::new(&library).mentions() {
        let file = &library.files[mention.file].name;
        let Some(import) = mention.written.first() else {
            continue;
        };
        let module = top(file);
        let is_module = library.modules.contains_key(std::slice::from_ref(import));
        if !is_module || module == "lib" || module == import {
            continue;
        }
        match IMPORTS.iter().find(|(name, _)| *name == module) {
            None => complaints.push(format!("{file}: module {module} is not on the list")),
            Some((_, allowed)) if allowed.contains(&import.as_str()) => {}
            Some(_) => complaints.push(format!(
                "{file}:{}: {module} may not import {import}",
                mention.line
            )),
        }
    }
    none(complaints);
}

#[test]
fn backends_do_not_know_each_other() {
    let [library, _] = crates();
    let mut complaints = Vec::new();
    for mention in Paths::new(&library).mentions() {
        let file = &library.files[mention.file].name;
        // The table alone names all.
        let own = file.strip_prefix("backends/").filter(|rest| *rest != "mod.rs");
        let (Some(own), [place, other, ..]) = (own, &mention.written[..]) else {
            continue;
        };
        let (own, _) = own.split_once('/').unwrap_or_default();
        // What several have in common lies beside their directories.
        let has_directory = library
            .files
            .iter()
            .any(|file| file.name.starts_with(&format!("backends/{other}/")));
        if place == "backends" && other != own && has_directory {
            complaints.push(format!("{file}:{} names {other}", mention.line));
        }
    }
    none(complaints);
}

#[test]
fn words_stay_in_their_places() {
    let mut complaints = Vec::new();
    for file in sources() {
        for (word, places) in PLACES {
            if places.iter().any(|place| file.name.starts_with(place)) {
                continue;
            }
            if let Some(at) = file.code.iter().position(|line| names(line, word)) {
                complaints.push(format!("{}:{}: {word} belongs to {places:?}", file.name, at + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn what_is_added_is_added_in_few_places() {
    let mut complaints = Vec::new();
    let sources = sources();
    for (what, example, places, uses) in TO_ADD {
        let within = |file: &File, places: &[&str]| places.iter().any(|place| file.name.starts_with(place));
        let naming = |file: &&File| file.code.iter().any(|line| names_alone(line, example));
        let named: Vec<&File> = sources
            .iter()
            .filter(naming)
            .filter(|file| !within(file, uses))
            .collect();
        let others = named.iter().filter(|file| !within(file, places));
        complaints.extend(
            others.map(|file| format!("{}: {example} is named: to add {what} touches it", file.name)),
        );
        let unused = places
            .iter()
            .filter(|place| !named.iter().any(|file| within(file, &[place])));
        complaints.extend(unused.map(|place| format!("{place} does not name {example}")));
    }
    none(complaints);
}

#[test]
fn nothing_above_a_backend_knows_its_words() {
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for file in sources() {
        if file.name.starts_with("backends/") {
            continue;
        }
        let exception = MAY_SAY.iter().find(|(place, _)| file.name.starts_with(place));
        for (at, line) in file.text.iter().enumerate() {
            let line = MEAN_OTHERS
                .iter()
                .fold(line.to_lowercase(), |line, other| line.replace(other, ""));
            let Some(word) = BACKEND_WORDS.iter().find(|word| names(&line, word)) else {
                continue;
            };
            match exception {
                Some((place, _)) => drop(used.insert(place)),
                None => complaints.push(format!("{}:{}: {word} is a backend's word", file.name, at + 1)),
            }
        }
    }
    let unused = MAY_SAY.iter().filter(|(place, _)| !used.contains(place));
    complaints.extend(unused.map(|(place, _)| format!("{place} says none of the words: it is no exception")));
    none(complaints);
}

#[test]
fn no_more_than_three_files_lead_to_each_other() {
    let mut complaints = Vec::new();
    for tree in crates() {
        for circle in circles(&tree, &Paths::new(&tree).mentions()) {
            if circle.len() > 3 && !MAY_CIRCLE.contains(&top(circle[0])) {
                complaints.push(format!("these files name each other: {}", circle.join(", ")));
            }
        }
    }
    none(complaints);
}

#[test]
fn every_file_belongs_to_a_module() {
    // With the tests, which the crates above leave out: a file that no `mod` item names is not even compiled.
    let sources = root().join("compiler/src");
    let read = |name: String| fs::read_to_string(sources.join(name)).unwrap_or_default();
    let mut complaints = Vec::new();
    for (name, _) in files(&sources) {
        let Some(module) = name.strip_suffix("/mod.rs").or(name.strip_suffix(".rs")) else {
            continue;
        };
        let parents = match module.rsplit_once('/') {
            Some((parent, _)) => [read(format!("{parent}/mod.rs")), read(format!("{parent}.rs"))],
            None => ["lib.rs", "main.rs"].map(|root| read(root.into())),
        };
        let item = format!("mod {};", module.rsplit('/').next().unwrap());
        if !["lib", "main"].contains(&module) && !parents.iter().any(|parent| parent.contains(&item)) {
            complaints.push(format!("{name} is named by no `mod` item"));
        }
    }
    none(complaints);
}

#[test]
fn nothing_names_the_machine_it_was_made_on() {
    // In pieces, since this file is searched too.
    let words = [
        ["/wo", "rk/"],
        ["../sha", "red"],
        ["/ro", "ot/"],
        ["artifac", "tory"],
        ["/ho", "me/"],
    ]
    .map(|p| p.concat());
    let mut complaints = Vec::new();
    for (file, path) in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                complaints.push(format!("{file}:{}: {word}", number + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root().join("compiler/ARCHITECTURE.md")).unwrap();
    let missing = IMPORTS
        .iter()
        .filter(|(module, _)| !map.contains(&format!("src/{module}")));
    none(
        missing
            .map(|(module, _)| format!("ARCHITECTURE.md does not name src/{module}"))
            .collect(),
    );
}
