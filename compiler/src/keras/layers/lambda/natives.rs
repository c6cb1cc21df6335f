//! Functions of Keras' backend and of Python itself that are no expressions of others.

use super::value::{Value, of_known};
use crate::keras::expression::{Binary, Constant, binary};
use crate::keras::layers::activation::axis_list;
use crate::keras::layers::context::{Cx, Stop};
use crate::keras::layers::contraction::{Labelled, label, product};
use crate::keras::layers::normalize::unit_length;
use crate::pointwise::library;
use crate::tensor::{Shape, Tensor};

/// What a function of this module does with its arguments, which have been put in the order of its parameters; `None` for
/// one that is not given.
pub type Native = (
    &'static str,
    fn(&mut Cx<'_>, &[Option<Value>]) -> Result<Value, Stop>,
);

/// Functions by what they do, with their parameters.
const NATIVES: &[(&str, Native)] = &[
    ("K.int_shape", ("x", shape)),
    ("K.ndim", ("x", rank)),
    ("len", ("x", length)),
    ("int", ("x", whole)),
    ("float", ("x", float)),
    ("max", ("a b", largest)),
    ("min", ("a b", smallest)),
    ("list", ("x", |cx, a| items(cx, a).map(Value::List))),
    ("tuple", ("x", |cx, a| items(cx, a).map(Value::Tuple))),
    (
        "np.array",
        ("object dtype", |_, a| {
            Ok(a.first().cloned().flatten().unwrap_or(Value::NONE))
        }),
    ),
    (
        "np.asarray",
        ("a dtype", |_, a| {
            Ok(a.first().cloned().flatten().unwrap_or(Value::NONE))
        }),
    ),
    ("np.float32", ("x", float)),
    ("np.sqrt", ("x", |cx, a| of_number(cx, a, f64::sqrt))),
    ("math.sqrt", ("x", |cx, a| of_number(cx, a, f64::sqrt))),
    ("np.log", ("x", |cx, a| of_number(cx, a, f64::ln))),
    ("math.log", ("x", |cx, a| of_number(cx, a, f64::ln))),
    ("np.exp", ("x", |cx, a| of_number(cx, a, f64::exp))),
    ("math.exp", ("x", |cx, a| of_number(cx, a, f64::exp))),
    ("K.l2_normalize", ("x axis", l2_normalize)),
    ("K.dot", ("x y", dot)),
    ("K.batch_dot", ("x y axes", batch_dot)),
    ("K.relu", ("x alpha max_value threshold", relu)),
    ("activations.relu", ("x negative_slope max_value threshold", relu)),
];

/// Functions that only definitions call, so that no name of a file's is taken for one of them.
const INNER: &[(&str, Native)] = &[
    ("int_shape", ("x", shape)),
    ("only", ("x found allowed", only)),
    ("constant", ("value shape", constant)),
    ("preprocessed", ("x mode", preprocessed)),
];

/// A function of this module by its name.
pub fn native(name: &str) -> Option<Native> {
    NATIVES
        .iter()
        .find(|(of, _)| *of == name)
        .map(|(_, native)| *native)
}

/// One that definitions call.
pub fn inner(name: &str) -> Option<Native> {
    INNER
        .iter()
        .find(|(of, _)| *of == name)
        .map(|(_, native)| *native)
}

type Arguments<'a> = &'a [Option<Value>];
type Found = Result<Value, Stop>;

/// An argument that must be there.
fn given<'a>(cx: &Cx<'_>, arguments: Arguments<'a>, at: usize) -> Result<&'a Value, Stop> {
    let found = arguments.get(at).and_then(Option::as_ref);
    found.ok_or_else(|| cx.inconsistent("its function calls another without all arguments"))
}

fn refused(cx: &Cx<'_>, value: &Value, function: &str) -> Stop {
    cx.inconsistent(format!("its function gives {function} {}", value.kind()))
}

/// A tensor as floats, also from numbers.
fn tensor(cx: &mut Cx<'_>, arguments: Arguments<'_>, at: usize) -> Result<crate::graph::NodeId, Stop> {
    match given(cx, arguments, at)? {
        Value::Tensor { node, .. } => Ok(cx.float(*node)?),
        other => Err(refused(cx, other, "a function of tensors")),
    }
}

fn number(cx: &Cx<'_>, arguments: Arguments<'_>, at: usize) -> Result<Option<f64>, Stop> {
    match arguments.get(at).and_then(Option::as_ref) {
        None | Some(Value::Constant(Constant::None)) => Ok(None),
        Some(Value::Constant(Constant::Int(value))) => Ok(Some(*value as f64)),
        Some(Value::Constant(Constant::Float(value))) => Ok(Some(value.value())),
        Some(other) => Err(refused(cx, other, "a function of numbers")),
    }
}

/// The shape of a tensor, all of whose extents are known here.
fn shape(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    match given(cx, a, 0)? {
        Value::Tensor { node, .. } => Ok(Value::Tuple(cx.dims(*node).into_iter().map(Value::int).collect())),
        other => Err(refused(cx, other, "int_shape")),
    }
}

fn rank(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    match shape(cx, a)? {
        Value::Tuple(items) => Ok(Value::int(items.len())),
        other => Err(refused(cx, &other, "ndim")),
    }
}

fn length(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let found = given(cx, a, 0)?;
    found
        .items()
        .map(|items| Value::int(items.len()))
        .ok_or_else(|| refused(cx, found, "len"))
}

fn items(cx: &Cx<'_>, a: Arguments<'_>) -> Result<Vec<Value>, Stop> {
    let found = given(cx, a, 0)?;
    found
        .items()
        .map(<[Value]>::to_vec)
        .ok_or_else(|| refused(cx, found, "list"))
}

/// What a value is worth that is known: a tensor of one element, too.
fn known(cx: &Cx<'_>, value: &Value) -> Option<f64> {
    match value {
        Value::Constant(Constant::Int(int)) => Some(*int as f64),
        Value::Constant(Constant::Float(float)) => Some(float.value()),
        Value::Tensor { node, .. } => known(cx, &of_known(cx.state.graph.constant(*node)?)?),
        _ => None,
    }
}

fn whole(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let found = given(cx, a, 0)?;
    let value = known(cx, found).filter(|value| value.abs() < 9e15);
    let value = value.ok_or_else(|| refused(cx, found, "int"))?;
    Ok(Value::Constant(Constant::Int(value as i64)))
}

fn float(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    of_number(cx, a, |value| value)
}

fn of_number(cx: &Cx<'_>, a: Arguments<'_>, function: fn(f64) -> f64) -> Found {
    let found = given(cx, a, 0)?;
    let value = known(cx, found).map(function).filter(|value| value.is_finite());
    let value = value.ok_or_else(|| refused(cx, found, "a function of a number"))?;
    Ok(Value::Constant(Constant::float(value)))
}

fn largest(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    chosen(cx, a, Binary::Greater)
}

fn smallest(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    chosen(cx, a, Binary::Less)
}

/// The second of two numbers where the comparison holds of it and the first, else the first; of one and `None` that one.
fn chosen(cx: &Cx<'_>, a: Arguments<'_>, comparison: Binary) -> Found {
    match (given(cx, a, 0)?, given(cx, a, 1)?) {
        (Value::Constant(Constant::None), only) | (only, Value::Constant(Constant::None)) => Ok(only.clone()),
        (Value::Constant(first), Value::Constant(second)) => match binary(comparison, second, first) {
            Some(Constant::Bool(true)) => Ok(Value::Constant(second.clone())),
            Some(_) => Ok(Value::Constant(first.clone())),
            None => Err(cx.inconsistent("its function compares what are no numbers")),
        },
        (first, second) => {
            let other = if first.has_tensor() { first } else { second };
            Err(refused(cx, other, "max or min"))
        }
    }
}

/// The first argument, if the second is absent or what the third says.
fn only(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let (found, allowed) = (given(cx, a, 1)?, given(cx, a, 2)?);
    if *found == Value::NONE || found == allowed {
        return Ok(given(cx, a, 0)?.clone());
    }
    Err(cx.inconsistent(format!(
        "its function has data_format={found:?}, which is not supported in it"
    )))
}

/// A tensor of numbers.
fn constant(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let value = given(cx, a, 0)?;
    let json = value
        .json()
        .and_then(|json| crate::keras::layers::operators::numbers(&json));
    let Some((shape, numbers)) = json else {
        return Err(refused(cx, value, "constant"));
    };
    let shape = match a.get(1).and_then(Option::as_ref) {
        None | Some(Value::Constant(Constant::None)) => shape,
        Some(other) => {
            let extents = other.items().unwrap_or(std::slice::from_ref(other));
            let extents = extents
                .iter()
                .map(|extent| usize::try_from(extent.as_int()?).ok());
            let extents: Option<Vec<usize>> = extents.collect();
            extents.ok_or_else(|| refused(cx, other, "constant as a shape"))?
        }
    };
    let shape = Shape::checked(shape)?;
    let count = shape.count();
    let numbers: Vec<f32> = match numbers[..] {
        [only] => {
            cx.make_room(count)?;
            vec![only as f32; count]
        }
        _ if numbers.len() == count => numbers.into_iter().map(|number| number as f32).collect(),
        _ => return Err(cx.inconsistent(format!("{} numbers do not fill the shape {shape}", numbers.len()))),
    };
    cx.make_room(count)?;
    Ok(Value::tensor(cx.b().constant(Tensor::f32(shape, numbers)?)?))
}

/// `tf.math.l2_normalize` along an axis, or all of them.
fn l2_normalize(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    const EPSILON: f64 = 1e-12;
    let x = tensor(cx, a, 0)?;
    let rank = cx.dims(x).len();
    let axes = match a.get(1).and_then(Option::as_ref) {
        None | Some(Value::Constant(Constant::None)) => (0..rank).collect(),
        Some(value) => {
            let items = value.items().unwrap_or(std::slice::from_ref(value));
            let axes: Option<Vec<i64>> = items.iter().map(Value::as_int).collect();
            let axes = axes.ok_or_else(|| refused(cx, value, "l2_normalize as an axis"))?;
            axis_list(cx, &axes, rank)?
        }
    };
    Ok(Value::tensor(unit_length(cx, x, &axes, EPSILON)?))
}

/// `K.dot`: the last axis of x with the last but one of y.
fn dot(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let (x, y) = (tensor(cx, a, 0)?, tensor(cx, a, 1)?);
    let (m, n) = (cx.dims(x).len(), cx.dims(y).len());
    if m < 2 || n < 2 {
        return Err(cx.inconsistent("K.dot takes tensors of rank 2 or more"));
    }
    let left: Vec<char> = (0..m).map(label).collect();
    let mut right: Vec<char> = (m..m + n).map(label).collect();
    let (Some(&shared), Some(place)) = (left.last(), right.get_mut(n - 2)) else {
        return Err(Stop::Told);
    };
    *place = shared;
    let output: Vec<char> = left
        .iter()
        .chain(&right)
        .copied()
        .filter(|&label| label != shared)
        .collect();
    Ok(Value::tensor(product(
        cx,
        Labelled::new(x, left),
        Labelled::new(y, right),
        &output,
    )?))
}

/// `K.batch_dot` as `tf_keras.backend.batch_dot` has it: the first axis of both is that of the batch, and one axis of each is
/// summed over, by default the last of x and the last but one of y.
fn batch_dot(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let (x, y) = (tensor(cx, a, 0)?, tensor(cx, a, 1)?);
    let (m, n) = (cx.dims(x).len(), cx.dims(y).len());
    if m < 2 || n < 2 {
        return Err(cx.inconsistent("K.batch_dot takes tensors of rank 2 or more"));
    }
    let axes = match a.get(2).and_then(Option::as_ref) {
        None | Some(Value::Constant(Constant::None)) => [m - 1, if n == 2 { n - 1 } else { n - 2 }],
        Some(value) => {
            let items = match value.items() {
                Some(items) => items.to_vec(),
                None => vec![value.clone(); 2],
            };
            let (Some(first), Some(second), 2) = (
                items.first().and_then(Value::as_int),
                items.get(1).and_then(Value::as_int),
                items.len(),
            ) else {
                return Err(refused(cx, value, "batch_dot as axes"));
            };
            [cx.axis_of_sample(first, m)?, cx.axis_of_sample(second, n)?]
        }
    };
    let left: Vec<char> = (0..m).map(label).collect();
    let mut right: Vec<char> = (m..m + n).map(label).collect();
    let shared = label(axes[0]);
    right[0] = label(0);
    right[axes[1]] = shared;
    let others = right.iter().skip(1);
    let mut output: Vec<char> = left
        .iter()
        .chain(others)
        .copied()
        .filter(|&label| label != shared)
        .collect();
    let single = output.len() == 1;
    if single {
        // A column of results.
        output = vec![label(0)];
    }
    let mut found = product(cx, Labelled::new(x, left), Labelled::new(y, right), &output)?;
    if single {
        let batch = cx.dims(found).first().copied().unwrap_or(1);
        found = cx.b().reshape(found, [batch, 1])?;
    }
    Ok(Value::tensor(found))
}

/// `relu` with a slope below its threshold and a limit.
fn relu(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    let x = tensor(cx, a, 0)?;
    let slope = number(cx, a, 1)?.unwrap_or(0.0);
    let most = number(cx, a, 2)?;
    let threshold = number(cx, a, 3)?.unwrap_or(0.0);
    if slope < 0.0 || threshold < 0.0 || most.is_some_and(|most| most < 0.0) {
        return Err(cx.inconsistent("its function gives relu a negative argument"));
    }
    let tape = library::relu_of(slope as f32, most.map(|most| most as f32), threshold as f32);
    Ok(Value::tensor(cx.apply(tape, x)?))
}

/// `preprocess_input` of `keras.applications`, for images with channels last.
fn preprocessed(cx: &mut Cx<'_>, a: Arguments<'_>) -> Found {
    const MEANS: [f32; 3] = [0.485, 0.456, 0.406];
    const DEVIATIONS: [f32; 3] = [0.229, 0.224, 0.225];
    const CAFFE: [f32; 3] = [103.939, 116.779, 123.68];
    use crate::pointwise::{Binary as Op, Tape};
    let x = tensor(cx, a, 0)?;
    let three = |cx: &mut Cx<'_>, values: [f32; 3]| cx.b().constant(Tensor::f32([3], values.to_vec())?);
    let mode = given(cx, a, 1)?.clone();
    let node = match &mode {
        Value::Constant(Constant::Text(mode)) if mode == "tf" => {
            let tape = Tape::binary_const(Op::Div, 127.5).then(&Tape::binary_const(Op::Sub, 1.0));
            cx.apply(tape, x)?
        }
        Value::Constant(Constant::Text(mode)) if mode == "torch" => {
            let (means, deviations) = (three(cx, MEANS)?, three(cx, DEVIATIONS)?);
            let x = cx.apply(Tape::binary_const(Op::Div, 255.0), x)?;
            let x = cx.b().map(Tape::binary(Op::Sub), &[x, means])?;
            cx.b().map(Tape::binary(Op::Div), &[x, deviations])?
        }
        Value::Constant(Constant::Text(mode)) if mode == "caffe" => {
            let rank = cx.dims(x).len();
            let turned = crate::keras::layers::recurrent::reversed(cx, x, rank.saturating_sub(1))?;
            let means = three(cx, CAFFE)?;
            cx.b().map(Tape::binary(Op::Sub), &[turned, means])?
        }
        other => return Err(refused(cx, other, "preprocess_input as mode")),
    };
    Ok(Value::tensor(node))
}
