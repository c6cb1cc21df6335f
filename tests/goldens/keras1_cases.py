"""Models of Keras 1, by name; `make_keras1.py` computes them. A function gives a model, or one with options: `batch`, `predictions`,
`range` and `shape` of the inputs, and `save`, whether a file is kept too."""
from keras.layers import *  # noqa: F401,F403 - the names of Keras 1
from keras.models import Model, Sequential

CASES, THEANO = [], []


def case(*backends):
    """Adds a function under its name, for TensorFlow if no backend is named."""

    def register(function):
        name = function.__name__.replace("_", "-")
        if "tensorflow" in backends or not backends:
            CASES.append((name, function))
        if "theano" in backends:
            THEANO.append((name, function))
        return function

    return register


def layer(name, make, shape, *backends, **options):
    """A case of one layer."""


    def function():
        model = Sequential()
        first = make(shape)
        model.add(first)
        return model, options

    function.__name__ = name
    case(*backends)(function)


def cases(backend):
    return THEANO if backend == "theano" else CASES


BOTH = ("tensorflow", "theano")

# ------------------------------------------------------------------------------------------------------------------- convolution
for tag, ordering, images, volumes in [("tf", "tf", (6, 5, 2), (4, 3, 5, 2)), ("th", "th", (2, 6, 5), (2, 4, 3, 5))]:
    o = {"dim_ordering": ordering}
    layer(f"convolution2d_{tag}", lambda s, o=o: Convolution2D(3, 3, 2, activation="relu", input_shape=s, **o), images, *BOTH)
    layer(f"convolution2d_{tag}_same", lambda s, o=o: Convolution2D(3, 3, 3, border_mode="same", input_shape=s, **o), images, *BOTH)
    layer(f"convolution2d_{tag}_same_even", lambda s, o=o: Convolution2D(3, 2, 4, border_mode="same", input_shape=s, **o), images, *BOTH)
    layer(f"convolution2d_{tag}_strided", lambda s, o=o: Convolution2D(3, 2, 3, subsample=(2, 1), bias=False, input_shape=s, **o), images, *BOTH)
    layer(f"convolution2d_{tag}_same_strided", lambda s, o=o: Convolution2D(2, 3, 3, border_mode="same", subsample=(2, 2), input_shape=s, **o), images, *BOTH)
    layer(f"convolution2d_{tag}_of_pixels", lambda s, o=o: Convolution2D(3, 1, 1, activation="tanh", input_shape=s, **o), images)
    layer(f"atrous_convolution2d_{tag}", lambda s, o=o: AtrousConvolution2D(3, 2, 2, atrous_rate=(2, 2), input_shape=s, **o), images, *BOTH)
    layer(f"separable_convolution2d_{tag}", lambda s, o=o: SeparableConvolution2D(3, 3, 2, depth_multiplier=2, activation="relu", input_shape=s, **o), images)
    layer(f"convolution3d_{tag}", lambda s, o=o: Convolution3D(2, 2, 1, 3, activation="relu", input_shape=s, **o), volumes, *BOTH)
    layer(f"locally_connected2d_{tag}", lambda s, o=o: LocallyConnected2D(2, 3, 2, subsample=(2, 1), input_shape=s, **o), images, *BOTH)
    out = (None, 3, 13, 11) if tag == "th" else (None, 13, 11, 3)
    layer(f"deconvolution2d_{tag}", lambda s, o=o, out=out: Deconvolution2D(3, 3, 3, output_shape=out, subsample=(2, 2), activation="relu", input_shape=s, **o), images, *BOTH)
    out_same = (None, 3, 12, 9) if tag == "th" else (None, 12, 9, 3)
    layer(f"deconvolution2d_{tag}_same", lambda s, o=o, out=out_same: Deconvolution2D(3, 3, 3, output_shape=out, subsample=(2, 2), border_mode="same", input_shape=s, **o), images)
    out_more = (None, 3, 14, 11) if tag == "th" else (None, 14, 11, 3)
    layer(f"deconvolution2d_{tag}_more", lambda s, o=o, out=out_more: Deconvolution2D(3, 3, 3, output_shape=out, subsample=(2, 2), input_shape=s, **o), images)
    layer(f"max_pooling2d_{tag}", lambda s, o=o: MaxPooling2D((2, 3), strides=(1, 2), input_shape=s, **o), images, *BOTH)
    layer(f"average_pooling2d_{tag}_same", lambda s, o=o: AveragePooling2D((3, 3), strides=(1, 1), border_mode="same", input_shape=s, **o), images, *BOTH)
    layer(f"max_pooling2d_{tag}_same", lambda s, o=o: MaxPooling2D((2, 2), border_mode="same", input_shape=s, **o), images)
    layer(f"max_pooling3d_{tag}", lambda s, o=o: MaxPooling3D((2, 1, 2), input_shape=s, **o), volumes, *BOTH)
    layer(f"average_pooling3d_{tag}", lambda s, o=o: AveragePooling3D((2, 2, 2), strides=(1, 1, 1), input_shape=s, **o), volumes, *BOTH)
    layer(f"global_pooling2d_{tag}", lambda s, o=o: GlobalAveragePooling2D(input_shape=s, **o), images, *BOTH)
    layer(f"global_max_pooling2d_{tag}", lambda s, o=o: GlobalMaxPooling2D(input_shape=s, **o), images)
    layer(f"conv_lstm2d_{tag}", lambda s, o=o: ConvLSTM2D(2, 3, 3, input_shape=(3,) + s, border_mode="same", return_sequences=True, **o), images, *BOTH)

layer("convolution1d", lambda s: Convolution1D(3, 3, activation="relu", input_shape=s), (6, 2), *BOTH)
layer("convolution1d_same", lambda s: Convolution1D(3, 4, border_mode="same", subsample_length=2, input_dim=s[1], input_length=s[0]), (6, 2), *BOTH)
layer("atrous_convolution1d", lambda s: AtrousConvolution1D(3, 2, atrous_rate=3, input_shape=s), (7, 2))
layer("locally_connected1d", lambda s: LocallyConnected1D(3, 2, subsample_length=2, activation="tanh", input_shape=s), (6, 2))
layer("max_pooling1d", lambda s: MaxPooling1D(2, stride=1, input_shape=s), (6, 2), *BOTH)
layer("average_pooling1d", lambda s: AveragePooling1D(3, border_mode="same", input_shape=s), (7, 2))
layer("max_pooling1d_by_default", lambda s: MaxPooling1D(input_shape=s), (6, 2))
layer("global_max_pooling1d", lambda s: GlobalMaxPooling1D(input_shape=s), (6, 2))
layer("global_average_pooling1d", lambda s: GlobalAveragePooling1D(input_shape=s), (6, 2))
layer("convolution2d_full", lambda s: Convolution2D(2, 3, 2, border_mode="full", dim_ordering="th", input_shape=s), (2, 4, 5), "theano")

# ------------------------------------------------------------------------------------------------------------------------- shape
layer("up_sampling1d", lambda s: UpSampling1D(3, input_shape=s), (3, 2))
layer("zero_padding1d", lambda s: ZeroPadding1D(2, input_shape=s), (3, 2))
layer("zero_padding1d_of_two", lambda s: ZeroPadding1D((1, 2), input_shape=s), (3, 2))
layer("zero_padding1d_by_name", lambda s: ZeroPadding1D({"right_pad": 2}, input_shape=s), (3, 2))
layer("cropping1d", lambda s: Cropping1D((1, 2), input_shape=s), (5, 2))
layer("zero_padding2d", lambda s: ZeroPadding2D((1, 2), dim_ordering="tf", input_shape=s), (3, 2, 2))
layer("zero_padding2d_of_four", lambda s: ZeroPadding2D((1, 2, 0, 3), dim_ordering="tf", input_shape=s), (3, 2, 2))
layer("zero_padding2d_by_name", lambda s: ZeroPadding2D({"top_pad": 1, "left_pad": 2}, dim_ordering="tf", input_shape=s), (3, 2, 2))
layer("zero_padding3d", lambda s: ZeroPadding3D((1, 2, 0), dim_ordering="tf", input_shape=s), (2, 1, 2, 2))
layer("cropping2d", lambda s: Cropping2D(((1, 0), (2, 1)), dim_ordering="tf", input_shape=s), (3, 5, 2))
layer("up_sampling2d", lambda s: UpSampling2D((2, 3), dim_ordering="tf", input_shape=s), (3, 2, 2))
layer("up_sampling3d", lambda s: UpSampling3D((2, 1, 3), dim_ordering="tf", input_shape=s), (2, 1, 2, 2))
layer("permute", lambda s: Permute((2, 1, 3), input_shape=s), (3, 4, 2))
layer("reshape", lambda s: Reshape((4, -1), input_shape=s), (3, 4, 2))
layer("flatten", lambda s: Flatten(input_shape=s), (3, 4, 2))
layer("repeat_vector", lambda s: RepeatVector(3, input_shape=s), (4,))


@case("tensorflow", "theano")
def network_with_channels_first():
    """Padding, upsampling and cropping do not write where channels stand."""
    model = Sequential()
    model.add(ZeroPadding2D((1, 2), dim_ordering="th", input_shape=(2, 4, 5)))
    model.add(Convolution2D(3, 3, 3, activation="relu", dim_ordering="th"))
    model.add(UpSampling2D((2, 1), dim_ordering="th"))
    model.add(Cropping2D(((1, 2), (0, 1)), dim_ordering="th"))
    model.add(MaxPooling2D((2, 2), dim_ordering="th"))
    model.add(Flatten())
    model.add(Dense(3, activation="softmax"))
    return model, {"save": True}


# ------------------------------------------------------------------------------------------------------------------------- dense
layer("dense", lambda s: Dense(3, activation="softmax", input_dim=s[0]), (4,), *BOTH)
layer("dense_without_bias", lambda s: Dense(3, bias=False, activation="hard_sigmoid", W_regularizer="l2", input_shape=s), (4,))
layer("dense_of_steps", lambda s: Dense(3, activation="softmax", input_shape=s), (2, 4))
layer("time_distributed_dense", lambda s: TimeDistributedDense(3, activation="softplus", input_shape=s), (2, 4))
layer("highway", lambda s: Highway(activation="tanh", input_dim=s[0]), (4,), *BOTH)
layer("highway_without_bias", lambda s: Highway(activation="relu", bias=False, input_shape=s), (4,))
layer("maxout_dense", lambda s: MaxoutDense(3, nb_feature=2, input_shape=s), (4,), *BOTH)
layer("maxout_dense_without_bias", lambda s: MaxoutDense(3, bias=False, input_shape=s), (4,))

# -------------------------------------------------------------------------------------------------------------------- activation
for activation in ["relu", "tanh", "sigmoid", "hard_sigmoid", "softplus", "softsign", "linear", "softmax"]:
    layer(f"activation_{activation}", lambda s, a=activation: Activation(a, input_shape=s), (3, 4), range=(-4.0, 4.0))
layer("activation_elu", lambda s: Dense(3, activation="elu", input_shape=s), (4,))
layer("leaky_relu", lambda s: LeakyReLU(0.2, input_shape=s), (3, 4))
layer("elu", lambda s: ELU(0.7, input_shape=s), (3, 4))
layer("thresholded_relu", lambda s: ThresholdedReLU(0.5, input_shape=s), (3, 4))
layer("prelu", lambda s: PReLU(input_shape=s), (3, 4))
layer("prelu_shared", lambda s: PReLU(shared_axes=[1], input_shape=s), (3, 4))
layer("srelu", lambda s: SReLU(input_shape=s), (3, 4), *BOTH, range=(-3.0, 3.0))
layer("srelu_of_vectors", lambda s: SReLU(input_shape=s), (5,), range=(-3.0, 3.0))
layer("srelu_shared", lambda s: SReLU(shared_axes=[1], input_shape=s), (3, 4), range=(-3.0, 3.0))
layer("parametric_softplus", lambda s: ParametricSoftplus(input_shape=s), (3, 4), *BOTH)
layer("parametric_softplus_shared", lambda s: ParametricSoftplus(shared_axes=[1], input_shape=s), (3, 4))

# ----------------------------------------------------------------------------------------------------------------- normalization
layer("batch_normalization", lambda s: BatchNormalization(input_shape=s), (4,), *BOTH)
layer("batch_normalization_of_images", lambda s: BatchNormalization(axis=1, epsilon=1e-2, input_shape=s), (2, 3, 4))
layer("batch_normalization_last_axis", lambda s: BatchNormalization(input_shape=s), (3, 4, 2))
layer("batch_normalization_of_samples", lambda s: BatchNormalization(mode=1, epsilon=1e-2, input_shape=s), (4,), *BOTH)
layer("batch_normalization_of_batches", lambda s: BatchNormalization(mode=2, input_shape=s), (4,), *BOTH, batch=5)
layer("batch_normalization_of_batches_of_images", lambda s: BatchNormalization(mode=2, axis=1, input_shape=s), (2, 3, 4), batch=3)


@case()
def only_in_training():
    model = Sequential()
    model.add(Dropout(0.5, input_shape=(4, 4, 2)))
    model.add(SpatialDropout2D(0.5, dim_ordering="tf"))
    model.add(GaussianNoise(0.3))
    model.add(GaussianDropout(0.3))
    model.add(ActivityRegularization(l1=0.1))
    model.add(Flatten())
    model.add(Dense(2))
    return model


# -------------------------------------------------------------------------------------------------------------------- recurrence
for consume in ["cpu", "mem", "gpu"]:
    layer(f"lstm_{consume}", lambda s, c=consume: LSTM(3, consume_less=c, input_shape=s), (4, 2), *BOTH)
    layer(f"gru_{consume}", lambda s, c=consume: GRU(3, consume_less=c, return_sequences=True, input_shape=s), (4, 2), *BOTH)
layer("simple_rnn", lambda s: SimpleRNN(3, input_dim=s[1], input_length=s[0]), (4, 2), *BOTH)
layer("simple_rnn_relu", lambda s: SimpleRNN(3, activation="relu", return_sequences=True, dropout_W=0.2, dropout_U=0.1, input_shape=s), (4, 2))
layer("lstm_backwards", lambda s: LSTM(3, go_backwards=True, return_sequences=True, input_shape=s), (4, 2))
layer("lstm_sigmoid", lambda s: LSTM(3, activation="softsign", inner_activation="sigmoid", input_shape=s), (4, 2))
layer("gru_unrolled", lambda s: GRU(3, unroll=True, input_shape=s), (4, 2))
layer("conv_lstm2d_last", lambda s: ConvLSTM2D(2, 2, 3, dim_ordering="tf", input_shape=s), (3, 5, 4, 2))
for joined in ["sum", "mul", "ave", "concat"]:
    layer(f"bidirectional_{joined}", lambda s, m=joined: Bidirectional(LSTM(3, return_sequences=True), merge_mode=m, input_shape=s), (4, 2))
layer("bidirectional_gru_gpu", lambda s: Bidirectional(GRU(3, consume_less="gpu"), input_shape=s), (4, 2), *BOTH)
layer("bidirectional_backwards", lambda s: Bidirectional(SimpleRNN(3, go_backwards=True, return_sequences=True), input_shape=s), (4, 2))
layer("lstm_stateful", lambda s: LSTM(3, stateful=True, batch_input_shape=(2,) + s), (4, 2), predictions=3)
layer("time_distributed_convolution", lambda s: TimeDistributed(Convolution2D(2, 2, 2, dim_ordering="th"), input_shape=s), (3, 2, 4, 3), *BOTH)
layer("time_distributed_dense_inside", lambda s: TimeDistributed(Dense(3, activation="relu"), input_shape=s), (3, 4))
layer("time_distributed_lstm", lambda s: TimeDistributed(LSTM(2), input_shape=s), (3, 4, 2))
layer("embedding", lambda s: Embedding(7, 3, input_length=4), None, *BOTH)


@case("tensorflow", "theano")
def embedding_masked_lstm():
    model = Sequential()
    model.add(Embedding(5, 3, input_length=6, mask_zero=True))
    model.add(Bidirectional(LSTM(2, return_sequences=True)))
    model.add(GRU(3))
    model.add(Dense(2, activation="sigmoid"))
    return model, {"range": (0.0, 3.0), "batch": 3, "save": True}


@case()
def masking_of_steps():
    model = Sequential()
    model.add(Masking(0.0, input_shape=(5, 2)))
    model.add(LSTM(3, return_sequences=True))
    model.add(TimeDistributed(Dense(2)))
    model.add(SimpleRNN(2, go_backwards=True))
    return model


@case()
def time_distributed_mask_inside():
    """What a layer inside a TimeDistributed masks is not seen outside."""
    model = Sequential()
    model.add(TimeDistributed(Embedding(5, 3, input_length=2, mask_zero=True), input_shape=(4, 2), input_dtype="int32"))
    model.add(Reshape((4, 6)))
    model.add(LSTM(2))
    return model, {"range": (0.0, 2.0)}


@case()
def time_distributed_model():
    inner = Sequential()
    inner.add(Convolution2D(2, 2, 2, dim_ordering="tf", input_shape=(4, 3, 1), name="inner_conv"))
    inner.add(BatchNormalization(name="inner_norm"))
    inner.add(Flatten(name="inner_flat"))
    inner.add(Dense(3, name="inner_dense"))
    model = Sequential()
    model.add(TimeDistributed(inner, input_shape=(3, 4, 3, 1)))
    model.add(LSTM(2))
    return model


# ------------------------------------------------------------------------------------------------------------------------ merging
def branch(name, units=3, shape=(4,)):
    model = Sequential()
    model.add(Dense(units, activation="tanh", input_shape=shape, name=name))
    return model


for mode in ["sum", "mul", "ave", "max", "concat"]:

    def branches(mode=mode):
        model = Sequential()
        model.add(Merge([branch("left"), branch("right")], mode=mode))
        model.add(Dense(2))
        return model

    branches.__name__ = f"merge_{mode}_of_branches"
    case()(branches)

for mode, axes in [("dot", 1), ("dot", -1), ("cos", 1)]:

    def of_vectors(mode=mode, axes=axes):
        a, b = Input(shape=(4,), name="a"), Input(shape=(4,), name="b")
        return Model(input=[a, b], output=merge([a, b], mode=mode, dot_axes=axes))

    of_vectors.__name__ = f"merge_{mode}_of_vectors_{axes % 3}"
    case(*BOTH)(of_vectors)

for mode, axes in [("dot", (2, 2)), ("dot", (1, 1)), ("dot", 2), ("cos", (2, 2))]:

    def of_steps(mode=mode, axes=axes):
        a, b = Input(shape=(3, 4), name="a"), Input(shape=(3, 4), name="b")
        return Model(input=[a, b], output=merge([a, b], mode=mode, dot_axes=axes))

    of_steps.__name__ = f"merge_{mode}_of_steps_{str(axes).strip('()').replace(', ', '_')}"
    case()(of_steps)


@case()
def merge_of_images():
    a, b = Input(shape=(2, 3, 4), name="a"), Input(shape=(5, 3, 4), name="b")
    return Model(input=[a, b], output=merge([a, b], mode="concat", concat_axis=1))


@case()
def merge_of_masked_sequences():
    a, b = Input(shape=(5,), dtype="int32", name="a"), Input(shape=(5,), dtype="int32", name="b")
    left = Embedding(4, 3, mask_zero=True, name="left")(a)
    right = Embedding(4, 3, mask_zero=True, name="right")(b)
    summed = LSTM(2, name="of_sum")(merge([left, right], mode="sum"))
    return Model(input=[a, b], output=summed), {"range": (0.0, 3.0), "batch": 3}


@case()
def merge_of_masked_features():
    a, b = Input(shape=(5,), dtype="int32", name="a"), Input(shape=(5,), dtype="int32", name="b")
    left = Embedding(4, 3, mask_zero=True, name="left")(a)
    right = Embedding(4, 2, mask_zero=True, name="right")(b)
    both = merge([left, right], mode="concat", concat_axis=-1)
    return Model(input=[a, b], output=GRU(2, name="of_both")(both)), {"range": (0.0, 3.0), "batch": 3}


@case()
def merge_of_one_masked_sequence():
    a, b = Input(shape=(5,), dtype="int32", name="a"), Input(shape=(5, 3), name="b")
    left = Embedding(4, 3, mask_zero=True, name="left")(a)
    return Model(input=[a, b], output=LSTM(2, name="of_product")(merge([left, b], mode="mul"))), {"range": (0.0, 3.0), "batch": 3}


@case("tensorflow", "theano")
def branches_of_images_and_words():
    """Three branches, one of them with branches of its own, as question answering had them."""
    image = Sequential()
    image.add(Convolution2D(2, 3, 3, dim_ordering="th", input_shape=(1, 5, 5), name="image_conv"))
    image.add(Flatten(name="image_flat"))
    words = Sequential()
    words.add(Embedding(6, 3, input_length=4, name="words"))
    words.add(LSTM(3, name="words_lstm"))
    pair = Sequential()
    pair.add(Merge([branch("left"), branch("right")], mode="mul", name="pair"))
    pair.add(BatchNormalization(name="pair_norm"))
    model = Sequential()
    model.add(Merge([image, words, pair], mode="concat", concat_axis=-1, name="all"))
    model.add(Dense(3, activation="relu", name="hidden"))
    model.add(Dense(2, activation="softmax", name="answer"))
    return model, {"save": True}


@case()
def branch_of_a_model():
    x = Input(shape=(4,), name="x")
    functional = Model(input=x, output=Dense(3, name="inside")(x))
    model = Sequential()
    model.add(Merge([functional, branch("right")], mode="sum"))
    model.add(Activation("relu"))
    return model


# ----------------------------------------------------------------------------------------------------------------------- networks
@case()
def functional_with_shared_layers():
    a, b = Input(shape=(4,), name="a"), Input(shape=(4,), name="b")
    shared = Dense(3, activation="tanh", name="shared")
    left, right = shared(a), shared(b)
    both = merge([left, right], mode="concat", name="both")
    return Model(input=[a, b], output=[Dense(2, name="first")(both), Dense(1, name="second")(left)])


@case()
def model_in_a_model():
    x = Input(shape=(4,), name="x")
    inner = Sequential()
    inner.add(Dense(3, input_shape=(4,), name="in_a"))
    inner.add(BatchNormalization(name="in_norm"))
    inner.add(Dense(3, name="in_b"))
    y = Input(shape=(3,), name="y")
    second = Model(input=y, output=Highway(name="in_highway")(y), name="second")
    out = second(inner(x))
    return Model(input=x, output=Dense(2, name="out")(second(out))), {"save": True}


@case()
def sequential_in_sequential():
    inner = Sequential()
    inner.add(Convolution2D(2, 2, 2, dim_ordering="tf", input_shape=(4, 4, 1), name="in_conv"))
    inner.add(BatchNormalization(name="in_norm"))
    inner.add(Flatten(name="in_flat"))
    inner.add(Dense(4, name="in_dense"))
    top = Sequential()
    top.add(Dense(3, activation="relu", input_shape=(4,), name="top_a"))
    top.add(Dense(2, name="top_b"))
    model = Sequential()
    model.add(inner)
    model.add(top)
    return model, {"save": "unstated"}


@case()
def models_named_in_another_order():
    """A model in a list has no name in the file, but weights under one; here each could be the other's."""
    top = Sequential()
    top.add(Dense(4, activation="relu", input_shape=(4,), name="top"))
    base = Sequential()
    base.add(Dense(4, activation="tanh", input_shape=(4,), name="base"))
    model = Sequential()
    model.add(Dense(4, input_shape=(4,), name="start"))
    model.add(base)
    model.add(top)
    return model, {"save": True}


@case()
def model_in_a_branch():
    inner = Sequential()
    inner.add(Dense(3, input_shape=(4,), name="inner"))
    left = Sequential()
    left.add(inner)
    left.add(Activation("tanh", name="left_tanh"))
    model = Sequential()
    model.add(Merge([left, branch("right")], mode="concat"))
    model.add(Dense(2, name="last"))
    return model, {"save": True}


@case()
def merged_model_begins_a_model():
    pair = Sequential()
    pair.add(Merge([branch("left"), branch("right", shape=(2,))], mode="sum"))
    pair.add(Dense(3, activation="relu", name="middle"))
    model = Sequential()
    model.add(pair)
    model.add(Dense(2, name="last"))
    return model, {"save": True}


@case()
def frozen_layers():
    """What is not trained stands last among the weights of a model inside."""
    inner = Sequential()
    inner.add(LSTM(3, trainable=False, return_sequences=True, input_shape=(4, 2), name="frozen"))
    inner.add(GRU(3, name="trained"))
    x = Input(shape=(4, 2), name="x")
    return Model(input=x, output=Dense(2, name="out")(inner(x))), {"save": True}


@case("tensorflow", "theano")
def cnn():
    """The example mnist_cnn.py, smaller."""
    model = Sequential()
    model.add(Convolution2D(3, 3, 3, border_mode="valid", input_shape=(8, 8, 1), dim_ordering="tf"))
    model.add(Activation("relu"))
    model.add(Convolution2D(4, 3, 3, dim_ordering="tf"))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2), dim_ordering="tf"))
    model.add(Dropout(0.25))
    model.add(Flatten())
    model.add(Dense(5))
    model.add(Activation("relu"))
    model.add(Dropout(0.5))
    model.add(Dense(3))
    model.add(Activation("softmax"))
    return model, {"save": True}


@case()
def residual_block():
    """As keras.applications had ResNet50."""
    x = Input(shape=(6, 6, 2), name="x")
    y = Convolution2D(2, 1, 1, name="a", dim_ordering="tf")(x)
    y = Activation("relu")(BatchNormalization(axis=3, name="bn_a")(y))
    y = Convolution2D(2, 3, 3, border_mode="same", name="b", dim_ordering="tf")(y)
    y = BatchNormalization(axis=3, name="bn_b")(y)
    y = Activation("relu")(merge([y, x], mode="sum"))
    return Model(x, GlobalAveragePooling2D(dim_ordering="tf")(y)), {"save": "apart"}
