//! Measuring the error of tapes.

use super::Tape;
use super::eval::eval_steps;

/// Floats of both signs and all exponents, denormals, infinities and a NaN among them; `step` apart in bits,
/// with a prime step so that mantissas differ.
pub fn sweep(step: usize) -> impl Iterator<Item = f32> + Clone {
    let special = [
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN,
        1.0,
        -1.0,
    ];
    (0..=u32::MAX).step_by(step).map(f32::from_bits).chain(special)
}

/// Distance from the exact value in distances of floats there; below the normal floats, of denormals.
pub fn ulps(found: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if found.is_nan() || rounded.is_nan() || rounded.is_infinite() || found.is_infinite() {
        let same = found == rounded || found.is_nan() && rounded.is_nan();
        return if same { 0.0 } else { f64::INFINITY };
    }
    let exponent = (((exact.abs().to_bits() >> 52) as i32) - 1023).clamp(-126, 128);
    (f64::from(found) - exact).abs() / f64::from(exponent - 23).exp2()
}

/// The worst error that `measure` finds among `inputs`, and where: first with every instruction rounded, then
/// with products fused.
pub fn worst(
    tape: &Tape,
    inputs: impl Iterator<Item = f32> + Clone,
    measure: impl Fn(f32, f32) -> f64,
) -> [(f64, f32); 2] {
    [false, true].map(|fuse| {
        let (steps, mut values) = (tape.steps(fuse), Vec::new());
        let mut worst = (0.0, 0.0);
        for x in inputs.clone() {
            let error = measure(x, eval_steps(&steps, &[x], &mut values));
            if error > worst.0 || error.is_nan() {
                worst = (error, x);
            }
        }
        worst
    })
}

/// Asserts that the tape is within `bound` ulps of `exact`, fused or not.
#[track_caller]
pub fn assert_ulps(
    name: &str,
    tape: &Tape,
    inputs: impl Iterator<Item = f32> + Clone,
    exact: impl Fn(f64) -> f64,
    bound: f64,
) {
    let found = worst(tape, inputs, |x, y| ulps(y, exact(f64::from(x))));
    println!("{name}: {found:?}, {} instructions", tape.cost());
    for (error, x) in found {
        assert!(
            error <= bound,
            "{name}({x}) is {error} ulp off, more than {bound}"
        );
    }
}
