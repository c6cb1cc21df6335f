"""Models with attention: what its layers do with masks, which each Keras combines in its own way, and transformers.

Each function takes the Keras module and gives a model, or (model, options of make_golden). The decorator says for which
Keras it holds; without a number it holds for both. Rows of single layers stand in `layer_table.py`.
"""
import golden

CASES, case = golden.registry()


def is3(k):
    return k.__version__.startswith("3")


QUERY, VALUE = (3, 4), (5, 4)


def pair(k, layer, **call):
    """A layer of queries and values."""
    x, y = k.Input(QUERY, name="x"), k.Input(VALUE, name="y")
    return k.Model([x, y], layer(x, y, **call)), {"batch": 2}


def listed(k, layer, **call):
    """The same for layers that take a list."""
    x, y = k.Input(QUERY, name="x"), k.Input(VALUE, name="y")
    return k.Model([x, y], layer([x, y], **call)), {"batch": 2}


def tokens(k, name, length, features=4):
    """Few tokens, so that zeros (masked) come often, and whole rows of them in a batch."""
    ids = k.Input((length,), name=name, dtype="int32")
    return ids, k.layers.Embedding(2, features, mask_zero=True)(ids)


def of_tokens(*names, batch=4):
    return {"ranges": {name: (0.0, 2.0) for name in names}, "batch": batch}


def bits(k, name, shape):
    """A mask, as an input."""
    return k.Input(shape, name=name, dtype="bool")


# ----------------------------------------------------------------------------- MultiHeadAttention
@case()
def heads_of_other_sizes(k):
    return pair(k, k.layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=7))


@case()
def heads_without_bias(k):
    return pair(k, k.layers.MultiHeadAttention(3, 2, use_bias=False, output_shape=(2, 3)))


@case()
def heads_with_keys(k):
    x, y, z = k.Input((3, 4), name="x"), k.Input((5, 2), name="y"), k.Input((5, 3), name="z")
    return k.Model([x, y, z], k.layers.MultiHeadAttention(2, 3)(x, y, key=z))


@case()
def heads_with_scores(k):
    return pair(k, k.layers.MultiHeadAttention(2, 3), return_attention_scores=True)


@case()
def heads_that_are_causal(k):
    return pair(k, k.layers.MultiHeadAttention(2, 3), use_causal_mask=True)


@case()
def heads_that_are_causal_with_scores(k):
    return pair(k, k.layers.MultiHeadAttention(2, 3), use_causal_mask=True, return_attention_scores=True)


def with_mask(k, layer, shape, high, **call):
    x, y, mask = k.Input(QUERY, name="x"), k.Input(VALUE, name="y"), bits(k, "mask", shape)
    return k.Model([x, y, mask], layer(x, y, attention_mask=mask, **call)), {"batch": 2, "ranges": {"mask": (0.0, high)}}


@case()
def heads_under_a_mask(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3), (3, 5), 2.0)


@case()
def heads_under_a_mask_of_heads(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3), (2, 3, 5), 2.0)


@case()
def heads_under_a_mask_that_masks_all(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3), (3, 5), 1.0)


@case()
def heads_under_a_mask_that_masks_all_with_scores(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3), (3, 5), 1.0, return_attention_scores=True)


@case()
def heads_under_a_mask_that_masks_all_with_dropout(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3, dropout=0.5), (3, 5), 1.0)


@case()
def heads_under_a_mask_and_causal(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3), (3, 5), 2.0, use_causal_mask=True)


@case()
def heads_under_a_mask_of_numbers(k):
    x, y, mask = k.Input(QUERY, name="x"), k.Input(VALUE, name="y"), k.Input((3, 5), name="mask")
    return k.Model([x, y, mask], k.layers.MultiHeadAttention(2, 3)(x, y, attention_mask=mask)), {"ranges": {"mask": (0.0, 1.0)}}


@case(only=2)
def heads_with_robust_masking(k):
    return with_mask(k, k.layers.MultiHeadAttention(2, 3, softmax_robust_masking=True), (3, 5), 2.0)


@case()
def heads_over_two_axes(k):
    x, y = k.Input((3, 2, 4), name="x"), k.Input((2, 5, 4), name="y")
    return k.Model([x, y], k.layers.MultiHeadAttention(2, 3)(x, y, return_attention_scores=True))


@case()
def heads_over_the_second_axis(k):
    x = k.Input((3, 4, 2), name="x")
    return k.Model(x, k.layers.MultiHeadAttention(2, 3, attention_axes=2)(x, x)), {"batch": 2}


@case(only=3)
def heads_over_the_last_axis(k):
    x = k.Input((3, 4, 2), name="x")
    return k.Model(x, k.layers.MultiHeadAttention(2, 3, attention_axes=(-2,))(x, x)), {"batch": 2}


@case()
def heads_over_two_axes_under_a_mask(k):
    x, mask = k.Input((2, 2, 4), name="x"), bits(k, "mask", (2, 2, 2, 2))
    return k.Model([x, mask], k.layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask)), {"batch": 2, "ranges": {"mask": (0.0, 2.0)}}


@case()
def heads_of_masked_tokens(k):
    """The mask of the queries goes on."""
    ids, x = tokens(k, "ids", 5)
    return k.Model(ids, k.layers.LSTM(2)(k.layers.MultiHeadAttention(2, 3)(x, x))), of_tokens("ids")


@case()
def heads_of_masked_tokens_with_scores(k):
    ids, x = tokens(k, "ids", 5)
    y, scores = k.layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)
    return k.Model(ids, [k.layers.LSTM(2)(y), scores]), of_tokens("ids")


@case()
def heads_of_masked_tokens_that_are_causal(k):
    ids, x = tokens(k, "ids", 5)
    return k.Model(ids, k.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)), of_tokens("ids")


@case()
def heads_of_masked_queries(k):
    (ids, x), y = tokens(k, "ids", 5), k.Input((3, 4), name="y")
    return k.Model([ids, y], k.layers.LSTM(2)(k.layers.MultiHeadAttention(2, 3)(x, y))), of_tokens("ids")


@case()
def heads_of_masked_values(k):
    (ids, x), y = tokens(k, "ids", 5), k.Input((3, 4), name="y")
    return k.Model([ids, y], k.layers.LSTM(2)(k.layers.MultiHeadAttention(2, 3)(y, x))), of_tokens("ids")


@case()
def heads_of_masked_keys(k):
    (ids, x), (more, z), y = tokens(k, "ids", 5), tokens(k, "more", 5), k.Input((3, 4), name="y")
    mask = bits(k, "mask", (3, 5))
    z = k.layers.MultiHeadAttention(2, 3)(y, x, key=z, attention_mask=mask)
    options = of_tokens("ids", "more", "mask")
    return k.Model([ids, more, y, mask], z), options


@case()
def heads_and_what_was_masked_before(k):
    """Keras 3 takes the mask off the tensors that it was called with, so that the sum has none."""
    ids, x = tokens(k, "ids", 5)
    attended = k.layers.MultiHeadAttention(2, 3)(x, x)
    return k.Model(ids, k.layers.LSTM(2)(k.layers.Add()([x, attended]))), of_tokens("ids")


@case()
def heads_twice_of_what_is_masked(k):
    (ids, x), y = tokens(k, "ids", 5), k.Input((3, 4), name="y")
    z = k.layers.MultiHeadAttention(2, 3, name="first")(y, k.layers.Dropout(0.5)(x))
    return k.Model([ids, y], k.layers.MultiHeadAttention(2, 3, name="second")(z, x)), of_tokens("ids")


@case(only=3)
def heads_with_masks_as_arguments(k):
    x, y = k.Input(QUERY, name="x"), k.Input(VALUE, name="y")
    first, second = bits(k, "first", (3,)), bits(k, "second", (5,))
    z = k.layers.MultiHeadAttention(2, 3)(x, y, query_mask=first, value_mask=second)
    return k.Model([x, y, first, second], z), of_tokens("first", "second")


@case(only=3)
def heads_with_a_gate(k):
    return pair(k, k.layers.MultiHeadAttention(2, 3, value_dim=2, use_gate=True))


@case(only=3)
def heads_with_a_window(k):
    return pair(k, k.layers.MultiHeadAttention(2, 3, sliding_window=2))


@case(only=3)
def heads_with_a_window_that_are_causal(k):
    x = k.Input((5, 4), name="x")
    return k.Model(x, k.layers.MultiHeadAttention(2, 3, sliding_window=2)(x, x, use_causal_mask=True))


@case()
def shared_heads_of_two_lengths(k):
    shared = k.layers.MultiHeadAttention(2, 3, name="shared")
    x, y = k.Input(QUERY, name="x"), k.Input(VALUE, name="y")
    return k.Model([x, y], [shared(x, y, use_causal_mask=True), shared(y, y, use_causal_mask=True)])


# ---------------------------------------------------------------------------- GroupQueryAttention
@case(only=3)
def groups_of_heads(k):
    return pair(k, k.layers.GroupQueryAttention(3, 4, 2))


@case(only=3)
def groups_of_heads_as_h5_files_name_them(k):
    """After the class in Python; a .keras has the name under which Keras exports it."""

    def edit(config):
        config["config"]["layers"][-1]["class_name"] = "GroupedQueryAttention"
        return config

    model, options = pair(k, k.layers.GroupQueryAttention(3, 4, 2))
    return model, options | {"edit": edit}


@case(only=3)
def one_group_of_heads_with_scores(k):
    return pair(k, k.layers.GroupQueryAttention(2, 3, 1, use_bias=False), return_attention_scores=True)


@case(only=3)
def groups_of_heads_with_a_gate_that_are_causal(k):
    x, y, z = k.Input(QUERY, name="x"), k.Input(VALUE, name="y"), k.Input((5, 2), name="z")
    return k.Model([x, y, z], k.layers.GroupQueryAttention(3, 4, 2, use_gate=True)(x, y, z, use_causal_mask=True))


@case(only=3)
def groups_of_heads_with_a_window(k):
    return pair(k, k.layers.GroupQueryAttention(3, 4, 2, sliding_window=2, dropout=0.1), use_causal_mask=True)


@case(only=3)
def groups_of_heads_of_masked_tokens(k):
    """They leave the masks of the tensors alone."""
    ids, x = tokens(k, "ids", 5)
    y = k.layers.GroupQueryAttention(3, 4, 2)(x, x)
    return k.Model(ids, k.layers.LSTM(2)(k.layers.Add()([x, y]))), of_tokens("ids")


@case(only=3)
def groups_of_heads_under_a_mask_of_numbers(k):
    x, y, mask = k.Input(QUERY, name="x"), k.Input(VALUE, name="y"), k.Input((3, 5), name="mask")
    first, second = (k.layers.GroupQueryAttention(3, 4, 2, name=name) for name in ("first", "second"))
    outputs = [first(x, y, attention_mask=mask), *second(x, y, attention_mask=mask, return_attention_scores=True)]
    return k.Model([x, y, mask], outputs), {"ranges": {"mask": (0.0, 1.0)}, "batch": 2}


@case(only=3)
def groups_of_heads_with_masks_as_arguments(k):
    x, y = k.Input(QUERY, name="x"), k.Input(VALUE, name="y")
    first, second = bits(k, "first", (3,)), bits(k, "second", (5,))
    z = k.layers.GroupQueryAttention(3, 4, 2)(x, y, query_mask=first, value_mask=second)
    return k.Model([x, y, first, second], z), of_tokens("first", "second")


# ------------------------------------------------------------------- Attention, AdditiveAttention
@case()
def attention_with_keys(k):
    x, y, z = k.Input((3, 4), name="x"), k.Input((5, 2), name="y"), k.Input((5, 4), name="z")
    return k.Model([x, y, z], k.layers.Attention()([x, y, z])), {"batch": 2}


@case()
def attention_with_scores_that_is_causal(k):
    return listed(k, k.layers.Attention(dropout=0.3), return_attention_scores=True, use_causal_mask=True)


@case()
def attention_with_both_factors(k):
    return listed(k, k.layers.Attention(use_scale=True, score_mode="concat"))


@case()
def attention_of_rank_four(k):
    x, y = k.Input((2, 3, 4), name="x"), k.Input((2, 5, 4), name="y")
    return k.Model([x, y], [k.layers.Attention()([x, y]), k.layers.AdditiveAttention(name="additive")([x, y])])


@case()
def attention_with_masks(k):
    x, y = k.Input(QUERY, name="x"), k.Input(VALUE, name="y")
    first, second = bits(k, "first", (3,)), bits(k, "second", (5,))
    z = k.layers.Attention()([x, y], mask=[first, second], use_causal_mask=True)
    return k.Model([x, y, first, second], z), of_tokens("first", "second")


@case()
def attention_with_a_mask_of_values(k):
    x, y, mask = k.Input(QUERY, name="x"), k.Input(VALUE, name="y"), bits(k, "mask", (5,))
    z = k.layers.AdditiveAttention()([x, y], mask=[None, mask])
    return k.Model([x, y, mask], z), {"batch": 2, "ranges": {"mask": (0.0, 1.0)}}


@case()
def attention_of_masked_tokens(k):
    """Whether the mask of the queries goes on."""
    (ids, x), (more, y) = tokens(k, "ids", 3), tokens(k, "more", 5)
    return k.Model([ids, more], k.layers.LSTM(2)(k.layers.Attention()([x, y]))), of_tokens("ids", "more")


@case()
def additive_attention_of_masked_tokens(k):
    (ids, x), (more, y) = tokens(k, "ids", 3), tokens(k, "more", 5)
    z, scores = k.layers.AdditiveAttention()([x, y], return_attention_scores=True)
    return k.Model([ids, more], [k.layers.LSTM(2)(z), scores]), of_tokens("ids", "more")


@case(only=2)
def attention_with_the_argument_causal(k):
    """Versions up to 2.9 wrote it into the config."""

    def edit(config):
        config["config"]["layers"][-1]["config"]["causal"] = True
        return config

    model, options = listed(k, k.layers.Attention(causal=True))
    return model, options | {"edit": edit}


# ------------------------------------------------------------- EinsumDense and ReversibleEmbedding
@case()
def mask_through_einsum_dense(k):
    ids, x = tokens(k, "ids", 5)
    x = k.layers.EinsumDense("...x,xy->...y", 3, bias_axes="y")(x)
    return k.Model(ids, k.layers.LSTM(2)(x)), of_tokens("ids")


@case(only=3)
def reversible_embedding(k):
    ids = k.Input((4,), name="ids", dtype="int32")
    layer = k.layers.ReversibleEmbedding(6, 3)
    return k.Model(ids, layer(layer(ids), reverse=True)), {"ranges": {"ids": (0.0, 6.0)}}


@case(only=3)
def reversible_embedding_not_tied(k):
    ids = k.Input((4,), name="ids", dtype="int32")
    layer = k.layers.ReversibleEmbedding(6, 3, tie_weights=False, logit_soft_cap=0.5, mask_zero=True)
    x = layer(ids)
    return k.Model(ids, [k.layers.LSTM(2)(x), k.layers.LSTM(2)(layer(x, reverse=True))]), {"ranges": {"ids": (0.0, 2.0)}, "batch": 2}


# ------------------------------------------------------------------------------ low-rank adaption
def adapted(k, shape, layer, dtype="float32", **options):
    """A layer that is adapted after it is built, by a factor of its own."""
    x = k.Input(shape, name="x", dtype=dtype)
    y = layer(x)
    layer.enable_lora(2, lora_alpha=5)
    return k.Model(x, y), options


@case(only=3)
def adapted_dense(k):
    return adapted(k, (3, 4), k.layers.Dense(3, activation="tanh"))


@case(only=3)
def adapted_dense_that_is_frozen(k):
    x, layer = k.Input((4,), name="x"), k.layers.Dense(3, lora_rank=2)
    y = layer(x)
    layer.trainable = False
    return k.Model(x, y)


@case(only=3)
def adapted_dense_in_a_model(k):
    x = k.Input((4,), name="x")
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3, lora_rank=2, use_bias=False), k.layers.Dense(2)], name="inner")
    return k.Model(x, inner(x))


@case(only=3)
def adapted_einsum_dense(k):
    return adapted(k, (3, 4), k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"))


@case(only=3)
def adapted_embedding(k):
    return adapted(k, (4,), k.layers.Embedding(6, 3), "int32", ranges={"x": (0.0, 6.0)})


@case(only=3)
def adapted_convolution(k):
    return adapted(k, (5, 4), k.layers.Conv1D(3, 2))


# ----------------------------------------------------------------------------------- transformers
FEATURES, TOKENS = 8, 5


def embedded(k, ids, length):
    """Tokens and their positions."""
    if is3(k):
        positions = k.ops.cumsum(k.ops.ones_like(ids), axis=1) - 1
    else:
        import tensorflow as tf

        positions = tf.range(start=0, limit=tf.shape(ids)[-1], delta=1)
    x = k.layers.Embedding(TOKENS, FEATURES, mask_zero=True)(ids)
    return x + k.layers.Embedding(length, FEATURES)(positions)


def fed_forward(k, x):
    y = k.layers.Dense(12, activation="gelu")(x)
    return k.layers.LayerNormalization(epsilon=1e-6)(k.layers.Add()([x, k.layers.Dense(FEATURES)(y)]))


def attended(k, x, memory, **call):
    y = k.layers.MultiHeadAttention(2, 4, dropout=0.1)(x, memory, **call)
    return k.layers.LayerNormalization(epsilon=1e-6)(k.layers.Add()([x, k.layers.Dropout(0.1)(y)]))


def tokens_shown(k, ids):
    """Padding, as an argument: sums with operators have no masks."""
    if is3(k):
        return k.ops.expand_dims(k.ops.not_equal(ids, 0), 1)
    import tensorflow as tf

    return tf.not_equal(ids, 0)[:, None, :]


def encoded(k, ids, length):
    x = embedded(k, ids, length)
    shown = tokens_shown(k, ids)
    for _ in range(2):
        x = fed_forward(k, attended(k, x, x, attention_mask=shown))
    return x


@case()
def transformer_that_encodes(k):
    ids = k.Input((6,), name="ids", dtype="int32")
    x = k.layers.GlobalAveragePooling1D()(encoded(k, ids, 6))
    return k.Model(ids, k.layers.Dense(3, activation="softmax")(x)), {"ranges": {"ids": (0.0, TOKENS)}, "batch": 2}


@case()
def transformer_that_decodes(k):
    source, target = (k.Input((length,), name=name, dtype="int32") for name, length in (("source", 6), ("target", 4)))
    memory = encoded(k, source, 6)
    x = embedded(k, target, 4)
    x = attended(k, x, x, use_causal_mask=True)
    x = fed_forward(k, attended(k, x, memory))
    ranges = {"source": (0.0, TOKENS), "target": (0.0, TOKENS)}
    return k.Model([source, target], k.layers.Dense(TOKENS)(x)), {"ranges": ranges, "batch": 2}


@case()
def transformer_of_patches(k):
    x = k.Input((8, 8, 3), name="x")
    y = k.layers.Reshape((4, FEATURES))(k.layers.Conv2D(FEATURES, 4, strides=4)(x))
    y = k.layers.Add()([y, k.layers.MultiHeadAttention(2, 4)(k.layers.LayerNormalization()(y), k.layers.LayerNormalization()(y))])
    return k.Model(x, k.layers.Dense(3)(k.layers.Flatten()(fed_forward(k, y))))
