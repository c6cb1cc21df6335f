//! Recognising scalings, so that they can be folded into weights.

use super::{Binary, Instr, Tape, Unary, Value};

impl Tape {
    /// The `(scale, shift)` of a function of one input that is `x * scale + shift` in exact arithmetic;
    /// a function that does not depend on its input has scale 0. `None` where a coefficient is no finite f32.
    pub fn as_affine(&self) -> Option<(f32, f32)> {
        let affine = (self.inputs() == 1).then(|| self.affine_in(|_| None)).flatten();
        affine.map(|(scale, shift)| (scale as f32, shift as f32))
    }

    /// The same for a function all of whose inputs are numbers, which `number` knows, but for the one that it is to be affine in.
    pub fn affine_in(&self, number: impl Fn(usize) -> Option<f32>) -> Option<(f64, f64)> {
        let mut forms: Vec<(f64, f64)> = Vec::with_capacity(self.instrs().len());
        for instr in self.instrs() {
            let at = |value: Value| forms[value.index()];
            let form = match *instr {
                Instr::Input(index) => match number(index as usize) {
                    None => (1.0, 0.0),
                    Some(number) => (0.0, f64::from(number)),
                },
                Instr::Const(bits) => (0.0, f64::from(f32::from_bits(bits))),
                Instr::Unary(op, a) => unary(op, at(a))?,
                Instr::Binary(op, a, b) => binary(op, at(a), at(b))?,
                _ => return None,
            };
            if !form.0.is_finite() || !form.1.is_finite() {
                return None;
            }
            forms.push(form);
        }
        let (scale, shift) = forms[self.result().index()];
        ((scale as f32).is_finite() && (shift as f32).is_finite()).then_some((scale, shift))
    }
}

fn unary(op: Unary, (scale, shift): (f64, f64)) -> Option<(f64, f64)> {
    match op {
        Unary::Neg => Some((-scale, -shift)),
        _ if scale != 0.0 => None,
        Unary::Sqrt => Some((0.0, shift.sqrt())),
        _ => Some((0.0, f64::from(op.eval(shift as f32)))),
    }
}

fn binary(op: Binary, (p, q): (f64, f64), (r, s): (f64, f64)) -> Option<(f64, f64)> {
    match op {
        Binary::Add => Some((p + r, q + s)),
        Binary::Sub => Some((p - r, q - s)),
        Binary::Mul if r == 0.0 => Some((p * s, q * s)),
        Binary::Mul if p == 0.0 => Some((r * q, s * q)),
        Binary::Div if r == 0.0 => Some((p / s, q / s)),
        _ if p == 0.0 && r == 0.0 => Some((0.0, f64::from(op.eval(q as f32, s as f32)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(ops: &[(Binary, f32)]) -> Tape {
        ops.iter().fold(Tape::identity(), |tape, &(op, c)| {
            tape.then(&Tape::binary_const(op, c))
        })
    }

    #[test]
    fn finds_scale_and_shift() {
        use Binary::{Add, Div, Mul, Sub};
        assert_eq!(Tape::identity().as_affine(), Some((1.0, 0.0)));
        assert_eq!(
            chain(&[(Mul, 3.0), (Add, 1.0), (Div, 8.0)]).as_affine(),
            Some((0.375, 0.125))
        );
        assert_eq!(chain(&[(Sub, 2.0), (Mul, 2.0)]).as_affine(), Some((2.0, -4.0)));
        let doubled =
            Tape::binary(Add).substitute(&[(Tape::identity(), vec![0]), (Tape::identity(), vec![0])], 1);
        assert_eq!(doubled.as_affine(), Some((2.0, 0.0)));
        assert_eq!(Tape::unary(Unary::Neg).as_affine(), Some((-1.0, 0.0)));
    }

    #[test]
    fn numbers_may_stand_for_the_other_inputs() {
        // (x - mean) / sqrt(variance) * gamma
        let text = "%4 = sub x0, x1; %5 = sqrt x2; %6 = div %4, %5; %7 = mul %6, x3";
        let tape = Tape::parse(text, 4).expect("a tape");
        let numbers = |x1| move |input: usize| [None, x1, Some(4.0), Some(6.0)][input];
        assert_eq!(tape.affine_in(numbers(Some(2.0))), Some((3.0, -6.0)));
        assert_eq!(tape.affine_in(numbers(Some(f32::NAN))), None);
        assert_eq!(tape.affine_in(|_| Some(1.0)), Some((0.0, 0.0)), "a number");
    }

    #[test]
    fn refuses_everything_else() {
        assert_eq!(Tape::binary_const(Binary::Max, 0.0).as_affine(), None);
        assert_eq!(Tape::binary(Binary::Add).as_affine(), None, "two inputs");
        let square = Tape::binary(Binary::Mul)
            .substitute(&[(Tape::identity(), vec![0]), (Tape::identity(), vec![0])], 1);
        assert_eq!(square.as_affine(), None);
        assert_eq!(
            chain(&[(Binary::Mul, 1e38), (Binary::Mul, 1e38)]).as_affine(),
            None,
            "overflow"
        );
        assert_eq!(Tape::binary_const(Binary::Div, 0.0).as_affine(), None);
    }
}
