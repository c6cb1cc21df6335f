//! Constant areas.

use super::module::{Made, Stores, finish, invocation};
use super::operands::Operands;
use crate::error::Result;
use crate::kernel::Fill;
use crate::shader::{self, Axes, Lanes};

/// An invocation for each element of all regions, one region after another.
pub(super) fn fill(k: &Fill, run: &Operands) -> Result<Made> {
    let mut s = run.shader();
    let (bits, regions) = shader::fill(k);
    let axes: Vec<Axes> = regions
        .iter()
        .map(|region| Axes {
            extents: region.dims.clone(),
        })
        .collect();
    let count = axes.iter().map(|axes| axes.count(Lanes::One)).sum();
    let n = invocation(&mut s, count);
    let rest = s.variable("n", &n);
    for (region, axes) in regions.iter().zip(&axes) {
        let own = s.number(axes.count(Lanes::One));
        s.block(format!("if ({rest} < {own})"), |s| {
            let index = axes.index(s, &rest, Lanes::One);
            let start = s.start(0);
            let offset = s.number(region.offset);
            let strides: Vec<isize> = region.strides.iter().map(|&stride| stride as isize).collect();
            let address = s.address(&format!("{start} + {offset}"), &index, &strides);
            s.line(format!("store({address}, {bits});"));
            s.line("return;");
        });
        s.line(format!("{rest} -= {own};"));
    }
    finish(run.memories(), s, (0, Stores::Elements), "", count)
}
