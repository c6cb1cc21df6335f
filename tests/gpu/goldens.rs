//! Goldens from Keras.

use keras_compile::keras::Lowered;
use keras_compile::passes;
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::{check_predictions, lowered, try_goldens};
use keras_compile_tests::goldens::Case;
use keras_compile_tests::gpu::{BEYOND, Model};

/// Networks whose weights are larger than what every device binds: a page asks for more, or takes another backend.
const LARGE: &[&str] = &["-InceptionResNetV2", "-ResNetRS50", "-VGG16"];

fn check(case: &Case) -> Result<(), String> {
    let Some(Lowered {
        mut graph, states, ..
    }) = lowered(case)?
    else {
        return Ok(());
    };
    passes::run(&mut graph, passes::Options::default()).map_err(|error| format!("passes: {error}"))?;
    let large = LARGE.iter().any(|name| case.id.ends_with(name));
    let model = match Model::new(&graph) {
        Err(error) if large && error.starts_with(BEYOND) => return Ok(()),
        Ok(_) if large => return Err("is not beyond the limits of every device any more".into()),
        model => model?,
    };
    let mut last = Vec::new();
    let predict = |inputs: &[Tensor]| {
        last = inputs.to_vec();
        model.predict(inputs)
    };
    let compared = check_predictions(case, &graph, &states, predict);
    compared.map_err(|error| model.explained(&error, &last))
}

#[test]
fn layers() {
    try_goldens("layers", check);
}

#[test]
fn networks() {
    try_goldens("networks", check);
}
