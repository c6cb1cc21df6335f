//! Targets beside the real ones: some that force a choice, and one as unlike memory as textures are.

use keras_compile::backends::wasm::Wasm;
use keras_compile::error::{Error, Result};
use keras_compile::kernel::{Image, Kernel};
use keras_compile::plan::{Arenas, Candidate, Joins, Matrix, Method, Packed, Product, Target, Views};

/// Every value is a tensor of its own: nothing is written in place or into the middle of another, nothing looks into
/// another, there are no frames; groups are one kernel, and weights stay as they are.
pub struct Textures;

impl Target for Textures {
    fn alignment(&self) -> usize {
        4
    }
    fn arenas(&self) -> Arenas {
        Arenas::Own
    }
    fn most_arena_bytes(&self) -> usize {
        usize::MAX
    }
    fn writes_in_place(&self) -> bool {
        false
    }
    fn views(&self) -> Views {
        Views::NONE
    }
    fn methods(&self, _: &Product) -> Vec<Candidate> {
        vec![Candidate {
            method: Method::Plain,
            cost: 1.0,
            error: 0.0,
        }]
    }
    fn batches_products(&self) -> bool {
        true
    }
    fn compacts(&self, _: &Product, _: &Image) -> bool {
        false
    }
    fn pack(&self, kernel: &Kernel, _: &Matrix<'_>) -> Result<Packed> {
        Err(Error::internal(format!(
            "a {} kernel with packed weights",
            kernel.family()
        )))
    }
}

/// As for wasm, with something else instead.
pub struct Like {
    /// Take F(m x m, 3x3) wherever it fits.
    pub winograd: Option<usize>,
    /// How memory is divided.
    pub arenas: Arenas,
}

impl Like {
    /// F(m x m, 3x3) wherever it fits.
    pub fn winograd(m: usize) -> Self {
        Self {
            winograd: Some(m),
            arenas: Arenas::One,
        }
    }

    /// No kernel writes to an arena that it reads.
    pub fn apart() -> Self {
        Self {
            winograd: None,
            arenas: Arenas::Apart,
        }
    }
}

impl Target for Like {
    fn alignment(&self) -> usize {
        Wasm::default().alignment()
    }
    fn arenas(&self) -> Arenas {
        self.arenas
    }
    fn most_arena_bytes(&self) -> usize {
        Wasm::default().most_arena_bytes()
    }
    fn writes_in_place(&self) -> bool {
        self.arenas == Arenas::One
    }
    fn views(&self) -> Views {
        let joins = match self.arenas {
            Arenas::One => Joins::All,
            Arenas::Apart | Arenas::Own => Joins::Apart,
        };
        Views { joins, ..Views::ALL }
    }
    fn methods(&self, product: &Product) -> Vec<Candidate> {
        let forced = self.winograd.and_then(|m| Wasm::winograd(product, m));
        match forced {
            Some(candidate) => vec![Candidate {
                error: 0.0,
                ..candidate
            }],
            None => Wasm::default().methods(product),
        }
    }
    fn compacts(&self, product: &Product, a: &Image) -> bool {
        Wasm::default().compacts(product, a)
    }
    fn pack(&self, kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
        Wasm::default().pack(kernel, weights)
    }
}
