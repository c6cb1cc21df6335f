"""Writes the files of NumPy that tests read, and inputs and outputs of small models.

    python tests/goldens/make_arrays.py
"""

import json
import os
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np

HERE = Path(__file__).parent
OUT = HERE / "arrays"
DIGITS = HERE.parent.parent / "examples/digits"


def kinds():
    """An array of each type of numbers, in both orders of bytes, and of axes."""
    numbers = np.array([[0, 1, 2], [3, 100, 5]])
    made = {}
    for kind in ["f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8"]:
        for order in "<>":
            made[f"{kind}-{'little' if order == '<' else 'big'}"] = numbers.astype(order + kind)
    made |= {kind: numbers.astype(kind) for kind in ["i1", "u1", "bool"]}
    made["negative"] = np.array([-1.5, -0.0, 2.0**-149, 65504], "f4")
    made["rows"] = np.arange(24, dtype="f4").reshape(2, 3, 4)
    made["columns"] = np.asfortranarray(made["rows"])
    made["turned"] = np.arange(6, dtype=">i2").reshape(3, 2).T
    made["scalar"] = np.float32(2.5)
    made["empty"] = np.zeros((0, 4), "f4")
    made["largest"] = np.array([2**53, -(2**53)], "i8")
    made["not finite"] = np.array([np.inf, -np.inf, np.nan])
    return made


def shown(array):
    """As JSON has it: row-major, what is not finite as text."""
    values = np.asarray(array).astype("f8").ravel(order="C")
    return {"shape": list(np.shape(array)), "values": [v if np.isfinite(v) else str(v) for v in values.tolist()]}


def refused():
    """What is no array of numbers."""
    return {
        "complex": np.zeros(2, "c8"),
        "text": np.array(["a", "bc"]),
        "bytes": np.array([b"a"]),
        "objects": np.array([{}, None], dtype=object),
        "fields": np.zeros(2, [("a", "f4")]),
        "dates": np.array(["2020-01-01"], "M8[D]"),
        "extended": np.zeros(2, "g"),
    }


def predictions(model, files, inputs):
    """Inputs, and what Keras predicts of them."""
    outputs = model.predict(inputs, verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    np.savez_compressed(files[0], **inputs)
    np.savez_compressed(files[1], **dict(zip(model.output_names, outputs)))


def main():
    OUT.mkdir(exist_ok=True)
    made = kinds()
    np.savez(OUT / "kinds.npz", **made)
    np.savez_compressed(OUT / "compressed.npz", **made)
    np.savez(OUT / "refused.npz", **refused())
    (OUT / "kinds.json").write_text(json.dumps({name: shown(array) for name, array in made.items()}) + "\n")

    model = keras.saving.load_model(DIGITS / "digits.h5", compile=False)
    digits = json.loads((DIGITS / "test-digits.json").read_text())["digits"]
    images = np.array([digit["image"] for digit in digits], "f4").reshape(-1, 8, 8, 1)
    predictions(model, [DIGITS / "samples.npz", DIGITS / "outputs.npz"], {"image": images})

    model = keras.saving.load_model(HERE / "containers/k3-integers.keras", compile=False)
    rng = np.random.default_rng(1)
    inputs = {tensor.name: rng.integers(0, 2, (6, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs}
    predictions(model, [OUT / "integers-samples.npz", OUT / "integers-outputs.npz"], inputs)
    halves = {name: np.asarray(array, "f4") / 2 for name, array in inputs.items()}
    np.savez(OUT / "halves-samples.npz", **halves)


main()
