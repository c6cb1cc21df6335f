//! What the last of several kernels finds where those before it have written.

use super::memory::{Constants, Filled};
use crate::error::{Error, Result};
use crate::kernel::{Elements, Found, Kernel, Role};
use crate::plan::{Plan, Run};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

/// How far results may move for each unit that they moved when what they are made of was as far off as it may be.
const OF_ANSWER: f32 = 2.0;

/// Kernels one after the other, of which only what is asked for is computed. The results of all but the last lie one after the
/// other, in row-major order. Of others between them it is only known where they write, which is where operands are filled.
pub(super) struct Chained<'m, 'c, 'p> {
    filled: &'m Filled<'c, 'p>,
    links: Vec<Link<'p>>,
    /// Results that are known, by the number of their kernel and their place.
    known: RefCell<HashMap<(usize, usize, Off), u32>>,
}

/// A run, which is one of those that are done together or comes between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linked<'p> {
    /// The run.
    pub run: &'p Run,
    /// Whether it is one of those.
    pub is_own: bool,
}

/// One of the kernels.
struct Link<'p> {
    /// Whether its results are computed, rather than filled.
    is_own: bool,
    kernel: &'p Kernel,
    /// The element address of each operand.
    at: Vec<usize>,
    /// The element addresses of its results, or those between which others write.
    results: Range<usize>,
}

/// Which way what a kernel reads is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Off {
    Not,
    Up,
    InTurns,
}

impl<'m, 'c, 'p> Chained<'m, 'c, 'p> {
    /// Some runs over memory.
    ///
    /// # Errors
    /// When one has no result (a bug of ours).
    pub fn new(
        plan: &'p Plan,
        constants: &Constants<'p>,
        filled: &'m Filled<'c, 'p>,
        runs: &[Linked<'p>],
    ) -> Result<Self> {
        let link = |&Linked { run, is_own }: &Linked<'p>| {
            let kernel = plan.kernel(run);
            let at = constants.addresses_of(run, 0);
            let operands = kernel.operands();
            let out = operands.iter().position(|operand| operand.role == Role::Out);
            let none = || Error::internal("a kernel without a result");
            let out = out.ok_or_else(none)?;
            let results = match (is_own, operands[out].bounds()) {
                (false, Some((low, high))) => at[out].strict_add_signed(low)..at[out].strict_add_signed(high),
                _ => at[out]..at[out] + kernel.extents().iter().product::<usize>(),
            };
            Ok(Link {
                is_own,
                kernel,
                at,
                results,
            })
        };
        Ok(Self {
            filled,
            links: runs.iter().map(link).collect::<Result<_>>()?,
            known: RefCell::default(),
        })
    }

    /// A result of the last, with how far it may be off where those before it are as far off as they may be.
    pub fn sample(&self, site: usize) -> Found {
        let last = self.links.len() - 1;
        let exact = self.view(last, Off::Not).found(site);
        if last == 0 {
            return exact;
        }
        let value = f32::from_bits(exact.bits);
        let moved = [Off::Up, Off::InTurns].map(|off| {
            let found = f32::from_bits(self.view(last, off).found(site).bits);
            (found - value).abs()
        });
        Found {
            tolerance: exact.tolerance + OF_ANSWER * moved[0].max(moved[1]),
            ..exact
        }
    }

    fn view(&self, level: usize, off: Off) -> View<'_, 'm, 'c, 'p> {
        let chain = self;
        View { chain, level, off }
    }
}

/// Memory as the kernel of a level finds it.
struct View<'v, 'm, 'c, 'p> {
    chain: &'v Chained<'m, 'c, 'p>,
    level: usize,
    off: Off,
}

impl View<'_, '_, '_, '_> {
    /// A result of the kernel of this level.
    fn found(&self, site: usize) -> Found {
        let Link { kernel, at, .. } = &self.chain.links[self.level];
        kernel.sample(self, at, site)
    }

    /// A result of the kernel of this level as the next ones are to find it.
    fn result(&self, site: usize) -> u32 {
        let key = (self.level, site, self.off);
        if let Some(&bits) = self.chain.known.borrow().get(&key) {
            return bits;
        }
        let found = self.found(site);
        let value = f32::from_bits(found.bits);
        let bits = match self.off {
            _ if found.tolerance == 0.0 => found.bits,
            Off::Not => found.bits,
            Off::InTurns if site % 2 == 1 => (value - found.tolerance).to_bits(),
            Off::Up | Off::InTurns => (value + found.tolerance).to_bits(),
        };
        self.chain.known.borrow_mut().insert(key, bits);
        bits
    }
}

impl Elements for View<'_, '_, '_, '_> {
    fn bits(&self, at: usize) -> u32 {
        let earlier = self.chain.links[..self.level].iter().enumerate().rev();
        let mut writers = earlier.filter(|(_, link)| link.results.contains(&at));
        match writers.next() {
            Some((level, link)) if link.is_own => {
                self.chain.view(level, self.off).result(at - link.results.start)
            }
            _ => self.chain.filled.bits(at),
        }
    }
}
