//! Masks: which time steps count. Inside the graph they are f32 of shape `[batch, time]`, 1 or 0.

use super::context::{Cx, KerasTensor, Outcome, Stop};
use crate::graph::NodeId;
use crate::keras::ranges::ANY;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder};
use crate::tensor::{Shape, Tensor};

/// 1 where x differs from `value`, else 0.
pub fn differs_from(value: f32) -> Tape {
    let mut b = TapeBuilder::new(1);
    let (x, value) = (b.input(0), b.constant(value));
    let mask = b.compare(Compare::Ne, x, value);
    let (one, zero) = (b.constant(1.0), b.constant(0.0));
    let number = b.select(mask, one, zero);
    b.finish(number)
}

/// The second input where the first is not 0, else the third.
pub fn select() -> Tape {
    let mut b = TapeBuilder::new(3);
    let (mask, yes, no) = (b.input(0), b.input(1), b.input(2));
    let zero = b.constant(0.0);
    let holds = b.compare(Compare::Ne, mask, zero);
    let result = b.select(holds, yes, no);
    b.finish(result)
}

/// Of x and a mask: x where the mask holds, which is beyond one half, else a value.
pub fn kept_or(value: f32) -> Tape {
    let mut t = TapeBuilder::new(2);
    let (x, mask) = (t.input(0), t.input(1));
    let (half, value) = (t.constant(0.5), t.constant(value));
    let holds = t.compare(Compare::Lt, half, mask);
    let result = t.select(holds, x, value);
    t.finish(result)
}

/// Requires that a mask broadcasts to a tensor.
pub fn check_broadcast(cx: &Cx<'_>, mask: NodeId, x: NodeId) -> Result<(), Stop> {
    let (shape, of) = (Shape::new(cx.dims(x)), Shape::new(cx.dims(mask)));
    if shape.broadcast(&of).as_ref() == Some(&shape) {
        return Ok(());
    }
    Err(cx.inconsistent(format!("a mask of shape {of} does not broadcast to {shape}")))
}

/// 1 where all masks hold, broadcast to each other; `None` where there is none.
pub fn all_of(cx: &mut Cx<'_>, masks: impl IntoIterator<Item = NodeId>) -> Result<Option<NodeId>, Stop> {
    let masks: Vec<_> = masks.into_iter().collect();
    combined(cx, Binary::Min, &masks)
}

/// A mask with an axis of extent 1 more.
pub fn with_axis(cx: &mut Cx<'_>, mask: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(mask);
    if axis > dims.len() {
        let shape = Shape::new(dims);
        return Err(cx.inconsistent(format!("a mask of shape {shape} takes no axis {axis}")));
    }
    dims.insert(axis, 1);
    Ok(cx.b().reshape(mask, dims)?)
}

/// Which places of a sequence see which of another one, as `[1, places, seen]`: with `causal` those that are not behind
/// them, with a `window` those less than so many places away.
pub fn places(
    cx: &mut Cx<'_>,
    [from, to]: [usize; 2],
    causal: bool,
    window: Option<usize>,
) -> Result<Option<NodeId>, Stop> {
    if !causal && window.is_none() {
        return Ok(None);
    }
    let shape = Shape::checked([1, from, to])?;
    let sees = |row: usize, column: usize| {
        (!causal || row >= column) && window.is_none_or(|window| row.abs_diff(column) < window)
    };
    // A layer may be called on sequences of several lengths.
    let role = format!("places {from} {to} {causal} {window:?}");
    let node = cx.constant(&role, shape.count(), || {
        let element = |i: usize| f32::from(u8::from(sees(i / to, i % to)));
        Tensor::f32(shape.clone(), (0..shape.count()).map(element).collect::<Vec<_>>())
    })?;
    Ok(Some(node))
}

/// `keras.layers.Masking`: steps whose features all equal a value are masked and become 0.
pub fn masking(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let value = r.number("mask_value", 0.0, ANY);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let dims = cx.dims(x);
    let [batch @ .., _] = &dims[..] else {
        return Err(cx.inconsistent("it takes a tensor of rank 2 or more"));
    };
    let last = batch.len();
    let differs = cx.apply(differs_from(value as f32), x)?;
    let any = cx.b().reduce(ReduceKind::Max, [last], differs)?;
    let node = cx.b().map(Tape::binary(Binary::Mul), &[x, any])?;
    let mask = Some(cx.b().reshape(any, batch.to_vec())?);
    Ok(vec![KerasTensor { node, mask }])
}

/// The mask of an elementwise merge. Keras 2 keeps a step that no input masks, and an input without a mask masks
/// nothing. Keras 3 keeps a step that any input keeps, and all inputs must have masks.
pub fn merged(cx: &mut Cx<'_>, values: &[KerasTensor]) -> Result<Option<NodeId>, Stop> {
    let masks: Vec<_> = values.iter().filter_map(|value| value.mask).collect();
    let op = if cx.is_keras3() { Binary::Max } else { Binary::Min };
    if masks.is_empty() || (cx.is_keras3() && masks.len() < values.len()) {
        return Ok(None);
    }
    combined(cx, op, &masks)
}

fn combined(cx: &mut Cx<'_>, op: Binary, masks: &[NodeId]) -> Result<Option<NodeId>, Stop> {
    let Some((&first, rest)) = masks.split_first() else {
        return Ok(None);
    };
    let mut result = first;
    for &mask in rest {
        if mask != result {
            result = cx.b().map(Tape::binary(op), &[result, mask])?;
        }
    }
    Ok(Some(result))
}

/// The mask of a concatenation: the masks are concatenated likewise, 1 for an input without; of the features of a
/// step, Keras 2 needs all and Keras 3 any to be unmasked.
pub fn concatenated(cx: &mut Cx<'_>, values: &[KerasTensor], axis: usize) -> Result<Option<NodeId>, Stop> {
    if values.iter().all(|value| value.mask.is_none()) {
        return Ok(None);
    }
    let last = cx.dims(values[0].node).len().saturating_sub(1);
    if axis != last {
        return concatenated_steps(cx, values, axis);
    }
    // Along the features every mask holds for a whole input.
    if cx.is_keras3() {
        if values.iter().any(|value| value.mask.is_none()) {
            return Ok(None);
        }
        let masks: Vec<_> = values.iter().filter_map(|value| value.mask).collect();
        return combined(cx, Binary::Max, &masks);
    }
    let masks: Vec<_> = values.iter().filter_map(|value| value.mask).collect();
    combined(cx, Binary::Min, &masks)
}

fn concatenated_steps(cx: &mut Cx<'_>, values: &[KerasTensor], axis: usize) -> Result<Option<NodeId>, Stop> {
    let rank = values
        .iter()
        .filter_map(|value| value.mask)
        .map(|mask| cx.dims(mask).len())
        .max()
        .unwrap_or(0);
    if axis >= rank {
        return Err(cx.inconsistent(format!(
            "masks of rank {rank} cannot be concatenated along axis {axis}"
        )));
    }
    let mut parts = Vec::new();
    for value in values {
        parts.push(match value.mask {
            Some(mask) => mask,
            None => {
                let dims = cx.dims(value.node);
                let shape = Shape::checked(dims.get(..rank).unwrap_or(&dims))?;
                cx.make_room(shape.count())?;
                cx.b().constant(Tensor::splat(shape, 1.0))?
            }
        });
    }
    Ok(Some(cx.b().concat(axis, &parts)?))
}
