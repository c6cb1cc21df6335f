//! Scalar functions that the tests use.

use crate::pointwise::{Binary, Tape, TapeBuilder, Unary};

/// `max(x, 0)`.
pub fn relu() -> Tape {
    Tape::binary_const(Binary::Max, 0.0)
}

/// `x / (1 + exp(-x))`: takes its input twice.
pub fn silu() -> Tape {
    let mut b = TapeBuilder::new(1);
    let (x, one) = (b.input(0), b.constant(1.0));
    let minus = b.unary(Unary::Neg, x);
    let exp = b.unary(Unary::Exp, minus);
    let sum = b.binary(Binary::Add, exp, one);
    let result = b.binary(Binary::Div, x, sum);
    b.finish(result)
}

/// `(x - mean) / sqrt(variance + 0.001) * gamma + beta` of x, gamma, beta, mean, variance.
pub fn normalise() -> Tape {
    let mut b = TapeBuilder::new(5);
    let [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(|i| b.input(i));
    let epsilon = b.constant(0.001);
    let sum = b.binary(Binary::Add, variance, epsilon);
    let deviation = b.unary(Unary::Sqrt, sum);
    let centred = b.binary(Binary::Sub, x, mean);
    let unit = b.binary(Binary::Div, centred, deviation);
    let scaled = b.binary(Binary::Mul, unit, gamma);
    let result = b.binary(Binary::Add, scaled, beta);
    b.finish(result)
}

/// `x * scale + shift` of x, scale, shift.
pub fn affine() -> Tape {
    let mut b = TapeBuilder::new(3);
    let [x, scale, shift] = [0, 1, 2].map(|i| b.input(i));
    let product = b.binary(Binary::Mul, x, scale);
    let result = b.binary(Binary::Add, product, shift);
    b.finish(result)
}
