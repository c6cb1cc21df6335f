//! Tapes of what holds of elements, and of others that no library function has.

use super::mask;
use crate::pointwise::{Binary, Compare, Logic, Tape, TapeBuilder, Unary, Value};

/// A number whatever the input is.
pub fn constant(value: f32) -> Tape {
    Tape::constant(value).substitute(&[], 1)
}

/// 1 where the comparison of `a` and `b` holds, else 0.
fn comparison(op: Compare, swapped: bool) -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let mask = if swapped {
        t.compare(op, b, a)
    } else {
        t.compare(op, a, b)
    };
    let (yes, no) = (t.constant(1.0), t.constant(0.0));
    let number = t.select(mask, yes, no);
    t.finish(number)
}

/// a = b.
pub fn equal() -> Tape {
    comparison(Compare::Eq, false)
}

/// a ≠ b.
pub fn not_equal() -> Tape {
    comparison(Compare::Ne, false)
}

/// a < b.
pub fn less() -> Tape {
    comparison(Compare::Lt, false)
}

/// a ≤ b.
pub fn less_equal() -> Tape {
    comparison(Compare::Le, false)
}

/// a > b.
pub fn greater() -> Tape {
    comparison(Compare::Lt, true)
}

/// a ≥ b.
pub fn greater_equal() -> Tape {
    comparison(Compare::Le, true)
}

/// 1 where x is 0, else 0: a mask's opposite.
pub fn is_zero() -> Tape {
    equal().substitute(
        &[(Tape::identity(), vec![0]), (Tape::constant(0.0), Vec::new())],
        1,
    )
}

/// 1 where x is not 0, else 0.
pub fn is_true() -> Tape {
    mask::differs_from(0.0)
}

/// 1 where x is not a number.
pub fn is_nan() -> Tape {
    not_equal().substitute(&[(Tape::identity(), vec![0]), (Tape::identity(), vec![0])], 1)
}

/// 1 where x is ∞ or -∞.
pub fn is_infinite() -> Tape {
    let bound = (Tape::constant(f32::INFINITY), Vec::new());
    equal().substitute(&[(Tape::unary(Unary::Abs), vec![0]), bound], 1)
}

/// 1 where x is a number that is not infinite.
pub fn is_finite() -> Tape {
    let bound = (Tape::constant(f32::INFINITY), Vec::new());
    less().substitute(&[(Tape::unary(Unary::Abs), vec![0]), bound], 1)
}

/// a/b, but 0 where b is 0.
pub fn divide_no_nan() -> Tape {
    zero_beside(Binary::Div)
}

/// a·b, but 0 where b is 0.
pub fn multiply_no_nan() -> Tape {
    zero_beside(Binary::Mul)
}

fn zero_beside(op: Binary) -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b, zero) = (t.input(0), t.input(1), t.constant(0.0));
    let result = t.binary(op, a, b);
    let none = t.compare(Compare::Eq, b, zero);
    let result = t.select(none, zero, result);
    t.finish(result)
}

/// Combines the truth of both inputs.
fn truth(combine: fn(&mut TapeBuilder, Value, Value) -> Value) -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b, zero) = (t.input(0), t.input(1), t.constant(0.0));
    let a = t.compare(Compare::Ne, a, zero);
    let b = t.compare(Compare::Ne, b, zero);
    let mask = combine(&mut t, a, b);
    let (yes, no) = (t.constant(1.0), t.constant(0.0));
    let number = t.select(mask, yes, no);
    t.finish(number)
}

/// Both hold.
pub fn and() -> Tape {
    truth(|t, a, b| t.logic(Logic::And, a, b))
}

/// At least one holds.
pub fn or() -> Tape {
    truth(|t, a, b| t.logic(Logic::Or, a, b))
}

/// Exactly one holds.
pub fn xor() -> Tape {
    truth(|t, a, b| {
        let either = t.logic(Logic::Or, a, b);
        let both = t.logic(Logic::And, a, b);
        let not_both = t.not(both);
        t.logic(Logic::And, either, not_both)
    })
}

/// 1 where x is that number.
fn is_exactly(number: f32) -> Tape {
    equal().substitute(
        &[(Tape::identity(), vec![0]), (Tape::constant(number), Vec::new())],
        1,
    )
}

/// 1 where x is ∞.
pub fn is_positive_infinity() -> Tape {
    is_exactly(f32::INFINITY)
}

/// 1 where x is -∞.
pub fn is_negative_infinity() -> Tape {
    is_exactly(f32::NEG_INFINITY)
}

/// Of a condition about the sign and two numbers, the one for negative x (also -0) or the other.
fn by_sign(negative: f32, other: f32) -> Tape {
    let mut t = TapeBuilder::new(1);
    let x = t.input(0);
    let (one, zero) = (t.constant(1.0), t.constant(0.0));
    let (negative, other) = (t.constant(negative), t.constant(other));
    let sign = t.binary(Binary::CopySign, one, x);
    let below = t.compare(Compare::Lt, sign, zero);
    let result = t.select(below, negative, other);
    t.finish(result)
}

/// 1 where the sign bit is set.
pub fn sign_bit() -> Tape {
    by_sign(1.0, 0.0)
}

/// The angle of a real number in the complex plane: π or 0.
pub fn angle() -> Tape {
    by_sign(std::f32::consts::PI, 0.0)
}

/// The greater of both, or the one that is a number.
pub fn fmax() -> Tape {
    of_numbers(Binary::Max)
}

/// The smaller of both, or the one that is a number.
pub fn fmin() -> Tape {
    of_numbers(Binary::Min)
}

fn of_numbers(op: Binary) -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let result = t.binary(op, a, b);
    let first = t.compare(Compare::Ne, a, a);
    let second = t.compare(Compare::Ne, b, b);
    let result = t.select(second, a, result);
    let result = t.select(first, b, result);
    t.finish(result)
}

/// 0 below 0, 1 above, and the second operand at 0.
pub fn heaviside() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (x, at_zero) = (t.input(0), t.input(1));
    let (zero, one) = (t.constant(0.0), t.constant(1.0));
    let below = t.compare(Compare::Lt, x, zero);
    let above = t.compare(Compare::Lt, zero, x);
    let result = t.select(above, one, at_zero);
    let result = t.select(below, zero, result);
    t.finish(result)
}

/// a·f(b), but 0 where a is 0.
fn zero_where_first_is(of: impl Fn(&mut TapeBuilder, Value, Value) -> Value) -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b, zero) = (t.input(0), t.input(1), t.constant(0.0));
    let value = of(&mut t, a, b);
    let none = t.compare(Compare::Eq, a, zero);
    let result = t.select(none, zero, value);
    t.finish(result)
}

/// a·log b, but 0 where a is 0.
pub fn xlogy() -> Tape {
    zero_where_first_is(|t, a, b| {
        let log = t.unary(Unary::Log, b);
        t.binary(Binary::Mul, a, log)
    })
}

/// a·log(1 + b), but 0 where a is 0.
pub fn xlog1py() -> Tape {
    zero_where_first_is(|t, a, b| {
        let log = t.inline(&crate::pointwise::library::log1p::tape(), &[b]);
        t.binary(Binary::Mul, a, log)
    })
}

/// a/b, but 0 where a is 0.
pub fn xdivy() -> Tape {
    zero_where_first_is(|t, a, b| t.binary(Binary::Div, a, b))
}

/// 1/x, but 0 where x is 0.
pub fn reciprocal_no_nan() -> Tape {
    let one = (Tape::constant(1.0), Vec::new());
    divide_no_nan().substitute(&[one, (Tape::identity(), vec![0])], 1)
}

/// How many bits integers have here, besides that of the sign: as many as floats count without gaps.
const BITS: usize = 24;

/// Both numbers bit by bit, as integers in two's complement, which have as many sign bits as wanted: Σ of what both have set.
fn common_bits(t: &mut TapeBuilder, a: Value, b: Value) -> Value {
    let (two, half) = (t.constant(2.0), t.constant(0.5));
    let mut rest = [a, b];
    let mut weight = 1.0;
    let mut sum = t.constant(0.0);
    for _ in 0..BITS {
        let mut bits = rest;
        for (value, bit) in rest.iter_mut().zip(&mut bits) {
            let shifted = t.binary(Binary::Mul, *value, half);
            let shifted = t.unary(Unary::Floor, shifted);
            let even = t.binary(Binary::Mul, shifted, two);
            *bit = t.binary(Binary::Sub, *value, even);
            *value = shifted;
        }
        let both = t.binary(Binary::Mul, bits[0], bits[1]);
        let factor = t.constant(weight);
        let part = t.binary(Binary::Mul, both, factor);
        sum = t.binary(Binary::Add, sum, part);
        weight *= 2.0;
    }
    // What is left of a negative number is -1.
    let both = t.binary(Binary::Mul, rest[0], rest[1]);
    let factor = t.constant(-weight);
    let sign = t.binary(Binary::Mul, both, factor);
    t.binary(Binary::Add, sum, sign)
}

/// The bits that both integers have.
pub fn bits_and() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let both = common_bits(&mut t, a, b);
    t.finish(both)
}

/// The bits that at least one of two integers has.
pub fn bits_or() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let both = common_bits(&mut t, a, b);
    let sum = t.binary(Binary::Add, a, b);
    let result = t.binary(Binary::Sub, sum, both);
    t.finish(result)
}

/// The bits that one of two integers has and the other has not.
pub fn bits_xor() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let both = common_bits(&mut t, a, b);
    let first = t.binary(Binary::Sub, a, both);
    let second = t.binary(Binary::Sub, b, both);
    let result = t.binary(Binary::Add, first, second);
    t.finish(result)
}

/// ⌊a/2ᵇ⌋: an integer with its bits moved right.
pub fn shift_right() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let away = t.unary(Unary::Neg, b);
    let moved = t.inline(&crate::pointwise::library::ldexp::tape(), &[a, away]);
    let result = t.unary(Unary::Floor, moved);
    t.finish(result)
}

/// Rounds of Euclid's algorithm for two integers below 2²⁴, of which consecutive Fibonacci numbers take the most.
const ROUNDS: usize = 36;

fn common_divisor(t: &mut TapeBuilder, a: Value, b: Value) -> Value {
    let zero = t.constant(0.0);
    let (mut a, mut b) = (t.unary(Unary::Abs, a), t.unary(Unary::Abs, b));
    for _ in 0..ROUNDS {
        let share = t.binary(Binary::Div, a, b);
        let share = t.unary(Unary::Floor, share);
        let whole = t.binary(Binary::Mul, share, b);
        let rest = t.binary(Binary::Sub, a, whole);
        let done = t.compare(Compare::Eq, b, zero);
        a = t.select(done, a, b);
        b = t.select(done, zero, rest);
    }
    a
}

/// The greatest common divisor of integers.
pub fn gcd() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let result = common_divisor(&mut t, a, b);
    t.finish(result)
}

/// The least common multiple of integers.
pub fn lcm() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b, zero) = (t.input(0), t.input(1), t.constant(0.0));
    let divisor = common_divisor(&mut t, a, b);
    let share = t.binary(Binary::Div, a, divisor);
    let product = t.binary(Binary::Mul, share, b);
    let size = t.unary(Unary::Abs, product);
    let none = t.compare(Compare::Eq, divisor, zero);
    let result = t.select(none, zero, size);
    t.finish(result)
}
