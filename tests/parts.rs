//! Parts of models: what a model computes up to a layer, given to the same model from that layer on, is what the whole
//! gives, whatever the layer.

use keras_compile::error::Errors;
use keras_compile::graph::Graph;
use keras_compile::keras::part::cut;
use keras_compile::keras::{self, Call, InputShapes, KerasModel, Layer, Part};
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::signature;
use keras_compile_tests::goldens::{Case, cases, files};

fn part(outputs: &[&str], inputs: &[&str]) -> Part {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Part {
        outputs: owned(outputs),
        inputs: owned(inputs),
    }
}

fn taken(case: &Case, part: &Part) -> Result<KerasModel, Errors> {
    let mut model = case.model().expect("a model");
    cut(&mut model, part)?;
    Ok(model)
}

/// Whether layers hear of more than the tensors that they take: of masks, of how the prediction before ended, or that a tensor is a
/// size, which is known.
fn hears_more(case: &Case) -> bool {
    let text = case.config.to_string();
    // Graphs begin behind what takes strings, and whole models do not.
    let strings = [
        "StringLookup",
        "TextVectorization",
        "\"Hashing\"",
        "HashedCrossing",
    ];
    let signs = ["\"mask_zero\":true", "\"Masking\"", "\"stateful\":true"];
    let mut signs = signs.iter().chain(&strings);
    signs.any(|sign| text.contains(sign)) || case.id.starts_with("sizes")
}

/// The names of the tensors that a layer takes, where each has one.
fn names(model: &KerasModel, layer: &Layer) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for tensor in layer.calls.iter().flat_map(Call::tensors) {
        let of = model.root.layer(tensor.layer);
        let several = of.network.as_ref().is_some_and(|net| net.outputs.len() > 1);
        if several || of.calls.len() > 1 {
            return None;
        }
        let name = match tensor.output {
            0 => of.path.clone(),
            output => format!("{}:{output}", of.path),
        };
        if !found.contains(&name) {
            found.push(name);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn eval(graph: &Graph, inputs: &[Tensor], id: &str) -> Vec<Tensor> {
    graph.eval(inputs).unwrap_or_else(|error| panic!("{id}: {error}"))
}

/// Compares both parts at a layer with the whole; gives nothing where the outputs need more than the layer.
fn compare(case: &Case, model: &KerasModel, layer: &Layer, whole: &[Tensor]) -> Option<()> {
    let names = names(model, layer)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let id = format!("{} at {}", case.id, layer.path);
    let behind = taken(case, &part(&[], &[&layer.path])).ok()?;
    let mut shapes = InputShapes::default();
    let first = keras::lower(
        &taken(case, &part(&names, &[])).expect(&id),
        &first_shapes(case, &names)?,
    )
    .expect(&id);
    let values = eval(&first.graph, &case.inputs(0, &signature(&first.graph)), &id);
    for (port, value) in behind.root.inputs.iter().zip(&values) {
        shapes.add(Some(port.name.clone()), value.shape().dims().to_vec());
    }
    let second = keras::lower(&behind, &shapes).unwrap_or_else(|errors| panic!("{id}: {errors}"));
    for (found, expected) in eval(&second.graph, &values, &id).iter().zip(whole) {
        assert_eq!(found.shape(), expected.shape(), "{id}");
        let (found, expected) = (found.to_f32(), expected.to_f32());
        let far = found
            .iter()
            .zip(expected.iter())
            .any(|(a, b)| (a - b).abs() > 1e-5 * b.abs().max(1.0));
        assert!(!far, "{id}: {found:?} instead of {expected:?}");
    }
    Some(())
}

/// Shapes of those inputs that the part still has.
fn first_shapes(case: &Case, names: &[&str]) -> Option<InputShapes> {
    let model = taken(case, &part(names, &[])).ok()?;
    let mut shapes = InputShapes::default();
    for port in &model.root.inputs {
        // The only input needs no name: Keras calls it by its layer, its golden by its tensor.
        let only = || {
            case.input_shapes
                .values()
                .next()
                .filter(|_| case.input_shapes.len() == 1)
        };
        let shape = case.input_shapes.get(&port.name).or_else(only)?;
        shapes.add(Some(port.name.clone()), shape.clone());
    }
    Some(shapes)
}

#[test]
fn parts_add_up_to_the_whole() {
    let mut compared = 0;
    for file in files("layers")
        .iter()
        .filter(|file| !file.ends_with("k2.jsonl") && !file.ends_with("k3.jsonl"))
    {
        for case in cases(file).iter().filter(|case| !hears_more(case)) {
            let model = case.model().expect("a model");
            let Ok(lowered) = keras::lower(&model, &case.shapes()) else {
                continue;
            };
            if model.root.layers.len() < 3 {
                continue;
            }
            let inputs = case.inputs(0, &signature(&lowered.graph));
            let whole = eval(&lowered.graph, &inputs, &case.id);
            for layer in model.root.layers.iter().filter(|layer| !layer.is_input()) {
                compared += usize::from(compare(case, &model, layer, &whole).is_some());
            }
        }
    }
    assert!(compared > 300, "only {compared} layers");
}

/// Outputs of a model inside, by its path and by that of a layer.
#[test]
fn layers_inside_models_are_named_by_their_path() {
    let all: Vec<Case> = files("layers").iter().flat_map(|file| cases(file)).collect();
    let case = all
        .iter()
        .find(|case| case.id == "model-inside-is-called-on-what-it-gave")
        .expect("the case");
    let names = |outputs: &[&str]| -> Vec<String> {
        let model = taken(case, &part(outputs, &[])).expect("a part");
        model.root.outputs.iter().map(|port| port.name.clone()).collect()
    };
    assert_eq!(names(&["inner/of_v"]), ["of_v", "of_v_1"]);
    assert_eq!(
        names(&["inner", "less"]),
        ["of_u", "of_v", "of_u_1", "of_v_1", "less"]
    );
    assert_eq!(names(&["x"]), ["x"]);
}

#[test]
fn what_is_no_part_is_said() {
    let all: Vec<Case> = files("layers").iter().flat_map(|file| cases(file)).collect();
    let case = |id: &str| all.iter().find(|case| case.id == id).expect("the case");
    let nested = case("model-inside-is-called-on-what-it-gave");
    let said = |case: &Case, part: &Part| taken(case, part).expect_err("no such part").to_string();
    assert_eq!(
        said(nested, &part(&["of_w"], &[])),
        "--outputs: the model has no layer \"of_w\"; it has \"inner\", \"inner/of_u\", \"inner/of_v\", \
         \"less\", \"x\""
    );
    assert_eq!(
        said(nested, &part(&["V"], &["of_v"])),
        "--outputs: the model has no layer \"V\"; it has \"inner/of_v\"\n\
         --inputs: the model has no layer \"of_v\"; it has \"inner/of_v\""
    );
    let u_net = case("network-u-net");
    assert_eq!(
        said(u_net, &part(&[], &["bottoma"])),
        "--inputs: the outputs need input \"image\" as well, past the layers that are named; name it too, to keep it, \
         or a layer where its way begins anew; it is taken by \"down1a\""
    );
    assert_eq!(
        said(u_net, &part(&["down1a"], &["bottoma"])),
        "--inputs: the outputs need input \"image\" as well, past the layers that are named; name it too, to keep it, \
         or a layer where its way begins anew; it is taken by \"down1a\"\n\
         --inputs: no output needs the input \"pool2\""
    );
}
