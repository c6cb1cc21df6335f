//! Steps that can be one dispatch: maps and reductions one after the other in which no row looks at another.
//!
//! Softmax is the largest element of a row, powers, their sum and a division; a normalization is much alike. As one dispatch, a row
//! is computed from its first step to its last by one invocation or workgroup, whatever others do meanwhile. That is right if,
//! of two accesses to the same memory of which one writes, both stay within what belongs to the row. Plans put results of
//! reductions where values of other rows have just ended, so that these lie in scratch memory.

use crate::kernel::{Kernel, Map, Reduce};
use crate::plan::{ArenaId, Plan, Run, Space, Step};
use std::ops::Range;

/// The most elements of a row: beyond, more invocations are worth more than fewer dispatches.
const LONGEST: usize = 4096;

/// The most operands: each takes words of the uniform block.
const MOST_OPERANDS: usize = 32;

/// Consecutive steps, each with one run, which can be one dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// Their numbers in the plan.
    pub steps: Range<usize>,
    /// How many rows there are.
    pub rows: usize,
    /// Elements of the longest row.
    pub longest: usize,
    /// What lies in scratch memory.
    pub moved: Vec<Moved>,
}

/// An operand that lies in scratch memory instead of an arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    /// The number of the run in the chain.
    pub run: usize,
    /// The operand of it.
    pub operand: usize,
    /// The element.
    pub offset: usize,
}

impl Chain {
    /// The longest from a step on and before another, if it is more than that step and reduces something.
    pub fn from(plan: &Plan, first: usize, end: usize) -> Option<Self> {
        let rows = plan.steps[first..end]
            .iter()
            .take(MOST_OPERANDS)
            .map_while(single)
            .find_map(|run| match plan.kernel(run) {
                Kernel::Reduce(k) => Some(Some(rows_of(k))),
                Kernel::Map(_) => None,
                _ => Some(None),
            })??;
        let mut end = end;
        loop {
            let mut growing = Growing::new(plan, first, rows);
            while growing.chain.steps.end < end && growing.grow() {}
            let reduced = growing.reduced.iter();
            // What is read behind the chain can't lie in scratch memory: the chain ends before it is made.
            let lasting = reduced
                .filter(|one| one.last_use >= growing.chain.steps.end)
                .map(|one| one.step);
            match lasting.min() {
                Some(step) => end = step,
                None => {
                    let chain = growing.chain;
                    return (!growing.reduced.is_empty() && chain.steps.len() > 1).then_some(chain);
                }
            }
        }
    }

    /// The runs, in order.
    pub fn runs<'p>(&self, plan: &'p Plan) -> Vec<&'p Run> {
        plan.steps[self.steps.clone()].iter().filter_map(single).collect()
    }

    /// Elements of scratch memory.
    pub fn scratch(&self) -> usize {
        let ends = self.moved.iter().map(|moved| moved.offset + self.rows);
        ends.max().unwrap_or(0)
    }
}

/// A chain to which steps are added.
struct Growing<'p> {
    plan: &'p Plan,
    chain: Chain,
    accesses: Vec<Access>,
    reduced: Vec<Reduced>,
    operands: usize,
}

/// The result of a reduction of a chain.
struct Reduced {
    step: usize,
    /// Where it would lie in an arena.
    arena: ArenaId,
    elements: Range<usize>,
    /// Whether something of the chain lies over it since.
    is_over: bool,
    /// The last step that reads it, or beyond all if the model gives it.
    last_use: usize,
}

impl<'p> Growing<'p> {
    fn new(plan: &'p Plan, first: usize, rows: usize) -> Self {
        Self {
            plan,
            chain: Chain {
                steps: first..first,
                rows,
                longest: 1,
                moved: Vec::new(),
            },
            accesses: Vec::new(),
            reduced: Vec::new(),
            operands: 0,
        }
    }

    /// Adds the next step, if it can be one of the chain.
    fn grow(&mut self) -> bool {
        let (plan, rows, step) = (self.plan, self.chain.rows, self.chain.steps.end);
        let Some(run) = plan.steps.get(step).and_then(single) else {
            return false;
        };
        let kernel = plan.kernel(run);
        let Some((length, own)) = row_accesses(kernel, run, rows) else {
            return false;
        };
        let (mut kept, mut moved) = (Vec::new(), Vec::new());
        for access in own {
            match self.reduced(kernel, &access) {
                Some(number) => moved.push((number, access)),
                None => kept.push(access),
            }
        }
        self.operands += run.arguments.len();
        let apart = kept.iter().all(|access| stays(&self.accesses, access, rows));
        // A row finds what was reduced for itself.
        let inside = moved.iter().all(|(number, access)| {
            let it = self.reduced.get(*number).map(|one| &one.elements);
            let same = it.is_none_or(|it| it.start <= access.all.0 && access.all.1 <= it.end);
            same && (rows == 1 || access.stride == Some(1) && access.row.1 - access.row.0 == 1)
        });
        if self.operands > MOST_OPERANDS || length > LONGEST || !apart || !inside {
            return false;
        }
        for (number, access) in moved {
            if number == self.reduced.len() {
                let elements = access.all.0..access.all.1;
                self.reduced.push(Reduced {
                    step,
                    arena: access.arena,
                    last_use: last_use(plan, step, access.arena, &elements),
                    elements,
                    is_over: false,
                });
            }
            let start = self.reduced[number].elements.start;
            self.chain.moved.push(Moved {
                run: self.chain.steps.len(),
                operand: access.operand,
                offset: number * rows + access.all.0 - start,
            });
        }
        for access in kept.iter().filter(|access| access.is_written) {
            let over = self
                .reduced
                .iter_mut()
                .filter(|one| access.meets(one.arena, &one.elements));
            over.for_each(|one| one.is_over = true);
        }
        self.accesses.extend(kept);
        self.chain.longest = self.chain.longest.max(length);
        self.chain.steps.end += 1;
        true
    }

    /// The number of what was reduced that an access writes or reads.
    fn reduced(&self, kernel: &Kernel, access: &Access) -> Option<usize> {
        if access.is_written {
            return matches!(kernel, Kernel::Reduce(_)).then_some(self.reduced.len());
        }
        let mut all = self.reduced.iter();
        all.rposition(|one| !one.is_over && access.meets(one.arena, &one.elements))
    }
}

/// The last step that reads what a step has written, before something else lies there.
fn last_use(plan: &Plan, step: usize, arena: ArenaId, elements: &Range<usize>) -> usize {
    let mut last = step;
    for (number, later) in plan.steps.iter().enumerate().skip(step + 1) {
        for run in later.runs() {
            let operands = plan.kernel(run).operands();
            let mut ends = false;
            for (operand, argument) in operands.iter().zip(&run.arguments) {
                if argument.space != Space::Arena(arena) {
                    continue;
                }
                let start = argument.offset / 4;
                let meets = operand.bounds().is_some_and(|(low, high)| {
                    start.saturating_add_signed(low) < elements.end
                        && elements.start < start.saturating_add_signed(high)
                });
                let moves = argument.advance != 0;
                match operand.role.is_written() {
                    true => ends |= meets && !moves,
                    // What moves may be anywhere.
                    false if meets || moves => last = number,
                    false => {}
                }
            }
            if ends {
                return last;
            }
        }
    }
    let given = plan.outputs.iter().any(|output| {
        let start = output.offset / 4;
        output.arena == arena && start < elements.end && elements.start < start + output.ty.shape.count()
    });
    if given { usize::MAX } else { last }
}

/// The only run of a step that is done once.
fn single(step: &Step) -> Option<&Run> {
    match step {
        Step::Run(run) => Some(run),
        Step::Loop { .. } => None,
    }
}

fn rows_of(k: &Reduce) -> usize {
    k.kept.iter().map(|axis| axis.extent).product()
}

/// Elements of an arena that a kernel touches.
#[derive(Debug, Clone, Copy)]
struct Access {
    operand: usize,
    arena: ArenaId,
    is_written: bool,
    /// The first element, and the one after the last.
    all: (usize, usize),
    /// The same of the first row.
    row: (usize, usize),
    /// Distance between rows, if it is always the same.
    stride: Option<usize>,
}

impl Access {
    /// Whether it touches one of these elements.
    fn meets(&self, arena: ArenaId, elements: &Range<usize>) -> bool {
        self.arena == arena && self.all.0 < elements.end && elements.start < self.all.1
    }
}

/// The elements of a row and the accesses of a kernel whose results are the same number for each of so many rows.
fn row_accesses(kernel: &Kernel, run: &Run, rows: usize) -> Option<(usize, Vec<Access>)> {
    if rows == 0 || kernel.extents().contains(&0) {
        return None;
    }
    let (extents, walks, length) = match kernel {
        Kernel::Map(k) => map_walks(k, rows)?,
        Kernel::Reduce(k) if rows_of(k) == rows && k.reduced.iter().all(|axis| axis.0 > 0) => reduce_walks(k),
        _ => return None,
    };
    let mut accesses = Vec::new();
    let operands = kernel.operands();
    let arguments = run.arguments.iter().zip(&operands).enumerate();
    for (walk, (number, (argument, operand))) in walks.iter().zip(arguments) {
        let (is_written, start) = (operand.role.is_written(), argument.offset / 4);
        let Space::Arena(arena) = argument.space else {
            continue;
        };
        if is_written && !is_contiguous(&extents, &walk.strides) {
            return None;
        }
        let (stride, inner) = split(&extents, &walk.strides, rows)?;
        let span = inner + walk.within + 1;
        let (low, high) = operand.bounds()?;
        accesses.push(Access {
            operand: number,
            arena,
            is_written,
            all: (start.checked_add_signed(low)?, start.checked_add_signed(high)?),
            row: (start, start + span),
            stride,
        });
    }
    Some((length, accesses))
}

/// How an operand is walked over the results, and how far each result reaches beyond.
struct Walk {
    strides: Vec<usize>,
    within: usize,
}

fn map_walks(k: &Map, rows: usize) -> Option<(Vec<usize>, Vec<Walk>, usize)> {
    let all: usize = k.dims.iter().product();
    let strides = k.inputs.iter().map(|input| &input.strides).chain([&k.out]);
    let walk = |strides: &Vec<usize>| Walk {
        strides: strides.clone(),
        within: 0,
    };
    all.is_multiple_of(rows)
        .then(|| (k.dims.clone(), strides.map(walk).collect(), all / rows))
}

fn reduce_walks(k: &Reduce) -> (Vec<usize>, Vec<Walk>, usize) {
    let walk = |stride: &dyn Fn(&crate::kernel::KeptAxis) -> usize, within| Walk {
        strides: k.kept.iter().map(stride).collect(),
        within,
    };
    let reach = k.reduced.iter().map(|&(extent, stride)| (extent - 1) * stride);
    let mut walks = vec![walk(&|axis| axis.x, reach.sum()), walk(&|axis| axis.out, 0)];
    let others = k.tape.inputs() as usize - 1;
    walks.extend((0..others).map(|i| walk(&|axis| axis.operands[i], 0)));
    let extents = k.kept.iter().map(|axis| axis.extent).collect();
    (extents, walks, k.reduced.iter().map(|axis| axis.0).product())
}

fn is_contiguous(extents: &[usize], strides: &[usize]) -> bool {
    let mut next = 1;
    extents.iter().zip(strides).rev().all(|(&extent, &stride)| {
        let fits = extent == 1 || stride == next;
        next *= extent;
        fits
    })
}

/// The distance between rows, if there is one, and how far the elements of a row reach; none where the rows do not end with an
/// index of an axis.
fn split(extents: &[usize], strides: &[usize], rows: usize) -> Option<(Option<usize>, usize)> {
    let (mut before, mut outer, mut inner) = (1, Vec::new(), 0);
    for (&extent, &stride) in extents.iter().zip(strides) {
        let own = (rows / before).min(extent);
        if own * before < rows && own < extent
            || !extent.is_multiple_of(own)
            || !rows.is_multiple_of(before * own)
        {
            return None;
        }
        let rest = extent / own;
        outer.push((own, stride * rest));
        inner += (rest - 1) * stride;
        before *= own;
    }
    let mut walked = outer.iter().filter(|(extent, _)| *extent > 1).rev();
    let Some(&(extent, stride)) = walked.next() else {
        return Some((Some(0), inner));
    };
    let mut next = extent * stride;
    let even = walked.all(|&(extent, stride)| {
        let fits = stride == next;
        next *= extent;
        fits
    });
    Some((even.then_some(stride), inner))
}

/// Whether an access leaves alone what earlier ones of other rows touch, and reads all that it reads from the last that wrote it.
fn stays(earlier: &[Access], access: &Access, rows: usize) -> bool {
    let meets = |other: &&Access| {
        other.arena == access.arena
            && (other.is_written || access.is_written)
            && other.all.0 < access.all.1
            && access.all.0 < other.all.1
    };
    let apart = |other: &Access| {
        let (low, high) = (other.row.0.min(access.row.0), other.row.1.max(access.row.1));
        let same = other.stride.is_some() && other.stride == access.stride;
        rows == 1 || same && other.stride.is_some_and(|stride| high - low <= stride)
    };
    let mut met = earlier.iter().filter(meets);
    let writer = earlier.iter().filter(meets).rfind(|other| other.is_written);
    let inside = |other: &Access| other.all.0 <= access.all.0 && access.all.1 <= other.all.1;
    met.all(apart) && (access.is_written || writer.is_none_or(inside))
}
