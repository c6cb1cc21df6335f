//! The order of weights: first those that are read by preparations only, as they come.
//!
//! What is prepared may then grow over them. A preparation reads its own original and nothing behind it has been
//! written yet, so that an original is needed no longer than what lies before it.

use super::lower::Program;
use super::step::{Argument, BufferId, Run, Space, Step};
use std::collections::{BTreeMap, BTreeSet};

/// Puts originals first, and gives their bytes.
pub(super) fn originals_first(program: &mut Program) -> usize {
    let starts: BTreeSet<usize> = program.weights.parts().map(|(start, _)| start).collect();
    let originals = originals(program, &starts);
    let own: BTreeSet<usize> = originals.iter().copied().collect();
    let others = starts.iter().copied().filter(|start| !own.contains(start));
    let order: Vec<usize> = originals.iter().copied().chain(others).collect();
    let places = program.weights.reorder(&order);
    let moved = |argument: Argument<BufferId>| match argument.space {
        Space::Weights => Argument {
            offset: moved(&places, argument.offset),
            ..argument
        },
        Space::Prepared | Space::Arena(_) => argument,
    };
    let prepare = std::mem::take(&mut program.prepare).into_iter();
    program.prepare = prepare.map(|run| run.map(moved)).collect();
    let steps = std::mem::take(&mut program.steps).into_iter();
    program.steps = steps.map(|step| step.map(moved)).collect();
    let kept = order.get(originals.len()).and_then(|start| places.get(start));
    match (originals.is_empty(), kept) {
        (true, _) => 0,
        (false, Some(&kept)) => kept,
        (false, None) => program.weights.bytes(),
    }
}

/// Where a constant starts that an offset leads into.
fn part(starts: &BTreeSet<usize>, offset: usize) -> usize {
    starts.range(..=offset).next_back().copied().unwrap_or(0)
}

fn moved(places: &BTreeMap<usize, usize>, offset: usize) -> usize {
    let before = places.range(..=offset).next_back();
    before.map_or(offset, |(from, to)| to + (offset - from))
}

/// The starts of what one preparation reads and nothing else does, in the order of preparations.
fn originals(program: &Program, starts: &BTreeSet<usize>) -> Vec<usize> {
    let read = |run: &Run<BufferId>| -> Vec<usize> {
        let weights = run
            .arguments
            .iter()
            .filter(|argument| argument.space == Space::Weights);
        weights.map(|argument| part(starts, argument.offset)).collect()
    };
    let elsewhere: BTreeSet<usize> = program.steps.iter().flat_map(Step::runs).flat_map(read).collect();
    let mut readers: BTreeMap<usize, usize> = BTreeMap::new();
    let prepared: Vec<usize> = program.prepare.iter().flat_map(read).collect();
    for &start in &prepared {
        *readers.entry(start).or_default() += 1;
    }
    let only = |start: &usize| readers[start] == 1 && !elsewhere.contains(start);
    prepared.into_iter().filter(only).collect()
}
