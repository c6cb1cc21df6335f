//! What one backend made of a model.

use super::kernels::{KernelRow, rows};
use super::table::{Align, Table, bytes, grouped};
use crate::backends::Build;
use crate::plan::Decision;

/// Figures of a plan and of the code that a backend made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeReport {
    /// The backend.
    pub name: &'static str,
    /// The variants of its code: what distinguishes each, and its bytes.
    pub code: Vec<(&'static str, usize)>,
    /// What else there is to say of it: numbers, each with what it counts.
    pub figures: Vec<(&'static str, usize)>,
    /// Its kernels, those with the most work first.
    pub kernels: Vec<KernelRow>,
    /// Floating-point operations of a prediction.
    pub flops: u64,
    /// Bytes of packed weights.
    pub weight_bytes: usize,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// The largest sum of bytes alive at any step.
    pub lower_bound_bytes: usize,
    /// Bytes of memory that every thread but the first needs besides; that of the first is in the arena.
    pub thread_bytes: usize,
    /// Bytes of weights that are computed when the model is loaded.
    pub prepared_bytes: usize,
    /// How products are computed, where there was a choice.
    pub decisions: Vec<Decision>,
}

/// Kernels shown unless all are asked for.
const MOST: usize = 12;

impl CodeReport {
    /// Gathers the figures.
    pub(super) fn new(build: &Build) -> Self {
        let (plan, emitted) = (&build.plan, &build.emitted);
        let kernels = rows(plan, &emitted.code);
        let variants = build.backend.variants.iter().zip(&emitted.code);
        Self {
            name: build.backend.name,
            code: variants
                .map(|(variant, code)| (variant.about, code.bytes))
                .collect(),
            figures: emitted.figures.clone(),
            flops: kernels.iter().map(|row| row.flops).sum(),
            kernels,
            weight_bytes: plan.weights.bytes(),
            arena_bytes: plan.arena_bytes,
            lower_bound_bytes: plan.lower_bound_bytes,
            thread_bytes: emitted.thread_bytes,
            prepared_bytes: plan.prepared_bytes,
            decisions: plan.decisions.clone(),
        }
    }

    /// The table of kernels, the largest of them or with `verbose` all, and lines on memory, weights, methods and code.
    pub(super) fn text(&self, verbose: bool) -> String {
        let mut text = self.kernel_table(if verbose { usize::MAX } else { MOST });
        text += &format!(
            "\nmemory   {} at the peak, the largest set alive at any step is {}\n",
            bytes(self.arena_bytes),
            bytes(self.lower_bound_bytes)
        );
        if self.thread_bytes > 0 {
            text += &format!(
                "         {} more for each thread but the first\n",
                bytes(self.thread_bytes)
            );
        }
        if self.prepared_bytes > 0 {
            text += &format!(
                "weights  {}, and {} that are computed from them when the model is loaded\n",
                bytes(self.weight_bytes),
                bytes(self.prepared_bytes)
            );
        }
        text += &self.methods(verbose);
        let variants = self.code.iter();
        let variants = variants.map(|&(about, count)| format!("{} {about}", bytes(count)));
        text += &format!("{:<8} {}\n", self.name, variants.collect::<Vec<_>>().join(", "));
        let figures = self.figures.iter();
        let figures = figures.map(|&(what, count)| format!("{what} {}", grouped(count as u64)));
        match self.figures.is_empty() {
            true => text,
            false => text + &format!("         {}\n", figures.collect::<Vec<_>>().join(", ")),
        }
    }

    /// How many products have a faster method than plain sums, and with `verbose` which.
    fn methods(&self, verbose: bool) -> String {
        let count = |limited| {
            let all = self.decisions.iter();
            all.filter(|decision| decision.limited == limited).count()
        };
        let (free, limited) = (count(false), count(true));
        if free + limited == 0 {
            return String::new();
        }
        let mut text = format!("methods  {free} products by the fastest");
        if limited > 0 {
            text += &format!(", {limited} by a slower one that rounds less");
        }
        text.push('\n');
        if verbose {
            let lines = self.decisions.iter().map(|decision| format!("  {decision}\n"));
            text.extend(lines);
        }
        text
    }

    fn kernel_table(&self, most: usize) -> String {
        let mut table = Table::new(&[
            ("kernel", Align::Left),
            ("runs", Align::Right),
            ("MFLOP", Align::Right),
            ("share", Align::Right),
            ("weights", Align::Right),
            (self.name, Align::Right),
            ("first layer", Align::Left),
        ]);
        let shown = if self.kernels.len() > most.saturating_add(1) {
            most
        } else {
            self.kernels.len()
        };
        let (first, rest) = self.kernels.split_at(shown);
        let sum = |rows, name| self.cells(&KernelRow::sum(rows, name, self.code.len()));
        first.iter().for_each(|row| table.row(self.cells(row)));
        if !rest.is_empty() {
            table.row(sum(rest, format!("{} others", rest.len())));
        }
        table.rule();
        table.row(sum(&self.kernels, format!("{} kernels", self.kernels.len())));
        table.to_string()
    }

    fn cells(&self, row: &KernelRow) -> Vec<String> {
        let share = row.flops as f64 / self.flops.max(1) as f64;
        let code: Vec<_> = row.code_bytes.iter().map(ToString::to_string).collect();
        vec![
            row.kernel.clone(),
            row.runs.to_string(),
            format!("{:.3}", row.flops as f64 / 1e6),
            format!("{:.1} %", share * 100.0),
            grouped(row.weight_bytes as u64),
            code.join("/"),
            row.first.clone(),
        ]
    }
}
