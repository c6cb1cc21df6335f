//! What a compilation came to: kernels with their share of the work, memory, and what the passes did.

mod code;
mod kernels;
mod listing;
mod steps;
mod table;
mod traffic;
mod weights;

pub use code::CodeReport;
pub use kernels::KernelRow;
pub use listing::listing;
pub use steps::{StepRow, steps};
pub use table::{Align, Table, bytes, grouped};
pub use weights::{WeightSizes, weight_sizes, weights};

use crate::backends::Build;
use crate::passes;
use crate::text::printable_lines;
use std::fmt;

/// Figures of a compiled model.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What each backend made of it.
    pub backends: Vec<CodeReport>,
    /// What was folded and fused, what was not and why.
    pub passes: passes::Report,
}

impl Report {
    /// Gathers the figures.
    pub fn new(builds: &[Build], passes: passes::Report) -> Self {
        Self {
            backends: builds.iter().map(CodeReport::new).collect(),
            passes,
        }
    }

    /// As text: the largest kernels and how many things each pass did, or with `verbose` all kernels
    /// and what was folded, fused and left.
    pub fn display(&self, verbose: bool) -> impl fmt::Display {
        let backends = self.backends.iter().map(|backend| backend.text(verbose));
        let mut text = backends.collect::<Vec<_>>().join("\n");
        let counts: Vec<_> = self
            .passes
            .changes
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(pass, count)| format!("{pass} {count}"))
            .collect();
        text += &format!(
            "passes   {}\n",
            if counts.is_empty() {
                "nothing to do".to_owned()
            } else {
                counts.join(", ")
            }
        );
        let more = [self.passes.done.len(), self.passes.missed.len()];
        if verbose {
            self.passes
                .done
                .iter()
                .for_each(|done| text += &format!("  {done}\n"));
            self.passes
                .missed
                .iter()
                .for_each(|missed| text += &format!("  {missed}\n"));
        } else if more != [0, 0] {
            text += &format!(
                "         {} folded or fused, {} left as they are; -v lists them\n",
                more[0], more[1]
            );
        }
        printable_lines(&text)
    }
}
