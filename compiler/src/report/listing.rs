//! A plan as text, for `--emit plan`.

use crate::plan::{ArenaId, Argument, Binding, Plan, Run, Space, Step};
use std::fmt::{self, Display, Formatter};

/// A plan as text: memory, inputs and outputs, kernels, steps.
pub fn listing(plan: &Plan) -> impl Display {
    Listing(plan)
}

struct Listing<'a>(&'a Plan);

impl Display for Listing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        writeln!(
            f,
            "arena {} bytes, lower bound {}",
            plan.arena_bytes, plan.lower_bound_bytes
        )?;
        writeln!(
            f,
            "weights {} bytes, prepared {}",
            plan.weights.bytes(),
            plan.prepared_bytes
        )?;
        bindings(f, "input", &plan.inputs)?;
        bindings(f, "output", &plan.outputs)?;
        for (i, kernel) in plan.kernels.iter().enumerate() {
            writeln!(f, "k{i} = {kernel:?}")?;
        }
        for call in &plan.prepare {
            run(f, "prepare: ", call)?;
        }
        for (i, step) in plan.steps.iter().enumerate() {
            match step {
                Step::Run(call) => run(f, &format!("{i}: "), call)?,
                Step::Loop { count, body } => {
                    writeln!(f, "{i}: {count} times")?;
                    body.iter().try_for_each(|call| run(f, "  ", call))?;
                }
            }
        }
        Ok(())
    }
}

fn bindings(f: &mut Formatter<'_>, kind: &str, bindings: &[Binding]) -> fmt::Result {
    bindings.iter().try_for_each(
        |Binding {
             name,
             ty,
             offset,
             range,
             ..
         }| {
            write!(f, "{kind} {name:?} {ty} at arena+{offset}")?;
            match range {
                Some(range) => writeln!(f, ", indices {}..{}", range.first, range.end),
                None => writeln!(f),
            }
        },
    )
}

fn run(f: &mut Formatter<'_>, prefix: &str, run: &Run) -> fmt::Result {
    let arguments: Vec<_> = run.arguments.iter().map(argument).collect();
    let (kernel, name) = (run.kernel.0, &run.name);
    writeln!(f, "{prefix}k{kernel}({}) ; {name}", arguments.join(", "))
}

fn argument(argument: &Argument) -> String {
    let space = match argument.space {
        Space::Weights => "weights".to_owned(),
        Space::Prepared => "prepared".to_owned(),
        Space::Arena(ArenaId(0)) => "arena".to_owned(),
        Space::Arena(ArenaId(arena)) => format!("arena {arena} "),
    };
    let (offset, advance) = (argument.offset, argument.advance);
    match advance {
        0 => format!("{space}+{offset}"),
        _ => format!("{space}+{offset}{advance:+}*i"),
    }
}
