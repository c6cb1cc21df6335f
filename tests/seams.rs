//! The second and third seam: for small graphs of every operation, kernels against the reference evaluation, and
//! emitted code against kernels.

use keras_compile::backends::wasm::{Features, Threading, Wasm, emit};
use keras_compile::backends::webgl::WebGl;
use keras_compile::backends::webgpu::WebGpu;
use keras_compile::error::Result;
use keras_compile::graph::{Builder, Graph, NodeId};
use keras_compile::kernel::Kernel;
use keras_compile::ops::{Pool, PoolKind, PoolPadding};
use keras_compile::plan::{ArenaId, Plan, Space, Target, plan};
use keras_compile::pointwise::library::silu;
use keras_compile::pointwise::{Binary, Tape};
use keras_compile::tensor::Tensor;
use keras_compile_tests::graphs::{self, compare, conv_of, input, relu, window};
use keras_compile_tests::interpreter::{check_samples, check_touches, interpret};
use keras_compile_tests::random::Random;
use keras_compile_tests::targets::{Like, Textures};
use keras_compile_tests::threads::same_on_threads;
use keras_compile_tests::wasm::Instantiated;

#[test]
fn kernels_agree_with_the_reference_and_code_with_kernels() {
    let graphs = graphs::all();
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

/// A part of a network.
type Block = fn(&mut Builder<'_>, &mut Random) -> Result<NodeId>;

/// Dense blocks of a DenseNet: each layer reads the concatenation of all before it and adds a part to it.
fn dense_block(b: &mut Builder<'_>, r: &mut Random) -> Result<NodeId> {
    let (one, three) = (window(1, 1, 1, 0, 0), window(3, 1, 1, 1, 1));
    let x = input(b, &[1, 6, 7, 4])?;
    let mut all = conv_of(b, r, x, [one, one], 1, 8, (relu(), &[]))?;
    for _ in 0..3 {
        let part = conv_of(b, r, all, [three, three], 1, 4, (relu(), &[]))?;
        all = b.concat(3, &[all, part])?;
    }
    conv_of(b, r, all, [one, one], 1, 12, (Tape::identity(), &[]))
}

/// A block of an Inception network: branches that read the same value and stand beside each other in the result.
fn branches(b: &mut Builder<'_>, r: &mut Random) -> Result<NodeId> {
    let (one, three) = (window(1, 1, 1, 0, 0), window(3, 1, 1, 1, 1));
    let x = input(b, &[1, 6, 7, 4])?;
    let left = conv_of(b, r, x, [one, one], 1, 8, (relu(), &[]))?;
    let inner = conv_of(b, r, x, [one, one], 1, 4, (relu(), &[]))?;
    let right = conv_of(b, r, inner, [three, three], 1, 4, (relu(), &[]))?;
    let all = b.concat(3, &[left, right])?;
    conv_of(b, r, all, [one, one], 1, 12, (Tape::identity(), &[]))
}

/// Where no kernel may write into a value that it reads, concatenations are joined in place as far as that allows.
#[test]
fn joins_that_are_not_read_hold() -> Result<()> {
    let targets: [(&dyn Target, &str); 3] = [
        (&Like::apart(), "arenas apart"),
        (&WebGpu, "WebGPU"),
        (&WebGl, "WebGL2"),
    ];
    for (name, case, convolutions, most) in [
        ("branches", branches as Block, 4, 0),
        // What a layer adds to the value that it reads is computed elsewhere and copied to there.
        ("dense block", dense_block, 5, 3),
    ] {
        let mut graph = Graph::new();
        let mut b = Builder::new(&mut graph, name);
        let out = case(&mut b, &mut Random::new(3))?;
        graph.add_output("out", out);
        check(name, &graph).unwrap_or_else(|error| panic!("{error}"));
        for (target, on) in targets {
            let plan = plan(&graph, target)?;
            let count = |families: &[&str]| {
                let runs = plan.runs().map(|run| plan.kernel(run).family());
                runs.filter(|family| families.contains(family)).count()
            };
            assert_eq!(
                count(&["contract", "convolve", "winograd"]),
                convolutions,
                "{name} on {on}"
            );
            let views = target.views();
            // Frames are moves of their own.
            if !views.frames {
                assert_eq!(count(&["move"]), most, "{name} on {on}");
            }
        }
    }
    Ok(())
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
    for (target, on) in [
        (&Like::apart() as &dyn Target, "arenas apart"),
        (&WebGpu, "WebGPU"),
        (&WebGl, "WebGL2"),
    ] {
        let (plan, _) = planned(target, on)?;
        reads_elsewhere(&plan).map_err(|e| format!("{name} on {on}: {e}"))?;
    }
    Ok(())
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
