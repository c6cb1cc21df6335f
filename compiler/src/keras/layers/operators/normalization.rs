//! Normalization with operands: `batch_normalization`, `layer_normalization`, `rms_normalization`.

use super::arguments::{Arguments, X};
use super::functions::AXIS;
use crate::graph::NodeId;
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::normalize::{centred, mean_square};
use crate::pointwise::{Binary, Tape, library};

type Args<'a, 'b> = &'b Arguments<'a>;

/// x·1/√(variance + epsilon).
fn over_deviation(epsilon: f64) -> Tape {
    let factor = Tape::binary_const(Binary::Add, epsilon as f32).then(&library::rsqrt::tape());
    Tape::binary(Binary::Mul).substitute(&[(Tape::identity(), vec![0]), (factor, vec![1])], 2)
}

/// A vector for one axis, or a tensor for several, under a shape that broadcasts.
fn fitted(cx: &mut Cx<'_>, vector: NodeId, dims: &[usize], axes: &[usize]) -> Result<NodeId, Stop> {
    let found = cx.dims(vector);
    if found.len() == dims.len() || axes == [dims.len() - 1] {
        return Ok(vector);
    }
    let mut shape = vec![1; dims.len()];
    for &axis in axes {
        shape[axis] = dims[axis];
    }
    Ok(cx.b().reshape(vector, shape)?)
}

/// The operands in order, each of which may be absent, applied one after the other.
fn with_operands(
    cx: &mut Cx<'_>,
    a: Args<'_, '_>,
    mut y: NodeId,
    axes: &[usize],
    operands: &[(usize, &str, Binary)],
) -> Result<NodeId, Stop> {
    for &(index, name, op) in operands {
        if let Some(operand) = a.optional(cx, index, &[name])? {
            let dims = cx.dims(y);
            let operand = fitted(cx, operand, &dims, axes)?;
            y = cx.b().map(Tape::binary(op), &[y, operand])?;
        }
    }
    Ok(y)
}

/// `batch_normalization` of Keras 3: (x - mean)/√(variance + epsilon)·scale + offset.
pub fn batch(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let dims = cx.dims(x);
    let axis = a.integer(cx, 9, &["axis"])?;
    let axis = cx.axis(a.required(cx, axis, "axis")?, dims.len())?;
    let epsilon = a.number(cx, 9, &["epsilon"])?.unwrap_or(1e-3);
    let mut statistics = Vec::new();
    for (index, name) in (1..).zip(["mean", "variance"]) {
        let vector = a.tensor(cx, index, &[name])?;
        statistics.push(fitted(cx, vector, &dims, &[axis])?);
    }
    let centre = cx.b().map(Tape::binary(Binary::Sub), &[x, statistics[0]])?;
    let y = cx.b().map(over_deviation(epsilon), &[centre, statistics[1]])?;
    let operands = [(4, "scale", Binary::Mul), (3, "offset", Binary::Add)];
    one(with_operands(cx, a, y, &[axis], &operands)?)
}

fn axes_of(cx: &mut Cx<'_>, a: Args<'_, '_>, x: NodeId) -> Result<(Vec<usize>, f64), Stop> {
    let axes = a.integers(cx, 9, AXIS)?.unwrap_or_else(|| vec![-1]);
    let epsilon = a.number(cx, 9, &["epsilon"])?.unwrap_or(1e-7);
    Ok((axis_list(cx, &axes, cx.dims(x).len())?, epsilon))
}

/// `layer_normalization`.
pub fn layer(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let (axes, epsilon) = axes_of(cx, a, x)?;
    let rms = a.flag(cx, 9, &["rms_scaling"], false)?;
    let centre = centred(cx, x, &axes)?;
    let variance = mean_square(cx, centre, &axes)?;
    // Scaled by the variance about the mean, without subtracting the mean: as the layer does.
    let from = if rms { x } else { centre };
    let y = cx.b().map(over_deviation(epsilon), &[from, variance])?;
    let operands: &[_] = if rms {
        a.optional(cx, 2, &["beta"])?;
        &[(1, "gamma", Binary::Mul)]
    } else {
        &[(1, "gamma", Binary::Mul), (2, "beta", Binary::Add)]
    };
    one(with_operands(cx, a, y, &axes, operands)?)
}

/// `rms_normalization`.
pub fn rms(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let (axes, epsilon) = axes_of(cx, a, x)?;
    let square = mean_square(cx, x, &axes)?;
    let mut y = cx.b().map(over_deviation(epsilon), &[x, square])?;
    if let Some(scale) = a.optional(cx, 1, &["scale"])? {
        y = cx.b().map(Tape::binary(Binary::Mul), &[y, scale])?;
    }
    one(y)
}
