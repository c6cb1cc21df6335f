//! Goldens as bundles, for tests in Node and in browsers.

use crate::cases::passed;
use crate::goldens::Case;
use keras_compile::Prepared;
use keras_compile::backends::{Options, Selection};
use keras_compile::bundle::{self, Contents, ElementType, Manifest, PackageName, Target};
use keras_compile::keras::Lowered;
use keras_compile::passes;
use std::error::Error;
use std::path::Path;

/// Tensors as a page passes and gets them, by name. All are floats to it, whatever they are to Keras.
pub type Named = Vec<(String, Vec<f32>)>;

/// A golden that was compiled.
pub struct Compiled {
    /// What was written.
    pub manifest: Manifest,
    /// Each prediction, one after the other.
    pub predictions: Vec<Prediction>,
}

/// A prediction.
pub struct Prediction {
    /// What the model is given.
    pub inputs: Named,
    /// What Keras predicted.
    pub expected: Named,
}

/// Compiles a case, already lowered, for all backends into `dir`.
///
/// # Errors
/// What the compiler says.
pub fn write(case: &Case, lowered: Lowered, dir: &Path) -> Result<Compiled, Box<dyn Error>> {
    let Lowered {
        mut graph, states, ..
    } = lowered;
    let wanted = passed(&graph, &states);
    let passes = passes::run(&mut graph, passes::Options::default())?;
    let floats = |count: usize| vec![ElementType::Float32; count];
    let prepared = Prepared {
        model: case.id.clone(),
        inputs: floats(graph.inputs().len()),
        outputs: floats(graph.outputs().len()),
        graph,
        states,
        passes,
        notes: Vec::new(),
    };
    let options = Options::default();
    let plans = prepared.plans(&Selection::default(), options)?;
    let builds = plans
        .into_iter()
        .map(|(backend, plan)| backend.build(plan, options));
    let builds: Vec<_> = builds.collect::<Result<_, _>>()?;
    let states = prepared.states.iter().map(|state| [state.input, state.output]);
    let contents = Contents {
        model: &prepared.model,
        package: &PackageName::of_model(&case.id),
        inputs: &prepared.inputs,
        outputs: &prepared.outputs,
        states: &states.collect::<Vec<_>>(),
        builds: &builds,
    };
    let manifest = bundle::write(&contents, &Target::new(dir, true)?, &mut |_| {})?;
    let prediction = |number: usize| Prediction {
        inputs: wanted
            .iter()
            .zip(case.inputs(number, &wanted))
            .map(|((name, _), tensor)| (name.clone(), tensor.to_f32().to_vec()))
            .collect(),
        expected: case.expected(number),
    };
    Ok(Compiled {
        manifest,
        predictions: (0..case.predictions()).map(prediction).collect(),
    })
}
