//! Transformed weights of a Winograd convolution.

use super::{Transforms, WINOGRAD_LANES};
use crate::kernel::interpret::for_each;
use crate::kernel::operand::operands;
use crate::kernel::{Account, Elements, Family, Found, Operand, Role, Span, Store};
use crate::pointwise::Tape;

/// Transforms the packed weights of a 3x3 convolution, `[panel][bias, then 9 taps, then channel][8]` as
/// [`Contract::pack`](crate::kernel::Contract::pack) makes them, to those that a [`Winograd`](super::Winograd) reads,
/// `[panel][bias, then position, then channel][8]`.
///
/// It runs once, when a model is loaded: transformed weights are 16/9 (F(2x2)) or 4 times (F(4x4)) as large, which a
/// page should not have to download.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WinogradWeights {
    /// Rows and pixels of a tile of results.
    pub m: usize,
    /// Channels of the convolution's input.
    pub channels: usize,
    /// Panels of eight output channels.
    pub panels: usize,
}

impl WinogradWeights {
    /// Positions of a tile's inputs.
    pub fn positions(&self) -> usize {
        (self.m + 2) * (self.m + 2)
    }

    /// Elements of a panel before.
    pub fn panel_before(&self) -> usize {
        (9 * self.channels + 1) * WINOGRAD_LANES
    }

    /// Elements of a panel after.
    pub fn panel_after(&self) -> usize {
        (self.positions() * self.channels + 1) * WINOGRAD_LANES
    }

    /// Elements of the result.
    pub fn elements(&self) -> usize {
        self.panels * self.panel_after()
    }
}

operands! {
    /// What a [`WinogradWeights`] touches.
    WinogradWeightsOperands {
        /// The packed weights.
        weights: One,
        /// The transformed ones.
        out: One,
    }
}

impl Family for WinogradWeights {
    const NAME: &'static str = "winograd weights";
    const IS_ARITHMETIC: bool = true;
    type Of<T> = WinogradWeightsOperands<T>;

    fn operands(&self) -> WinogradWeightsOperands<Operand> {
        WinogradWeightsOperands {
            weights: Operand::new(Role::Weights, Span::dense(self.panels * self.panel_before())),
            out: Operand::new(Role::Out, Span::dense(self.elements())),
        }
    }

    fn extents(&self) -> Vec<usize> {
        vec![self.panels, 1 + self.positions() * self.channels, WINOGRAD_LANES]
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &WinogradWeightsOperands<usize>,
        index: &[usize],
    ) -> Found {
        let &[panel, row, lane] = index else {
            unreachable!("three axes")
        };
        self.value::<A>(&Transforms::new(self.m), memory, at, [panel, row, lane])
    }

    /// As for single results, with the matrices made once.
    fn interpret(&self, memory: &mut (impl Store + ?Sized), at: WinogradWeightsOperands<usize>) {
        let transforms = Transforms::new(self.m);
        for_each(&self.extents(), |index| {
            let index = index.try_into().unwrap_or_else(|_| unreachable!("three axes"));
            let found = self.value::<f64>(&transforms, memory, &at, index);
            memory.put(found);
        });
    }
}

impl WinogradWeights {
    /// The result of a row of a panel: the bias, or a position of a channel.
    fn value<A: Account>(
        &self,
        transforms: &Transforms,
        memory: &(impl Elements + ?Sized),
        at: &WinogradWeightsOperands<usize>,
        [panel, row, lane]: [usize; 3],
    ) -> Found {
        let from = at.weights + panel * self.panel_before() + lane;
        let to = at.out + panel * self.panel_after() + row * WINOGRAD_LANES + lane;
        let Some(row) = row.checked_sub(1) else {
            return Found::copy(memory, from, to);
        };
        let (position, channel) = (row / self.channels, row % self.channels);
        let tap = |tap: usize| {
            let row = 1 + tap * self.channels + channel;
            f64::from(memory.f32(from + row * WINOGRAD_LANES))
        };
        let [down, across] = [position / (self.m + 2), position % (self.m + 2)];
        let (down, across) = (&transforms.weights[down], &transforms.weights[across]);
        let mut sum = A::default();
        for (i, (y, x)) in (0..9).map(|i| (i, (i / 3, i % 3))) {
            sum.add(down[y] * across[x] * tap(i));
        }
        sum.total().finish(&Tape::identity(), [], to)
    }
}
