"""What may be drawn: shapes, layers with their arguments, merges, operations, and models inside models."""

ACTIVATIONS = ["relu", "sigmoid", "tanh", "softmax", "softplus", "softsign", "selu", "elu", "linear", "swish", "gelu", "mish",
               "hard_sigmoid"]
ACTIVATIONS_3 = ["relu6", "silu", "log_softmax", "hard_silu", "leaky_relu", "celu", "hard_tanh", "tanh_shrink", "log_sigmoid",
                 "squareplus"]


def shape(rng):
    rank = rng.choice([1, 1, 2, 2, 2, 3, 3, 3, 4])
    return tuple(rng.randint(1, {1: 12, 2: 8, 3: 7, 4: 5}[rank]) for _ in range(rank))


def is_three(keras):
    return keras.__version__[0] == "3"


def activation(keras, rng):
    names = ACTIVATIONS + (ACTIVATIONS_3 if is_three(keras) else [])
    return rng.choice([None, None, rng.choice(names)])


def flag(rng, chance=0.5):
    return rng.random() < chance


def sizes(rng, rank, most):
    """A number for all axes, or one for each."""
    return rng.randint(1, most) if flag(rng) else tuple(rng.randint(1, most) for _ in range(rank))


def window(rng, rank):
    """Arguments of convolutions and pools: strides or dilation, not both."""
    args = {"padding": rng.choice(["valid", "same"])}
    if flag(rng, 0.4):
        args["strides"] = rng.randint(1, 3) if flag(rng) or rank == 1 else tuple([rng.randint(1, 2)] * rank)
    return args


# ---------------------------------------------------------------------------------- layers of one tensor
def dense(k, rng, x):
    return k.layers.Dense(rng.randint(1, 7), activation=activation(k, rng), use_bias=flag(rng, 0.8))


def einsum_dense(k, rng, x):
    rank = len(x.shape) - 1
    if rank == 1:
        return k.layers.EinsumDense("ab,bc->ac", output_shape=rng.randint(1, 5), bias_axes="c")
    if rank == 2:
        # A bias of shape (n, 1) is added along the wrong axis by Keras 3 on TensorFlow, if that has n elements as well.
        return k.layers.EinsumDense("abc,cde->abde", output_shape=(None, rng.randint(2, 3), rng.randint(2, 4)),
                                    bias_axes=rng.choice([None, "e", "de"]))
    return k.layers.EinsumDense("abcd,cde->abe", output_shape=(None, rng.randint(1, 4)), bias_axes=rng.choice([None, "e"]))


def activate(k, rng, x):
    return k.layers.Activation(rng.choice(ACTIVATIONS + (ACTIVATIONS_3 if is_three(k) else [])))


def rectify(k, rng, x):
    rank = len(x.shape) - 1
    choices = [
        lambda: k.layers.ReLU(max_value=rng.choice([None, 1.0, 6.0]), negative_slope=rng.choice([0.0, 0.2]),
                              threshold=rng.choice([0.0, 0.3])),
        lambda: k.layers.LeakyReLU(rng.choice([0.1, 0.3])),
        lambda: k.layers.ELU(alpha=rng.choice([1.0, 0.5])),
        lambda: k.layers.PReLU(shared_axes=rng.choice([None, [rng.randint(1, rank)], list(range(1, rank + 1))])),
        lambda: k.layers.Softmax(axis=rng.choice([-1, rng.randint(1, rank)])),
    ]
    if rank >= 2:
        choices.append(lambda: k.layers.Softmax(axis=(rank - 1, rank)))
    return rng.choice(choices)()


def normalize(k, rng, x):
    rank = len(x.shape) - 1
    last = x.shape[-1]
    some = sorted(rng.sample(range(1, rank + 1), rng.randint(1, rank)))
    epsilon = rng.choice([1e-3, 1e-5, 0.1])
    divisors = [d for d in range(1, last + 1) if last % d == 0]
    if any(x.shape[axis] == 1 for axis in (*some, rank)):
        # A single element less its mean is 0, which Keras finds up to the rounding of a product with 1/√ε.
        raise ValueError("nothing to normalize")
    choices = [
        lambda: k.layers.BatchNormalization(axis=rng.choice([-1, rng.randint(1, rank)]), center=flag(rng, 0.8), scale=flag(rng, 0.8),
                                            epsilon=epsilon),
        lambda: k.layers.LayerNormalization(axis=rng.choice([-1, some]), center=flag(rng, 0.8), scale=flag(rng, 0.8), epsilon=epsilon),
        lambda: k.layers.UnitNormalization(axis=rng.choice([-1, some])),
        lambda: k.layers.GroupNormalization(groups=rng.choice([-1, rng.choice(divisors)]), epsilon=epsilon, center=flag(rng, 0.8)),
        lambda: k.layers.Rescaling(rng.choice([0.5, -1.5]), offset=rng.choice([0.0, 0.25])),
        lambda: k.layers.Normalization(mean=[0.1] * last, variance=[0.5] * last),
    ]
    if is_three(k):
        choices.append(lambda: k.layers.RMSNormalization(axis=rng.choice([-1, rank])))
    return rng.choice(choices)()


def reshape(k, rng, x):
    dims = list(x.shape[1:])
    rank = len(dims)
    count = 1
    for d in dims:
        count *= d
    first = rng.choice([d for d in range(1, count + 1) if count % d == 0])
    order = list(range(1, rank + 1))
    rng.shuffle(order)
    choices = [
        lambda: k.layers.Flatten(),
        lambda: k.layers.Reshape(rng.choice([(first, count // first), (-1, first), (count,), (1, first, -1)])),
        lambda: k.layers.Permute(tuple(order)),
        lambda: k.layers.Dropout(0.3),
        lambda: k.layers.GaussianNoise(0.3),
        lambda: k.layers.ActivityRegularization(l2=0.1),
    ]
    if rank == 1:
        choices += [lambda: k.layers.RepeatVector(rng.randint(1, 4))] * 3
    return rng.choice(choices)()


def convolution(k, rng, x):
    rank = len(x.shape) - 2
    last = x.shape[-1]
    args = window(rng, rank) | {"kernel_size": sizes(rng, rank, 4), "activation": activation(k, rng), "use_bias": flag(rng, 0.8)}
    if "strides" not in args and flag(rng, 0.3):
        args["dilation_rate"] = rng.randint(1, 3)
    filters = rng.randint(1, 6)
    groups = rng.choice([1, 1, last])
    plain = {1: k.layers.Conv1D, 2: k.layers.Conv2D, 3: k.layers.Conv3D}[rank]
    if rank == 1 and flag(rng, 0.2):
        args["padding"] = "causal"
    choices = [lambda: plain(filters * groups, groups=groups, **args)]
    if rank <= 2 and args["padding"] != "causal":
        depth = rng.randint(1, 3)
        depthwise = {1: k.layers.DepthwiseConv1D, 2: k.layers.DepthwiseConv2D}[rank]
        separable = {1: k.layers.SeparableConv1D, 2: k.layers.SeparableConv2D}[rank]
        choices += [lambda: depthwise(depth_multiplier=depth, **args), lambda: separable(filters, depth_multiplier=depth, **args)]
    if args["padding"] != "causal" and "dilation_rate" not in args:
        transposed = {1: k.layers.Conv1DTranspose, 2: k.layers.Conv2DTranspose, 3: k.layers.Conv3DTranspose}[rank]
        choices.append(lambda: transposed(filters, **args))
    return rng.choice(choices)()


def pooling(k, rng, x):
    rank = len(x.shape) - 2
    d = f"{rank}D"
    args = {"pool_size": sizes(rng, rank, 3), "padding": rng.choice(["valid", "same"])}
    if flag(rng, 0.4):
        args["strides"] = rng.randint(1, 3)
    names = ["MaxPooling", "AveragePooling"]
    if flag(rng, 0.6):
        return getattr(k.layers, rng.choice(names) + d)(**args)
    if is_three(k) and flag(rng, 0.4):
        name = rng.choice(["AdaptiveAveragePooling", "AdaptiveMaxPooling"]) + d
        wanted = [rng.randint(2, 3) for _ in range(rank)]
        if any(size > extent for size, extent in zip(wanted, x.shape[1:-1])):
            # The windows of the maximum have no elements then, and TensorFlow divides by zero, which ends the process.
            raise ValueError("less than is wanted")
        return getattr(k.layers, name)(tuple(wanted) if rank > 1 else wanted[0])
    return getattr(k.layers, rng.choice(["GlobalAveragePooling", "GlobalMaxPooling"]) + d)(keepdims=flag(rng, 0.3))


def edges(k, rng, x):
    rank = len(x.shape) - 2
    d = f"{rank}D"
    pairs = tuple((rng.randint(0, 2), rng.randint(0, 2)) for _ in range(rank))
    pairs = pairs[0] if rank == 1 else pairs
    choices = [
        lambda: getattr(k.layers, "ZeroPadding" + d)(pairs),
        lambda: getattr(k.layers, "Cropping" + d)(pairs),
        lambda: getattr(k.layers, "UpSampling" + d)(sizes(rng, rank, 3) if rank > 1 else rng.randint(1, 3)),
    ]
    if rank == 2:
        choices.append(lambda: k.layers.UpSampling2D((rng.randint(1, 3), rng.randint(1, 3)), interpolation="bilinear"))
        choices.append(lambda: k.layers.Resizing(rng.randint(1, 9), rng.randint(1, 9), interpolation=rng.choice(["nearest", "bilinear"]),
                                                 crop_to_aspect_ratio=flag(rng, 0.3)))
    return rng.choice(choices)()


def cell_args(k, rng):
    args = {"use_bias": flag(rng, 0.8)}
    if flag(rng, 0.4):
        args["activation"] = rng.choice(["tanh", "relu", "linear", "sigmoid"])
    return args


def recurrence(k, rng, x):
    args = cell_args(k, rng) | {"return_sequences": flag(rng), "go_backwards": flag(rng, 0.3)}
    if flag(rng, 0.3):
        args["unroll"] = True
    units = rng.randint(1, 5)
    gate = {"recurrent_activation": rng.choice(["sigmoid", "hard_sigmoid"])} if flag(rng, 0.4) else {}
    choices = [
        lambda: k.layers.LSTM(units, **args, **gate),
        lambda: k.layers.GRU(units, reset_after=flag(rng), **args, **gate),
        lambda: k.layers.SimpleRNN(units, **args),
        lambda: k.layers.RNN(k.layers.LSTMCell(units, **cell_args(k, rng)), **args_of_rnn(args)),
        lambda: k.layers.RNN([k.layers.GRUCell(units, **cell_args(k, rng)), k.layers.SimpleRNNCell(units)], **args_of_rnn(args)),
    ]
    layer = rng.choice(choices)()
    if flag(rng, 0.35):
        return k.layers.Bidirectional(layer, merge_mode=rng.choice(["concat", "sum", "ave", "mul"]))
    return layer


def args_of_rnn(args):
    return {key: value for key, value in args.items() if key in ("return_sequences", "go_backwards", "unroll")}


def masking(k, rng, x):
    return k.layers.Masking(rng.choice([0.0, 0.5]))


def distributed(k, rng, x):
    rank = len(x.shape) - 1
    inner = {2: [dense, activate], 3: [dense, convolution, pooling, recurrence, reshape], 4: [convolution, pooling, edges, normalize]}[rank]
    # What the layer inside sees.
    class Seen:
        shape = (x.shape[0],) + tuple(x.shape[2:])

    return k.layers.TimeDistributed(rng.choice(inner)(k, rng, Seen))


def conv_recurrence(k, rng, x):
    rank = len(x.shape) - 1
    layer = {3: k.layers.ConvLSTM1D, 4: k.layers.ConvLSTM2D}[rank]
    return layer(rng.randint(1, 3), sizes(rng, rank - 2, 3), padding=rng.choice(["valid", "same"]), return_sequences=flag(rng))


ANY = [dense, dense, activate, rectify, normalize, normalize, reshape]
BY_RANK = {
    1: ANY + [einsum_dense],
    2: ANY + [convolution, convolution, pooling, edges, recurrence, recurrence, recurrence, masking, distributed, einsum_dense],
    3: ANY + [convolution] * 4 + [pooling, pooling, edges, distributed, conv_recurrence, einsum_dense],
    4: ANY + [convolution, convolution, pooling, edges, distributed, conv_recurrence],
}


def one_layer(g):
    x = g.take()
    return g.rng.choice(BY_RANK[len(x.shape) - 1])(g.keras, g.rng, x)(x)


def twice(g):
    """A layer that is called with two tensors of one shape."""
    x = g.take()
    layer = g.rng.choice(BY_RANK[len(x.shape) - 1])(g.keras, g.rng, x)
    first = layer(x)
    return [first, layer(x * 0.5 if g.rng.random() < 0.5 else g.keras.layers.Activation("tanh")(x))]


# ------------------------------------------------------------------------------------------ several tensors
def alike(g):
    """Two or three tensors of one rank, of one shape where such are found."""
    x = g.take()
    same = [i for i, t in enumerate(g.tensors) if tuple(t.shape) == tuple(x.shape) and t is not x]
    if same:
        i = g.rng.choice(same)
        g.used.add(i)
        return [x, g.tensors[i]]
    other = g.take(len(x.shape) - 1)
    if other is x:
        other = g.keras.layers.Activation(g.rng.choice(ACTIVATIONS))(x)
    return [x, other]


def merge(g):
    k, rng, both = g.keras, g.rng, alike(g)
    rank = len(both[0].shape) - 1
    names = ["Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract"]
    layer = k.layers.Concatenate(axis=rng.choice([-1, rng.randint(1, rank)])) if flag(rng, 0.4) else getattr(k.layers, rng.choice(names))()
    return layer(both)


def dot(g):
    both = alike(g)
    rank = len(both[0].shape) - 1
    axes = g.rng.choice([-1, g.rng.randint(1, rank), (g.rng.randint(1, rank), g.rng.randint(1, rank))])
    return g.keras.layers.Dot(axes=axes, normalize=flag(g.rng, 0.3))(both)


def attend(g):
    k, rng = g.keras, g.rng
    query, value = g.take(2), g.take(2)
    if query is None:
        raise ValueError("no sequence")
    if flag(rng, 0.35):
        layer = rng.choice([k.layers.Attention, k.layers.AdditiveAttention])(use_scale=flag(rng))
        return layer([query, value], use_causal_mask=flag(rng, 0.3))
    if is_three(k) and flag(rng, 0.3):
        return k.layers.GroupQueryAttention(head_dim=rng.randint(2, 4), num_query_heads=4, num_key_value_heads=rng.choice([1, 2, 4]))(query, value)
    layer = k.layers.MultiHeadAttention(rng.randint(2, 3), rng.randint(2, 4), value_dim=rng.choice([None, 3]), use_bias=flag(rng, 0.8))
    return layer(query, value, use_causal_mask=flag(rng, 0.3))


def inner_model(g):
    """A model inside, of one tensor, called once or twice."""
    import generate

    x = g.take()
    inner = generate.Growing(g.keras, g.rng)
    tensor = g.keras.Input(tuple(x.shape)[1:], dtype=x.dtype)
    inner.inputs, inner.tensors = [tensor], [tensor]
    for _ in range(g.rng.randint(1, 3)):
        inner.grow()
    if flag(g.rng, 0.3):
        return g.keras.Sequential([tensor] + [g.rng.choice(BY_RANK[len(x.shape) - 1])(g.keras, g.rng, x)])(x)
    model = inner.model()
    if len(model.inputs) != 1 or x is None:
        raise ValueError("no model")
    result = model(x)
    return result if not flag(g.rng, 0.2) else [*listed(result), *listed(model(g.keras.layers.Activation("tanh")(x)))]


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


# ------------------------------------------------------------------------------------------------ operations
def operation(g):
    k, rng = g.keras, g.rng
    x = g.take()
    rank = len(x.shape)
    axis = rng.randint(1, rank - 1)
    if is_three(k):
        o = k.ops
        simple = ["exp", "tanh", "square", "abs", "negative", "sin", "cos", "sigmoid", "softplus", "relu", "arctan", "expm1", "silu"]
        choices = [
            lambda: getattr(o, rng.choice(simple))(o.clip(x, -3.0, 3.0)),
            lambda: getattr(o, rng.choice(["mean", "sum", "max", "min", "var", "std", "logsumexp"]))(x, axis=axis, keepdims=True),
            lambda: o.sqrt(o.abs(x) + 0.5),
            lambda: o.flip(x, axis=axis),
            lambda: o.concatenate([x, x * 2.0], axis=axis),
            lambda: o.stack([x, -x], axis=axis) if rank < 5 else x + 1.0,
            lambda: o.where(x > 0.1, x, x * 0.1),
            lambda: o.softmax(x, axis=axis),
            lambda: o.transpose(x, [0] + rng.sample(range(1, rank), rank - 1)),
            lambda: o.pad(x, [(0, 0)] + [(rng.randint(0, 2), rng.randint(0, 2)) for _ in range(rank - 1)]),
            lambda: o.repeat(x, 2, axis=axis),
            lambda: o.roll(x, 1, axis=axis),
            lambda: o.cumsum(x, axis=axis),
            lambda: o.maximum(x, rng.choice([0.0, 0.5])) - o.minimum(x, 0.2) / 3.0,
        ]
    else:
        import tensorflow as tf

        simple = [tf.exp, tf.tanh, tf.square, tf.abs, tf.negative, tf.sin, tf.cos, tf.sigmoid, tf.nn.softplus, tf.nn.relu, tf.atan]
        reductions = [tf.reduce_mean, tf.reduce_sum, tf.reduce_max, tf.reduce_min, tf.math.reduce_std, tf.reduce_logsumexp]
        choices = [
            lambda: rng.choice(simple)(tf.clip_by_value(x, -3.0, 3.0)),
            lambda: rng.choice(reductions)(x, axis=axis, keepdims=True),
            lambda: tf.sqrt(tf.abs(x) + 0.5),
            lambda: tf.reverse(x, [axis]),
            lambda: tf.concat([x, x * 2.0], axis=axis),
            lambda: tf.stack([x, -x], axis=axis) if rank < 5 else x + 1.0,
            lambda: tf.where(x > 0.1, x, x * 0.1),
            lambda: tf.nn.softmax(x, axis=axis),
            lambda: tf.transpose(x, [0] + rng.sample(range(1, rank), rank - 1)),
            lambda: tf.pad(x, [(0, 0)] + [(rng.randint(0, 2), rng.randint(0, 2)) for _ in range(rank - 1)]),
            lambda: tf.repeat(x, 2, axis=axis),
            lambda: tf.roll(x, 1, axis=axis),
            lambda: tf.cumsum(x, axis=axis),
            lambda: tf.maximum(x, rng.choice([0.0, 0.5])) - tf.minimum(x, 0.2) / 3.0,
        ]
    choices.append(lambda: x[(slice(None),) * axis + (slice(rng.randint(0, 1), None, rng.choice([1, 1, 2])),)])
    choices.append(lambda: x[:, -1] if rank > 2 else x[:, :1])
    return rng.choice(choices)()


def step(g):
    kind = g.rng.random()
    if kind < 0.58:
        return one_layer(g)
    if kind < 0.72:
        return merge(g)
    if kind < 0.77:
        return attend(g)
    if kind < 0.80:
        return dot(g)
    if kind < 0.86:
        return inner_model(g)
    if kind < 0.90:
        return twice(g)
    return operation(g)
