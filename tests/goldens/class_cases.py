"""Classes of Keras that few models name, and all activations as objects.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import copy

import golden

CASES, case = golden.registry()


def activations(k):
    names = [name for name in dir(k.activations) if not name.startswith("_")]
    # `threshold` takes two numbers, which no config has: Keras reads it and cannot run it.
    return [name for name in names if name not in ("deserialize", "get", "serialize", "threshold")]


def as_object(name):
    return {"module": "keras.activations", "class_name": "function", "config": name, "registered_name": name}


def with_objects(value):
    """A config with serialized objects for names of activations."""
    if isinstance(value, list):
        return [with_objects(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: as_object(item) if key == "activation" and isinstance(item, str) else with_objects(item) for key, item in value.items()}


def read(k, edit):
    """An `edit` of make_golden that has Keras read what it gives."""
    def checked(config):
        changed = edit(config)
        again = k.Model.from_config(copy.deepcopy(changed["config"]))
        assert [layer.name for layer in again.layers] == [layer["config"]["name"] for layer in changed["config"]["layers"]]
        return changed
    return checked


@case()
def activations_as_objects(k):
    x = k.Input((4,), name="x")
    layers = [k.layers.Activation(name, name="of_" + name) for name in activations(k)]
    return k.Model(x, [layer(x) for layer in layers]), {"edit": read(k, with_objects)}


@case()
def borders_of_volumes(k):
    x = k.Input((3, 4, 5, 2), name="x")
    wide = k.layers.ZeroPadding3D(((1, 0), (0, 2), (1, 1)))(x)
    narrow = k.layers.Cropping3D(((0, 1), (1, 1), (2, 0)))(x)
    return k.Model(x, [wide, narrow, k.layers.GlobalMaxPooling3D(keepdims=True)(x), k.layers.SpatialDropout3D(0.5)(x)])


@case(2)
def layer_that_is_a_base(k):
    x = k.Input((3,), name="x")
    return k.Model(x, k.layers.Dense(2)(k.layers.Layer(name="named")(x)))


@case(2)
def random_fourier_features(k):
    x = k.Input((3,), name="x")
    layers = k.layers.experimental
    y = layers.RandomFourierFeatures(5, scale=2.0, name="gaussian")(x)
    z = layers.RandomFourierFeatures(4, kernel_initializer="laplacian", trainable=True, name="laplacian")(x)
    def weights(name, units):
        rows = [("kernel_scale", [1], 1.5, 2.5), ("unscaled_kernel", [3, units], -1.5, 1.5), ("bias", [units], 0.0, 6.0)]
        return {"layer": name, "weights": [{"name": n, "shape": s, "dtype": "float32", "lo": lo, "hi": hi} for n, s, lo, hi in rows]}
    return k.Model(x, [y, z]), {"batch": 2, "weights": [weights("gaussian", 5), weights("laplacian", 4)]}


@case(3)
def max_num_bounding_boxes(k):
    x = k.Input((3, 4, 2), name="x")
    return k.Model(x, k.layers.MaxNumBoundingBoxes(2)(x))
