//! How much code each kernel takes in an emitted module.

use crate::error::{Error, Result};
use std::collections::BTreeSet;
use wasmparser::{ElementItems, Operator, Parser, Payload};

/// A function's body size and the functions that it calls.
struct Body {
    bytes: usize,
    calls: Vec<u32>,
}

/// Code bytes of the first `kernels` functions of the table, with all functions that they call; a function that
/// several kernels call counts for each of them.
pub(super) fn code_bytes(module: &[u8], kernels: usize) -> Result<Vec<usize>> {
    let damaged =
        |error: wasmparser::BinaryReaderError| Error::internal(format!("the emitted module: {error}"));
    let mut bodies = Vec::new();
    let mut table = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(damaged)? {
            Payload::CodeSectionEntry(body) => {
                let mut calls = Vec::new();
                for operator in body.get_operators_reader().map_err(damaged)? {
                    if let Operator::Call { function_index } = operator.map_err(damaged)? {
                        calls.push(function_index);
                    }
                }
                bodies.push(Body {
                    bytes: body.range().len(),
                    calls,
                });
            }
            Payload::ElementSection(section) => {
                for element in section {
                    if let ElementItems::Functions(functions) = element.map_err(damaged)?.items {
                        for function in functions {
                            table.push(function.map_err(damaged)?);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(table
        .into_iter()
        .take(kernels)
        .map(|function| reachable(&bodies, function))
        .collect())
}

/// Bytes of a function and all that it calls. Nothing is imported but memory, so indices count bodies.
fn reachable(bodies: &[Body], function: u32) -> usize {
    let mut seen = BTreeSet::new();
    let mut open = vec![function];
    let mut bytes = 0;
    while let Some(next) = open.pop() {
        if let Some(body) = bodies.get(next as usize).filter(|_| seen.insert(next)) {
            bytes += body.bytes;
            open.extend(&body.calls);
        }
    }
    bytes
}
