"""What a file may say of a model besides its layers: forms of inputs and outputs, types of numbers, quantisation.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import numpy as np

import golden

CASES, case = golden.registry()


def dense(k, units, name, **config):
    return k.layers.Dense(units, name=name, **config)


# ------------------------------------------------------------------------------- inputs and outputs
@case()
def outputs_in_a_dict(k):
    x = k.Input((4,), name="x")
    y = dense(k, 3, "hidden")(x)
    return k.Model(x, {"zeta": dense(k, 2, "first")(y), "alpha": dense(k, 1, "second")(y)})


@case()
def outputs_in_a_dict_from_one_layer(k):
    x, layer = k.Input((4,), name="x"), dense(k, 4, "shared")
    y = layer(x)
    return k.Model(x, {"twice": layer(y), "once": y, "again": y})


@case()
def outputs_nested(k):
    x, layer = k.Input((4,), name="x"), dense(k, 2, "shared")
    return k.Model(x, {"pair": [layer(x), dense(k, 3, "second")(x)], "more": {"last": dense(k, 1, "third")(x)}})


@case()
def outputs_in_nested_lists(k):
    x = k.Input((4,), name="x")
    a, b, c, d = [dense(k, units, f"d{units}")(x) for units in (2, 3, 1, 4)]
    return k.Model(x, [a, [b, (c, d)]])


@case()
def inputs_in_a_dict(k):
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    return k.Model({"b": b, "a": a}, k.layers.Concatenate()([dense(k, 2, "of_a")(a), dense(k, 3, "of_b")(b)]))


@case()
def inputs_nested(k):
    a, b, c = k.Input((4,), name="a"), k.Input((3,), name="b"), k.Input((2,), name="c")
    return k.Model([a, [b, c]], dense(k, 2, "dense")(k.layers.Concatenate()([c, a, b])))


def three(k, inputs_of):
    """A model whose three inputs matter differently, inside another one."""
    a, b, c = [k.Input((4,), name=name) for name in ("zeta", "beta", "gamma")]
    y = k.layers.Subtract(name="less")([dense(k, 4, "of_a")(a), k.layers.Multiply(name="times")([b, c])])
    inner = k.Model(inputs_of(a, b, c), y, name="inner")
    x = [k.Input((4,), name=name) for name in "xyz"]
    return k.Model(x, dense(k, 2, "outer")(inner(inputs_of(*x))))


@case()
def model_inside_takes_a_dict(k):
    return three(k, lambda a, b, c: {"last": a, "first": b, "middle": c})


@case()
def model_inside_takes_a_nested_dict(k):
    return three(k, lambda a, b, c: {"pair": [a, b], "alone": c})


@case()
def model_inside_is_called_on_what_it_gave(k):
    """Calls of a model inside count from 0 where tensors are taken, and from 1 among the outputs, in Keras 3."""
    i = k.Input((4,), name="i")
    inner = k.Model(i, {"u": dense(k, 4, "of_u")(i), "v": dense(k, 4, "of_v")(i)}, name="inner")
    x = k.Input((4,), name="x")
    first = inner(x)
    second = inner(first["u"])
    total = k.layers.Subtract(name="less")([first["u"], second["v"]])
    return k.Model(x, [first["v"], second["u"], second["v"], total])


@case()
def only_the_second_call_of_a_model_inside_goes_on(k):
    i = k.Input((4,), name="i")
    inner = k.Model(i, dense(k, 4, "dense")(i), name="inner")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    first = inner(x)
    return k.Model([x, y], [first, k.layers.ReLU(name="relu")(inner(y))])


@case()
def models_inside_models_shared(k):
    def stage(name, inner):
        """Two outputs, the inner model called on its own results."""
        x = k.Input((4,), name=f"of_{name}")
        results = inner(x)
        return k.Model(x, [results[1], inner(results[0])[0]], name=name)

    i = k.Input((4,), name="i")
    innermost = k.Model(i, [dense(k, 4, "d")(i), dense(k, 4, "e")(i)], name="a")
    outer = stage("c", stage("b", innermost))
    x = k.Input((4,), name="x")
    first = outer(x)
    return k.Model(x, [first[1], *outer(first[0])])


@case()
def subclass_of_a_model(k):
    class Extended(k.Model):
        pass

    i = k.Input((4,), name="i")
    inner = Extended(i, [dense(k, 4, "d")(i), dense(k, 4, "e")(i)], name="inner")
    x = k.Input((4,), name="x")
    first = inner(x)
    return Extended(x, {"out": k.layers.Subtract(name="less")([first[0], inner(first[1])[1]])}, name="outer")


# ----------------------------------------------------------------------------------- types of floats
# Here everything is computed in float32, with weights that are not rounded. Keras rounds weights, inputs and every result to
# half precision: 2^-11 of float16 and 2^-8 of bfloat16 each time, which a few layers multiply by no more than these:
HALF = {"float16": 1e-2, "bfloat16": 6e-2}


def small_network(k, policy):
    """Products, statistics and a softmax."""
    x = k.Input((6,), name="x")
    y = dense(k, 5, "a", activation="relu", dtype=policy)(x)
    y = k.layers.LayerNormalization(name="centred", dtype=policy)(k.layers.BatchNormalization(name="norm", dtype=policy)(y))
    return k.Model(x, dense(k, 3, "b", activation="softmax", dtype=policy)(y))


def tolerance(policy):
    kind = policy.removeprefix("mixed_")
    return {"rtol": HALF[kind], "atol": HALF[kind]} if kind in HALF else {}


def set_policy(k, policy):
    (k.mixed_precision.set_global_policy if k.__version__.startswith("2") else k.config.set_dtype_policy)(policy)


def add_policies():
    for policy in ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"):

        def each(k, policy=policy):
            return small_network(k, policy), tolerance(policy)

        def everywhere(k, policy=policy):
            set_policy(k, policy)
            try:
                return small_network(k, None), tolerance(policy)
            finally:
                set_policy(k, "float32")

        CASES.append((f"layers-of-{policy}", None, each))
        CASES.append((f"policy-{policy}", None, everywhere))


add_policies()


@case(only=2)
def policy_object(k):
    return small_network(k, k.mixed_precision.Policy("mixed_float16")), tolerance("float16")


@case(only=3)
def policy_map(k):
    policies = k.dtype_policies.DTypePolicyMap(default_policy="mixed_float16")
    x = k.Input((5, 4), name="x")
    return k.Model(x, k.layers.MultiHeadAttention(2, 2, name="heads", dtype=policies)(x, x)), tolerance("float16")


@case()
def mixed_float16_with_images_and_recurrence(k):
    set_policy(k, "mixed_float16")
    try:
        x = k.Input((6, 6, 2), name="x")
        y = k.layers.Reshape((16, 3))(k.layers.Conv2D(3, 3, name="conv", activation="relu")(x))
        y = k.layers.LSTM(3, name="lstm")(y)
        return k.Model(x, dense(k, 3, "out", dtype="float32")(y)), tolerance("float16")
    finally:
        set_policy(k, "float32")


# --------------------------------------------------------------------------------- types of integers
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


def add_integers():
    for dtype in INTEGERS + ("bool",):
        lowest = 0.0 if dtype.startswith("u") or dtype == "bool" else -4.0
        ranges = {"ranges": {"x": (lowest, 2.0 if dtype == "bool" else 5.0)}}

        def as_floats(k, dtype=dtype, ranges=ranges):
            return k.Model(x := k.Input((5,), name="x", dtype=dtype), dense(k, 2, "dense")(x)), ranges

        def as_indices(k, dtype=dtype):
            x = k.Input((5,), name="x", dtype=dtype)
            y = k.layers.Embedding(7, 2, name="table")(x)
            return k.Model(x, y), {"ranges": {"x": (0.0, 7.0)}}

        CASES.append((f"input-of-{dtype}", None, as_floats))
        if dtype != "bool":
            CASES.append((f"indices-of-{dtype}", None, as_indices))


add_integers()


@case()
def output_of_integers(k):
    ops = k.ops if k.__version__.startswith("3") else __import__("tensorflow")
    x = k.Input((5,), name="x")
    return k.Model(x, ops.argmax(dense(k, 4, "dense")(x), -1))


# -------------------------------------------------------------------------------- weights in few bits
def of_few_bits(low, high, scale):
    """Ranges for integers from `low` to `high`, and for their scales."""

    def choose(layer, name, shape):
        if name.endswith("_scale"):
            return scale
        if name in ("kernel_zero", "zero_point", "embeddings_zero", "reverse_embeddings_zero"):
            return (0.0, 16.0) if low == 0 else (-8.0, 8.0)
        if name == "g_idx":
            return 0.0, 0.0
        if name == "awq_scales":
            return 0.5, 2.0
        if name.endswith("amax_history"):
            return 1.0, 2.0
        integers = low is not None and name in ("kernel", "embeddings", "reverse_embeddings")
        return (low, high) if integers else golden.small_range(layer, name, shape)

    return choose


INT8 = of_few_bits(-127.0, 128.0, (60.0, 120.0))
INT4 = of_few_bits(-128.0, 128.0, (4.0, 9.0))
FLOAT8 = of_few_bits(None, None, (0.004, 0.01))
GROUPED = of_few_bits(0.0, 256.0, (0.01, 0.05))


def far_from_ties(k, model, inputs):
    """Keras' prediction, on inputs of which no number lies close to the middle of two that it is rounded to: which one it
    becomes would be up to the last digit of a quotient."""
    for layer in model.layers:
        if getattr(layer, "inputs_quantizer", None) is None or layer.input.dtype.startswith("int"):
            continue
        values = np.asarray(k.Model(model.inputs, layer.input)(golden.feed(inputs)))
        axes = tuple(getattr(layer, "_input_reduced_axes", (values.ndim - 1,)))
        scaled = values * (127 / (np.abs(values).max(axis=axes, keepdims=True) + 1e-7))
        assert np.abs(scaled - np.floor(scaled) - 0.5).min() > 1e-4, layer.name
    return golden.run(model, inputs)


def quantized(k, model, choose, **options):
    for layer in model.layers:
        layer.is_gptq_calibrated = layer.is_awq_calibrated = True  # as in a file
    weights = golden.describe_weights(model, choose)
    return model, {"weights": weights, "compute": lambda model, inputs: far_from_ties(k, model, inputs), **options}


def add_quantized():
    modes = {
        "int8_from_float32": INT8,
        "int4_from_float32": INT4,
        "int4/-1_from_float32": INT4,
        "int4/8_from_float32": INT4,
        "float8_from_float32": FLOAT8,
        "gptq/4/-1_from_float32": GROUPED,
        "gptq/8/-1_from_float32": GROUPED,
        "gptq/3/8_from_float32": of_few_bits(0.0, 8.0, (0.1, 0.3)),
        "awq/4/-1_from_float32": GROUPED,
    }
    for mode, choose in modes.items():

        def of_dense(k, mode=mode, choose=choose):
            x = k.Input((6,), name="x")
            y = dense(k, 5, "first", activation="relu", dtype=mode)(x)
            return quantized(k, k.Model(x, dense(k, 3, "second", use_bias=False, dtype=mode)(y)), choose, batch=2)

        def of_einsum(k, mode=mode, choose=choose):
            x = k.Input((4, 6), name="x")
            y = k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", dtype=mode, name="apart")(x)
            y = k.layers.EinsumDense("abcd,cde->abe", (None, 5), activation="tanh", dtype=mode, name="together")(y)
            return quantized(k, k.Model(x, y), choose, batch=2)

        name = mode.removesuffix("_from_float32")
        CASES.append((f"dense-of-{name}", 3, of_dense))
        CASES.append((f"einsum-of-{name}", 3, of_einsum))
        if not name.startswith("int"):
            continue

        def of_embedding(k, mode=mode, choose=choose):
            x = k.Input((5,), name="x", dtype="int32")
            y = k.layers.Embedding(7, 6, name="table", dtype=mode)(x)
            return quantized(k, k.Model(x, y), choose, ranges={"x": (0.0, 7.0)})

        CASES.append((f"embedding-of-{name}", 3, of_embedding))
        for tied in (True, False):

            def both_ways(k, mode=mode, choose=choose, tied=tied):
                x = k.Input((5,), name="x", dtype="int32")
                table = k.layers.ReversibleEmbedding(7, 6, tie_weights=tied, name="table", dtype=mode, logit_soft_cap=3.0)
                y = table(dense(k, 6, "dense", activation="tanh")(table(x)), reverse=True)
                # Keras' layer has no input of its own to look at: ties are as likely as ever.
                return quantized(k, k.Model(x, y), choose, ranges={"x": (0.0, 7.0)}, compute=golden.run)

            CASES.append((f"{'tied' if tied else 'untied'}-embedding-of-{name}", 3, both_ways))


add_quantized()


@case(only=3)
def inputs_rounded_otherwise(k):
    """Quantisers of inputs with another range and epsilon, and none."""
    q = k.quantizers
    coarse = q.Int8QuantizationConfig(activation_quantizer=q.AbsMaxQuantizer(value_range=(-60, 60), epsilon=1e-3))
    x = k.Input((6,), name="x")
    y = dense(k, 5, "coarse", dtype="int8_from_float32", quantization_config=coarse)(x)
    alone = q.Int8QuantizationConfig(activation_quantizer=None)
    y = dense(k, 4, "alone", dtype="int8_from_float32", quantization_config=alone)(y)
    rounded = q.Int4QuantizationConfig(activation_quantizer=q.AbsMaxQuantizer(), block_size=None)
    z = k.layers.EinsumDense("ab,bc->ac", (3,), dtype="int4/-1_from_float32", quantization_config=rounded, name="four")(y)
    return quantized(k, k.Model(x, z), INT8, compute=golden.run)


@case(only=3)
def int8_of_mixed_bfloat16(k):
    x = k.Input((6,), name="x")
    y = dense(k, 5, "dense", dtype="int8_from_mixed_bfloat16")(x)
    return quantized(k, k.Model(x, y), INT8, compute=golden.run, **tolerance("bfloat16"))


# ---------------------------------------------------------------------------- whole networks, tiny
def transformer_block(k, x, name, mask=None, causal=False):
    attended = k.layers.MultiHeadAttention(2, 4, name=f"{name}_attention")
    options = {"attention_mask": mask} if mask is not None else {"use_causal_mask": True} if causal else {}
    y = k.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(k.layers.Add(name=f"{name}_sum1")([x, attended(x, x, **options)]))
    z = k.layers.Dropout(0.1, name=f"{name}_drop")(dense(k, 8, f"{name}_down")(dense(k, 16, f"{name}_up", activation="gelu")(y)))
    return k.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(k.layers.Add(name=f"{name}_sum2")([y, z]))


@case()
def network_bert_like(k):
    """Tokens, positions and segments with a mask of padding; the sequence and a pooled first token."""
    tokens, places, kinds = [k.Input((6,), name=name, dtype="int32") for name in ("tokens", "places", "kinds")]
    mask = k.Input((6,), name="mask", dtype="int32")
    tables = [k.layers.Embedding(rows, 8, name=f"of_{name}") for rows, name in ((20, "tokens"), (6, "places"), (2, "kinds"))]
    x = k.layers.Add(name="embedded")([table(ids) for table, ids in zip(tables, (tokens, places, kinds))])
    x = k.layers.LayerNormalization(epsilon=1e-12, name="norm")(x)
    shared = k.layers.Reshape((1, 6), name="of_all")(mask)
    for block in ("block1", "block2"):
        x = transformer_block(k, x, block, mask=shared)
    pooled = dense(k, 8, "pooled", activation="tanh")(k.layers.Flatten(name="first")(k.layers.Cropping1D((0, 5), name="cut")(x)))
    model = k.Model([tokens, places, kinds, mask], {"sequence": x, "pooled": pooled}, name="bert")
    return model, {"ranges": {"tokens": (0.0, 20.0), "places": (0.0, 6.0), "kinds": (0.0, 2.0), "mask": (0.4, 2.0)}}


@case()
def network_gpt_like(k):
    tokens, places = [k.Input((6,), name=name, dtype="int32") for name in ("tokens", "places")]
    x = k.layers.Add(name="embedded")([k.layers.Embedding(20, 8, name="wte")(tokens), k.layers.Embedding(6, 8, name="wpe")(places)])
    for block in ("block1", "block2"):
        x = transformer_block(k, x, block, causal=True)
    logits = dense(k, 20, "logits", use_bias=False)(k.layers.LayerNormalization(name="norm")(x))
    return k.Model([tokens, places], logits, name="gpt"), {"ranges": {"tokens": (0.0, 20.0), "places": (0.0, 6.0)}}


@case()
def network_vit(k):
    x = k.Input((8, 8, 3), name="image")
    y = k.layers.Reshape((16, 8), name="patches")(k.layers.Conv2D(8, 2, strides=2, name="patch")(x))
    for block in ("block1", "block2"):
        y = transformer_block(k, y, block)
    y = k.layers.GlobalAveragePooling1D(name="mean")(k.layers.LayerNormalization(name="norm")(y))
    return k.Model(x, dense(k, 5, "classes", activation="softmax")(y), name="vit")


@case()
def network_u_net(k):
    def twice(x, filters, name):
        for part in "ab":
            x = k.layers.Conv2D(filters, 3, padding="same", name=f"{name}{part}")(x)
            x = k.layers.ReLU(name=f"{name}{part}_relu")(k.layers.BatchNormalization(name=f"{name}{part}_norm")(x))
        return x

    x = k.Input((8, 8, 2), name="image")
    top = twice(x, 4, "down1")
    middle = twice(k.layers.MaxPooling2D(name="pool1")(top), 6, "down2")
    y = twice(k.layers.MaxPooling2D(name="pool2")(middle), 8, "bottom")
    y = k.layers.Conv2DTranspose(6, 2, strides=2, name="up2")(y)
    y = twice(k.layers.Concatenate(name="skip2")([y, middle]), 6, "up2")
    y = k.layers.Conv2D(4, 2, padding="same", name="up1")(k.layers.UpSampling2D(interpolation="bilinear", name="larger")(y))
    y = twice(k.layers.Concatenate(name="skip1")([y, top]), 4, "up1")
    return k.Model(x, k.layers.Conv2D(2, 1, activation="sigmoid", name="mask")(y), name="u_net")


@case()
def network_seq2seq_with_attention(k):
    source, target = [k.Input((length,), name=name, dtype="int32") for length, name in ((6, "source"), (5, "target"))]
    encoded, *state = k.layers.LSTM(6, return_sequences=True, return_state=True, name="encoder")(
        k.layers.Embedding(12, 5, mask_zero=True, name="of_source")(source)
    )
    embedded = k.layers.Embedding(10, 5, mask_zero=True, name="of_target")(target)
    decoded = k.layers.LSTM(6, return_sequences=True, name="decoder")(embedded, initial_state=state)
    context = k.layers.Attention(use_scale=True, name="attention")([decoded, encoded])
    joined = k.layers.Concatenate(name="joined")([decoded, context])
    words = k.layers.TimeDistributed(dense(k, 10, "word", activation="softmax"), name="words")(joined)
    return k.Model([source, target], words, name="seq2seq"), {"ranges": {"source": (0.0, 12.0), "target": (0.0, 10.0)}}


@case()
def network_of_volumes(k):
    x = k.Input((6, 6, 6, 1), name="scan")
    y = k.layers.MaxPooling3D(name="pool")(k.layers.Conv3D(4, 3, padding="same", activation="relu", name="conv1")(x))
    y = k.layers.BatchNormalization(name="norm")(k.layers.Conv3D(6, 3, activation="relu", name="conv2")(y))
    return k.Model(x, dense(k, 2, "classes", activation="softmax")(k.layers.GlobalAveragePooling3D(name="mean")(y)), name="volumes")


@case()
def network_convlstm_forecaster(k):
    x = k.Input((4, 6, 6, 1), name="frames")
    y = k.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, name="first")(x)
    y = k.layers.ConvLSTM2D(3, 3, padding="same", name="second")(k.layers.BatchNormalization(name="norm")(y))
    return k.Model(x, k.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="next")(y), name="forecaster")


@case()
def network_vae_by_its_mean(k):
    """Encoder and decoder as models; the mean of what is encoded is decoded, since a sample would be random."""
    x = k.Input((8, 8, 1), name="image")
    y = k.layers.Flatten(name="flat")(k.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv")(x))
    encoder = k.Model(x, [dense(k, 3, "mean")(y), dense(k, 3, "log_variance")(y)], name="encoder")
    z = k.Input((3,), name="code")
    y = k.layers.Reshape((4, 4, 4), name="shaped")(dense(k, 64, "grown", activation="relu")(z))
    y = k.layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid", name="drawn")(y)
    decoder = k.Model(z, y, name="decoder")
    seen = k.Input((8, 8, 1), name="seen")
    mean, log_variance = encoder(seen)
    return k.Model(seen, {"image": decoder(mean), "log_variance": log_variance}, name="vae")


@case()
def network_tab_transformer(k):
    """Each category is a token; numbers go around the attention."""
    kinds = [k.Input((1,), name=name, dtype="int32") for name in ("color", "size", "shop")]
    numbers = k.Input((4,), name="numbers")
    tokens = [k.layers.Embedding(rows, 8, name=f"of_{x.name.split(':')[0]}")(x) for rows, x in zip((5, 3, 7), kinds)]
    x = transformer_block(k, k.layers.Concatenate(axis=1, name="tokens")(tokens), "block")
    y = k.layers.Concatenate(name="all")([k.layers.Flatten(name="flat")(x), k.layers.LayerNormalization(name="norm")(numbers)])
    y = dense(k, 1, "chance", activation="sigmoid")(dense(k, 8, "hidden", activation="selu")(y))
    return k.Model([*kinds, numbers], y), {"ranges": {"color": (0.0, 5.0), "size": (0.0, 3.0), "shop": (0.0, 7.0)}}
