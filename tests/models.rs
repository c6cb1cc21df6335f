//! Goldens from real Keras, Keras 2 and 3: layers through all seams, whole networks through the emitted code.

use keras_compile::backends::wasm::{Features, Wasm};
use keras_compile::backends::webgl::WebGl;
use keras_compile::backends::webgpu::WebGpu;
use keras_compile::plan::Target;
use keras_compile::{passes, plan};
use keras_compile_tests::cases::{lowered, named, signature, try_goldens};
use keras_compile_tests::goldens::Case;
use keras_compile_tests::interpreter::interpret;
use keras_compile_tests::targets::Textures;
use keras_compile_tests::threads::same_on_threads;
use keras_compile_tests::wasm::Instantiated;

/// Which stages of a case are compared with Keras.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    /// Reference evaluation, interpreted kernels and emitted code.
    All,
    /// Emitted code only: the reference is too slow for whole networks.
    Code,
}

fn check(case: &Case, depth: Depth) -> Result<(), String> {
    let Some(mut graph) = lowered(case)? else {
        return Ok(());
    };
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

#[test]
fn layers() {
    try_goldens("layers", |case| check(case, Depth::All));
}

#[test]
fn networks() {
    try_goldens("networks", |case| check(case, Depth::Code));
}
