//! How a block of tiles lies in scratch memory.

use crate::kernel::{WINOGRAD_LANES, Winograd};

/// Elements of a cache line.
const LINE: usize = 16;

/// The scratch memory of one block: one vector for each position of a tile that is half transformed, then the transformed
/// inputs `[position][tile][channel]`, then the products with one panel `[position][tile][lane]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Scratch {
    positions: usize,
    channels: usize,
    block: usize,
}

impl Scratch {
    /// Of F(m x m, 3x3) over so many input channels, for at most `block` tiles.
    pub fn new(m: usize, channels: usize, block: usize) -> Self {
        Self {
            positions: (m + 2) * (m + 2),
            channels,
            block,
        }
    }

    /// That of a kernel.
    pub fn of(k: &Winograd) -> Self {
        Self::new(k.m, k.channels, k.block)
    }

    /// Elements between the inputs of two tiles: whole vectors.
    pub fn tile_stride(&self) -> usize {
        self.channels.next_multiple_of(4)
    }

    /// Elements between two positions of the transformed inputs.
    pub fn input_stride(&self) -> usize {
        apart(self.block * self.tile_stride())
    }

    /// Elements between two positions of the products.
    pub fn product_stride(&self) -> usize {
        apart(self.block * WINOGRAD_LANES)
    }

    /// Where the transformed inputs lie.
    pub fn inputs(&self) -> usize {
        self.positions * 4
    }

    /// Where the products lie.
    pub fn products(&self) -> usize {
        self.inputs() + self.positions * self.input_stride()
    }

    /// All elements.
    pub fn elements(&self) -> usize {
        self.products() + self.positions * self.product_stride()
    }
}

/// At least `elements`, in an odd number of cache lines: the positions of one tile are written and read together, and
/// at a distance of a power of two they would fall into few sets of the cache.
fn apart(elements: usize) -> usize {
    (elements.div_ceil(LINE) | 1) * LINE
}
