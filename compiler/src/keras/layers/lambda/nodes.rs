//! `TensorFlowOpLayer` of tf.keras 2.0 to 2.3: an operation of TensorFlow as a node of its graph (`NodeDef`), with the inputs
//! that are constants beside it. Each operation is an expression of TensorFlow's functions.

use super::evaluate::{Named, Place, evaluate};
use super::value::{Value, of_argument};
use super::{COST, unmasked};
use crate::budget::Resource;
use crate::error::{Error, ErrorKind};
use crate::keras::expression::{self, Constant, Function};
use crate::keras::layers::context::{Cx, Outcome, Stop};
use crate::keras::model::Layer;
use crate::keras::python::base64;
use serde_json::{Map, Value as Json};

/// How an operation takes its inputs.
#[derive(Clone, Copy, PartialEq)]
enum Inputs {
    /// One by one.
    Each,
    /// All in a list, but for so many at the end.
    ListBut(usize),
}

use Inputs::{Each, ListBut};

/// Operations with what they compute, as a function of their inputs and then of their attributes.
#[rustfmt::skip]
const OPERATIONS: &[(&str, Inputs, &str)] = &[
    ("Abs", Each, "lambda x: tf.abs(x)"),
    ("Acos", Each, "lambda x: tf.acos(x)"),
    ("Acosh", Each, "lambda x: tf.acosh(x)"),
    ("Add", Each, "lambda x, y: x + y"),
    ("AddN", ListBut(0), "lambda inputs: tf.add_n(inputs)"),
    ("AddV2", Each, "lambda x, y: x + y"),
    ("All", Each, "lambda x, axis, keep_dims=False: tf.reduce_all(x, axis=axis, keepdims=keep_dims)"),
    ("Any", Each, "lambda x, axis, keep_dims=False: tf.reduce_any(x, axis=axis, keepdims=keep_dims)"),
    ("ArgMax", Each, "lambda x, axis: tf.argmax(x, axis=axis)"),
    ("ArgMin", Each, "lambda x, axis: tf.argmin(x, axis=axis)"),
    ("Asin", Each, "lambda x: tf.asin(x)"),
    ("Asinh", Each, "lambda x: tf.asinh(x)"),
    ("Atan", Each, "lambda x: tf.atan(x)"),
    ("Atan2", Each, "lambda y, x: tf.atan2(y, x)"),
    ("Atanh", Each, "lambda x: tf.atanh(x)"),
    ("BatchMatMul", Each, "lambda x, y, adj_x=False, adj_y=False: tf.matmul(x, y, transpose_a=adj_x, transpose_b=adj_y)"),
    ("BatchMatMulV2", Each, "lambda x, y, adj_x=False, adj_y=False: tf.matmul(x, y, transpose_a=adj_x, transpose_b=adj_y)"),
    ("BatchMatMulV3", Each, "lambda x, y, adj_x=False, adj_y=False: tf.matmul(x, y, transpose_a=adj_x, transpose_b=adj_y)"),
    ("BiasAdd", Each, "lambda x, bias, data_format='NHWC': tf.nn.bias_add(x, bias, data_format=data_format)"),
    ("BroadcastTo", Each, "lambda x, shape: tf.broadcast_to(x, shape)"),
    ("Cast", Each, "lambda x, DstT, Truncate=False: tf.cast(only(x, Truncate, False), DstT)"),
    ("Ceil", Each, "lambda x: tf.math.ceil(x)"),
    ("ClipByValue", Each, "lambda x, low, high: tf.clip_by_value(x, low, high)"),
    ("ConcatV2", ListBut(1), "lambda values, axis: tf.concat(values, axis=axis)"),
    ("Cos", Each, "lambda x: tf.cos(x)"),
    ("Cosh", Each, "lambda x: tf.cosh(x)"),
    ("Cumprod", Each, "lambda x, axis, exclusive=False, reverse=False: tf.math.cumprod(x, axis=axis, exclusive=exclusive, reverse=reverse)"),
    ("Cumsum", Each, "lambda x, axis, exclusive=False, reverse=False: tf.cumsum(x, axis=axis, exclusive=exclusive, reverse=reverse)"),
    ("DepthToSpace", Each, "lambda x, block_size, data_format='NHWC': tf.nn.depth_to_space(x, block_size, data_format=data_format)"),
    ("DivNoNan", Each, "lambda x, y: tf.math.divide_no_nan(x, y)"),
    ("Einsum", Each, "lambda x, y, equation: tf.einsum(equation, x, y)"),
    ("Elu", Each, "lambda x: tf.nn.elu(x)"),
    ("Equal", Each, "lambda x, y, incompatible_shape_error=True: tf.equal(x, y)"),
    ("Erf", Each, "lambda x: tf.math.erf(x)"),
    ("EuclideanNorm", Each, "lambda x, axis, keep_dims=False: tf.sqrt(tf.reduce_sum(tf.square(x), axis=axis, keepdims=keep_dims))"),
    ("Exp", Each, "lambda x: tf.exp(x)"),
    ("ExpandDims", Each, "lambda x, axis: tf.expand_dims(x, axis)"),
    ("Expm1", Each, "lambda x: ops.expm1(x)"),
    ("Fill", Each, "lambda dims, value: tf.fill(dims, value)"),
    ("Floor", Each, "lambda x: tf.floor(x)"),
    ("FloorDiv", Each, "lambda x, y: x // y"),
    ("FloorMod", Each, "lambda x, y: x % y"),
    ("GatherNd", Each, "lambda x, indices, bad_indices_policy='': tf.gather_nd(only(x, bad_indices_policy, ''), indices)"),
    ("GatherV2", Each, "lambda x, indices, axis, batch_dims=0: tf.gather(x, indices, axis=axis, batch_dims=batch_dims)"),
    ("Greater", Each, "lambda x, y: tf.greater(x, y)"),
    ("GreaterEqual", Each, "lambda x, y: tf.greater_equal(x, y)"),
    ("Identity", Each, "lambda x: tf.identity(x)"),
    ("Inv", Each, "lambda x: 1.0 / x"),
    ("IsFinite", Each, "lambda x: tf.math.is_finite(x)"),
    ("IsInf", Each, "lambda x: tf.math.is_inf(x)"),
    ("IsNan", Each, "lambda x: tf.math.is_nan(x)"),
    ("L2Loss", Each, "lambda x: tf.reduce_sum(tf.square(x)) * 0.5"),
    ("LeakyRelu", Each, "lambda x, alpha=0.2: tf.nn.leaky_relu(x, alpha=alpha)"),
    ("Less", Each, "lambda x, y: tf.less(x, y)"),
    ("LessEqual", Each, "lambda x, y: tf.less_equal(x, y)"),
    ("Log", Each, "lambda x: tf.math.log(x)"),
    ("Log1p", Each, "lambda x: tf.math.log1p(x)"),
    ("LogSoftmax", Each, "lambda x: tf.nn.log_softmax(x)"),
    ("LogicalAnd", Each, "lambda x, y: tf.logical_and(x, y)"),
    ("LogicalNot", Each, "lambda x: tf.logical_not(x)"),
    ("LogicalOr", Each, "lambda x, y: tf.logical_or(x, y)"),
    ("MatMul", Each, "lambda x, y, transpose_a=False, transpose_b=False: tf.matmul(x, y, transpose_a=transpose_a, transpose_b=transpose_b)"),
    ("Max", Each, "lambda x, axis, keep_dims=False: tf.reduce_max(x, axis=axis, keepdims=keep_dims)"),
    ("Maximum", Each, "lambda x, y: tf.maximum(x, y)"),
    ("Mean", Each, "lambda x, axis, keep_dims=False: tf.reduce_mean(x, axis=axis, keepdims=keep_dims)"),
    ("Min", Each, "lambda x, axis, keep_dims=False: tf.reduce_min(x, axis=axis, keepdims=keep_dims)"),
    ("Minimum", Each, "lambda x, y: tf.minimum(x, y)"),
    ("MirrorPad", Each, "lambda x, paddings, mode: tf.pad(x, paddings, mode)"),
    ("Mul", Each, "lambda x, y: x * y"),
    ("Neg", Each, "lambda x: -x"),
    ("NotEqual", Each, "lambda x, y, incompatible_shape_error=True: tf.not_equal(x, y)"),
    ("OneHot", Each, "lambda indices, depth, on_value, off_value, axis=-1: tf.one_hot(indices, depth, on_value, off_value, axis=axis)"),
    ("OnesLike", Each, "lambda x: tf.ones_like(x)"),
    ("Pack", ListBut(0), "lambda values, axis=0: tf.stack(values, axis=axis)"),
    ("Pad", Each, "lambda x, paddings: tf.pad(x, paddings)"),
    ("PadV2", Each, "lambda x, paddings, value: tf.pad(x, paddings, constant_values=value)"),
    ("Pow", Each, "lambda x, y: tf.pow(x, y)"),
    ("Prod", Each, "lambda x, axis, keep_dims=False: tf.reduce_prod(x, axis=axis, keepdims=keep_dims)"),
    ("Range", Each, "lambda start, limit, delta: tf.range(start, limit, delta)"),
    ("Rank", Each, "lambda x: tf.rank(x)"),
    ("RealDiv", Each, "lambda x, y: x / y"),
    ("Reciprocal", Each, "lambda x: 1.0 / x"),
    ("Relu", Each, "lambda x: tf.nn.relu(x)"),
    ("Relu6", Each, "lambda x: tf.nn.relu6(x)"),
    ("Reshape", Each, "lambda x, shape: tf.reshape(x, shape)"),
    ("ResizeBilinear", Each, "lambda x, size, align_corners=False, half_pixel_centers=False: tf.image.resize(only(only(x, align_corners, False), half_pixel_centers, True), size)"),
    ("ResizeNearestNeighbor", Each, "lambda x, size, align_corners=False, half_pixel_centers=False: tf.image.resize(only(only(x, align_corners, False), half_pixel_centers, True), size, method='nearest')"),
    ("ReverseV2", Each, "lambda x, axis: tf.reverse(x, axis)"),
    ("Rint", Each, "lambda x: tf.round(x)"),
    ("Round", Each, "lambda x: tf.round(x)"),
    ("Rsqrt", Each, "lambda x: tf.math.rsqrt(x)"),
    ("Select", Each, "lambda c, x, y: tf.where(c, x, y)"),
    ("SelectV2", Each, "lambda c, x, y: tf.where(c, x, y)"),
    ("Selu", Each, "lambda x: tf.nn.selu(x)"),
    ("Shape", Each, "lambda x: tf.shape(x)"),
    ("Sigmoid", Each, "lambda x: tf.sigmoid(x)"),
    ("Sign", Each, "lambda x: tf.sign(x)"),
    ("Sin", Each, "lambda x: tf.sin(x)"),
    ("Sinh", Each, "lambda x: tf.sinh(x)"),
    ("Size", Each, "lambda x: tf.size(x)"),
    ("Slice", Each, "lambda x, begin, size: tf.slice(x, begin, size)"),
    ("Softmax", Each, "lambda x: tf.nn.softmax(x)"),
    ("Softplus", Each, "lambda x: tf.nn.softplus(x)"),
    ("Softsign", Each, "lambda x: tf.nn.softsign(x)"),
    ("SpaceToDepth", Each, "lambda x, block_size, data_format='NHWC': tf.nn.space_to_depth(x, block_size, data_format=data_format)"),
    ("Split", Each, "lambda axis, x, num_split: tf.split(x, num_split, axis=axis)"),
    ("SplitV", Each, "lambda x, sizes, axis, num_split=None: tf.split(x, sizes, axis=axis)"),
    ("Sqrt", Each, "lambda x: tf.sqrt(x)"),
    ("Square", Each, "lambda x: tf.square(x)"),
    ("SquaredDifference", Each, "lambda x, y: tf.math.squared_difference(x, y)"),
    ("Squeeze", Each, "lambda x, squeeze_dims=None: tf.squeeze(x, squeeze_dims)"),
    ("StopGradient", Each, "lambda x: x"),
    ("StridedSlice", Each, "lambda x, begin, end, strides, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0: tf.strided_slice(x, begin, end, strides, begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)"),
    ("Sub", Each, "lambda x, y: x - y"),
    ("Sum", Each, "lambda x, axis, keep_dims=False: tf.reduce_sum(x, axis=axis, keepdims=keep_dims)"),
    ("Tan", Each, "lambda x: tf.tan(x)"),
    ("Tanh", Each, "lambda x: tf.tanh(x)"),
    ("Tile", Each, "lambda x, multiples: tf.tile(x, multiples)"),
    ("TopKV2", Each, "lambda x, k, sorted=True: tf.math.top_k(x, k, sorted)"),
    ("Transpose", Each, "lambda x, perm: tf.transpose(x, perm)"),
    ("Unpack", Each, "lambda x, num, axis=0: tf.unstack(x, num, axis)"),
    ("ZerosLike", Each, "lambda x: tf.zeros_like(x)"),
];

/// Attributes that say types and counts, which follow from the inputs.
const OF_TYPES: &[&str] = &[
    "T",
    "Tidx",
    "Tperm",
    "Tshape",
    "Tpaddings",
    "Tmultiples",
    "Taxis",
    "Tindices",
    "Tparams",
    "Tdim",
    "Tlen",
    "TI",
    "Index",
    "N",
    "SrcT",
    "out_type",
    "output_type",
    "index_type",
    "Tk",
    // How gradients go.
    "grad_a",
    "grad_b",
    "grad_x",
    "grad_y",
];

/// The node of a layer.
struct Node<'a> {
    op: &'a str,
    inputs: usize,
    attributes: Vec<(&'a str, &'a Json)>,
}

/// `TensorFlowOpLayer`.
pub fn node(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let definition = r.fields.value("node_def");
    let constants = r.fields.value("constants").and_then(Json::as_object);
    r.finish(cx)?;
    let memory = cx.site.config.memory();
    cx.state.budget.take(Resource::Arguments, COST * memory)?;
    let node = parse(definition).ok_or_else(|| unknown_node(cx.site.config, definition))?;
    let (inputs, function) =
        operation(node.op).map_err(|error| cx.site.config.error_at("node_def.op", error))?;
    let arguments = arguments(cx, &node, constants)?;
    let arguments = match inputs {
        Each => arguments,
        ListBut(last) => {
            let mut items = arguments;
            let rest = items.split_off(items.len().saturating_sub(last));
            [vec![Value::List(items)], rest].concat()
        }
    };
    let named = attributes(cx, &node, &function)?;
    let calls = cx.state.called(&cx.site.path);
    let place = Place {
        path: format!("{}/call_{calls}", cx.site.path),
        own: true,
    };
    let result = evaluate(cx, &place, &function, arguments, named)?;
    unmasked(cx, &result)
}

/// Why such a layer cannot be compiled whatever its inputs are, if so.
pub fn refuse_node(layer: &Layer) -> Option<Error> {
    let config = &layer.config;
    let definition = config.values().get("node_def");
    match parse(definition) {
        None => Some(unknown_node(config, definition)),
        Some(node) => {
            let found = operation(node.op).err();
            found.map(|error| {
                let error = config.error_at("node_def.op", error);
                error.help("rebuild this part of the model from Keras' layers")
            })
        }
    }
}

fn unknown_node(config: &crate::keras::Config, definition: Option<&Json>) -> Error {
    let message = match definition {
        Some(Json::String(_)) => "the node is in TensorFlow's binary form",
        _ => "it holds no node of TensorFlow",
    };
    let error = config.error_at("node_def", ErrorKind::UnsupportedCode(message.to_owned()));
    error.help("load the model with TensorFlow 2.2 or newer, and save it again")
}

fn operation(op: &str) -> Result<(Inputs, Function), ErrorKind> {
    let row = OPERATIONS.iter().find(|(of, ..)| *of == op);
    let (_, inputs, text) = row.ok_or_else(|| ErrorKind::UnsupportedValue {
        value: format!("{op:?}"),
    })?;
    let function = expression::parse(text).map_err(ErrorKind::Internal)?;
    Ok((*inputs, function))
}

/// Reads a node as `MessageToDict` of protobuf writes it.
fn parse(definition: Option<&Json>) -> Option<Node<'_>> {
    let map = definition?.as_object()?;
    let inputs = match map.get("input") {
        None => 0,
        Some(inputs) => {
            let inputs = inputs.as_array()?.iter();
            // Those that begin so only say what comes before.
            inputs
                .filter(|input| input.as_str().is_none_or(|name| !name.starts_with('^')))
                .count()
        }
    };
    let attributes = match map.get("attr") {
        None => Vec::new(),
        Some(attributes) => attributes
            .as_object()?
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect(),
    };
    Some(Node {
        op: map.get("op")?.as_str()?,
        inputs,
        attributes,
    })
}

/// The tensors of the call with the constants among them.
fn arguments(
    cx: &mut Cx<'_>,
    node: &Node<'_>,
    constants: Option<&Map<String, Json>>,
) -> Result<Vec<Value>, Stop> {
    let mut given = Vec::new();
    while let Some(argument) = cx.arg(given.len()) {
        given.push(of_argument(argument));
    }
    let mut given = given.into_iter().flat_map(|value| match value {
        Some(Value::List(items)) => items.into_iter().map(Some).collect(),
        other => vec![other],
    });
    let constant = |place: usize| constants?.get(&place.to_string());
    let all = (0..node.inputs).map(|place| match constant(place) {
        Some(value) => Value::of_json(value),
        None => given.next().flatten(),
    });
    let all: Option<Vec<Value>> = all.collect();
    match (all, given.next()) {
        (Some(all), None) => Ok(all),
        _ => {
            let message = format!(
                "the node takes {} inputs, and is not called with as many",
                node.inputs
            );
            Err(cx.inconsistent(message))
        }
    }
}

/// Those of its attributes that matter.
fn attributes(cx: &Cx<'_>, node: &Node<'_>, function: &Function) -> Result<Named, Stop> {
    let mut named = Vec::new();
    for (name, value) in &node.attributes {
        let takes = function
            .parameters
            .iter()
            .any(|parameter| parameter.name == *name);
        if !takes && (OF_TYPES.contains(name) || name.starts_with('_')) {
            continue;
        }
        match attribute(value).filter(|_| takes) {
            Some(value) => named.push(((*name).to_owned(), value)),
            None => {
                let kind = ErrorKind::UnsupportedValue {
                    value: value.to_string(),
                };
                let error = cx.site.config.error_at(&format!("node_def.attr.{name}"), kind);
                return Err(error
                    .help("rebuild this part of the model from Keras' layers")
                    .into());
            }
        }
    }
    Ok(named)
}

/// The value of an attribute (`AttrValue`).
fn attribute(value: &Json) -> Option<Value> {
    let map = value.as_object()?;
    let (kind, value) = map.iter().next()?;
    of_kind(kind, value)
}

fn of_kind(kind: &str, value: &Json) -> Option<Value> {
    let whole = |value: &Json| match value {
        // Numbers of 64 bits are text in protobuf's JSON.
        Json::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    Some(match kind {
        "b" => Value::Constant(Constant::Bool(value.as_bool()?)),
        "i" => Value::Constant(Constant::Int(whole(value)?)),
        "f" => Value::of_json(value)?,
        "s" => {
            let bytes = base64::decode(value.as_str()?)?;
            Value::Constant(Constant::Text(String::from_utf8(bytes).ok()?))
        }
        "type" => Value::Constant(Constant::Text(element(value.as_str()?)?.to_owned())),
        "list" => {
            let map = value.as_object()?;
            match map.iter().next() {
                None => Value::NONE,
                Some((kind, items)) => {
                    let items = items.as_array()?.iter().map(|item| of_kind(kind, item));
                    Value::List(items.collect::<Option<_>>()?)
                }
            }
        }
        _ => return None,
    })
}

/// The name of a type of elements.
fn element(name: &str) -> Option<&'static str> {
    Some(match name {
        "DT_HALF" | "DT_BFLOAT16" | "DT_FLOAT" | "DT_DOUBLE" => "float32",
        "DT_INT8" => "int8",
        "DT_UINT8" => "uint8",
        "DT_INT16" => "int16",
        "DT_UINT16" => "uint16",
        "DT_INT32" => "int32",
        "DT_INT64" => "int64",
        "DT_BOOL" => "bool",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{natives, unknown_name};
    use super::*;
    use crate::keras::expression::Expr;

    /// Each operation is an expression of functions that there are, and stands once, in order.
    #[test]
    fn operations_are_known() {
        let mut before = "";
        for (op, _, text) in OPERATIONS {
            assert!(before < *op, "{op} does not come after {before}");
            before = *op;
            let mut function = expression::parse(text).unwrap_or_else(|message| panic!("{op}: {message}"));
            function.nodes.iter_mut().for_each(|expr| {
                if matches!(expr, Expr::Name(name) if natives::inner(name).is_some()) {
                    *expr = Expr::Name("tf.identity".to_owned());
                }
            });
            assert_eq!(unknown_name(&function, "it"), None, "{op}");
        }
    }
}
