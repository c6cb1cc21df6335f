//! How far another machine's value of a function may be from ours.

use super::Tape;

/// What functions add to a value relative to it, and relative to the inputs: where terms cancel, the value alone says
/// nothing. Both are much more than rounding, and more than careless machines' functions.
const OF_VALUE: f32 = 1e-3;
const OF_INPUTS: f32 = 1e-5;

impl Tape {
    /// How far the function's value on another machine may be from [`Tape::eval`] where each input may be off by its error.
    /// The function is only asked, not followed: tapes have steps that are exact by construction, and would not be
    /// with the error of a careless machine. It is infinite or NaN where nothing can be said.
    ///
    /// # Panics
    /// If there are fewer inputs or errors than the tape has inputs.
    pub fn deviation(&self, inputs: &[f32], errors: &[f32]) -> f32 {
        let value = self.eval(inputs);
        let largest = inputs.iter().fold(1f32, |most, input| most.max(input.abs()));
        let mut bound = OF_VALUE * value.abs() + OF_INPUTS * largest;
        let mut moved = inputs.to_vec();
        for (i, &error) in errors.iter().enumerate() {
            let most = [-error, error].map(|error| {
                moved[i] = inputs[i] + error;
                distance(self.eval(&moved), value)
            });
            moved[i] = inputs[i];
            bound += if most[0] > most[1] || most[0].is_nan() {
                most[0]
            } else {
                most[1]
            };
        }
        bound
    }
}

/// Equal infinities are no distance apart.
fn distance(a: f32, b: f32) -> f32 {
    if a == b { 0.0 } else { (a - b).abs() }
}

#[cfg(test)]
mod tests {
    use crate::pointwise::library::{gelu, reciprocal, relu, sigmoid, softplus};
    use crate::pointwise::{Binary, Tape};

    fn at(tape: &Tape, input: f32, error: f32) -> f32 {
        tape.deviation(&[input], &[error])
    }

    #[test]
    fn errors_follow_the_function() {
        assert!((0.25..0.26).contains(&at(&Tape::identity(), 3.0, 0.25)));
        assert!(at(&relu::tape(), -3.0, 0.25) < 1e-4);
        assert!((0.25..0.26).contains(&at(&relu::tape(), 3.0, 0.25)));
        let product = Tape::binary(Binary::Mul);
        let bound = product.deviation(&[10.0, 10.0], &[0.1, 0.1]);
        assert!((2.0..2.2).contains(&bound), "{bound}");
    }

    #[test]
    fn where_terms_cancel_something_remains() {
        let bound = at(&gelu::tape(), -64.0, 0.0);
        assert!((1e-4..1e-2).contains(&bound), "{bound}");
    }

    #[test]
    fn it_is_small_where_functions_saturate() {
        for tape in [sigmoid::tape(), softplus::tape()] {
            for input in [-1000.0, -64.0, 0.0, 64.0, 1000.0] {
                let bound = at(&tape, input, 1e-3 * f32::abs(input));
                let value = tape.eval(&[input]);
                assert!(bound <= 0.02 * value.abs().max(1.0), "{bound} at {input}");
            }
        }
    }

    #[test]
    fn nothing_is_said_of_poles() {
        assert!(!at(&reciprocal::tape(), 0.0, 0.1).is_finite());
    }
}
