//! What a small file can ask for: every kind of file that asks for far more than it holds is compiled, or refused by
//! name, in bounded time and memory. The files are made here; `budget/` has the weights around them.

#[path = "budget/architectures.rs"]
mod architectures;
#[path = "budget/command.rs"]
mod command;

use architectures::{chain, functional, input, layer, nested, node, sequential, tensor, times};
use command::{Container, Took, compile};
use serde_json::{Value, json};

/// Bytes of a file that the promise below is about.
const SMALL: usize = 1 << 20;
/// Seconds of processor time, and MiB of memory at the peak.
const MOST: [f64; 2] = [10.0, 500.0];

/// What is expected of a file.
enum Expected {
    /// It is compiled.
    Compiled,
    /// It is refused, in words that hold these.
    Refused(&'static str),
}

use Expected::{Compiled, Refused};

/// Compiles one file after the other for all backends, and reports all that are not as expected.
fn check(cases: Vec<(&str, Container, Expected)>) {
    check_for(None, cases);
}

/// Compiles one file after the other, and reports all that are not as expected.
fn check_for(backends: Option<&str>, cases: Vec<(&str, Container, Expected)>) {
    let mut failures = Vec::new();
    for (name, container, expected) in cases {
        let took = compile(name, &container, backends);
        println!("{name:<24} {took}");
        failures.extend(complaint(&took, &expected).map(|complaint| format!("{name}: {complaint}: {took}")));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn complaint(took: &Took, expected: &Expected) -> Option<&'static str> {
    let met = match expected {
        Compiled => took.code == Some(0),
        Refused(words) => took.code == Some(1) && took.message.contains(words),
    };
    let complaints = [
        (met, "is not what is expected"),
        (took.bytes < SMALL, "the file is not small"),
        (took.seconds < MOST[0], "takes too long"),
        (took.peak < MOST[1], "takes too much memory"),
        (took.message.len() < 20_000, "says too much"),
    ];
    let found = complaints.into_iter().find(|(sound, _)| !sound);
    found.map(|(_, complaint)| complaint)
}

/// A `.keras` archive of a model without weights.
fn archive(architecture: Value) -> Container {
    Container::keras(architecture.to_string(), include_bytes!("budget/none.weights.h5"))
}

#[test]
fn models_called_again_and_again() {
    let mut model = functional(
        "m0",
        vec![input("in", &[4]), layer("ReLU", "r", json!({}), &["in"])],
        "r",
    );
    for depth in 1..=12 {
        model = nested(&format!("m{depth}"), model, 4);
    }
    let config = json!({"layer": {"class_name": "ReLU", "module": "keras.layers", "config": {
        "name": "inside", "kernel_initializer": vec![0; 1_300_000],
    }}});
    let mut wrapper = layer("TimeDistributed", "td", config, &["in"]);
    wrapper["inbound_nodes"] = times(2_000, |i| {
        node(&[tensor(if i == 0 { "in" } else { "td" }, i.saturating_sub(1))])
    });
    let wrapper = functional("m", vec![input("in", &[3, 4]), wrapper], ["td", "1999"]);
    check(vec![
        (
            "4 calls, 12 levels deep",
            archive(model),
            Refused("the number of calls of layers is 20001, more than the limit of 20000"),
        ),
        (
            "wrapper called 2000 times",
            archive(wrapper),
            Refused(
                r#"layer "td" (TimeDistributed): the memory of the arguments read at all calls of layers in bytes is"#,
            ),
        ),
    ]);
}

#[test]
fn names() {
    let mut inside = chain("ReLU", 10_000, |_| json!({}), &[4]);
    let name = "n".repeat(1 << 20);
    inside["config"]["name"] = json!(name);
    inside["name"] = json!(name);
    inside["inbound_nodes"] = json!([node(&[tensor("in", 0)])]);
    let long = functional("m", vec![input("in", &[4]), inside], [name.as_str(), "1"]);
    // The ends of paths tell the weights of nested models apart in `.h5` files.
    let outer = |name: String| {
        let shape = json!({"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [null, 4]}});
        let dense = |i| json!({"class_name": "Dense", "config": {"name": format!("d{i}"), "units": 4}});
        let inner = json!({"name": name, "layers": times(15, dense)});
        let inner = json!({"class_name": "Sequential", "config": inner});
        let outer = json!({"class_name": "Sequential", "config": {"name": "outer", "layers": [inner]}});
        let layers = json!({"name": "m", "layers": [shape, outer]});
        let model = json!({"class_name": "Sequential", "config": layers, "keras_version": "2.4.0"});
        Container::json(model.to_string(), include_bytes!("budget/nested.h5"))
    };
    check(vec![
        (
            "a name of 1 MB",
            archive(long),
            Refused("the length of a layer's path in bytes is 10"),
        ),
        (
            "100,000 slashes",
            outer("/".repeat(100_000)),
            Refused("the length of a layer's path in bytes is 1000"),
        ),
        (
            "2,000 slashes, 15 layers inside",
            outer("/a".repeat(2_000)),
            Refused("the length of all names of layers and nodes in bytes is"),
        ),
    ]);
}

#[test]
fn documents() {
    let objects = format!(
        r#"{{"class_name":"Functional","config":{{"a":[{}0]}}}}"#,
        r#"{"":0},"#.repeat(4_700_000)
    );
    let weights = include_bytes!("budget/none.weights.h5");
    check(vec![
        (
            "32 MB of objects",
            Container::keras(objects, weights),
            Refused("the memory of the JSON values in bytes is"),
        ),
        (
            "arguments of 30 MB that nobody knows",
            archive(functional(
                "m",
                vec![
                    input("in", &[4]),
                    layer("ReLU", "r", unknown(28, 1_000_000), &["in"]),
                ],
                "r",
            )),
            Refused("field is not known"),
        ),
    ]);
}

/// What takes longer than its length when each of many is compared with all others.
#[test]
fn many_of_one_kind() {
    let leaky = |i: usize, before: &str| {
        let config = json!({"negative_slope": 0.0001 * i as f64});
        layer("LeakyReLU", &format!("r{i}"), config, &[before])
    };
    let names: Vec<_> = (0..9_990).map(|i| format!("r{i}")).collect();
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    let ports = |names: &[&str]| json!(names.iter().map(|name| json!([name, 0, 0])).collect::<Vec<_>>());
    let branches = || std::iter::once(input("in", &[4])).chain((0..9_990).map(|i| leaky(i, "in")));
    let sum: Vec<Value> = branches().chain([layer("Add", "sum", json!({}), &all)]).collect();
    let mut outputs = functional("m", branches().collect(), "r0");
    outputs["config"]["output_layers"] = ports(&all);
    let inputs: Vec<_> = (0..9_990).map(|i| format!("in{i}")).collect();
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let pairs = (0..9_990).map(|i| leaky(i, inputs[i]));
    let layers = inputs.iter().map(|name| input(name, &[4])).chain(pairs).collect();
    let mut both = functional("m", layers, "r0");
    both["config"]["input_layers"] = ports(&inputs);
    both["config"]["output_layers"] = ports(&all);
    let gelu = |_| json!({"activation": "gelu"});
    let pad = |i: usize| match i % 2 {
        0 => json!({"padding": [1, 1]}),
        _ => json!({"cropping": [1, 1]}),
    };
    let class = |i: usize| ["ZeroPadding1D", "Cropping1D"][i % 2];
    let pads = times(10_000, |i| layer(class(i), &format!("l{i}"), pad(i), &[]));
    let pool = |_| json!({"pool_size": 2, "strides": 1, "padding": "valid"});
    let functions = || {
        [
            ("a sum of 9,990", archive(functional("m", sum.clone(), "sum"))),
            ("9,990 outputs", archive(outputs.clone())),
            ("9,990 inputs and outputs", archive(both.clone())),
        ]
    };
    let softmax = |count| archive(chain("Softmax", count, |_| json!({"axis": -1}), &[4]));
    let shaders = |(name, container)| (name, container, Refused("the size of all shaders in bytes is"));
    check(functions().map(shaders).into());
    let remedy = "this is the code for webgpu; another backend may need less: --backends wasm,webgl";
    let remedies = |(name, container)| (name, container, Refused(remedy));
    check(functions().map(remedies).into());
    let compiled = |(name, container)| (name, container, Compiled);
    check_for(Some("wasm"), functions().map(compiled).into());
    check_for(
        Some("wasm"),
        vec![("a chain of 19,990 softmax", softmax(19_990), Compiled)],
    );
    check(vec![
        ("a chain of 9,990 softmax", softmax(9_990), Compiled),
        (
            "a chain of 19,990 gelu",
            archive(chain("Activation", 19_990, gelu, &[4])),
            Compiled,
        ),
        (
            "pads and crops in turn",
            archive(sequential(&[16, 3], pads)),
            Refused(
                "the number of nodes that passes put in place of others is 400001, more than the limit of",
            ),
        ),
        (
            "19,000 different kernels",
            archive(chain("AveragePooling1D", 19_000, pool, &[20_000, 1])),
            Refused("the number of instructions of the module is"),
        ),
    ]);
}

/// Loops whose steps are many for the length of what asks for them.
#[test]
fn linear_algebra_again_and_again() {
    let many = |class: &str, extent: usize| {
        let mut model = chain(class, 2_000, |_| json!({}), &[extent, extent]);
        let layers = model["config"]["layers"].as_array_mut().into_iter().flatten();
        layers
            .skip(1)
            .for_each(|layer| layer["module"] = json!("keras.src.ops.linalg"));
        archive(model)
    };
    check(vec![
        ("2,000 pseudo-inverses", many("Pinv", 32), Compiled),
        ("2,000 inverses", many("Inv", 64), Compiled),
    ]);
}

/// Keys that no layer has, with long texts.
fn unknown(count: usize, length: usize) -> Value {
    let entry = |i| (format!("key{i}"), json!("x".repeat(length)));
    Value::Object((0..count).map(entry).collect())
}

#[test]
fn axes() {
    let many = [&vec![1; 200_000][..], &[4]].concat();
    let reshape = layer("Reshape", "r", json!({"target_shape": many}), &["in"]);
    let relu = layer("ReLU", "r", json!({}), &["in"]);
    check(vec![
        (
            "200,000 axes of a result",
            archive(functional("m", vec![input("in", &[4]), reshape], "r")),
            Refused(
                r#"layer "r" (Reshape): the number of axes of a tensor is 200002, more than the limit of 64"#,
            ),
        ),
        (
            "200,000 axes of an input",
            archive(functional("m", vec![input("in", &many), relu], "r")),
            Refused(
                r#"layer "in" (InputLayer): the number of axes of a tensor is 200002, more than the limit of 64"#,
            ),
        ),
    ]);
}

#[test]
fn constants_made_of_little() {
    let strides = |i: usize| json!({"filters": 1, "kernel_size": 1, "strides": 1000 + i, "padding": "valid"});
    let transposed = (0..60).map(|i| layer("Conv2DTranspose", &format!("t{i}"), strides(i), &["in"]));
    let layers = [input("in", &[1, 1, 1])].into_iter().chain(transposed).collect();
    let outputs: Vec<_> = (0..60).map(|i| format!("t{i}")).collect();
    let outputs = json!(outputs.iter().map(|name| json!([name, 0, 0])).collect::<Vec<_>>());
    let mut model = functional("m", layers, "t0");
    model["config"]["output_layers"] = outputs;
    let weights = include_bytes!("budget/transposed.weights.h5");
    let resizing = |i: usize| json!({"height": 4_000_000 - i, "width": 1, "interpolation": "lanczos5"});
    check(vec![
        (
            "60 transposed convolutions",
            Container::keras(model.to_string(), weights),
            Refused("(Conv2DTranspose): the size of all constants that are not in the file in bytes is"),
        ),
        (
            "resizing",
            archive(sequential(
                &[1, 1, 1],
                times(8, |i| layer("Resizing", &format!("r{i}"), resizing(i), &[])),
            )),
            Refused("the size of all constants that are not in the file in bytes is 352000000"),
        ),
        (
            "upsampling",
            archive(chain("UpSampling1D", 29, |_| json!({"size": 2}), &[1, 1])),
            Refused("the size of all constants that are not in the file in bytes is"),
        ),
    ]);
}

#[test]
fn weights_that_are_not_there() {
    let dense = |_| json!({"units": 512, "use_bias": false});
    let model = chain("Dense", 400, dense, &[512]);
    check(vec![(
        "a weight of 400 layers",
        Container::keras(model.to_string(), include_bytes!("budget/zeros.weights.h5")),
        Refused("the declared size of the weights in bytes is"),
    )]);
}

#[test]
fn weights_used_again_and_again() {
    let dense = json!({"units": 512, "use_bias": false});
    let mut again = layer("Dense", "d", dense, &["in"]);
    again["inbound_nodes"] = times(9_000, |i| {
        node(&[if i == 0 {
            tensor("in", 0)
        } else {
            tensor("d", i - 1)
        }])
    });
    let chained = functional("m", vec![input("in", &[512]), again.clone()], ["d", "8999"]);
    // A scale behind each call may go into the weights if there is the same behind all others.
    let scale = |i: usize| format!("s{i}");
    again["inbound_nodes"] = times(9_000, |i| match i.checked_sub(1) {
        None => node(&[tensor("in", 0)]),
        Some(before) => node(&[tensor(&scale(before), 0)]),
    });
    let scales = (0..9_000).map(|i| {
        let class = if i == 8_999 { "ReLU" } else { "Rescaling" };
        let config = if i == 8_999 {
            json!({})
        } else {
            json!({"scale": 1.5, "offset": 0.0})
        };
        let mut layer = layer(class, &scale(i), config, &["d"]);
        layer["inbound_nodes"] = json!([node(&[tensor("d", i)])]);
        layer
    });
    let layers = [input("in", &[512]), again].into_iter().chain(scales).collect();
    let scaled = functional("m", layers, "s8999");
    let weights = include_bytes!("budget/dense.weights.h5");
    let packed = "the size of all weights as kernels read them in bytes is";
    check(vec![
        (
            "a weight of 9,000 calls",
            Container::keras(chained.to_string(), weights),
            Refused(packed),
        ),
        (
            "9,000 calls, scaled",
            Container::keras(scaled.to_string(), weights),
            Refused(packed),
        ),
    ]);
}

#[test]
fn legal_models_go_through() {
    let add = |before: &str, name: String| layer("Add", &name, json!({}), &[before, before]);
    let mut doubled = vec![input("in", &[4])];
    for i in 0..1_000 {
        let before = doubled
            .last()
            .and_then(|l| l["config"]["name"].as_str())
            .map(str::to_owned);
        doubled.push(add(&before.unwrap_or_default(), format!("a{i}")));
    }
    check(vec![
        (
            "a chain of 5,000",
            archive(chain("ReLU", 5_000, |_| json!({}), &[4])),
            Compiled,
        ),
        (
            "5,000 different functions",
            archive(chain(
                "LeakyReLU",
                5_000,
                |i| json!({"negative_slope": 0.0001 * i as f64}),
                &[4],
            )),
            Compiled,
        ),
        (
            "3,000 different kernels",
            archive(chain(
                "AveragePooling1D",
                3_000,
                |_| json!({"pool_size": 2, "strides": 1, "padding": "valid"}),
                &[8_000, 1],
            )),
            Compiled,
        ),
        (
            "x + x, 1,000 times",
            archive(functional("m", doubled, "a999")),
            Compiled,
        ),
    ]);
}
