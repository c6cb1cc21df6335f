//! Vocabularies of `keras.layers.IntegerLookup`, `StringLookup` and `TextVectorization`: their arguments, and where tokens
//! stand, as `IndexLookup` in `keras.src.layers.preprocessing.index_lookup` has it.

use super::context::{Cx, Stop};
use super::encoding::OutputMode;
use super::read::Read;
use crate::error::{Error, ErrorKind};
use crate::keras::config::Config;
use crate::keras::ranges::{ANY, COUNT, SIDE};
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::hash::Hash;

/// A vocabulary with the arguments of its layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary<T> {
    /// The tokens without special ones.
    pub tokens: Vec<T>,
    /// The token that is masked.
    pub mask: Option<T>,
    /// The token that stands for those out of the vocabulary.
    pub oov: Option<T>,
    /// How many places there are for those out of the vocabulary.
    pub outside: usize,
    /// Whether places become tokens.
    pub invert: bool,
    /// What the layer gives.
    pub mode: OutputMode,
    /// How many places there are.
    pub size: usize,
    /// How many categories are encoded.
    pub depth: usize,
    /// How remainders or hashes choose among places for those out of the vocabulary.
    pub method: Outside,
    /// What was read of the weights of categories.
    idf: Option<Vec<f64>>,
    /// Whether special tokens stand in the vocabulary, and so have weights.
    special: bool,
}

/// How a token out of the vocabulary gets one of several places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// By its remainder, which only integers have.
    Remainder,
    /// By its fingerprint.
    Fingerprint,
    /// By its hash with this key.
    Keyed([u64; 2]),
}

/// What was read, still to be put together.
pub struct Unfinished<T> {
    listed: Result<Vec<T>, Error>,
    mask: Option<T>,
    oov: Option<T>,
    outside: usize,
    invert: bool,
    mode: OutputMode,
    most: Option<usize>,
    pad: bool,
    method: Outside,
    idf: Option<Vec<f64>>,
}

impl Vocabulary<i64> {
    /// Reads the arguments of an `IntegerLookup`.
    pub fn integers(r: &Read<'_>) -> Unfinished<i64> {
        let read = Unfinished::read(
            r,
            &[("mask_token", Json::Null), ("oov_token", json!(-1))],
            |value| {
                // Those of a file are lines of text.
                let written = value.as_str().and_then(|text| text.parse().ok());
                written.or_else(|| value.as_i64()).or_else(|| {
                    value
                        .as_f64()
                        .filter(|v| v.fract() == 0.0 && v.abs() < 9e15)
                        .map(|v| v as i64)
                })
            },
        );
        let methods = [
            ("floormod", Outside::Remainder),
            ("farmhash", Outside::Fingerprint),
        ];
        let method = r.choice("oov_method", &methods, Outside::Remainder);
        let method = match (read.method, method) {
            (Outside::Keyed(key), Outside::Fingerprint) => Outside::Keyed(key),
            (_, method) => method,
        };
        Unfinished { method, ..read }
    }
}

impl<T: Clone + Eq + Hash> Unfinished<T> {
    /// Reads what all lookups have; `special` are the keys of the masked token and of the one out of the vocabulary, with
    /// their defaults.
    pub fn read(r: &Read<'_>, special: &[(&str, Json); 2], token: impl Fn(&Json) -> Option<T>) -> Self {
        use OutputMode::{Count, Int, MultiHot, OneHot, TfIdf};
        let one = |(key, default): &(&str, Json)| match r.fields.value(key).unwrap_or(default) {
            Json::Null => None,
            value => {
                let found = token(value).ok_or_else(|| r.fields.unsupported(key));
                r.or_harmless(found.map(Some), None)
            }
        };
        let [mask, oov] = [one(&special[0]), one(&special[1])];
        let listed = match r.fields.value("vocabulary") {
            None | Some(Json::Null) => Err(absent()),
            Some(Json::String(file)) => Err(file_elsewhere(file)),
            Some(value) => {
                let tokens = value
                    .as_array()
                    .and_then(|items| items.iter().map(&token).collect());
                tokens.ok_or_else(|| r.fields.unsupported("vocabulary"))
            }
        };
        let most = match r.fields.value("max_tokens") {
            None | Some(Json::Null) => None,
            Some(_) => Some(r.usize("max_tokens", COUNT)),
        };
        // What the vocabulary says itself, and where it came from.
        r.fields
            .ignore(&["vocabulary_size", "has_input_vocabulary", "has_static_table"]);
        Self {
            listed,
            mask,
            oov,
            outside: r.usize_or("num_oov_indices", 1, SIDE),
            invert: r.flag("invert", false),
            mode: r.output_mode(&[Int, OneHot, MultiHot, Count, TfIdf], Int),
            most,
            pad: r.flag("pad_to_max_tokens", false),
            method: r.salt("salt").map_or(Outside::Fingerprint, Outside::Keyed),
            idf: r.opt_floats("idf_weights", ANY),
        }
    }

    /// Puts the vocabulary together.
    ///
    /// # Errors
    /// When it is not in the file, or does not fit the other arguments.
    pub fn finish(self, cx: &mut Cx<'_>) -> Result<Vocabulary<T>, Stop> {
        let mut tokens = self.listed?;
        // Tokens are read and sorted, and tables made of them.
        cx.make_room(2 * tokens.len())?;
        let masked = usize::from(self.mask.is_some() && self.mode == OutputMode::Int);
        let before = masked + self.outside;
        let of_place = |place: usize| {
            if place < masked {
                self.mask.as_ref()
            } else {
                self.oov.as_ref()
            }
        };
        let special = tokens.len() >= before && (0..before).all(|place| tokens.get(place) == of_place(place));
        if special {
            tokens.drain(..before);
        }
        let distinct: HashSet<_> = tokens.iter().collect();
        if distinct.len() < tokens.len() {
            return Err(cx.inconsistent("the vocabulary has a token twice"));
        }
        let size = before + tokens.len();
        let depth = match (self.pad, self.most) {
            (true, Some(most)) => most,
            (true, None) => return Err(cx.inconsistent("pad_to_max_tokens needs max_tokens")),
            _ => size,
        };
        if tokens.is_empty() || depth < size || self.most.is_some_and(|most| most < size) {
            let message = format!(
                "a vocabulary of {} tokens does not fit {depth} places",
                tokens.len()
            );
            return Err(cx.inconsistent(message));
        }
        if self.invert && self.mode != OutputMode::Int {
            return Err(cx.inconsistent("invert belongs to output_mode \"int\""));
        }
        Ok(Vocabulary {
            tokens,
            mask: self.mask,
            oov: self.oov,
            outside: self.outside,
            invert: self.invert,
            mode: self.mode,
            size,
            depth,
            method: self.method,
            idf: self.idf,
            special,
        })
    }
}

impl<T> Vocabulary<T> {
    /// Every token with its place.
    pub fn places(&self) -> impl Iterator<Item = (&T, usize)> {
        let first = self.size - self.tokens.len();
        self.tokens.iter().zip(first..)
    }
    /// The place of the first that is out of the vocabulary, -1 where there is none.
    pub fn place_outside(&self) -> f32 {
        match self.outside {
            0 => -1.0,
            _ => f32::from(u8::from(self.mask.is_some() && self.mode == OutputMode::Int)),
        }
    }
    /// The weights of the categories, if the layer gives counts times weights: from the file, or from the arguments, then
    /// with their mean before them for special tokens without any, and zeros behind.
    ///
    /// # Errors
    /// When there are none, or not as many as categories.
    pub fn weights(&self, cx: &mut Cx<'_>) -> Result<Option<Vec<f32>>, Stop> {
        if self.mode != OutputMode::TfIdf {
            cx.weights::<0>([]);
            return Ok(None);
        }
        if let (None, _) | (_, true) = (&self.idf, !cx.site.weights.is_empty()) {
            let weights = cx.weights([Some(("idf_weights", vec![self.depth]))]);
            let Some(found) = weights.get("idf_weights") else {
                return Err(Stop::Told);
            };
            return Ok(Some(found.as_f32()?.to_vec()));
        }
        let given = self.idf.as_deref().unwrap_or_default();
        let front = if self.special {
            0
        } else {
            self.size - self.tokens.len()
        };
        if front + given.len() != self.size {
            let message = format!("{} idf_weights for {} tokens", given.len(), self.tokens.len());
            return Err(cx.inconsistent(message));
        }
        let mean = given.iter().sum::<f64>() / given.len() as f64;
        let mut all = vec![mean as f32; front];
        all.extend(given.iter().map(|&weight| weight as f32));
        all.resize(self.depth, 0.0);
        Ok(Some(all))
    }
}

/// How many weights a lookup has: those of its categories, if it gives counts times weights.
pub fn weights(config: &Config) -> usize {
    let mode = config.values().get("output_mode").and_then(Json::as_str);
    usize::from(matches!(mode, Some("tf_idf" | "tf-idf")))
}

impl Read<'_> {
    /// The two halves of a key of SipHash, from two integers or one that stands for both; `None` when absent or null.
    pub fn salt(&self, key: &str) -> Option<[u64; 2]> {
        let numbers = match self.fields.value(key)? {
            Json::Null => return None,
            Json::Array(items) => items.iter().map(half).collect::<Option<Vec<_>>>(),
            value => half(value).map(|half| vec![half, half]),
        };
        match numbers.as_deref() {
            Some(&[first, second]) => Some([first, second]),
            _ => self.or_harmless(Err(self.fields.unsupported(key)), None),
        }
    }
}

/// Half a key: an integer of 64 bits, of which negative ones are complements.
fn half(value: &Json) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_i64().map(|number| number as u64))
}

/// A refusal of a value with a remedy.
pub fn unsupported(field: &str, value: String, help: impl Into<String>) -> Stop {
    Error::new(ErrorKind::UnsupportedValue { value })
        .in_field(field)
        .help(help.into())
        .into()
}

fn absent() -> Error {
    let value = "null".to_owned();
    let error = Error::new(ErrorKind::UnsupportedValue { value });
    error.in_field("vocabulary").help(
        "the file does not hold what adapt() found: save as .keras, or make the layer with vocabulary=layer.get_vocabulary()",
    )
}

fn file_elsewhere(name: &str) -> Error {
    let value = format!("{name:?}");
    let error = Error::new(ErrorKind::UnsupportedValue { value });
    error
        .in_field("vocabulary")
        .help("the vocabulary is in another file: make the layer with vocabulary=[…]")
}
