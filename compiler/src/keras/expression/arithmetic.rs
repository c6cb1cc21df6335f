//! Python's arithmetic on numbers that are known.

use super::{Binary, Constant, Unary};

/// Numbers as Python has them: a bool is an integer.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn of(constant: &Constant) -> Option<Self> {
        match constant {
            Constant::Bool(flag) => Some(Self::Int(i64::from(*flag))),
            Constant::Int(value) => Some(Self::Int(*value)),
            Constant::Float(value) => Some(Self::Float(value.value())),
            Constant::None | Constant::Ellipsis | Constant::Text(_) => None,
        }
    }
    fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// An operator of a number; `None` where it cannot be computed here.
pub fn unary(op: Unary, of: &Constant) -> Option<Constant> {
    Some(match (op, Number::of(of)?) {
        (Unary::Negative, Number::Int(value)) => Constant::Int(value.checked_neg()?),
        (Unary::Negative, Number::Float(value)) => Constant::float(-value),
        (Unary::Positive, Number::Int(value)) => Constant::Int(value),
        (Unary::Positive, Number::Float(value)) => Constant::float(value),
        (Unary::Invert, Number::Int(value)) => Constant::Int(!value),
        (Unary::Invert, Number::Float(_)) => return None,
    })
}

/// An operator of two numbers; `None` where it cannot be computed here.
pub fn binary(op: Binary, a: &Constant, b: &Constant) -> Option<Constant> {
    let (a, b) = (Number::of(a)?, Number::of(b)?);
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => integers(op, a, b),
        _ => floats(op, a.float(), b.float()),
    }
}

fn integers(op: Binary, a: i64, b: i64) -> Option<Constant> {
    let int = |value: Option<i64>| value.map(Constant::Int);
    match op {
        Binary::Add => int(a.checked_add(b)),
        Binary::Subtract => int(a.checked_sub(b)),
        Binary::Multiply => int(a.checked_mul(b)),
        Binary::FloorDivide => int(floor_divide(a, b)),
        Binary::Remainder => int(floor_divide(a, b)
            .and_then(|quotient| quotient.checked_mul(b))
            .and_then(|product| a.checked_sub(product))),
        Binary::Power if b >= 0 => int(a.checked_pow(u32::try_from(b).ok()?)),
        Binary::And => int(Some(a & b)),
        Binary::Or => int(Some(a | b)),
        Binary::Xor => int(Some(a ^ b)),
        _ => floats(op, a as f64, b as f64),
    }
}

fn floor_divide(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    let below = a.checked_rem(b)? != 0 && (a < 0) != (b < 0);
    quotient.checked_sub(i64::from(below))
}

fn floats(op: Binary, a: f64, b: f64) -> Option<Constant> {
    let float = |value: f64| value.is_finite().then(|| Constant::float(value));
    match op {
        Binary::Add => float(a + b),
        Binary::Subtract => float(a - b),
        Binary::Multiply => float(a * b),
        Binary::Divide => float(a / b),
        Binary::FloorDivide => float(floor_divide_floats(a, b).0),
        Binary::Remainder => float(floor_divide_floats(a, b).1),
        // A negative base with a fraction above it is complex in Python.
        Binary::Power => float(a.powf(b)),
        Binary::Less => Some(Constant::Bool(a < b)),
        Binary::LessEqual => Some(Constant::Bool(a <= b)),
        Binary::Equal => Some(Constant::Bool(a == b)),
        Binary::NotEqual => Some(Constant::Bool(a != b)),
        Binary::Greater => Some(Constant::Bool(a > b)),
        Binary::GreaterEqual => Some(Constant::Bool(a >= b)),
        Binary::MatrixMultiply | Binary::And | Binary::Or | Binary::Xor => None,
    }
}

/// The quotient and the remainder as CPython's `float_divmod` rounds them.
fn floor_divide_floats(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    let floor = quotient.floor();
    (
        if quotient - floor > 0.5 {
            floor + 1.0
        } else {
            floor
        },
        rest,
    )
}
