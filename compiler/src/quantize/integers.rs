//! Which products are computed with integers: codes of weights by rows of their input.

use super::found::{Weights, weights};
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::kernel::MOST_ELEMENTS;
use crate::ops::lowering::Product;
use crate::ops::{Constant, Op};
use crate::tensor::{Encoding, TensorType};
use std::fmt;
use std::sync::Arc;

/// From where on integers pay: making them takes longer than fewer of them save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fewest {
    /// Elements of a single row.
    pub row: usize,
    /// Elements of many rows, whose products with floats keep registers busy as well.
    pub of_many: usize,
    /// Channels of the result.
    pub channels: usize,
}

impl Default for Fewest {
    /// As measured: many rows of 16 elements take longer than with floats, of 24 as long.
    fn default() -> Self {
        Self {
            row: 8,
            of_many: 32,
            channels: 8,
        }
    }
}

/// What became of the layers with weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Integers {
    /// Those that compute with integers.
    pub layers: Vec<String>,
    /// Bytes of codes that stand in files as they are multiplied.
    pub bytes: u64,
    /// Those that compute with floats, and why.
    pub floats: Vec<(String, Floats)>,
}

/// Why a layer computes with floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floats {
    /// Its weights are no codes of eight bits.
    NotInt8,
    /// They are no right-hand side of a product.
    NoProduct,
    /// Windows of several pixels.
    Windows,
    /// Channels in groups.
    Groups,
    /// So few elements or channels that it does not pay.
    Few,
    /// Sums of more products than 32 bits have room for.
    Long,
}

impl fmt::Display for Floats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInt8 => "weights are not int8",
            Self::NoProduct => "weights are not multiplied by rows",
            Self::Windows => "windows of several pixels",
            Self::Groups => "channels in groups",
            Self::Few => "too few channels to pay",
            Self::Long => "sums too long for 32 bits",
        })
    }
}

/// Lets products multiply the codes of their weights where they can and it pays.
///
/// # Errors
/// Never, since constants stay what they are.
pub fn integers(graph: &mut Graph, fewest: Fewest) -> Result<Integers> {
    let mut found = Integers::default();
    choose(graph, fewest, &mut found)?;
    Ok(found)
}

fn choose(graph: &mut Graph, fewest: Fewest, found: &mut Integers) -> Result<()> {
    for weights in weights(graph) {
        let fit = fit(graph, fewest, &weights);
        let layer = weights.layer.clone();
        match fit {
            Ok(()) if !found.layers.contains(&layer) => found.layers.push(layer),
            Ok(()) => {}
            Err(why) => {
                let entry = (layer, why);
                if !found.floats.contains(&entry) {
                    found.floats.push(entry);
                }
            }
        }
        if fit.is_ok() {
            multiply(graph, weights.id)?;
        }
    }
    for id in graph.order() {
        let Op::Scan(scan) = graph.op(id) else { continue };
        let mut scan = scan.clone();
        choose(Arc::make_mut(&mut scan.body), fewest, found)?;
        let inputs = graph.inputs_of(id).to_vec();
        graph.replace(id, scan, &inputs)?;
    }
    Ok(())
}

/// Whether all that read weights can multiply their codes.
fn fit(graph: &Graph, fewest: Fewest, weights: &Weights) -> std::result::Result<(), Floats> {
    let encoded = graph.constant(weights.id).and_then(|tensor| tensor.encoded());
    match encoded {
        Some(encoded) if encoded.encoding == Encoding::Int8 => {}
        _ => return Err(Floats::NotInt8),
    }
    if weights.shared {
        return Err(Floats::NoProduct);
    }
    for user in graph.users(weights.id) {
        let product = product(graph, user).ok_or(Floats::NoProduct)?;
        let Product { channels, dims, .. } = product;
        if product.groups != 1 {
            return Err(Floats::Groups);
        }
        if !product.is_of_rows() {
            return Err(Floats::Windows);
        }
        let many = dims[..3] != [1, 1, 1];
        let elements = if many { fewest.of_many } else { fewest.row };
        if channels < elements || dims[3] < fewest.channels {
            return Err(Floats::Few);
        }
        if channels > MOST_ELEMENTS {
            return Err(Floats::Long);
        }
    }
    // Each matrix of several would need its own scales.
    match encoded.is_some_and(|encoded| encoded.has_columns()) {
        true => Ok(()),
        false => Err(Floats::NoProduct),
    }
}

fn product(graph: &Graph, id: NodeId) -> Option<Product> {
    let inputs = graph.inputs_of(id);
    let types: Vec<&TensorType> = inputs.iter().map(|&input| graph.ty(input)).collect();
    graph.op(id).product(&types, graph.ty(id))
}

/// Marks the codes of a constant.
fn multiply(graph: &mut Graph, id: NodeId) -> Result<()> {
    let tensor = graph.constant(id).cloned();
    let encoded = tensor
        .as_ref()
        .and_then(|tensor| tensor.encoded())
        .map(|encoded| encoded.as_ref().clone());
    if let (Some(tensor), Some(mut encoded)) = (tensor, encoded) {
        encoded.multiplied = true;
        graph.replace(id, Constant(tensor.encoded_as(encoded)), &[])?;
    }
    Ok(())
}
