//! Goldens from real Keras, Keras 2 and 3: layers through all seams, whole networks through the emitted code.

use keras_compile::backends::wasm::{Features, Wasm};
use keras_compile::backends::webgl::WebGl;
use keras_compile::backends::webgpu::WebGpu;
use keras_compile::error::{Error, ErrorKind, Errors};
use keras_compile::graph::Graph;
use keras_compile::plan::Target;
use keras_compile::tensor::{Tensor, TensorType};
use keras_compile::{keras, passes, plan};
use keras_compile_tests::goldens::{Case, cases, files};
use keras_compile_tests::interpreter::interpret;
use keras_compile_tests::targets::Textures;
use keras_compile_tests::threads::same_on_threads;
use keras_compile_tests::wasm::Instantiated;

/// Names and types of a graph's inputs.
fn signature(graph: &Graph) -> Vec<(String, TensorType)> {
    graph
        .inputs()
        .iter()
        .map(|&id| (graph.node(id).input_name().to_owned(), graph.ty(id).clone()))
        .collect()
}

fn named(graph: &Graph, values: Vec<Tensor>) -> Vec<(String, Tensor)> {
    graph
        .outputs()
        .iter()
        .map(|o| o.name.clone())
        .zip(values)
        .collect()
}

/// Which stages of a case are compared with Keras.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    /// Reference evaluation, interpreted kernels and emitted code.
    All,
    /// Emitted code only: the reference is too slow for whole networks.
    Code,
}

fn check(case: &Case, depth: Depth) -> Result<(), String> {
    let model = case.model().map_err(|error| format!("reading: {error}"))?;
    let lowered = match (keras::lower(&model, &case.shapes()), is_refused(case)) {
        (Ok(lowered), false) => lowered,
        (Ok(_), true) => return Err("is compiled now; take it off goldens/refused.txt".to_owned()),
        (Err(errors), refused) => return refusal(&errors, refused),
    };
    let mut graph = lowered.graph;
    let inputs = case.inputs(&signature(&graph));
    if depth == Depth::All {
        let found = graph.eval(&inputs).map_err(|error| format!("eval: {error}"))?;
        case.compare(&named(&graph, found))
            .map_err(|error| format!("eval: {error}"))?;
    }
    let options = passes::Options {
        verify: true,
        ..passes::Options::default()
    };
    passes::run(&mut graph, options).map_err(|error| format!("passes: {error}"))?;
    let plan = plan::plan(&graph, &Wasm::default()).map_err(|error| format!("plan: {error}"))?;
    if depth == Depth::All {
        case.compare(&named(&graph, interpret(&plan, &inputs)))
            .map_err(|error| format!("kernels: {error}"))?;
    }
    // Other targets, one as unlike the first as can be, show that nothing above targets knows which it is.
    for (target, on) in [
        (&Textures as &dyn Target, "textures"),
        (&WebGpu, "WebGPU"),
        (&WebGl, "WebGL2"),
    ] {
        let plan = plan::plan(&graph, target).map_err(|error| format!("plan for {on}: {error}"))?;
        case.compare(&named(&graph, interpret(&plan, &inputs)))
            .map_err(|error| format!("{on}: {error}"))?;
    }
    for features in [Features::Baseline, Features::Relaxed] {
        let mut instance = Instantiated::new(&plan, features);
        instance.poison(&plan);
        let found = instance.predict(&plan, &inputs);
        case.compare(&named(&graph, found.clone()))
            .map_err(|error| format!("{features:?}: {error}"))?;
        if depth == Depth::All && features == Features::Baseline {
            same_on_threads(&plan, features, &inputs, &found)?;
        }
    }
    Ok(())
}

/// Whether `goldens/refused.txt` lists a case: something real that is not supported.
fn is_refused(case: &Case) -> bool {
    include_str!("goldens/refused.txt")
        .lines()
        .any(|line| line == case.id)
}

/// A case that must be refused has to name every culprit: its layer, and what about it is not supported.
fn refusal(errors: &Errors, expected: bool) -> Result<(), String> {
    let by_name = |error: &Error| {
        let kind = matches!(
            error.kind,
            ErrorKind::UnsupportedLayer { .. } | ErrorKind::UnsupportedValue { .. }
        );
        kind && error.place.layer.is_some() && error.help.is_some()
    };
    if expected && errors.as_slice().iter().all(by_name) {
        Ok(())
    } else {
        Err(format!("lowering: {errors}"))
    }
}

/// Runs every case of a folder, several at a time, and reports all failures.
fn run(folder: &str, depth: Depth) {
    let filter = std::env::var("GOLDEN").unwrap_or_default();
    let mut all: Vec<Case> = files(folder).iter().flat_map(|file| cases(file)).collect();
    all.retain(|case| case.id.contains(&filter));
    assert!(!all.is_empty(), "no case contains {filter:?}");
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = all.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let result = std::panic::catch_unwind(|| check(case, depth));
                    let error = match result {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => error,
                        Err(_) => "panic, see above".to_owned(),
                    };
                    failures
                        .lock()
                        .expect("no thread panics")
                        .push(format!("{} (Keras {}): {error}", case.id, case.keras));
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics");
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        all.len(),
        failures.join("\n")
    );
}

#[test]
fn layers() {
    run("layers", Depth::All);
}

#[test]
fn networks() {
    run("networks", Depth::Code);
}
