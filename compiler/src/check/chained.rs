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
/// other, in row-major order.
pub(super) struct Chained<'m, 'c, 'p> {
    filled: &'m Filled<'c, 'p>,
    links: Vec<Link<'p>>,
    /// Results that are known, by the number of their kernel and their place.
    known: RefCell<HashMap<(usize, usize, Off), u32>>,
}

/// One of the kernels.
struct Link<'p> {
    kernel: &'p Kernel,
    /// The element address of each operand.
    at: Vec<usize>,
    /// The element addresses of its results.
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
        runs: &[&'p Run],
    ) -> Result<Self> {
        let link = |run: &&'p Run| {
            let kernel = plan.kernel(run);
            let at = constants.addresses_of(run, 0);
            let operands = kernel.operands();
            let out = operands.iter().position(|operand| operand.role == Role::Out);
            let start = out.map(|out| at[out]);
            let start = start.ok_or_else(|| Error::internal("a kernel without a result"))?;
            let results = start..start + kernel.extents().iter().product::<usize>();
            Ok(Link { kernel, at, results })
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
            Some((level, link)) => self.chain.view(level, self.off).result(at - link.results.start),
            None => self.chain.filled.bits(at),
        }
    }
}
