//! Weights of recurrent layers in the layout of cuDNN, as `CuDNNLSTM` and `CuDNNGRU` saved them. Keras converts them when
//! it reads a `.h5` file (`_convert_rnn_weights` in `hdf5_format`), which it knows by the bias: cuDNN has two.

use crate::error::Result;
use crate::keras::class::{ClassName, Recurrence, Role};
use crate::keras::layers;
use crate::keras::model::{Layer, Network, Weight};
use crate::keras::object::class_of;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// Converts the weights of all layers that have such.
pub(super) fn convert(network: &mut Network) -> Result<()> {
    for layer in &mut network.layers {
        match &mut layer.network {
            Some(inner) => convert(inner)?,
            None => convert_layer(layer)?,
        }
    }
    Ok(())
}

fn convert_layer(layer: &mut Layer) -> Result<()> {
    let (mut class, mut values) = (layer.class, layer.config.values());
    let mut ways = 1_usize;
    let gates = loop {
        match class.map(|class| class.role) {
            Some(Role::Bidirectional) => ways = ways.saturating_mul(2),
            Some(Role::TimeDistributed) => {}
            Some(Role::Recurrent(Recurrence::Lstm)) => break 4,
            Some(Role::Recurrent(Recurrence::Gru | Recurrence::CudnnGru)) => break 3,
            _ => return Ok(()),
        }
        // Both of these wrappers keep the weights of the layer inside as they are.
        let Some((inner, config)) = wrapped(values) else {
            return Ok(());
        };
        (class, values) = (layers::known(&inner), config);
    };
    // Without a bias there is nothing to tell cuDNN's layout by, and cuDNN always has one.
    if Some(layer.weights.len()) == ways.checked_mul(3) {
        for weights in layer.weights.chunks_mut(3) {
            convert_cell(weights, gates)?;
        }
    }
    Ok(())
}

/// Class and config of the layer inside a wrapper.
fn wrapped(values: &Map<String, Value>) -> Option<(ClassName, &Map<String, Value>)> {
    let layer = values.get("layer")?.as_object()?;
    Some((class_of(layer)?, layer.get("config")?.as_object()?))
}

/// Kernel, recurrent kernel and bias of one cell.
fn convert_cell(weights: &mut [Weight], gates: usize) -> Result<()> {
    let [kernel, recurrent, bias] = weights else {
        return Ok(());
    };
    let &[units, all] = recurrent.tensor.shape().dims() else {
        return Ok(());
    };
    let &[features, width] = kernel.tensor.shape().dims() else {
        return Ok(());
    };
    let cudnn =
        bias.tensor.shape().dims() == [2 * all] && width == all && Some(all) == units.checked_mul(gates);
    if !cudnn {
        return Ok(());
    }
    kernel.tensor = transposed(&kernel.tensor, [features, units], gates)?;
    recurrent.tensor = transposed(&recurrent.tensor, [units, units], gates)?;
    bias.tensor = match gates {
        // A GRU adds them at different places, an LSTM at one.
        3 => bias.tensor.reshape([2, all])?,
        _ => {
            let (input, state) = bias.tensor.as_f32()?.split_at(all);
            let sum: Vec<f32> = input.iter().zip(state).map(|(a, b)| a + b).collect();
            Tensor::f32([all], sum)?
        }
    };
    Ok(())
}

/// Every gate's matrix `[rows, columns]`, of those that stand side by side, holds its elements in the order of
/// `[columns, rows]`.
fn transposed(tensor: &Tensor, [rows, columns]: [usize; 2], gates: usize) -> Result<Tensor> {
    let data = tensor.as_f32()?;
    let width = gates * columns;
    let mut result = Vec::with_capacity(data.len());
    for row in 0..rows {
        for gate in 0..gates {
            for column in 0..columns {
                let place = column * rows + row;
                let (from_row, from_column) = (place / columns, place % columns);
                result.extend(data.get(from_row * width + gate * columns + from_column));
            }
        }
    }
    Tensor::f32([rows, width], result)
}
