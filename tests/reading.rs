//! Reads every file that real Keras wrote into `goldens/containers` and checks which numbers went
//! to which layer: the weights there are generated from the layer's path and the weight's place
//! (see `goldens/generated.py`), so that each value tells where it belongs.

use keras_compile::keras::{self, KerasModel, Layer, Network, Semantics, Weight};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/containers")
}

/// `(id, model, weights)` of every golden.
fn goldens() -> Vec<(String, PathBuf, Option<PathBuf>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("goldens/containers") {
        let path = entry.expect("a folder entry").path();
        if !path.to_string_lossy().ends_with(".golden.json") {
            continue;
        }
        let golden: Value = serde_json::from_slice(&std::fs::read(&path).expect("a golden")).expect("JSON");
        let file = |key: &str| golden["files"][key].as_str().map(|name| folder().join(name));
        let id = golden["id"].as_str().expect("an id").to_owned();
        let model = file("model").or(file("config")).expect("a model");
        found.push((id, model, file("weights")));
    }
    found.sort();
    assert!(found.len() > 40, "only {} goldens", found.len());
    found
}

/// The rule of `goldens/generated.py`: numbers in [0, 1) from a name.
fn unit(name: &str, count: usize) -> Vec<f32> {
    let step = |value: u32, byte: u8| (value ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let seed = name.bytes().fold(0x811C_9DC5, step);
    let number = |i: usize| {
        let mut x = (i as u32).wrapping_mul(0x9E37_79B9).wrapping_add(seed);
        x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
        x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
        (x ^ (x >> 16)) >> 8
    };
    (0..count).map(|i| number(i) as f32 / 16_777_216.0).collect()
}

/// How far `found` is from `low + (high - low) * unit` for the best `low` and `high`.
fn misfit(found: &[f32], unit: &[f32]) -> f64 {
    let n = found.len() as f64;
    let pairs = || {
        found
            .iter()
            .zip(unit)
            .map(|(&f, &u)| (f64::from(f), f64::from(u)))
    };
    let (sum_f, sum_u) = pairs().fold((0.0, 0.0), |(f, u), (a, b)| (f + a, u + b));
    let (mean_f, mean_u) = (sum_f / n, sum_u / n);
    let cross: f64 = pairs().map(|(f, u)| (f - mean_f) * (u - mean_u)).sum();
    let spread: f64 = pairs().map(|(_, u)| (u - mean_u).powi(2)).sum();
    let slope = cross / spread;
    let off = pairs().map(|(f, u)| (f - mean_f - slope * (u - mean_u)).abs());
    off.fold(0.0, f64::max) / slope.abs().max(1e-9)
}

/// The weights of a layer and of those that it wraps: those that are trained, and the others, as Keras lists them.
fn split<'m>(layer: &'m Layer, weights: &mut [Vec<&'m Weight>; 2]) {
    let fixed = keras::layers::fixed_weights(layer, layer.weights.len());
    let (trained, others) = layer.weights.split_at(layer.weights.len() - fixed);
    weights[0].extend(trained);
    weights[1].extend(others);
    for inner in layer.inner() {
        split(inner, weights);
    }
}

fn check_weights(id: &str, network: &Network, tolerance: f64, problems: &mut Vec<String>) -> usize {
    let mut checked = 0;
    for layer in &network.layers {
        if let Some(inner) = &layer.network {
            checked += check_weights(id, inner, tolerance, problems);
        }
        let mut weights = [Vec::new(), Vec::new()];
        if layer.network.is_none() {
            split(layer, &mut weights);
        }
        for (index, weight) in weights.concat().into_iter().enumerate() {
            let data = weight.tensor.to_f32();
            let path = layer
                .path
                .replace("block1/", "block1--")
                .replace("head/", "head--")
                // Of a model whose weights are those of one with other names.
                .replace("other_", "");
            let expected = unit(&format!("{path}/{index}"), data.len());
            // Two numbers fit any line.
            if data.len() > 2 {
                checked += 1;
                let misfit = misfit(&data, &expected);
                if misfit > tolerance {
                    problems.push(format!(
                        "{id}: {} weight {index} ({}): misfit {misfit}",
                        layer.path, weight.name
                    ));
                }
            }
        }
    }
    checked
}

fn read(id: &str, model: &Path, weights: Option<&Path>) -> KerasModel {
    keras::read(model, weights).unwrap_or_else(|errors| panic!("{id}: {errors}"))
}

#[test]
fn every_weight_is_where_keras_put_it() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for (id, model, weights) in goldens() {
        let found = read(&id, &model, weights.as_deref());
        // Training changes weights, adaptions are added to them, and others are rounded to integers.
        if ["trained", "adapted", "quantized"]
            .iter()
            .any(|kind| id.contains(kind))
        {
            continue;
        }
        let tolerance = if id.contains("bfloat16") {
            2e-2
        } else if id.contains("float16") {
            2e-3
        } else {
            2e-6
        };
        checked += check_weights(&id, &found.root, tolerance, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 300, "only {checked} weights were checked");
}

/// A `.keras` archive has the sum of a weight and its low-rank adaption, a `.h5` file has them apart.
#[test]
fn adaptions_are_added_whatever_file_they_are_in() {
    let models = ["keras", "h5"].map(|suffix| {
        let path = folder().join(format!("k3-adapted.{suffix}"));
        read(suffix, &path, None)
    });
    let [merged, apart] = models.each_ref().map(|model| &model.root.layers);
    let mut compared = 0;
    for (merged, apart) in merged.iter().zip(apart) {
        assert_eq!(merged.weights.len(), apart.weights.len(), "{}", merged.path);
        for (a, b) in merged.weights.iter().zip(&apart.weights) {
            assert_eq!(a.tensor.shape(), b.tensor.shape(), "{} {}", merged.path, b.name);
            let (a, b) = (a.tensor.to_f32(), b.tensor.to_f32());
            let off = a.iter().zip(b.iter()).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-6, "{}", merged.path);
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

#[test]
fn versions_follow_the_file() {
    for (id, model, weights) in goldens() {
        let expected = if id.starts_with("k3") {
            Semantics::Keras3
        } else {
            Semantics::Keras2
        };
        assert_eq!(
            read(&id, &model, weights.as_deref()).version.semantics,
            expected,
            "{id}"
        );
    }
}

#[test]
fn names_of_inputs_and_outputs_are_those_of_keras() {
    for (id, model, weights) in goldens() {
        let text = std::fs::read(folder().join(format!("{id}.golden.json"))).expect("a golden");
        let golden: Value = serde_json::from_slice(&text).expect("JSON");
        let names = |key: &str| -> Vec<String> {
            let specs = golden[key].as_array().expect("a list");
            specs
                .iter()
                .map(|spec| spec["name"].as_str().expect("a name").to_owned())
                .collect()
        };
        let found = read(&id, &model, weights.as_deref()).root;
        let ports =
            |ports: &[keras::model::Port]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
        assert_eq!(ports(&found.outputs), names("outputs"), "{id}");
        // The oldest Sequential models name their input after their first layer.
        if !id.starts_with("keras20") {
            assert_eq!(ports(&found.inputs), names("inputs"), "{id}");
        }
    }
}

#[test]
fn calls_stand_after_what_they_take() {
    fn check(id: &str, network: &Network) {
        let mut done = Vec::new();
        for &step in &network.schedule {
            let (layer, call) = network.step(step);
            for tensor in call.tensors() {
                assert!(
                    done.contains(&(tensor.layer, tensor.call)),
                    "{id}: {} comes too early",
                    layer.path
                );
            }
            done.push((step.layer, step.call));
        }
        let calls: usize = network.layers.iter().map(|layer| layer.calls.len()).sum();
        assert_eq!(done.len(), calls, "{id}");
        network
            .layers
            .iter()
            .filter_map(|layer| layer.network.as_ref())
            .for_each(|inner| check(id, inner));
    }
    for (id, model, weights) in goldens() {
        check(&id, &read(&id, &model, weights.as_deref()).root);
    }
}
