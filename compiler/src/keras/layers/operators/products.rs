//! Sums of products over axes: `einsum`, `tensordot`, `dot`.

use super::arguments::{Arguments, X, Y};
use crate::keras::layers::context::{Cx, Outcome, one};
use crate::keras::layers::contraction::{Labelled, label, product};

type Args<'a, 'b> = &'b Arguments<'a>;

/// `einsum` of one or two tensors without an ellipsis or a label twice in one of them.
pub fn einsum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let text = a.literal(cx, 9, &["subscripts", "equation"])?;
    let text = a.required(cx, text, "subscripts")?;
    let refuse = || a.unsupported(cx, &["subscripts"], &text);
    let parts = text.as_str().and_then(labels).ok_or_else(refuse)?;
    let mut operands = Vec::new();
    for index in 0..parts.0.len() {
        operands.push(a.tensor(cx, index, &["operand"])?);
    }
    let (inputs, output) = parts;
    if inputs
        .iter()
        .zip(&operands)
        .any(|(labels, &node)| labels.len() != cx.dims(node).len())
    {
        return Err(cx.inconsistent(format!("{text} does not fit the ranks of its tensors")));
    }
    let mut sides = inputs
        .into_iter()
        .zip(operands)
        .map(|(labels, node)| Labelled { node, labels });
    match (sides.next(), sides.next(), sides.next()) {
        (Some(only), None, None) => one(only.summed(cx, &[], &output)?.ordered(cx, &output)?),
        (Some(a), Some(b), None) => one(product(cx, a, b, &output)?),
        _ => Err(cx.inconsistent("it takes one or two tensors")),
    }
}

/// The labels of every operand and of the result.
fn labels(text: &str) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = text.split_once("->")?;
    let one = |part: &str| {
        let labels: Vec<char> = part.chars().collect();
        let sound = labels
            .iter()
            .enumerate()
            .all(|(i, c)| c.is_ascii_alphabetic() && !labels.iter().take(i).any(|other| other == c));
        sound.then_some(labels)
    };
    let inputs: Vec<_> = inputs.split(',').map(one).collect::<Option<_>>()?;
    let output = one(output)?;
    let known = output
        .iter()
        .all(|c| inputs.iter().any(|labels| labels.contains(c)));
    known.then_some((inputs, output))
}

/// `tensordot`: sums over axes of both.
pub fn tensor_dot(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let ranks = sides.map(|side| cx.dims(side).len());
    let axes = a.literal(cx, 2, &["axes"])?;
    let axes = match axes.as_ref().map(serde_json::Value::as_array) {
        Some(Some(pair)) => match &pair[..] {
            [first, second] => [first, second].map(super::arguments::integers),
            _ => [None, None],
        },
        _ => {
            let count = a.integer(cx, 2, &["axes"])?.unwrap_or(2);
            let all = i64::try_from(ranks[0]).unwrap_or(i64::MAX);
            if !(0..=all).contains(&count) {
                return Err(cx.inconsistent(format!(
                    "it cannot sum over {count} axes of a tensor of rank {all}"
                )));
            }
            [Some((all - count..all).collect()), Some((0..count).collect())]
        }
    };
    let [Some(first), Some(second)] = axes else {
        return Err(cx.inconsistent("axes are not those of two tensors"));
    };
    if first.len() != second.len() {
        return Err(cx.inconsistent("it sums over equally many axes of both tensors"));
    }
    let mut labels: [Vec<char>; 2] = [
        (0..ranks[0]).map(label).collect(),
        (ranks[0]..ranks[0] + ranks[1]).map(label).collect(),
    ];
    let mut inner = Vec::new();
    for (&i, &j) in first.iter().zip(&second) {
        let (i, j) = (cx.axis(i, ranks[0])?, cx.axis(j, ranks[1])?);
        inner.push(labels[0][i]);
        labels[1][j] = labels[0][i];
    }
    let all = labels.iter().flatten().copied();
    let output: Vec<char> = all.filter(|label| !inner.contains(label)).collect();
    let [left, right] = labels;
    let [a, b] = sides;
    let (a, b) = (Labelled::new(a, left), Labelled::new(b, right));
    one(product(cx, a, b, &output)?)
}

/// `dot` of Keras 3: over the last axis of the first tensor and the last but one of the second.
pub fn dot(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let [first, second] = sides.map(|side| cx.dims(side).len());
    let (Some(last), true) = (first.checked_sub(1), second > 0) else {
        return Err(cx.inconsistent("it takes tensors of rank 1 or more"));
    };
    let inner = second.saturating_sub(2);
    let left: Vec<char> = (0..first).map(label).collect();
    let mut right: Vec<char> = (first..first + second).map(label).collect();
    right[inner] = label(last);
    let output: Vec<char> = left
        .iter()
        .chain(&right)
        .copied()
        .filter(|&l| l != label(last))
        .collect();
    let [x, y] = sides;
    let (x, y) = (Labelled::new(x, left), Labelled::new(y, right));
    one(product(cx, x, y, &output)?)
}

/// Sums up to each place of an axis.
pub fn cumulative_sum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let axis = a.integer(cx, 1, super::functions::AXIS)?;
    if axis.is_none() && cx.is_keras3() {
        return Err(a.unsupported(cx, super::functions::AXIS, &serde_json::Value::Null));
    }
    let axis = cx.axis(axis.unwrap_or(0), dims.len())?;
    let exclusive = a.flag(cx, 9, &["exclusive"], false)?;
    let reverse = a.flag(cx, 9, &["reverse"], false)?;
    let extent = dims[axis];
    let shape = crate::tensor::Shape::checked([extent, extent])?;
    let role = format!("sums of {extent}, {exclusive}, {reverse}");
    let counts = |from: usize, to: usize| match (reverse, exclusive) {
        (false, false) => from <= to,
        (false, true) => from < to,
        (true, false) => from >= to,
        (true, true) => from > to,
    };
    let matrix = cx.constant(&role, shape.count(), || {
        let element = |i: usize| f32::from(u8::from(counts(i / extent, i % extent)));
        crate::tensor::Tensor::f32(shape, (0..extent * extent).map(element).collect::<Vec<_>>())
    })?;
    let left: Vec<char> = (0..dims.len()).map(label).collect();
    let sums = label(dims.len());
    let mut output = left.clone();
    output[axis] = sums;
    let right = vec![label(axis), sums];
    let (x, matrix) = (Labelled::new(x, left), Labelled::new(matrix, right));
    one(product(cx, x, matrix, &output)?)
}
