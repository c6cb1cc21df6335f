//! The machines that shaders are laid out for.

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
