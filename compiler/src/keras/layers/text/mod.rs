//! Layers that take strings: what they do with them happens before the graph, or behind it, and is a
//! [`Preparation`](crate::preparation::Preparation).

mod crossing;
mod hashing;
mod lookup;
#[cfg(test)]
mod tests;
mod vectorization;

pub use crossing::hashed_crossing;
pub use hashing::hashing;
pub use lookup::string_lookup;
pub use vectorization::text_vectorization;

use super::context::{Cx, KerasTensor, Outcome, Stop};
use super::read::Read;
use crate::budget::Resource;
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::dtype::KerasDType;
use crate::keras::lower::TensorInfo;
use crate::keras::text::Kind;
use crate::ops::Input;
use crate::preparation::{Step, ValueId};
use crate::tensor::{DType, Shape, TensorType};
use serde_json::Value as Json;

/// What a graph's input that stands for a value holds.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    /// Integers.
    Places,
    /// Numbers of times.
    Counts,
}

impl Cx<'_> {
    /// The value that a tensor of strings is.
    fn strings(&mut self, node: NodeId) -> Result<ValueId, Stop> {
        if self.state.texts.words(&self.state.graph, node).is_some() {
            return Err(made_here().into());
        }
        match self.state.texts.value(&self.state.graph, node) {
            Some((value, Kind::Text)) => Ok(value),
            _ => Err(self.inconsistent("it takes strings, but is called with numbers")),
        }
    }

    /// The value that a tensor is, of strings or of numbers that a page passes or that other steps give.
    fn prepared(&mut self, node: NodeId) -> Result<(ValueId, Kind), Stop> {
        if self.state.texts.words(&self.state.graph, node).is_some() {
            return Err(made_here().into());
        }
        let found = self.state.texts.value(&self.state.graph, node);
        found.ok_or_else(|| {
            let value = "numbers that the network computes".to_owned();
            let error = Error::new(ErrorKind::UnsupportedValue { value }).in_field("call argument");
            error.help(
                "strings and integers are hashed before the network: give them as an input of the model, or compute \
                 them in JavaScript and compile what comes after, with --inputs",
            )
            .into()
        })
    }

    /// Adds a step.
    fn step(&mut self, step: Step) -> Result<ValueId, Stop> {
        self.state.budget.take(Resource::Nodes, 1_u64)?;
        Ok(self.state.texts.step(step))
    }

    /// The input of the graph that stands for a value, called after the layer.
    fn stand_in(&mut self, value: ValueId, dims: Vec<usize>, holds: Holds) -> Result<NodeId, Stop> {
        let shape = Shape::checked(dims.as_slice())?;
        let calls = self.state.texts.stand_ins();
        let name = format!("{} ({calls})", self.site.path);
        let (dtype, of) = match holds {
            Holds::Places => (KerasDType::INT32, DType::I32),
            Holds::Counts => (KerasDType::Float, DType::F32),
        };
        let info = TensorInfo {
            name: name.clone(),
            shape: shape.clone(),
            dtype,
        };
        let node = self.b().add(
            Input {
                name,
                ty: TensorType { shape, dtype: of },
            },
            &[],
        )?;
        let floats = holds == Holds::Counts;
        self.state
            .texts
            .stand_in(node, info, value, Kind::Numbers { floats });
        Ok(node)
    }
}

impl Read<'_> {
    /// Requires the only encoding of strings in JavaScript.
    fn utf8(&self) {
        let allowed = ["utf-8", "UTF-8", "utf8", "UTF8"].map(Json::from);
        self.only_with(
            "encoding",
            &allowed,
            "strings are UTF-8 here: make the layer with encoding=\"utf-8\"",
        );
    }
    /// Accepts only these values, or says what to do.
    fn only_with(&self, key: &str, allowed: &[Json], help: &str) {
        let fits = self
            .fields
            .value(key)
            .is_none_or(|value| value.is_null() || allowed.contains(value));
        if !fits {
            self.or_harmless(Err(self.fields.unsupported(key).help(help)), ());
        }
    }
    /// A key of SipHash in decimal, as a script reads it.
    fn key(&self, key: &str) -> Option<[String; 2]> {
        self.salt(key).map(decimal)
    }
}

/// Both halves of a key in decimal.
fn decimal(key: [u64; 2]) -> [String; 2] {
    key.map(|half| half.to_string())
}

/// What a layer gives that knows nothing of strings: the same in another shape, or nothing that could be computed.
pub fn passed(cx: &mut Cx<'_>, outcome: Outcome) -> Outcome {
    let same = |value: &KerasTensor| cx.state.texts.is_text(&cx.state.graph, value.node);
    match outcome {
        Ok(values) if values.iter().all(same) => {
            for value in &values {
                cx.state.texts.remember(&cx.state.graph, value.node);
            }
            Ok(values)
        }
        _ => Err(not_for_strings().into()),
    }
}

/// Refuses to compute with strings.
pub fn not_for_strings() -> Error {
    let value = "a tensor of strings".to_owned();
    let error = Error::new(ErrorKind::UnsupportedValue { value }).in_field("call argument");
    error.help(
        "strings go into StringLookup, TextVectorization, Hashing, HashedCrossing and changes of shape: do other things with \
         them in JavaScript, and compile what comes after, with --inputs",
    )
}

/// Refuses strings that the network gives.
fn made_here() -> Error {
    let value = "strings that the network gives".to_owned();
    let error = Error::new(ErrorKind::UnsupportedValue { value }).in_field("call argument");
    error.help("they exist behind the network only: make them outputs, and do the rest in JavaScript")
}
