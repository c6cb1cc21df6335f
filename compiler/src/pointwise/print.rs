//! Text form of tapes for printing the IR.

use super::{Instr, Tape, Value};
use std::fmt;

/// One line like `%2 = mul x0, 0.5; %3 = max %2, x1`, and with `{:#}` one line per instruction. Inputs and
/// constants stand where they are taken. The last instruction is the result.
impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (index, instr) in self.instrs().iter().enumerate() {
            let value = Value(index as u32);
            if is_inline(instr) && value != self.result() {
                continue;
            }
            f.write_str(separator)?;
            separator = if f.alternate() { "\n" } else { "; " };
            if !is_inline(instr) {
                write!(f, "%{index} = {}", name(instr))?;
                for (position, operand) in instr.operands().enumerate() {
                    f.write_str(if position == 0 { " " } else { ", " })?;
                    write_operand(self, operand, f)?;
                }
            } else {
                write_operand(self, value, f)?;
            }
        }
        Ok(())
    }
}

fn is_inline(instr: &Instr) -> bool {
    matches!(instr, Instr::Input(_) | Instr::Const(_))
}

fn write_operand(tape: &Tape, value: Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match tape.instrs()[value.index()] {
        Instr::Input(index) => write!(f, "x{index}"),
        Instr::Const(bits) => write!(f, "{:?}", f32::from_bits(bits)),
        _ => write!(f, "%{}", value.0),
    }
}

/// The enums' own names, in lower case.
fn name(instr: &Instr) -> String {
    let name = match instr {
        Instr::Input(_) => "input".into(),
        Instr::Const(_) => "const".into(),
        Instr::Unary(op, _) => format!("{op:?}"),
        Instr::Binary(op, ..) => format!("{op:?}"),
        Instr::Compare(op, ..) => format!("{op:?}"),
        Instr::Logic(op, ..) => format!("{op:?}"),
        Instr::Not(_) => "not".into(),
        Instr::Select(..) => "select".into(),
    };
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::{Binary, Compare, TapeBuilder};

    #[test]
    fn prints_in_one_line_or_several() {
        let mut b = TapeBuilder::new(2);
        let (x, y, half) = (b.input(0), b.input(1), b.constant(0.5));
        let product = b.binary(Binary::Mul, x, half);
        let mask = b.compare(Compare::Lt, product, y);
        let result = b.select(mask, y, product);
        let tape = b.finish(result);
        assert_eq!(
            tape.to_string(),
            "%3 = mul x0, 0.5; %4 = lt %3, x1; %5 = select %4, x1, %3"
        );
        assert_eq!(format!("{tape:#}").lines().count(), 3);
        assert_eq!(Tape::identity().to_string(), "x0");
        assert_eq!(Tape::constant(-0.0).to_string(), "-0.0");
    }
}
