//! What the reference evaluations share: index arithmetic, slow and obvious.

use super::products::in_parts;
use crate::error::Result;
use crate::kernel::Quantize;
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// What an instruction of a tape takes, in products.
const TAPE: usize = 16;

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

/// A function of the elements of some tensors that broadcast to a shape.
pub(super) fn elementwise(shape: &Shape, tape: &Tape, inputs: &[(&Shape, &[f32])]) -> Result<Vec<f32>> {
    let dims = shape.dims();
    let strides = |own: &Shape| -> Vec<usize> {
        let skip = dims.len() - own.rank();
        let mut next = 1;
        let mut strides = vec![0; dims.len()];
        for (axis, &extent) in own.dims().iter().enumerate().rev() {
            strides[skip + axis] = if extent == 1 { 0 } else { next };
            next *= extent;
        }
        strides
    };
    let strides: Vec<Vec<usize>> = inputs.iter().map(|(own, _)| strides(own)).collect();
    let row = dims.last().copied().unwrap_or(1);
    let mut out = vec![0.0; shape.count()];
    let work = out.len() * TAPE * tape.instrs().len();
    in_parts(&mut out, row, work, |first, out| {
        let (mut arguments, mut values) = (vec![0.0; inputs.len()], Vec::new());
        for (number, out) in out.chunks_mut(row.max(1)).enumerate() {
            let offset = |strides: &Vec<usize>| {
                let mut left = first + number;
                let outer = dims.iter().zip(strides).rev().skip(1);
                outer.fold(0, |offset, (extent, stride)| {
                    let index = left % extent;
                    left /= extent;
                    offset + index * stride
                })
            };
            let offsets: Vec<usize> = strides.iter().map(offset).collect();
            for (i, out) in out.iter_mut().enumerate() {
                for (input, argument) in arguments.iter_mut().enumerate() {
                    let stride = strides[input].last().copied().unwrap_or(0);
                    *argument = inputs[input].1[offsets[input] + i * stride];
                }
                *out = tape.eval_with(&arguments, &mut values);
            }
        }
    })?;
    Ok(out)
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
    if tape.is_identity() {
        return Ok(vec![Tensor::f32(shape, raw)?]);
    }
    let sources: Vec<Arc<[f32]>> = operands.iter().map(|t| t.to_f32()).collect();
    let operands = operands
        .iter()
        .zip(&sources)
        .map(|(t, data)| (t.shape(), &data[..]));
    let inputs: Vec<(&Shape, &[f32])> = std::iter::once((&shape, &raw[..])).chain(operands).collect();
    let data = elementwise(&shape, tape, &inputs)?;
    Ok(vec![Tensor::f32(shape, data)?])
}
