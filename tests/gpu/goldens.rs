//! Goldens from Keras.

use keras_compile::passes;
use keras_compile_tests::cases::{lowered, named, signature, try_goldens};
use keras_compile_tests::goldens::Case;
use keras_compile_tests::gpu::Model;

fn check(case: &Case) -> Result<(), String> {
    let Some(mut graph) = lowered(case)? else {
        return Ok(());
    };
    let inputs = case.inputs(&signature(&graph));
    passes::run(&mut graph, passes::Options::default()).map_err(|error| format!("passes: {error}"))?;
    let model = Model::new(&graph)?;
    let found = model.predict(&inputs);
    let compared = found.and_then(|found| case.compare(&named(&graph, found)));
    compared.map_err(|error| model.explained(&error, &inputs))
}

#[test]
fn layers() {
    try_goldens("layers", check);
}

#[test]
fn networks() {
    try_goldens("networks", check);
}
