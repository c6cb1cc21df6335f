//! Joins and splits besides `concatenate`, `stack` and `split`: `hstack`, `array_split`, `meshgrid` and the like.

use super::arguments::{Arguments, X, Y};
use super::common::or_flat;
use super::functions::{AXIS, count};
use super::shapes::parts;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, KerasTensor, Outcome, Stop, one};
use crate::keras::layers::shape::gather;

type Args<'a, 'b> = &'b Arguments<'a>;

/// All tensors of a list with at least so many axes, new ones before the others.
fn with_axes(cx: &mut Cx<'_>, a: Args<'_, '_>, least: usize) -> Result<Vec<NodeId>, Stop> {
    let mut widened = Vec::new();
    for part in a.tensors(cx)? {
        let mut dims = cx.dims(part);
        let missing = least.saturating_sub(dims.len());
        dims.splice(0..0, vec![1; missing]);
        widened.push(cx.b().reshape(part, dims)?);
    }
    Ok(widened)
}

/// `vstack`: along the first axis.
pub fn vertical(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let parts = with_axes(cx, a, 2)?;
    one(cx.b().concat(0, &parts)?)
}

/// `hstack`: along the second axis, of vectors along their only one.
pub fn horizontal(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let parts = with_axes(cx, a, 1)?;
    let axis = usize::from(cx.dims(parts[0]).len() > 1);
    one(cx.b().concat(axis, &parts)?)
}

/// `dstack`: along the third axis; vectors become rows.
pub fn deep(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let mut widened = Vec::new();
    for part in a.tensors(cx)? {
        let dims = match cx.dims(part)[..] {
            [] => vec![1, 1, 1],
            [n] => vec![1, n, 1],
            [m, n] => vec![m, n, 1],
            ref dims => dims.to_vec(),
        };
        widened.push(cx.b().reshape(part, dims)?);
    }
    one(cx.b().concat(2, &widened)?)
}

/// `append`: along an axis, or all elements where none is given.
pub fn append(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let sides = [a.tensor(cx, 0, X)?, a.tensor(cx, 1, Y)?];
    let axis = a.integer(cx, 2, AXIS)?;
    let (x, place) = or_flat(cx, sides[0], axis)?;
    let (y, _) = or_flat(cx, sides[1], axis)?;
    one(cx.b().concat(place, &[x, y])?)
}

/// `array_split`: parts of which the first ones are one longer where they cannot be equal.
pub fn array_split(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let sections = a.integer(cx, 1, &["indices_or_sections"])?;
    let sections = count(cx, a.required(cx, sections, "indices_or_sections")?)?;
    let axis = a.integer(cx, 2, AXIS)?.unwrap_or(0);
    let axis = cx.axis(axis, dims.len())?;
    let (length, longer) = (dims[axis] / sections, dims[axis] % sections);
    if length == 0 {
        return Err(cx.inconsistent(format!("an axis of {} gives no {sections} parts", dims[axis])));
    }
    let starts = (0..sections).map(|i| i * length + i.min(longer)).collect();
    parts(cx, x, axis, starts)
}

/// `hsplit`: along the second axis, of vectors along their only one.
pub fn split_horizontally(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let axis = usize::from(cx.dims(x).len() > 1);
    super::shapes::split_along(cx, a, x, axis)
}

/// `vsplit`: along the first axis.
pub fn split_vertically(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    super::shapes::split_along(cx, a, x, 0)
}

/// `dsplit`: along the third axis.
pub fn split_in_depth(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    super::shapes::split_along(cx, a, x, 2)
}

/// `meshgrid`: each vector along an axis of its own, repeated along those of the others.
pub fn mesh_grid(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let swap = match a.text(cx, 9, &["indexing"])?.as_deref() {
        None | Some("xy") => true,
        Some("ij") => false,
        Some(other) => return Err(a.unsupported(cx, &["indexing"], &other.into())),
    };
    let mut vectors = Vec::new();
    let count = cx.arguments().count().min(MAX_GRID);
    for index in 0..count {
        if cx.arg(index).is_some() {
            let vector = a.tensor(cx, index, &[])?;
            let extent: usize = cx.dims(vector).iter().product();
            vectors.push((vector, extent));
        }
    }
    let rank = vectors.len();
    let place = |index: usize| {
        if swap && index < 2 && rank > 1 {
            1 - index
        } else {
            index
        }
    };
    let mut results = Vec::new();
    for (index, &(vector, extent)) in vectors.iter().enumerate() {
        let mut dims = vec![1; rank];
        dims[place(index)] = extent;
        let mut x = cx.b().reshape(vector, dims)?;
        for (other, &(_, extent)) in vectors.iter().enumerate().filter(|(other, _)| *other != index) {
            let axis = place(other);
            x = gather(cx, x, axis, &format!("grid {axis}"), extent, |_| 0)?;
        }
        results.push(KerasTensor::new(x));
    }
    Ok(results)
}

/// Most axes of a grid.
const MAX_GRID: usize = 16;
