//! Parts of passes on their own.

use super::layers::{Net, same};
use super::random::Random;
use crate::budget::Resource;
use crate::error::ErrorKind;
use crate::graph::{Builder, Graph, NodeId};
use crate::ops::Op;
use crate::passes::fold_scale::affine::{Affine, recognise};
use crate::passes::operands::MAX_STEPS;
use crate::passes::sink::operand::groups;
use crate::passes::{Done, Log, Missed, Options, PIPELINE, Pass, Reason, run, run_all};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor};

/// A graph with one convolution, normalisation and activation.
fn small() -> Graph {
    let mut graph = Graph::new();
    let mut net = Net {
        b: Builder::new(&mut graph, ""),
        random: Random::new(1),
    };
    let mut build = || -> crate::error::Result<NodeId> {
        let x = net.input([1, 4, 4, 2])?;
        let y = net.name("conv").conv(x, 2, same(3))?;
        let y = net.name("norm").norm(y)?;
        net.name("relu").relu(y)
    };
    let y = build().expect("the network is well formed");
    graph.add_output("y", y);
    graph
}

#[test]
fn stops_after_a_pass() {
    let mut graph = small();
    let options = Options {
        stop_after: Some("fold_scale"),
        verify: true,
    };
    let report = run(&mut graph, options).expect("the pipeline succeeds");
    let names: Vec<_> = report.changes.iter().map(|change| change.0).collect();
    assert_eq!(
        names,
        PIPELINE.iter().map(|pass| pass.name).collect::<Vec<_>>(),
        "all are listed"
    );
    assert!(report.changes.contains(&("fold_scale", 1)) && report.changes.contains(&("fuse_epilogues", 0)));
    assert!(
        graph.to_string().contains("map"),
        "the activation is not fused yet\n{graph}"
    );
}

#[test]
fn names_the_passes_when_asked_for_another() {
    let options = Options {
        stop_after: Some("fold"),
        ..Options::default()
    };
    let error = run(&mut small(), options).expect_err("there is no such pass");
    assert!(matches!(error.kind, ErrorKind::Usage(_)));
    let text = error.to_string();
    assert!(PIPELINE.iter().all(|pass| text.contains(pass.name)), "{text}");
}

#[test]
fn passes_that_never_settle_are_an_error() {
    let restless = Pass {
        name: "restless",
        about: "always finds something",
        run: |_, _| Ok(1),
    };
    let passes = [PIPELINE[0], restless];
    let error = run_all(&passes, &mut small(), Options::default()).expect_err("it goes on for ever");
    assert!(
        matches!(&error.kind, ErrorKind::Internal(what) if what.ends_with(": restless")),
        "{error}"
    );
    let options = Options {
        stop_after: Some("restless"),
        ..Options::default()
    };
    let report = run_all(&passes, &mut small(), options).expect("it is asked for once only");
    assert_eq!(report.changes, [("dead_code", 0), ("restless", 1)]);
}

#[test]
fn passes_have_names_of_their_own() {
    for (i, pass) in PIPELINE.iter().enumerate() {
        assert!(
            PIPELINE[..i].iter().all(|earlier| earlier.name != pass.name),
            "{} is there twice",
            pass.name
        );
    }
}

#[test]
fn the_log_keeps_what_is_true_in_the_end() {
    let missed = |pass, node: &str, reason| Missed {
        pass,
        node: node.into(),
        reason,
    };
    let shared = || Reason::SharedValue("x".into());
    let mut log = Log::default();
    log.enter("a");
    log.missed("gone", shared());
    log.missed_work("kept", [shared()]);
    log.missed_work("later", [shared()]);
    log.next_round();
    log.missed_work("later", [Reason::Padded("x".into())]);
    log.done("same", "same");
    log.done("one", "other");
    log.missed("twice", shared());
    log.missed("twice", shared());
    let (done, left) = log.finish();
    let one = Done {
        pass: "a",
        node: "one".into(),
        into: "other".into(),
    };
    assert_eq!(done, [one]);
    let padded = Reason::Padded("x".into());
    assert_eq!(
        left,
        [
            missed("a", "kept", shared()),
            missed("a", "later", padded),
            missed("a", "twice", shared())
        ]
    );
}

/// The most steps of any function in a graph, and whether one was said to be as long as it may be.
fn longest(graph: &mut Graph) -> (usize, bool) {
    let input = Tensor::f32(
        [1, 4, 4, 2],
        (0..32).map(|i| i as f32 / 16.0 - 1.0).collect::<Vec<_>>(),
    )
    .expect("a tensor");
    let before = graph.eval(std::slice::from_ref(&input)).expect("values");
    let options = Options {
        verify: true,
        ..Options::default()
    };
    let report = run(graph, options).expect("the pipeline succeeds");
    assert_eq!(graph.eval(&[input]).expect("values"), before, "\n{graph}");
    let said = |missed: &Missed| matches!(missed.reason, Reason::TooManySteps { .. });
    let steps = graph.order().into_iter().filter_map(|id| match graph.op(id) {
        Op::Map(map) => Some(map.tape.instrs().len()),
        op => op.epilogue().map(|(tape, _)| tape.instrs().len()),
    });
    (steps.max().unwrap_or(0), report.missed.iter().any(said))
}

#[test]
fn fusion_stops_at_long_functions() {
    for product in [false, true] {
        for (activations, limited) in [(8, false), (40, true)] {
            let mut graph = Graph::new();
            let mut net = Net {
                b: Builder::new(&mut graph, ""),
                random: Random::new(1),
            };
            let mut y = net.input([1, 4, 4, 2]).expect("an input");
            if product {
                y = net.conv(y, 2, same(1)).expect("a convolution");
            }
            for i in 0..activations {
                y = net.name(&format!("silu{i}")).silu(y).expect("a map");
            }
            net.output(y);
            let (steps, said) = longest(&mut graph);
            assert_eq!(said, limited, "{activations} activations");
            // They are composed up to the limit, not just left as they are.
            let least = if limited { MAX_STEPS - 12 } else { 3 * activations };
            assert!(
                (least..=MAX_STEPS).contains(&steps),
                "{steps} of {activations} activations"
            );
        }
    }
}

/// Whether moves sank as far as they go, and not until the budget ended it.
fn ended_by_itself(graph: &Graph) -> bool {
    graph.budget().spare(Resource::Sunk, 19_000_000)
}

#[test]
fn transposes_that_others_use_do_not_change_places_for_ever() {
    for join in [false, true] {
        let mut graph = Graph::new();
        let mut net = Net {
            b: Builder::new(&mut graph, ""),
            random: Random::new(1),
        };
        let (x, e) = (net.input([2, 3, 4]).expect("x"), net.input([3, 2, 4]).expect("e"));
        let [moved, back] = [x, e].map(|id| net.b.transpose(id, [1, 0, 2]).expect("a transpose"));
        let both = [moved, e];
        let y = match join {
            true => net.b.concat(2, &both),
            false => net.b.map(Tape::binary(Binary::Add), &both),
        };
        for id in [moved, back, y.expect("a result")] {
            net.output(id);
        }
        let mut inputs = Vec::new();
        for dims in [[2, 3, 4], [3, 2, 4]] {
            inputs.push(Random::new(2).tensor(dims));
        }
        let before = graph.eval(&inputs).expect("values");
        run(&mut graph, Options::default()).expect("the pipeline ends");
        assert!(ended_by_itself(&graph), "\n{graph}");
        assert_eq!(graph.eval(&inputs).expect("values"), before, "\n{graph}");
    }
}

#[test]
fn a_value_and_its_own_transpose_do_not_change_places_for_ever() {
    for join in [false, true] {
        let mut graph = Graph::new();
        let mut net = Net {
            b: Builder::new(&mut graph, ""),
            random: Random::new(1),
        };
        let x = net.input([4, 4, 2]).expect("x");
        let moved = net.b.transpose(x, [1, 0, 2]).expect("a transpose");
        let y = match join {
            true => net.b.concat(2, &[moved, x]),
            false => net.b.map(Tape::binary(Binary::Sub), &[x, moved]),
        };
        net.output(y.expect("a result"));
        let input = Random::new(2).tensor([4, 4, 2]);
        let before = graph.eval(std::slice::from_ref(&input)).expect("values");
        run(&mut graph, Options::default()).expect("the pipeline ends");
        assert!(ended_by_itself(&graph), "\n{graph}");
        assert_eq!(graph.eval(&[input]).expect("values"), before, "\n{graph}");
    }
}

#[test]
fn recognises_scales_of_channels() {
    let mut graph = Graph::new();
    let mut net = Net {
        b: Builder::new(&mut graph, ""),
        random: Random::new(1),
    };
    let x = net.input([1, 2, 2, 2]).expect("an input");
    let norm = net.norm(x).expect("a map");
    let square = net.binary(Binary::Mul, x, x).expect("a map");
    let matrix = net.weights([2, 2]).expect("a constant");
    let two_axes = net.binary(Binary::Mul, x, matrix).expect("a map");
    let half = net
        .b
        .map(Tape::binary_const(Binary::Mul, 0.5), &[x])
        .expect("a map");
    let (data, affine) = recognise(&graph, norm).expect("a normalisation is a scale and a shift");
    assert_eq!((data, affine.axis, affine.scale.len()), (x, Some(3), 2));
    let (_, affine) = recognise(&graph, half).expect("a product with a number is");
    assert_eq!(
        (affine.axis, &affine.scale[..], &affine.shift[..]),
        (None, &[0.5][..], &[0.0][..])
    );
    assert!(recognise(&graph, square).is_none() && recognise(&graph, two_axes).is_none());
}

#[test]
fn scales_follow_reshapes_where_they_stay_on_one_axis() {
    let along = |axis, scale: &[f64]| Affine {
        axis: Some(axis),
        scale: scale.to_vec(),
        shift: vec![0.0; scale.len()],
    };
    let reshaped = |affine: Affine, from: &[usize], to: &[usize]| {
        affine
            .reshaped(&Shape::new(from), &Shape::new(to))
            .map(|a| (a.axis, a.scale))
    };
    let two = || along(3, &[1.0, 2.0]);
    assert_eq!(
        reshaped(two(), &[1, 2, 2, 2], &[1, 1, 4, 2]),
        Some((Some(3), vec![1.0, 2.0]))
    );
    assert_eq!(
        reshaped(two(), &[1, 2, 2, 2], &[2, 4]),
        Some((Some(1), vec![1.0, 2.0, 1.0, 2.0])),
        "repeats along the flattened axis"
    );
    assert_eq!(
        reshaped(along(1, &[1.0, 2.0]), &[1, 2, 3], &[1, 6]),
        Some((Some(1), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0].to_vec()))
    );
    assert_eq!(
        reshaped(along(0, &[1.0, 2.0, 3.0, 4.0]), &[4], &[2, 2]),
        None,
        "an axis is split"
    );
    assert_eq!(reshaped(along(1, &[1.0, 2.0]), &[3, 2], &[2, 3]), None, "neither");
}

#[test]
fn groups_of_axes_are_smallest() {
    let found = |from: &[usize], to: &[usize]| -> Vec<(usize, usize)> {
        let groups = groups(&Shape::new(from), &Shape::new(to));
        groups
            .iter()
            .map(|group| (group.from.len(), group.to.len()))
            .collect()
    };
    assert_eq!(found(&[2, 3, 4], &[2, 3, 4]), [(1, 1); 3]);
    assert_eq!(found(&[2, 3, 4], &[6, 4]), [(2, 1), (1, 1)]);
    assert_eq!(found(&[6, 4], &[2, 3, 4]), [(1, 2), (1, 1)]);
    assert_eq!(found(&[4, 6], &[6, 4]), [(2, 2)]);
    assert_eq!(found(&[], &[1, 1]).len(), 2);
    for (from, to) in [([1, 5, 1, 2], [5, 1, 2, 1]), ([2, 1, 5, 1], [1, 1, 2, 5])] {
        let groups = groups(&Shape::new(from), &Shape::new(to));
        let covered: usize = groups.iter().map(|group| group.from.len()).sum();
        assert_eq!(covered, 4);
        for group in groups {
            let product = |dims: &[usize]| dims.iter().product::<usize>();
            assert_eq!(product(&from[group.from]), product(&to[group.to]));
        }
    }
}

/// Each round moves only so many of them below the functions.
#[test]
fn slices_and_functions_that_take_turns_come_to_an_end() {
    let mut graph = Graph::new();
    let mut net = Net {
        b: Builder::new(&mut graph, ""),
        random: Random::new(1),
    };
    let x = net.input([1, 502, 1, 1]).unwrap();
    let mut x = net.conv(x, 1, same(1)).unwrap();
    for left in (2..=501).rev() {
        x = net.b.slice(x, 1, 1, left).unwrap();
        x = net.relu(x).unwrap();
    }
    net.output(x);
    run(&mut graph, Options::default()).unwrap();
}
