//! 3x3 convolutions with fewer multiplications.

mod transform;
mod weights;

use super::epilogue::{four, image_result};
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Epilogue, Family, Found, Image, Operand, Role, Span, Store};
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

    /// The transformed inputs of a tile, for each channel.
    fn inputs(
        &self,
        transforms: &Transforms,
        memory: &(impl Elements + ?Sized),
        a: usize,
        [batch, down, across]: [usize; 3],
    ) -> Vec<Vec<f64>> {
        let (m, size) = (self.m, self.size());
        let first = a + dot(&[batch, down * m, across * m], &self.a);
        let of_channel = |c: usize| {
            let element = |i: usize| first + i / size * self.a[1] + i % size * self.a[2] + c;
            let elements = (0..size * size).map(|i| f64::from(memory.f32(element(i))));
            both_axes(&transforms.input, &elements.collect::<Vec<_>>())
        };
        (0..self.channels).map(of_channel).collect()
    }

    /// The products of a tile's inputs with the weights that begin at an address.
    fn multiplied(&self, memory: &(impl Elements + ?Sized), inputs: &[Vec<f64>], weights: usize) -> Vec<f64> {
        let of_position = |position: usize| {
            let products = inputs.iter().enumerate().map(|(c, input)| {
                let at = weights + (1 + position * self.channels + c) * WINOGRAD_LANES;
                input[position] * f64::from(memory.f32(at))
            });
            products.sum()
        };
        (0..self.positions()).map(of_position).collect()
    }

    /// The result of an index, from the products of its tile.
    fn value<A: Account>(
        &self,
        transforms: &Transforms,
        memory: &(impl Elements + ?Sized),
        at: &WinogradOperands<usize>,
        index: [usize; 4],
        products: &[f64],
    ) -> Found {
        let [down, across] = [index[1], index[2]].map(|i| &transforms.output[i % self.m]);
        let mut sum = A::default();
        for (i, product) in products.iter().enumerate() {
            sum.add(down[i / self.size()] * across[i % self.size()] * product);
        }
        sum.add(f64::from(memory.f32(self.own(at.weights, index[3]))));
        let out = at.out + dot(&index[..3], &self.out) + index[3];
        self.epilogue
            .finish(memory, &at.epilogue, index, sum.total(), out)
    }

    /// Where the weights of an output channel begin: at its bias.
    fn own(&self, weights: usize, n: usize) -> usize {
        weights + n / WINOGRAD_LANES * self.panel_elements() + n % WINOGRAD_LANES
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

    fn extents(&self) -> Vec<usize> {
        self.dims.to_vec()
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &WinogradOperands<usize>,
        index: &[usize],
    ) -> Found {
        let index = four(index);
        let transforms = Transforms::new(self.m);
        let tile = [index[0], index[1] / self.m, index[2] / self.m];
        let inputs = self.inputs(&transforms, memory, at.a, tile);
        let products = self.multiplied(memory, &inputs, self.own(at.weights, index[3]));
        self.value::<A>(&transforms, memory, at, index, &products)
    }

    /// Tile by tile, whose results share what is made of its inputs.
    fn interpret(&self, memory: &mut (impl Store + ?Sized), at: WinogradOperands<usize>) {
        let transforms = Transforms::new(self.m);
        let [batches, rows, pixels, channels] = self.dims;
        let [down, across] = self.grid();
        for_each(&[batches, down, across], |tile| {
            let tile = [tile[0], tile[1], tile[2]];
            let inputs = self.inputs(&transforms, memory, at.a, tile);
            for n in 0..channels {
                let products = self.multiplied(memory, &inputs, self.own(at.weights, n));
                for (y, x) in (0..self.m).flat_map(|y| (0..self.m).map(move |x| (y, x))) {
                    let index = [tile[0], tile[1] * self.m + y, tile[2] * self.m + x, n];
                    if index[1] < rows && index[2] < pixels {
                        let found = self.value::<f64>(&transforms, memory, &at, index, &products);
                        memory.put(found);
                    }
                }
            }
        });
    }
}
