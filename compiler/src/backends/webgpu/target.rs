//! What the plan asks.

use super::joint;
use crate::backends::gpu;
use crate::error::Result;
use crate::kernel::{Image, Kernel};
use crate::plan::{Arenas, Candidate, Matrix, Packed, Product, Steps, Target, Views};

/// To this many bytes buffers align what is bound with an offset, by default.
pub(super) const ALIGNMENT: usize = 256;

/// WebGPU as a target of plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebGpu;

impl Target for WebGpu {
    fn alignment(&self) -> usize {
        ALIGNMENT
    }

    fn arenas(&self) -> Arenas {
        Arenas::Apart
    }

    fn most_arena_bytes(&self) -> usize {
        gpu::MAX_BYTES
    }

    fn writes_in_place(&self) -> bool {
        false
    }

    fn views(&self) -> Views {
        gpu::VIEWS
    }

    fn methods(&self, product: &Product) -> Vec<Candidate> {
        gpu::methods(product)
    }

    fn batches_products(&self) -> bool {
        true
    }

    fn joint(&self, steps: Steps<'_>) -> Vec<Vec<usize>> {
        joint::all(steps)
    }

    fn compacts(&self, _: &Product, _: &Image) -> bool {
        false
    }

    fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
        gpu::pack(kernel, weights)
    }
}
