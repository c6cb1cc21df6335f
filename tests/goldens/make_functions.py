"""Write functions.txt: each function of keras.ops with the classes of operations that it saves in a functional model.

    python make_functions.py

Made with keras 3.15.1, from the source of each module. A function without a class is computed when the model is built.
"""
import ast
import inspect
import os

import keras
from keras.src import ops

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = [ops.core, ops.einops, ops.image, ops.linalg, ops.math, ops.nn, ops.numpy]


def classes_of():
    """Classes that the body of each function makes."""
    found, aliases = {}, {}
    for module in MODULES:
        tree = ast.parse(inspect.getsource(module))
        classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                calls = [call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)]
                found[node.name] = [name for name in dict.fromkeys(calls) if name in classes]
                aliases[node.name] = next((name for name in calls if name != "keras_export"), "")
    # Some functions are other names of the one that they call.
    return {name: made or found.get(aliases[name], []) for name, made in found.items()}


def main():
    found = classes_of()
    names = [name for name in dir(keras.ops) if callable(getattr(keras.ops, name))]
    names += [f"image.{name}" for name in dir(keras.ops.image) if callable(getattr(keras.ops.image, name)) and not name.startswith("_")]
    names = [name for name in names if not name.startswith("_")]
    lines = []
    for name in names:
        function = getattr(keras.ops.image, name[6:]) if name.startswith("image.") else getattr(keras.ops, name)
        lines.append(" ".join([name, *found.get(function.__name__, [])[:1]]))
    with open(os.path.join(HERE, "functions.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print(len(lines), "functions")


if __name__ == "__main__":
    main()
