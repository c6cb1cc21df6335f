//! Small graphs of every operation, at odd sizes: what the seams are compared on.

use crate::random::Random;
use keras_compile::error::Result;
use keras_compile::graph::{Builder, Graph, NodeId};
use keras_compile::ops::{
    Conv, Gather, MatMul, Pad, Pool, PoolKind, PoolPadding, Reduce, ReduceKind, Scan, Slice, WindowAxis,
};
use keras_compile::pointwise::library::silu;
use keras_compile::pointwise::{Binary, Tape, Unary};
use keras_compile::tensor::{Tensor, TensorType};
use std::sync::Arc;

/// All of them, with their names.
///
/// # Panics
/// Never: they are graphs.
pub fn all() -> Vec<(String, Graph)> {
    let mut graphs = convolutions();
    for (name, case) in CASES {
        let graph = graph(name, |b| case(b, &mut Random::new(3)));
        graphs.push((
            (*name).to_owned(),
            graph.unwrap_or_else(|error| panic!("{name}: {error}")),
        ));
    }
    graphs
}

/// The graph of one output that `build` gives.
///
/// # Errors
/// What building it gives.
pub fn graph(name: &str, build: impl FnOnce(&mut Builder<'_>) -> Result<NodeId>) -> Result<Graph> {
    let mut graph = Graph::new();
    let mut builder = Builder::new(&mut graph, name);
    let out = build(&mut builder)?;
    graph.add_output("out", out);
    Ok(graph)
}

/// Builds a graph of one kind from random data; gives its outputs.
type Case = fn(&mut Builder<'_>, &mut Random) -> Result<NodeId>;

/// A window with its stride, dilation and pads.
pub fn window(size: usize, stride: usize, dilation: usize, before: usize, after: usize) -> WindowAxis {
    WindowAxis {
        size,
        stride,
        dilation,
        before,
        after,
    }
}

/// max(x, 0).
pub fn relu() -> Tape {
    Tape::binary_const(Binary::Max, 0.0)
}

/// A further input of floats.
///
/// # Errors
/// Never: names differ.
pub fn input(b: &mut Builder<'_>, shape: &[usize]) -> Result<NodeId> {
    let name = format!("in{}", b.graph.inputs().len());
    b.input(name, TensorType::f32(shape.to_vec()))
}

/// A convolution with random weights and bias.
///
/// # Errors
/// When the window does not fit.
pub fn conv_of(
    b: &mut Builder<'_>,
    r: &mut Random,
    x: NodeId,
    window: [WindowAxis; 2],
    groups: usize,
    channels: usize,
    (epilogue, operands): (Tape, &[NodeId]),
) -> Result<NodeId> {
    let inputs = b.shape(x)[3];
    let w = b.constant(r.tensor(&[window[0].size, window[1].size, inputs / groups, channels]))?;
    let bias = b.constant(r.tensor(&[channels]))?;
    let all = [&[x, w, bias], operands].concat();
    b.add(
        Conv {
            window,
            groups,
            bias: true,
            epilogue,
        },
        &all,
    )
}

/// Convolutions of all shapes: `[input shape, window, stride, dilation, pads, groups, channels]`.
fn convolutions() -> Vec<(String, Graph)> {
    let mut cases = Vec::new();
    for (n, h, w, c, k, s, d, p, g, o) in [
        (1, 7, 7, 16, 1, 1, 1, 0, 1, 24),
        (1, 8, 9, 3, 3, 2, 1, 1, 1, 16),
        (2, 5, 6, 4, 3, 1, 1, 1, 1, 8),
        (1, 14, 14, 8, 3, 1, 1, 0, 1, 13),
        (1, 12, 11, 5, 3, 1, 2, 2, 1, 7),
        (3, 6, 6, 8, 1, 2, 1, 0, 1, 3),
        (1, 9, 9, 8, 3, 1, 1, 1, 4, 8),
        (1, 9, 9, 8, 3, 1, 1, 1, 8, 8),
        (1, 10, 10, 6, 5, 1, 1, 2, 1, 1),
        (1, 13, 5, 7, 7, 2, 1, 3, 1, 10),
        (2, 1, 1, 40, 1, 1, 1, 0, 1, 70),
        (1, 1, 1, 40, 1, 1, 1, 0, 1, 70),
        (1, 64, 64, 4, 1, 1, 1, 0, 1, 12),
        (1, 3, 100, 6, 3, 1, 1, 1, 1, 4),
        // Winograd: F(4x4) with tiles that overhang on one, both and no side, whole and broken panels, many blocks.
        (1, 11, 12, 17, 3, 1, 1, 1, 1, 19),
        (2, 7, 6, 16, 3, 1, 1, 1, 1, 24),
        (1, 14, 18, 18, 3, 1, 1, 0, 1, 20),
        (1, 9, 13, 21, 3, 1, 1, 2, 1, 33),
        (1, 42, 41, 16, 3, 1, 1, 1, 1, 17),
        // F(2x2).
        (1, 5, 7, 18, 3, 1, 1, 1, 1, 21),
        (2, 4, 4, 20, 3, 1, 1, 1, 1, 16),
        (1, 7, 7, 33, 3, 1, 1, 1, 1, 35),
    ] {
        let mut graph = Graph::new();
        let mut b = Builder::new(&mut graph, "conv");
        let mut r = Random::new(7);
        let x = input(&mut b, &[n, h, w, c]).expect("an input");
        let axis = window(k, s, d, p, p);
        let y = conv_of(&mut b, &mut r, x, [axis, axis], g, o, (relu(), &[])).expect("a convolution");
        graph.add_output("out", y);
        cases.push((
            format!("conv {n}x{h}x{w}x{c} k{k} s{s} d{d} p{p} g{g} o{o}"),
            graph,
        ));
    }
    cases
}

const CASES: &[(&str, Case)] = &[
    ("residual block", |b, r| {
        let x = input(b, &[1, 9, 10, 12])?;
        let one = window(1, 1, 1, 0, 0);
        let three = window(3, 1, 1, 1, 1);
        let y = conv_of(b, r, x, [one, one], 1, 8, (relu(), &[]))?;
        let y = conv_of(b, r, y, [three, three], 1, 8, (relu(), &[]))?;
        let add_relu = Tape::binary(Binary::Add).then(&relu());
        conv_of(b, r, y, [one, one], 1, 12, (add_relu, &[x]))
    }),
    // The second convolution writes into the frame of the third, which writes between two others and adds a residual.
    ("Winograd between other layers", |b, r| {
        let x = input(b, &[2, 9, 10, 16])?;
        let (one, three) = (window(1, 1, 1, 0, 0), window(3, 1, 1, 1, 1));
        let left = conv_of(b, r, x, [one, one], 1, 5, (relu(), &[]))?;
        let y = conv_of(b, r, x, [three, three], 1, 18, (relu(), &[]))?;
        let add_relu = Tape::binary(Binary::Add).then(&relu());
        let residual = conv_of(b, r, x, [one, one], 1, 22, (Tape::identity(), &[]))?;
        let y = conv_of(b, r, y, [three, three], 1, 22, (add_relu, &[residual]))?;
        let right = conv_of(b, r, x, [three, three], 1, 3, (relu(), &[]))?;
        let y = b.concat(3, &[left, y, right])?;
        conv_of(b, r, y, [three, three], 1, 17, (Tape::identity(), &[]))
    }),
    ("Winograd over its residual, and with a broadcast one", |b, r| {
        let x = input(b, &[1, 5, 6, 20])?;
        let (one, three) = (window(1, 1, 1, 0, 0), window(3, 1, 1, 1, 1));
        let add_relu = Tape::binary(Binary::Add).then(&relu());
        let residual = conv_of(b, r, x, [one, one], 1, 16, (Tape::identity(), &[]))?;
        let y = conv_of(b, r, x, [three, three], 1, 16, (add_relu.clone(), &[residual]))?;
        let scale = b.reduce(ReduceKind::Max, [1, 2], y)?;
        conv_of(b, r, y, [three, three], 1, 16, (add_relu, &[scale]))
    }),
    // Seven pixels do not fill tiles, and rows of the results have gaps between them.
    ("rows of seven pixels into frames", |b, r| {
        let x = input(b, &[2, 7, 7, 16])?;
        let (one, three) = (window(1, 1, 1, 0, 0), window(3, 1, 1, 1, 1));
        let y = conv_of(b, r, x, [one, one], 1, 20, (silu::tape(), &[]))?;
        let y = conv_of(b, r, y, [three, three], 1, 16, (silu::tape(), &[]))?;
        let add_relu = Tape::binary(Binary::Add).then(&relu());
        let y = conv_of(b, r, y, [one, one], 1, 16, (add_relu.clone(), &[x]))?;
        let scale = b.reduce(ReduceKind::Max, [1, 2], y)?;
        let add_silu = Tape::binary(Binary::Add).then(&silu::tape());
        let y = conv_of(b, r, y, [one, one], 1, 16, (add_silu, &[scale]))?;
        conv_of(b, r, y, [three, three], 1, 9, (Tape::identity(), &[]))
    }),
    ("strided rows packed before many channels", |b, r| {
        let x = input(b, &[2, 14, 13, 5])?;
        let half = window(1, 2, 1, 0, 0);
        conv_of(b, r, x, [half, half], 1, 260, (relu(), &[]))
    }),
    ("depthwise with a long epilogue and an operand", |b, r| {
        let x = input(b, &[1, 9, 8, 13])?;
        let w = b.constant(r.tensor(&[3, 3, 1, 13]))?;
        let scale = b.reduce(ReduceKind::Max, [1, 2], x)?;
        let axis = window(3, 1, 1, 1, 1);
        b.add(
            Conv {
                window: [axis, axis],
                groups: 13,
                bias: false,
                epilogue: Tape::binary(Binary::Add).then(&silu::tape()),
            },
            &[x, w, scale],
        )
    }),
    ("inception block", |b, r| {
        let x = input(b, &[2, 6, 7, 10])?;
        let (one, three, five) = (
            window(1, 1, 1, 0, 0),
            window(3, 1, 1, 1, 1),
            window(5, 1, 1, 2, 2),
        );
        let y1 = conv_of(b, r, x, [one, one], 1, 5, (relu(), &[]))?;
        let y3 = conv_of(b, r, x, [three, three], 1, 8, (relu(), &[]))?;
        let y5 = conv_of(b, r, x, [five, five], 1, 3, (relu(), &[]))?;
        let pool = Pool {
            kind: PoolKind::Max,
            window: [three, three],
            padding: PoolPadding::Exclude,
            epilogue: Tape::identity(),
        };
        let p = b.add(pool, &[x])?;
        let y = b.concat(3, &[y1, y3, y5, p, x])?;
        conv_of(b, r, y, [three, three], 1, 9, (Tape::identity(), &[]))
    }),
    ("dense block", |b, r| {
        let three = window(3, 1, 1, 1, 1);
        let mut x = input(b, &[1, 5, 5, 6])?;
        for _ in 0..3 {
            let y = b.map(relu(), &[x])?;
            let y = conv_of(b, r, y, [three, three], 1, 4, (Tape::identity(), &[]))?;
            x = b.concat(3, &[x, y])?;
        }
        b.map(Tape::unary(Unary::Neg), &[x])
    }),
    (
        "depthwise with strides, dilation and an odd number of channels",
        |b, r| {
            let x = input(b, &[2, 11, 16, 13])?;
            let w = b.constant(r.tensor(&[3, 5, 1, 13]))?;
            let bias = b.constant(r.tensor(&[13]))?;
            let window = [window(3, 2, 1, 1, 1), window(5, 1, 2, 4, 4)];
            b.add(
                Conv {
                    window,
                    groups: 13,
                    bias: true,
                    epilogue: relu(),
                },
                &[x, w, bias],
            )
        },
    ),
    ("depthwise 7x7 without bias", |b, r| {
        let x = input(b, &[1, 14, 14, 8])?;
        let w = b.constant(r.tensor(&[7, 7, 1, 8]))?;
        let axis = window(7, 1, 1, 3, 3);
        b.add(
            Conv {
                window: [axis, axis],
                groups: 8,
                bias: false,
                epilogue: Tape::identity(),
            },
            &[x, w],
        )
    }),
    ("squeeze and excite", |b, r| {
        let x = input(b, &[2, 6, 5, 18])?;
        let mean = Reduce {
            kind: ReduceKind::Sum,
            axes: vec![1, 2],
            epilogue: Tape::binary_const(Binary::Mul, 1.0 / 30.0),
        };
        let s = b.add(mean, &[x])?;
        let one = window(1, 1, 1, 0, 0);
        let s = conv_of(b, r, s, [one, one], 1, 4, (relu(), &[]))?;
        let s = conv_of(
            b,
            r,
            s,
            [one, one],
            1,
            18,
            (keras_compile::pointwise::library::sigmoid::tape(), &[]),
        )?;
        b.map(Tape::binary(Binary::Mul), &[x, s])
    }),
    ("average pool that leaves padding out", |b, _| {
        let x = input(b, &[1, 7, 8, 5])?;
        let window = [window(3, 2, 1, 1, 1), window(2, 2, 1, 0, 1)];
        b.add(
            Pool {
                kind: PoolKind::Average,
                window,
                padding: PoolPadding::Exclude,
                epilogue: Tape::identity(),
            },
            &[x],
        )
    }),
    ("average pool that counts zeros, and beyond", |b, _| {
        let x = input(b, &[1, 4, 4, 5])?;
        let axis = window(2, 2, 1, 4, 4);
        let window = [axis, axis];
        b.add(
            Pool {
                kind: PoolKind::Average,
                window,
                padding: PoolPadding::Zero,
                epilogue: Tape::identity(),
            },
            &[x],
        )
    }),
    ("max pool over padded zeros", |b, _| {
        let x = input(b, &[2, 9, 9, 6])?;
        let y = b.map(Tape::binary_const(Binary::Sub, 3.0), &[x])?;
        let axis = window(3, 2, 1, 1, 1);
        b.add(
            Pool {
                kind: PoolKind::Max,
                window: [axis, axis],
                padding: PoolPadding::Zero,
                epilogue: relu(),
            },
            &[y],
        )
    }),
    ("softmax over the last axis", |b, _| softmax(b, &[3, 21], 1)),
    ("softmax over a middle axis", |b, _| softmax(b, &[2, 7, 9], 1)),
    ("reduction of everything", |b, _| {
        let x = input(b, &[2, 3, 5])?;
        b.reduce(ReduceKind::Product, [0, 1, 2], x)
    }),
    ("reduction of first and last axes", |b, _| {
        let x = input(b, &[4, 6, 5])?;
        b.reduce(ReduceKind::Min, [0, 2], x)
    }),
    ("dense layers of one and of many rows", |b, r| {
        let x = input(b, &[5, 37])?;
        let w = b.constant(r.tensor(&[37, 50]))?;
        let bias = b.constant(r.tensor(&[50]))?;
        let y = b.add(
            MatMul {
                bias: true,
                epilogue: relu(),
            },
            &[x, w, bias],
        )?;
        let y = b.reduce(ReduceKind::Max, [0], y)?;
        let w = b.constant(r.tensor(&[50, 35]))?;
        b.add(
            MatMul {
                bias: false,
                epilogue: Tape::unary(Unary::Abs),
            },
            &[y, w],
        )
    }),
    ("product of two computed matrices", |b, r| {
        let x = input(b, &[2, 3, 5, 7])?;
        let y = input(b, &[2, 3, 7, 9])?;
        let bias = b.constant(r.tensor(&[9]))?;
        b.add(
            MatMul {
                bias: true,
                epilogue: relu(),
            },
            &[x, y, bias],
        )
    }),
    ("products of five axes", |b, r| {
        let x = input(b, &[2, 3, 2, 4, 5])?;
        let w = b.constant(r.tensor(&[5, 9]))?;
        let bias = b.constant(r.tensor(&[9]))?;
        let shared = MatMul {
            bias: true,
            epilogue: relu(),
        };
        let x = b.add(shared, &[x, w, bias])?;
        let y = input(b, &[2, 3, 2, 9, 6])?;
        let residual = input(b, &[2, 1, 2, 4, 6])?;
        b.add(
            MatMul {
                bias: false,
                epilogue: Tape::binary(Binary::Add),
            },
            &[x, y, residual],
        )
    }),
    ("transposes, slices and pads", |b, _| {
        let x = input(b, &[3, 4, 6])?;
        let x = b.transpose(x, [2, 0, 1])?;
        let x = b.add(
            Slice {
                starts: vec![5, 0, 3],
                sizes: vec![3, 2, 2],
                steps: vec![-2, 2, -3],
            },
            &[x],
        )?;
        let x = b.add(
            Pad {
                pads: vec![(1, 0), (0, 2), (3, 1)],
                value: 2.5,
            },
            &[x],
        )?;
        let x = b.reshape(x, [4, 24])?;
        let left = b.slice(x, 1, 3, 9)?;
        let right = b.slice(x, 1, 12, 9)?;
        b.map(Tape::binary(Binary::Sub), &[left, right])
    }),
    ("embedding with computed indices of every kind", |b, r| {
        let ids = [
            0.0,
            2.9,
            -0.5,
            -1.2,
            3.0,
            4.0,
            1e10,
            -1e10,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -4.0,
        ];
        let zeros = input(b, &[12])?;
        let ids = b.constant(Tensor::f32([12], ids.to_vec())?)?;
        let ids = b.map(
            Tape::binary_const(Binary::Mul, 0.0).then(&Tape::binary(Binary::Add)),
            &[zeros, ids],
        )?;
        let table = b.constant(r.tensor(&[4, 10]))?;
        b.add(
            Gather {
                axis: 0,
                negative: false,
            },
            &[table, ids],
        )
    }),
    ("embedding with indices out of range", |b, r| {
        let ids = b.input("ids", TensorType::i32([2, 6]))?;
        let table = b.constant(r.tensor(&[4, 10]))?;
        b.add(
            Gather {
                axis: 0,
                negative: false,
            },
            &[table, ids],
        )
    }),
    ("gathered columns", |b, _| {
        let x = input(b, &[2, 5, 3])?;
        let at = b.constant(Tensor::i32([4], vec![4, 0, -1, 2])?)?;
        b.add(
            Gather {
                axis: 1,
                negative: false,
            },
            &[x, at],
        )
    }),
    ("a recurrence", |b, r| recurrence(b, r, false)),
    ("a recurrence backwards", |b, r| recurrence(b, r, true)),
    ("an image of integers", |b, _| {
        let x = b.input("ids", TensorType::i32([1, 3, 5, 3]))?;
        b.map(Tape::binary_const(Binary::Mul, 0.5), &[x])
    }),
];

/// Softmax as layers are lowered to it.
///
/// # Errors
/// When there is no such axis.
pub fn softmax(b: &mut Builder<'_>, shape: &[usize], axis: usize) -> Result<NodeId> {
    let x = input(b, shape)?;
    let max = b.reduce(ReduceKind::Max, [axis], x)?;
    let exp = b.map(
        Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp)),
        &[x, max],
    )?;
    let sum = b.reduce(ReduceKind::Sum, [axis], exp)?;
    b.map(Tape::binary(Binary::Div), &[exp, sum])
}

/// Two carries that change places, a sequence, a whole value; one result is collected, one is a last carry.
fn recurrence(b: &mut Builder<'_>, r: &mut Random, reverse: bool) -> Result<NodeId> {
    let mut body = Graph::new();
    let mut inner = Builder::new(&mut body, "cell");
    let h = inner.input("h", TensorType::f32([2, 6]))?;
    let c = inner.input("c", TensorType::f32([2, 6]))?;
    let x = inner.input("x", TensorType::f32([2, 12]))?;
    let u = inner.constant(r.tensor(&[6, 12]))?;
    let z = inner.add(
        MatMul {
            bias: false,
            epilogue: Tape::binary(Binary::Add),
        },
        &[h, u, x],
    )?;
    let (left, right) = (inner.slice(z, 1, 0, 6)?, inner.slice(z, 1, 6, 6)?);
    let next = inner.map(
        Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Tanh)),
        &[left, c],
    )?;
    let other = inner.map(Tape::unary(Unary::Tanh), &[right])?;
    body.add_output("h", other);
    body.add_output("c", next);
    body.add_output("y", next);
    let initial = b.constant(r.tensor(&[2, 6]))?;
    let state = input(b, &[2, 6])?;
    let sequence = input(b, &[4, 2, 12])?;
    let scan = b.add(
        Scan {
            body: Arc::new(body),
            steps: 4,
            carries: 2,
            scanned: 1,
            reverse,
        },
        &[initial, state, sequence],
    )?;
    let (last, collected) = (b.project(scan, 0)?, b.project(scan, 2)?);
    b.map(Tape::binary(Binary::Mul), &[collected, last])
}

/// Compares tensors that only the order of sums makes different.
///
/// # Errors
/// The first difference.
pub fn compare(expected: &[Tensor], found: &[Tensor]) -> std::result::Result<(), String> {
    if expected.len() != found.len() {
        return Err(format!("{} outputs instead of {}", found.len(), expected.len()));
    }
    for (expected, found) in expected.iter().zip(found) {
        if expected.ty() != found.ty() {
            return Err(format!("{} instead of {}", found.ty(), expected.ty()));
        }
        let (expected, found) = (expected.to_f32(), found.to_f32());
        let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
        for (i, (e, f)) in expected.iter().zip(found.iter()).enumerate() {
            // Summation order differs; everything else is the same arithmetic.
            let close = (e - f).abs() <= 1e-5 * scale.max(0.01) + 1e-4 * e.abs();
            if !close {
                return Err(format!("element {i} is {f} instead of {e}"));
            }
        }
    }
    Ok(())
}
