//! Expressions as text: what Python writes, but for what branches, repeats or assigns.

use super::lexer::{Token, tokens};
use super::{Binary, Builder, Constant, Expr, Function, Id, Parameter, Unary};

/// The parameter of an expression that names none.
const ONLY: &str = "x";

/// Most expressions inside each other.
const DEPTH: usize = 64;

/// Words of Python that mean something which no expression here holds.
const RESERVED: &[&str] = &[
    "and", "as", "assert", "async", "await", "class", "def", "del", "elif", "else", "except", "finally",
    "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise",
    "return", "try", "while", "with", "yield",
];

/// Operators of two operands that stand on one level and go from left to right, those that bind least first.
const LEVELS: &[&[(&str, Binary)]] = &[
    &[("|", Binary::Or)],
    &[("^", Binary::Xor)],
    &[("&", Binary::And)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[
        ("*", Binary::Multiply),
        ("/", Binary::Divide),
        ("//", Binary::FloorDivide),
        ("%", Binary::Remainder),
        ("@", Binary::MatrixMultiply),
    ],
];

const COMPARISONS: &[(&str, Binary)] = &[
    ("<", Binary::Less),
    ("<=", Binary::LessEqual),
    ("==", Binary::Equal),
    ("!=", Binary::NotEqual),
    (">", Binary::Greater),
    (">=", Binary::GreaterEqual),
];

/// Reads `lambda a, b=2: a / b`, or an expression of `x` alone.
///
/// # Errors
/// What cannot be read, as a sentence.
pub fn parse(text: &str) -> Result<Function, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        parameters: Vec::new(),
        builder: Builder::default(),
    };
    match parser.word() {
        Some("lambda") => parser.parameters()?,
        _ => parser.parameters.push(Parameter {
            name: ONLY.to_owned(),
            default: None,
        }),
    }
    let result = parser.items()?;
    if parser.peek().is_some() {
        return Err(parser.unexpected());
    }
    let Parser {
        builder, parameters, ..
    } = parser;
    builder
        .finish(parameters, result)
        .ok_or_else(|| format!("the expression has more than {} steps", super::MOST_NODES))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    parameters: Vec<Parameter>,
    builder: Builder,
}

type Found = Result<Id, String>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }
    fn word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }
    fn sign(&self) -> Option<&'static str> {
        match self.peek() {
            Some(Token::Sign(sign)) => Some(sign),
            _ => None,
        }
    }
    /// Goes past a sign if it comes next.
    fn takes(&mut self, sign: &str) -> bool {
        let found = self.sign() == Some(sign);
        self.at += usize::from(found);
        found
    }
    fn expect(&mut self, sign: &str) -> Result<(), String> {
        match self.takes(sign) {
            true => Ok(()),
            false => Err(format!("{}, where {sign:?} should be", self.unexpected())),
        }
    }
    fn unexpected(&self) -> String {
        match self.tokens.get(self.at) {
            None => "the expression ends too soon".to_owned(),
            Some((place, token)) => {
                let shown = match token {
                    Token::Name(name) => name.clone(),
                    Token::Int(value) => value.to_string(),
                    Token::Float(value) => value.to_string(),
                    Token::Text(text) => format!("'{text}'"),
                    Token::Sign(sign) => (*sign).to_owned(),
                };
                format!("{shown:?} at character {place} is not understood")
            }
        }
    }
    fn name(&mut self) -> Result<String, String> {
        match self.word() {
            Some(name) if !RESERVED.contains(&name) => {
                let name = name.to_owned();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `lambda a, b=2:`.
    fn parameters(&mut self) -> Result<(), String> {
        self.at += 1;
        while !self.takes(":") {
            let name = self.name()?;
            if self.parameters.iter().any(|known| known.name == name) {
                return Err(format!("the parameter {name:?} stands twice"));
            }
            let default = match self.takes("=") {
                true => Some(self.expression()?),
                false => None,
            };
            self.parameters.push(Parameter { name, default });
            if !self.takes(",") && self.sign() != Some(":") {
                return Err(self.unexpected());
            }
        }
        Ok(())
    }

    /// An expression, or several with commas between, which are a tuple.
    fn items(&mut self) -> Found {
        let first = self.expression()?;
        if self.sign() != Some(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.takes(",") {
            if self.peek().is_none() || matches!(self.sign(), Some(")" | "]")) {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(self.builder.add(Expr::Tuple(items)))
    }

    fn expression(&mut self) -> Found {
        self.depth += 1;
        if self.depth > DEPTH || self.builder.is_full() {
            return Err("the expression is too long or too deep".to_owned());
        }
        let left = self.level(0)?;
        let sign = self.sign();
        let found = COMPARISONS.iter().find(|(name, _)| Some(*name) == sign);
        let whole = match found {
            None => left,
            Some((_, op)) => {
                self.at += 1;
                let right = self.level(0)?;
                self.builder.binary(*op, left, right)
            }
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn level(&mut self, level: usize) -> Found {
        let Some(operators) = LEVELS.get(level) else {
            return self.factor();
        };
        let mut left = self.level(level + 1)?;
        while let Some((_, op)) = operators.iter().find(|(name, _)| Some(*name) == self.sign()) {
            self.at += 1;
            let right = self.level(level + 1)?;
            left = self.builder.binary(*op, left, right);
        }
        Ok(left)
    }

    /// Signs, and powers, which bind more than a sign before them and less than one after them.
    fn factor(&mut self) -> Found {
        let sign = match self.sign() {
            Some("-") => Some(Unary::Negative),
            Some("+") => Some(Unary::Positive),
            Some("~") => Some(Unary::Invert),
            _ => None,
        };
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the expression is too deep".to_owned());
        }
        let found = match sign {
            Some(op) => {
                self.at += 1;
                let of = self.factor()?;
                self.builder.unary(op, of)
            }
            None => {
                let base = self.postfix()?;
                match self.takes("**") {
                    true => {
                        let exponent = self.factor()?;
                        self.builder.binary(Binary::Power, base, exponent)
                    }
                    false => base,
                }
            }
        };
        self.depth -= 1;
        Ok(found)
    }

    fn postfix(&mut self) -> Found {
        let mut of = self.atom()?;
        loop {
            of = match self.sign() {
                Some(".") => {
                    self.at += 1;
                    let name = self.name()?;
                    self.builder.attribute(of, &name)
                }
                Some("(") => {
                    self.at += 1;
                    self.call(of)?
                }
                Some("[") => {
                    self.at += 1;
                    let index = self.index()?;
                    self.builder.add(Expr::Index { of, index })
                }
                _ => return Ok(of),
            };
        }
    }

    fn call(&mut self, function: Id) -> Found {
        let (mut arguments, mut keywords) = (Vec::new(), Vec::new());
        while !self.takes(")") {
            let next = self.tokens.get(self.at + 1).map(|(_, token)| token);
            if self.word().is_some() && next == Some(&Token::Sign("=")) {
                let name = self.name()?;
                self.at += 1;
                let value = self.expression()?;
                keywords.push((name, value));
            } else if keywords.is_empty() {
                arguments.push(self.expression()?);
            } else {
                return Err(self.unexpected());
            }
            if !self.takes(",") && self.sign() != Some(")") {
                return Err(self.unexpected());
            }
        }
        Ok(self.builder.add(Expr::Call {
            function,
            arguments,
            keywords,
        }))
    }

    /// What stands between brackets after a value.
    fn index(&mut self) -> Found {
        let mut items = Vec::new();
        let mut several = false;
        while !self.takes("]") {
            items.push(self.slice()?);
            match self.takes(",") {
                true => several = true,
                false if self.sign() == Some("]") => {}
                false => return Err(self.unexpected()),
            }
        }
        match (&items[..], several) {
            (&[only], false) => Ok(only),
            ([], _) => Err("an index is empty".to_owned()),
            _ => Ok(self.builder.add(Expr::Tuple(items))),
        }
    }

    fn slice(&mut self) -> Found {
        let ends = |sign: Option<&str>| matches!(sign, Some(":" | "]" | ","));
        let mut parts = Vec::new();
        let mut colons = 0;
        loop {
            if ends(self.sign()) {
                parts.push(None);
            } else {
                parts.push(Some(self.expression()?));
            }
            if colons == 2 || !self.takes(":") {
                break;
            }
            colons += 1;
        }
        if let (&[Some(only)], 0) = (&parts[..], colons) {
            return Ok(only);
        }
        if colons == 0 {
            return Err(self.unexpected());
        }
        let mut part = |at: usize| match parts.get(at).copied().flatten() {
            Some(id) => id,
            None => self.builder.constant(Constant::None),
        };
        let parts = [part(0), part(1), part(2)];
        Ok(self.builder.add(Expr::Slice(parts)))
    }

    fn atom(&mut self) -> Found {
        let constant = match self.peek() {
            Some(Token::Int(value)) => Constant::Int(*value),
            Some(Token::Float(value)) => Constant::float(*value),
            Some(Token::Text(text)) => Constant::Text(text.clone()),
            Some(Token::Sign("...")) => Constant::Ellipsis,
            Some(Token::Name(name)) => match name.as_str() {
                "None" => Constant::None,
                "True" => Constant::Bool(true),
                "False" => Constant::Bool(false),
                _ => return self.variable(),
            },
            Some(Token::Sign("(")) => {
                self.at += 1;
                if self.takes(")") {
                    return Ok(self.builder.add(Expr::Tuple(Vec::new())));
                }
                let inner = self.items()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Some(Token::Sign("[")) => {
                self.at += 1;
                return self.list();
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(self.builder.constant(constant))
    }

    fn list(&mut self) -> Found {
        let mut items = Vec::new();
        while !self.takes("]") {
            items.push(self.expression()?);
            if !self.takes(",") && self.sign() != Some("]") {
                return Err(self.unexpected());
            }
        }
        Ok(self.builder.add(Expr::List(items)))
    }

    fn variable(&mut self) -> Found {
        let name = self.name()?;
        let place = self
            .parameters
            .iter()
            .position(|parameter| parameter.name == name);
        Ok(self.builder.add(place.map_or(Expr::Name(name), Expr::Parameter)))
    }
}
