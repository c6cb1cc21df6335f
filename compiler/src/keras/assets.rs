//! Files of layers in a `.keras` archive beside the weights: `assets/layers/string_lookup_1/vocabulary.txt` are the tokens of
//! the second StringLookup in `model.layers`, one a line.

use super::model::{Layer, Network, Semantics};
use super::weights::{LISTS, class_keys};
use crate::error::{Error, ErrorKind, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a vocabulary is called, and the argument that it stands for.
const FILE: &str = "vocabulary.txt";
const ARGUMENT: &str = "vocabulary";

/// Vocabularies by the name of their member.
#[derive(Debug, Default)]
pub(super) struct Assets(BTreeMap<String, String>);

impl Assets {
    /// Whether a member of an archive is one.
    pub(super) fn is_one(name: &str) -> bool {
        name.starts_with("assets/") && name.rsplit('/').next() == Some(FILE)
    }
    /// Adds one.
    pub(super) fn add(&mut self, name: String, text: String) {
        self.0.insert(name, text);
    }
    /// Gives every layer that was saved without its vocabulary the one that lies beside it.
    ///
    /// # Errors
    /// When Keras would not read the tokens that it wrote.
    pub(super) fn give(&self, root: &mut Network, semantics: Semantics) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.network(root, "assets/", semantics)
    }

    /// Whether something lies in a folder.
    fn holds(&self, folder: &str) -> bool {
        let mut behind = self.0.range(folder.to_owned()..);
        behind.next().is_some_and(|(name, _)| name.starts_with(folder))
    }

    fn network(&self, network: &mut Network, base: &str, semantics: Semantics) -> Result<()> {
        let keys = class_keys(network);
        for (layer, key) in network.layers.iter_mut().zip(keys) {
            let names = [key, Some(layer.name.clone())];
            let paths = names.into_iter().flatten();
            let paths = paths.flat_map(|name| LISTS.map(|list| format!("{base}{list}/{name}/")));
            for path in paths.collect::<Vec<_>>() {
                if !self.holds(&path) {
                    continue;
                }
                if let Some(inner) = &mut layer.network {
                    self.network(inner, &path, semantics)?;
                } else if let Some(text) = self.0.get(&format!("{path}{FILE}")) {
                    let given = tokens(text, semantics).map_err(|error| layer.at(error))?;
                    take(layer, given);
                }
            }
        }
        Ok(())
    }
}

fn take(layer: &mut Layer, tokens: Vec<Value>) {
    let absent = layer.config.values().get(ARGUMENT).is_none_or(Value::is_null);
    if absent {
        layer.config.set(ARGUMENT, Value::Array(tokens));
    }
}

/// The lines of a file as Keras reads them: Keras 3 takes empty ones off the end.
fn tokens(text: &str, semantics: Semantics) -> Result<Vec<Value>> {
    // Python's `splitlines` knows more ends of lines than Keras writes.
    const ENDS: [char; 9] = [
        '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    if let Some(end) = text.chars().find(|c| ENDS.contains(c)) {
        let value = format!("{end:?}");
        return Err(Error::new(ErrorKind::UnsupportedValue { value })
            .in_field(ARGUMENT)
            .help(
                "Keras itself cuts tokens at such characters when it loads them: take them out of the data",
            ));
    }
    let mut lines: Vec<&str> = text.split('\n').collect();
    if semantics == Semantics::Keras3 {
        while lines.last() == Some(&"") {
            lines.pop();
        }
    }
    Ok(lines.into_iter().map(Value::from).collect())
}
