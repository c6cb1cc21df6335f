//! What a step costs, roughly: enough to tell which are worth dividing between threads.

use crate::kernel::Kernel;
use crate::plan::{Plan, Run};

/// Floating-point operations of a nanosecond on one thread.
const FLOPS: u64 = 50;
/// Bytes of a nanosecond that copies and maps move.
const BYTES: u64 = 10;

/// Estimated nanoseconds of a step on one thread.
pub(super) fn of_run(plan: &Plan, run: &Run) -> u64 {
    let moved = 4 * elements(plan.kernel(run)) as u64;
    (run.flops / FLOPS).max(moved / BYTES)
}

/// Estimated nanoseconds of a loop.
pub(super) fn of_loop(plan: &Plan, count: usize, body: &[Run]) -> u64 {
    count as u64 * body.iter().map(|run| of_run(plan, run)).sum::<u64>()
}

/// Elements that a kernel reads and writes, of inputs with windows about as many as it writes.
fn elements(kernel: &Kernel) -> usize {
    let product = |dims: &[usize]| dims.iter().product::<usize>();
    match kernel {
        Kernel::Map(k) => product(&k.dims) * (k.inputs.len() + 1),
        Kernel::Reduce(k) => {
            let kept: usize = k.kept.iter().map(|axis| axis.extent).product();
            kept * k.reduced.iter().map(|axis| axis.0).product::<usize>()
        }
        Kernel::Contract(k) => product(&k.dims) + k.k() * k.dims[3],
        Kernel::Winograd(k) => product(&k.dims),
        Kernel::Convolve(k) => product(&k.dims),
        Kernel::WinogradWeights(k) => k.panels * (k.panel_before() + k.panel_after()),
        Kernel::Depthwise(k) => 2 * product(&k.dims),
        Kernel::Pool(k) => product(&k.dims) * (1 + k.window[0].size * k.window[1].size),
        Kernel::Move(k) => 2 * product(&k.dims),
        Kernel::Fill(k) => k.regions.iter().map(|region| product(&region.dims)).sum(),
        Kernel::Quantize(k) => 2 * product(&k.dims) * k.run,
        Kernel::Gather(k) => 2 * k.outer * k.indices * k.row,
    }
}
