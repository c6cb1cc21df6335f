//! Graphs from their text: the reverse of printing.
//!
//! A line is a node, `%3: f32[1,8] = op attributes(%1, %2) ; name`, or an output, `output "y" = %3`. Numbers are labels, each
//! given once and before it is used. The types are checked against what the operation infers.
//!
//! The elements of large constants are not in the text. Where they are missing, they are made from the number
//! of the node, or from `seed=N`: floats between -1 and 1, integers 0 and 1 in turn. `splat=X` is for elements that are all the same.

use super::{Graph, NodeId};
use crate::error::Error;
use crate::ops::Op;
use crate::ops::attributes::{Attributes, outside};
use crate::tensor::TensorType;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// What is wrong with the text of a graph, and in which line, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ParseError {
    /// The line where the node or output begins.
    pub line: usize,
    /// What is wrong with it.
    pub error: Error,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.error)
    }
}

impl std::error::Error for ParseError {}

impl FromStr for Graph {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut reading = Reading {
            graph: Graph::new(),
            nodes: HashMap::new(),
        };
        let mut rest = text;
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
            rest = reading
                .statement(rest)
                .map_err(|error| ParseError { line, error })?;
        }
        Ok(reading.graph)
    }
}

struct Reading<'t> {
    graph: Graph,
    /// Nodes by their labels, with what stands before the colon.
    nodes: HashMap<&'t str, NodeId>,
}

impl<'t> Reading<'t> {
    /// Reads a node or an output; gives what comes behind it.
    fn statement(&mut self, text: &'t str) -> Result<&'t str, Error> {
        match text.strip_prefix("output ") {
            Some(output) => self.output(output),
            None => self.node(text),
        }
    }

    fn output(&mut self, text: &'t str) -> Result<&'t str, Error> {
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (name, label) = line
            .rsplit_once(" = ")
            .ok_or_else(|| Error::malformed("an output has a name and a node"))?;
        let node = self.label(label.trim())?;
        self.graph.add_output(unquoted(name)?, node);
        Ok(rest)
    }

    fn node(&mut self, text: &'t str) -> Result<&'t str, Error> {
        let (label, text) = split(text, ": ", "a label and a colon")?;
        let number = label.strip_prefix('%').and_then(|digits| digits.parse().ok());
        let number = number.ok_or_else(|| Error::malformed(format!("{label:?} is no label")))?;
        let (types, text) = split(text, " = ", "types")?;
        let types: Vec<TensorType> = types.split(", ").map(str::parse).collect::<Result<_, _>>()?;
        let open = outside(text, |c| c == '(' || c == '\n').filter(|&at| text[at..].starts_with('('));
        let (op, text) = text.split_at(open.ok_or_else(|| Error::malformed("its inputs are missing"))?);
        let (inputs, text) = split(&text[1..], ")", "the end of its inputs")?;
        let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
        let inputs: Vec<NodeId> = inputs
            .split(',')
            .map(str::trim)
            .filter(|label| !label.is_empty())
            .map(|label| self.label(label))
            .collect::<Result<_, _>>()?;
        let (op, attributes) = op.split_once(' ').unwrap_or((op, ""));
        let mut attributes = Attributes::new(attributes, number, inputs.len(), &types);
        let op = Op::parse(op, &mut attributes)?;
        if !attributes.rest().is_empty() {
            return Err(Error::malformed(format!(
                "{} has no {:?}",
                op.name(),
                attributes.rest()
            )));
        }
        if let Op::Constant(constant) = &op {
            // The text stands for a file that holds them.
            self.graph.budget().open(4 * constant.0.shape().count() as u64);
        }
        let id = self.graph.add(named(name)?, op, &inputs)?;
        let inferred = &self.graph.node(id).types;
        if *inferred != types {
            let inferred: Vec<_> = inferred.iter().map(ToString::to_string).collect();
            return Err(Error::inconsistent(format!(
                "its type is {}",
                inferred.join(", ")
            )));
        }
        match self.nodes.insert(label, id) {
            None => Ok(rest),
            Some(_) => Err(Error::malformed(format!("{label} is there twice"))),
        }
    }

    fn label(&self, label: &str) -> Result<NodeId, Error> {
        let node = self.nodes.get(label).copied();
        node.ok_or_else(|| Error::malformed(format!("there is no {label:?} before it")))
    }
}

fn split<'t>(text: &'t str, at: &str, what: &str) -> Result<(&'t str, &'t str), Error> {
    let parts = text.split_once(at).filter(|(before, _)| !before.contains('\n'));
    parts.ok_or_else(|| Error::malformed(format!("{what} are missing")))
}

/// The name behind a node, plain or quoted.
fn named(text: &str) -> Result<String, Error> {
    match text.strip_prefix(" ; ") {
        None if text.trim().is_empty() => Ok(String::new()),
        None => Err(Error::malformed(format!("{text:?} is no name"))),
        Some(name) if name.starts_with('"') => unquoted(name),
        Some(name) => Ok(name.to_owned()),
    }
}

/// The text that prints like this with `{:?}`.
///
/// # Errors
/// When it is not quoted, or has an escape that `{:?}` does not make.
pub fn unquoted(text: &str) -> Result<String, Error> {
    let wrong = || Error::malformed(format!("{text} is no text in quotes"));
    let inner = text
        .trim()
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let mut rest = inner.ok_or_else(wrong)?.chars();
    let mut found = String::new();
    while let Some(c) = rest.next() {
        found.push(match c {
            '\\' => match rest.next().ok_or_else(wrong)? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'u' => {
                    let (code, behind) = rest
                        .as_str()
                        .strip_prefix('{')
                        .and_then(|rest| rest.split_once('}'))
                        .ok_or_else(wrong)?;
                    rest = behind.chars();
                    u32::from_str_radix(code, 16)
                        .ok()
                        .and_then(char::from_u32)
                        .ok_or_else(wrong)?
                }
                c @ ('\\' | '"' | '\'') => c,
                _ => return Err(wrong()),
            },
            '"' => return Err(wrong()),
            c => c,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = "%0: f32[1,2] = input \"x\"()\n";

    #[test]
    fn reads_bodies_of_scans_and_makes_large_constants() {
        let text = "\
%0: f32[3,2] = input \"x\"()
%1: f32[1,2] = constant [0.5, -1.0]() ; carry
%2: f32[1,2], f32[3,5] = scan steps=3 carries=1 scanned=1 body={
%0: f32[1,2] = input \"h\"()
%1: f32[2] = input \"slice\"() ; \"a } in a name\"
%2: f32[1,2] = reshape(%1)
%3: f32[1,2] = map {%2 = add x0, x1}(%0, %2) ; sum
%4: f32[5] = constant()
output \"h\" = %3
output \"all\" = %4
}(%1, %0) ; rnn
%3: f32[3,5] = project 1(%2)
output \"y\" = %3
";
        let graph: Graph = text.parse().unwrap_or_else(|e| panic!("{e}"));
        graph.verify().expect("it is valid");
        assert_eq!(graph.to_string(), text);
        let seeded = text.replace("constant()", "constant seed=7()");
        let [made, other] = [text, &seeded].map(|text| {
            let graph: Graph = text.parse().expect("it is read");
            let scan = graph
                .order()
                .into_iter()
                .find_map(|id| graph.op(id).as_scan().cloned());
            let body = scan.expect("there is one").body;
            let constant = body.order().into_iter().find_map(|id| body.constant(id).cloned());
            constant.expect("there is one").to_f32().to_vec()
        });
        assert!(made.iter().all(|v| v.abs() <= 1.0) && made[0] != made[1] && made != other);
    }

    #[test]
    fn errors_name_the_line() {
        for (line, text, what) in [
            (2, "%1: f32[1,2] = relu(%0)", "there is no operation \"relu\""),
            (2, "%1: f32[1,2] = map {x0}(%2)", "there is no \"%2\""),
            (2, "%0: f32[1,2] = map {x0}(%0)", "%0 is there twice"),
            (2, "x: f32[1,2] = map {x0}(%0)", "\"x\" is no label"),
            (2, "%1: f32[1,2]", "types are missing"),
            (2, "%1: f64[1,2] = map {x0}(%0)", "\"f64[1,2]\" is no type"),
            (2, "%1: f32[1,x] = map {x0}(%0)", "\"f32[1,x]\" is no type"),
            (2, "%1: f32[2] = map {x0}(%0)", "its type is f32[1,2]"),
            (2, "%1: f32[1,2] = map {x0} fast(%0)", "map has no \"fast\""),
            (2, "%1: f32[1,2] = map(%0)", "a function is missing"),
            (2, "%1: f32[1,2] = map {x0", "its inputs are missing"),
            (2, "%1: f32[1,2] = map {x0}(%0) name", "\" name\" is no name"),
            (2, "%1: f32[2,1] = transpose(%0)", "perm=… is missing"),
            (
                2,
                "%1: f32[2,1] = transpose perm=[1, 0(%0)",
                "its inputs are missing",
            ),
            (
                2,
                "%1: f32[2,1] = transpose perm=[1, b](%0)",
                "\"b\" is not what is needed here",
            ),
            (3, "\noutput \"y\" = %3", "there is no \"%3\""),
            (2, "output y = %0", "y is no text in quotes"),
            (2, "output \"\\q\" = %0", "is no text in quotes"),
            (
                2,
                "%1: f32[1,2] = scan steps=1 carries=1 scanned=0 body={\n%0: f32[1,2] = what()\n}(%0)",
                "in its body, line 2: there is no operation \"what\"",
            ),
        ] {
            let error = format!("{INPUT}{text}\n").parse::<Graph>().expect_err(text);
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(what), "{text}: {error}");
        }
    }
}
