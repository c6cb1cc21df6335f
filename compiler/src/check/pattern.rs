//! Numbers that look random and are the same wherever they are made.
//!
//! A pattern is made of [`PERIOD`] elements, which repeat. Element `i` of a seed comes from a 32-bit hash, in arithmetic modulo
//! 2³² (the finalizer of MurmurHash3):
//!
//! ```text
//! h = i + seed * 0x9e3779b9
//! h = (h ^ h >> 16) * 0x85ebca6b
//! h = (h ^ h >> 13) * 0xc2b2ae35
//! h = h ^ h >> 16
//! ```
//!
//! Every float is exact. The period is a prime, so that it meets no extent or stride; memory of any length is filled by copying
//! it. The element at index `e` of buffer `b` is element `(e + 7919 * b) mod PERIOD`: equal places in two
//! buffers hold different numbers.

use serde::{Serialize, Serializer};

/// Elements after which a pattern repeats: the largest prime below 2¹⁶.
pub const PERIOD: usize = 65521;
/// How far the pattern of a buffer is ahead of that of the one before.
const AHEAD: usize = 7919;

/// What a pattern holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Floats in [-1, 1), `(h >> 8) / 2²³ - 1`, of which every sixteenth (`h % 16 = 0`) is 64 times as large: large
    /// inputs are where machines that are not careful fail.
    Wide,
    /// The same without the large ones.
    Unit,
    /// Floats in [½, 3/2): `(h >> 9) / 2²³ + ½`.
    Positive,
    /// Integers below a number: `h % n`.
    Integers(u32),
    /// The same as floats.
    Whole(u32),
}

impl Content {
    /// The bits of element `i` of a seed.
    pub fn bits(self, seed: u32, i: u32) -> u32 {
        let h = hash(seed, i);
        let unit = ((h >> 8) as f32 - 8_388_608.0) / 8_388_608.0;
        let float = match self {
            Self::Wide if h.is_multiple_of(16) => 64.0 * unit,
            Self::Wide | Self::Unit => unit,
            Self::Positive => (h >> 9) as f32 / 8_388_608.0 + 0.5,
            Self::Integers(below) => return h % below,
            Self::Whole(below) => (h % below) as f32,
        };
        float.to_bits()
    }

    /// Its name in files, and what integers are below; 0 for floats.
    fn written(self) -> (&'static str, u32) {
        match self {
            Self::Wide => ("wide", 0),
            Self::Unit => ("unit", 0),
            Self::Positive => ("positive", 0),
            Self::Integers(below) => ("integers", below),
            Self::Whole(below) => ("whole", below),
        }
    }
}

fn hash(seed: u32, i: u32) -> u32 {
    let h = i.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    let h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// A part of a buffer, and what it is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The arena of the plan.
    pub buffer: usize,
    /// The first byte.
    pub offset: usize,
    /// Bytes.
    pub length: usize,
    /// What it holds.
    pub content: Content,
}

impl Fill {
    /// The bits at an element of its buffer, if it covers it.
    pub fn bits(&self, seed: u32, element: usize) -> Option<u32> {
        let covers = (self.offset / 4..(self.offset + self.length) / 4).contains(&element);
        covers.then(|| {
            let i = (element + AHEAD * self.buffer) % PERIOD;
            self.content.bits(seed, i as u32)
        })
    }
}

/// As `[buffer, first byte, bytes, content, below]`.
impl Serialize for Fill {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (content, below) = self.content.written();
        (self.buffer, self.offset, self.length, content, below).serialize(serializer)
    }
}

/// A sequence of random numbers, the same every time.
pub(super) struct Random {
    seed: u32,
    next: u32,
}

impl Random {
    pub fn new(seed: u32) -> Self {
        Self { seed, next: 0 }
    }

    /// A number below another, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        let high = hash(self.seed, self.next);
        let low = hash(self.seed, self.next.wrapping_add(1));
        self.next = self.next.wrapping_add(2);
        let number = u64::from(high) << 32 | u64::from(low);
        (number % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(content: Content) -> Vec<f32> {
        let bits = |i| f32::from_bits(content.bits(1, i));
        (0..PERIOD as u32).map(bits).collect()
    }

    #[test]
    fn patterns_hold_what_they_say() {
        let wide = floats(Content::Wide);
        let large = wide.iter().filter(|v| v.abs() > 1.0).count();
        assert!((3500..4600).contains(&large), "{large}");
        assert!(wide.iter().all(|v| (-64.0..64.0).contains(v)));
        let unit = floats(Content::Unit);
        let mean = unit.iter().sum::<f32>() / PERIOD as f32;
        assert!(mean.abs() < 0.02 && unit.iter().all(|v| (-1.0..1.0).contains(v)));
        assert!(floats(Content::Positive).iter().all(|v| (0.5..1.5).contains(v)));
        let mut seen = [false; 7];
        for i in 0..200 {
            let integer = Content::Integers(7).bits(3, i);
            seen[integer as usize] = true;
            assert_eq!(f32::from_bits(Content::Whole(7).bits(3, i)), integer as f32);
        }
        assert_eq!(seen, [true; 7]);
    }

    #[test]
    fn seeds_and_buffers_differ() {
        let fill = |buffer| Fill {
            buffer,
            offset: 8,
            length: 400,
            content: Content::Unit,
        };
        assert_ne!(fill(0).bits(1, 50), fill(1).bits(1, 50));
        assert_ne!(fill(0).bits(1, 50), fill(0).bits(2, 50));
        assert_eq!((fill(0).bits(1, 1), fill(0).bits(1, 102)), (None, None));
        assert!(fill(0).bits(1, 2).is_some() && fill(0).bits(1, 101).is_some());
    }
}
