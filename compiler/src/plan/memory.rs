//! Addresses: lifetimes of buffers, results written over inputs, and packing into arenas.
//!
//! Packing is greedy by size: the largest buffer first, each at the lowest address where it meets no buffer that is
//! alive at the same time (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).

use super::Plan;
use super::layout::Layout;
use super::lower::Program;
use super::step::{ArenaId, Argument, Binding, BufferId, Run, Space, Step};
use super::target::{Arenas, Target};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Kernel, Operand, Role};
use crate::tensor::{Shape, TensorType};
use std::collections::{BTreeSet, HashMap, HashSet};

/// First and last step at which a buffer is alive.
type Lifetime = Option<(usize, usize)>;

/// Gives every buffer an address and every step its arguments.
pub(super) fn place(program: Program, layout: Layout, target: &dyn Target, budget: Budget) -> Result<Plan> {
    let sizes: Vec<usize> = layout
        .buffers
        .iter()
        .map(|b| (b.elements * 4).next_multiple_of(target.alignment()))
        .collect();
    let mut lifetimes = lifetimes(&program, sizes.len());
    let owner = if target.writes_in_place() {
        merge_in_place(&program, &layout, &mut lifetimes)
    } else {
        (0..sizes.len()).collect()
    };
    let homes = match target.arenas() {
        Arenas::One => vec![0; sizes.len()],
        Arenas::Own => numbered(&sizes, &lifetimes, &forms(&program, target, sizes.len())),
        Arenas::Apart => apart(&program, &owner),
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

/// Arenas so that no kernel writes to one that it also reads: each buffer has the first that none of those has which
/// a kernel reads together with writing it, or the other way round.
fn apart(program: &Program, owner: &[usize]) -> Vec<usize> {
    let mut conflicts = vec![HashSet::new(); owner.len()];
    for run in program.steps.iter().flat_map(Step::runs) {
        let roles = program.kernels[run.kernel.0].operands();
        let buffers = || {
            let arguments = run.arguments.iter().zip(&roles);
            arguments.filter_map(|(argument, operand)| match argument.space {
                Space::Arena(buffer) => Some((find(owner, buffer.0), operand.role.is_written())),
                Space::Weights | Space::Prepared => None,
            })
        };
        for (written, _) in buffers().filter(|(_, written)| *written) {
            for (read, _) in buffers().filter(|&(read, other)| !other && read != written) {
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

/// Offsets of all buffers in their arenas, and the bytes of each arena.
fn pack_all(sizes: &[usize], lifetimes: &[Lifetime], homes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let count = homes.iter().max().map_or(1, |most| most + 1);
    let mut members = vec![Vec::new(); count];
    for (buffer, &home) in homes.iter().enumerate() {
        members[home].push(buffer);
    }
    let mut offsets = vec![0; sizes.len()];
    let arenas = members.iter().map(|members| {
        let own: Vec<usize> = members.iter().map(|&buffer| sizes[buffer]).collect();
        let lives: Vec<Lifetime> = members.iter().map(|&buffer| lifetimes[buffer]).collect();
        let (placed, bytes) = pack(&own, &lives);
        for (&buffer, offset) in members.iter().zip(placed) {
            offsets[buffer] = offset;
        }
        bytes
    });
    let arenas = arenas.collect();
    (offsets, arenas)
}

/// The most bytes that are alive at one of so many steps.
fn most_alive(sizes: &[usize], lifetimes: &[Lifetime], steps: usize) -> usize {
    let mut born = vec![0; steps + 1];
    let mut died = vec![0; steps + 1];
    for (size, life) in sizes.iter().zip(lifetimes) {
        let &Some((first, last)) = life else { continue };
        born[first] += size;
        died[last] += size;
    }
    let mut now = 0;
    let mut most = 0;
    for step in 0..steps {
        now += born[step];
        most = most.max(now);
        now -= died[step];
    }
    most
}

/// Offsets of all buffers that have a lifetime of their own, and the bytes they need together.
fn pack(sizes: &[usize], lifetimes: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..sizes.len()).filter(|&i| lifetimes[i].is_some()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), lifetimes[i], i));
    let mut offsets = vec![0; sizes.len()];
    let mut placed: Vec<Placed> = Vec::with_capacity(order.len());
    let mut total = 0;
    for &i in &order {
        let Some((first, last)) = lifetimes[i] else {
            continue;
        };
        let mut at = 0;
        for other in &placed {
            if other.first <= last && first <= other.last {
                if at + sizes[i] <= other.from {
                    break;
                }
                at = at.max(other.to);
            }
        }
        offsets[i] = at;
        total = total.max(at + sizes[i]);
        let next = Placed {
            from: at,
            to: at + sizes[i],
            first,
            last,
        };
        let behind = placed.partition_point(|other| (other.from, other.to) < (next.from, next.to));
        placed.insert(behind, next);
    }
    (offsets, total)
}

/// A buffer with its addresses and its lifetime. They are kept in the order of addresses: the list is walked for every
/// buffer, which is fast enough as long as nothing is looked up on the way.
struct Placed {
    from: usize,
    to: usize,
    first: usize,
    last: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_lie_at_the_lowest_address_that_is_free() {
        let mut number = 1usize;
        let mut below = |limit: usize| {
            number = (number * 1_103_515_245 + 12_345) % (1 << 31);
            (number >> 8) % limit
        };
        for _ in 0..50 {
            let steps = 30;
            let sizes: Vec<usize> = (0..60).map(|_| 64 * (1 + below(9))).collect();
            let lifetimes: Vec<Lifetime> = (0..60)
                .map(|_| {
                    let first = below(steps);
                    (below(8) > 0).then_some((first, (first + below(6)).min(steps)))
                })
                .collect();
            let (offsets, total) = pack(&sizes, &lifetimes);
            let together = |i: usize, j: usize| match (lifetimes[i], lifetimes[j]) {
                (Some((a, b)), Some((c, d))) => i != j && a <= d && c <= b,
                _ => false,
            };
            let end = |i: usize| offsets[i] + sizes[i];
            for i in (0..sizes.len()).filter(|&i| lifetimes[i].is_some()) {
                assert!(end(i) <= total);
                let others: Vec<_> = (0..sizes.len()).filter(|&j| together(i, j)).collect();
                assert!(
                    others
                        .iter()
                        .all(|&j| end(i) <= offsets[j] || end(j) <= offsets[i])
                );
                // It touches one below, or lies at the bottom.
                assert!(offsets[i] == 0 || others.iter().any(|&j| end(j) == offsets[i]));
            }
            let alive = (0..steps).map(|step| {
                let at = |life: &Lifetime| life.is_some_and(|(a, b)| (a..=b).contains(&step));
                let sizes = sizes.iter().zip(&lifetimes).filter(|(_, life)| at(life));
                sizes.map(|(size, _)| size).sum::<usize>()
            });
            assert_eq!(most_alive(&sizes, &lifetimes, steps), alive.max().unwrap_or(0));
        }
    }
}
