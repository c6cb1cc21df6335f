"""Models whose point is what stands around a network: preprocessing, sizes as tensors, operations of the framework, and
what training left in the file.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import golden

CASES, case = golden.registry()


def image(k, height=10, width=16, channels=3):
    return k.Input((height, width, channels), name="x")


def bright(model):
    """Numbers as in images."""
    return model, {"ranges": {"x": (0.0, 255.0)}}


# ------------------------------------------------------------------------------------- activations
@case(only=2)
def activations_of_tf_nn(k):
    """What Keras 2 writes for functions of tf.nn in an activation."""
    import tensorflow as tf

    x = k.Input((6,), name="x")
    functions = [tf.nn.relu, tf.nn.relu6, tf.nn.leaky_relu, tf.nn.elu, tf.nn.selu, tf.nn.gelu, tf.nn.silu, tf.nn.softplus]
    functions += [tf.nn.softsign, tf.nn.sigmoid, tf.nn.tanh, tf.nn.softmax]
    return k.Model(x, [k.layers.Dense(3, activation=function)(x) for function in functions])


@case()
def activations_with_names_of_version_2(k):
    """Older versions of Keras 2 and Keras 3 keep the name that TensorFlow's code has."""
    import tensorflow as tf

    x = k.Input((6,), name="x")
    functions = [tf.nn.log_softmax, tf.nn.crelu]
    return k.Model(x, [k.layers.Activation(function)(x) for function in functions]), {"edit": as_plain_names if k.__version__[0] == "2" else None}


def as_plain_names(config):
    """As Keras 2 wrote activations before 2.13."""
    for layer in config["config"]["layers"]:
        activation = layer["config"].get("activation")
        if isinstance(activation, dict):
            layer["config"]["activation"] = activation["config"]
    return config


# -------------------------------------------------------------------------------------- images
AUGMENTATION = {
    "RandomFlip": {}, "RandomRotation": {"factor": 0.1}, "RandomZoom": {"height_factor": 0.1}, "RandomContrast": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1}, "RandomBrightness": {"factor": 0.1},
}
AUGMENTATION_2 = {"RandomHeight": {"factor": 0.1}, "RandomWidth": {"factor": 0.1}}
AUGMENTATION_3 = {
    "RandomColorDegeneration": {"factor": 0.5}, "RandomColorJitter": {"brightness_factor": 0.1}, "RandomElasticTransform": {},
    "RandomErasing": {}, "RandomGaussianBlur": {}, "RandomGrayscale": {}, "RandomHue": {"factor": 0.1}, "RandomInvert": {},
    "RandomPerspective": {}, "RandomPosterization": {"factor": 4}, "RandomSaturation": {"factor": 0.4}, "RandomSharpness": {"factor": 0.4},
    "RandomShear": {"x_factor": 0.1}, "AugMix": {}, "CutMix": {}, "MixUp": {}, "RandAugment": {}, "Solarization": {},
}


@case()
def augmentation(k):
    """Nothing of it happens at inference."""
    x = y = image(k)
    for name, args in (AUGMENTATION | (AUGMENTATION_2 if k.__version__[0] == "2" else AUGMENTATION_3)).items():
        y = getattr(k.layers, name)(**args)(y)
    return bright(k.Model(x, k.layers.Rescaling(1 / 255)(y)))


@case(only=3)
def equalization(k):
    """In training only. Keras cannot call it on a symbolic tensor, so that only a Sequential can hold it."""
    return bright(k.Sequential([image(k, 4, 4), k.layers.Equalization(), k.layers.Rescaling(1 / 255)]))


@case()
def augmentation_in_a_sequential(k):
    inner = k.Sequential([k.layers.RandomFlip("horizontal"), k.layers.RandomRotation(0.1)], name="augmentation")
    x = image(k, 4, 4)
    return bright(k.Model(x, k.layers.Rescaling(1 / 255)(inner(x))))


@case()
def center_crop(k):
    x = image(k)
    sizes = [(6, 5), (14, 12), (4, 20), (10, 16), (20, 4), (30, 30), (9, 15)]
    return bright(k.Model(x, [k.layers.CenterCrop(*size)(x) for size in sizes]))


@case(only=2)
def random_crop(k):
    x = image(k)
    sizes = [(6, 5), (14, 12), (4, 20), (20, 4), (5, 8)]
    return bright(k.Model(x, [k.layers.RandomCrop(*size)(x) for size in sizes]))


@case(only=3)
def random_crop_gives_its_input(k):
    x = image(k)
    return bright(k.Model(x, k.layers.RandomCrop(10, 16)(x)))


@case()
def resizing_with_crop_to_aspect_ratio(k):
    x = image(k)
    sizes = [(6, 6), (20, 8), (3, 30), (5, 8), (10, 16)]
    outputs = [k.layers.Resizing(*size, crop_to_aspect_ratio=True)(x) for size in sizes]
    return bright(k.Model(x, outputs + [k.layers.Resizing(6, 6, "nearest", crop_to_aspect_ratio=True)(x)]))


@case(only=3)
def resizing_with_pad_to_aspect_ratio(k):
    x = image(k)
    sizes = [(6, 6), (20, 8), (3, 30), (5, 8), (7, 9)]
    outputs = [k.layers.Resizing(*size, pad_to_aspect_ratio=True, fill_value=17.0)(x) for size in sizes]
    outputs += [k.ops.image.resize(x, (8, 9), pad_to_aspect_ratio=True), k.ops.image.resize(x, (8, 9), crop_to_aspect_ratio=True)]
    return bright(k.Model(x, outputs))


@case()
def resizing_of_integers(k):
    """Both give floats."""
    x = k.Input((6, 6, 3), name="x", dtype="uint8")
    return bright(k.Model(x, k.layers.Rescaling(0.5)(k.layers.Resizing(4, 5)(x))))


@case(only=3)
def auto_contrast(k):
    x = image(k, 4, 5)
    flat = k.layers.AutoContrast()(k.layers.Rescaling([0.0, 1.0, 0.5], [7.0, 3.0, 0.0])(x))
    return bright(k.Model(x, [flat, k.layers.AutoContrast(value_range=(0, 1))(x / 255.0)]))


@case(only=3)
def adaptive_equalization(k):
    """Tiles that fit the image and others, few levels and many, limits that clip and none."""
    layer = k.layers.ContrastLimitedAdaptiveHistogramEqualization
    x = image(k, 8, 12)
    outputs = [layer(tile_grid_size=(2, 3))(x), layer(clip_limit=0.0, tile_grid_size=(3, 5))(x), layer(clip_limit=60.0, tile_grid_size=(1, 2))(x)]
    outputs += [layer(value_range=(0, 1), tile_grid_size=(2, 2))(k.ops.floor(x / 16.0) / 16.0), layer()(x), layer(tile_grid_size=(4, 4), data_format="channels_first")(k.ops.transpose(x, (0, 3, 1, 2)))]
    return bright(k.Model(x, outputs))


@case(only=2)
def preprocess_input_of_vgg(k):
    """Turns RGB into BGR and takes means away: slices and nn.bias_add."""
    x = image(k, 4, 4)
    return bright(k.Model(x, k.layers.Conv2D(2, 3)(k.applications.vgg16.preprocess_input(x))))


@case(only=2)
def preprocess_input_of_others(k):
    x = image(k, 4, 4)
    functions = [k.applications.mobilenet.preprocess_input, k.applications.densenet.preprocess_input]
    return bright(k.Model(x, [k.layers.Rescaling(2.0)(function(x)) for function in functions]))


@case(only=3)
def preprocess_input_of_keras_3(k):
    x = image(k, 4, 4)
    functions = [k.applications.vgg16.preprocess_input, k.applications.mobilenet.preprocess_input, k.applications.densenet.preprocess_input]
    return bright(k.Model(x, [k.layers.Rescaling(2.0)(function(x)) for function in functions]))


# ------------------------------------------------------------------------------------- paddings
@case(only=2)
def tf_pad(k):
    import tensorflow as tf

    x = k.Input((6, 5, 2), name="x")
    pads = [[0, 0], [3, 1], [0, 4], [0, 0]]
    outputs = [tf.pad(x, pads, mode) for mode in ("CONSTANT", "REFLECT", "SYMMETRIC")]
    return k.Model(x, outputs + [tf.pad(x, [[0, 0], [6, 5], [5, 5], [2, 1]], "SYMMETRIC"), tf.pad(x, pads, constant_values=2.5)])


@case(only=2)
def tf_nn_bias_add(k):
    import tensorflow as tf

    x = k.Input((3, 4, 2), name="x")
    return k.Model(x, [tf.nn.bias_add(x, [1.0, -2.0]), tf.nn.bias_add(x, [1.0, -2.0, 3.0], data_format="NCHW")]), {"compute": channels_by_hand}


def channels_by_hand(model, inputs):
    import generated

    x = generated.model_input(inputs[0])
    return [x + [1.0, -2.0], x + [[[1.0]], [[-2.0]], [[3.0]]]]


@case(only=3)
def ops_pad(k):
    x = k.Input((6, 5, 2), name="x")
    pads = [[0, 0], [3, 1], [0, 4], [0, 0]]
    return k.Model(x, [k.ops.pad(x, pads, mode) for mode in ("constant", "reflect", "symmetric")])


@case(only=3)
def ops_pad_as_other_backends_do(k):
    """Modes that TensorFlow does not have: the numbers are NumPy's."""
    x = k.Input((3, 4, 2), name="x")
    pads = [[0, 0], [3, 1], [0, 4], [1, 0]]
    modes = ["edge", "wrap"]
    return k.Model(x, [k.ops.pad(x, pads, mode) for mode in modes]), {"compute": lambda model, inputs: padded_by_numpy(inputs, pads, modes)}


def padded_by_numpy(inputs, pads, modes):
    import generated
    import numpy

    return [numpy.pad(generated.model_input(inputs[0]), pads, mode) for mode in modes]


# ---------------------------------------------------------------------------------------- sizes
@case(only=2)
def sizes_of_tensors(k):
    import tensorflow as tf

    x = k.Input((8, 12, 3), name="x")
    shape = tf.shape(x)
    small = k.layers.AveragePooling2D(2)(x)
    outputs = [tf.image.resize(small, shape[1:3]), tf.reshape(x, [shape[0], -1]), tf.reshape(x, tf.stack([shape[0], shape[1] * shape[2], 3]))]
    outputs += [tf.reshape(x, tf.concat([shape[:1], [12, 24]], 0)), tf.image.resize(x, [shape[1] * 2, shape[2] // 2])]
    outputs += [tf.reshape(x, (-1, shape[1], shape[2] * shape[3])), x[:, : shape[1] // 2, 1 : shape[2] - 1]]
    return k.Model(x, outputs), {"batch": 2}


@case(only=2)
def sizes_as_numbers(k):
    import tensorflow as tf

    x = k.Input((4, 6), name="x")
    shape = tf.shape(x)
    outputs = [x / tf.cast(shape[1], "float32"), x * tf.cast(tf.reduce_prod(shape[1:]), "float32"), x + tf.cast(tf.size(x), "float32")]
    outputs += [x - tf.cast(tf.rank(x), "float32"), shape, tf.stack([shape[0], 7])]
    return k.Model(x, outputs), {"batch": 2}


@case(only=2)
def sizes_of_the_backend(k):
    b, x = k.backend, k.Input((4, 6), name="x")
    shape = b.shape(x)
    return k.Model(x, [b.reshape(x, [shape[0], shape[1] * shape[2]]), b.tile(x[:, :1], [1, shape[1], 1]), b.batch_flatten(x)]), {"batch": 2}


@case(only=2)
def product_of_the_backend(k):
    """K.dot takes shapes apart and puts them together."""
    b, x = k.backend, k.Input((4, 6), name="x")
    return k.Model(x, b.dot(x, b.constant([[0.5, -1.0], [2.0, 0.25], [1.0, 1.0], [0.0, 3.0], [-1.0, 0.5], [0.125, 0.0]])))


@case()
def numbers_among_tensors(k):
    """A list of tensors may hold numbers, which must not get lost."""
    x = k.Input((), name="x", dtype="float32")
    if k.__version__[0] == "2":
        import tensorflow as tf

        return k.Model(x, tf.stack([x[0], 2.0, x[1], -3.0])), {"batch": 2}
    return k.Model(x, k.ops.stack([x[0], k.ops.convert_to_tensor(2.0), x[1]])), {"batch": 2}


# ------------------------------------------------------------------------------ left by training
@case(only=2)
def losses_of_a_variational_autoencoder(k):
    """AddLoss and AddMetric, and what leads to them, serve no output."""
    import tensorflow as tf

    x = k.Input((8,), name="x")
    hidden = k.layers.Dense(6, activation="relu")(x)
    mean, variance = k.layers.Dense(2, name="mean")(hidden), k.layers.Dense(2, name="variance")(hidden)
    model = k.Model(x, k.layers.Dense(8, activation="sigmoid")(mean))
    model.add_loss(tf.reduce_mean(tf.linalg.det(tf.linalg.diag(tf.exp(variance))) + tf.reduce_sum(tf.square(mean), axis=-1)))
    model.add_metric(tf.reduce_mean(variance), name="spread")
    return model


@case()
def subclass_of_model(k):
    """A model with a train_step of its own."""
    x = k.Input((6,), name="x")
    return custom(k)(x, k.layers.Dense(2)(k.layers.Dense(4, activation="relu")(x)), name="custom")


@case()
def subclass_of_model_inside(k):
    a = k.Input((6,))
    inner = custom(k)(a, k.layers.Dense(2)(k.layers.BatchNormalization()(k.layers.Dense(4, activation="relu")(a))), name="inner")
    x = k.Input((6,), name="x")
    return k.Model(x, k.layers.Dense(3)(inner(x)))


@case()
def subclass_of_model_in_time_distributed(k):
    a = k.Input((3,))
    inner = custom(k)(a, k.layers.Dense(2)(k.layers.BatchNormalization()(a)), name="inner")
    x = k.Input((4, 3), name="x")
    return k.Model(x, k.layers.TimeDistributed(inner)(x))


@case()
def subclass_of_sequential(k):
    class Trained(k.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    return Trained([k.Input((6,), name="x"), k.layers.Dense(4, activation="relu"), k.layers.Dense(2)], name="trained")


def custom(k):
    class CustomModel(k.Model):
        def train_step(self, data):
            return super().train_step(data)

    return CustomModel


# -------------------------------------------------------------------------------------- cuDNN
def of_cudnn(k, make):
    """`make(layer)` builds a model with `layer("LSTM", …)`. TensorFlow has no cuDNN on a CPU: the model gets the class in
    its config and weights in cuDNN's layout, and the numbers come from Keras' own conversion."""
    import generated
    import golden
    import numpy
    from tf_keras.src.saving.legacy import hdf5_format

    model = make(lambda kind, **args: getattr(k.layers, kind)(2, **args))
    described = golden.describe_weights(model)
    for entry in described:
        for weight in entry["weights"]:
            if weight["name"] == "bias" and entry["layer"] != "dense":
                size = int(numpy.prod(weight["shape"]))
                weight["shape"] = [size * 2 if model.get_layer(entry["layer"]) and is_lstm(model.get_layer(entry["layer"])) else size]

    def compute(model, inputs):
        for entry in described:
            layer = model.get_layer(entry["layer"])
            values = [generated.weight(entry["layer"], index, spec) for index, spec in enumerate(entry["weights"])]
            layer.set_weights(hdf5_format.preprocess_weights_for_loading(layer, values, "2.2.4", "tensorflow"))
        return golden.run(model, inputs)

    return model, {"weights": described, "compute": compute, "fills": True, "edit": to_cudnn}


def is_lstm(layer):
    return type(getattr(layer, "layer", layer)).__name__ == "LSTM"


def to_cudnn(config):
    def visit(value):
        if isinstance(value, dict):
            if value.get("class_name") in ("LSTM", "GRU"):
                value["class_name"] = "CuDNN" + value["class_name"]
                known = ("name", "trainable", "dtype", "units", "return_sequences", "return_state", "go_backwards", "stateful", "time_major")
                value["config"] = {key: entry for key, entry in value["config"].items() if key in known or key.endswith("initializer")}
            for inner in value.values():
                visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)

    visit(config)
    return config


@case(only=2)
def cudnn_lstm(k):
    x = k.Input((4, 3), name="x")
    return of_cudnn(k, lambda layer: k.Model(x, layer("LSTM", return_sequences=True)(x)))


@case(only=2)
def cudnn_lstm_states(k):
    x = k.Input((4, 3), name="x")
    return of_cudnn(k, lambda layer: k.Model(x, layer("LSTM", return_state=True, go_backwards=True)(x)))


@case(only=2)
def cudnn_gru(k):
    x = k.Input((4, 3), name="x")
    return of_cudnn(k, lambda layer: k.Model(x, layer("GRU", return_sequences=True)(x)))


@case(only=2)
def cudnn_bidirectional(k):
    x = k.Input((4, 3), name="x")
    wrap = k.layers.Bidirectional

    def make(layer):
        y = wrap(layer("LSTM", return_sequences=True), name="first")(x)
        return k.Model(x, k.layers.Dense(2, name="dense")(wrap(layer("GRU"), name="second")(y)))

    return of_cudnn(k, make)


# ------------------------------------------------------------------------------- TensorFlow's functions
@case(only=2)
def tf_selection(k):
    import tensorflow as tf

    x, ids = k.Input((5, 4), name="x"), k.Input((3,), name="ids", dtype="int32")
    outputs = [tf.gather(x, [0, 2], axis=1), tf.gather(x, 3, axis=2), tf.gather(x, [[0], [4]], axis=1), tf.one_hot(ids, 5)]
    outputs += [tf.one_hot(ids, 4, on_value=2.0, off_value=-1.0, axis=1), tf.slice(x, [0, 1, 2], [-1, 3, -1]), *tf.unstack(x, axis=2)[:2]]
    outputs += [tf.strided_slice(x, [0, 4, 0], [1, 1, 4], [1, -1, 2]), tf.roll(x, shift=1, axis=1), tf.roll(x, [-1, 2], [1, 2])]
    outputs += [tf.broadcast_to(x[:, :1], [1, 5, 4]), tf.cast(tf.argmax(x, axis=-1), "float32"), tf.cast(tf.argmin(x, axis=1), "float32")]
    return k.Model([x, ids], outputs), {"ranges": {"ids": (0.0, 5.0)}}


@case(only=2)
def tf_sums_of_products(k):
    import tensorflow as tf

    x, y = k.Input((5, 4), name="x"), k.Input((3, 4), name="y")
    outputs = [tf.tensordot(x, y, [[2], [2]]), tf.cumsum(x, axis=1), tf.cumsum(x, axis=2, exclusive=True), tf.cumsum(x, axis=1, reverse=True)]
    return k.Model([x, y], outputs + [tf.norm(x, axis=-1), tf.norm(x, axis=[1, 2], keepdims=True), tf.math.reduce_euclidean_norm(x, axis=1)])


@case(only=2)
def tf_elements(k):
    import tensorflow as tf

    x, y = k.Input((6,), name="x"), k.Input((6,), name="y")
    near, whole = tf.tanh(x) * 0.9, tf.floor(y)
    outputs = [tf.asin(near), tf.acos(near), tf.sinh(x), tf.cosh(x), tf.asinh(x), tf.acosh(tf.abs(x) + 1.5), tf.atanh(near), tf.math.rint(x)]
    outputs += [tf.math.divide_no_nan(x, whole), tf.math.multiply_no_nan(x, whole), tf.math.scalar_mul(2.0, x), tf.add_n([x, y, near])]
    outputs += [tf.cast(tf.math.is_nan(x), "float32"), tf.cast(tf.math.is_inf(x / 0.0), "float32"), tf.cast(tf.math.is_finite(x), "float32")]
    outputs += [tf.nn.crelu(x), tf.clip_by_norm(x, 1.5), tf.clip_by_norm(x, 99.0), tf.ensure_shape(x, [None, 6]), tf.debugging.check_numerics(x, "x")]
    outputs += [tf.cast(tf.math.count_nonzero(tf.nn.relu(x), axis=1), "float32"), tf.math.l2_normalize(x, axis=1, epsilon=2.0)]
    return k.Model([x, y], outputs)


@case(only=2)
def tf_made_of_sizes(k):
    import tensorflow as tf

    x = k.Input((5, 4), name="x")
    shape = tf.shape(x)
    steps = tf.cast(tf.range(shape[1]), "float32")
    outputs = [x + tf.ones(shape), x * tf.expand_dims(steps, -1), tf.concat([x, tf.zeros([shape[0], 1, 4])], axis=1)]
    outputs += [x - tf.fill([shape[1], 1], 2.5), tf.one_hot(tf.range(shape[1]), 4) + x]
    positions = k.layers.Embedding(5, 4)(tf.range(start=0, limit=shape[1], delta=1))
    return k.Model(x, outputs + [x + positions])


@case(only=2)
def tf_images(k):
    import tensorflow as tf

    x, i = k.Input((6, 5, 3), name="x"), tf.image
    outputs = [i.rgb_to_grayscale(x), i.grayscale_to_rgb(x[..., :1]), i.per_image_standardization(x), i.flip_left_right(x), i.flip_up_down(x)]
    outputs += [i.central_crop(x, 0.5), i.crop_to_bounding_box(x, 1, 2, 4, 3), i.pad_to_bounding_box(x, 1, 2, 9, 8), i.adjust_contrast(x, 1.5)]
    return k.Model(x, outputs + [i.resize_with_crop_or_pad(x, *size) for size in ((4, 4), (9, 8), (3, 10))])


@case(only=2)
def tf_windows(k):
    import tensorflow as tf

    x = k.Input((6, 5, 4), name="x")
    outputs = [tf.nn.max_pool2d(x, 2, 2, "SAME"), tf.nn.max_pool(x, 3, 1, "VALID"), tf.nn.avg_pool(x, [2, 3], 2, "SAME"), k.backend.pool2d(x, (2, 2))]
    outputs += [k.backend.pool2d(x, (3, 3), strides=(2, 2), padding="same", pool_mode="avg"), tf.nn.local_response_normalization(x)]
    outputs += [tf.nn.lrn(x, depth_radius=1, bias=2.0, alpha=1e-1, beta=0.75)]
    return k.Model(x, outputs)


@case(only=2)
def tf_batch_normalization(k):
    import tensorflow as tf

    x, y = k.Input((6, 4), name="x"), k.Input((1, 4), name="y")
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    outputs = [tf.nn.batch_normalization(x, mean, variance, offset=y, scale=y * 2.0, variance_epsilon=1e-3)]
    return k.Model([x, y], outputs + [tf.nn.batch_normalization(x, mean, variance, offset=None, scale=None, variance_epsilon=1e-2)])


# ---------------------------------------------------------------------------------------- keras.ops
@case(only=3)
def ops_selection(k):
    o, x, ids = k.ops, k.Input((5, 4), name="x"), k.Input((3,), name="ids", dtype="int32")
    outputs = [o.take(x, [0, 2], axis=1), o.take(x, ids[0], axis=1), o.take(x, [3, -1]), o.one_hot(ids, 5), o.one_hot(ids, 4, axis=1)]
    outputs += [o.slice(x, [0, 1, 2], [1, 3, 2]), *o.unstack(x, axis=2)[:2], o.roll(x, 1, axis=1), o.moveaxis(x, 1, 2), o.diff(x, axis=1)]
    outputs += [o.diff(x, n=2, axis=2), o.expand_dims(x, (1, 3)), o.broadcast_to(o.sum(x, axis=1, keepdims=True), (1, 5, 4))]
    outputs += [o.cast(o.argmax(x, axis=-1), "float32"), o.cast(o.argmin(x, axis=1, keepdims=True), "float32"), o.cast(o.argmax(x), "float32")]
    return k.Model([x, ids], outputs), {"ranges": {"ids": (0.0, 5.0)}}


@case(only=3)
def ops_sums_of_products(k):
    o, x, y = k.ops, k.Input((5, 4), name="x"), k.Input((3, 4), name="y")
    outputs = [o.einsum(subscripts, x, y) for subscripts in ("bij,bkj->bik", "bij,bkj->bki", "bij,ckj->bcik", "bij,bkl->bil", "bij,bkj->b")]
    outputs += [o.einsum("bij->bji", x), o.einsum("bij->bi", x), o.tensordot(x, y, axes=[[2], [2]]), o.dot(x, o.ones((4, 2)) * 0.5)]
    return k.Model([x, y], outputs + [o.cumsum(x, axis=1), o.norm(x, axis=-1), o.normalize(x, axis=1)])


@case(only=3)
def ops_elements(k):
    o, x, y = k.ops, k.Input((6,), name="x"), k.Input((6,), name="y")
    outputs = [o.exp2(x), o.divide_no_nan(x, o.floor(y)), o.nn.threshold(x, 0.1, 3.0), o.full_like(x, 3.0), o.average(x, axis=1), *o.moments(x, [1])]
    tests = [o.isnan(x), o.isinf(x / 0.0), o.isfinite(x), o.count_nonzero(o.relu(x), axis=1), o.size(x), o.ndim(x)]
    return k.Model([x, y], outputs + [o.cast(test, "float32") for test in tests])


@case(only=3)
def ops_windows(k):
    o, x = k.ops, k.Input((6, 5, 3), name="x")
    outputs = [o.max_pool(x, 2, 2), o.max_pool(x, (3, 2), 1, "same"), o.average_pool(x, 2, padding="same"), o.image.rgb_to_grayscale(x)]
    return k.Model(x, outputs)
