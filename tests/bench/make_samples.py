"""Writes random inputs of the benchmark's networks, for `keras-compile --samples` and `verify --samples`.

    python tests/bench/make_samples.py tests/bench/models/ResNet50 samples.npz [count]
"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np


def config(folder):
    """The model's config."""
    with zipfile.ZipFile(folder / "model.keras") as file:
        return json.loads(file.read("config.json"))["config"]


def main(folder, out, count=4):
    folder, rng = Path(folder), np.random.default_rng(1)
    case = json.loads((folder / "case.json").read_text())
    found = config(folder)
    names = [layer["config"]["name"] for layer in found["layers"] if layer["class_name"] == "InputLayer"]
    rows = int(count)
    arrays = {}
    for name, described in zip(names, case["inputs"]):
        shape = [rows, *described["shape"][1:]]
        if described["dtype"].startswith("int"):
            given = np.fromfile(folder / described["file"], described["dtype"])
            arrays[name] = rng.integers(0, given.max() + 1, shape).astype(described["dtype"])
        else:
            arrays[name] = rng.uniform(-1, 1, shape).astype("f4")
    np.savez_compressed(out, **arrays)


main(*sys.argv[1:])
