//! `digests [MODEL…]`: compiles every golden of the tests, and the model files given, and prints what each comes to: the
//! SHA-256 of its plan, of its weights, of every wasm module and of the files of all other backends. `tests/same-bytes` compares
//! two builds by it.

use keras_compile::backends::wasm::{self, Features, Threading, Wasm, emit};
use keras_compile::backends::{self, BACKENDS};
use keras_compile::error::Errors;
use keras_compile::graph::Graph;
use keras_compile::plan::{self, Plan};
use keras_compile::{keras, passes, report};
use keras_compile_tests::goldens::{cases, files};
use sha2::{Digest, Sha256};
use std::path::Path;

fn main() {
    for folder in ["layers", "networks"] {
        for case in files(folder).iter().flat_map(|file| cases(file)) {
            let lower = || keras::lower(&case.model()?, &case.shapes());
            show(&case.id, &lower);
        }
    }
    let given = std::env::args().skip(1).map(Into::into);
    let containers = files("containers").into_iter().filter(|path| is_model(path));
    for path in containers.chain(given) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lower = || keras::lower(&keras::read(&path, None)?, &keras::InputShapes::default());
        show(&name, &lower);
    }
}

fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "h5" || end == "keras")
}

/// Prints a line for each thing that a model becomes, or that it is refused.
fn show(id: &str, lower: &dyn Fn() -> Result<keras::Lowered, Errors>) {
    let graph = match lower() {
        Ok(lowered) => lowered.graph,
        Err(_) => return println!("{id} refused"),
    };
    for exact in [false, true] {
        match digests(graph.clone(), exact) {
            Ok(found) => found
                .iter()
                .for_each(|(part, digest)| println!("{id} {part} {digest}")),
            Err(error) => println!("{id} fails: {error}"),
        }
    }
}

/// What an optimised graph comes to. With `exact`, which changes only how convolutions are computed, the plan tells all.
fn digests(mut graph: Graph, exact: bool) -> Result<Vec<(String, String)>, Errors> {
    passes::run(&mut graph, passes::Options::default())?;
    let plan = plan::plan(&graph, &Wasm { exact })?;
    let kind = if exact { "exact " } else { "" };
    let mut found = vec![
        (
            format!("{kind}plan"),
            hash(report::listing(&plan).to_string().as_bytes()),
        ),
        (format!("{kind}weights"), weights(&plan)),
    ];
    if exact {
        return Ok(found);
    }
    for (name, threading) in [("", Threading::Single), ("threaded ", Threading::MULTI)] {
        for features in [Features::Relaxed, Features::Baseline] {
            let module = emit(&plan, features, threading)?;
            let place = format!(
                "{} {} {} {} {}",
                module.weights_at, module.arena_at, module.pages, module.scratch_bytes, module.useful_threads
            );
            found.push((format!("{name}{features:?}"), hash(&module.bytes)));
            found.push((format!("{name}{features:?} memory"), place.replace(' ', ",")));
        }
    }
    // All that the others are made of is in their files.
    for backend in BACKENDS
        .iter()
        .filter(|backend| backend.name != wasm::BACKEND.name)
    {
        let options = backends::Options::default();
        let plan = plan::plan(&graph, (backend.target)(options).as_ref())?;
        let emitted = (backend.emit)(&plan, options)?;
        let files = emitted.files.iter();
        found.extend(files.map(|file| (format!("{} {}", backend.name, file.label), hash(&file.bytes))));
    }
    Ok(found)
}

fn weights(plan: &Plan) -> String {
    let mut hash = Sha256::new();
    for (at, data) in plan.weights.parts() {
        hash.update((at as u64).to_le_bytes());
        data.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    hex(&hash.finalize())
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
