//! Weights in fewer bits, in all small networks: each is within its bound of the original, files give the very numbers, and kernels
//! compute with these what the reference evaluation does.

use keras_compile::backends::wasm::{Features, Wasm};
use keras_compile::backends::webgl::WebGl;
use keras_compile::backends::webgpu::WebGpu;
use keras_compile::graph::{Builder, Graph};
use keras_compile::keras::Lowered;
use keras_compile::kernel::{Kernel, Right};
use keras_compile::ops::MatMul;
use keras_compile::passes;
use keras_compile::plan::{Plan, Target, plan};
use keras_compile::pointwise::Tape;
use keras_compile::quantize::{Fewest, Rules, apply, integers};
use keras_compile::tensor::encoded::decode;
use keras_compile::tensor::{Encoded, Encoding, Tensor, TensorType};
use keras_compile_tests::cases::{lowered, passed, signature, try_goldens};
use keras_compile_tests::goldens::Case;
use keras_compile_tests::graphs::compare;
use keras_compile_tests::interpreter::{check_touches, interpret};
use keras_compile_tests::random::Random;
use keras_compile_tests::strings;
use keras_compile_tests::threads::same_on_threads;
use keras_compile_tests::wasm::Instantiated;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The values of all inputs of the first prediction, states being 0.
fn inputs(case: &Case, graph: &Graph, lowered: &Lowered) -> Vec<Tensor> {
    let states = &lowered.states;
    let passed = passed(graph, states);
    let mut given = strings::inputs(case, 0, &passed, lowered.prepared.as_ref()).into_iter();
    let all = signature(graph).into_iter().enumerate();
    all.map(|(i, (_, ty))| match states.iter().any(|state| state.input == i) {
        true => Tensor::splat(ty.shape, 0.0),
        false => given.next().expect("as many as are passed"),
    })
    .collect()
}

/// How far a number may be from its original.
fn bound(encoded: &Encoded, group: Option<usize>, value: f64) -> f64 {
    let scale = group.and_then(|group| encoded.scales.get(group));
    let scale = f64::from(scale.copied().unwrap_or(0.0));
    match encoded.encoding {
        Encoding::F16 => (value.abs() / 2048.0).max(2_f64.powi(-25)),
        // Half of a step, and the rounding of the product.
        Encoding::Int8 => scale / 2.0 + value.abs() * 1.2e-7,
        // No level is nearer.
        Encoding::Int4 => {
            let levels = encoded
                .table
                .iter()
                .map(|&level| (f64::from(level) * scale - value).abs());
            levels.fold(f64::INFINITY, f64::min) * 1.000_01 + value.abs() * 1e-6
        }
    }
}

/// Compares encoded constants with their originals; gives how many there are.
fn within_bounds(original: &Graph, graph: &Graph) -> Result<usize, String> {
    let mut count = 0;
    for id in graph.order() {
        if let (Some(before), Some(after)) = (original.op(id).as_scan(), graph.op(id).as_scan()) {
            count += within_bounds(&before.body, &after.body)?;
        }
        let Some(tensor) = graph.constant(id) else {
            continue;
        };
        let before = original.constant(id).expect("the same nodes");
        let Some(encoded) = tensor.encoded() else {
            assert_eq!(tensor, before);
            continue;
        };
        count += 1;
        let (before, after) = (before.to_f32(), tensor.to_f32());
        for (i, (&value, &number)) in before.iter().zip(after.iter()).enumerate() {
            let (value, number) = (f64::from(value), f64::from(number));
            let most = bound(encoded, encoded.grouping.group(i), value);
            if (value - number).abs() > most {
                return Err(format!(
                    "{}: {number} for {value}, more than {most} off",
                    graph.node(id).name
                ));
            }
        }
    }
    Ok(count)
}

/// Whether files give the numbers of a plan, in one piece or cut anywhere.
fn files_give(plan: &Plan) -> Result<(), String> {
    let bits = |data: &[f32]| data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    for (offset, data) in plan.weights.parts() {
        let Some(encoded) = plan.weights.encoded(offset) else {
            continue;
        };
        let middle = data.len() / 2 + 1;
        for part in [0..data.len(), 0..middle, middle..data.len()] {
            let piece = encoded.piece(data, part.clone()).ok_or("a number has no code")?;
            let read = decode(
                encoded.encoding,
                &encoded.grouping,
                piece.first,
                part.len(),
                &piece.bytes,
            );
            if read.as_deref().map(bits) != Some(bits(&data[part])) {
                return Err("a file gives other numbers".to_owned());
            }
        }
    }
    let left: Vec<_> = plan.weights.unencoded().iter().collect();
    match left.is_empty() {
        true => Ok(()),
        false => Err(format!("{left:?} are read in an unknown order")),
    }
}

fn check(case: &Case, encoding: Encoding, encoded: &AtomicUsize) -> Result<(), String> {
    let Some(lowered) = lowered(case)? else {
        return Ok(());
    };
    let mut original = lowered.graph.clone();
    let text = |error: keras_compile::error::Error| error.to_string();
    passes::run(&mut original, passes::Options::default()).map_err(text)?;
    let mut graph = original.clone();
    apply(&mut graph, &Rules::of_all(encoding, 1)).map_err(text)?;
    let count = within_bounds(&original, &graph)?;
    if count == 0 {
        return Ok(());
    }
    encoded.fetch_add(1, Ordering::Relaxed);
    for target in [&WebGpu as &dyn Target, &WebGl] {
        files_give(&plan(&graph, target).map_err(text)?)?;
    }
    let plan = plan(&graph, &Wasm::default()).map_err(text)?;
    files_give(&plan)?;
    let inputs = inputs(case, &graph, &lowered);
    let expected = graph.eval(&inputs).map_err(text)?;
    compare(&expected, &interpret(&plan, &inputs)).map_err(|error| format!("kernels: {error}"))?;
    let found = Instantiated::new(&plan, Features::Baseline).predict(&plan, &inputs);
    compare(&expected, &found).map_err(|error| format!("code: {error}"))
}

/// Compares a network that multiplies codes with floats of the same weights: within what rounding rows to integers may add; and its
/// kernels, and its code in both modules, on one thread and on two, with the reference evaluation.
fn check_integers(case: &Case, computed: &AtomicUsize) -> Result<(), String> {
    let Some(lowered) = lowered(case)? else {
        return Ok(());
    };
    let mut graph = lowered.graph.clone();
    let text = |error: keras_compile::error::Error| error.to_string();
    passes::run(&mut graph, passes::Options::default()).map_err(text)?;
    apply(&mut graph, &Rules::of_all(Encoding::Int8, 1)).map_err(text)?;
    let floats = graph.clone();
    let layers = integers(&mut graph, ANY).map_err(text)?.layers;
    if layers.is_empty() {
        return Ok(());
    }
    computed.fetch_add(1, Ordering::Relaxed);
    let plan = plan(&graph, &Wasm::default()).map_err(text)?;
    let multiplies =
        |kernel: &Kernel| matches!(kernel, Kernel::Contract(k) if matches!(k.right, Right::Codes { .. }));
    if !plan.kernels.iter().any(multiplies) {
        return Err(format!("{layers:?} should compute with integers"));
    }
    files_give(&plan)?;
    let inputs = inputs(case, &graph, &lowered);
    let expected = graph.eval(&inputs).map_err(text)?;
    // A number between two integers may become the other one where those before it were added up in another order.
    let products = plan.runs().filter(|run| multiplies(plan.kernel(run))).count();
    let same = |found: &[Tensor], bound: f32| match products {
        1 => compare(&expected, found),
        _ => near(&expected, found, bound),
    };
    let bound = if case.id == LOGARITHMS { 0.02 } else { 1e-3 };
    same(&interpret(&plan, &inputs), bound).map_err(|error| format!("kernels: {error}"))?;
    check_touches(&plan, &inputs)?;
    for features in [Features::Baseline, Features::Relaxed] {
        let found = Instantiated::new(&plan, features).predict(&plan, &inputs);
        same(&found, bound).map_err(|error| format!("{features:?}: {error}"))?;
        same_on_threads(&plan, features, &inputs, &found)?;
    }
    let floats = floats.eval(&inputs).map_err(text)?;
    near(&floats, &expected, bound)
}

/// All that can compute with integers does.
const ANY: Fewest = Fewest {
    row: 1,
    of_many: 1,
    channels: 1,
};

/// Gives the logarithms of sums that are nearly zero.
const LOGARITHMS: &str = "prepare-mel-spectrogram-frequencies";

/// Whether results are as near as the rounding of rows to thousands of levels lets them be: a share of the largest.
fn near(floats: &[Tensor], integers: &[Tensor], bound: f32) -> Result<(), String> {
    for (a, b) in floats.iter().zip(integers) {
        let (a, b) = (a.to_f32(), b.to_f32());
        let peak = a.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
        for (a, b) in a.iter().zip(b.iter()) {
            let far = (a - b).abs() > bound * peak + 1e-6;
            if far || a.is_nan() != b.is_nan() {
                return Err(format!("{b} with integers, {a} with floats"));
            }
        }
    }
    Ok(())
}

/// Rows with NaN or infinities have no results, and rows of zeros those of the bias.
#[test]
fn rows_that_have_no_scale() -> keras_compile::error::Result<()> {
    let mut graph = Graph::new();
    let mut b = Builder::new(&mut graph, "dense");
    let x = b.input("x", TensorType::f32([7, 35]))?;
    let weights = b.constant(Random::new(1).tensor(&[35, 13]))?;
    let bias = b.constant(Random::new(2).tensor(&[13]))?;
    let product = MatMul {
        bias: true,
        epilogue: Tape::identity(),
    };
    let y = b.add(product, &[x, weights, bias])?;
    graph.add_output("y", y);
    apply(&mut graph, &Rules::of_all(Encoding::Int8, 1))?;
    assert_eq!(integers(&mut graph, ANY)?.layers, ["dense"]);
    let mut values = Random::new(3).tensor(&[7, 35]).as_f32()?.to_vec();
    for (row, value) in [(1, f32::NAN), (2, f32::INFINITY), (4, f32::NEG_INFINITY)] {
        values[35 * row + 5 * row % 35] = value;
    }
    values[35 * 3..35 * 4].fill(0.0);
    values[35 * 5..35 * 6].fill(1e-40);
    let inputs = [Tensor::f32([7, 35], values)?];
    let expected = graph.eval(&inputs)?;
    let results = expected[0].as_f32()?;
    let bias = Random::new(2).tensor(&[13]);
    for row in 0..7 {
        let own = &results[13 * row..13 * (row + 1)];
        assert_eq!(
            own.iter().all(|value| value.is_nan()),
            [1, 2, 4].contains(&row),
            "{row}"
        );
        assert_eq!(own == bias.as_f32()?, [3, 5].contains(&row), "{row}");
    }
    let plan = plan(&graph, &Wasm::default())?;
    let mut found = vec![interpret(&plan, &inputs)];
    for features in [Features::Baseline, Features::Relaxed] {
        found.push(Instantiated::new(&plan, features).predict(&plan, &inputs));
    }
    for found in &found {
        near(&expected, found, 1e-6).unwrap_or_else(|error| panic!("{error}"));
    }
    let bits = |tensors: &[Tensor]| {
        tensors[0]
            .to_f32()
            .iter()
            .map(|v| v.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&found[1]), bits(&found[2]), "modules give the same");
    Ok(())
}

#[test]
fn products_of_codes() {
    let computed = AtomicUsize::new(0);
    try_goldens("layers", |case| check_integers(case, &computed));
    let all = std::env::var_os("GOLDEN").is_none();
    let computed = computed.into_inner();
    println!("{computed} networks compute with integers");
    assert!(
        !all || computed > 900,
        "hardly any network computes with integers"
    );
}

fn check_all(encoding: Encoding) {
    let encoded = AtomicUsize::new(0);
    try_goldens("layers", |case| check(case, encoding, &encoded));
    let all = std::env::var_os("GOLDEN").is_none();
    assert!(
        !all || encoded.into_inner() > 300,
        "hardly any network has weights"
    );
}

#[test]
fn half_precision() {
    check_all(Encoding::F16);
}

#[test]
fn eight_bits() {
    check_all(Encoding::Int8);
}

#[test]
fn four_bits() {
    check_all(Encoding::Int4);
}
