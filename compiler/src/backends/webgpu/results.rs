//! Families whose results are computed each by itself: an invocation for each, or for four that lie together.

use super::module::{Made, Stores, finish, invocation};
use super::operands::Operands;
use crate::error::Result;
use crate::kernel::{Gather, Map, Move, Pool};
use crate::shader::{self, Axes, Lanes, Shader, Walk};

/// Whether results are computed in fours: where they are written so.
fn lanes(s: &Shader, extents: &[usize], out: &Walk<'_>) -> Lanes {
    let whole = extents.last().is_some_and(|extent| extent.is_multiple_of(4));
    if whole && out.is_quad(s) {
        Lanes::Four
    } else {
        Lanes::One
    }
}

/// A module in which every invocation computes the bits at one index, or four of them.
fn each(
    run: &Operands,
    extents: &[usize],
    (out, strides): (usize, &[usize]),
    bits: impl FnOnce(&mut Shader, &[String], Lanes) -> String,
) -> Result<Made> {
    let mut s = run.shader();
    let walk = Walk {
        operand: out,
        strides,
    };
    let lanes = lanes(&s, extents, &walk);
    let axes = Axes {
        extents: extents.to_vec(),
    };
    let count = axes.count(lanes);
    let n = invocation(&mut s, count);
    let index = axes.index(&mut s, &n, lanes);
    let value = bits(&mut s, &index, lanes);
    let address = walk.address(&mut s, &index);
    s.line(format!("store({address}, {value});"));
    finish(run.memories(), s, (out, Stores::of(lanes)), "", count)
}

fn bits_of(value: &str, lanes: Lanes) -> String {
    format!("bitcast<{}>({value})", lanes.bits())
}

pub(super) fn map(k: &Map, run: &Operands) -> Result<Made> {
    each(run, &k.dims, (k.inputs.len(), &k.out), |s, index, lanes| {
        let value = shader::map(s, k, index, lanes);
        bits_of(&value, lanes)
    })
}

pub(super) fn moves(k: &Move, run: &Operands) -> Result<Made> {
    each(run, &k.dims, (1, &k.out), |s, index, lanes| {
        shader::move_(s, k, index, lanes)
    })
}

pub(super) fn gather(k: &Gather, run: &Operands) -> Result<Made> {
    let extents = [k.outer, k.indices, k.row];
    let strides = [k.indices * k.row, k.row, 1];
    each(run, &extents, (2, &strides), |s, index, lanes| {
        let index = [index[0].clone(), index[1].clone(), index[2].clone()];
        shader::gather(s, k, &index, lanes)
    })
}

pub(super) fn pool(k: &Pool, run: &Operands) -> Result<Made> {
    let strides = [k.out[0], k.out[1], k.out[2], 1];
    each(run, &k.dims, (1, &strides), |s, index, lanes| {
        let raw = shader::pool(s, k, index, lanes);
        let raw = s.bind("r", raw);
        let index = [0, 1, 2, 3].map(|axis: usize| index[axis].clone());
        let value = shader::epilogue(s, &k.epilogue, 2, &index, &raw, lanes);
        bits_of(&value, lanes)
    })
}
