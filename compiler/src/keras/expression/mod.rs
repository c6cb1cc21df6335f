//! Python expressions of tensors as data: what the byte code of a `Lambda` and the text of an option both become.
//!
//! A [`Function`] is a list of nodes, each of which names earlier ones only, so that whoever walks it needs no recursion and a
//! value that is used twice is one node. Two functions that compute the same steps in the same order are equal, whatever they
//! were read from: equal nodes are one, arithmetic on numbers is done, and what the result does not need is left out.

mod arithmetic;
mod build;
mod lexer;
mod parse;
#[cfg(test)]
mod tests;

pub use arithmetic::{binary, unary};
pub use build::Builder;
pub use parse::parse;

use crate::keras::values::number;
use serde_json::Value as Json;

/// Index of a node in [`Function::nodes`].
pub type Id = usize;

/// Most nodes of a function. The longest Lambdas that people write have some hundred.
pub const MOST_NODES: usize = 4_096;

/// A Python function of one expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// What it takes, by position.
    pub parameters: Vec<Parameter>,
    /// Its steps; each names earlier ones only.
    pub nodes: Vec<Expr>,
    /// The step that it gives.
    pub result: Id,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The step that is its value where it is not given.
    pub default: Option<Id>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expr {
    /// The parameter at that place.
    Parameter(usize),
    /// A constant.
    Constant(Constant),
    /// What a module or a builtin has under a dotted name, such as `tf.nn.relu`.
    Name(String),
    /// An attribute of a value.
    Attribute(Id, String),
    /// An operator of one operand.
    Unary(Unary, Id),
    /// An operator of two operands.
    Binary(Binary, Id, Id),
    /// `of[index]`.
    Index {
        /// What is indexed.
        of: Id,
        /// With what.
        index: Id,
    },
    /// `start:stop:step`.
    Slice([Id; 3]),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A call.
    Call {
        /// What is called.
        function: Id,
        /// Arguments by position.
        arguments: Vec<Id>,
        /// Arguments by name, in their order.
        keywords: Vec<(String, Id)>,
    },
}

impl Expr {
    /// The steps that it names.
    pub fn operands(&self) -> Vec<Id> {
        match self {
            Self::Parameter(_) | Self::Constant(_) | Self::Name(_) => Vec::new(),
            Self::Attribute(of, _) | Self::Unary(_, of) => vec![*of],
            Self::Binary(_, a, b) => vec![*a, *b],
            Self::Index { of, index } => vec![*of, *index],
            Self::Slice(parts) => parts.to_vec(),
            Self::Tuple(items) | Self::List(items) => items.clone(),
            Self::Call {
                function,
                arguments,
                keywords,
            } => {
                let keywords = keywords.iter().map(|(_, id)| *id);
                [*function]
                    .into_iter()
                    .chain(arguments.iter().copied())
                    .chain(keywords)
                    .collect()
            }
        }
    }
    /// The same step with other steps in place of those that it names.
    fn renumbered(mut self, to: impl Fn(Id) -> Id) -> Self {
        let all: Vec<&mut Id> = match &mut self {
            Self::Parameter(_) | Self::Constant(_) | Self::Name(_) => Vec::new(),
            Self::Attribute(of, _) | Self::Unary(_, of) => vec![of],
            Self::Binary(_, a, b) => vec![a, b],
            Self::Index { of, index } => vec![of, index],
            Self::Slice(parts) => parts.iter_mut().collect(),
            Self::Tuple(items) | Self::List(items) => items.iter_mut().collect(),
            Self::Call {
                function,
                arguments,
                keywords,
            } => {
                let keywords = keywords.iter_mut().map(|(_, id)| id);
                [function].into_iter().chain(arguments).chain(keywords).collect()
            }
        };
        all.into_iter().for_each(|id| *id = to(*id));
        self
    }
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Constant {
    /// `None`.
    None,
    /// `...`.
    Ellipsis,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(Float),
    /// A string.
    Text(String),
}

impl Constant {
    /// A float.
    pub fn float(value: f64) -> Self {
        Self::Float(Float(value.to_bits()))
    }
}

/// A float that is compared by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Float(u64);

impl Float {
    /// The number.
    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// Operators of one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `-x`.
    Negative,
    /// `+x`.
    Positive,
    /// `~x`.
    Invert,
}

/// Operators of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `//`.
    FloorDivide,
    /// `%`.
    Remainder,
    /// `**`.
    Power,
    /// `@`.
    MatrixMultiply,
    /// `&`.
    And,
    /// `|`.
    Or,
    /// `^`.
    Xor,
    /// `<`.
    Less,
    /// `<=`.
    LessEqual,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterEqual,
}

/// Most values inside each other.
const DEPTH: usize = 16;

impl Builder {
    /// A step with a value as JSON has it; `None` for what no expression holds.
    pub fn json(&mut self, value: &Json) -> Option<Id> {
        self.nested(value, 0)
    }
    fn nested(&mut self, value: &Json, depth: usize) -> Option<Id> {
        if depth > DEPTH {
            return None;
        }
        let constant = match value {
            Json::Null => Constant::None,
            Json::Bool(flag) => Constant::Bool(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Constant::Int(int),
                None => Constant::float(number.as_f64()?),
            },
            Json::String(text) => match number(value) {
                Some(infinity) => Constant::float(infinity),
                None => Constant::Text(text.clone()),
            },
            Json::Array(items) => {
                let items = items.iter().map(|item| self.nested(item, depth + 1));
                let items = items.collect::<Option<Vec<_>>>()?;
                return Some(self.add(Expr::List(items)));
            }
            Json::Object(map) => {
                let wrapped = map.get("class_name").and_then(Json::as_str);
                let items = map.get("items").or_else(|| map.get("config")?.get("value"))?;
                return match (wrapped, items) {
                    (Some("__tuple__"), Json::Array(items)) => {
                        let items = items.iter().map(|item| self.nested(item, depth + 1));
                        let items = items.collect::<Option<Vec<_>>>()?;
                        Some(self.add(Expr::Tuple(items)))
                    }
                    (Some("__numpy__" | "__tensor__"), items) => self.nested(items, depth + 1),
                    _ => None,
                };
            }
        };
        Some(self.add(Expr::Constant(constant)))
    }
}
