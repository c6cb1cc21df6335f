//! Holds the source to `compiler/ARCHITECTURE.md`: who may import whom, and what may be named where.

use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the library with those that it may import. Itself is always allowed.
const IMPORTS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("error", &["text"]),
    ("files", &[]),
    ("budget", &["error"]),
    ("tensor", &["error"]),
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
    (
        "backends",
        &["error", "budget", "tensor", "pointwise", "kernel", "plan"],
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
            "backends",
        ],
    ),
    (
        "bundle",
        &["text", "error", "files", "tensor", "plan", "backends", "report"],
    ),
    (
        "compile",
        &[
            "error", "graph", "keras", "passes", "plan", "backends", "report", "bundle",
        ],
    ),
    ("lib", &[]),
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
    ("zip::", &["keras/archive"]),
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
            if entry.is_dir() && !["target", "node_modules", ".git", "dist"].contains(&name) {
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

/// The sources of the compiler without comments and without unit tests, which stand at the end of a file.
fn sources() -> Vec<(String, Vec<String>)> {
    let code = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines
            .map(|line| line.split("//").next().unwrap().to_owned())
            .collect()
    };
    let sources = files(&root().join("compiler/src")).into_iter();
    let test = |name: &str| {
        name.contains("/tests/") || name.ends_with("tests.rs") || name.ends_with("testing.rs")
        // The second reader of HDF5 exists in tests only.
        || name == "keras/libhdf5.rs"
    };
    let sources = sources.filter(|(name, _)| name.ends_with(".rs") && !test(name));
    sources.map(|(name, path)| (name, code(path))).collect()
}

/// Fails with all complaints at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Words after `crate::` in a line, those in braces too.
fn imports(line: &str) -> Vec<String> {
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split(',').map(|item| word(item.trim()))),
            None => found.push(word(rest)),
        }
    }
    found.retain(|word| word.chars().next().is_some_and(char::is_lowercase));
    found
}

#[test]
fn modules_import_only_what_stands_above_them() {
    let mut complaints = Vec::new();
    for (file, lines) in sources() {
        let module = file.split(['/', '.']).next().unwrap();
        if ["main", "cli"].contains(&module) {
            continue;
        }
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
            complaints.push(format!("{file}: module {module} is not on the list"));
            continue;
        };
        for (number, line) in lines.iter().enumerate() {
            for import in imports(line) {
                if import != module && !allowed.contains(&import.as_str()) {
                    complaints.push(format!("{file}:{}: {module} may not import {import}", number + 1));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn backends_do_not_know_each_other() {
    let mut complaints = Vec::new();
    for (file, lines) in sources() {
        let Some((backend, _)) = file
            .strip_prefix("backends/")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        for other in ["wasm", "webgpu", "webgl"]
            .into_iter()
            .filter(|other| *other != backend)
        {
            if lines
                .iter()
                .any(|line| line.contains(&format!("backends::{other}")))
            {
                complaints.push(format!("{file} names {other}"));
            }
        }
    }
    none(complaints);
}

#[test]
fn words_stay_in_their_places() {
    let mut complaints = Vec::new();
    for (file, lines) in sources() {
        for (word, places) in PLACES {
            if places.iter().any(|place| file.starts_with(place)) {
                continue;
            }
            let at = |line: &String| {
                let mut hits = line.match_indices(word);
                hits.any(|(i, _)| !line[..i].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            if let Some(number) = lines.iter().position(at) {
                complaints.push(format!("{file}:{}: {word} belongs to {places:?}", number + 1));
            }
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
