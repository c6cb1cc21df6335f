//! Connectionist temporal classification: `ctc_decode`, `ctc_loss`. (A. Graves et al., "Connectionist temporal
//! classification: labelling unsegmented sequence data with recurrent neural networks", 2006.)

use super::arguments::Arguments;
use super::common::{numbers, places, sum_where_equal};
use super::cumulative::sums_along;
use super::picking::along;
use super::selection::place_along;
use super::steps::{Loop, at, looped, tape};
use crate::graph::{Builder, NodeId};
use crate::keras::layers::activation::log_softmax_over;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::ops::{Pad, ReduceKind, Slice};
use crate::pointwise::{Binary, Compare, Logic, Tape, TapeBuilder, Unary, Value, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// The logarithm of what is impossible: so far below all others that e to it is 0, and finite on every GPU.
const NEVER: f32 = -1e30;

/// The class that means no symbol, of so many.
fn blank(cx: &mut Cx<'_>, a: Args<'_, '_>, index: usize, classes: usize) -> Result<f32, Stop> {
    let given = a.integer(cx, index, &["mask_index"])?.unwrap_or(0);
    let all = i64::try_from(classes).unwrap_or(i64::MAX);
    let class = if given < 0 { given + all } else { given };
    if (0..all).contains(&class) {
        Ok(class as f32)
    } else {
        Err(a.unsupported(cx, &["mask_index"], &given.into()))
    }
}

/// Scores of classes `[batch, steps, classes]`.
fn scores(cx: &Cx<'_>, x: NodeId) -> Result<[usize; 3], Stop> {
    match cx.dims(x)[..] {
        [batch, steps, classes] => Ok([batch, steps, classes]),
        _ => Err(cx.inconsistent("it takes scores [batch, steps, classes]")),
    }
}

/// Lengths of the sequences of a batch, as `[batch, 1]`.
fn lengths(cx: &mut Cx<'_>, x: NodeId, batch: usize) -> Result<NodeId, Stop> {
    if cx.dims(x) != [batch] {
        return Err(cx.inconsistent(format!("it takes {batch} lengths")));
    }
    Ok(cx.b().reshape(x, [batch, 1])?)
}

/// `ctc_decode` by the likeliest class of each step: the classes, of repeated ones and blanks none, padded with -1; and less
/// the sum of their scores.
pub fn decode(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["inputs"])?;
    let given = a.tensor(cx, 1, &["sequence_lengths"])?;
    match a.text(cx, 9, &["strategy"])?.as_deref() {
        None | Some("greedy") => {}
        Some(other) => return Err(a.unsupported(cx, &["strategy"], &other.into())),
    }
    // Of the search that is refused.
    a.integer(cx, 9, &["beam_width"])?;
    a.integer(cx, 9, &["top_paths"])?;
    let merge = a.flag(cx, 9, &["merge_repeated"], true)?;
    let [batch, steps, classes] = scores(cx, x)?;
    let blank = blank(cx, a, 9, classes)?;
    let lengths = lengths(cx, given, batch)?;
    let class = place_along(cx, x, 2, ReduceKind::Max)?;
    let class = cx.b().reshape(class, [batch, steps])?;
    let pads = vec![(0, 0), (1, 0)];
    let before = cx.b().add(Pad { pads, value: -1.0 }, &[class])?;
    let before = cx.b().slice(before, 1, 0, steps)?;
    let step = places(cx, steps, 1, 2)?;
    let counts = tape(|t, [class, before, step, length]| {
        let (blank, one, zero) = (t.constant(blank), t.constant(1.0), t.constant(0.0));
        let symbol = t.compare(Compare::Ne, class, blank);
        let inside = t.compare(Compare::Lt, step, length);
        let mut counts = t.logic(Logic::And, symbol, inside);
        if merge {
            let other = t.compare(Compare::Ne, class, before);
            counts = t.logic(Logic::And, counts, other);
        }
        t.select(counts, one, zero)
    });
    let counts = cx.b().map(counts, &[class, before, step, lengths])?;
    let place = sums_along(cx, counts, 1)?;
    let standing = tape(|t, [place, counts]| {
        let (one, zero) = (t.constant(1.0), t.constant(0.0));
        let none = t.compare(Compare::Eq, counts, zero);
        let place = t.binary(Binary::Sub, place, one);
        let nowhere = t.constant(-1.0);
        t.select(none, nowhere, place)
    });
    let place = cx.b().map(standing, &[place, counts])?;
    let symbols = cx.apply(Tape::binary_const(Binary::Add, 1.0), class)?;
    let found = sum_where_equal(cx, place, step, symbols)?;
    let found = cx.apply(Tape::binary_const(Binary::Sub, 1.0), found)?;
    let best = cx.b().reduce(ReduceKind::Max, [2], x)?;
    let best = cx.b().reshape(best, [batch, steps])?;
    let score = tape(|t, [best, step, length]| {
        let (less, zero) = (t.unary(Unary::Neg, best), t.constant(0.0));
        let inside = t.compare(Compare::Lt, step, length);
        t.select(inside, less, zero)
    });
    let score = cx.b().map(score, &[best, step, lengths])?;
    let score = cx.b().reduce(ReduceKind::Sum, [1], score)?;
    let found = cx.b().reshape(found, [1, batch, steps])?;
    Ok([found, score].map(KerasTensor::new).to_vec())
}

/// log(eᵃ + eᵇ), also of what is impossible.
fn either(t: &mut TapeBuilder, a: Value, b: Value) -> Value {
    t.inline(&library::logaddexp::tape(), &[a, b])
}

/// What stood so many places before, or what is impossible.
fn earlier(b: &mut Builder<'_>, x: NodeId, distance: usize) -> crate::error::Result<NodeId> {
    let sizes = b.shape(x).dims().to_vec();
    let pads = vec![(0, 0), (distance, 0)];
    let padded = b.add(Pad { pads, value: NEVER }, &[x])?;
    let slice = Slice {
        starts: vec![0; 2],
        steps: vec![1; 2],
        sizes,
    };
    b.add(slice, &[padded])
}

/// `ctc_loss`: less the logarithm of how likely the symbols are, over all ways in which steps may give them.
pub fn loss(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let (target, output) = (a.tensor(cx, 0, &["target"])?, a.tensor(cx, 1, &["output"])?);
    let symbols = a.tensor(cx, 2, &["target_length"])?;
    let steps_given = a.tensor(cx, 3, &["output_length"])?;
    let [batch, steps, classes] = scores(cx, output)?;
    let blank = blank(cx, a, 9, classes)?;
    let &[rows, longest] = &cx.dims(target)[..] else {
        return Err(cx.inconsistent("it takes targets [batch, symbols]"));
    };
    if rows != batch {
        return Err(cx.inconsistent(format!("there are {rows} targets of {batch} sequences")));
    }
    let (symbols, steps_given) = (lengths(cx, symbols, batch)?, lengths(cx, steps_given, batch)?);

    // A blank stands before, between and after the symbols: `[batch, states]`.
    let states = 2 * longest + 1;
    let target = cx.b().reshape(target, [batch, longest, 1])?;
    let pads = vec![(0, 0), (0, 0), (1, 0)];
    let pairs = cx.b().add(Pad { pads, value: blank }, &[target])?;
    let pairs = cx.b().reshape(pairs, [batch, 2 * longest])?;
    let pads = vec![(0, 0), (0, 1)];
    let path = cx.b().add(Pad { pads, value: blank }, &[pairs])?;

    let logs = log_softmax_over(cx, output, &[2])?;
    let wanted = cx.b().reshape(path, [batch, 1, states])?;
    let emitted = along(cx, logs, wanted, 2)?;
    let emitted = cx.b().transpose(emitted, [1, 0, 2])?;

    // A blank may be left out between different symbols.
    let second = earlier(&mut cx.b(), path, 2)?;
    let place = places(cx, states, 1, 2)?;
    let skips = tape(|t, [own, second, place]| {
        let (blank, one, two, zero) = (
            t.constant(blank),
            t.constant(1.0),
            t.constant(2.0),
            t.constant(0.0),
        );
        let symbol = t.compare(Compare::Ne, own, blank);
        let other = t.compare(Compare::Ne, own, second);
        let there = t.compare(Compare::Le, two, place);
        let both = t.logic(Logic::And, symbol, other);
        let all = t.logic(Logic::And, both, there);
        t.select(all, one, zero)
    });
    let skips = cx.b().map(skips, &[path, second, place])?;

    // Before the first step stands what makes it begin with the first blank or the first symbol.
    let start = numbers(cx, "start of paths", &[batch, states], |i| {
        if i % states == 0 { 0.0 } else { NEVER }
    })?;
    let of = Loop {
        steps,
        reverse: false,
        carries: &[start],
        whole: &[emitted, skips, steps_given],
    };
    let ends = looped(cx, &of, &|b, values, k| {
        let [paths, emitted, skips, length] = [values[0], values[1], values[2], values[3]];
        let now = at(b, emitted, 0, k)?;
        let now = b.reshape(now, [batch, states])?;
        let (one_before, two_before) = (earlier(b, paths, 1)?, earlier(b, paths, 2)?);
        let next = tape(|t, [own, first, second, skips, now, k, length]| {
            let (never, zero) = (t.constant(NEVER), t.constant(0.0));
            let may = t.compare(Compare::Ne, skips, zero);
            let second = t.select(may, second, never);
            let sum = either(t, own, first);
            let sum = either(t, sum, second);
            let next = t.binary(Binary::Add, sum, now);
            let next = t.binary(Binary::Max, next, never);
            let goes_on = t.compare(Compare::Lt, k, length);
            t.select(goes_on, next, own)
        });
        let next = b.map(next, &[paths, one_before, two_before, skips, now, k, length])?;
        Ok((vec![next], Vec::new()))
    })?[0];

    // It ends with the last symbol or the blank behind it.
    let ending = tape(|t, [path, place, symbols]| {
        let (never, two, one) = (t.constant(NEVER), t.constant(2.0), t.constant(1.0));
        let last = t.binary(Binary::Mul, two, symbols);
        let before = t.binary(Binary::Sub, last, one);
        let (at_last, at_symbol) = (
            t.compare(Compare::Eq, place, last),
            t.compare(Compare::Eq, place, before),
        );
        let ends = t.logic(Logic::Or, at_last, at_symbol);
        t.select(ends, path, never)
    });
    let ending = cx.b().map(ending, &[ends, place, symbols])?;
    let greatest = cx.b().reduce(ReduceKind::Max, [1], ending)?;
    let share = tape(|t, [value, greatest]| {
        let away = t.binary(Binary::Sub, value, greatest);
        t.unary(Unary::Exp, away)
    });
    let shares = cx.b().map(share, &[ending, greatest])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [1], shares)?;
    let result = tape(|t, [sum, greatest]| {
        let log = t.unary(Unary::Log, sum);
        let log = t.binary(Binary::Add, log, greatest);
        t.unary(Unary::Neg, log)
    });
    let result = cx.b().map(result, &[sum, greatest])?;
    one(cx.b().reshape(result, [batch])?)
}
