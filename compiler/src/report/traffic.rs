//! How much memory a kernel touches.

use crate::kernel::{Kernel, Role};

/// Bytes that a kernel reads and writes, each element once: what a cache that holds everything would still move.
pub(super) fn touched_bytes(kernel: &Kernel) -> u64 {
    let operands = kernel.operands();
    let kept = operands.iter().filter(|operand| operand.role != Role::Scratch);
    kept.map(|operand| 4 * operand.elements() as u64).sum()
}
