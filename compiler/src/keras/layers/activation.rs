//! Activations: by name as an argument of other layers, and as layers of their own.

use super::context::{Arg, Cx, KerasTensor, Outcome, Stop, one};
use super::lambda::{COST, of_elements};
use super::mask;
use super::read::Read;
use super::refusal::CALL_IT;
use super::scalars;
use crate::budget::{Budget, Resource};
use crate::graph::NodeId;
use crate::keras::class::{Origin, Role};
use crate::keras::expression::Function;
use crate::keras::model::Semantics;
use crate::keras::object::{Object, is_lambda};
use crate::keras::ranges::AXIS;
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Compare, Tape, TapeBuilder, Unary, library};

/// An activation.
#[derive(Debug, Clone)]
pub struct Activation(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Of each element alone.
    Tape(Tape),
    /// `softmax` over the last axis.
    Softmax,
    /// `log_softmax` over the last axis.
    LogSoftmax,
    /// `glu` over the last axis.
    Glu,
    /// `sparsemax` over the last axis.
    Sparsemax,
    /// `crelu`: relu(x) and relu(-x), joined along the last axis.
    Crelu,
    /// A layer as activation.
    Layer(Box<Object>),
    /// A function of the user's that sees more than one element.
    Function(Box<Function>),
}

/// Activations that see more than one element, by name; `scalars` has all others.
const WHOLE: &[(&str, Kind)] = &[
    ("softmax", Kind::Softmax),
    ("log_softmax", Kind::LogSoftmax),
    ("glu", Kind::Glu),
    ("sparsemax", Kind::Sparsemax),
    ("crelu", Kind::Crelu),
];

/// Names of activations that see more than one element.
pub fn names() -> impl Iterator<Item = &'static str> {
    WHOLE.iter().map(|(name, _)| *name)
}

impl Activation {
    /// The function that gives its input.
    pub fn identity() -> Self {
        Self(Kind::Tape(Tape::identity()))
    }
    /// A function of `keras.activations`, or one of `tf.nn` under the name that TensorFlow's code gives it, which is
    /// what Keras writes.
    pub fn named(name: &str, semantics: Semantics) -> Option<Self> {
        let name = canonical(name);
        let whole = WHOLE.iter().find(|(of, _)| *of == name);
        let kind = whole.map(|(_, kind)| kind.clone());
        let of_elements = || Some(Kind::Tape(scalars::activation(name, semantics)?.tape()?));
        kind.or_else(of_elements).map(Self)
    }
    /// A serialized activation.
    pub fn of(object: Object, semantics: Semantics) -> Option<Self> {
        let name = object.class.written.as_str();
        match &object.class.origin {
            // Keras 3 writes functions that are not its own so; these two are TensorFlow's beyond doubt.
            Origin::Custom(package) if package == "builtins" && canonical(name) != name => {
                Self::named(name, semantics)
            }
            Origin::Custom(_) => None,
            _ => Self::named(name, semantics).or_else(|| {
                // Keras takes the names of these layers too.
                let class = super::known(&object.class);
                let known = class.is_some_and(|class| class.role == Role::Activation);
                known.then(|| Self(Kind::Layer(Box::new(object))))
            }),
        }
    }
    /// A function of Python.
    pub fn of_function(function: Function, semantics: Semantics, budget: &Budget) -> Self {
        Self(match of_elements::tape(&function, semantics, budget) {
            Some(tape) => Kind::Tape(tape),
            None => Kind::Function(Box::new(function)),
        })
    }
    /// The function of each element, if it is one.
    pub fn tape(&self) -> Option<&Tape> {
        match &self.0 {
            Kind::Tape(tape) => Some(tape),
            _ => None,
        }
    }
    /// Applies the activation to a tensor in Keras' own layout.
    pub fn apply(&self, cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
        Ok(match &self.0 {
            Kind::Tape(tape) => cx.apply(tape.clone(), x)?,
            Kind::Softmax => {
                let last = last_axis(cx, x)?;
                softmax_over(cx, x, &[last])?
            }
            Kind::LogSoftmax => {
                let last = last_axis(cx, x)?;
                log_softmax_over(cx, x, &[last])?
            }
            Kind::Glu => {
                let last = last_axis(cx, x)?;
                glu(cx, x, last)?
            }
            Kind::Sparsemax => sparsemax(cx, x)?,
            Kind::Crelu => crelu(cx, x)?,
            Kind::Layer(object) => {
                let args = vec![Arg::KerasTensor(KerasTensor::new(x))];
                let values = super::inner(cx, object, "activation", &[], args)?;
                values.first().ok_or(Stop::Told)?.node
            }
            Kind::Function(function) => of_elements::apply(cx, function, x)?,
        })
    }
}

/// Names of version 2 of a function of `tf.nn` end so.
fn canonical(name: &str) -> &str {
    match name {
        "softmax_v2" => "softmax",
        "log_softmax_v2" => "log_softmax",
        "crelu_v2" => "crelu",
        name => name,
    }
}

impl Read<'_> {
    /// An activation; `default` for an absent key, the identity for null.
    pub fn activation(&self, key: &str, default: &str) -> Activation {
        let refuse = || {
            let help = format!(
                "it can be one of Keras' own; else say what it computes with --custom, or leave it away and {CALL_IT}"
            );
            self.fields.unsupported(key).help(help)
        };
        let found = match self.fields.value(key) {
            None => Activation::named(default, self.semantics).ok_or_else(refuse),
            Some(value) if is_lambda(value) => {
                let memory = self.fields.config().memory();
                let taken = self.budget.take(Resource::Arguments, COST * memory);
                let function = taken.and_then(|()| of_elements::function(self.fields.config(), key, value));
                let found =
                    function.map(|function| Activation::of_function(function, self.semantics, &self.budget));
                // Looking at the function may have used something up.
                match self.budget.is_over() {
                    true => Err(self.budget.blame(refuse())),
                    false => found,
                }
            }
            Some(_) => self.fields.object(key).and_then(|object| match object {
                None => Ok(Activation::identity()),
                Some(object) => Activation::of(object, self.semantics).ok_or_else(refuse),
            }),
        };
        self.or_harmless(found, Activation::identity())
    }
}

fn last_axis(cx: &Cx<'_>, x: NodeId) -> Result<usize, Stop> {
    cx.axis(-1, cx.dims(x).len())
}

/// exp(x - max) and its sum over the axes.
fn exponentials(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<[NodeId; 3], Stop> {
    let max = cx.b().reduce(ReduceKind::Max, axes, x)?;
    let centred = cx.b().map(Tape::binary(Binary::Sub), &[x, max])?;
    let exp = cx.b().map(Tape::unary(Unary::Exp), &[centred])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, exp)?;
    Ok([centred, exp, sum])
}

/// exp(x) / Σ exp(x) over the axes, without overflow.
pub fn softmax_over(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    let [_, exp, sum] = exponentials(cx, x, axes)?;
    Ok(cx.b().map(Tape::binary(Binary::Div), &[exp, sum])?)
}

/// x - log Σ exp(x) over the axes, without overflow.
pub fn log_softmax_over(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    let [centred, _, sum] = exponentials(cx, x, axes)?;
    let log = cx.b().map(Tape::unary(Unary::Log), &[sum])?;
    Ok(cx.b().map(Tape::binary(Binary::Sub), &[centred, log])?)
}

/// `tf.nn.crelu`.
pub fn crelu(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    let positive = cx.apply(library::relu::tape(), x)?;
    let negative = cx.apply(Tape::unary(Unary::Neg).then(&library::relu::tape()), x)?;
    let last = last_axis(cx, x)?;
    Ok(cx.b().concat(last, &[positive, negative])?)
}

/// `keras.activations.glu`: the first half of the axis times the sigmoid of the second.
pub fn glu(cx: &mut Cx<'_>, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let extent = cx.dims(x)[axis];
    if !extent.is_multiple_of(2) {
        return Err(cx.inconsistent(format!("glu cannot halve an axis of {extent}")));
    }
    let value = cx.b().slice(x, axis, 0, extent / 2)?;
    let gate = cx.b().slice(x, axis, extent / 2, extent / 2)?;
    let product = Tape::binary(Binary::Mul);
    let gated = product.substitute(
        &[(Tape::identity(), vec![0]), (library::sigmoid::tape(), vec![1])],
        2,
    );
    Ok(cx.b().map(gated, &[value, gate])?)
}

/// `keras.activations.sparsemax`. Sparsemax (Martins & Astudillo 2016) is max(x - τ, 0), with τ such that the sum is 1;
/// element i is in the support if Σⱼ max(xⱼ - xᵢ, 0) < 1, so that no sorting is needed. Keras computes τ from the
/// sum of all partial sums of the sorted support, where the paper has the last one. So every element of the support
/// counts as often as there are elements up to it, and of several equal ones each as often as they do on average.
fn sparsemax(cx: &mut Cx<'_>, x: NodeId) -> Result<NodeId, Stop> {
    let dims = cx.dims(x);
    let Some((&n, batch)) = dims.split_last() else {
        return Err(cx.inconsistent("sparsemax takes a tensor of rank 1 or more"));
    };
    let last = batch.len();
    let row_shape = [batch, &[1, n]].concat();
    let row = cx.b().reshape(x, row_shape.clone())?;
    let column = cx.b().reshape(x, [batch, &[n, 1]].concat())?;
    let excess = Tape::binary(Binary::Sub).then(&library::relu::tape());
    let above = cx.b().map(excess, &[row, column])?;
    let above = cx.b().reduce(ReduceKind::Sum, [last + 1], above)?;
    // 1 where -above > -1.
    let inside = Tape::unary(Unary::Neg).then(&library::step::with(-1.0));
    let support = cx.b().map(inside, &[above])?;
    let support_row = cx.b().reshape(support, row_shape)?;
    let below = cx.b().map(rank_tape(), &[row, column, support_row])?;
    let below = cx.b().reduce(ReduceKind::Sum, [last + 1], below)?;
    let half = Tape::binary_const(Binary::Add, 0.5).then(&Tape::binary(Binary::Mul));
    let weighted = half.then(&Tape::binary(Binary::Mul));
    let weighted = cx.b().map(weighted, &[below, support, column])?;
    let sum = cx.b().reduce(ReduceKind::Sum, [last], weighted)?;
    let count = cx.b().reduce(ReduceKind::Sum, [last], support)?;
    let less_one = Tape::binary_const(Binary::Sub, 1.0);
    let threshold =
        Tape::binary(Binary::Div).substitute(&[(less_one, vec![0]), (Tape::identity(), vec![1])], 2);
    let threshold = cx.b().map(threshold, &[sum, count])?;
    let threshold = cx.b().reshape(threshold, [batch, &[1]].concat())?;
    let rest = Tape::binary(Binary::Sub).then(&library::relu::tape());
    Ok(cx.b().map(rest, &[x, threshold])?)
}

/// Of inputs a, b and s: s where a < b, s/2 where they are equal, else 0.
fn rank_tape() -> Tape {
    let mut t = TapeBuilder::new(3);
    let (a, b, support) = (t.input(0), t.input(1), t.input(2));
    let (zero, half) = (t.constant(0.0), t.constant(0.5));
    let half = t.binary(Binary::Mul, support, half);
    let less = t.compare(Compare::Lt, a, b);
    let equal = t.compare(Compare::Eq, a, b);
    let otherwise = t.select(equal, half, zero);
    let result = t.select(less, support, otherwise);
    t.finish(result)
}

/// `keras.layers.Activation`.
pub fn activation(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let activation = r.activation("activation", "linear");
    r.finish(cx)?;
    let x = cx.float_input()?;
    one(activation.apply(cx, x)?)
}

/// `keras.layers.Softmax`. A mask takes elements out. Where it takes out all of them, Keras 3 gives zeros, and Keras 2
/// what rounding leaves.
pub fn softmax(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let axes = r.ints_or("axis", &[-1], AXIS);
    let robust = r.flag("robust_masking", false);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let axes = axis_list(cx, &axes, cx.dims(x).len())?;
    let mask = cx.mask()?;
    one(masked_softmax(cx, x, mask, &axes, robust)?)
}

/// What the layer `Softmax` gives under a mask that broadcasts to `x`. `robust` is an argument of Keras 2, which gives masked
/// elements a low number instead of adding one.
pub fn masked_softmax(
    cx: &mut Cx<'_>,
    x: NodeId,
    mask: Option<NodeId>,
    axes: &[usize],
    robust: bool,
) -> Result<NodeId, Stop> {
    let Some(mask) = mask else {
        return softmax_over(cx, x, axes);
    };
    mask::check_broadcast(cx, mask, x)?;
    let keras3 = cx.is_keras3();
    let low = if keras3 || robust {
        mask::kept_or(-1e9)
    } else {
        lowered()
    };
    let x = cx.b().map(low, &[x, mask])?;
    let y = match axes[..] {
        [_] => softmax_over(cx, x, axes)?,
        _ => softmax_by_logarithm(cx, x, axes)?,
    };
    Ok(if keras3 {
        cx.b().map(mask::kept_or(0.0), &[y, mask])?
    } else {
        y
    })
}

/// exp(x - log Σ exp(x)), as Keras writes it for several axes. The logarithm vanishes beside numbers like -10⁹, so that
/// every element is 1 where all are masked.
fn softmax_by_logarithm(cx: &mut Cx<'_>, x: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    let max = cx.b().reduce(ReduceKind::Max, axes, x)?;
    let centred = cx.b().map(Tape::binary(Binary::Sub), &[x, max])?;
    let exp = cx.b().map(Tape::unary(Unary::Exp), &[centred])?;
    let sum = cx.b().reduce(ReduceKind::Sum, axes, exp)?;
    let log = Tape::binary(Binary::Add).substitute(
        &[(Tape::identity(), vec![0]), (Tape::unary(Unary::Log), vec![1])],
        2,
    );
    let log = cx.b().map(log, &[max, sum])?;
    let exp = Tape::binary(Binary::Sub).then(&Tape::unary(Unary::Exp));
    Ok(cx.b().map(exp, &[x, log])?)
}

/// Of x and a mask: x - 10⁹ (1 - mask), for masks that are numbers too.
fn lowered() -> Tape {
    let low = Tape::binary_const(Binary::Sub, 1.0).then(&Tape::binary_const(Binary::Mul, 1e9));
    Tape::binary(Binary::Add).substitute(&[(Tape::identity(), vec![0]), (low, vec![1])], 2)
}

/// Axes counted from either end, ascending and without repetition.
pub fn axis_list(cx: &Cx<'_>, axes: &[i64], rank: usize) -> Result<Vec<usize>, Stop> {
    let mut found = Vec::new();
    for &axis in axes {
        found.push(cx.axis(axis, rank)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
