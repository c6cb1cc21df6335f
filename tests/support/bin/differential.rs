//! `differential FILE…`: compares random models, as `tests/differential/generate.py` writes them, with Keras at every stage of
//! their compilation, and as WGSL on the GPU that there is. Ends with 1 if a number differs, and tells what is refused.

use keras_compile::keras::{self, Lowered};
use keras_compile::passes;
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::{check_predictions, failures};
use keras_compile_tests::goldens::{Case, cases};
use keras_compile_tests::gpu::Model;
use keras_compile_tests::stages::{Depth, check};
use std::path::Path;

/// Begins the failure of a model that is refused.
const REFUSED: &str = "refused: ";

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    assert!(!files.is_empty(), "usage: differential FILE…");
    let mut is_wrong = false;
    for file in &files {
        let all = cases(Path::new(file));
        let name = |case: &Case| format!("{} (Keras {})", case.id, case.keras);
        let found = failures(&all, name, compare);
        let (refused, wrong): (Vec<_>, Vec<_>) = found.iter().partition(|line| line.contains(REFUSED));
        println!(
            "{file}: {} models, {} refused, {} wrong",
            all.len(),
            refused.len(),
            wrong.len()
        );
        for line in refused.iter().chain(&wrong) {
            println!("  {line}");
        }
        is_wrong |= !wrong.is_empty();
    }
    std::process::exit(i32::from(is_wrong));
}

fn compare(case: &Case) -> Result<(), String> {
    let model = case.model().map_err(|errors| format!("{REFUSED}{errors}"))?;
    let lowered = keras::lower(&model, &case.shapes());
    let Lowered {
        mut graph,
        states,
        prepared,
        ..
    } = lowered.map_err(|errors| format!("{REFUSED}{errors}"))?;
    check(case, Depth::All)?;
    passes::run(&mut graph, passes::Options::default()).map_err(|error| format!("passes: {error}"))?;
    let model = Model::new(&graph).map_err(|error| format!("WGSL: {error}"))?;
    let mut last = Vec::new();
    let predict = |inputs: &[Tensor]| {
        last = inputs.to_vec();
        model.predict(inputs)
    };
    let compared = check_predictions(case, &graph, &states, prepared.as_ref(), predict);
    compared.map_err(|error| format!("WGSL: {}", model.explained(&error, &last)))
}
