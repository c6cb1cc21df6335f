//! Tapes as statements.

use super::{Lanes, Shader};
use crate::pointwise::{Binary, Compare, Instr, Logic, Tape, Unary, Value};

/// From this magnitude on a constant that is added rounds to an integer: what the sum is for. Drivers with fast math take the
/// constant away again where it is subtracted later, unless they cannot know the sum.
const ROUNDS: f32 = 4_194_304.0;

impl Shader {
    /// The result of a tape for these inputs, of as many lanes each.
    ///
    /// exp and log are those of the machine; what machines compute badly (tanh of large values is NaN on some, sine and cosine are
    /// allowed an error of 2⁻¹¹) is computed in basic instructions.
    pub fn apply(&mut self, tape: &Tape, inputs: &[String], lanes: Lanes) -> String {
        let tape = tape.expand(|op| matches!(op, Unary::Exp | Unary::Log));
        let mut values: Vec<String> = Vec::with_capacity(tape.instrs().len());
        for instr in tape.instrs() {
            let value = match *instr {
                Instr::Input(index) => inputs[index as usize].clone(),
                Instr::Const(bits) => self.constant(bits, lanes),
                _ => {
                    let expression = self.instruction(&tape, instr, &values, lanes);
                    self.bind("t", expression)
                }
            };
            values.push(value);
        }
        values.swap_remove(tape.result().index())
    }

    /// A constant by its bits.
    fn constant(&mut self, bits: u32, lanes: Lanes) -> String {
        let value = f32::from_bits(bits);
        if value.is_normal() && value.abs() < f32::MAX || bits == 0 {
            return format!("{}({value:?}f)", lanes.float());
        }
        // Neither infinities nor NaN may be written, and compilers drop the sign of a zero. The fewest digits that tell the greatest
        // float from others are above it: an error, or infinity.
        let zero = self.zero();
        format!("{}(bitcast<f32>({bits:#x}u ^ {zero}))", lanes.float())
    }

    fn instruction(&mut self, tape: &Tape, instr: &Instr, values: &[String], lanes: Lanes) -> String {
        let at = |value: Value| &values[value.index()];
        match *instr {
            Instr::Unary(op, a) => unary(op, at(a), lanes),
            Instr::Binary(Binary::Add, a, b) if rounds(tape, a) || rounds(tape, b) => {
                let zero = self.zero();
                let bits = lanes.bits();
                let sum = format!("bitcast<{bits}>({} + {})", at(a), at(b));
                format!("bitcast<{}>({sum} ^ {bits}({zero}))", lanes.float())
            }
            Instr::Binary(Binary::Div, a, b) if is_zero(tape, b) => {
                // Compilers that see a zero there may give anything; what is meant is an infinity, or NaN.
                let zero = self.zero();
                format!("{} / {}(bitcast<f32>({zero}))", at(a), lanes.float())
            }
            Instr::Binary(op, a, b) => binary(op, at(a), at(b), lanes),
            // Drivers with fast math know no NaN, so that its bits are looked at.
            Instr::Compare(op @ (Compare::Eq | Compare::Ne), a, b) if a == b => {
                let (operator, bits) = (if op == Compare::Eq { "<=" } else { ">" }, lanes.bits());
                format!(
                    "(bitcast<{bits}>({}) & {bits}(0x7fffffffu)) {operator} {bits}(0x7f800000u)",
                    at(a)
                )
            }
            Instr::Compare(op, a, b) => format!("{} {} {}", at(a), comparison(op), at(b)),
            Instr::Logic(Logic::And, a, b) => format!("{} & {}", at(a), at(b)),
            Instr::Logic(Logic::Or, a, b) => format!("{} | {}", at(a), at(b)),
            Instr::Not(a) => format!("!{}", at(a)),
            Instr::Select(mask, a, b) => format!("select({}, {}, {})", at(b), at(a), at(mask)),
            // They stand where they are taken.
            Instr::Input(_) | Instr::Const(_) => unreachable!("inputs and constants are no statements"),
        }
    }
}

/// Whether a value is a constant that is added in order to round.
fn rounds(tape: &Tape, value: Value) -> bool {
    let constant = tape.instrs()[value.index()].as_const();
    constant.is_some_and(|constant| constant.is_finite() && constant.abs() >= ROUNDS && constant.abs() < 1e9)
}

/// Whether a value is the constant zero.
fn is_zero(tape: &Tape, value: Value) -> bool {
    tape.instrs()[value.index()].as_const() == Some(0.0)
}

fn unary(op: Unary, a: &str, lanes: Lanes) -> String {
    let (float, bits, signed) = (lanes.float(), lanes.bits(), lanes.signed());
    let exponent = format!("((bitcast<{signed}>({a}) - {signed}(0x3f3504f3)) >> {bits}(23u))");
    match op {
        Unary::Neg => format!("-{a}"),
        Unary::Abs => format!("abs({a})"),
        Unary::Sqrt => format!("sqrt({a})"),
        Unary::Floor => format!("floor({a})"),
        Unary::Ceil => format!("ceil({a})"),
        Unary::Trunc => format!("trunc({a})"),
        Unary::Round => format!("round({a})"),
        Unary::ShiftToExponent => format!("bitcast<{float}>(bitcast<{bits}>({a}) << {bits}(23u))"),
        Unary::Exponent => format!("{float}({exponent})"),
        Unary::Mantissa => {
            format!("bitcast<{float}>(bitcast<{signed}>({a}) - ({exponent} << {bits}(23u)))")
        }
        Unary::Exp => format!("exp({a})"),
        Unary::Log => format!("log({a})"),
        Unary::Tanh | Unary::Sin | Unary::Cos | Unary::Erf => unreachable!("they are expanded"),
    }
}

fn binary(op: Binary, a: &str, b: &str, lanes: Lanes) -> String {
    let (float, bits) = (lanes.float(), lanes.bits());
    match op {
        Binary::Add => format!("{a} + {b}"),
        Binary::Sub => format!("{a} - {b}"),
        Binary::Mul => format!("{a} * {b}"),
        Binary::Div => format!("{a} / {b}"),
        Binary::Min => format!("min({a}, {b})"),
        Binary::Max => format!("max({a}, {b})"),
        Binary::CopySign => {
            let sign = format!("(bitcast<{bits}>({b}) & {bits}(0x80000000u))");
            format!("bitcast<{float}>((bitcast<{bits}>({a}) & {bits}(0x7fffffffu)) | {sign})")
        }
    }
}

fn comparison(op: Compare) -> &'static str {
    match op {
        Compare::Eq => "==",
        Compare::Ne => "!=",
        Compare::Lt => "<",
        Compare::Le => "<=",
    }
}
