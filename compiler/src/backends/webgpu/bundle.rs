//! The row of the table: what a bundle and the command have of this backend.

use super::{Machine, Program, WebGpu};
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
        print: |plan| Ok(Program::new(plan, Precision::default(), Machine::default())?.text()),
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
    let new = |machine| Program::new(plan, options.gpu_precision, machine);
    let program = new(Machine::Hardware)?;
    let other = new(Machine::Software)?;
    let shaders = program.text();
    let weights = plan.weights.bytes();
    let both = || [&program, &other].into_iter();
    let arenas = both().flat_map(|program| &program.arenas).copied().max();
    let arenas = arenas.unwrap_or(0);
    let bound = program.windows.iter().map(|&(_, bytes)| bytes).max();
    let pipelines = both().flat_map(|program| &program.pipelines);
    let bindings = pipelines.map(|pipeline| pipeline.bindings.len());
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
    let section = gpu::section(&own)?;
    let mut files = files(plan, &program, ["program", "shaders", "check"])?;
    if program != other {
        files.extend(self::files(plan, &other, SOFTWARE)?);
    }
    Ok(Emitted {
        figures,
        code: vec![Code {
            bytes: shaders.len(),
            kernels: program.kernel_bytes.clone(),
        }],
        memory_bytes: (weights + program.arenas.iter().sum::<usize>()) as u64,
        thread_bytes: 0,
        // They are made halves all at once.
        whole_weights: both().any(|program| program.halves.is_some()),
        section,
        parts: PARTS.to_vec(),
        files,
    })
}

/// What the files of the program for software are called, where it is another one.
const SOFTWARE: [&str; 3] = ["program-software", "shaders-software", "check-software"];

/// The files of a program by their labels: itself, its shaders, and what it is checked with.
fn files(plan: &Plan, program: &Program, [own, shaders, check]: [&'static str; 3]) -> Result<Vec<CodeFile>> {
    let wrong = |what: serde_json::Error| Error::internal(format!("the program cannot be written ({what})"));
    let file = |label, end, bytes| CodeFile { label, end, bytes };
    Ok(vec![
        file(own, gpu::JSON, serde_json::to_vec(program).map_err(wrong)?),
        file(shaders, "wgsl", program.text().into_bytes()),
        file(check, gpu::JSON, program.check(plan)?.to_json()?),
    ])
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
