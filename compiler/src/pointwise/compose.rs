//! Composition of tapes: what fusion is.

use super::{Tape, TapeBuilder};

impl Tape {
    /// Replaces every input of `self` by a tape over a new list of `inputs` values. A replacement comes
    /// with the numbers that its own inputs have in the new list.
    ///
    /// # Panics
    /// If the numbers of inputs do not fit.
    pub fn substitute(&self, replacements: &[(Tape, Vec<u32>)], inputs: u32) -> Tape {
        let mut b = TapeBuilder::new(inputs);
        let mut values = Vec::with_capacity(replacements.len());
        for (tape, numbers) in replacements {
            let bound: Vec<_> = numbers.iter().map(|&number| b.input(number)).collect();
            values.push(b.inline(tape, &bound));
        }
        let result = b.inline(self, &values);
        b.finish(result)
    }
    /// `next` after `self`: the result of `self` becomes the first input of `next`, whose further inputs
    /// come after the inputs of `self`.
    pub fn then(&self, next: &Tape) -> Tape {
        let inputs = self.inputs() + next.inputs().saturating_sub(1);
        let mut replacements = Vec::new();
        if next.inputs() > 0 {
            replacements.push((self.clone(), (0..self.inputs()).collect()));
        }
        replacements.extend((self.inputs()..inputs).map(|number| (Tape::identity(), vec![number])));
        next.substitute(&replacements, inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::{Binary, Unary};

    #[test]
    fn then_appends_inputs() {
        let sub = Tape::binary(Binary::Sub);
        let scaled = Tape::binary_const(Binary::Mul, 2.0);
        let tape = scaled.then(&sub).then(&sub);
        assert_eq!(tape.inputs(), 3);
        assert_eq!(tape.eval(&[10.0, 1.0, 2.0]), 17.0);
        assert_eq!(Tape::identity().then(&sub), sub);
        assert_eq!(sub.then(&Tape::identity()), sub);
        assert_eq!(sub.then(&Tape::constant(1.5)).eval(&[0.0, 0.0]), 1.5);
    }

    #[test]
    fn substitute_shares_inputs_and_instructions() {
        let sqrt = Tape::unary(Unary::Sqrt);
        let tape = Tape::binary(Binary::Sub).substitute(&[(sqrt.clone(), vec![1]), (sqrt, vec![1])], 2);
        assert_eq!(tape.inputs(), 2);
        assert_eq!(tape.instrs().len(), 3);
        assert_eq!(tape.eval(&[7.0, 4.0]), 0.0);
    }
}
