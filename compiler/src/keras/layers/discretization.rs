//! `keras.layers.Discretization`: numbers as the bins that they lie in.

use super::context::{Cx, Outcome, Stop, one};
use super::encoding::{OutputMode, along_last, encoded, reaches};
use super::pool::drop_axes;
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::config::Config;
use crate::keras::ranges::{ANY, COUNT, SHARE};
use crate::ops::ReduceKind;
use serde_json::Value as Json;

/// `Discretization`: how many boundaries an element reaches. Keras 3 keeps the boundaries in the config, also those that it
/// found in data; Keras 2 keeps a summary of the data as a weight and makes them of it.
pub fn discretization(cx: &mut Cx<'_>) -> Outcome {
    use OutputMode::{Count, Int, MultiHot, OneHot};
    let r = cx.read();
    let given = r.opt_floats("bin_boundaries", ANY);
    let bins = match r.fields.value("num_bins") {
        None | Some(Json::Null) => None,
        Some(_) => Some(r.usize("num_bins", COUNT)),
    };
    // How finely data is summed up.
    r.number("epsilon", 0.01, SHARE);
    let mode = r.output_mode(&[Int, OneHot, MultiHot, Count], Int);
    r.finish(cx)?;
    let boundaries = match (given, bins) {
        (Some(given), _) => {
            cx.weights::<0>([]);
            given.into_iter().map(|boundary| boundary as f32).collect()
        }
        (None, Some(bins)) if !cx.is_keras3() => summarized(cx, bins)?,
        _ => return Err(not_adapted()),
    };
    if boundaries.is_empty() {
        return Err(not_adapted());
    }
    if !boundaries.is_sorted() {
        return Err(cx.inconsistent("bin_boundaries are not in order"));
    }
    let x = cx.float_input()?;
    let depth = boundaries.len() + 1;
    let x = bins_of(cx, x, boundaries)?;
    one(encoded(cx, x, mode, depth, None)?)
}

/// One in Keras 2, unless boundaries are given: a summary of data.
pub fn weights(config: &Config) -> usize {
    usize::from(config.values().get("bin_boundaries").is_none_or(Json::is_null))
}

fn not_adapted() -> Stop {
    let error = Error::new(ErrorKind::UnsupportedValue {
        value: "null".to_owned(),
    });
    error
        .in_field("bin_boundaries")
        .help("call adapt() of the layer, or give it bin_boundaries, before the model is saved")
        .into()
}

/// How many boundaries each element reaches.
fn bins_of(cx: &mut Cx<'_>, x: NodeId, boundaries: Vec<f32>) -> Result<NodeId, Stop> {
    let mut dims = cx.dims(x);
    let last = dims.len();
    dims.push(1);
    let x = cx.b().reshape(x, dims)?;
    let boundaries = along_last(cx, "boundaries", boundaries, last + 1)?;
    let reached = cx.b().map(reaches(), &[x, boundaries])?;
    let count = cx.b().reduce(ReduceKind::Sum, [last], reached)?;
    Ok(drop_axes(cx, count, &[last], false)?)
}

/// The boundaries that Keras 2 makes of the weight `summary`, `[2, values]`: values and how much data each stands for.
fn summarized(cx: &mut Cx<'_>, bins: usize) -> Result<Vec<f32>, Stop> {
    let found = cx.site.weights.first().map(|weight| weight.tensor.shape().dims());
    let values = match found {
        Some(&[2, values]) => values,
        _ => 1,
    };
    let weights = cx.weights([Some(("summary", vec![2, values]))]);
    let Some(summary) = weights.get("summary") else {
        return Err(Stop::Told);
    };
    let (values, shares) = summary.as_f32()?.split_at(values);
    // Small steps make long lists.
    cx.make_room(bins)?;
    Ok(boundaries(values, shares, bins))
}

/// `get_bin_boundaries` of `tf_keras.src.layers.preprocessing.discretization`: the values at equal steps of the data, of
/// which the last is the end. Sums are those of floats, steps those of doubles, as NumPy has them.
fn boundaries(values: &[f32], shares: &[f32], bins: usize) -> Vec<f32> {
    let step = 1.0 / bins as f64;
    let mut found: Vec<f32> = if (values.len() as f64) * step < 1.0 {
        values.to_vec()
    } else {
        let mut sum = 0.0f32;
        let sums: Vec<f32> = shares
            .iter()
            .map(|share| {
                sum += share;
                sum
            })
            .collect();
        let places: Vec<f64> = sums.iter().map(|partial| f64::from(partial / sum)).collect();
        let steps = (1.0 / step).ceil() as usize;
        let at = |i: usize| interpolated(step + i as f64 * step, &places, values) as f32;
        (0..steps).map(at).collect()
    };
    found.pop();
    found
}

/// `numpy.interp`: `values` at ascending `places`, and straight lines between.
fn interpolated(x: f64, places: &[f64], values: &[f32]) -> f64 {
    let value = |i: usize| f64::from(values[i]);
    let after = places.partition_point(|&place| place <= x);
    match after {
        0 => value(0),
        _ if after == places.len() || places[after - 1] == x => value(after - 1),
        _ => {
            let slope = (value(after) - value(after - 1)) / (places[after] - places[after - 1]);
            slope * (x - places[after - 1]) + value(after - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of `get_bin_boundaries` in tf_keras 2.21.
    #[test]
    fn boundaries_are_those_of_numpy() {
        let (values, shares) = ([-1.5, -0.5, 0.25, 0.75, 2.0], [1.0, 2.0, 1.0, 3.0, 1.0]);
        assert_eq!(boundaries(&values, &shares, 4), [-1.0, 0.25, 0.583_333_3]);
        assert_eq!(boundaries(&values, &shares, 9), [-1.5, -0.5, 0.25, 0.75]);
    }
}
