//! What kernels find where a plan says: constants, and in arenas what they were filled with.

use super::pattern::Fill;
use crate::error::{Error, Result};
use crate::kernel::{Elements, Store};
use crate::plan::{Argument, Plan, Run, Space};
use std::cell::Cell;

/// Element addresses of all memories of a plan: the weights, what is prepared, the arenas.
struct Addresses {
    prepared: usize,
    arenas: Vec<usize>,
    end: usize,
}

impl Addresses {
    fn new(plan: &Plan) -> Self {
        let prepared = plan.weights.bytes() / 4;
        let mut end = prepared + plan.prepared_bytes / 4;
        let start = |bytes: &usize| {
            let start = end;
            end += bytes / 4;
            start
        };
        Self {
            prepared,
            arenas: plan.arenas.iter().map(start).collect(),
            end,
        }
    }

    fn of(&self, argument: &Argument, iteration: usize) -> usize {
        let base = match argument.space {
            Space::Weights => 0,
            Space::Prepared => self.prepared,
            Space::Arena(arena) => self.arenas[arena.0],
        };
        base + argument
            .offset
            .strict_add_signed(argument.advance * iteration as isize)
            / 4
    }
}

/// The constants of a plan, where they lie: weights may be too many to be copied.
pub(super) struct Constants<'p> {
    plan: &'p Plan,
    addresses: Addresses,
    prepared: Vec<u32>,
    /// The part of the weights that was read last, and the element where it starts.
    part: Cell<(usize, &'p [f32])>,
}

impl<'p> Constants<'p> {
    /// With what is prepared.
    pub fn new(plan: &'p Plan) -> Self {
        let mut constants = Self {
            plan,
            addresses: Addresses::new(plan),
            prepared: Vec::new(),
            part: Cell::new((0, &[])),
        };
        let mut prepared = vec![0; plan.prepared_bytes / 4];
        for run in &plan.prepare {
            let mut memory = Preparing {
                constants: &constants,
                prepared: &mut prepared,
            };
            plan.kernel(run)
                .interpret(&mut memory, &constants.addresses_of(run, 0));
        }
        constants.prepared = prepared;
        constants
    }

    /// The element addresses of a run's operands.
    pub fn addresses_of(&self, run: &Run, iteration: usize) -> Vec<usize> {
        let arguments = run.arguments.iter();
        arguments
            .map(|argument| self.addresses.of(argument, iteration))
            .collect()
    }

    /// Where an arena begins.
    pub fn arena(&self, arena: usize) -> usize {
        self.addresses.arenas[arena]
    }

    /// Elements before the arenas.
    fn constants(&self) -> usize {
        self.addresses
            .arenas
            .first()
            .copied()
            .unwrap_or(self.addresses.end)
    }

    fn bits(&self, at: usize) -> u32 {
        if let Some(prepared) = at.checked_sub(self.addresses.prepared) {
            return self.prepared[prepared];
        }
        let (start, part) = self.part.get();
        if let Some(value) = at.checked_sub(start).and_then(|i| part.get(i)) {
            return value.to_bits();
        }
        // What lies between parts is zero.
        let found = self.plan.weights.part_at(4 * at);
        found.map_or(0, |(offset, part)| {
            self.part.set((offset / 4, part));
            part[at - offset / 4].to_bits()
        })
    }
}

/// Constants while some of them are made.
struct Preparing<'c, 'p> {
    constants: &'c Constants<'p>,
    prepared: &'c mut [u32],
}

impl Elements for Preparing<'_, '_> {
    fn bits(&self, at: usize) -> u32 {
        self.constants.bits(at)
    }
}

impl Store for Preparing<'_, '_> {
    fn set_bits(&mut self, at: usize, bits: u32) {
        self.prepared[at - self.constants.addresses.prepared] = bits;
    }
}

/// Arenas that hold nothing but fills.
pub(super) struct Filled<'c, 'p> {
    constants: &'c Constants<'p>,
    fills: &'c [Fill],
    seed: u32,
    has_strayed: Cell<bool>,
}

impl<'c, 'p> Filled<'c, 'p> {
    /// Of a seed. A later fill lies over an earlier one.
    pub fn new(constants: &'c Constants<'p>, fills: &'c [Fill], seed: u32) -> Self {
        Self {
            constants,
            fills,
            seed,
            has_strayed: Cell::new(false),
        }
    }

    /// Whether nothing was read but what is filled or constant.
    ///
    /// # Errors
    /// If something was: a kernel reads more than it says.
    pub fn finish(self) -> Result<()> {
        if self.has_strayed.get() {
            return Err(Error::internal("a kernel reads what it does not say"));
        }
        Ok(())
    }
}

impl Elements for Filled<'_, '_> {
    fn bits(&self, at: usize) -> u32 {
        if at < self.constants.constants() {
            return self.constants.bits(at);
        }
        let covering = self.fills.iter().rev().find_map(|fill| {
            let element = at.checked_sub(self.constants.arena(fill.buffer))?;
            fill.bits(self.seed, element)
        });
        covering.unwrap_or_else(|| {
            self.has_strayed.set(true);
            f32::NAN.to_bits()
        })
    }
}

/// Arenas that a whole prediction runs in.
pub(super) struct Arenas<'c, 'p> {
    constants: &'c Constants<'p>,
    words: Vec<u32>,
}

impl<'c, 'p> Arenas<'c, 'p> {
    /// Full of NaN.
    pub fn new(constants: &'c Constants<'p>) -> Self {
        let words = constants.addresses.end - constants.constants();
        Self {
            constants,
            words: vec![f32::NAN.to_bits(); words],
        }
    }
}

impl Elements for Arenas<'_, '_> {
    fn bits(&self, at: usize) -> u32 {
        match at.checked_sub(self.constants.constants()) {
            Some(word) => self.words[word],
            None => self.constants.bits(at),
        }
    }
}

impl Store for Arenas<'_, '_> {
    fn set_bits(&mut self, at: usize, bits: u32) {
        let first = self.constants.constants();
        self.words[at - first] = bits;
    }
}
