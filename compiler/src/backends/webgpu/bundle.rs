//! The row of the table: what a bundle and the command have of this backend.

use super::{Program, WebGpu};
use crate::backends::gpu::{self, Storage};
use crate::backends::{
    Backend, Bench, Browser, Code, CodeFile, Emitted, FileType, Options, Part, Precision, Script, Section,
    Text, Variant,
};
use crate::error::{Error, Result};
use crate::plan::{Binding, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// WebGPU.
pub static BACKEND: Backend = Backend {
    name: "webgpu",
    variants: &[Variant {
        name: "f32",
        about: "of WGSL, in single precision",
        tile: |_| None,
    }],
    target: |_| Box::new(WebGpu),
    emit,
    check,
    texts: &[Text {
        name: "wgsl",
        about: "the compute shaders of WebGPU",
        print: |plan| Ok(Program::new(plan, Precision::default())?.text()),
    }],
    files: &[FileType {
        end: "wgsl",
        media_type: "text/wgsl",
    }],
    parts: PARTS,
    scripts: &[],
    bench: Bench {
        peak: None,
        node_flags: &[],
        browsers: BROWSERS,
    },
};

/// Chromium has WebGPU behind a flag on some systems.
static BROWSERS: &[Browser] = &[
    Browser {
        flags: &["--enable-unsafe-webgpu", "--enable-features=Vulkan"],
        about: None,
    },
    Browser {
        flags: &[
            "--enable-unsafe-webgpu",
            "--use-webgpu-adapter=swiftshader",
            "--enable-unsafe-swiftshader",
        ],
        about: Some("a GPU of software, because there is no other"),
    },
];

/// The section of the manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Own {
    /// Where the inputs lie, in the order of the manifest.
    inputs: Vec<Slot>,
    /// Where the outputs lie.
    outputs: Vec<Slot>,
    /// What a device must allow.
    limits: Limits,
}

/// A place for an input or output.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    /// The type of its elements.
    storage: Storage,
    /// The buffer.
    arena: usize,
    /// Byte offset in it.
    offset: usize,
}

/// Limits of a device, by the names that WebGPU gives them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    max_buffer_size: usize,
    max_storage_buffer_binding_size: usize,
    max_storage_buffers_per_shader_stage: usize,
}

fn emit(plan: &Plan, options: Options) -> Result<Emitted> {
    let program = Program::new(plan, options.gpu_precision)?;
    let shaders = program.text();
    let weights = plan.weights.bytes();
    let arenas = program.arenas.iter().copied().max().unwrap_or(0);
    let bound = program.windows.iter().map(|&(_, bytes)| bytes).max();
    let bindings = program.pipelines.iter().map(|pipeline| pipeline.bindings.len());
    let own = Own {
        inputs: slots(&plan.inputs),
        outputs: slots(&plan.outputs),
        limits: Limits {
            max_buffer_size: arenas.max(weights),
            max_storage_buffer_binding_size: arenas.max(bound.unwrap_or(weights)),
            max_storage_buffers_per_shader_stage: bindings.max().unwrap_or(0),
        },
    };
    let figures = vec![
        ("dispatches", program.dispatches()),
        ("pipelines", program.pipelines.len()),
        (
            "most buffers of one",
            own.limits.max_storage_buffers_per_shader_stage,
        ),
    ];
    let wrong = |what: serde_json::Error| Error::internal(format!("the program cannot be written ({what})"));
    let section = gpu::section(&own)?;
    Ok(Emitted {
        figures,
        code: vec![Code {
            bytes: shaders.len(),
            kernels: program.kernel_bytes.clone(),
        }],
        memory_bytes: (weights + program.arenas.iter().sum::<usize>()) as u64,
        thread_bytes: 0,
        section,
        parts: PARTS.to_vec(),
        files: vec![
            CodeFile {
                label: "program",
                end: gpu::JSON,
                bytes: serde_json::to_vec(&program).map_err(wrong)?,
            },
            CodeFile {
                label: "shaders",
                end: "wgsl",
                bytes: shaders.into_bytes(),
            },
            CodeFile {
                label: "check",
                end: gpu::JSON,
                bytes: program.check(plan)?.to_json()?,
            },
        ],
    })
}

/// What the scripts of a bundle need.
static PARTS: &[&Part] = &[
    &gpu::PART,
    &Part {
        mark: "webgpu",
        modules: &[
            Script {
                name: "webgpu-device.js",
                text: include_str!("../../../runtime-web/src/webgpu-device.js"),
            },
            Script {
                name: "webgpu.js",
                text: include_str!("../../../runtime-web/src/webgpu.js"),
            },
        ],
        scripts: &[],
    },
];

fn slots(bindings: &[Binding]) -> Vec<Slot> {
    let slot = |binding: &Binding| Slot {
        storage: Storage::of(binding),
        arena: binding.arena.0,
        offset: binding.offset,
    };
    bindings.iter().map(slot).collect()
}

fn check(section: &Section) -> std::result::Result<(), String> {
    serde_json::from_value(Value::Object(section.clone()))
        .map(|_: Own| ())
        .map_err(|error| error.to_string())
}
