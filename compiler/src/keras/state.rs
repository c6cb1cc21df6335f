//! What lowering has made so far.

use super::model::Semantics;
use super::text::Texts;
use crate::budget::Budget;
use crate::error::Collector;
use crate::graph::{Graph, NodeId};
use std::collections::{HashMap, HashSet};

/// The states that one layer keeps from one prediction to the next.
pub(super) struct Kept {
    /// The layer.
    pub(super) path: String,
    /// What they are when a prediction begins; none if it does not begin with them.
    pub(super) before: Vec<NodeId>,
    /// What they are after the calls so far.
    pub(super) after: Vec<NodeId>,
}

/// The graph under way, and what all layers share.
pub(super) struct State {
    pub(super) graph: Graph,
    /// What everything here is taken from.
    pub(super) budget: Budget,
    pub(super) problems: Collector,
    pub(super) semantics: Semantics,
    /// Constants by layer and role, so that shared layers share them.
    pub(super) constants: HashMap<String, NodeId>,
    /// Tensors whose masks a layer has taken off, for all calls to come.
    pub(super) unmasked: HashSet<NodeId>,
    /// What layers keep, in the order of their first calls.
    pub(super) kept: Vec<Kept>,
    /// Strings, and what is done to them outside of tensors.
    pub(super) texts: Texts,
    /// Tensors that have no defined numbers, and why: whoever is called with one is refused.
    pub(super) undefined: HashMap<NodeId, &'static str>,
    /// How many layers around the present one make samples of time steps.
    pub(super) folded: usize,
    /// How often layers were called whose constants may follow from the shapes of their inputs.
    calls: HashMap<String, usize>,
}

impl State {
    pub(super) fn new(semantics: Semantics, budget: Budget) -> Self {
        Self {
            graph: Graph::within(budget.clone()),
            budget,
            problems: Collector::default(),
            semantics,
            constants: HashMap::new(),
            unmasked: HashSet::new(),
            kept: Vec::new(),
            texts: Texts::default(),
            undefined: HashMap::new(),
            folded: 0,
            calls: HashMap::new(),
        }
    }

    /// Counts a call of the layer at that path; gives how many there were before.
    pub(super) fn called(&mut self, path: &str) -> usize {
        let calls = self.calls.entry(path.to_owned()).or_default();
        *calls += 1;
        *calls - 1
    }
}
