//! Classes that `keras.applications` brings along.

use super::context::{Cx, Outcome, Stop, one};
use super::refusal::CALL_IT;
use crate::error::{Error, ErrorKind};
use crate::graph::NodeId;
use crate::keras::config::Config;
use crate::keras::ranges::{ANY, COUNT};
use crate::pointwise::{Binary, Tape};
use serde_json::Value as Json;

/// `StochasticDepth` of ConvNeXt: nothing at inference.
pub fn stochastic_depth(cx: &mut Cx<'_>) -> Outcome {
    super::identity::identity(cx)
}

/// `LayerScale` of ConvNeXt: times gamma `[channels]`.
pub fn layer_scale(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let channels = r.usize("projection_dim", COUNT);
    r.finish(cx)?;
    let x = cx.float_input()?;
    let weights = cx.weights([Some(("gamma", vec![channels]))]);
    let gamma = weights.node(cx, "gamma")?;
    one(cx.b().map(Tape::binary(Binary::Mul), &[x, gamma])?)
}

/// `CustomScaleLayer` of InceptionResNetV2: the first tensor plus the second times a number.
pub fn scaled_sum(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let scale = r.number("scale", 1.0, ANY);
    r.finish(cx)?;
    one(add_scaled(cx, scale)?)
}

fn add_scaled(cx: &mut Cx<'_>, scale: f64) -> Result<NodeId, Stop> {
    let values = cx.inputs();
    let &[a, b] = &values[..] else {
        return Err(cx.inconsistent(format!(
            "it takes two tensors, but is called with {}",
            values.len()
        )));
    };
    let (a, b) = (cx.float(a.node)?, cx.float(b.node)?);
    let scaled = cx.apply(Tape::binary_const(Binary::Mul, scale as f32), b)?;
    Ok(cx.b().map(Tape::binary(Binary::Add), &[a, scaled])?)
}

/// `Lambda` holds Python's byte code, which is never run. The one that `keras.applications` itself makes is known by
/// name and argument: `inputs[0] + inputs[1] * scale` in InceptionResNetV2 before Keras 2.13.
pub fn lambda(cx: &mut Cx<'_>) -> Outcome {
    match inception_scale(&cx.site.path, cx.site.config) {
        Some(scale) => one(add_scaled(cx, scale)?),
        // Said before, or here for a layer inside another.
        None => Err(refuse_lambda(&cx.site.path, cx.site.config).map_or(Stop::Told, Stop::Because)),
    }
}

/// Why a `Lambda` cannot be compiled, unless it is the known one.
pub fn refuse_lambda(path: &str, config: &Config) -> Option<Error> {
    if inception_scale(path, config).is_some() {
        return None;
    }
    let error = Error::new(ErrorKind::UnsupportedLayer {
        class: "Lambda".to_owned(),
    });
    Some(error.help(format!(
        "it holds Python code, which cannot be compiled: {CALL_IT}, or use Keras' own layers, such as Rescaling or \
         Multiply, and save the model again"
    )))
}

fn inception_scale(path: &str, config: &Config) -> Option<f64> {
    let name = path.rsplit('/').next()?;
    let (block, number) = name.split_once('_')?;
    let known = ["block35", "block17", "block8"].contains(&block) && number.parse::<u32>().is_ok();
    let arguments = config.values().get("arguments").and_then(Json::as_object)?;
    let only = known && arguments.len() == 1;
    only.then(|| arguments.get("scale")?.as_f64()).flatten()
}
