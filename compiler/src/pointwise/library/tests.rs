use super::*;
use crate::pointwise::testing::{assert_ulps, sweep, ulps, worst};
use crate::pointwise::{Tape, Unary};

const STEP: usize = 16_411;

/// A name, the native function and its tape.
type Row = (&'static str, fn(f32) -> f32, Tape);

/// Functions of one variable: native, and as tape with some parameters.
fn unary_functions() -> Vec<Row> {
    macro_rules! rows {
        ($($name:ident $(($($p:literal),+))?),* $(,)?) => {
            vec![$((stringify!($name), |x| $name(x $($(, $p)+)?), rows!(@ $name $($($p),+)?))),*]
        };
        (@ $name:ident) => { $name::tape() };
        (@ $name:ident $($p:literal),+) => { $name::with($($p),+) };
    }
    rows![
        sigmoid,
        softplus,
        log_sigmoid,
        softsign,
        silu,
        gelu,
        gelu_tanh,
        mish,
        elu(0.7),
        selu,
        celu(1.5),
        tanh_shrink,
        squareplus(4.0),
        relu,
        relu6,
        clip(-1.5, 2.0),
        leaky_relu(0.3),
        thresholded_relu(0.1, 1.0),
        clipped_relu(0.1, 1.0, 4.0),
        hard_sigmoid_keras2,
        hard_sigmoid_keras3,
        hard_silu,
        hard_tanh,
        hard_shrink(0.5),
        soft_shrink(0.5),
        sparse_plus,
        sparse_sigmoid,
        threshold(0.5, 0.25),
        step(0.5),
        square,
        float8,
        rescaled(0.5, 3.0),
        reciprocal,
        rsqrt,
        sign,
        expm1,
        log1p,
        log2,
        log10,
        logaddexp(0.5),
        tan,
        sinh,
        cosh,
        asinh,
        acosh,
        atanh,
        atan,
        asin,
        acos,
        floor_divide(0.7),
        floor_mod(0.7),
        pow(1.7),
        cbrt,
        erfc,
        erfinv,
        bessel_i0,
        sinc,
        atan2(0.7),
        hypot(0.7),
        fmod(0.7),
        logaddexp2(0.5),
        ldexp(3.0),
    ]
}

#[test]
fn every_function_is_tested() {
    let sources = [
        include_str!("activations.rs"),
        include_str!("math.rs"),
        include_str!("rectifiers.rs"),
        include_str!("special.rs"),
    ];
    let tested: Vec<_> = unary_functions().into_iter().map(|(name, ..)| name).collect();
    for source in sources {
        for function in source.split("#[pointwise]\npub fn ").skip(1) {
            let (name, _) = function.split_once('(').expect("a function has arguments");
            assert!(
                tested.contains(&name),
                "{name} is not in the table of these tests"
            );
        }
    }
}

#[test]
fn tapes_compute_what_the_functions_do() {
    for (name, function, tape) in unary_functions() {
        for x in sweep(STEP * 100) {
            let (native, taped) = (function(x), tape.eval(&[x]));
            assert!(
                native == taped || native.is_nan() && taped.is_nan(),
                "{name}({x}) is {native}, its tape says {taped}"
            );
        }
    }
}

#[test]
fn expanded_tapes_are_close_and_nan_stays_nan() {
    for (name, function, tape) in unary_functions() {
        let expanded = tape.expand(|_| false);
        assert!(
            expanded.eval(&[f32::NAN]).is_nan() || name == "step",
            "{name}(NaN)"
        );
        if name == "floor_mod" || name == "fmod" {
            continue; // Fused, its remainder has digits that the product alone loses.
        }
        let inputs = sweep(STEP * 100).filter(|x| x.abs() < 1e4);
        let measure = |x: f32, y: f32| {
            let native = function(x);
            let tolerance = f64::from(native.abs()) * 3e-6 + 1e-6;
            if ulps(y, f64::from(native)) < 8.0 {
                0.0
            } else {
                f64::from((y - native).abs()) / tolerance
            }
        };
        for (error, x) in worst(
            &expanded,
            inputs.filter(|x| name != "tan" || x.abs() < 1.5),
            measure,
        ) {
            assert!(
                error <= 1.0,
                "{name}({x}) is {}, expanded {}",
                function(x),
                expanded.eval(&[x])
            );
        }
    }
}

fn expanded(tape: Tape) -> Tape {
    tape.expand(|_| false)
}

#[test]
fn sigmoid_and_its_kin_are_exact_to_their_bounds() {
    let normal = |x: &f32| x.is_nan() || x.abs() < 86.9;
    let inputs = || sweep(STEP).filter(normal);
    let e = |x: f64| x.exp();
    assert_ulps(
        "sigmoid",
        &expanded(sigmoid::tape()),
        inputs(),
        |x| 1.0 / (1.0 + e(-x)),
        3.0,
    );
    assert_ulps(
        "silu",
        &expanded(silu::tape()),
        inputs(),
        |x| x / (1.0 + e(-x)),
        3.0,
    );
    assert_ulps(
        "softplus",
        &expanded(softplus::tape()),
        inputs(),
        |x| x.max(0.0) + e(-x.abs()).ln_1p(),
        3.5,
    );
    assert_ulps(
        "mish",
        &expanded(mish::tape()),
        inputs(),
        |x| x * (x.max(0.0) + e(-x.abs()).ln_1p()).tanh(),
        4.5,
    );
    assert_ulps(
        "elu",
        &expanded(elu::with(1.0)),
        inputs(),
        |x| if x < 0.0 { x.exp_m1() } else { x },
        2.0,
    );
}

/// Below zero 1 + erf cancels, as in Keras, and an exponent's rounding counts |x| times: the bound is absolute there.
#[test]
fn both_gelus_are_exact_to_their_bounds() {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};
    let twice_u = |x: f64| (8.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3));
    assert_gelu("gelu", gelu::tape(), |x| {
        0.5 * x * (1.0 + crate::pointwise::eval::erf(x * FRAC_1_SQRT_2))
    });
    assert_gelu("gelu_tanh", gelu_tanh::tape(), |x| {
        x / (1.0 + (-twice_u(x)).exp())
    });
}

fn assert_gelu(name: &str, tape: Tape, exact: impl Fn(f64) -> f64) {
    let tape = expanded(tape);
    assert_ulps(name, &tape, sweep(STEP).filter(|x| *x > 0.0), &exact, 3.0);
    let finite = sweep(STEP).filter(|x| x.is_finite());
    let measure = |x: f32, y: f32| (f64::from(y) - exact(f64::from(x))).abs() / f64::from(x.abs().max(1.0));
    for (error, x) in worst(&tape, finite, measure) {
        assert!(error < 1.2e-7, "{name}({x}) is {error} off");
    }
}

#[test]
fn large_arguments_give_limits() {
    for (name, function, tape) in unary_functions() {
        let limits = match name {
            "sigmoid" | "hard_sigmoid_keras2" | "hard_sigmoid_keras3" | "sparse_sigmoid" => [0.0, 1.0],
            "softplus" | "sparse_plus" | "relu" | "silu" | "gelu" | "gelu_tanh" | "mish" => [0.0, 1e30],
            "log_sigmoid" => [-1e30, 0.0],
            "softsign" | "hard_tanh" => [-1.0, 1.0],
            "elu" => [-0.7, 1e30],
            "celu" => [-1.5, 1e30],
            _ => continue,
        };
        for (x, limit) in [-1e30, 1e30].into_iter().zip(limits) {
            assert_eq!(function(x), limit, "{name}({x})");
            assert_eq!(expanded(tape.clone()).eval(&[x]), limit, "expanded {name}({x})");
        }
    }
}

/// Keras' own formula, with its order of operations.
fn keras_relu(x: f32, slope: f32, high: Option<f32>, threshold: f32) -> f32 {
    let kept = if x > threshold { x } else { 0.0 };
    let clipped = high.map_or(if threshold == 0.0 { kept.max(0.0) } else { kept }, |high| {
        kept.clamp(0.0, high)
    });
    clipped - slope * (threshold - x).max(0.0)
}

#[test]
fn relu_is_keras_relu() {
    for slope in [0.0, 0.25] {
        for high in [None, Some(6.0), Some(2.5)] {
            for threshold in [0.0, 1.0, -1.0] {
                let tape = relu_of(slope, high, threshold);
                for x in [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 3.0, 7.0] {
                    let expected = keras_relu(x, slope, high, threshold);
                    assert_eq!(
                        tape.eval(&[x]),
                        expected,
                        "relu({x}, {slope}, {high:?}, {threshold})"
                    );
                }
                assert!(tape.eval(&[f32::NAN]).is_nan());
            }
        }
    }
    assert_eq!(relu_of(0.0, Some(6.0), 0.0), relu6::tape());
}

#[test]
fn math_has_its_values() {
    type Case = (&'static str, Tape, fn(f64) -> f64, f64);
    let cases: [Case; 12] = [
        ("log1p", log1p::tape(), f64::ln_1p, 2.0),
        ("log2", log2::tape(), f64::log2, 2.0),
        ("log10", log10::tape(), f64::log10, 2.0),
        ("sinh", sinh::tape(), f64::sinh, 4.0),
        ("cosh", cosh::tape(), f64::cosh, 4.0),
        ("asinh", asinh::tape(), f64::asinh, 4.0),
        ("acosh", acosh::tape(), f64::acosh, 4.0),
        ("atanh", atanh::tape(), f64::atanh, 4.0),
        ("atan", atan::tape(), f64::atan, 3.0),
        ("asin", asin::tape(), f64::asin, 4.0),
        ("acos", acos::tape(), f64::acos, 4.0),
        ("tan", tan::tape(), f64::tan, 4.0),
    ];
    for (name, tape, exact, bound) in cases {
        let inputs = sweep(STEP).filter(|x| name != "tan" || x.abs() < 1.5);
        assert_ulps(name, &expanded(tape), inputs, exact, bound);
    }
    assert_eq!(squareplus(-1e30, 4.0), 1e-30);
    assert_eq!([-2.0, -0.0, 0.0, 5.0].map(sign), [-1.0, 0.0, 0.0, 1.0]);
    assert_eq!((floor_mod(-1.0, 3.0), floor_divide(-1.0, 3.0)), (2.0, -1.0));
    for (y, x) in [
        (1.5f32, 2.0f32),
        (-1.0, 3.0),
        (2.0, -0.5),
        (-2.0, -3.0),
        (0.0, -1.0),
        (1.0, 0.0),
        (0.0, 0.0),
    ] {
        assert!((atan2(y, x) - y.atan2(x)).abs() <= 4e-7, "{y} {x}");
    }
    assert_eq!(logaddexp(1000.0, 1000.0), 1000.0 + std::f32::consts::LN_2);
}

#[test]
fn powers_have_their_signs_and_limits() {
    let tape = expanded(pow::tape());
    for (x, y, expected) in [
        (2.0, 0.5, std::f32::consts::SQRT_2),
        (-2.0, 3.0, -8.0),
        (-2.0, 4.0, 16.0),
        (0.0, 2.5, 0.0),
        (0.0, -1.0, f32::INFINITY),
        (0.0, 0.0, 1.0),
        (f32::NAN, 0.0, 1.0),
        (1.0, f32::INFINITY, 1.0),
        (3.0, -f32::INFINITY, 0.0),
        (f32::INFINITY, 0.5, f32::INFINITY),
    ] {
        assert!(
            ulps(tape.eval(&[x, y]), f64::from(expected)) <= 4.0,
            "pow({x}, {y}) is {}",
            tape.eval(&[x, y])
        );
    }
    assert!(tape.eval(&[-2.0, 0.5]).is_nan() && tape.eval(&[f32::NAN, 2.0]).is_nan());
}

#[test]
fn constant_powers_are_products_where_that_is_short() {
    for exponent in [
        -4.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.7, 10.0, -0.75f32,
    ] {
        let tape = expanded(power(exponent));
        for x in [0.3f32, 1.0, 1.7, 12.5] {
            let exact = f64::from(x).powf(f64::from(exponent));
            assert!(
                ulps(tape.eval(&[x]), exact) < 40.0,
                "{x}^{exponent} is {}",
                tape.eval(&[x])
            );
        }
    }
    assert!(power(1.0).is_identity());
    assert_eq!(power(2.0), square::tape());
    assert_eq!(power(0.5), Tape::unary(Unary::Sqrt));
    assert!(scale_shift(1.0, 0.0).is_identity());
}
