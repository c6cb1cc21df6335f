"""Models with Lambda layers, whose functions are in the golden as Python's byte code.

Each case is a function of the Keras module that gives a model, or (model, options of make_golden), as in graph_cases.py. The
functions use modules by the names under which users import them, which here are those of the Keras that runs.
"""
import math

import numpy as np
import tensorflow as tf

import golden

CASES, case = golden.registry()

# Set by `names`: functions look them up when they run.
K = keras = ops = backend = layers = None


def names(k):
    global K, keras, ops, backend, layers
    two = k.__version__.startswith("2")
    keras, layers = k, k.layers
    # Keras 3 has the functions of Keras 2's backend for `tf.keras.backend`.
    K = backend = k.backend if two else tf.keras.backend
    ops = None if two else k.ops


def add(name, shapes, function, only=None, **options):
    """A model of one Lambda for the inputs of those shapes: a list of them where there are several."""

    def make(k):
        names(k)
        arguments = {key: options[key] for key in ("arguments", "output_shape", "mask") if key in options}
        inputs = [k.Input(shape, name=name) for name, shape in zip("abc", shapes)]
        outputs = k.layers.Lambda(function, name="lambda", **arguments)(inputs if len(inputs) > 1 else inputs[0])
        ranges = {name: options.get("range", (-2.0, 2.0)) for name in "abc"}
        return k.Model(inputs if len(inputs) > 1 else inputs[0], outputs), {"ranges": ranges, "batch": options.get("batch", 2)}

    CASES.append((f"lambda-{name}", only, make))


IMAGE, MATRIX, VECTOR = (4, 6, 3), (3, 4), (5,)

# ------------------------------------------------------------------------------- operators and indices
add("scale", [IMAGE], lambda x: x / 127.5 - 1, range=(0.0, 255.0))
add("operators", [VECTOR], lambda x: -x * 2 + x ** 2 - (x - 3) / (x * x + 1))
add("floor", [VECTOR], lambda x: x // 0.7 + x % 0.7 + 5 // 2 + 5 % 3)
add("powers", [VECTOR], lambda x: 2 ** x + (x * x + 1) ** 0.5 + (x * x + 0.5) ** x)
add("two-sided", [VECTOR], lambda x: 1 - x + 2 / (x * x + 1))
add("comparisons", [VECTOR], lambda x: tf.where((x > -1.0) & (x <= 1.0) | (x > 1.5), x, -x))
add("truth", [VECTOR], lambda x: tf.cast(~(x > 0.5) ^ (x < -0.5), tf.float32))
add("first", [MATRIX], lambda x: x[:, 0])
add("last", [MATRIX], lambda x: x[:, -1, :])
add("channels", [IMAGE], lambda x: x[..., ::-1])
add("parts", [IMAGE], lambda x: x[:, 1:, ::2, None, 1:3])
add("half", [IMAGE], lambda x: x[:, : x.shape[1] // 2] + x[:, x.shape[1] // 2 :])
add("deviations", [IMAGE], lambda x: (x / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], range=(0.0, 255.0))
add("constants", [VECTOR], lambda x: x * np.pi + math.sqrt(2.0) * math.e)
add("product", [MATRIX, (4, 2)], lambda v: v[0] @ v[1])
add("identity", [VECTOR], lambda x: x)

# ----------------------------------------------------------------------------------- several tensors
add("two", [VECTOR, VECTOR], lambda x: x[0] * x[1])
add("difference", [VECTOR, VECTOR], lambda tensors: K.abs(tensors[0] - tensors[1]))
add("outputs", [VECTOR], lambda x: [x[:, :2], x[:, 2:] * 2])
add("split", [(6,)], lambda x: tf.split(x, 3, axis=1))
add("scaled-sum", [VECTOR, VECTOR], lambda inputs, scale: inputs[0] + inputs[1] * scale, arguments={"scale": 0.3})
add("arguments", [VECTOR], lambda x, a, b=2.0, c=3.0: x * a + b - c, arguments={"a": 0.5, "c": 1.0})
add("joined", [VECTOR, (2,), (1,)], lambda x: K.concatenate([x[0], x[1], x[2] * 2.0], axis=-1))


def euclidean(vectors):
    """The distance of two vectors, as in Keras' example of a Siamese network."""
    x, y = vectors
    total = K.sum(K.square(x - y), axis=1, keepdims=True)
    return K.sqrt(K.maximum(total, K.epsilon()))


# Keras 3 stores the code of lambdas alone.
add("euclidean", [VECTOR, VECTOR], euclidean, only=2)


def imports(x):
    import tensorflow as tf
    from tensorflow.keras import backend as B

    y = tf.nn.relu(x)
    y += 1.0
    return B.mean(y, axis=-1)


add("imports", [MATRIX], imports, only=2)


def scaled(by):
    return lambda x: x * by


add("closure", [VECTOR], scaled(0.25))
add("attention", [(3, 4), (3, 1)], lambda x: K.sum(x[0] * K.softmax(x[1], axis=1), axis=1))
add("masks", [(3, 4)], lambda x, mask=None: x * 2)
add("training", [VECTOR], lambda x, training=None: K.in_train_phase(x * 2, x * 3, training=training), only=2)

# -------------------------------------------------------------------------------------------- backend
add("k-mean", [IMAGE], lambda x: K.mean(x, axis=[1, 2]))
add("k-reductions", [MATRIX], lambda x: [K.sum(x, 1), K.max(x, axis=-1, keepdims=True), K.min(x, axis=1), K.prod(x, axis=2), K.std(x, axis=1), K.var(x, axis=1, keepdims=True)])
add("k-l2-normalize", [MATRIX], lambda x: K.l2_normalize(x, axis=-1))
add("k-expand", [VECTOR], lambda x: [K.expand_dims(x), K.expand_dims(x, 1), K.squeeze(K.expand_dims(x, axis=1), 1)])
add("k-elements", [VECTOR], lambda x: K.exp(x) + K.log(K.abs(x) + 1.0) + K.sqrt(x) + K.square(x) + K.sign(x) + K.round(x) + K.sin(x) + K.cos(x) + K.pow(x, 2))
add("k-activations", [VECTOR], lambda x: K.sigmoid(x) + K.tanh(x) + K.relu(x) + K.softplus(x) + K.softsign(x) + K.hard_sigmoid(x) + K.elu(x, 0.5) + K.softmax(x))
add("k-relu", [VECTOR], lambda x: [K.relu(x, alpha=0.1), K.relu(x, max_value=1.0), K.relu(x, 0.1, 1.0, 0.5)])
add("k-clip", [VECTOR], lambda x: K.clip(x, -1, 1) + K.clip(x, 0.5, 0.1) + K.clip(x, K.epsilon(), 1.0 - K.epsilon()))
add("k-reshape", [(4, 6)], lambda x: K.reshape(x, (-1, 2, 12)))
add("k-permute", [(4, 6)], lambda x: K.permute_dimensions(x, (0, 2, 1)))
add("k-flatten", [(4, 6)], lambda x: K.batch_flatten(x))
add("k-repeat", [VECTOR], lambda x: K.repeat(x, 3))
add("k-repeat-elements", [MATRIX], lambda x: K.repeat_elements(x, 2, axis=1))
add("k-tile", [MATRIX], lambda x: K.tile(x, [1, 2, 1]))
add("k-reverse", [MATRIX], lambda x: K.reverse(x, axes=1))
add("k-stack", [VECTOR, VECTOR], lambda x: K.stack(x, axis=1))
add("k-concatenate", [VECTOR, VECTOR], lambda x: K.concatenate(x))
add("k-dot", [(3, 4)], lambda x: K.dot(x, K.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])))
add("k-batch-dot", [(3, 4), (4, 2), (4,)], lambda x: [K.batch_dot(x[0], x[1]), K.batch_dot(x[0], x[0], axes=(2, 2)), K.batch_dot(x[0], x[2], axes=[2, 1]), K.batch_dot(x[2], x[2], axes=1), K.batch_dot(x[1], x[0], axes=(1, 2))])
add("k-comparisons", [VECTOR], lambda x: K.cast(K.greater(x, 0.0), "float32") + K.cast(K.less_equal(x, 0.5), K.floatx()) * 2.0 + K.cast(K.not_equal(x, 0.0), "float32"))
add("k-argmax", [MATRIX], lambda x: K.cast(K.argmax(x), "float32") + K.cast(K.argmin(x, axis=1)[:, :3], "float32"))
add("k-one-hot", [VECTOR], lambda x: K.one_hot(K.cast(x, "int32"), 4), range=(0.0, 3.9))
add("k-int-shape", [(4, 6)], lambda x: K.reshape(x, (-1, K.int_shape(x)[1] * K.int_shape(x)[2])) / K.int_shape(x)[-1])
add("k-shape", [(4, 6)], lambda x: K.reshape(x, (K.shape(x)[0], K.shape(x)[1] * 2, -1)))
add("k-resize", [(2, 3, 2)], lambda x: K.resize_images(x, 2, 2, "channels_last"))
add("k-padding", [(2, 3, 2)], lambda x: K.spatial_2d_padding(x, ((1, 0), (0, 2))))
add("k-cumsum", [MATRIX], lambda x: K.cumsum(x, axis=1) + K.cumsum(x, 2))
add("k-constant", [VECTOR], lambda x: x * K.constant([1.0, 2.0, 3.0, 4.0, 5.0]) + K.zeros_like(x) + K.ones_like(x))
add("k-any", [MATRIX], lambda x: K.cast(K.any(K.greater(x, 1.5), axis=1), "float32") + K.cast(K.all(x > -1.5, axis=1), "float32"))
add("backend", [VECTOR], lambda x: backend.mean(x, axis=1, keepdims=True) * backend.ndim(x))

# ------------------------------------------------------------------------------------------------ tf
add("tf-resize", [(3, 4, 2)], lambda x: tf.image.resize(x, (6, 5)))
add("tf-resize-nearest", [(3, 4, 2)], lambda x: tf.image.resize(x, [6, 8], method="nearest"))
add("tf-reductions", [IMAGE], lambda x: tf.reduce_mean(x, [1, 2], True) + tf.reduce_max(x, axis=(1, 2), keepdims=True))
add("tf-functions", [VECTOR], lambda x: tf.nn.relu(x) + tf.math.exp(x) + tf.sigmoid(x) * tf.abs(x) + tf.maximum(x, 0.5) + tf.pow(x, 2.0) + tf.math.log(tf.square(x) + 1.0))
add("tf-softmax", [MATRIX], lambda x: tf.nn.softmax(x, axis=1) + tf.nn.softmax(x))
add("tf-reshape", [(4, 6)], lambda x: tf.reshape(x, [-1, x.shape[2], x.shape[1]]))
add("tf-dynamic-shape", [(4, 6)], lambda x: tf.reshape(x, (tf.shape(x)[0], 24)))
add("tf-transpose", [(4, 6)], lambda x: tf.transpose(x, [0, 2, 1]))
add("tf-concat", [VECTOR, VECTOR], lambda x: tf.concat([x[0], x[1]], 1))
add("tf-concat-given", [VECTOR, VECTOR], lambda x: tf.concat(x, axis=-1))
add("tf-expand", [VECTOR], lambda x: tf.expand_dims(x, -1) * tf.expand_dims(x, axis=1))
add("tf-depth", [(2, 3, 8)], lambda x: tf.nn.depth_to_space(x, 2))
add("tf-space", [(4, 6, 2)], lambda x: tf.nn.space_to_depth(x, block_size=2))
add("tf-pad", [IMAGE], lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]))
add("tf-pad-reflect", [IMAGE], lambda x: tf.pad(x, tf.constant([[0, 0], [1, 1], [2, 2], [0, 0]]), "REFLECT"))
add("tf-gather", [MATRIX], lambda x: tf.gather(x, [2, 0, 1, 1], axis=1))
add("tf-gather-rows", [MATRIX], lambda x: tf.gather(x, [1, 0]))
add("tf-clip", [VECTOR], lambda x: tf.clip_by_value(x, -1.0, 1.0))
add("tf-cast", [VECTOR], lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32) + tf.cast(x > 0, x.dtype))
add("tf-l2", [MATRIX], lambda x: tf.math.l2_normalize(x, axis=-1) + tf.nn.l2_normalize(x, 1))
add("tf-norm", [MATRIX], lambda x: tf.norm(x, axis=-1) + tf.linalg.norm(x, axis=2))
add("tf-matmul", [(3, 4), (2, 4)], lambda x: tf.matmul(x[0], x[1], transpose_b=True))
add("tf-stack", [VECTOR, VECTOR], lambda x: tf.stack([x[0], x[1], x[0] - x[1]], axis=1))
add("tf-one-hot", [VECTOR], lambda x: tf.one_hot(tf.cast(x, tf.int32), depth=4), range=(0.0, 3.9))
add("tf-where", [VECTOR], lambda x: tf.where(x > 0.0, x, 0.1 * x))
add("tf-argmax", [MATRIX], lambda x: tf.cast(tf.argmax(x, axis=-1), tf.float32))
add("tf-squared", [VECTOR, VECTOR], lambda x: tf.reduce_sum(tf.math.squared_difference(x[0], x[1]), axis=1, keepdims=True))
add("tf-numbers", [VECTOR], lambda x: x / tf.sqrt(tf.cast(tf.shape(x)[-1], tf.float32)) * tf.sqrt(2.0))
add("tf-grayscale", [IMAGE], lambda x: tf.image.rgb_to_grayscale(x))
add("tf-get-shape", [(4, 6)], lambda x: tf.reshape(x, [-1, x.get_shape().as_list()[1] * 6]))
add("tf-tile", [MATRIX], lambda x: tf.tile(x, (1, 2, 1)) + tf.repeat(x, 2, axis=1))
add("tf-cumsum", [MATRIX], lambda x: tf.cumsum(x, axis=1, exclusive=True) + tf.cumsum(x, 2, reverse=True))
add("tf-leaky", [VECTOR], lambda x: tf.nn.leaky_relu(x) + tf.nn.leaky_relu(x, 0.1) + tf.nn.leaky_relu(x, alpha=0.3))
add("tf-zeros", [MATRIX], lambda x: tf.concat([x, tf.zeros_like(x), tf.ones_like(x[:, :1])], axis=1))

# ------------------------------------------------------------------------------------------ keras.ops
add("ops-means", [IMAGE], lambda x: keras.ops.mean(x, (1, 2), True) + ops.std(x, axis=(1, 2), keepdims=True), only=3)
add("ops-functions", [VECTOR], lambda x: ops.relu(x) + ops.exp(x) + ops.sigmoid(x) + ops.gelu(x) + ops.gelu(x, False) + ops.leaky_relu(x, 0.1) + ops.clip(x, -1, 1) + ops.maximum(x, 0.5) + ops.absolute(x) + ops.abs(x), only=3)
add("ops-shapes", [(4, 6)], lambda x: ops.reshape(ops.transpose(x, (0, 2, 1)), (-1, ops.shape(x)[1] * ops.shape(x)[2])), only=3)
add("ops-concatenate", [VECTOR, VECTOR], lambda x: ops.concatenate([x[0], x[1]], -1), only=3)
add("ops-stack", [VECTOR, VECTOR], lambda x: ops.stack(x, axis=1) + ops.expand_dims(x[0], 1), only=3)
add("ops-take", [MATRIX], lambda x: [ops.take(x, [1, 0, -1], axis=1), ops.max(x, -1), ops.argmax(x, axis=1)], only=3)
add("ops-where", [VECTOR], lambda x: ops.where(x > 0, x, ops.zeros_like(x)) + ops.cast(ops.logical_and(x > 0, x < 1), "float32"), only=3)
add("ops-einsum", [(3, 4), (4, 2)], lambda x: ops.einsum("bij,bjk->bik", x[0], x[1]) + ops.matmul(x[0], x[1]), only=3)
add("ops-pad", [MATRIX], lambda x: ops.pad(x, [[0, 0], [1, 1], [0, 2]]), only=3)
add("ops-resize", [(3, 4, 2)], lambda x: ops.image.resize(x, (6, 5)), only=3)
add("ops-normalize", [MATRIX], lambda x: ops.normalize(x, axis=-1) + ops.softmax(x, 1) + ops.log_softmax(x), only=3)
add("ops-split", [(6,)], lambda x: ops.split(x, 2, axis=-1), only=3)
add("ops-flip", [MATRIX], lambda x: ops.flip(x, 1) + ops.cumsum(x, axis=1) + ops.roll(x, 1, axis=2), only=3)

# ------------------------------------------------------------------------------------------- networks


@case()
def lambda_in_a_network(k):
    """Between layers, called twice with inputs of other sizes."""
    names(k)
    x, y = k.Input((4, 3), name="x"), k.Input((6, 3), name="y")
    shared = k.layers.Lambda(lambda t: t * [1.0, 2.0, 3.0] + t.shape[1] + tf.ones(t.shape[1:]) * 0.5, name="shared")
    centred = [k.layers.Lambda(lambda t: t - K.mean(t, axis=1, keepdims=True))(shared(t)) for t in (x, y)]
    pooled = [k.layers.Lambda(lambda t: K.max(t, axis=1))(t) for t in centred]
    z = k.layers.Dense(3)(k.layers.concatenate(pooled))
    return k.Model([x, y], k.layers.Lambda(lambda t: K.l2_normalize(t, axis=1), name="unit")(z))


@case()
def lambda_in_a_nested_model(k):
    names(k)
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3), k.layers.Lambda(lambda x: x ** 2, name="square")], name="inner")
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Lambda(lambda x: x + 1)(inner(x)))


@case()
def lambda_by_time_steps(k):
    names(k)
    x = k.Input((3, 4), name="x")
    return k.Model(x, k.layers.TimeDistributed(k.layers.Lambda(lambda x: K.sum(x, axis=-1, keepdims=True) * x))(x))


@case()
def lambda_with_a_mask(k):
    """A Lambda gives no mask on."""
    names(k)
    x = k.Input((4, 2), name="x")
    y = k.layers.Lambda(lambda t: t * 2)(k.layers.Masking(0.0)(k.layers.ReLU()(x)))
    return k.Model(x, k.layers.LSTM(3)(y)), {"batch": 2}


# --------------------------------------------------------------------------- functions as activations
@case()
def lambda_activations(k):
    """Of each element alone, and not; in fused products, convolutions, and between."""
    names(k)
    x = k.Input((5, 4, 3), name="x")
    y = k.layers.Conv2D(3, 2, activation=lambda x: x * K.sigmoid(1.5 * x), name="own_swish")(x)
    y = k.layers.Activation(lambda x: tf.nn.relu(x) ** 2 - 0.1 * K.abs(x), name="squared")(y)
    y = k.layers.Dense(4, activation=lambda x: x / (1.0 + K.sum(K.abs(x), axis=-1, keepdims=True)), name="scaled")(y)
    y = k.layers.SeparableConv2D(2, 2, activation=lambda x, slope=0.3: K.maximum(x, slope * x), name="leaky")(y)
    return k.Model(x, k.layers.Dense(2, activation=lambda x: x / x.shape[1], name="by_shape")(y)), {"batch": 2}


@case()
def lambda_activations_in_steps(k):
    names(k)
    x = k.Input((4, 3), name="x")
    y = k.layers.GRU(3, activation=lambda x: K.tanh(0.5 * x), recurrent_activation=lambda x: K.clip(0.25 * x + 0.5, 0, 1), return_sequences=True)(x)
    return k.Model(x, k.layers.LSTM(2, activation=lambda x: x / (1.0 + K.abs(x)))(y)), {"batch": 2}
