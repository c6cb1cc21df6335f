//! What all threads but the leader do.

use super::super::asm::{Asm, Context};
use super::{
    ASLEEP_AT, CALLS_AT, ENDED_AT, GATE_AT, HELPER, HELPERS, JOB, JOB_AT, LEADER_SLEEPS, OPEN, Team, change,
    drop_top, look, wake_one,
};
use walrus::ir::{AtomicOp, BinaryOp};
use walrus::{FunctionId, LocalId, ValType};

/// `help()`: joins one job after the other, sleeps when there is none, and returns when the host ends it.
pub(in super::super) fn emit_help(cx: &mut Context, team: Team, claims: FunctionId) -> FunctionId {
    let join = emit_join(cx, claims);
    let mut asm = Asm::new(cx, &[], &[]);
    let [looks, last, calls, joined] = [(); 4].map(|()| asm.i32());
    asm.block(|asm, out| {
        asm.repeat(|asm, top| {
            // Before the last look at the gate: a call after it must not be slept through.
            look(asm, CALLS_AT);
            asm.set(calls);
            start_looking(asm, team, looks);
            asm.repeat(|asm, again| {
                try_to_join(asm, join, last, joined);
                let longer = |asm: &mut Asm<'_>| {
                    team.look_longer(asm);
                    start_looking(asm, team, looks);
                };
                asm.branch(longer, |_| {});
                asm.count_down(looks, again);
            });
            team.look_shorter(asm);
            look(asm, ENDED_AT);
            asm.br_if(out);
            change(asm, ASLEEP_AT, AtomicOp::Add, 1);
            drop_top(asm);
            // The leader calls those who were asleep when it opened the job: it may not have seen this one.
            try_to_join(asm, join, last, joined);
            asm.br_if(top);
            asm.int(CALLS_AT as i32);
            asm.get(calls);
            asm.wait();
            drop_top(asm);
            wake_one(asm, CALLS_AT);
            asm.int(1);
            asm.br_if(top);
        });
    });
    asm.finish()
}

fn start_looking(asm: &mut Asm<'_>, team: Team, looks: LocalId) {
    asm.get_global(team.looks);
    asm.set(looks);
}

/// Pushes whether there was a job to join; it is done then, and `last` is its number.
fn try_to_join(asm: &mut Asm<'_>, join: FunctionId, last: LocalId, joined: LocalId) {
    asm.get(last);
    asm.call(join);
    asm.tee(joined);
    asm.branch(
        |asm| {
            asm.get(joined);
            asm.set(last);
        },
        |_| {},
    );
    asm.get(joined);
}

/// `(last) -> job`: joins the job that is open, unless it is the last one, and works on it until nothing is left. Gives
/// the gate without its lower bits and with [`OPEN`], by which jobs are told from each other; zero if there was none.
fn emit_join(cx: &mut Context, claims: FunctionId) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32], &[ValType::I32]);
    let last = asm.param(0);
    let [gate, job, result] = [(); 3].map(|()| asm.i32());
    asm.block(|asm, out| {
        look(asm, GATE_AT);
        asm.tee(gate);
        asm.int(-JOB | OPEN);
        asm.binary(BinaryOp::I32And);
        asm.tee(job);
        asm.get(last);
        asm.binary(BinaryOp::I32Eq);
        asm.br_if(out);
        asm.get(gate);
        asm.int(OPEN);
        asm.binary(BinaryOp::I32And);
        asm.unary(walrus::ir::UnaryOp::I32Eqz);
        asm.br_if(out);
        asm.int(GATE_AT as i32);
        asm.get(gate);
        asm.get(gate);
        asm.int(HELPER);
        asm.binary(BinaryOp::I32Add);
        asm.compare_exchange();
        asm.get(gate);
        asm.binary(BinaryOp::I32Ne);
        asm.br_if(out);
        for word in [0, 4] {
            asm.int(JOB_AT as i32);
            asm.load_i32(word);
        }
        asm.call(claims);
        leave(asm);
        asm.get(job);
        asm.set(result);
    });
    asm.get(result);
    asm.finish()
}

/// Leaves the job; the last to do so wakes the leader if it sleeps.
fn leave(asm: &mut Asm<'_>) {
    change(asm, GATE_AT, AtomicOp::Sub, HELPER);
    asm.int(LEADER_SLEEPS | HELPERS);
    asm.binary(BinaryOp::I32And);
    asm.int(LEADER_SLEEPS | HELPER);
    asm.binary(BinaryOp::I32Eq);
    asm.branch(|asm| wake_one(asm, GATE_AT), |_| {});
}
