//! Goldens as bundles, for tests in Node and in browsers.

use crate::cases::signature;
use crate::goldens::Case;
use keras_compile::Prepared;
use keras_compile::backends::{Options, Selection};
use keras_compile::bundle::{self, Contents, ElementType, Manifest, PackageName, Target};
use keras_compile::graph::Graph;
use keras_compile::passes;
use std::error::Error;
use std::path::Path;

/// Tensors as a page passes and gets them, by name. All are floats to it, whatever they are to Keras.
pub type Named = Vec<(String, Vec<f32>)>;

/// A golden that was compiled.
pub struct Compiled {
    /// What was written.
    pub manifest: Manifest,
    /// What the model is given.
    pub inputs: Named,
    /// What Keras predicted.
    pub expected: Named,
}

/// Compiles a case, already lowered, for all backends into `dir`.
///
/// # Errors
/// What the compiler says.
pub fn write(case: &Case, mut graph: Graph, dir: &Path) -> Result<Compiled, Box<dyn Error>> {
    let wanted = signature(&graph);
    let tensors = case.inputs(&wanted);
    let passes = passes::run(&mut graph, passes::Options::default())?;
    let floats = |count: usize| vec![ElementType::Float32; count];
    let prepared = Prepared {
        model: case.id.clone(),
        inputs: floats(tensors.len()),
        outputs: floats(graph.outputs().len()),
        graph,
        passes,
        notes: Vec::new(),
    };
    let options = Options::default();
    let plans = prepared.plans(&Selection::default(), options)?;
    let builds = plans
        .into_iter()
        .map(|(backend, plan)| backend.build(plan, options));
    let builds: Vec<_> = builds.collect::<Result<_, _>>()?;
    let contents = Contents {
        model: &prepared.model,
        package: &PackageName::of_model(&case.id),
        inputs: &prepared.inputs,
        outputs: &prepared.outputs,
        builds: &builds,
    };
    let manifest = bundle::write(&contents, &Target::new(dir, true)?, &mut |_| {})?;
    let names = wanted.into_iter().map(|(name, _)| name);
    Ok(Compiled {
        manifest,
        inputs: names
            .zip(tensors.iter().map(|tensor| tensor.to_f32().to_vec()))
            .collect(),
        expected: case.expected(),
    })
}
