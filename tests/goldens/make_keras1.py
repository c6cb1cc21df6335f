"""Write layers/k1.jsonl, layers/k1-theano.jsonl and keras1/: models of Keras 1.2.2, computed and saved by itself.

    KERAS_BACKEND=tensorflow python make_keras1.py     (k1.jsonl, and keras1/*.h5 saved on TensorFlow)
    KERAS_BACKEND=theano python make_keras1.py         (k1-theano.jsonl, and keras1/*.h5 saved on Theano)

Made with Keras 1.2.2 from PyPI in Python 3.6.15 with numpy 1.16.6, h5py 2.10.0 and, as backends, tensorflow 1.4.1 and theano 1.0.5
(THEANO_FLAGS=cxx=,optimizer=None). It needs no other Keras. The lines are those of `golden.py`; weights are those that
Keras 1 saves, in its order, under its names. `config` is what `model.to_json()` writes, and on Theano "backend" besides, since no
file of Keras 1 says it. Each of keras1/NAME.h5 is what `model.save` writes (of one case NAME.model.json and NAME.weights.h5 what `model.to_json` and
`model.save_weights` do), with what the model predicts in keras1/NAME.golden.json.
"""
import base64
import json
import os
import re

import numpy as np

import generated
import keras1_cases

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
RTOL, ATOL = 1e-4, 1e-5


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode("ascii")


def dump(value):
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def short(number):
    return float("%.4g" % number)


def is_model(layer):
    return type(layer).__name__ in ("Sequential", "Model")


def layers_with_paths(model, above=""):
    """(path, layer) of every layer; models in a list have no name in the file, and that of their place here."""
    found = {}
    in_list = type(model).__name__ == "Sequential"
    listed = model.flattened_layers if in_list else model.layers
    for index, layer in enumerate(listed):
        name = layer.name
        if is_model(layer) and in_list and isinstance(layer.get_config(), list):
            name = "%s_at_%d" % (type(layer).__name__.lower(), index)
        inner = layers_with_paths(layer, above + name + "/") if is_model(layer) else [(above + name, layer)]
        for path, inner_layer in inner:
            found.setdefault(id(inner_layer), (path, inner_layer))
    return list(found.values())


def choose(name, shape):
    """The range of a weight: every term visible in the output, nothing saturated."""
    name = name.split(":")[0]
    name = re.sub(r"_\d+$", "", name)
    if name.endswith(("gamma", "running_std")):
        return 0.5, 1.5
    if name.endswith(("_b", "_b_carry", "beta", "running_mean")) or re.search(r"_b_[a-z]$", name):
        return -0.5, 0.5
    if name.endswith(("alphas", "a_left")):
        return -0.2, 0.6
    if name.endswith("betas"):
        return 0.5, 2.0
    if name.endswith("t_left"):
        return -1.0, 0.0
    if name.endswith("t_right"):
        return -1.0, 1.0
    if name.endswith("a_right"):
        return -0.5, 1.5
    bound = min(1.0, (6.0 / max(1, int(np.prod(shape)) // max(shape))) ** 0.5)
    return -bound, bound


def fill(K, model):
    """Puts generated numbers into a model, and describes them as the golden's `weights`."""
    described = []
    for path, layer in layers_with_paths(model):
        rows, values = [], []
        for index, weight in enumerate(layer.weights):
            value = K.get_value(weight)
            lo, hi = choose(weight.name, value.shape)
            row = {"name": weight.name, "shape": [int(d) for d in value.shape], "dtype": "float32", "lo": short(lo), "hi": short(hi)}
            rows.append(row)
            values.append((weight, generated.weight(path, index, row)))
        if rows:
            described.append({"layer": path, "weights": rows})
            K.batch_set_value(values)
    return described


def input_names(model):
    """A model that was made of layers one after the other has inputs without a name in the file; here they are called after their
    first layer."""
    if type(model).__name__ == "Model":
        return list(model.input_names)
    names = []

    def walk(sequential):
        first = sequential.layers[0]
        branches = getattr(first, "layers", None) if type(first).__name__ == "Merge" else None
        if branches:
            for branch in branches:
                walk(branch) if type(branch).__name__ == "Sequential" else names.extend(branch.input_names)
        elif type(first).__name__ == "Sequential" and type(first.layers[0]).__name__ == "Merge":
            walk(first)
        elif type(first).__name__ == "Sequential":
            names.append("sequential_at_0_input")
        else:
            names.append(first.name if type(first).__name__ == "InputLayer" else first.name + "_input")

    walk(model)
    return names


def describe_inputs(K, model, options):
    described = []
    for name, tensor in zip(input_names(model), model.inputs):
        shape = [int(d) for d in options.get("shape", K.int_shape(tensor)[1:])]
        batch = K.int_shape(tensor)[0] or options.get("batch", 2)
        integers = "int" in tensor.dtype if isinstance(tensor.dtype, str) else "int" in tensor.dtype.name
        lo, hi = options.get("range", (0.0, 6.0) if integers else (-2.0, 2.0))
        described.append({"name": name, "shape": [batch] + shape, "dtype": "int32" if integers else "float32", "lo": lo, "hi": hi})
    return described


def predict(model, arrays):
    outputs = model.predict(arrays if len(arrays) > 1 else arrays[0], batch_size=arrays[0].shape[0])
    return outputs if isinstance(outputs, list) else [outputs]


def name_of_last(model):
    last = model.layers[-1]
    return "sequential_at_%d" % (len(model.layers) - 1) if type(last).__name__ == "Sequential" else last.name


def describe_outputs(model, outputs):
    names = [name_of_last(model)] if type(model).__name__ == "Sequential" else list(model.output_names)
    return [{"name": name, "shape": list(output.shape), "data": encode(output)} for name, output in zip(names, outputs)]


def make(K, keras, name, function):
    made = function()
    model, options = made if isinstance(made, tuple) else (made, {})
    weights = fill(K, model)
    inputs = describe_inputs(K, model, options)
    predictions = []
    for number in range(options.get("predictions", 1)):
        arrays = [generated.model_input(spec, number) for spec in inputs]
        predictions.append(describe_outputs(model, predict(model, arrays)))
    config = json.loads(model.to_json())
    if K.backend() == "theano":
        config["backend"] = "theano"
    golden = {
        "id": ("theano-" if K.backend() == "theano" else "keras1-") + name,
        "keras": keras.__version__,
        "config": config,
        "input_shapes": {spec["name"]: spec["shape"] for spec in inputs},
        "weights": weights,
        "inputs": inputs,
        "outputs": predictions[0],
        "rtol": RTOL,
        "atol": ATOL,
    }
    if predictions[1:]:
        golden["again"] = predictions[1:]
    return model, golden, options


def save(K, model, golden, options):
    """A file as Keras saves it, and what the model predicts."""
    import h5py

    folder = os.path.join(HERE, "keras1")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, golden["id"] + ".h5")
    if options["save"] == "apart":
        with open(path[:-3] + ".model.json", "w") as file:
            file.write(model.to_json() + "\n")
        model.save_weights(path[:-3] + ".weights.h5")
    else:
        model.save(path)
    if options["save"] == "unstated":  # as Keras before 1.2 saves it
        with h5py.File(path, "r+") as file:
            del file.attrs["keras_version"]
    inputs = [dict(spec, data=encode(generated.model_input(spec))) for spec in golden["inputs"]]
    kept = {"id": golden["id"], "inputs": inputs, "outputs": golden["outputs"], "rtol": RTOL, "atol": ATOL}
    with open(path[:-3] + ".golden.json", "w") as file:
        file.write(dump(kept) + "\n")


def main():
    import keras
    from keras import backend as K

    if K.backend() == "theano":
        import theano.ifelse  # Keras takes it to be there  # noqa: F401
    assert keras.__version__ == "1.2.2", keras.__version__
    lines = []
    for name, function in keras1_cases.cases(K.backend()):
        if K.backend() == "tensorflow":
            K.clear_session()
        model, golden, options = make(K, keras, name, function)
        lines.append(dump(golden))
        if "save" in options:
            save(K, model, golden, options)
    name = "k1.jsonl" if K.backend() == "tensorflow" else "k1-theano.jsonl"
    with open(os.path.join(HERE, "layers", name), "w") as file:
        file.write("\n".join(lines) + "\n")
    print("%s: %d cases" % (name, len(lines)))


if __name__ == "__main__":
    main()
