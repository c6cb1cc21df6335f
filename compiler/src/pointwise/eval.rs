//! The interpreter: what every instruction means, natively.

use super::{Binary, Compare, Fused, Instr, Logic, Tape, Unary, Value};

impl Tape {
    /// The function's value, each instruction rounded on its own.
    ///
    /// # Panics
    /// If `inputs` are fewer than the tape has.
    pub fn eval(&self, inputs: &[f32]) -> f32 {
        self.eval_with(inputs, &mut Vec::new())
    }
    /// [`Tape::eval`] with memory to reuse, for long arrays.
    pub fn eval_with(&self, inputs: &[f32], values: &mut Vec<f32>) -> f32 {
        values.clear();
        for instr in self.instrs() {
            values.push(eval_instr(instr, inputs, values));
        }
        values[self.result().index()]
    }
    /// [`Tape::eval`] as a backend computes it that fuses [where it may](Tape::steps).
    pub fn eval_fused(&self, inputs: &[f32], values: &mut Vec<f32>) -> f32 {
        eval_steps(&self.steps(true), inputs, values)
    }
}

/// The value of the last step. An absorbed product is never read.
pub(super) fn eval_steps(steps: &[Fused], inputs: &[f32], values: &mut Vec<f32>) -> f32 {
    values.clear();
    for step in steps {
        let at = |value: Value| values[value.index()];
        values.push(match step {
            Fused::Plain(instr) => eval_instr(instr, inputs, values),
            Fused::MulAdd(a, b, c) => at(*a).mul_add(at(*b), at(*c)),
            Fused::NegMulAdd(a, b, c) => (-at(*a)).mul_add(at(*b), at(*c)),
            Fused::Absorbed => f32::NAN,
        });
    }
    *values.last().expect("a tape has a result")
}

/// One instruction; masks are 1 and 0 here.
fn eval_instr(instr: &Instr, inputs: &[f32], values: &[f32]) -> f32 {
    let at = |value: Value| values[value.index()];
    let mask = |holds: bool| if holds { 1.0 } else { 0.0 };
    match *instr {
        Instr::Input(index) => inputs[index as usize],
        Instr::Const(bits) => f32::from_bits(bits),
        Instr::Unary(op, a) => op.eval(at(a)),
        Instr::Binary(op, a, b) => op.eval(at(a), at(b)),
        Instr::Compare(op, a, b) => mask(op.eval(at(a), at(b))),
        Instr::Logic(Logic::And, a, b) => at(a) * at(b),
        Instr::Logic(Logic::Or, a, b) => at(a).max(at(b)),
        Instr::Not(a) => 1.0 - at(a),
        Instr::Select(m, a, b) => {
            if at(m) != 0.0 {
                at(a)
            } else {
                at(b)
            }
        }
    }
}

impl Unary {
    /// The value. Functions beyond basic arithmetic are computed in f64 and rounded.
    pub fn eval(self, x: f32) -> f32 {
        let wide = |f: fn(f64) -> f64| f(f64::from(x)) as f32;
        match self {
            Unary::Neg => -x,
            Unary::Abs => x.abs(),
            Unary::Sqrt => x.sqrt(),
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Trunc => x.trunc(),
            Unary::Round => x.round_ties_even(),
            Unary::ShiftToExponent => f32::from_bits(x.to_bits() << 23),
            Unary::Exponent => exponent(x) as f32,
            Unary::Mantissa => f32::from_bits(x.to_bits().wrapping_sub((exponent(x) as u32) << 23)),
            Unary::Exp => wide(f64::exp),
            Unary::Log => wide(f64::ln),
            Unary::Tanh => wide(f64::tanh),
            Unary::Erf => wide(erf),
            Unary::Sin => wide(f64::sin),
            Unary::Cos => wide(f64::cos),
        }
    }
}

impl Binary {
    /// The value.
    pub fn eval(self, a: f32, b: f32) -> f32 {
        match self {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Min if a.is_nan() || b.is_nan() => f32::NAN,
            Binary::Max if a.is_nan() || b.is_nan() => f32::NAN,
            Binary::Min => a.min(b),
            Binary::Max => a.max(b),
            Binary::CopySign => a.copysign(b),
        }
    }
}

impl Compare {
    /// Whether it holds.
    pub fn eval(self, a: f32, b: f32) -> bool {
        match self {
            Compare::Eq => a == b,
            Compare::Ne => a != b,
            Compare::Lt => a < b,
            Compare::Le => a <= b,
        }
    }
}

/// Bits of √½: where the mantissa of [`Unary::Mantissa`] starts.
const SQRT_HALF: u32 = 0x3f35_04f3;

fn exponent(x: f32) -> i32 {
    (x.to_bits().wrapping_sub(SQRT_HALF) as i32) >> 23
}

/// The error function to about 1e-15: its series of positive terms (DLMF 7.6.2), and for large arguments the
/// continued fraction of its complement (DLMF 7.9.1).
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return 1f64.copysign(x);
    }
    if a > 2.5 {
        let fraction = (1..60).rev().fold(a, |tail, k| a + f64::from(k) / 2.0 / tail);
        let complement = (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt());
        return (1.0 - complement).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..80 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
        if term.abs() < sum.abs() * 1e-17 {
            break;
        }
    }
    sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_the_tabulated_values() {
        // Abramowitz & Stegun, table 7.1, and mpmath.
        for (x, expected) in [
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (2.5, 0.999_593_047_982_555),
            (2.6, 0.999_763_965_583_470_7),
            (3.5, 0.999_999_256_901_627_7),
        ] {
            assert!((erf(x) - expected).abs() < 2e-15, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(Unary::Erf.eval(f32::NAN).is_nan());
        assert_eq!(Unary::Erf.eval(f32::NEG_INFINITY), -1.0);
    }

    #[test]
    fn mantissa_and_exponent_make_the_number() {
        use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};
        let edges = [
            FRAC_1_SQRT_2.next_down(),
            FRAC_1_SQRT_2,
            SQRT_2.next_down(),
            SQRT_2,
        ];
        for x in edges
            .into_iter()
            .chain([f32::MIN_POSITIVE, 0.3, 1.0, 3.0, f32::MAX])
        {
            let (m, e) = (Unary::Mantissa.eval(x), Unary::Exponent.eval(x));
            assert_eq!(f64::from(m) * f64::from(e).exp2(), f64::from(x));
            assert!((FRAC_1_SQRT_2..SQRT_2).contains(&m), "mantissa {m} of {x}");
        }
    }

    #[test]
    fn shift_to_exponent_makes_powers_of_two() {
        let power = |n: f32| Unary::ShiftToExponent.eval(n + (1.5 * 8_388_608.0 + 127.0));
        assert_eq!(
            [-127.0, -126.0, 0.0, 127.0, 128.0].map(power),
            [0.0, f32::MIN_POSITIVE, 1.0, 2f32.powi(127), f32::INFINITY]
        );
    }

    #[test]
    fn min_and_max_propagate_nan() {
        for op in [Binary::Min, Binary::Max] {
            assert!(op.eval(f32::NAN, 0.0).is_nan() && op.eval(0.0, f32::NAN).is_nan());
        }
        assert!(Compare::Ne.eval(f32::NAN, f32::NAN) && !Compare::Le.eval(f32::NAN, f32::NAN));
    }
}
