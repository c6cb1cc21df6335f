"""Compile networks of keras.applications at batch 64: the limits of the budget must let all of them through.

Those whose tensors do not fit into 32-bit memory then, at their own resolution, are compiled for small images.

    python applications.py path/to/keras-compile [NASNetLarge VGG19 ...]

Needs Keras with TensorFlow, and a few gigabytes of disk and memory: weights are random, but as large as trained ones.
Prints processor time and peak memory of each compilation; exits with 1 if one is refused.
"""
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras

BATCH = 64
SMALL = (224, 224, 3)
# What the compiler says of a model that no 32-bit memory holds.
MEMORY = ("the element count of shape", "the memory for activations", "4 GiB")


def networks():
    """All functions of keras.applications that build a network."""
    found = vars(keras.applications)
    return sorted(name for name, value in found.items() if callable(value) and name[0].isupper())


# A process counts the memory of the one that it was forked from: fork from a small one.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


def compiled(compiler, model):
    """Size of the file in MB, exit code, processor time in seconds, peak memory in MB and what the compiler says."""
    sizes = [size or small for size, small in zip(model.input_shape[1:], SMALL)]
    shape = ",".join(map(str, (BATCH, *sizes)))
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "model.keras"), os.path.join(folder, "dist")
        model.save(path)
        command = [compiler, path, "--input-shape", shape, "--out", out, "--quiet"]
        done = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True)
        code, seconds, peak = map(float, done.stdout.split())
        return os.path.getsize(path) / 1e6, int(code), seconds, peak, done.stderr.strip()


def main():
    compiler, names = sys.argv[1], sys.argv[2:] or networks()
    refused = 0
    for name in names:
        make = getattr(keras.applications, name)
        for options in ({}, {"input_shape": SMALL}):
            keras.backend.clear_session()
            model = make(weights=None, **options)
            size, code, seconds, peak, said = compiled(compiler, model)
            shape = "x".join(map(str, model.input_shape[1:]))
            print(f"{name:<20} {shape:<10} {size:7.1f} MB, {seconds:6.2f} s, {peak:6.0f} MB, code {code} {said[:300]}", flush=True)
            if not any(words in said for words in MEMORY):
                break
        refused += code != 0
    sys.exit(min(refused, 1))


if __name__ == "__main__":
    main()
