//! The rows.

use super::{Approximable, Bound, Form, Parameter, Scalar};
use crate::keras::layers::tapes;
use crate::keras::model::Semantics;
use crate::pointwise::{Binary, Tape, Unary, library};
use std::f64::consts::LN_2;

/// The smallest normal float.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

const fn ulps(ulps: f64) -> Bound {
    Bound {
        ulps,
        absolute: SMALLEST,
        range: f64::INFINITY,
    }
}

/// A rounded result, or a result that needs no rounding.
const ROUNDED: Bound = ulps(0.51);

impl Bound {
    const fn or(self, absolute: f64) -> Self {
        Self { absolute, ..self }
    }
    const fn up_to(self, range: f64) -> Self {
        Self { range, ..self }
    }
}

const fn row(form: Form, bound: Bound) -> Scalar {
    Scalar {
        activations: &[],
        only: None,
        operations: &[],
        functions: &[],
        form,
        bound,
    }
}

const fn unary(tape: fn() -> Tape, exact: fn(f64) -> f64, bound: Bound) -> Scalar {
    row(Form::Unary(tape, exact), bound)
}

const fn pair(tape: fn() -> Tape) -> Scalar {
    row(Form::Pair(tape), ROUNDED)
}

/// The names of a row.
impl Scalar {
    const fn activation(self, activations: &'static [&'static str]) -> Self {
        Self { activations, ..self }
    }
    const fn only(self, semantics: Semantics) -> Self {
        Self {
            only: Some(semantics),
            ..self
        }
    }
    const fn operation(self, operations: &'static [&'static str]) -> Self {
        Self { operations, ..self }
    }
    const fn function(self, functions: &'static [&'static str]) -> Self {
        Self { functions, ..self }
    }
}

/// Activations, of which many are operations too.
pub(super) static ACTIVATIONS: &[Scalar] = &[
    unary(Tape::identity, |x| x, ROUNDED).activation(&["linear", "identity"]),
    unary(library::relu::tape, |x| if x < 0.0 { 0.0 } else { x }, ROUNDED)
        .activation(&["relu"])
        .operation(&["Relu"])
        .function(&["nn.relu"]),
    unary(library::relu6::tape, |x| x.clamp(0.0, 6.0), ROUNDED)
        .activation(&["relu6"])
        .operation(&["Relu6"])
        .function(&["nn.relu6"]),
    unary(library::sigmoid::tape, |x| 1.0 / (1.0 + (-x).exp()), ulps(3.0))
        .activation(&["sigmoid"])
        .operation(&["Sigmoid"])
        .function(&["math.sigmoid", "nn.sigmoid"]),
    unary(|| Tape::unary(Unary::Tanh), f64::tanh, ulps(3.0))
        .activation(&["tanh"])
        .operation(&["Tanh"])
        .function(&["math.tanh", "nn.tanh"]),
    unary(
        library::softplus::tape,
        |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        ulps(3.5),
    )
    .activation(&["softplus"])
    .operation(&["Softplus"])
    .function(&["math.softplus", "nn.softplus"]),
    unary(library::softsign::tape, |x| x / (1.0 + x.abs()), ulps(2.0))
        .activation(&["softsign"])
        .operation(&["Softsign"])
        .function(&["nn.softsign"]),
    unary(library::selu::tape, exact::selu, ulps(3.0))
        .activation(&["selu"])
        .operation(&["Selu"])
        .function(&["nn.selu"]),
    row(
        Form::Parameter(Parameter {
            name: "alpha",
            function: None,
            default: 1.0,
            tape: library::elu::with,
            exact: |x| if x < 0.0 { x.exp_m1() } else { x },
        }),
        ulps(2.0),
    )
    .activation(&["elu"])
    .operation(&["Elu"])
    .function(&["nn.elu"]),
    unary(|| Tape::unary(Unary::Exp), f64::exp, ulps(2.0))
        .activation(&["exponential"])
        .operation(&["Exp"])
        .function(&["math.exp"]),
    unary(library::silu::tape, |x| x / (1.0 + (-x).exp()), ulps(3.0))
        .activation(&["swish", "silu"])
        .operation(&["Silu"])
        .function(&["nn.silu", "nn.swish"]),
    // Below zero 1 + erf cancels, as in Keras.
    row(
        Form::Approximable(Approximable {
            tape: library::gelu::tape,
            approximate: library::gelu_tanh::tape,
            exact: exact::gelu,
            operation: true,
            function: false,
        }),
        ulps(3.0).or(1.2e-7),
    )
    .activation(&["gelu"])
    .operation(&["Gelu"])
    .function(&["nn.gelu"]),
    unary(library::mish::tape, exact::mish, ulps(4.5)).activation(&["mish"]),
    unary(
        library::hard_sigmoid_keras2::tape,
        |x| (0.2 * x + 0.5).clamp(0.0, 1.0),
        ulps(1.0).or(1e-7),
    )
    .activation(&["hard_sigmoid"])
    .only(Semantics::Keras2),
    unary(
        library::hard_sigmoid_keras3::tape,
        |x| (x / 6.0 + 0.5).clamp(0.0, 1.0),
        ulps(1.0).or(1e-7),
    )
    .activation(&["hard_sigmoid"])
    .only(Semantics::Keras3)
    .operation(&["HardSigmoid"]),
    unary(
        library::hard_silu::tape,
        |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        ulps(2.0).or(3e-7),
    )
    .activation(&["hard_silu", "hard_swish"])
    .operation(&["HardSilu"]),
    row(
        Form::Parameter(Parameter {
            name: "negative_slope",
            function: Some("alpha"),
            default: 0.2,
            tape: library::leaky_relu::with,
            exact: |x| if x < 0.0 { 0.2 * x } else { x },
        }),
        ulps(1.0),
    )
    .activation(&["leaky_relu"])
    .operation(&["LeakyRelu"])
    .function(&["nn.leaky_relu"]),
    row(
        Form::Parameter(Parameter {
            name: "alpha",
            function: None,
            default: 1.0,
            tape: library::celu::with,
            exact: |x| if x < 0.0 { x.exp_m1() } else { x },
        }),
        ulps(2.0),
    )
    .activation(&["celu"])
    .operation(&["Celu"]),
    unary(library::hard_tanh::tape, |x| x.clamp(-1.0, 1.0), ROUNDED)
        .activation(&["hard_tanh"])
        .operation(&["HardTanh"]),
    row(
        Form::Parameter(Parameter {
            name: "threshold",
            function: None,
            default: 0.5,
            tape: library::hard_shrink::with,
            exact: |x| if x.abs() <= 0.5 { 0.0 } else { x },
        }),
        ROUNDED,
    )
    .activation(&["hard_shrink"])
    .operation(&["HardShrink"]),
    row(
        Form::Parameter(Parameter {
            name: "threshold",
            function: None,
            default: 0.5,
            tape: library::soft_shrink::with,
            exact: |x| x - x.clamp(-0.5, 0.5),
        }),
        ROUNDED,
    )
    .activation(&["soft_shrink"])
    .operation(&["SoftShrink"]),
    // The two terms cancel near 0, as in Keras.
    unary(library::tanh_shrink::tape, |x| x - x.tanh(), ulps(2.0).or(1.2e-7))
        .activation(&["tanh_shrink"])
        .operation(&["TanhShrink"]),
    unary(
        library::log_sigmoid::tape,
        |x| x.min(0.0) - (-x.abs()).exp().ln_1p(),
        ulps(3.5),
    )
    .activation(&["log_sigmoid"])
    .operation(&["LogSigmoid"])
    .function(&["math.log_sigmoid"]),
    row(
        Form::Parameter(Parameter {
            name: "b",
            function: None,
            default: 4.0,
            tape: library::squareplus::with,
            exact: exact::squareplus,
        }),
        ulps(3.0),
    )
    .activation(&["squareplus"])
    .operation(&["Squareplus"]),
    unary(library::sparse_plus::tape, exact::sparse_plus, ulps(2.0).or(1e-7))
        .activation(&["sparse_plus"])
        .operation(&["SparsePlus"]),
    unary(
        library::sparse_sigmoid::tape,
        |x| (0.5 * x + 0.5).clamp(0.0, 1.0),
        ulps(1.0).or(1e-7),
    )
    .activation(&["sparse_sigmoid"])
    .operation(&["SparseSigmoid"]),
];

/// Functions of one tensor besides.
pub(super) static ELEMENTS: &[Scalar] = &[
    unary(|| Tape::unary(Unary::Neg), |x| -x, ROUNDED)
        .operation(&["Negative"])
        .function(&["math.negative"]),
    unary(|| Tape::unary(Unary::Abs), f64::abs, ROUNDED)
        .operation(&["Absolute", "Fabs"])
        .function(&["math.abs"]),
    unary(library::expm1::tape, f64::exp_m1, ulps(2.0))
        .operation(&["Expm1"])
        .function(&["math.expm1"]),
    unary(
        || Tape::binary_const(Binary::Mul, LN_2 as f32).then(&Tape::unary(Unary::Exp)),
        f64::exp2,
        ulps(100.0),
    )
    .operation(&["Exp2"]),
    unary(|| Tape::unary(Unary::Log), f64::ln, ulps(2.0))
        .operation(&["Log"])
        .function(&["math.log"]),
    unary(library::log1p::tape, f64::ln_1p, ulps(2.0))
        .operation(&["Log1p"])
        .function(&["math.log1p"]),
    unary(library::log2::tape, f64::log2, ulps(2.0)).operation(&["Log2"]),
    unary(library::log10::tape, f64::log10, ulps(2.0)).operation(&["Log10"]),
    unary(|| Tape::unary(Unary::Sqrt), f64::sqrt, ROUNDED)
        .operation(&["Sqrt"])
        .function(&["math.sqrt"]),
    unary(library::rsqrt::tape, |x| 1.0 / x.sqrt(), ulps(1.5))
        .operation(&["Rsqrt"])
        .function(&["math.rsqrt"]),
    unary(library::square::tape, |x| x * x, ROUNDED)
        .operation(&["Square"])
        .function(&["math.square"]),
    unary(library::reciprocal::tape, f64::recip, ROUNDED)
        .operation(&["Reciprocal"])
        .function(&["math.reciprocal"]),
    unary(
        library::sign::tape,
        |x| if x == 0.0 { x } else { x.signum() },
        ROUNDED,
    )
    .operation(&["Sign"])
    .function(&["math.sign"]),
    unary(|| Tape::unary(Unary::Floor), f64::floor, ROUNDED)
        .operation(&["Floor"])
        .function(&["math.floor"]),
    unary(|| Tape::unary(Unary::Ceil), f64::ceil, ROUNDED)
        .operation(&["Ceil"])
        .function(&["math.ceil"]),
    unary(|| Tape::unary(Unary::Trunc), f64::trunc, ROUNDED).operation(&["Trunc"]),
    // In Keras 3 with an argument: see `functions::round`.
    unary(|| Tape::unary(Unary::Round), f64::round_ties_even, ROUNDED).function(&["math.round", "math.rint"]),
    unary(
        || Tape::unary(Unary::Sin),
        f64::sin,
        ulps(2.0).or(1e-7).up_to(1e4),
    )
    .operation(&["Sin"])
    .function(&["math.sin"]),
    unary(
        || Tape::unary(Unary::Cos),
        f64::cos,
        ulps(2.0).or(1e-7).up_to(1e4),
    )
    .operation(&["Cos"])
    .function(&["math.cos"]),
    unary(library::tan::tape, f64::tan, ulps(4.0).up_to(1.5))
        .operation(&["Tan"])
        .function(&["math.tan"]),
    unary(library::sinh::tape, f64::sinh, ulps(4.0))
        .operation(&["Sinh"])
        .function(&["math.sinh"]),
    unary(library::cosh::tape, f64::cosh, ulps(4.0))
        .operation(&["Cosh"])
        .function(&["math.cosh"]),
    unary(library::asin::tape, f64::asin, ulps(4.0))
        .operation(&["Arcsin"])
        .function(&["math.asin"]),
    unary(library::acos::tape, f64::acos, ulps(4.0))
        .operation(&["Arccos"])
        .function(&["math.acos"]),
    unary(library::atan::tape, f64::atan, ulps(3.0))
        .operation(&["Arctan"])
        .function(&["math.atan"]),
    unary(library::asinh::tape, f64::asinh, ulps(4.0))
        .operation(&["Arcsinh"])
        .function(&["math.asinh"]),
    unary(library::acosh::tape, f64::acosh, ulps(4.0))
        .operation(&["Arccosh"])
        .function(&["math.acosh"]),
    unary(library::atanh::tape, f64::atanh, ulps(4.0))
        .operation(&["Arctanh"])
        .function(&["math.atanh"]),
    unary(|| Tape::unary(Unary::Erf), crate::pointwise::erf, ulps(3.0))
        .operation(&["Erf"])
        .function(&["math.erf"]),
    // Relative to results as small as e⁻⁹: beyond, the exact function cancels.
    unary(
        library::erfc::tape,
        |x| 1.0 - crate::pointwise::erf(x),
        ulps(13.0).or(1e-11).up_to(3.0),
    )
    .operation(&["Erfc"])
    .function(&["math.erfc"]),
    unary(library::erfinv::tape, exact::erfinv, ulps(10.0))
        .operation(&["Erfinv"])
        .function(&["math.erfinv"]),
    unary(library::cbrt::tape, f64::cbrt, ulps(2.0)).operation(&["Cbrt"]),
    unary(library::bessel_i0::tape, exact::bessel_i0, ulps(8.0).up_to(60.0))
        .operation(&["I0"])
        .function(&["math.bessel_i0"]),
    unary(library::sinc::tape, exact::sinc, ulps(4.0).or(1e-6).up_to(1e3)).operation(&["Sinc"]),
    unary(
        || Tape::binary_const(Binary::Mul, std::f32::consts::PI / 180.0),
        f64::to_radians,
        ulps(2.0),
    )
    .operation(&["Deg2rad"]),
    unary(
        || Tape::binary_const(Binary::Mul, 180.0 / std::f32::consts::PI),
        f64::to_degrees,
        ulps(2.0),
    )
    .operation(&["Rad2deg"]),
    unary(Tape::identity, |x| x, ROUNDED)
        .operation(&["Real", "Conjugate"])
        .function(&["math.real", "math.conj"]),
    unary(|| tapes::constant(0.0), |_| 0.0, ROUNDED)
        .operation(&["ZerosLike", "EmptyLike", "Imag"])
        .function(&["zeros_like"]),
    unary(
        tapes::reciprocal_no_nan,
        |x| if x == 0.0 { 0.0 } else { x.recip() },
        ROUNDED,
    )
    .function(&["math.reciprocal_no_nan"]),
    unary(|| tapes::constant(1.0), |_| 1.0, ROUNDED)
        .operation(&["OnesLike"])
        .function(&["ones_like"]),
];

/// What holds of an element, as 1 or 0.
pub(super) static PREDICATES: &[Scalar] = &[
    unary(tapes::is_zero, |x| f64::from(x == 0.0), ROUNDED)
        .operation(&["LogicalNot"])
        .function(&["math.logical_not"]),
    unary(tapes::is_nan, |x| f64::from(x.is_nan()), ROUNDED)
        .operation(&["Isnan"])
        .function(&["math.is_nan"]),
    unary(tapes::is_infinite, |x| f64::from(x.is_infinite()), ROUNDED)
        .operation(&["Isinf"])
        .function(&["math.is_inf"]),
    unary(tapes::is_finite, |x| f64::from(x.is_finite()), ROUNDED)
        .operation(&["Isfinite"])
        .function(&["math.is_finite"]),
    unary(
        tapes::is_positive_infinity,
        |x| f64::from(x == f64::INFINITY),
        ROUNDED,
    )
    .operation(&["Isposinf"]),
    unary(
        tapes::is_negative_infinity,
        |x| f64::from(x == f64::NEG_INFINITY),
        ROUNDED,
    )
    .operation(&["Isneginf"]),
    unary(|| tapes::constant(1.0), |_| 1.0, ROUNDED).operation(&["Isreal"]),
    unary(
        tapes::sign_bit,
        |x| f64::from(x.is_sign_negative()),
        ROUNDED.up_to(f64::MAX),
    )
    .operation(&["Signbit"]),
    unary(
        tapes::angle,
        |x| {
            if x.is_sign_negative() {
                std::f64::consts::PI
            } else {
                0.0
            }
        },
        ROUNDED.up_to(f64::MAX),
    )
    .operation(&["Angle"])
    .function(&["math.angle"]),
];

/// Functions of two tensors, of which either may be a number.
pub(super) static PAIRS: &[Scalar] = &[
    pair(|| Tape::binary(Binary::Add))
        .operation(&["Add"])
        .function(&["__operators__.add", "math.add"]),
    pair(|| Tape::binary(Binary::Sub))
        .operation(&["Subtract"])
        .function(&["math.subtract"]),
    pair(|| Tape::binary(Binary::Mul))
        .operation(&["Multiply"])
        .function(&["math.multiply", "math.scalar_mul"]),
    pair(|| Tape::binary(Binary::Div))
        .operation(&["TrueDivide", "Divide"])
        .function(&["math.truediv", "math.divide", "realdiv"]),
    pair(library::floor_divide::tape)
        .operation(&["FloorDivide"])
        .function(&["math.floordiv", "floor_div"]),
    pair(library::floor_mod::tape)
        .operation(&["Mod"])
        .function(&["math.floormod", "math.mod"]),
    pair(|| Tape::binary(Binary::Max))
        .operation(&["Maximum"])
        .function(&["math.maximum"]),
    pair(|| Tape::binary(Binary::Min))
        .operation(&["Minimum"])
        .function(&["math.minimum"]),
    pair(library::logaddexp::tape).operation(&["Logaddexp"]),
    pair(|| Tape::binary(Binary::Sub).then(&library::square::tape())).function(&["math.squared_difference"]),
    pair(tapes::equal).operation(&["Equal"]).function(&["math.equal"]),
    pair(tapes::not_equal)
        .operation(&["NotEqual"])
        .function(&["math.not_equal"]),
    pair(tapes::less).operation(&["Less"]).function(&["math.less"]),
    pair(tapes::less_equal)
        .operation(&["LessEqual"])
        .function(&["math.less_equal"]),
    pair(tapes::greater)
        .operation(&["Greater"])
        .function(&["math.greater"]),
    pair(tapes::greater_equal)
        .operation(&["GreaterEqual"])
        .function(&["math.greater_equal"]),
    pair(tapes::and)
        .operation(&["LogicalAnd"])
        .function(&["math.logical_and"]),
    pair(tapes::or)
        .operation(&["LogicalOr"])
        .function(&["math.logical_or"]),
    pair(tapes::xor)
        .operation(&["LogicalXor"])
        .function(&["math.logical_xor"]),
    pair(tapes::divide_no_nan)
        .operation(&["DivideNoNan"])
        .function(&["math.divide_no_nan"]),
    pair(tapes::multiply_no_nan).function(&["math.multiply_no_nan"]),
    pair(library::atan2::tape)
        .operation(&["Arctan2"])
        .function(&["math.atan2"]),
    pair(library::hypot::tape).operation(&["Hypot"]),
    pair(library::fmod::tape).operation(&["Fmod"]),
    pair(tapes::fmax).operation(&["Fmax"]),
    pair(tapes::fmin).operation(&["Fmin"]),
    pair(tapes::heaviside).operation(&["Heaviside"]),
    pair(library::logaddexp2::tape).operation(&["Logaddexp2"]),
    pair(library::ldexp::tape)
        .operation(&["Ldexp", "BitwiseLeftShift", "LeftShift"])
        .function(&["bitwise.left_shift"]),
    pair(tapes::shift_right)
        .operation(&["BitwiseRightShift", "RightShift"])
        .function(&["bitwise.right_shift"]),
    pair(tapes::bits_and)
        .operation(&["BitwiseAnd"])
        .function(&["bitwise.bitwise_and"]),
    pair(tapes::bits_or)
        .operation(&["BitwiseOr"])
        .function(&["bitwise.bitwise_or"]),
    pair(tapes::bits_xor)
        .operation(&["BitwiseXor"])
        .function(&["bitwise.bitwise_xor"]),
    pair(tapes::gcd).operation(&["Gcd"]),
    pair(tapes::lcm).operation(&["Lcm"]),
    pair(tapes::xlogy).function(&["math.xlogy"]),
    pair(tapes::xlog1py).function(&["math.xlog1py"]),
    pair(tapes::xdivy).function(&["math.xdivy"]),
];

/// Functions in double precision.
mod exact {
    use std::f64::consts::FRAC_1_SQRT_2;

    /// With the constants that Keras has.
    pub(super) fn selu(x: f64) -> f64 {
        const SCALE: f64 = 1.050_700_987_355_480_5;
        const ALPHA: f64 = 1.673_263_242_354_377_2;
        SCALE * if x < 0.0 { ALPHA * x.exp_m1() } else { x }
    }

    /// x·Φ(x).
    pub(super) fn gelu(x: f64) -> f64 {
        0.5 * x * (1.0 + crate::pointwise::erf(x * FRAC_1_SQRT_2))
    }

    /// x·tanh(softplus(x)).
    pub(super) fn mish(x: f64) -> f64 {
        x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh()
    }

    /// ½(x + √(x² + 4)), below zero without cancellation.
    pub(super) fn squareplus(x: f64) -> f64 {
        let root = x.hypot(2.0);
        if x < 0.0 {
            2.0 / (root - x)
        } else {
            0.5 * (x + root)
        }
    }

    /// By bisection of erf.
    pub(super) fn erfinv(x: f64) -> f64 {
        if x.is_nan() || x.abs() >= 1.0 {
            return if x.abs() == 1.0 {
                x * f64::INFINITY
            } else {
                f64::NAN
            };
        }
        let (mut low, mut high) = (0.0, 6.0);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if crate::pointwise::erf(middle) < x.abs() {
                low = middle;
            } else {
                high = middle;
            }
        }
        // Bisection knows small numbers by their distance only.
        if x.abs() < 1e-6 {
            x * 0.886_226_925_452_758
        } else {
            high.copysign(x)
        }
    }

    /// Its series.
    pub(super) fn bessel_i0(x: f64) -> f64 {
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..300 {
            term *= (0.5 * x / f64::from(k)).powi(2);
            sum += term;
        }
        sum
    }

    /// sin(πx)/(πx).
    pub(super) fn sinc(x: f64) -> f64 {
        let y = std::f64::consts::PI * x;
        if x == 0.0 { 1.0 } else { y.sin() / y }
    }

    /// 0 up to -1, x from 1 on, ¼(x + 1)² in between.
    pub(super) fn sparse_plus(x: f64) -> f64 {
        let above = (x + 1.0).max(0.0);
        if x < 1.0 { 0.25 * above * above } else { x }
    }
}
