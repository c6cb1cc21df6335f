"""The table behind make_layers.py: every row is one layer, its input and its arguments.

A group is (class, input, [arguments, ...]). `input` is a shape without batch, or a list of shapes
for a layer that merges. In the arguments an `Inner` stands for a layer that another one wraps.
COMMON holds for both Kerases, KERAS2 and KERAS3 only for one. EXTRA_* go to their own file: layers
beyond the core list. No imports of Keras here: this is data.
"""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Inner:
    """A layer inside a wrapper."""

    cls: str
    args: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.cls}({show(self.args)})"


def show(args):
    return ",".join(f"{key}={str(value).replace(' ', '')}" for key, value in args.items())


# ------------------------------------------------------------------------------------ activations
ACTIVATIONS_BOTH = [
    "relu", "sigmoid", "tanh", "softmax", "softplus", "softsign", "selu", "elu", "exponential", "linear", "swish",
    "gelu", "mish", "hard_sigmoid",
]
ACTIVATIONS_KERAS3 = [
    "relu6", "silu", "log_softmax", "hard_silu", "hard_swish", "leaky_relu", "celu", "glu", "hard_tanh", "hard_shrink",
    "soft_shrink", "tanh_shrink", "log_sigmoid", "squareplus", "sparse_plus", "sparse_sigmoid", "sparsemax",
]


def activation_groups(names):
    """Each function alone (far out into both tails, last axis and more), in a Dense and in a Conv2D."""
    fused = [name for name in names if name not in ("glu",)]  # halves the channels, which Dense refuses to describe
    return [
        ("Activation", (24,), [{"activation": name} for name in names]),
        ("Activation", (3, 2, 4), [{"activation": name} for name in names]),
        ("Dense", (5,), [{"units": 6, "activation": name} for name in fused]),
        ("Conv2D", (4, 4, 2), [{"filters": 3, "kernel_size": 2, "activation": name} for name in fused]),
    ]


# ------------------------------------------------------------------------------------ convolutions
def conv2d_args():
    base = {"filters": 4, "kernel_size": 3}
    return [
        base,
        base | {"padding": "same"},
        base | {"strides": 2},
        base | {"strides": 2, "padding": "same"},
        base | {"strides": (2, 1), "padding": "same"},
        base | {"strides": (1, 3)},
        base | {"kernel_size": (1, 3)},
        base | {"kernel_size": (3, 1), "padding": "same"},
        base | {"kernel_size": 1},
        base | {"kernel_size": 1, "strides": 2},
        base | {"kernel_size": 1, "strides": 2, "padding": "same"},
        base | {"kernel_size": 2, "padding": "same"},
        base | {"kernel_size": 4, "padding": "same", "strides": 3},
        base | {"kernel_size": 5, "padding": "same"},
        base | {"kernel_size": (5, 6)},
        base | {"dilation_rate": 2, "kernel_size": 2},
        base | {"dilation_rate": 2, "padding": "same"},
        base | {"dilation_rate": (1, 2), "padding": "same"},
        base | {"use_bias": False},
        base | {"use_bias": False, "activation": "relu", "padding": "same"},
        base | {"data_format": "channels_last"},
    ]


CHANNELS_FIRST = {"data_format": "channels_first"}

CONVOLUTIONS = [
    ("Conv2D", (7, 6, 3), conv2d_args()),
    ("Conv2D", (4, 4, 6), [
        {"filters": 4, "kernel_size": 3, "groups": 2},
        {"filters": 6, "kernel_size": 2, "groups": 3, "padding": "same", "strides": 2},
        {"filters": 6, "kernel_size": 2, "groups": 6, "activation": "relu"},
        {"filters": 4, "kernel_size": 1, "groups": 2, "use_bias": False},
        {"filters": 12, "kernel_size": 2, "groups": 6, "padding": "same"},
    ]),
    ("Conv2D", (1, 1, 5), [{"filters": 3, "kernel_size": 1}, {"filters": 3, "kernel_size": 3, "padding": "same"}]),
    ("Conv2D", (3, 9, 1), [{"filters": 2, "kernel_size": 3}, {"filters": 1, "kernel_size": 3, "padding": "same"}]),
    ("Conv2D", (3, 7, 6), [
        {"filters": 4, "kernel_size": 3, **CHANNELS_FIRST},
        {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu", **CHANNELS_FIRST},
        {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "use_bias": False, **CHANNELS_FIRST},
        {"filters": 3, "kernel_size": 3, "groups": 3, **CHANNELS_FIRST},
    ]),
    ("DepthwiseConv2D", (7, 6, 3), [
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "depth_multiplier": 2},
        {"kernel_size": 3, "depth_multiplier": 3, "padding": "same", "strides": 2},
        {"kernel_size": 3, "strides": 2},
        {"kernel_size": (2, 3), "padding": "same"},
        {"kernel_size": 5, "strides": 2, "padding": "same"},
        {"kernel_size": 2, "dilation_rate": 2},
        {"kernel_size": 3, "dilation_rate": 2, "padding": "same"},
        {"kernel_size": 3, "use_bias": False, "activation": "relu"},
        {"kernel_size": 3, "activation": "swish"},
        {"kernel_size": 1},
    ]),
    ("DepthwiseConv2D", (3, 7, 6), [{"kernel_size": 3, "depth_multiplier": 2, "padding": "same", **CHANNELS_FIRST}]),
    ("SeparableConv2D", (7, 6, 3), [
        {"filters": 4, "kernel_size": 3},
        {"filters": 4, "kernel_size": 3, "padding": "same"},
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
        {"filters": 4, "kernel_size": 3, "depth_multiplier": 2},
        {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "same"},
        {"filters": 4, "kernel_size": (3, 2), "use_bias": False},
        {"filters": 4, "kernel_size": 3, "activation": "relu"},
    ]),
    ("SeparableConv2D", (3, 7, 6), [{"filters": 4, "kernel_size": 3, "padding": "same", **CHANNELS_FIRST}]),
    ("Conv2DTranspose", (3, 4, 3), [
        {"filters": 2, "kernel_size": 3},
        {"filters": 2, "kernel_size": 3, "padding": "same"},
        {"filters": 2, "kernel_size": 3, "strides": 2},
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"},
        {"filters": 2, "kernel_size": 2, "strides": 2},
        {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"},
        {"filters": 2, "kernel_size": 4, "strides": 2, "padding": "same"},
        {"filters": 1, "kernel_size": 5, "strides": 3, "padding": "same"},
        {"filters": 2, "kernel_size": 2, "strides": 3},
        {"filters": 2, "kernel_size": 1, "strides": 2, "padding": "same"},
        {"filters": 2, "kernel_size": (3, 2), "strides": (1, 2)},
        {"filters": 2, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same"},
        {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1},
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 0},
        {"filters": 2, "kernel_size": 3, "strides": (2, 3), "padding": "same", "output_padding": (1, 2)},
        {"filters": 2, "kernel_size": 3, "use_bias": False},
        {"filters": 2, "kernel_size": 3, "strides": 2, "activation": "relu"},
        {"filters": 5, "kernel_size": 2, "activation": "sigmoid"},
        {"filters": 2, "kernel_size": 3, "dilation_rate": 2},
        {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "padding": "same"},
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "padding": "same", "use_bias": False},
    ]),
    ("Conv2DTranspose", (3, 3, 4), [
        {"filters": 2, "kernel_size": 3, "strides": 2, **CHANNELS_FIRST},
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu", **CHANNELS_FIRST},
    ]),
]

# ------------------------------------------------------------------- dense, normalisation, simple
DENSE = [
    ("Dense", (7,), [{"units": 5}, {"units": 1}, {"units": 5, "use_bias": False}]),
    ("Dense", (1,), [{"units": 3}]),
    ("Dense", (4, 3), [{"units": 5}, {"units": 5, "activation": "softmax"}]),
    ("Dense", (2, 3, 4), [{"units": 5}, {"units": 5, "use_bias": False, "activation": "tanh"}]),
]

NORMALISATION = [
    ("BatchNormalization", (3, 4, 5), [
        {},
        {"scale": False},
        {"center": False},
        {"scale": False, "center": False},
        {"epsilon": 0.1},
        {"axis": 1},
        {"axis": 2},
        {"axis": -1, "momentum": 0.5},
        {"axis": 3, "trainable": False},
    ]),
    ("BatchNormalization", (5,), [{}, {"epsilon": 1e-5}, {"axis": 1}]),
    ("BatchNormalization", (4, 3), [{}, {"axis": 1}]),
    ("LayerNormalization", (3, 4, 5), [
        {},
        {"axis": 1},
        {"axis": -2},
        {"axis": [2, 3]},
        {"axis": [1, 2, 3]},
        {"axis": [1, 3]},
        {"center": False},
        {"scale": False},
        {"scale": False, "center": False},
        {"epsilon": 0.1},
    ]),
    ("LayerNormalization", (5,), [{}, {"axis": [1]}, {"epsilon": 1e-6}]),
    ("Rescaling", (3, 4, 3), [
        {"scale": 0.25},
        {"scale": 0.0078125, "offset": -1.0},
        {"scale": [0.5, 1.0, 2.0]},
        {"scale": [0.5, 1.0, 2.0], "offset": [0.1, -0.2, 0.3]},
        {"scale": 2.0, "offset": [0.1, -0.2, 0.3]},
    ]),
    ("Normalization", (3, 4, 3), [
        {},
        {"axis": -1},
        {"axis": 1},
        {"axis": None},
        {"axis": [1, 3]},
        {"mean": [0.1, 0.2, 0.3], "variance": [0.5, 1.5, 2.5]},
        {"mean": 0.5, "variance": 2.0},
        {"mean": [0.1, 0.2, 0.3], "variance": [0.5, 1.5, 2.5], "invert": True},
        {"mean": [0.1, 0.2, 0.3, 0.4], "variance": [0.5, 1.5, 2.5, 0.25], "axis": 2},
        {"mean": [0.5, 0.5, 0.5], "variance": [1.0, 0.0, 1.0], "axis": 3},
    ]),
    ("Normalization", (5,), [{}, {"invert": True}]),
]

ACTIVATION_LAYERS = [
    ("ReLU", (3, 4), [
        {},
        {"max_value": 6.0},
        {"negative_slope": 0.1},
        {"threshold": 1.0},
        {"max_value": 2.0, "negative_slope": 0.25, "threshold": 0.5},
        {"max_value": 2.0, "threshold": 0.5},
        {"negative_slope": 0.25, "threshold": 0.5},
    ]),
    ("LeakyReLU", (3, 4), [{}]),
    ("ELU", (3, 4), [{}, {"alpha": 0.5}]),
    ("Softmax", (3, 4), [{}, {"axis": 1}, {"axis": -1}]),
    ("Softmax", (2, 3, 4), [{"axis": 1}, {"axis": [1, 2]}, {"axis": [1, 2, 3]}, {"axis": -2}]),
    ("PReLU", (3, 4, 2), [{}, {"shared_axes": [1, 2]}, {"shared_axes": [1]}, {"shared_axes": [3]}, {"shared_axes": [1, 2, 3]}]),
    ("PReLU", (6,), [{}]),
]

# ------------------------------------------------------------------------------ pooling and shape
POOL_ARGS = [
    {"pool_size": 2},
    {"pool_size": 3},
    {"pool_size": 3, "strides": 1},
    {"pool_size": 3, "strides": 1, "padding": "same"},
    {"pool_size": 3, "strides": 2},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 2, "padding": "same"},
    {"pool_size": (1, 2)},
    {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"},
    {"pool_size": 2, "strides": 3},
    {"pool_size": 2, "strides": 3, "padding": "same"},
    {"pool_size": 5, "padding": "same"},
    {"pool_size": (7, 5)},
    {"pool_size": 1, "strides": 2},
]
# The same layer on all-negative numbers is in make_layers.py: zero padding would win a maximum there.
POOLING = [
    ("MaxPooling2D", (7, 5, 3), POOL_ARGS),
    ("AveragePooling2D", (7, 5, 3), POOL_ARGS),
    ("MaxPooling2D", (3, 7, 5), [{"pool_size": 3, "strides": 2, "padding": "same", **CHANNELS_FIRST}]),
    ("AveragePooling2D", (3, 7, 5), [{"pool_size": 3, "strides": 2, "padding": "same", **CHANNELS_FIRST}]),
    ("GlobalAveragePooling2D", (4, 3, 5), [{}, {"keepdims": True}, {**CHANNELS_FIRST}, {"keepdims": True, **CHANNELS_FIRST}]),
    ("GlobalMaxPooling2D", (4, 3, 5), [{}, {"keepdims": True}, {**CHANNELS_FIRST}, {"keepdims": True, **CHANNELS_FIRST}]),
]

RESHAPING = [
    ("ZeroPadding2D", (3, 4, 2), [
        {},
        {"padding": 2},
        {"padding": (1, 2)},
        {"padding": (0, 1)},
        {"padding": ((1, 0), (0, 2))},
        {"padding": ((0, 0), (3, 1))},
        {"padding": ((1, 0), (0, 2)), **CHANNELS_FIRST},
    ]),
    ("Cropping2D", (6, 7, 2), [
        {"cropping": 1},
        {"cropping": (1, 2)},
        {"cropping": ((1, 2), (0, 3))},
        {"cropping": ((0, 0), (0, 0))},
    ]),
    ("Cropping2D", (2, 6, 7), [{"cropping": ((1, 2), (0, 3)), **CHANNELS_FIRST}]),
    ("UpSampling2D", (3, 2, 2), [
        {},
        {"size": 3},
        {"size": (1, 3)},
        {"size": (3, 2), "interpolation": "nearest"},
        {"interpolation": "bilinear"},
        {"size": 3, "interpolation": "bilinear"},
        {"size": (3, 1), "interpolation": "bilinear"},
        {"size": (2, 4), "interpolation": "bilinear"},
        {"size": (2, 3), **CHANNELS_FIRST},
        {"size": (2, 3), "interpolation": "bilinear", **CHANNELS_FIRST},
    ]),
    ("Flatten", (3, 4, 2), [{}, {**CHANNELS_FIRST}, {"data_format": "channels_last"}]),
    ("Flatten", (5,), [{}]),
    ("Flatten", (4, 3), [{}, {**CHANNELS_FIRST}]),
    ("Reshape", (3, 4, 2), [
        {"target_shape": (24,)},
        {"target_shape": (6, 4)},
        {"target_shape": (-1, 6)},
        {"target_shape": (2, -1, 3)},
        {"target_shape": (-1,)},
        {"target_shape": (1, 1, 24)},
    ]),
    ("Permute", (3, 4, 2), [{"dims": (2, 1, 3)}, {"dims": (3, 1, 2)}, {"dims": (1, 2, 3)}, {"dims": (3, 2, 1)}]),
    ("Permute", (3, 4), [{"dims": (2, 1)}]),
    ("RepeatVector", (4,), [{"n": 3}, {"n": 1}]),
]

IDENTITIES = [
    ("Dropout", (5,), [{"rate": 0.5}]),
    ("Dropout", (2, 3, 2), [{"rate": 0.3, "noise_shape": [None, 1, 1, 2]}]),
    ("SpatialDropout2D", (2, 3, 2), [{"rate": 0.5}]),
    ("SpatialDropout1D", (3, 2), [{"rate": 0.5}]),
    ("GaussianNoise", (5,), [{"stddev": 1.0}]),
    ("GaussianDropout", (5,), [{"rate": 0.5}]),
    ("AlphaDropout", (5,), [{"rate": 0.5}]),
    ("ActivityRegularization", (5,), [{"l2": 0.1}]),
    ("Identity", (5,), [{}]),
]

# ------------------------------------------------------------------------------------------ merges
CUBES = [(3, 2, 4)] * 2
MERGES = [
    *[(cls, shapes, [{}]) for cls in ("Add", "Multiply", "Average", "Maximum", "Minimum")
      for shapes in ([(5,)] * 2, [(3, 2, 4)] * 3, [(3, 2, 4), (1, 1, 4)], [(3, 2, 4), (3, 2, 1)], [(3, 4), (4,)])],
    ("Subtract", [(5,)] * 2, [{}]),
    ("Subtract", [(3, 2, 4), (1, 1, 4)], [{}]),
    ("Subtract", [(1, 1, 4), (3, 2, 4)], [{}]),
    ("Concatenate", CUBES, [{}, {"axis": 1}, {"axis": 2}, {"axis": 3}, {"axis": -2}, {"axis": -3}]),
    ("Concatenate", [(3, 2, 1), (3, 2, 4), (3, 2, 2)], [{}, {"axis": 3}]),
    ("Concatenate", [(1, 3), (4, 3)], [{"axis": 1}, {"axis": -2}]),
    ("Concatenate", [(3,), (4,)], [{}, {"axis": 1}]),
    ("Dot", [(5,)] * 2, [{"axes": 1}, {"axes": -1}, {"axes": 1, "normalize": True}]),
    ("Dot", [(3, 4), (2, 4)], [{"axes": 2}, {"axes": -1}, {"axes": (2, 2)}, {"axes": 2, "normalize": True}]),
    ("Dot", [(3, 4), (4, 2)], [{"axes": (2, 1)}, {"axes": [-1, -2]}]),
    ("Dot", [(3, 4), (3, 2)], [{"axes": 1}, {"axes": 1, "normalize": True}]),
    ("Dot", [(3, 4), (4,)], [{"axes": (2, 1)}]),
    ("Dot", [(4,), (3, 4)], [{"axes": (1, 2)}]),
]

# -------------------------------------------------------------------------------------- recurrent
SEQUENCE = (4, 3)


def recurrent_args(**more):
    base = {"units": 2} | more
    return [
        base,
        base | {"return_sequences": True},
        base | {"go_backwards": True},
        base | {"go_backwards": True, "return_sequences": True},
        base | {"return_state": True},
        base | {"return_state": True, "return_sequences": True},
        base | {"return_state": True, "return_sequences": True, "go_backwards": True},
        base | {"activation": "relu", "return_sequences": True},
        base | {"activation": "linear"},
        base | {"use_bias": False, "return_sequences": True},
        base | {"dropout": 0.5, "recurrent_dropout": 0.5},
        base | {"unroll": True, "return_sequences": True},
    ]


def gated_args(**more):
    base = {"units": 2} | more
    return recurrent_args(**more) + [
        base | {"recurrent_activation": "hard_sigmoid", "return_sequences": True},
        base | {"recurrent_activation": "relu", "activation": "softsign"},
        base | {"recurrent_activation": "tanh", "activation": "elu"},
    ]


def bidirectional_args(inner):
    args = []
    for mode in ("sum", "mul", "ave", "concat", None):
        for sequences in (False, True):
            args.append({"layer": Inner(inner, {"units": 2, "return_sequences": sequences}), "merge_mode": mode})
    for mode in ("concat", "sum"):
        for sequences in (False, True):
            args.append({"layer": Inner(inner, {"units": 2, "return_state": True, "return_sequences": sequences}), "merge_mode": mode})
    for sequences in (False, True):
        args.append({
            "layer": Inner(inner, {"units": 2, "return_sequences": sequences, "go_backwards": True}),
            "backward_layer": Inner(inner, {"units": 2, "return_sequences": sequences}),
        })
    args.append({
        "layer": Inner(inner, {"units": 2, "return_sequences": True}),
        "backward_layer": Inner(inner, {"units": 3, "return_sequences": True, "go_backwards": True, "activation": "relu"}),
    })
    args.append({"layer": Inner(inner, {"units": 2, "use_bias": False})})
    return args


RECURRENT = [
    ("LSTM", SEQUENCE, gated_args() + [{"units": 2, "unit_forget_bias": False}, {"units": 1}, {"units": 5, "return_sequences": True}]),
    ("LSTM", (1, 3), [{"units": 2}, {"units": 2, "return_sequences": True}]),
    ("LSTM", (12, 1), [{"units": 4, "return_sequences": True}]),
    ("GRU", SEQUENCE, gated_args(reset_after=True) + gated_args(reset_after=False) + [{"units": 2}]),
    ("SimpleRNN", SEQUENCE, recurrent_args()),
    ("Bidirectional", SEQUENCE, bidirectional_args("LSTM")),
    ("Bidirectional", SEQUENCE, bidirectional_args("GRU")),
    ("Bidirectional", SEQUENCE, bidirectional_args("SimpleRNN")),
    ("RNN", SEQUENCE, [
        {"cell": Inner("LSTMCell", {"units": 2}), "return_sequences": True},
        {"cell": Inner("GRUCell", {"units": 2})},
        {"cell": Inner("SimpleRNNCell", {"units": 2}), "go_backwards": True},
    ]),
    ("TimeDistributed", SEQUENCE, [
        {"layer": Inner("Dense", {"units": 2})},
        {"layer": Inner("Dense", {"units": 2, "activation": "softmax", "use_bias": False})},
        {"layer": Inner("Activation", {"activation": "tanh"})},
        {"layer": Inner("Dropout", {"rate": 0.5})},
        {"layer": Inner("BatchNormalization")},
        {"layer": Inner("LayerNormalization")},
    ]),
    ("TimeDistributed", (2, 4, 4, 2), [
        {"layer": Inner("Conv2D", {"filters": 3, "kernel_size": 3})},
        {"layer": Inner("MaxPooling2D")},
        {"layer": Inner("Flatten")},
        {"layer": Inner("GlobalAveragePooling2D")},
    ]),
]
# Rows run with three samples as well: states must not leak from one sample into the next.
BATCH_OF_THREE = [
    ("LSTM", SEQUENCE, [{"units": 2}, {"units": 2, "return_sequences": True, "go_backwards": True}]),
    ("GRU", SEQUENCE, [{"units": 2}]),
    ("SimpleRNN", SEQUENCE, [{"units": 2}]),
    ("Bidirectional", SEQUENCE, [{"layer": Inner("LSTM", {"units": 2, "return_sequences": True})}]),
    ("TimeDistributed", SEQUENCE, [{"layer": Inner("Dense", {"units": 2})}]),
    ("Dense", (7,), [{"units": 5, "activation": "softmax"}]),
    ("Conv2D", (5, 4, 2), [{"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}]),
    ("DepthwiseConv2D", (5, 4, 2), [{"kernel_size": 3}]),
    ("Conv2DTranspose", (2, 3, 2), [{"filters": 2, "kernel_size": 3, "strides": 2}]),
    ("MaxPooling2D", (5, 4, 2), [{"padding": "same"}]),
    ("GlobalAveragePooling2D", (3, 4, 2), [{}]),
    ("Flatten", (3, 2, 2), [{}]),
    ("Permute", (3, 4), [{"dims": (2, 1)}]),
    ("Reshape", (3, 4), [{"target_shape": (-1, 6)}]),
    ("RepeatVector", (4,), [{"n": 3}]),
    ("BatchNormalization", (2, 3, 2), [{}]),
    ("LayerNormalization", (3, 4), [{"axis": [1, 2]}]),
    ("Softmax", (3, 4), [{"axis": 1}]),
    ("Concatenate", [(3,), (4,)], [{}]),
    ("Dot", [(3, 4), (2, 4)], [{"axes": 2}]),
]

EMBEDDINGS = [  # input: tokens 0..9
    ("Embedding", (5,), [{"input_dim": 10, "output_dim": 3}, {"input_dim": 10, "output_dim": 1, "mask_zero": True}]),
    ("Embedding", (2, 3), [{"input_dim": 10, "output_dim": 3}]),
]

COMMON = [
    *CONVOLUTIONS, *DENSE, *NORMALISATION, *ACTIVATION_LAYERS, *POOLING, *RESHAPING, *IDENTITIES, *MERGES, *RECURRENT,
    *activation_groups(ACTIVATIONS_BOTH), *EMBEDDINGS,
]

KERAS2 = [
    ("LeakyReLU", (3, 4), [{"alpha": 0.1}, {"alpha": 0.0}]),
    ("ThresholdedReLU", (3, 4), [{}, {"theta": 0.5}]),
    ("BatchNormalization", (3, 4, 5), [{"axis": [3]}, {"renorm": True}]),
    ("LSTM", SEQUENCE, [{"units": 2, "implementation": 1}]),
    ("GRU", SEQUENCE, [{"units": 2, "implementation": 1, "reset_after": False}]),
    ("SimpleRNN", SEQUENCE, [{"units": 2, "activation": "hard_sigmoid"}]),
]

KERAS3 = [
    *activation_groups(ACTIVATIONS_KERAS3),
    ("LeakyReLU", (3, 4), [{"negative_slope": 0.1}, {"negative_slope": 0.0}]),
    ("LSTM", SEQUENCE, [{"units": 2, "activation": "relu6"}, {"units": 2, "recurrent_activation": "hard_silu"}]),
    ("UpSampling2D", (3, 3, 2), [{"interpolation": "bicubic"}, {"interpolation": "lanczos3"}, {"interpolation": "lanczos5"}]),
    ("Flatten", (3, 4, 2), [{"data_format": None}]),
]

# ------------------------------------------------------------------- layers beyond the core list
EXTRA_COMMON = [
    ("Conv1D", (8, 3), [
        {"filters": 4, "kernel_size": 3},
        {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2},
        {"filters": 4, "kernel_size": 3, "padding": "causal"},
        {"filters": 4, "kernel_size": 2, "padding": "causal", "dilation_rate": 2},
        {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2},
        {"filters": 4, "kernel_size": 2, "dilation_rate": 3, "use_bias": False, "activation": "relu"},
        {"filters": 3, "kernel_size": 2, "groups": 3},
    ]),
    ("DepthwiseConv1D", (8, 3), [{"kernel_size": 3}, {"kernel_size": 3, "padding": "same", "strides": 2, "depth_multiplier": 2}]),
    ("SeparableConv1D", (8, 3), [{"filters": 4, "kernel_size": 3}, {"filters": 4, "kernel_size": 3, "padding": "same"}]),
    ("Conv1DTranspose", (5, 3), [
        {"filters": 2, "kernel_size": 3, "strides": 2},
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"},
        {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1},
    ]),
    ("MaxPooling1D", (7, 3), [{}, {"pool_size": 3, "strides": 2, "padding": "same"}, {"pool_size": 3, "strides": 1}]),
    ("AveragePooling1D", (7, 3), [{"pool_size": 2}, {"pool_size": 3, "strides": 2, "padding": "same"}, {"pool_size": 3, "strides": 1}]),
    ("GlobalAveragePooling1D", (7, 3), [{}, {"keepdims": True}, {**CHANNELS_FIRST}]),
    ("GlobalMaxPooling1D", (7, 3), [{}, {"keepdims": True}, {**CHANNELS_FIRST}]),
    ("ZeroPadding1D", (4, 3), [{}, {"padding": 2}, {"padding": (2, 1)}]),
    ("Cropping1D", (7, 3), [{}, {"cropping": 2}, {"cropping": (2, 1)}]),
    ("UpSampling1D", (4, 3), [{}, {"size": 3}]),
    ("Conv3D", (3, 4, 3, 2), [
        {"filters": 2, "kernel_size": 2},
        {"filters": 2, "kernel_size": 3, "padding": "same", "strides": 2},
        {"filters": 3, "kernel_size": (1, 2, 3), "activation": "relu"},
        {"filters": 3, "kernel_size": (3, 1, 1), "use_bias": False, "activation": "tanh"},
        {"filters": 4, "kernel_size": (2, 2, 1), "strides": (1, 2, 1), "padding": "same"},
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "padding": "same"},
        {"filters": 4, "kernel_size": 2, "groups": 2},
        {"filters": 2, "kernel_size": 2, "padding": "same", "activation": "softmax"},
        {"filters": 2, "kernel_size": 2, "strides": (2, 1, 1), **CHANNELS_FIRST},
    ]),
    ("Conv3DTranspose", (2, 3, 2, 2), [
        {"filters": 2, "kernel_size": 2},
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"},
        {"filters": 2, "kernel_size": (3, 2, 1), "strides": (2, 1, 3), "activation": "relu"},
        {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1, "use_bias": False},
        {"filters": 2, "kernel_size": 3, "strides": (1, 2, 2), "padding": "same", "activation": "softmax"},
    ]),
    ("MaxPooling3D", (4, 4, 3, 2), [
        {},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": (1, 2, 3), "strides": 1},
        {"pool_size": (3, 1, 2), "strides": (1, 2, 1), "padding": "same"},
        {**CHANNELS_FIRST},
    ]),
    ("AveragePooling3D", (4, 5, 3, 2), [
        {"pool_size": 2},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": (2, 3, 1), "strides": (1, 2, 3)},
        {"pool_size": 2, **CHANNELS_FIRST},
    ]),
    ("UpSampling3D", (2, 3, 2, 2), [{}, {"size": (1, 3, 2)}, {**CHANNELS_FIRST}]),
    ("GlobalAveragePooling3D", (3, 4, 3, 2), [{}]),
    ("GroupNormalization", (3, 4, 4), [{"groups": 2}, {"groups": 4, "scale": False}, {"groups": -1}, {"groups": 1, "epsilon": 0.1}]),
    ("UnitNormalization", (3, 4), [{}, {"axis": 1}, {"axis": [1, 2]}]),
    ("Resizing", (4, 5, 2), [
        {"height": 6, "width": 7},
        {"height": 3, "width": 2, "interpolation": "nearest"},
        {"height": 8, "width": 10, "interpolation": "nearest"},
        {"height": 2, "width": 3, "interpolation": "bilinear"},
    ]),
    ("CenterCrop", (6, 7, 2), [{"height": 3, "width": 4}, {"height": 4, "width": 3}]),
    ("Attention", [(3, 4), (5, 4)], [{}, {"use_scale": True}, {"score_mode": "concat"}]),
    ("AdditiveAttention", [(3, 4), (5, 4)], [{}, {"use_scale": False}]),
]
EXTRA_KERAS2 = []
EXTRA_KERAS3 = [
    ("RMSNormalization", (3, 4), [{}, {"axis": [1, 2]}]),
    *(
        (f"Adaptive{kind}Pooling{rank}D", shape, [{"output_size": size} for size in sizes] + [{"output_size": sizes[-1], **CHANNELS_FIRST}])
        for kind in ("Average", "Max")
        for rank, shape, sizes in [
            (1, (7, 3), [3, 5]),
            (2, (8, 5, 3), [4, (4, 3), (3, 5)]),
            (3, (4, 5, 3, 2), [2, (3, 2, 2)]),
        ]
    ),
]

# ---------------------------------------------------------------------- around attention: own file
ATTENTION_COMMON = [
    ("EinsumDense", (3, 4), [
        {"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d"},
        {"equation": "abc,cd->abd", "output_shape": (3, 5), "activation": "softmax"},
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"},
        {"equation": "abc,cde->aebd", "output_shape": (2, 3, 5), "bias_axes": "eb"},
        {"equation": "abc,bc->ab", "output_shape": (3,)},
        {"equation": "abc,bc->abc", "output_shape": (3, 4), "bias_axes": "b"},
        {"equation": "...x,xy->...y", "output_shape": 5, "bias_axes": "y", "activation": "relu"},
        {"equation": "...yx,xyz->...z", "output_shape": 5, "bias_axes": "z"},
        {"equation": "ab...,bc->ac...", "output_shape": 5, "bias_axes": "c"},
    ]),
    ("EinsumDense", (2, 3, 4), [
        {"equation": "...x,xy->...y", "output_shape": (5,), "bias_axes": "y"},
        {"equation": "abcd,cde->abe", "output_shape": (None, 5), "bias_axes": "e"},
        {"equation": "ab...,bc->ac...", "output_shape": (5,), "bias_axes": "c"},
    ]),
]
