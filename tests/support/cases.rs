//! What tests do with goldens: lowering those that are supported, and trying all, several at a time.

use crate::goldens::{Case, cases, files};
use crate::strings;
use keras_compile::error::{Error, ErrorKind, Errors};
use keras_compile::graph::Graph;
use keras_compile::keras::{self, KeptState, Lowered, Prepared};
use keras_compile::tensor::{Tensor, TensorType};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names and types of a graph's inputs.
pub fn signature(graph: &Graph) -> Vec<(String, TensorType)> {
    graph
        .inputs()
        .iter()
        .map(|&id| (graph.node(id).input_name().to_owned(), graph.ty(id).clone()))
        .collect()
}

/// Values by the names of a graph's outputs.
pub fn named(graph: &Graph, values: Vec<Tensor>) -> Vec<(String, Tensor)> {
    graph
        .outputs()
        .iter()
        .map(|o| o.name.clone())
        .zip(values)
        .collect()
}

/// Names and types of the inputs that whoever uses a model passes.
pub fn passed(graph: &Graph, states: &[KeptState]) -> Vec<(String, TensorType)> {
    let kept = |index: usize| states.iter().any(|state| state.input == index);
    let all = signature(graph).into_iter().enumerate();
    all.filter(|(index, _)| !kept(*index))
        .map(|(_, port)| port)
        .collect()
}

/// Has all predictions of a case made, one after the other, and compares them with Keras'. What a graph gives as states are
/// inputs of the next prediction, after 0.
///
/// # Errors
/// What `predict` says, or the first difference.
pub fn check_predictions(
    case: &Case,
    graph: &Graph,
    states: &[KeptState],
    prepared: Option<&Prepared>,
    mut predict: impl FnMut(&[Tensor]) -> Result<Vec<Tensor>, String>,
) -> Result<(), String> {
    let all = signature(graph);
    let zeros = |state: &KeptState| Tensor::splat(all[state.input].1.shape.clone(), 0.0);
    let mut kept: Vec<Tensor> = states.iter().map(zeros).collect();
    for prediction in 0..case.predictions() {
        let mut inputs = strings::inputs(case, prediction, &passed(graph, states), prepared).into_iter();
        let values: Vec<Tensor> = (0..all.len())
            .map(
                |index| match states.iter().position(|state| state.input == index) {
                    Some(place) => kept[place].clone(),
                    None => inputs.next().expect("as many as are passed"),
                },
            )
            .collect();
        let found = predict(&values)?;
        kept = states.iter().map(|state| found[state.output].clone()).collect();
        let given = named(graph, found).into_iter().enumerate();
        let given: Vec<_> = given
            .filter(|(index, _)| states.iter().all(|state| state.output != *index))
            .map(|(_, output)| output)
            .collect();
        let said = said(prepared, &given);
        case.compare(prediction, &given, &said)
            .map_err(|error| format!("prediction {prediction}: {error}"))?;
    }
    Ok(())
}

/// The strings that outputs become, by their places.
fn said(prepared: Option<&Prepared>, given: &[(String, Tensor)]) -> HashMap<usize, Vec<String>> {
    let Some(Prepared { preparation, .. }) = prepared else {
        return HashMap::new();
    };
    let spoken = preparation.spoken.iter();
    spoken
        .map(|(place, words)| (*place, strings::said(preparation, words, &given[*place].1)))
        .collect()
}

/// A case as a graph; none if it is refused, as it must be.
///
/// # Errors
/// When it is refused or not, but should not be.
pub fn lowered(case: &Case) -> Result<Option<Lowered>, String> {
    let model = case.model().map_err(|error| format!("reading: {error}"))?;
    match (keras::lower(&model, &case.shapes()), is_refused(case)) {
        (Ok(lowered), false) => Ok(Some(lowered)),
        (Ok(_), true) => Err("is compiled now; take it off goldens/refused.txt".to_owned()),
        (Err(errors), refused) => refusal(&errors, refused).map(|()| None),
    }
}

/// Whether `goldens/refused.txt` lists a case: something real that is not supported.
fn is_refused(case: &Case) -> bool {
    include_str!("../goldens/refused.txt")
        .lines()
        .any(|line| line == case.id)
}

/// A case that must be refused has to name every culprit: its layer, and what about it is not supported.
fn refusal(errors: &Errors, expected: bool) -> Result<(), String> {
    let by_name = |error: &Error| {
        let kind = matches!(
            error.kind,
            ErrorKind::UnsupportedLayer { .. } | ErrorKind::UnsupportedValue { .. }
        );
        kind && error.place.layer.is_some() && error.help.is_some()
    };
    if expected && errors.as_slice().iter().all(by_name) {
        Ok(())
    } else {
        Err(format!("lowering: {errors}"))
    }
}

/// Tries every case of a folder whose name contains what the variable `GOLDEN` says.
///
/// # Panics
/// With all failures, or when there is no such case.
pub fn try_goldens(folder: &str, check: impl Fn(&Case) -> Result<(), String> + Sync) {
    let filter = std::env::var("GOLDEN").unwrap_or_default();
    let mut all: Vec<Case> = files(folder).iter().flat_map(|file| cases(file)).collect();
    all.retain(|case| case.id.contains(&filter));
    assert!(!all.is_empty(), "no case contains {filter:?}");
    let name = |case: &Case| format!("{} (Keras {})", case.id, case.keras);
    try_all(&all, name, check);
}

/// Tries every case, several at a time.
///
/// # Panics
/// With all failures.
pub fn try_all<T: Sync>(
    all: &[T],
    name: impl Fn(&T) -> String + Sync,
    check: impl Fn(&T) -> Result<(), String> + Sync,
) {
    let failures = failures(all, name, check);
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        all.len(),
        failures.join("\n")
    );
}

/// What is wrong with those that fail, behind their names and in the order of these.
///
/// # Panics
/// When a check panics inside of another's report (a bug of this function).
pub fn failures<T: Sync>(
    all: &[T],
    name: impl Fn(&T) -> String + Sync,
    check: impl Fn(&T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let error = match catch_unwind(AssertUnwindSafe(|| check(case))) {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => error,
                        Err(_) => "panic, see above".to_owned(),
                    };
                    let mut failures = failures.lock().expect("no thread panics");
                    failures.push(format!("{}: {error}", name(case)));
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics");
    failures.sort();
    failures
}
