//! The table of layers: one row for each class, with everything that is known of it.

use super::context::{Cx, Outcome};
use super::{
    activation, adaptive, attention, batch, conv, counts, custom, dense, described, discretization, einsum,
    embedding, encoding, equalization, heads, identity, image, keras1, lambda, local, lookup, mask, merge,
    normalize, operators, pipeline, pool, rectifiers, recurrent, resize, shape, spectrogram, text,
    transposed, vocabulary, volume, wrap,
};
use crate::error::Error;
use crate::keras::class::{Child, Class, Fixed, Form, Recurrence, Role, Rule};
use crate::keras::model::Layer;
use serde_json::Value;

/// A layer's class and what to do with it.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// What a reader knows of it.
    pub(super) class: Class,
    /// Adds the operations of one call.
    pub(super) lower: fn(&mut Cx<'_>) -> Outcome,
    pub(super) masks: Masks,
    /// Why a layer of this class cannot be compiled, if so, where that does not depend on the class alone.
    pub(super) refuse: fn(&Layer) -> Option<Error>,
}

/// What becomes of the mask of a layer's first input.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Masks {
    /// It ends here.
    End,
    /// The outputs get it.
    Pass,
    /// The outputs get it in Keras 3; in Keras 2 it ends here.
    Pass3,
    /// The layer's function decides.
    Own,
}

const fn row(name: &'static str, lower: fn(&mut Cx<'_>) -> Outcome, masks: Masks) -> Row {
    Row {
        class: Class::new(name),
        lower,
        masks,
        refuse: |_| None,
    }
}

/// What a row says besides, where it says it.
impl Row {
    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.class.aliases = aliases;
        self
    }
    const fn keras1(mut self, names: &'static [&'static str]) -> Self {
        self.class.keras1 = names;
        self
    }
    const fn ended(mut self) -> Self {
        self.class.ended = true;
        self
    }
    const fn internal(mut self, name: &'static str) -> Self {
        self.class.internal = Some(name);
        self
    }
    const fn role(mut self, role: Role) -> Self {
        self.class.role = role;
        self
    }
    const fn keys(mut self, keys: &'static [(&'static str, Rule)]) -> Self {
        self.class.keys = keys;
        self
    }
    const fn weights(mut self, weights: fn(&crate::keras::Config) -> usize) -> Self {
        self.class.weights = weights;
        self
    }
    const fn fixed(mut self, fixed: Fixed) -> Self {
        self.class.fixed = fixed;
        self
    }
    const fn children(mut self, children: &'static [Child]) -> Self {
        self.class.children = children;
        self
    }
    const fn same(mut self, attribute: &'static str) -> Self {
        self.class.same = Some(attribute);
        self
    }
    const fn quantized(mut self) -> Self {
        self.class.quantized = true;
        self
    }
    const fn unmarked(mut self) -> Self {
        self.class.marked = false;
        self
    }
    const fn strings(mut self) -> Self {
        self.class.strings = true;
        self
    }
    const fn registered(mut self) -> Self {
        self.class.registered = true;
        self
    }
    const fn refused(mut self, refuse: fn(&Layer) -> Option<Error>) -> Self {
        self.refuse = refuse;
        self
    }
}

const FALSE: &[Value] = &[Value::Bool(false)];
const NULL: &[Value] = &[];

/// Low-rank adaption is in the weights when they are read, or read with them; columns are those of the kernel.
const REWRITTEN: &[(&str, Rule)] = &[
    ("lora_rank", Rule::Anything),
    ("lora_alpha", Rule::Anything),
    ("quantization_config", Rule::Only(NULL)),
    ("gptq_unpacked_column_size", Rule::Anything),
    ("awq_unpacked_column_size", Rule::Anything),
];

const EMBEDDING: &[(&str, Rule)] = &[
    ("lora_rank", Rule::Anything),
    ("lora_alpha", Rule::Anything),
    ("quantization_config", Rule::Only(NULL)),
    // The length of sequences, now taken from the input.
    ("input_length", Rule::Anything),
    // Tensors that are not dense.
    ("sparse", Rule::Only(FALSE)),
];

/// The state of random numbers; how a GPU computes; the shapes that Keras 2 was built for.
const ATTENTION: &[(&str, Rule)] = &[
    ("seed", Rule::Anything),
    ("flash_attention", Rule::Anything),
    ("query_shape", Rule::Anything),
    ("value_shape", Rule::Anything),
    ("key_shape", Rule::Anything),
];

/// The projections of an attention of several heads.
const HEADS: &[Child] = &[
    projection("query_dense"),
    projection("key_dense"),
    projection("gate_dense"),
    projection("value_dense"),
    projection("output_dense"),
];

/// The layers of a pipeline.
const STAGES: &[Child] = &[Child {
    attribute: "_pipeline_layers",
    keys: &["layers"],
}];

const fn projection(attribute: &'static str) -> Child {
    Child { attribute, keys: &[] }
}

/// How the moving statistics are gathered; `mode` is an old argument without influence on inference.
const BATCH_NORMALIZATION: &[(&str, Rule)] = &[
    ("fused", Rule::Anything),
    ("synchronized", Rule::Anything),
    ("renorm_clipping", Rule::Anything),
    ("renorm_momentum", Rule::Anything),
    ("virtual_batch_size", Rule::Only(NULL)),
    ("adjustment", Rule::Only(NULL)),
    ("mode", Rule::Anything),
];

/// How the loop runs on a CPU or GPU, with equal numbers; the order of axes; what is random in training, and how a bias
/// starts.
const RECURRENT: &[(&str, Rule)] = &[
    ("implementation", Rule::Anything),
    ("use_cudnn", Rule::Anything),
    ("time_major", Rule::Only(FALSE)),
    ("seed", Rule::Anything),
    ("unit_forget_bias", Rule::Anything),
];

/// The two layers of a Bidirectional. It makes both from one, unless it is given a second one.
const BOTH_WAYS: &[Child] = &[
    Child {
        attribute: "forward_layer",
        keys: &["layer"],
    },
    Child {
        attribute: "backward_layer",
        keys: &["backward_layer", "layer"],
    },
];

use Fixed::{All, Inside, Statistics};
use Masks::{End, Own, Pass, Pass3};
use Recurrence::{ConvLstm, CudnnGru, Gru, Lstm, OfCell, Simple};
use Role::{Activation, Bidirectional, Cell, Cells, Function, Input, Model, Recurrent, TimeDistributed};

/// Layers of one kind, under the name that README.md gives it.
pub(super) type Group = (&'static str, &'static [Row]);

/// Every layer that can be compiled. Groups without a name need not be listed.
pub(super) static LAYERS: &[Group] = &[
    ("Convolution", CONVOLUTION),
    ("Dense", DENSE),
    ("Attention", HEADED),
    ("Pooling", POOLING),
    ("Normalization", NORMALIZATION),
    ("Activation", ACTIVATION),
    ("Merging", MERGING),
    ("Shape", SHAPE),
    ("Images", IMAGES),
    ("Sound", SOUND),
    ("Categories", CATEGORIES),
    ("Recurrence", RECURRENCE),
    ("Python functions", FUNCTION),
    ("Only in training", TRAINING),
    ("Layers inside", PIPELINE),
    ("Keras 1", KERAS_1),
    ("", APPLICATIONS),
    ("", FUNCTIONS),
    ("", DESCRIBED),
];

static CONVOLUTION: &[Row] = &[
    row("Conv1D", conv::conv::<1>, End)
        .keras1(&["Convolution1D", "AtrousConvolution1D"])
        .weights(counts::biased::<1>)
        .keys(REWRITTEN),
    row("Conv2D", conv::conv::<2>, End)
        .keras1(&["Convolution2D", "AtrousConvolution2D"])
        .weights(counts::biased::<1>)
        .keys(REWRITTEN),
    row("DepthwiseConv1D", conv::depthwise::<1>, End).weights(counts::biased::<1>),
    row("DepthwiseConv2D", conv::depthwise::<2>, End).weights(counts::biased::<1>),
    row("SeparableConv1D", conv::separable::<1>, End).weights(counts::biased::<2>),
    row("SeparableConv2D", conv::separable::<2>, End)
        .keras1(&["SeparableConvolution2D"])
        .weights(counts::biased::<2>),
    row("LocallyConnected1D", local::connected::<1>, End).weights(counts::biased::<1>),
    row("LocallyConnected2D", local::connected::<2>, End).weights(counts::biased::<1>),
    row("Conv1DTranspose", transposed::transposed::<1>, End).weights(counts::biased::<1>),
    row("Conv2DTranspose", transposed::transposed::<2>, End)
        .keras1(&["Deconvolution2D"])
        .weights(counts::biased::<1>),
    row("Conv3D", volume::conv, End)
        .keras1(&["Convolution3D"])
        .weights(counts::biased::<1>)
        .keys(REWRITTEN),
    row("Conv3DTranspose", volume::transposed, End).weights(counts::biased::<1>),
];

static DENSE: &[Row] = &[
    row("Dense", dense::dense, Pass)
        .keras1(&["TimeDistributedDense"])
        .weights(counts::dense)
        .quantized()
        .keys(REWRITTEN),
    row("Embedding", embedding::embedding, Own)
        .weights(counts::embedding)
        .quantized()
        .keys(EMBEDDING),
    row("EinsumDense", einsum::einsum_dense, End)
        .weights(counts::einsum_dense)
        .quantized()
        .keys(REWRITTEN),
    row("ReversibleEmbedding", embedding::reversible, Own)
        .weights(counts::reversible_embedding)
        .quantized()
        .keys(EMBEDDING),
    row("RandomFourierFeatures", dense::random_fourier_features, End)
        .weights(|_| 3)
        .fixed(Inside(2))
        // The start value of the weight.
        .keys(&[("scale", Rule::Anything)]),
];

static HEADED: &[Row] = &[
    row("MultiHeadAttention", heads::multi_head, Own)
        .weights(counts::heads)
        .children(HEADS)
        .keys(ATTENTION),
    row("GroupQueryAttention", heads::grouped, Own)
        // Its name in `.h5` files.
        .aliases(&["GroupedQueryAttention"])
        .internal("GroupedQueryAttention")
        .weights(counts::heads)
        .children(HEADS)
        .keys(ATTENTION),
    row("Attention", attention::attention, Own)
        .weights(counts::attention)
        .keys(ATTENTION),
    row("AdditiveAttention", attention::additive, Own)
        .weights(counts::additive_attention)
        .keys(ATTENTION),
];

static POOLING: &[Row] = &[
    row("MaxPooling1D", pool::max::<1>, End),
    row("MaxPooling2D", pool::max::<2>, End),
    row("MaxPooling3D", volume::max, End),
    row("AveragePooling1D", pool::average::<1>, End),
    row("AveragePooling2D", pool::average::<2>, End),
    row("AveragePooling3D", volume::average, End),
    row("GlobalAveragePooling1D", pool::global_average::<1>, End),
    row("GlobalAveragePooling2D", pool::global_average::<2>, End),
    row("GlobalAveragePooling3D", pool::global_average::<3>, End),
    row("GlobalMaxPooling1D", pool::global_max::<1>, End),
    row("GlobalMaxPooling2D", pool::global_max::<2>, End),
    row("GlobalMaxPooling3D", pool::global_max::<3>, End),
    row("AdaptiveAveragePooling1D", adaptive::average::<1>, End),
    row("AdaptiveAveragePooling2D", adaptive::average::<2>, End),
    row("AdaptiveAveragePooling3D", adaptive::average::<3>, End),
    row("AdaptiveMaxPooling1D", adaptive::max::<1>, End),
    row("AdaptiveMaxPooling2D", adaptive::max::<2>, End),
    row("AdaptiveMaxPooling3D", adaptive::max::<3>, End),
];

static NORMALIZATION: &[Row] = &[
    row("BatchNormalization", batch::batch, Pass)
        .aliases(&[
            // TensorFlow 1.13 to 1.15: the versions for graph mode and for eager mode.
            "BatchNormalizationV1",
            "BatchNormalizationV2",
            // Statistics are gathered over all devices, which only training does.
            "SyncBatchNormalization",
        ])
        .weights(counts::batch_normalization)
        .fixed(Statistics)
        .keys(BATCH_NORMALIZATION),
    row("LayerNormalization", normalize::layer, Pass).weights(counts::layer_normalization),
    row("GroupNormalization", normalize::group, Pass).weights(counts::affine),
    row("UnitNormalization", normalize::unit, Pass),
    row("RMSNormalization", normalize::rms, End).weights(|_| 1),
    row("Normalization", normalize::normalization, Pass3)
        .role(Role::Statistics)
        .weights(counts::normalization)
        .fixed(All),
    row("Rescaling", normalize::rescaling, Pass3),
    row("SpectralNormalization", wrap::spectral_normalization, Own)
        .weights(counts::spectral)
        .fixed(Inside(1)),
];

static ACTIVATION: &[Row] = &[
    row("Activation", activation::activation, Pass).role(Activation),
    row("ReLU", rectifiers::relu, Pass).role(Activation),
    row("LeakyReLU", rectifiers::leaky_relu, Pass)
        .role(Activation)
        // The slope of Keras 2, where that of Keras 3 stands beside it.
        .keys(&[("alpha", Rule::Anything)]),
    row("PReLU", keras1::p_relu, Pass).role(Activation).weights(|_| 1),
    row("ELU", rectifiers::elu, Pass).role(Activation),
    row("ThresholdedReLU", rectifiers::thresholded_relu, Pass).role(Activation),
    row("Softmax", activation::softmax, Pass).role(Activation),
];

static MERGING: &[Row] = &[
    row("Add", merge::add, Own),
    row("Subtract", merge::subtract, Own),
    row("Multiply", merge::multiply, Own),
    row("Average", merge::average, Own),
    row("Maximum", merge::maximum, Own),
    row("Minimum", merge::minimum, Own),
    row("Concatenate", merge::concatenate, Own),
    row("Dot", merge::dot, End),
];

static SHAPE: &[Row] = &[
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
    row("UpSampling1D", resize::up_sampling_1d, End),
    row("UpSampling2D", resize::up_sampling_2d, End),
    row("UpSampling3D", volume::up_sampling, End),
];

static IMAGES: &[Row] = &[
    row("Resizing", resize::resizing, End),
    row("CenterCrop", image::center_crop, End),
    row("RandomCrop", image::random_crop, End)
        .keys(&[("seed", Rule::Anything), ("rng_type", Rule::Anything)]),
    row("AutoContrast", image::auto_contrast, End),
    row(
        "ContrastLimitedAdaptiveHistogramEqualization",
        equalization::adaptive,
        End,
    ),
];

static SOUND: &[Row] = &[
    row("STFTSpectrogram", spectrogram::stft, End).weights(spectrogram::weights_of_stft),
    row("MelSpectrogram", spectrogram::mel, End),
];

static CATEGORIES: &[Row] = &[
    row("CategoryEncoding", encoding::category_encoding, End),
    row("Discretization", discretization::discretization, End)
        .unmarked()
        .weights(discretization::weights),
    row("IntegerLookup", lookup::integer_lookup, End).weights(vocabulary::weights),
    row("StringLookup", text::string_lookup, End)
        .weights(vocabulary::weights)
        .strings(),
    row("TextVectorization", text::text_vectorization, End)
        .weights(vocabulary::weights)
        .same("_lookup_layer")
        .strings(),
    row("Hashing", text::hashing, End).strings(),
    row("HashedCrossing", text::hashed_crossing, End)
        .unmarked()
        .strings(),
];

static RECURRENCE: &[Row] = &[
    row("LSTM", recurrent::recurrent, Own)
        .role(Recurrent(Lstm))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("GRU", recurrent::recurrent, Own)
        .role(Recurrent(Gru))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("CuDNNLSTM", recurrent::recurrent, Own)
        .role(Recurrent(Lstm))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("CuDNNGRU", recurrent::recurrent, Own)
        .role(Recurrent(CudnnGru))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("SimpleRNN", recurrent::recurrent, Own)
        .role(Recurrent(Simple))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("RNN", recurrent::recurrent, Own)
        .role(Recurrent(OfCell))
        .weights(counts::of_cell)
        .keys(RECURRENT),
    row("ConvLSTM1D", recurrent::recurrent, Own)
        .role(Recurrent(ConvLstm(1)))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("ConvLSTM2D", recurrent::recurrent, Own)
        .role(Recurrent(ConvLstm(2)))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("ConvLSTM3D", recurrent::recurrent, Own)
        .role(Recurrent(ConvLstm(3)))
        .weights(counts::biased::<2>)
        .keys(RECURRENT),
    row("Bidirectional", wrap::bidirectional, Own)
        .role(Bidirectional)
        .weights(counts::both_ways)
        .fixed(Inside(0))
        .children(BOTH_WAYS),
    row("TimeDistributed", wrap::time_distributed, Own)
        .role(TimeDistributed)
        .weights(counts::inside)
        .fixed(Inside(0)),
    row("Masking", mask::masking, Own),
];

static TRAINING: &[Row] = &[
    row("Dropout", identity::dropout, Pass),
    row("SpatialDropout1D", identity::dropout, Pass).unmarked(),
    row("SpatialDropout2D", identity::dropout, Pass).unmarked(),
    row("SpatialDropout3D", identity::dropout, Pass).unmarked(),
    row("GaussianDropout", identity::noisy_dropout, Pass),
    row("AlphaDropout", identity::noisy_dropout, Pass),
    row("GaussianNoise", identity::noise, Pass),
    row("ActivityRegularization", identity::regularization, Pass),
    row("Identity", identity::identity, Pass3),
    row("Layer", identity::base, End),
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
    row("MaxNumBoundingBoxes", image::augmentation, End),
    row("Equalization", image::augmentation, End),
    row("Solarization", image::augmentation, End),
];

/// Layers one after the other.
static PIPELINE: &[Row] = &[row("Pipeline", pipeline::pipeline, Own)
    .unmarked()
    .strings()
    .weights(counts::of_layers)
    .children(STAGES)];

/// What a Keras that runs the code needs besides. A mask that a function makes would go on to other layers.
const LAMBDA: &[(&str, Rule)] = &[
    ("function_type", Rule::Anything),
    ("module", Rule::Anything),
    ("output_shape", Rule::Anything),
    ("output_shape_type", Rule::Anything),
    ("output_shape_module", Rule::Anything),
    ("mask", Rule::Only(NULL)),
];

static FUNCTION: &[Row] = &[row("Lambda", lambda::lambda, End)
    .role(Role::Python)
    .keys(LAMBDA)
    .refused(lambda::refuse)];

/// Layers that ended with Keras 1.
static KERAS_1: &[Row] = &[
    row("Merge", keras1::merge, Own).keys(keras1::MERGE).ended(),
    row("Highway", keras1::highway, End)
        .weights(keras1::weights_of_highway)
        .ended(),
    row("MaxoutDense", keras1::maxout, End)
        .weights(counts::biased::<1>)
        .ended(),
    row("SReLU", keras1::s_relu, Pass).weights(|_| 4).ended(),
    row("ParametricSoftplus", keras1::parametric_softplus, Pass)
        .weights(|_| 2)
        .ended(),
];

/// Classes that `keras.applications` brings along.
static APPLICATIONS: &[Row] = &[
    row("StochasticDepth", custom::stochastic_depth, End).registered(),
    row("LayerScale", custom::layer_scale, End)
        .registered()
        .weights(|_| 1)
        // The start value of the weight.
        .keys(&[("init_values", Rule::Anything)]),
    row("CustomScaleLayer", custom::scaled_sum, End).registered(),
];

/// Classes of the user's, as `keras::customs` describes them.
static DESCRIBED: &[Row] = &[row(described::CUSTOM, described::described, Own).weights(described::weights)];

/// TensorFlow functions inside Keras 2 models.
static FUNCTIONS: &[Row] = &[
    row("TFOpLambda", operators::tf_function, End)
        .role(Function)
        .refused(|layer| operators::refuse_function(&layer.config)),
    row("TensorFlowOpLayer", lambda::node, End).refused(lambda::refuse_node),
    row("SlicingOpLambda", operators::tf_function, End)
        .role(Function)
        .refused(|layer| operators::refuse_function(&layer.config)),
];

const fn other(name: &'static str, role: Role) -> Class {
    Class {
        role,
        ..Class::new(name)
    }
}

const fn cell(name: &'static str, recurrence: Recurrence) -> Class {
    Class {
        keys: RECURRENT,
        weights: counts::biased::<2>,
        ..other(name, Cell(recurrence))
    }
}

/// Cells one after the other. The order of states decides about nothing: `StackedRNNCells.call` takes and gives them in the
/// order of the cells, whatever its argument says.
const STACK: Class = Class {
    keys: &[("reverse_state_order", Rule::Anything)],
    weights: counts::of_cells,
    ..other("StackedRNNCells", Cells)
};

const fn unmarked(class: Class) -> Class {
    Class {
        marked: false,
        ..class
    }
}

/// Classes that a reader knows and that are no layers to compile: models and what they consist of besides, and layers that
/// are refused, where a reader has to know more of them than that.
pub(super) static OTHERS: &[Class] = &[
    unmarked(other("InputLayer", Input)),
    other("Functional", Model(Form::Functional)),
    other("Model", Model(Form::Functional)),
    other("Sequential", Model(Form::Sequential)),
    cell("LSTMCell", Lstm),
    cell("GRUCell", Gru),
    cell("SimpleRNNCell", Simple),
    STACK,
    unmarked(Class::new("HashedCrossing")),
];
