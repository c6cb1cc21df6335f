"""Models whose point is the graph: nesting, sharing, several ends, masks, states, operators.

Each function takes the Keras module and gives a model, or (model, options of make_golden). The
decorator says for which Keras it holds; without a number it holds for both. `EXTRA` cases use
layers beyond the core list.
"""
CASES = []


def case(only=None, extra=False):
    def register(function):
        CASES.append((function.__name__.replace("_", "-"), only, extra, function))
        return function

    return register


# ------------------------------------------------------------------------------------ composition
@case()
def sequential_with_input_layer(k):
    return k.Sequential([k.layers.InputLayer(**{input_key(k): (4,)}, name="x"), k.layers.Dense(3), k.layers.Dense(2)])


def input_key(k):
    return "input_shape" if k.__version__.startswith("2") else "shape"


@case()
def sequential_with_input(k):
    return k.Sequential([k.Input((4,), name="x"), k.layers.Dense(3), k.layers.Dense(2)])


@case()
def sequential_input_shape_on_the_first_layer(k):
    return k.Sequential([k.layers.Dense(3, input_shape=(4,)), k.layers.Activation("relu"), k.layers.Dense(2)])


@case()
def nested_sequential(k):
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="relu"), k.layers.BatchNormalization()], name="inner")
    return k.Sequential([k.Input((4,), name="x"), inner, k.layers.Dense(2)])


@case()
def sequential_starts_with_a_sequential(k):
    first = k.layers.Conv2D(3, 3, activation="relu", input_shape=(6, 6, 2))
    inner = k.Sequential([first, k.layers.MaxPooling2D()], name="features")
    return k.Sequential([inner, k.layers.Flatten(), k.layers.Dense(2)])


@case()
def nested_functional(k):
    return nest(k, functional_block(k, "inner"))


def functional_block(k, name):
    """A residual block whose trainable and non-trainable weights alternate."""
    x = k.Input((4,))
    y = k.layers.BatchNormalization(name="norm")(k.layers.Dense(4, name="first")(x))
    z = k.layers.BatchNormalization(name="norm2")(k.layers.Dense(4, name="second")(y))
    return k.Model(x, k.layers.Add(name="add")([x, z]), name=name)


def nest(k, inner):
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dense(2, name="head")(inner(k.layers.Activation("tanh")(x))))


@case()
def nested_twice(k):
    x = k.Input((4,))
    middle = k.Model(x, k.layers.Dense(4, name="own")(functional_block(k, "deep")(x)), name="middle")
    return nest(k, middle)


@case()
def nested_models_with_equal_layer_names(k):
    x = k.Input((4,), name="x")
    return k.Model(x, functional_block(k, "right")(functional_block(k, "left")(x)))


@case()
def nested_model_called_twice(k):
    inner = functional_block(k, "inner")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    return k.Model([x, y], k.layers.Subtract()([inner(x), inner(inner(y))]))


@case()
def nested_model_with_two_inputs_and_outputs(k):
    a, b = k.Input((3,)), k.Input((2,))
    joined = k.layers.Concatenate()([a, b])
    inner = k.Model([a, b], [k.layers.Dense(2, name="p")(joined), k.layers.Dense(3, name="q")(b)], name="inner")
    x, y = k.Input((3,), name="x"), k.Input((2,), name="y")
    p, q = inner([x, y])
    return k.Model([x, y], [k.layers.Activation("tanh", name="tanh")(q), k.layers.Dense(2, name="head")(p)])


@case()
def nested_model_is_the_output_with_two_tensors(k):
    a = k.Input((3,))
    inner = k.Model(a, [k.layers.Dense(2)(a), k.layers.Dense(4)(a)], name="inner")
    x = k.Input((3,), name="x")
    return k.Model(x, inner(x))


@case()
def nested_model_passes_its_input_through(k):
    a = k.Input((3,))
    inner = k.Model(a, [a, k.layers.Dense(3)(a)], name="inner")
    x = k.Input((3,), name="x")
    return k.Model(x, k.layers.Add()(list(inner(x))))


@case()
def frozen_nested_model(k):
    inner = functional_block(k, "inner")
    inner.trainable = False
    return nest(k, inner)


@case()
def partly_frozen_nested_model(k):
    inner = functional_block(k, "inner")
    inner.get_layer("first").trainable = False
    inner.get_layer("norm2").trainable = False
    return nest(k, inner)


@case()
def shared_layer_called_three_times(k):
    shared = k.layers.Dense(4, activation="tanh", name="shared")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    return k.Model([x, y], k.layers.Concatenate()([shared(x), shared(shared(y))]))


@case()
def shared_layer_on_two_shapes(k):
    shared = k.layers.Conv2D(2, 3, padding="same", name="shared")
    x, y = k.Input((4, 4, 2), name="x"), k.Input((3, 5, 2), name="y")
    pool = k.layers.GlobalAveragePooling2D()
    return k.Model([x, y], k.layers.Add()([pool(shared(x)), pool(shared(y))]))


@case()
def shared_layer_gives_both_outputs(k):
    shared = k.layers.Dense(3, name="shared")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    return k.Model([x, y], [shared(y), shared(x)])


@case()
def wrapped_model(k):
    a = k.Input((3,))
    inner = k.Model(a, k.layers.BatchNormalization()(k.layers.Dense(2, activation="relu")(a)), name="inner")
    x = k.Input((4, 3), name="x")
    return k.Model(x, k.layers.TimeDistributed(inner)(x))


# ------------------------------------------------------------------------------ inputs and outputs
@case()
def several_inputs_and_outputs(k):
    image, extra = k.Input((4, 4, 1), name="image"), k.Input((3,), name="extra")
    features = k.layers.Flatten()(k.layers.Conv2D(2, 3)(image))
    both = k.layers.Concatenate()([features, extra])
    return k.Model([image, extra], [k.layers.Dense(2, activation="softmax", name="classes")(both), k.layers.Dense(1, name="value")(both)])


@case()
def inputs_out_of_order(k):
    a, b = k.Input((2,), name="a"), k.Input((3,), name="b")
    return k.Model([b, a], [k.layers.Dense(2, name="from_a")(a), k.layers.Dense(2, name="from_b")(b)])


@case()
def repeated_output(k):
    x = k.Input((3,), name="x")
    y = k.layers.Dense(2, name="y")(x)
    return k.Model(x, [y, k.layers.Activation("relu", name="z")(y), y])


@case()
def intermediate_output(k):
    x = k.Input((3,), name="x")
    hidden = k.layers.Dense(4, activation="relu", name="hidden")(x)
    return k.Model(x, [k.layers.Dense(2, name="last")(hidden), hidden])


@case()
def the_input_is_an_output(k):
    x = k.Input((3,), name="x")
    return k.Model(x, [k.layers.Dense(2, name="y")(x), x])


@case()
def identity_model(k):
    x = k.Input((3,), name="x")
    return k.Model(x, k.layers.Activation("linear", name="y")(x))


@case()
def layer_without_an_effect(k):
    """`unused` is no ancestor of an output, so Keras leaves it out of the config."""
    x = k.Input((3,), name="x")
    k.layers.Dense(5, name="unused")(x)
    return k.Model(x, k.layers.Dense(2, name="y")(x))


@case()
def free_height_and_width(k):
    x = k.Input((None, None, 2), name="x")
    y = k.layers.Conv2D(3, 3, strides=2, padding="same")(x)
    return k.Model(x, k.layers.Dense(2)(k.layers.GlobalMaxPooling2D()(y))), {"sizes": {"x": (7, 6, 2)}}


@case()
def free_sequence_length(k):
    x = k.Input((None, 2), name="x")
    return k.Model(x, k.layers.Dense(2)(k.layers.LSTM(3)(x))), {"sizes": {"x": (5, 2)}}


@case()
def fixed_batch_of_two(k):
    x = k.Input(batch_shape=(2, 3), name="x") if k.__version__[0] == "3" else k.Input(batch_size=2, shape=(3,), name="x")
    return k.Model(x, k.layers.Dense(2)(x))


@case()
def integer_input(k):
    x = k.Input((4,), name="ids", dtype="int32")
    y = k.layers.GlobalAveragePooling1D()(k.layers.Embedding(10, 3)(x))
    return k.Model(x, y), {"ranges": {"ids": (0.0, 10.0)}}


@case()
def one_tensor_used_twice_by_one_layer(k):
    x = k.Input((3,), name="x")
    y = k.layers.Dense(3)(x)
    return k.Model(x, [k.layers.Multiply(name="square")([y, y]), k.layers.Concatenate(name="twice")([y, x, y])])


@case()
def max_pooling_of_negative_numbers(k):
    """With padding "same" the padding must not win."""
    x = k.Input((5, 4, 2), name="x")
    return k.Model(x, k.layers.MaxPooling2D(3, 2, padding="same")(x)), {"ranges": {"x": (-9.0, -1.0)}}


# ------------------------------------------------------------------------------- states and masks
@case()
def lstm_initial_state(k):
    x = k.Input((4, 3), name="x")
    states = [k.Input((2,), name="h"), k.Input((2,), name="c")]
    return k.Model([x, *states], k.layers.LSTM(2, return_sequences=True)(x, initial_state=states)), {"batch": 2}


@case()
def gru_initial_state(k):
    x, h = k.Input((4, 3), name="x"), k.Input((2,), name="h")
    return k.Model([x, h], k.layers.GRU(2)(x, initial_state=h))


@case()
def simple_rnn_initial_state(k):
    x, h = k.Input((4, 3), name="x"), k.Input((2,), name="h")
    return k.Model([x, h], k.layers.SimpleRNN(2)(x, initial_state=[h]))


@case()
def bidirectional_initial_state(k):
    x = k.Input((4, 3), name="x")
    states = [k.Input((2,), name=name) for name in ("fh", "fc", "bh", "bc")]
    return k.Model([x, *states], k.layers.Bidirectional(k.layers.LSTM(2))(x, initial_state=states))


@case()
def encoder_decoder(k):
    """States travel from one recurrent layer to another."""
    source, target = k.Input((4, 3), name="source"), k.Input((3, 2), name="target")
    _, h, c = k.layers.LSTM(2, return_state=True, name="encoder")(source)
    decoded, _, _ = k.layers.LSTM(2, return_sequences=True, return_state=True, name="decoder")(target, initial_state=[h, c])
    return k.Model([source, target], k.layers.Dense(3, activation="softmax", name="head")(decoded))


@case()
def all_three_lstm_outputs(k):
    x = k.Input((4, 3), name="x")
    sequence, h, c = k.layers.LSTM(2, return_state=True, return_sequences=True, name="lstm")(x)
    return k.Model(x, [c, sequence, h])


@case()
def stacked_lstm(k):
    return k.Sequential([k.Input((4, 3), name="x"), k.layers.LSTM(3, return_sequences=True), k.layers.LSTM(2)])


def masked_tokens(k, *layers, vocabulary=3):
    """Few tokens, so that zeros (masked) come often, in the middle too."""
    x = k.Input((6,), name="ids", dtype="int32")
    y = k.layers.Embedding(vocabulary, 3, mask_zero=True)(x)
    for layer in layers:
        y = layer(y)
    return k.Model(x, y), {"ranges": {"ids": (0.0, float(vocabulary))}, "batch": 3}


@case()
def masked_lstm(k):
    return masked_tokens(k, k.layers.LSTM(2))


@case()
def masked_lstm_sequences(k):
    return masked_tokens(k, k.layers.LSTM(2, return_sequences=True))


@case()
def masked_lstm_backwards(k):
    return masked_tokens(k, k.layers.LSTM(2, go_backwards=True))


@case()
def masked_lstm_backwards_sequences(k):
    return masked_tokens(k, k.layers.LSTM(2, go_backwards=True, return_sequences=True))


@case()
def masked_lstm_states(k):
    model, options = masked_tokens(k)
    return k.Model(model.input, k.layers.LSTM(2, return_sequences=True, return_state=True)(model.output)), options


@case()
def masked_lstm_unrolled(k):
    return masked_tokens(k, k.layers.LSTM(2, unroll=True))


@case()
def masked_gru(k):
    return masked_tokens(k, k.layers.GRU(2))


@case()
def masked_gru_not_reset_after(k):
    return masked_tokens(k, k.layers.GRU(2, reset_after=False, return_sequences=True))


@case()
def masked_simple_rnn(k):
    return masked_tokens(k, k.layers.SimpleRNN(2, return_sequences=True))


@case()
def sequential_masked_tokens(k):
    """The config of a Sequential never says where masks go; that of a Keras 3 functional model holds them as nodes."""
    layers = [k.layers.Embedding(3, 3, mask_zero=True), k.layers.Dropout(0.5), k.layers.LSTM(3, return_sequences=True)]
    layers += [k.layers.TimeDistributed(k.layers.Dense(2)), k.layers.Bidirectional(k.layers.GRU(2))]
    return k.Sequential([k.Input((6,), name="ids", dtype="int32"), *layers]), {"ranges": {"ids": (0.0, 3.0)}, "batch": 3}


@case()
def sequential_masking(k):
    layers = [k.layers.ReLU(), k.layers.Masking(0.0), k.layers.LSTM(2, go_backwards=True, return_sequences=True), k.layers.SimpleRNN(2)]
    return k.Sequential([k.Input((6, 1), name="x"), *layers]), {"batch": 3}


@case()
def sequential_mask_reaches_average(k):
    layers = [k.layers.Embedding(3, 3, mask_zero=True), k.layers.GlobalAveragePooling1D()]
    return k.Sequential([k.Input((6,), name="ids", dtype="int32"), *layers]), {"ranges": {"ids": (0.0, 3.0)}, "batch": 3}


@case()
def sequential_with_a_masked_sequential_inside(k):
    inner = k.Sequential([k.Input((6,), dtype="int32"), k.layers.Embedding(3, 3, mask_zero=True), k.layers.Dense(3)], name="inner")
    return k.Sequential([k.Input((6,), name="ids", dtype="int32"), inner, k.layers.LSTM(2)]), {"ranges": {"ids": (0.0, 3.0)}, "batch": 3}


@case()
def masked_rnn_then_rnn(k):
    """The mask goes on through a layer that returns sequences."""
    return masked_tokens(k, k.layers.LSTM(3, return_sequences=True), k.layers.LSTM(2))


@case()
def masked_bidirectional(k):
    return masked_tokens(k, k.layers.Bidirectional(k.layers.LSTM(2)))


@case()
def masked_bidirectional_sequences(k):
    return masked_tokens(k, k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True)))


@case()
def masked_bidirectional_twice(k):
    return masked_tokens(
        k, k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True)), k.layers.Bidirectional(k.layers.LSTM(2), merge_mode="sum")
    )


@case()
def mask_passes_dropout_dense_and_activation(k):
    return masked_tokens(k, k.layers.Dropout(0.5), k.layers.Dense(3, activation="tanh"), k.layers.Activation("relu"), k.layers.LSTM(2))


@case()
def mask_passes_normalisation(k):
    return masked_tokens(k, k.layers.LayerNormalization(), k.layers.BatchNormalization(), k.layers.LSTM(2))


@case()
def mask_passes_time_distributed(k):
    return masked_tokens(k, k.layers.TimeDistributed(k.layers.Dense(2)), k.layers.LSTM(2))


@case()
def mask_reaches_global_average_pooling_1d(k):
    return masked_tokens(k, k.layers.GlobalAveragePooling1D())


@case()
def mask_stops_at_flatten(k):
    return masked_tokens(k, k.layers.Flatten(), k.layers.Dense(2))


@case()
def mask_through_add(k):
    x = k.Input((6,), name="ids", dtype="int32")
    a, b = (k.layers.Embedding(3, 2, mask_zero=True)(x) for _ in range(2))
    return k.Model(x, k.layers.LSTM(2)(k.layers.Add()([a, b]))), {"ranges": {"ids": (0.0, 3.0)}, "batch": 2}


@case()
def mask_through_add_with_an_unmasked(k):
    x = k.Input((6,), name="ids", dtype="int32")
    a, b = k.layers.Embedding(3, 2, mask_zero=True)(x), k.layers.Embedding(3, 2)(x)
    return k.Model(x, k.layers.LSTM(2)(k.layers.Add()([a, b]))), {"ranges": {"ids": (0.0, 3.0)}, "batch": 2}


@case()
def mask_through_concatenate(k):
    x, y = (k.Input((6,), name=name, dtype="int32") for name in ("ids", "more"))
    a, b = k.layers.Embedding(3, 2, mask_zero=True)(x), k.layers.Embedding(3, 2, mask_zero=True)(y)
    ranges = {"ids": (0.0, 3.0), "more": (0.0, 3.0)}
    return k.Model([x, y], k.layers.LSTM(2)(k.layers.Concatenate()([a, b]))), {"ranges": ranges, "batch": 2}


@case()
def mask_through_a_nested_model(k):
    a = k.Input((6, 3))
    inner = k.Model(a, k.layers.Dense(2)(a), name="inner")
    return masked_tokens(k, inner, k.layers.LSTM(2))


@case()
def embedding_inside_a_nested_model(k):
    a = k.Input((6,), dtype="int32")
    inner = k.Model(a, k.layers.Embedding(3, 3, mask_zero=True)(a), name="inner")
    x = k.Input((6,), name="ids", dtype="int32")
    return k.Model(x, k.layers.LSTM(2)(inner(x))), {"ranges": {"ids": (0.0, 3.0)}, "batch": 2}


def masking(k, mask_value, *layers, features=1):
    """A ReLU makes numbers that equal the mask value exactly."""
    x = k.Input((6, features), name="x")
    y = k.layers.ReLU(max_value=1.0)(x)
    y = k.layers.Masking(mask_value=mask_value)(y)
    for layer in layers:
        y = layer(y)
    return k.Model(x, y), {"ranges": {"x": (-1.0, 2.0)}, "batch": 3}


@case()
def masking_alone(k):
    return masking(k, 1.0)


@case()
def masking_lstm(k):
    return masking(k, 0.0, k.layers.LSTM(2))


@case()
def masking_lstm_other_value(k):
    return masking(k, 1.0, k.layers.LSTM(2, return_sequences=True))


@case()
def masking_needs_all_features(k):
    return masking(k, 0.0, k.layers.LSTM(2), features=2)


@case()
def masking_dropout_bidirectional(k):
    return masking(k, 0.0, k.layers.Dropout(0.5), k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True)))


@case()
def masking_time_distributed(k):
    return masking(k, 0.0, k.layers.TimeDistributed(k.layers.Dense(2)), k.layers.SimpleRNN(2))


def masked_with_states(k, build, count):
    """A masked sequence and initial states; a second layer shows whether the mask goes on."""
    x = k.Input((6, 1), name="x")
    states = [k.Input((2,), name=f"state{index}") for index in range(count)]
    masked = k.layers.Masking(0.0)(k.layers.ReLU(max_value=1.0)(x))
    given = {"initial_state": states}
    all_steps = build(return_sequences=True)(masked, **given)
    outputs = [build()(masked, **given), all_steps, k.layers.LSTM(2)(all_steps)]
    return k.Model([x, *states], outputs), {"ranges": {"x": (-1.0, 2.0)}, "batch": 3}


RECURRENT = {
    "lstm": (2, lambda k: k.layers.LSTM),
    "gru": (1, lambda k: k.layers.GRU),
    "simple-rnn": (1, lambda k: k.layers.SimpleRNN),
    "rnn": (2, lambda k: lambda units, **more: k.layers.RNN(k.layers.LSTMCell(units), **more)),
}
for name, (states, kind) in RECURRENT.items():
    for label, more in (("", {}), ("-backwards", {"go_backwards": True}), ("-unrolled", {"unroll": True})):
        CASES.append((
            f"masked-{name}{label}-with-initial-state", None, False,
            lambda k, n=states, f=kind, m=more: masked_with_states(k, lambda **more: f(k)(2, **(m | more)), n),
        ))
    CASES.append((
        f"masked-bidirectional-{name}-with-initial-state", None, False,
        lambda k, n=states, f=kind: masked_with_states(k, lambda **more: k.layers.Bidirectional(f(k)(2, **more)), 2 * n),
    ))


@case()
def mask_argument_with_initial_state(k):
    """Both Kerases use a mask that the call names, whatever else it is called with."""
    x, h, keep = k.Input((6, 3), name="x"), k.Input((2,), name="h"), k.Input((6,), name="keep", dtype="bool")
    y = k.layers.GRU(2, return_sequences=True)(x, initial_state=h, mask=keep)
    return k.Model([x, h, keep], [y, k.layers.LSTM(2)(y)]), {"ranges": {"keep": (0.0, 2.0)}, "batch": 3}


@case()
def masked_encoder_decoder(k):
    """Translation as Keras' examples have it: both sequences are padded."""
    source, target = (k.Input((5,), name=name, dtype="int32") for name in ("source", "target"))
    words = [k.layers.Embedding(3, 3, mask_zero=True)(ids) for ids in (source, target)]
    _, h, c = k.layers.LSTM(2, return_state=True)(words[0])
    decoded, *states = k.layers.LSTM(2, return_sequences=True, return_state=True)(words[1], initial_state=[h, c])
    outputs = [k.layers.TimeDistributed(k.layers.Dense(3))(decoded), *states]
    return k.Model([source, target], outputs), {"ranges": {"source": (0.0, 3.0), "target": (0.0, 3.0)}, "batch": 3}


def masked_unrolled_backwards(k, layer, states):
    """With and without states to start with; the mask is no palindrome."""
    x = k.Input((6, 1), name="x")
    given = [k.Input((2,), name=f"state{index}") for index in range(states)]
    y = k.layers.Masking(0.0)(k.layers.ReLU(max_value=1.0)(x))
    config = {"unroll": True, "go_backwards": True, "zero_output_for_mask": True}
    outputs = [layer(2, return_sequences=True, **config)(y), layer(2, return_sequences=True, **config)(y, initial_state=given)]
    if not k.__version__.startswith("2"):
        # Keras 2 stops at shapes that do not fit.
        outputs.append(layer(2, **config)(y))
    both = k.layers.Bidirectional(layer(2, return_sequences=True, unroll=True))(y)
    return k.Model([x, *given], [*outputs, both]), {"ranges": {"x": (-1.0, 2.0)}, "batch": 3}


for name, (states, kind) in RECURRENT.items():
    CASES.append((
        f"masked-{name}-zero-output-backwards-unrolled", None, False,
        lambda k, n=states, f=kind: masked_unrolled_backwards(k, f(k), n),
    ))


def softmax_with_mask(k, **config):
    """One mask of each type; the ranges let every kind of row appear, also rows in which nothing is kept."""
    x = k.Input((5, 4), name="x")
    keep = k.Input((5, 4), name="keep", dtype="bool")
    # A robust one fails in Keras on masks of integers.
    counts = k.Input((1, 4), name="counts", dtype="float32" if config.get("robust_masking") else "int32")
    rows = k.Input((5, 1), name="rows")
    softmax = k.layers.Softmax(**config)
    return k.Model([x, keep, counts, rows], [softmax(x, mask=mask) for mask in (keep, counts, rows)]), {
        "ranges": {"keep": (0.0, 2.0), "counts": (0.0, 2.0), "rows": (0.0, 1.0)}, "batch": 3}


for label, only, config in (("", None, {}), ("-over-axis-1", None, {"axis": 1}), ("-over-both", None, {"axis": [1, 2]}), ("-robust", 2, {"robust_masking": True})):
    CASES.append((f"softmax-with-mask{label}", only, False, lambda k, c=config: softmax_with_mask(k, **c)))


def merged_masks(k, cls):
    """Masked sequences with each other, with one that has no mask, and with one of lower rank."""
    a, b, free, low = (k.Input(shape, name=name) for name, shape in (("a", (6, 1)), ("b", (6, 1)), ("free", (6, 3)), ("low", (3,))))
    narrow = [k.layers.Masking(0.0)(k.layers.ReLU(max_value=1.0)(x)) for x in (a, b)]
    wide = [k.layers.Dense(3)(x) for x in narrow]

    def merge(*xs):
        return getattr(k.layers, cls)()(list(xs))

    outputs = [merge(*wide), merge(wide[0], free), merge(free, wide[1]), merge(wide[0], narrow[1]), merge(wide[1], low)]
    if cls != "Subtract":
        outputs += [merge(wide[0], free, wide[1]), merge(*wide, wide[0])]
    outputs += [k.layers.LSTM(2)(outputs[0]), k.layers.LSTM(2)(outputs[1])]
    return k.Model([a, b, free, low], outputs), {"ranges": {"a": (-1.0, 2.0), "b": (-1.0, 2.0)}, "batch": 3}


for cls in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
    CASES.append((f"merged-masks-{cls}", None, False, lambda k, c=cls: merged_masks(k, c)))


@case(3)
def mask_ends_at_rms_normalization(k):
    """RMSNormalization does not support masks: what comes after it sees all steps."""
    return masking(k, 0.0, k.layers.RMSNormalization(), k.layers.LSTM(2, return_sequences=True))


@case()
def everything_masked(k):
    """The states stay at zero."""
    model, options = masking(k, 0.0, k.layers.LSTM(2, return_sequences=True))
    return model, options | {"ranges": {"x": (-2.0, -1.0)}}


# --------------------------------------------------------------------------- aliases of Keras 2
def normalised(k, layer, name):
    """Trainable weights and statistics alternate."""
    x = k.Input((4,))
    y = layer(name="norm")(k.layers.Dense(3, name="first")(x))
    return k.Model(x, layer(scale=False, name="norm2")(k.layers.Dense(3, name="second")(y)), name=name)


def alias_alone(k, layer):
    x = k.Input((4,), name="x")
    return k.Model(x, layer()(x))


def alias_nested(k, layer):
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dense(2)(normalised(k, layer, "inner")(x)))


def alias_in_time_distributed(k, layer):
    """Of the layer, of a model, and of a model in which a wrapper holds the layer."""
    x = k.Input((2, 4), name="x")
    inner = k.Sequential([k.Input((3, 2)), k.layers.Dense(2), k.layers.TimeDistributed(layer()), k.layers.Dense(2)], name="steps")
    y = k.layers.TimeDistributed(normalised(k, layer, "inner"))(k.layers.TimeDistributed(layer())(x))
    z = k.layers.TimeDistributed(inner)(k.layers.Reshape((1, 3, 2))(y))
    return k.Model(x, [y, z])


for form in (alias_alone, alias_nested, alias_in_time_distributed):
    title = form.__name__.removeprefix("alias_").replace("_", "-")
    sync = lambda k, f=form: f(k, k.layers.experimental.SyncBatchNormalization)
    CASES.append((f"SyncBatchNormalization {title}", 2, False, sync))
    for alias in ("BatchNormalizationV1", "BatchNormalizationV2"):
        renamed = lambda k, f=form, a=alias: (f(k, k.layers.BatchNormalization), {"alias": ("BatchNormalization", a)})
        CASES.append((f"{alias} {title}", 2, False, renamed))


# ------------------------------------------------------------------------------ call arguments
@case()
def training_false_in_the_call(k):
    x = k.Input((3,), name="x")
    y = k.layers.BatchNormalization()(x, training=False)
    return k.Model(x, k.layers.Dropout(0.5)(y, training=False))


@case()
def base_model_called_with_training_false(k):
    """The usual way of transfer learning."""
    a = k.Input((6, 6, 2))
    base = k.Model(a, k.layers.BatchNormalization()(k.layers.Conv2D(3, 3)(a)), name="base")
    base.trainable = False
    x = k.Input((6, 6, 2), name="x")
    y = k.layers.GlobalAveragePooling2D()(base(x, training=False))
    return k.Model(x, k.layers.Dense(2)(k.layers.Dropout(0.2)(y)))


@case()
def embedding_of_float_input(k):
    x = k.Input((4,), name="ids")
    return k.Model(x, k.layers.Embedding(10, 2)(x)), {"ranges": {"ids": (0.0, 10.0)}}


# ------------------------------------------------------------------------- operators, Keras 2
@case(only=2)
def operators_with_constants(k):
    x = k.Input((4,), name="x")
    return k.Model(x, ((x * 2.0 + 1.0) - 0.5) / 4.0)


@case(only=2)
def operators_with_constants_on_the_left(k):
    x = k.Input((4,), name="x")
    return k.Model(x, 1.0 - 3.0 * x + 2.0 / (x + 5.0))


@case(only=2)
def operators_between_tensors(k):
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    return k.Model([x, y], [x + y, x - y, x * y, x / (y + 5.0), -x])


@case(only=2)
def operators_with_broadcasting(k):
    x, y = k.Input((3, 2, 4), name="x"), k.Input((1, 1, 4), name="y")
    return k.Model([x, y], x * y + y)


@case(only=2)
def operator_with_an_array(k):
    """EfficientNet divides by a list of numbers."""
    x = k.Input((3, 3), name="x")
    return k.Model(x, x / [0.5, 1.5, 2.5])


@case(only=2)
def mobilenet_v3_hard_swish(k):
    """keras.applications: relu6(x + 3) * (1 / 6), times x."""
    x = k.Input((3, 3, 4), name="x")
    y = k.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
    return k.Model(x, k.layers.Multiply()([x, y])), {"ranges": {"x": (-5.0, 5.0)}}


@case(only=2)
def slices(k):
    x = k.Input((6, 5, 4), name="x")
    return k.Model(x, [x[:, 1:3], x[..., ::2], x[:, 2], x[:, :, -2:, 1:2], x[:, ::2, ::2, :]])


@case(only=2)
def slice_with_a_new_axis(k):
    x = k.Input((4,), name="x")
    return k.Model(x, x[:, None, :])


@case(only=2)
def tf_functions_pointwise(k):
    import tensorflow as tf

    x = k.Input((6,), name="x")
    functions = (tf.nn.relu, tf.nn.relu6, tf.sigmoid, tf.tanh, tf.nn.swish, tf.abs, tf.exp, tf.square, tf.nn.softplus, tf.nn.elu, tf.nn.leaky_relu)
    return k.Model(x, [function(x) for function in functions])


@case(only=2)
def tf_functions_binary(k):
    import tensorflow as tf

    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    functions = (tf.add, tf.subtract, tf.multiply, tf.maximum, tf.minimum)
    return k.Model([x, y], [function(x, y) for function in functions])


@case(only=2)
def tf_functions_of_shape(k):
    import tensorflow as tf

    x = k.Input((3, 4), name="x")
    outputs = [tf.reshape(x, (-1, 12)), tf.transpose(x, [0, 2, 1]), tf.expand_dims(x, -1), tf.concat([x, x], axis=-1)]
    outputs += [tf.reduce_mean(x, axis=1), tf.reduce_max(x, axis=[1], keepdims=True), tf.pad(x, [[0, 0], [1, 0], [0, 2]])]
    outputs += [tf.clip_by_value(x, -0.5, 0.5), tf.nn.softmax(x), tf.stack([x, x], axis=1), tf.squeeze(x[:, :1], axis=1)]
    return k.Model(x, outputs)


@case(only=2)
def tf_functions_for_images(k):
    import tensorflow as tf

    x = k.Input((4, 4, 4), name="x")
    return k.Model(x, [tf.nn.depth_to_space(x, 2), tf.nn.space_to_depth(x, 2), tf.image.resize(x, (6, 8))])


@case(only=2)
def tf_functions_of_elements(k):
    import tensorflow as tf

    x = k.Input((6,), name="x")
    near, positive = tf.tanh(x) * 0.9, tf.abs(x) + 0.1
    outputs = [tf.math.expm1(x), tf.math.log1p(positive), tf.math.rsqrt(positive), tf.math.reciprocal(positive), tf.sign(x)]
    outputs += [tf.floor(x), tf.math.ceil(x), tf.round(x), tf.sin(x), tf.cos(x), tf.tan(near), tf.atan(x), tf.math.erf(x)]
    outputs += [tf.sqrt(positive), tf.math.log(positive), tf.math.log_sigmoid(x), tf.nn.softsign(x), tf.nn.selu(x), tf.nn.gelu(x)]
    outputs += [tf.nn.gelu(x, approximate=True), tf.nn.leaky_relu(x, alpha=0.3), tf.pow(x, 2.0), tf.pow(positive, 1.7)]
    return k.Model(x, outputs + [tf.nn.log_softmax(x), tf.identity(x), tf.stop_gradient(x), tf.zeros_like(x), tf.ones_like(x)])


@case(only=2)
def tf_functions_of_two(k):
    import tensorflow as tf

    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    positive = tf.abs(y) + 0.5
    outputs = [tf.math.floordiv(x, positive), tf.math.floormod(x, positive), tf.pow(positive, y), tf.math.squared_difference(x, y)]
    outputs += [tf.where(x > y, x, y * 2.0), tf.cast(x > y, "float32"), tf.cast(x <= y, "float32"), tf.cast(tf.equal(x, x), "float32")]
    outputs += [tf.cast(tf.math.logical_and(x > 0.0, y > 0.0), "float32"), tf.cast(tf.math.logical_or(x > 0.0, y >= 1.0), "float32")]
    return k.Model([x, y], outputs + [tf.cast(tf.math.logical_not(x < y), "float32"), tf.cast(tf.cast(x, "int32"), "float32")])


@case(only=2)
def tf_reductions(k):
    import tensorflow as tf

    x = k.Input((3, 4), name="x")
    outputs = [tf.reduce_sum(x, axis=[1, 2]), tf.reduce_min(x, axis=-1), tf.reduce_prod(x, axis=1, keepdims=True)]
    outputs += [tf.math.reduce_variance(x, axis=1), tf.math.reduce_std(x, axis=2), tf.reduce_logsumexp(x, axis=1)]
    outputs += [tf.cast(tf.reduce_any(x > 0.5, axis=1), "float32"), tf.cast(tf.reduce_all(x > -1.0, axis=2), "float32")]
    return k.Model(x, outputs + [tf.math.l2_normalize(x, axis=1)])


@case(only=2)
def tf_functions_of_shape_more(k):
    import tensorflow as tf

    x, y = k.Input((3, 4), name="x"), k.Input((2, 4), name="y")
    outputs = [*tf.split(x, num_or_size_splits=2, axis=2), *tf.split(x, num_or_size_splits=[1, 2], axis=1)]
    outputs += [tf.reverse(x, axis=[1]), tf.repeat(x, repeats=2, axis=1), tf.tile(x, multiples=[1, 2, 1])]
    outputs += [tf.matmul(x, y, transpose_b=True), tf.image.resize(tf.expand_dims(x, axis=3), size=[5, 3], method="nearest")]
    return k.Model([x, y], outputs)


# ------------------------------------------------------------------------- operators, Keras 3
@case(only=3)
def ops_with_constants(k):
    x = k.Input((4,), name="x")
    return k.Model(x, ((x * 2.0 + 1.0) - 0.5) / 4.0)


@case(only=3)
def ops_with_constants_on_the_left(k):
    x = k.Input((4,), name="x")
    return k.Model(x, 1.0 - 3.0 * x + 2.0 / (x + 5.0))


@case(only=3)
def ops_between_tensors(k):
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    return k.Model([x, y], [x + y, x - y, x * y, x / (y + 5.0), -x])


@case(only=3)
def ops_with_broadcasting(k):
    x, y = k.Input((3, 2, 4), name="x"), k.Input((1, 1, 4), name="y")
    return k.Model([x, y], x * y + y)


@case(only=3)
def get_item(k):
    x = k.Input((6, 5, 4), name="x")
    return k.Model(x, [x[:, 1:3], x[..., ::2], x[:, 2], x[:, :, -2:, 1:2], x[:, ::2, ::2, :]])


@case(only=3)
def ops_pointwise(k):
    x = k.Input((6,), name="x")
    functions = (k.ops.relu, k.ops.relu6, k.ops.sigmoid, k.ops.tanh, k.ops.silu, k.ops.abs, k.ops.exp, k.ops.square, k.ops.softplus, k.ops.gelu)
    return k.Model(x, [function(x) for function in functions])


@case(only=3)
def ops_binary(k):
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    functions = (k.ops.add, k.ops.subtract, k.ops.multiply, k.ops.maximum, k.ops.minimum)
    return k.Model([x, y], [function(x, y) for function in functions])


@case(only=3)
def ops_of_shape(k):
    x = k.Input((3, 4), name="x")
    outputs = [k.ops.reshape(x, (-1, 12)), k.ops.transpose(x, [0, 2, 1]), k.ops.expand_dims(x, -1), k.ops.concatenate([x, x], axis=-1)]
    outputs += [k.ops.mean(x, axis=1), k.ops.max(x, axis=[1], keepdims=True), k.ops.pad(x, [[0, 0], [1, 0], [0, 2]])]
    outputs += [k.ops.clip(x, -0.5, 0.5), k.ops.softmax(x), k.ops.stack([x, x], axis=1)]
    return k.Model(x, outputs)


@case(only=3)
def two_ops_of_one_kind(k):
    """add, add_1, … are names of nodes; the class is the operator."""
    x = k.Input((4,), name="x")
    y = k.layers.Dense(4, name="dense")(x) + x
    return k.Model(x, y + x + 0.5)


@case(only=3)
def add_layer_and_add_op(k):
    """Both have the class name "Add"; their module tells them apart."""
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Add()([x, x]) + x)


@case(only=3)
def dict_inputs_and_outputs(k):
    a, b = k.Input((2,), name="a"), k.Input((3,), name="b")
    joined = k.layers.Concatenate()([a, b])
    return k.Model([a, b], [k.layers.Dense(2, name="p")(joined), k.layers.Dense(3, name="q")(joined)])


@case(only=3)
def ops_of_elements(k):
    o, x = k.ops, k.Input((6,), name="x")
    near, positive = o.tanh(x) * 0.9, o.abs(x) + 0.1
    outputs = [o.expm1(x), o.log(positive), o.log1p(positive), o.log2(positive), o.log10(positive), o.sqrt(positive), o.rsqrt(positive)]
    outputs += [o.reciprocal(positive), o.sign(x), o.floor(x), o.ceil(x), o.trunc(x), o.round(x), o.sin(x), o.cos(x), o.tan(near)]
    outputs += [o.sinh(x), o.cosh(x), o.arcsin(near), o.arccos(near), o.arctan(x), o.arcsinh(x), o.arccosh(positive + 1.0), o.arctanh(near)]
    outputs += [o.erf(x), o.power(x, 2), o.power(positive, 1.7), o.stop_gradient(x), o.zeros_like(x), o.ones_like(x)]
    return k.Model(x, outputs)


@case(only=3)
def ops_of_activation(k):
    o, x = k.ops, k.Input((3, 4), name="x")
    outputs = [o.softsign(x), o.log_sigmoid(x), o.hard_sigmoid(x), o.hard_silu(x), o.hard_tanh(x), o.tanh_shrink(x), o.selu(x)]
    outputs += [o.sparse_plus(x), o.sparse_sigmoid(x), o.gelu(x, approximate=False), o.leaky_relu(x, negative_slope=0.3), o.elu(x, alpha=0.7)]
    outputs += [o.celu(x, alpha=0.7), o.squareplus(x, b=3), o.hard_shrink(x, threshold=0.4), o.soft_shrink(x, threshold=0.4)]
    return k.Model(x, outputs + [o.softmax(x, axis=1), o.log_softmax(x, axis=1), o.glu(x, axis=-1)])


@case(only=3)
def ops_of_two(k):
    o, x, y = k.ops, k.Input((4,), name="x"), k.Input((4,), name="y")
    positive = o.abs(y) + 0.5
    outputs = [x // positive, x % positive, o.power(positive, y), o.logaddexp(x, y), o.where(x > y, x, y * 2.0), o.divide(x, positive)]
    tests = [x > y, x >= 0.5, x < y, x <= 0.5, o.equal(x, x), o.not_equal(x, y), o.logical_and(x > 0.0, y > 0.0)]
    tests += [o.logical_or(x > 0.0, y > 1.0), o.logical_xor(x > 0.0, y > 0.0), o.logical_not(x > 0.0)]
    return k.Model([x, y], outputs + [o.cast(test, "float32") for test in tests] + [o.cast(o.cast(x, "int32"), "float32")])


@case(only=3)
def ops_of_reduction(k):
    o, x = k.ops, k.Input((3, 4), name="x")
    outputs = [o.sum(x, axis=[1, 2]), o.min(x, axis=-1), o.prod(x, axis=1, keepdims=True), o.amax(x, axis=1), o.amin(x, axis=2)]
    outputs += [o.var(x, axis=1), o.std(x, axis=2), o.logsumexp(x, axis=1)]
    return k.Model(x, outputs + [o.cast(o.any(x > 0.5, axis=1), "float32"), o.cast(o.all(x > -1.0, axis=2), "float32")])


@case(only=3)
def ops_of_shape_more(k):
    o, x, y = k.ops, k.Input((3, 4), name="x"), k.Input((4, 2), name="y")
    outputs = [*o.split(x, 2, axis=2), *o.split(x, [1], axis=1), o.swapaxes(x, 1, 2), o.squeeze(o.expand_dims(x, 1), axis=1)]
    outputs += [o.flip(x, axis=1), o.repeat(x, 2, axis=1), o.tile(x, [1, 2, 1]), o.matmul(x, y), o.pad(x, [[0, 0], [1, 0], [0, 2]], constant_values=3.0)]
    image = o.expand_dims(x, 3)
    outputs += [o.image.resize(image, (5, 3), interpolation="nearest"), o.image.resize(image, (6, 8)), o.image.resize(image, (5, 7), interpolation="bicubic")]
    return k.Model([x, y], outputs)


# ------------------------------------------------------------------ beyond the core list of layers
@case(extra=True)
def multi_head_attention(k):
    x, y = k.Input((3, 4), name="x"), k.Input((5, 4), name="y")
    return k.Model([x, y], k.layers.MultiHeadAttention(2, 3)(x, y))


@case(extra=True)
def self_attention_block(k):
    x = k.Input((4, 6), name="x")
    y = k.layers.LayerNormalization()(k.layers.Add()([x, k.layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x)]))
    z = k.layers.Dense(6)(k.layers.Dense(8, activation="gelu")(y))
    return k.Model(x, k.layers.LayerNormalization()(k.layers.Add()([y, z])))


@case(extra=True)
def mixed_float16_policy(k):
    """Computes in half precision; tolerance to match."""
    x = k.Input((5,), name="x")
    y = k.layers.Dense(4, activation="relu", dtype="mixed_float16")(x)
    return k.Model(x, k.layers.Dense(2, dtype="float32")(y)), {"rtol": 1e-2, "atol": 1e-2}


@case(extra=True)
def float64_layers(k):
    x = k.Input((5,), name="x", dtype="float64")
    return k.Model(x, k.layers.Dense(2, dtype="float64")(x))


@case(extra=True)
def stateful_lstm(k):
    """The first call starts at zero."""
    x = k.Input(batch_shape=(1, 4, 3), name="x") if k.__version__[0] == "3" else k.Input(batch_size=1, shape=(4, 3), name="x")
    return k.Model(x, k.layers.LSTM(2, stateful=True)(x)), {"again": 1}


@case(extra=True)
def stacked_rnn_cells(k):
    cells = [k.layers.LSTMCell(2), k.layers.LSTMCell(3)]
    return k.Sequential([k.Input((4, 3), name="x"), k.layers.RNN(cells)])
