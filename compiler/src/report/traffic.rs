//! How much memory a kernel touches.

use crate::kernel::{Contract, DEPTHWISE_LANES, Epilogue, Kernel, Right};

/// Bytes that a kernel reads and writes, each element once: what a cache that holds everything would still move.
pub(super) fn touched_bytes(kernel: &Kernel) -> u64 {
    let elements = match kernel {
        Kernel::Map(k) => {
            let inputs = k.inputs.iter().map(|input| footprint(&k.dims, &input.strides));
            inputs.sum::<usize>() + product(&k.dims)
        }
        Kernel::Reduce(k) => {
            let kept = k.kept.iter().map(|axis| (axis.extent, axis.x));
            let read = walked(kept.chain(k.reduced.iter().copied()));
            let written: usize = k.kept.iter().map(|axis| axis.extent).product();
            let count = k.kept.first().map_or(0, |axis| axis.operands.len());
            let operand = |i: usize| walked(k.kept.iter().map(|axis| (axis.extent, axis.operands[i])));
            read + written + (0..count).map(operand).sum::<usize>()
        }
        Kernel::Contract(k) => {
            let taps = k.taps.iter().copied().chain([(k.run, 1)]);
            walked(image(&k.dims, &k.a).chain(taps)) + right(k) + written(&k.dims, &k.epilogue)
        }
        Kernel::Winograd(k) => {
            let [batches, rows, pixels, _] = k.dims;
            let read = batches * (rows + 2) * (pixels + 2) * k.channels;
            read + k.panels() * k.panel_elements() + written(&k.dims, &k.epilogue)
        }
        Kernel::WinogradWeights(k) => k.panels * (k.panel_before() + k.panel_after()),
        Kernel::Depthwise(k) => {
            let channels = k.dims[3];
            let axes = image(&k.dims, &k.a).chain(k.taps).chain([(channels, 1)]);
            let weights = channels.next_multiple_of(DEPTHWISE_LANES) * (k.k() + 1);
            walked(axes) + weights + written(&k.dims, &k.epilogue)
        }
        Kernel::Pool(k) => {
            let [rows, pixels] = k.input;
            k.dims[0] * rows * pixels * k.dims[3] + written(&k.dims, &k.epilogue)
        }
        Kernel::Move(k) => 2 * product(&k.dims),
        Kernel::Fill(k) => k.regions.iter().map(|region| product(&region.dims)).sum(),
        Kernel::Gather(k) => k.indices + 2 * k.outer * k.indices * k.row,
    };
    4 * elements as u64
}

/// The right-hand side of a contraction.
fn right(k: &Contract) -> usize {
    match k.right {
        Right::Panels { width } => k.dims[3].next_multiple_of(width) * (k.k() + 1),
        Right::Rows { .. } => k.dims[3] * k.k(),
    }
}

/// The result and what the epilogue reads.
fn written(dims: &[usize; 4], epilogue: &Epilogue) -> usize {
    let operands = epilogue.operands.iter().map(|strides| footprint(dims, strides));
    product(dims) + operands.sum::<usize>()
}

/// Axes of a result but for its channels, with the distances in what it is made from.
fn image<'a>(dims: &'a [usize; 4], strides: &'a [usize; 3]) -> impl Iterator<Item = (usize, usize)> + 'a {
    dims.iter().copied().zip(strides.iter().copied())
}

fn product(dims: &[usize]) -> usize {
    dims.iter().product()
}

fn footprint(dims: &[usize], strides: &[usize]) -> usize {
    walked(dims.iter().copied().zip(strides.iter().copied()))
}

/// Distinct elements on a walk along axes of these extents and distances: windows overlap, strides skip. As many as
/// there are positions, but no more than lie between the first and the last.
fn walked(axes: impl Iterator<Item = (usize, usize)>) -> usize {
    let (positions, last) = axes
        .filter(|axis| axis.1 > 0)
        .fold((1, 0), |(positions, last), (extent, stride)| {
            (positions * extent, last + extent.saturating_sub(1) * stride)
        });
    positions.min(last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_count_every_element_once() {
        assert_eq!(walked([(4, 3), (3, 1)].into_iter()), 12);
        // A window of three over five elements.
        assert_eq!(walked([(3, 1), (3, 1)].into_iter()), 5);
        // Every second of nine.
        assert_eq!(walked([(5, 2)].into_iter()), 5);
        // A broadcast.
        assert_eq!(walked([(7, 0), (3, 1)].into_iter()), 3);
        assert_eq!(walked([].into_iter()), 1);
    }
}
