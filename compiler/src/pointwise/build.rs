//! Building tapes.

use super::simplify::simplify;
use super::{Binary, Compare, Instr, Logic, Tape, Unary, Value};
use std::collections::HashMap;

/// Builds a [`Tape`]: computes what is constant, returns the earlier value for an instruction that is
/// there already, and simplifies where no bit of the result can change (see `simplify.rs`).
///
/// Its methods panic where a mask is given instead of a number or the reverse, or a value that is not of
/// this builder: tapes are written by us, not by users.
#[derive(Clone, Debug)]
pub struct TapeBuilder {
    inputs: u32,
    instrs: Vec<Instr>,
    known: HashMap<Instr, Value>,
}

impl TapeBuilder {
    /// Starts a function of so many inputs.
    pub fn new(inputs: u32) -> Self {
        Self {
            inputs,
            instrs: Vec::new(),
            known: HashMap::new(),
        }
    }
    /// What was built so far.
    pub(super) fn instr(&self, value: Value) -> Instr {
        self.instrs[value.index()]
    }
    /// The constant that `value` is, if it is one.
    pub fn as_const(&self, value: Value) -> Option<f32> {
        self.instr(value).as_const()
    }
    /// An input.
    pub fn input(&mut self, index: u32) -> Value {
        assert!(
            index < self.inputs,
            "input {index} of a tape with {} inputs",
            self.inputs
        );
        self.push(Instr::Input(index))
    }
    /// A constant.
    pub fn constant(&mut self, value: f32) -> Value {
        self.push(Instr::Const(value.to_bits()))
    }
    /// A function of one number.
    pub fn unary(&mut self, op: Unary, a: Value) -> Value {
        self.push(Instr::Unary(op, a))
    }
    /// A function of two numbers.
    pub fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        self.push(Instr::Binary(op, a, b))
    }
    /// A comparison of two numbers; gives a mask.
    pub fn compare(&mut self, op: Compare, a: Value, b: Value) -> Value {
        self.push(Instr::Compare(op, a, b))
    }
    /// Combines two masks.
    pub fn logic(&mut self, op: Logic, a: Value, b: Value) -> Value {
        self.push(Instr::Logic(op, a, b))
    }
    /// The opposite mask.
    pub fn not(&mut self, mask: Value) -> Value {
        self.push(Instr::Not(mask))
    }
    /// `a` where the mask holds, else `b`; either two numbers or two masks.
    pub fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        self.push(Instr::Select(mask, a, b))
    }
    /// Any instruction on values of this builder.
    pub fn push(&mut self, instr: Instr) -> Value {
        self.check(instr);
        match simplify(self, instr) {
            Ok(value) => value,
            Err(instr) => self.intern(instr),
        }
    }
    /// All instructions of `tape`, with its inputs replaced; returns its result.
    ///
    /// # Panics
    /// If `inputs` are not as many as the tape has.
    pub fn inline(&mut self, tape: &Tape, inputs: &[Value]) -> Value {
        assert_eq!(inputs.len(), tape.inputs() as usize, "number of inputs");
        let mut values = Vec::with_capacity(tape.instrs().len());
        for instr in tape.instrs() {
            values.push(match *instr {
                Instr::Input(index) => inputs[index as usize],
                _ => self.push(instr.map_operands(|v: Value| values[v.index()])),
            });
        }
        values[tape.result().index()]
    }
    /// The tape that computes `result`, without what does not contribute to it.
    pub fn finish(self, result: Value) -> Tape {
        assert!(
            !self.instr(result).is_mask(),
            "the result of a tape must be a number"
        );
        let mut used = vec![false; self.instrs.len()];
        used[result.index()] = true;
        for index in (0..self.instrs.len()).rev().filter(|&i| i <= result.index()) {
            if used[index] {
                self.instrs[index].operands().for_each(|v| used[v.index()] = true);
            }
        }
        let mut renamed = vec![Value(0); self.instrs.len()];
        let mut instrs = Vec::new();
        for (index, instr) in self.instrs.iter().enumerate().filter(|(i, _)| used[*i]) {
            renamed[index] = Value(instrs.len() as u32);
            instrs.push(instr.map_operands(|v| renamed[v.index()]));
        }
        Tape::from_parts(self.inputs, instrs)
    }
    /// The value of `instr`, which is new or known.
    fn intern(&mut self, instr: Instr) -> Value {
        let next = Value(self.instrs.len() as u32);
        let value = *self.known.entry(instr).or_insert(next);
        if value == next {
            self.instrs.push(instr);
        }
        value
    }
    fn check(&self, instr: Instr) {
        for (operand, expected) in instr.operands().zip(instr.takes_masks()) {
            assert_eq!(
                self.instr(operand).is_mask(),
                expected,
                "{instr:?} takes numbers and masks in their places"
            );
        }
    }
}
