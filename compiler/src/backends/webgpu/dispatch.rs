//! The dispatch of each family.

use super::module::Made;
use super::operands::Operands;
use super::{fill, product, reduce, results};
use crate::backends::gpu::other;
use crate::error::Result;
use crate::kernel::{Contract, Kernel, Right, Role};
use crate::plan::{Run, Space};

/// The dispatches of a run with these operands: one, or two where the second adds up what the first has computed in parts.
///
/// # Errors
/// When the plan was made for another target.
pub(super) fn dispatch(kernel: &Kernel, run: &Run, operands: &Operands) -> Result<Vec<Made>> {
    check(kernel, run)?;
    let made = match kernel {
        Kernel::Map(k) => results::map(k, operands),
        Kernel::Move(k) => results::moves(k, operands),
        Kernel::Gather(k) => results::gather(k, operands),
        Kernel::Pool(k) => results::pool(k, operands),
        Kernel::Reduce(k) => reduce::reduce(k, operands),
        Kernel::Fill(k) => fill::fill(k, operands),
        Kernel::Contract(Contract {
            right: Right::Codes { .. },
            ..
        }) => Err(other(kernel)),
        Kernel::Contract(k) => return product::contract(k, operands),
        Kernel::Convolve(k) => return product::convolve(k, operands),
        Kernel::Winograd(_) | Kernel::WinogradWeights(_) | Kernel::Depthwise(_) | Kernel::Quantize(_) => {
            Err(other(kernel))
        }
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
