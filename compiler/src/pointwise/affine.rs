//! Recognising scalings, so that they can be folded into weights.

use super::{Binary, Instr, Tape, Unary};

impl Tape {
    /// The `(scale, shift)` of a function of one input that is `x * scale + shift` in exact arithmetic;
    /// a function that does not depend on its input has scale 0. `None` where a coefficient is not finite.
    pub fn as_affine(&self) -> Option<(f32, f32)> {
        if self.inputs() != 1 {
            return None;
        }
        let mut forms: Vec<Option<(f64, f64)>> = Vec::with_capacity(self.instrs().len());
        for instr in self.instrs() {
            forms.push(affine(instr, &forms));
        }
        let (scale, shift) = forms[self.result().index()]?;
        let (scale, shift) = (scale as f32, shift as f32);
        (scale.is_finite() && shift.is_finite()).then_some((scale, shift))
    }
}

/// The scale and shift of one instruction from those before it.
fn affine(instr: &Instr, forms: &[Option<(f64, f64)>]) -> Option<(f64, f64)> {
    let at = |value: super::Value| forms[value.index()];
    let (scale, shift) = match *instr {
        Instr::Input(_) => (1.0, 0.0),
        Instr::Const(bits) => (0.0, f64::from(f32::from_bits(bits))),
        Instr::Unary(Unary::Neg, a) => {
            let (scale, shift) = at(a)?;
            (-scale, -shift)
        }
        Instr::Binary(op, a, b) => {
            let ((p, q), (r, s)) = (at(a)?, at(b)?);
            match op {
                Binary::Add => (p + r, q + s),
                Binary::Sub => (p - r, q - s),
                Binary::Mul if r == 0.0 => (p * s, q * s),
                Binary::Mul if p == 0.0 => (r * q, s * q),
                Binary::Div if r == 0.0 => (p / s, q / s),
                _ => return None,
            }
        }
        _ => return None,
    };
    (scale.is_finite() && shift.is_finite()).then_some((scale, shift))
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
