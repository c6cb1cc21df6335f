//! Steps by time, families, the whole.

use super::Measured;
use keras_compile::report::{Align, StepRow, Table};
use std::collections::BTreeMap;

/// A step or a family with what it took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cost {
    steps: usize,
    ms: f64,
    /// How uncertain the time is.
    error: f64,
    flops: u64,
    /// What the algorithm needs of them, which the peak is compared with.
    needed: u64,
    bytes: u64,
}

/// Times that are less certain than this, relative to themselves, give no speeds.
const UNCERTAIN: f64 = 0.1;

impl Cost {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.ms += other.ms;
        // They have nothing to do with each other.
        self.error = self.error.hypot(other.error);
        // A bundle may say anything.
        self.flops = self.flops.saturating_add(other.flops);
        self.needed = self.needed.saturating_add(other.needed);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Time, share of all, speed, and where there is a peak, the share of it and what it took longer than at the peak. What
    /// multiplies nothing is measured by the bytes that it moves, and all its time is lost.
    fn cells(self, all_ms: f64, peak: Option<f64>) -> Vec<String> {
        let certain = self.ms > 0.0 && self.error <= UNCERTAIN * self.ms;
        let speed = |amount: u64| match certain && amount > 0 {
            true => amount as f64 / self.ms / 1e6,
            false => f64::NAN,
        };
        let (gflops, gbs) = (speed(self.flops), speed(self.bytes));
        let mut cells = vec![
            time(self.ms, all_ms),
            number(100.0 * self.ms / all_ms),
            number(gflops),
            number(gbs),
        ];
        if let Some(peak) = peak {
            cells.push(number(100.0 * speed(self.needed) / peak));
            // Nothing is faster than the peak; it is measured, too, and may come out a little low.
            let lost = (self.ms - self.needed as f64 / peak / 1e6).max(0.0);
            cells.push(match certain {
                true => time(lost, all_ms),
                false => "-".to_owned(),
            });
        }
        cells
    }
}

/// Milliseconds of a network that takes `all_ms`: those of small ones to ten nanoseconds.
fn time(ms: f64, all_ms: f64) -> String {
    match all_ms < 1.0 {
        true => format!("{ms:.5}"),
        false => format!("{ms:.3}"),
    }
}

/// One digit behind the point, or a dash.
fn number(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.1}"),
        false => "-".to_owned(),
    }
}

const COSTS: &[(&str, Align)] = &[
    ("ms", Align::Right),
    ("% of all", Align::Right),
    ("GFLOP/s", Align::Right),
    ("GB/s", Align::Right),
];

/// Where there is a peak.
const OF_PEAK: &[(&str, Align)] = &[("% of peak", Align::Right), ("ms lost", Align::Right)];

/// The `top` slowest steps, all families, and the sums.
pub(super) fn display(steps: &[StepRow], measured: &Measured, top: usize) -> String {
    let peak = measured.peak.map(|peak| peak * f64::from(measured.threads));
    let columns = if peak.is_some() {
        [COSTS, OF_PEAK].concat()
    } else {
        COSTS.to_vec()
    };
    let times = measured.step_ms.iter().zip(&measured.step_error_ms);
    let cost = |(step, (&ms, &error)): (&StepRow, (&f64, &f64))| Cost {
        steps: 1,
        ms,
        error,
        flops: step.flops,
        needed: step.needed,
        bytes: step.bytes,
    };
    let costs: Vec<Cost> = steps.iter().zip(times).map(cost).collect();
    let mut all = Cost::default();
    costs.iter().for_each(|&cost| all.add(cost));
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by(|&a, &b| costs[b].ms.total_cmp(&costs[a].ms));

    let head = [
        ("step", Align::Right),
        ("layers", Align::Left),
        ("kernel", Align::Left),
    ];
    let mut table = Table::new(&[&head[..], &columns].concat());
    for &i in order.iter().take(top) {
        let step = &steps[i];
        let variant = step.variants.get(&measured.module);
        let kernel = variant.unwrap_or(&step.family).clone();
        let mut cells = vec![i.to_string(), step.layers.join(", "), kernel];
        cells.extend(costs[i].cells(all.ms, peak));
        table.row(cells);
    }
    let mut families: BTreeMap<&str, Cost> = BTreeMap::new();
    for (step, &cost) in steps.iter().zip(&costs) {
        families.entry(&step.family).or_default().add(cost);
    }
    let mut families: Vec<_> = families.into_iter().collect();
    families.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    let mut sums = Table::new(&[&[("family", Align::Left), ("steps", Align::Right)][..], &columns].concat());
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
    let threads = match measured.threads {
        1 => "1 thread".to_owned(),
        n => format!("{n} threads"),
    };
    let peak = peak.map_or_else(String::new, |peak| {
        format!("peak     {peak:.1} GFLOP/s of fused multiply-adds on {threads}\n")
    });
    format!(
        "{table}{left}\n{sums}\npredict  {} ms (median), {} ms (tenth percentile); its steps {} ms\n\
         {peak}module   {}\n",
        time(measured.predict_ms, all.ms),
        time(measured.predict_tenth_ms, all.ms),
        time(all.ms, all.ms),
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
            variants: [("fast", "6x8"), ("slow", "4x8")]
                .map(|(name, tile)| (name.to_owned(), format!("{family} {tile}")))
                .into(),
            flops,
            needed: flops,
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
            module: "fast".to_owned(),
            threads: 1,
            peak: Some(40.0),
            predict_ms: 4.5,
            predict_tenth_ms: 4.25,
            step_ms: vec![0.5, 2.0, 1.5],
            step_error_ms: vec![0.0; 3],
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

predict  4.500 ms (median), 4.250 ms (tenth percentile); its steps 4.000 ms
peak     40.0 GFLOP/s of fused multiply-adds on 1 thread
module   fast
";
        assert_eq!(display(&steps, &measured, 2), expected);
    }

    #[test]
    fn without_a_peak() {
        let measured = Measured {
            module: "fast".to_owned(),
            threads: 1,
            peak: None,
            predict_ms: 4.5,
            predict_tenth_ms: 4.25,
            step_ms: vec![2.0],
            step_error_ms: vec![0.0],
        };
        let expected = "\
step  layers  kernel           ms  % of all  GFLOP/s  GB/s
──────────────────────────────────────────────────────────
   0  b       contract 6x8  2.000     100.0     20.0   2.0

family    steps     ms  % of all  GFLOP/s  GB/s
───────────────────────────────────────────────
contract      1  2.000     100.0     20.0   2.0
all           1  2.000     100.0     20.0   2.0

predict  4.500 ms (median), 4.250 ms (tenth percentile); its steps 2.000 ms
module   fast
";
        assert_eq!(
            display(&[step("b", "contract", 40_000_000)], &measured, 2),
            expected
        );
    }

    /// Speeds are those of the operation, shares of the peak those of the algorithm.
    #[test]
    fn algorithms_that_need_less() {
        let winograd = StepRow {
            needed: 16_000_000,
            ..step("a", "winograd", 36_000_000)
        };
        let measured = Measured {
            module: "fast".to_owned(),
            threads: 1,
            peak: Some(40.0),
            predict_ms: 1.0,
            predict_tenth_ms: 1.0,
            step_ms: vec![1.0],
            step_error_ms: vec![0.0],
        };
        let shown = display(&[winograd], &measured, 1);
        let row: Vec<_> = shown.lines().nth(2).unwrap().split_whitespace().skip(4).collect();
        assert_eq!(row, ["1.000", "100.0", "36.0", "4.0", "40.0", "0.600"], "{shown}");
    }

    #[test]
    fn short_steps() {
        let steps = [
            step("a", "contract", 1000),
            step("b", "contract", 4000),
            step("c", "contract", 1000),
        ];
        let measured = Measured {
            module: "fast".to_owned(),
            threads: 1,
            peak: Some(40.0),
            predict_ms: 0.001,
            predict_tenth_ms: 0.0009,
            // At the peak, 2 % above it, and hardly seen by the clock.
            step_ms: vec![0.000_025, 0.000_098, 0.000_005],
            step_error_ms: vec![0.000_001, 0.000_002, 0.000_002],
        };
        let shown = display(&steps, &measured, 3);
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .skip(2)
            .take(3)
            .map(|line| line.split_whitespace().skip(4).collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["0.00010", "76.6", "40.8", "40816.3", "102.0", "0.00000"],
                ["0.00003", "19.5", "40.0", "160000.0", "100.0", "0.00000"],
                ["0.00001", "3.9", "-", "-", "-", "-"],
            ],
            "{shown}"
        );
    }
}
