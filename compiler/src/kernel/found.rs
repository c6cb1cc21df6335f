//! Single results, and how far other machines' may be from them.

use super::Elements;
use crate::pointwise::Tape;
use crate::tensor::DType;

/// One result of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The element address where it belongs.
    pub at: usize,
    /// Its bits.
    pub bits: u32,
    /// How far the same result may be from it on another machine; 0 where every bit must be the same. Infinite or NaN
    /// where nothing can be said, 0 also where it was not [asked for](Account).
    pub tolerance: f32,
}

/// How the terms of a sum are added up: `f64` where the value is all that is wanted, [`Measured`] where its error is too.
pub trait Account: Default {
    /// Takes a term.
    fn add(&mut self, term: f64);

    /// The sum, divided by a number.
    fn over(&self, divisor: f64) -> Raw;

    /// A value that is no sum.
    fn exact(value: f32) -> Raw;

    /// What was added up.
    fn total(&self) -> Raw {
        self.over(1.0)
    }
}

/// What an epilogue takes: a value, and its error where it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    value: f32,
    error: Option<f32>,
}

impl Account for f64 {
    fn add(&mut self, term: f64) {
        *self += term;
    }

    fn over(&self, divisor: f64) -> Raw {
        Raw {
            value: (self / divisor) as f32,
            error: None,
        }
    }

    fn exact(value: f32) -> Raw {
        Raw { value, error: None }
    }
}

/// A sum with what its error depends on.
///
/// Terms of either sign cancel, so that an error relative to the sum means nothing. Rounding errors are as
/// large as the partial sums allow, which are about as large as the root of the sum of squares; a part of the sum of magnitudes
/// covers those that only grow. Of a sum of thousands of terms, one that is missing is still noticed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    sum: f64,
    squares: f64,
    magnitudes: f64,
}

/// The error of a sum relative to the root of the sum of squares, and relative to the sum of magnitudes.
const OF_SQUARES: f64 = 1e-3;
const OF_MAGNITUDES: f64 = 1e-5;

impl Account for Measured {
    fn add(&mut self, term: f64) {
        self.sum += term;
        self.squares += term * term;
        self.magnitudes += term.abs();
    }

    fn over(&self, divisor: f64) -> Raw {
        let error = OF_SQUARES * self.squares.sqrt() + OF_MAGNITUDES * self.magnitudes;
        Raw {
            value: (self.sum / divisor) as f32,
            error: Some((error / divisor) as f32),
        }
    }

    fn exact(value: f32) -> Raw {
        Raw {
            value,
            error: Some(0.0),
        }
    }
}

/// How far an input that a kernel reads may be off before it is used, relative to it: machines may read it in another
/// precision.
const OF_READ: f32 = 1e-4;

impl Raw {
    /// The result that a tape makes of it, its input 0, and of further inputs; `at` is where it belongs.
    pub(super) fn finish(self, tape: &Tape, others: impl IntoIterator<Item = f32>, at: usize) -> Found {
        let mut inputs = vec![self.value];
        inputs.extend(others);
        let tolerance = self.error.map_or(0.0, |error| {
            let mut errors: Vec<f32> = inputs.iter().map(|input| OF_READ * input.abs()).collect();
            errors[0] = error;
            tolerance(tape, &inputs, &errors)
        });
        Found::computed(tape, &inputs, tolerance, at)
    }
}

fn tolerance(tape: &Tape, inputs: &[f32], errors: &[f32]) -> f32 {
    // What is too small to be a normal number may become zero on the way.
    tape.deviation(inputs, errors) + f32::MIN_POSITIVE
}

/// What a tape makes of inputs of these types alone; integers are what they are.
pub(super) fn mapped<A: Account>(tape: &Tape, inputs: &[(f32, DType)], at: usize) -> Found {
    let values: Vec<f32> = inputs.iter().map(|input| input.0).collect();
    let errors = || {
        inputs.iter().map(|&(value, dtype)| match dtype {
            DType::F32 => OF_READ * value.abs(),
            DType::I32 => 0.0,
        })
    };
    let tolerance = match A::exact(0.0).error {
        Some(_) => tolerance(tape, &values, &errors().collect::<Vec<_>>()),
        None => 0.0,
    };
    Found::computed(tape, &values, tolerance, at)
}

impl Found {
    fn computed(tape: &Tape, inputs: &[f32], tolerance: f32, at: usize) -> Self {
        Self {
            at,
            bits: tape.eval(inputs).to_bits(),
            tolerance,
        }
    }

    /// An element as it was found elsewhere.
    pub(super) fn copy<M: Elements + ?Sized>(memory: &M, from: usize, at: usize) -> Self {
        Self::bits(memory.bits(from), at)
    }

    /// Bits that must be these.
    pub(super) fn bits(bits: u32, at: usize) -> Self {
        Self {
            at,
            bits,
            tolerance: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::Binary;

    /// Numbers in [-1, 1).
    fn terms(count: u32, seed: u32) -> Vec<f64> {
        let number = |i: u32| {
            let h = (i + seed).wrapping_mul(0x9e37_79b9);
            let h = (h ^ (h >> 15)).wrapping_mul(0x85eb_ca6b);
            f64::from(h >> 8) / 8_388_608.0 - 1.0
        };
        (0..count).map(number).collect()
    }

    fn measured(terms: &[f64]) -> (f32, f32) {
        let mut sum = Measured::default();
        terms.iter().for_each(|&term| sum.add(term));
        let Raw { value, error } = sum.total();
        (value, error.expect("it is measured"))
    }

    #[test]
    fn sums_in_single_precision_are_within_their_error() {
        for (count, seed) in [(1, 1), (9, 2), (576, 3), (4608, 4), (25088, 5)] {
            let all = terms(count, seed);
            for terms in [all.clone(), all.iter().map(|term| term.abs()).collect()] {
                let (value, error) = measured(&terms);
                let single = terms.iter().fold(0f32, |sum, &term| sum + term as f32);
                assert!(
                    (single - value).abs() < error / 3.0,
                    "{count}: {single} for {value}"
                );
            }
        }
    }

    #[test]
    fn a_sum_without_one_of_its_terms_is_not() {
        let all = terms(4608, 7);
        let (value, error) = measured(&all);
        let noticed = all.iter().filter(|term| {
            let without = f64::from(value) - **term;
            (without as f32 - value).abs() > error
        });
        assert!(noticed.count() > 4608 * 3 / 4, "an error of {error}");
    }

    #[test]
    fn an_error_follows_the_sum_through_its_function() {
        let mut sum = Measured::default();
        (0..100).for_each(|_| sum.add(1.0));
        let found = sum.total().finish(&Tape::binary(Binary::Mul), [1000.0], 3);
        assert_eq!((found.at, f32::from_bits(found.bits)), (3, 100_000.0));
        // A thousandth of 10, and a hundred-thousandth of 100, times a thousand; and a little.
        assert!((11.0..200.0).contains(&found.tolerance), "{}", found.tolerance);
        let found = (0.0f64).total().finish(&Tape::identity(), [], 0);
        assert_eq!(found.tolerance, 0.0);
    }
}
