//! What ties kernels together: records of steps in memory, the function table, loops and `run`.
//!
//! A record is `[function index, units, pointers…]`, all i32. A loop is a record too: its function executes the
//! records of its body, and between iterations writes their moving pointers:
//! `[function index, 1, count, body begin, body end, patches begin, patches end]`, where the body is a range of the
//! list of record addresses and a patch is `[address of the pointer, first value, advance]`.

use super::asm::{Asm, Context};
use super::listed::{call_record, for_each_listed, start_list};
use super::target::ALIGNMENT;
use super::threads::{self, Share};
use super::{KernelCode, SLACK, record_function};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Kernel, Role, WINOGRAD_LANES};
use crate::plan::{Argument, Plan, Run, Space, Step};
use walrus::ir::BinaryOp;
use walrus::{
    ConstExpr, DataKind, ElementItems, ElementKind, FunctionId, LocalId, RefType, TableId, TypeId, ValType,
};

/// Byte offset of the first pointer in a record.
pub(super) const POINTERS_AT: usize = 8;
/// The data part starts here: behind the words of threads, and address 0 stays unused.
const DATA_AT: usize = threads::END_AT;
const PAGE: usize = 65536;

/// Where things lie in memory.
pub(super) struct MemoryMap {
    pub weights_at: usize,
    prepared_at: usize,
    pub arena_at: usize,
    pub pages: usize,
}

impl MemoryMap {
    pub fn new(plan: &Plan) -> Result<Self> {
        // Values of other arenas would lie over those of the first.
        if plan.arenas.len() > 1 {
            return Err(Error::internal(format!(
                "the plan has {} arenas: it was made for another target",
                plan.arenas.len()
            )));
        }
        let prepared_at = (DATA_AT + data_bytes(plan)).next_multiple_of(ALIGNMENT);
        let weights_at = prepared_at + weights_behind(plan);
        let arena_at = weights_at + plan.weights.bytes();
        let pages = (arena_at + plan.arena_bytes + slack(plan)).div_ceil(PAGE);
        if pages > 65536 {
            return Err(Error::new(ErrorKind::TooLarge {
                what: "the memory for weights and activations in bytes".into(),
                found: (pages * PAGE) as u64,
                limit: 1 << 32,
            }));
        }
        Ok(Self {
            weights_at,
            prepared_at,
            arena_at,
            pages,
        })
    }

    fn address(&self, argument: &Argument) -> usize {
        argument.offset
            + match argument.space {
                Space::Weights => self.weights_at,
                Space::Prepared => self.prepared_at,
                Space::Arena(_) => self.arena_at,
            }
    }
}

/// How far behind the start of what is prepared the weights may start. What is prepared grows over those weights that are
/// originals, of which each must be there until it has been read: nothing reaches it that is written before or from it.
fn weights_behind(plan: &Plan) -> usize {
    let offset = |run: &Run, space: Space| {
        let argument = run.arguments.iter().find(|argument| argument.space == space);
        argument.map(|argument| argument.offset)
    };
    let ends = plan.prepare.iter().map(|run| {
        let written = plan.kernel(run).operands();
        let written = written.iter().filter(|operand| operand.role == Role::Out);
        let bytes = written.map(|operand| 4 * operand.elements()).sum::<usize>();
        let end = offset(run, Space::Prepared).unwrap_or(0) + bytes;
        let original = offset(run, Space::Weights).filter(|&from| from < plan.originals_bytes);
        end.saturating_sub(original.unwrap_or(plan.originals_bytes))
    });
    let all = plan.prepared_bytes.saturating_sub(plan.originals_bytes);
    ends.fold(all, usize::max).next_multiple_of(ALIGNMENT)
}

/// Bytes behind the arena that vector loads, and touches of a panel behind the last one, may reach.
fn slack(plan: &Plan) -> usize {
    let panel = |kernel: &Kernel| match kernel {
        Kernel::Contract(k) => (k.k() + 1) * 8 * 4,
        Kernel::Winograd(k) => k.channels * WINOGRAD_LANES * 4,
        // These touch nothing ahead.
        Kernel::Map(_)
        | Kernel::Reduce(_)
        | Kernel::Convolve(_)
        | Kernel::WinogradWeights(_)
        | Kernel::Depthwise(_)
        | Kernel::Pool(_)
        | Kernel::Move(_)
        | Kernel::Fill(_)
        | Kernel::Gather(_)
        | Kernel::Quantize(_) => 0,
    };
    // Steps are a byte at least, so many tiles touch a little more than a panel.
    SLACK + plan.kernels.iter().map(panel).max().unwrap_or(0) * 5 / 4
}

/// Bytes of all records, patches and the lists of records, in any module: all of a bundle lay out the memory alike.
fn data_bytes(plan: &Plan) -> usize {
    let record = |run: &Run| POINTERS_AT + 4 * run.arguments.len() + 4;
    let moving = |run: &Run| run.arguments.iter().filter(|a| a.advance != 0).count();
    let prepare: usize = plan.prepare.iter().map(|run| record(run) + threads::ENTRY).sum();
    let steps: usize = plan
        .steps
        .iter()
        .map(|step| match step {
            Step::Run(run) => record(run) + threads::ENTRY,
            Step::Loop { body, .. } => {
                POINTERS_AT
                    + 5 * 4
                    + threads::ENTRY
                    + body
                        .iter()
                        .map(|run| record(run) + 12 * moving(run))
                        .sum::<usize>()
            }
        })
        .sum();
    prepare + steps
}

/// Builds the data part.
struct Records<'p> {
    layout: &'p MemoryMap,
    kernels: &'p [KernelCode],
    /// Everything but the lists, as words.
    words: Vec<u32>,
    /// Addresses of records: those of bodies first, as loops refer to ranges of them.
    bodies: Vec<u32>,
    /// Those of steps; each is followed by how threads divide it, if they do.
    steps: Vec<u32>,
}

impl Records<'_> {
    fn here(&self) -> u32 {
        (DATA_AT + self.words.len() * 4) as u32
    }

    /// Appends a run; gives its address and the addresses of its pointers.
    fn run(&mut self, run: &Run) -> u32 {
        let at = self.here();
        self.words.push(run.kernel.0 as u32);
        self.words.push(self.kernels[run.kernel.0].units as u32);
        self.words
            .extend(run.arguments.iter().map(|a| self.layout.address(a) as u32));
        at
    }

    /// Appends a loop. The range of its body is relative to the start of the lists until all records stand and the lists have an address.
    fn repeat(&mut self, function: usize, count: usize, body: &[Run]) -> (u32, usize) {
        let first = self.bodies.len() as u32;
        let mut patches = Vec::new();
        for run in body {
            let at = self.run(run);
            self.bodies.push(at);
            for (i, argument) in run.arguments.iter().enumerate().filter(|(_, a)| a.advance != 0) {
                let pointer = at + (POINTERS_AT + 4 * i) as u32;
                patches.extend([
                    pointer,
                    self.layout.address(argument) as u32,
                    argument.advance as i32 as u32,
                ]);
            }
        }
        let patches_at = self.here();
        self.words.extend(&patches);
        let at = self.here();
        let end = patches_at + 4 * patches.len() as u32;
        let last = self.bodies.len() as u32;
        self.words
            .extend([function as u32, 1, count as u32, first, last, patches_at, end]);
        (at, self.words.len() - 4)
    }
}

/// Adds table, data, loops and the exported `run`.
pub(super) fn emit(cx: &mut Context, plan: &Plan, layout: &MemoryMap, kernels: &[KernelCode]) {
    let loop_index = kernels.len();
    let mut records = Records {
        layout,
        kernels,
        words: Vec::new(),
        bodies: Vec::new(),
        steps: Vec::new(),
    };
    let mut ranges = Vec::new();
    let shares = cx.team.map(|team| threads::divide(plan, kernels, team));
    let list = |records: &mut Records<'_>, at: u32| {
        let index = records.steps.len();
        records.steps.push(at);
        if let Some(shares) = &shares {
            let Share { grain, claims } = shares[index / 3];
            records.steps.extend([grain as u32, claims as u32]);
        }
    };
    for run in &plan.prepare {
        let at = records.run(run);
        list(&mut records, at);
    }
    for step in &plan.steps {
        let at = match step {
            Step::Run(run) => records.run(run),
            Step::Loop { count, body } => {
                let (at, range) = records.repeat(loop_index, *count, body);
                ranges.push(range);
                at
            }
        };
        list(&mut records, at);
    }
    let bodies_at = records.here();
    let steps_at = bodies_at + 4 * records.bodies.len() as u32;
    for range in ranges {
        for word in &mut records.words[range..range + 2] {
            *word = bodies_at + 4 * *word;
        }
    }
    let words = [&records.words[..], &records.bodies, &records.steps].concat();
    let offset = ConstExpr::Value(walrus::ir::Value::I32(DATA_AT as i32));
    let bytes = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let memory = cx.memory;
    let data = cx.module.data.add(DataKind::Active { memory, offset }, bytes);
    cx.module.memories.get_mut(memory).data_segments.insert(data);

    let mut functions: Vec<FunctionId> = kernels.iter().map(|k| k.function).collect();
    let size = functions.len() as u64 + 1;
    let table = cx
        .module
        .tables
        .add_local(false, size, Some(size), RefType::FUNCREF);
    let ty = cx.module.types.add(&[ValType::I32; 3], &[]);
    functions.push(emit_loop(cx, table, ty));
    let offset = ConstExpr::Value(walrus::ir::Value::I32(0));
    let items = ElementItems::Functions(functions);
    let element = cx
        .module
        .elements
        .add(ElementKind::Active { table, offset }, items);
    cx.module.tables.get_mut(table).elem_segments.insert(element);
    let steps_at = steps_at as usize;
    let run = match cx.team {
        Some(team) => {
            let claims = threads::emit_claims(cx, table, ty);
            let help = threads::emit_help(cx, team, claims);
            cx.module.exports.add("help", help);
            threads::emit_run(cx, team, claims, table, ty, steps_at)
        }
        None => emit_run(cx, table, ty, steps_at),
    };
    cx.module.exports.add("run", run);
    let entry = if cx.team.is_some() { threads::ENTRY } else { 4 };
    let warm = emit_warm(cx, table, ty, steps_at, entry);
    cx.module.exports.add("warm", warm);
}

/// `warm(begin, end)`: an eighth of the work of each of these steps, on the calling thread alone; what they write is of no
/// use. V8 replaces its quick code of a function when that has done some work, and this is enough to make it begin.
fn emit_warm(cx: &mut Context, table: TableId, ty: TypeId, steps_at: usize, entry: usize) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let (cursor, end) = (asm.param(0), asm.param(1));
    start_list(&mut asm, [cursor, end], steps_at, entry);
    for_each_listed(&mut asm, cursor, end, entry, |asm, record| {
        asm.get(record);
        asm.int(0);
        asm.get(record);
        asm.load_i32(4);
        asm.int(7);
        asm.binary(BinaryOp::I32Add);
        asm.int(3);
        asm.binary(BinaryOp::I32ShrU);
        asm.get(record);
        asm.load_i32(0);
        asm.push(walrus::ir::CallIndirect { ty, table });
    });
    asm.finish()
}

/// Calls the records listed at `cursor` until `end`.
fn call_listed(asm: &mut Asm<'_>, cursor: LocalId, end: LocalId, table: TableId, ty: TypeId) {
    for_each_listed(asm, cursor, end, 4, |asm, record| {
        call_record(asm, record, table, ty)
    });
}

/// `run(begin, end)`.
fn emit_run(cx: &mut Context, table: TableId, ty: TypeId, steps_at: usize) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let (cursor, end) = (asm.param(0), asm.param(1));
    start_list(&mut asm, [cursor, end], steps_at, 4);
    call_listed(&mut asm, cursor, end, table, ty);
    asm.finish()
}

/// The function of loop records.
fn emit_loop(cx: &mut Context, table: TableId, ty: TypeId) -> FunctionId {
    let (mut asm, fields) = record_function(cx, 5);
    let &[count, begin, end, patches, patches_end] = fields.as_slice() else {
        unreachable!("five were asked for")
    };
    let (iteration, cursor, patch) = (asm.i32(), asm.i32(), asm.i32());
    asm.while_below(iteration, count, |asm| {
        asm.add_to(patch, patches, 0);
        asm.block(|asm, out| {
            asm.get(patch);
            asm.get(patches_end);
            asm.binary(BinaryOp::I32GeU);
            asm.br_if(out);
            asm.repeat(|asm, top| {
                asm.get(patch);
                asm.load_i32(0);
                asm.get(patch);
                asm.load_i32(4);
                asm.get(patch);
                asm.load_i32(8);
                asm.get(iteration);
                asm.binary(BinaryOp::I32Mul);
                asm.binary(BinaryOp::I32Add);
                asm.store_i32(0);
                asm.advance(patch, 12);
                asm.get(patch);
                asm.get(patches_end);
                asm.binary(BinaryOp::I32LtU);
                asm.br_if(top);
            });
        });
        asm.add_to(cursor, begin, 0);
        call_listed(asm, cursor, end, table, ty);
    });
    asm.finish()
}
