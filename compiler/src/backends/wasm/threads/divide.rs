//! Which steps are divided, and how many threads are useful.

use super::super::{KernelCode, cost};
use super::Team;
use crate::plan::{Plan, Run, Step};

/// Whole models that take fewer nanoseconds stay on one thread. After a pause, threads that sleep are late by some tenth of
/// a millisecond, and so is their answer.
const WORTH_WAKING: f64 = 1_500_000.0;

/// Nanoseconds of asking threads for a prediction and of their answer.
const ASK: f64 = 100_000.0;

/// Nanoseconds for each thread that is woken: one after the other.
const WAKE: f64 = 3_000.0;

/// Nanoseconds of a job, with what the leader waits at its end for the last.
const JOB: f64 = 1_500.0;

/// Most threads that are ever useful.
const MOST_THREADS: usize = 16;

/// How a step is divided: see the entries of the list of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Share {
    /// Units of a claim are a multiple of this; zero for a step of the leader alone.
    pub grain: usize,
    /// Claims of each thread.
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
pub(in super::super) fn divide(plan: &Plan, kernels: &[KernelCode], team: Team) -> Vec<Share> {
    let alone = Share { grain: 0, claims: 0 };
    let share = |cost: u64, code: &KernelCode| {
        let worth = cost >= team.worth && code.units > code.grain;
        worth.then_some(Share {
            grain: code.grain,
            claims: code.claims,
        })
    };
    steps(plan, kernels)
        .map(|(cost, code)| code.and_then(|code| share(cost, code)).unwrap_or(alone))
        .collect()
}

/// The number of threads beyond which a prediction gains little, be it one of many in a row or one after a pause.
pub(in super::super) fn useful(plan: &Plan, kernels: &[KernelCode], team: Team) -> usize {
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
            parts => time / parts as f64 + JOB,
        };
        let ask = if threads > 1 { ASK } else { 0.0 };
        ask + WAKE * threads as f64 + steps.iter().map(step).sum::<f64>()
    };
    if time(1) < WORTH_WAKING {
        return 1;
    }
    (1..MOST_THREADS)
        .find(|&threads| time(threads + 1) > 0.97 * time(threads))
        .unwrap_or(MOST_THREADS)
}
