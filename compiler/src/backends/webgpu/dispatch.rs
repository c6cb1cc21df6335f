//! The dispatch of each family.

use super::module::Made;
use super::{fill, product, reduce, results};
use crate::backends::gpu::other;
use crate::error::Result;
use crate::kernel::{Kernel, Role};
use crate::plan::{Run, Space};

/// The dispatches of a run, whose packed weights may be read in half precision: one, or two where the second adds up what the first has computed in parts.
///
/// # Errors
/// When the plan was made for another target.
pub(super) fn dispatch(kernel: &Kernel, run: &Run, halves: bool) -> Result<Vec<Made>> {
    check(kernel, run)?;
    let made = match kernel {
        Kernel::Map(k) => results::map(k, run),
        Kernel::Move(k) => results::moves(k, run),
        Kernel::Gather(k) => results::gather(k, run),
        Kernel::Pool(k) => results::pool(k, run),
        Kernel::Reduce(k) => reduce::reduce(k, run),
        Kernel::Fill(k) => fill::fill(k, run),
        Kernel::Contract(k) => return product::contract(k, run, halves),
        Kernel::Convolve(k) => product::convolve(k, run, halves),
        Kernel::Winograd(_) | Kernel::WinogradWeights(_) | Kernel::Depthwise(_) => Err(other(kernel)),
    };
    Ok(vec![made?])
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
