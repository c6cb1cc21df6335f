//! WebAssembly: a module with this model's kernels only, emitted through walrus.
//!
//! Memory, imported as `env.memory`: `[data: steps and their arguments][weights][arena]`. The module exports
//! `run(begin, end)`, which executes the plan's steps `begin..end`. Each step is a record in the data part: the
//! kernel's index in the function table, its number of work units, then the pointers. Kernels are called through
//! the table as `(record, begin, end)`, where `begin..end` is their share of the units, so that threads can split
//! a step between them.

use crate::error::Result;
use crate::plan::Plan;

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
    /// Code bytes of every kernel of the plan, by its index.
    pub code_bytes: Vec<usize>,
}

/// Emits and validates a module for a plan.
///
/// # Errors
/// When the model needs more than 4 GiB, or the validator refuses the module (a bug of ours).
pub fn emit(plan: &Plan, features: Features) -> Result<Module> {
    let _ = (plan, features);
    Err(crate::error::Error::internal("the wasm backend is not there yet"))
}
