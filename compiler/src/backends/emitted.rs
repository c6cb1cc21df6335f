//! What a backend generates.

use super::{Backend, Options, Part, Section};
use crate::error::Result;
use crate::plan::Plan;

/// The code that a backend generates for a plan, and what an engine must know to run it.
#[derive(Debug)]
pub struct Emitted {
    /// The files of the code.
    pub files: Vec<CodeFile>,
    /// Figures of each of the backend's variants, in their order.
    pub code: Vec<Code>,
    /// What a report says of the code besides its size: numbers, each with what it counts.
    pub figures: Vec<(&'static str, usize)>,
    /// Bytes of memory that a loaded model takes.
    pub memory_bytes: u64,
    /// Bytes more for each thread but the first.
    pub thread_bytes: usize,
    /// Whether no step can be run before all weights are there.
    pub whole_weights: bool,
    /// What only this backend's runtime reads.
    pub section: Section,
    /// Parts of the runtime that this code needs.
    pub parts: Vec<&'static Part>,
}

/// A file of code.
#[derive(Debug)]
pub struct CodeFile {
    /// By this the backend's runtime knows it.
    pub label: &'static str,
    /// How its name ends.
    pub end: &'static str,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// How large code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Bytes of all.
    pub bytes: usize,
    /// Bytes of every kernel of the plan, by its index; what several share counts for each.
    pub kernels: Vec<usize>,
}

/// A plan with the code that a backend made of it.
#[derive(Debug)]
pub struct Build {
    /// The backend.
    pub backend: &'static Backend,
    /// The plan.
    pub plan: Plan,
    /// The code.
    pub emitted: Emitted,
}

impl Backend {
    /// Generates the code of a plan.
    ///
    /// # Errors
    /// When the model needs more memory than this backend has, or the code grows beyond the budget.
    pub fn build(&'static self, plan: Plan, options: Options) -> Result<Build> {
        let emitted = (self.emit)(&plan, options)?;
        Ok(Build {
            backend: self,
            plan,
            emitted,
        })
    }
}
