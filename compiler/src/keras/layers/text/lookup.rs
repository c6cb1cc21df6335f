//! `keras.layers.StringLookup`: strings as their places in a vocabulary, and back.

use super::super::context::{Cx, Outcome, Stop, one};
use super::super::encoding::{OutputMode, encoded};
use super::super::lookup::weighted;
use super::super::vocabulary::{Outside, Unfinished, Vocabulary};
use super::{Holds, decimal};
use crate::graph::NodeId;
use crate::pointwise::{Tape, Unary};
use crate::preparation::{Step, ValueId, Words};
use crate::tensor::DType;
use serde_json::{Value as Json, json};

/// `StringLookup`.
pub fn string_lookup(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let special = [("mask_token", Json::Null), ("oov_token", json!("[UNK]"))];
    let vocabulary = Unfinished::read(&r, &special, token);
    // Strings are hashed whatever it says.
    r.choice("oov_method", &[("floormod", ()), ("farmhash", ())], ());
    r.utf8();
    r.finish(cx)?;
    let vocabulary = vocabulary.finish(cx)?;
    let x = cx.input()?.node;
    let weights = vocabulary.weights(cx)?;
    if vocabulary.invert {
        return one(inverted(cx, &vocabulary, x)?);
    }
    let strings = cx.strings(x)?;
    let places = looked_up(cx, &vocabulary, strings)?;
    let dims = cx.dims(x);
    let places = cx.stand_in(places, dims, Holds::Places)?;
    let given = encoded(cx, places, vocabulary.mode, vocabulary.depth, None)?;
    one(weighted(cx, given, weights)?)
}

/// A token in a config.
pub fn token(value: &Json) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The places of strings: that of the mask is 0, or nowhere where places are encoded.
pub fn looked_up(cx: &mut Cx<'_>, vocabulary: &Vocabulary<String>, of: ValueId) -> Result<ValueId, Stop> {
    let place = if vocabulary.mode == OutputMode::Int { 0 } else { -1 };
    let words = words(cx, vocabulary, vocabulary.mask.clone().map(|mask| (mask, place)));
    let key = match vocabulary.method {
        Outside::Keyed(key) => Some(decimal(key)),
        Outside::Remainder | Outside::Fingerprint => None,
    };
    let layer = cx.site.path.clone();
    cx.step(Step::Lookup {
        of,
        layer,
        outside: vocabulary.outside,
        place: vocabulary.place_outside().max(0.0) as usize,
        words,
        key,
    })
}

fn words(cx: &mut Cx<'_>, vocabulary: &Vocabulary<String>, mask: Option<(String, i32)>) -> Words {
    let path = cx.site.path.clone();
    Words {
        first: vocabulary.size - vocabulary.tokens.len(),
        vocabulary: cx.state.texts.vocabulary(&path, vocabulary.tokens.clone()),
        mask,
        other: None,
    }
}

/// The tokens at places, which they become behind the network.
fn inverted(cx: &mut Cx<'_>, vocabulary: &Vocabulary<String>, x: NodeId) -> Result<NodeId, Stop> {
    if cx.state.texts.is_text(&cx.state.graph, x) {
        return Err(super::not_for_strings().into());
    }
    let mask = vocabulary.mask.clone().map(|mask| (mask, 0));
    let words = Words {
        // Keras converts None to an empty string.
        other: Some(vocabulary.oov.clone().unwrap_or_default()),
        ..words(cx, vocabulary, mask)
    };
    // A node of its own: the integers may be used elsewhere.
    let tape = match cx.state.graph.ty(x).dtype {
        DType::F32 => Tape::unary(Unary::Trunc),
        DType::I32 => Tape::identity(),
    };
    let node = cx.b().map(tape, &[x])?;
    cx.state.texts.speak(node, words);
    Ok(node)
}
