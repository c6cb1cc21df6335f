//! `dot_product_attention` and `sparsemax`.

use super::arguments::{Arguments, X};
use super::common::{axis_back, axis_last, numbers};
use super::functions::{AXIS, choice};
use super::ordering::Ranked;
use crate::keras::layers::activation::softmax_over;
use crate::keras::layers::context::{Cx, Outcome, one};
use crate::keras::layers::contraction::{Labelled, product};
use crate::keras::layers::shape::repeat;
use crate::ops::{MatMul, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder};

type Args<'a, 'b> = &'b Arguments<'a>;

/// What Keras writes over masked scores.
const MASKED: f32 = (-0.7 * 3.389_53e38) as f32;

/// `dot_product_attention`: queries `[batch, queries, heads, features]`, keys and values `[batch, keys, heads, features]`, a
/// bias and a mask that broadcast against scores `[batch, heads, queries, keys]`.
pub fn dot_product(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let query = a.tensor(cx, 0, &["query"])?;
    let mut key = a.tensor(cx, 1, &["key"])?;
    let mut value = a.tensor(cx, 2, &["value"])?;
    let bias = a.optional(cx, 3, &["bias"])?;
    let mask = a.optional(cx, 4, &["mask"])?;
    let scale = a.number(cx, 5, &["scale"])?;
    let causal = a.flag(cx, 6, &["is_causal"], false)?;
    for name in ["flash_attention", "attn_logits_soft_cap"] {
        match a.literal(cx, 9, &[name])? {
            None | Some(serde_json::Value::Bool(false)) => {}
            Some(given) => return Err(a.unsupported(cx, &[name], &given)),
        }
    }
    cx.expect_rank(query, 4)?;
    cx.expect_rank(key, 4)?;
    cx.expect_rank(value, 4)?;
    let (heads, features) = (cx.dims(query)[2], cx.dims(query)[3]);
    let shared = cx.dims(key)[2];
    if heads > shared && heads.is_multiple_of(shared) {
        // Several heads of queries share those of keys and values.
        key = repeat(cx, key, 2, heads / shared)?;
        value = repeat(cx, value, 2, heads / shared)?;
    }
    let scale = scale.unwrap_or_else(|| 1.0 / (features as f64).sqrt());
    let labelled = |node, text: &str| Labelled::new(node, text.chars().collect::<Vec<_>>());
    let output: Vec<char> = "bnts".chars().collect();
    let scores = product(cx, labelled(query, "btnh"), labelled(key, "bsnh"), &output)?;
    let mut scores = cx.apply(Tape::binary_const(Binary::Mul, scale as f32), scores)?;
    if let Some(bias) = bias {
        scores = cx.b().map(Tape::binary(Binary::Add), &[scores, bias])?;
    }
    let &[.., queries, keys] = &cx.dims(scores)[..] else {
        return Err(cx.inconsistent("scores have four axes"));
    };
    let past = match causal {
        false => None,
        true => Some(numbers(cx, "past", &[queries, keys], |i| {
            f32::from(u8::from(i % keys <= i / keys))
        })?),
    };
    for mask in mask.into_iter().chain(past) {
        let least = numbers(cx, "masked", &[1], |_| MASKED)?;
        scores = cx.b().map(choice(), &[mask, scores, least])?;
    }
    let weights = softmax_over(cx, scores, &[3])?;
    let output: Vec<char> = "btnh".chars().collect();
    one(product(
        cx,
        labelled(weights, "bnts"),
        labelled(value, "bsnh"),
        &output,
    )?)
}

/// `sparsemax` as Keras computes it: the threshold is made of the sum of all partial sums of elements in its support.
pub fn sparsemax(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = a.integer(cx, 1, AXIS)?.unwrap_or(-1);
    let axis = cx.axis(axis, cx.dims(x).len())?;
    let x = axis_last(cx, x, axis)?;
    let dims = cx.dims(x);
    let n = dims.last().copied().unwrap_or(1);
    let rows = dims.iter().product::<usize>() / n;
    let ranked = Ranked::of(cx, x, true)?;
    let wanted = Ranked::first(cx, n)?;
    let sorted = ranked.values(cx, wanted)?;
    let matrix = numbers(cx, "partial sums", &[n, n], |i| {
        f32::from(u8::from(i / n <= i % n))
    })?;
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    let sums = cx.b().add(op, &[sorted, matrix])?;
    let counts = numbers(cx, "counts", &[1, n], |i| i as f32 + 1.0)?;
    let mut t = TapeBuilder::new(3);
    let [value, sum, count] = [0, 1, 2].map(|i| t.input(i));
    let (one_whole, zero) = (t.constant(1.0), t.constant(0.0));
    let over = t.binary(Binary::Sub, sum, one_whole);
    let level = t.binary(Binary::Div, over, count);
    let above = t.binary(Binary::Sub, value, level);
    let inside = t.compare(Compare::Lt, zero, above);
    let result = t.select(inside, one_whole, zero);
    let support = cx.b().map(t.finish(result), &[sorted, sums, counts])?;
    let kept = cx.b().map(Tape::binary(Binary::Mul), &[sums, support])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [1], kept)?;
    let size = cx.b().reduce(ReduceKind::Sum, [1], support)?;
    let flat = cx.b().reshape(x, [rows, n])?;
    let mut t = TapeBuilder::new(3);
    let [value, total, counted] = [0, 1, 2].map(|i| t.input(i));
    let (one_whole, zero) = (t.constant(1.0), t.constant(0.0));
    let over = t.binary(Binary::Sub, total, one_whole);
    let level = t.binary(Binary::Div, over, counted);
    let above = t.binary(Binary::Sub, value, level);
    let result = t.binary(Binary::Max, above, zero);
    let y = cx.b().map(t.finish(result), &[flat, sum, size])?;
    let y = cx.b().reshape(y, dims)?;
    one(axis_back(cx, y, axis)?)
}
