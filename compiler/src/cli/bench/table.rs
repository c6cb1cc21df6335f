//! Steps by time, families, the whole.

use super::Measured;
use keras_compile::report::{Align, StepRow, Table};
use std::collections::BTreeMap;

/// A step or a family with what it took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cost {
    steps: usize,
    ms: f64,
    flops: u64,
    bytes: u64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.ms += other.ms;
        self.flops += other.flops;
        self.bytes += other.bytes;
    }

    /// Time, share of all, speed, share of the peak, and what it took longer than at the peak. What multiplies
    /// nothing is measured by the bytes that it moves, and all its time is lost.
    fn cells(self, all_ms: f64, peak: f64) -> Vec<String> {
        let speed = |amount: u64| match self.ms > 0.0 && amount > 0 {
            true => amount as f64 / self.ms / 1e6,
            false => f64::NAN,
        };
        let (gflops, gbs) = (speed(self.flops), speed(self.bytes));
        vec![
            format!("{:.3}", self.ms),
            number(100.0 * self.ms / all_ms),
            number(gflops),
            number(gbs),
            number(100.0 * gflops / peak),
            format!("{:.3}", self.ms - self.flops as f64 / peak / 1e6),
        ]
    }
}

/// One digit behind the point, or a dash.
fn number(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.1}"),
        false => "-".to_owned(),
    }
}

const COSTS: [(&str, Align); 6] = [
    ("ms", Align::Right),
    ("% of all", Align::Right),
    ("GFLOP/s", Align::Right),
    ("GB/s", Align::Right),
    ("% of peak", Align::Right),
    ("ms lost", Align::Right),
];

/// The `top` slowest steps, all families, and the sums.
pub(super) fn display(steps: &[StepRow], measured: &Measured, top: usize) -> String {
    let peak = measured.peak * f64::from(measured.threads);
    let cost = |(step, &ms): (&StepRow, &f64)| Cost {
        steps: 1,
        ms,
        flops: step.flops,
        bytes: step.bytes,
    };
    let costs: Vec<Cost> = steps.iter().zip(&measured.step_ms).map(cost).collect();
    let mut all = Cost::default();
    costs.iter().for_each(|&cost| all.add(cost));
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by(|&a, &b| costs[b].ms.total_cmp(&costs[a].ms));

    let head = [
        ("step", Align::Right),
        ("layers", Align::Left),
        ("kernel", Align::Left),
    ];
    let mut table = Table::new(&[&head[..], &COSTS].concat());
    for &i in order.iter().take(top) {
        let step = &steps[i];
        let variant = match measured.module.as_str() {
            "relaxed" => &step.relaxed,
            _ => &step.baseline,
        };
        let mut cells = vec![i.to_string(), step.layers.join(", "), variant.clone()];
        cells.extend(costs[i].cells(all.ms, peak));
        table.row(cells);
    }
    let mut families: BTreeMap<&str, Cost> = BTreeMap::new();
    for (step, &cost) in steps.iter().zip(&costs) {
        families.entry(&step.family).or_default().add(cost);
    }
    let mut families: Vec<_> = families.into_iter().collect();
    families.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    let mut sums = Table::new(&[&[("family", Align::Left), ("steps", Align::Right)][..], &COSTS].concat());
    let mut sum = |name: &str, cost: Cost| {
        let mut cells = vec![name.to_owned(), cost.steps.to_string()];
        cells.extend(cost.cells(all.ms, peak));
        sums.row(cells);
    };
    families.iter().for_each(|&(family, cost)| sum(family, cost));
    sum("all", all);
    let left = match steps.len().saturating_sub(top) {
        0 => String::new(),
        more => format!("and {more} faster steps; --top shows more\n"),
    };
    format!(
        "{table}{left}\n{sums}\npredict  {:.3} ms (median), {:.3} ms (tenth percentile); its steps {:.3} ms (tenth percentiles)\n\
         peak     {peak:.1} GFLOP/s of fused multiply-adds on {}\nmodule   {}\n",
        measured.predict_ms,
        measured.predict_tenth_ms,
        all.ms,
        match measured.threads {
            1 => "1 thread".to_owned(),
            n => format!("{n} threads"),
        },
        measured.module,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(layer: &str, family: &str, flops: u64) -> StepRow {
        StepRow {
            layers: vec![layer.to_owned()],
            family: family.to_owned(),
            relaxed: format!("{family} 6x8"),
            baseline: format!("{family} 4x8"),
            flops,
            bytes: 4_000_000,
        }
    }

    #[test]
    fn the_slowest_come_first() {
        let steps = [
            step("a", "map", 0),
            step("b", "contract", 40_000_000),
            step("c", "map", 0),
        ];
        let measured = Measured {
            module: "relaxed".to_owned(),
            threads: 1,
            peak: 40.0,
            predict_ms: 4.5,
            predict_tenth_ms: 4.25,
            step_ms: vec![0.5, 2.0, 1.5],
        };
        let expected = "\
step  layers  kernel           ms  % of all  GFLOP/s  GB/s  % of peak  ms lost
──────────────────────────────────────────────────────────────────────────────
   1  b       contract 6x8  2.000      50.0     20.0   2.0       50.0    1.000
   2  c       map 6x8       1.500      37.5        -   2.7          -    1.500
and 1 faster steps; --top shows more

family    steps     ms  % of all  GFLOP/s  GB/s  % of peak  ms lost
───────────────────────────────────────────────────────────────────
contract      1  2.000      50.0     20.0   2.0       50.0    1.000
map           2  2.000      50.0        -   4.0          -    2.000
all           3  4.000     100.0     10.0   3.0       25.0    3.000

predict  4.500 ms (median), 4.250 ms (tenth percentile); its steps 4.000 ms (tenth percentiles)
peak     40.0 GFLOP/s of fused multiply-adds on 1 thread
module   relaxed
";
        assert_eq!(display(&steps, &measured, 2), expected);
    }
}
