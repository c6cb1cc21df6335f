//! `keras.layers.HashedCrossing`: combinations of strings and integers as one of so many hashes.

use super::super::context::{Cx, Outcome, one};
use super::super::encoding::{OutputMode, encoded};
use super::Holds;
use crate::keras::ranges::COUNT;
use crate::keras::text::Kind;
use crate::preparation::Step;
use crate::tensor::Shape;

/// `HashedCrossing`.
pub fn hashed_crossing(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let bins = r.usize("num_bins", COUNT);
    let mode = r.output_mode(&[OutputMode::Int, OutputMode::OneHot], OutputMode::Int);
    r.finish(cx)?;
    let inputs = cx.inputs();
    let dims: Vec<Vec<usize>> = inputs.iter().map(|value| cx.dims(value.node)).collect();
    let fits = |dims: &[usize]| matches!(dims, [] | [_] | [_, 1]);
    let ([first, ..], true) = (&dims[..], dims.len() > 1) else {
        return Err(cx.inconsistent("it takes at least two tensors"));
    };
    if !fits(first) || dims.iter().any(|other| other != first) {
        let shapes: Vec<_> = dims
            .iter()
            .map(|dims| Shape::new(dims.clone()).to_string())
            .collect();
        let shapes = shapes.join(" and ");
        let message =
            format!("it takes tensors of one shape, (batch,) or (batch, 1), but is called with {shapes}");
        return Err(cx.inconsistent(message));
    }
    let mut of = Vec::new();
    for input in inputs {
        let (value, kind) = cx.prepared(input.node)?;
        if matches!(kind, Kind::Numbers { floats: true } | Kind::Truth) {
            return Err(cx.inconsistent("it takes strings or integers, but is called with other things"));
        }
        of.push(value);
    }
    let hashes = cx.step(Step::Cross {
        of,
        bins: bins as u64,
    })?;
    let hashes = cx.stand_in(hashes, first.clone(), Holds::Places)?;
    one(encoded(cx, hashes, mode, bins, None)?)
}
