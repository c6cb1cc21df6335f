//! WebAssembly: a module with this model's kernels only, emitted through walrus.
//!
//! Memory, imported as `env.memory`: `[data: steps and their arguments][prepared][weights][arena]`. What is prepared grows
//! over those weights that only it is made from, so that these are not in memory twice. The module exports
//! `run(begin, end)`, which executes the steps `begin..end`: those that prepare weights, once and in their order, then those
//! of a prediction. Each step is a record in the data part: the kernel's index in the function table, its number of work units, then the pointers. Kernels are called through
//! the table as `(record, begin, end)`, where `begin..end` is their share of the units, so that threads can split
//! a step between them.
//!
//! A module for threads imports that memory as shared; what its `run(begin, end)` and `start` do is told in [`threads`].
//! Single-threaded modules and those for threads lay out the memory alike.
//!
//! V8 compiles every function quickly first and well only at a later call; there is no switch inside a running
//! function. So inner loops are functions of their own (tiles), kernels of equal shape are shared, and no function
//! is large.

mod asm;
mod bundle;
mod contract;
mod cost;
mod depthwise;
mod epilogue;
mod gather;
mod listed;
mod map;
mod moves;
mod pool;
mod program;
mod quantize;
mod reduce;
mod size;
mod tape;
mod target;
mod team;
mod threads;
mod tile;
mod winograd;

pub use bundle::BACKEND;
pub use target::Wasm;

use crate::budget::Resource;
use crate::error::{Error, Result};
use crate::kernel::{Family, Kernel, Operands, Role};
use crate::plan::Plan;
use asm::{Asm, Context};
use std::collections::HashMap;
use target::ALIGNMENT;
use team::Team;
use walrus::{FunctionId, LocalId, ValType};

/// Which instructions a module may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Features {
    /// SIMD128.
    Baseline,
    /// SIMD128 and relaxed SIMD: fused multiply-add.
    Relaxed,
}

/// Who runs a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Threading {
    /// One thread.
    Single,
    /// Any number of threads, with an instance each on shared memory.
    Multi {
        /// Estimated nanoseconds of a step from which on it is divided between them.
        worth: u64,
    },
}

impl Threading {
    /// Several threads; steps are divided that take longer than opening a job, claims and waiting for the last, about 1 µs.
    pub const MULTI: Self = Self::Multi { worth: 4_000 };
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
    /// Bytes of scratch memory that every thread but the first needs, anywhere in the memory.
    pub scratch_bytes: usize,
    /// The number of threads beyond which a prediction gains little.
    pub useful_threads: usize,
    /// Code bytes of every kernel of the plan, by its index; shared functions count for each.
    pub code_bytes: Vec<usize>,
}

/// Bytes behind the arena that vector loads may touch: one panel row beyond the last element.
const SLACK: usize = 256;

/// Byte address of four words by which a host wakes the leader of its threads. No module touches them; the words of the
/// other threads lie 64 bytes before.
pub const COMMAND_AT: usize = threads::COMMAND_AT;

/// Pages of the largest memory.
const MAX_PAGES: u64 = 65536;

/// Emits and validates a module for a plan.
///
/// # Errors
/// When the model needs more than 4 GiB, the code grows beyond the budget, or the validator refuses the module (a bug of ours).
pub fn emit(plan: &Plan, features: Features, threading: Threading) -> Result<Module> {
    let layout = program::MemoryMap::new(plan)?;
    let mut config = walrus::ModuleConfig::new();
    config
        .generate_name_section(false)
        .generate_producers_section(false);
    let mut module = walrus::Module::with_config(config);
    let pages = layout.pages as u64;
    let shared = threading != Threading::Single;
    // Scratch memory of threads comes behind, as many as there are.
    let most = if shared { MAX_PAGES } else { pages };
    let (memory, _) = module.add_import_memory("env", "memory", shared, false, pages, Some(most), None);
    let mut cx = Context {
        module,
        memory,
        features,
        team: None,
        tapes: HashMap::new(),
        instructions: 0,
    };
    if let Threading::Multi { worth } = threading {
        cx.team = Some(Team::new(&mut cx, worth));
    }
    // Modules are made one after the other: each may be as large.
    let budget = plan.budget.fork();
    let mut kernels = Vec::with_capacity(plan.kernels.len());
    for (index, kernel) in plan.kernels.iter().enumerate() {
        let before = cx.instructions;
        kernels.push(emit_kernel(&mut cx, kernel)?);
        let taken = budget.take(Resource::Code, cx.instructions - before);
        taken.map_err(|error| match plan.runs().find(|run| run.kernel.0 == index) {
            Some(run) => error.in_node(&run.name),
            None => error,
        })?;
    }
    program::emit(&mut cx, plan, &layout, &kernels);
    let bytes = cx.module.emit_wasm();
    validate(&bytes, features, threading)?;
    let code_bytes = size::code_bytes(&bytes, plan.kernels.len())?;
    Ok(Module {
        scratch_bytes: scratch_bytes(plan),
        useful_threads: cx.team.map_or(1, |team| threads::useful(plan, &kernels, team)),
        code_bytes,
        bytes,
        weights_at: layout.weights_at,
        arena_at: layout.arena_at,
        pages: layout.pages,
    })
}

/// The largest scratch memory of any kernel, in whole cache lines.
fn scratch_bytes(plan: &Plan) -> usize {
    let operands = plan.kernels.iter().flat_map(Kernel::operands);
    let scratch = operands.filter(|operand| operand.role == Role::Scratch);
    let most = scratch.map(|operand| 4 * operand.elements()).max().unwrap_or(0);
    most.next_multiple_of(ALIGNMENT)
}

/// An emitted kernel.
struct KernelCode {
    /// `(record, begin, end)`.
    function: FunctionId,
    /// Number of work units.
    units: usize,
    /// Threads claim units in multiples of this, so that they rarely write to one cache line at the same time.
    grain: usize,
    /// About how many claims a thread makes. More of them even out what the threads do.
    claims: usize,
}

/// Claims of a thread where nothing speaks against many.
const CLAIMS: usize = 12;

impl KernelCode {
    /// A kernel each of whose units writes about so many contiguous bytes.
    fn new(function: FunctionId, units: usize, unit_bytes: usize) -> Self {
        Self {
            function,
            units,
            grain: ALIGNMENT.div_ceil(unit_bytes.max(1)),
            claims: CLAIMS,
        }
    }
}

fn emit_kernel(cx: &mut Context, kernel: &Kernel) -> Result<KernelCode> {
    Ok(match kernel {
        Kernel::Map(k) => map::emit(cx, k),
        Kernel::Reduce(k) => reduce::emit(cx, k),
        Kernel::Contract(k) if k.right.is_shared() => contract::emit(cx, k),
        Kernel::Winograd(k) => winograd::emit(cx, k),
        Kernel::WinogradWeights(k) => winograd::emit_weights(cx, k),
        Kernel::Depthwise(k) => depthwise::emit(cx, k),
        Kernel::Pool(k) => pool::emit(cx, k),
        Kernel::Move(k) => moves::emit_move(cx, k),
        Kernel::Fill(k) => moves::emit_fill(cx, k),
        Kernel::Gather(k) => gather::emit(cx, k),
        Kernel::Quantize(k) => quantize::emit(cx, k),
        Kernel::Convolve(_) | Kernel::Contract(_) => {
            return Err(Error::internal(
                "a kernel that tests bounds or has several matrices, of a plan that was made for another target",
            ));
        }
    })
}

/// Pixels and channels of the register tile of a kernel that has one.
pub fn tile(kernel: &Kernel, features: Features) -> Option<[usize; 2]> {
    match kernel {
        Kernel::Contract(k) => Some(contract::tile(k, features)),
        _ => None,
    }
}

/// Starts the function of a kernel: loads its pointers from the record.
fn kernel_function<'c, K: Family>(cx: &'c mut Context, kernel: &K) -> (Asm<'c>, K::Of<LocalId>) {
    let (asm, fields) = record_function(cx, pointers(kernel));
    (asm, Operands::from_list(fields))
}

/// How many pointers a kernel takes.
fn pointers(kernel: &impl Family) -> usize {
    kernel.operands().into_list().len()
}

/// The pointers of a kernel among a function's parameters, from the one numbered `first` on.
fn parameters<K: Family>(asm: &Asm<'_>, kernel: &K, first: usize) -> K::Of<LocalId> {
    let all = first..first + pointers(kernel);
    Operands::from_list(all.map(|i| asm.param(i)).collect())
}

/// Starts a function that is called with a record: loads its first `count` fields.
fn record_function(cx: &mut Context, count: usize) -> (Asm<'_>, Vec<LocalId>) {
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let record = asm.param(0);
    let fields = (0..count)
        .map(|i| {
            let field = asm.i32();
            asm.get(record);
            asm.load_i32(program::POINTERS_AT + 4 * i);
            asm.set(field);
            field
        })
        .collect();
    (asm, fields)
}

/// Checks a binary with the features that it may use.
fn validate(bytes: &[u8], features: Features, threading: Threading) -> Result<()> {
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
    if threading != Threading::Single {
        allowed |= WasmFeatures::THREADS;
    }
    wasmparser::Validator::new_with_features(allowed)
        .validate_all(bytes)
        .map(|_| ())
        .map_err(|error| Error::internal(format!("the emitted module is not valid: {error}")))
}
