//! Steps that a target does at once.
//!
//! They are done with the last of them, so that what the others read must still be there.

use super::lower::Program;
use super::packing::Lifetime;
use super::step::{BufferId, Run, Space, Step, Steps};
use super::target::Target;
use std::collections::HashSet;

/// The groups that a target has, of which none loses what it reads before its last step.
pub(super) fn found(program: &Program, target: &dyn Target) -> Vec<Vec<usize>> {
    let outputs = program.outputs.iter().map(|(_, place)| place.buffer).collect();
    let mut groups = target.joint(Steps::new(&program.steps, &program.kernels, &outputs));
    groups.retain(|group| keeps(program, group));
    groups
}

/// Whether nothing between the steps of a group writes to what those before have read.
fn keeps(program: &Program, group: &[usize]) -> bool {
    let &[first, .., last] = group else {
        return false;
    };
    let mut reading = HashSet::new();
    (first..last).all(|number| {
        let runs = program.steps[number].runs();
        if group.contains(&number) {
            reading.extend(runs.iter().flat_map(|run| read(program, run)));
            return true;
        }
        let mut writes = runs.iter().flat_map(|run| written(program, run));
        writes.all(|buffer| !reading.contains(&buffer))
    })
}

/// Lets what the steps of a group read be alive until the last of them.
pub(super) fn hold(program: &Program, group: &[usize], lifetimes: &mut [Lifetime]) {
    let Some(&last) = group.last() else { return };
    for buffer in touched(program, group).1 {
        if let Some((_, end)) = &mut lifetimes[buffer.0] {
            *end = last.max(*end);
        }
    }
}

/// What the last step of a group writes, and what the group reads and none of it writes.
pub(super) fn touched(program: &Program, group: &[usize]) -> (Vec<BufferId>, Vec<BufferId>) {
    let runs = |steps: &[usize]| {
        let steps = steps.iter().map(|&step| &program.steps[step]);
        steps.flat_map(Step::runs).collect::<Vec<_>>()
    };
    let all = runs(group);
    let own: HashSet<_> = all.iter().flat_map(|run| written(program, run)).collect();
    let mut reading: Vec<_> = all.iter().flat_map(|run| read(program, run)).collect();
    reading.retain(|buffer| !own.contains(buffer));
    let last = runs(&group[group.len().saturating_sub(1)..]);
    let results = last.iter().flat_map(|run| written(program, run));
    (results.collect(), reading)
}

/// The buffers that a run writes.
pub(super) fn written(program: &Program, run: &Run<BufferId>) -> Vec<BufferId> {
    buffers(program, run, true)
}

/// The buffers that a run reads.
pub(super) fn read(program: &Program, run: &Run<BufferId>) -> Vec<BufferId> {
    buffers(program, run, false)
}

fn buffers(program: &Program, run: &Run<BufferId>, is_written: bool) -> Vec<BufferId> {
    let operands = program.kernels[run.kernel.0].operands();
    let arguments = run.arguments.iter().zip(&operands);
    arguments
        .filter_map(|(argument, operand)| match argument.space {
            Space::Arena(buffer) if operand.role.is_written() == is_written => Some(buffer),
            _ => None,
        })
        .collect()
}
