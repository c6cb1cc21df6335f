//! Categories as vectors: `keras.layers.CategoryEncoding`, and the output modes of other layers that give categories.

use super::context::{Cx, Outcome, Stop, one};
use super::pool::drop_axes;
use super::read::Read;
use super::shape::numbers_along;
use crate::graph::NodeId;
use crate::keras::ranges::COUNT;
use crate::ops::{Gather, ReduceKind};
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary};
use crate::tensor::{DType, Tensor};
use serde_json::json;

/// What a layer gives of categories, which are integers from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputMode {
    /// The integers.
    Int,
    /// For each of them a vector with 1 at its place.
    OneHot,
    /// For each sample a vector with 1 at the places that occur.
    MultiHot,
    /// For each sample how often each occurs.
    Count,
    /// The same times a weight of each category.
    TfIdf,
}

const MODES: &[(&str, OutputMode)] = &[
    ("int", OutputMode::Int),
    ("one_hot", OutputMode::OneHot),
    ("multi_hot", OutputMode::MultiHot),
    ("count", OutputMode::Count),
    ("tf_idf", OutputMode::TfIdf),
    // Their names until TensorFlow 2.5.
    ("binary", OutputMode::MultiHot),
    ("tf-idf", OutputMode::TfIdf),
];

impl Read<'_> {
    /// The output mode, of those that a layer takes. Results are dense whatever else a layer could give.
    pub fn output_mode(&self, allowed: &[OutputMode], default: OutputMode) -> OutputMode {
        self.only("sparse", &[json!(false)]);
        let table: Vec<_> = MODES
            .iter()
            .filter(|(_, mode)| allowed.contains(mode))
            .copied()
            .collect();
        self.choice("output_mode", &table, default)
    }
}

/// `CategoryEncoding`: what Keras 2 checks, that all categories are below `num_tokens`, is checked of inputs of the model.
pub fn category_encoding(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let depth = r.usize("num_tokens", COUNT);
    let modes = [OutputMode::OneHot, OutputMode::MultiHot, OutputMode::Count];
    let mode = r.output_mode(&modes, OutputMode::MultiHot);
    r.finish(cx)?;
    let weights = cx.tensor(1, "count_weights")?;
    let x = match cx.arg(0) {
        Some(arg) => arg.values(),
        None => cx.inputs(),
    };
    let &[x] = &x[..] else {
        return Err(cx.inconsistent("it takes one tensor of categories"));
    };
    if weights.is_some() && mode != OutputMode::Count {
        return Err(cx.inconsistent("count_weights belong to output_mode \"count\""));
    }
    let x = if cx.is_keras3() {
        x.node
    } else {
        checked(cx, x.node, depth)?
    };
    let weights = weights.map(|weights| cx.float(weights.node)).transpose()?;
    one(encoded(cx, x, mode, depth, weights)?)
}

/// The same integers, below `count`: a table of them says so to whoever gives them.
fn checked(cx: &mut Cx<'_>, x: NodeId, count: usize) -> Result<NodeId, Stop> {
    let table = numbers_along(cx, count, 0, 1)?;
    let pick = Gather {
        axis: 0,
        negative: false,
    };
    Ok(cx.b().add(pick, &[table, x])?)
}

/// Integers as a layer gives them in a mode, with a weight for each where they are counted. Those out of `0..depth` do not
/// count. As `encode_categorical_inputs` has it in `keras.src.utils.numerical_utils`, and in Keras 2 in
/// `preprocessing_utils`, which knows vectors and matrices only.
///
/// # Errors
/// When the shape is not one that this Keras takes.
pub fn encoded(
    cx: &mut Cx<'_>,
    x: NodeId,
    mode: OutputMode,
    depth: usize,
    weights: Option<NodeId>,
) -> Result<NodeId, Stop> {
    if mode == OutputMode::Int {
        return Ok(x);
    }
    let mut dims = cx.dims(x);
    let single = dims.len() > 1 && dims.last() == Some(&1);
    if mode == OutputMode::OneHot && single {
        dims.pop();
    }
    let most = if mode == OutputMode::OneHot { 1 } else { 2 };
    if !cx.is_keras3() && dims.len() > most {
        let shape = crate::tensor::Shape::new(cx.dims(x));
        return Err(cx.inconsistent(format!(
            "it does not encode categories of shape {shape} in this mode"
        )));
    }
    let rank = dims.len() + 1;
    dims.push(1);
    let x = cx.b().reshape(x, dims.clone())?;
    let places = numbers_along(cx, depth, rank - 1, rank)?;
    let hot = if cx.state.graph.ty(x).dtype == DType::F32 {
        let whole = (Tape::unary(Unary::Trunc), vec![0]);
        super::tapes::equal().substitute(&[whole, (Tape::identity(), vec![1])], 2)
    } else {
        super::tapes::equal()
    };
    let axis = usize::from(rank > 2);
    Ok(match (mode, weights) {
        (OutputMode::OneHot, _) => cx.b().map(hot, &[x, places])?,
        (OutputMode::MultiHot, _) => {
            let hot = cx.b().map(hot, &[x, places])?;
            let any = cx.b().reduce(ReduceKind::Max, [axis], hot)?;
            drop_axes(cx, any, &[axis], false)?
        }
        (_, None) => {
            let hot = cx.b().map(hot, &[x, places])?;
            let count = cx.b().reduce(ReduceKind::Sum, [axis], hot)?;
            drop_axes(cx, count, &[axis], false)?
        }
        (_, Some(weights)) => {
            let weights = cx.b().reshape(weights, dims)?;
            let weighted =
                Tape::binary(Binary::Mul).substitute(&[(hot, vec![0, 1]), (Tape::identity(), vec![2])], 3);
            let weighted = cx.b().map(weighted, &[x, places, weights])?;
            let count = cx.b().reduce(ReduceKind::Sum, [axis], weighted)?;
            drop_axes(cx, count, &[axis], false)?
        }
    })
}

/// 1 unless a is less than b, else 0: how `std::upper_bound` compares.
pub fn reaches() -> Tape {
    let mut t = TapeBuilder::new(2);
    let (a, b) = (t.input(0), t.input(1));
    let below = t.compare(Compare::Lt, a, b);
    let (yes, no) = (t.constant(1.0), t.constant(0.0));
    let number = t.select(below, no, yes);
    t.finish(number)
}

/// A constant along the last axis of a tensor of that rank.
pub fn along_last(cx: &mut Cx<'_>, role: &str, values: Vec<f32>, rank: usize) -> Result<NodeId, Stop> {
    let mut shape = vec![1; rank];
    if let Some(last) = shape.last_mut() {
        *last = values.len();
    }
    let role = format!("{role} of rank {rank}");
    Ok(cx.constant(&role, values.len(), || Tensor::f32(shape, values))?)
}
