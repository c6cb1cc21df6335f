//! What lets threads work on one prediction: every thread has an instance of the module on one shared memory.
//!
//! One of them leads. It executes the list of steps by `run(begin, end)` and waits for nobody who is not at work. The
//! list has an entry `[record, grain, claims]` for each step. With a grain, the step is divided: the leader opens it as a
//! job, and claims units of it from a shared counter, a multiple of the grain at a time and about `claims` times each if
//! all threads come. Without one, the leader runs it alone.
//!
//! All others execute `help()`: they join the job that is open, at whatever moment they see it, claim units until none
//! are left, and look for the next. After a while without a new job they sleep until the leader calls them. So a thread
//! that the system wakes late, or on a core that another thread has, costs nothing but its help: waiting for it would cost
//! a tick of the scheduler.
//!
//! The gate is one word: how many help, whether the job is open, whether the leader sleeps until all have left, and the
//! number of the job. Nobody can join a job that is closed, because joining compares the whole word; and the leader
//! changes nothing of a job before all have left it.
//!
//! Who waits reads by adding zero: V8 takes a plain atomic load out of the loop.

mod divide;
mod help;
mod lead;

use super::asm::{Asm, Context};
use super::team::Team;
use walrus::ir::{AtomicOp, BinaryOp};
use walrus::{ConstExpr, FunctionId, TableId, TypeId, ValType};

pub(super) use divide::{Share, divide, useful};
pub(super) use help::emit_help;
pub(super) use lead::emit_run;

/// The next unit of the job. Each word that threads contend for has a cache line of its own.
const NEXT_UNIT_AT: usize = 64;
/// The state of the job: see [`HELPER`] and the others.
const GATE_AT: usize = 128;
/// The job: the address of its record, and the units of a claim.
const JOB_AT: usize = 192;
/// How often helpers were called; they sleep on this word. Behind it: how many have gone to sleep since the last call,
/// and whether they are to end, which the host writes.
const CALLS_AT: usize = 256;
const ASLEEP_AT: usize = CALLS_AT + 4;
const ENDED_AT: usize = CALLS_AT + 8;
/// The words by which the host wakes the leader: a counter, begin, end, the last command. No module touches them.
pub(super) const COMMAND_AT: usize = 320;
/// The first byte behind all of these words.
pub(super) const END_AT: usize = 384;

/// The host finds the helpers' words before its own.
const _: () = assert!(COMMAND_AT == CALLS_AT + 64);

/// In the gate: one who helps. Their number takes the bits below [`OPEN`].
const HELPER: i32 = 1;
/// The bits of how many help.
const HELPERS: i32 = OPEN - 1;
/// In the gate: the job can be joined.
const OPEN: i32 = 1 << 12;
/// In the gate: the leader sleeps until the last helper has left.
const LEADER_SLEEPS: i32 = 1 << 13;
/// In the gate: a job. Their number takes the bits from here on.
const JOB: i32 = 1 << 14;

/// Looks at the gate before a thread goes to sleep: how many to begin with, and the bounds between which they adapt.
const LOOKS: i32 = 5_000;
const LEAST_LOOKS: i32 = 250;
const MOST_LOOKS: i32 = 32_000;

/// Bytes of an entry in the list of steps.
pub(super) const ENTRY: usize = 12;

impl Team {
    /// Adds the globals, and the exported `start(threads, scratch)` that sets them.
    pub fn new(cx: &mut Context, worth: u64) -> Self {
        let [threads, scratch, looks] = [1, 0, LOOKS].map(|value| {
            let initial = ConstExpr::Value(walrus::ir::Value::I32(value));
            cx.module.globals.add_local(ValType::I32, true, false, initial)
        });
        let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
        for (i, global) in [threads, scratch].into_iter().enumerate() {
            let value = asm.param(i);
            asm.get(value);
            asm.set_global(global);
        }
        let start = asm.finish();
        cx.module.exports.add("start", start);
        Self {
            threads,
            scratch,
            looks,
            worth,
        }
    }

    /// Looks were worth it.
    fn look_longer(self, asm: &mut Asm<'_>) {
        asm.get_global(self.looks);
        asm.int(1);
        asm.binary(BinaryOp::I32Shl);
        asm.set_global(self.looks);
        self.bound_looks(asm, MOST_LOOKS, BinaryOp::I32GtU);
    }

    /// They were not.
    fn look_shorter(self, asm: &mut Asm<'_>) {
        asm.get_global(self.looks);
        asm.int(2);
        asm.binary(BinaryOp::I32ShrU);
        asm.set_global(self.looks);
        self.bound_looks(asm, LEAST_LOOKS, BinaryOp::I32LtU);
    }

    fn bound_looks(self, asm: &mut Asm<'_>, bound: i32, beyond: BinaryOp) {
        asm.get_global(self.looks);
        asm.int(bound);
        asm.binary(beyond);
        let cut = |asm: &mut Asm<'_>| {
            asm.int(bound);
            asm.set_global(self.looks);
        };
        asm.branch(cut, |_| {});
    }
}

/// Applies `op` to the word at a fixed address; leaves on the stack what was there before.
fn change(asm: &mut Asm<'_>, at: usize, op: AtomicOp, value: i32) {
    asm.int(at as i32);
    asm.int(value);
    asm.atomic(op);
}

/// Puts the word at a fixed address on the stack.
fn look(asm: &mut Asm<'_>, at: usize) {
    change(asm, at, AtomicOp::Add, 0);
}

/// Drops what is on top of the stack.
fn drop_top(asm: &mut Asm<'_>) {
    asm.push(walrus::ir::Drop {});
}

/// Wakes one thread that sleeps on the word at this address.
fn wake_one(asm: &mut Asm<'_>, at: usize) {
    asm.int(at as i32);
    asm.int(1);
    asm.notify();
    drop_top(asm);
}

/// `(record, size)`: claims so many units of a step at a time and computes them, until none are left.
pub(super) fn emit_claims(cx: &mut Context, table: TableId, ty: TypeId) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let [record, size] = [0, 1].map(|i| asm.param(i));
    let [units, unit, next] = [(); 3].map(|()| asm.i32());
    asm.get(record);
    asm.load_i32(4);
    asm.set(units);
    asm.repeat(|asm, top| {
        asm.int(NEXT_UNIT_AT as i32);
        asm.get(size);
        asm.atomic(AtomicOp::Add);
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
