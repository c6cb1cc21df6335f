//! One file of weights for all backends.

use keras_compile::backends::{self, Selection};
use keras_compile::plan::{Plan, Run, Space};
use keras_compile::{Prepared, Source, passes, prepare};
use std::path::{Path, PathBuf};

/// Models in files, all without grouped convolutions, whose weights some backends want in another order.
const MODELS: [&str; 4] = [
    "examples/digits/digits.h5",
    "tests/goldens/containers/k3-cnn.keras",
    "tests/goldens/containers/k2-sequential.h5",
    "tests/goldens/containers/k3-sequential.h5",
];

fn prepared(model: &str) -> Prepared {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = Source {
        model: root.join(model),
        ..Source::default()
    };
    prepare(&source, passes::Options::default(), &mut ()).unwrap_or_else(|errors| panic!("{model}: {errors}"))
}

fn plans(prepared: &Prepared, backends: &str) -> Vec<(&'static str, Plan)> {
    let selection: Selection = backends.parse().expect("they exist");
    let plans = prepared.plans(&selection, backends::Options::default());
    let named = plans.expect("they are planned").into_iter();
    named.map(|(backend, plan)| (backend.name, plan)).collect()
}

/// Where all runs of a plan read weights, those that prepare some too.
fn reads(plan: &Plan) -> Vec<usize> {
    let runs = plan.prepare.iter().chain(plan.runs());
    let read = |run: &Run| {
        let own = run.arguments.iter().filter(|a| a.space == Space::Weights);
        own.map(|argument| argument.offset).collect::<Vec<_>>()
    };
    runs.flat_map(read).collect()
}

#[test]
fn all_backends_read_one_file() {
    for model in MODELS {
        let prepared = prepared(model);
        let all = plans(&prepared, "wasm,webgpu,webgl");
        assert_eq!(
            all.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["wasm", "webgpu", "webgl"]
        );
        let parts = |plan: &Plan| -> Vec<(usize, Vec<f32>)> {
            let parts = plan.weights.parts();
            parts.map(|(at, data)| (at, data.to_vec())).collect()
        };
        for (name, plan) in &all[1..] {
            assert_eq!(parts(plan), parts(&all[0].1), "{model} on {name}");
            assert_eq!(
                plan.weights.bytes(),
                all[0].1.weights.bytes(),
                "{model} on {name}"
            );
        }
    }
}

#[test]
fn the_first_backend_reads_its_weights_where_it_would_alone() {
    for model in MODELS {
        let prepared = prepared(model);
        let [(_, alone)] = &plans(&prepared, "wasm")[..] else {
            panic!("{model}: one backend has one plan");
        };
        let (_, beside) = &plans(&prepared, "wasm,webgpu,webgl")[0];
        assert!(!reads(alone).is_empty(), "{model} has weights");
        assert_eq!(reads(alone), reads(beside), "{model}");
        // Nothing is moved, what others want besides comes behind, and without convolutions in groups that is nothing.
        let mut both = alone.weights.parts().zip(beside.weights.parts());
        assert!(both.all(|(a, b)| a == b), "{model}");
        assert_eq!(alone.weights.bytes(), beside.weights.bytes(), "{model}");
        assert_eq!(alone.originals_bytes, beside.originals_bytes, "{model}");
    }
}
