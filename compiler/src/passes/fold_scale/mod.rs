//! Scales and shifts of channels, above all of batch normalisation, folded into weights.
//!
//! Finds maps `x * scale[c] + shift[c]` whose operands are constants, and gives their work to the operations that
//! produce `x` ([`before`]) or else to all that use the result ([`after`]). The map disappears. Where it must
//! stay, its operands are brought into the simplest form (see [`simplest`]), so that it costs one
//! multiplication and one addition.
//!
//! Exact in real numbers; products and sums are computed in double precision and rounded once. A convolution that
//! pads with zeros sees zeros there before and after folding, which is why a shift cannot pass it from above.
//! Never duplicates work: a producer that others use stays as it is.

pub(super) mod affine;
mod after;
mod before;
mod checks;
mod edit;
mod shared;
mod simplest;

use super::{Log, rewrite};
use crate::error::Result;
use crate::graph::{Graph, NodeId};

/// See the module. Goes on until nothing is found: what is folded away may have stood in the way of another map.
pub fn run(graph: &mut Graph, log: &mut Log) -> Result<usize> {
    rewrite::exhaust(graph, log, |graph, log| {
        let mut folded = 0;
        for id in graph.order() {
            folded += usize::from(graph.contains(id) && fold(graph, id, log)?);
        }
        Ok(folded)
    })
}

/// Folds or simplifies a node if it is such a map. Whether something changed.
fn fold(graph: &mut Graph, id: NodeId, log: &mut Log) -> Result<bool> {
    let Some((x, affine)) = affine::recognise(graph, id) else {
        return Ok(false);
    };
    let name = rewrite::name(graph, id);
    let before = before::plan(graph, x, affine.clone());
    // One factor for all costs next to nothing there, and weights are large.
    let is_free = affine.axis.is_none() && graph.op(x).epilogue().is_some() && graph.sole_user(x) == Some(id);
    if before.is_err() && is_free {
        return Ok(false);
    }
    let edits =
        before.or_else(|first| after::plan(graph, id, affine.clone()).map_err(|second| [first, second]));
    match edits {
        Ok(edits) => {
            log.forget_work(&name);
            for edit in edits {
                log.done(&name, rewrite::name(graph, edit.node));
                for other in edit.others() {
                    log.done(rewrite::name(graph, other.map), rewrite::name(graph, other.node));
                }
                edit.apply(graph)?;
            }
            rewrite::substitute(graph, id, x)?;
            Ok(true)
        }
        Err(reasons) => {
            log.missed_work(&name, reasons);
            simplest::bring(graph, id, x, &affine)
        }
    }
}
