//! Small weights: constants whose numbers can be written in fewer bits.
//!
//! Where a layer's weights are to have an encoding, the constant of the graph becomes the numbers that decoding gives, with
//! what they are made of beside it ([`Encoded`](crate::tensor::Encoded)). All that comes after computes with these numbers and
//! knows nothing of it: evaluation, plans, checks and kernels see what a page will have decoded. Weights are encoded after all
//! passes, so that what was folded into them is in them.

mod compare;
mod encode;
mod integers;
mod npz;
mod rules;

pub use compare::{Difference, Samples, compare};
pub use encode::{Unfit, encode};
pub use integers::{Fewest, Floats, Integers, integers};
pub use rules::Rules;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId};
use crate::ops::{Constant, Op};
use crate::tensor::{DType, Encoding, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Weights that stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The layer.
    pub layer: String,
    /// How many numbers.
    pub elements: usize,
    /// Why.
    pub why: Reason,
}

/// Why weights stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// That was the choice.
    Chosen,
    /// They are fewer than so many.
    Small(usize),
    /// Something else reads them, too.
    Shared,
    /// Their numbers have no code.
    Unfit(Encoding, Unfit),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("as chosen"),
            Self::Small(least) => write!(f, "in constants of fewer than {least}"),
            Self::Shared => f.write_str("not only weights"),
            Self::Unfit(_, Unfit::NotFinite) => f.write_str("not all finite"),
            Self::Unfit(_, Unfit::TooLarge) => f.write_str("beyond half precision's 65504"),
        }
    }
}

/// What became of the weights of a graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What has no encoding.
    pub kept: Vec<Kept>,
    /// Layers whose weights kernels read in an order in which no encoding can be told.
    pub unencoded: BTreeSet<String>,
    /// Which layers compute with integers, if any should.
    pub integers: Option<Integers>,
    /// How far results are off, and of what.
    pub differences: Option<(String, Vec<Difference>)>,
}

/// Gives weights their encodings.
///
/// # Errors
/// When a pattern matches no layer with weights, or the budget is used up.
pub fn apply(graph: &mut Graph, rules: &Rules) -> Result<Report> {
    let mut layers = Vec::new();
    names(graph, &mut layers);
    if let Some(pattern) = rules.idle(&layers).next() {
        let what = format!("no layer with weights matches {pattern:?}");
        return Err(Error::new(ErrorKind::Usage(what)).help(format!("there are {}", layers.join(", "))));
    }
    let mut report = Report::default();
    encode_all(graph, rules, &mut report)?;
    Ok(report)
}

/// A constant that is somebody's weights.
struct Weights {
    /// The constant.
    id: NodeId,
    /// The layer that reads it first.
    layer: String,
    /// Elements of its matrices, and channels, as [`Op::weights`] has them.
    shape: [usize; 2],
    /// Whether others read it in another way.
    shared: bool,
}

/// All weights of a graph, but not those in the bodies of its scans.
fn weights(graph: &Graph) -> Vec<Weights> {
    let mut found: BTreeMap<NodeId, Weights> = BTreeMap::new();
    let mut order = Vec::new();
    for user in graph.order() {
        let inputs = graph.inputs_of(user);
        let types: Vec<&TensorType> = inputs.iter().map(|&i| graph.ty(i)).collect();
        let Some((which, shape)) = graph.op(user).weights(&types) else {
            continue;
        };
        let id = inputs[which];
        if graph
            .constant(id)
            .is_none_or(|tensor| tensor.dtype() != DType::F32)
            || found.contains_key(&id)
        {
            continue;
        }
        order.push(id);
        let other = |&other: &NodeId| {
            let inputs = graph.inputs_of(other);
            let types: Vec<&TensorType> = inputs.iter().map(|&i| graph.ty(i)).collect();
            let own = graph.op(other).weights(&types).map(|(which, _)| which);
            inputs
                .iter()
                .enumerate()
                .any(|(i, input)| *input == id && Some(i) != own)
        };
        let weights = Weights {
            id,
            layer: graph.node(user).name.clone(),
            shape,
            shared: graph.is_output(id) || graph.users(id).iter().any(other),
        };
        found.insert(id, weights);
    }
    order.iter().filter_map(|id| found.remove(id)).collect()
}

/// The layers with weights, each once.
fn names(graph: &Graph, layers: &mut Vec<String>) {
    for Weights { layer, .. } in weights(graph) {
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    let scans = graph.order().into_iter().filter_map(|id| graph.op(id).as_scan());
    scans.for_each(|scan| names(&scan.body, layers));
}

fn encode_all(graph: &mut Graph, rules: &Rules, report: &mut Report) -> Result<()> {
    for weights in weights(graph) {
        let elements = graph.ty(weights.id).shape.count();
        if let Err(why) = encode_one(graph, &weights, rules)? {
            report.kept.push(Kept {
                layer: weights.layer,
                elements,
                why,
            });
        }
    }
    for id in graph.order() {
        let Op::Scan(scan) = graph.op(id) else { continue };
        let mut scan = scan.clone();
        encode_all(Arc::make_mut(&mut scan.body), rules, report)?;
        let inputs = graph.inputs_of(id).to_vec();
        graph.replace(id, scan, &inputs)?;
    }
    Ok(())
}

/// Encodes a constant, or says why not.
fn encode_one(
    graph: &mut Graph,
    weights: &Weights,
    rules: &Rules,
) -> Result<std::result::Result<(), Reason>> {
    let Some(tensor) = graph.constant(weights.id) else {
        return Err(Error::internal("weights are no constant"));
    };
    let Some(encoding) = rules.of(&weights.layer) else {
        return Ok(Err(Reason::Chosen));
    };
    let data = tensor.as_f32()?;
    if data.len() < rules.least() {
        return Ok(Err(Reason::Small(rules.least())));
    }
    if weights.shared {
        return Ok(Err(Reason::Shared));
    }
    let (encoded, numbers) = match encode(data, weights.shape, encoding) {
        Ok(found) => found,
        Err(unfit) => return Ok(Err(Reason::Unfit(encoding, unfit))),
    };
    let tensor = crate::tensor::Tensor::f32(tensor.shape().clone(), numbers)?.encoded_as(encoded);
    graph.replace(weights.id, Constant(tensor), &[])?;
    Ok(Ok(()))
}
