//! Quantiles, percentiles and medians, from the places of elements in the order of their row.

use super::arguments::{Arguments, X};
use super::common::numbers;
use super::functions::AXIS;
use super::ordering::Ranked;
use crate::graph::NodeId;
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::tapes;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary};
use serde_json::Value as Json;

type Args<'a, 'b> = &'b Arguments<'a>;

/// What lies between two elements of an order.
#[derive(Clone, Copy, PartialEq)]
enum Method {
    Linear,
    Lower,
    Higher,
    Nearest,
    Midpoint,
}

const METHODS: &[(&str, Method)] = &[
    ("linear", Method::Linear),
    ("lower", Method::Lower),
    ("higher", Method::Higher),
    ("nearest", Method::Nearest),
    ("midpoint", Method::Midpoint),
];

/// `median`.
pub fn median(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    quantiles(cx, a, Some(vec![0.5]), false)
}

/// `nanmedian`.
pub fn nan_median(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    quantiles(cx, a, Some(vec![0.5]), true)
}

/// `quantile`: one result for each share, which come first.
pub fn quantile(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    // Keras 3.15 saves the method, but its layer computes the linear one whatever it is.
    if let Some(method) = a.text(cx, 3, &["method"])?.filter(|method| method != "linear") {
        return Err(a.unsupported(cx, &["method"], &method.into()));
    }
    quantiles(cx, a, None, false)
}

/// `nanquantile`: the same of what is a number.
pub fn nan_quantile(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    quantiles(cx, a, None, true)
}

/// `percentile`.
pub fn percentile(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let shares = shares(cx, a, 100.0)?;
    quantiles(cx, a, Some(shares), false)
}

/// `nanpercentile`.
pub fn nan_percentile(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let shares = shares(cx, a, 100.0)?;
    quantiles(cx, a, Some(shares), true)
}

fn shares(cx: &mut Cx<'_>, a: Args<'_, '_>, whole: f64) -> Result<Vec<f64>, Stop> {
    let given = a.literal(cx, 1, &["q"])?;
    let given = a.required(cx, given, "q")?;
    match super::arguments::numbers(&given) {
        Some((dims, shares)) if dims.len() <= 1 && shares.iter().all(|q| (0.0..=whole).contains(q)) => {
            Ok(shares.into_iter().map(|q| q / whole).collect())
        }
        _ => Err(a.unsupported(cx, &["q"], &given)),
    }
}

/// Quantiles of whole axes; with `skip`, of what is not NaN.
fn quantiles(cx: &mut Cx<'_>, a: Args<'_, '_>, fixed: Option<Vec<f64>>, skip: bool) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let listed = matches!(
        a.literal(cx, 1, &["q"]),
        Ok(Some(Json::Array(_) | Json::Object(_)))
    );
    let shares = match fixed {
        Some(shares) => shares,
        None => shares(cx, a, 1.0)?,
    };
    let method = a.text(cx, 3, &["method"])?.unwrap_or_else(|| "linear".to_owned());
    let Some((_, method)) = METHODS.iter().find(|(name, _)| *name == method) else {
        return Err(a.unsupported(cx, &["method"], &method.into()));
    };
    let keep = a.flag(cx, 4, &["keepdims"], false)?;
    let dims = cx.dims(x);
    let axes = match a.integers(cx, 2, AXIS)? {
        Some(axes) => axis_list(cx, &axes, dims.len())?,
        None => (0..dims.len()).collect(),
    };
    let kept: Vec<usize> = (0..dims.len()).filter(|axis| !axes.contains(axis)).collect();
    let n: usize = axes.iter().map(|&axis| dims[axis]).product();
    let rows = dims.iter().product::<usize>() / n;
    let moved = cx.b().transpose(x, [&kept[..], &axes].concat())?;
    let flat = cx.b().reshape(moved, [rows, n])?;
    let result = of_rows(cx, flat, &shares, *method, skip)?;
    let result = cx.b().transpose(result, [1, 0])?;
    let mut shape: Vec<usize> = if listed { vec![shares.len()] } else { Vec::new() };
    shape.extend((0..dims.len()).filter_map(|axis| match axes.contains(&axis) {
        false => Some(dims[axis]),
        true => keep.then_some(1),
    }));
    one(cx.b().reshape(result, shape)?)
}

/// `[rows, shares]` of rows `[rows, n]`.
fn of_rows(
    cx: &mut Cx<'_>,
    flat: NodeId,
    shares: &[f64],
    method: Method,
    skip: bool,
) -> Result<NodeId, Stop> {
    let n = cx.dims(flat)[1];
    let ranked = Ranked::of(cx, flat, false)?;
    // How many elements count, less 1.
    let valid = tapes::is_nan().then(&tapes::is_zero());
    let numbers_of = cx.apply(valid, flat)?;
    let counted = cx.b().reduce(ReduceKind::Sum, [1], numbers_of)?;
    let at = if skip {
        let shares = numbers(cx, &format!("shares {shares:?}"), &[1, shares.len()], |i| {
            shares[i] as f32
        })?;
        let less = Tape::binary_const(Binary::Sub, 1.0);
        let last = less.then(&Tape::binary_const(Binary::Max, 0.0));
        let times = Tape::binary(Binary::Mul).substitute(&[(last, vec![0]), (Tape::identity(), vec![1])], 2);
        cx.b().map(times, &[counted, shares])?
    } else {
        numbers(
            cx,
            &format!("places {shares:?} of {n}"),
            &[1, shares.len()],
            |i| (shares[i] * (n - 1) as f64) as f32,
        )?
    };
    let place = |cx: &mut Cx<'_>, op: Unary| cx.apply(Tape::unary(op), at);
    let result = match method {
        Method::Lower | Method::Higher | Method::Nearest => {
            let op = match method {
                Method::Lower => Unary::Floor,
                Method::Higher => Unary::Ceil,
                _ => Unary::Round,
            };
            let wanted = place(cx, op)?;
            ranked.values(cx, wanted)?
        }
        Method::Linear | Method::Midpoint => {
            let (low, high) = (place(cx, Unary::Floor)?, place(cx, Unary::Ceil)?);
            let (low, high) = (ranked.values(cx, low)?, ranked.values(cx, high)?);
            cx.b()
                .map(between(method == Method::Midpoint), &[low, high, at])?
        }
    };
    // NaN makes NaN, unless it is skipped; then only where there is nothing else.
    let needed = if skip { 1.0 } else { n as f32 };
    let mut t = TapeBuilder::new(2);
    let (value, counted_value) = (t.input(0), t.input(1));
    let (needed, nan) = (t.constant(needed), t.constant(f32::NAN));
    let enough = t.compare(Compare::Le, needed, counted_value);
    let value = t.select(enough, value, nan);
    Ok(cx.b().map(t.finish(value), &[result, counted])?)
}

/// Between two elements, of which the place says the share.
fn between(middle: bool) -> Tape {
    let mut t = TapeBuilder::new(3);
    let [low, high, at] = [0, 1, 2].map(|i| t.input(i));
    let (half, one) = (t.constant(0.5), t.constant(1.0));
    let whole = t.unary(Unary::Floor, at);
    let above = if middle {
        half
    } else {
        t.binary(Binary::Sub, at, whole)
    };
    let below = t.binary(Binary::Sub, one, above);
    let high = t.binary(Binary::Mul, high, above);
    let low_part = t.binary(Binary::Mul, low, below);
    let sum = t.binary(Binary::Add, low_part, high);
    // Nothing lies between equal places, also of infinite elements.
    let same = t.compare(Compare::Eq, at, whole);
    let result = t.select(same, low, sum);
    t.finish(result)
}
