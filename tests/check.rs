//! What backends are checked with: size, time, the same every time; that it notices a wrong kernel; and the numbers that
//! scripts must make too.

use keras_compile::check::pattern::{Content, Fill};
use keras_compile::check::{self, Subject};
use keras_compile::error::Result;
use keras_compile::graph::{Builder, Graph, NodeId};
use keras_compile::kernel::Kernel;
use keras_compile::ops::{Conv, Gather, MatMul, Pool, PoolKind, PoolPadding, ReduceKind, WindowAxis};
use keras_compile::plan::{Plan, plan};
use keras_compile::pointwise::library::relu;
use keras_compile::pointwise::{Binary, Tape, Unary};
use keras_compile::tensor::TensorType;
use keras_compile_tests::interpreter::{compare_kernels, subjects};
use keras_compile_tests::random::Random;
use keras_compile_tests::targets::Textures;
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A square window that keeps the extents of an image, but for its stride.
fn same(size: usize, stride: usize) -> [WindowAxis; 2] {
    let axis = WindowAxis {
        stride,
        before: size / 2,
        after: size / 2,
        ..WindowAxis::new(size)
    };
    [axis, axis]
}

struct Net<'g> {
    build: Builder<'g>,
    random: Random,
}

impl Net<'_> {
    fn conv(
        &mut self,
        x: NodeId,
        window: [WindowAxis; 2],
        channels: usize,
        (epilogue, operands): (Tape, &[NodeId]),
    ) -> Result<NodeId> {
        let inputs = self.build.shape(x)[3];
        let shape = [window[0].size, window[1].size, inputs, channels];
        let weights = self.random.tensor(&shape);
        let weights = self.build.constant(weights)?;
        let bias = self.random.tensor(&[channels]);
        let bias = self.build.constant(bias)?;
        let conv = Conv {
            window,
            groups: 1,
            bias: true,
            epilogue,
        };
        self.build.add(conv, &[&[x, weights, bias], operands].concat())
    }
}

/// ResNet50 as it is after fusion.
fn resnet(net: &mut Net<'_>) -> Result<NodeId> {
    let add_relu = || Tape::binary(Binary::Add).then(&relu::tape());
    let x = net.build.input("image", TensorType::f32([1, 224, 224, 3]))?;
    let x = net.conv(x, same(7, 2), 64, (relu::tape(), &[]))?;
    let pool = Pool {
        kind: PoolKind::Max,
        window: same(3, 2),
        padding: PoolPadding::Exclude,
        epilogue: Tape::identity(),
    };
    let mut x = net.build.add(pool, &[x])?;
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let width = 64 << stage;
        for block in 0..blocks {
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let short = match block {
                0 => net.conv(x, same(1, stride), 4 * width, (Tape::identity(), &[]))?,
                _ => x,
            };
            let y = net.conv(x, same(1, stride), width, (relu::tape(), &[]))?;
            let y = net.conv(y, same(3, 1), width, (relu::tape(), &[]))?;
            x = net.conv(y, same(1, 1), 4 * width, (add_relu(), &[short]))?;
        }
    }
    let x = net.build.reduce(ReduceKind::Sum, [1, 2], x)?;
    let x = net.build.reshape(x, [1, 2048])?;
    let weights = net.random.tensor(&[2048, 1000]);
    let weights = net.build.constant(weights)?;
    let product = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    net.build.add(product, &[x, weights])
}

/// A kernel of each kind that a mistake is made in.
fn small(net: &mut Net<'_>) -> Result<NodeId> {
    let ids = net.build.input("ids", TensorType::i32([1, 30]))?;
    let table = net.random.tensor(&[6, 20]);
    let table = net.build.constant(table)?;
    let gather = Gather {
        axis: 0,
        negative: false,
    };
    net.build.name = "words".to_owned();
    let x = net.build.add(gather, &[table, ids])?;
    let x = net.build.reshape(x, [1, 5, 6, 20])?;
    net.build.name = "conv".to_owned();
    let x = net.conv(x, same(3, 1), 18, (relu::tape(), &[]))?;
    let pool = Pool {
        kind: PoolKind::Average,
        window: same(3, 1),
        padding: PoolPadding::Exclude,
        epilogue: Tape::identity(),
    };
    net.build.name = "pool".to_owned();
    let x = net.build.add(pool, &[x])?;
    net.build.name = "turned".to_owned();
    let x = net.build.transpose(x, [0, 3, 1, 2])?;
    net.build.name = "most".to_owned();
    let most = net.build.reduce(ReduceKind::Max, [1], x)?;
    let exp = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp));
    net.build.name = "exp".to_owned();
    net.build.map(exp, &[x, most])
}

fn planned(network: fn(&mut Net<'_>) -> Result<NodeId>) -> Plan {
    let mut graph = Graph::new();
    // As if the weights came from a file.
    graph.budget().open(200_000_000);
    let mut net = Net {
        build: Builder::new(&mut graph, "network"),
        random: Random::new(5),
    };
    let out = network(&mut net).expect("the network is sound");
    graph.add_output("out", out);
    plan(&graph, &Textures).expect("it has a plan")
}

/// The first run of each kernel.
fn distinct(plan: &Plan) -> Vec<Subject> {
    let mut known = HashSet::new();
    let mut all = subjects(plan);
    all.retain(|subject| known.insert(plan.steps[subject.step].runs()[subject.run].kernel));
    all
}

#[test]
fn the_check_of_a_large_network_is_small_and_soon_made() {
    let plan = planned(resnet);
    let subjects = distinct(&plan);
    assert!(subjects.len() >= 25, "{} kernels", subjects.len());
    let start = Instant::now();
    let check = check::check(&plan, &subjects).expect("a check");
    let took = start.elapsed();
    let file = check.to_json().expect("a file");
    println!("{} kernels, {} bytes, {took:?}", subjects.len(), file.len());
    // Where nothing is optimised, time says nothing.
    assert!(
        took < Duration::from_secs(2) || cfg!(debug_assertions),
        "{took:?}"
    );
    assert!(file.len() < 50_000, "{} bytes", file.len());
    assert!(check.network.is_none());
    for kernel in &check.kernels {
        assert!(kernel.samples() >= 20, "{}: {}", kernel.name, kernel.samples());
        assert!(!kernel.fills.is_empty(), "{}", kernel.name);
    }
    let again = check::check(&plan, &subjects).expect("a check");
    assert_eq!(check, again);
}

/// Mistakes, each for the kernels that can have it: what a backend or a driver may get wrong.
fn mistakes(kernel: &Kernel) -> Vec<(&'static str, Kernel)> {
    match kernel.clone() {
        Kernel::Convolve(right) => {
            let mut wrong = vec![right.clone(); 5];
            wrong[0].window[1].before += 1;
            wrong[1].epilogue.tape = Tape::input(right.epilogue.tape.inputs(), 0);
            wrong[2].channels -= 1;
            wrong[3].input[0] -= 1;
            wrong[4].dims[3] -= 1;
            let what = ["frame", "epilogue", "channel", "last row", "last channel"];
            what.into_iter()
                .zip(wrong.into_iter().map(Kernel::from))
                .collect()
        }
        Kernel::Pool(right) => {
            let mut wrong = vec![right.clone(); 2];
            wrong[0].kind = PoolKind::Max;
            wrong[1].padding = PoolPadding::Zero;
            ["kind", "padding"]
                .into_iter()
                .zip(wrong.into_iter().map(Kernel::from))
                .collect()
        }
        Kernel::Reduce(right) => {
            let mut wrong = right.clone();
            wrong.reduced[0].0 -= 1;
            vec![("last element", wrong.into())]
        }
        Kernel::Map(right) => {
            let mut wrong = vec![right.clone(); 2];
            wrong[0].inputs[0].strides = wrong[0].inputs[1].strides.clone();
            wrong[1].tape = Tape::binary(Binary::Sub);
            ["strides", "tape"]
                .into_iter()
                .zip(wrong.into_iter().map(Kernel::from))
                .collect()
        }
        Kernel::Move(right) => {
            let mut wrong = right.clone();
            wrong.x.reverse();
            vec![("strides", wrong.into())]
        }
        Kernel::Gather(right) => {
            let mut wrong = right.clone();
            wrong.extent -= 1;
            vec![("last row", wrong.into())]
        }
        _ => Vec::new(),
    }
}

#[test]
fn wrong_kernels_disagree() {
    let right = planned(small);
    let check = check::check(&right, &subjects(&right)).expect("a check");
    assert!(check.network.is_some());
    let mut made = 0;
    for (id, kernel) in right.kernels.iter().enumerate() {
        let mistakes = mistakes(kernel);
        for (what, wrong) in mistakes.into_iter().filter(|(_, wrong)| wrong != kernel) {
            let mut plan = right.clone();
            plan.kernels[id] = wrong;
            let found = compare_kernels(&plan, &check);
            for ((kernel, found), subject) in check.kernels.iter().zip(found).zip(subjects(&right)) {
                let run = &right.steps[subject.step].runs()[subject.run];
                let is_wrong = run.kernel.0 == id;
                let family = right.kernels[id].family();
                let name = &kernel.name;
                assert_eq!(
                    found.refused > 0,
                    is_wrong,
                    "{what} of a {family} in {name}: {found:?}"
                );
                made += usize::from(is_wrong);
            }
        }
    }
    assert!(made >= 12, "{made} mistakes");
}

#[test]
fn subjects_that_are_not_there_are_refused() {
    let plan = planned(small);
    let subject = Subject {
        with: Vec::new(),
        step: plan.steps.len(),
        run: 0,
        dispatches: 0..1,
    };
    assert!(check::check(&plan, &[subject]).is_err());
}

/// The numbers that `runtime-web/src/check.js` must make too, and a check as it lies in a bundle.
#[test]
fn scripts_know_the_same_numbers() {
    let fill = |buffer, offset, length, content| Fill {
        buffer,
        offset,
        length,
        content,
    };
    let fills = [
        fill(0, 0, 400_000, Content::Wide),
        fill(3, 260, 2000, Content::Unit),
        fill(9, 262_080, 64, Content::Positive),
        fill(1, 4, 280_000, Content::Integers(1000)),
        fill(20, 65_536, 300, Content::Whole(7)),
        fill(2, 12, 400, Content::Integers(u32::MAX)),
    ];
    let patterns = fills.iter().flat_map(|fill| {
        [1, 2, 4_000_000_000].map(|seed| {
            let elements = fill.offset / 4..(fill.offset + fill.length) / 4;
            let words: Vec<u32> = elements.filter_map(|element| fill.bits(seed, element)).collect();
            let sum = words
                .iter()
                .fold(0u32, |sum, word| sum.wrapping_mul(31).wrapping_add(*word));
            json!({ "seed": seed, "fill": fill, "first": words[..10], "sum": sum })
        })
    });
    let plan = planned(small);
    let check = check::check(&plan, &distinct(&plan)).expect("a check");
    let found = json!({ "patterns": patterns.collect::<Vec<_>>(), "check": check });
    let found = serde_json::to_string(&found).expect("a text") + "\n";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("web/support/patterns.json");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &found).expect("the folder is writable");
    }
    let recorded = fs::read_to_string(&path).expect("it was recorded");
    assert!(
        recorded == found,
        "{} differs; BLESS=1 writes it anew",
        path.display()
    );
}
