use super::*;
use crate::pointwise::eval::erf as exact_erf;
use crate::pointwise::testing::{assert_ulps, sweep, worst};
use crate::pointwise::{Fused, library};

/// Half a million floats. The bounds were found with every 67th float, on each function.
const STEP: usize = 8209;

fn primitive(op: Unary) -> Tape {
    let tape = Tape::unary(op).expand(|_| false);
    assert!(
        !tape
            .instrs()
            .iter()
            .any(|i| matches!(i, Instr::Unary(op, _) if expansion(*op).is_some()))
    );
    tape
}

#[test]
fn exp_is_exact_to_its_bound() {
    let tape = primitive(Unary::Exp);
    let normal = sweep(STEP).filter(|&x| x.is_nan() || x > -86.98 || x == f32::NEG_INFINITY);
    assert_ulps("exp", &tape, normal, f64::exp, 1.1);
    let small = sweep(STEP).filter(|&x| x <= -86.98);
    for (error, x) in worst(&tape, small, |x, y| f64::from((y - (x.exp())).abs())) {
        assert!(error < 1.7e-38, "exp({x}) is {error} off");
    }
    assert_eq!(tape.eval(&[-87.0]), 0.0);
    assert_eq!(tape.eval(&[88.722_84]), f32::INFINITY);
    assert!(tape.eval(&[88.722_83]).is_finite());
}

#[test]
fn exp_brief_is_exact_to_its_bound() {
    let inner = sweep(STEP).filter(|&x| x.is_nan() || (-87.3..88.37).contains(&x));
    assert_ulps("exp_brief", &exp_brief::tape(), inner, f64::exp, 2.6);
    assert_eq!(exp_brief::tape().eval(&[88.5]), f32::INFINITY);
    assert!(exp_brief::tape().eval(&[-1e30]) < 1.2e-38);
}

#[test]
fn expm1_is_exact_to_its_bound() {
    assert_ulps("expm1", &expm1::tape(), sweep(STEP), f64::exp_m1, 1.8);
}

#[test]
fn log_is_exact_to_its_bound() {
    assert_ulps("log", &primitive(Unary::Log), sweep(STEP), f64::ln, 0.9);
    let near_one = (0..1 << 16).map(|i| f32::from_bits(1f32.to_bits() - (1 << 19) + 16 * i));
    assert_ulps("log", &primitive(Unary::Log), near_one, f64::ln, 0.9);
}

#[test]
fn log1p_unit_is_exact_to_its_bound() {
    let unit = sweep(STEP).filter(|x| (0.0..=1.0).contains(x) || x.is_nan());
    assert_ulps("log1p_unit", &log1p_unit::tape(), unit, f64::ln_1p, 2.1);
}

#[test]
fn tanh_is_exact_to_its_bound() {
    assert_ulps("tanh", &primitive(Unary::Tanh), sweep(STEP), f64::tanh, 1.4);
}

#[test]
fn erf_is_exact_to_its_bound() {
    assert_ulps("erf", &primitive(Unary::Erf), sweep(STEP), exact_erf, 1.2);
}

#[test]
fn sine_and_cosine_are_exact_to_their_bounds() {
    for (op, exact) in [(Unary::Sin, f64::sin as fn(f64) -> f64), (Unary::Cos, f64::cos)] {
        let tape = primitive(op);
        let name = format!("{op:?}");
        let turn =
            sweep(STEP).filter(|x| x.abs() <= 3.0 && (op == Unary::Sin || (x.abs() - 1.57).abs() > 0.01));
        assert_ulps(&name, &tape, turn, exact, 1.6);
        let range = sweep(STEP).filter(|x| x.abs() <= 1e5);
        for (error, x) in worst(&tape, range, |x, y| (f64::from(y) - exact(f64::from(x))).abs()) {
            println!("{name}: {error} at {x}");
            assert!(error <= 1.3e-7, "{name}({x}) is {error} off");
        }
        for (error, x) in worst(&tape, sweep(STEP).filter(|x| x.is_finite()), |_, y| {
            f64::from(y.abs())
        }) {
            assert!(error <= 1.0, "{name}({x}) is {error}");
        }
        assert!(tape.eval(&[f32::INFINITY]).is_nan() && tape.eval(&[f32::NAN]).is_nan());
    }
}

#[test]
fn what_the_target_has_stays() {
    let tape = Tape::unary(Unary::Exp).then(&Tape::unary(Unary::Tanh));
    assert_eq!(tape.expand(|_| true), tape);
    let half = tape.expand(|op| op == Unary::Exp);
    assert_eq!(half.instrs()[1], tape.instrs()[1]);
    assert!(half.instrs().len() > 20);
}

/// Instructions rounded each, and with products fused. A change of these is a change of speed: look before you bless it.
#[test]
fn costs() {
    let fused = |tape: &Tape| {
        tape.expand(|_| false)
            .steps(true)
            .iter()
            .map(step_cost)
            .sum::<u32>()
    };
    let rows = [
        ("exp", Tape::unary(Unary::Exp), (24, 17)),
        ("log", Tape::unary(Unary::Log), (45, 34)),
        ("tanh", Tape::unary(Unary::Tanh), (43, 30)),
        ("erf", Tape::unary(Unary::Erf), (54, 34)),
        ("sin", Tape::unary(Unary::Sin), (38, 28)),
        ("sigmoid", library::sigmoid::tape(), (24, 15)),
        ("silu", library::silu::tape(), (24, 15)),
        ("gelu", library::gelu::tape(), (58, 38)),
        ("gelu_tanh", library::gelu_tanh::tape(), (28, 18)),
        ("softplus", library::softplus::tape(), (41, 30)),
        ("mish", library::mish::tape(), (30, 23)),
        ("elu", library::elu::with(1.0), (27, 19)),
    ];
    let found = rows
        .each_ref()
        .map(|(name, tape, _)| (*name, (tape.cost(), fused(tape))));
    assert_eq!(found, rows.map(|(name, _, expected)| (name, expected)));
}

fn step_cost(step: &Fused) -> u32 {
    match step {
        Fused::Plain(instr) => cost(instr),
        Fused::Absorbed => 0,
        Fused::MulAdd(..) | Fused::NegMulAdd(..) => 1,
    }
}
