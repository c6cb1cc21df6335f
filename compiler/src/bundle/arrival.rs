//! In which order files of weights are needed, and what can be done when only the first of them are there.
//!
//! Memory holds what is prepared first, files come as steps need them: a page asks for them in that order, and may compute with those
//! that have arrived.

use crate::backends::SHARD_BYTES;
use crate::plan::{Plan, Run, Space, Step};

/// The files of weights that steps need, by their numbers in memory.
struct Needs<'p> {
    plan: &'p Plan,
    /// How many files there are.
    count: usize,
}

/// How many files weights of so many bytes fill.
fn files(plan: &Plan) -> usize {
    plan.weights.bytes().div_ceil(SHARD_BYTES as usize)
}

impl<'p> Needs<'p> {
    fn of(plan: &'p Plan) -> Self {
        Self {
            plan,
            count: files(plan),
        }
    }

    /// The files that a run reads from.
    fn files(&self, run: &'p Run) -> impl Iterator<Item = usize> {
        let read = run.arguments.iter().filter(|a| a.space == Space::Weights);
        read.flat_map(|argument| match self.plan.weights.part_at(argument.offset) {
            Some((start, data)) => {
                let last = start + 4 * data.len() - 1;
                start / SHARD_BYTES as usize..last / SHARD_BYTES as usize + 1
            }
            // It points at no constant: who knows what it reads.
            None => 0..self.count,
        })
    }

    /// How many of the preparations must be done before a run.
    fn prepared(&self, run: &Run) -> usize {
        let read = run.arguments.iter().filter(|a| a.space == Space::Prepared);
        let makers = read.filter_map(|argument| {
            let before = |own: &Run| {
                let mut made = own.arguments.iter().filter(|a| a.space == Space::Prepared);
                made.any(|a| a.offset <= argument.offset)
            };
            self.plan.prepare.iter().rposition(before)
        });
        makers.max().map_or(0, |maker| maker + 1)
    }

    /// How many preparations must be done before a step.
    fn before(&self, step: &Step) -> usize {
        step.runs()
            .iter()
            .map(|run| self.prepared(run))
            .max()
            .unwrap_or(0)
    }
}

/// The numbers of all files in the order in which the steps of the first plan need them, behind them what only the others need.
pub(super) fn order<'p>(plans: impl Iterator<Item = &'p Plan>) -> Vec<usize> {
    let mut order = Vec::new();
    let mut known = Vec::new();
    for plan in plans {
        let needs = Needs::of(plan);
        known.resize(needs.count, false);
        let mut take = |run: &'p Run| {
            for file in needs.files(run) {
                if !std::mem::replace(&mut known[file], true) {
                    order.push(file);
                }
            }
        };
        let mut done = 0;
        for step in &plan.steps {
            let before = needs.before(step).max(done);
            plan.prepare[done..before].iter().for_each(&mut take);
            done = before;
            step.runs().iter().for_each(&mut take);
        }
        plan.prepare[done..].iter().for_each(&mut take);
    }
    order.extend((0..known.len()).filter(|&file| !known[file]));
    order
}

/// For each file in this order, how many of the preparations and how many of the steps can be done when it and those before it are
/// there.
pub(super) fn ready(plan: &Plan, order: &[usize]) -> Vec<[usize; 2]> {
    let needs = Needs::of(plan);
    let mut places = vec![0; needs.count];
    for (place, &file) in order.iter().enumerate() {
        places[file] = place;
    }
    let latest = |run: &Run| needs.files(run).map(|file| places[file]).max().unwrap_or(0);
    // Each must wait for those before it.
    let in_turn = |waits: Vec<usize>| {
        let mut last = 0;
        let turns = waits.into_iter().map(|wait| {
            last = wait.max(last);
            last
        });
        turns.collect::<Vec<_>>()
    };
    let prepared = in_turn(plan.prepare.iter().map(&latest).collect());
    let wait = |step: &Step| {
        let own = step.runs().iter().map(&latest).max().unwrap_or(0);
        let maker = needs.before(step).checked_sub(1);
        maker.map_or(own, |maker| own.max(prepared[maker]))
    };
    let steps = in_turn(plan.steps.iter().map(wait).collect());
    let until = |waits: &[usize], place: usize| waits.partition_point(|&wait| wait <= place);
    (0..order.len())
        .map(|place| [until(&prepared, place), until(&steps, place)])
        .collect()
}
