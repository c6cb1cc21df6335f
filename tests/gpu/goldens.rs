//! Goldens from Keras.

use keras_compile::keras::Lowered;
use keras_compile::passes;
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::{check_predictions, lowered, try_goldens};
use keras_compile_tests::goldens::Case;
use keras_compile_tests::gpu::Model;

fn check(case: &Case) -> Result<(), String> {
    let Some(Lowered {
        mut graph,
        states,
        prepared,
        ..
    }) = lowered(case)?
    else {
        return Ok(());
    };
    passes::run(&mut graph, passes::Options::default()).map_err(|error| format!("passes: {error}"))?;
    for model in Model::all(&graph)? {
        let mut last = Vec::new();
        let predict = |inputs: &[Tensor]| {
            last = inputs.to_vec();
            model.predict(inputs)
        };
        let compared = check_predictions(case, &graph, &states, prepared.as_ref(), predict);
        compared.map_err(|error| model.explained(&error, &last))?;
    }
    Ok(())
}

#[test]
fn layers() {
    try_goldens("layers", check);
}

#[test]
fn networks() {
    try_goldens("networks", check);
}
