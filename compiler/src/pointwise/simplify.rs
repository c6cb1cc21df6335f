//! Simplifications that cannot change a bit of the result (but for which NaN and which zero the
//! instructions leave open). So `x + 0` stays: it makes 0 of -0. And `0 * x` stays: it may be NaN.

use super::{Binary, Compare, Instr, TapeBuilder, Unary, Value};

/// An earlier value that equals `instr`, or the simplest instruction that does.
pub(super) fn simplify(b: &mut TapeBuilder, instr: Instr) -> Result<Value, Instr> {
    if let Some(folded) = fold(b, instr) {
        return Err(folded);
    }
    match instr {
        Instr::Unary(op, a) => unary(b, op, a),
        Instr::Binary(op, a, c) => binary(b, op, a, c),
        Instr::Compare(op @ (Compare::Eq | Compare::Ne), a, c) if a > c => Err(Instr::Compare(op, c, a)),
        Instr::Logic(_, a, c) if a == c => Ok(a),
        Instr::Logic(op, a, c) if a > c => Err(Instr::Logic(op, c, a)),
        Instr::Select(_, a, c) if a == c => Ok(a),
        Instr::Select(mask, a, c) => match (b.instr(mask), b.instr(mask).operands().next()) {
            (Instr::Not(_), Some(positive)) => Err(Instr::Select(positive, c, a)),
            (Instr::Compare(..), _) => known_select(b, mask, a, c).ok_or(instr),
            _ => Err(instr),
        },
        Instr::Not(a) => match b.instr(a) {
            Instr::Not(positive) => Ok(positive),
            _ => Err(instr),
        },
        _ => Err(instr),
    }
}

/// The constant that a number computed from constants is. Masks are not folded: there are no constant masks.
fn fold(b: &TapeBuilder, instr: Instr) -> Option<Instr> {
    let value = match instr {
        Instr::Unary(op, a) => op.eval(b.as_const(a)?),
        Instr::Binary(op, a, c) => op.eval(b.as_const(a)?, b.as_const(c)?),
        _ => return None,
    };
    Some(Instr::Const(value.to_bits()))
}

/// The branch that a comparison of constants takes.
fn known_select(b: &TapeBuilder, mask: Value, a: Value, c: Value) -> Option<Value> {
    let Instr::Compare(op, left, right) = b.instr(mask) else {
        return None;
    };
    Some(if op.eval(b.as_const(left)?, b.as_const(right)?) {
        a
    } else {
        c
    })
}

fn unary(b: &mut TapeBuilder, op: Unary, a: Value) -> Result<Value, Instr> {
    match (op, b.instr(a)) {
        (Unary::Neg, Instr::Unary(Unary::Neg, x)) => Ok(x),
        (Unary::Abs, Instr::Unary(Unary::Abs, _)) => Ok(a),
        (Unary::Abs, Instr::Unary(Unary::Neg, x)) => Err(Instr::Unary(Unary::Abs, x)),
        (
            Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Round,
            Instr::Unary(Unary::Floor | Unary::Ceil | Unary::Trunc | Unary::Round, _),
        ) => Ok(a),
        _ => Err(Instr::Unary(op, a)),
    }
}

/// The second operand of a commutative operation is the constant, if there is one: emitters rely on it.
fn binary(b: &mut TapeBuilder, op: Binary, a: Value, c: Value) -> Result<Value, Instr> {
    use Binary::{Add, CopySign, Div, Max, Min, Mul, Sub};
    let commutes = matches!(op, Add | Mul | Min | Max);
    let swap = commutes && b.as_const(c).is_none() && (b.as_const(a).is_some() || a > c);
    let (a, c) = if swap { (c, a) } else { (a, c) };
    if let Some(constant) = b.as_const(c) {
        return with_constant(b, op, a, c, constant);
    }
    match (op, b.instr(a), b.instr(c)) {
        (Min | Max | CopySign, ..) if a == c => Ok(a),
        (Add, _, Instr::Unary(Unary::Neg, x)) => Err(Instr::Binary(Sub, a, x)),
        (Add, Instr::Unary(Unary::Neg, x), _) => Err(Instr::Binary(Sub, c, x)),
        (Sub, _, Instr::Unary(Unary::Neg, x)) => simplify(b, Instr::Binary(Add, a, x)),
        (Mul | Div, Instr::Unary(Unary::Neg, x), Instr::Unary(Unary::Neg, y)) => {
            simplify(b, Instr::Binary(op, x, y))
        }
        // Only the negative zero: 0 - x is 0 for x = 0, but the opposite of 0 is -0.
        (Sub, Instr::Const(bits), _) if bits == (-0f32).to_bits() => Err(Instr::Unary(Unary::Neg, c)),
        _ => Err(Instr::Binary(op, a, c)),
    }
}

/// Operations whose second operand is constant.
fn with_constant(b: &mut TapeBuilder, op: Binary, a: Value, c: Value, constant: f32) -> Result<Value, Instr> {
    use Binary::{Add, CopySign, Div, Max, Min, Mul, Sub};
    let negative_zero = constant.to_bits() == (-0f32).to_bits();
    let positive_zero = constant.to_bits() == 0;
    match op {
        Mul | Div if constant == 1.0 => Ok(a),
        Mul | Div if constant == -1.0 => simplify(b, Instr::Unary(Unary::Neg, a)),
        Mul if let Instr::Unary(Unary::Neg, x) = b.instr(a) => {
            let opposite = b.constant(-constant);
            simplify(b, Instr::Binary(Mul, x, opposite))
        }
        Div if is_invertible(constant) => {
            let inverse = b.constant(1.0 / constant);
            simplify(b, Instr::Binary(Mul, a, inverse))
        }
        Add if negative_zero => Ok(a),
        Sub if positive_zero => Ok(a),
        Sub => {
            let opposite = b.constant(-constant);
            simplify(b, Instr::Binary(Add, a, opposite))
        }
        Max if constant == f32::NEG_INFINITY => Ok(a),
        Min if constant == f32::INFINITY => Ok(a),
        CopySign if constant.is_sign_positive() => simplify(b, Instr::Unary(Unary::Abs, a)),
        _ => Err(Instr::Binary(op, a, c)),
    }
}

/// Whether dividing by it is multiplying by its inverse: a power of two whose inverse is normal too.
fn is_invertible(constant: f32) -> bool {
    constant.to_bits() & 0x7f_ffff == 0 && constant.is_normal() && (1.0 / constant).is_normal()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the tape that `make` builds from two inputs.
    fn text(make: impl Fn(&mut TapeBuilder, Value, Value) -> Value) -> String {
        let mut b = TapeBuilder::new(2);
        let (x, y) = (b.input(0), b.input(1));
        let result = make(&mut b, x, y);
        b.finish(result).to_string()
    }

    fn with_const(op: Binary, constant: f32) -> String {
        text(|b, x, _| {
            let c = b.constant(constant);
            b.binary(op, x, c)
        })
    }

    #[test]
    fn neutral_constants_vanish_only_where_exact() {
        for (op, constant) in [
            (Binary::Mul, 1.0),
            (Binary::Div, 1.0),
            (Binary::Add, -0.0),
            (Binary::Sub, 0.0),
            (Binary::Max, f32::NEG_INFINITY),
            (Binary::Min, f32::INFINITY),
        ] {
            assert_eq!(with_const(op, constant), "x0", "{op:?} {constant}");
        }
        assert_eq!(with_const(Binary::Add, 0.0), "%2 = add x0, 0.0", "-0 + 0 is 0");
        assert_eq!(with_const(Binary::Sub, -0.0), "%2 = add x0, 0.0");
        assert_eq!(with_const(Binary::Mul, 0.0), "%2 = mul x0, 0.0", "0 * NaN is NaN");
        assert_eq!(with_const(Binary::Mul, -1.0), "%1 = neg x0");
        assert_eq!(with_const(Binary::CopySign, 2.0), "%1 = abs x0");
    }

    #[test]
    fn divides_only_by_powers_of_two_with_a_product() {
        assert_eq!(with_const(Binary::Div, 4.0), "%2 = mul x0, 0.25");
        assert_eq!(with_const(Binary::Div, 3.0), "%2 = div x0, 3.0");
        // The inverse of 2^127 is a denormal, which a target may flush.
        assert!(with_const(Binary::Div, 2f32.powi(127)).contains("div"));
    }

    #[test]
    fn constants_come_second_and_are_computed() {
        assert_eq!(
            text(|b, x, _| {
                let (two, three) = (b.constant(2.0), b.constant(3.0));
                let six = b.binary(Binary::Mul, two, three);
                b.binary(Binary::Max, six, x)
            }),
            "%2 = max x0, 6.0"
        );
        assert_eq!(
            text(|b, x, _| {
                let (one, two) = (b.constant(1.0), b.constant(2.0));
                let mask = b.compare(Compare::Lt, two, one);
                b.select(mask, one, x)
            }),
            "x0"
        );
    }

    #[test]
    fn signs_cancel() {
        assert_eq!(
            text(|b, x, y| {
                let minus = b.unary(Unary::Neg, y);
                b.binary(Binary::Add, x, minus)
            }),
            "%2 = sub x0, x1"
        );
        assert_eq!(
            text(|b, x, y| {
                let minus = b.unary(Unary::Neg, y);
                b.binary(Binary::Sub, x, minus)
            }),
            "%2 = add x0, x1"
        );
        assert_eq!(
            text(|b, x, _| {
                let minus = b.unary(Unary::Neg, x);
                let c = b.constant(3.0);
                b.binary(Binary::Mul, minus, c)
            }),
            "%2 = mul x0, -3.0"
        );
        assert_eq!(
            text(|b, x, _| {
                let zero = b.constant(0.0);
                b.binary(Binary::Sub, zero, x)
            }),
            "%2 = sub 0.0, x0",
            "the opposite of 0 is -0"
        );
    }

    #[test]
    fn negated_masks_exchange_the_branches() {
        assert_eq!(
            text(|b, x, y| {
                let mask = b.compare(Compare::Lt, x, y);
                let not = b.not(mask);
                b.select(not, x, y)
            }),
            "%2 = lt x0, x1; %3 = select %2, x1, x0"
        );
    }

    #[test]
    #[should_panic(expected = "numbers and masks in their places")]
    fn masks_are_not_numbers() {
        text(|b, x, y| {
            let mask = b.compare(Compare::Lt, x, y);
            b.unary(Unary::Neg, mask)
        });
    }
}
