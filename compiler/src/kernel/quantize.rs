//! Rows of floats as integers and a scale, for products with the codes of weights.
//!
//! A row has its largest magnitude at the last level, and every element at the nearest: symmetric quantisation with a range for each
//! row (Gholami et al., A Survey of Quantization Methods, 2021, equation 2). There are as many levels as sums of so many
//! products have room for in 32 bits, at most those of 16 bits, so that sums are exact on every machine.

use super::epilogue::Image;
use super::interpret::{dot, for_each};
use super::operand::operands;
use super::{Account, Elements, Family, Found, Operand, Role, Span, Store};

/// Added to a float of less magnitude than 2^22 it leaves the nearest integer, of two the even one, in the lowest bits.
pub const NEAREST: f32 = 12_582_912.0;

/// Rows of smaller numbers are as if they reached this far: the inverse of less might be infinite.
pub const LEAST_PEAK: f32 = 1e-30;

/// Fewest levels on either side of zero: those of codes of eight bits.
const FEWEST: usize = 127;

/// Most elements of a row: with more, products of codes could not be added up with so many levels.
pub const MOST_ELEMENTS: usize = (i32::MAX as usize / (128 * FEWEST)) & !1;

/// `out[row] = [integers two by two…, scale]` of each row of `x`: an element is about `integer * scale`. The lower half of a word is
/// the first of its two integers, of 16 bits; one behind the last element is 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quantize {
    /// Batches, rows and pixels: each is a row here.
    pub dims: [usize; 3],
    /// Distance in `x` between batches, rows and pixels.
    pub x: Image,
    /// Contiguous elements of a row.
    pub run: usize,
}

/// A row as integers.
struct Row {
    inverse: f32,
    scale: f32,
}

impl Row {
    fn new(values: impl Iterator<Item = f32>, elements: usize) -> Self {
        // A maximum with NaN is NaN.
        let peak = values.fold(0.0_f32, |peak, value| match peak.is_nan() || value.is_nan() {
            true => f32::NAN,
            false => peak.max(value.abs()),
        });
        let reach = if peak.is_nan() { peak } else { peak.max(LEAST_PEAK) };
        let levels = Quantize::levels(elements);
        Self {
            inverse: levels / reach,
            // No multiple of a scale is infinite.
            scale: match peak.is_finite() {
                true => reach * (1.0 / levels),
                false => f32::NAN,
            },
        }
    }

    /// The integer of an element.
    fn integer(&self, value: f32) -> i16 {
        if !self.scale.is_finite() {
            return 0;
        }
        let shifted = value * self.inverse + NEAREST;
        shifted.to_bits().wrapping_sub(NEAREST.to_bits()) as i16
    }
}

impl Quantize {
    /// Levels on either side of zero for rows of so many elements.
    pub fn levels(elements: usize) -> f32 {
        let most = i32::MAX as usize / (128 * elements.next_multiple_of(2).max(1));
        most.min(i16::MAX as usize) as f32
    }

    /// Words of a row of so many elements.
    pub fn words(elements: usize) -> usize {
        elements.div_ceil(2) + 1
    }

    /// Replaces a row by the numbers that its integers stand for.
    pub fn round(row: &mut [f32]) {
        let found = Row::new(row.iter().copied(), row.len());
        row.iter_mut()
            .for_each(|value| *value = f32::from(found.integer(*value)) * found.scale);
    }

    /// Takes rows that follow each other without a gap as pixels of one: fewer loops for the same addresses.
    #[must_use]
    pub fn simplified(mut self) -> Self {
        for _ in 0..2 {
            let [batches, rows, pixels] = self.dims;
            if rows == 1 || self.x[1] == self.x[2] * pixels {
                self.dims = [1, batches, pixels * rows];
                self.x = [0, self.x[0], self.x[2]];
            }
        }
        for axis in (0..3).filter(|&axis| self.dims[axis] == 1) {
            self.x[axis] = 0;
        }
        self
    }

    fn row(&self, memory: &(impl Elements + ?Sized), x: usize) -> Row {
        Row::new((0..self.run).map(|i| memory.f32(x + i)), self.run)
    }

    fn word(&self, memory: &(impl Elements + ?Sized), x: usize, row: &Row, word: usize) -> u32 {
        if word + 1 == Self::words(self.run) {
            return row.scale.to_bits();
        }
        let half = |i: usize| match i < self.run {
            true => u32::from(row.integer(memory.f32(x + i)) as u16),
            false => 0,
        };
        half(2 * word) | half(2 * word + 1) << 16
    }
}

operands! {
    /// What a [`Quantize`] touches.
    QuantizeOperands {
        /// The rows.
        x: One,
        /// Their integers and scales, without gaps.
        out: One,
    }
}

impl Family for Quantize {
    const NAME: &'static str = "quantize";
    const IS_ARITHMETIC: bool = false;
    type Of<T> = QuantizeOperands<T>;

    fn operands(&self) -> QuantizeOperands<Operand> {
        let image = self.dims.into_iter().zip(self.x);
        let words: usize = self.extents().iter().product();
        QuantizeOperands {
            x: Operand::new(Role::In, Span::new(image.chain([(self.run, 1)]))),
            out: Operand::new(Role::Out, Span::dense(words)),
        }
    }

    fn extents(&self) -> Vec<usize> {
        let [batches, rows, pixels] = self.dims;
        vec![batches, rows, pixels, Self::words(self.run)]
    }

    fn result<A: Account>(
        &self,
        memory: &(impl Elements + ?Sized),
        at: &QuantizeOperands<usize>,
        index: &[usize],
    ) -> Found {
        let [batch, row, pixel, word] = super::epilogue::four(index);
        let x = at.x + dot(&[batch, row, pixel], &self.x);
        let place = (batch * self.dims[1] + row) * self.dims[2] + pixel;
        let found = self.word(memory, x, &self.row(memory, x), word);
        Found::bits(found, at.out + place * Self::words(self.run) + word)
    }

    fn interpret(&self, memory: &mut (impl Store + ?Sized), at: QuantizeOperands<usize>) {
        let mut out = at.out;
        for_each(&self.dims, |index| {
            let x = at.x + dot(index, &self.x);
            let row = self.row(memory, x);
            for word in 0..Self::words(self.run) {
                let bits = self.word(memory, x, &row, word);
                memory.set_bits(out, bits);
                out += 1;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_within_half_a_level() {
        for elements in [1, 7, 512, 513, 4096, 25_088, MOST_ELEMENTS] {
            let original: Vec<f32> = (0..elements).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
            let mut row = original.clone();
            Quantize::round(&mut row);
            let peak = original.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
            let levels = Quantize::levels(elements);
            assert!(levels >= 127.0 && f64::from(levels) * 128.0 * elements as f64 <= f64::from(i32::MAX));
            for (a, b) in original.iter().zip(&row) {
                assert!((a - b).abs() <= peak / levels * 0.501, "{elements}: {b} for {a}");
            }
        }
    }

    #[test]
    fn rows_without_a_scale() {
        let mut row = [0.0, -0.0, 1e-38];
        Quantize::round(&mut row);
        assert_eq!(row, [0.0; 3]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut row = [1.0, bad, -2.0];
            Quantize::round(&mut row);
            assert!(row.iter().all(|value| value.is_nan()), "{bad}");
        }
        let mut row = [f32::MAX, -f32::MAX, 0.0];
        Quantize::round(&mut row);
        assert!(
            (row[0] / f32::MAX - 1.0).abs() < 1e-6 && row[1] == -row[0],
            "{row:?}"
        );
    }
}
