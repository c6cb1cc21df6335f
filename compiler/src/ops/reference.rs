//! What the reference evaluations share: index arithmetic, slow and obvious.

use crate::error::Result;
use crate::kernel::Quantize;
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// All indices of `shape` in row-major order.
pub(super) fn indices(shape: &Shape) -> impl Iterator<Item = Vec<usize>> + use<> {
    let dims = shape.dims().to_vec();
    let count = shape.count();
    (0..count).map(move |mut flat| {
        let mut index = vec![0; dims.len()];
        for axis in (0..dims.len()).rev() {
            index[axis] = flat % dims[axis];
            flat /= dims[axis];
        }
        index
    })
}

/// Row-major offset of `index` in a tensor of `shape`, where axes of extent 1 and absent leading axes repeat.
pub(super) fn broadcast_offset(shape: &Shape, index: &[usize]) -> usize {
    let skip = index.len() - shape.rank();
    shape
        .dims()
        .iter()
        .zip(&index[skip..])
        .fold(0, |offset, (&dim, &i)| {
            offset * dim + if dim == 1 { 0 } else { i }
        })
}

/// The numbers by which a product multiplies its weights: where these are codes that are multiplied as they are, the rows of
/// its input are integers.
pub(super) fn multiplied<'a>(x: &'a Tensor, weights: &Tensor) -> Result<Cow<'a, [f32]>> {
    let numbers = x.as_f32()?;
    let row = x.shape().dims().last().copied().unwrap_or(1);
    if row == 0 || !weights.encoded().is_some_and(|encoded| encoded.multiplied) {
        return Ok(Cow::Borrowed(numbers));
    }
    let mut rounded = numbers.to_vec();
    rounded.chunks_mut(row).for_each(Quantize::round);
    Ok(Cow::Owned(rounded))
}

/// Applies an epilogue to raw results.
pub(super) fn finish(shape: Shape, raw: Vec<f32>, tape: &Tape, operands: &[&Tensor]) -> Result<Vec<Tensor>> {
    let sources: Vec<Arc<[f32]>> = operands.iter().map(|t| t.to_f32()).collect();
    let data: Vec<f32> = indices(&shape)
        .zip(raw)
        .map(|(index, value)| {
            let mut args = vec![value];
            args.extend(
                operands
                    .iter()
                    .zip(&sources)
                    .map(|(t, d)| d[broadcast_offset(t.shape(), &index)]),
            );
            tape.eval(&args)
        })
        .collect();
    Ok(vec![Tensor::f32(shape, data)?])
}
