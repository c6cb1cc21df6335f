//! What numbers the arguments of layers may be. A number is read with its range, which stands beside its key.

use crate::tensor::MAX_ELEMENTS;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Units, filters, groups, rows of a table: there is at least one.
pub const COUNT: RangeInclusive<usize> = 1..=MAX_ELEMENTS;
/// Sizes, strides and dilations of windows. Products of two of them and an element count do not overflow.
pub const WINDOW: RangeInclusive<usize> = 1..=MAX_WINDOW;
/// What is added or taken away at a side.
pub const SIDE: RangeInclusive<usize> = 0..=MAX_WINDOW;
/// An axis from either end. Whether the tensor has it is seen where its rank is known.
pub const AXIS: RangeInclusive<i64> = -64..=64;
/// An extent, of which -1 stands for what is left over.
pub const OPEN_EXTENT: RangeInclusive<i64> = -1..=MAX_ELEMENTS as i64;
/// Any number.
pub const ANY: RangeInclusive<f64> = f64::NEG_INFINITY..=f64::INFINITY;
/// Numbers that are not negative.
pub const NOT_NEGATIVE: RangeInclusive<f64> = 0.0..=f64::INFINITY;
/// Parts of a whole.
pub const SHARE: RangeInclusive<f64> = 0.0..=1.0;

const MAX_WINDOW: usize = 1 << 16;

/// A kind of number that arguments can be.
pub trait Number: Copy + PartialOrd + Display {
    /// What it is called.
    const KIND: &'static str;
    /// Whether a bound bounds anything.
    fn bounds(self) -> bool;
}

impl Number for usize {
    const KIND: &'static str = "an integer";
    fn bounds(self) -> bool {
        self < MAX_ELEMENTS
    }
}

impl Number for i64 {
    const KIND: &'static str = "an integer";
    fn bounds(self) -> bool {
        self.unsigned_abs() < MAX_ELEMENTS as u64
    }
}

impl Number for f64 {
    const KIND: &'static str = "a number";
    fn bounds(self) -> bool {
        self.is_finite()
    }
}

/// The range in words.
pub(super) fn spoken<T: Number>(range: &RangeInclusive<T>) -> String {
    let (least, most) = (*range.start(), *range.end());
    match (least.bounds(), most.bounds()) {
        (true, true) => format!("it can be {} from {least} to {most}", T::KIND),
        (true, false) => format!("it can be {} from {least} on", T::KIND),
        _ => format!("it can be {}", T::KIND),
    }
}
