//! A [`Chain`] as one dispatch.

use super::chain::Chain;
use super::module::{Made, Out, Stores, WORKGROUP, finish_all, invocation};
use super::operands::Operands;
use crate::backends::gpu::other;
use crate::error::Result;
use crate::kernel::{Kernel, Map, Reduce};
use crate::shader::{self, Axes, Lanes, Shader, Walk};

/// Rows that are longer are computed by a workgroup each, where workgroups share.
const LONG: usize = 32;

/// The dispatch of the kernels of a chain, whose operands stand one kernel's after the other's.
///
/// # Errors
/// When a kernel has no rows (a bug of ours), or the operands lie in more buffers than can be bound.
pub(super) fn rows(kernels: &[&Kernel], chain: &Chain, run: &Operands) -> Result<Made> {
    let together = run.machine().shares() && chain.longest > LONG;
    let mut s = run.shader();
    let row = if together {
        let n = s.bind("n", "group.y * groups.x + group.x");
        let rows = s.number(chain.rows);
        s.line(format!("if ({n} >= {rows}) {{ return; }}"));
        n
    } else {
        invocation(&mut s, chain.rows)
    };
    let mut outs = Vec::new();
    let mut first = 0;
    for (i, kernel) in kernels.iter().enumerate() {
        if together && i > 0 {
            // What others of the workgroup have written and reduced.
            s.line("storageBarrier();");
            s.line("workgroupBarrier();");
        }
        s.count_operands_from(first);
        let phase = Phase {
            row: &row,
            rows: chain.rows,
            together,
            first,
        };
        outs.push(match kernel {
            Kernel::Map(k) => phase.map(&mut s, k),
            Kernel::Reduce(k) => phase.reduce(&mut s, k),
            kernel => return Err(other(kernel)),
        });
        first += kernel.operands().len();
    }
    s.count_operands_from(0);
    let declarations = if together {
        format!("var<workgroup> parts: array<f32, {WORKGROUP}>;\n")
    } else {
        String::new()
    };
    let invocations = if together { WORKGROUP } else { 1 };
    finish_all(run.memories(), s, &outs, &declarations, chain.rows * invocations)
}

/// What a kernel does for a row.
struct Phase<'a> {
    row: &'a str,
    rows: usize,
    /// Whether a workgroup does it.
    together: bool,
    /// The kernel's first operand.
    first: usize,
}

impl Phase<'_> {
    /// The results of a row one after the other, or a workgroup's at a time.
    fn map(&self, s: &mut Shader, k: &Map) -> Out {
        let out = Walk {
            operand: k.inputs.len(),
            strides: &k.out,
        };
        let length = k.dims.iter().product::<usize>() / self.rows;
        let fours = |&extent: &usize| extent.is_multiple_of(4);
        let lanes = if k.dims.last().is_some_and(fours) && length.is_multiple_of(4) && out.is_quad(s) {
            Lanes::Four
        } else {
            Lanes::One
        };
        let count = s.number(length / lanes.count());
        let store = self.store(k.inputs.len(), lanes);
        let body = |s: &mut Shader, i: &str| {
            let n = s.bind("n", format!("{} * {count} + {i}", self.row));
            let axes = Axes {
                extents: k.dims.clone(),
            };
            let index = axes.index(s, &n, lanes);
            let value = shader::map(s, k, &index, lanes);
            let address = out.address(s, &index);
            let name = store.name();
            s.line(format!("{name}({address}, bitcast<{}>({value}));", lanes.bits()));
        };
        if !self.together {
            s.count(&count, 1, body);
            return store;
        }
        let i = s.fresh("i");
        s.block(
            format!("for (var {i} = lane; {i} < {count}; {i} += {WORKGROUP}u)"),
            |s| body(s, &i),
        );
        store
    }

    /// The result of a row.
    fn reduce(&self, s: &mut Shader, k: &Reduce) -> Out {
        let axes = Axes {
            extents: k.kept.iter().map(|axis| axis.extent).collect(),
        };
        let index = axes.index(s, self.row, Lanes::One);
        let store = self.store(1, Lanes::One);
        let name = store.name();
        if !self.together {
            let raw = shader::reduce(s, k, &index, Lanes::One);
            super::reduce::store(s, k, &index, &raw, (Lanes::One, &name));
            return store;
        }
        super::reduce::parts(s, k, &index);
        s.block("if (lane == 0u)", |s| {
            super::reduce::store(s, k, &index, "parts[0]", (Lanes::One, &name));
        });
        store
    }

    fn store(&self, operand: usize, lanes: Lanes) -> Out {
        Out {
            operand: self.first + operand,
            stores: Stores::of(lanes),
        }
    }
}
