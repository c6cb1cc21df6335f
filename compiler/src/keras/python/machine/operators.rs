//! Instructions that make values of others: operators, tuples and slices, calls.

use super::{BAD_STACK, Found, Machine, Slot, other};
use crate::keras::expression::{Binary, Constant, Expr, Id, Unary};
use crate::keras::python::Problem;

/// How many parts something may be taken apart into.
const MOST_PARTS: usize = 1_000;

impl Machine<'_> {
    /// Operators.
    pub(super) fn operators(&mut self, name: &str, argument: usize) -> Found<bool> {
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
    pub(super) fn builds(&mut self, name: &str, argument: usize) -> Found<bool> {
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
    pub(super) fn calls(&mut self, name: &str, argument: usize) -> Found<bool> {
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
