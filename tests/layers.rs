//! The tables of layers against the goldens: every layer has a case, and damaged arguments never break lowering.

use keras_compile::keras::{self, Layer, Semantics};
use keras_compile_tests::goldens::{Case, cases, files};
use keras_compile_tests::random::Random;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Layers without a golden of their own, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("StochasticDepth", "gives its input"),
    ("__custom__", "what the user says of a class; `custom` has cases"),
];

fn all_cases() -> Vec<Case> {
    let files = files("layers").into_iter().chain(files("networks"));
    files.flat_map(|file| cases(&file)).collect()
}

/// Every `class_name` in a config.
fn classes(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("class_name").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| classes(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| classes(value, found)),
        _ => {}
    }
}

#[test]
fn every_layer_has_a_golden() {
    let mut found = BTreeSet::new();
    all_cases()
        .iter()
        .for_each(|case| classes(&case.config, &mut found));
    for class in keras::layers::classes() {
        let excused = WITHOUT.iter().any(|(name, _)| *name == class);
        assert_ne!(
            found.contains(class),
            excused,
            "{class}: has a golden, or is excused, but not both"
        );
    }
    for alias in keras::layers::aliases() {
        assert!(found.contains(alias), "alias {alias} has no golden");
    }
}

/// Compares the number of weights of a layer, and of those inside, with what the row of its class says.
fn counts(layer: &Layer, wrong: &mut Vec<String>) {
    let (said, found) = (keras::layers::count_weights(layer), layer.weights.len());
    if layer.inner().next().is_none() && layer.class.is_some() && said != found {
        wrong.push(format!(
            "{} ({}): {said} instead of {found}",
            layer.path, layer.written
        ));
    }
    layer.inner().for_each(|inner| counts(inner, wrong));
}

#[test]
fn rows_know_how_many_weights_layers_have() {
    let mut wrong = Vec::new();
    let refused = |case: &Case| {
        include_str!("goldens/refused.txt")
            .lines()
            .any(|id| id == case.id)
    };
    let all = files("layers").into_iter().flat_map(|file| cases(&file));
    for case in all.filter(|case| !refused(case)) {
        let model = case.model().expect("a model");
        let mut found = Vec::new();
        model
            .root
            .layers
            .iter()
            .for_each(|layer| counts(layer, &mut found));
        wrong.extend(found.into_iter().map(|what| format!("{}: {what}", case.id)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the goldens use of functions, under all names: activations of layers, and operations with functions of TensorFlow.
#[derive(Default)]
struct Used {
    activations: BTreeSet<String>,
    operations: BTreeSet<String>,
}

impl Used {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if key == "activation" || key == "recurrent_activation" {
                        let name = value.as_str().or_else(|| value.get("config")?.as_str());
                        self.activations.extend(name.map(str::to_owned));
                    }
                    self.look(value);
                }
                let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
                self.operations.extend(text(map.get("class_name")));
                let function = text(map.get("function"));
                self.operations
                    .extend(function.map(|name| name.trim_start_matches("compat.v1.").to_owned()));
            }
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }
}

#[test]
fn every_function_of_elements_has_goldens() {
    let mut used = Used::default();
    all_cases().iter().for_each(|case| used.look(&case.config));
    let mut missing = Vec::new();
    for row in keras::layers::scalars::scalars() {
        let has = |names: &[&str], found: &BTreeSet<String>| {
            names.is_empty() || names.iter().any(|name| found.contains(*name))
        };
        let others = [row.operations, row.functions].concat();
        if !has(row.activations, &used.activations) {
            missing.push(format!("no layer has the activation {:?}", row.activations));
        }
        if !has(&others, &used.operations) {
            missing.push(format!("no model has the operation {others:?}"));
        }
    }
    for name in keras::layers::activations() {
        let of_tensorflow = format!("{name}_v2");
        if !used.activations.contains(name) && !used.activations.contains(&of_tensorflow) {
            missing.push(format!("no layer has the activation {name:?}"));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// The ids of cases of one Keras with the classes and the activations in them.
struct Found {
    id: String,
    keras: char,
    classes: BTreeSet<String>,
    used: Used,
}

fn found() -> Vec<Found> {
    let of = |case: &Case| {
        let mut found = Found {
            id: case.id.replace('|', "/"),
            keras: case.keras.chars().next().unwrap_or_default(),
            classes: BTreeSet::new(),
            used: Used::default(),
        };
        classes(&case.config, &mut found.classes);
        found.used.look(&case.config);
        found
    };
    all_cases().iter().map(of).collect()
}

/// The first case of that Keras that fits.
fn case_of(cases: &[Found], keras: char, fits: impl Fn(&Found) -> bool) -> Option<String> {
    let mut cases = cases.iter().filter(|case| case.keras == keras);
    let found = cases.find(|case| fits(case));
    found.map(|case| format!("`{}`", case.id))
}

/// The rows of KERAS.md: each function of `keras.ops` with the id of a case, or why it is refused.
fn rows_of_functions(cases: &[Found]) -> String {
    let mut rows = String::new();
    for line in include_str!("goldens/functions.txt").lines() {
        let (name, class) = line.split_once(' ').unwrap_or((line, ""));
        let said = match keras::layers::operation_support(class) {
            _ if class.is_empty() => "computed when the model is built".to_owned(),
            Some(Ok(())) => case_of(cases, '3', |case| case.classes.contains(class))
                .unwrap_or_else(|| "supported, without a case of its own".to_owned()),
            Some(Err(reason)) => format!("refused: {reason}"),
            None => panic!("{name}: {class} is neither supported nor refused by name"),
        };
        rows += &format!("| {name} | {said} |\n");
    }
    rows
}

/// What a table says of a name for both versions of Keras.
fn row_of_versions(name: &str, versions: &str, said: impl Fn(char) -> String) -> String {
    let cell = |keras: char| match versions.contains(keras) {
        true => said(keras),
        false => String::new(),
    };
    format!("| {name} | {} | {} |\n", cell('2'), cell('3'))
}

/// The lines of `goldens/classes.txt` of one kind: the name, what configs call it, and the versions of Keras that have it.
fn named(kind: &str) -> impl Iterator<Item = [&'static str; 3]> {
    include_str!("goldens/classes.txt")
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter_map(move |line| match line[..] {
            [of, name, written, versions] if of == kind => Some([name, written, versions]),
            _ => None,
        })
}

fn semantics(keras: char) -> Semantics {
    match keras {
        '2' => Semantics::Keras2,
        _ => Semantics::Keras3,
    }
}

/// Each class of `keras.layers`.
fn rows_of_layers(cases: &[Found]) -> String {
    let row = |[name, class, versions]: [&str; 3]| {
        row_of_versions(name, versions, |keras| {
            match keras::layers::layer_support(class, semantics(keras)) {
                Some(Ok(())) => match WITHOUT.iter().find(|(of, _)| *of == class) {
                    Some((_, why)) => format!("without a case of its own: {why}"),
                    None => case_of(cases, keras, |case| case.classes.contains(class))
                        .unwrap_or_else(|| panic!("{name} has no case of Keras {keras}")),
                },
                Some(Err(reason)) => format!("refused: {reason}"),
                None => panic!("{name}: {class} is neither supported nor refused by name"),
            }
        })
    };
    named("layer").map(row).collect()
}

/// An activation that no case has, with the reason.
const NO_ACTIVATION: (&str, &str) = (
    "threshold",
    "refused: it takes two numbers, which no config has, and Keras cannot run it: use the operation",
);

/// Each function of `keras.activations`.
fn rows_of_activations(cases: &[Found]) -> String {
    let row = |[name, function, versions]: [&str; 3]| {
        row_of_versions(name, versions, |keras| {
            if name == NO_ACTIVATION.0 {
                return NO_ACTIVATION.1.to_owned();
            }
            case_of(cases, keras, |case| case.used.activations.contains(function))
                .unwrap_or_else(|| panic!("no layer of Keras {keras} has the activation {name}"))
        })
    };
    named("activation").map(row).collect()
}

/// The text with other rows behind the head of a table.
fn with_rows(text: &str, head: &str, rows: &str) -> String {
    let (before, rest) = text.split_once(head).expect("KERAS.md has a table of that head");
    // The table ends with the first line that is no row.
    let end = rest
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'))
        .map(str::len)
        .sum::<usize>();
    [before, head, rows, &rest[end..]].concat()
}

/// The tables of layers, activations and functions are what the compiler has. `BLESS=1` in the environment writes them anew.
#[test]
fn every_name_of_keras_is_listed() {
    const LAYERS: &str =
        "| layer | case of Keras 2, or why it is refused | case of Keras 3 |\n|---|---|---|\n";
    const ACTIVATIONS: &str = "| activation | case of Keras 2 | case of Keras 3 |\n|---|---|---|\n";
    const FUNCTIONS: &str = "| function | case, or why it is refused |\n|---|---|\n";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/KERAS.md");
    let text = std::fs::read_to_string(&file).expect("KERAS.md");
    let cases = found();
    let true_text = with_rows(&text, LAYERS, &rows_of_layers(&cases));
    let true_text = with_rows(&true_text, ACTIVATIONS, &rows_of_activations(&cases));
    let true_text = with_rows(&true_text, FUNCTIONS, &rows_of_functions(&cases));
    if text != true_text && std::env::var_os("BLESS").is_some() {
        std::fs::write(file, true_text).expect("KERAS.md");
    } else {
        let lines = true_text
            .lines()
            .filter(|line| !text.lines().any(|found| found == *line));
        let missing: Vec<&str> = lines.collect();
        assert!(
            text == true_text,
            "KERAS.md lists other names than the compiler has, BLESS=1 writes them anew: {missing:?}"
        );
    }
}

#[test]
fn an_activation_that_needs_more_than_a_config_has_is_refused() {
    let config = json!({"name": "layer", "trainable": true, "activation": NO_ACTIVATION.0});
    let input = json!({"class_name": "InputLayer", "config": {"batch_shape": [1, 2], "name": "x"}});
    let layer = json!({"class_name": "Activation", "module": "keras.layers", "config": config});
    let model = json!({"class_name": "Sequential", "keras_version": "3.15.1",
                       "config": {"name": "model", "layers": [input, layer]}});
    let model = keras::from_architecture(model, &mut |_| Vec::new()).expect("a model");
    let errors = keras::lower(&model, &keras::InputShapes::default()).expect_err("a refusal");
    assert!(
        errors.to_string().contains("activation: value \"threshold\""),
        "{errors}"
    );
}

/// A number below `bound`.
fn below(random: &mut Random, bound: usize) -> usize {
    ((random.unit() * bound as f32) as usize).min(bound - 1)
}

/// Something that a damaged or hostile file may hold.
fn junk(random: &mut Random) -> Value {
    let all = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(2),
        json!(7),
        json!(65536),
        json!(1_000_000_000),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(1e300),
        json!(""),
        json!("same"),
        json!("channels_first"),
        json!("softmax"),
        json!([]),
        json!([1]),
        json!([2, 3]),
        json!([0, 1, 2, 3]),
        json!([[1, 2], [3, 4]]),
        json!({}),
        json!({"class_name": "ReLU", "config": {}}),
    ];
    all[below(random, all.len())].clone()
}

/// Replaces or removes one thing somewhere inside.
fn damage(value: &mut Value, random: &mut Random) {
    let deeper = random.unit() < 0.9;
    match value {
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = below(random, items.len());
            damage(&mut items[at], random);
        }
        Value::Object(map) if deeper && !map.is_empty() => {
            let key = map
                .keys()
                .nth(below(random, map.len()))
                .cloned()
                .unwrap_or_default();
            if random.unit() < 0.1 {
                map.remove(&key);
            } else if let Some(inner) = map.get_mut(&key) {
                damage(inner, random);
            }
        }
        _ => *value = junk(random),
    }
}

/// The config of one layer, which is damaged more often than the rest of the architecture.
fn some_layer<'v>(config: &'v mut Value, random: &mut Random) -> Option<&'v mut Map<String, Value>> {
    let layers = config.get_mut("config")?.get_mut("layers")?.as_array_mut()?;
    let at = below(random, layers.len());
    layers.get_mut(at)?.get_mut("config")?.as_object_mut()
}

#[test]
fn damaged_architectures_never_break_lowering() {
    let mut random = Random::new(7);
    let small = files("layers").into_iter().flat_map(|file| cases(&file));
    for case in small {
        for _ in 0..12 {
            let mut damaged = case.clone();
            match some_layer(&mut damaged.config, &mut random).filter(|map| !map.is_empty()) {
                Some(map) if random.unit() < 0.7 => {
                    let key = map
                        .keys()
                        .nth(below(&mut random, map.len()))
                        .cloned()
                        .unwrap_or_default();
                    map.insert(key, junk(&mut random));
                }
                _ => damage(&mut damaged.config, &mut random),
            }
            let start = Instant::now();
            let result = std::panic::catch_unwind(|| {
                let Ok(model) = damaged.model() else { return };
                for shapes in [damaged.shapes(), keras::InputShapes::default()] {
                    if let Ok(lowered) = keras::lower(&model, &shapes) {
                        lowered.graph.verify().expect("a lowered graph is sound");
                    }
                }
            });
            let took = start.elapsed();
            assert!(
                result.is_ok() && took < Duration::from_secs(5),
                "{took:?} for {}: {}",
                case.id,
                damaged.config
            );
        }
    }
}
