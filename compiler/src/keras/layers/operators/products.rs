//! Sums of products over axes: `einsum`, `tensordot`, `dot`, `inner`, `outer`, `kron`, `cross`, `vdot`.

use super::arguments::{Arguments, X, Y};
use super::common::{axis_back, axis_last};
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::contraction::{Labelled, label, product};
use crate::ops::{MatMul, ReduceKind};
use crate::pointwise::{Binary, Tape, TapeBuilder};

type Args<'a, 'b> = &'b Arguments<'a>;

/// `einsum` of any number of tensors, also with an ellipsis, labels that occur twice in one of them, and without an arrow.
pub fn einsum(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let text = a.literal(cx, 9, &["subscripts", "equation"])?;
    let text = a.required(cx, text, "subscripts")?;
    let refuse = || a.unsupported(cx, &["subscripts"], &text);
    let parts = text.as_str().ok_or_else(refuse)?.to_owned();
    let inputs = parts.split("->").next().unwrap_or_default().split(',').count();
    // Only about the order in which products are made.
    a.literal(cx, 9, &["optimize"])?;
    let mut operands = Vec::new();
    for index in 0..inputs {
        operands.push(a.tensor(cx, index, &["operand"])?);
    }
    let ranks: Vec<usize> = operands.iter().map(|&node| cx.dims(node).len()).collect();
    let Some((inputs, output)) = labels(&parts, &ranks) else {
        return Err(a.unsupported(cx, &["subscripts"], &text));
    };
    let mut sides = Vec::new();
    for (labels, node) in inputs.into_iter().zip(operands) {
        sides.push(on_diagonals(cx, Labelled::new(node, labels))?);
    }
    one(all_products(cx, sides, &output)?)
}

/// Multiplies tensors one after the other, keeping the labels that those to come or the result have.
fn all_products(cx: &mut Cx<'_>, sides: Vec<Labelled>, output: &[char]) -> Result<NodeId, Stop> {
    let mut rest = sides.into_iter();
    let mut done = rest.next().ok_or(Stop::Told)?;
    while let Some(next) = rest.next() {
        let later: Vec<char> = rest
            .as_slice()
            .iter()
            .flat_map(|side| side.labels.clone())
            .collect();
        let mut kept: Vec<char> = Vec::new();
        for &label in done.labels.iter().chain(&next.labels) {
            if (later.contains(&label) || output.contains(&label)) && !kept.contains(&label) {
                kept.push(label);
            }
        }
        let node = product(cx, done, next, &kept)?;
        done = Labelled::new(node, kept);
    }
    done.summed(cx, &[], output)?.ordered(cx, output)
}

/// Where a label occurs twice, the elements at which both axes have the same place.
fn on_diagonals(cx: &mut Cx<'_>, side: Labelled) -> Result<Labelled, Stop> {
    let Labelled { mut node, mut labels } = side;
    while let Some((first, second)) = twice(&labels) {
        node = super::matrices::diagonal_of(cx, node, [first, second], 0)?;
        let label = labels.remove(second);
        labels.remove(first);
        labels.push(label);
    }
    Ok(Labelled::new(node, labels))
}

fn twice(labels: &[char]) -> Option<(usize, usize)> {
    let later = |first: usize| (first + 1..labels.len()).find(|&second| labels[second] == labels[first]);
    (0..labels.len()).find_map(|first| Some((first, later(first)?)))
}

/// The labels of every operand, of these ranks, and of the result. What an ellipsis stands for gets labels of its own, aligned
/// at its end.
fn labels(text: &str, ranks: &[usize]) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let parts: Vec<&str> = inputs.split(',').collect();
    let named = |part: &str| part.replacen("...", "", 1).chars().count();
    let mut widest = 0;
    for (part, &rank) in parts.iter().zip(ranks) {
        let open = rank.checked_sub(named(part))?;
        if !part.contains("...") && open > 0 {
            return None;
        }
        widest = widest.max(open);
    }
    let one = |part: &str, open: usize| -> Option<Vec<char>> {
        let (before, after) = part.split_once("...").unwrap_or((part, ""));
        let sound = |text: &str| text.chars().all(|c| c.is_ascii_alphabetic());
        let filled: Vec<char> = if part.contains("...") {
            (widest - open..widest).map(label).collect()
        } else {
            Vec::new()
        };
        (sound(before) && sound(after)).then(|| before.chars().chain(filled).chain(after.chars()).collect())
    };
    let mut found = Vec::new();
    for (part, &rank) in parts.iter().zip(ranks) {
        found.push(one(part, rank - named(part))?);
    }
    let all: Vec<char> = found.iter().flatten().copied().collect();
    let output = match output {
        Some(output) => one(output, widest)?,
        // What occurs once, in the order of the alphabet, after the ellipsis.
        None => {
            let mut once: Vec<char> = all
                .iter()
                .copied()
                .filter(|c| c.is_ascii_alphabetic() && all.iter().filter(|other| *other == c).count() == 1)
                .collect();
            once.sort_unstable();
            (0..widest).map(label).chain(once).collect()
        }
    };
    let known = output.iter().all(|c| all.contains(c)) && twice(&output).is_none();
    known.then_some((found, output))
}

/// Names of the switches by which TensorFlow turns a matrix: transposed, or its adjoint, which is the same of real numbers.
const TURNS: [[&str; 2]; 2] = [["transpose_a", "adjoint_a"], ["transpose_b", "adjoint_b"]];

/// The product of matrices, which are the last two axes; other axes broadcast, and a vector is a row on the left and a
/// column on the right.
pub fn matmul(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let vectors = sides.map(|side| cx.dims(side).len() == 1);
    for (index, (side, names)) in sides.iter_mut().zip(TURNS).enumerate() {
        let mut dims = cx.dims(*side);
        let turned = a.flag(cx, 9, &names[..1], false)? ^ a.flag(cx, 9, &names[1..], false)?;
        if turned && dims.len() > 1 {
            let rank = dims.len();
            let mut perm: Vec<usize> = (0..rank).collect();
            perm.swap(rank - 1, rank - 2);
            *side = cx.b().transpose(*side, perm)?;
        }
        if vectors[index] {
            dims.insert(index, 1);
            *side = cx.b().reshape(*side, dims)?;
        }
    }
    let [mut first, mut second] = sides.map(|side| cx.dims(side));
    if first.len() < 2 || second.len() < 2 {
        return Err(cx.inconsistent("it takes tensors of rank 1 or more"));
    }
    let y = matrices_product(cx, sides, [&mut first, &mut second])?;
    let mut dims = cx.dims(y);
    let rank = dims.len();
    // What was added goes again.
    if vectors[1] {
        dims.remove(rank - 1);
    }
    if vectors[0] {
        dims.remove(rank - 2);
    }
    one(cx.b().reshape(y, dims)?)
}

/// The product with the axes of the batch broadcast.
fn matrices_product(
    cx: &mut Cx<'_>,
    sides: [NodeId; 2],
    [first, second]: [&mut Vec<usize>; 2],
) -> Result<NodeId, Stop> {
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let (m, n) = (first[first.len() - 2], second[second.len() - 1]);
    if second.len() == 2 && first.len() <= MAX_PRODUCT_RANK {
        return Ok(cx.b().add(op, &sides)?);
    }
    let batches = [&first[..first.len() - 2], &second[..second.len() - 2]].map(crate::tensor::Shape::new);
    let batch = batches[0].broadcast(&batches[1]);
    let batch = batch.ok_or_else(|| cx.inconsistent(format!("{first:?} and {second:?} do not broadcast")))?;
    let outer = batch.count();
    let target: Vec<i64> = batch
        .dims()
        .iter()
        .map(|&n| i64::try_from(n).unwrap_or(i64::MAX))
        .collect();
    let mut flat = Vec::new();
    for (side, shared) in sides.into_iter().zip([false, second.len() == 2]) {
        let dims = cx.dims(side);
        let ends = &dims[dims.len() - 2..];
        if shared {
            flat.push(side);
            continue;
        }
        let whole: Vec<i64> = target
            .iter()
            .copied()
            .chain(ends.iter().map(|&n| i64::try_from(n).unwrap_or(i64::MAX)))
            .collect();
        let side = super::selection::broadcast(cx, side, &whole)?;
        flat.push(cx.b().reshape(side, [&[outer], ends].concat())?);
    }
    let product = cx.b().add(op, &flat)?;
    Ok(cx.b().reshape(product, [batch.dims(), &[m, n]].concat())?)
}

/// Most axes of a matrix product in the graph.
const MAX_PRODUCT_RANK: usize = 4;

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
        return one(cx.b().map(Tape::binary(Binary::Mul), &sides)?);
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

/// `inner`: over the last axes of both.
pub fn inner(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let [first, second] = sides.map(|side| cx.dims(side).len());
    if first == 0 || second == 0 {
        return one(cx.b().map(Tape::binary(Binary::Mul), &sides)?);
    }
    let left: Vec<char> = (0..first).map(label).collect();
    let mut right: Vec<char> = (first..first + second).map(label).collect();
    right[second - 1] = label(first - 1);
    let output = [&left[..first - 1], &right[..second - 1]].concat();
    let [x, y] = sides;
    one(product(
        cx,
        Labelled::new(x, left),
        Labelled::new(y, right),
        &output,
    )?)
}

/// A tensor with all elements in one axis.
fn flat(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    let count: usize = cx.dims(x).iter().product();
    Ok(cx.b().reshape(x, [count])?)
}

/// `vdot`: Σ of the products of all elements.
pub fn vdot(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let (x, y) = (flat(cx, sides[0])?, flat(cx, sides[1])?);
    let products = cx.b().map(Tape::binary(Binary::Mul), &[x, y])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [0], products)?;
    one(cx.b().reshape(sum, [])?)
}

/// `outer`: the products of all elements with all others.
pub fn outer(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let rows: usize = cx.dims(sides[0]).iter().product();
    let x = cx.b().reshape(sides[0], [rows, 1])?;
    let y = flat(cx, sides[1])?;
    one(cx.b().map(Tape::binary(Binary::Mul), &[x, y])?)
}

/// `kron`: each element of the first times the whole second.
pub fn kron(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let dims = sides.map(|side| cx.dims(side));
    let rank = dims[0].len().max(dims[1].len());
    let widened = dims.map(|dims| [vec![1; rank - dims.len()], dims].concat());
    let apart = |dims: &[usize], first: bool| -> Vec<usize> {
        dims.iter()
            .flat_map(|&n| if first { [n, 1] } else { [1, n] })
            .collect()
    };
    let x = cx.b().reshape(sides[0], apart(&widened[0], true))?;
    let y = cx.b().reshape(sides[1], apart(&widened[1], false))?;
    let products = cx.b().map(Tape::binary(Binary::Mul), &[x, y])?;
    let joined: Vec<usize> = widened[0].iter().zip(&widened[1]).map(|(m, n)| m * n).collect();
    one(cx.b().reshape(products, joined)?)
}

/// `cross`: of vectors of 3 elements, or of 2, which have a third of 0; of two of the latter only the third of the product.
pub fn cross(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let all = a.integer(cx, 9, AXIS)?;
    let mut parts = Vec::new();
    for (side, name) in sides.into_iter().zip(["axisa", "axisb"]) {
        let axis = all.or(a.integer(cx, 9, &[name])?).unwrap_or(-1);
        let axis = cx.axis(axis, cx.dims(side).len())?;
        let side = axis_last(cx, side, axis)?;
        let last = cx.dims(side).len() - 1;
        let extent = cx.dims(side)[last];
        if !(2..=3).contains(&extent) {
            return Err(cx.inconsistent(format!("vectors have 2 or 3 elements, not {extent}")));
        }
        let mut elements = Vec::new();
        for index in 0..extent {
            elements.push(cx.b().slice(side, last, index, 1)?);
        }
        parts.push(elements);
    }
    let target = all.or(a.integer(cx, 9, &["axisc"])?).unwrap_or(-1);
    let (x, y) = (parts.remove(0), parts.remove(0));
    let flat = x.len() == 2 && y.len() == 2;
    let mut results = Vec::new();
    let wanted = if flat { 2..3 } else { 0..3 };
    for index in wanted {
        let (i, j) = ((index + 1) % 3, (index + 2) % 3);
        results.push(difference(cx, [(x.get(i), y.get(j)), (x.get(j), y.get(i))])?);
    }
    let rank = cx.dims(results[0]).len();
    let vector = cx.b().concat(rank - 1, &results)?;
    if flat {
        let dims = cx.dims(vector);
        return one(cx.b().reshape(vector, dims[..rank - 1].to_vec())?);
    }
    let target = cx.axis(target, rank)?;
    one(axis_back(cx, vector, target)?)
}

/// One product less another; where a factor is missing, it is 0.
fn difference(cx: &mut Cx<'_>, pairs: [(Option<&NodeId>, Option<&NodeId>); 2]) -> Result<NodeId, Stop> {
    let mut inputs = Vec::new();
    let mut factors = Vec::new();
    for pair in pairs {
        factors.push(match pair {
            (Some(&a), Some(&b)) => {
                inputs.extend([a, b]);
                Some(inputs.len() as u32 - 2)
            }
            _ => None,
        });
    }
    let mut t = TapeBuilder::new(inputs.len() as u32);
    let mut terms = Vec::new();
    for at in factors {
        terms.push(match at {
            Some(at) => {
                let (a, b) = (t.input(at), t.input(at + 1));
                t.binary(Binary::Mul, a, b)
            }
            None => t.constant(0.0),
        });
    }
    let result = t.binary(Binary::Sub, terms[0], terms[1]);
    Ok(cx.b().map(t.finish(result), &inputs)?)
}

/// `cdist`: the distance of each of the vectors `[…, m, n]` to each of those of `[…, k, n]`.
pub fn distances(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, &["y"])?];
    let mut dims = sides.map(|side| cx.dims(side));
    if dims.iter().any(|dims| dims.len() < 2) {
        return Err(cx.inconsistent("it takes tensors of rank 2 or more"));
    }
    let [first, second] = &mut dims;
    first.insert(first.len() - 1, 1);
    second.insert(second.len() - 2, 1);
    let x = cx.b().reshape(sides[0], first.clone())?;
    let y = cx.b().reshape(sides[1], second.clone())?;
    let square = Tape::binary(Binary::Sub).then(&crate::pointwise::library::square::tape());
    let squares = cx.b().map(square, &[x, y])?;
    let last = cx.dims(squares).len() - 1;
    let sum = cx.b().reduce(ReduceKind::Sum, [last], squares)?;
    let root = cx.apply(Tape::unary(crate::pointwise::Unary::Sqrt), sum)?;
    one(crate::keras::layers::pool::drop_axes(cx, root, &[last], false)?)
}

/// `tf.linalg.matvec`: a matrix times a vector, which is the last axis.
pub fn matvec(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    if a.flag(cx, 9, &TURNS[0][..1], false)? ^ a.flag(cx, 9, &TURNS[0][1..], false)? {
        let rank = cx.dims(sides[0]).len();
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank.saturating_sub(1), rank.saturating_sub(2));
        sides[0] = cx.b().transpose(sides[0], perm)?;
    }
    let mut dims = sides.map(|side| cx.dims(side));
    if dims[0].len() < 2 || dims[1].is_empty() {
        return Err(cx.inconsistent("it takes a matrix and a vector"));
    }
    dims[1].push(1);
    sides[1] = cx.b().reshape(sides[1], dims[1].clone())?;
    let [mut first, mut second] = dims;
    let y = matrices_product(cx, sides, [&mut first, &mut second])?;
    let last = cx.dims(y).len() - 1;
    one(crate::keras::layers::pool::drop_axes(cx, y, &[last], false)?)
}
