//! Attention as one dispatch: a product, the softmax of its rows and a product with these, where nobody else reads what lies between.
//!
//! The plan keeps what the first product reads until the second is due ([`Target::joint`](crate::plan::Target::joint)); scores are
//! never in memory.

use super::blocks::Own;
use super::joint::{OUT, images};
use super::machine::Machine;
use super::module::{Made, Stores, WORKGROUP, finish};
use super::operands::Operands;
use super::tiles::{Neighbours, Results, Tile};
use crate::error::Result;
use crate::kernel::{Contract, Kernel};
use crate::plan::{Plan, Run};
use crate::shader::{self, BLOCK, Block, EACH};

/// Steps that are attention: the product of queries and keys, the largest of each row, powers, their sum, shares, and the product with
/// values.
#[derive(Debug)]
pub(super) struct Attention<'p> {
    /// Their numbers.
    pub steps: &'p [usize],
    scores: &'p Contract,
    values: &'p Contract,
}

impl<'p> Attention<'p> {
    /// Of steps that a plan has found, on machines that have it.
    pub fn of(plan: &'p Plan, steps: &'p [usize], machine: Machine) -> Option<Self> {
        if !machine.shares() {
            return None;
        }
        let kernel = |step: &usize| match plan.steps[*step].runs() {
            [run] => match plan.kernel(run) {
                Kernel::Contract(k) => Some(k),
                _ => None,
            },
            _ => None,
        };
        Some(Self {
            steps,
            scores: kernel(steps.first()?)?,
            values: kernel(steps.last()?)?,
        })
    }

    /// The step with which it is done.
    pub fn last(&self) -> usize {
        self.steps.last().copied().unwrap_or_default()
    }

    /// The runs of its steps.
    pub fn runs(&self, plan: &'p Plan) -> Vec<&'p Run> {
        let steps = self.steps.iter().map(|&step| &plan.steps[step]);
        steps.flat_map(|step| step.runs()).collect()
    }

    /// Its dispatch; operands stand one run's after the other's.
    ///
    /// # Errors
    /// When the operands lie in more buffers than can be bound.
    pub fn module(&self, run: &Operands, second: usize) -> Result<Made> {
        let Self { scores, values, .. } = self;
        let tile = Tile {
            pixels: EACH,
            quads: 1,
        };
        let results = Results {
            neighbours: Neighbours::Pixels,
            dims: values.dims,
            images: images(scores, values),
            out: &values.out,
            epilogue: &values.epilogue,
            tile,
        };
        let count = results.images * results.pixels().div_ceil(BLOCK);
        let mut s = run.shader();
        let number = s.bind("n", "group.y * groups.x + group.x");
        let all = s.number(count);
        s.line(format!("if ({number} >= {all}) {{ return; }}"));
        let own = Own::new(&mut s, &results, number);
        let [row, column] = &own.at;
        let length = s.number(scores.run);
        let length = s.bind("k", length);
        let block = Block {
            at: [row, column],
            pixels: &own.pixels(),
            n: "0u",
            range: ["0u", &length],
        };
        let sums = shader::attention(&mut s, (scores, values), &block, second);
        s.count_operands_from(second);
        let channels = s.number(values.dims[3]);
        let mut stores = Stores::Elements;
        for (number, sums) in sums.into_iter().enumerate() {
            let n = s.bind("n", format!("{column} * {EACH}u + {}u", BLOCK * number));
            let sums: Vec<_> = sums.into_iter().map(|sum| vec![sum]).collect();
            stores = s.block(format!("if ({n} < {channels})"), |s| {
                results.store(s, (&[], &own.places), (&n, &own.last), &sums)
            });
        }
        s.count_operands_from(0);
        let shared = shader::shared() + &shader::shared_by_rows();
        finish(
            run.memories(),
            s,
            (second + OUT, stores),
            &shared,
            count * WORKGROUP,
        )
    }
}
