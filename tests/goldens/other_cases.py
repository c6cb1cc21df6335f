"""Layers that few models have: convolutions with weights of their own in every place (Keras 2), kernels that training
normalizes, statistics of a batch; and where masks go that stand before any layer.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import golden

CASES, case = golden.registry()


def add(name, function, only=None):
    CASES.append((name, only, function))


# --------------------------------------------------------------- weights of their own in every place
# Both formats are computed by Keras on any device: products of matrices, without a convolution.
LINES = [
    {}, {"strides": 2, "activation": "relu"}, {"use_bias": False}, {"data_format": "channels_first"},
    {"implementation": 2}, {"implementation": 2, "padding": "same"}, {"implementation": 2, "padding": "same", "strides": 2, "activation": "softmax"},
    {"implementation": 2, "data_format": "channels_first", "padding": "same"},
    {"implementation": 3}, {"implementation": 3, "padding": "same", "strides": 3}, {"implementation": 3, "data_format": "channels_first", "padding": "same"},
    {"implementation": 3, "kernel_size": 9, "padding": "same"},
]
IMAGES = [
    {}, {"strides": (2, 1), "activation": "tanh"}, {"data_format": "channels_first"}, {"data_format": "channels_first", "activation": "softmax"},
    {"implementation": 2, "strides": 2}, {"implementation": 2, "padding": "same"}, {"implementation": 2, "padding": "same", "data_format": "channels_first"},
    {"implementation": 3, "use_bias": False}, {"implementation": 3, "padding": "same", "strides": (1, 2)},
    {"implementation": 3, "padding": "same", "data_format": "channels_first", "strides": 2},
]


def local(k, cls, shape, size, config):
    if config.get("data_format") == "channels_first":
        shape = shape[-1:] + shape[:-1]
    x = k.Input(shape, name="x")
    return k.Model(x, getattr(k.layers, cls)(**({"filters": 2, "kernel_size": size} | config))(x)), {"batch": 2}


def label(config):
    return "".join("-" + str(value) for value in config.values()).replace("(", "").replace(", ", "x").replace(")", "")


for config in LINES:
    add(f"locally-connected-1d{label(config)}", lambda k, c=config: local(k, "LocallyConnected1D", (6, 3), 3, c), only=2)
for config in IMAGES:
    add(f"locally-connected-2d{label(config)}", lambda k, c=config: local(k, "LocallyConnected2D", (4, 5, 2), (2, 3), c), only=2)


# --------------------------------------------------------------- kernels that training normalizes
def spectral(k, make, shape, frozen=False):
    """The order of weights depends on whether the layer inside is trained."""
    x = k.Input(shape, name="x")
    layer = k.layers.SpectralNormalization(make(k.layers), power_iterations=2)
    y = layer(x)
    layer.trainable = not frozen
    return k.Model(x, k.layers.ReLU()(y))


SPECTRAL = {
    "dense": (lambda l: l.Dense(3, activation="tanh"), (4,)),
    "conv": (lambda l: l.Conv2D(3, 2, padding="same"), (4, 3, 2)),
    "transposed": (lambda l: l.Conv2DTranspose(3, 2, strides=2), (3, 2, 2)),
    "without-bias": (lambda l: l.Conv1D(3, 2, use_bias=False), (5, 2)),
}
for name, (make, shape) in SPECTRAL.items():
    add(f"spectral-normalization-{name}", lambda k, m=make, s=shape: spectral(k, m, s))
    add(f"spectral-normalization-frozen-{name}", lambda k, m=make, s=shape: spectral(k, m, s, frozen=True))


@case()
def spectral_normalization_of_an_embedding(k):
    """Keras 3 makes integers of what is found by integers."""
    x = k.Input((4,), name="x", dtype="float32")
    return k.Model(x, k.layers.SpectralNormalization(k.layers.Embedding(6, 3))(x)), {"ranges": {"x": (0.0, 5.9)}}


@case()
def spectral_normalization_of_a_wrapped_layer(k):
    x = k.Input((4, 3), name="x")
    return k.Model(x, k.layers.TimeDistributed(k.layers.SpectralNormalization(k.layers.Dense(2)))(x))


@case()
def spectral_normalization_inside_steps_of_a_model(k):
    inner = k.Sequential([k.layers.Input((3,)), k.layers.SpectralNormalization(k.layers.Dense(2)), k.layers.BatchNormalization()], name="inner")
    x = k.Input((4, 3), name="x")
    return k.Model(x, k.layers.TimeDistributed(inner, name="steps")(x))


# --------------------------------------------------------------- statistics of a batch
def batch_statistics(k, shape, batch=3, freeze=False, **config):
    """Training moves the stored statistics, which the outputs do not depend on."""
    x = k.Input(shape, name="x")
    layer = k.layers.BatchNormalization(**config)
    y = layer(x, training=True)
    layer.trainable = not freeze
    return k.Model(x, k.layers.ReLU()(y)), {"batch": batch}


BATCHES = {
    "": ((4,), {}), "-sequence": ((5, 3), {}), "-image": ((3, 4, 2), {}), "-without-shift": ((3, 4, 2), {"center": False, "epsilon": 0.1}),
    "-without-scale": ((4,), {"scale": False}), "-along-another-axis": ((4, 3), {"axis": 1}), "-of-one": ((3, 4, 2), {"batch": 1}),
    "-frozen": ((3, 4, 2), {"freeze": True}), "-volume": ((2, 3, 2, 2), {}),
}
for name, (shape, config) in BATCHES.items():
    # Keras 3 computes with those of the batch in model(x), and not in model.predict(x).
    add(f"batch-statistics{name}", lambda k, s=shape, c=config: batch_statistics(k, s, **c))


def masked(k, steps=6):
    """An input with masked steps, at the start and in the middle too."""
    x = k.Input((steps, 1), name="x")
    return x, k.layers.Masking(0.0)(k.layers.ReLU(max_value=1.0)(x)), {"ranges": {"x": (-1.0, 2.0)}, "batch": 3}


@case(only=3)
def called_with_training(k):
    """`predict` overrules `training=True` of a call in Keras 3, also inside a model."""
    x = k.Input((6, 4), name="x")
    y = k.layers.BatchNormalization(name="norm")(x, training=True)
    y = k.layers.Dropout(0.5, name="drop")(y, training=True)
    inner = k.Sequential([k.Input((6, 4)), k.layers.Dense(3, name="dense"), k.layers.GaussianNoise(1.0, name="noise")], name="inner")
    y = inner(y, training=True)
    y = k.layers.MultiHeadAttention(2, 3, dropout=0.5, name="heads")(y, y, training=True)
    y = k.layers.Attention(dropout=0.5, name="attention")([y, y], training=True)
    return k.Model(x, k.layers.GRU(2, dropout=0.5, name="gru")(y, training=True))


@case(only=2)
def batch_statistics_of_masked_steps(k):
    x, y, options = masked(k)
    return k.Model(x, k.layers.BatchNormalization()(y, training=True)), options


# --------------------------------------------------------------- where masks go
PASSING = {
    "dense": lambda l: l.Dense(2), "activation": lambda l: l.Activation("tanh"),
    "dropout": lambda l: l.Dropout(0.5), "spatial-dropout": lambda l: l.SpatialDropout1D(0.5), "noise": lambda l: l.GaussianNoise(0.5),
    "batch-normalization": lambda l: l.BatchNormalization(), "layer-normalization": lambda l: l.LayerNormalization(epsilon=0.1),
    "unit-normalization": lambda l: l.UnitNormalization(),
    "reshape": lambda l: l.Reshape((6, 1)), "permute": lambda l: l.Permute((1, 2)), "convolution": lambda l: l.Conv1D(2, 1),
    "padding": lambda l: l.ZeroPadding1D(0), "pooling": lambda l: l.MaxPooling1D(1), "cropping": lambda l: l.Cropping1D(0),
    "up-sampling": lambda l: l.UpSampling1D(1), "rescaling": lambda l: l.Rescaling(2.0), "identity": lambda l: l.Identity() if hasattr(l, "Identity") else l.Dropout(0.1),
    "prelu": lambda l: l.PReLU(shared_axes=[1]), "leaky-relu": lambda l: l.LeakyReLU(), "elu": lambda l: l.ELU(),
    "regularization": lambda l: l.ActivityRegularization(0.1), "einsum-dense": lambda l: l.EinsumDense("abc,cd->abd", (None, 2)),
    "spectral-normalization": lambda l: l.SpectralNormalization(l.Dense(2)), "spectral-normalization-of-a-convolution": lambda l: l.SpectralNormalization(l.Conv1D(2, 1)),
    "time-distributed": lambda l: l.TimeDistributed(l.Dense(2)), "lstm": lambda l: l.LSTM(2, return_sequences=True),
    "bidirectional": lambda l: l.Bidirectional(l.GRU(2, return_sequences=True)), "masking": lambda l: l.Masking(0.5),
    "separable-convolution": lambda l: l.SeparableConv1D(2, 1), "average-pooling": lambda l: l.AveragePooling1D(1), "gaussian-dropout": lambda l: l.GaussianDropout(0.5),
}


def passed(k, make):
    """Whoever takes a mask leaves masked steps out."""
    x, y, options = masked(k)
    return k.Model(x, k.layers.LSTM(2)(make(k.layers)(y))), options


for name, make in PASSING.items():
    add(f"mask-through-{name}", lambda k, m=make: passed(k, m))


@case()
def mask_through_a_model(k):
    """What a model inside gives has the mask of its last layer."""
    inner_x = k.Input((6, 1), name="inner_x")
    inner = k.Model(inner_x, k.layers.Dense(2)(inner_x), name="inner")
    x, y, options = masked(k)
    return k.Model(x, k.layers.LSTM(2)(inner(y))), options


@case()
def mask_made_in_a_model(k):
    inner = k.Sequential([k.layers.Input((6,)), k.layers.Embedding(3, 2, mask_zero=True), k.layers.Dense(2)], name="inner")
    x = k.Input((6,), name="x", dtype="int32")
    return k.Model(x, k.layers.LSTM(2)(inner(x))), {"ranges": {"x": (0.0, 3.0)}, "batch": 3}


@case()
def mask_of_an_operation(k):
    x, y, options = masked(k)
    return k.Model(x, k.layers.LSTM(2)(y * 2.0 + 1.0)), options


@case()
def mask_to_a_global_average(k):
    x, y, options = masked(k)
    return k.Model(x, k.layers.GlobalAveragePooling1D()(k.layers.Dense(2)(y))), options


@case()
def mask_ends_in_a_sequence_folded_away(k):
    x, y, options = masked(k)
    y = k.layers.Flatten()(y)
    return k.Model(x, k.layers.LSTM(2)(k.layers.RepeatVector(3)(y))), options


@case()
def zero_output_for_mask_through_layers(k):
    x, y, options = masked(k)
    outputs = [k.layers.LSTM(2, return_sequences=True, zero_output_for_mask=True)(y)]
    outputs.append(k.layers.GRU(2, zero_output_for_mask=True)(k.layers.Dense(2)(outputs[0])))
    outputs.append(k.layers.Bidirectional(k.layers.SimpleRNN(2, return_sequences=True))(y))
    outputs.append(k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True), merge_mode="sum")(y))
    return k.Model(x, outputs), options


# --------------------------------------------------------------- wrappers around wrappers
@case()
def steps_of_two_ways(k):
    """A sequence in each step."""
    x = k.Input((2, 3, 2), name="x")
    return k.Model(x, k.layers.TimeDistributed(k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True)))(x))


@case()
def steps_of_steps(k):
    x = k.Input((2, 3, 2), name="x")
    return k.Model(x, k.layers.TimeDistributed(k.layers.TimeDistributed(k.layers.Dense(2)))(x))


@case()
def steps_of_convolutions(k):
    x = k.Input((2, 3, 4, 2), name="x")
    y = k.layers.TimeDistributed(k.layers.Conv2D(2, 2, activation="relu"))(x)
    y = k.layers.TimeDistributed(k.layers.BatchNormalization())(y)
    return k.Model(x, k.layers.TimeDistributed(k.layers.Flatten())(y))


@case()
def steps_of_recurrences(k):
    x = k.Input((2, 3, 2), name="x")
    return k.Model(x, k.layers.TimeDistributed(k.layers.GRU(2))(x))


@case()
def two_ways_of_different_layers(k):
    x, y, options = masked(k)
    back = k.layers.GRU(3, go_backwards=True, return_sequences=True)
    return k.Model(x, k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True), backward_layer=back)(y)), options
