//! Functions that every Python from 3.6 to 3.14 stored, and damaged ones.

use super::{Problem, base64, decode, marshal};
use crate::keras::expression::{Function, parse};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// The lines that `tests/goldens/make_lambdas.py` wrote with one Python.
fn stored(version: u32) -> Vec<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/lambdas");
    let text = std::fs::read_to_string(folder.join(format!("python3.{version}.jsonl"))).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn read(line: &Json) -> Result<Function, Problem> {
    decode(
        line["code"].as_str().unwrap(),
        &line["defaults"],
        &line["closure"],
    )
}

#[test]
fn every_python_says_the_same() {
    let mut wrong = Vec::new();
    for version in 6..=14 {
        let lines = stored(version);
        assert_eq!(lines.len(), 60, "3.{version}");
        for line in lines {
            let source = line["source"].as_str().unwrap();
            let found = read(&line);
            match line["expression"].as_str() {
                Some(expression) => {
                    // Only code knows which parameters are given by name.
                    // JSON has tuples as lists.
                    let written = expression
                        .replace(" *,", "")
                        .replace("shape=(2, 3)", "shape=[2, 3]");
                    let expected = parse(&written).unwrap();
                    let same = found.as_ref().is_ok_and(|found| {
                        (&found.nodes, found.result) == (&expected.nodes, expected.result)
                            && (found.parameters == expected.parameters || !expression.starts_with("lambda"))
                    });
                    if !same {
                        wrong.push(format!("3.{version}: {source}:\n  {found:?}\n  {expected:?}"));
                    }
                }
                None if found.is_ok() => wrong.push(format!("3.{version}: {source} is read as {found:?}")),
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_not_understood_is_named() {
    let reason = |version: u32, source: &str| {
        let lines = stored(version);
        let line = lines
            .iter()
            .find(|line| line["source"].as_str().unwrap().contains(source));
        read(line.unwrap()).unwrap_err().to_string()
    };
    let cases = [
        (
            6,
            "x if x",
            "instruction POP_JUMP_IF_FALSE is not understood (the 2nd of Python 3.7)",
        ),
        (
            10,
            "x if x",
            "instruction POP_JUMP_IF_FALSE is not understood (the 2nd of Python 3.10)",
        ),
        (
            11,
            "x if x",
            "instruction POP_JUMP_IF_FALSE is not understood (the 3rd of Python 3.12)",
        ),
        (
            13,
            "x if x",
            "instruction TO_BOOL is not understood (the 3rd of Python 3.13)",
        ),
        (
            14,
            "f(*x)",
            "instruction CALL_FUNCTION_EX is not understood (the 5th of Python 3.14)",
        ),
        (
            9,
            "y.append",
            "it calls a function for what that does and not for what it gives",
        ),
        (12, "y += [x]", "it changes a list"),
        (12, "yield x", "it is a generator or a coroutine"),
        (12, "except ValueError", "it handles exceptions"),
    ];
    for (version, source, expected) in cases {
        let found = reason(version, source);
        assert!(found.ends_with(expected), "3.{version}: {source}: {found}");
    }
}

#[test]
fn damaged_code_is_refused_in_time() {
    let start = Instant::now();
    let mut read_anyway = 0;
    for version in 6..=14 {
        for line in stored(version).iter().step_by(3) {
            let whole = base64::decode(line["code"].as_str().unwrap()).unwrap();
            for length in (0..whole.len()).step_by(whole.len() / 64 + 1) {
                assert!(
                    marshal::read(&whole[..length]).is_err(),
                    "3.{version}, {length} bytes"
                );
            }
            for bit in (0..8 * whole.len()).step_by(whole.len() / 16 + 1) {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                read_anyway += u32::from(super::bytes(&bytes, &line["defaults"], &line["closure"]).is_ok());
            }
        }
    }
    assert!(read_anyway > 100, "names and numbers may change: {read_anyway}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Sizes and counts that a few bytes ask for.
#[test]
fn nothing_grows_beyond_the_code() {
    for bytes in [
        &b"(\xff\xff\xff\x7f"[..],
        b"s\xff\xff\xff\x7f",
        b"s\xff\xff\xff\xff",
        b"l\xff\xff\xff\x7f",
        b"l\x00\x00\x00\x80",
        b"<\xff\xff\xff\x7f",
        b"\xa8\x01\x00\x00\x00r\x00\x00\x00\x00",
        &[b')', 1].repeat(20_000),
        b"",
    ] {
        assert!(
            marshal::read(bytes).is_err(),
            "{:?}",
            &bytes[..bytes.len().min(10)]
        );
    }
    assert!(decode(&"A".repeat(1 << 20), &Json::Null, &Json::Null).is_err());
    assert!(
        decode("Tg==", &json!([1]), &Json::Null).is_err(),
        "None is no function"
    );
}
