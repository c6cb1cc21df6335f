//! Kernels beside the interpreter, each from the same memory: sizes around those of tiles and workgroups, and tails.

use keras_compile::error::Result;
use keras_compile::graph::{Builder, Graph, NodeId};
use keras_compile::ops::{Conv, MatMul, Pool, PoolKind, PoolPadding, Reduce, ReduceKind, Slice};
use keras_compile::pointwise::library::silu;
use keras_compile::pointwise::{Binary, Tape, Unary};
use keras_compile::tensor::Tensor;
use keras_compile_tests::cases::try_all;
use keras_compile_tests::gpu::{Model, ShaderText};
use keras_compile_tests::graphs::{self, compare, conv_of, graph, input, relu, softmax, window};
use keras_compile_tests::random::Random;

/// A graph by its name.
type Named = (String, Graph);

/// Compares the whole with the reference evaluation, and every step alone with the interpreter.
fn check((_, graph): &Named) -> std::result::Result<(), String> {
    graph.verify().map_err(|error| error.to_string())?;
    let mut random = Random::new(11);
    let inputs: Vec<Tensor> = graph
        .inputs()
        .iter()
        .map(|&id| random.of_type(graph.ty(id)))
        .collect();
    let expected = graph.eval(&inputs).map_err(|error| format!("eval: {error}"))?;
    for model in Model::all(graph)? {
        let found = model.predict(&inputs);
        let compared = found.and_then(|found| compare(&expected, &found));
        compared.map_err(|error| model.explained(&error, &inputs))?;
        if let Some(step) = model.first_wrong_step(&inputs)? {
            return Err(step);
        }
    }
    Ok(())
}

fn named(name: String, build: impl FnOnce(&mut Builder<'_>, &mut Random) -> Result<NodeId>) -> Named {
    let graph = graph(&name, |b| build(b, &mut Random::new(5)));
    let graph = graph.unwrap_or_else(|error| panic!("{name}: {error}"));
    (name, graph)
}

fn try_graphs(graphs: &[Named]) {
    try_all(graphs, |(name, _)| name.clone(), check);
}

#[test]
fn every_operation() {
    try_graphs(&graphs::all());
}

/// Rows, length and columns of products.
#[test]
fn products_with_weights() {
    let mut sizes = Vec::new();
    for m in [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 65] {
        sizes.extend([(m, 1, 1), (m, 3, 7), (m, 8, 8), (m, 17, 33), (m, 64, 36)]);
    }
    // A single row along many columns, long sums, many rows of few columns, many of everything.
    sizes.extend([
        (1, 300, 1),
        (1, 77, 1003),
        (1, 2049, 10),
        (2, 1500, 5),
        (9, 1027, 12),
    ]);
    sizes.extend([
        (500, 5, 3),
        (1024, 3, 2),
        (2051, 4, 6),
        (129, 70, 130),
        (257, 64, 64),
    ]);
    let product = |(m, k, n): (usize, usize, usize)| {
        named(format!("{m}x{k}x{n}"), |b, r| {
            let x = input(b, &[m, k])?;
            let w = b.constant(r.tensor(&[k, n]))?;
            let bias = b.constant(r.tensor(&[n]))?;
            let (bias, epilogue) = ([x, w, bias], silu::tape());
            b.add(MatMul { bias: true, epilogue }, &bias)
        })
    };
    try_graphs(&sizes.into_iter().map(product).collect::<Vec<_>>());
}

/// Batches, rows, length and columns of products of two computed matrices, with a residual.
#[test]
fn products_of_two_values() {
    let sizes = [
        (1, 1, 1, 1),
        (1, 1, 5, 3),
        (3, 2, 7, 5),
        (2, 9, 8, 8),
        (4, 17, 33, 31),
        (1, 33, 64, 65),
        (12, 16, 16, 20),
        (2, 65, 6, 1),
        (2, 1, 130, 67),
        (1, 70, 257, 6),
    ];
    let product = |(batch, m, k, n): (usize, usize, usize, usize)| {
        named(format!("{batch}x{m}x{k}x{n}"), |b, _| {
            let x = input(b, &[batch, m, k])?;
            let y = input(b, &[batch, k, n])?;
            let residual = input(b, &[batch, m, n])?;
            let epilogue = Tape::binary(Binary::Add).then(&relu());
            b.add(
                MatMul {
                    bias: false,
                    epilogue,
                },
                &[x, y, residual],
            )
        })
    };
    try_graphs(&sizes.map(product));
}

/// Whether a workgroup shares both sides of a product in the program for GPUs, and in how many dispatches it is computed.
fn shares(graph: &Graph) -> (bool, usize) {
    let model = Model::new(graph).expect("a model");
    let shared = |shader: &ShaderText| shader.text.contains("var<workgroup> left");
    (model.built.shaders.iter().any(shared), dispatches(graph)[0])
}

fn products_shared(graphs: &[Named], expected: (bool, usize)) {
    for (name, graph) in graphs {
        assert_eq!(shares(graph), expected, "{name}");
    }
    try_graphs(graphs);
}

/// Rows, length and columns of products in blocks of 32 pixels and 32 channels, 32 elements at a time.
#[test]
fn products_in_blocks() {
    let product = |(m, k, n): (usize, usize, usize)| {
        named(format!("{m}x{k}x{n}"), |b, r| {
            let x = input(b, &[m, k])?;
            let (w, bias) = (b.constant(r.tensor(&[k, n]))?, b.constant(r.tensor(&[n]))?);
            let residual = input(b, &[m, n])?;
            let epilogue = Tape::binary(Binary::Add).then(&silu::tape());
            b.add(MatMul { bias: true, epilogue }, &[x, w, bias, residual])
        })
    };
    let sizes = [
        (96, 64, 96),
        (97, 68, 100),
        (95, 65, 97),
        (127, 99, 70),
        (290, 64, 20),
        (49, 71, 161),
    ];
    products_shared(&sizes.map(product), (true, 1));
    // Long ones in parts.
    let long = [
        (27, 2304, 40),
        (35, 2311, 31),
        (49, 2000, 65),
        (20, 1500, 161),
        (64, 1056, 64),
    ];
    products_shared(&long.map(product), (true, 2));
    // Few rows in parts without blocks.
    let few = [
        (1, 512, 5),
        (2, 513, 9),
        (5, 1500, 40),
        (9, 514, 8),
        (15, 2048, 130),
    ];
    products_shared(&few.map(product), (false, 2));
}

/// Every batch has a right-hand side of its own, which no block crosses.
#[test]
fn products_of_two_values_in_blocks() {
    let sizes = [
        (3, 49, 64, 49),
        (9, 32, 67, 32),
        (12, 17, 64, 31),
        (2, 70, 129, 66),
        (2, 50, 1500, 40),
        (1, 100, 70, 100),
    ];
    let product = |(batch, m, k, n): (usize, usize, usize, usize)| {
        named(format!("{batch}x{m}x{k}x{n}"), |b, _| {
            let x = input(b, &[batch, m, k])?;
            let y = input(b, &[batch, k, n])?;
            let residual = input(b, &[batch, m, n])?;
            let epilogue = Tape::binary(Binary::Add).then(&relu());
            let bias = false;
            b.add(MatMul { bias, epilogue }, &[x, y, residual])
        })
    };
    try_graphs(&sizes.map(product));
    let blocks = sizes.map(product).map(|(_, graph)| shares(&graph).0);
    assert_eq!(blocks, [true, true, true, true, false, true]);
}

/// Windows over images as products in blocks.
#[test]
fn convolutions_in_blocks() {
    let mut cases = Vec::new();
    let steps = [(1, 1, 1), (2, 1, 1), (3, 1, 2), (1, 2, 2), (2, 3, 3), (1, 1, 0)];
    // Channels that fill quads and blocks, or do not.
    let widths = [(8, 35), (12, 40), (9, 64), (32, 38), (33, 66)];
    for (i, (stride, dilation, pads)) in steps.into_iter().enumerate() {
        for (channels, results) in [widths[i % 5], widths[(i + 2) % 5]] {
            cases.push(([2, 29, 31, channels], 3, stride, dilation, pads, 1, results));
        }
    }
    cases.push(([1, 61, 67, 3], 7, 2, 1, 3, 1, 64));
    // In groups of whole blocks, whose results are next to each other.
    cases.push(([1, 19, 17, 16], 3, 1, 1, 1, 2, 64));
    cases.push(([2, 19, 17, 27], 3, 2, 1, 1, 3, 96));
    let convolution =
        |(dims, k, s, d, p, groups, results): ([usize; 4], usize, usize, usize, usize, usize, usize)| {
            let name = format!("{dims:?} k{k} s{s} d{d} p{p} g{groups} o{results}");
            named(name, |b, r| {
                let x = input(b, &dims)?;
                let axes = [window(k, s, d, p, p); 2];
                conv_of(b, r, x, axes, groups, results, (relu(), &[]))
            })
        };
    products_shared(&cases.into_iter().map(convolution).collect::<Vec<_>>(), (true, 1));
    let lopsided = [window(4, 3, 1, 1, 2), window(5, 1, 2, 0, 3)];
    let long = [
        ([1, 7, 7, 256], [window(3, 1, 1, 1, 1); 2], 1, 48),
        ([1, 6, 7, 122], [window(3, 1, 1, 1, 1); 2], 1, 50),
        ([1, 30, 12, 66], lopsided, 1, 60),
        ([1, 7, 7, 256], [window(3, 1, 1, 1, 1); 2], 2, 64),
    ];
    let long = long.map(|(dims, axes, groups, results)| {
        named(format!("{dims:?} g{groups} o{results}"), |b, r| {
            let x = input(b, &dims)?;
            conv_of(b, r, x, axes, groups, results, (relu(), &[]))
        })
    });
    products_shared(&long, (true, 2));
}

/// Windows over images of all kinds: `[batch, rows, pixels, channels], kernel, stride, dilation, pads, groups, channels`.
#[test]
fn convolutions() {
    let mut cases = Vec::new();
    for channels in [1, 2, 3, 4, 5, 8, 12, 13] {
        for results in [1, 3, 4, 6, 8, 9, 16, 20] {
            cases.push(([1, 5, 6, channels], 3, 1, 1, 1, 1, results));
        }
    }
    for (stride, dilation, pads) in [(1, 1, 0), (2, 1, 0), (2, 1, 1), (3, 1, 2), (1, 2, 2), (2, 3, 3)] {
        for kernel in [1, 2, 3, 4] {
            cases.push(([2, 11, 9, 6], kernel, stride, dilation, pads, 1, 10));
        }
    }
    // Groups of one, two, three, four and eight results, of as many channels or others.
    for (channels, groups, results) in [
        (6, 6, 6),
        (8, 8, 8),
        (5, 5, 5),
        (4, 4, 8),
        (6, 6, 18),
        (6, 3, 6),
        (9, 3, 9),
        (12, 3, 6),
        (16, 4, 16),
        (8, 2, 16),
        (32, 4, 32),
        (10, 2, 14),
        (24, 2, 40),
    ] {
        cases.push(([1, 7, 6, channels], 3, 1, 1, 1, groups, results));
        cases.push(([2, 8, 5, channels], 2, 2, 1, 1, groups, results));
        cases.push(([1, 4, 4, channels], 1, 1, 1, 0, groups, results));
    }
    // Whole images in a window, and images that are wide, high or large.
    cases.push(([2, 4, 5, 24], 4, 1, 1, 0, 1, 30));
    cases.push(([1, 1, 300, 3], 1, 1, 1, 0, 1, 5));
    cases.push(([1, 61, 67, 3], 3, 2, 1, 1, 1, 16));
    cases.push(([1, 40, 41, 16], 3, 1, 1, 1, 1, 24));
    cases.push(([1, 40, 41, 16], 1, 1, 1, 0, 1, 24));
    cases.push(([1, 33, 35, 20], 3, 1, 1, 1, 20, 20));
    let convolution =
        |(dims, k, s, d, p, groups, results): ([usize; 4], usize, usize, usize, usize, usize, usize)| {
            let name = format!("{dims:?} k{k} s{s} d{d} p{p} g{groups} o{results}");
            named(name, |b, r| {
                let x = input(b, &dims)?;
                let axes = [window(k, s, d, p, p); 2];
                conv_of(b, r, x, axes, groups, results, (relu(), &[]))
            })
        };
    try_graphs(&cases.into_iter().map(convolution).collect::<Vec<_>>());
}

/// One-dimensional and lopsided windows, no bias, and a residual.
#[test]
fn convolutions_with_other_windows_and_epilogues() {
    let mut graphs = Vec::new();
    let axes = [
        [window(1, 1, 1, 0, 0), window(5, 1, 1, 2, 2)],
        [window(1, 1, 1, 0, 0), window(3, 2, 1, 0, 1)],
        [window(3, 1, 1, 2, 0), window(2, 1, 2, 0, 2)],
        [window(4, 3, 1, 1, 2), window(1, 1, 1, 0, 0)],
    ];
    for (i, axes) in axes.into_iter().enumerate() {
        for (groups, results) in [(1, 7), (6, 6), (2, 8)] {
            graphs.push(named(format!("window {i} in {groups} groups"), |b, r| {
                let x = input(b, &[2, 9, 11, 6])?;
                let w = [axes[0].size, axes[1].size, 6 / groups, results];
                let w = b.constant(r.tensor(&w))?;
                let conv = Conv {
                    window: axes,
                    groups,
                    bias: false,
                    epilogue: Tape::identity(),
                };
                let y = b.add(conv, &[x, w])?;
                let dims = b.shape(y).dims().to_vec();
                let residual = input(b, &dims)?;
                let add = Tape::binary(Binary::Add).then(&silu::tape());
                let one = [window(1, 1, 1, 0, 0); 2];
                conv_of(b, r, y, one, 1, results, (add, &[residual]))
            }));
        }
    }
    try_graphs(&graphs);
}

#[test]
fn pools() {
    let mut graphs = Vec::new();
    for kind in [PoolKind::Max, PoolKind::Average] {
        for padding in [PoolPadding::Exclude, PoolPadding::Zero] {
            for channels in [1, 3, 4, 8, 10] {
                for (size, stride, before, after) in [(2, 2, 0, 0), (3, 2, 1, 1), (3, 1, 0, 2), (5, 3, 2, 1)]
                {
                    let name = format!("{kind:?} {padding:?} {size}/{stride}+{before}+{after} of {channels}");
                    graphs.push(named(name, |b, _| {
                        let x = input(b, &[2, 9, 8, channels])?;
                        let window = [window(size, stride, 1, before, after); 2];
                        let epilogue = Tape::binary_const(Binary::Mul, 0.5);
                        b.add(
                            Pool {
                                kind,
                                window,
                                padding,
                                epilogue,
                            },
                            &[x],
                        )
                    }));
                }
            }
        }
    }
    try_graphs(&graphs);
}

#[test]
fn reductions() {
    let mut graphs = Vec::new();
    let shapes: [(&[usize], &[usize]); 12] = [
        (&[1], &[0]),
        (&[3, 7], &[1]),
        (&[7, 12], &[0]),
        (&[2, 511], &[1]),
        (&[2, 513], &[1]),
        (&[1, 4099], &[1]),
        (&[300, 33], &[1]),
        (&[2, 30, 31, 5], &[1, 2]),
        (&[2, 30, 31, 8], &[1, 2]),
        (&[4, 600, 3], &[0, 1]),
        (&[5, 6, 7, 8], &[0, 2]),
        (&[700, 9], &[0, 1]),
    ];
    for kind in [
        ReduceKind::Sum,
        ReduceKind::Product,
        ReduceKind::Max,
        ReduceKind::Min,
    ] {
        for (dims, axes) in shapes {
            graphs.push(named(format!("{kind:?} of {dims:?} along {axes:?}"), |b, _| {
                let x = input(b, dims)?;
                let reduce = Reduce {
                    kind,
                    axes: axes.to_vec(),
                    epilogue: Tape::binary_const(Binary::Mul, 0.25),
                };
                b.add(reduce, &[x])
            }));
        }
    }
    for (dims, axis) in [
        (&[1, 1000][..], 1),
        (&[65, 10], 1),
        (&[3, 4, 5], 1),
        (&[2, 2051], 1),
        (&[70, 33], 1),
        (&[2, 3, 40, 64], 3),
        (&[3, 1, 5, 7], 3),
        (&[1, 5000], 1),
    ] {
        graphs.push(named(format!("softmax of {dims:?} along {axis}"), |b, _| {
            softmax(b, dims, axis)
        }));
    }
    try_graphs(&graphs);
}

/// Values that lie in others, are walked backwards, broadcast or joined.
#[test]
fn copies_and_maps() {
    let mut graphs = Vec::new();
    for n in [1, 2, 3, 4, 5, 63, 64, 65, 255, 257, 1021] {
        graphs.push(named(format!("sum of {n}"), |b, _| {
            let (x, y) = (input(b, &[3, n])?, input(b, &[1, n])?);
            let z = input(b, &[3, 1])?;
            let xy = b.map(Tape::binary(Binary::Mul), &[x, y])?;
            b.map(Tape::binary(Binary::Add), &[xy, z])
        }));
        graphs.push(named(format!("transposed {n}"), |b, _| {
            let x = input(b, &[n, 2, 5])?;
            b.transpose(x, [1, 2, 0])
        }));
        graphs.push(named(format!("joined {n}"), |b, _| {
            let (x, y) = (input(b, &[3, n])?, input(b, &[3, 4])?);
            let x = b.map(relu(), &[x])?;
            let z = b.concat(1, &[x, y, x])?;
            let slice = Slice {
                starts: vec![2, 1],
                sizes: vec![3, n + 2],
                steps: vec![-1, 1],
            };
            let part = b.add(slice, &[z])?;
            b.map(Tape::binary_const(Binary::Add, 1.0), &[part])
        }));
    }
    // More elements than workgroups along one axis have invocations.
    graphs.push(named("many".to_owned(), |b, _| {
        let x = input(b, &[65_536 * 64 + 5])?;
        b.map(relu(), &[x])
    }));
    try_graphs(&graphs);
}

/// Weights that half precision holds exactly give the same results, others such as are off by its rounding only.
#[test]
fn weights_in_half_precision() {
    let sizes = [(1, 2049, 10), (1, 1280, 1000), (5, 33, 7), (64, 64, 64)];
    for (exact, limit) in [(true, 1e-5), (false, 2e-3)] {
        for (m, k, n) in sizes {
            let name = format!("{m}x{k}x{n}");
            let (_, graph) = named(name.clone(), |b, r| {
                let x = input(b, &[m, k])?;
                let (w, bias) = (r.tensor(&[k, n]), r.tensor(&[n]));
                let eighths = |tensor: Tensor| {
                    let values = tensor.as_f32()?.iter().map(|value| (value * 8.0).round() / 8.0);
                    Tensor::f32(tensor.shape().clone(), values.collect::<Vec<f32>>())
                };
                let [w, bias] = if exact {
                    [eighths(w)?, eighths(bias)?]
                } else {
                    [w, bias]
                };
                let (w, bias) = (b.constant(w)?, b.constant(bias)?);
                let epilogue = Tape::identity();
                b.add(MatMul { bias: true, epilogue }, &[x, w, bias])
            });
            let inputs = [Random::new(3).tensor(&[m, k])];
            let expected = graph.eval(&inputs).expect("a product");
            let model = Model::with_halves(&graph).unwrap_or_else(|error| panic!("{name}: {error}"));
            let found = model
                .predict(&inputs)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let [expected, found] = [&expected[0], &found[0]].map(|tensor| tensor.as_f32().expect("floats"));
            let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
            let differences = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
            let worst = differences.fold(0f32, f32::max) / largest;
            assert!(worst <= limit, "{name}: off by {worst} of the largest");
            assert!(exact || worst > 1e-6, "{name}: nothing was rounded");
        }
    }
}

/// A row times a wide matrix, and that times a narrow one.
fn products(graph: &mut Graph, narrow: usize, wide: usize) -> Result<NodeId> {
    let (mut b, mut r) = (Builder::new(graph, "products"), Random::new(5));
    let mut y = input(&mut b, &[1, narrow])?;
    for dims in [[narrow, wide], [wide, narrow]] {
        let (w, bias) = (b.constant(r.tensor(&dims))?, b.constant(r.tensor(&[dims[1]]))?);
        let epilogue = Tape::binary_const(Binary::Mul, 1.0 / 64.0);
        y = b.add(MatMul { bias: true, epilogue }, &[y, w, bias])?;
    }
    Ok(y)
}

/// Weights beyond what a device binds at once by default, in single and in half precision.
#[test]
fn weights_in_windows() {
    let (narrow, wide) = (2048, 8960);
    let mut graph = Graph::new();
    graph.budget().open(8 * (narrow * wide) as u64);
    let out = products(&mut graph, narrow, wide).expect("two products");
    graph.add_output("out", out);
    let inputs = [Random::new(5).tensor(&[1, narrow])];
    let expected = graph.eval(&inputs).expect("two products");
    for (model, limit) in [(Model::new(&graph), 1e-4), (Model::with_halves(&graph), 2e-3)] {
        let model = model.expect("a model");
        let windows = &model.built.program.windows;
        assert!(
            windows.len() >= 2 && windows.iter().all(|&(_, bytes)| bytes <= 128 << 20),
            "{windows:?}"
        );
        let found = model.predict(&inputs).expect("a prediction");
        let [expected, found] = [&expected[0], &found[0]].map(|tensor| tensor.as_f32().expect("floats"));
        let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        let differences = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
        let worst = differences.fold(0f32, f32::max) / largest;
        assert!(worst <= limit, "off by {worst} of the largest");
    }
}

/// Two values with a matrix for each index of a batch: one dispatch, whatever the tiles leave over.
#[test]
fn batches_of_products() {
    let mut graphs = Vec::new();
    for (batch, [m, k, n]) in [
        (vec![3], [5, 7, 9]),
        (vec![2, 3], [1, 4, 8]),
        (vec![2, 8], [33, 16, 33]),
        (vec![5, 1], [4, 3, 1]),
        (vec![1, 6], [70, 12, 20]),
    ] {
        graphs.push(named(format!("{batch:?} {m}x{k}x{n}"), |b, r| {
            let a = input(b, &[&batch[..], &[m, k]].concat())?;
            let right = input(b, &[&batch[..], &[k, n]].concat())?;
            let scale = b.constant(r.tensor(&[n]))?;
            let epilogue = Tape::binary(Binary::Mul);
            b.add(
                MatMul {
                    bias: false,
                    epilogue,
                },
                &[a, right, scale],
            )
        }));
    }
    for (name, graph) in &graphs {
        let model = Model::new(graph).expect("a model");
        assert_eq!(model.built.program.steps.len(), 1, "{name}");
    }
    try_graphs(&graphs);
}

/// Queries, keys and values by batch and head, what is added to scores, and a function of results.
fn attention(
    b: &mut Builder<'_>,
    ([heads, queries, keys], [depth, width]): ([usize; 3], [usize; 2]),
    (masked, late): (bool, bool),
) -> Result<NodeId> {
    let q = input(b, &[2, heads, queries, depth])?;
    let k = input(b, &[2, heads, depth, keys])?;
    let v = input(b, &[2, heads, keys, width])?;
    let product = |epilogue| MatMul {
        bias: false,
        epilogue,
    };
    let scaled = Tape::binary_const(Binary::Mul, 3.0);
    let scores = if masked {
        let mask = input(b, &[2, 1, queries, keys])?;
        b.add(product(scaled.then(&Tape::binary(Binary::Add))), &[q, k, mask])?
    } else {
        b.add(product(scaled), &[q, k])?
    };
    let max = b.reduce(ReduceKind::Max, [3], scores)?;
    let power = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp));
    let exp = b.map(power, &[scores, max])?;
    let sum = b.reduce(ReduceKind::Sum, [3], exp)?;
    let shares = b.map(Tape::binary(Binary::Div), &[exp, sum])?;
    // Values that are made behind the scores, where these lay or what they were made of.
    let v = if late { b.map(relu(), &[v])? } else { v };
    let residual = input(b, &[2, heads, queries, width])?;
    b.add(product(Tape::binary(Binary::Add)), &[shares, v, residual])
}

/// Attention is one dispatch on GPUs, whatever its blocks leave over.
#[test]
fn attention_is_one_dispatch() {
    let mut graphs = Vec::new();
    for sizes in [
        ([3, 32, 32], [32, 32]),
        ([2, 33, 47], [8, 16]),
        ([3, 50, 35], [7, 5]),
        ([1, 97, 130], [66, 70]),
        ([2, 17, 66], [40, 128]),
        ([5, 70, 16], [33, 33]),
        ([1, 1, 3], [2, 1]),
    ] {
        for late in [false, true] {
            let masked = late == (sizes.0[0] < 3);
            let name = format!("{sizes:?}, masked {masked}, late {late}");
            graphs.push(named(name, |b, _| attention(b, sizes, (masked, late))));
        }
    }
    for (name, graph) in &graphs {
        let late = usize::from(name.ends_with("late true"));
        assert_eq!(dispatches(graph)[0], 1 + late, "{name}");
    }
    try_graphs(&graphs);
}

/// Dispatches of a prediction on a GPU and on software.
fn dispatches(graph: &Graph) -> Vec<usize> {
    let models = Model::all(graph).expect("models");
    let count = |model: &Model| {
        let steps = model.built.program.steps.iter();
        steps
            .map(|step| step.count as usize * step.dispatches.len())
            .sum()
    };
    models.iter().map(count).collect()
}

/// Rows that do not look at each other are one dispatch; along another axis, or where rows are long, there is one for each kernel.
#[test]
fn rows_are_one_dispatch() {
    for (dims, axis, expected) in [
        (&[1, 10][..], 1, &[1][..]),
        (&[70, 33], 1, &[1, 1]),
        (&[2, 3, 40, 64], 3, &[1, 1]),
        (&[3, 4, 5], 1, &[4]),
        (&[1, 5000], 1, &[4, 4]),
    ] {
        let (_, graph) = named(format!("{dims:?}"), |b, _| softmax(b, dims, axis));
        assert_eq!(dispatches(&graph), expected, "softmax of {dims:?} along {axis}");
    }
}
