//! Reduction over whole axes.

use super::{Lanes, Shader, Walk};
use crate::kernel::{Reduce, ReduceKind};

/// The value that changes nothing; finite, since some machines know no infinities.
pub fn identity(kind: ReduceKind, lanes: Lanes) -> String {
    let value = match kind {
        ReduceKind::Sum => "0.0f",
        ReduceKind::Max => "-3.4028234e38f",
        ReduceKind::Min => "3.4028234e38f",
        ReduceKind::Product => "1.0f",
    };
    format!("{}({value})", lanes.float())
}

/// One step of the reduction.
pub fn combine(kind: ReduceKind, a: &str, b: &str) -> String {
    match kind {
        ReduceKind::Sum => format!("{a} + {b}"),
        ReduceKind::Max => format!("max({a}, {b})"),
        ReduceKind::Min => format!("min({a}, {b})"),
        ReduceKind::Product => format!("{a} * {b}"),
    }
}

/// The raw results of a [`Reduce`] at an index of the kept axes; operand 0 is what is reduced.
pub fn reduce(s: &mut Shader, kernel: &Reduce, index: &[String], lanes: Lanes) -> String {
    let strides: Vec<usize> = kernel.kept.iter().map(|axis| axis.x).collect();
    let walk = Walk {
        operand: 0,
        strides: &strides,
    };
    let base = walk.address(s, index);
    let base = s.bind("e", base);
    let together =
        lanes == Lanes::Four && walk.is_quad(s) && kernel.reduced.iter().all(|axis| axis.1 % 4 == 0);
    let found = s.variable("m", identity(kernel.kind, lanes));
    over(s, kernel, &base, 0, &mut |s, at| {
        let value = match (lanes, together) {
            (Lanes::One, _) => s.float(0, at),
            (Lanes::Four, true) => s.quad(0, at),
            (Lanes::Four, false) => s.four(0, at, strides.last().copied().unwrap_or(0)),
        };
        let value = combine(kernel.kind, &found, &value);
        s.line(format!("{found} = {value};"));
    });
    found
}

/// Loops over the reduced axes from `axis` on.
fn over(s: &mut Shader, kernel: &Reduce, base: &str, axis: usize, body: &mut dyn FnMut(&mut Shader, &str)) {
    let Some(&(extent, stride)) = kernel.reduced.get(axis) else {
        body(s, base);
        return;
    };
    let extent = s.number(extent);
    let stride = s.number(stride);
    s.count(&extent, 1, |s, i| {
        let at = s.bind("e", format!("{base} + {i} * {stride}"));
        over(s, kernel, &at, axis + 1, body);
    });
}

/// Reduces the elements `first`, `first + step`, … of all reduced ones, counted in their order, for one index of the kept axes.
pub fn reduce_range(s: &mut Shader, kernel: &Reduce, index: &[String], first: &str, step: usize) -> String {
    let strides: Vec<usize> = kernel.kept.iter().map(|axis| axis.x).collect();
    let walk = Walk {
        operand: 0,
        strides: &strides,
    };
    let base = walk.address(s, index);
    let base = s.bind("e", base);
    let count = kernel.reduced.iter().map(|axis| axis.0).product();
    let count = s.number(count);
    let extents: Vec<usize> = kernel.reduced.iter().map(|axis| axis.0).collect();
    let strides: Vec<isize> = kernel.reduced.iter().map(|axis| axis.1 as isize).collect();
    let found = s.variable("m", identity(kernel.kind, Lanes::One));
    let i = s.fresh("i");
    s.block(
        format!("for (var {i} = {first}; {i} < {count}; {i} += {step}u)"),
        |s| {
            let index = super::Axes { extents }.index(s, &i, Lanes::One);
            let at = s.address(&base, &index, &strides);
            let value = s.float(0, &at);
            let value = combine(kernel.kind, &found, &value);
            s.line(format!("{found} = {value};"));
        },
    );
    found
}

/// Applies the tape of a [`Reduce`] to raw results; its operands are those from 2 on.
pub fn finish(s: &mut Shader, kernel: &Reduce, index: &[String], raw: &str, lanes: Lanes) -> String {
    let mut inputs = vec![raw.to_owned()];
    for operand in 0..kernel.tape.inputs() as usize - 1 {
        let strides: Vec<usize> = kernel.kept.iter().map(|axis| axis.operands[operand]).collect();
        let walk = Walk {
            operand: operand + 2,
            strides: &strides,
        };
        let value = walk.load(s, index, lanes);
        inputs.push(s.bind("x", value));
    }
    s.apply(&kernel.tape, &inputs, lanes)
}
