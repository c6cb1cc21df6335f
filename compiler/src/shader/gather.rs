//! Rows by index.

use super::{Lanes, Shader};
use crate::kernel::Gather;
use crate::tensor::DType;

/// The bits that a [`Gather`] puts at `[outer, index, element of the row]`; operand 0 is the table, 1 has the indices.
pub fn gather(s: &mut Shader, kernel: &Gather, index: &[String; 3], lanes: Lanes) -> String {
    let [outer, i, element] = index;
    let indices = s.start(1);
    let at = format!("{indices} + {i}");
    let asked = match kernel.dtype {
        DType::I32 => s.int(1, &at),
        DType::F32 => {
            let value = s.float(1, &at);
            format!("i32({value})")
        }
    };
    let asked = s.bind("k", asked);
    let extent = s.number(kernel.extent);
    let extent = s.bind("k", format!("i32({extent})"));
    let from_end = format!("select({asked}, {asked} + {extent}, {asked} < 0)");
    let row = s.bind("k", format!("u32(clamp({from_end}, 0, {extent} - 1))"));
    let table = s.start(0);
    let width = s.number(kernel.row);
    let address = format!("{table} + ({outer} * u32({extent}) + {row}) * {width} + {element}");
    match lanes {
        Lanes::One => s.bits(0, &address),
        Lanes::Four if kernel.row.is_multiple_of(4) && s.is_aligned(0) => s.bit_quad(0, &address),
        Lanes::Four => {
            let address = s.bind("e", address);
            let each: Vec<_> = (0..4)
                .map(|lane| s.bits(0, &format!("{address} + {lane}u")))
                .collect();
            format!("vec4<u32>({})", each.join(", "))
        }
    }
}
