"""Write layers/k3.jsonl (or k2.jsonl) and k3-extra, k3-operations and so on there: one golden a line.

    python make_layers.py [--keras2] [--only TEXT] [--file TEXT]

Made with keras 3.15.1 and, for --keras2, tf_keras 2.21.0, both on tensorflow-cpu 2.21.0 with numpy
2.4 and Python 3.11. Which rows there are is data: `layer_table.py`; `graph_cases.py` for models whose point is how
layers hang together; and the modules of FILES, each for a file of its own.
`--only` runs the cases whose id contains TEXT and prints them instead of writing files; `--file`
writes those files only whose name contains TEXT.

channels_first: TensorFlow on a CPU cannot compute most of it. The golden then holds the real
channels_first model, and its numbers come from a twin with channels_last and the same weights,
with a transposition before and after: layers of equal meaning, only the axes stand elsewhere.
Likewise a dilated Conv2DTranspose, which TensorFlow refuses to Keras 3 on a CPU: its numbers come
from a kernel stuffed with zeros (Keras 2 computes them itself, with the same result).
"""
import argparse
import os
import sys
import traceback

import numpy as np

import attention_cases
import class_cases
import custom_cases
import differential_cases
import file_cases
import function_cases
import generated
import golden
import graph_cases
import lambda_cases
import layer_table
import matrix_cases
import node_cases
import operation_cases
import other_cases
import preprocessing_cases
import recurrent_cases
import text_cases
from layer_table import Inner, show

# What stands around a network, attention, stacks of cells and recurrent convolutions, what random models have shown, what
# files may say besides, and layers that few models have.
FILES = {
    "operations": operation_cases,
    "attention": attention_cases,
    "recurrent": recurrent_cases,
    "differential": differential_cases,
    "files": file_cases,
    "other": other_cases,
    "lambda": lambda_cases,
    "functions": function_cases,
    "preprocessing": preprocessing_cases,
    "text": text_cases,
    "classes": class_cases,
    "custom": custom_cases,
    "nodes": node_cases,
    "matrices": matrix_cases,
}

HERE = os.path.dirname(os.path.abspath(__file__))
# Activations and clamps need a look at both tails; everything else gets numbers around zero.
WIDE = {"Activation": 8.0, "ReLU": 8.0, "Softmax": 4.0, "ThresholdedReLU": 4.0, "LeakyReLU": 8.0, "ELU": 8.0, "PReLU": 8.0}


def build(keras, cls, args):
    """A layer, with the layers inside it."""
    made = {key: build(keras, value.cls, value.args) if isinstance(value, Inner) else value for key, value in args.items()}
    return getattr(keras.layers, cls)(**made)


def case_id(cls, shapes, args, batch):
    sizes = "+".join("x".join(map(str, shape)) for shape in shapes)
    return f"{cls}({show(args)}) {sizes}" + (f" batch {batch}" if batch > 1 else "")


def one_layer(keras, cls, shapes, args):
    """A model of inputs and that one layer. Its name is fixed so that a twin has the same weights."""
    dtype = "int32" if cls == "Embedding" else "float32"
    inputs = [keras.Input(shape, name=name, dtype=dtype) for name, shape in zip("abc", shapes)]
    outputs = build(keras, cls, args)(inputs if len(inputs) > 1 else inputs[0])
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def to_last(array):
    return np.moveaxis(array, 1, -1) if array.ndim >= 3 else array


def to_first(array):
    return np.moveaxis(array, -1, 1) if array.ndim >= 3 else array


def compute_with_twin(keras, cls, shape, args):
    """The `compute` of make_golden for a channels_first layer; see the top of this file."""

    def compute(model, inputs):
        keras.backend.clear_session()
        twin = one_layer(keras, cls, [shape[1:] + shape[:1]], args | {"data_format": "channels_last"})
        golden.fill(twin, golden.describe_weights(model))
        output = twin.predict(to_last(generated.model_input(inputs[0])), verbose=0)
        return [to_first(np.asarray(output))]

    return compute


def compute_stuffed(keras, shape, args):
    """The `compute` of make_golden for a dilated Conv2DTranspose: a larger kernel, holes filled with zeros."""
    dilation, size = args["dilation_rate"], args["kernel_size"]

    def compute(model, inputs):
        keras.backend.clear_session()
        large = (size - 1) * dilation + 1
        twin = one_layer(keras, "Conv2DTranspose", [shape], args | {"dilation_rate": 1, "kernel_size": large})
        kernel, *bias = [np.asarray(weight) for weight in golden.saved_weights(model.layers[-1])]
        stuffed = np.zeros((large, large) + kernel.shape[2:], "float32")
        stuffed[::dilation, ::dilation] = kernel
        twin.layers[-1].set_weights([stuffed, *bias])
        return [twin.predict(generated.model_input(inputs[0]), verbose=0)]

    return compute


def special_compute(keras, cls, shape, args):
    """Another way to the numbers, where TensorFlow on a CPU cannot take the straight one."""
    # Flatten moves the axes itself, on any device; a twin would flatten in the other order.
    if args.get("data_format") == "channels_first" and cls != "Flatten":
        return compute_with_twin(keras, cls, shape, args)
    if cls == "Conv2DTranspose" and "dilation_rate" in args and keras.__version__.startswith("3"):
        return compute_stuffed(keras, shape, args)
    return golden.run


def table_golden(keras, cls, shapes, args, batch):
    reach = WIDE.get(cls, 2.0)
    ranges = {name: (0.0, 10.0) if cls == "Embedding" else (-reach, reach) for name in "abc"}
    options = {"ranges": ranges, "batch": batch, "compute": special_compute(keras, cls, shapes[0], args)}
    return golden.make_golden(keras, case_id(cls, shapes, args, batch), one_layer(keras, cls, shapes, args), **options)


def table_cases(keras, groups, batch=1):
    """(id, function that makes the golden) of every row."""
    for cls, shape, rows in groups:
        shapes = shape if isinstance(shape, list) else [shape]
        for args in rows:
            yield case_id(cls, shapes, args, batch), lambda c=cls, s=shapes, a=args: table_golden(keras, c, s, a, batch)


def graph_golden(keras, name, function):
    made = function(keras)
    model, options = made if isinstance(made, tuple) else (made, {})
    return golden.make_golden(keras, name, model, **options)


def graphs(keras, extra):
    for name, only, is_extra, function in graph_cases.CASES:
        if is_extra == extra and only in (None, int(keras.__version__[0])):
            yield name, lambda n=name, f=function: graph_golden(keras, n, f)


def models(keras, cases):
    for name, only, function in cases:
        if only in (None, int(keras.__version__[0])):
            yield name, lambda n=name, f=function: graph_golden(keras, n, f)


def files(keras):
    """File name and its cases."""
    two = keras.__version__.startswith("2")
    table = layer_table
    core = list(table_cases(keras, table.COMMON + (table.KERAS2 if two else table.KERAS3)))
    core += list(table_cases(keras, table.BATCH_OF_THREE, batch=3)) + list(graphs(keras, extra=False))
    extra = list(table_cases(keras, table.EXTRA_COMMON + (table.EXTRA_KERAS2 if two else table.EXTRA_KERAS3)))
    extra += list(graphs(keras, extra=True))
    groups = {"": core, "-extra": extra} | {f"-{name}": list(models(keras, module.CASES)) for name, module in FILES.items()}
    groups["-attention"] = list(table_cases(keras, table.ATTENTION_COMMON)) + groups["-attention"]
    return {f"{golden.prefix(keras)}{name}.jsonl": cases for name, cases in groups.items()}


def make(keras, cases, only):
    """Lines of the file; a row that this Keras refuses is shown at the end, not hidden."""
    lines, refused, seen = [], [], set()
    for name, function in cases:
        if only and only not in name:
            continue
        assert name not in seen, f"two cases {name}"
        seen.add(name)
        keras.backend.clear_session()
        try:
            lines.append(golden.dump(function()))
        except Exception as error:
            refused.append((name, error))
            if only:
                traceback.print_exc()
    for name, error in refused:
        print(f"refused: {name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras2", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--file", default="")
    args = parser.parse_args()
    keras = golden.load_keras(args.keras2)
    folder = os.path.join(HERE, "layers")
    os.makedirs(folder, exist_ok=True)
    for name, cases in files(keras).items():
        if args.file not in name:
            continue
        lines = make(keras, cases, args.only)
        if args.only:
            print("\n".join(lines))
            continue
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        print(f"{name}: {len(lines)} of {len(cases)} cases", flush=True)


if __name__ == "__main__":
    main()
