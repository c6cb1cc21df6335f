"""Write random small Keras models with what Keras predicts, one golden a line as golden.py describes it.

    python generate.py [--keras2] --seed FIRST --count N --out FILE.jsonl

The model of a seed is the same on every machine with these versions of Keras (those of goldens/make_layers.py). A model
has one to three inputs and grows layer by layer from whatever tensors there are: layers with random arguments, merges of
tensors that fit, operations, masks, models inside models, layers that are called twice; its outputs are the tensors that
nothing reads. What Keras itself refuses is drawn anew, and models whose numbers are not finite, or so large that
rounding decides, are left out.

Kernels of TensorFlow may end the process, with a division by zero say. The models are therefore made by another process,
which is started again behind the seed at which it ended; that seed is named, and the exit code is 3.
"""
import argparse
import os
import random
import signal
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "goldens"))

import generated
import golden
import draws

ENDED = 3
LARGEST = 1e4
ELEMENTS = 6000


class Growing:
    """A model that is being made."""

    def __init__(self, keras, rng):
        self.keras, self.rng = keras, rng
        self.inputs, self.tensors, self.used, self.ranges = [], [], set(), {}
        self.layers = []

    def input(self):
        rng, name = self.rng, f"x{len(self.inputs)}"
        shape = draws.shape(rng)
        if rng.random() < 0.12:
            steps, words = rng.randint(2, 6), rng.randint(3, 9)
            tensor = self.keras.Input((steps,), name=name, dtype="int32")
            self.inputs.append(tensor)
            self.ranges[name] = (0.0, float(words))
            width = rng.randint(1, 6)
            self.tensors.append(self.keras.layers.Embedding(words, width, mask_zero=rng.random() < 0.5)(tensor))
            return
        tensor = self.keras.Input(shape, name=name)
        self.inputs.append(tensor)
        self.tensors.append(tensor)

    def take(self, rank=None):
        """A tensor, more likely a late one."""
        fits = [i for i, tensor in enumerate(self.tensors) if rank in (None, len(tensor.shape) - 1)]
        if not fits:
            return None
        i = fits[-1 - min(int(self.rng.expovariate(0.9)), len(fits) - 1)]
        self.used.add(i)
        return self.tensors[i]

    def grow(self):
        before = set(self.used)
        made = draws.step(self)
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        for result in results:
            shape = tuple(result.shape)[1:]
            if any(d is None or d < 1 for d in shape) or not 0 < np.prod(shape, dtype=int) <= ELEMENTS or len(shape) > 4:
                self.used = before
                raise ValueError("a shape that is not wanted")
        self.tensors += results

    def model(self):
        loose = [tensor for i, tensor in enumerate(self.tensors) if i not in self.used]
        return self.keras.Model(self.inputs, loose)


def grown(keras, rng, inputs, steps):
    growing = Growing(keras, rng)
    for _ in range(inputs):
        growing.input()
    done, tries = 0, 0
    while done < steps and tries < 12 * steps:
        tries += 1
        before = set(growing.used)
        try:
            growing.grow()
            done += 1
        except Exception:  # Keras refuses many of the arguments that are drawn.
            growing.used = before
    return growing


def called(model, inputs):
    """Without the compilation of a graph, which takes longer than such a model."""
    outputs = model(golden.feed(inputs), training=False)
    return [np.asarray(output) for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def one(keras, seed):
    """The golden of a seed; None where there is nothing to compare."""
    keras.backend.clear_session()
    rng = random.Random(seed)
    growing = grown(keras, rng, rng.choice([1, 1, 1, 2, 2, 3]), rng.randint(1, 8))
    model = growing.model()
    ranges = {name: growing.ranges.get(name, (-2.0, 2.0)) for name in golden.input_names(model)}
    made = golden.make_golden(keras, f"seed {seed}", model, batch=rng.choice([1, 1, 2, 3]), ranges=ranges, compute=called)
    for output in made["outputs"]:
        values = np.frombuffer(__import__("base64").b64decode(output["data"]), "<f4")
        if values.size and np.abs(values).max() > LARGEST:
            return None
    return made


def generate(keras, args):
    """Writes the models of a range of seeds; the seed that is on the way stands in a file beside them."""
    written, skipped = 0, {}
    with open(args.out, "a", encoding="utf-8") as file:
        for seed in range(args.seed, args.seed + args.count):
            with open(args.out + ".seed", "w", encoding="utf-8") as at:
                at.write(str(seed))
            try:
                made = one(keras, seed)
            except Exception as error:
                why = f"{type(error).__name__}: {' '.join(str(error).split())[:60]}"
                skipped[why] = skipped.get(why, 0) + 1
                continue
            if made is None:
                skipped["large numbers"] = skipped.get("large numbers", 0) + 1
                continue
            file.write(golden.dump(made) + "\n")
            file.flush()
            written += 1
    print(f"{args.out}: {written} models of Keras {keras.__version__}, {sum(skipped.values())} left out")
    for why, count in sorted(skipped.items(), key=lambda item: -item[1])[:6]:
        print(f"  {count}: {why}")


def supervise(args):
    """Has the models made; gives the seeds at which Keras ended, as (seed, why)."""
    ended, first, end = [], args.seed, args.seed + args.count
    open(args.out, "w", encoding="utf-8").close()
    while first < end:
        command = [sys.executable, os.path.abspath(__file__), "--part", "--seed", str(first), "--count", str(end - first), "--out", args.out]
        code = subprocess.run(command + (["--keras2"] if args.keras2 else [])).returncode
        if code == 0:
            break
        if code > 0:
            sys.exit(code)
        with open(args.out + ".seed", encoding="utf-8") as at:
            seed = int(at.read())
        ended.append((seed, signal.Signals(-code).name))
        first = seed + 1
    return ended


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras2", action="store_true")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--part", action="store_true", help="make them in this very process")
    args = parser.parse_args()
    if args.part:
        return generate(golden.load_keras(args.keras2), args)
    ended = supervise(args)
    for seed, why in ended:
        print(f"{args.out}: Keras ended at seed {seed} ({why})")
    return ENDED if ended else 0



if __name__ == "__main__":
    sys.exit(main())
