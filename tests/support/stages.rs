//! A golden at every stage of its compilation.

use crate::cases::{check_predictions, lowered};
use crate::goldens::Case;
use crate::interpreter::interpret;
use crate::targets::Textures;
use crate::threads::same_on_threads;
use crate::wasm::Instantiated;
use keras_compile::backends::wasm::{Features, Wasm};
use keras_compile::backends::webgl::WebGl;
use keras_compile::backends::webgpu::WebGpu;
use keras_compile::keras::Lowered;
use keras_compile::plan::{Plan, Target};
use keras_compile::tensor::Tensor;
use keras_compile::{passes, plan};

/// Which stages of a case are compared with Keras.
#[derive(Clone, Copy, PartialEq)]
pub enum Depth {
    /// Reference evaluation, interpreted kernels and emitted code.
    All,
    /// Emitted code only: the reference is too slow for whole networks.
    Code,
}

/// Compares what a case gives at every stage with Keras; one that must be refused, whether it is.
///
/// # Errors
/// The first difference, and the stage at which it arose.
pub fn check(case: &Case, depth: Depth) -> Result<(), String> {
    let Some(Lowered {
        mut graph,
        states,
        prepared,
        ..
    }) = lowered(case)?
    else {
        return Ok(());
    };
    if depth == Depth::All {
        let eval = |inputs: &[Tensor]| graph.eval(inputs).map_err(|error| error.to_string());
        check_predictions(case, &graph, &states, prepared.as_ref(), eval)
            .map_err(|error| format!("eval: {error}"))?;
    }
    let options = passes::Options {
        verify: true,
        ..passes::Options::default()
    };
    passes::run(&mut graph, options).map_err(|error| format!("passes: {error}"))?;
    let interpreted = |plan: &Plan| {
        check_predictions(case, &graph, &states, prepared.as_ref(), |inputs| {
            Ok(interpret(plan, inputs))
        })
    };
    let plan = plan::plan(&graph, &Wasm::default()).map_err(|error| format!("plan: {error}"))?;
    if depth == Depth::All {
        interpreted(&plan).map_err(|error| format!("kernels: {error}"))?;
    }
    // Other targets, one as unlike the first as can be, show that nothing above targets knows which it is.
    for (target, on) in [
        (&Textures as &dyn Target, "textures"),
        (&WebGpu, "WebGPU"),
        (&WebGl, "WebGL2"),
    ] {
        let plan = plan::plan(&graph, target).map_err(|error| format!("plan for {on}: {error}"))?;
        interpreted(&plan).map_err(|error| format!("{on}: {error}"))?;
    }
    for features in [Features::Baseline, Features::Relaxed] {
        let mut instance = Instantiated::new(&plan, features);
        instance.poison(&plan);
        let predict = |inputs: &[Tensor]| {
            let found = instance.predict(&plan, inputs);
            if depth == Depth::All && features == Features::Baseline {
                same_on_threads(&plan, features, inputs, &found)?;
            }
            Ok(found)
        };
        check_predictions(case, &graph, &states, prepared.as_ref(), predict)
            .map_err(|error| format!("{features:?}: {error}"))?;
    }
    Ok(())
}
