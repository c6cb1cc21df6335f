//! `keras.layers.IntegerLookup`: integers as their places in a vocabulary, and back.

use super::context::{Cx, Outcome, Stop, one};
use super::encoding::{OutputMode, along_last, encoded};
use super::pool::drop_axes;
use super::vocabulary::{Vocabulary, unsupported};
use crate::graph::NodeId;
use crate::ops::{Gather, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary};
use crate::tensor::{DType, Shape};
use serde_json::json;

/// Integers that floats hold exactly are below this, and others become no smaller when they are rounded.
const EXACT: u64 = 1 << 24;

/// Tables are so many times as long as the vocabulary, or so long, before elements are compared with each token instead.
const SPARSE: usize = 4;
const SMALL: usize = 1 << 12;

/// `IntegerLookup`. Where the network computes integers, one out of a vocabulary without places for such is -1, and counts
/// nowhere; Keras refuses it.
pub fn integer_lookup(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let vocabulary = Vocabulary::integers(&r);
    r.only("vocabulary_dtype", &[json!("int64"), json!("int32")]);
    r.finish(cx)?;
    let vocabulary = vocabulary.finish(cx)?;
    let tokens = vocabulary.tokens.iter();
    let special = [vocabulary.mask, vocabulary.oov];
    if let Some(token) = tokens
        .chain(special.iter().flatten())
        .find(|token| token.unsigned_abs() >= EXACT)
    {
        let help = format!(
            "tensors hold floats here, which are exact below {EXACT}: use smaller numbers in the vocabulary"
        );
        return Err(unsupported("vocabulary", token.to_string(), help));
    }
    if vocabulary.outside > 1 && !vocabulary.invert {
        let help = "tensors hold floats here, of which remainders are not exact: make the layer with num_oov_indices=1";
        return Err(unsupported(
            "num_oov_indices",
            vocabulary.outside.to_string(),
            help,
        ));
    }
    let x = cx.input()?.node;
    let x = if cx.state.graph.ty(x).dtype == DType::F32 {
        cx.apply(Tape::unary(Unary::Trunc), x)?
    } else {
        x
    };
    if vocabulary.invert {
        return one(inverted(cx, &vocabulary, x)?);
    }
    let places = placed(cx, &vocabulary, x)?;
    let weights = vocabulary.weights(cx)?;
    let encoded = encoded(cx, places, vocabulary.mode, vocabulary.depth, None)?;
    one(weighted(cx, encoded, weights)?)
}

/// Counts times the weights of the categories.
pub fn weighted(cx: &mut Cx<'_>, counts: NodeId, weights: Option<Vec<f32>>) -> Result<NodeId, Stop> {
    let Some(weights) = weights else {
        return Ok(counts);
    };
    let weights = along_last(cx, "inverse document frequencies", weights, 1)?;
    Ok(cx.b().map(Tape::binary(Binary::Mul), &[counts, weights])?)
}

/// The place of each integer.
fn placed(cx: &mut Cx<'_>, vocabulary: &Vocabulary<i64>, x: NodeId) -> Result<NodeId, Stop> {
    let outside = vocabulary.place_outside();
    let mut known: Vec<(i64, f32)> = vocabulary
        .places()
        .map(|(token, place)| (*token, place as f32))
        .collect();
    // A masked integer is at place 0, or nowhere.
    if let Some(mask) = vocabulary.mask {
        let place = if vocabulary.mode == OutputMode::Int {
            0.0
        } else {
            -1.0
        };
        known.retain(|(token, _)| *token != mask);
        known.push((mask, place));
    }
    known.sort_unstable_by_key(|(token, _)| *token);
    let (Some(&(least, _)), Some(&(most, _))) = (known.first(), known.last()) else {
        return Err(cx.inconsistent("the vocabulary is empty"));
    };
    let span = (most - least) as usize + 1;
    if span > SMALL.max(known.len().saturating_mul(SPARSE)) {
        return compared(cx, x, &known, outside);
    }
    let mut table = vec![outside; span + 2];
    for (token, place) in known {
        table[(token - least) as usize + 1] = place;
    }
    looked_up(cx, x, table, least)
}

/// Elements of a table, of which the second is that of `least`; integers beyond get the first or the last.
fn looked_up(cx: &mut Cx<'_>, x: NodeId, table: Vec<f32>, least: i64) -> Result<NodeId, Stop> {
    let last = (table.len() - 1) as f32;
    let tape = Tape::binary_const(Binary::Sub, (least - 1) as f32)
        .then(&Tape::binary_const(Binary::Max, 0.0))
        .then(&Tape::binary_const(Binary::Min, last));
    let index = cx.b().map(tape, &[x])?;
    let table = along_last(cx, "places", table, 1)?;
    let pick = Gather {
        axis: 0,
        negative: false,
    };
    Ok(cx.b().add(pick, &[table, index])?)
}

/// The same for a few integers that lie far apart: each is compared with all.
fn compared(cx: &mut Cx<'_>, x: NodeId, known: &[(i64, f32)], outside: f32) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(x);
    let last = dims.len();
    dims.push(1);
    Shape::checked([&dims[..last], &[known.len()]].concat())?;
    let x = cx.b().reshape(x, dims)?;
    let tokens = known.iter().map(|(token, _)| *token as f32).collect();
    let tokens = along_last(cx, "tokens", tokens, last + 1)?;
    let beyond = known.iter().map(|(_, place)| place - outside).collect();
    let beyond = along_last(cx, "places of tokens", beyond, last + 1)?;
    let mut t = TapeBuilder::new(3);
    let (x_value, token, place, none) = (t.input(0), t.input(1), t.input(2), t.constant(0.0));
    let same = t.compare(Compare::Eq, x_value, token);
    let found = t.select(same, place, none);
    let found = cx.b().map(t.finish(found), &[x, tokens, beyond])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [last], found)?;
    let sum = drop_axes(cx, sum, &[last], false)?;
    Ok(cx.apply(Tape::binary_const(Binary::Add, outside), sum)?)
}

/// The integer at each place; at all others the token of those out of the vocabulary.
fn inverted(cx: &mut Cx<'_>, vocabulary: &Vocabulary<i64>, x: NodeId) -> Result<NodeId, Stop> {
    let outside = vocabulary.oov.unwrap_or(-1);
    let mut table = vec![outside; vocabulary.size + 2];
    for (token, place) in vocabulary.places() {
        table[place + 1] = *token;
    }
    if let Some(mask) = vocabulary.mask {
        table[1] = mask;
    }
    let table = table.into_iter().map(|token| token as f32).collect();
    looked_up(cx, x, table, 0)
}
