//! `golden-bundle GOLDEN DIR`: compiles a golden network into `DIR/dist`, and writes its inputs and what Keras
//! predicts into `DIR/case.json`, for tests in Node and in browsers.

use keras_compile::keras;
use keras_compile_tests::bundles::{self, Named};
use keras_compile_tests::goldens::{Case, cases};
use serde_json::json;
use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [golden, dir] = args.as_slice() else {
        panic!("usage: golden-bundle GOLDEN DIR")
    };
    let case = cases(Path::new(golden)).remove(0);
    if let Err(error) = write(&case, Path::new(dir)) {
        eprintln!("{golden}: {error}");
        std::process::exit(1);
    }
}

fn write(case: &Case, dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let lowered = keras::lower(&case.model()?, &case.shapes())?;
    std::fs::create_dir_all(dir)?;
    let mut compiled = bundles::write(case, lowered, &dir.join("dist"))?;
    let object = |named: Named| -> serde_json::Map<_, _> {
        let pairs = named.into_iter();
        pairs.map(|(name, values)| (name, json!(values))).collect()
    };
    let first = compiled.predictions.swap_remove(0);
    let (inputs, expected) = (object(first.inputs), object(first.expected));
    let (rtol, atol) = case.tolerance();
    let text = json!({ "inputs": inputs, "expected": expected, "rtol": rtol, "atol": atol });
    std::fs::write(dir.join("case.json"), text.to_string())?;
    Ok(())
}
