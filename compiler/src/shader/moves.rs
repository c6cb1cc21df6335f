//! Copies and constant areas.

use super::{Lanes, Shader};
use crate::kernel::{Fill, Move, Region};

/// The bits that a [`Move`] puts at an index; operand 0 is what is copied.
pub fn move_(s: &mut Shader, kernel: &Move, index: &[String], lanes: Lanes) -> String {
    let start = s.start(0);
    let address = s.address(&start, index, &kernel.x);
    if lanes == Lanes::One {
        return s.bits(0, &address);
    }
    let (inner, outer) = match kernel.x.split_last() {
        Some((&inner, outer)) => (inner, outer),
        None => (0, &[][..]),
    };
    if inner == 1 && s.is_aligned(0) && outer.iter().all(|stride| stride % 4 == 0) {
        return s.bit_quad(0, &address);
    }
    let address = s.bind("e", address);
    let step = match inner {
        0 | 1 => format!("{inner}u"),
        _ => s.signed(inner),
    };
    let each: Vec<_> = (0..4)
        .map(|lane| s.bits(0, &format!("{address} + {lane}u * {step}")))
        .collect();
    format!("vec4<u32>({})", each.join(", "))
}

/// The bits of a [`Fill`], and its regions.
pub fn fill(kernel: &Fill) -> (String, &[Region]) {
    (format!("{:#x}u", kernel.bits), &kernel.regions)
}
