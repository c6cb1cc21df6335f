//! How values lie in textures.

use crate::kernel::{Image, Kernel, Role};
use crate::plan::{Argument, Plan, Space, Step};
use std::collections::BTreeSet;

/// Texels of a row of the largest texture that every device has, as a power of two.
pub(super) const MOST_SHIFT: u32 = 11;

/// Texels of a layer of the largest texture that every device has.
pub(super) const LAYER: usize = 1 << (2 * MOST_SHIFT);

/// What every device draws to at once.
pub(super) const QUARTERS: usize = 4;

/// How a value lies in its texture: texels of four elements, in rows of a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many texels hold elements.
    pub texels: usize,
    /// A row has two to this power of them.
    pub shift: u32,
    /// How the texture is divided.
    pub division: Division,
}

/// How a texture is divided into layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Division {
    /// It has one.
    None,
    /// Each is as large as a layer can be, but the last.
    Full,
    /// Four that are drawn at once, of so many texels each: a product computes a pixel of each and reads weights once for
    /// all four.
    Quarters(usize),
}

impl Layout {
    /// Of a value of so many bytes, of which each quarter has so many texels if it has any.
    pub fn new(bytes: usize, quarter: Option<usize>) -> Self {
        let texels = bytes.div_ceil(16).max(1);
        let side = (quarter.unwrap_or(texels) as f64).sqrt().ceil() as usize;
        let division = match quarter {
            Some(quarter) => Division::Quarters(quarter),
            None if texels > LAYER => Division::Full,
            None => Division::None,
        };
        Self {
            texels,
            shift: side.next_power_of_two().ilog2().min(MOST_SHIFT),
            division,
        }
    }

    /// Texels of its quarters, if it has any.
    pub fn quarter(&self) -> Option<usize> {
        match self.division {
            Division::Quarters(quarter) => Some(quarter),
            Division::None | Division::Full => None,
        }
    }
}

/// The layouts of all that a plan has.
#[derive(Debug, Clone)]
pub(super) struct Layouts {
    /// Every value.
    pub values: Vec<Layout>,
    /// All weights, in one texture.
    weights: Layout,
}

impl Layouts {
    /// Of a plan. Outputs are read as they are and have no quarters.
    pub fn new(plan: &Plan) -> Self {
        // Values that take turns in a texture are laid out alike.
        let mut found: Vec<BTreeSet<Option<usize>>> = vec![BTreeSet::new(); plan.arenas.len()];
        for step in &plan.steps {
            for run in step.runs() {
                let kernel = plan.kernel(run);
                let operands = kernel.operands();
                let out = operands.iter().position(|operand| operand.role == Role::Out);
                let argument = out.map(|out| run.arguments[out]);
                if let Some(Argument {
                    space: Space::Arena(arena),
                    offset,
                    ..
                }) = argument
                {
                    let results: usize = kernel.extents().iter().product();
                    let fills = offset == 0 && 4 * results == plan.arenas[arena.0];
                    let whole = fills && matches!(step, Step::Run(_));
                    found[arena.0].insert(quarter(kernel).filter(|_| whole));
                }
            }
        }
        for binding in plan.inputs.iter().chain(&plan.outputs) {
            found[binding.arena.0].insert(None);
        }
        let only = |quarters: BTreeSet<_>| match quarters.first() {
            Some(&quarter) if quarters.len() == 1 => quarter,
            _ => None,
        };
        let each = plan.arenas.iter().zip(found);
        Self {
            values: each
                .map(|(&bytes, quarters)| Layout::new(bytes, only(quarters)))
                .collect(),
            weights: Layout {
                shift: MOST_SHIFT,
                ..Layout::new(plan.weights.bytes(), None)
            },
        }
    }

    /// How what lies in a space is laid out.
    pub fn of(&self, space: Space) -> Layout {
        match space {
            Space::Weights | Space::Prepared => self.weights,
            Space::Arena(arena) => self.values[arena.0],
        }
    }
}

/// Texels of a quarter of the results of a kernel, if they can be drawn so: a product of several pixels, without gaps.
pub(super) fn quarter(kernel: &Kernel) -> Option<usize> {
    let (dims, out) = match kernel {
        Kernel::Contract(k) => (k.dims, k.out),
        Kernel::Convolve(k) => (k.dims, k.out),
        _ => return None,
    };
    let pixels: usize = dims[..3].iter().product();
    let dense: Image = [dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3]];
    let is_dense = (0..3).all(|axis| dims[axis] == 1 || out[axis] == dense[axis]);
    let quarter = pixels.div_ceil(QUARTERS) * dims[3] / 4;
    let fits = dims[3].is_multiple_of(4) && pixels >= QUARTERS && quarter <= LAYER;
    (is_dense && fits).then_some(quarter)
}
