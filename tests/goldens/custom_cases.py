"""Layers and functions that are Python code of the user's, with what the option --custom says of them.

Each function takes the Keras module and gives a model with options of make_golden, as in graph_cases.py. `classes` are the
user's: real Keras computes with them, and the compiler with the definitions.
"""
import golden
import tensorflow as tf

CASES, case = golden.registry()


def classes(k):
    """The user's classes and functions, registered with the Keras at hand."""
    register = k.saving.register_keras_serializable(package="mine")

    @register
    class Scale(k.layers.Layer):
        def build(self, shape):
            self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
            self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")
            super().build(shape)

        def call(self, x):
            return x * self.gamma + self.beta

    @register
    class Unit(k.layers.Layer):
        def __init__(self, axis=-1, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.axis, self.factor = axis, factor

        def get_config(self):
            return super().get_config() | {"axis": self.axis, "factor": self.factor}

        def call(self, x):
            return self.factor * x / tf.sqrt(tf.reduce_sum(tf.square(x), axis=self.axis, keepdims=True) + 0.5)

        def compute_output_shape(self, shape):
            return shape

    @register
    class Gate(k.layers.Layer):
        def build(self, shapes):
            self.weight = self.add_weight(name="weight", shape=(shapes[0][-1],), initializer="ones")
            super().build(shapes)

        def call(self, inputs):
            x, y = inputs
            share = tf.sigmoid(x * self.weight)
            return share * x + (1.0 - share) * y, share

        def compute_output_shape(self, shapes):
            return shapes[0], shapes[0]

    @register
    class Residual(k.layers.Layer):
        def __init__(self, units, width, **kwargs):
            super().__init__(**kwargs)
            self.units, self.width = units, width
            self.wide = k.layers.Dense(width, activation="relu")
            self.norm = k.layers.BatchNormalization(epsilon=0.01)
            self.narrow = k.layers.Dense(units)

        def build(self, shape):
            self.share = self.add_weight(name="share", shape=(), initializer="ones")
            if k.__version__.startswith("3"):  # Keras 2 builds them where they are called, and names weights after both
                inner = tuple(shape[:-1]) + (self.width,)
                for layer, sizes in ((self.wide, shape), (self.norm, inner), (self.narrow, inner)):
                    layer.build(sizes)
            super().build(shape)

        def get_config(self):
            return super().get_config() | {"units": self.units, "width": self.width}

        def call(self, x):
            return x + self.share * self.narrow(self.norm(self.wide(x)))

        def compute_output_shape(self, shape):
            return shape

    @register
    class Passing(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x):
            return x * 2.0 - 1.0

        def compute_output_shape(self, shape):
            return shape

    @register
    class Read(k.layers.Layer):
        """Layers inside take the mask of the input; functions end it."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.wide = k.layers.Dense(3)
            self.first = k.layers.LSTM(2, return_sequences=True)
            self.second = k.layers.LSTM(2, return_sequences=True)

        def build(self, shape):
            if k.__version__.startswith("3"):
                for layer, sizes in ((self.wide, shape), (self.first, (*shape[:-1], 3)), (self.second, (*shape[:-1], 3))):
                    layer.build(sizes)
            super().build(shape)

        def call(self, x):
            y = self.wide(x)
            return self.first(y), self.second(y * 0.5) + tf.reduce_sum(x)

        def compute_output_shape(self, shape):
            return (*shape[:-1], 2), (*shape[:-1], 2)

    @register
    def bent(x):
        return x * tf.sigmoid(1.25 * x)

    @register
    def centred(x):
        return x - tf.reduce_mean(x, axis=-1, keepdims=True)

    return {made.__name__: made for made in (Scale, Unit, Gate, Residual, Passing, Read, bent, centred)}


SCALE = {"mine>Scale": {"inputs": ["x"], "weights": ["gamma", "beta"], "call": "x * gamma + beta"}}
UNIT = {"mine>Unit": {"call": "config.factor * x / tf.sqrt(tf.reduce_sum(tf.square(x), axis=config.axis, keepdims=True) + 0.5)"}}
GATE = {"Gate": {
    "inputs": ["x", "y"], "weights": ["weight"],
    "call": "(tf.sigmoid(x * weight) * x + (1.0 - tf.sigmoid(x * weight)) * y, tf.sigmoid(x * weight))",
}}
RESIDUAL = {"mine>Residual": {
    "inputs": ["x"],
    "weights": ["share"],
    "layers": [
        {"name": "wide", "class_name": "Dense", "config": {"units": "$width", "activation": "relu"}},
        {"name": "norm", "class_name": "BatchNormalization", "config": {"epsilon": 0.01}},
        {"name": "narrow", "class_name": "Dense", "config": {"units": "$units"}},
    ],
    "call": "x + share * narrow(norm(wide(x)))",
}}
FUNCTIONS = {
    "mine>bent": {"function": "x * tf.sigmoid(1.25 * x)"},
    "centred": {"function": "lambda y: y - tf.reduce_mean(y, axis=-1, keepdims=True)"},
}


@case()
def custom_weights(k):
    made = classes(k)
    x = k.Input((3, 4), name="x")
    return k.Model(x, made["Scale"](name="scale")(k.layers.ReLU()(x))), {"batch": 2, "custom": SCALE}


@case()
def custom_arguments(k):
    made = classes(k)
    x = k.Input((3, 4), name="x")
    y = made["Unit"](axis=1, factor=3.0, name="columns")(x)
    return k.Model(x, made["Unit"](name="rows")(y)), {"custom": UNIT}


@case()
def custom_inputs_and_outputs(k):
    made = classes(k)
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    z, share = made["Gate"](name="gate")([x, y])
    return k.Model([x, y], [k.layers.Dense(2, name="out")(z), share]), {"batch": 2, "custom": GATE}


@case()
def custom_layers_inside(k):
    """Called twice, with the same weights."""
    made = classes(k)
    x = k.Input((5, 4), name="x")
    block = made["Residual"](4, 6, name="block")
    return k.Model(x, block(block(x))), {"custom": RESIDUAL}


@case()
def custom_functions(k):
    made = classes(k)
    x = k.Input((4, 3), name="x")
    y = k.layers.Dense(5, activation=made["bent"], name="bent")(x)
    y = k.layers.Activation(made["centred"], name="centred")(y)
    return k.Model(x, k.layers.GRU(2, activation=made["bent"], name="steps")(y)), {"custom": FUNCTIONS}


@case()
def custom_in_a_model_of_steps(k):
    """In a nested model, and in a wrapper."""
    made = classes(k)
    inner = k.Sequential([k.Input((3,)), made["Scale"](name="scale"), k.layers.Dense(2, name="dense")], name="inner")
    x = k.Input((4, 3), name="x")
    y = k.layers.TimeDistributed(made["Unit"](factor=2.0), name="units")(x)
    return k.Model(x, k.layers.TimeDistributed(inner, name="steps")(y)), {"custom": SCALE | UNIT}


@case()
def custom_mask(k):
    made = classes(k)
    x = k.Input((4, 2), name="x")
    y = made["Passing"](name="passing")(k.layers.Masking(0.0)(k.layers.ReLU()(x)))
    return k.Model(x, k.layers.LSTM(2)(y)), {"batch": 2, "custom": {"Passing": {"call": "x * 2 - 1", "mask": "pass"}}}


READ = {"Read": {
    "layers": [
        {"name": "wide", "class_name": "Dense", "config": {"units": 3}},
        {"name": "first", "class_name": "LSTM", "config": {"units": 2, "return_sequences": True}},
        {"name": "second", "class_name": "LSTM", "config": {"units": 2, "return_sequences": True}},
    ],
    "call": "(first(wide(x)), second(wide(x) * 0.5) + tf.reduce_sum(x))", "mask": "end",
}}


@case()
def custom_layers_with_masks(k):
    made = classes(k)
    x = k.Input((5, 2), name="x")
    y, z = made["Read"](name="read")(k.layers.Masking(0.0)(k.layers.ReLU()(x)))
    return k.Model(x, [k.layers.GRU(2, name="own")(y), k.layers.GRU(2, name="none")(z)]), {"batch": 3, "ranges": {"x": (-2.0, 1.0)}, "custom": READ}
