//! Follows a function without branches and loops: its values are expressions.

use super::Problem;
use super::code::{Code, Layout};
use super::instructions::{Instruction, Instructions};
use super::marshal::Object;
use super::opcodes::PYTHONS;
use crate::keras::expression::{Binary, Builder, Constant, Expr, Function, Id, Parameter, Unary};
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

/// How many parts something may be taken apart into.
const MOST_PARTS: usize = 1_000;

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

    /// What brings values.
    fn loads(&mut self, name: &str, argument: usize) -> Found<bool> {
        match name {
            "LOAD_FAST" | "LOAD_FAST_CHECK" | "LOAD_FAST_BORROW" => self.variable(argument)?,
            "LOAD_FAST_LOAD_FAST" | "LOAD_FAST_BORROW_LOAD_FAST_BORROW" => {
                self.variable(argument >> 4)?;
                self.variable(argument & 15)?;
            }
            "LOAD_CONST" => {
                let id = self.constant(argument)?;
                self.push(id);
            }
            "LOAD_SMALL_INT" => {
                let id = self.builder.constant(Constant::Int(argument as i64));
                self.push(id);
            }
            "LOAD_GLOBAL" => {
                let (place, called) = self.halved(argument, 11);
                let id = self.name(place).map(|name| self.builder.add(Expr::Name(name)))?;
                self.push_called(id, called);
            }
            "LOAD_ATTR" => {
                let (place, called) = self.halved(argument, 12);
                self.attribute(place, called)?;
            }
            "LOAD_METHOD" => self.attribute(argument, true)?,
            "LOAD_DEREF" => self.shared(argument)?,
            "IMPORT_NAME" => self.import(argument)?,
            "IMPORT_FROM" => {
                let of = self.pop()?;
                let name = self.name(argument)?;
                let id = self.builder.attribute(of, &name);
                self.push(of);
                self.push(id);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
    /// From some version on the last bit of an argument says that a call follows.
    fn halved(&self, argument: usize, since: u8) -> (usize, bool) {
        match self.version >= since {
            true => (argument >> 1, argument & 1 == 1),
            false => (argument, false),
        }
    }
    /// The empty place stands below or above what is called, as the version has it; a call takes either.
    fn push_called(&mut self, id: Id, called: bool) {
        if called {
            self.stack.push(Slot::Null);
        }
        self.push(id);
    }
    fn attribute(&mut self, place: usize, called: bool) -> Found<()> {
        let of = self.pop()?;
        let name = self.name(place)?;
        let id = self.builder.attribute(of, &name);
        self.push_called(id, called);
        Ok(())
    }
    fn shared(&mut self, argument: usize) -> Found<()> {
        let place = self.code.shared.get(argument).copied().flatten();
        let values = list(self.closure).map_or(&[][..], Vec::as_slice);
        let value = place.and_then(|place| values.get(place));
        let value = value.ok_or(Problem::Damaged(
            "it has a variable of a function around it, whose value is not stored",
        ))?;
        let id = self.builder.json(value);
        let id = id.ok_or_else(|| {
            Problem::Other("a variable of a function around it is no number, text or list".to_owned())
        })?;
        self.push(id);
        Ok(())
    }
    /// `import a.b` gives `a`, `from a.b import c` begins with `a.b`.
    fn import(&mut self, argument: usize) -> Found<()> {
        let (from, level) = (self.pop()?, self.pop()?);
        if self.builder.get(level) != Some(&Expr::Constant(Constant::Int(0))) {
            return other("it imports from its own package");
        }
        let whole = self.name(argument)?;
        let top = whole.split('.').next().unwrap_or_default().to_owned();
        let only_top = self.builder.get(from) == Some(&Expr::Constant(Constant::None));
        let id = self.builder.add(Expr::Name(if only_top { top } else { whole }));
        self.push(id);
        Ok(())
    }

    /// Operators.
    fn operators(&mut self, name: &str, argument: usize) -> Found<bool> {
        if let Some((_, op)) = UNARY.iter().find(|(of, _)| *of == name) {
            let of = self.pop()?;
            let id = self.builder.unary(*op, of);
            self.push(id);
            return Ok(true);
        }
        let named = OPERATORS
            .iter()
            .find(|(of, ..)| name.strip_prefix("BINARY_").or(name.strip_prefix("INPLACE_")) == Some(of));
        let op = match name {
            "BINARY_OP" if argument == SUBSCRIPT => {
                self.index()?;
                return Ok(true);
            }
            "BINARY_SUBSCR" => {
                self.index()?;
                return Ok(true);
            }
            "BINARY_OP" if argument < SUBSCRIPT => OPERATORS
                .iter()
                .find(|(_, number, _)| *number == argument % IN_PLACE),
            _ => named,
        };
        let op = match (op, name) {
            (Some((_, _, op)), _) => *op,
            (None, "COMPARE_OP") => {
                let shift = match self.version {
                    ..=11 => 0,
                    12 => 4,
                    _ => 5,
                };
                match COMPARISONS.get(argument >> shift) {
                    Some(op) => *op,
                    None => return Ok(false),
                }
            }
            _ => return Ok(false),
        };
        let in_place = name.starts_with("INPLACE_") || name == "BINARY_OP" && argument >= IN_PLACE;
        let (b, a) = (self.pop()?, self.pop()?);
        if in_place && matches!(self.builder.get(a), Some(Expr::List(_))) {
            return other("it changes a list");
        }
        let id = self.builder.binary(op, a, b);
        self.push(id);
        Ok(true)
    }
    fn index(&mut self) -> Found<()> {
        let (index, of) = (self.pop()?, self.pop()?);
        let id = self.builder.add(Expr::Index { of, index });
        self.push(id);
        Ok(())
    }

    /// What makes values of several, or takes them apart.
    fn builds(&mut self, name: &str, argument: usize) -> Found<bool> {
        match name {
            "BUILD_TUPLE" => {
                let items = self.pop_all(argument)?;
                let id = self.builder.add(Expr::Tuple(items));
                self.push(id);
            }
            "BUILD_LIST" => {
                let items = self.pop_all(argument)?;
                let id = self.builder.add(Expr::List(items));
                self.push(id);
            }
            // A list of constants is an empty one and a tuple of them.
            "LIST_EXTEND" if argument == 1 => {
                let (items, list) = (self.pop()?, self.pop()?);
                match (self.builder.get(list), self.builder.get(items)) {
                    (Some(Expr::List(empty)), Some(Expr::Tuple(items))) if empty.is_empty() => {
                        let whole = Expr::List(items.clone());
                        let id = self.builder.add(whole);
                        self.push(id);
                    }
                    _ => return Ok(false),
                }
            }
            "BUILD_SLICE" if argument == 2 || argument == 3 => {
                let mut parts = self.pop_all(argument)?;
                if argument == 2 {
                    parts.push(self.builder.constant(Constant::None));
                }
                let parts = parts.try_into().map_err(|_| BAD_STACK)?;
                let id = self.builder.add(Expr::Slice(parts));
                self.push(id);
            }
            "BINARY_SLICE" => {
                let (stop, start) = (self.pop()?, self.pop()?);
                let step = self.builder.constant(Constant::None);
                let index = self.builder.add(Expr::Slice([start, stop, step]));
                self.push(index);
                self.index()?;
            }
            "UNPACK_SEQUENCE" if argument <= MOST_PARTS => {
                let of = self.pop()?;
                for at in (0..argument).rev() {
                    let part = match self.builder.get(of) {
                        Some(Expr::Tuple(items) | Expr::List(items)) if items.len() == argument => {
                            items.get(at).copied()
                        }
                        _ => None,
                    };
                    let id = part.unwrap_or_else(|| {
                        let index = self.builder.constant(Constant::Int(at as i64));
                        self.builder.add(Expr::Index { of, index })
                    });
                    self.push(id);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Calls.
    fn calls(&mut self, name: &str, argument: usize) -> Found<bool> {
        match name {
            "KW_NAMES" => {
                let names = self.constant(argument)?;
                self.keywords = self.texts(names)?;
            }
            "CALL_FUNCTION" => self.call(argument, Vec::new(), false)?,
            "CALL_FUNCTION_KW" => {
                let names = self.pop()?;
                let names = self.texts(names)?;
                self.call(argument, names, false)?;
            }
            "CALL_METHOD" => self.call(argument, Vec::new(), true)?,
            "CALL" => {
                let names = std::mem::take(&mut self.keywords);
                self.call(argument, names, true)?;
            }
            "CALL_KW" => {
                let names = self.pop()?;
                let names = self.texts(names)?;
                self.call(argument, names, true)?;
            }
            // The only one that is an operator: `+x`.
            "CALL_INTRINSIC_1" if argument == 5 => {
                let of = self.pop()?;
                let id = self.builder.unary(Unary::Positive, of);
                self.push(id);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
    /// A tuple of texts.
    fn texts(&self, id: Id) -> Found<Vec<String>> {
        let text = |id: &Id| match self.builder.get(*id) {
            Some(Expr::Constant(Constant::Text(text))) => Ok(text.clone()),
            _ => Err(Problem::Damaged("names of arguments are none")),
        };
        match self.builder.get(id) {
            Some(Expr::Tuple(items)) => items.iter().map(text).collect(),
            _ => Err(Problem::Damaged("names of arguments are none")),
        }
    }
    /// A call with so many arguments, of which the last have names. `paired` says that there is an empty place beside what
    /// is called.
    fn call(&mut self, count: usize, names: Vec<String>, paired: bool) -> Found<()> {
        let mut arguments = self.pop_all(count)?;
        let first = count.checked_sub(names.len()).ok_or(BAD_STACK)?;
        let named = arguments.split_off(first);
        let function = match (paired, self.stack.pop()) {
            (false, Some(Slot::Value(id))) => id,
            (true, Some(top)) => match (self.stack.pop(), top) {
                (Some(Slot::Null), Slot::Value(id)) | (Some(Slot::Value(id)), Slot::Null) => id,
                _ => return Err(BAD_STACK),
            },
            _ => return Err(BAD_STACK),
        };
        let id = self.builder.add(Expr::Call {
            function,
            arguments,
            keywords: names.into_iter().zip(named).collect(),
        });
        self.push(id);
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

const UNARY: &[(&str, Unary)] = &[
    ("UNARY_NEGATIVE", Unary::Negative),
    ("UNARY_POSITIVE", Unary::Positive),
    ("UNARY_INVERT", Unary::Invert),
];

/// Arguments of `BINARY_OP` from which on the operators are those that assign, and the one that is an index.
const IN_PLACE: usize = 13;
const SUBSCRIPT: usize = 26;

/// Operators by the ends of their names before 3.11, and by the argument of `BINARY_OP` from then on.
const OPERATORS: &[(&str, usize, Binary)] = &[
    ("ADD", 0, Binary::Add),
    ("AND", 1, Binary::And),
    ("FLOOR_DIVIDE", 2, Binary::FloorDivide),
    ("MATRIX_MULTIPLY", 4, Binary::MatrixMultiply),
    ("MULTIPLY", 5, Binary::Multiply),
    ("MODULO", 6, Binary::Remainder),
    ("OR", 7, Binary::Or),
    ("POWER", 8, Binary::Power),
    ("SUBTRACT", 10, Binary::Subtract),
    ("TRUE_DIVIDE", 11, Binary::Divide),
    ("XOR", 12, Binary::Xor),
];

const COMPARISONS: &[Binary] = &[
    Binary::Less,
    Binary::LessEqual,
    Binary::Equal,
    Binary::NotEqual,
    Binary::Greater,
    Binary::GreaterEqual,
];
