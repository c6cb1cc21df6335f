//! Which runs are checked.

use crate::kernel::Kernel;
use crate::plan::Run;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Results from which on a run shows enough of what a piece of code does.
const ENOUGH: usize = 64;

/// A run that is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Index into [`Plan::steps`](crate::plan::Plan::steps).
    pub step: usize,
    /// Index into [`Step::runs`](crate::plan::Step::runs).
    pub run: usize,
    /// What of the step the backend does for it; the result is there after the last.
    pub dispatches: Range<usize>,
    /// The steps before, of one run each, that the backend does with it, in order.
    pub with: Vec<usize>,
}

/// A run for every piece of code: of all that use it the one that is least work, since pages wait for the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    /// By the number of the piece, with whether the run has few results, and the work.
    of_piece: BTreeMap<usize, (bool, u64, Subject)>,
}

impl Subjects {
    /// Takes a run of a kernel into account that uses a piece of code.
    pub fn offer(&mut self, piece: usize, kernel: &Kernel, run: &Run, subject: Subject) {
        let few = kernel.extents().iter().product::<usize>() < ENOUGH;
        let operands = kernel.operands();
        let touched: u64 = operands.iter().map(|operand| operand.elements() as u64).sum();
        let work = run.flops.saturating_add(touched);
        let known = self.of_piece.get(&piece);
        if known.is_none_or(|&(known_few, known_work, _)| (few, work) < (known_few, known_work)) {
            self.of_piece.insert(piece, (few, work, subject));
        }
    }

    /// The runs, each once, in the order of the pieces.
    pub fn chosen(&self) -> Vec<Subject> {
        let mut seen = BTreeSet::new();
        let subjects = self.of_piece.values().map(|(_, _, subject)| subject);
        subjects
            .filter(|subject| seen.insert((subject.step, subject.run)))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fill;
    use crate::plan::KernelId;

    #[test]
    fn the_least_work_that_shows_enough_is_chosen_once() {
        let mut subjects = Subjects::default();
        let mut offer = |step: usize, pieces: &[usize], results: usize, flops: u64| {
            let kernel = Kernel::Fill(Fill::border(&[results + 1], &[0], &[1], 0.0));
            let (kernel_id, arguments, name) = (KernelId(0), Vec::new(), String::new());
            let run = Run {
                kernel: kernel_id,
                arguments,
                name,
                flops,
            };
            let subject = Subject {
                step,
                run: 0,
                dispatches: 0..1,
                with: Vec::new(),
            };
            for &piece in pieces {
                subjects.offer(piece, &kernel, &run, subject.clone());
            }
        };
        offer(0, &[0], 2 * ENOUGH, 9000);
        offer(1, &[0], ENOUGH, 5000);
        offer(2, &[0], 1, 1);
        offer(3, &[1, 2], 1, 7);
        let steps: Vec<_> = subjects.chosen().iter().map(|subject| subject.step).collect();
        assert_eq!(steps, [1, 3]);
    }
}
