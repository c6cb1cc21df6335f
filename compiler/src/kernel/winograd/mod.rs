//! 3x3 convolutions with fewer multiplications.

mod transform;
mod weights;

use super::epilogue::image_result;
use super::interpret::for_each;
use super::operand::operands;
use super::{Epilogue, Family, Image, Memory, Operand, Role, Span};
use std::fmt;
pub use transform::Transforms;
use transform::both_axes;
pub use weights::{WinogradWeights, WinogradWeightsOperands};

/// Channels of a panel of weights.
pub const WINOGRAD_LANES: usize = 8;

/// A convolution of 3x3 taps without strides as Winograd's F(m x m, 3x3): *tiles* of m x m results are computed from
/// (m + 2) x (m + 2) inputs. Each of these *positions* of a transformed tile is multiplied and summed over channels for
/// itself: (m + 2)² matrix products instead of 9 m².
///
/// The image must reach as far as the last tiles, see [`Winograd::reach`]; what lies there
/// beyond the padding is multiplied by zero, so it must be finite.
///
/// Tiles are counted through batches, rows and pixels, and are transformed in blocks of at most `block`: the scratch
/// memory holds one block. Threads that work on one kernel need a scratch memory each.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Winograd {
    /// Rows and pixels of a tile's results: 2 or 4.
    pub m: usize,
    /// Extents of the result: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Channels of the input.
    pub channels: usize,
    /// Distance in `a` between batches, rows and pixels.
    pub a: Image,
    /// Strides of the result.
    pub out: Image,
    /// Most tiles that are transformed together.
    pub block: usize,
    /// Elements of scratch memory, which the target arranges: it follows from the other fields.
    pub scratch: usize,
    /// Applied to each result.
    pub epilogue: Epilogue,
}

impl Winograd {
    /// Rows and pixels of a tile's inputs.
    pub fn size(&self) -> usize {
        self.m + 2
    }

    /// Positions of a tile's inputs.
    pub fn positions(&self) -> usize {
        self.size() * self.size()
    }

    /// Rows of tiles, and tiles of a row.
    pub fn grid(&self) -> [usize; 2] {
        [self.dims[1].div_ceil(self.m), self.dims[2].div_ceil(self.m)]
    }

    /// All tiles.
    pub fn tiles(&self) -> usize {
        self.dims[0] * self.grid()[0] * self.grid()[1]
    }

    /// Multiplications of transformed inputs and weights.
    pub fn products(&self) -> u64 {
        [self.tiles(), self.positions(), self.channels, self.dims[3]]
            .map(|n| n as u64)
            .iter()
            .product()
    }

    /// Those of a direct convolution with the same results.
    pub fn direct_products(&self) -> u64 {
        let results = self.dims.iter().map(|&n| n as u64).product::<u64>();
        9 * results * self.channels as u64
    }

    /// How many rows (or pixels) of a padded image the tiles for `output` rows (or pixels) read.
    pub fn reach(m: usize, output: usize) -> usize {
        output.next_multiple_of(m) + 2
    }

    /// Panels of weights.
    pub fn panels(&self) -> usize {
        self.dims[3].div_ceil(WINOGRAD_LANES)
    }

    /// Elements of a panel of weights.
    pub fn panel_elements(&self) -> usize {
        (self.positions() * self.channels + 1) * WINOGRAD_LANES
    }

    /// The products of one tile with the weights of channel `n`, transformed to results.
    fn tile(
        &self,
        transforms: &Transforms,
        memory: &Memory,
        inputs: &[Vec<f64>],
        weights: usize,
    ) -> Vec<f64> {
        let mut products = vec![0.0; self.positions()];
        for (position, product) in products.iter_mut().enumerate() {
            for (c, input) in inputs.iter().enumerate() {
                let at = weights + (1 + position * self.channels + c) * WINOGRAD_LANES;
                *product += input[position] * f64::from(memory.f32(at));
            }
        }
        both_axes(&transforms.output, &products)
    }
}

/// Without the scratch memory, which says nothing that the other fields don't.
impl fmt::Debug for Winograd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Winograd")
            .field("m", &self.m)
            .field("dims", &self.dims)
            .field("channels", &self.channels)
            .field("a", &self.a)
            .field("out", &self.out)
            .field("block", &self.block)
            .field("epilogue", &self.epilogue)
            .finish()
    }
}

operands! {
    /// What a [`Winograd`] touches.
    WinogradOperands {
        /// The first element of the padded image.
        a: One,
        /// Weights that a [`WinogradWeights`] has made.
        weights: One,
        /// Memory for one block of tiles.
        scratch: One,
        /// The result.
        out: One,
        /// Operands of the epilogue.
        epilogue: Many,
    }
}

impl Family for Winograd {
    const NAME: &'static str = "winograd";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = WinogradOperands<T>;

    fn operands(&self) -> WinogradOperands<Operand> {
        let [batches, rows, pixels, _] = self.dims;
        let reach = |output| Self::reach(self.m, output);
        let image = [batches, reach(rows), reach(pixels)].into_iter().zip(self.a);
        let weights = Span::dense(self.panels() * self.panel_elements());
        WinogradOperands {
            a: Operand::new(Role::In, Span::new(image.chain([(self.channels, 1)]))),
            weights: Operand::new(Role::Weights, weights),
            scratch: Operand::new(Role::Scratch, Span::dense(self.scratch)),
            out: image_result(self.dims, &self.out),
            epilogue: self.epilogue.operands(&self.dims),
        }
    }

    fn interpret(&self, memory: &mut Memory, at: WinogradOperands<usize>) {
        let WinogradOperands { a, weights, out, .. } = at;
        let transforms = Transforms::new(self.m);
        let (m, size) = (self.m, self.size());
        let panel = self.panel_elements();
        let [batches, rows, pixels, channels] = self.dims;
        let [down, across] = self.grid();
        for_each(&[batches, down, across], |tile| {
            let start = [tile[0], tile[1] * m, tile[2] * m];
            let first = a + super::interpret::dot(&start, &self.a);
            let inputs: Vec<Vec<f64>> = (0..self.channels)
                .map(|c| {
                    let element = |i: usize| first + i / size * self.a[1] + i % size * self.a[2] + c;
                    let d: Vec<f64> = (0..size * size)
                        .map(|i| f64::from(memory.f32(element(i))))
                        .collect();
                    both_axes(&transforms.input, &d)
                })
                .collect();
            for n in 0..channels {
                let own = weights + n / WINOGRAD_LANES * panel + n % WINOGRAD_LANES;
                let bias = f64::from(memory.f32(own));
                for (i, value) in self
                    .tile(&transforms, memory, &inputs, own)
                    .into_iter()
                    .enumerate()
                {
                    let index = [tile[0], start[1] + i / m, start[2] + i % m, n];
                    if index[1] < rows && index[2] < pixels {
                        let result = self
                            .epilogue
                            .apply(memory, &at.epilogue, index, (value + bias) as f32);
                        memory.set(out + super::interpret::dot(&index[..3], &self.out) + n, result);
                    }
                }
            }
        });
    }
}
