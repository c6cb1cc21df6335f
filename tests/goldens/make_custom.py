"""Write custom/: files with Python code of the user's as Keras saves them, what the options say of it, and what Keras predicts.

    python make_custom.py [--keras2]

Made with keras 3.15.1 and, for --keras2, tf_keras 2.21.0, as containers/ are: see `make_containers.py`. `custom.json` is what
--custom takes for NAME-network; NAME-distance has a Lambda whose code the compiler does not take.
"""
import argparse
import json
import os

import custom_cases
import golden
import make_containers

make_containers.FOLDER = os.path.join(make_containers.HERE, "custom")


def network(k):
    """Weights of its own and of layers inside, two of a kind, and arguments."""
    made = custom_cases.classes(k)
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    z = made["Scale"](name="scale")(made["Residual"](4, 6, name="block")(x))
    z, share = made["Gate"](name="gate")([z, made["Unit"](factor=2.0, name="unit")(y)])
    z = k.layers.Dense(3, activation=made["bent"], name="dense")(made["Scale"](name="again")(z))
    return k.Model([x, y], [z, share], name="network")


def distance(k):
    """A Lambda with a branch, which is more than an expression."""
    def far(tensors):
        if len(tensors) > 2:
            return tensors[2]
        return abs(tensors[0] - tensors[1])

    a, b = k.Input((3,), name="a"), k.Input((3,), name="b")
    dense = k.layers.Dense(2, name="dense")
    z = k.layers.Lambda(far, name="distance")([dense(a), dense(b)])
    return k.Model([a, b], z, name="distance")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras2", action="store_true")
    args = parser.parse_args()
    keras = golden.load_keras(args.keras2)
    os.makedirs(make_containers.FOLDER, exist_ok=True)
    prefix = golden.prefix(keras)
    model = make_containers.filled(keras, network)
    for suffix in ("h5", "keras"):
        make_containers.save_whole(keras, f"{prefix}-network", model, suffix)
    if args.keras2:
        make_containers.save_whole(keras, f"{prefix}-distance", make_containers.filled(keras, distance), "h5")
    definitions = custom_cases.SCALE | custom_cases.UNIT | custom_cases.GATE | custom_cases.RESIDUAL
    definitions |= {"mine>bent": custom_cases.FUNCTIONS["mine>bent"]}
    with open(make_containers.path_of("custom.json"), "w", encoding="utf-8") as file:
        json.dump(definitions, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
