//! What the code generator makes of small graphs: a file for each kernel family, with a graph and the functions of its kernels.
//!
//! Behind `--- graph` stands what is read; behind `--- FAMILY` the code of the kernels of that family, all that the graph needs, in the
//! module with fused multiply-adds. What a whole module has besides, `run` and its kin, is left out. A difference fails. To
//! accept it, run with `BLESS=1` and read what changed.

use keras_compile::backends::wasm::{Features, Threading, Wasm, emit};
use keras_compile::graph::Graph;
use keras_compile::kernel::Kernel;
use keras_compile::quantize::{self, Rules};
use keras_compile::tensor::Encoding;
use keras_compile::{passes, plan};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Families that have code. A new one does not compile here until it is said whether it has.
const FAMILIES: [&str; 11] = [
    "map",
    "reduce",
    "contract",
    "winograd",
    "winograd weights",
    "depthwise",
    "pool",
    "move",
    "fill",
    "gather",
    "quantize",
];

/// The name of a family, if it has code.
fn family(kernel: &Kernel) -> Option<&'static str> {
    match kernel {
        Kernel::Convolve(_) => None,
        Kernel::Map(_)
        | Kernel::Reduce(_)
        | Kernel::Contract(_)
        | Kernel::Winograd(_)
        | Kernel::WinogradWeights(_)
        | Kernel::Depthwise(_)
        | Kernel::Pool(_)
        | Kernel::Move(_)
        | Kernel::Fill(_)
        | Kernel::Gather(_)
        | Kernel::Quantize(_) => FAMILIES.into_iter().find(|name| *name == kernel.family()),
    }
}

/// The functions of a module by their indices.
fn functions(module: &[u8]) -> Vec<(usize, String)> {
    let text = wasmprinter::print_bytes(module).expect("the module can be printed");
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("  (func (;") {
            let index = rest.split(';').next().and_then(|index| index.parse().ok());
            found.push((index.expect("functions have indices"), String::new()));
            inside = true;
        }
        if let (true, Some((_, text))) = (inside, found.last_mut()) {
            *text += line.strip_prefix("  ").unwrap_or(line);
            text.push('\n');
        }
        inside &= line != "  )";
    }
    found
}

/// Functions that a text calls.
fn callees(text: &str) -> impl Iterator<Item = usize> + '_ {
    let calls = text.lines().filter_map(|line| line.trim().strip_prefix("call "));
    calls.filter_map(|index| index.parse().ok())
}

/// The code of the kernels of a graph with the functions that they call, by family; with `integers` products multiply codes.
fn code(graph: &Graph, integers: bool) -> Result<String, String> {
    let mut graph = graph.clone();
    passes::run(&mut graph, passes::Options::default()).map_err(|error| error.to_string())?;
    if integers {
        let rules = Rules::of_all(Encoding::Int8, 1);
        quantize::apply(&mut graph, &rules).map_err(|error| error.to_string())?;
        quantize::integers(&mut graph, quantize::Fewest::default()).map_err(|error| error.to_string())?;
    }
    let plan = plan::plan(&graph, &Wasm::default()).map_err(|error| error.to_string())?;
    let module = emit(&plan, Features::Relaxed, Threading::Single).map_err(|error| error.to_string())?;
    let functions = functions(&module.bytes);
    let listing = wasmprinter::print_bytes(&module.bytes).expect("the module can be printed");
    let table = listing.lines().find(|line| line.trim().starts_with("(elem"));
    let table: Vec<usize> = table
        .and_then(|line| line.split_once("func "))
        .map(|(_, list)| {
            list.trim_end_matches(')')
                .split(' ')
                .filter_map(|index| index.parse().ok())
                .collect()
        })
        .ok_or("the module has no table")?;
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    for (kernel, &function) in plan.kernels.iter().zip(&table) {
        let family = family(kernel).ok_or("a family without code")?;
        text += &format!("\n--- {family}\n");
        let mut open = vec![function];
        while let Some(next) = open.pop() {
            if !shown.insert(next) {
                continue;
            }
            let (_, body) = functions
                .iter()
                .find(|(index, _)| *index == next)
                .ok_or("a function is gone")?;
            text += body;
            open.extend(callees(body));
        }
    }
    Ok(text)
}

#[test]
fn code_is_as_recorded() {
    let bless = std::env::var_os("BLESS").is_some();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/wat");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    paths.sort();
    let (mut wrong, mut all) = (Vec::new(), String::new());
    for path in paths {
        let name = path.display();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (about, rest) = text
            .split_once("\n--- graph\n")
            .unwrap_or_else(|| panic!("{name} has no graph"));
        let graph = rest.split("\n--- ").next().unwrap_or(rest).trim_end();
        let found = graph.parse::<Graph>().map_err(|error| error.to_string());
        let found = found
            .and_then(|graph| code(&graph, about.contains("integers")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = format!("{about}\n--- graph\n{graph}\n{found}");
        all += &found;
        if bless {
            fs::write(&path, found).expect("the folder is writable");
        } else if found != text {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    for family in FAMILIES {
        assert!(all.contains(&format!("\n--- {family}\n")), "{family} has no file");
    }
    assert!(
        wrong.is_empty(),
        "{} differ; BLESS=1 accepts them\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
