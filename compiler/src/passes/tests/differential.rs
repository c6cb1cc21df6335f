//! Random graphs give the same results before and after each pass and the pipeline.

use super::random;
use crate::graph::Graph;
use crate::ops::Op;
use crate::passes::{Log, Options, PIPELINE, apply, run};
use crate::tensor::Tensor;

/// How many graphs a test makes of so many: `RANDOM_GRAPHS=100` makes a hundred times as many.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    let times = std::env::var("RANDOM_GRAPHS")
        .ok()
        .and_then(|times| times.parse().ok());
    0..usual * times.unwrap_or(1)
}

/// The largest difference, where 1 is what is allowed: 1e-4 of the value, or of the largest value around it for
/// what cancellation leaves.
pub fn distance(expected: &[Tensor], found: &[Tensor]) -> f32 {
    let mut worst = 0f32;
    for (e, f) in expected.iter().zip(found) {
        assert_eq!(e.ty(), f.ty());
        let (e, f) = (e.to_f32(), f.to_f32());
        let largest = e.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (e, f) in e.iter().zip(f.iter()) {
            let difference = if e.to_bits() == f.to_bits() {
                0.0
            } else {
                (e - f).abs()
            };
            worst = worst.max(difference / (1e-4 * e.abs() + 1e-5 * largest + 1e-30));
            assert!(!difference.is_nan(), "{e} became {f}");
        }
    }
    worst
}

fn is_finite(tensors: &[Tensor]) -> bool {
    tensors
        .iter()
        .all(|t| t.to_f32().iter().all(|v| v.is_finite() && v.abs() < 1e6))
}

/// The work of all products: what no pass may add to. Functions of single elements may be computed twice.
fn products(graph: &Graph) -> u64 {
    let work = |id| {
        let inputs: Vec<_> = graph.inputs_of(id).iter().map(|&input| graph.ty(input)).collect();
        let counts = matches!(graph.op(id), Op::Conv(_) | Op::MatMul(_));
        if counts {
            graph.op(id).flops(&inputs, &graph.node(id).types)
        } else {
            0
        }
    };
    graph.order().into_iter().map(work).sum()
}

#[test]
fn the_pipeline_keeps_results() {
    let mut compared = 0;
    let seeds = seeds(400);
    for seed in seeds.clone() {
        let (before, inputs) = random::graph(seed);
        before.verify().expect("random graphs are valid");
        let expected = before.eval(&inputs).expect("random graphs can be evaluated");
        let mut after = before.clone();
        let options = Options {
            verify: true,
            ..Options::default()
        };
        let report = run(&mut after, options).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{before}"));
        let found = after.eval(&inputs).expect("optimised graphs can be evaluated");
        if is_finite(&expected) {
            let distance = distance(&expected, &found);
            assert!(
                distance <= 1.0,
                "seed {seed}: off by {distance}\n{before}\n{after}\n{report:?}"
            );
            compared += 1;
        }
        assert!(
            products(&after) <= products(&before),
            "seed {seed}: more work\n{before}\n{after}"
        );
        let again = run(&mut after.clone(), options).expect("a second run succeeds");
        let left: Vec<_> = again.changes.iter().filter(|c| c.1 > 0).collect();
        assert!(left.is_empty(), "seed {seed}: {left:?} changes are left\n{after}");
        let mut twin = before.clone();
        run(&mut twin, options).expect("an equal run succeeds");
        assert_eq!(
            twin.to_string(),
            after.to_string(),
            "seed {seed}: not deterministic"
        );
    }
    assert!(
        compared > seeds.end * 9 / 10,
        "only {compared} graphs have finite results"
    );
}

#[test]
fn every_pass_alone_keeps_results_and_is_idempotent() {
    for seed in seeds(80) {
        let (before, inputs) = random::graph(seed);
        let expected = before.eval(&inputs).expect("random graphs can be evaluated");
        for pass in PIPELINE {
            let mut once: Graph = before.clone();
            let mut log = Log::default();
            apply(pass, &mut once, &mut log).unwrap_or_else(|e| panic!("seed {seed}, {}: {e}", pass.name));
            once.verify()
                .unwrap_or_else(|e| panic!("seed {seed}, {}: {e}", pass.name));
            let found = once.eval(&inputs).expect("optimised graphs can be evaluated");
            if is_finite(&expected) {
                let distance = distance(&expected, &found);
                assert!(
                    distance <= 1.0,
                    "seed {seed}, {}: off by {distance}\n{before}\n{once}",
                    pass.name
                );
            }
            let mut twice = once.clone();
            let left = apply(pass, &mut twice, &mut log).expect("a second run succeeds");
            assert_eq!(
                left, 0,
                "seed {seed}: {} is not idempotent\n{once}\n{twice}",
                pass.name
            );
        }
    }
}
