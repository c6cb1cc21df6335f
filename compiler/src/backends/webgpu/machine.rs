//! The machines that shaders are laid out for.

use crate::shader::BLOCK;

/// What runs shaders. Both programs compute the same; a page takes the one for its adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Machine {
    /// A GPU: it needs thousands of invocations to hide how long memory takes, and those of a workgroup share what they read.
    #[default]
    Hardware,
    /// A CPU that stands in for one: few invocations keep it busy, every read is some twenty instructions for each lane, and what
    /// has barriers takes long to compile.
    Software,
}

impl Machine {
    /// Whether tiles of so many pixels suit it where that makes so many invocations, each of which adds up `depth` products for a result.
    ///
    /// More pixels share each read of weights, but fewer invocations keep less of the machine busy; and on software, what is longer
    /// takes longer to compile.
    pub(super) fn takes(self, pixels: usize, invocations: usize, depth: usize) -> bool {
        match (self, pixels) {
            (Self::Hardware, 8) => false,
            (Self::Hardware, _) => invocations >= 2048,
            (Self::Software, 8) => invocations >= 512 && depth >= 256,
            (Self::Software, _) => invocations >= 256,
        }
    }

    /// Whether workgroups compute a product in so many blocks, of about so many results each, and share what they read.
    ///
    /// Fewer blocks keep too little of a GPU busy (TensorFlow.js' `BatchMatMul_impl.ts` has the same limit), and those that are mostly
    /// empty read for nothing.
    pub(super) fn shares_blocks(self, blocks: usize, results: usize, depth: usize) -> bool {
        self == Self::Hardware && blocks > 8 && depth >= 64 && 2 * results >= BLOCK * BLOCK
    }

    /// In how many parts so many blocks add up a contraction of this length.
    pub(super) fn parts(self, blocks: usize, depth: usize) -> usize {
        if depth < 1024 || blocks >= 32 {
            return 1;
        }
        64_usize.div_ceil(blocks.max(1)).min(depth / 256)
    }

    /// Whether attention is one dispatch of so many workgroups, each for [`BLOCK`] rows, where so many rows are there, keys, and channels
    /// of values.
    ///
    /// Where there is little to do, fewer dispatches are worth most. Else few workgroups keep too little of a GPU busy, and those that are mostly
    /// empty multiply for nothing. Sums of many channels do not fit into registers.
    pub(super) fn attends(self, workgroups: usize, [rows, keys, channels]: [usize; 3]) -> bool {
        let is_small = rows * keys <= 1 << 16;
        let is_full = 2 * rows >= workgroups * BLOCK;
        self == Self::Hardware
            && channels <= 4 * BLOCK
            && (is_full || is_small && keys <= 256)
            && (is_small || workgroups >= 16)
    }

    /// Most rows of a long product that are computed in parts of the contraction without blocks, which would be mostly empty.
    pub(super) fn few_rows(self) -> usize {
        match self {
            Self::Hardware => BLOCK / 2,
            Self::Software => 1,
        }
    }

    /// Whether the results of a tile are written in a loop: each place in a text that reads or writes takes software long to compile.
    pub(super) fn loops(self) -> bool {
        self == Self::Software
    }

    /// Whether the invocations of a workgroup compute together what needs barriers.
    pub(super) fn shares(self) -> bool {
        self == Self::Hardware
    }

    /// Elements of a single result from which on a workgroup computes it together.
    pub(super) fn long_reduction(self) -> usize {
        match self {
            Self::Hardware => 256,
            Self::Software => 1 << 14,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_for_large_products_on_hardware() {
        let full = BLOCK * BLOCK;
        let shares = |machine: Machine, blocks, results, depth| machine.shares_blocks(blocks, results, depth);
        assert!(shares(Machine::Hardware, 9, full / 2, 64));
        assert!(!shares(Machine::Software, 900, full, 640));
        assert!(!shares(Machine::Hardware, 8, full, 640));
        assert!(!shares(Machine::Hardware, 900, full / 2 - 1, 640));
        assert!(!shares(Machine::Hardware, 900, full, 63));
    }

    #[test]
    fn attention_is_one_dispatch_where_it_is_small_or_fills_workgroups() {
        let attends = |workgroups, sizes| Machine::Hardware.attends(workgroups, sizes);
        assert!(attends(1, [4, 4, 8]) && attends(84, [2364, 197, 64]));
        assert!(!attends(12, [12, 1000, 64]), "rows that are alone");
        assert!(!attends(8, [256, 512, 64]), "few workgroups");
        assert!(!attends(84, [2364, 197, 129]), "many channels");
        assert!(!Machine::Software.attends(1, [4, 4, 8]));
    }

    #[test]
    fn long_products_of_few_blocks_are_in_parts() {
        let parts = |blocks, depth| Machine::Hardware.parts(blocks, depth);
        assert_eq!(parts(31, 4608), 3);
        assert_eq!(parts(32, 4608), 1);
        assert_eq!(parts(2, 1024), 4);
        assert_eq!(parts(2, 1023), 1);
    }
}
