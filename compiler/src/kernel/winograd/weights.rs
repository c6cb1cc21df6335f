//! Transformed weights of a Winograd convolution.

use super::{Transforms, WINOGRAD_LANES, both_axes};
use crate::kernel::operand::operands;
use crate::kernel::{Family, Memory, Operand, Role, Span};

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

    fn interpret(&self, memory: &mut Memory, at: WinogradWeightsOperands<usize>) {
        let transforms = Transforms::new(self.m);
        let c = self.channels;
        for panel in 0..self.panels {
            let (from, to) = (
                at.weights + panel * self.panel_before(),
                at.out + panel * self.panel_after(),
            );
            for lane in 0..WINOGRAD_LANES {
                let bias = memory.bits(from + lane);
                memory.set_bits(to + lane, bias);
                for channel in 0..c {
                    let row = |row: usize| (1 + row * c + channel) * WINOGRAD_LANES + lane;
                    let taps: Vec<f64> = (0..9).map(|tap| f64::from(memory.f32(from + row(tap)))).collect();
                    for (position, value) in both_axes(&transforms.weights, &taps).into_iter().enumerate() {
                        memory.set(to + row(position), value as f32);
                    }
                }
            }
        }
    }
}
