//! Functions of single elements with their operands and parameters.

use super::Library;
use super::arguments::{Arguments, Operand, X, Y};
use crate::keras::layers::context::{Cx, Outcome, one};
use crate::keras::layers::scalars::{Approximable, Form, Parameter, Scalar};
use crate::pointwise::Tape;

/// Applies a tape of two inputs; numbers become part of it.
pub fn pair(cx: &mut Cx<'_>, arguments: &Arguments<'_>, tape: &Tape, names: [&[&str]; 2]) -> Outcome {
    let a = arguments.operand(cx, 0, names[0])?;
    let b = arguments.operand(cx, 1, names[1])?;
    let identity = |number| (Tape::identity(), vec![number]);
    let constant = |value| (Tape::constant(value), Vec::new());
    let (replaced, inputs) = match (a, b) {
        (Operand::Tensor(a), Operand::Tensor(b)) => ([identity(0), identity(1)], vec![a, b]),
        (Operand::Tensor(a), Operand::Number(b)) => ([identity(0), constant(b)], vec![a]),
        (Operand::Number(a), Operand::Tensor(b)) => ([constant(a), identity(0)], vec![b]),
        (Operand::Number(_), Operand::Number(_)) => {
            return Err(cx.inconsistent("it is called without a tensor"));
        }
    };
    let tape = tape.substitute(&replaced, inputs.len() as u32);
    one(cx.b().map(tape, &inputs)?)
}

/// Applies a function of single elements with the arguments of the call.
pub(super) fn scalar(cx: &mut Cx<'_>, arguments: &Arguments<'_>, library: Library, row: &Scalar) -> Outcome {
    let of_keras = library == Library::Keras;
    if let Form::Pair(tape) = row.form {
        return pair(cx, arguments, &tape(), [X, Y]);
    }
    let x = arguments.tensor(cx, 0, X)?;
    let tape = match row.form {
        Form::Unary(tape, _) | Form::Pair(tape) => tape(),
        Form::Parameter(Parameter {
            name,
            function,
            default,
            tape,
            ..
        }) => {
            let name = if of_keras { Some(name) } else { function };
            let given = name.map_or(Ok(None), |name| arguments.number(cx, 1, &[name]))?;
            tape(given.unwrap_or(default) as f32)
        }
        Form::Approximable(Approximable {
            tape,
            approximate,
            operation,
            function,
            ..
        }) => {
            let default = if of_keras { operation } else { function };
            match arguments.flag(cx, 1, &["approximate"], default)? {
                true => approximate(),
                false => tape(),
            }
        }
    };
    one(cx.apply(tape, x)?)
}
