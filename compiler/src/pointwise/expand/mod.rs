//! Primitives in terms of basic instructions, for targets that lack them.
//!
//! Each function states its error against the exact value, as found by the tests over dense sweeps, and keeps
//! it whether or not products and additions are fused. One ulp is the distance of neighbouring floats at
//! the exact value. Coefficients without another source are minimax fits of the remainder (Remez exchange
//! for the relative error of the result), rounded from the lowest order up and refitted in between.

mod error_function;
mod exponential;
mod hyperbolic;
mod logarithm;
mod trigonometric;

#[cfg(test)]
mod tests;

pub use error_function::erf;
pub use exponential::{exp, exp_brief, exp_unclamped, expm1};
pub use hyperbolic::tanh;
pub use logarithm::{log, log1p_unit};
pub use trigonometric::{cos, sin};

use super::{Instr, Tape, TapeBuilder, Unary, Value};

impl Tape {
    /// The same function without the primitives that a target does not have. `has` is asked only about
    /// those that can be expanded, from [`Unary::Exp`] on; all else every target has.
    pub fn expand(&self, has: impl Fn(Unary) -> bool) -> Tape {
        let mut b = TapeBuilder::new(self.inputs());
        let mut values: Vec<Value> = Vec::with_capacity(self.instrs().len());
        for instr in self.instrs() {
            let value = match *instr {
                Instr::Unary(op, a) => match expansion(op).filter(|_| !has(op)) {
                    Some(emit) => emit(&mut b, values[a.index()]),
                    None => b.unary(op, values[a.index()]),
                },
                _ => b.push(instr.map_operands(|v| values[v.index()])),
            };
            values.push(value);
        }
        b.finish(values[self.result().index()])
    }
    /// Roughly how many instructions the tape is on a target without any primitive that can be expanded.
    pub fn cost(&self) -> u32 {
        self.expand(|_| false).instrs().iter().map(cost).sum()
    }
}

/// How a primitive is written in basic instructions; `None` for those that are basic.
fn expansion(op: Unary) -> Option<fn(&mut TapeBuilder, Value) -> Value> {
    match op {
        Unary::Exp => Some(exp::emit),
        Unary::Log => Some(log::emit),
        Unary::Tanh => Some(tanh::emit),
        Unary::Erf => Some(erf::emit),
        Unary::Sin => Some(sin::emit),
        Unary::Cos => Some(cos::emit),
        Unary::Neg
        | Unary::Abs
        | Unary::Sqrt
        | Unary::Floor
        | Unary::Ceil
        | Unary::Trunc
        | Unary::Round
        | Unary::ShiftToExponent
        | Unary::Exponent
        | Unary::Mantissa => None,
    }
}

/// Machine instructions for one of the tape, on a machine with vectors of floats.
fn cost(instr: &Instr) -> u32 {
    match instr {
        Instr::Input(_) | Instr::Const(_) => 0,
        Instr::Unary(Unary::Exponent, _) => 3,
        Instr::Unary(Unary::Mantissa, _) => 4,
        _ => 1,
    }
}
