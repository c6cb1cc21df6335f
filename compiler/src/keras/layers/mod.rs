//! What each layer does, as operations of the graph.
//!
//! A layer is a function `fn(&mut Cx) -> Outcome` in the file of its group and a row in one of the tables: `LAYERS` in
//! `table` for layers, `OPERATIONS` in `operators` for Keras 3's operations, `FUNCTIONS` there for TensorFlow functions
//! inside Keras 2 models; functions of single elements, which may be activations too, are rows of [`scalars`]. The function reads its config with [`Cx::read`], its weights with [`Cx::weights`] and its
//! tensors with [`Cx::input`] or [`Cx::inputs`], and adds nodes with [`Cx::b`].

mod activation;
mod adaptive;
mod attention;
mod batch;
mod cells;
mod context;
mod contraction;
mod conv;
mod conv_lstm;
mod counts;
mod custom;
mod dense;
mod described;
mod discretization;
mod einsum;
mod embedding;
mod encoding;
mod equalization;
mod heads;
mod identity;
mod image;
mod interpolation;
mod kept;
mod keras1;
mod lambda;
mod local;
mod lookup;
mod loops;
mod mask;
mod mel;
mod merge;
mod normalize;
mod operators;
mod pipeline;
mod pool;
mod products;
mod quantized;
mod read;
mod rectifiers;
mod recurrent;
mod refusal;
mod resize;
pub mod scalars;
mod shape;
mod spatial;
mod spectrogram;
mod table;
mod tapes;
#[cfg(test)]
mod tests;
mod text;
mod transposed;
mod vocabulary;
mod volume;
mod weights;
mod wrap;

pub(super) use context::{Arg, CalledLayer, Cx, KerasTensor, Outcome, Stop, undefined};
pub(super) use described::CUSTOM;
pub(super) use lambda::{EXPRESSION, unknown_name};
pub(super) use read::check_training;
pub(super) use text::not_for_strings as text_as_output;
pub(super) use wrap::Folded;

/// Names of activations that see more than one element; [`scalars`] has all others.
pub use activation::names as activations;

use super::class::{Class, ClassName, Fixed, Origin};
use super::config::Config;
use super::model::{Layer, Network, Semantics, Weight};
use super::object::Object;
use super::quantization::{Kind, Quantization};
use super::state::State;
use crate::budget::Resource;
use crate::error::{Collector, Error, ErrorKind};
use serde_json::Value as Json;
use std::collections::HashSet;
use table::{LAYERS, Masks, OTHERS, Row};

fn rows() -> impl Iterator<Item = &'static Row> {
    LAYERS.iter().flat_map(|(_, rows)| rows.iter())
}

/// What is known of a class; nothing of one that is not Keras' own, or unheard of. Aliases end here.
pub(super) fn known(name: &ClassName) -> Option<&'static Class> {
    let written = name.written.as_str();
    let mut classes = rows().map(|row| &row.class).chain(OTHERS);
    let named = |class: &Class| class.name == written || class.aliases.contains(&written);
    match &name.origin {
        Origin::Keras => classes.find(|class| !class.ended && named(class)),
        Origin::Keras1 => classes.find(|class| named(class) || class.keras1.contains(&written)),
        Origin::Custom(package) if package == "Custom" => {
            classes.find(|class| class.registered && class.name == written)
        }
        Origin::Custom(_) | Origin::Operation => None,
    }
}

/// The class of what a tensor is fed into.
pub(super) fn input() -> ClassName {
    ClassName {
        written: "InputLayer".to_owned(),
        origin: Origin::Keras,
    }
}

/// The row of a class that can be compiled.
fn row(class: Option<&Class>) -> Option<&'static Row> {
    class.and_then(|class| rows().find(|row| row.class == *class))
}

/// Adds one call of a layer that has no layers of its own kind inside.
pub(super) fn lower<'a>(
    state: &mut State,
    site: CalledLayer<'a>,
    args: Vec<Arg<'a>>,
    kwargs: Vec<(&'a str, Arg<'a>)>,
) -> Outcome {
    let mut cx = begin(state, site, args, kwargs)?;
    let strings = takes_strings(&cx);
    if *cx.site.origin == Origin::Operation {
        let outcome = operators::operation(&mut cx);
        return if strings {
            text::passed(&mut cx, outcome)
        } else {
            outcome
        };
    }
    let Some(row) = row(cx.site.class) else {
        // Said before by `refuse_unsupported`, or here for a layer inside another.
        return Err(refusal::unsupported(cx.site.written, cx.site.origin, last(&cx.site.path)).into());
    };
    cx.refuse_constants()?;
    let outcome = (row.lower)(&mut cx);
    let mut values = match strings && !row.class.strings {
        true => text::passed(&mut cx, outcome)?,
        false => outcome?,
    };
    let pass = match row.masks {
        Masks::Pass => true,
        Masks::Pass3 => cx.state.semantics == Semantics::Keras3,
        Masks::End | Masks::Own => false,
    };
    if row.masks != Masks::Own {
        let mask = if pass { cx.mask()? } else { None };
        for value in &mut values {
            value.mask = mask;
        }
    }
    cx.finish_arguments();
    Ok(values)
}

/// Whether strings are among the tensors that a layer is called with.
fn takes_strings(cx: &Cx<'_>) -> bool {
    let (texts, graph) = (&cx.state.texts, &cx.state.graph);
    if !texts.any() {
        return false;
    }
    let mut nodes = cx.arguments().flat_map(Arg::values).map(|value| value.node);
    nodes.any(|node| texts.is_text(graph, node))
}

/// Starts a call.
fn begin<'a>(
    state: &'a mut State,
    site: CalledLayer<'a>,
    mut args: Vec<Arg<'a>>,
    mut kwargs: Vec<(&'a str, Arg<'a>)>,
) -> Result<Cx<'a>, Error> {
    state.budget.take(Resource::Arguments, site.config.memory())?;
    if !state.unmasked.is_empty() {
        let all = args.iter_mut().chain(kwargs.iter_mut().map(|(_, arg)| arg));
        all.for_each(|arg| arg.unmask(&state.unmasked));
    }
    let cx = Cx::new(state, site, args, kwargs);
    cx.refuse_undefined()?;
    Ok(cx)
}

/// Starts a call of a layer that applies a model to every time step: gives the steps as a batch.
pub(super) fn fold<'a>(
    state: &'a mut State,
    site: CalledLayer<'a>,
    args: Vec<Arg<'a>>,
    kwargs: Vec<(&'a str, Arg<'a>)>,
) -> Result<Folded, Stop> {
    let mut cx = begin(state, site, args, kwargs)?;
    cx.refuse_constants()?;
    if takes_strings(&cx) {
        return Err(text::not_for_strings().into());
    }
    if !cx.site.weights.is_empty() {
        let more = cx.site.weights.len();
        let message = format!("the file has {more} weights more than the layers inside take");
        return Err(cx.inconsistent(message));
    }
    cx.read().finish(&mut cx)?;
    let folded = wrap::fold(&mut cx)?;
    cx.finish_arguments();
    Ok(folded)
}

/// Ends such a call: the results of all steps.
pub(super) fn unfold(
    state: &mut State,
    site: CalledLayer<'_>,
    folded: Folded,
    values: Vec<KerasTensor>,
) -> Outcome {
    let mut cx = Cx::new(state, site, Vec::new(), Vec::new());
    wrap::unfold(&mut cx, &folded, values)
}

/// Calls a layer inside another. Its nodes are named after that layer and `role`.
fn inner<'b>(
    cx: &'b mut Cx<'_>,
    object: &'b Object,
    role: &str,
    weights: &'b [Weight],
    args: Vec<Arg<'b>>,
) -> Outcome {
    let site = CalledLayer {
        path: format!("{}/{role}", cx.site.path),
        class: known(&object.class),
        written: &object.class.written,
        origin: &object.class.origin,
        config: &object.config,
        weights,
    };
    lower(cx.state, site, args, Vec::new())
}

/// How many weights a layer has.
pub fn count_weights(layer: &Layer) -> usize {
    layer.class.map_or(0, |class| (class.weights)(&layer.config))
}

/// How many weights a layer inside another has.
fn count_of(object: &Object) -> usize {
    known(&object.class).map_or(0, |class| (class.weights)(&object.config))
}

/// How many of a layer's weights, the last of `all`, training leaves alone.
pub fn fixed_weights(layer: &Layer, all: usize) -> usize {
    fixed_of(layer.class, &layer.config, all)
}

fn fixed_of(class: Option<&Class>, config: &Config, all: usize) -> usize {
    let fields = config.fields();
    let is_off = |key: &str| fields.value(key) == Some(&Json::Bool(false));
    if is_off("trainable") {
        return all;
    }
    // Training leaves integers alone, and what goes with them; floats that are rounded are trained.
    let kind = Quantization::of(config).ok().flatten().map(|found| found.kind);
    if kind.is_some_and(|kind| !matches!(kind, Kind::Float8 { .. })) {
        let is_there = |key: &str| fields.value(key).is_some_and(|value| !value.is_null());
        let bias = is_there("units") && !is_off("use_bias") || is_there("bias_axes");
        return all.saturating_sub(usize::from(bias));
    }
    match class.map_or(Fixed::None, |class| class.fixed) {
        Fixed::None => 0,
        Fixed::All => all,
        Fixed::Statistics => {
            all.saturating_sub(["scale", "center"].iter().filter(|key| !is_off(key)).count())
        }
        Fixed::Inside(own) => {
            let inside = all.saturating_sub(own);
            match fields.object("layer") {
                Ok(Some(inner)) => own + fixed_of(known(&inner.class), &inner.config, inside),
                _ => own,
            }
        }
    }
}

/// Reports every layer whose class is not in the tables, in nested models too, and paths that two layers share: layer
/// `a/b` and layer `b` of the model `a` would be one.
pub(super) fn refuse_unsupported<'m>(
    net: &'m Network,
    paths: &mut HashSet<&'m str>,
    problems: &mut Collector,
) {
    let used: HashSet<_> = net.schedule.iter().map(|step| step.layer).collect();
    for (id, layer) in net.iter() {
        if !paths.insert(&layer.path) {
            let message = format!("two layers have the path {:?}", layer.path);
            problems.push(Error::new(ErrorKind::BadGraph(message)).help("rename one of them"));
        }
        if !used.contains(&id) {
            continue;
        }
        let wrapped = std::iter::successors(Some(layer), |layer| layer.wrapped.as_deref());
        if let Some(inner) = wrapped.last().and_then(|innermost| innermost.network.as_ref()) {
            refuse_unsupported(inner, paths, problems);
        } else if let Some(error) = refuse(layer) {
            problems.push(layer.at(error));
        }
    }
}

/// The classes of layers that can be compiled.
pub fn classes() -> impl Iterator<Item = &'static str> {
    rows().map(|row| row.class.name)
}

/// All other names of classes.
pub fn aliases() -> impl Iterator<Item = &'static str> {
    rows().flat_map(|row| [row.class.aliases, row.class.keras1].concat())
}

/// Whether an operation of Keras 3 can be compiled, or why it is refused; `None` of one that is not known.
pub fn operation_support(class: &str) -> Option<Result<(), &'static str>> {
    if operators::is_operation(class) {
        return Some(Ok(()));
    }
    operators::refused_operation(class).map(Err)
}

/// Whether a layer of Keras can be compiled, or why it is refused; `None` of one that is not known.
pub fn layer_support(class: &str, semantics: Semantics) -> Option<Result<(), &'static str>> {
    if let Some(reason) = refusal::reason(class).or(refusal::reason_in(class, semantics)) {
        return Some(Err(reason));
    }
    let name = ClassName {
        written: class.to_owned(),
        origin: Origin::Keras,
    };
    known(&name).map(|_| Ok(()))
}

/// The classes that README.md lists, by kind.
pub fn listed() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let named = LAYERS.iter().filter(|(kind, _)| !kind.is_empty());
    named.map(|(kind, rows)| (*kind, rows.iter().map(|row| row.class.name).collect()))
}

/// Why a layer cannot be compiled whatever its arguments are, if so.
fn refuse(layer: &Layer) -> Option<Error> {
    let known = match (&layer.origin, row(layer.class)) {
        (Origin::Operation, _) => operators::is_operation(&layer.written),
        (_, Some(row)) => return (row.refuse)(layer),
        (_, None) => layer.is_input(),
    };
    (!known).then(|| refusal::unsupported_layer(layer))
}

/// Whether a layer was refused for its class before anything was lowered.
pub(super) fn is_refused(layer: &Layer) -> bool {
    layer.class.is_none() && layer.origin != Origin::Operation
}

/// Whether Keras has an activation of that name.
pub(super) fn is_activation(name: &str) -> bool {
    [Semantics::Keras2, Semantics::Keras3]
        .into_iter()
        .any(|semantics| activation::Activation::named(name, semantics).is_some())
}

/// The last name of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
