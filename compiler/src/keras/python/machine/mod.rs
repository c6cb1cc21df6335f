//! Follows a function without branches and loops: its values are expressions.

mod loads;
mod operators;

use super::Problem;
use super::code::{Code, Layout};
use super::instructions::{Instruction, Instructions};
use super::marshal::Object;
use super::opcodes::PYTHONS;
use crate::keras::expression::{Builder, Constant, Expr, Function, Id, Parameter};
use crate::keras::values::list;
use serde_json::Value as Json;

/// Where a Python ceased to understand, and why.
#[derive(Debug)]
pub struct Stopped {
    /// How many instructions it understood.
    pub at: usize,
    /// Why it did not understand the next.
    pub problem: Problem,
}

/// What lies on the stack.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    /// A value.
    Value(Id),
    /// The empty place beside what is called.
    Null,
}

/// Generators and coroutines, `CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR`.
const NO_PLAIN_FUNCTION: i32 = 0x20 | 0x80 | 0x200;

/// The function of a code object as one Python reads it.
pub fn follow(code: &Code, column: usize, defaults: &Json, closure: &Json) -> Result<Function, Stopped> {
    let mut machine = Machine {
        code,
        version: PYTHONS.get(column).copied().unwrap_or_default(),
        builder: Builder::default(),
        stack: Vec::new(),
        variables: vec![None; code.variables.len()],
        keywords: Vec::new(),
        closure,
        resumed: code.layout != Layout::Eleven,
    };
    let stopped = |at: usize| move |problem: Problem| Stopped { at, problem };
    let parameters = machine.start(defaults).map_err(stopped(0))?;
    for (at, instruction) in Instructions::new(&code.instructions, column).enumerate() {
        if let Some(result) = machine.step(at, &instruction).map_err(stopped(at))? {
            let function = machine.builder.finish(parameters, result);
            return function.ok_or_else(|| stopped(at)(Problem::Other("it has too many steps".to_owned())));
        }
    }
    Err(stopped(code.instructions.len())(Problem::Damaged(
        "it does not end",
    )))
}

struct Machine<'c> {
    code: &'c Code,
    /// The second number of the Python.
    version: u8,
    builder: Builder,
    stack: Vec<Slot>,
    /// What each variable holds.
    variables: Vec<Option<Id>>,
    /// Names of the last arguments of the next call.
    keywords: Vec<String>,
    closure: &'c Json,
    /// Whether the function has begun, which an instruction says from 3.11 on.
    resumed: bool,
}

type Found<T> = Result<T, Problem>;

fn other<T>(message: impl Into<String>) -> Found<T> {
    Err(Problem::Other(message.into()))
}

const BAD_STACK: Problem = Problem::Damaged("its stack is empty");

impl Machine<'_> {
    /// The parameters, with their values where they are not given.
    fn start(&mut self, defaults: &Json) -> Found<Vec<Parameter>> {
        let Code {
            flags,
            by_position,
            by_name,
            ..
        } = *self.code;
        if flags & NO_PLAIN_FUNCTION != 0 {
            return other("it is a generator or a coroutine");
        }
        if self.code.handles {
            return other("it handles exceptions");
        }
        let count = by_position.saturating_add(by_name);
        let names = self.code.variables.get(..count);
        let names = names.ok_or(Problem::Damaged("it has fewer variables than parameters"))?;
        let defaults: &[Json] = match defaults {
            Json::Null => &[],
            value => list(value).ok_or(Problem::Damaged("its defaults are no list"))?,
        };
        let first = by_position.checked_sub(defaults.len());
        let first = first.ok_or(Problem::Damaged("it has more defaults than parameters"))?;
        let mut parameters = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let id = self.builder.add(Expr::Parameter(at));
            if let Some(variable) = self.variables.get_mut(at) {
                *variable = Some(id);
            }
            let default = at.checked_sub(first).filter(|_| at < by_position);
            let default = default.and_then(|place| defaults.get(place));
            let default = default.map(|value| {
                let value = self.builder.json(value);
                value.ok_or_else(|| {
                    Problem::Other(format!("the default of {name:?} is no number, text or list"))
                })
            });
            parameters.push(Parameter {
                name: name.to_string(),
                default: default.transpose()?,
            });
        }
        Ok(parameters)
    }

    /// Follows an instruction; gives what the function gives, where that is its end.
    fn step(&mut self, at: usize, instruction: &Instruction) -> Found<Option<Id>> {
        let unknown = || Problem::Instruction {
            instruction: match instruction.name {
                Ok(name) => name.to_owned(),
                Err(number) => number.to_string(),
            },
            place: format!("the {} of Python 3.{}", nth(at + 1), self.version),
        };
        let Instruction {
            name: Ok(name),
            argument,
        } = *instruction
        else {
            return Err(unknown());
        };
        let unknown = unknown();
        if self.builder.is_full() {
            return other("it has too many steps");
        }
        if !self.resumed && !matches!(name, "RESUME" | "COPY_FREE_VARS") {
            return Err(unknown);
        }
        match name {
            "RETURN_VALUE" => return self.pop().map(Some),
            "RETURN_CONST" => return self.constant(argument).map(Some),
            _ => {}
        }
        let understood = self.moves(name, argument)?
            || self.loads(name, argument)?
            || self.operators(name, argument)?
            || self.builds(name, argument)?
            || self.calls(name, argument)?;
        if understood { Ok(None) } else { Err(unknown) }
    }

    fn push(&mut self, id: Id) {
        self.stack.push(Slot::Value(id));
    }
    fn pop(&mut self) -> Found<Id> {
        match self.stack.pop() {
            Some(Slot::Value(id)) => Ok(id),
            Some(Slot::Null) | None => Err(BAD_STACK),
        }
    }
    /// The values on top of the stack, the lowest first.
    fn pop_all(&mut self, count: usize) -> Found<Vec<Id>> {
        let start = self.stack.len().checked_sub(count).ok_or(BAD_STACK)?;
        let slots = self.stack.split_off(start);
        let value = |slot: Slot| match slot {
            Slot::Value(id) => Ok(id),
            Slot::Null => Err(BAD_STACK),
        };
        slots.into_iter().map(value).collect()
    }
    fn name(&self, at: usize) -> Found<String> {
        let name = self.code.names.get(at).map(ToString::to_string);
        name.ok_or(Problem::Damaged("a name is missing"))
    }
    fn constant(&mut self, at: usize) -> Found<Id> {
        let object = self.code.constants.get(at).cloned();
        self.object(&object.ok_or(Problem::Damaged("a constant is missing"))?)
    }
    fn object(&mut self, object: &Object) -> Found<Id> {
        let constant = match object {
            Object::None => Constant::None,
            Object::Ellipsis => Constant::Ellipsis,
            Object::Bool(value) => Constant::Bool(*value),
            Object::Int(value) => Constant::Int(*value),
            Object::Float(value) => Constant::float(*value),
            Object::Text(value) => Constant::Text(value.to_string()),
            Object::Tuple(items) => {
                let items = items.iter().map(|item| self.object(item)).collect::<Found<_>>()?;
                return Ok(self.builder.add(Expr::Tuple(items)));
            }
            Object::Slice(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| self.object(part))
                    .collect::<Found<Vec<_>>>()?;
                let parts = parts
                    .try_into()
                    .map_err(|_| Problem::Damaged("a slice is none"))?;
                return Ok(self.builder.add(Expr::Slice(parts)));
            }
            Object::Bytes(_) => return other("it has bytes"),
            Object::Code(_) => return other("there is a function in it"),
            Object::Other(what) => return other(format!("it has {what}")),
        };
        Ok(self.builder.constant(constant))
    }
    fn variable(&mut self, at: usize) -> Found<()> {
        let id = self.variables.get(at).copied().flatten();
        let name = self.code.variables.get(at).map_or("", |name| name);
        let id =
            id.ok_or_else(|| Problem::Other(format!("the variable {name:?} has no value that is known")))?;
        self.push(id);
        Ok(())
    }
    fn store(&mut self, at: usize) -> Found<()> {
        let id = self.pop()?;
        *self
            .variables
            .get_mut(at)
            .ok_or(Problem::Damaged("a variable is missing"))? = Some(id);
        Ok(())
    }

    /// What only moves values, or does nothing.
    fn moves(&mut self, name: &str, argument: usize) -> Found<bool> {
        match name {
            "RESUME" if argument == 0 => self.resumed = true,
            "NOP" | "COPY_FREE_VARS" | "PRECALL" => {}
            "POP_TOP" => {
                let id = self.pop()?;
                if self.does_something(id) {
                    return other("it calls a function for what that does and not for what it gives");
                }
            }
            "DUP_TOP" => self.copy(1)?,
            "COPY" => self.copy(argument)?,
            "ROT_TWO" => self.swap(2)?,
            "SWAP" => self.swap(argument)?,
            "ROT_THREE" => {
                let start = self.stack.len().checked_sub(3).ok_or(BAD_STACK)?;
                self.stack.get_mut(start..).ok_or(BAD_STACK)?.rotate_right(1);
            }
            "PUSH_NULL" => self.stack.push(Slot::Null),
            "STORE_FAST" => self.store(argument)?,
            "STORE_FAST_STORE_FAST" => {
                self.store(argument >> 4)?;
                self.store(argument & 15)?;
            }
            "STORE_FAST_LOAD_FAST" => {
                self.store(argument >> 4)?;
                self.variable(argument & 15)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
    /// A statement whose value nobody takes: text is documentation, a call is for its effect.
    fn does_something(&self, id: Id) -> bool {
        let Some(Expr::Call { function, .. }) = self.builder.get(id) else {
            return false;
        };
        !matches!(self.builder.get(*function), Some(Expr::Name(name)) if name == "print")
    }
    fn copy(&mut self, depth: usize) -> Found<()> {
        let place = self.stack.len().checked_sub(depth).ok_or(BAD_STACK)?;
        let slot = *self.stack.get(place).ok_or(BAD_STACK)?;
        self.stack.push(slot);
        Ok(())
    }
    fn swap(&mut self, depth: usize) -> Found<()> {
        let top = self.stack.len().checked_sub(1).ok_or(BAD_STACK)?;
        let place = self.stack.len().checked_sub(depth).filter(|&place| place <= top);
        self.stack.swap(place.ok_or(BAD_STACK)?, top);
        Ok(())
    }
}

/// 1st, 2nd, 3rd, 4th, …
fn nth(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
