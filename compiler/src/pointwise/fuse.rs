//! Which products a backend may fuse with the addition that takes them.

use super::{Binary, Instr, Tape, Value};

/// What an emitter does for an instruction of a tape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fused {
    /// The instruction itself.
    Plain(Instr),
    /// `a * b + c`, rounded once or twice.
    MulAdd(Value, Value, Value),
    /// `c - a * b`, rounded once or twice.
    NegMulAdd(Value, Value, Value),
    /// Nothing: the product is part of a later step.
    Absorbed,
}

impl Fused {
    /// The values that the step takes.
    pub fn operands(&self) -> impl Iterator<Item = Value> + use<> {
        let (own, instr) = match *self {
            Fused::MulAdd(a, b, c) | Fused::NegMulAdd(a, b, c) => ([Some(a), Some(b), Some(c)], None),
            Fused::Plain(instr) => ([None; 3], Some(instr)),
            Fused::Absorbed => ([None; 3], None),
        };
        own.into_iter()
            .flatten()
            .chain(instr.into_iter().flat_map(|instr| instr.operands()))
    }
}

impl Tape {
    /// One step per instruction. With `fuse`, a product that has no other use joins the addition or
    /// subtraction that takes it; of two such products the first one does.
    pub fn steps(&self, fuse: bool) -> Vec<Fused> {
        let mut steps: Vec<Fused> = self.instrs().iter().map(|&instr| Fused::Plain(instr)).collect();
        if !fuse {
            return steps;
        }
        let mut uses = vec![0; steps.len()];
        self.instrs()
            .iter()
            .flat_map(Instr::operands)
            .for_each(|v| uses[v.index()] += 1);
        let product = |value: Value| match self.instrs()[value.index()] {
            Instr::Binary(Binary::Mul, a, b) if uses[value.index()] == 1 => Some((a, b)),
            _ => None,
        };
        for (index, instr) in self.instrs().iter().enumerate() {
            let fused = match *instr {
                Instr::Binary(Binary::Add, p, c) if product(p).is_some() => {
                    product(p).map(|(a, b)| (p, Fused::MulAdd(a, b, c)))
                }
                Instr::Binary(Binary::Add, c, p) => product(p).map(|(a, b)| (p, Fused::MulAdd(a, b, c))),
                Instr::Binary(Binary::Sub, c, p) => product(p).map(|(a, b)| (p, Fused::NegMulAdd(a, b, c))),
                _ => None,
            };
            if let Some((absorbed, step)) = fused {
                steps[absorbed.index()] = Fused::Absorbed;
                steps[index] = step;
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::TapeBuilder;

    #[test]
    fn a_product_of_one_use_joins_its_sum() {
        let mut b = TapeBuilder::new(3);
        let [x, y, z] = [0, 1, 2].map(|i| b.input(i));
        let xy = b.binary(Binary::Mul, x, y);
        let sum = b.binary(Binary::Add, z, xy);
        let squared = b.binary(Binary::Mul, sum, sum);
        let twice = b.binary(Binary::Sub, squared, sum);
        let again = b.binary(Binary::Sub, twice, squared);
        let tape = b.finish(again);
        let steps = tape.steps(true);
        assert_eq!(steps[xy.index()], Fused::Absorbed);
        assert_eq!(steps[sum.index()], Fused::MulAdd(x, y, z));
        assert_eq!(
            steps[again.index()],
            Fused::Plain(tape.instrs()[again.index()]),
            "the square has two uses"
        );
        assert!(!tape.steps(false).contains(&Fused::Absorbed));
    }

    #[test]
    fn the_interpreter_can_fuse() {
        let mut b = TapeBuilder::new(2);
        let (x, y) = (b.input(0), b.input(1));
        let product = b.binary(Binary::Mul, x, x);
        let result = b.binary(Binary::Sub, y, product);
        let tape = b.finish(result);
        // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, whose last bit only the fused form keeps.
        let (x, y) = (1.0 + 2f32.powi(-12), 1.0 + 2f32.powi(-11));
        assert_eq!(tape.eval(&[x, y]), 0.0);
        assert_eq!(tape.eval_fused(&[x, y], &mut Vec::new()), -2f32.powi(-24));
    }
}
