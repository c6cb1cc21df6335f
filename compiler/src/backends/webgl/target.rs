//! What the plan asks.

use super::layout::quarter;
use crate::backends::gpu;
use crate::error::Result;
use crate::kernel::{Image, Kernel};
use crate::plan::{Arenas, Candidate, Matrix, Packed, Product, Target, Views};

/// Bytes of a texel.
const TEXEL: usize = 16;

/// WebGL2 as a target of plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebGl;

impl Target for WebGl {
    fn alignment(&self) -> usize {
        TEXEL
    }

    fn arenas(&self) -> Arenas {
        Arenas::Own
    }

    fn most_arena_bytes(&self) -> usize {
        gpu::MAX_BYTES
    }

    fn writes_in_place(&self) -> bool {
        false
    }

    fn form(&self, kernel: &Kernel) -> usize {
        quarter(kernel).unwrap_or(0)
    }

    fn views(&self) -> Views {
        gpu::VIEWS
    }

    fn methods(&self, product: &Product) -> Vec<Candidate> {
        gpu::methods(product)
    }

    fn compacts(&self, _: &Product, _: &Image) -> bool {
        false
    }

    fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
        gpu::pack(kernel, weights)
    }
}
