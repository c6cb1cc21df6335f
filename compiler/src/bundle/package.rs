//! What npm calls a bundle.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// A name that npm takes for a new package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageName(String);

/// Most characters of a name.
const MOST: usize = 214;

/// Names that mean something else to npm or Node.
const TAKEN: [&str; 47] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "favicon.ico",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "node_modules",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "sea",
    "sqlite",
    "stream",
    "string_decoder",
    "sys",
    "test",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];

impl PackageName {
    /// Takes a name, with or without a scope, as a user gives it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when npm would not take it.
    pub fn new(name: &str) -> Result<Self> {
        let Some(what) = fault(name) else {
            return Ok(Self(name.to_owned()));
        };
        let usage = ErrorKind::Usage(format!("{name:?} is no name of an npm package: {what}"));
        Err(Error::new(usage)
            .in_field("--package-name")
            .help("take lower-case letters, digits, -, . and _, as in digits or @scope/digits"))
    }

    /// The name of a model, with what npm refuses replaced or left out.
    pub fn of_model(model: &str) -> Self {
        let lower = model.to_lowercase();
        let words: Vec<_> = lower
            .split(|c| !allowed(c))
            .filter(|word| !word.is_empty())
            .collect();
        let joined: String = words.join("-").chars().take(MOST).collect();
        let name = joined.trim_matches(['-', '.', '_']);
        Self(match fault(name) {
            None => name.to_owned(),
            Some(_) => "keras-model".to_owned(),
        })
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What npm takes in a part of a name.
fn allowed(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_')
}

/// Why npm refuses a name, if it does.
fn fault(name: &str) -> Option<&'static str> {
    let parts: Vec<_> = match name.strip_prefix('@') {
        Some(scoped) => scoped.split('/').collect(),
        None => vec![name],
    };
    if name.starts_with('@') && parts.len() != 2 {
        return Some("a scope is followed by one / and the name");
    }
    let rules = [
        (name.len() > MOST, "it has more than 214 characters"),
        (parts.contains(&""), "a part of it is empty"),
        (
            name.chars().any(|c| c.is_uppercase()),
            "it has letters in upper case",
        ),
        (
            !parts.iter().all(|part| part.chars().all(allowed)),
            "it has characters that do not go into addresses as they are",
        ),
        (
            parts.iter().any(|part| part.starts_with(['.', '_', '-'])),
            "it starts with ., _ or -",
        ),
        (TAKEN.contains(&name), "npm or Node use it"),
    ];
    rules
        .into_iter()
        .find_map(|(broken, what)| broken.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npms_rules_hold() {
        for name in [
            "digits",
            "mobilenetv2_1.00_224",
            "@scope/digits",
            "a",
            "0-1",
            "@my-org/fs",
        ] {
            assert_eq!(PackageName::new(name).unwrap().to_string(), name);
        }
        let long = "a".repeat(215);
        let cases = [
            ("", "a part of it is empty"),
            ("Digits", "upper case"),
            ("a b", "characters that do not go"),
            ("a/b", "characters that do not go"),
            ("dígits", "characters that do not go"),
            ("a~", "characters that do not go"),
            ("a\"", "characters that do not go"),
            (".a", "starts with"),
            ("_a", "starts with"),
            ("-a", "starts with"),
            ("@a/.b", "starts with"),
            ("@a", "followed by one /"),
            ("@a/b/c", "followed by one /"),
            ("@/b", "a part of it is empty"),
            ("node_modules", "npm or Node use it"),
            ("http", "npm or Node use it"),
            (&long, "more than 214"),
        ];
        for (name, what) in cases {
            let error = PackageName::new(name).unwrap_err().to_string();
            assert!(error.contains(what), "{name}: {error}");
        }
    }

    #[test]
    fn a_model_names_its_package() {
        let cases = [
            ("digits", "digits"),
            ("Functional_1", "functional_1"),
            ("My model (v2)!", "my-model-v2"),
            ("../..", "keras-model"),
            ("_private_", "private"),
            ("模型", "keras-model"),
            ("", "keras-model"),
            ("http", "keras-model"),
            ("@scope/name", "scope-name"),
            ("Ünet2", "net2"),
        ];
        for (model, name) in cases {
            assert_eq!(PackageName::of_model(model).to_string(), name, "{model}");
        }
        for name in [&"x".repeat(1000), &"a-".repeat(1000)] {
            assert!(PackageName::new(&PackageName::of_model(name).to_string()).is_ok());
        }
    }
}
