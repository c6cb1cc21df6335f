//! A program beside the interpreter of its plan, step by step: which kernel is wrong, and where.

use super::Loaded;
use crate::interpreter::Machine;
use keras_compile::plan::{Plan, Run};
use keras_compile::tensor::Tensor;

/// Runs every step on the device from what the interpreter had before it, so that errors do not add up, and compares
/// what both wrote. Gives the first step that differs or that writes what its kernels do not say, in words.
///
/// # Errors
/// What the device says, or that the program's steps are not those of the plan.
///
/// # Panics
/// When a tensor does not fit its binding.
pub fn first_wrong_step(
    plan: &Plan,
    loaded: &Loaded<'_>,
    inputs: &[Tensor],
) -> Result<Option<String>, String> {
    if loaded.steps() != plan.steps.len() {
        return Err(format!(
            "{} steps for {} of the plan",
            loaded.steps(),
            plan.steps.len()
        ));
    }
    let mut machine = Machine::new(plan);
    machine.set_inputs(inputs);
    // What is done with a later step is compared with that.
    let mut before = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        if step.count() == 1 && loaded.titles(at).is_empty() {
            before.push(at);
            continue;
        }
        if loaded.iterations(at) != step.count() {
            let found = loaded.iterations(at);
            return Err(format!(
                "step {at}: {found} iterations instead of {}",
                step.count()
            ));
        }
        for iteration in 0..step.count() {
            let wrong = wrong_iteration(plan, loaded, &mut machine, (&before, at), iteration)?;
            if let Some(what) = wrong {
                let (last, count) = (plan.steps.len() - 1, step.count());
                let modules = loaded.titles(at).join(", ");
                return Ok(Some(format!(
                    "step {at} of 0..={last}, iteration {iteration} of {count}, modules {modules}: {what}"
                )));
            }
        }
        before.clear();
    }
    if before.is_empty() {
        Ok(None)
    } else {
        Err(format!("steps {before:?} are not done"))
    }
}

fn wrong_iteration(
    plan: &Plan,
    loaded: &Loaded<'_>,
    machine: &mut Machine<'_>,
    (earlier, step): (&[usize], usize),
    iteration: usize,
) -> Result<Option<String>, String> {
    let arenas = 0..plan.arenas.len();
    for arena in arenas.clone() {
        loaded.write(arena, 0, machine.arena(arena));
    }
    loaded.run_iteration(step, iteration)?;
    let read = |arena| loaded.read(arena, 0, plan.arenas[arena] / 4);
    let found: Vec<Vec<u32>> = arenas.clone().map(read).collect::<Result<_, _>>()?;
    let before: Vec<Vec<u32>> = arenas
        .clone()
        .map(|arena| machine.arena(arena).to_vec())
        .collect();
    let step_runs = plan.steps[step].runs().len();
    let steps = earlier.iter().chain([&step]);
    let runs: Vec<&Run> = steps.flat_map(|&step| plan.steps[step].runs()).collect();
    let mut results = Vec::new();
    for run in &runs {
        machine.run_kernel(run, iteration);
        results.push(machine.written(run, iteration));
    }
    let mut known: Vec<Vec<bool>> = arenas
        .clone()
        .map(|arena| vec![false; plan.arenas[arena] / 4])
        .collect();
    // What is handed on may lie elsewhere.
    let last = runs.len() - step_runs;
    for (number, (run, written)) in runs.iter().zip(results).enumerate() {
        for &(arena, word) in written.results.iter().chain(&written.scratch) {
            known[arena][word] = true;
        }
        let what = difference(machine, &written.results, &found).filter(|_| number >= last);
        if let Some(what) = what {
            return Ok(Some(format!("{} {what}", describe(plan, run))));
        }
    }
    for arena in arenas {
        let words = found[arena].iter().zip(&before[arena]).enumerate();
        let mut changed = words.filter(|(_, (found, before))| found != before);
        if let Some((word, _)) = changed.find(|(word, _)| !known[arena][*word]) {
            let all: Vec<String> = runs.iter().map(|run| describe(plan, run)).collect();
            let all = all.join("; ");
            return Ok(Some(format!(
                "{all}: word {word} of arena {arena} is not theirs to write"
            )));
        }
    }
    Ok(None)
}

fn describe(plan: &Plan, run: &Run) -> String {
    format!("{:?} ({:?})", run.name, plan.kernel(run))
}

/// How words of the device differ from the interpreter's.
fn difference(machine: &Machine<'_>, places: &[(usize, usize)], found: &[Vec<u32>]) -> Option<String> {
    let expected: Vec<u32> = places
        .iter()
        .map(|&(arena, word)| machine.arena(arena)[word])
        .collect();
    let found: Vec<u32> = places.iter().map(|&(arena, word)| found[arena][word]).collect();
    let scale = expected.iter().map(|&bits| f32::from_bits(bits).abs());
    let scale = scale.filter(|value| value.is_finite()).fold(0.01, f32::max);
    let differs = |&i: &usize| !close(expected[i], found[i], scale);
    let wrong: Vec<usize> = (0..places.len()).filter(differs).collect();
    let &first = wrong.first()?;
    let [e, f] = [expected[first], found[first]].map(f32::from_bits);
    let (arena, word) = places[first];
    Some(format!(
        "differs in {} of {} elements, first in number {first}, word {word} of arena {arena}: {f} instead of {e}",
        wrong.len(),
        places.len()
    ))
}

/// Whether two words are the same, or floats that only the order of summation makes different.
fn close(expected: u32, found: u32, scale: f32) -> bool {
    let [e, f] = [expected, found].map(f32::from_bits);
    let same = expected == found || e.is_nan() && f.is_nan();
    same || (e - f).abs() <= 1e-5 * scale + 1e-4 * e.abs()
}
