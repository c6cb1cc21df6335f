//! The row of the table: what a bundle and the command have of this backend.

use super::{COMMAND_AT, Features, Module, Threading, Wasm, tile};
use crate::backends::{
    Backend, Bench, Browser, Code, CodeFile, Emitted, FileType, Options, Part, Script, Section, Text, Variant,
};
use crate::error::{Error, Result};
use crate::plan::{Binding, Plan};
use crate::tensor::DType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// WebAssembly.
pub static BACKEND: Backend = Backend {
    name: "wasm",
    variants: &[
        Variant {
            name: "relaxed",
            about: "with relaxed SIMD",
            tile: |kernel| tile(kernel, Features::Relaxed),
        },
        Variant {
            name: "baseline",
            about: "without",
            tile: |kernel| tile(kernel, Features::Baseline),
        },
    ],
    target: |options| Box::new(Wasm { exact: options.exact }),
    emit,
    check,
    texts: &[Text {
        name: "wat",
        about: "the wasm as text (with relaxed SIMD)",
        print,
    }],
    files: &[FileType {
        end: "wasm",
        media_type: "application/wasm",
    }],
    parts: &[&SINGLE, &THREADS],
    scripts: &["pool.js", "threads.js", "wasm.js", "worker.js"],
    bench: Bench {
        peak: Some(include_str!("peak.js")),
        // Before Node 22.
        node_flags: &["--experimental-wasm-relaxed-simd"],
        browsers: &[Browser {
            flags: &["--disable-gpu"],
            about: None,
        }],
    },
};

/// Embeds files of the runtime by name.
macro_rules! scripts {
    ($($name:literal),+ $(,)?) => {
        &[$(Script {
            name: $name,
            text: include_str!(concat!("../../../runtime-web/src/", $name)),
        }),+]
    };
}

/// What every bundle needs.
static SINGLE: Part = Part {
    mark: "wasm",
    modules: scripts!("wasm.js"),
    scripts: &[],
};

/// What several threads need besides.
static THREADS: Part = Part {
    mark: "threads",
    modules: scripts!("pool.js", "threads.js"),
    scripts: scripts!("worker.js"),
};

/// The section of the manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    /// Where the inputs lie, in the order of the manifest.
    inputs: Vec<Slot>,
    /// Where the outputs lie.
    outputs: Vec<Slot>,
    /// Steps that are run once, when the weights are there: the first that the modules' `run(begin, end)` counts.
    prepare: usize,
    /// Where the weights lie.
    weights: Weights,
    /// What threads need, if the bundle has modules for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<Threads>,
}

/// A place for an input or output.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    /// The type of its elements.
    storage: Storage,
    /// Its byte address.
    offset: usize,
}

/// Element types in memory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Storage {
    /// IEEE 754 binary32.
    F32,
    /// Two's complement 32-bit integer.
    I32,
}

/// The place of the weights, whose files follow each other in memory.
#[derive(Debug, Serialize, Deserialize)]
struct Weights {
    /// Byte address of the first.
    offset: usize,
}

/// What threads need.
#[derive(Debug, Serialize, Deserialize)]
struct Threads {
    /// Bytes of scratch memory for every thread but the first.
    scratch: usize,
    /// Byte address of four words by which the host wakes the first thread; those of the others lie 64 bytes before.
    command: usize,
    /// The number of threads beyond which a prediction gains little.
    useful: usize,
}

/// Emits all modules: with relaxed SIMD and without, for one thread and for several.
fn emit(plan: &Plan, options: Options) -> Result<Emitted> {
    let modules = |threading| -> Result<[Module; 2]> {
        let module = |features| super::emit(plan, features, threading);
        Ok([module(Features::Relaxed)?, module(Features::Baseline)?])
    };
    let single = modules(Threading::Single)?;
    let threaded = (!options.one_thread)
        .then(|| modules(Threading::MULTI))
        .transpose()?;
    let all = || single.iter().chain(threaded.iter().flatten());
    let layout = |m: &Module| (m.weights_at, m.arena_at, m.pages);
    if all().any(|module| layout(module) != layout(&single[0])) {
        return Err(Error::internal("the modules lay out the memory differently"));
    }
    let threads = threaded.as_ref().map(|[relaxed, _]| Threads {
        scratch: relaxed.scratch_bytes,
        command: COMMAND_AT,
        useful: relaxed.useful_threads,
    });
    let section = section(plan, &single[0], threads)?;
    let code = |m: &Module| Code {
        bytes: m.bytes.len(),
        kernels: m.code_bytes.clone(),
    };
    Ok(Emitted {
        code: single.iter().map(code).collect(),
        figures: Vec::new(),
        memory_bytes: single[0].pages as u64 * 65536,
        thread_bytes: single[0].scratch_bytes,
        whole_weights: false,
        section,
        parts: match threaded {
            Some(_) => vec![&SINGLE, &THREADS],
            None => vec![&SINGLE],
        },
        files: files(single, threaded),
    })
}

fn files(single: [Module; 2], threaded: Option<[Module; 2]>) -> Vec<CodeFile> {
    let modules = single.into_iter().chain(threaded.into_iter().flatten());
    let labels = ["relaxed", "baseline", "threads-relaxed", "threads-baseline"];
    let file = |(label, module): (&'static str, Module)| CodeFile {
        label,
        end: "wasm",
        bytes: module.bytes,
    };
    labels.into_iter().zip(modules).map(file).collect()
}

fn section(plan: &Plan, module: &Module, threads: Option<Threads>) -> Result<Section> {
    let slots = |bindings: &[Binding]| {
        let slot = |binding: &Binding| Slot {
            storage: match binding.ty.dtype {
                DType::F32 => Storage::F32,
                DType::I32 => Storage::I32,
            },
            offset: module.arena_at + binding.offset,
        };
        bindings.iter().map(slot).collect()
    };
    let memory = Memory {
        inputs: slots(&plan.inputs),
        outputs: slots(&plan.outputs),
        prepare: plan.prepare.len(),
        weights: Weights {
            offset: module.weights_at,
        },
        threads,
    };
    match serde_json::to_value(memory) {
        Ok(Value::Object(section)) => Ok(section),
        other => Err(Error::internal(format!(
            "the section of the manifest is {other:?}"
        ))),
    }
}

fn check(section: &Section) -> std::result::Result<(), String> {
    serde_json::from_value(Value::Object(section.clone()))
        .map(|_: Memory| ())
        .map_err(|error| error.to_string())
}

/// The module with relaxed SIMD for one thread.
fn print(plan: &Plan) -> Result<String> {
    let module = super::emit(plan, Features::Relaxed, Threading::Single)?;
    wasmprinter::print_bytes(&module.bytes)
        .map_err(|error| Error::internal(format!("the module cannot be printed ({error})")))
}
