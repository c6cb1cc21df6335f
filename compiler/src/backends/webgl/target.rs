//! What the plan asks.

use crate::error::{Error, Result};
use crate::kernel::{Contract, Convolve, DEPTHWISE_LANES, Image, Kernel, Right, WindowAxis};
use crate::plan::{Arenas, Candidate, Joins, Matrix, Method, Packed, Product, Target, Views};

/// Bytes of a texel.
const TEXEL: usize = 16;

/// Most bytes of all values: addresses count elements in 32 bits.
const MAX_TEXTURES: usize = 8 << 30;

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
        MAX_TEXTURES
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
        let width = if product.is_depthwise() {
            DEPTHWISE_LANES
        } else {
            product.panel_width()
        };
        let method = if no_window && product.groups == 1 {
            Method::Panels { width }
        } else {
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
