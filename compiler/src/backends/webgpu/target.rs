//! What the plan asks.

use crate::error::{Error, Result};
use crate::kernel::{Contract, Convolve, DEPTHWISE_LANES, Image, Kernel, Right, WindowAxis};
use crate::plan::{Arenas, Candidate, Joins, Matrix, Method, Packed, Product, Target, Views};

/// To this many bytes buffers align what is bound with an offset, by default.
pub(super) const ALIGNMENT: usize = 256;

/// Most bytes of all values: addresses count elements in 32 bits.
const MAX_ARENAS: usize = 8 << 30;

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
        MAX_ARENAS
    }

    fn writes_in_place(&self) -> bool {
        false
    }

    fn views(&self) -> Views {
        Views {
            reshapes: true,
            parts: true,
            joins: Joins::Apart,
            frames: false,
        }
    }

    fn methods(&self, product: &Product) -> Vec<Candidate> {
        let every_pixel = |axis: &WindowAxis| (axis.size, axis.before, axis.after) == (1, 0, 0);
        let no_window = product.window.is_none_or(|axes| axes.iter().all(every_pixel));
        let method = if product.is_depthwise() {
            let width = DEPTHWISE_LANES;
            Method::Bounded { width }
        } else if no_window && product.groups == 1 {
            let width = product.panel_width();
            Method::Panels { width }
        } else {
            let width = product.panel_width();
            Method::Bounded { width }
        };
        vec![Candidate {
            method,
            cost: 1.0,
            error: 0.0,
        }]
    }

    fn compacts(&self, _: &Product, _: &Image) -> bool {
        false
    }

    fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
        let width = match kernel {
            Kernel::Contract(Contract {
                right: Right::Panels { width },
                ..
            })
            | Kernel::Convolve(Convolve {
                panels: Some(width), ..
            }) => *width,
            other => {
                return Err(Error::internal(format!(
                    "a {} kernel has no packed weights",
                    other.family()
                )));
            }
        };
        Ok(Packed {
            data: Contract::pack(weights.rows(), weights.bias(), width),
            prepare: None,
        })
    }
}
