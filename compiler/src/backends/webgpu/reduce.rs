//! Reductions.

use super::module::{Made, Stores, WORKGROUP, finish, invocation};
use super::operands::Operands;
use crate::error::Result;
use crate::kernel::Reduce;
use crate::shader::{self, Axes, Lanes, Shader, Walk};

/// Results below which a workgroup computes each: single invocations would leave the machine idle.
const FEW: usize = 256;

pub(super) fn reduce(k: &Reduce, run: &Operands) -> Result<Made> {
    let results: usize = k.kept.iter().map(|axis| axis.extent).product();
    let elements: usize = k.reduced.iter().map(|axis| axis.0).product();
    if results < FEW && elements >= run.machine().long_reduction() {
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
    store(&mut s, k, &index, &raw, (lanes, "store"));
    finish(run.memories(), s, (1, Stores::of(lanes)), "", count)
}

/// Applies the tape and writes the result by a function of this name.
pub(super) fn store(s: &mut Shader, k: &Reduce, index: &[String], raw: &str, (lanes, name): (Lanes, &str)) {
    let strides: Vec<usize> = k.kept.iter().map(|axis| axis.out).collect();
    let out = Walk {
        operand: 1,
        strides: &strides,
    };
    let raw = s.bind("r", raw);
    let value = shader::finish(s, k, index, &raw, lanes);
    let address = out.address(s, index);
    s.line(format!("{name}({address}, bitcast<{}>({value}));", lanes.bits()));
}

/// A workgroup for each result: every invocation reduces a part, and a tree in shared memory the parts.
fn tree(k: &Reduce, run: &Operands, results: usize) -> Result<Made> {
    let mut s = run.shader();
    let axes = Axes {
        extents: k.kept.iter().map(|axis| axis.extent).collect(),
    };
    let n = s.bind("n", "group.y * groups.x + group.x");
    // Workgroups without a result do the work of the last one, since all must meet at the barriers.
    let last = s.number(results - 1);
    let own = s.bind("n", format!("min({n}, {last})"));
    let index = axes.index(&mut s, &own, Lanes::One);
    parts(&mut s, k, &index);
    s.block(format!("if (lane == 0u && {n} <= {last})"), |s| {
        store(s, k, &index, "parts[0]", (Lanes::One, "store"));
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

/// Leaves in `parts[0]` what a workgroup has reduced for an index of the kept axes.
pub(super) fn parts(s: &mut Shader, k: &Reduce, index: &[String]) {
    let part = shader::reduce_range(s, k, index, "lane", WORKGROUP);
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
}
