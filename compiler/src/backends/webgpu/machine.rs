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
    /// Invocations below which smaller tiles keep more of the machine busy.
    pub(super) fn busy(self) -> usize {
        match self {
            Self::Hardware => 2048,
            Self::Software => 256,
        }
    }

    /// The most pixels of a tile of results: more of them share each read of weights.
    pub(super) fn most_pixels(self) -> usize {
        match self {
            Self::Hardware => 4,
            Self::Software => 8,
        }
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
