//! The second and third seam: for small graphs of every operation, kernels against the reference evaluation, and
//! emitted code against kernels.

use keras_compile::backends::wasm::{Features, Threading, Wasm, emit};
use keras_compile::error::Result;
use keras_compile::graph::{Builder, Graph, NodeId};
use keras_compile::kernel::Kernel;
use keras_compile::ops::{
    Conv, Gather, MatMul, Pad, Pool, PoolKind, PoolPadding, Reduce, ReduceKind, Scan, Slice, WindowAxis,
};
use keras_compile::plan::{ArenaId, Plan, Space, Target, plan};
use keras_compile::pointwise::library::silu;
use keras_compile::pointwise::{Binary, Tape, Unary};
use keras_compile::tensor::{Tensor, TensorType};
use keras_compile_tests::interpreter::{check_samples, check_touches, interpret};
use keras_compile_tests::random::Random;
use keras_compile_tests::targets::{Like, Textures};
use keras_compile_tests::threads::same_on_threads;
use keras_compile_tests::wasm::Instantiated;
use std::sync::Arc;

/// Builds a graph of one kind from random data; gives its outputs.
type Case = fn(&mut Builder<'_>, &mut Random) -> Result<NodeId>;

fn window(size: usize, stride: usize, dilation: usize, before: usize, after: usize) -> WindowAxis {
    WindowAxis {
        size,
        stride,
        dilation,
        before,
        after,
    }
}

fn relu() -> Tape {
    Tape::binary_const(Binary::Max, 0.0)
}

fn input(b: &mut Builder<'_>, shape: &[usize]) -> Result<NodeId> {
    let name = format!("in{}", b.graph.inputs().len());
    b.input(name, TensorType::f32(shape.to_vec()))
}

fn conv_of(
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

fn softmax(b: &mut Builder<'_>, shape: &[usize], axis: usize) -> Result<NodeId> {
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

#[test]
fn kernels_agree_with_the_reference_and_code_with_kernels() {
    let mut graphs = convolutions();
    for (name, case) in CASES {
        let mut graph = Graph::new();
        let mut builder = Builder::new(&mut graph, *name);
        let out = case(&mut builder, &mut Random::new(3)).unwrap_or_else(|error| panic!("{name}: {error}"));
        graph.add_output("out", out);
        graphs.push(((*name).to_owned(), graph));
    }
    let failures: Vec<String> = graphs
        .iter()
        .filter_map(|(name, graph)| check(name, graph).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} fail:\n{}",
        failures.len(),
        graphs.len(),
        failures.join("\n")
    );
}

/// The number of threads that are useful for a convolution of an image of so many rows and pixels.
fn useful_threads(extent: usize) -> usize {
    let mut graph = Graph::new();
    let mut b = Builder::new(&mut graph, "conv");
    let x = input(&mut b, &[1, extent, extent, 64]).expect("an input");
    let one = window(1, 1, 1, 0, 0);
    let epilogue = (relu(), &[][..]);
    let y = conv_of(&mut b, &mut Random::new(5), x, [one, one], 1, 64, epilogue).expect("a convolution");
    graph.add_output("out", y);
    let plan = plan(&graph, &Wasm::default()).expect("a plan");
    let module = emit(&plan, Features::Relaxed, Threading::MULTI).expect("a module");
    module.useful_threads
}

#[test]
fn threads_are_useful_for_much_work_only() {
    // 0.5 MFLOP, 20 MFLOP, 180 MFLOP, 500 MFLOP.
    let useful = [8, 50, 150, 250].map(useful_threads);
    assert_eq!(useful[..2], [1, 1]);
    assert!(useful[2] > 2 && useful[3] >= useful[2], "{useful:?}");
}

/// Code keeps NaN where a backend's cheaper instructions would lose it.
#[test]
fn nan_stays() -> Result<()> {
    let mut graph = Graph::new();
    let mut b = Builder::new(&mut graph, "nan");
    let x = input(&mut b, &[1, 6, 6, 5])?;
    let pool = Pool {
        kind: PoolKind::Max,
        window: [window(3, 2, 1, 1, 1), window(2, 2, 1, 0, 0)],
        padding: PoolPadding::Zero,
        epilogue: Tape::identity(),
    };
    let pooled = b.add(pool, &[x])?;
    let relu6 = relu().then(&Tape::binary_const(Binary::Min, 6.0));
    let clipped = b.map(relu6, &[pooled])?;
    let out = b.map(silu::tape(), &[clipped])?;
    for (name, value) in [("pooled", pooled), ("clipped", clipped), ("out", out)] {
        graph.add_output(name, value);
    }
    let mut values = Random::new(5).tensor(&[1, 6, 6, 5]).as_f32()?.to_vec();
    // In the middle of a window, where it comes first and where it comes last.
    for at in [0, 7, 44, 179] {
        values[at] = f32::NAN;
    }
    let inputs = [Tensor::f32([1, 6, 6, 5], values)?];
    let numbers = |tensors: &[Tensor]| -> Vec<bool> {
        tensors
            .iter()
            .flat_map(|t| t.to_f32().iter().map(|v| v.is_nan()).collect::<Vec<_>>())
            .collect()
    };
    let expected = numbers(&graph.eval(&inputs)?);
    assert_eq!(expected.iter().filter(|nan| **nan).count(), 3 * 5);
    let plan = plan(&graph, &Wasm::default())?;
    assert_eq!(numbers(&interpret(&plan, &inputs)), expected, "interpreter");
    for features in [Features::Baseline, Features::Relaxed] {
        let found = Instantiated::new(&plan, features).predict(&plan, &inputs);
        assert_eq!(numbers(&found), expected, "{features:?}");
    }
    Ok(())
}

/// Whether a plan computes something by Winograd's algorithm.
fn has_winograd(plan: &Plan) -> bool {
    plan.kernels
        .iter()
        .any(|kernel| matches!(kernel, Kernel::Winograd(_)))
}

fn check(name: &str, graph: &Graph) -> std::result::Result<(), String> {
    graph.verify().map_err(|e| format!("{name}: {e}"))?;
    let mut random = Random::new(11);
    let inputs: Vec<Tensor> = graph
        .inputs()
        .iter()
        .map(|&id| random.of_type(graph.ty(id)))
        .collect();
    let expected = graph.eval(&inputs).map_err(|e| format!("{name}: eval: {e}"))?;
    let planned = |target: &dyn Target, on: &str| {
        let plan = plan(graph, target).map_err(|e| format!("{name} on {on}: plan: {e}"))?;
        let found = interpret(&plan, &inputs);
        compare(&expected, &found).map_err(|e| format!("{name} on {on}: interpreter: {e}"))?;
        check_touches(&plan, &inputs).map_err(|e| format!("{name} on {on}: {e}"))?;
        check_samples(&plan).map_err(|e| format!("{name} on {on}: {e}"))?;
        Ok::<_, String>((plan, found))
    };
    let (plain, found) = planned(&Wasm::default(), "wasm")?;
    emitted(&plain, &inputs, &found).map_err(|e| format!("{name}: {e}"))?;
    for m in [2, 4] {
        let (plan, found) = planned(&Like::winograd(m), &format!("F({m}x{m})"))?;
        if has_winograd(&plan) {
            emitted(&plan, &inputs, &found).map_err(|e| format!("{name} by F({m}x{m}): {e}"))?;
        }
    }
    let (textures, _) = planned(&Textures, "textures")?;
    stands_alone(&textures).map_err(|e| format!("{name} on textures: {e}"))?;
    if emit(&textures, Features::Baseline, Threading::Single).is_ok() {
        return Err(format!("{name}: a plan for textures is emitted as wasm"));
    }
    let (apart, _) = planned(&Like::apart(), "arenas apart")?;
    reads_elsewhere(&apart).map_err(|e| format!("{name} on arenas apart: {e}"))
}

/// Compares the code of a plan, for one thread and for several, with what the interpreter gave.
fn emitted(plan: &Plan, inputs: &[Tensor], expected: &[Tensor]) -> std::result::Result<(), String> {
    for features in [Features::Baseline, Features::Relaxed] {
        let mut instance = Instantiated::new(plan, features);
        instance.poison(plan);
        // The second run must not depend on what the first one left.
        for run in 1..=2 {
            compare(expected, &instance.predict(plan, inputs))
                .map_err(|e| format!("{features:?}, run {run}: {e}"))?;
        }
        let single = instance.predict(plan, inputs);
        same_on_threads(plan, features, inputs, &single)?;
    }
    Ok(())
}

/// Checks that no kernel writes to an arena that it also reads.
fn reads_elsewhere(plan: &Plan) -> std::result::Result<(), String> {
    for run in plan.runs() {
        let operands = plan.kernel(run).operands();
        let arenas = |written: bool| -> Vec<ArenaId> {
            let all = operands.iter().zip(&run.arguments);
            let own = all.filter(|(operand, _)| operand.role.is_written() == written);
            own.filter_map(|(_, argument)| match argument.space {
                Space::Arena(arena) => Some(arena),
                _ => None,
            })
            .collect()
        };
        let read = arenas(false);
        if let Some(arena) = arenas(true).into_iter().find(|arena| read.contains(arena)) {
            return Err(format!("{} reads and writes {arena:?}", run.name));
        }
    }
    Ok(())
}

/// Checks that every value is a tensor of its own: nothing is written but whole kernels' results, nothing packed or prepared.
fn stands_alone(plan: &Plan) -> std::result::Result<(), String> {
    reads_elsewhere(plan)?;
    let families: Vec<_> = plan.kernels.iter().map(Kernel::family).collect();
    for family in ["winograd", "winograd weights", "depthwise"] {
        if families.contains(&family) {
            return Err(format!("{family} among {families:?}"));
        }
    }
    if plan.prepared_bytes > 0 {
        return Err("something is prepared".to_owned());
    }
    Ok(())
}

fn compare(expected: &[Tensor], found: &[Tensor]) -> std::result::Result<(), String> {
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
