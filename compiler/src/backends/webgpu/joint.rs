//! Which steps can be one dispatch because they are attention: a product, the softmax of its rows and a product with these, where nobody
//! else reads what lies between.

use super::machine::Machine;
use crate::kernel::{Contract, Image, KeptAxis, Kernel, Map, ReduceKind, Right};
use crate::plan::{Argument, BufferId, Space, Steps};
use crate::pointwise::{Binary, Tape, Unary};
use crate::shader::BLOCK;
use crate::tensor::DType;

/// Operands of an epilogue that can still be bound beside all others.
const MOST_OPERANDS: usize = 2;

/// Where a contraction has its left side, its right side and its result.
const LEFT: usize = 0;
const RIGHT: usize = 1;
pub(super) const OUT: usize = 2;

/// All of them in a program, where they suit the machine that has them as one dispatch.
pub(super) fn all(steps: Steps<'_>) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut first = 0;
    while first + ROWS < steps.count() {
        let is_free = |step: &usize| all.iter().all(|group| group.last() != Some(step));
        match group(steps, first).filter(|last| is_free(&first) && is_free(last)) {
            Some(last) => {
                all.push((first..first + ROWS).chain([last]).collect());
                first += ROWS;
            }
            None => first += 1,
        }
    }
    all
}

/// The steps from the first product to the shares, which follow each other.
const ROWS: usize = 5;

/// The last step of attention that begins with a step.
fn group(steps: Steps<'_>, first: usize) -> Option<usize> {
    let mut runs = Vec::with_capacity(ROWS);
    for step in first..first + ROWS {
        runs.push(steps.single(step)?);
    }
    let [
        (scored, Kernel::Contract(scores)),
        (most, k_most),
        (power, k_power),
        (sum, k_sum),
        (share, k_share),
    ] = runs[..]
    else {
        return None;
    };
    if !is_softmax(scores, [k_most, k_power, k_sum, k_share]) {
        return None;
    }
    let score = scored.arguments[OUT];
    let ([a, largest], [b, c, powered]) = (
        most.arguments[..].try_into().ok()?,
        power.arguments[..].try_into().ok()?,
    );
    let ([d, summed], [e, f, shared]) = (
        sum.arguments[..].try_into().ok()?,
        share.arguments[..].try_into().ok()?,
    );
    let linked = [a, b] == [score; 2] && c == largest && [d, e] == [powered; 2] && f == summed;
    let only = |argument: Argument<BufferId>, readers: &[usize]| {
        let Space::Arena(buffer) = argument.space else {
            return false;
        };
        let expected = readers.iter().map(|reader| first + reader);
        steps
            .with(buffer)
            .is_some_and(|found| found.into_iter().eq(expected))
    };
    let inside = only(score, &[0, 1, 2])
        && only(largest, &[1, 2])
        && only(powered, &[2, 3, 4])
        && only(summed, &[3, 4]);
    let Space::Arena(buffer) = shared.space else {
        return None;
    };
    let [own, last] = steps.with(buffer)?[..].try_into().ok()?;
    // What repeats other steps may read what is not what it was.
    let is_straight = (first..last).all(|step| steps.single(step).is_some());
    let (valued, kernel) = steps.single(last)?;
    let Kernel::Contract(values) = kernel else {
        return None;
    };
    let reads_once = valued.arguments[LEFT] == shared
        && valued.arguments[RIGHT..]
            .iter()
            .all(|other| other.space != shared.space);
    let fits = linked && inside && own == first + ROWS - 1 && is_straight && reads_once;
    (fits && suits(scores, values)).then_some(last)
}

/// Whether these kernels make shares of the rows of scores.
fn is_softmax(scores: &Contract, [most, power, sum, share]: [&Kernel; 4]) -> bool {
    let [batches, of_batch, of_row, keys] = scores.dims;
    let rows = batches * of_batch * of_row;
    let reduces = |kernel: &Kernel, kind: ReduceKind| {
        let Kernel::Reduce(k) = kernel else {
            return false;
        };
        let axes =
            |stride: fn(&KeptAxis) -> usize| k.kept.iter().map(move |axis| (axis.extent, stride(axis)));
        k.kind == kind
            && k.tape == Tape::identity()
            && k.reduced[..] == [(keys, 1)]
            && is_dense(axes(|axis| axis.x), rows, keys)
            && is_dense(axes(|axis| axis.out), rows, 1)
    };
    let maps = |kernel: &Kernel, with: &Tape| {
        let Kernel::Map(Map {
            dims,
            inputs,
            out,
            tape,
        }) = kernel
        else {
            return false;
        };
        let walks = |strides: &[usize], unit: usize, within: usize| {
            let outer = dims.iter().copied().zip(strides.iter().copied());
            (dims.last(), strides.last()) == (Some(&keys), Some(&within))
                && is_dense(outer.take(dims.len() - 1), rows, unit)
        };
        let floats = inputs.iter().all(|input| input.dtype == DType::F32);
        tape == with
            && floats
            && walks(out, keys, 1)
            && matches!(&inputs[..], [a, b] if walks(&a.strides, keys, 1) && walks(&b.strides, 1, 0))
    };
    let powers = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp));
    is_dense(pixels(scores.dims, scores.out), rows, keys)
        && reduces(most, ReduceKind::Max)
        && maps(power, &powers)
        && reduces(sum, ReduceKind::Sum)
        && maps(share, &Tape::binary(Binary::Div))
}

/// Whether so many rows follow each other along some axes, outermost first, each with its extent and stride, at this distance.
fn is_dense(axes: impl DoubleEndedIterator<Item = (usize, usize)>, rows: usize, distance: usize) -> bool {
    let mut next = distance;
    let follows = axes.rev().all(|(extent, stride)| {
        let fits = extent == 1 || stride == next;
        next *= extent;
        fits
    });
    follows && next == rows * distance
}

/// The axes of the pixels of an image.
fn pixels(dims: [usize; 4], strides: Image) -> impl DoubleEndedIterator<Item = (usize, usize)> {
    dims.into_iter().zip(strides)
}

/// Whether both products are of the same rows, and one dispatch of them is worth it.
fn suits(scores: &Contract, values: &Contract) -> bool {
    let [batches, of_batch, of_row, keys] = scores.dims;
    let is_plain = |k: &Contract| {
        k.taps.is_empty()
            && matches!(k.right, Right::Rows { .. })
            && k.epilogue.operands.len() <= MOST_OPERANDS
    };
    let images = images(scores, values);
    let workgroups = images * (batches * of_batch * of_row / images).div_ceil(BLOCK);
    let rows = batches * of_batch * of_row;
    is_plain(scores)
        && is_plain(values)
        && scores.dims[..3] == values.dims[..3]
        && values.run == keys
        && is_dense(pixels(values.dims, values.a), rows, keys)
        && Machine::Hardware.attends(workgroups, [rows, keys, values.dims[3]])
}

/// Batches and rows that have matrices of their own; 1 where all share both.
pub(super) fn images(scores: &Contract, values: &Contract) -> usize {
    if scores.right.is_shared() && values.right.is_shared() {
        1
    } else {
        scores.dims[0] * scores.dims[1]
    }
}
