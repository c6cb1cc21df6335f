"""Operations of TensorFlow as tf.keras 2.0 to 2.3 saved them: each node of a graph is a layer of class TensorFlowOpLayer, with
the inputs that are constants beside it.

tf_keras 2.21 still has the class. `layers_of` does what those versions did where a function was called on the tensors of a
model, and `old` writes the config as they did.
"""
import json

import numpy as np
import tensorflow as tf

import golden

CASES, case = golden.registry()


def layers_of(k, function, tensors):
    """Calls a function on the tensors of a model, a layer for each of its operations."""
    from tf_keras.src.engine.base_layer import TensorFlowOpLayer

    graph = tf.Graph()
    with graph.as_default():
        placeholders = [tf.compat.v1.placeholder(t.dtype, t.shape) for t in tensors]
        results = function(*placeholders)
    several = isinstance(results, (list, tuple))
    values = {p.name: t for p, t in zip(placeholders, tensors)}
    for op in graph.get_operations():
        if op.type in ("Placeholder", "Const"):
            continue
        constants, given = {}, []
        for place, tensor in enumerate(op.inputs):
            if tensor.name in values:
                given.append(values[tensor.name])
            else:  # what no input of the model goes into
                constants[place] = evaluated(graph, tensor)
        if not given:
            continue
        layer = TensorFlowOpLayer(op.node_def.SerializeToString(), op.name.replace("/", "_") + f"_{len(layers_of.made)}", constants)
        layers_of.made.append(layer)
        made = layer(given if len(given) > 1 else given[0])
        for tensor, result in zip(op.outputs, made if isinstance(made, (list, tuple)) else [made]):
            values[tensor.name] = result
    found = [values[tensor.name] for tensor in (results if several else [results])]
    return found if several else found[0]


layers_of.made = []


def evaluated(graph, tensor):
    with tf.compat.v1.Session(graph=graph) as session:
        return session.run(tensor)


def old(config):
    """The config as those versions wrote it: numbers and lists for constants, lists for the tensors of a call."""
    def changed(layer):
        inner = layer["config"]
        if layer["class_name"] == "TensorFlowOpLayer":
            inner = inner | {"constants": {key: plain(value) for key, value in inner["constants"].items()}}
        return {"class_name": layer["class_name"], "config": inner, "name": layer["name"], "inbound_nodes": layer["inbound_nodes"]}

    layers = [changed(layer) for layer in config["config"]["layers"]]
    return config | {"config": config["config"] | {"layers": layers}, "keras_version": "2.3.0-tf"}


def plain(value):
    if isinstance(value, dict):
        return value["config"]["value"]
    return value


def add(name, shapes, function, ranges=(-2.0, 2.0), batch=2, dtype="float32"):
    def make(k):
        layers_of.made.clear()
        inputs = [k.Input(shape, name=name, batch_size=batch, dtype=dtype) for name, shape in zip("abc", shapes)]
        outputs = layers_of(k, function, inputs)
        return k.Model(inputs if len(inputs) > 1 else inputs[0], outputs), {
            "edit": old, "batch": batch, "ranges": {name: ranges for name in "abc"},
        }

    CASES.append((f"nodes-{name}", 2, make))


MATRIX, VECTOR, IMAGE = (3, 4), (5,), (2, 4, 3)

add("arithmetic", [VECTOR, VECTOR], lambda a, b: -a * 2.0 + b / (a * a + 1.0) - tf.pow(b, 2.0) + a // 0.7 + b % 0.7)
add("elements", [VECTOR], lambda x: [
    tf.abs(x), tf.sqrt(x * x), tf.math.rsqrt(x * x + 1.0), tf.square(x), tf.exp(x), tf.math.log(x * x + 1.0), tf.math.log1p(x * x),
    tf.math.expm1(x), tf.tanh(x), tf.sigmoid(x), tf.nn.relu(x), tf.nn.relu6(3.0 * x), tf.nn.elu(x), tf.nn.selu(x), tf.nn.softplus(x),
    tf.nn.softsign(x), tf.nn.leaky_relu(x, alpha=0.3), tf.sin(x), tf.cos(x), tf.atan(x), tf.floor(x), tf.math.ceil(x), tf.sign(x),
    tf.math.erf(x), tf.math.reciprocal(x * x + 1.0), tf.identity(x), tf.stop_gradient(x), tf.ones_like(x) + x + tf.zeros_like(x), tf.round(x),
    tf.sinh(x), tf.cosh(x), tf.asinh(x), tf.tan(x * 0.5), tf.asin(x * 0.4), tf.acos(x * 0.4), tf.atanh(x * 0.4), tf.acosh(x * x + 1.5),
])
add("pairs", [VECTOR, VECTOR], lambda a, b: [
    tf.maximum(a, b), tf.minimum(a, 0.5), tf.math.squared_difference(a, b), tf.math.divide_no_nan(a, tf.nn.relu(b)), tf.atan2(a, b),
    tf.cast(tf.greater(a, b), tf.float32), tf.cast(tf.logical_and(a >= 0.0, b <= 0.5), tf.float32), tf.add_n([a, b, a]),
    tf.cast(tf.logical_or(tf.less(a, b), tf.logical_not(tf.equal(a, b))), tf.float32), tf.where(a > b, a, 0.1 * b),
    tf.clip_by_value(a, -1.0, 1.0), tf.raw_ops.ClipByValue(t=a, clip_value_min=-0.5, clip_value_max=1.5),
])
add("reductions", [IMAGE], lambda x: [
    tf.reduce_mean(x, [1, 2]), tf.reduce_sum(x, -1, keepdims=True), tf.reduce_max(x, axis=[1, 2], keepdims=True), tf.reduce_min(x, 3),
    tf.reduce_prod(x, 1), tf.cast(tf.reduce_any(x > 1.5, 1), tf.float32), tf.cast(tf.reduce_all(x > -1.5, [1, 2]), tf.float32),
    tf.cast(tf.argmax(x, -1), tf.float32), tf.cast(tf.argmin(x, 1), tf.float32), tf.cumsum(x, 1, exclusive=True), tf.math.cumprod(x, 2, reverse=True),
    tf.nn.softmax(x), tf.nn.log_softmax(x), tf.math.l2_normalize(x, -1), tf.norm(x, axis=-1), tf.nn.l2_loss(x),
])
add("products", [(3, 4), (4, 2)], lambda a, b: [
    tf.matmul(a, b), tf.matmul(b, a, transpose_a=True, transpose_b=True), tf.matmul(tf.reshape(a, [-1, 4]), np.ones((4, 2), "f4") * 0.5),
    tf.einsum("bij,bjk->bki", a, b), tf.nn.bias_add(a, [1.0, 2.0, 3.0, 4.0]),
])
add("shapes", [IMAGE], lambda x: [
    tf.reshape(x, [-1, 8, 3]), tf.transpose(x, [0, 3, 1, 2]), tf.expand_dims(x, 1), tf.squeeze(tf.expand_dims(x, 2), [2]),
    tf.concat([x, x * 2.0, tf.zeros_like(x)], -1), tf.stack([x, -x], 1), tf.unstack(x, axis=-1)[1], tf.split(x, 2, axis=2)[1],
    tf.split(x, [1, 2], axis=-1)[1], tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), tf.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]], "REFLECT"),
])
add("moves", [IMAGE], lambda x: [
    tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]], constant_values=0.5), tf.tile(x, [1, 2, 1, 1]), tf.reverse(x, [1, 3]), tf.gather(x, [1, 0, 1], axis=1),
    tf.slice(x, [0, 0, 1, 0], [2, 2, 2, 3]), tf.broadcast_to(x[:, :1], [2, 3, 4, 3]), tf.nn.space_to_depth(x, 2), tf.nn.depth_to_space(tf.concat([x, x, x, x], -1), 2),
])
add("parts", [IMAGE], lambda x: [
    x[:, 0], x[:, -1, :, :2], x[..., ::-1], x[:, 1:, ::2, None], x[0], x[:, :, tf.newaxis, 1:3, ...],
])
add("picking", [MATRIX], lambda x: [
    tf.math.top_k(x, 2)[0], tf.cast(tf.math.top_k(x, 3)[1], tf.float32), tf.gather_nd(x, [[0, 1], [1, 2]]),
    tf.one_hot(tf.cast(x, tf.int32), 4), tf.image.resize(tf.reshape(x, [2, 3, 4, 1]), [6, 5]),
    tf.image.resize(tf.reshape(x, [2, 3, 4, 1]), [6, 8], method="nearest"),
], ranges=(0.0, 3.9))


@case(2)
def nodes_in_a_network(k):
    """Sizes that are computed, between layers."""
    layers_of.made.clear()
    x = k.Input((4, 3), name="x", batch_size=2)
    y = k.layers.Dense(6, name="dense")(x)
    def heads(y):
        shape = tf.shape(y)
        return tf.reshape(y, tf.stack([shape[0], shape[1], 2, 3])) / tf.sqrt(tf.cast(shape[-1], tf.float32))
    y = layers_of(k, heads, [y])
    y = k.layers.Conv2D(2, 2, name="conv")(y)
    return k.Model(x, layers_of(k, lambda t: tf.nn.relu(t) - tf.reduce_mean(t, axis=[1, 2], keepdims=True), [y])), {"edit": old, "batch": 2}
