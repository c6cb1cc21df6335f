//! `keras.layers.TextVectorization`: texts as the places of their words in a vocabulary, or how often each occurs.

use super::super::context::{Cx, Outcome, Stop, one};
use super::super::encoding::OutputMode;
use super::super::lookup::weighted;
use super::super::read::Read;
use super::super::vocabulary::{Unfinished, unsupported};
use super::Holds;
use super::lookup::{looked_up, token};
use crate::keras::ranges::SIDE;
use crate::keras::values::shown;
use crate::preparation::{Step, ValueId};
use serde_json::{Value as Json, json};

/// What is done to texts before they are split.
#[derive(Clone, Copy, Default)]
struct Standard {
    lower: bool,
    strip: bool,
}

/// Into what texts are split.
#[derive(Clone, Copy, PartialEq)]
enum Split {
    Words,
    Characters,
}

const STANDARDS: &[(&str, Standard)] = &[
    (
        "lower_and_strip_punctuation",
        Standard {
            lower: true,
            strip: true,
        },
    ),
    (
        "lower",
        Standard {
            lower: true,
            strip: false,
        },
    ),
    (
        "strip_punctuation",
        Standard {
            lower: false,
            strip: true,
        },
    ),
];

const SPLITS: &[(&str, Split)] = &[("whitespace", Split::Words), ("character", Split::Characters)];

/// `TextVectorization`.
pub fn text_vectorization(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let vocabulary = Unfinished::read(
        &r,
        &[("mask_token", json!("")), ("oov_token", json!("[UNK]"))],
        token,
    );
    let standard = option(&r, "standardize", STANDARDS, "lower_and_strip_punctuation");
    let split = option(&r, "split", SPLITS, "whitespace");
    let widths = widths(&r);
    let length = match r.fields.value("output_sequence_length") {
        None | Some(Json::Null) => None,
        Some(_) => Some(r.usize("output_sequence_length", SIDE)),
    };
    r.only_with(
        "ragged",
        &[json!(false)],
        "make the layer with output_sequence_length=N, which pads rows to one length",
    );
    let strings_out = r.fields.value("output_mode") == Some(&Json::Null);
    r.utf8();
    r.finish(cx)?;
    if strings_out {
        let help = "it would give strings, as many as there are: make the layer with output_mode=\"int\"";
        return Err(unsupported("output_mode", "null".to_owned(), help));
    }
    let vocabulary = vocabulary.finish(cx)?;
    let weights = vocabulary.weights(cx)?;
    let x = cx.input()?.node;
    let dims = cx.dims(x);
    let text = cx.strings(x)?;
    let text = standardized(cx, text, standard.unwrap_or_default())?;
    let whole = split.is_none() && widths.is_empty() && length.is_none();
    if vocabulary.mode == OutputMode::Int && whole {
        let places = looked_up(cx, &vocabulary, text)?;
        return one(cx.stand_in(places, dims, Holds::Places)?);
    }
    let (rows, tokens) = split_up(cx, text, &dims, split)?;
    let rows = match widths.is_empty() {
        true => rows,
        false => cx.step(Step::Ngrams {
            of: rows,
            widths: widths.clone(),
        })?,
    };
    let batch = dims.first().copied().unwrap_or(1);
    if vocabulary.mode == OutputMode::Int {
        let length = length.or(tokens.map(|tokens| ngrams_of(tokens, &widths)));
        let Some(length) = length else {
            let help = "the network has one length: make the layer with output_sequence_length=N, such as the length in \
                        training, and save the model again";
            return Err(unsupported("output_sequence_length", "null".to_owned(), help));
        };
        let padded = cx.step(Step::Fit { of: rows, length })?;
        let places = looked_up(cx, &vocabulary, padded)?;
        return one(cx.stand_in(places, vec![batch, length], Holds::Places)?);
    }
    if vocabulary.mode == OutputMode::OneHot {
        let help = "Keras has it for other layers: make the layer with output_mode=\"multi_hot\"";
        return Err(unsupported("output_mode", "\"one_hot\"".to_owned(), help));
    }
    let places = looked_up(cx, &vocabulary, rows)?;
    let hot = vocabulary.mode == OutputMode::MultiHot;
    let depth = vocabulary.depth;
    let counts = cx.step(Step::Count {
        of: places,
        depth,
        hot,
    })?;
    let counts = cx.stand_in(counts, vec![batch, depth], Holds::Counts)?;
    one(weighted(cx, counts, weights)?)
}

/// One of a table, or Python's `None`; other things are functions.
fn option<T: Copy>(r: &Read<'_>, key: &'static str, table: &[(&str, T)], default: &str) -> Option<T> {
    let named = |name: &str| {
        table
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    match r.fields.value(key) {
        None => named(default),
        Some(Json::Null) => None,
        Some(value) => {
            let found = value.as_str().and_then(named);
            let names: Vec<_> = table.iter().map(|(name, _)| format!("{name:?}")).collect();
            let refused = || {
                let error = r.fields.unsupported(key);
                error.help(format!(
                    "it can be None, {}: do what a function of Python does in JavaScript, and make the layer with None",
                    names.join(", ")
                ))
            };
            r.or_harmless(found.map(Some).ok_or_else(refused), None)
        }
    }
}

/// The widths of n-grams: all up to a number, or those of a list.
fn widths(r: &Read<'_>) -> Vec<usize> {
    /// Far more than anybody counts.
    const MOST: i64 = 64;
    let Some(value) = r.fields.value("ngrams").filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    let found = r.opt_ints("ngrams", 1..=MOST).unwrap_or_default();
    let found: Vec<usize> = found
        .into_iter()
        .filter_map(|width| usize::try_from(width).ok())
        .collect();
    match (value.is_number(), &found[..]) {
        (true, &[most]) => (1..=most).collect(),
        (false, [_, ..]) if found.len() as i64 <= MOST => found,
        _ => r.or_harmless(Err(r.fields.unsupported("ngrams")), Vec::new()),
    }
}

/// How many n-grams there are of so many tokens.
fn ngrams_of(tokens: usize, widths: &[usize]) -> usize {
    match widths {
        [] => tokens,
        widths => widths
            .iter()
            .map(|width| (tokens + 1).saturating_sub(*width))
            .sum(),
    }
}

fn standardized(cx: &mut Cx<'_>, mut text: ValueId, standard: Standard) -> Result<ValueId, Stop> {
    if standard.lower {
        text = cx.step(Step::Lower { of: text })?;
    }
    if standard.strip {
        text = cx.step(Step::Strip { of: text })?;
    }
    Ok(text)
}

/// A row of tokens for each sample, and how many these are if they are as many in all.
fn split_up(
    cx: &mut Cx<'_>,
    text: ValueId,
    dims: &[usize],
    split: Option<Split>,
) -> Result<(ValueId, Option<usize>), Stop> {
    let shape = || shown(&json!(dims));
    match (split, dims) {
        (Some(split), [_] | [_, 1]) => {
            let step = match split {
                Split::Words => Step::Words { of: text },
                Split::Characters => Step::Characters { of: text },
            };
            Ok((cx.step(step)?, None))
        }
        (Some(_), _) => Err(cx.inconsistent(format!(
            "it splits texts of shape (batch,) or (batch, 1), but is called with {}",
            shape()
        ))),
        (None, &[_, length]) => Ok((cx.step(Step::Rows { of: text, length })?, Some(length))),
        (None, _) => Err(cx.inconsistent(format!(
            "without split it takes tokens of shape (batch, tokens), but is called with {}",
            shape()
        ))),
    }
}
