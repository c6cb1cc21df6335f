//! Tapes from their text: the reverse of printing.

use super::{Binary, Compare, Instr, Logic, Tape, Unary, Value};
use crate::error::{Error, Result};
use std::collections::HashMap;

impl Tape {
    /// Reads what a tape of so many inputs prints as, in one line or several: `%2 = mul x0, 0.5; %3 = max %2, x1`, or a single input
    /// or number. Nothing is simplified, so that the result prints as what was read; labels need not be in order.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::error::ErrorKind::Malformed) where it is not that, or no tape as the builder makes them.
    pub fn parse(text: &str, inputs: u32) -> Result<Self> {
        let statements: Vec<Statement> = text
            .split([';', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| Statement::read(part, inputs))
            .collect::<Result<_>>()?;
        let instrs = Placement::of(&statements)?;
        let Some(last) = instrs.last().filter(|instr| !instr.is_mask()) else {
            return Err(malformed(format!("{text:?} has no number as its result")));
        };
        let mut used: Vec<bool> = instrs.iter().map(|instr| instr == last).collect();
        let taken = instrs.iter().flat_map(Instr::operands);
        taken.for_each(|value| used[value.index()] = true);
        match used.iter().position(|used| !used) {
            Some(index) => Err(malformed(format!(
                "nothing takes {:?} of {text:?}",
                instrs[index]
            ))),
            None => Ok(Self::from_parts(inputs, instrs)),
        }
    }
}

fn malformed(what: String) -> Error {
    Error::malformed(what)
}

/// What an instruction takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operand {
    /// An input or a constant, which stands where it is taken.
    Inline(Instr),
    /// What another statement computes.
    Label(u32),
}

impl Operand {
    fn read(text: &str, inputs: u32) -> Result<Self> {
        let wrong = || malformed(format!("{text:?} is no input, value or number of a function"));
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| wrong());
        if let Some(label) = text.strip_prefix('%') {
            return Ok(Self::Label(number(label)?));
        }
        if let Some(index) = text.strip_prefix('x') {
            let index = number(index)?;
            return match index < inputs {
                true => Ok(Self::Inline(Instr::Input(index))),
                false => Err(malformed(format!("{text} of a function of {inputs} inputs"))),
            };
        }
        let value: f32 = text.parse().map_err(|_| wrong())?;
        Ok(Self::Inline(Instr::Const(value.to_bits())))
    }
}

/// `%4 = add %3, 1.0`, or a single operand.
struct Statement<'t> {
    label: Option<u32>,
    name: &'t str,
    operands: Vec<Operand>,
}

impl<'t> Statement<'t> {
    fn read(text: &'t str, inputs: u32) -> Result<Self> {
        let Some((label, instr)) = text.split_once(" = ") else {
            let operands = vec![Operand::read(text, inputs)?];
            return Ok(Self {
                label: None,
                name: "",
                operands,
            });
        };
        let Operand::Label(label) = Operand::read(label, inputs)? else {
            return Err(malformed(format!("{text:?} gives no value a label")));
        };
        let (name, operands) = instr.split_once(' ').unwrap_or((instr, ""));
        let operands = operands.split(", ").map(|text| Operand::read(text, inputs));
        Ok(Self {
            label: Some(label),
            name,
            operands: operands.collect::<Result<_>>()?,
        })
    }

    fn inline(&self) -> impl Iterator<Item = Instr> + '_ {
        self.operands.iter().filter_map(|operand| match operand {
            Operand::Inline(instr) => Some(*instr),
            Operand::Label(_) => None,
        })
    }
}

/// Puts statements, and the inputs and constants that they take, in an order.
struct Placement {
    instrs: Vec<Instr>,
    known: HashMap<Instr, Value>,
    labels: HashMap<u32, Value>,
}

impl Placement {
    /// Labels count inputs and constants too, though not which comes when: each is placed before the first
    /// statement that takes it, and earlier where only so the labels come out as they were.
    fn of(statements: &[Statement]) -> Result<Vec<Instr>> {
        let mut placed = Self {
            instrs: Vec::new(),
            known: HashMap::new(),
            labels: HashMap::new(),
        };
        let mut inline = statements.iter().flat_map(Statement::inline);
        for statement in statements {
            for instr in statement.inline() {
                while !placed.known.contains_key(&instr) {
                    inline.by_ref().take(1).for_each(|next| placed.inline(next));
                }
            }
            let Some(label) = statement.label else { continue };
            while placed.instrs.len() < label as usize {
                let Some(next) = inline.next() else { break };
                placed.inline(next);
            }
            let instr = placed.instr(statement)?;
            if placed.known.contains_key(&instr) || placed.labels.contains_key(&label) {
                return Err(malformed(format!("%{label} is computed twice")));
            }
            let value = placed.push(instr);
            placed.labels.insert(label, value);
        }
        Ok(placed.instrs)
    }

    fn push(&mut self, instr: Instr) -> Value {
        let value = Value(self.instrs.len() as u32);
        self.instrs.push(instr);
        self.known.insert(instr, value);
        value
    }

    fn inline(&mut self, instr: Instr) {
        if !self.known.contains_key(&instr) {
            self.push(instr);
        }
    }

    fn value(&self, operand: Operand) -> Result<Value> {
        let found = match operand {
            Operand::Inline(instr) => self.known.get(&instr),
            Operand::Label(label) => self.labels.get(&label),
        };
        found
            .copied()
            .ok_or_else(|| malformed(format!("{operand:?} is taken before it is computed")))
    }

    /// The instruction of a statement, whose operands are numbers and masks in their places.
    fn instr(&self, statement: &Statement) -> Result<Instr> {
        let values: Vec<Value> = statement
            .operands
            .iter()
            .map(|&operand| self.value(operand))
            .collect::<Result<_>>()?;
        let instr = named(statement.name, &values).ok_or_else(|| {
            malformed(format!(
                "{:?} of {} values is no instruction",
                statement.name,
                values.len()
            ))
        })?;
        let fits = instr.operands().zip(instr.takes_masks());
        let wrong = |(value, mask): (Value, bool)| self.instrs[value.index()].is_mask() != mask;
        match fits.into_iter().any(wrong) {
            true => Err(malformed(format!(
                "{:?} takes numbers and masks in their places",
                statement.name
            ))),
            false => Ok(instr),
        }
    }
}

/// The instruction of a printed name.
fn named(name: &str, values: &[Value]) -> Option<Instr> {
    fn find<T: Copy + std::fmt::Debug>(all: &[T], name: &str) -> Option<T> {
        let printed = |op: &T| format!("{op:?}").to_lowercase();
        all.iter().copied().find(|op| printed(op) == name)
    }
    match *values {
        [a] if name == "not" => Some(Instr::Not(a)),
        [a] => find(Unary::ALL, name).map(|op| Instr::Unary(op, a)),
        [a, b] => find(Binary::ALL, name)
            .map(|op| Instr::Binary(op, a, b))
            .or_else(|| find(Compare::ALL, name).map(|op| Instr::Compare(op, a, b)))
            .or_else(|| find(Logic::ALL, name).map(|op| Instr::Logic(op, a, b))),
        [mask, a, b] if name == "select" => Some(Instr::Select(mask, a, b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::{TapeBuilder, library};

    fn again(tape: &Tape) -> Tape {
        Tape::parse(&tape.to_string(), tape.inputs()).unwrap_or_else(|e| panic!("{tape}: {e}"))
    }

    #[test]
    fn reads_what_is_printed() {
        let mut b = TapeBuilder::new(3);
        let (x, y, half) = (b.input(2), b.input(0), b.constant(0.5));
        let product = b.binary(Binary::Mul, x, half);
        let [less, same] = [Compare::Lt, Compare::Eq].map(|op| b.compare(op, product, y));
        let both = b.logic(Logic::And, less, same);
        let not = b.not(both);
        let chosen = b.select(not, y, product);
        let result = b.unary(Unary::ShiftToExponent, chosen);
        let long = b.finish(result);
        let known = [
            library::silu::tape(),
            library::gelu::tape(),
            Tape::identity(),
            Tape::constant(-0.0),
        ];
        for tape in known.into_iter().chain([long, Tape::constant(f32::NEG_INFINITY)]) {
            assert_eq!(again(&tape).to_string(), tape.to_string());
            let expanded = tape.expand(|_| false);
            assert_eq!(again(&expanded).to_string(), expanded.to_string());
            assert_eq!(again(&again(&expanded)), again(&expanded));
            let several = format!("{expanded:#}");
            assert_eq!(Tape::parse(&several, tape.inputs()), Ok(again(&expanded)));
        }
    }

    #[test]
    fn refuses_what_is_no_tape() {
        for (text, what) in [
            ("", "no number"),
            ("%1 = lt x0, x1", "no number"),
            ("%0 = hypot x0, x1", "no instruction"),
            ("%0 = neg x0, x1", "no instruction"),
            ("%0 = neg x2", "2 inputs"),
            ("%0 = neg y", "is no input"),
            ("%0 = neg %1; %1 = neg x0", "before it is computed"),
            ("%0 = neg x0; %0 = neg x1; %2 = add %0, %0", "twice"),
            ("%0 = neg x0; %1 = neg x0; %2 = add %0, %1", "twice"),
            ("%0 = neg x0; %1 = abs x0", "nothing takes"),
            ("%0 = lt x0, x1; %1 = neg %0", "numbers and masks"),
            ("%0 = select x0, x1, x0", "numbers and masks"),
            ("x0 = neg x1", "no value a label"),
        ] {
            let error = Tape::parse(text, 2).expect_err(text).to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
