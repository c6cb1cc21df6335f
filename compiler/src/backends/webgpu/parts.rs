//! Long products with few results, in two dispatches: the first adds up parts of the contraction, the second those parts.

use super::machine::Machine;
use super::module::{Made, Stores, finish, invocation};
use super::operands::Operands;
use super::tiles::{Results, Tile};
use crate::error::Result;
use crate::kernel::{Contract, Right};
use crate::shader;

/// Elements of a contraction from which on few rows are computed in parts.
const LONG: usize = 512;

/// Invocations that few rows are divided between, about.
const SPREAD: usize = 4096;

/// Rows that are computed together, where there are several: they share what is read of the weights.
const TOGETHER: usize = 8;

/// A long product with few rows, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Few {
    /// Channels of a panel.
    width: usize,
    /// Rows that an invocation computes.
    together: usize,
    parts: usize,
}

/// How a product is divided, if it is long and has few rows.
pub(super) fn few(k: &Contract, machine: Machine) -> Option<Few> {
    let rows: usize = k.dims[..3].iter().product();
    let Right::Panels { width } = k.right else {
        return None;
    };
    if rows > machine.few_rows() || !k.taps.is_empty() || k.run < LONG {
        return None;
    }
    let together = rows.next_power_of_two().min(TOGETHER);
    let columns = k.dims[3].div_ceil(4);
    let parts = (SPREAD / (columns * rows.div_ceil(together))).min(k.run / (LONG / 4));
    (parts > 1).then_some(Few {
        width,
        together,
        parts,
    })
}

impl Few {
    /// Both dispatches.
    ///
    /// # Errors
    /// When the operands lie in more buffers than can be bound.
    pub fn modules(self, k: &Contract, results: &Results<'_>, run: &Operands) -> Result<Vec<Made>> {
        Ok(vec![
            self.partial(k, results, run)?,
            total(results, run, self.parts)?,
        ])
    }

    /// Every invocation adds up a part of the contraction of four results for some rows.
    fn partial(self, k: &Contract, results: &Results<'_>, run: &Operands) -> Result<Made> {
        let Self {
            width,
            together,
            parts,
        } = self;
        let (rows, columns) = (results.pixels(), k.dims[3].div_ceil(4));
        let groups = rows.div_ceil(together);
        let count = columns * groups * parts;
        let mut s = run.shader();
        let number = invocation(&mut s, count);
        let across = s.number(columns);
        let n = s.bind("n", format!("{number} % {across} * 4u"));
        let mut part = s.bind("n", format!("{number} / {across}"));
        let mut before = "0u".to_owned();
        if groups > 1 {
            let groups = s.number(groups);
            before = s.bind("m", format!("{part} % {groups} * {together}u"));
            part = s.bind("n", format!("{part} / {groups}"));
        }
        let last = s.number(rows - 1);
        let places = s.for_all(0..together, |s, i| {
            results.place(s, (&before, &format!("{i}u")), ("", &last))
        });
        let all = s.number(k.run);
        let length = s.number(k.run.div_ceil(4 * parts) * 4);
        let first = s.bind("k", format!("{part} * {length}"));
        let end = s.bind("k", format!("min({first} + {length}, {all})"));
        let pixels: Vec<_> = places.iter().map(|place| place.index.clone()).collect();
        let sums = shader::contract_part(&mut s, k, (&pixels, width), &n, (&first, &end));
        let is_whole = rows.is_multiple_of(together);
        let rows = s.number(rows);
        for (place, sum) in places.iter().zip(&sums) {
            let at = format!("(({part} * {rows} + {}) * {across} * 4u + {n})", place.number);
            let store = format!("store({at}, bitcast<vec4<u32>>({sum}));");
            s.line(match is_whole {
                true => store,
                false => format!("if ({} <= {last}) {{ {store} }}", place.number),
            });
        }
        let made = finish(run.memories(), s, (run.scratch(), Stores::Quads), "", count)?;
        let scratch = scratch(results, parts);
        Ok(Made { scratch, ..made })
    }
}

/// Elements of the parts of results: of each part a row of whole quads for each pixel.
pub(super) fn scratch(results: &Results<'_>, parts: usize) -> usize {
    parts * results.pixels() * results.dims[3].next_multiple_of(4)
}

/// An invocation for four results adds up their parts, which lie in [scratch memory](scratch).
///
/// # Errors
/// When the operands lie in more buffers than can be bound.
pub(super) fn total(results: &Results<'_>, run: &Operands, parts: usize) -> Result<Made> {
    let tile = Tile { pixels: 1, quads: 1 };
    let (row, pixels) = (results.dims[3].next_multiple_of(4), results.pixels());
    Results { tile, ..*results }.module(run, |s, places, n| {
        let sum = s.variable("m", "vec4<f32>(0.0f)");
        let row = s.number(row);
        let of_part = s.number(pixels);
        let count = s.number(parts);
        let pixel = &places[0].inside;
        s.count(&count, 1, |s, part| {
            let at = format!("({part} * {of_part} + {pixel}) * {row} + {n}");
            let value = s.quad(run.scratch(), &at);
            s.line(format!("{sum} += {value};"));
        });
        Ok(vec![vec![sum]])
    })
}
