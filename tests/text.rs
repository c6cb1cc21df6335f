//! The text of graphs: what is printed is read back, and prints the same again.

use keras_compile::graph::{Builder, Graph};
use keras_compile::tensor::{Tensor, TensorType};
use keras_compile::{keras, passes};
use keras_compile_tests::goldens::{cases, files};

/// What is wrong with reading a graph back.
fn read_back(graph: &Graph) -> Result<(), String> {
    let text = graph.to_string();
    let again: Graph = text.parse().map_err(|error| format!("{error}\n{text}"))?;
    again.verify().map_err(|error| format!("{error}\n{text}"))?;
    let second = again.to_string();
    let differs = |(a, b): &(&str, &str)| a != b;
    match text.lines().zip(second.lines()).find(differs) {
        Some((first, second)) => Err(format!("{first}\nbecame\n{second}")),
        None if text.len() == second.len() => Ok(()),
        None => Err(format!("{text}\nbecame\n{second}")),
    }
}

/// The graphs of all goldens, before and after the passes.
#[test]
fn graphs_of_all_goldens_are_read_back() {
    let (mut read, mut failures) = (0, Vec::new());
    for case in ["layers", "networks"]
        .iter()
        .flat_map(|folder| files(folder))
        .flat_map(|file| cases(&file))
    {
        let Ok(lowered) = case
            .model()
            .and_then(|model| keras::lower(&model, &case.shapes()))
        else {
            continue;
        };
        let mut graph = lowered.graph;
        let mut check = |graph: &Graph, when: &str| {
            read += 1;
            let wrong = read_back(graph).err();
            failures.extend(wrong.map(|wrong| format!("{} {when} passes: {wrong}", case.id)));
        };
        check(&graph, "before");
        passes::run(&mut graph, passes::Options::default()).expect("passes succeed");
        check(&graph, "after");
    }
    assert!(
        failures.is_empty(),
        "{} of {read}\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(read > 500, "only {read} graphs");
}

#[test]
fn names_and_numbers_of_any_kind_are_read_back() {
    let mut graph = Graph::new();
    let names = [
        "",
        " ",
        "plain/name:0",
        "a ; b",
        "{",
        "\"",
        "two\nlines",
        "\\",
        "ü\u{7}\0\u{2028}",
        "output \"x\" = %0",
        ")",
    ];
    for (i, name) in names.into_iter().enumerate() {
        let mut b = Builder::new(&mut graph, name);
        let x = b
            .input(format!("{name}{i}"), TensorType::f32([2, 1]))
            .expect("an input");
        let numbers = [f32::INFINITY, -0.0, f32::MIN_POSITIVE, f32::NAN][i % 4];
        let c = b.constant(Tensor::splat([1, 5], numbers)).expect("a constant");
        let sum = b.map(
            keras_compile::pointwise::Tape::binary(keras_compile::pointwise::Binary::Add),
            &[x, c],
        );
        graph.add_output(format!("{name}{i}"), sum.expect("a map"));
    }
    read_back(&graph).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(
        graph
            .to_string()
            .parse::<Graph>()
            .map(|again| again.outputs()[6].name.clone()),
        Ok("two\nlines6".into())
    );
}
