//! `golden-bundle GOLDEN DIR`: compiles a golden network into `DIR/dist`, and writes its inputs and what Keras
//! predicts into `DIR/case.json`, for tests in Node and in browsers.

use keras_compile::backends::{self, Selection};
use keras_compile::bundle::{self, Contents, ElementType, PackageName, Target};
use keras_compile::tensor::Tensor;
use keras_compile::{Prepared, keras, passes};
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
    let model = case.model()?;
    let lowered = keras::lower(&model, &case.shapes())?;
    drop(model);
    let mut graph = lowered.graph;
    let wanted: Vec<_> = graph
        .inputs()
        .iter()
        .map(|&id| (graph.node(id).input_name().to_owned(), graph.ty(id).clone()))
        .collect();
    let inputs = case.inputs(&wanted);
    let names: Vec<String> = wanted.into_iter().map(|(name, _)| name).collect();
    let passes = passes::run(&mut graph, passes::Options::default())?;
    std::fs::create_dir_all(dir)?;
    let floats = |count: usize| vec![ElementType::Float32; count];
    let prepared = Prepared {
        model: case.id.clone(),
        inputs: floats(inputs.len()),
        outputs: floats(graph.outputs().len()),
        graph,
        passes,
        notes: Vec::new(),
    };
    let options = backends::Options::default();
    let plans = prepared.plans(&Selection::default(), options)?;
    let Prepared {
        inputs: given,
        outputs,
        ..
    } = prepared;
    let builds = plans
        .into_iter()
        .map(|(backend, plan)| backend.build(plan, options));
    let builds = builds.collect::<Result<Vec<_>, _>>()?;
    let contents = Contents {
        model: &case.id,
        package: &PackageName::of_model(&case.id),
        inputs: &given,
        outputs: &outputs,
        builds: &builds,
    };
    bundle::write(&contents, &Target::new(&dir.join("dist"), true)?, &mut |_| {})?;
    let values = |tensor: &Tensor| tensor.to_f32().to_vec();
    let named: serde_json::Map<_, _> = names
        .into_iter()
        .zip(&inputs)
        .map(|(name, tensor)| (name, json!(values(tensor))))
        .collect();
    let expected: serde_json::Map<_, _> = case
        .expected()
        .into_iter()
        .map(|(name, data)| (name, json!(data)))
        .collect();
    let (rtol, atol) = case.tolerance();
    let text = json!({ "inputs": named, "expected": expected, "rtol": rtol, "atol": atol });
    std::fs::write(dir.join("case.json"), text.to_string())?;
    Ok(())
}
