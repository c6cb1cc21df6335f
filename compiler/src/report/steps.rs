//! What every step of a plan does, for profiles.

use super::kernels::label;
use super::traffic::touched_bytes;
use crate::backends::Variant;
use crate::kernel::Kernel;
use crate::plan::{Plan, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One step of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// The layers that it computes, each named once.
    pub layers: Vec<String>,
    /// Families of its kernels.
    pub family: String,
    /// Family, tile and extents, as each variant of the code has them.
    pub variants: BTreeMap<String, String>,
    /// Floating-point operations, those of a direct convolution where the algorithm needs fewer.
    pub flops: u64,
    /// Those that its algorithm needs.
    pub needed: u64,
    /// Bytes of weights, inputs and outputs, each element once for each run of a kernel.
    pub bytes: u64,
}

/// All steps in order, for the variants of a backend's code.
pub fn steps(plan: &Plan, variants: &[Variant]) -> Vec<StepRow> {
    let steps = plan.steps.iter();
    steps.map(|step| row(plan, variants, step)).collect()
}

fn row(plan: &Plan, variants: &[Variant], step: &Step) -> StepRow {
    let runs = step.runs();
    let times = step.count() as u64;
    let kernels = || runs.iter().map(|run| plan.kernel(run));
    let text = |variant: &Variant| {
        let texts = distinct(kernels().map(|kernel| tiled(kernel, variant)));
        let text = match step {
            Step::Run(_) => texts.concat(),
            Step::Loop { count, .. } => format!("{count} times {}", texts.join(", ")),
        };
        (variant.name.to_owned(), text)
    };
    StepRow {
        layers: distinct(runs.iter().map(|run| run.name.clone())),
        family: distinct(kernels().map(|kernel| kernel.family().to_owned())).join("+"),
        variants: variants.iter().map(text).collect(),
        flops: runs.iter().map(|run| run.flops).sum::<u64>() * times,
        needed: runs
            .iter()
            .map(|run| needed(plan.kernel(run), run.flops))
            .sum::<u64>()
            * times,
        bytes: kernels().map(touched_bytes).sum::<u64>() * times,
    }
}

/// Of a kernel whose operation takes `flops`.
fn needed(kernel: &Kernel, flops: u64) -> u64 {
    let Kernel::Winograd(winograd) = kernel else {
        return flops;
    };
    (flops + 2 * winograd.products()).saturating_sub(2 * winograd.direct_products())
}

/// `contract 6x8 1x56x56x64 k=64`: the tile behind the family.
fn tiled(kernel: &Kernel, variant: &Variant) -> String {
    let label = label(kernel);
    match ((variant.tile)(kernel), label.split_once(' ')) {
        (Some([pixels, channels]), Some((family, extents))) => {
            format!("{family} {pixels}x{channels} {extents}")
        }
        _ => label,
    }
}

/// Each text once, in the order of its first appearance.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::wasm::Wasm;
    use crate::error::Result;
    use crate::graph::{Builder, Graph};
    use crate::kernel::Image;
    use crate::ops::{Conv, WindowAxis};
    use crate::plan::{Arenas, Candidate, Matrix, Packed, Product, Target, Views, plan};
    use crate::pointwise::Tape;
    use crate::tensor::{Tensor, TensorType};

    /// Takes F(m x m, 3x3) for everything.
    struct Forced(usize);

    impl Target for Forced {
        fn alignment(&self) -> usize {
            Wasm::default().alignment()
        }
        fn arenas(&self) -> Arenas {
            Wasm::default().arenas()
        }
        fn most_arena_bytes(&self) -> usize {
            Wasm::default().most_arena_bytes()
        }
        fn writes_in_place(&self) -> bool {
            true
        }
        fn views(&self) -> Views {
            Views::ALL
        }
        fn methods(&self, product: &Product) -> Vec<Candidate> {
            let forced = Wasm::winograd(product, self.0).expect("it fits");
            vec![Candidate { error: 0.0, ..forced }]
        }
        fn compacts(&self, _: &Product, _: &Image) -> bool {
            false
        }
        fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
            Wasm::default().pack(kernel, weights)
        }
    }

    #[test]
    fn fast_convolutions_need_less() {
        let needed = |target: &dyn Target| {
            let mut graph = Graph::new();
            let mut build = Builder::new(&mut graph, "conv");
            let x = build.input("x", TensorType::f32([1, 8, 8, 16])).unwrap();
            let weights = build.constant(Tensor::splat([3, 3, 16, 32], 0.5)).unwrap();
            let same = WindowAxis {
                before: 1,
                after: 1,
                ..WindowAxis::new(3)
            };
            let conv = Conv {
                window: [same, same],
                groups: 1,
                bias: false,
                epilogue: Tape::identity(),
            };
            let y = build.add(conv, &[x, weights]).unwrap();
            graph.add_output("y", y);
            let rows = steps(&plan(&graph, target).unwrap(), &[]);
            let sums = rows.iter().map(|row| [row.flops, row.needed]);
            sums.fold([0, 0], |a, b| [a[0] + b[0], a[1] + b[1]])
        };
        let direct = 2 * 8 * 8 * 32 * 9 * 16;
        assert_eq!(needed(&Wasm { exact: true }), [direct, direct]);
        // 16 tiles of 16 positions, 4 of 36.
        assert_eq!(needed(&Forced(2)), [direct, 2 * 16 * 16 * 16 * 32]);
        assert_eq!(needed(&Forced(4)), [direct, 2 * 4 * 36 * 16 * 32]);
    }
}
