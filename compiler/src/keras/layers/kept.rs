//! States that recurrent layers keep from one prediction to the next (`stateful=True`).

use super::context::{Cx, Stop};
use crate::graph::NodeId;
use crate::keras::state::Kept;
use crate::ops::Input;
use crate::tensor::{Shape, TensorType};

/// The states that a layer kept: of an earlier call, or else of the prediction before this one, which are inputs of the graph.
pub fn kept(cx: &mut Cx<'_>, shapes: &[Vec<usize>]) -> Result<Vec<NodeId>, Stop> {
    let path = cx.site.path.clone();
    if let Some(kept) = cx.state.kept.iter().find(|kept| kept.path == path) {
        let fits = kept.after.len() == shapes.len()
            && kept
                .after
                .iter()
                .zip(shapes)
                .all(|(&state, shape)| cx.dims(state) == *shape);
        return match fits {
            true => Ok(kept.after.clone()),
            false => Err(cx.inconsistent("it keeps states, and is called with tensors of different shapes")),
        };
    }
    let mut before = Vec::new();
    for (place, shape) in shapes.iter().enumerate() {
        let ty = TensorType::f32(Shape::checked(shape.as_slice())?);
        let name = format!("{path}/state {place}");
        before.push(cx.b().add(Input { name, ty }, &[])?);
    }
    let after = before.clone();
    cx.state.kept.push(Kept {
        path,
        before: before.clone(),
        after,
    });
    Ok(before)
}

/// Notes the states that a call ends with.
pub fn keep(cx: &mut Cx<'_>, states: &[NodeId]) {
    let path = cx.site.path.clone();
    match cx.state.kept.iter_mut().find(|kept| kept.path == path) {
        Some(kept) => kept.after = states.to_vec(),
        None => cx.state.kept.push(Kept {
            path,
            before: Vec::new(),
            after: states.to_vec(),
        }),
    }
}
