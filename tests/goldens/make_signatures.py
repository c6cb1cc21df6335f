"""Print the rows of compiler/src/keras/layers/lambda/signatures.rs: functions of keras.ops and of tf with the names that the
tables of operations have for them, and their parameters.

    python make_signatures.py

Made with keras 3.15.1 and tensorflow 2.21.0.
"""
import ast
import inspect
import re

import keras
import tensorflow as tf
from tensorflow.python.util import tf_export

# Functions without an operation of their own in their code.
CLASSES = {"abs": "Absolute", "cast": "Cast", "diff": "Diff", "pad": "Pad", "convert_to_tensor": "ConvertToTensor"}
CONTROL = "map scan associative_scan switch while_loop fori_loop cond custom_gradient vectorize vectorized_map is_tensor dtype"
# What no network computes that is compiled.
OTHERS = re.compile(
    r"random|sparse|ragged|string|experimental|^test|ctc|sampl|embedding|decode|encode|draw|non_max|sdca|nce_loss|_loss|entropy"
    r"|conv|rnn|quant|while|cond$|case|map_fn|scan|grad|variable|py_function|print|assert|session|device|control|hessian|extract"
    r"|total_variation|psnr|ssim|sobel|yiq|yuv|igamma|zeta|bessel|lbeta|confusion|eig|svd|cholesky|qr$|^lu$|lu_|expm|logm|sqrtm"
    r"|tridiag|triangular|banded|lstsq|LinearOp|histogram|unique|in_top_k|bucket|approx|collapse|fixed|initialize|jpeg|bincount"
    r"|segment"
)


def parameters(function):
    all_of_them = inspect.signature(function).parameters.values()
    named = [p for p in all_of_them if p.kind != p.VAR_KEYWORD and p.name != "name"]
    return " ".join(("*" if p.kind == p.VAR_POSITIONAL else "") + p.name for p in named)


def operation(function):
    """The class whose `symbolic_call` the function gives."""
    calls = [n.func for n in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(n, ast.Call)]
    owners = [f.value for f in calls if isinstance(f, ast.Attribute) and f.attr == "symbolic_call"]
    names = {owner.func.id for owner in owners if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name)}
    return names.pop() if len(names) == 1 else None


def of_keras():
    for prefix, module in [("", keras.ops), ("image.", keras.ops.image)]:
        for name in sorted(dir(module)):
            function = getattr(module, name)
            if inspect.isfunction(function) and not name.startswith("_") and name not in CONTROL.split():
                found = CLASSES.get(name) or operation(function)
                if found:
                    yield prefix + name, found, parameters(function)


def of_tensorflow():
    for prefix, module in [("", tf), ("math.", tf.math), ("nn.", tf.nn), ("image.", tf.image), ("linalg.", tf.linalg)]:
        for name in sorted(dir(module)):
            function = getattr(module, name)
            if name.startswith("_") or not callable(function) or inspect.isclass(function) or OTHERS.search(name):
                continue
            try:
                canonical = tf_export.get_canonical_name_for_symbol(function, add_prefix_to_v1_names=True)
                row = prefix + name, canonical, parameters(function)
            except (TypeError, ValueError):  # no signature
                continue
            if canonical:
                yield row


for title, rows in [("OPS", of_keras()), ("TF", of_tensorflow())]:
    print(f"pub const {title}: &[(&str, &str, &str)] = &[")
    print("".join('    ("%s", "%s", "%s"),\n' % row for row in sorted(set(rows))) + "];\n")
