//! One row for each kernel of a plan.

use crate::backends::Code;
use crate::kernel::{Contract, Depthwise, Kernel, Right, WINOGRAD_LANES};
use crate::plan::{Plan, Run, Space};
use std::collections::{BTreeMap, BTreeSet};

/// Figures of a kernel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KernelRow {
    /// Family and extents.
    pub kernel: String,
    /// How often a prediction runs it.
    pub runs: usize,
    /// Floating-point operations of all those runs.
    pub flops: u64,
    /// Bytes of weights that only it reads, or reads first.
    pub weight_bytes: usize,
    /// Bytes of its code in each variant.
    pub code_bytes: Vec<usize>,
    /// The layer that it computes first.
    pub first: String,
}

impl KernelRow {
    /// The sum of rows under another name; their code has so many variants.
    pub(super) fn sum(rows: &[Self], kernel: String, variants: usize) -> Self {
        let mut sum = Self {
            kernel,
            code_bytes: vec![0; variants],
            ..Self::default()
        };
        for row in rows {
            sum.runs += row.runs;
            sum.flops += row.flops;
            sum.weight_bytes += row.weight_bytes;
            let sums = sum.code_bytes.iter_mut().zip(&row.code_bytes);
            sums.for_each(|(sum, bytes)| *sum += bytes);
        }
        sum
    }

    fn count(&mut self, run: &Run, times: usize) {
        if self.first.is_empty() {
            self.first.clone_from(&run.name);
        }
        self.runs += times;
        self.flops += run.flops * times as u64;
    }
}

/// All kernels, those with the most work first.
pub(super) fn rows(plan: &Plan, variants: &[Code]) -> Vec<KernelRow> {
    let code = |variant: &Code, kernel: usize| variant.kernels.get(kernel).copied().unwrap_or(0);
    let mut rows: Vec<_> = (0..plan.kernels.len())
        .map(|i| KernelRow {
            kernel: label(&plan.kernels[i]),
            code_bytes: variants.iter().map(|variant| code(variant, i)).collect(),
            ..KernelRow::default()
        })
        .collect();
    let sizes: BTreeMap<usize, usize> = plan
        .weights
        .parts()
        .map(|(at, data)| (at, data.len() * 4))
        .collect();
    let mut counted = BTreeSet::new();
    let prepare = plan.prepare.iter().map(|run| (0, run));
    let steps = plan.steps.iter();
    let steps = steps.flat_map(|step| step.runs().iter().map(|run| (step.count(), run)));
    for (times, run) in prepare.chain(steps) {
        let row = &mut rows[run.kernel.0];
        row.count(run, times);
        for argument in run.arguments.iter().filter(|a| a.space == Space::Weights) {
            // Slices of a constant look into the middle of it.
            let part = sizes.range(..=argument.offset).next_back();
            if let Some((&at, &bytes)) = part.filter(|(at, _)| counted.insert(**at)) {
                row.weight_bytes += bytes;
                debug_assert!(argument.offset < at + bytes);
            }
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.flops));
    rows
}

/// Family and extents in a few words.
pub(super) fn label(kernel: &Kernel) -> String {
    let family = kernel.family();
    let image = |dims: &[usize; 4]| {
        dims.iter()
            .skip_while(|&&d| d == 1)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let extents = |dims: &[usize]| match dims {
        [] => vec!["1".to_owned()],
        _ => dims.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    match kernel {
        Kernel::Contract(k) => {
            let (right, length) = match k.right {
                Right::Panels { .. } => ("", k.k()),
                Right::Codes { .. } => (" int8", 2 * (k.run - 1)),
                Right::Rows { .. } => (" computed", k.k()),
            };
            let Contract { dims, .. } = k;
            format!("{family} {} k={length}{right}", image(dims).join("x"))
        }
        Kernel::Winograd(k) => format!(
            "{family} {} k={} F({m}x{m},3x3)",
            image(&k.dims).join("x"),
            9 * k.channels,
            m = k.m
        ),
        Kernel::WinogradWeights(k) => format!(
            "{family} {}x{} F({m}x{m},3x3)",
            k.channels,
            k.panels * WINOGRAD_LANES,
            m = k.m
        ),
        Kernel::Convolve(k) => {
            let [rows, pixels] = &k.window;
            let (rows, pixels) = (rows.size, pixels.size);
            let groups = match k.groups {
                1 => String::new(),
                groups => format!(" of {groups} groups"),
            };
            let extents = image(&k.dims).join("x");
            format!("{family} {extents} k={}{groups}", rows * pixels * k.channels)
        }
        Kernel::Depthwise(Depthwise { dims, taps, .. }) => {
            format!("{family} {} {}x{}", image(dims).join("x"), taps[0].0, taps[1].0)
        }
        Kernel::Pool(k) => {
            let [rows, pixels] = &k.window;
            format!(
                "{family} {} {}x{}",
                image(&k.dims).join("x"),
                rows.size,
                pixels.size
            )
        }
        Kernel::Map(k) => format!("{family} {}", extents(&k.dims).join("x")),
        Kernel::Move(k) => format!("{family} {}", extents(&k.dims).join("x")),
        Kernel::Fill(k) => {
            let count: usize = k.regions.iter().map(|r| r.dims.iter().product::<usize>()).sum();
            format!("{family} {count}")
        }
        Kernel::Quantize(k) => {
            let [batches, rows, pixels] = k.dims;
            format!("{family} {}x{}", batches * rows * pixels, k.run)
        }
        Kernel::Gather(k) => format!("{family} {}x{} of {}", k.indices, k.row, k.extent),
        Kernel::Reduce(k) => {
            let kept: Vec<_> = k.kept.iter().map(|axis| axis.extent).collect();
            let reduced: Vec<_> = k.reduced.iter().map(|axis| axis.0).collect();
            format!(
                "{family} {} over {}",
                extents(&kept).join("x"),
                extents(&reduced).join("x")
            )
        }
    }
}
