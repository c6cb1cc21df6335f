//! Parts of the weights, bound where all of them are more than every device binds at once.

use super::operands::Memory;
use super::target::ALIGNMENT;
use crate::error::{Error, Result};
use crate::plan::Weights;

/// Bytes that every device binds at once, by default.
const MOST: usize = 128 << 20;

/// Windows begin at multiples of this and reach twice as far, so that whatever is not longer lies in one of them.
pub(super) const HALF: usize = MOST / 2;

/// The windows that a program binds, in the order in which it came to them. None where all weights are bound.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    parts: Vec<(usize, usize)>,
}

impl Windows {
    /// What is bound for the part of the weights in which a byte lies, and the byte at which that starts. A part that is longer
    /// than any window has one of its own.
    ///
    /// # Errors
    /// When no part holds the byte (a bug of ours).
    pub fn of(&mut self, weights: &Weights, byte: usize) -> Result<(Memory, usize)> {
        if weights.bytes() <= MOST {
            return Ok((Memory::Weights, 0));
        }
        let none = || Error::internal(format!("no weights lie at byte {byte}"));
        let (start, data) = weights.part_at(byte).ok_or_else(none)?;
        let all = weights.bytes();
        let end = (start + data.len() * 4).next_multiple_of(ALIGNMENT).min(all);
        let common = start / HALF * HALF;
        let (first, end) = if end <= common + MOST {
            (common, all.min(common + MOST))
        } else {
            (start / ALIGNMENT * ALIGNMENT, end)
        };
        Ok((Memory::Window(self.number(first, end - first)), first))
    }

    /// Windows that hold all weights one after the other, with the byte at which each begins.
    pub fn all(&mut self, bytes: usize) -> Vec<(Memory, usize, usize)> {
        if bytes <= MOST {
            return vec![(Memory::Weights, 0, bytes)];
        }
        (0..bytes)
            .step_by(MOST)
            .map(|first| {
                let length = MOST.min(bytes - first);
                (Memory::Window(self.number(first, length)), first, length)
            })
            .collect()
    }

    fn number(&mut self, first: usize, length: usize) -> usize {
        let known = self.parts.iter().position(|&part| part == (first, length));
        known.unwrap_or_else(|| {
            self.parts.push((first, length));
            self.parts.len() - 1
        })
    }

    /// Byte offset and length of each.
    pub fn into_parts(self) -> Vec<(usize, usize)> {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(lengths: &[usize]) -> Weights {
        let mut weights = Weights::new(64);
        for (i, &bytes) in lengths.iter().enumerate() {
            weights.add(vec![i as f32; bytes / 4]);
        }
        weights
    }

    #[test]
    fn few_weights_are_bound_whole() -> Result<()> {
        let weights = weights(&[MOST / 2, MOST / 2]);
        let mut windows = Windows::default();
        assert_eq!(windows.of(&weights, MOST / 2)?, (Memory::Weights, 0));
        assert_eq!(windows.into_parts(), []);
        Ok(())
    }

    #[test]
    fn parts_lie_in_windows() -> Result<()> {
        let weights = weights(&[HALF - 64, 128, HALF, MOST + 4096, 64]);
        let mut windows = Windows::default();
        assert_eq!(windows.of(&weights, 0)?, (Memory::Window(0), 0));
        // Across the start of the next window, and inside a part.
        assert_eq!(windows.of(&weights, HALF)?, (Memory::Window(0), 0));
        assert_eq!(windows.of(&weights, HALF + 64)?, (Memory::Window(1), HALF));
        let long = 2 * HALF + 64;
        assert_eq!(windows.of(&weights, long + 4)?, (Memory::Window(2), 2 * HALF));
        let last = long + MOST + 4096;
        assert_eq!(windows.of(&weights, last)?, (Memory::Window(3), 4 * HALF));
        assert!(windows.of(&weights, last + 64).is_err());
        let parts = windows.into_parts();
        assert_eq!(parts[..2], [(0, MOST), (HALF, MOST)]);
        // As long as the part, from where a binding may start.
        assert_eq!(
            parts[2],
            (
                2 * HALF,
                (64 + MOST + 4096usize)
                    .next_multiple_of(ALIGNMENT)
                    .min(weights.bytes() - MOST)
            )
        );
        Ok(())
    }

    #[test]
    fn all_weights_are_covered_once() {
        let parts = Windows::default().all(2 * MOST + 256);
        let ranges: Vec<_> = parts.iter().map(|&(_, first, length)| (first, length)).collect();
        assert_eq!(ranges, [(0, MOST), (MOST, MOST), (2 * MOST, 256)]);
    }
}
