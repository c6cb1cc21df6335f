//! What a backend is checked with where a model is used: results that the interpreter of kernels has computed in f64, and how far
//! others may be from them.
//!
//! Machines that run a model are not the one that made it, and some of them compute wrong numbers without a word. A
//! backend names a run for each piece of code that it made ([`Subject`]); a check fills what the run reads with
//! [patterns](pattern) that both sides can make, and holds some of its results. That costs little time and
//! few bytes however large the model is. A small network is also checked as a whole.
//!
//! The file is JSON:
//!
//! ```text
//! { "kernels": [{ "step": 3, "dispatches": [first, end], "name": "conv1", "buffer": 2,
//!                 "fills": [[buffer, first byte, bytes, content, below], …],
//!                 "patterns": [{ "seed": 1, "samples": [[byte, bits, tolerance], …] }, …] }, …],
//!   "network": { "seed": 1, "inputs": [fill, …], "outputs": [{ "buffer": 0, "samples": […] }, …] } or null }
//! ```
//!
//! Buffers are arenas of the plan, and bytes are counted in them. Fills are written in order. The bits of a sample are
//! those of the expected element; with a tolerance of 0 they must be the same, else both are floats that are no further
//! apart. A kernel is run twice and more, with the patterns in turn: some machines give the right numbers only the
//! first time. Of a loop, the first iteration is meant.

mod chained;
mod kernels;
mod memory;
mod network;
pub mod pattern;
mod subjects;

use crate::error::{Error, Result};
use crate::kernel::Found;
use crate::plan::Plan;
use memory::Constants;
use pattern::Fill;
use serde::{Serialize, Serializer};

pub use subjects::{Subject, Subjects};

/// The seeds of the two patterns.
pub const SEEDS: [u32; 2] = [1, 2];

/// What a backend is checked with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Single kernels.
    pub kernels: Vec<KernelCheck>,
    /// The whole network, if it is small.
    pub network: Option<NetworkCheck>,
}

/// Some results of a kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelCheck {
    /// The step.
    pub step: usize,
    /// First and behind the last of what of the step computes it.
    pub dispatches: [usize; 2],
    /// The node that it computes.
    pub name: String,
    /// The arena of the results.
    pub buffer: usize,
    /// What is filled before.
    pub fills: Vec<Fill>,
    /// Results for each pattern.
    pub patterns: Vec<Samples>,
}

impl KernelCheck {
    /// Samples of all patterns. A kernel has none if its reference has no finite results.
    pub fn samples(&self) -> usize {
        self.patterns.iter().map(|pattern| pattern.samples.len()).sum()
    }
}

/// Results for a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Samples {
    /// The seed of the pattern.
    pub seed: u32,
    /// The results.
    pub samples: Vec<Sample>,
}

/// An element that is expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Its byte offset.
    pub offset: usize,
    /// Its bits.
    pub bits: u32,
    /// How far another may be from it; 0 if every bit must be the same.
    pub tolerance: f32,
}

impl Sample {
    /// A result in an arena that starts at an element address, if it can be compared: where another machine may find
    /// anything, or where a float is not finite, there is nothing to compare.
    fn new(found: &Found, arena: usize) -> Option<Self> {
        let is_exact = found.tolerance == 0.0;
        let is_known = f32::from_bits(found.bits).is_finite() && found.tolerance.is_finite();
        (is_exact || is_known).then_some(Self {
            offset: 4 * (found.at - arena),
            bits: found.bits,
            tolerance: short(found.tolerance),
        })
    }

    /// Whether these bits will do.
    pub fn accepts(&self, bits: u32) -> bool {
        let [expected, found] = [self.bits, bits].map(f32::from_bits);
        bits == self.bits || (expected - found).abs() <= self.tolerance && self.tolerance > 0.0
    }
}

/// As `[byte, bits, tolerance]`.
impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.offset, self.bits, self.tolerance).serialize(serializer)
    }
}

/// A number of two digits that is not smaller.
fn short(tolerance: f32) -> f32 {
    let digits = format!("{:.1e}", 1.05 * tolerance);
    digits.parse().unwrap_or(tolerance)
}

/// Some outputs of a whole network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkCheck {
    /// The seed of the inputs.
    pub seed: u32,
    /// The inputs.
    pub inputs: Vec<Fill>,
    /// The outputs, in the order of the plan.
    pub outputs: Vec<OutputCheck>,
}

/// Some elements of an output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputCheck {
    /// The arena.
    pub buffer: usize,
    /// The elements.
    pub samples: Vec<Sample>,
}

/// Checks the runs that a backend has chosen, and the whole network if it is small.
///
/// # Errors
/// When a subject is no run of the plan, or a kernel reads more than it says (bugs of ours).
pub fn check(plan: &Plan, subjects: &[Subject]) -> Result<Check> {
    let constants = Constants::new(plan);
    Ok(Check {
        kernels: kernels::checks(plan, &constants, subjects)?,
        network: network::check(plan, &constants),
    })
}

impl Check {
    /// The file.
    ///
    /// # Errors
    /// Never: what it holds has a text.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))
    }
}
