//! What each layer does, as operations of the graph.
//!
//! A layer is a function `fn(&mut Cx) -> Outcome` in the file of its group and a row in one of the tables: [`LAYERS`]
//! for layers, `OPERATIONS` in [`operators`] for Keras 3's operations, `FUNCTIONS` there for TensorFlow functions
//! inside Keras 2 models. The function reads its config with [`Cx::read`], its weights with [`Cx::weights`] and its
//! tensors with [`Cx::input`] or [`Cx::inputs`], and adds nodes with [`Cx::b`].

mod activation;
mod cells;
mod context;
mod conv;
mod custom;
mod dense;
mod embedding;
mod identity;
mod image;
mod mask;
mod merge;
mod nested;
mod normalize;
mod operators;
mod pool;
mod read;
mod recurrent;
mod refusal;
mod resize;
mod shape;
mod spatial;
#[cfg(test)]
mod tests;
mod transposed;
mod weights;
mod wrap;

pub(super) use context::{Arg, Cx, Outcome, Site, Stop, Value};
pub(super) use read::check_training;

use super::config::Config;
use super::lower::State;
use super::model::{Layer, Network, Origin, Semantics};
use crate::budget::Resource;
use crate::error::{Collector, Error, ErrorKind};
use serde_json::Value as Json;
use std::collections::HashSet;

/// A layer's class and what to do with it.
struct Row {
    class: &'static str,
    lower: fn(&mut Cx<'_>) -> Outcome,
    masks: Masks,
    fixed: Fixed,
}

/// Which of a layer's weights training leaves alone although the layer is trained. In `.h5` files they come last.
#[derive(Clone, Copy)]
enum Fixed {
    /// None of them.
    None,
    /// All of them.
    All,
    /// All but the factor and the shift, which the config can switch off.
    Statistics,
    /// Those of the layer inside.
    Inside,
}

/// What becomes of the mask of a layer's first input.
#[derive(Clone, Copy, PartialEq)]
enum Masks {
    /// It ends here.
    End,
    /// The outputs get it.
    Pass,
    /// The outputs get it in Keras 3; in Keras 2 it ends here.
    Pass3,
    /// The layer's function decides.
    Own,
}

const fn row(class: &'static str, lower: fn(&mut Cx<'_>) -> Outcome, masks: Masks) -> Row {
    let fixed = Fixed::None;
    Row {
        class,
        lower,
        masks,
        fixed,
    }
}

const fn fixed(row: Row, fixed: Fixed) -> Row {
    Row { fixed, ..row }
}

/// Every layer that can be compiled.
const LAYERS: &[Row] = {
    use Fixed::{All, Inside, Statistics};
    use Masks::{End, Own, Pass, Pass3};
    &[
        row("Conv1D", conv::conv::<1>, End),
        row("Conv2D", conv::conv::<2>, End),
        row("DepthwiseConv1D", conv::depthwise::<1>, End),
        row("DepthwiseConv2D", conv::depthwise::<2>, End),
        row("SeparableConv1D", conv::separable::<1>, End),
        row("SeparableConv2D", conv::separable::<2>, End),
        row("Conv1DTranspose", transposed::transposed::<1>, End),
        row("Conv2DTranspose", transposed::transposed::<2>, End),
        row("Dense", dense::dense, Pass),
        row("Embedding", embedding::embedding, Own),
        row("Masking", mask::masking, Own),
        row("MaxPooling1D", pool::max::<1>, End),
        row("MaxPooling2D", pool::max::<2>, End),
        row("AveragePooling1D", pool::average::<1>, End),
        row("AveragePooling2D", pool::average::<2>, End),
        row("GlobalAveragePooling1D", pool::global_average, End),
        row("GlobalAveragePooling2D", pool::global_average, End),
        row("GlobalAveragePooling3D", pool::global_average, End),
        row("GlobalMaxPooling1D", pool::global_max, End),
        row("GlobalMaxPooling2D", pool::global_max, End),
        row("GlobalMaxPooling3D", pool::global_max, End),
        fixed(row("BatchNormalization", normalize::batch, Pass), Statistics),
        row("LayerNormalization", normalize::layer, Pass),
        row("GroupNormalization", normalize::group, Pass),
        row("UnitNormalization", normalize::unit, Pass),
        row("RMSNormalization", normalize::rms, End),
        fixed(row("Normalization", normalize::normalization, Pass3), All),
        row("Rescaling", normalize::rescaling, Pass3),
        row("Activation", activation::activation, Pass),
        row("ReLU", activation::relu, Pass),
        row("LeakyReLU", activation::leaky_relu, Pass),
        row("PReLU", activation::prelu, Pass),
        row("ELU", activation::elu, Pass),
        row("ThresholdedReLU", activation::thresholded_relu, Pass),
        row("Softmax", activation::softmax, Pass),
        row("Add", merge::add, Own),
        row("Subtract", merge::subtract, Own),
        row("Multiply", merge::multiply, Own),
        row("Average", merge::average, Own),
        row("Maximum", merge::maximum, Own),
        row("Minimum", merge::minimum, Own),
        row("Concatenate", merge::concatenate, Own),
        row("Dot", merge::dot, End),
        row("Flatten", shape::flatten, End),
        row("Reshape", shape::reshape, End),
        row("Permute", shape::permute, End),
        row("RepeatVector", shape::repeat_vector, End),
        row("ZeroPadding1D", shape::zero_padding::<1>, End),
        row("ZeroPadding2D", shape::zero_padding::<2>, End),
        row("ZeroPadding3D", shape::zero_padding::<3>, End),
        row("Cropping1D", shape::cropping::<1>, End),
        row("Cropping2D", shape::cropping::<2>, End),
        row("Cropping3D", shape::cropping::<3>, End),
        row("CenterCrop", image::center_crop, End),
        row("UpSampling1D", resize::up_sampling_1d, End),
        row("UpSampling2D", resize::up_sampling_2d, End),
        row("Resizing", resize::resizing, End),
        row("LSTM", recurrent::recurrent, Own),
        row("GRU", recurrent::recurrent, Own),
        row("CuDNNLSTM", recurrent::recurrent, Own),
        row("CuDNNGRU", recurrent::recurrent, Own),
        row("SimpleRNN", recurrent::recurrent, Own),
        row("RNN", recurrent::recurrent, Own),
        fixed(row("Bidirectional", wrap::bidirectional, Own), Inside),
        fixed(row("TimeDistributed", wrap::time_distributed, Own), Inside),
        row("Dropout", identity::dropout, Pass),
        row("SpatialDropout1D", identity::dropout, Pass),
        row("SpatialDropout2D", identity::dropout, Pass),
        row("SpatialDropout3D", identity::dropout, Pass),
        row("GaussianDropout", identity::noisy_dropout, Pass),
        row("GaussianNoise", identity::noise, Pass),
        row("AlphaDropout", identity::noisy_dropout, Pass),
        row("ActivityRegularization", identity::regularization, Pass),
        row("Identity", identity::identity, Pass3),
        row("RandomCrop", image::random_crop, End),
        row("AutoContrast", image::auto_contrast, End),
        row("RandomFlip", image::augmentation, End),
        row("RandomRotation", image::augmentation, End),
        row("RandomZoom", image::augmentation, End),
        row("RandomTranslation", image::augmentation, End),
        row("RandomContrast", image::augmentation, End),
        row("RandomBrightness", image::augmentation, End),
        row("RandomHeight", image::augmentation, End),
        row("RandomWidth", image::augmentation, End),
        row("RandomColorDegeneration", image::augmentation, End),
        row("RandomColorJitter", image::augmentation, End),
        row("RandomElasticTransform", image::augmentation, End),
        row("RandomErasing", image::augmentation, End),
        row("RandomGaussianBlur", image::augmentation, End),
        row("RandomGrayscale", image::augmentation, End),
        row("RandomHue", image::augmentation, End),
        row("RandomInvert", image::augmentation, End),
        row("RandomPerspective", image::augmentation, End),
        row("RandomPosterization", image::augmentation, End),
        row("RandomSaturation", image::augmentation, End),
        row("RandomSharpness", image::augmentation, End),
        row("RandomShear", image::augmentation, End),
        row("AugMix", image::augmentation, End),
        row("CutMix", image::augmentation, End),
        row("MixUp", image::augmentation, End),
        row("RandAugment", image::augmentation, End),
        row("Equalization", image::augmentation, End),
        row("Solarization", image::augmentation, End),
        row("StochasticDepth", custom::stochastic_depth, End),
        row("LayerScale", custom::layer_scale, End),
        row("CustomScaleLayer", custom::scaled_sum, End),
        row("Lambda", custom::lambda, End),
        row("TFOpLambda", operators::tf_function, End),
        row("SlicingOpLambda", operators::tf_function, End),
    ]
};

/// Adds one call of a layer that has no layers of its own kind inside.
pub(super) fn lower<'a>(
    state: &mut State,
    site: Site<'a>,
    args: Vec<Arg<'a>>,
    kwargs: Vec<(&'a str, Arg<'a>)>,
) -> Outcome {
    state.budget.take(Resource::Arguments, site.config.memory())?;
    let mut cx = Cx::new(state, site, args, kwargs);
    if *cx.site.origin == Origin::Operation {
        return operators::operation(&mut cx);
    }
    let Some(row) = find(cx.site.class, cx.site.origin) else {
        // Said before by `refuse_unsupported`, or here for a layer inside another.
        return Err(refusal::unsupported(cx.site.written, cx.site.origin, last(&cx.site.path)).into());
    };
    cx.refuse_constants()?;
    let mut values = (row.lower)(&mut cx)?;
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

/// The row of a layer. Classes that Keras registers for `keras.applications` come as custom ones in `.h5` files.
fn find(class: &str, origin: &Origin) -> Option<&'static Row> {
    let registered = ["StochasticDepth", "LayerScale", "CustomScaleLayer"];
    let known = match origin {
        Origin::Keras => true,
        Origin::Custom(package) => package == "Custom" && registered.contains(&class),
        Origin::Operation => false,
    };
    LAYERS.iter().find(|row| known && row.class == class)
}

/// How many of a layer's weights, the last of `all`, training leaves alone.
pub fn fixed_weights(layer: &Layer, all: usize) -> usize {
    fixed_of(&layer.class, &layer.origin, &layer.config, all)
}

fn fixed_of(class: &str, origin: &Origin, config: &Config, all: usize) -> usize {
    let fields = config.fields();
    let is_off = |key: &str| fields.value(key) == Some(&Json::Bool(false));
    if is_off("trainable") {
        return all;
    }
    match find(class, origin).map_or(Fixed::None, |row| row.fixed) {
        Fixed::None => 0,
        Fixed::All => all,
        Fixed::Statistics => {
            all.saturating_sub(["scale", "center"].iter().filter(|key| !is_off(key)).count())
        }
        Fixed::Inside => match fields.object("layer") {
            Ok(Some(inner)) => fixed_of(&inner.class, &inner.origin, &inner.config, all),
            _ => 0,
        },
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
        if let Some(inner) = &layer.network {
            refuse_unsupported(inner, paths, problems);
        } else if let Some(error) = refuse(layer) {
            problems.push(layer.at(error));
        }
    }
}

/// The classes of layers that can be compiled.
pub fn classes() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().map(|row| row.class)
}

/// Why a layer cannot be compiled whatever its arguments are, if so.
fn refuse(layer: &Layer) -> Option<Error> {
    let known = match layer.origin {
        Origin::Operation => operators::is_operation(&layer.class),
        _ if layer.is("TFOpLambda") || layer.is("SlicingOpLambda") => {
            return operators::refuse_function(&layer.config);
        }
        _ if layer.is("Lambda") => return custom::refuse_lambda(&layer.path, &layer.config),
        _ => layer.class == "InputLayer" || find(&layer.class, &layer.origin).is_some(),
    };
    (!known).then(|| refusal::unsupported(&layer.written, &layer.origin, &layer.name))
}

/// The last name of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
