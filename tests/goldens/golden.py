"""What the scripts beside this file share: load a Keras, fill a model with generated weights, run
it, and describe all that as one JSON object, the golden.

    {"id", "keras": its version, "config": model.to_json() parsed,
     "custom": {class or function: what it computes}, where some are the user's,
     "input_shapes": {name: shape with batch},
     "weights": [{"layer": path, "weights": [{"name", "shape", "dtype", "lo", "hi", and "values" if they are not generated}]}],
     "inputs": [{"name", "shape", "dtype", "lo", "hi", and "texts" of strings}],
     "outputs": [{"name", "shape", "data": base64 of little-endian float32, or "words"}],
     "again": [outputs of a second prediction, of a third …, where there are such: of stateful models],
     "rtol", "atol"}

Paths, names and numbers follow `generated.py`. `inputs` and `outputs` stand in the model's own
order. An output carries its layer's name; a layer that gives several gets _1, _2 as in tf.keras.
"""
import base64
import json
import os

import numpy as np

import generated

DIGITS = 4  # significant digits of a range: short files, and the same double in every reader


def registry():
    """A list of cases (id, Keras version or None, function), and the decorator that adds a function to it."""
    cases = []

    def case(only=None):
        def register(function):
            cases.append((function.__name__.replace("_", "-"), only, function))
            return function

        return register

    return cases, case


def load_keras(keras2):
    """Keras 2 is tf_keras; Keras 3 runs on TensorFlow too, so both compute with the same kernels."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if keras2:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"  # some layers of Keras 2 look for others under tf.keras
        import tf_keras as keras
    else:
        import keras
    return keras


def prefix(keras):
    return "k" + keras.__version__[0]


def is_words(array):
    return array.dtype.kind in "OSU"


def elements(array):
    """What an output of a golden holds."""
    if is_words(array):
        return {"words": [word.decode("utf-8") if isinstance(word, bytes) else str(word) for word in array.reshape(-1).tolist()]}
    return {"data": encode(array)}


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode("ascii")


def dump(value, **options):
    """Compact JSON that any reader accepts: NaN and infinities are errors."""
    return json.dumps(value, allow_nan=False, **({"separators": (",", ":")} | options))


def layers_with_paths(model, above=""):
    """(path, layer) of every layer, models inside models descended into, shared ones once."""
    found = {}
    for layer in model.layers:
        path = above + layer.name
        inner = layers_with_paths(layer, path + "/") if _is_model(layer) else [(path, layer)]
        for inner_path, inner_layer in inner:
            found.setdefault(id(inner_layer), (inner_path, inner_layer))
    return list(found.values())


def _is_model(layer):
    """Subclasses of models count."""
    return any(base.__name__ in ("Functional", "Sequential", "Model") for base in type(layer).__mro__)


def saved_weights(layer):
    """A layer's weights in the order of a .h5 file."""
    return list(layer.trainable_weights) + list(layer.non_trainable_weights)


def weight_name(weight):
    return (getattr(weight, "path", None) or weight.name).split("/")[-1].split(":")[0]


def dtype_name(weight):
    return getattr(weight.dtype, "name", None) or str(weight.dtype)


def short(number):
    return float(f"{number:.{DIGITS}g}")


def small_range(layer, name, shape):
    """Ranges for a single layer: every term visible in the output, nothing saturated."""
    if name in ("gamma", "moving_variance", "variance", "scale"):
        return 0.5, 1.5
    if name in ("bias", "beta", "moving_mean", "mean"):
        return -0.5, 0.5
    if name == "alpha":
        return -0.2, 0.6
    if name == "embeddings":
        return -1.0, 1.0
    if name == "count":
        return 1.0, 9.0
    fan_in = max(1, int(np.prod(shape[:-1])))
    bound = min(1.0, (6.0 / fan_in) ** 0.5)
    return -bound, bound


def describe_weights(model, choose=small_range):
    """The golden's `weights`; `choose(layer, name, shape)` gives each tensor its (lo, hi)."""
    described = []
    for path, layer in layers_with_paths(model):
        rows = []
        for weight in saved_weights(layer):
            name, shape = weight_name(weight), [int(d) for d in weight.shape]
            lo, hi = choose(layer, name, shape)
            rows.append({"name": name, "shape": shape, "dtype": dtype_name(weight), "lo": short(lo), "hi": short(hi)})
        if rows:
            described.append({"layer": path, "weights": rows})
    return described


def fill(model, described):
    """Puts the generated numbers into the model."""
    layers = dict(layers_with_paths(model))
    for entry in described:
        for index, (weight, spec) in enumerate(zip(saved_weights(layers[entry["layer"]]), entry["weights"])):
            weight.assign(generated.weight(entry["layer"], index, spec))
        for layer in layers[entry["layer"]]._flatten_layers():
            if hasattr(layer, "finalize_state"):  # Normalization computes with copies of its weights
                layer.finalize_state()


def input_names(model):
    return [tensor.name.split(":")[0] for tensor in model.inputs] if not hasattr(model, "input_names") else list(model.input_names)


def output_names(config, keras3=False):
    """tf.keras' output_names, from the config: a repeated layer name gets _1, _2. Where Keras 3 gives a dict, its keys."""
    names, counts = [], {}
    for name in _output_layers(config["class_name"], config["config"], keras3):
        proposal = name
        while proposal in names:
            counts[name] = counts.get(name, 0) + 1
            proposal = f"{name}_{counts[name]}"
        names.append(proposal)
    return names


def _output_layers(class_name, config, keras3):
    if "output_layers" not in config:
        layers = config["layers"] if isinstance(config, dict) else config
        return [layers[-1]["config"]["name"]]

    def named(outputs, key):
        if isinstance(outputs, dict):
            return [name for inner in sorted(outputs) for name in named(outputs[inner], inner)]
        if outputs and isinstance(outputs[0], str):  # Keras 3 writes a single output without the outer list
            return [key if keras3 and key else outputs[0]]
        return [name for output in outputs for name in named(output, key)]

    return named(config["output_layers"], None)


def flatten(nest):
    """The leaves of lists and dicts, which come by their sorted keys."""
    if isinstance(nest, dict):
        nest = [nest[key] for key in sorted(nest)]
    return [leaf for item in nest for leaf in flatten(item)] if isinstance(nest, (list, tuple)) else [nest]


def describe_inputs(model, batch, ranges, sizes, texts):
    """The golden's `inputs`; `sizes` replaces the free dimensions of an input by name, `texts` are the strings of inputs by name."""
    described = []
    for name, tensor in zip(input_names(model), model.inputs):
        shape = list(sizes.get(name, tuple(tensor.shape)[1:]))
        if tensor.shape[0] is not None:
            batch = tensor.shape[0]
        lo, hi = ranges.get(name, (-2.0, 2.0))
        dtype = dtype_name(tensor)
        spec = {"name": name, "shape": [batch] + [int(d) for d in shape], "dtype": dtype, "lo": lo, "hi": hi}
        described.append(spec | {"lo": 0.0, "hi": 0.0, "texts": texts[name]} if name in texts else spec)
    return described


def feed(inputs, number=0):
    """The arrays a model is called with: a list only where there are several."""
    arrays = [generated.model_input(spec, number) for spec in inputs]
    return arrays if len(arrays) > 1 else arrays[0]


def arranged(model, arrays):
    """The arrays as the model was made to take them, where that is neither one nor a list."""
    struct = getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None))
    if not isinstance(struct, dict) and not (isinstance(struct, list) and any(isinstance(item, (list, dict)) for item in struct)):
        return arrays
    left = iter(arrays if isinstance(arrays, list) else [arrays])

    def filled(nest):
        if isinstance(nest, dict):
            return {key: filled(nest[key]) for key in sorted(nest)}
        return [filled(item) for item in nest] if isinstance(nest, (list, tuple)) else next(left)

    return filled(struct)


def run(model, inputs, number=0):
    """Keras' own prediction, a list of arrays; of several the one with that number, from others in the place of inputs."""
    outputs = model.predict(arranged(model, feed(inputs, number)), batch_size=inputs[0]["shape"][0], verbose=0)
    return [np.asarray(output) for output in flatten(outputs)]


def called(value, alias):
    """A config in which a class goes by another name, in the dialect of the versions that used it."""
    if isinstance(value, list):
        return [called(item, alias) for item in value]
    if not isinstance(value, dict):
        return value
    new_keys = ("module", "registered_name", "build_config")
    old = {key: called(item, alias) for key, item in value.items() if "class_name" not in value or key not in new_keys}
    if old.get("class_name") == alias[0]:
        old["class_name"] = alias[1]
    return old


def make_golden(
    keras, case_id, model, *, batch=1, ranges=None, sizes=None, weights=None, compute=run, alias=None, edit=None, fills=False,
    texts=None, again=0, custom=None, rtol=1e-4, atol=1e-5
):
    """Fills the model, runs it, and gives the golden. With `alias` (class, other name) Keras reads the config with the
    other name first, and that config is the golden's. `edit` changes the config to what another version writes for the same
    model. There are so many predictions `again`, one after the other. `compute` that `fills` puts the weights into the model itself. `custom` is what
    a file for the option --custom says of classes and functions in the model."""
    config = json.loads(model.to_json())
    if alias:
        config = called(config, alias)
        model = keras.models.model_from_json(json.dumps(config))
    weights = weights or describe_weights(model)
    if not fills:
        fill(model, weights)
    config = edit(config) if edit else config
    inputs = describe_inputs(model, batch, ranges or {}, sizes or {}, texts or {})
    arrays = compute(model, inputs)
    later = [run(model, inputs, number + 1) for number in range(again)]
    names = output_names(config, keras.__version__.startswith("3"))
    assert len(names) == len(arrays), (case_id, names, [array.shape for array in arrays])
    for array in [*arrays, *sum(later, [])]:
        assert is_words(array) or np.isfinite(array).all(), f"{case_id}: not finite"

    def given(arrays):
        return [{"name": name, "shape": list(array.shape), **elements(array)} for name, array in zip(names, arrays)]

    return {
        "id": case_id,
        "keras": keras.__version__,
        "config": config,
        **({"custom": custom} if custom else {}),
        "input_shapes": {spec["name"]: spec["shape"] for spec in inputs},
        "weights": weights,
        "inputs": inputs,
        "outputs": given(arrays),
        **({"again": [given(arrays) for arrays in later]} if later else {}),
        "rtol": rtol,
        "atol": atol,
    }
