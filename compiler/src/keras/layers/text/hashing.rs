//! `keras.layers.Hashing`: strings and integers as one of so many hashes.

use super::super::context::{Cx, Outcome, one};
use super::super::encoding::{OutputMode, encoded};
use super::super::read::Read;
use super::Holds;
use crate::keras::ranges::COUNT;
use crate::keras::text::Kind;
use crate::preparation::Step;
use serde_json::Value as Json;

/// `Hashing`. Keras 3 takes floats too, and cuts off their fractions.
pub fn hashing(cx: &mut Cx<'_>) -> Outcome {
    use OutputMode::{Count, Int, MultiHot, OneHot};
    let r = cx.read();
    let bins = r.usize("num_bins", COUNT);
    let key = r.key("salt");
    let mask = mask(&r);
    let mode = r.output_mode(&[Int, OneHot, MultiHot, Count], Int);
    r.finish(cx)?;
    let x = cx.input()?.node;
    let (of, kind) = cx.prepared(x)?;
    let fits = match kind {
        Kind::Numbers { floats } => !floats || cx.is_keras3(),
        Kind::Text => true,
        Kind::Truth => false,
    };
    if !fits {
        return Err(cx.inconsistent("it takes strings or integers, but is called with other things"));
    }
    match (&mask, kind) {
        (Some(Mask::Text(_)), Kind::Numbers { .. }) | (Some(Mask::Number(_)), Kind::Text) => {
            return Err(cx.inconsistent("mask_value is not of the type of what it is called with"));
        }
        _ => {}
    }
    // The mask has a hash of its own, unless there is only one.
    let mask = mask.filter(|_| bins > 1).map(|mask| match mask {
        Mask::Text(text) => text,
        Mask::Number(number) => number.to_string(),
    });
    let others = bins - usize::from(mask.is_some());
    let hashes = cx.step(Step::Hash {
        of,
        bins: others as u64,
        mask,
        key,
    })?;
    let dims = cx.dims(x);
    let hashes = cx.stand_in(hashes, dims, Holds::Places)?;
    one(encoded(cx, hashes, mode, bins, None)?)
}

/// What is masked.
enum Mask {
    Text(String),
    Number(i64),
}

fn mask(r: &Read<'_>) -> Option<Mask> {
    let value = r.fields.value("mask_value").filter(|value| !value.is_null())?;
    let whole = |value: &Json| {
        let float = value.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 9e15);
        value.as_i64().or(float.map(|v| v as i64))
    };
    let found = match value {
        Json::String(text) => Some(Mask::Text(text.clone())),
        value => whole(value).map(Mask::Number),
    };
    r.or_harmless(
        found.map(Some).ok_or_else(|| r.fields.unsupported("mask_value")),
        None,
    )
}
