//! Functions that the user gives for `Lambda` layers, in place of those in the file.

use super::class::Role;
use super::expression;
use super::layers::EXPRESSION;
use super::model::{Layer, Network};
use crate::error::{Collector, Error, ErrorKind, Result};
use crate::text::{NAME, brief};
use serde_json::json;

/// Expressions by the layers for which they are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lambdas(Vec<(String, String)>);

impl Lambdas {
    /// Reads `NAME=EXPRESSION` as on the command line: `x / 127.5 - 1`, or `lambda a, b: a * b` for several tensors. The name
    /// is that of a layer, or its path through nested models, joined with `/`.
    ///
    /// # Errors
    /// When that is not what `text` is.
    pub fn parse(&mut self, text: &str) -> Result<()> {
        let usage = |message: String| Error::new(ErrorKind::Usage(message)).in_field("--lambda");
        let Some((name, expression)) = text.split_once('=') else {
            let help =
                "write the name of the layer and what it computes, as in --lambda scale='x / 127.5 - 1'";
            return Err(usage(format!("{:?} has no expression", brief(&text, NAME))).help(help));
        };
        let help = "write a Python expression of x, or lambda a, b: … for several tensors, with functions of K, tf and ops";
        expression::parse(expression).map_err(|message| usage(format!("{name}: {message}")).help(help))?;
        if self.0.iter().any(|(known, _)| known == name) {
            return Err(usage(format!("a function for layer {name:?} is given twice")));
        }
        self.0.push((name.to_owned(), expression.to_owned()));
        Ok(())
    }

    /// Puts the functions into the layers that they are for.
    pub(super) fn apply(&self, root: &mut Network, problems: &mut Collector) {
        let mut known = Vec::new();
        let mut used = vec![false; self.0.len()];
        self.network(root, &mut known, &mut used);
        for ((name, _), _) in self.0.iter().zip(used).filter(|(_, used)| !used) {
            let error = Error::new(ErrorKind::Usage(format!(
                "the model has no Lambda layer {name:?}"
            )));
            let help = match &known[..] {
                [] => "it has no Lambda layers".to_owned(),
                names => format!("its Lambda layers are {names:?}"),
            };
            problems.push(error.in_field("--lambda").help(help));
        }
    }

    fn network(&self, network: &mut Network, known: &mut Vec<String>, used: &mut [bool]) {
        /// Most names that a message lists.
        const LISTED: usize = 20;
        for layer in &mut network.layers {
            if layer.role() == Role::Python {
                self.give(layer, used);
                if known.len() < LISTED {
                    known.push(layer.path.clone());
                }
            }
            for inner in layer.inner_mut().filter_map(|inner| inner.network.as_mut()) {
                self.network(inner, known, used);
            }
            if let Some(inner) = &mut layer.network {
                self.network(inner, known, used);
            }
        }
    }

    fn give(&self, layer: &mut Layer, used: &mut [bool]) {
        let of = |(name, _): &(String, String)| *name == layer.path || *name == layer.name;
        let places = (0..self.0.len()).filter(|&at| self.0.get(at).is_some_and(of));
        for at in places.collect::<Vec<_>>() {
            if let (Some((_, expression)), Some(used)) = (self.0.get(at), used.get_mut(at)) {
                *used = true;
                layer.config.set(
                    "function",
                    json!({"class_name": EXPRESSION, "config": expression}),
                );
            }
        }
    }
}
