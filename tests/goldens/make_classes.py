"""Write classes.txt: each class of keras.layers and each function of keras.activations, of Keras 2 and Keras 3, as

    layer NAME CLASS VERSIONS
    activation NAME FUNCTION VERSIONS

with the name in the module, the name that a config has for it, and the versions that have it.

    python make_classes.py

Made with keras 3.15.1 and tf_keras 2.21.0.
"""
import inspect
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tf_keras

HERE = os.path.dirname(os.path.abspath(__file__))
# Functions that turn activations into configs and back.
HELPERS = ["deserialize", "get", "serialize"]


def public(module):
    return [(name, getattr(module, name)) for name in dir(module) if not name.startswith("_")]


def modules(keras):
    """The modules with layers; Keras 2 has one for those that may change."""
    found = [("", keras.layers)]
    experimental = getattr(keras.layers, "experimental", None)
    if experimental:
        found += [("experimental.", experimental), ("experimental.preprocessing.", experimental.preprocessing)]
    return found


def names(keras):
    for prefix, module in modules(keras):
        for name, value in public(module):
            if inspect.isclass(value) and issubclass(value, keras.layers.Layer):
                yield "layer", prefix + name, value.__name__
    for name, value in public(keras.activations):
        if name not in HELPERS:
            yield "activation", name, keras.activations.serialize(value)


def text(function):
    """Serialized functions are names or, of some versions, objects."""
    return function if isinstance(function, str) else function["config"]


def main():
    versions = {}
    for module in (tf_keras, keras):
        for kind, name, written in names(module):
            versions.setdefault((kind, name, text(written)), []).append(module.__version__[0])
    order = sorted(versions, key=lambda entry: (entry[0] != "layer", entry[1].count("."), entry[1]))
    with open(os.path.join(HERE, "classes.txt"), "w", encoding="utf-8") as file:
        file.writelines(" ".join([*entry, "".join(versions[entry])]) + "\n" for entry in order)
    print(len(order), "names")


if __name__ == "__main__":
    main()
