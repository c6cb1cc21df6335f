//! What passes say about themselves.

use std::collections::{HashMap, HashSet};
use std::fmt;

/// Something that was folded, fused or merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The pass.
    pub pass: &'static str,
    /// Name of the node that is gone.
    pub node: String,
    /// Name of the node that does its work now.
    pub into: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} into {}", self.pass, self.node, self.into)
    }
}

/// Something that a pass looked at and had to leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// The pass.
    pub pass: &'static str,
    /// Name of the node that stays.
    pub node: String,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} stays: {}", self.pass, self.node, self.reason)
    }
}

/// Why something could not be done. Names are those of nodes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Others need the value as it is.
    #[error("{0} has other users, and computing it twice would cost more")]
    SharedValue(String),
    /// The caller needs the value as it is.
    #[error("{0} is an output of the model")]
    IsOutput(String),
    /// The neighbour has no weights or epilogue that could take it up.
    #[error("{name} ({op}) has no place for it")]
    NoPlace {
        /// The neighbour.
        name: String,
        /// Its operation.
        op: &'static str,
    },
    /// Something else is computed between the function and the neighbour's weights.
    #[error("{0} computes something in between")]
    InBetween(String),
    /// The neighbour's weights are computed at run time.
    #[error("the weights of {0} are not constant")]
    NotConstant(String),
    /// Changed weights would have to be stored beside the old ones.
    #[error("the weights of {0} are used elsewhere")]
    SharedWeights(String),
    /// A shift does not go through padding with zeros.
    #[error("{0} pads with zeros, which the shift must not reach")]
    Padded(String),
    /// The factors do not run along the channels of the neighbour.
    #[error("it does not act on the channels of {0}")]
    OtherAxis(String),
    /// The padding means something else there.
    #[error("the windows of {0} leave padding out, zeros would count")]
    ExcludedPadding(String),
    /// The value is repeated before it is used.
    #[error("{0} has fewer elements, and would be computed for each copy")]
    Broadcast(String),
    /// Operands of epilogues are floats.
    #[error("integers go into it, which {0} does not take")]
    Integers(String),
    /// Longer functions run slower.
    #[error("{name} would have {steps} steps, more than the limit of {limit}")]
    TooManySteps {
        /// The node that would have them.
        name: String,
        /// How many it would have.
        steps: usize,
        /// How many it may have.
        limit: usize,
    },
    /// More inputs than kernels take on every target.
    #[error("{name} would have {inputs} inputs, more than the limit of {limit}")]
    TooManyInputs {
        /// The node that would have them.
        name: String,
        /// How many it would have.
        inputs: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The result is larger than what it is made of.
    #[error("its {bytes} bytes would enlarge the model")]
    TooLarge {
        /// Size of the result.
        bytes: usize,
    },
    /// The compiler would take long to compute it.
    #[error("it takes long to compute")]
    TooSlow,
}

/// Collects what passes say. The pipeline tells it which pass is at work, so that passes need not name themselves.
#[derive(Debug, Default)]
pub struct Log {
    pass: &'static str,
    done: Vec<Done>,
    missed: Vec<Missed>,
    /// What lasts, by pass and node, with a number that grows with time.
    lasting: HashMap<(&'static str, String), (usize, Vec<Reason>)>,
    /// How often something that lasts was noted.
    noted: usize,
}

impl Log {
    /// A pass begins.
    pub(super) fn enter(&mut self, pass: &'static str) {
        self.pass = pass;
    }
    /// The pipeline begins anew.
    pub(super) fn next_round(&mut self) {
        self.missed.clear();
    }
    /// `node` went into `into`. Not noted when both come from the same layer: that a layer's own activation is part
    /// of it is no news.
    pub fn done(&mut self, node: impl Into<String>, into: impl Into<String>) {
        let (node, into) = (node.into(), into.into());
        if node != into {
            let pass = self.pass;
            self.done.push(Done { pass, node, into });
        }
    }
    /// `node` had to stay. Tried again in the next round, and forgotten if another pass takes care of the node.
    pub fn missed(&mut self, node: impl Into<String>, reason: Reason) {
        let (pass, node) = (self.pass, node.into());
        self.missed.push(Missed { pass, node, reason });
    }
    /// The work of `node` had to stay, for these reasons. Remembered even if another pass moves it elsewhere.
    pub fn missed_work(&mut self, node: &str, reasons: impl IntoIterator<Item = Reason>) {
        let reasons = reasons.into_iter().collect();
        self.noted += 1;
        self.lasting
            .insert((self.pass, node.to_owned()), (self.noted, reasons));
    }
    /// The work of `node` is gone after all.
    pub fn forget_work(&mut self, node: &str) {
        self.lasting.remove(&(self.pass, node.to_owned()));
    }
    /// How much was missed so far.
    pub(super) fn mark(&self) -> usize {
        self.missed.len()
    }
    /// Forgets what was missed since a mark: it is about to be tried again.
    pub(super) fn forget_since(&mut self, mark: usize) {
        self.missed.truncate(mark);
    }
    /// What was done and what was missed in the end, each of these once.
    pub(super) fn finish(self) -> (Vec<Done>, Vec<Missed>) {
        let mut lasting: Vec<_> = self.lasting.into_iter().collect();
        lasting.sort_unstable_by_key(|(_, (noted, _))| *noted);
        let lasting = lasting.into_iter().flat_map(|((pass, node), (_, reasons))| {
            let missed = move |reason| Missed {
                pass,
                node: node.clone(),
                reason,
            };
            reasons.into_iter().map(missed)
        });
        let mut seen = HashSet::new();
        let mut new = |missed: &Missed| seen.insert(missed.to_string());
        let missed = self.missed.into_iter().filter(|missed| new(missed));
        (self.done, lasting.chain(missed).collect())
    }
}
