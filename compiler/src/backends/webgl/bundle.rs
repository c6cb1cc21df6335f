//! The row of the table: what a bundle and the command have of this backend.

use super::{Program, WebGl};
use crate::backends::gpu::{self, Storage};
use crate::backends::{
    Backend, Bench, Browser, Code, CodeFile, Emitted, FileType, Options, Part, Script, Section, Text, Variant,
};
use crate::error::{Error, Result};
use crate::plan::{Binding, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// WebGL2.
pub static BACKEND: Backend = Backend {
    name: "webgl",
    variants: &[Variant {
        name: "f32",
        about: "of GLSL ES 3.00, in single precision",
        tile: |_| None,
    }],
    target: |_| Box::new(WebGl),
    emit,
    check,
    texts: &[Text {
        name: "glsl",
        about: "the fragment shaders of WebGL2",
        print: |plan| Ok(Program::new(plan)?.text()),
    }],
    files: &[FileType {
        // Bundlers have transformers for what looks like GLSL.
        end: "txt",
        media_type: "text/plain; charset=utf-8",
    }],
    parts: PARTS,
    scripts: &[],
    bench: Bench {
        peak: None,
        node_flags: &[],
        browsers: BROWSERS,
    },
};

/// What the scripts of a bundle need.
static PARTS: &[&Part] = &[
    &gpu::PART,
    &Part {
        mark: "webgl",
        modules: &[
            Script {
                name: "webgl-context.js",
                text: include_str!("../../../runtime-web/src/webgl-context.js"),
            },
            Script {
                name: "webgl.js",
                text: include_str!("../../../runtime-web/src/webgl.js"),
            },
        ],
        scripts: &[],
    },
];

/// Chromium takes no renderer of software unless it is told to.
static BROWSERS: &[Browser] = &[
    Browser {
        flags: &[],
        about: None,
    },
    Browser {
        flags: &["--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
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
}

/// A place for an input or output.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    /// The type of its elements.
    storage: Storage,
    /// The texture.
    texture: usize,
    /// Byte offset in it.
    offset: usize,
}

fn emit(plan: &Plan, _: Options) -> Result<Emitted> {
    let program = Program::new(plan)?;
    let shaders = program.text();
    let own = Own {
        inputs: slots(&plan.inputs),
        outputs: slots(&plan.outputs),
    };
    let samplers = program.programs.iter().map(|program| program.samplers.len());
    let figures = vec![
        ("draws", program.draws()),
        ("programs", program.programs.len()),
        ("most textures of one", samplers.max().unwrap_or(0)),
    ];
    let wrong = |what: serde_json::Error| Error::internal(format!("the program cannot be written ({what})"));
    let section = gpu::section(&own)?;
    let texels: usize = program.textures.iter().map(|texture| texture.texels).sum();
    Ok(Emitted {
        figures,
        code: vec![Code {
            bytes: shaders.len(),
            kernels: program.kernel_bytes.clone(),
        }],
        memory_bytes: (plan.weights.bytes() + 16 * texels) as u64,
        thread_bytes: 0,
        whole_weights: false,
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
                // Bundlers have transformers for what looks like GLSL.
                end: "txt",
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

fn slots(bindings: &[Binding]) -> Vec<Slot> {
    let slot = |binding: &Binding| Slot {
        storage: Storage::of(binding),
        texture: binding.arena.0,
        offset: binding.offset,
    };
    bindings.iter().map(slot).collect()
}

fn check(section: &Section) -> std::result::Result<(), String> {
    serde_json::from_value(Value::Object(section.clone()))
        .map(|_: Own| ())
        .map_err(|error| error.to_string())
}
