//! Files that Keras 1.2.2 itself saved, on TensorFlow and on Theano, and what is said of those that cannot be read.

use keras_compile::keras::{self, InputShapes, ModelFile, Semantics, Weight};
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::{named, signature};
use keras_compile_tests::goldens::{decode, files};
use serde_json::{Value, json};
use std::path::Path;

/// Compares what a file gives with what Keras 1 predicted.
fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let golden: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let id = golden["id"].as_str().ok_or("no id")?;
    let beside = |end: &str| path.with_file_name(format!("{id}.{end}"));
    let (model, weights) = match beside("h5").exists() {
        true => (beside("h5"), None),
        false => (beside("model.json"), Some(beside("weights.h5"))),
    };
    let model = keras::read(&model, weights.as_deref()).map_err(|errors| errors.to_string())?;
    if model.version.semantics != Semantics::Keras1 {
        return Err(format!("it is read as {:?}", model.version));
    }
    let theano = model.notes.iter().any(|note| note.contains("saved on Theano"));
    // Without a kernel that is turned round there is nothing to say.
    let turned = id.starts_with("theano") && !id.contains("embedding");
    if theano != turned {
        return Err(format!("notes: {:?}", model.notes));
    }
    let floats = |spec: &Value| decode(spec["data"].as_str().unwrap_or_default());
    let dims = |spec: &Value| serde_json::from_value::<Vec<usize>>(spec["shape"].clone()).unwrap_or_default();
    let specs = golden["inputs"].as_array().ok_or("no inputs")?;
    let mut shapes = InputShapes::default();
    for spec in specs {
        let name = spec["name"].as_str().filter(|_| specs.len() > 1);
        shapes.add(name.map(str::to_owned), dims(spec));
    }
    let graph = keras::lower(&model, &shapes)
        .map_err(|errors| errors.to_string())?
        .graph;
    let inputs = signature(&graph).into_iter().zip(specs).map(|((_, ty), spec)| {
        let values = floats(spec);
        match ty.dtype {
            keras_compile::tensor::DType::F32 => Tensor::f32(ty.shape, values),
            keras_compile::tensor::DType::I32 => {
                Tensor::i32(ty.shape, values.iter().map(|&v| v as i32).collect::<Vec<_>>())
            }
        }
    });
    let inputs: Vec<Tensor> = inputs
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let found = graph.eval(&inputs).map_err(|error| error.to_string())?;
    let outputs = golden["outputs"].as_array().ok_or("no outputs")?;
    for ((name, found), output) in named(&graph, found).into_iter().zip(outputs) {
        let expected = floats(output);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 + 1e-4 * b.abs();
        let found = found.to_f32();
        if found.len() != expected.len() || !found.iter().zip(&expected).all(close) {
            return Err(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn files_are_read_as_keras_1_means_them() {
    let goldens = files("keras1")
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with(".golden.json"));
    let results: Vec<_> = goldens.map(|path| (check(&path), path)).collect();
    let failed: Vec<String> = results
        .iter()
        .filter_map(|(result, path)| {
            result
                .as_ref()
                .err()
                .map(|error| format!("{}: {error}", path.display()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(results.len() >= 10, "only {} files", results.len());
}

/// What is said of a Sequential model of one layer.
fn said(class: &str, mut config: Value) -> String {
    config["name"] = json!("it");
    config["trainable"] = json!(true);
    let layers = json!([{"class_name": class, "config": config}]);
    let architecture = json!({"class_name": "Sequential", "keras_version": "1.2.2", "config": layers});
    let weights = &mut |_: &str| -> Vec<Weight> { Vec::new() };
    let result = keras::from_architecture(architecture, weights)
        .and_then(|model| keras::lower(&model, &InputShapes::default()).map(|_| ()));
    let all = result.expect_err("an error").to_string();
    let kept = all.lines().filter(|line| !line.contains("weight is missing"));
    kept.collect::<Vec<_>>().join("\n")
}

/// Messages name fields as they stand in the file.
#[test]
fn what_cannot_be_read_is_refused_by_its_name() {
    let image = json!([null, 4, 4, 2]);
    let convolution = |key: &str, value: Value| {
        let mut config = json!({"batch_input_shape": image, "nb_filter": 2, "nb_row": 2, "nb_col": 2, "border_mode": "valid", "dim_ordering": "tf"});
        config[key] = value;
        said("Convolution2D", config)
    };
    let vector = json!([null, 4]);
    let merged = |config: Value| said("Merge", config);
    let cases = [
        convolution("nb_filter", json!(-1)),
        convolution("nb_row", json!("x")),
        convolution("border_mode", json!("full")),
        convolution("dim_ordering", json!("default")),
        convolution("subsample", json!([0, 1])),
        convolution("wobble", json!(3)),
        said("Dense", json!({"batch_input_shape": vector, "output_dim": 0})),
        said(
            "Dense",
            json!({"batch_input_shape": vector, "output_dim": 2, "activation": "mine"}),
        ),
        said(
            "BatchNormalization",
            json!({"batch_input_shape": vector, "mode": 3}),
        ),
        said(
            "Deconvolution2D",
            json!({"batch_input_shape": image, "nb_filter": 2, "nb_row": 2, "nb_col": 2, "output_shape": [null, 9, 9, 2]}),
        ),
        said(
            "LSTM",
            json!({"batch_input_shape": [null, 3, 2], "output_dim": 2, "inner_activation": "softmax"}),
        ),
        said(
            "TimeDistributed",
            json!({"batch_input_shape": [null, 3, 2], "layer": {"class_name": "Dense", "config": {"output_dim": "x"}}}),
        ),
        merged(json!({"batch_input_shape": vector, "mode": "median"})),
        merged(json!({"batch_input_shape": vector, "mode": ["code", null, null], "mode_type": "lambda"})),
        said(
            "ZeroPadding2D",
            json!({"batch_input_shape": image, "padding": {"top": 1}}),
        ),
        said(
            "Lambda",
            json!({"batch_input_shape": vector, "function": ["code", null, null], "function_type": "lambda", "output_shape": null, "output_shape_type": "raw", "arguments": {}}),
        ),
        said("Wavelet", json!({"batch_input_shape": vector})),
    ];
    let text = cases.join("\n\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/keras1.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &text).expect("the snapshot");
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap_or_default());
}

/// A class that ended with Keras 1 is the user's in a later file.
#[test]
fn classes_of_keras_1_are_its_own() {
    let layer = json!({"class_name": "Highway", "config": {"name": "it", "batch_input_shape": [null, 4]}});
    let architecture = json!({"class_name": "Sequential", "keras_version": "2.2.4", "config": [layer]});
    let weights = &mut |_: &str| -> Vec<Weight> { Vec::new() };
    let model = keras::from_architecture(architecture, weights).expect("a model");
    let error = keras::lower(&model, &InputShapes::default()).expect_err("an unknown class");
    let said = error.to_string();
    assert!(
        said.contains("layer \"it\" (Highway)") && !said.contains("closest"),
        "{said}"
    );
}

/// Files from before 1.2 do not state their version.
#[test]
fn the_dialect_shows_in_the_arguments() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/keras1/keras1-sequential-in-sequential.h5");
    let bytes = std::fs::read(path).expect("the file");
    let model = keras::read_inputs(ModelFile::Bytes("model.h5", &bytes), None).expect("a model");
    assert_eq!(
        (model.version.semantics, model.version.text),
        (Semantics::Keras1, None)
    );
}

/// Before Keras 1.1 a Convolution1D stored its kernel as `[filters, channels, size, 1]`.
#[test]
fn the_oldest_kernels_of_sequences_are_turned() {
    let layer = json!({"class_name": "Convolution1D", "config": {
        "name": "it", "batch_input_shape": [null, 5, 2], "nb_filter": 4, "filter_length": 3, "bias": false}});
    let kernel = |dims: [usize; 4]| -> Vec<f32> {
        let architecture =
            json!({"class_name": "Sequential", "keras_version": "1.0.8", "config": [layer.clone()]});
        // Each number says which filter, channel and tap it is of.
        let values = (0..24).map(|i| match dims {
            [4, 2, 3, 1] => i as f32,
            _ => ((i % 4) * 6 + (i / 4 % 2) * 3 + i / 8) as f32,
        });
        let tensor = Tensor::f32(dims, values.collect::<Vec<_>>()).expect("as many as there are");
        let mut tensor = Some(tensor);
        let model = keras::from_architecture(architecture, &mut |path| {
            let found = tensor.take_if(|_| path == "it").into_iter();
            let weight = |tensor| Weight {
                name: "it_W".to_owned(),
                tensor,
            };
            found.map(weight).collect()
        });
        let model = model.expect("a model");
        let layer = model
            .root
            .layers
            .iter()
            .find(|layer| layer.name == "it")
            .expect("the layer");
        assert_eq!(layer.weights[0].tensor.shape().dims(), [3, 2, 4]);
        layer.weights[0].tensor.to_f32().to_vec()
    };
    assert_eq!(kernel([4, 2, 3, 1]), kernel([3, 1, 2, 4]));
}
