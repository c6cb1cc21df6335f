//! Sampled results of single kernels.

use super::chained::{Chained, Linked};
use super::memory::{Constants, Filled};
use super::pattern::{Content, Fill, Random};
use super::{KernelCheck, SEEDS, Sample, Samples, Subject};
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Role};
use crate::plan::{Plan, Run, Space};
use crate::tensor::DType;
use std::ops::Range;

/// Most and fewest sampled results of a kernel and a seed, and how many there are for all kernels together: many kernels
/// have fewer each, so that the file of any model stays small.
const MOST: usize = 24;
const FEWEST: usize = 6;
const ALL: usize = 600;

/// Integers that are no indices are below it.
const SMALL: u32 = 16;

/// Floats, in the order in which they are tried: what has poles or grows fast has no finite results of wide ones.
const FLOATS: [Content; 3] = [Content::Wide, Content::Unit, Content::Positive];

/// Checks of the runs that were chosen, in the same order.
pub(super) fn checks<'p>(
    plan: &'p Plan,
    constants: &Constants<'p>,
    subjects: &[Subject],
) -> Result<Vec<KernelCheck>> {
    let count = (ALL / subjects.len().max(1)).clamp(FEWEST, MOST);
    let check = |subject: &Subject| {
        let runs =
            runs(plan, subject).ok_or_else(|| Error::internal("a check of a run that is not there"))?;
        check(plan, constants, subject, &runs, count).map_err(|error| error.in_node(&runs[0].run.name))
    };
    subjects.iter().map(check).collect()
}

/// The run of a subject, behind those that are done with it and those of others between them.
fn runs<'p>(plan: &'p Plan, subject: &Subject) -> Option<Vec<Linked<'p>>> {
    let first = subject.with.first().copied().unwrap_or(subject.step);
    let mut runs = Vec::new();
    for (number, step) in plan.steps.iter().enumerate().take(subject.step).skip(first) {
        let is_own = subject.with.contains(&number);
        runs.extend(step.runs().iter().map(|run| Linked { run, is_own }));
    }
    let run = plan.steps.get(subject.step)?.runs().get(subject.run)?;
    runs.push(Linked { run, is_own: true });
    Some(runs)
}

fn check<'p>(
    plan: &'p Plan,
    constants: &Constants<'p>,
    subject: &Subject,
    runs: &[Linked<'p>],
    count: usize,
) -> Result<KernelCheck> {
    let run = runs[runs.len() - 1].run;
    let kernel = plan.kernel(run);
    let mut best: Option<KernelCheck> = None;
    for floats in FLOATS {
        let fills = fills(plan, runs, floats);
        let mut patterns = Vec::new();
        for seed in SEEDS {
            let memory = Filled::new(constants, &fills, seed);
            let sites = sites(&kernel.extents(), count, seed);
            let chain = Chained::new(plan, constants, &memory, runs)?;
            let samples = sites.iter().map(|&site| chain.sample(site));
            let start = constants.arena(arena(kernel, run)?);
            let samples = samples.filter_map(|found| Sample::new(&found, start)).collect();
            memory.finish()?;
            patterns.push(Samples { seed, samples });
        }
        let check = KernelCheck {
            step: subject.step,
            dispatches: [subject.dispatches.start, subject.dispatches.end],
            name: run.name.clone(),
            buffer: arena(kernel, run)?,
            fills,
            patterns,
        };
        let wanted = SEEDS.len() * count.min(kernel.extents().iter().product());
        if 2 * check.samples() >= wanted {
            return Ok(check);
        }
        if best.as_ref().is_none_or(|best| best.samples() < check.samples()) {
            best = Some(check);
        }
    }
    best.ok_or_else(|| Error::internal("no contents were tried"))
}

/// The arena that a run writes its result to.
fn arena(kernel: &Kernel, run: &Run) -> Result<usize> {
    let operands = kernel.operands();
    let mut all = operands.iter().zip(&run.arguments);
    let out = all.find(|(operand, _)| operand.role == Role::Out);
    match out.map(|(_, argument)| argument.space) {
        Some(Space::Arena(arena)) => Ok(arena.0),
        _ => Err(Error::internal("a kernel without a result in an arena")),
    }
}

/// What every operand is filled with that lies in an arena and is read, if none of the runs before writes it. Indices come last:
/// where the bounds of two operands overlap, they must be in range.
fn fills(plan: &Plan, runs: &[Linked<'_>], floats: Content) -> Vec<Fill> {
    let mut fills = Vec::new();
    // Bytes of arenas.
    let mut written: Vec<(usize, Range<usize>)> = Vec::new();
    for &Linked { run, is_own } in runs {
        let kernel = plan.kernel(run);
        if !is_own {
            // What lies there from then on is not what was written before.
            let over = bytes_written(kernel, run);
            written.retain(|(arena, bytes)| {
                !over
                    .iter()
                    .any(|(other, over)| arena == other && bytes.start < over.end && over.start < bytes.end)
            });
            continue;
        }
        for fill in fills_of(kernel, run, floats) {
            let holds = |(arena, bytes): &(usize, Range<usize>)| {
                *arena == fill.buffer && bytes.start <= fill.offset && fill.offset + fill.length <= bytes.end
            };
            if !written.iter().any(holds) && !fills.contains(&fill) {
                fills.push(fill);
            }
        }
        let out = kernel
            .operands()
            .iter()
            .position(|operand| operand.role == Role::Out);
        if let Some((Space::Arena(arena), start)) =
            out.map(|out| (run.arguments[out].space, run.arguments[out].offset))
        {
            let results: usize = kernel.extents().iter().product();
            written.push((arena.0, start..start + 4 * results));
        }
    }
    fills.sort_by_key(|fill| matches!(fill.content, Content::Whole(_) | Content::Integers(_)));
    fills
}

/// The bytes of arenas between which a run writes.
fn bytes_written(kernel: &Kernel, run: &Run) -> Vec<(usize, Range<usize>)> {
    let operands = kernel.operands();
    let written = operands.iter().zip(&run.arguments);
    let written = written.filter(|(operand, _)| operand.role.is_written());
    written
        .filter_map(|(operand, argument)| {
            let (Space::Arena(arena), Some((low, high))) = (argument.space, operand.bounds()) else {
                return None;
            };
            let at = |elements: isize| argument.offset.strict_add_signed(4 * elements);
            Some((arena.0, at(low)..at(high)))
        })
        .collect()
}

fn fills_of(kernel: &Kernel, run: &Run, floats: Content) -> Vec<Fill> {
    let mut fills = Vec::new();
    for (operand, argument) in kernel.operands().iter().zip(&run.arguments) {
        let (Space::Arena(arena), Some((low, high))) = (argument.space, operand.bounds()) else {
            continue;
        };
        if operand.role.is_written() {
            continue;
        }
        let below = operand
            .below
            .map(|below| u32::try_from(below).unwrap_or(u32::MAX));
        let fill = Fill {
            buffer: arena.0,
            offset: argument.offset.strict_add_signed(4 * low),
            length: 4 * (high - low) as usize,
            content: match (operand.dtype, below) {
                (DType::F32, None) => floats,
                (DType::F32, Some(below)) => Content::Whole(below),
                (DType::I32, below) => Content::Integers(below.unwrap_or(SMALL)),
            },
        };
        fills.push(fill);
    }
    fills
}

/// Which of the results below some extents are sampled, each once: the last, the first, then such that each axis is at its
/// beginning or at its end, where vectors and tiles are not whole, or anywhere.
pub(super) fn sites(extents: &[usize], count: usize, seed: u32) -> Vec<usize> {
    let all: usize = extents.iter().product();
    if all <= count {
        return (0..all).collect();
    }
    let mut random = Random::new(seed.wrapping_add(0x5eed));
    let mut sites = vec![all - 1, 0];
    // Few places are found twice, but an axis of many may have few ends.
    for _ in 0..8 * count {
        let site = extents.iter().fold(0, |site, &extent| {
            let near = random.below(4).min(extent - 1);
            let place = match random.below(4) {
                0 => near,
                1 => extent - 1 - near,
                _ => random.below(extent),
            };
            site * extent + place
        });
        if sites.len() < count && !sites.contains(&site) {
            sites.push(site);
        }
    }
    sites
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_reach_the_ends_of_every_axis() {
        let extents = [3, 56, 57, 65];
        let sites = sites(&extents, MOST, 1);
        assert_eq!(sites.len(), MOST);
        assert!(sites.contains(&0) && sites.contains(&(3 * 56 * 57 * 65 - 1)));
        let channels: Vec<usize> = sites.iter().map(|site| site % 65).collect();
        assert!(channels.iter().filter(|&&c| c >= 61).count() >= 4, "{channels:?}");
        let rows: Vec<usize> = sites.iter().map(|site| site / (57 * 65) % 56).collect();
        assert!(rows.iter().filter(|&&row| row >= 52).count() >= 4, "{rows:?}");
    }

    #[test]
    fn few_results_are_all_sampled() {
        assert_eq!(sites(&[2, 3], MOST, 1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(sites(&[], MOST, 1), [0]);
        assert!(sites(&[0, 4], MOST, 1).is_empty());
        let mut line = sites(&[25], MOST, 1);
        line.sort_unstable();
        line.dedup();
        assert!(line.len() > 12 && line.len() <= MOST);
    }
}
