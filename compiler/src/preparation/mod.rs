//! What is done to strings outside of tensors: before a prediction they become integers and counts, after it integers
//! become strings.
//!
//! A graph has tensors of numbers only. Where layers take strings, or the text of integers, the graph begins behind them, with
//! inputs that stand for what they give, and the steps here say how a page's strings become these. They are data, which
//! the runtime goes through (`runtime-web/src/strings.js`); vocabularies are a file of the bundle beside the weights.
//!
//! Values are numbered: first the inputs that a page passes, then what each step gives. A value is strings or numbers,
//! as many as its tensor has, or a list of rows, one for each sample, of any lengths.

mod picture;

pub use picture::{Filter, Fit, Picture, Resize};

use serde::{Deserialize, Serialize};

/// Which value: an input that a page passes, or behind those what a step gives.
pub type ValueId = usize;

/// How a page's inputs become a graph's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preparation {
    /// What is done, each step to values before it.
    pub steps: Vec<Step>,
    /// The tokens that steps and outputs look up.
    pub vocabularies: Vec<Vec<String>>,
    /// For each input of the graph that a page does not keep as a state: the value that it is.
    pub given: Vec<ValueId>,
    /// Outputs of the graph that become strings.
    pub spoken: Vec<(usize, Words)>,
}

/// What makes one value of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Step {
    /// A to Z become a to z, as `tf.strings.lower` has it without an encoding.
    Lower {
        /// Strings.
        of: ValueId,
    },
    /// Punctuation is taken out, as `TextVectorization` defines it.
    Strip {
        /// Strings.
        of: ValueId,
    },
    /// Each string becomes a row of its words, as `tf.strings.split` has it: what stands between whitespace of ASCII.
    Words {
        /// Strings.
        of: ValueId,
    },
    /// Each string becomes a row of its code points, as `tf.strings.unicode_split` has it.
    Characters {
        /// Strings.
        of: ValueId,
    },
    /// So many strings after each other become a row.
    Rows {
        /// Strings.
        of: ValueId,
        /// How many.
        length: usize,
    },
    /// Each row becomes the n-grams of each width, one width after the other, joined by spaces (`tf.strings.ngrams`).
    Ngrams {
        /// Rows of strings.
        of: ValueId,
        /// The widths.
        widths: Vec<usize>,
    },
    /// Rows are cut to one length, or filled with empty strings.
    Fit {
        /// Rows of strings.
        of: ValueId,
        /// The length.
        length: usize,
    },
    /// Each string becomes its place in a vocabulary.
    Lookup {
        /// Strings, or rows of them.
        of: ValueId,
        /// The layer, for messages.
        layer: String,
        /// The vocabulary and its special places.
        #[serde(flatten)]
        words: Words,
        /// How many places there are for strings out of the vocabulary; with none, such strings are an error.
        outside: usize,
        /// Where these places begin.
        place: usize,
        /// The key by which one of several is chosen, in decimal; without, it is chosen by the fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<[String; 2]>,
    },
    /// Each row of places becomes a vector with how often each place occurs; places out of it do not count.
    Count {
        /// Rows of places.
        of: ValueId,
        /// The length of the vectors.
        depth: usize,
        /// Whether they say only whether a place occurs.
        hot: bool,
    },
    /// Each string, or the decimal text of each integer, becomes its hash.
    Hash {
        /// Strings or numbers, whose fractions are cut off.
        of: ValueId,
        /// How many hashes there are, without that of the mask.
        bins: u64,
        /// What becomes 0, all others being counted from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        mask: Option<String>,
        /// The key of SipHash-2-4, in decimal; without, the hash is FarmHash' fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<[String; 2]>,
    },
    /// The elements of several values at the same place become one hash, as `tf.sparse.cross_hashed` has it.
    Cross {
        /// Strings or integers, as many each.
        of: Vec<ValueId>,
        /// How many hashes there are.
        bins: u64,
    },
}

/// A vocabulary in its place among special tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Which vocabulary.
    pub vocabulary: usize,
    /// The place of its first token.
    pub first: usize,
    /// The token that is masked, and its place, -1 where it counts nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<(String, i32)>,
    /// What stands for all other places, where places become tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}
