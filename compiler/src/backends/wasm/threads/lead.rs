//! What the leader does: the list of steps, and jobs for those that are divided.

use super::super::asm::{Asm, Context};
use super::super::listed::{call_record, for_each_listed, start_list};
use super::{
    ASLEEP_AT, CALLS_AT, ENTRY, GATE_AT, HELPERS, JOB, JOB_AT, LEADER_SLEEPS, NEXT_UNIT_AT, OPEN, Team,
    change, drop_top, look, wake_one,
};
use walrus::ir::{AtomicOp, BinaryOp};
use walrus::{FunctionId, LocalId, TableId, TypeId, ValType};

/// `run(begin, end)`: executes those steps. When it returns they are done, and nobody is at work.
pub(in super::super) fn emit_run(
    cx: &mut Context,
    team: Team,
    claims: FunctionId,
    table: TableId,
    ty: TypeId,
    steps_at: usize,
) -> FunctionId {
    let divided = emit_divided(cx, team, claims);
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
            },
            |asm| call_record(asm, record, table, ty),
        );
    });
    asm.finish()
}

/// `(record, grain, claims)`: a step as a job. It works itself, and waits for those who have joined.
fn emit_divided(cx: &mut Context, team: Team, claim: FunctionId) -> FunctionId {
    let dismiss = emit_dismiss(cx, team);
    let mut asm = Asm::new(cx, &[ValType::I32; 3], &[]);
    let [record, grain, claims] = [0, 1, 2].map(|i| asm.param(i));
    let size = asm.i32();
    asm.get(record);
    asm.load_i32(4);
    asm.set(size);
    asm.get_global(team.threads);
    asm.get(claims);
    asm.binary(BinaryOp::I32Mul);
    asm.set(claims);
    for by in [claims, grain] {
        push_divided_up(&mut asm, size, by);
        asm.set(size);
    }
    asm.get(size);
    asm.get(grain);
    asm.binary(BinaryOp::I32Mul);
    asm.set(size);
    for (i, word) in [record, size].into_iter().enumerate() {
        asm.int(JOB_AT as i32);
        asm.get(word);
        asm.store_i32(4 * i);
    }
    asm.int(NEXT_UNIT_AT as i32);
    asm.int(0);
    asm.atomic_store();
    change(&mut asm, GATE_AT, AtomicOp::Add, JOB + OPEN);
    drop_top(&mut asm);
    call_sleepers(&mut asm);
    asm.get(record);
    asm.get(size);
    asm.call(claim);
    change(&mut asm, GATE_AT, AtomicOp::Sub, OPEN);
    asm.int(HELPERS);
    asm.binary(BinaryOp::I32And);
    asm.branch(|asm| asm.call(dismiss), |_| {});
    asm.finish()
}

/// Calls those who have gone to sleep since the last call. One is woken, who wakes the next: woken at once, several may
/// be put on one core.
fn call_sleepers(asm: &mut Asm<'_>) {
    asm.int(ASLEEP_AT as i32);
    asm.atomic_load();
    let call = |asm: &mut Asm<'_>| {
        change(asm, ASLEEP_AT, AtomicOp::Xchg, 0);
        drop_top(asm);
        change(asm, CALLS_AT, AtomicOp::Add, 1);
        drop_top(asm);
        wake_one(asm, CALLS_AT);
    };
    asm.branch(call, |_| {});
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

/// `()`: waits until all helpers have left the job, which is closed: it spins first, because most finish at about the
/// same time, and then leaves its core to them.
fn emit_dismiss(cx: &mut Context, team: Team) -> FunctionId {
    let mut asm = Asm::new(cx, &[], &[]);
    let [looks, gate] = [(); 2].map(|()| asm.i32());
    asm.block(|asm, out| {
        asm.block(|asm, seen| {
            asm.get_global(team.looks);
            asm.set(looks);
            asm.repeat(|asm, top| {
                look(asm, GATE_AT);
                push_empty(asm);
                asm.br_if(seen);
                asm.count_down(looks, top);
            });
            team.look_shorter(asm);
            sleep_until_left(asm, gate);
            asm.int(1);
            asm.br_if(out);
        });
        team.look_longer(asm);
    });
    asm.finish()
}

/// Sleeps until no helper is left.
fn sleep_until_left(asm: &mut Asm<'_>, gate: LocalId) {
    asm.block(|asm, left| {
        asm.repeat(|asm, top| {
            change(asm, GATE_AT, AtomicOp::Or, LEADER_SLEEPS);
            asm.tee(gate);
            push_empty(asm);
            asm.br_if(left);
            asm.int(GATE_AT as i32);
            asm.get(gate);
            asm.int(LEADER_SLEEPS);
            asm.binary(BinaryOp::I32Or);
            asm.wait();
            drop_top(asm);
            asm.int(1);
            asm.br_if(top);
        });
    });
    change(asm, GATE_AT, AtomicOp::And, !LEADER_SLEEPS);
    drop_top(asm);
}

/// Replaces the gate on the stack by whether nobody helps.
fn push_empty(asm: &mut Asm<'_>) {
    asm.int(HELPERS);
    asm.binary(BinaryOp::I32And);
    asm.unary(walrus::ir::UnaryOp::I32Eqz);
}
