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
