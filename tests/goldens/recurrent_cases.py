"""Recurrent layers beyond one cell: stacks of cells, and convolutions in place of products; and states that are kept from one
prediction to the next.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import numpy as np

import generated
import golden

CASES, case = golden.registry()


def add(name, function, only=None):
    CASES.append((name, only, function))


# ---------------------------------------------------------------------------------- stacks of cells
def mixed(k):
    """One cell of each class, of different sizes."""
    return [k.layers.LSTMCell(2), k.layers.GRUCell(3), k.layers.SimpleRNNCell(4, use_bias=False), k.layers.GRUCell(2, reset_after=False)]


def two(k):
    """Sizes that differ, and two states in the second."""
    return [k.layers.SimpleRNNCell(3), k.layers.LSTMCell(2)]


def stack(k, cells, **config):
    return k.layers.RNN(k.layers.StackedRNNCells(cells), **config)


def flat(outputs):
    """Keras gives the states of a stack as lists of lists."""
    if not isinstance(outputs, (list, tuple)):
        return [outputs]
    return [tensor for output in outputs for tensor in flat(output)]


STACKS = {
    "": {}, "-sequences": {"return_sequences": True}, "-backwards": {"go_backwards": True}, "-state": {"return_state": True},
    "-all": {"return_sequences": True, "return_state": True, "go_backwards": True},
    "-unrolled": {"return_sequences": True, "unroll": True},
}


def stacked(k, config):
    x = k.Input((4, 3), name="x")
    return k.Model(x, flat(stack(k, mixed(k), **config)(x))), {"batch": 2}


for label, config in STACKS.items():
    add(f"stacked-cells{label}", lambda k, c=config: stacked(k, c))


@case()
def stacked_cells_given_as_a_list(k):
    x = k.Input((4, 3), name="x")
    return k.Model(x, k.layers.RNN(two(k))(x))


@case(only=2)
def stacked_cells_with_states_in_reverse(k):
    """The argument decides about nothing but the sizes of the first states, and Keras does not write it."""
    x = k.Input((4, 3), name="x")
    cells = k.layers.StackedRNNCells([k.layers.LSTMCell(2), k.layers.GRUCell(2)], reverse_state_order=True)

    def edit(config):
        config["config"]["layers"][1]["config"]["cell"]["config"]["reverse_state_order"] = True
        return config

    return k.Model(x, flat(k.layers.RNN(cells, return_state=True)(x))), {"edit": edit}


def masked(k):
    """An input with masked steps, at the start and in the middle too."""
    x = k.Input((6, 1), name="x")
    return x, k.layers.Masking(0.0)(k.layers.ReLU(max_value=1.0)(x)), {"ranges": {"x": (-1.0, 2.0)}, "batch": 3}


def masked_stack(k, config):
    x, y, options = masked(k)
    outputs = flat(stack(k, two(k), **config)(y))
    if config.get("return_sequences"):
        outputs.append(k.layers.LSTM(2)(outputs[0]))  # where the mask goes on
    return k.Model(x, outputs), options


MASKED = {
    "": {}, "-sequences": {"return_sequences": True, "return_state": True}, "-backwards": {"go_backwards": True},
    "-zero-output": {"zero_output_for_mask": True}, "-zero-output-sequences": {"zero_output_for_mask": True, "return_sequences": True},
    "-zero-output-backwards": {"zero_output_for_mask": True, "return_sequences": True, "go_backwards": True},
}
for label, config in MASKED.items():
    add(f"masked-stacked-cells{label}", lambda k, c=config: masked_stack(k, c))


def stack_with_states(k, wrap=lambda k, layer: layer, ways=1, mask=False):
    x, y, options = masked(k)
    given = [[k.Input((size,), name=f"state{way}{place}") for place, size in enumerate((3, 2, 2))] for way in range(ways)]
    nested = [part for h, *rest in given for part in (h, rest)]
    layer = wrap(k, stack(k, two(k), return_sequences=True, return_state=True))
    outputs = flat(layer(y if mask else k.layers.ReLU()(x), initial_state=nested))
    return k.Model([x, *sum(given, [])], outputs), options


add("stacked-cells-with-initial-state", stack_with_states)
add("masked-stacked-cells-with-initial-state", lambda k: stack_with_states(k, mask=True))
add("bidirectional-stacked-cells-with-initial-state", lambda k: stack_with_states(k, lambda k, layer: k.layers.Bidirectional(layer), ways=2))


def both_ways(k, config, merge):
    x, y, options = masked(k)
    return k.Model(x, k.layers.Bidirectional(stack(k, two(k), **config), merge_mode=merge)(y)), options


for label, config in (("", {}), ("-sequences", {"return_sequences": True})):
    add(f"masked-bidirectional-stacked-cells{label}", lambda k, c=config: both_ways(k, c, "concat"))


@case()
def bidirectional_stacked_cells_states(k):
    x = k.Input((4, 3), name="x")
    layer = stack(k, two(k), return_sequences=True, return_state=True)
    return k.Model(x, flat(k.layers.Bidirectional(layer, merge_mode="sum")(x)))


@case()
def time_distributed_recurrence(k):
    x = k.Input((2, 4, 3), name="x")
    return k.Model(x, [k.layers.TimeDistributed(layer)(x) for layer in (k.layers.LSTM(2), stack(k, two(k), return_sequences=True))])


# ----------------------------------------------------------------------------------- convolutions
SHAPES = {1: (3, 6, 2), 2: (3, 5, 4, 2), 3: (3, 3, 4, 3, 2)}
BASE = {"filters": 2, "kernel_size": 3}
CONVOLUTIONS = {
    "": {}, "-same": {"padding": "same", "return_sequences": True}, "-strides": {"strides": 2, "return_sequences": True},
    "-strides-same": {"strides": 2, "padding": "same", "kernel_size": 2}, "-dilation": {"dilation_rate": 2, "kernel_size": 2},
    "-states": {"return_sequences": True, "return_state": True, "kernel_size": 2}, "-backwards": {"go_backwards": True, "return_sequences": True},
    "-without-bias": {"use_bias": False, "unit_forget_bias": False}, "-relu": {"activation": "relu", "recurrent_activation": "sigmoid"},
    "-hard-sigmoid": {"recurrent_activation": "hard_sigmoid"},
}
FEW = ("", "-same", "-strides-same", "-states", "-dilation")


def conv_lstm(k, axes, config):
    x = k.Input(SHAPES[axes], name="x")
    layer = getattr(k.layers, f"ConvLSTM{axes}D")(name="layer", **(BASE | config))
    return k.Model(x, layer(x)), {"batch": 2}


for axes in SHAPES:
    for label, config in CONVOLUTIONS.items():
        if axes == 2 or label in FEW:
            add(f"conv-lstm-{axes}d{label}", lambda k, a=axes, c=config: conv_lstm(k, a, c))


@case()
def conv_lstm_2d_sizes_that_differ(k):
    x = k.Input((2, 5, 6, 1), name="x")
    return k.Model(x, k.layers.ConvLSTM2D(3, (2, 3), strides=(1, 2), padding="same")(x))


def channels_first(k, axes, config):
    """TensorFlow on a CPU computes no such convolution: the numbers are those of a twin whose axes stand elsewhere."""
    steps, *sizes, channels = SHAPES[axes]
    config = {"filters": 3, "kernel_size": 2, "padding": "same"} | config
    cls = getattr(k.layers, f"ConvLSTM{axes}D")
    x = k.Input((steps, channels, *sizes), name="x")
    model = k.Model(x, cls(name="layer", data_format="channels_first", **config)(x))

    def compute(model, inputs):
        y = k.Input(SHAPES[axes], name="y")
        twin = k.Model(y, cls(name="layer", data_format="channels_last", **config)(y))
        golden.fill(twin, golden.describe_weights(model))
        outputs = twin.predict(np.moveaxis(generated.model_input(inputs[0]), 2, -1), verbose=0)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return [np.moveaxis(output, -1, output.ndim - axes - 1) for output in outputs]

    return model, {"batch": 2, "compute": compute}


add("conv-lstm-1d-channels-first", lambda k: channels_first(k, 1, {}))
add("conv-lstm-2d-channels-first", lambda k: channels_first(k, 2, {"return_sequences": True, "return_state": True}))
add("conv-lstm-3d-channels-first", lambda k: channels_first(k, 3, {}))

KEPT = {"ranges": {"keep": (0.0, 2.0)}, "batch": 3}


def masked_conv_lstm(k, config, wrap=lambda k, layer: layer):
    x, keep = k.Input((5, 3, 3, 1), name="x"), k.Input((5,), name="keep", dtype="bool")
    layer = wrap(k, k.layers.ConvLSTM2D(2, 2, padding="same", **config))
    outputs = layer(x, mask=keep)
    return k.Model([x, keep], outputs), KEPT


for label, config in MASKED.items():
    add(f"masked-conv-lstm-2d{label}", lambda k, c=config: masked_conv_lstm(k, c))
add("masked-conv-lstm-2d-unrolled", lambda k: masked_conv_lstm(k, {"unroll": True, "return_sequences": True}), only=3)
for label, config in (("", {}), ("-sequences", {"return_sequences": True})):
    add(
        f"masked-bidirectional-conv-lstm-2d{label}",
        lambda k, c=config: masked_conv_lstm(k, c, lambda k, layer: k.layers.Bidirectional(layer)),
    )


def conv_lstm_with_states(k, mask):
    x, keep = k.Input((5, 4, 4, 1), name="x"), k.Input((5,), name="keep", dtype="bool")
    states = [k.Input((2, 2, 2), name=name) for name in "hc"]
    layer = k.layers.ConvLSTM2D(2, 3, strides=1, return_sequences=True)
    outputs = layer(x, initial_state=states, **({"mask": keep} if mask else {}))
    return k.Model([x, *states, *([keep] if mask else [])], outputs), KEPT


add("conv-lstm-2d-with-initial-state", lambda k: conv_lstm_with_states(k, False))
add("masked-conv-lstm-2d-with-initial-state", lambda k: conv_lstm_with_states(k, True))


@case()
def conv_lstm_2d_encoder_decoder(k):
    """States of one go to the next, as in forecasts of radar images."""
    x, y = k.Input((3, 4, 4, 1), name="x"), k.Input((2, 4, 4, 1), name="y")
    _, h, c = k.layers.ConvLSTM2D(2, 3, padding="same", return_state=True)(x)
    z = k.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(y, initial_state=[h, c])
    z = k.layers.BatchNormalization()(z)
    return k.Model([x, y], k.layers.TimeDistributed(k.layers.Conv2D(1, 3, padding="same", activation="sigmoid"))(z))


@case()
def bidirectional_conv_lstm_2d(k):
    x = k.Input((3, 4, 4, 1), name="x")
    layer = k.layers.ConvLSTM2D(2, 2, return_sequences=True, return_state=True)
    return k.Model(x, k.layers.Bidirectional(layer, merge_mode="ave")(x))


@case()
def time_distributed_conv_lstm(k):
    x = k.Input((2, 3, 4, 1), name="x")
    return k.Model(x, k.layers.TimeDistributed(k.layers.ConvLSTM1D(2, 2, return_sequences=True))(x))


# ------------------------------------------------------------------ states that are kept
def fixed(k, shape, batch, name="x", dtype="float32"):
    """An input whose batch is known, as both Kerases want it for states."""
    if k.__version__.startswith("3"):
        return k.Input(batch_shape=(batch, *shape), name=name, dtype=dtype)
    return k.Input(shape, batch_size=batch, name=name, dtype=dtype)


def stateful(k, make, shape=(3, 2), batch=2):
    x = fixed(k, shape, batch)
    return k.Model(x, flat(make(k.layers)(x))), {"again": 2}


STATEFUL = {
    "lstm": lambda l: l.LSTM(3, stateful=True), "gru": lambda l: l.GRU(3, stateful=True, return_sequences=True),
    "gru-reset-before": lambda l: l.GRU(3, stateful=True, reset_after=False), "simple": lambda l: l.SimpleRNN(3, stateful=True, go_backwards=True),
    "lstm-with-state": lambda l: l.LSTM(2, stateful=True, return_state=True, return_sequences=True),
    "cell": lambda l: l.RNN(l.LSTMCell(2), stateful=True), "unrolled": lambda l: l.GRU(2, stateful=True, unroll=True),
    "stack": lambda l: l.RNN(l.StackedRNNCells([l.GRUCell(2), l.LSTMCell(3)]), stateful=True),
    "bidirectional": lambda l: l.Bidirectional(l.LSTM(2, stateful=True)),
    "bidirectional-sequences": lambda l: l.Bidirectional(l.GRU(2, stateful=True, return_sequences=True), merge_mode="sum"),
}
for name, make in STATEFUL.items():
    add(f"kept-states-of-{name}", lambda k, m=make: stateful(k, m))
CONVOLUTIONS = {
    "1d": (lambda l: l.ConvLSTM1D(2, 3, padding="same", stateful=True), (2, 4, 2)),
    "2d": (lambda l: l.ConvLSTM2D(2, 2, stateful=True, return_sequences=True, return_state=True), (2, 3, 4, 1)),
}
for name, (make, shape) in CONVOLUTIONS.items():
    add(f"kept-states-of-convolutions-{name}", lambda k, m=make, s=shape: stateful(k, m, s, batch=1))


@case()
def kept_states_of_a_sequential_model(k):
    x = fixed(k, (3, 2), 2)
    model = k.Sequential([x, k.layers.LSTM(3, stateful=True, return_sequences=True), k.layers.Dense(2), k.layers.GRU(2, stateful=True), k.layers.Dense(1)])
    return model, {"again": 2}


@case()
def kept_states_of_one_step(k):
    """As text is written letter by letter: the table, two layers, and a distribution."""
    x = fixed(k, (1,), 1, dtype="int32")
    y = k.layers.Embedding(5, 3)(x)
    y = k.layers.GRU(4, stateful=True, return_sequences=True)(y)
    y = k.layers.GRU(4, stateful=True)(y)
    return k.Model(x, k.layers.Dense(5, activation="softmax")(y)), {"ranges": {"x": (0.0, 5.0)}, "again": 3}


@case()
def kept_states_of_masked_steps(k):
    """Steps that are masked at the start give 0, not what was kept."""
    x = fixed(k, (6, 1), 3)
    y = k.layers.Masking(0.0)(k.layers.ReLU(max_value=1.0)(x))
    outputs = [k.layers.LSTM(2, stateful=True, return_sequences=True)(y), k.layers.GRU(2, stateful=True)(y)]
    outputs.append(k.layers.SimpleRNN(2, stateful=True, zero_output_for_mask=True, return_sequences=True)(y))
    return k.Model(x, outputs), {"ranges": {"x": (-1.0, 2.0)}, "again": 2}


@case()
def kept_states_of_a_layer_called_twice(k):
    """The second call begins with the states of the first."""
    x = fixed(k, (3, 2), 2)
    layer = k.layers.LSTM(3, stateful=True)
    return k.Model(x, k.layers.Concatenate()([layer(x), layer(k.layers.ReLU()(x))])), {"again": 2}


@case()
def kept_states_inside_a_model(k):
    inner_x = fixed(k, (3, 2), 2, name="inner_x")
    inner = k.Model(inner_x, k.layers.GRU(3, stateful=True)(inner_x), name="inner")
    x = fixed(k, (3, 2), 2)
    return k.Model(x, k.layers.Dense(2)(inner(x))), {"again": 2}


@case(only=3)
def kept_states_beside_given_ones(k):
    """States that are given count, whatever was kept."""
    x, state = fixed(k, (3, 2), 2), fixed(k, (3,), 2, name="state")
    layer = k.layers.GRU(3, stateful=True)
    return k.Model([x, state], layer(x, initial_state=state)), {"again": 1}
