//! Reductions.

use super::module::{Made, Stores, WORKGROUP, finish, invocation};
use super::operands::Operands;
use crate::error::Result;
use crate::kernel::Reduce;
use crate::shader::{self, Axes, Lanes, Shader, Walk};

/// Results below which a workgroup computes each: single invocations would leave the machine idle.
const FEW: usize = 256;

/// Elements of a result from which on a workgroup computes it.
const LONG: usize = 512;

pub(super) fn reduce(k: &Reduce, run: &Operands) -> Result<Made> {
    let results: usize = k.kept.iter().map(|axis| axis.extent).product();
    let elements: usize = k.reduced.iter().map(|axis| axis.0).product();
    if results < FEW && elements >= LONG {
        return tree(k, run, results);
    }
    let mut s = run.shader();
    let extents: Vec<usize> = k.kept.iter().map(|axis| axis.extent).collect();
    let strides: Vec<usize> = k.kept.iter().map(|axis| axis.out).collect();
    let out = Walk {
        operand: 1,
        strides: &strides,
    };
    let whole = extents.last().is_some_and(|extent| extent.is_multiple_of(4));
    let lanes = if whole && out.is_quad(&s) {
        Lanes::Four
    } else {
        Lanes::One
    };
    let axes = Axes { extents };
    let count = axes.count(lanes);
    let n = invocation(&mut s, count);
    let index = axes.index(&mut s, &n, lanes);
    let raw = shader::reduce(&mut s, k, &index, lanes);
    store(&mut s, k, &out, &index, &raw, lanes);
    let stores = match lanes {
        Lanes::One => Stores::Elements,
        Lanes::Four => Stores::Quads,
    };
    finish(run.memories(), s, (1, stores), "", count)
}

/// Applies the tape and writes the result.
fn store(s: &mut Shader, k: &Reduce, out: &Walk<'_>, index: &[String], raw: &str, lanes: Lanes) {
    let raw = s.bind("r", raw);
    let value = shader::finish(s, k, index, &raw, lanes);
    let address = out.address(s, index);
    s.line(format!("store({address}, bitcast<{}>({value}));", lanes.bits()));
}

/// A workgroup for each result: every invocation reduces a part, and a tree in shared memory the parts.
fn tree(k: &Reduce, run: &Operands, results: usize) -> Result<Made> {
    let mut s = run.shader();
    let strides: Vec<usize> = k.kept.iter().map(|axis| axis.out).collect();
    let out = Walk {
        operand: 1,
        strides: &strides,
    };
    let axes = Axes {
        extents: k.kept.iter().map(|axis| axis.extent).collect(),
    };
    let n = s.bind("n", "group.y * groups.x + group.x");
    // Workgroups without a result do the work of the last one, since all must meet at the barriers.
    let last = s.number(results - 1);
    let own = s.bind("n", format!("min({n}, {last})"));
    let index = axes.index(&mut s, &own, Lanes::One);
    let part = shader::reduce_range(&mut s, k, &index, "lane", WORKGROUP);
    s.line(format!("parts[lane] = {part};"));
    s.line("workgroupBarrier();");
    s.block(
        format!("for (var half = {}u; half > 0u; half >>= 1u)", WORKGROUP / 2),
        |s| {
            let value = shader::combine(k.kind, "parts[lane]", "parts[lane + half]");
            s.line(format!("if (lane < half) {{ parts[lane] = {value}; }}"));
            s.line("workgroupBarrier();");
        },
    );
    s.block(format!("if (lane == 0u && {n} <= {last})"), |s| {
        store(s, k, &out, &index, "parts[0]", Lanes::One);
    });
    let declarations = format!("var<workgroup> parts: array<f32, {WORKGROUP}>;\n");
    finish(
        run.memories(),
        s,
        (1, Stores::Elements),
        &declarations,
        results * WORKGROUP,
    )
}
