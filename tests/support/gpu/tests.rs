//! The runner itself, with programs written by hand.

use super::{Gpu, Loaded, Program, shader_texts};
use serde_json::json;

/// `out[i] = a[params.x + i] * weights[i] + f32(params.y)` for `params.z` elements.
const SHADERS: &str = "\
// module 0: scale and add
@group(0) @binding(0) var<uniform> params: array<vec4<u32>, 1>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let p = params[0];
    if (id.x < p.z) {
        out[p.w + id.x] = a[p.x + id.x] * weights[id.x] + f32(p.y);
    }
}
// module 1: no shader
fn main( {}
";

fn program(pipelines: serde_json::Value, steps: serde_json::Value) -> Program {
    let program = json!({ "arenas": [512, 512], "pipelines": pipelines, "steps": steps });
    serde_json::from_value(program).expect("a program")
}

fn load(program: &Program) -> Result<Loaded<'static>, String> {
    let weights: Vec<u8> = (0..64).flat_map(|i| (i as f32 + 1.0).to_le_bytes()).collect();
    let shaders = shader_texts(SHADERS).expect("modules");
    Loaded::new(Gpu::get(), program, &shaders, &weights)
}

/// The outcome of running one step with this module and these buffers.
fn outcome(module: usize, bindings: &str, buffers: &[i32], groups: [u32; 3]) -> Result<(), String> {
    let pipelines = json!([{ "module": module, "bindings": bindings }]);
    let dispatch = json!({ "pipeline": 0, "groups": groups, "buffers": buffers, "params": [0, 0, 4, 0] });
    load(&program(
        pipelines,
        json!([{ "count": 1, "dispatches": [dispatch] }]),
    ))?
    .run()
}

fn floats(words: Vec<u32>) -> Vec<f32> {
    words.into_iter().map(f32::from_bits).collect()
}

#[test]
fn steps_follow_each_other_and_loops_advance() {
    let pipelines = json!([{ "module": 0, "bindings": "rrw" }]);
    // Arena 1 gets 2·a + 1; then, three times, four elements of it go to other places of arena 0, times weights.
    let there =
        json!({ "pipeline": 0, "groups": [2, 1, 1], "buffers": [-1, 0, 1], "params": [0, 1, 100, 0] });
    let back = json!({
        "pipeline": 0, "groups": [1, 1, 1], "buffers": [-1, 1, 0], "params": [8, 0, 4, 64],
        "advance": [[0, -4], [1, 10], [3, 4]],
    });
    let steps = json!([{ "count": 1, "dispatches": [there] }, { "count": 3, "dispatches": [back] }]);
    let loaded = load(&program(pipelines, steps)).expect("a program");
    loaded.poison().expect("nothing is prepared");
    let nan = loaded.read(1, 0, 128).expect("an arena");
    assert!(floats(nan).iter().all(|v| v.is_nan()), "arenas begin as NaN");
    let ones = [1.0_f32.to_bits(); 128];
    loaded.write(0, 0, &ones);
    loaded.run().expect("it runs");
    let middle = floats(loaded.read(1, 0, 128).expect("an arena"));
    assert_eq!(middle[..4], [2.0, 3.0, 4.0, 5.0]);
    assert!(middle[100..].iter().all(|v| v.is_nan()), "100 elements");
    // The iterations start at elements 8, 4 and 0 of the arena, and add 0, 10 and 20.
    let expected: Vec<f32> = (0..12)
        .map(|i| {
            let (iteration, at) = (i / 4, i % 4);
            let value = (8 - 4 * iteration + at + 2) as f32;
            value * (at + 1) as f32 + (10 * iteration) as f32
        })
        .collect();
    let found = floats(loaded.read(0, 256, 12).expect("an arena"));
    assert_eq!(found, expected);

    // The same in pieces.
    loaded.poison().expect("nothing is prepared");
    loaded.write(0, 0, &ones);
    for (step, iterations) in [(0, 1), (1, 3)] {
        for iteration in 0..iterations {
            loaded.run_iteration(step, iteration).expect("it runs");
        }
    }
    assert_eq!(floats(loaded.read(0, 256, 12).expect("an arena")), expected);
}

#[test]
fn faults_are_told_with_their_module() {
    let fault = |module, bindings, buffers: &[i32], groups| {
        outcome(module, bindings, buffers, groups).expect_err("a fault")
    };
    assert_eq!(outcome(0, "rrw", &[-1, 0, 1], [1, 1, 1]), Ok(()));
    // Text that is no shader, a layout that does not fit the shader, bindings that are too few.
    assert!(fault(1, "rrw", &[-1, 0, 1], [1, 1, 1]).starts_with("module \"no shader\""));
    assert!(fault(0, "rww", &[-1, 0, 1], [1, 1, 1]).starts_with("module \"scale and add\""));
    assert!(fault(0, "rrw", &[-1, 0], [1, 1, 1]).starts_with("step 0, module \"scale and add\""));
    // A buffer that is read and written in one dispatch, and more workgroups than every WebGPU has.
    fault(0, "rrw", &[-1, 0, 0], [1, 1, 1]);
    fault(0, "rrw", &[-1, 0, 1], [65_536, 1, 1]);
    // After all that, the device still works.
    assert_eq!(outcome(0, "rrw", &[-1, 0, 1], [1, 1, 1]), Ok(()));
}

#[test]
fn nothing_runs_beyond_the_limits_of_every_device() {
    let limits = Gpu::get().limits();
    assert_eq!(limits.max_storage_buffers_per_shader_stage, 8);
    assert_eq!(limits.max_storage_buffer_binding_size, 128 << 20);
    let big = json!({ "arenas": [(256_u64 << 20) + 4], "pipelines": [], "steps": [] });
    let error = load(&serde_json::from_value(big).expect("a program")).err();
    assert!(error.expect("a fault").starts_with("arena 0"));
}
