"""Makes the files of weights that tests/budget.rs puts around its architectures: python tests/budget/make_weights.py"""

import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent

# As `.keras` archives have them, for models without weights.
with h5py.File(HERE / "none.weights.h5", "w") as file:
    file.create_group("layers/re_lu")

# Of Conv2DTranspose layers with one filter of one tap, that all share two variables.
with h5py.File(HERE / "transposed.weights.h5", "w") as file:
    shared = file.create_group("layers/conv2d_transpose")
    shared["vars/0"] = np.ones((1, 1, 1, 1), np.float32)
    shared["vars/1"] = np.zeros((1,), np.float32)
    for index in range(1, 60):
        file[f"layers/conv2d_transpose_{index}"] = shared

# As `.h5` files have them, for a nested model "outer" with one weight.
with h5py.File(HERE / "nested.h5", "w") as file:
    file.attrs["layer_names"] = [b"outer"]
    file.attrs["keras_version"] = "2.4.0"
    file.attrs["backend"] = "tensorflow"
    file["outer/a/kernel:0"] = np.ones((4, 4), np.float32)
    file["outer"].attrs["weight_names"] = [b"a/kernel:0"]

# A megabyte of zeros that takes a kilobyte, named as the weights of 400 layers: one is the weight of all.
with h5py.File(HERE / "zeros.weights.h5", "w", libver="latest") as file:
    shared = file.create_group("layers/dense")
    shared.create_dataset("vars/0", (512, 512), np.float32)
    for index in range(1, 400):
        file[f"layers/dense_{index}"] = shared

# A megabyte of zeros that takes a kilobyte, for one Dense layer.
with h5py.File(HERE / "dense.weights.h5", "w", libver="latest") as file:
    file.create_dataset("layers/dense/vars/0", (512, 512), np.float32)
