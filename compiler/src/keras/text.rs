//! Strings on their way through a model: which nodes stand for them, and what has become of them so far.
//!
//! A string, or an integer that a page passes, is a value of the [`Preparation`] with a node of the graph in its place,
//! which has its shape and is not computed. What layers make of it with steps is an input of the graph that stands for the
//! result.

use super::dtype::KerasDType;
use super::lower::TensorInfo;
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::preparation::{Preparation, Step, ValueId, Words};
use std::collections::HashMap;

/// What is done before a graph and behind it, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The model's inputs in Keras' order.
    pub passed: Vec<TensorInfo>,
    /// What becomes of them.
    pub preparation: Preparation,
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Strings.
    Text,
    /// Integers, or floats.
    Numbers {
        /// Whether they are floats.
        floats: bool,
    },
    /// Truth values, which nothing here is made of.
    Truth,
}

impl Kind {
    /// What an input of this type is.
    pub(super) fn of(dtype: KerasDType) -> Self {
        match dtype {
            KerasDType::Text => Self::Text,
            KerasDType::Int { .. } => Self::Numbers { floats: false },
            KerasDType::Float => Self::Numbers { floats: true },
            KerasDType::Bool => Self::Truth,
        }
    }
}

/// All strings of a model.
#[derive(Default)]
pub(super) struct Texts {
    /// What was done so far.
    pub(super) preparation: Preparation,
    /// Values by the nodes that stand for them.
    values: HashMap<NodeId, (ValueId, Kind)>,
    /// Integers of the network that become strings behind it.
    spoken: HashMap<NodeId, Words>,
    /// What is known of the inputs of the graph that stand for values.
    stand_ins: HashMap<NodeId, TensorInfo>,
    /// How many inputs a page passes.
    passed: usize,
    /// Whether any of them are strings.
    strings: bool,
    /// Vocabularies by the path of their layer.
    vocabularies: HashMap<String, usize>,
}

impl Texts {
    /// The next input that a page passes, with its node unless it has a problem.
    pub(super) fn pass(&mut self, node: Option<NodeId>, kind: Kind) {
        if let Some(node) = node {
            self.values.insert(node, (self.passed, kind));
        }
        self.passed += 1;
        self.strings |= kind == Kind::Text;
    }
    /// Whether there are strings at all.
    pub(super) fn any(&self) -> bool {
        self.strings || !self.spoken.is_empty()
    }
    /// The value that a node stands for, whatever its shape was made to be.
    pub(super) fn value(&self, graph: &Graph, node: NodeId) -> Option<(ValueId, Kind)> {
        self.values.get(&self.viewed(graph, node)).copied()
    }
    /// Whether a node stands for strings, be it that the network gives them.
    pub(super) fn is_text(&self, graph: &Graph, node: NodeId) -> bool {
        let viewed = self.viewed(graph, node);
        matches!(self.values.get(&viewed), Some((_, Kind::Text))) || self.spoken.contains_key(&viewed)
    }
    /// What the integers of a node become behind the network, if they become strings.
    pub(super) fn words(&self, graph: &Graph, node: NodeId) -> Option<&Words> {
        self.spoken.get(&self.viewed(graph, node))
    }
    /// Remembers strings in another shape, so that shapes of shapes are found at once.
    pub(super) fn remember(&mut self, graph: &Graph, node: NodeId) {
        let viewed = self.viewed(graph, node);
        if let Some(&value) = self.values.get(&viewed) {
            self.values.insert(node, value);
        } else if let Some(words) = self.spoken.get(&viewed).cloned() {
            self.spoken.insert(node, words);
        }
    }
    /// The first node that is known, of those that look at each other in other shapes.
    fn viewed(&self, graph: &Graph, mut node: NodeId) -> NodeId {
        while let (Op::Reshape(_), &[input], None, None) = (
            graph.op(node),
            graph.inputs_of(node),
            self.values.get(&node),
            self.spoken.get(&node),
        ) {
            node = input;
        }
        node
    }
    /// Lets the integers of a node become strings behind the network.
    pub(super) fn speak(&mut self, node: NodeId, words: Words) {
        self.spoken.insert(node, words);
    }
    /// Adds a step; gives its value.
    pub(super) fn step(&mut self, step: Step) -> ValueId {
        self.preparation.steps.push(step);
        self.passed + self.preparation.steps.len() - 1
    }
    /// An input of the graph stands for a value.
    pub(super) fn stand_in(&mut self, node: NodeId, info: TensorInfo, value: ValueId, kind: Kind) {
        self.values.insert(node, (value, kind));
        self.stand_ins.insert(node, info);
    }
    /// How many inputs of the graph stand for values.
    pub(super) fn stand_ins(&self) -> usize {
        self.stand_ins.len()
    }
    /// The vocabulary of a layer, which is kept once however often the layer is called.
    pub(super) fn vocabulary(&mut self, path: &str, tokens: Vec<String>) -> usize {
        let all = &mut self.preparation.vocabularies;
        *self.vocabularies.entry(path.to_owned()).or_insert_with(|| {
            all.push(tokens);
            all.len() - 1
        })
    }
    /// What is known of the graph's inputs that are no states.
    pub(super) fn inputs(&mut self, graph: &Graph, passed: &[TensorInfo]) -> Vec<TensorInfo> {
        let mut inputs = Vec::new();
        for &node in graph.inputs() {
            let Some(&(value, _)) = self.values.get(&node) else {
                continue;
            };
            inputs.extend(self.stand_ins.get(&node).or(passed.get(value)).cloned());
            self.preparation.given.push(value);
        }
        inputs
    }
    /// What there is to be done, if there is anything.
    pub(super) fn finish(self, passed: Vec<TensorInfo>) -> Option<Prepared> {
        let preparation = self.preparation;
        let any = !preparation.steps.is_empty() || !preparation.spoken.is_empty();
        any.then_some(Prepared { passed, preparation })
    }
    /// Takes inputs out of the graph that are only read before it.
    pub(super) fn forget_unused(&self, graph: &mut Graph) {
        let inputs = graph.inputs().to_vec();
        for node in inputs.into_iter().filter(|node| self.values.contains_key(node)) {
            forget(graph, node);
        }
    }
}

/// Removes a node, and shapes of it, if nobody else uses them.
fn forget(graph: &mut Graph, node: NodeId) {
    let mut found = vec![node];
    let mut place = 0;
    while let Some(&next) = found.get(place) {
        let users = graph.users(next);
        found.extend(
            users
                .into_iter()
                .filter(|user| matches!(graph.op(*user), Op::Reshape(_))),
        );
        place += 1;
    }
    // Users before what they use; a node that is needed stays, and so does what it needs.
    found.into_iter().rev().for_each(|node| graph.forget(node));
}
