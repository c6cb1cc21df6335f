//! Whether operations can take up a scale and a shift, whichever side it comes from.

use super::affine::Affine;
use crate::graph::Graph;
use crate::ops::{Pool, PoolKind, PoolPadding};
use crate::passes::linear::Linear;
use crate::passes::log::Reason;
use crate::passes::rewrite::name;
use crate::tensor::Tensor;

/// Copies of shared weights are made up to this many elements.
const SMALL: usize = 4096;

/// Whether a pool of scaled and shifted values is the scaled and shifted pool: means always are, a maximum is where it
/// was as long as the order is kept. Zeros around the values would have to be scaled and shifted too, and windows must
/// not reach over several scales.
pub fn passes_pool(pool: &Pool, affine: &Affine) -> bool {
    let outside = affine.axis.is_none_or(|axis| axis == 0 || axis == 3);
    let monotonic = pool.kind == PoolKind::Average || affine.scale.iter().all(|&s| s > 0.0);
    outside && monotonic && pool.padding == PoolPadding::Exclude && pool.epilogue.is_identity()
}

/// Whether the weights may be changed.
pub fn check_weights(graph: &Graph, linear: &Linear, changed: bool) -> Result<(), Reason> {
    let here = || name(graph, linear.id);
    let weights = graph.inputs_of(linear.id)[1];
    let known = |tensor: &&Tensor| check_bias(graph, linear) && tensor.as_f32().is_ok();
    let tensor = graph.constant(weights).filter(known);
    let tensor = tensor.ok_or_else(|| Reason::NotConstant(here()))?;
    if changed && graph.user_count(weights) > 1 && tensor.shape().count() > SMALL {
        return Err(Reason::SharedWeights(here()));
    }
    Ok(())
}

/// Whether there is no bias that is computed at run time.
pub fn check_bias(graph: &Graph, linear: &Linear) -> bool {
    linear.bias.is_none_or(|bias| graph.constant(bias).is_some())
}
