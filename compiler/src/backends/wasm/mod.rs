//! WebAssembly: a module with this model's kernels only, emitted through walrus.
//!
//! Memory, imported as `env.memory`: `[data: steps and their arguments][weights][arena]`. The module exports
//! `run(begin, end)`, which executes the plan's steps `begin..end`. Each step is a record in the data part: the
//! kernel's index in the function table, its number of work units, then the pointers. Kernels are called through
//! the table as `(record, begin, end)`, where `begin..end` is their share of the units, so that threads can split
//! a step between them.
//!
//! V8 compiles every function quickly first and well only at a later call; there is no switch inside a running
//! function. So inner loops are functions of their own (tiles), kernels of equal shape are shared, and no function
//! is large.

mod asm;
mod contract;
mod depthwise;
mod epilogue;
mod gather;
mod map;
mod moves;
mod pool;
mod program;
mod reduce;
mod size;
mod tape;
mod tile;
mod winograd;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::plan::Plan;
use asm::{Asm, Context};
use std::collections::HashMap;
use walrus::{FunctionId, ValType};

/// Which instructions a module may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Features {
    /// SIMD128.
    Baseline,
    /// SIMD128 and relaxed SIMD: fused multiply-add.
    Relaxed,
}

/// An emitted module and the memory it expects.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// The binary.
    pub bytes: Vec<u8>,
    /// Byte address of the weights.
    pub weights_at: usize,
    /// Byte address of the arena; inputs and outputs lie at their offsets in it.
    pub arena_at: usize,
    /// Size of the memory in pages of 64 KiB.
    pub pages: usize,
    /// Code bytes of every kernel of the plan, by its index; shared functions count for each.
    pub code_bytes: Vec<usize>,
}

/// Bytes behind the arena that vector loads may touch: one panel row beyond the last element.
const SLACK: usize = 256;

/// Emits and validates a module for a plan.
///
/// # Errors
/// When the model needs more than 4 GiB, or the validator refuses the module (a bug of ours).
pub fn emit(plan: &Plan, features: Features) -> Result<Module> {
    let layout = program::Layout::new(plan)?;
    let mut config = walrus::ModuleConfig::new();
    config
        .generate_name_section(false)
        .generate_producers_section(false);
    let mut module = walrus::Module::with_config(config);
    let pages = layout.pages as u64;
    let (memory, _) = module.add_import_memory("env", "memory", false, false, pages, Some(pages), None);
    let mut cx = Context {
        module,
        memory,
        features,
        tapes: HashMap::new(),
    };
    let kernels: Vec<KernelCode> = plan
        .kernels
        .iter()
        .map(|kernel| emit_kernel(&mut cx, kernel))
        .collect();
    program::emit(&mut cx, plan, &layout, &kernels);
    let bytes = cx.module.emit_wasm();
    validate(&bytes, features)?;
    let code_bytes = size::code_bytes(&bytes, plan.kernels.len())?;
    Ok(Module {
        code_bytes,
        bytes,
        weights_at: layout.weights_at,
        arena_at: layout.arena_at,
        pages: layout.pages,
    })
}

/// An emitted kernel.
struct KernelCode {
    /// `(record, begin, end)`.
    function: FunctionId,
    /// Number of work units.
    units: usize,
}

fn emit_kernel(cx: &mut Context, kernel: &Kernel) -> KernelCode {
    match kernel {
        Kernel::Map(k) => map::emit(cx, k),
        Kernel::Reduce(k) => reduce::emit(cx, k),
        Kernel::Contract(k) => contract::emit(cx, k),
        Kernel::Winograd(k) => winograd::emit(cx, k),
        Kernel::Depthwise(k) => depthwise::emit(cx, k),
        Kernel::Pool(k) => pool::emit(cx, k),
        Kernel::Move(k) => moves::emit_move(cx, k),
        Kernel::Fill(k) => moves::emit_fill(cx, k),
        Kernel::Gather(k) => gather::emit(cx, k),
    }
}

/// Pixels and channels of the register tile of a kernel that has one.
pub fn tile(kernel: &Kernel, features: Features) -> Option<[usize; 2]> {
    match kernel {
        Kernel::Contract(k) => Some(contract::tile(k, features)),
        _ => None,
    }
}

/// Starts a kernel function: loads its `count` pointers from the record.
fn kernel_function(cx: &mut Context, count: usize) -> (Asm<'_>, Vec<walrus::LocalId>) {
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let record = asm.param(0);
    let pointers = (0..count)
        .map(|i| {
            let pointer = asm.i32();
            asm.get(record);
            asm.load_i32(program::POINTERS_AT + 4 * i);
            asm.set(pointer);
            pointer
        })
        .collect();
    (asm, pointers)
}

/// Checks a binary with the features that it may use.
fn validate(bytes: &[u8], features: Features) -> Result<()> {
    use wasmparser::WasmFeatures;
    let mut allowed = WasmFeatures::WASM1
        | WasmFeatures::SIMD
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::REFERENCE_TYPES;
    if features == Features::Relaxed {
        allowed |= WasmFeatures::RELAXED_SIMD;
    }
    wasmparser::Validator::new_with_features(allowed)
        .validate_all(bytes)
        .map(|_| ())
        .map_err(|error| Error::internal(format!("the emitted module is not valid: {error}")))
}
