//! Chains of moves and functions: sorted at once, they are what they become one exchange after the other.

use super::differential::seeds;
use super::random::{self, Random};
use super::tapes;
use crate::budget::{Budget, Resource};
use crate::error::Result;
use crate::graph::{Builder, Graph, NodeId};
use crate::ops::{Gather, Op, Pad, Slice};
use crate::passes::{Log, Options, PIPELINE, Pass, apply, run, sink};
use crate::pointwise::{Binary, Tape, Unary};
use crate::tensor::{Tensor, TensorType};

/// The pipeline with this pass in place of the one that sinks moves: the graph after each repetition, with the number of
/// moves.
fn stages(graph: &Graph, sink: Pass) -> Vec<(String, usize)> {
    let (mut graph, mut log) = (graph.clone(), Log::default());
    let mut round = |_| {
        let mut sunk = 0;
        for &pass in PIPELINE {
            let moves = pass.name == sink.name;
            let changes = apply(if moves { &sink } else { &pass }, &mut graph, &mut log);
            let changes = changes.expect("passes succeed");
            graph.verify().expect("passes leave graphs valid");
            sunk += if moves { changes } else { 0 };
        }
        (graph.to_string(), sunk)
    };
    (0..4).map(&mut round).collect()
}

fn check(graph: &Graph, what: &str) -> usize {
    let find = |pass: &&Pass| pass.name == "sink_moves";
    let at_once = *PIPELINE.iter().find(find).expect("it is in the pipeline");
    let one_by_one = Pass {
        run: sink::one_by_one,
        ..at_once
    };
    let [expected, found] = [one_by_one, at_once].map(|pass| stages(graph, pass));
    assert!(
        expected == found,
        "{what}: {}\nbecame\n{}\nnot\n{}",
        graph,
        found.iter().map(|stage| &*stage.0).collect::<Vec<_>>().join("\n"),
        expected
            .iter()
            .map(|stage| &*stage.0)
            .collect::<Vec<_>>()
            .join("\n"),
    );
    found.iter().map(|stage| stage.1).sum()
}

#[test]
fn random_graphs_are_the_same() {
    for seed in seeds(200) {
        check(&random::graph(seed).0, &format!("graph {seed}"));
    }
}

#[test]
fn random_chains_are_the_same() {
    let mut sunk = 0;
    for seed in seeds(500) {
        sunk += check(
            &chain(seed).expect("chains are well formed"),
            &format!("chain {seed}"),
        );
    }
    assert!(sunk > 3000, "only {sunk} moves");
}

/// Mostly a chain; some of its values are used elsewhere too.
fn chain(seed: u64) -> Result<Graph> {
    let mut graph = Graph::new();
    let mut random = Random::new(seed);
    let mut b = Builder::new(&mut graph, "");
    let x = b.input("x", TensorType::f32([2, 3, 4]))?;
    let mut values = vec![x];
    let branches = if random.chance(60) { 0 } else { 10 };
    for i in 0..2 + random.below(25) {
        b.name = format!("layer{i}");
        let back = if random.chance(branches) {
            random.below(values.len())
        } else {
            0
        };
        let x = values[values.len() - 1 - back];
        values.push(link(&mut b, &mut random, x, &values)?);
    }
    let last = values[values.len() - 1];
    b.graph.add_output("last", last);
    if random.chance(branches) {
        let other = random.pick(&values);
        b.graph.add_output("other", other);
    }
    Ok(graph)
}

fn link(b: &mut Builder<'_>, random: &mut Random, x: NodeId, values: &[NodeId]) -> Result<NodeId> {
    let dims = b.shape(x).dims().to_vec();
    let rank = dims.len();
    match random.below(14) {
        0..=2 => {
            let mut perm: Vec<_> = (0..rank).collect();
            for i in 1..rank {
                perm.swap(i, random.below(i + 1));
            }
            b.transpose(x, perm)
        }
        3 | 4 => {
            let count: usize = dims.iter().product();
            let rows = random.pick(&[2, 3, 4]);
            if count.is_multiple_of(rows) && random.chance(80) {
                b.reshape(x, [rows, count / rows])
            } else {
                b.reshape(x, [count])
            }
        }
        5 | 6 if dims.iter().product::<usize>() < 1000 => {
            let pads = (0..rank).map(|_| (random.below(2), random.below(2))).collect();
            let value = random.pick(&[0.0, 0.0, -0.0, 0.5, -1.0]);
            b.add(Pad { pads, value }, &[x])
        }
        7 => {
            let axis = random.below(rank);
            let extent = (dims[axis] + random.below(2)).max(2) - random.below(2);
            let indices: Vec<_> = (0..extent).map(|_| random.below(dims[axis]) as i32).collect();
            let indices = b.constant(Tensor::i32([extent], indices)?)?;
            let negative = false;
            b.add(Gather { axis, negative }, &[x, indices])
        }
        8 if dims[0] > 1 => {
            let mut slice = Slice::along(b.shape(x), 0, random.below(2), dims[0] - 1);
            if random.chance(20) {
                slice = Slice::along(b.shape(x), 0, 0, dims[0]);
            }
            b.add(Op::from(slice), &[x])
        }
        9 => {
            let same: Vec<_> = values.iter().filter(|&&y| b.shape(y) == b.shape(x)).collect();
            let other = **same.get(random.below(same.len())).unwrap_or(&&x);
            b.map(Tape::binary(Binary::Add), &[x, other])
        }
        10 => {
            let value = b.constant(random.tensor([dims[rank - 1]]))?;
            b.map(Tape::binary(Binary::Mul), &[x, value])
        }
        11 => b.map(tapes::silu(), &[x]),
        _ => {
            // Of these, the last two have no value for some padding.
            let function = random.pick(&[
                Unary::Tanh,
                Unary::Exp,
                Unary::Abs,
                Unary::Neg,
                Unary::Sqrt,
                Unary::Log,
            ]);
            b.map(Tape::unary(function), &[x])
        }
    }
}

/// A chain of so many pairs: a move and a function.
fn pairs(count: usize, mut pair: impl FnMut(&mut Builder<'_>, NodeId, usize) -> Result<NodeId>) -> Graph {
    let mut graph = Graph::within(Budget::new());
    let mut b = Builder::new(&mut graph, "");
    let mut x = b.input("x", TensorType::f32([2, 3, 4])).expect("an input");
    for i in 0..count {
        b.name = format!("layer{i}");
        x = pair(&mut b, x, i).expect("the chain is well formed");
    }
    b.graph.add_output("y", x);
    graph
}

/// A value and its own transpose: as far as the rule goes, either may be said to be the moved one.
#[test]
fn turning_in_circles_ends() {
    for perm in [[1, 0, 2], [1, 2, 0]] {
        let mut graph = Graph::within(Budget::new());
        let mut b = Builder::new(&mut graph, "");
        let mut build = || -> Result<()> {
            let x = b.input("x", TensorType::f32([3, 3, 3]))?;
            let there = b.transpose(x, perm)?;
            let back = b.transpose(there, perm)?;
            for y in [there, back] {
                let sum = b.map(Tape::binary(Binary::Add), &[x, y])?;
                b.graph.add_output(format!("{sum:?}"), sum);
                let sum = b.map(Tape::binary(Binary::Sub), &[y, x])?;
                b.graph.add_output(format!("{sum:?}"), sum);
            }
            b.graph.add_output("there", there);
            Ok(())
        };
        build().expect("the graph is well formed");
        let x = Random::new(1).tensor([3, 3, 3]);
        let expected = graph.eval(std::slice::from_ref(&x));
        run(&mut graph, Options::default()).expect("it ends");
        assert_eq!(graph.eval(&[x]), expected);
    }
}

#[test]
fn long_chains_keep_within_the_budget() {
    let functions = [Unary::Tanh, Unary::Abs, Unary::Erf];
    let function = |i: usize| Tape::unary(functions[i % 3]);
    let transposes = pairs(2500, |b, x, i| {
        let x = b.transpose(x, [[1, 2, 0], [2, 1, 0]][i % 2])?;
        b.map(function(i), &[x])
    });
    let reshapes = pairs(2500, |b, x, i| {
        let x = b.reshape(x, [vec![24], vec![4, 6]][i % 2].clone())?;
        b.map(function(i), &[x])
    });
    // One value after the other stays apart.
    let pads = pairs(2500, |b, x, _| {
        let pads = vec![(0, 1), (0, 0), (0, 0)];
        let x = b.add(Pad { pads, value: 0.0 }, &[x])?;
        b.map(Tape::binary_const(Binary::Add, 1.0), &[x])
    });
    for (mut graph, left) in [(transposes, 1), (reshapes, 1), (pads, 2500)] {
        let options = Options::default();
        run(&mut graph, options).expect("there is enough of everything");
        let moves = graph.order().into_iter().filter(|&id| {
            let op = graph.op(id);
            matches!(op, Op::Transpose(_) | Op::Reshape(_) | Op::Pad(_))
        });
        assert!(moves.count() <= left, "moves are left");
        let taken = graph.budget().spare(Resource::Rewrites, 380_000);
        assert!(taken, "a node is put in place of another more than a few times");
    }
}
