//! Scalar functions over broadcast inputs.

use super::{Lanes, Shader, Walk};
use crate::kernel::Map;

/// The results of a [`Map`] at an index; its inputs are the operands from 0 on.
pub fn map(s: &mut Shader, kernel: &Map, index: &[String], lanes: Lanes) -> String {
    let mut inputs = Vec::with_capacity(kernel.inputs.len());
    for (operand, input) in kernel.inputs.iter().enumerate() {
        let walk = Walk {
            operand,
            strides: &input.strides,
        };
        let value = walk.number(s, index, input.dtype, lanes);
        inputs.push(s.bind("x", value));
    }
    s.apply(&kernel.tape, &inputs, lanes)
}
