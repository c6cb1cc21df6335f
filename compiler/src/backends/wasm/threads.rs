//! What lets threads work on one prediction: every thread has an instance of the module on one shared memory and
//! calls `run(begin, end)`.
//!
//! The list of steps has an entry `[record, grain, claims]` for each. With a grain, all threads claim units from a
//! shared counter, a multiple of the grain at a time and about `claims` times each, and then meet at a barrier. Without
//! one, the first thread runs the step alone, and all meet only if `claims` is not zero: the steps until the next that
//! is divided need no barrier between them.
//!
//! The barrier spins for a moment, because most steps end at about the same time for all, and then sleeps. Who waits
//! reads by adding zero: V8 takes a plain atomic load out of the loop.

use super::asm::{Asm, Context};
use super::program::{call_record, for_each_listed, start_list};
use super::{KernelCode, cost};
use crate::plan::{Plan, Run, Step};
use walrus::ir::{BinaryOp, UnaryOp};
use walrus::{ConstExpr, FunctionId, GlobalId, LocalId, TableId, TypeId, ValType};

/// The next unit of the step that is being divided. Each word has a cache line of its own.
const NEXT_UNIT_AT: usize = 64;
/// Threads that have arrived at the barrier.
const ARRIVED_AT: usize = 128;
/// How often all have met.
const GENERATION_AT: usize = 192;
/// Threads that sleep at the barrier.
const SLEEPERS_AT: usize = 256;
/// The words by which the host wakes the threads: a counter, begin, end, the last command. Only the host and its workers
/// use them.
pub(super) const COMMAND_AT: usize = 320;
/// The first byte behind all of these words.
pub(super) const END_AT: usize = 384;

/// Bytes of an entry in the list of steps.
pub(super) const ENTRY: usize = 12;

/// Reads of the barrier before a thread goes to sleep: 10 to 20 µs.
const SPINS: usize = 60000;

/// Whole models that take fewer nanoseconds stay on one thread: asking others and their answer cost some ten
/// microseconds.
const WORTH_WAKING: u64 = 150_000;

/// Nanoseconds for each thread that is woken: one after the other.
const WAKE: f64 = 3_000.0;

/// Nanoseconds of a barrier, with what threads wait there for the last.
const BARRIER: f64 = 1_500.0;

/// Most threads that are ever useful.
const MOST_THREADS: usize = 16;

/// The globals of a thread's instance, and what is divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Team {
    /// Which thread it is, from 0.
    thread: GlobalId,
    /// How many there are.
    threads: GlobalId,
    /// The address of its own scratch memory; zero for the first thread, which uses the plan's.
    pub scratch: GlobalId,
    /// See [`Threading::Multi`](super::Threading::Multi).
    worth: u64,
}

impl Team {
    /// Adds the globals, and the exported `start(thread, threads, scratch)` that sets them.
    pub fn new(cx: &mut Context, worth: u64) -> Self {
        let [thread, threads, scratch] = [0, 1, 0].map(|value| {
            let initial = ConstExpr::Value(walrus::ir::Value::I32(value));
            cx.module.globals.add_local(ValType::I32, true, false, initial)
        });
        let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
        for (i, global) in [thread, threads, scratch].into_iter().enumerate() {
            let value = asm.param(i);
            asm.get(value);
            asm.set_global(global);
        }
        let start = asm.finish();
        cx.module.exports.add("start", start);
        Self {
            thread,
            threads,
            scratch,
            worth,
        }
    }
}

/// How a step is divided: see the entries of the list of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Units of a claim are a multiple of this; zero for a step of the first thread.
    pub grain: usize,
    /// Claims of each thread, or whether a barrier follows.
    pub claims: usize,
}

/// What each step costs and its kernel, unless it is a loop; those that prepare weights come first.
fn steps<'p>(
    plan: &'p Plan,
    kernels: &'p [KernelCode],
) -> impl Iterator<Item = (u64, Option<&'p KernelCode>)> {
    let run = |run: &Run| (cost::of_run(plan, run), Some(&kernels[run.kernel.0]));
    let prepare = plan.prepare.iter().map(run);
    prepare.chain(plan.steps.iter().map(move |step| match step {
        Step::Run(only) => run(only),
        Step::Loop { count, body } => (cost::of_loop(plan, *count, body), None),
    }))
}

/// Divides the steps of a plan.
pub(super) fn divide(plan: &Plan, kernels: &[KernelCode], team: Team) -> Vec<Share> {
    let alone = Share { grain: 0, claims: 0 };
    let share = |cost: u64, code: &KernelCode| {
        let worth = cost >= team.worth && code.units > code.grain;
        worth.then_some(Share {
            grain: code.grain,
            claims: code.claims,
        })
    };
    let mut shares: Vec<Share> = steps(plan, kernels)
        .map(|(cost, code)| code.and_then(|code| share(cost, code)).unwrap_or(alone))
        .collect();
    for i in 1..shares.len() {
        if shares[i].grain > 0 && shares[i - 1].grain == 0 {
            shares[i - 1].claims = 1;
        }
    }
    shares
}

/// The number of threads beyond which a prediction gains little.
pub(super) fn useful(plan: &Plan, kernels: &[KernelCode], team: Team) -> usize {
    let steps: Vec<(f64, usize)> = steps(plan, kernels)
        .zip(divide(plan, kernels, team))
        .skip(plan.prepare.len())
        .map(|((cost, code), share)| {
            let most = code
                .filter(|_| share.grain > 0)
                .map_or(1, |code| code.units.div_ceil(share.grain));
            (cost as f64, most)
        })
        .collect();
    let time = |threads: usize| -> f64 {
        let step = |&(time, most): &(f64, usize)| match most.min(threads) {
            1 => time,
            parts => time / parts as f64 + BARRIER,
        };
        WAKE * threads as f64 + steps.iter().map(step).sum::<f64>()
    };
    if time(1) < WORTH_WAKING as f64 {
        return 1;
    }
    (1..MOST_THREADS)
        .find(|&threads| time(threads + 1) > 0.97 * time(threads))
        .unwrap_or(MOST_THREADS)
}

/// `run(begin, end)`: what every thread does for those steps. It returns when all threads have arrived at its end.
pub(super) fn emit_run(
    cx: &mut Context,
    team: Team,
    table: TableId,
    ty: TypeId,
    steps_at: usize,
) -> FunctionId {
    let barrier = emit_barrier(cx, team);
    let divided = emit_divided(cx, team, table, ty);
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let (cursor, end) = (asm.param(0), asm.param(1));
    start_list(&mut asm, [cursor, end], steps_at, ENTRY);
    for_each_listed(&mut asm, cursor, end, ENTRY, |asm, record| {
        asm.get(cursor);
        asm.load_i32(4);
        asm.branch(
            |asm| {
                asm.get(record);
                for word in [4, 8] {
                    asm.get(cursor);
                    asm.load_i32(word);
                }
                asm.call(divided);
                asm.call(barrier);
            },
            |asm| {
                asm.get_global(team.thread);
                asm.unary(UnaryOp::I32Eqz);
                asm.branch(|asm| call_record(asm, record, table, ty), |_| {});
                asm.get(cursor);
                asm.load_i32(8);
                asm.branch(|asm| asm.call(barrier), |_| {});
            },
        );
    });
    // Who is late must not find the words of the next command.
    asm.call(barrier);
    asm.finish()
}

/// `(record, grain, claims)`: claims units of a step and computes them, until none are left.
fn emit_divided(cx: &mut Context, team: Team, table: TableId, ty: TypeId) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let [record, grain, claims] = [0, 1, 2].map(|i| asm.param(i));
    let [units, size, unit, next] = [(); 4].map(|()| asm.i32());
    asm.get(record);
    asm.load_i32(4);
    asm.set(units);
    asm.get_global(team.threads);
    asm.get(claims);
    asm.binary(BinaryOp::I32Mul);
    asm.set(size);
    push_divided_up(&mut asm, units, size);
    asm.set(size);
    push_divided_up(&mut asm, size, grain);
    asm.get(grain);
    asm.binary(BinaryOp::I32Mul);
    asm.set(size);
    asm.repeat(|asm, top| {
        asm.int(NEXT_UNIT_AT as i32);
        asm.get(size);
        asm.atomic_add(0);
        asm.set(unit);
        let remain = |asm: &mut Asm<'_>| {
            asm.get(unit);
            asm.get(units);
            asm.binary(BinaryOp::I32LtU);
        };
        remain(asm);
        let compute = |asm: &mut Asm<'_>| {
            asm.get(unit);
            asm.get(size);
            asm.binary(BinaryOp::I32Add);
            asm.set(next);
            asm.get(record);
            asm.get(unit);
            asm.get(next);
            asm.get(units);
            asm.get(next);
            asm.get(units);
            asm.binary(BinaryOp::I32LtU);
            asm.push(walrus::ir::Select { ty: None });
            asm.get(record);
            asm.load_i32(0);
            asm.push(walrus::ir::CallIndirect { ty, table });
        };
        asm.branch(compute, |_| {});
        remain(asm);
        asm.br_if(top);
    });
    asm.finish()
}

/// Pushes `a / b`, rounded up.
fn push_divided_up(asm: &mut Asm<'_>, a: LocalId, b: LocalId) {
    asm.get(a);
    asm.get(b);
    asm.binary(BinaryOp::I32Add);
    asm.int(1);
    asm.binary(BinaryOp::I32Sub);
    asm.get(b);
    asm.binary(BinaryOp::I32DivU);
}

/// Waits until all threads have called it. The last of them starts the count of units anew.
fn emit_barrier(cx: &mut Context, team: Team) -> FunctionId {
    let wait = emit_wait(cx);
    let mut asm = Asm::new(cx, &[], &[]);
    let generation = asm.i32();
    asm.int(GENERATION_AT as i32);
    asm.atomic_load(0);
    asm.set(generation);
    asm.int(ARRIVED_AT as i32);
    asm.int(1);
    asm.atomic_add(0);
    asm.int(1);
    asm.binary(BinaryOp::I32Add);
    asm.get_global(team.threads);
    asm.binary(BinaryOp::I32Eq);
    let open = |asm: &mut Asm<'_>| {
        for word in [ARRIVED_AT, NEXT_UNIT_AT] {
            asm.int(word as i32);
            asm.int(0);
            asm.atomic_store(0);
        }
        asm.int(GENERATION_AT as i32);
        asm.int(1);
        asm.atomic_add(0);
        asm.push(walrus::ir::Drop {});
        asm.int(SLEEPERS_AT as i32);
        asm.atomic_load(0);
        let wake = |asm: &mut Asm<'_>| {
            asm.int(GENERATION_AT as i32);
            asm.int(-1);
            asm.notify(0);
            asm.push(walrus::ir::Drop {});
        };
        asm.branch(wake, |_| {});
    };
    asm.branch(open, |asm| {
        asm.get(generation);
        asm.call(wait);
    });
    asm.finish()
}

/// `(generation)`: spins and then sleeps while the barrier is in this generation.
fn emit_wait(cx: &mut Context) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32], &[]);
    let generation = asm.param(0);
    let spins = asm.i32();
    asm.block(|asm, out| {
        asm.set_int(spins, SPINS);
        asm.repeat(|asm, top| {
            asm.int(GENERATION_AT as i32);
            asm.int(0);
            asm.atomic_add(0);
            asm.get(generation);
            asm.binary(BinaryOp::I32Ne);
            asm.br_if(out);
            asm.count_down(spins, top);
        });
        let sleepers = |asm: &mut Asm<'_>, more: i32| {
            asm.int(SLEEPERS_AT as i32);
            asm.int(more);
            asm.atomic_add(0);
            asm.push(walrus::ir::Drop {});
        };
        sleepers(asm, 1);
        asm.repeat(|asm, top| {
            asm.int(GENERATION_AT as i32);
            asm.get(generation);
            asm.wait(0);
            asm.push(walrus::ir::Drop {});
            asm.int(GENERATION_AT as i32);
            asm.atomic_load(0);
            asm.get(generation);
            asm.binary(BinaryOp::I32Eq);
            asm.br_if(top);
        });
        sleepers(asm, -1);
    });
    asm.finish()
}
