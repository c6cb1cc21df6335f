//! Attention of several heads: `keras.layers.MultiHeadAttention`, `GroupQueryAttention`.

mod call;
mod projections;

use super::activation::{masked_softmax, softmax_over};
use super::context::{Cx, Outcome, Stop};
use super::contraction::{Labelled, label, product};
use super::mask;
use crate::graph::NodeId;
use crate::keras::ranges::{AXIS, COUNT};
use crate::tensor::MAX_ELEMENTS;
use call::{Call, Common};
use projections::{Projections, Sizes};

/// What Keras 3 gives masked scores that go into `dot_product_attention` (`_get_large_negative` of its TensorFlow backend).
const LARGE_NEGATIVE: f32 = 3.389_53e38 * -0.7;

/// `MultiHeadAttention`: `[batch, …, features]` of queries, values and keys are projected to `[batch, …, heads, size]`; a
/// softmax over scores `[batch, heads, queries, values]` weighs the values, and their heads are projected together.
pub fn multi_head(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let heads = r.usize("num_heads", COUNT);
    let key_size = r.usize("key_dim", COUNT);
    let value_size = match r.fields.value("value_dim") {
        None | Some(serde_json::Value::Null) => key_size,
        Some(_) => r.usize("value_dim", COUNT),
    };
    let output = r.opt_ints("output_shape", 1..=MAX_ELEMENTS as i64);
    let axes = r.opt_ints("attention_axes", AXIS);
    let robust = !cx.is_keras3() && r.flag("softmax_robust_masking", false);
    let common = Common::read(cx, &r);
    r.finish(cx)?;
    let mut call = Call::read(cx, &common)?;
    // Keras 3 does not look at its argument `query_mask`.
    call.masks[0] = call.query.mask;
    let rank = cx.dims(call.query.node).len();
    // Keras 3 has two ways, which differ where everything is masked.
    let fused = cx.is_keras3() && !common.dropout && !call.scores && rank == 3;
    let axes = attention_axes(cx, axes, rank + 1)?;
    // One of them does not look at the axes.
    let axes = if fused { vec![1] } else { axes };
    let out: Vec<usize> = match output {
        Some(extents) if !extents.is_empty() => {
            extents.iter().filter_map(|&d| usize::try_from(d).ok()).collect()
        }
        _ => cx.dims(call.query.node).last().copied().into_iter().collect(),
    };
    let sizes = Sizes {
        queries: [heads, key_size],
        keys: [heads, key_size],
        values: [heads, value_size],
        out,
    };
    let projections = Projections::new(cx, &call, &common, sizes)?;
    let [q, k, v] = projections.values;
    let mask = call.mask(cx, common.window, cx.is_keras3())?;
    let [target, source, labels] = labels(rank + 1, &axes);
    let scores = product(
        cx,
        Labelled::new(q, target.clone()),
        Labelled::new(k, source.clone()),
        &labels,
    )?;
    let mask = match mask {
        Some(mask) => Some(of_scores(cx, mask, scores, axes.len())?),
        None => None,
    };
    let over: Vec<usize> = (labels.len() - axes.len()..labels.len()).collect();
    let weights = if fused {
        fused_softmax(cx, scores, mask)?
    } else {
        masked_softmax(cx, scores, mask, &over, robust)?
    };
    let context = product(
        cx,
        Labelled::new(weights, labels),
        Labelled::new(v, source),
        &target,
    )?;
    if cx.is_keras3() {
        // Keras takes the masks off the tensors themselves: whatever is called later does not see them.
        let given = [call.query, call.value, call.key];
        cx.state.unmasked.extend(given.map(|value| value.node));
    }
    projections.finish(cx, &call, context, weights)
}

/// `_build_attention_equation`: labels of projected queries, of projected keys and values, and of scores `[batch…, heads,
/// queries…, values…]`, for projections of that rank.
fn labels(rank: usize, axes: &[usize]) -> [Vec<char>; 3] {
    let target: Vec<char> = (0..rank).map(label).collect();
    let mut source = target.clone();
    for (index, &axis) in axes.iter().enumerate() {
        source[axis] = label(rank + index);
    }
    let batch = (0..rank - 1).filter(|axis| !axes.contains(axis));
    let batch = batch.map(|axis| target[axis]);
    let queries = axes.iter().map(|&axis| target[axis]);
    let values = axes.iter().map(|&axis| source[axis]);
    let scores = batch.chain(queries).chain(values).collect();
    [target, source, scores]
}

/// Axes of projected tensors. Keras 2 counts negative ones from the last axis, Keras 3 from that of heads.
fn attention_axes(cx: &Cx<'_>, axes: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, Stop> {
    let Some(axes) = axes else {
        return Ok((1..rank.saturating_sub(2)).collect());
    };
    let counted = rank - usize::from(cx.is_keras3());
    let mut found: Vec<usize> = Vec::new();
    for axis in axes {
        let place = if axis < 0 {
            cx.axis(axis, counted)?
        } else {
            cx.axis(axis, rank)?
        };
        if found.contains(&place) || place + 1 == rank {
            return Err(cx.inconsistent(format!("it cannot attend over axis {axis}")));
        }
        found.push(place);
    }
    if found.is_empty() {
        return Err(cx.inconsistent("it attends over no axis"));
    }
    Ok(found)
}

/// `GroupQueryAttention`: several heads of queries share one of keys and values, which Keras repeats.
pub fn grouped(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let size = r.usize("head_dim", COUNT);
    let heads = r.usize("num_query_heads", COUNT);
    let groups = r.usize("num_key_value_heads", COUNT);
    let common = Common::read(cx, &r);
    r.finish(cx)?;
    let call = Call::read(cx, &common)?;
    let (query, value) = (cx.dims(call.query.node), cx.dims(call.value.node));
    if !heads.is_multiple_of(groups) {
        return Err(cx.inconsistent(format!(
            "{heads} heads of queries cannot share {groups} heads of keys"
        )));
    }
    let (&[batch, from, features], &[_, to, others]) = (&query[..], &value[..]) else {
        return Err(cx.inconsistent("it takes tensors of rank 3"));
    };
    if features != others {
        let message = format!("queries have {features} features, but values have {others}");
        return Err(cx.inconsistent(message));
    }
    let sizes = Sizes {
        queries: [heads, size],
        keys: [groups, size],
        values: [groups, size],
        out: vec![features],
    };
    let projections = Projections::new(cx, &call, &common, sizes)?;
    let [q, k, v] = projections.values;
    let fused = !common.dropout && !call.scores;
    let mask = call.mask(cx, common.window, fused)?;
    // Heads of queries that share a group stand beside each other.
    let shared = heads / groups;
    let q = cx.b().reshape(q, [batch, from, groups, shared, size])?;
    let q = cx.b().transpose(q, [0, 2, 3, 1, 4])?;
    let [b, g, r, f, t, c] = [0, 1, 2, 3, 4, 5].map(label);
    let keys = [b, t, g, c];
    let scores = product(
        cx,
        Labelled::new(q, [b, g, r, f, c]),
        Labelled::new(k, keys),
        &[b, g, r, f, t],
    )?;
    let scores = cx.b().reshape(scores, [batch, heads, from, to])?;
    let mask = match mask {
        Some(mask) => Some(of_scores(cx, mask, scores, 1)?),
        None => None,
    };
    let weights = if fused {
        fused_softmax(cx, scores, mask)?
    } else {
        masked_softmax(cx, scores, mask, &[3], false)?
    };
    let grouped = cx.b().reshape(weights, [batch, groups, shared, from, to])?;
    let grouped = Labelled::new(grouped, [b, g, r, f, t]);
    let context = product(cx, grouped, Labelled::new(v, keys), &[b, f, g, r, c])?;
    let context = cx.b().reshape(context, [batch, from, heads, size])?;
    projections.finish(cx, &call, context, weights)
}

/// `_masked_softmax`: a mask of fewer axes than the scores have gets some before those that are attended, whatever they are
/// of.
fn of_scores(cx: &mut Cx<'_>, mut mask: NodeId, scores: NodeId, attended: usize) -> Result<NodeId, Stop> {
    let rank = cx.dims(scores).len();
    while cx.dims(mask).len() < rank {
        let axis = cx.dims(mask).len().checked_sub(2 * attended);
        let axis = axis.ok_or_else(|| cx.inconsistent("its mask has too few axes for its scores"))?;
        mask = mask::with_axis(cx, mask, axis)?;
    }
    mask::check_broadcast(cx, mask, scores)?;
    Ok(mask)
}

/// The softmax inside `dot_product_attention`: where everything is masked, all values weigh the same.
fn fused_softmax(cx: &mut Cx<'_>, scores: NodeId, mask: Option<NodeId>) -> Result<NodeId, Stop> {
    let last = cx.dims(scores).len() - 1;
    let scores = match mask {
        Some(mask) => cx.b().map(mask::kept_or(LARGE_NEGATIVE), &[scores, mask])?,
        None => scores,
    };
    softmax_over(cx, scores, &[last])
}
