//! The table of functions of single elements: one row for each, with all its names, its defaults, its tape and how exact
//! that is. `activation` and `operators` look names up here.

mod table;

use crate::keras::model::Semantics;
use crate::pointwise::Tape;
use table::{ACTIVATIONS, ELEMENTS, PAIRS, PREDICATES};

/// A function of each element of a tensor, or of each pair of elements of two.
pub struct Scalar {
    /// Its names as an activation.
    pub activations: &'static [&'static str],
    /// The only Keras that means this by those names, where both have them.
    pub only: Option<Semantics>,
    /// Its classes among the operations of Keras 3.
    pub operations: &'static [&'static str],
    /// Its names in TensorFlow, without `tf.` and `compat.v1.`.
    pub functions: &'static [&'static str],
    /// What it computes.
    pub form: Form,
    /// How far it may be off where a target lacks its primitives.
    pub bound: Bound,
}

/// What a row computes.
#[derive(Clone, Copy)]
pub enum Form {
    /// A function of one tensor, and the same in double precision.
    Unary(fn() -> Tape, fn(f64) -> f64),
    /// A function of two tensors.
    Pair(fn() -> Tape),
    /// A function of one tensor and a number.
    Parameter(Parameter),
    /// A function of one tensor that has a short cut, which an argument chooses.
    Approximable(Approximable),
}

/// A function of x and a number.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// The name of the number in Keras.
    pub name: &'static str,
    /// Its name in TensorFlow, where it can be given there.
    pub function: Option<&'static str>,
    /// The number when it is not given.
    pub default: f64,
    /// The function for a number.
    pub tape: fn(f32) -> Tape,
    /// The function with the default number in double precision.
    pub exact: fn(f64) -> f64,
}

/// A function with the argument `approximate`.
#[derive(Clone, Copy)]
pub struct Approximable {
    /// As an activation, and where the argument is false.
    pub tape: fn() -> Tape,
    /// Where the argument is true.
    pub approximate: fn() -> Tape,
    /// The function in double precision.
    pub exact: fn(f64) -> f64,
    /// The argument when an operation of Keras 3 is not given it.
    pub operation: bool,
    /// The argument when a function of TensorFlow is not given it.
    pub function: bool,
}

/// How far a function may be off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// So many units in the last place,
    pub ulps: f64,
    /// or so much, times |x| where that is above 1: it counts where terms cancel, and where results are too small to be normal.
    pub absolute: f64,
    /// As long as |x| is not above this.
    pub range: f64,
}

impl Scalar {
    /// The tape of the function of one tensor with all defaults of an activation.
    pub fn tape(&self) -> Option<Tape> {
        match self.form {
            Form::Unary(tape, _) => Some(tape()),
            Form::Pair(_) => None,
            Form::Parameter(Parameter { tape, default, .. }) => Some(tape(default as f32)),
            Form::Approximable(Approximable { tape, .. }) => Some(tape()),
        }
    }
}

/// All of them.
pub fn scalars() -> impl Iterator<Item = &'static Scalar> {
    [ACTIVATIONS, ELEMENTS, PREDICATES, PAIRS].into_iter().flatten()
}

/// The activation of that name.
pub(super) fn activation(name: &str, semantics: Semantics) -> Option<&'static Scalar> {
    // Keras 2 kept the functions of Keras 1.
    let semantics = match semantics {
        Semantics::Keras1 => Semantics::Keras2,
        other => other,
    };
    scalars().find(|row| row.activations.contains(&name) && row.only.is_none_or(|only| only == semantics))
}

/// The operation of Keras 3 of that class.
pub(super) fn operation(class: &str) -> Option<&'static Scalar> {
    scalars().find(|row| row.operations.contains(&class))
}

/// The function of TensorFlow of that name.
pub(super) fn function(name: &str) -> Option<&'static Scalar> {
    scalars().find(|row| row.functions.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::testing::{sweep, ulps as distance, worst};

    /// A name for messages.
    fn name(row: &Scalar) -> &'static str {
        let names = [row.activations, row.operations, row.functions];
        names.into_iter().flatten().next().copied().unwrap_or_default()
    }

    #[test]
    fn functions_are_as_exact_as_they_say() {
        const STEP: usize = 160_411;
        let mut off = Vec::new();
        for row in scalars() {
            let (tape, exact) = match row.form {
                Form::Unary(tape, exact) => (tape(), exact),
                Form::Parameter(Parameter {
                    tape, default, exact, ..
                }) => (tape(default as f32), exact),
                Form::Approximable(Approximable { tape, exact, .. }) => (tape(), exact),
                Form::Pair(_) => continue,
            };
            let Bound {
                ulps,
                absolute,
                range,
            } = row.bound;
            let inputs = sweep(STEP).filter(|x| x.is_nan() || f64::from(x.abs()) <= range);
            let measure = |x: f32, found: f32| {
                let exact = exact(f64::from(x));
                let most = absolute * f64::from(x.abs()).max(1.0);
                if (f64::from(found) - exact).abs() <= most {
                    0.0
                } else {
                    distance(found, exact)
                }
            };
            for (error, x) in worst(&tape.expand(|_| false), inputs, measure) {
                println!("{}: {error} of {ulps} at {x}", name(row));
                if error > ulps || error.is_nan() {
                    off.push(format!("{}({x}) is {error} ulp off, more than {ulps}", name(row)));
                }
            }
        }
        assert!(off.is_empty(), "\n{}", off.join("\n"));
    }

    #[test]
    fn a_name_means_one_thing() {
        for semantics in [Semantics::Keras2, Semantics::Keras3] {
            let counts = |row: &&Scalar| row.only.is_none_or(|only| only == semantics);
            let lists: [fn(&Scalar) -> &'static [&'static str]; 3] =
                [|row| row.activations, |row| row.operations, |row| row.functions];
            for list in lists {
                let mut names: Vec<_> = scalars().filter(counts).flat_map(list).collect();
                let all = names.len();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), all, "a name stands twice");
            }
        }
    }
}
