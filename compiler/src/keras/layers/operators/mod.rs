//! Operations that are no layers: `keras.ops` applied to symbolic tensors in Keras 3, and TensorFlow functions in
//! Keras 2, which become layers of class `TFOpLambda` and `SlicingOpLambda`.

mod arguments;
mod functions;
mod images;
mod indexing;
mod made;
mod pointwise;
mod products;
mod reductions;
mod selection;
mod shapes;
mod sizes;

use super::context::{Cx, Outcome};
use crate::error::{Error, ErrorKind};
use crate::pointwise::{Binary, Tape, Unary, library};
use arguments::{Arguments, X, Y};
use pointwise as tapes;

/// What an operation does.
#[derive(Clone, Copy)]
enum Kind {
    /// A function of each element of one tensor.
    Unary(fn() -> Tape),
    /// A function of each pair of elements.
    Binary(fn() -> Tape),
    /// Anything else.
    Other(fn(&mut Cx<'_>, &Arguments<'_>) -> Outcome),
}

use Kind::{Binary as Pair, Other, Unary as Each};

/// Keras 3's operations by class.
const OPERATIONS: &[(&str, Kind)] = &[
    ("Add", Pair(|| Tape::binary(Binary::Add))),
    ("Subtract", Pair(|| Tape::binary(Binary::Sub))),
    ("Multiply", Pair(|| Tape::binary(Binary::Mul))),
    ("TrueDivide", Pair(|| Tape::binary(Binary::Div))),
    ("Divide", Pair(|| Tape::binary(Binary::Div))),
    ("FloorDivide", Pair(library::floor_divide::tape)),
    ("Mod", Pair(library::floor_mod::tape)),
    ("Power", Other(functions::power)),
    ("Maximum", Pair(|| Tape::binary(Binary::Max))),
    ("Minimum", Pair(|| Tape::binary(Binary::Min))),
    ("Logaddexp", Pair(library::logaddexp::tape)),
    ("Equal", Pair(tapes::equal)),
    ("NotEqual", Pair(tapes::not_equal)),
    ("Less", Pair(tapes::less)),
    ("LessEqual", Pair(tapes::less_equal)),
    ("Greater", Pair(tapes::greater)),
    ("GreaterEqual", Pair(tapes::greater_equal)),
    ("LogicalAnd", Pair(tapes::and)),
    ("LogicalOr", Pair(tapes::or)),
    ("LogicalXor", Pair(tapes::xor)),
    ("LogicalNot", Each(tapes::is_zero)),
    ("Where", Other(functions::select)),
    ("Negative", Each(|| Tape::unary(Unary::Neg))),
    ("Absolute", Each(|| Tape::unary(Unary::Abs))),
    ("Exp", Each(|| Tape::unary(Unary::Exp))),
    ("Expm1", Each(library::expm1::tape)),
    ("Log", Each(|| Tape::unary(Unary::Log))),
    ("Log1p", Each(library::log1p::tape)),
    ("Log2", Each(library::log2::tape)),
    ("Log10", Each(library::log10::tape)),
    ("Sqrt", Each(|| Tape::unary(Unary::Sqrt))),
    ("Rsqrt", Each(library::rsqrt::tape)),
    ("Square", Each(library::square::tape)),
    ("Reciprocal", Each(library::reciprocal::tape)),
    ("Sign", Each(library::sign::tape)),
    ("Floor", Each(|| Tape::unary(Unary::Floor))),
    ("Ceil", Each(|| Tape::unary(Unary::Ceil))),
    ("Trunc", Each(|| Tape::unary(Unary::Trunc))),
    ("Round", Other(functions::round)),
    ("Sin", Each(|| Tape::unary(Unary::Sin))),
    ("Cos", Each(|| Tape::unary(Unary::Cos))),
    ("Tan", Each(library::tan::tape)),
    ("Sinh", Each(library::sinh::tape)),
    ("Cosh", Each(library::cosh::tape)),
    ("Tanh", Each(|| Tape::unary(Unary::Tanh))),
    ("Arcsin", Each(library::asin::tape)),
    ("Arccos", Each(library::acos::tape)),
    ("Arctan", Each(library::atan::tape)),
    ("Arcsinh", Each(library::asinh::tape)),
    ("Arccosh", Each(library::acosh::tape)),
    ("Arctanh", Each(library::atanh::tape)),
    ("Erf", Each(|| Tape::unary(Unary::Erf))),
    ("Relu", Each(library::relu::tape)),
    ("Relu6", Each(library::relu6::tape)),
    ("Sigmoid", Each(library::sigmoid::tape)),
    ("Softplus", Each(library::softplus::tape)),
    ("Softsign", Each(library::softsign::tape)),
    ("Silu", Each(library::silu::tape)),
    ("LogSigmoid", Each(library::log_sigmoid::tape)),
    ("HardSigmoid", Each(library::hard_sigmoid_keras3::tape)),
    ("HardSilu", Each(library::hard_silu::tape)),
    ("HardTanh", Each(library::hard_tanh::tape)),
    ("TanhShrink", Each(library::tanh_shrink::tape)),
    ("Selu", Each(library::selu::tape)),
    ("SparsePlus", Each(library::sparse_plus::tape)),
    ("SparseSigmoid", Each(library::sparse_sigmoid::tape)),
    ("Gelu", Other(|cx, a| functions::gelu(cx, a, true))),
    (
        "LeakyRelu",
        Other(|cx, a| tapes::parameter(cx, a, "negative_slope", 0.2, library::leaky_relu::with)),
    ),
    (
        "Elu",
        Other(|cx, a| tapes::parameter(cx, a, "alpha", 1.0, library::elu::with)),
    ),
    (
        "Celu",
        Other(|cx, a| tapes::parameter(cx, a, "alpha", 1.0, library::celu::with)),
    ),
    (
        "Squareplus",
        Other(|cx, a| tapes::parameter(cx, a, "b", 4.0, library::squareplus::with)),
    ),
    (
        "HardShrink",
        Other(|cx, a| tapes::parameter(cx, a, "threshold", 0.5, library::hard_shrink::with)),
    ),
    (
        "SoftShrink",
        Other(|cx, a| tapes::parameter(cx, a, "threshold", 0.5, library::soft_shrink::with)),
    ),
    ("Clip", Other(|cx, a| functions::clip(cx, a, ["x_min", "x_max"]))),
    ("Softmax", Other(functions::softmax)),
    ("LogSoftmax", Other(functions::log_softmax)),
    ("Glu", Other(functions::glu)),
    ("Cast", Other(functions::cast)),
    ("StopGradient", Other(functions::identity)),
    ("Copy", Other(functions::identity)),
    ("ZerosLike", Each(|| tapes::constant(0.0))),
    ("OnesLike", Each(|| tapes::constant(1.0))),
    ("Mean", Other(reductions::mean)),
    ("Sum", Other(reductions::sum)),
    ("Max", Other(reductions::max)),
    ("Amax", Other(reductions::max)),
    ("Min", Other(reductions::min)),
    ("Amin", Other(reductions::min)),
    ("Prod", Other(reductions::product)),
    ("Any", Other(reductions::any)),
    ("All", Other(reductions::all)),
    ("Var", Other(reductions::variance)),
    ("Std", Other(reductions::deviation)),
    ("Logsumexp", Other(reductions::log_sum_exp)),
    ("Reshape", Other(shapes::reshape)),
    ("Ravel", Other(shapes::ravel)),
    ("Transpose", Other(shapes::transpose)),
    ("Swapaxes", Other(shapes::swap_axes)),
    ("ExpandDims", Other(shapes::expand_dims)),
    ("Squeeze", Other(shapes::squeeze)),
    ("Concatenate", Other(shapes::concatenate)),
    ("Stack", Other(shapes::stack)),
    ("Split", Other(shapes::split)),
    ("Pad", Other(shapes::pad)),
    ("Flip", Other(shapes::flip)),
    ("Repeat", Other(shapes::repeat)),
    ("Tile", Other(shapes::tile)),
    ("Matmul", Other(functions::matmul)),
    ("GetItem", Other(indexing::get_item)),
    ("Resize", Other(functions::resize)),
    ("Take", Other(selection::take)),
    ("OneHot", Other(selection::one_hot)),
    ("Argmax", Other(selection::arg_max)),
    ("Argmin", Other(selection::arg_min)),
    ("Slice", Other(selection::slice)),
    ("Unstack", Other(selection::unstack)),
    ("Roll", Other(selection::roll)),
    ("BroadcastTo", Other(selection::broadcast_to)),
    ("Moveaxis", Other(selection::move_axis)),
    ("Diff", Other(selection::difference)),
    ("Einsum", Other(products::einsum)),
    ("Tensordot", Other(products::tensor_dot)),
    ("Dot", Other(products::dot)),
    ("Cumsum", Other(products::cumulative_sum)),
    ("Norm", Other(reductions::norm)),
    ("Normalize", Other(functions::normalize)),
    ("Moments", Other(reductions::moments)),
    ("Average", Other(reductions::average)),
    ("CountNonzero", Other(reductions::count_nonzero)),
    ("Isnan", Each(tapes::is_nan)),
    ("Isinf", Each(tapes::is_infinite)),
    ("Isfinite", Each(tapes::is_finite)),
    ("DivideNoNan", Pair(tapes::divide_no_nan)),
    (
        "Exp2",
        Each(|| Tape::binary_const(Binary::Mul, std::f32::consts::LN_2).then(&Tape::unary(Unary::Exp))),
    ),
    ("Threshold", Other(functions::threshold)),
    ("FullLike", Other(made::full_like)),
    ("Size", Other(sizes::size)),
    ("Ndim", Other(sizes::rank)),
    ("MaxPool", Other(images::max_pool)),
    ("AveragePool", Other(images::average_pool)),
    ("RGBToGrayscale", Other(images::grayscale)),
];

/// TensorFlow's functions by name, without `tf.` and `compat.v1.`.
const FUNCTIONS: &[(&str, Kind)] = &[
    ("__operators__.add", Pair(|| Tape::binary(Binary::Add))),
    ("__operators__.getitem", Other(indexing::get_item)),
    ("math.add", Pair(|| Tape::binary(Binary::Add))),
    ("math.subtract", Pair(|| Tape::binary(Binary::Sub))),
    ("math.multiply", Pair(|| Tape::binary(Binary::Mul))),
    ("math.truediv", Pair(|| Tape::binary(Binary::Div))),
    ("math.divide", Pair(|| Tape::binary(Binary::Div))),
    ("realdiv", Pair(|| Tape::binary(Binary::Div))),
    ("math.floordiv", Pair(library::floor_divide::tape)),
    ("floor_div", Pair(library::floor_divide::tape)),
    ("math.floormod", Pair(library::floor_mod::tape)),
    ("math.mod", Pair(library::floor_mod::tape)),
    ("math.pow", Other(functions::power)),
    ("math.maximum", Pair(|| Tape::binary(Binary::Max))),
    ("math.minimum", Pair(|| Tape::binary(Binary::Min))),
    (
        "math.squared_difference",
        Pair(|| Tape::binary(Binary::Sub).then(&library::square::tape())),
    ),
    ("math.equal", Pair(tapes::equal)),
    ("math.not_equal", Pair(tapes::not_equal)),
    ("math.less", Pair(tapes::less)),
    ("math.less_equal", Pair(tapes::less_equal)),
    ("math.greater", Pair(tapes::greater)),
    ("math.greater_equal", Pair(tapes::greater_equal)),
    ("math.logical_and", Pair(tapes::and)),
    ("math.logical_or", Pair(tapes::or)),
    ("math.logical_not", Each(tapes::is_zero)),
    ("where", Other(functions::select)),
    ("math.negative", Each(|| Tape::unary(Unary::Neg))),
    ("math.abs", Each(|| Tape::unary(Unary::Abs))),
    ("math.exp", Each(|| Tape::unary(Unary::Exp))),
    ("math.expm1", Each(library::expm1::tape)),
    ("math.log", Each(|| Tape::unary(Unary::Log))),
    ("math.log1p", Each(library::log1p::tape)),
    ("math.sqrt", Each(|| Tape::unary(Unary::Sqrt))),
    ("math.rsqrt", Each(library::rsqrt::tape)),
    ("math.square", Each(library::square::tape)),
    ("math.reciprocal", Each(library::reciprocal::tape)),
    ("math.sign", Each(library::sign::tape)),
    ("math.floor", Each(|| Tape::unary(Unary::Floor))),
    ("math.ceil", Each(|| Tape::unary(Unary::Ceil))),
    ("math.round", Each(|| Tape::unary(Unary::Round))),
    ("math.rint", Each(|| Tape::unary(Unary::Round))),
    ("math.sin", Each(|| Tape::unary(Unary::Sin))),
    ("math.cos", Each(|| Tape::unary(Unary::Cos))),
    ("math.tan", Each(library::tan::tape)),
    ("math.sinh", Each(library::sinh::tape)),
    ("math.cosh", Each(library::cosh::tape)),
    ("math.tanh", Each(|| Tape::unary(Unary::Tanh))),
    ("math.asin", Each(library::asin::tape)),
    ("math.acos", Each(library::acos::tape)),
    ("math.atan", Each(library::atan::tape)),
    ("math.asinh", Each(library::asinh::tape)),
    ("math.acosh", Each(library::acosh::tape)),
    ("math.atanh", Each(library::atanh::tape)),
    ("math.is_nan", Each(tapes::is_nan)),
    ("math.is_inf", Each(tapes::is_infinite)),
    ("math.is_finite", Each(tapes::is_finite)),
    ("math.divide_no_nan", Pair(tapes::divide_no_nan)),
    ("math.multiply_no_nan", Pair(tapes::multiply_no_nan)),
    ("math.logical_xor", Pair(tapes::xor)),
    ("math.scalar_mul", Pair(|| Tape::binary(Binary::Mul))),
    ("math.add_n", Other(functions::add_all)),
    ("math.accumulate_n", Other(functions::add_all)),
    ("math.erf", Each(|| Tape::unary(Unary::Erf))),
    ("math.sigmoid", Each(library::sigmoid::tape)),
    ("nn.sigmoid", Each(library::sigmoid::tape)),
    ("nn.tanh", Each(|| Tape::unary(Unary::Tanh))),
    ("math.softplus", Each(library::softplus::tape)),
    ("nn.softplus", Each(library::softplus::tape)),
    ("math.log_sigmoid", Each(library::log_sigmoid::tape)),
    ("nn.softsign", Each(library::softsign::tape)),
    ("nn.relu", Each(library::relu::tape)),
    ("nn.relu6", Each(library::relu6::tape)),
    ("nn.silu", Each(library::silu::tape)),
    ("nn.swish", Each(library::silu::tape)),
    ("nn.elu", Each(|| library::elu::with(1.0))),
    ("nn.selu", Each(library::selu::tape)),
    ("nn.gelu", Other(|cx, a| functions::gelu(cx, a, false))),
    (
        "nn.leaky_relu",
        Other(|cx, a| tapes::parameter(cx, a, "alpha", 0.2, library::leaky_relu::with)),
    ),
    (
        "clip_by_value",
        Other(|cx, a| functions::clip(cx, a, ["clip_value_min", "clip_value_max"])),
    ),
    ("nn.softmax", Other(functions::softmax)),
    ("nn.log_softmax", Other(functions::log_softmax)),
    ("nn.crelu", Other(functions::crelu)),
    ("nn.batch_normalization", Other(functions::batch_normalization)),
    (
        "nn.local_response_normalization",
        Other(images::local_response_normalization),
    ),
    ("nn.max_pool", Other(images::max_pool)),
    ("nn.max_pool2d", Other(images::max_pool)),
    ("nn.avg_pool", Other(images::average_pool)),
    ("nn.avg_pool2d", Other(images::average_pool)),
    ("math.argmax", Other(selection::arg_max)),
    ("math.argmin", Other(selection::arg_min)),
    ("math.cumsum", Other(products::cumulative_sum)),
    ("tensordot", Other(products::tensor_dot)),
    ("norm", Other(reductions::norm)),
    ("math.reduce_euclidean_norm", Other(reductions::euclidean_norm)),
    ("math.count_nonzero", Other(reductions::count_nonzero)),
    ("clip_by_norm", Other(functions::clip_by_norm)),
    ("gather", Other(selection::take)),
    ("one_hot", Other(selection::one_hot)),
    ("slice", Other(selection::slice)),
    ("strided_slice", Other(selection::strided_slice)),
    ("unstack", Other(selection::unstack)),
    ("roll", Other(selection::roll)),
    ("broadcast_to", Other(selection::broadcast_to)),
    ("zeros", Other(made::zeros)),
    ("ones", Other(made::ones)),
    ("fill", Other(made::fill)),
    ("range", Other(made::range)),
    ("keras.backend.batch_flatten", Other(shapes::batch_flatten)),
    ("nn.bias_add", Other(functions::bias_add)),
    ("convert_to_tensor", Other(functions::identity)),
    ("cast", Other(functions::cast)),
    ("identity", Other(functions::identity)),
    ("stop_gradient", Other(functions::identity)),
    ("identity_n", Other(functions::identity)),
    ("ensure_shape", Other(functions::ensure_shape)),
    ("debugging.check_numerics", Other(functions::check_numerics)),
    ("zeros_like", Each(|| tapes::constant(0.0))),
    ("ones_like", Each(|| tapes::constant(1.0))),
    ("math.reduce_mean", Other(reductions::mean)),
    ("math.reduce_sum", Other(reductions::sum)),
    ("math.reduce_max", Other(reductions::max)),
    ("math.reduce_min", Other(reductions::min)),
    ("math.reduce_prod", Other(reductions::product)),
    ("math.reduce_any", Other(reductions::any)),
    ("math.reduce_all", Other(reductions::all)),
    ("math.reduce_variance", Other(reductions::variance)),
    ("math.reduce_std", Other(reductions::deviation)),
    ("math.reduce_logsumexp", Other(reductions::log_sum_exp)),
    ("math.l2_normalize", Other(functions::l2_normalize)),
    ("shape", Other(sizes::shape)),
    ("size", Other(sizes::size)),
    ("rank", Other(sizes::rank)),
    ("reshape", Other(shapes::reshape)),
    ("transpose", Other(shapes::transpose)),
    ("expand_dims", Other(shapes::expand_dims)),
    ("squeeze", Other(shapes::squeeze)),
    ("concat", Other(shapes::concatenate)),
    ("stack", Other(shapes::stack)),
    ("split", Other(shapes::split)),
    ("pad", Other(shapes::pad)),
    ("reverse", Other(shapes::flip)),
    ("repeat", Other(shapes::repeat)),
    ("tile", Other(shapes::tile)),
    ("linalg.matmul", Other(functions::matmul)),
    ("nn.depth_to_space", Other(functions::depth_to_space)),
    ("nn.space_to_depth", Other(functions::space_to_depth)),
    ("image.resize", Other(functions::resize)),
    ("image.rgb_to_grayscale", Other(images::grayscale)),
    ("image.grayscale_to_rgb", Other(images::colour)),
    ("image.per_image_standardization", Other(images::standardized)),
    ("image.flip_left_right", Other(images::flip_left_right)),
    ("image.flip_up_down", Other(images::flip_up_down)),
    ("image.crop_to_bounding_box", Other(images::crop_to_box)),
    ("image.pad_to_bounding_box", Other(images::pad_to_box)),
    ("image.central_crop", Other(images::central_crop)),
    ("image.resize_with_crop_or_pad", Other(images::crop_or_pad)),
    ("image.adjust_contrast", Other(images::adjust_contrast)),
];

fn find(table: &[(&str, Kind)], name: &str) -> Option<Kind> {
    table.iter().find(|(of, _)| *of == name).map(|(_, kind)| *kind)
}

/// Whether an operation of Keras 3 can be compiled.
pub fn is_operation(class: &str) -> bool {
    find(OPERATIONS, class).is_some()
}

/// An operation of Keras 3.
pub fn operation(cx: &mut Cx<'_>) -> Outcome {
    match find(OPERATIONS, cx.site.class) {
        Some(kind) => run(cx, kind),
        // Said before by `refuse_unsupported`.
        None => Err(
            super::refusal::unsupported(cx.site.written, cx.site.origin, super::last(&cx.site.path)).into(),
        ),
    }
}

/// `TFOpLambda` and `SlicingOpLambda` of Keras 2.
pub fn tf_function(cx: &mut Cx<'_>) -> Outcome {
    match function(cx.site.config) {
        Ok(kind) => run(cx, kind),
        // Said before, or here for a layer inside another.
        Err(error) => Err(error.into()),
    }
}

/// Why a TensorFlow function cannot be compiled, if so.
pub fn refuse_function(config: &crate::keras::Config) -> Option<Error> {
    function(config).err()
}

fn function(config: &crate::keras::Config) -> Result<Kind, Error> {
    let name = config.fields().str("function")?.to_owned();
    let short = name.strip_prefix("compat.v1.").unwrap_or(&name);
    find(FUNCTIONS, short).ok_or_else(|| {
        let kind = ErrorKind::UnsupportedValue {
            value: format!("{name:?}"),
        };
        config
            .error_at("function", kind)
            .help("rebuild this part of the model from Keras' layers")
    })
}

fn run(cx: &mut Cx<'_>, kind: Kind) -> Outcome {
    let arguments = Arguments::new(cx);
    let values = match kind {
        Kind::Unary(tape) => {
            let x = arguments.tensor(cx, 0, X)?;
            super::context::one(cx.apply(tape(), x)?)
        }
        Kind::Binary(tape) => tapes::pair(cx, &arguments, &tape(), [X, Y]),
        Kind::Other(function) => function(cx, &arguments),
    }?;
    arguments.finish(cx)?;
    if sizes::known(cx) {
        return sizes::fold(cx, values);
    }
    Ok(values)
}
