//! Addresses: lifetimes of buffers, and results written over inputs.

use super::Plan;
use super::joint;
use super::layout::Layout;
use super::lower::Program;
use super::packing::{Lifetime, most_alive, pack_all};
use super::step::{ArenaId, Argument, Binding, BufferId, Run, Space, Step};
use super::target::{Arenas, Target};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Kernel, Operand, Role};
use crate::tensor::{Shape, TensorType};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Gives every buffer an address and every step its arguments.
pub(super) fn place(program: Program, layout: Layout, target: &dyn Target, budget: Budget) -> Result<Plan> {
    let sizes: Vec<usize> = layout
        .buffers
        .iter()
        .map(|b| (b.elements * 4).next_multiple_of(target.alignment()))
        .collect();
    let mut lifetimes = lifetimes(&program, sizes.len());
    let joint = joint::found(&program, target);
    for group in &joint {
        joint::hold(&program, group, &mut lifetimes);
    }
    let owner = if target.writes_in_place() {
        merge_in_place(&program, &layout, &mut lifetimes)
    } else {
        (0..sizes.len()).collect()
    };
    let homes = match target.arenas() {
        Arenas::One => vec![0; sizes.len()],
        Arenas::Own => numbered(&sizes, &lifetimes, &forms(&program, target, sizes.len())),
        Arenas::Apart => apart(&program, &joint, &owner),
    };
    let (offsets, arenas) = pack_all(&sizes, &lifetimes, &homes);
    let arena_bytes = arenas.iter().sum();
    if arena_bytes > target.most_arena_bytes() {
        return Err(Error::new(ErrorKind::TooLarge {
            what: "the memory for activations in bytes".into(),
            found: arena_bytes as u64,
            limit: target.most_arena_bytes() as u64,
        })
        .help("use a smaller --input-shape"));
    }
    let lower_bound_bytes = most_alive(&sizes, &lifetimes, program.steps.len());
    let address = |buffer: BufferId| {
        let owner = find(&owner, buffer.0);
        (ArenaId(homes[owner]), offsets[owner])
    };
    let binding = |(name, place): (String, super::layout::Place)| {
        let (arena, start) = address(place.buffer);
        Binding {
            name,
            arena,
            offset: start + place.offset * 4,
            range: None,
            ty: TensorType {
                shape: Shape::new(place.view.dims),
                dtype: place.view.dtype,
            },
        }
    };
    let argument = |argument: Argument<BufferId>| {
        let (space, start) = match argument.space {
            Space::Weights => (Space::Weights, 0),
            Space::Prepared => (Space::Prepared, 0),
            Space::Arena(buffer) => {
                let (arena, start) = address(buffer);
                (Space::Arena(arena), start)
            }
        };
        Argument {
            space,
            offset: start + argument.offset,
            advance: argument.advance,
        }
    };
    let steps = program.steps.into_iter().map(|step| step.map(argument));
    let prepare = program.prepare.into_iter().map(|run| run.map(argument));
    Ok(Plan {
        steps: steps.collect(),
        joint,
        prepare: prepare.collect(),
        inputs: program.inputs.into_iter().map(binding).collect(),
        outputs: program.outputs.into_iter().map(binding).collect(),
        kernels: program.kernels,
        weights: program.weights,
        originals_bytes: 0,
        prepared_bytes: program.prepared_bytes,
        arenas,
        arena_bytes,
        lower_bound_bytes,
        decisions: program.decisions,
        budget,
    })
}

/// Lifetimes by step. Inputs are alive before the first step, outputs after the last; what a loop touches is alive
/// during all of it.
fn lifetimes(program: &Program, buffers: usize) -> Vec<Lifetime> {
    let mut lifetimes = vec![None; buffers];
    let mut touch = |buffer: BufferId, step: usize| {
        let life: &mut Lifetime = &mut lifetimes[buffer.0];
        *life = Some(life.map_or((step, step), |(a, b)| (a.min(step), b.max(step))));
    };
    for (step, content) in program.steps.iter().enumerate() {
        for argument in content.runs().iter().flat_map(|run| &run.arguments) {
            if let Space::Arena(buffer) = argument.space {
                touch(buffer, step);
            }
        }
    }
    program
        .inputs
        .iter()
        .for_each(|(_, place)| touch(place.buffer, 0));
    program
        .outputs
        .iter()
        .for_each(|(_, place)| touch(place.buffer, program.steps.len()));
    lifetimes
}

fn find(owner: &[usize], buffer: usize) -> usize {
    if owner[buffer] == buffer {
        buffer
    } else {
        find(owner, owner[buffer])
    }
}

/// Lets a result lie over an input that dies at the same step, where the kernel allows it. Gives the buffer that
/// each buffer lies in.
fn merge_in_place(program: &Program, layout: &Layout, lifetimes: &mut [Lifetime]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..lifetimes.len()).collect();
    for (step, content) in program.steps.iter().enumerate() {
        let Step::Run(run) = content else { continue };
        let Some((out, candidates)) = overwritable(&program.kernels[run.kernel.0], run) else {
            continue;
        };
        for input in candidates {
            let (a, b) = (find(&owner, input.0), find(&owner, out.0));
            let dies = a != b && lifetimes[a].is_some_and(|(_, end)| end == step);
            let born = lifetimes[b].is_some_and(|(start, _)| start == step);
            if dies && born && layout.buffers[input.0].elements == layout.buffers[out.0].elements {
                let (start, end) = (
                    lifetimes[a].map_or(step, |l| l.0),
                    lifetimes[b].map_or(step, |l| l.1),
                );
                owner[b] = a;
                lifetimes[a] = Some((start, end));
                lifetimes[b] = None;
                break;
            }
        }
    }
    owner
}

/// The buffer that a kernel writes, and those that it reads only at the position that it is about to write.
fn overwritable(kernel: &Kernel, run: &Run<BufferId>) -> Option<(BufferId, Vec<BufferId>)> {
    let place = |argument: &Argument<BufferId>| match argument.space {
        Space::Arena(buffer) => Some((buffer, argument.offset)),
        Space::Weights | Space::Prepared => None,
    };
    let operands = kernel.operands();
    let places: Vec<_> = run.arguments.iter().map(place).collect();
    let written = operands.iter().position(|operand| operand.role == Role::Out)?;
    let out = &operands[written];
    let (buffer, offset) = places[written]?;
    let under = |operand: &Operand| operand.is_under(out);
    let found = operands.iter().zip(&places);
    // What the kernel also reads elsewhere must not be overwritten.
    let others: HashSet<BufferId> = found
        .clone()
        .filter(|(operand, _)| !under(operand))
        .filter_map(|(_, place)| place.map(|(buffer, _)| buffer))
        .collect();
    let candidates = found
        .filter(|(operand, _)| under(operand))
        .filter_map(|(_, place)| *place)
        .filter(|(b, o)| *o == offset && *b != buffer && !others.contains(b));
    Some((buffer, candidates.map(|(b, _)| b).collect()))
}

/// The forms in which each buffer is written; that of an output is its own, since it is read as it is.
fn forms(program: &Program, target: &dyn Target, buffers: usize) -> Vec<BTreeSet<Option<usize>>> {
    let mut forms = vec![BTreeSet::new(); buffers];
    for run in program.steps.iter().flat_map(Step::runs) {
        let kernel = &program.kernels[run.kernel.0];
        for (argument, operand) in run.arguments.iter().zip(kernel.operands()) {
            if let Space::Arena(buffer) = argument.space
                && operand.role.is_written()
            {
                forms[buffer.0].insert(Some(target.form(kernel)));
            }
        }
    }
    for (_, place) in &program.outputs {
        forms[place.buffer.0].insert(None);
    }
    forms
}

/// A number for every buffer that is ever alive, of its own while it is; buffers of one size and the same forms take turns.
fn numbered(sizes: &[usize], lifetimes: &[Lifetime], forms: &[BTreeSet<Option<usize>>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).filter(|&i| lifetimes[i].is_some()).collect();
    order.sort_by_key(|&i| (lifetimes[i], i));
    let mut numbers = vec![0; sizes.len()];
    // Of each size and forms, the numbers with the last step at which they are taken.
    let mut taken: HashMap<_, Vec<(usize, usize)>> = HashMap::new();
    let mut next = 0;
    for i in order {
        let Some((first, last)) = lifetimes[i] else {
            continue;
        };
        let same = taken.entry((sizes[i], &forms[i])).or_default();
        let (number, until) = match same.iter_mut().find(|(_, until)| *until < first) {
            Some((number, until)) => (*number, until),
            None => {
                same.push((next, last));
                next += 1;
                numbers[i] = next - 1;
                continue;
            }
        };
        *until = last;
        numbers[i] = number;
    }
    numbers
}

/// Arenas so that nothing that is done at once writes to one that it also reads: each buffer has the first that none of those has which
/// are read together with writing it, or the other way round.
fn apart(program: &Program, joint: &[Vec<usize>], owner: &[usize]) -> Vec<usize> {
    let mut conflicts = vec![HashSet::new(); owner.len()];
    let runs = program.steps.iter().flat_map(Step::runs);
    let runs = runs.map(|run| (joint::written(program, run), joint::read(program, run)));
    let groups = joint.iter().map(|group| joint::touched(program, group));
    for (written, read) in runs.chain(groups) {
        let [written, read] = [written, read].map(|all| {
            let owners = all.into_iter().map(|buffer| find(owner, buffer.0));
            owners.collect::<Vec<_>>()
        });
        for &written in &written {
            for &read in read.iter().filter(|&&read| read != written) {
                conflicts[written].insert(read);
                conflicts[read].insert(written);
            }
        }
    }
    let mut homes: Vec<usize> = vec![0; owner.len()];
    for buffer in 0..owner.len() {
        let earlier = conflicts[buffer].iter().filter(|&&other| other < buffer);
        let taken: HashSet<usize> = earlier.map(|&other| homes[other]).collect();
        homes[buffer] = (0..).find(|home| !taken.contains(home)).unwrap_or(0);
    }
    homes
}
