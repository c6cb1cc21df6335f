//! What a compilation came to: kernels with their share of the work, memory, and what the passes did.

mod kernels;
mod listing;
mod steps;
mod table;
mod traffic;

pub use kernels::KernelRow;
pub use listing::listing;
pub use steps::{StepRow, steps};
pub use table::{Align, Table, bytes, grouped};

use crate::backends::wasm::Module;
use crate::passes;
use crate::plan::{Plan, Step};
use crate::text::printable_lines;
use std::fmt;

/// Figures of a compiled model.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its kernels, those with the most work first.
    pub kernels: Vec<KernelRow>,
    /// Floating-point operations of a prediction.
    pub flops: u64,
    /// Bytes of packed weights.
    pub weight_bytes: usize,
    /// Bytes of the module with relaxed SIMD.
    pub relaxed_bytes: usize,
    /// Bytes of the module without.
    pub baseline_bytes: usize,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// The largest sum of bytes alive at any step.
    pub lower_bound_bytes: usize,
    /// Bytes of scratch memory that every thread but the first needs; that of the first is in the arena.
    pub scratch_bytes: usize,
    /// Bytes of weights that are computed when the model is loaded.
    pub prepared_bytes: usize,
    /// What was folded and fused, what was not and why.
    pub passes: passes::Report,
}

impl Report {
    /// Gathers the figures.
    pub fn new(plan: &Plan, relaxed: &Module, baseline: &Module, passes: passes::Report) -> Self {
        let kernels = kernels::rows(plan, relaxed, baseline);
        Self {
            flops: kernels.iter().map(|row| row.flops).sum(),
            kernels,
            weight_bytes: plan.weights.bytes(),
            relaxed_bytes: relaxed.bytes.len(),
            baseline_bytes: baseline.bytes.len(),
            arena_bytes: plan.arena_bytes,
            lower_bound_bytes: plan.lower_bound_bytes,
            scratch_bytes: relaxed.scratch_bytes,
            prepared_bytes: plan.prepared_bytes,
            passes,
        }
    }

    /// As text: the `most` largest kernels and how many things each pass did, or with `verbose` all kernels
    /// and what was folded, fused and left.
    pub fn display(&self, verbose: bool) -> impl fmt::Display {
        let mut text = self.kernel_table(if verbose { usize::MAX } else { MOST });
        text += &format!(
            "\nmemory   {} at the peak, the largest set alive at any step is {}\n",
            bytes(self.arena_bytes),
            bytes(self.lower_bound_bytes)
        );
        if self.scratch_bytes > 0 {
            text += &format!(
                "         {} more for each thread but the first\n",
                bytes(self.scratch_bytes)
            );
        }
        if self.prepared_bytes > 0 {
            text += &format!(
                "weights  {}, and {} that are computed from them when the model is loaded\n",
                bytes(self.weight_bytes),
                bytes(self.prepared_bytes)
            );
        }
        text += &format!(
            "wasm     {} with relaxed SIMD, {} without\n",
            bytes(self.relaxed_bytes),
            bytes(self.baseline_bytes)
        );
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

    fn kernel_table(&self, most: usize) -> String {
        let mut table = Table::new(&[
            ("kernel", Align::Left),
            ("runs", Align::Right),
            ("MFLOP", Align::Right),
            ("share", Align::Right),
            ("weights", Align::Right),
            ("wasm", Align::Right),
            ("first layer", Align::Left),
        ]);
        let shown = if self.kernels.len() > most.saturating_add(1) {
            most
        } else {
            self.kernels.len()
        };
        let (first, rest) = self.kernels.split_at(shown);
        first.iter().for_each(|row| table.row(self.cells(row)));
        if !rest.is_empty() {
            table.row(self.cells(&KernelRow::sum(rest, format!("{} others", rest.len()))));
        }
        table.rule();
        table.row(self.cells(&KernelRow::sum(
            &self.kernels,
            format!("{} kernels", self.kernels.len()),
        )));
        table.to_string()
    }

    fn cells(&self, row: &KernelRow) -> Vec<String> {
        let share = row.flops as f64 / self.flops.max(1) as f64;
        vec![
            row.kernel.clone(),
            row.runs.to_string(),
            format!("{:.3}", row.flops as f64 / 1e6),
            format!("{:.1} %", share * 100.0),
            grouped(row.weight_bytes as u64),
            format!("{}/{}", row.relaxed_bytes, row.baseline_bytes),
            row.first.clone(),
        ]
    }
}

/// Kernels shown unless all are asked for.
const MOST: usize = 12;

/// Times that a step's kernels run.
fn repetitions(step: &Step) -> usize {
    match step {
        Step::Run(_) => 1,
        Step::Loop { count, .. } => *count,
    }
}
