//! Weights with a low-rank adaption. `.h5` files of Keras 3 hold it apart, as `lora_kernel_a` `[…, rank]` and `lora_kernel_b`
//! `[rank, columns]` beside the kernel, while a `.keras` archive has the sum already (`save_own_variables`).

use crate::error::{Error, Result};
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::quantization::Quantization;
use crate::keras::ranges::ANY;
use crate::tensor::Tensor;

/// The weights that may be adapted.
const ADAPTED: [&str; 2] = ["kernel", "embeddings"];

/// Adds the adaptions of all layers that have one.
pub(super) fn merge(network: &mut Network) -> Result<()> {
    for layer in &mut network.layers {
        match &mut layer.network {
            Some(inner) => merge(inner)?,
            None => merge_layer(layer).map_err(|error| layer.at(error))?,
        }
    }
    Ok(())
}

fn merge_layer(layer: &mut Layer) -> Result<()> {
    let rank = layer.config.values().get("lora_rank");
    // Weights in few bits are adapted where they are unpacked.
    if rank.is_none_or(serde_json::Value::is_null) || Quantization::of(&layer.config)?.is_some() {
        return Ok(());
    }
    for adapted in ADAPTED {
        let places = [
            adapted.to_owned(),
            format!("lora_{adapted}_a"),
            format!("lora_{adapted}_b"),
        ]
        .map(|name| layer.weights.iter().position(|weight| weight.own_name() == name));
        let [Some(base), Some(a), Some(b)] = places else {
            continue;
        };
        let tensors = [base, a, b].map(|place| &layer.weights[place].tensor);
        let tensor = adapted_tensor(layer, tensors)?;
        let name = layer.weights[base].name.clone();
        // The adapted weight is the first one of every layer that has one.
        let mut weights = vec![Weight { name, tensor }];
        let rest = layer.weights.drain(..).enumerate();
        weights.extend(
            rest.filter(|(place, _)| ![base, a, b].contains(place))
                .map(|(_, weight)| weight),
        );
        layer.weights = weights;
    }
    Ok(())
}

/// base + alpha/rank · a·b.
fn adapted_tensor(layer: &Layer, [base, a, b]: [&Tensor; 3]) -> Result<Tensor> {
    let (&[ref rows @ .., rank], &[inner, columns]) = (a.shape().dims(), b.shape().dims()) else {
        return Err(Error::inconsistent(
            "the low-rank adaption is not of two matrices",
        ));
    };
    if rank != inner || *base.shape().dims() != *[rows, &[columns]].concat() {
        return Err(Error::inconsistent(format!(
            "a low-rank adaption of {} and {} does not fit a weight of shape {}",
            a.shape(),
            b.shape(),
            base.shape()
        )));
    }
    let alpha = layer.config.fields().opt_f64("lora_alpha", ANY)?;
    let factor = alpha.unwrap_or(rank as f64) / rank as f64;
    let (base_data, a, b) = (base.as_f32()?, a.as_f32()?, b.as_f32()?);
    let element = |(i, &number): (usize, &f32)| {
        let (row, column) = (i / columns, i % columns);
        let terms = (0..rank).map(|k| f64::from(a[row * rank + k]) * f64::from(b[k * columns + column]));
        (f64::from(number) + factor * terms.sum::<f64>()) as f32
    };
    Tensor::f32(
        base.shape().clone(),
        base_data.iter().enumerate().map(element).collect::<Vec<_>>(),
    )
}
