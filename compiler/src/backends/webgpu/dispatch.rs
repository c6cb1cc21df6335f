//! The dispatch of each family.

use super::module::Module;
use super::{fill, product, reduce, results};
use crate::backends::gpu::other;
use crate::error::Result;
use crate::kernel::{Kernel, Role};
use crate::plan::{Run, Space};

/// The module of a run, and its workgroups.
///
/// # Errors
/// When the plan was made for another target.
pub(super) fn dispatch(kernel: &Kernel, run: &Run) -> Result<(Module, [usize; 3])> {
    check(kernel, run)?;
    match kernel {
        Kernel::Map(k) => results::map(kernel, k, run),
        Kernel::Move(k) => results::moves(kernel, k, run),
        Kernel::Gather(k) => results::gather(kernel, k, run),
        Kernel::Pool(k) => results::pool(kernel, k, run),
        Kernel::Reduce(k) => reduce::reduce(kernel, k, run),
        Kernel::Fill(k) => fill::fill(kernel, k, run),
        Kernel::Contract(k) => product::contract(kernel, k, run),
        Kernel::Convolve(k) => product::convolve(kernel, k, run),
        Kernel::Winograd(_) | Kernel::WinogradWeights(_) | Kernel::Depthwise(_) => Err(other(kernel)),
    }
}

/// No kernel writes to a buffer that it reads, or to weights.
fn check(kernel: &Kernel, run: &Run) -> Result<()> {
    let operands = kernel.operands();
    let written: Vec<Space> = operands
        .iter()
        .zip(&run.arguments)
        .filter(|(operand, _)| operand.role.is_written())
        .map(|(_, argument)| argument.space)
        .collect();
    let reads_it = |(operand, argument): (&crate::kernel::Operand, &crate::plan::Argument)| {
        !operand.role.is_written() && written.contains(&argument.space)
    };
    let wrong = operands.iter().zip(&run.arguments).any(reads_it)
        || operands.iter().any(|operand| operand.role == Role::Scratch)
        || written.iter().any(|space| !matches!(space, Space::Arena(_)));
    if wrong { Err(other(kernel)) } else { Ok(()) }
}
