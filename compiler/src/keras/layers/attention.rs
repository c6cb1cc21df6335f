//! Attention without projections: `keras.layers.Attention`, `AdditiveAttention`.

use super::activation::softmax_over;
use super::context::{Arg, Cx, KerasTensor, Outcome, Stop};
use super::contraction::{Labelled, label, product};
use super::mask;
use super::pool::drop_axes;
use crate::graph::NodeId;
use crate::keras::ranges::SHARE;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary};

/// How well a key suits a query.
#[derive(Clone, Copy, PartialEq)]
enum Score {
    /// Their product, times a factor.
    Dot,
    /// tanh of their sum, times a factor before it, and another after the sum over features.
    Concat,
    /// tanh of their sum, times a factor for each feature.
    Additive,
}

const SCORES: &[(&str, Score)] = &[("dot", Score::Dot), ("concat", Score::Concat)];

/// `Attention`: a softmax over scores `[batch, queries, values]` weighs the values.
pub fn attention(cx: &mut Cx<'_>) -> Outcome {
    attend(cx, None, false)
}

/// `AdditiveAttention`.
pub fn additive(cx: &mut Cx<'_>) -> Outcome {
    attend(cx, Some(Score::Additive), true)
}

fn attend(cx: &mut Cx<'_>, score: Option<Score>, scaled: bool) -> Outcome {
    let r = cx.read();
    let score = score.unwrap_or_else(|| r.choice("score_mode", SCORES, Score::Dot));
    let scaled = r.flag("use_scale", scaled);
    let dropout = r.number("dropout", 0.0, SHARE);
    // Of the first versions that had the layer; now it is an argument of the call.
    let causal = !cx.is_keras3() && r.flag("causal", false);
    r.finish(cx)?;
    if dropout > 0.0 {
        cx.check_training()?;
    }
    let causal = cx.switch("use_causal_mask")? || causal;
    let both = cx.switch("return_attention_scores")?;
    let Given { values, masks } = given(cx)?;
    let [q, v, k] = values;
    // What a factor for each feature is as long as, where the others broadcast.
    let featured = if cx.is_keras3() { q } else { v };
    let features = cx.dims(featured).last().copied().unwrap_or(1);
    let scores = scores(cx, [q, k], score, scaled.then_some(features))?;
    let scores = masked(cx, scores, masks[1], causal)?;
    let rank = cx.dims(scores).len();
    let weights = softmax_over(cx, scores, &[rank - 1])?;
    let node = weighed(cx, weights, v)?;
    let node = match masks[0] {
        None => node,
        Some(mask) => {
            let rank = cx.dims(mask).len();
            let mask = mask::with_axis(cx, mask, rank)?;
            mask::check_broadcast(cx, mask, node)?;
            cx.b().map(Tape::binary(Binary::Mul), &[node, mask])?
        }
    };
    let mut results = vec![KerasTensor { node, mask: masks[0] }];
    if both {
        results.push(KerasTensor::new(weights));
    }
    Ok(results)
}

/// What the layer is called with.
struct Given {
    /// Queries, values and keys, which are the values where they are not given.
    values: [NodeId; 3],
    /// Of the queries and of the values.
    masks: [Option<NodeId>; 2],
}

/// Masks come in a list, of which items may be `None`; without the list, those of the tensors count.
fn given(cx: &mut Cx<'_>) -> Result<Given, Stop> {
    cx.expect_arguments(2)?;
    let inputs = cx.argument(0, "inputs").map(|arg| arg.values());
    let inputs = inputs.unwrap_or_default();
    let (&[q, v], rest) = inputs
        .split_first_chunk::<2>()
        .ok_or_else(|| wrong_count(cx, inputs.len()))?;
    let k = match rest {
        [] => v,
        [k] => *k,
        _ => return Err(wrong_count(cx, inputs.len())),
    };
    let mut masks = [q.mask, v.mask];
    match cx.argument(1, "mask") {
        None => {}
        Some(Arg::List(items)) => {
            for (mask, item) in masks.iter_mut().zip(&items) {
                *mask = match item {
                    Arg::KerasTensor(value) => Some(cx.float(value.node)?),
                    _ => None,
                };
            }
        }
        Some(_) => return Err(cx.inconsistent("its masks are not a list")),
    }
    let values = [cx.float(q.node)?, cx.float(v.node)?, cx.float(k.node)?];
    let ranks = values.map(|node| cx.dims(node).len());
    if ranks[0] < 3 || ranks.iter().any(|&rank| rank != ranks[0]) {
        return Err(cx.inconsistent("it takes tensors of rank 3 or more, all of one rank"));
    }
    Ok(Given { values, masks })
}

fn wrong_count(cx: &Cx<'_>, found: usize) -> Stop {
    cx.inconsistent(format!(
        "it takes a list of two or three tensors, but is called with {found}"
    ))
}

/// `_calculate_scores`: `[…, queries, keys]`.
fn scores(cx: &mut Cx<'_>, [q, k]: [NodeId; 2], score: Score, scale: Option<usize>) -> Result<NodeId, Stop> {
    let factor = scale.map(|features| match score {
        Score::Additive => vec![features],
        _ => Vec::new(),
    });
    let weights = cx.weights([
        factor.map(|shape| ("scale", shape)),
        (score == Score::Concat).then(|| ("concat_score_weight", Vec::new())),
    ]);
    let times = |cx: &mut Cx<'_>, x: NodeId, name: &str| -> Result<NodeId, Stop> {
        if !weights.has(name) {
            return Ok(x);
        }
        let factor = weights.node(cx, name)?;
        Ok(cx.b().map(Tape::binary(Binary::Mul), &[x, factor])?)
    };
    if score == Score::Dot {
        let rank = cx.dims(q).len();
        let (queries, keys, output) = labels(rank);
        let x = product(cx, Labelled::new(q, queries), Labelled::new(k, keys), &output)?;
        return times(cx, x, "scale");
    }
    let (mut queries, mut keys) = (cx.dims(q), cx.dims(k));
    queries.insert(queries.len() - 1, 1);
    keys.insert(keys.len() - 2, 1);
    let (q, k) = (cx.b().reshape(q, queries)?, cx.b().reshape(k, keys)?);
    let mut x = cx.b().map(Tape::binary(Binary::Add), &[q, k])?;
    if score == Score::Concat {
        x = times(cx, x, "scale")?;
    }
    x = cx.apply(Tape::unary(Unary::Tanh), x)?;
    if score == Score::Additive {
        x = times(cx, x, "scale")?;
    }
    let last = cx.dims(x).len() - 1;
    let sum = cx.b().reduce(ReduceKind::Sum, [last], x)?;
    let sum = drop_axes(cx, sum, &[last], false)?;
    times(cx, sum, "concat_score_weight")
}

/// Labels of queries `[…, queries, features]`, keys `[…, keys, features]` and scores `[…, queries, keys]`.
fn labels(rank: usize) -> (Vec<char>, Vec<char>, Vec<char>) {
    let batch: Vec<char> = (0..rank - 2).map(label).collect();
    let [query, key, feature] = [rank - 2, rank - 1, rank].map(label);
    let with = |ends: [char; 2]| [&batch[..], &ends].concat();
    (with([query, feature]), with([key, feature]), with([query, key]))
}

/// `_apply_scores` and what makes its mask: what is masked is lowered by 10⁹, so that rows in which everything is masked
/// are what rounding leaves of them.
fn masked(cx: &mut Cx<'_>, scores: NodeId, of_values: Option<NodeId>, causal: bool) -> Result<NodeId, Stop> {
    let dims = cx.dims(scores);
    let &[.., from, to] = &dims[..] else {
        return Ok(scores);
    };
    let of_values = match of_values {
        Some(mask) => {
            let rank = cx.dims(mask).len();
            // Keras 3 takes a mask of higher rank for one of scores, unless it is causal.
            let of_steps = rank == 2 || causal || !cx.is_keras3();
            Some(if of_steps {
                mask::with_axis(cx, mask, rank.saturating_sub(1))?
            } else {
                mask
            })
        }
        None => None,
    };
    let of_places = mask::places(cx, [from, to], causal, None)?;
    let Some(mask) = mask::all_of(cx, of_values.into_iter().chain(of_places))? else {
        return Ok(scores);
    };
    mask::check_broadcast(cx, mask, scores)?;
    Ok(cx.b().map(lowered(), &[scores, mask])?)
}

/// Of x and a mask: x, less 10⁹ where the mask does not hold.
fn lowered() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (x, mask) = (t.input(0), t.input(1));
    let (half, low) = (t.constant(0.5), t.constant(1e9));
    let holds = t.compare(Compare::Lt, half, mask);
    let lower = t.binary(Binary::Sub, x, low);
    let result = t.select(holds, x, lower);
    t.finish(result)
}

/// Σ of the values by their weights `[…, queries, values]`.
fn weighed(cx: &mut Cx<'_>, weights: NodeId, v: NodeId) -> Result<NodeId, Stop> {
    let rank = cx.dims(v).len();
    let (output, values, scores) = labels(rank);
    product(
        cx,
        Labelled::new(weights, scores),
        Labelled::new(v, values),
        &output,
    )
}
