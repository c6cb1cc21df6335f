//! Whether kernels stay inside their memory.

use super::Plan;
use super::step::{Argument, Run, Space};
use crate::error::{Error, Result};
use crate::kernel::{Operand, Role};

/// Checks that every operand of every run lies inside the memory that its argument leads into, in every iteration, and
/// that nothing writes to weights.
pub(super) fn check(plan: &Plan) -> Result<()> {
    let steps = plan.steps.iter().map(|step| (step.count(), step.runs()));
    for (count, runs) in steps.chain([(1, plan.prepare.as_slice())]) {
        for run in runs {
            check_run(plan, run, count).map_err(|error| error.in_node(&run.name))?;
        }
    }
    Ok(())
}

fn check_run(plan: &Plan, run: &Run, count: usize) -> Result<()> {
    let kernel = plan.kernel(run);
    let operands = kernel.operands();
    if operands.len() != run.arguments.len() {
        return Err(Error::internal(format!(
            "{} arguments for the {} operands of a {}",
            run.arguments.len(),
            operands.len(),
            kernel.family()
        )));
    }
    for (i, (operand, argument)) in operands.iter().zip(&run.arguments).enumerate() {
        let fault = if !fits(plan, operand, argument, count) {
            "leaves its memory"
        } else if !is_allowed(operand.role, argument.space) {
            "lies in memory of another kind"
        } else {
            continue;
        };
        let family = kernel.family();
        return Err(Error::internal(format!("operand {i} of a {family} {fault}")));
    }
    Ok(())
}

/// What is prepared is written by what prepares it; else there is nothing to write outside of arenas. Weights of a product
/// may have been computed by the model.
fn is_allowed(role: Role, space: Space) -> bool {
    match space {
        Space::Weights => !role.is_written(),
        Space::Prepared => role != Role::Scratch,
        Space::Arena(_) => true,
    }
}

fn fits(plan: &Plan, operand: &Operand, argument: &Argument, count: usize) -> bool {
    let end = match argument.space {
        Space::Weights => plan.weights.bytes(),
        Space::Prepared => plan.prepared_bytes,
        Space::Arena(arena) => plan.arenas.get(arena.0).copied().unwrap_or(0),
    };
    let Some((low, high)) = operand.bounds() else {
        return true;
    };
    let start = argument.offset as isize;
    let last = argument.advance.saturating_mul(count.saturating_sub(1) as isize);
    let lowest = start + last.min(0) + low.saturating_mul(4);
    let highest = start + last.max(0) + high.saturating_mul(4);
    lowest >= 0 && highest <= end as isize
}
