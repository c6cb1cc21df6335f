"""Numbers that need no storage: Python and Rust make the same tensors from a name and a range.

A golden file holds no weights and (mostly) no inputs, only `{shape, dtype, lo, hi}`; both sides
regenerate the numbers. Needs numpy only. `python generated.py` prints a few known values, which
the reader in Rust has to reproduce bit for bit.

The rule, for element `i` (row-major, all integers u32 and wrapping):

    seed = FNV-1a 32 bit of the UTF-8 bytes of the name
    x = i * 0x9E3779B9 + seed
    x ^= x >> 16;  x *= 0x85EBCA6B;  x ^= x >> 13;  x *= 0xC2B2AE35;  x ^= x >> 16
    u = float32(x >> 8) * float32(2^-24)                     (0 <= u < 1, exact)
    value = float32(lo) + (float32(hi) - float32(lo)) * u    (each operation rounded to float32, no FMA)
    a tensor of integers or bools takes floor(value); any other float type rounds the float32 value

Names:

    weight   "<layer path>/<index>"   index = its place in trainable_weights + non_trainable_weights,
                                      the order in which Keras writes a layer's weights into a .h5
    input    "input/<name>", of the second prediction "input/<name>/1" and so on

A weight with `values`, a flat list, has those instead, and so has an input of strings with `texts`.

A layer's path is its name; a model inside a model is descended into and prefixes its inner layers
("outer/inner"). Any other layer with layers inside (Bidirectional, TimeDistributed, RNN with its
cell) is one layer that holds all its weights in order, even where it wraps a whole model.
"""
import numpy as np


def fnv1a(text):
    """FNV-1a, 32 bit."""
    value = 0x811C9DC5
    for byte in text.encode("utf-8"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def unit(name, count):
    """`count` float32 numbers in [0, 1)."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(fnv1a(name))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def tensor(name, shape, lo, hi, dtype="float32"):
    """The tensor called `name`."""
    lo, hi = np.float32(lo), np.float32(hi)
    values = lo + (hi - lo) * unit(name, int(np.prod(shape, dtype=np.int64)))
    if "int" in dtype or dtype == "bool":
        values = np.floor(values)
    return values.reshape(shape).astype(dtype)


def weight(path, index, spec):
    if "values" in spec:
        return np.array(spec["values"], spec["dtype"]).reshape(spec["shape"])
    return tensor(f"{path}/{index}", spec["shape"], spec["lo"], spec["hi"], spec["dtype"])


def model_input(spec, number=0):
    """An input of the first prediction of a case, or of a later one. Strings are the same in all."""
    if "texts" in spec:
        import tensorflow as tf

        return tf.reshape(tf.constant(spec["texts"], tf.string), spec["shape"])
    return tensor("input/" + spec["name"] + (f"/{number}" if number else ""), spec["shape"], spec["lo"], spec["hi"], spec["dtype"])


def _self_test():
    print("fnv1a('dense/0') =", hex(fnv1a("dense/0")))
    for name, lo, hi in [("dense/0", 0.0, 1.0), ("outer/inner/3", -0.75, 0.3), ("input/x", 0.0, 255.0)]:
        values = tensor(name, [5], lo, hi)
        print(f"tensor({name!r}, [5], {lo}, {hi}) = {values.tolist()} bits", [hex(b) for b in values.view(np.uint32)])
    print("tensor('input/ids', [8], 0, 10, int32) =", tensor("input/ids", [8], 0, 10, "int32").tolist())


if __name__ == "__main__":
    _self_test()
