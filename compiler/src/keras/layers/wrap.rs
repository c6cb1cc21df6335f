//! Layers around layers: `keras.layers.Bidirectional`, `TimeDistributed`.

use super::context::{Arg, CalledLayer, Cx, KerasTensor, Outcome, Stop};
use super::recurrent::{Computed, Recurrent, Sequence, sequence};
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::class::Role;
use crate::keras::model::{Semantics, Weight};
use crate::keras::object::Object;
use crate::keras::quantization::Quantization;
use crate::keras::ranges::COUNT;
use crate::pointwise::{Binary, Tape};
use crate::tensor::DType;

/// How Bidirectional joins its two outputs.
#[derive(Clone, Copy, PartialEq)]
enum Merge {
    Concat,
    Sum,
    Mul,
    Average,
    /// Both are given.
    None,
}

const MERGES: &[(&str, Merge)] = &[
    ("concat", Merge::Concat),
    ("sum", Merge::Sum),
    ("mul", Merge::Mul),
    ("ave", Merge::Average),
];

/// `Bidirectional`: weights of the forward layer, then of the backward one.
pub fn bidirectional(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let merge = match r.fields.value("merge_mode") {
        Some(serde_json::Value::Null) => Merge::None,
        _ => r.choice("merge_mode", MERGES, Merge::Concat),
    };
    let forward = r.object("layer");
    let backward = r.object("backward_layer");
    r.finish(cx)?;
    let Some(forward) = forward else {
        return Err(cx.inconsistent("it wraps no layer"));
    };
    let given = sequence(cx)?;
    let (first, last) = given.states.split_at(given.states.len() / 2);
    let part = |states: &[NodeId]| Sequence {
        x: given.x,
        mask: given.mask,
        passed: given.passed,
        states: states.to_vec(),
    };
    let weights = cx.site.weights;
    let (ahead, used) = direction(cx, &forward, "forward", weights, &part(first), false)?;
    let rest = weights.get(used..).unwrap_or_default();
    // Without a layer of its own the way back is the forward layer with time reversed.
    let mirrored = backward.is_none();
    let object = backward.as_ref().unwrap_or(&forward);
    let (back, _) = direction(cx, object, "backward", rest, &part(last), mirrored)?;
    if ahead.layer.sequences != back.layer.sequences || ahead.layer.state != back.layer.state {
        return Err(cx.inconsistent("the two layers do not give the same kind of results"));
    }
    let mask = given.passed.filter(|_| ahead.layer.sequences);
    let outputs = [ahead.computed.output, back.computed.output];
    let mut values: Vec<KerasTensor> = join(cx, merge, outputs)?
        .into_iter()
        .map(|node| KerasTensor { node, mask })
        .collect();
    if ahead.layer.state {
        let states = ahead.computed.states.into_iter().chain(back.computed.states);
        values.extend(states.map(KerasTensor::new));
    }
    Ok(values)
}

/// One of the two ways.
struct Direction {
    layer: Recurrent,
    computed: Computed,
}

/// Runs one way with the first of `weights`, and says how many it took. The outputs of all steps of the way back
/// are turned around by Bidirectional once more, so that both run with time.
fn direction(
    cx: &mut Cx<'_>,
    object: &Object,
    role: &str,
    weights: &[Weight],
    given: &Sequence,
    mirrored: bool,
) -> Result<(Direction, usize), Stop> {
    let mut cx = Cx::new(
        cx.state,
        CalledLayer {
            path: format!("{}/{role}", cx.site.path),
            class: super::known(&object.class),
            written: &object.class.written,
            origin: &object.class.origin,
            config: &object.config,
            weights: &[],
        },
        Vec::new(),
        Vec::new(),
    );
    if !matches!(cx.site.role(), Role::Recurrent(_)) {
        return Err(super::refusal::unsupported(cx.site.written, cx.site.origin, role).into());
    }
    let mut layer = Recurrent::read(&mut cx)?;
    layer.backwards ^= mirrored;
    // As Keras forces it in this place.
    let sequences = layer.sequences;
    layer.set_zero_output(&cx, sequences);
    let count = layer.weight_count();
    cx.site.weights = weights.get(..count).unwrap_or(weights);
    let turned = role == "backward";
    let computed = layer.run(&mut cx, given, layer.backwards ^ turned)?;
    Ok((Direction { layer, computed }, count))
}

fn join(cx: &mut Cx<'_>, merge: Merge, [a, b]: [NodeId; 2]) -> Result<Vec<NodeId>, Stop> {
    let op = match merge {
        Merge::None => return Ok(vec![a, b]),
        Merge::Concat => {
            let last = cx.dims(a).len() - 1;
            return Ok(vec![cx.b().concat(last, &[a, b])?]);
        }
        Merge::Mul => Binary::Mul,
        Merge::Sum | Merge::Average => Binary::Add,
    };
    let mut tape = Tape::binary(op);
    if merge == Merge::Average {
        tape = tape.then(&Tape::binary_const(Binary::Mul, 0.5));
    }
    Ok(vec![cx.b().map(tape, &[a, b])?])
}

/// `TimeDistributed`: time steps are samples of the layer inside. Around a model it is lowered where models are.
pub fn time_distributed(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let object = r.object("layer");
    r.finish(cx)?;
    let Some(object) = object else {
        return Err(cx.inconsistent("it wraps no layer"));
    };
    if Quantization::of(&object.config)?.is_some() {
        // It calls `layer.call`, past what Keras does with such weights.
        let error = object.config.fields().unsupported("dtype");
        return Err(error
            .help("Keras takes such weights inside a TimeDistributed as they are stored: save the model as it was before it was quantized")
            .into());
    }
    let folded = fold(cx)?;
    let (weights, args) = (cx.site.weights, vec![Arg::KerasTensor(folded.value)]);
    let values = super::inner(cx, &object, &object.class.written, weights, args)?;
    unfold(cx, &folded, values)
}

/// `SpectralNormalization`: training keeps the kernel of the layer inside normalized, and a vector by which it does so; here it
/// is that layer. Keras 3 gives the result the type of the input, which makes integers of what an `Embedding` finds.
pub fn spectral_normalization(cx: &mut Cx<'_>) -> Outcome {
    cx.check_training()?;
    let r = cx.read();
    let object = r.object("layer");
    r.usize_or("power_iterations", 1, COUNT);
    r.finish(cx)?;
    let Some(object) = object else {
        return Err(cx.inconsistent("it wraps no layer"));
    };
    let mask = cx.mask_argument()?;
    let mut value = cx.input()?;
    value.mask = mask.or(value.mask);
    if cx.is_keras3() && cx.state.graph.ty(value.node).dtype == DType::I32 {
        return Err(cx.inconsistent("it makes integers of results, since its input is of integers"));
    }
    let weights = inside(cx.site.weights);
    if weights.len() == cx.site.weights.len() {
        cx.report(Error::new(ErrorKind::MissingWeight).in_field("vector_u"));
    }
    let args = vec![Arg::KerasTensor(value)];
    super::inner(cx, &object, &object.class.written, &weights, args)
}

/// The weights of the layer inside: all but the vector, which stands last, or second where nothing is trained. In trees of attributes,
/// where weights are numbers, the wrapper has the kernel too, and what is inside stands deeper.
fn inside(weights: &[Weight]) -> Vec<Weight> {
    let last = |weight: &Weight| {
        weight
            .name
            .rsplit('/')
            .next()
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let depth = |weight: &Weight| weight.name.split('/').count();
    let own: Box<dyn Fn(&Weight) -> bool> =
        if weights.iter().all(|weight| last(weight).parse::<usize>().is_ok()) {
            let least = weights.iter().map(depth).min();
            Box::new(move |weight| Some(depth(weight)) == least)
        } else {
            Box::new(move |weight| last(weight).split(':').next() == Some("vector_u"))
        };
    weights.iter().filter(|weight| !own(weight)).cloned().collect()
}

/// A sequence whose time steps are samples.
pub struct Folded {
    /// The samples.
    pub value: KerasTensor,
    mask: Option<NodeId>,
    batch: usize,
    steps: usize,
}

/// Makes samples of the time steps.
pub fn fold(cx: &mut Cx<'_>) -> Result<Folded, Stop> {
    let mask = cx.mask()?;
    let x = cx.input()?.node;
    let dims = cx.dims(x);
    let &[batch, steps, ref rest @ ..] = &dims[..] else {
        return Err(cx.inconsistent("it takes a tensor of rank 3 or more"));
    };
    let node = cx.b().reshape(x, [&[batch * steps][..], rest].concat())?;
    cx.state.folded += 1;
    Ok(Folded {
        value: KerasTensor::new(node),
        mask,
        batch,
        steps,
    })
}

/// Makes sequences of what the layer inside gives.
pub fn unfold(cx: &mut Cx<'_>, folded: &Folded, values: Vec<KerasTensor>) -> Outcome {
    let &Folded {
        mask, batch, steps, ..
    } = folded;
    cx.state.folded = cx.state.folded.saturating_sub(1);
    let mut unfolded = Vec::new();
    for value in values {
        let node = steps_of(cx, value.node, batch, steps)?;
        // Keras 2 prefers a mask that the layer inside makes; others pass that of the whole.
        let own = match value.mask.filter(|_| cx.state.semantics == Semantics::Keras2) {
            Some(mask) => Some(steps_of(cx, mask, batch, steps)?),
            None => mask,
        };
        unfolded.push(KerasTensor { node, mask: own });
    }
    Ok(unfolded)
}

/// Splits the batch into samples and time steps.
fn steps_of(cx: &mut Cx<'_>, node: NodeId, batch: usize, steps: usize) -> Result<NodeId, Stop> {
    let dims = cx.dims(node);
    if dims.first() != Some(&(batch * steps)) {
        return Err(cx.inconsistent("the layer inside changes the batch"));
    }
    Ok(cx.b().reshape(node, [&[batch, steps][..], &dims[1..]].concat())?)
}
