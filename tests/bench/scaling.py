"""How the time of a whole compilation grows with the size of a network.

    cargo build --release
    python tests/bench/scaling.py [FAMILY ...] [--layers 1000 2000 4000] [--compiler PATH]

Needs h5py 3 and NumPy, no Keras: it writes the files itself. Each row is a family of networks; the cells have the CPU
seconds of `keras-compile`, the least of three, and the exponent is the slope of a line through the logarithms. Joined
networks are also told by their connections, since reading those is linear at best.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "softplus", "swish"]


class Net:
    """A functional model of Keras 2 under construction; layers are called by their names."""

    def __init__(self, *shape):
        self.layers, self.weights, self.connections = [], {}, 0
        self.add("InputLayer", [], batch_input_shape=[None, *shape], sparse=False, ragged=False)

    def add(self, kind, inputs, weights=(), **config):
        name = f"l{len(self.layers)}"
        self.connections += len(inputs)
        self.layers.append({
            "class_name": kind,
            "name": name,
            "config": {"name": name, "trainable": True, "dtype": "float32"} | config,
            "inbound_nodes": [[[source, 0, 0, {}] for source in inputs]] if inputs else [],
        })
        self.weights[name] = weights
        return name

    def activation(self, x, function):
        return self.add("Activation", [x], activation=function)

    def sum(self, *inputs):
        return self.add("Add", inputs)

    def join(self, *inputs):
        return self.add("Concatenate", inputs, axis=-1)

    def dense(self, x, function="linear", units=8):
        weights = [("kernel", (units, units)), ("bias", (units,))]
        return self.add("Dense", [x], weights, units=units, activation=function, use_bias=True)

    def conv(self, x, channels, filters, size=1):
        weights = [("kernel", (size, size, channels, filters)), ("bias", (filters,))]
        return self.add("Conv2D", [x], weights, filters=filters, kernel_size=[size, size], strides=[1, 1], padding="same",
                        data_format="channels_last", dilation_rate=[1, 1], groups=1, activation="linear", use_bias=True)

    def norm(self, x, channels):
        names = ["gamma", "beta", "moving_mean", "moving_variance"]
        return self.add("BatchNormalization", [x], [(name, (channels,)) for name in names], axis=[3], momentum=0.99,
                        epsilon=1e-3, center=True, scale=True)

    def crop(self, x, rows):
        return self.add("Cropping2D", [x], cropping=[[0, rows], [0, 0]], data_format="channels_last")

    def pad(self, x, rows):
        return self.add("ZeroPadding2D", [x], padding=[[0, rows], [0, 0]], data_format="channels_last")

    def save(self, path):
        """Writes a `.h5` whose last layer is the output."""
        config = {"name": "m", "layers": self.layers, "input_layers": [["l0", 0, 0]],
                  "output_layers": [[self.layers[-1]["name"], 0, 0]]}
        random = np.random.default_rng(1)
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = b"2.9.0"
            file.attrs["backend"] = b"tensorflow"
            file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config}).encode()
            group = file.create_group("model_weights")
            names = [np.bytes_(name) for name in self.weights]
            # As Keras cuts a list that no attribute can hold.
            for part in range(0, len(names), 4000):
                group.attrs[f"layer_names{part // 4000}"] = np.array(names[part:part + 4000])
            for name, weights in self.weights.items():
                layer = group.create_group(name)
                paths = [np.bytes_(f"{name}/{weight}:0") for weight, _ in weights]
                layer.attrs["weight_names"] = np.array(paths, dtype=None if paths else "S1")
                for weight, shape in weights:
                    layer.create_dataset(f"{name}/{weight}:0", data=random.uniform(0.1, 0.6, shape).astype("f4"))


def activations(n):
    """Activations one after the other."""
    net, x = Net(4, 4, 8), "l0"
    for i in range(n):
        x = net.activation(x, ACTIVATIONS[i % len(ACTIVATIONS)])
    return net


def dense(n):
    """Dense layers one after the other."""
    net, x = Net(8), "l0"
    for _ in range(n):
        x = net.dense(x, "relu")
    return net


def convolutions(n):
    """Convolution, normalisation, activation."""
    net, x = Net(4, 4, 8), "l0"
    for i in range(n // 3):
        x = net.activation(net.norm(net.conv(x, 8, 8, 1 + 2 * (i % 2)), 8), "relu")
    return net


def residuals(n):
    """Convolution, normalisation, activation, and the sum with what was there before."""
    net, x = Net(4, 4, 8), "l0"
    for _ in range(n // 4):
        x = net.sum(x, net.activation(net.norm(net.conv(x, 8, 8), 8), "relu"))
    return net


def gates(n):
    """The product of two dense layers, added to what was there before."""
    net, x = Net(8), "l0"
    for _ in range(n // 4):
        gate = net.add("Multiply", [net.dense(x, "tanh"), net.dense(x, "sigmoid")])
        x = net.sum(x, gate)
    return net


def tree(n):
    """The sum of many dense layers, two by two."""
    net = Net(8)
    level = [net.dense("l0", "tanh") for _ in range(n // 2)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2])
        level = [net.sum(*pair) for pair in pairs] + level[len(level) & ~1:]
    return net


def fan(n):
    """Sums of four activations, each of which many use."""
    net = Net(4, 4, 8)
    xs = [net.activation("l0", function) for function in ACTIVATIONS[:4]]
    net.join(*[net.sum(xs[i % 4], xs[i // 4 % 4]) for i in range(n)])
    return net


def densenet(n):
    """Every layer takes all before it, by joins of two as in DenseNet."""
    net, x = Net(4, 4, 2), "l0"
    for i in range(n // 4):
        channels = 2 * (i + 1)
        x = net.join(x, net.conv(net.activation(net.norm(x, channels), "relu"), channels, 2))
    return net


def joined(n):
    """A quarter of the layers, of which each takes all before it, by a join of all of them: n²/128 connections."""
    net, xs = Net(4, 4, 2), ["l0"]
    for _ in range(n // 8):
        x = net.join(*xs) if len(xs) > 1 else "l0"
        xs.append(net.conv(x, 2 * len(xs), 2))
    net.join(*xs)
    return net


def permutes(n):
    """Permutations of axes and activations, alternating."""
    net, x = Net(4, 2, 8), "l0"
    for i in range(n // 2):
        x = net.add("Permute", [x], dims=[[2, 3, 1], [3, 2, 1], [1, 3, 2]][i % 3])
        x = net.activation(x, ACTIVATIONS[i % len(ACTIVATIONS)])
    return net


def reshapes(n):
    """Reshapes and activations, alternating."""
    net, x = Net(4, 2, 8), "l0"
    for i in range(n // 2):
        x = net.add("Reshape", [x], target_shape=[[64], [8, 8], [2, 4, 8]][i % 3])
        x = net.activation(x, ACTIVATIONS[i % len(ACTIVATIONS)])
    return net


def pads(n):
    """Padding and activations, alternating; the activations do not keep the zeros."""
    net, x = Net(1, 1, 1), "l0"
    for i in range(n // 2):
        x = net.activation(net.pad(x, 1), ACTIVATIONS[i % len(ACTIVATIONS)])
    return net


def crops(n):
    """Cropping and activations, alternating, after a convolution."""
    net = Net(n, 1, 1)
    x = net.conv("l0", 1, 1)
    for _ in range(n // 2):
        x = net.activation(net.crop(x, 1), "relu")
    return net


def moves(n):
    """A permutation, an activation, a reshape, an activation, padding, an activation."""
    net, x = Net(4, 2, 8), "l0"
    for i in range(n // 6):
        x = net.activation(net.add("Permute", [x], dims=[2, 3, 1]), "relu")
        x = net.activation(net.add("Reshape", [x], target_shape=[4 + i, 2, 8]), "relu")
        x = net.activation(net.pad(x, 1), "relu")
    return net


FAMILIES = [activations, dense, convolutions, residuals, gates, tree, fan, densenet, joined, permutes, reshapes, pads, crops,
            moves]


def seconds(compiler, model, out):
    """CPU time of a compilation."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    subprocess.run([compiler, model, "--out", out, "--force", "--quiet"], check=True)
    return used() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="; ".join(f"{f.__name__}: {f.__doc__}" for f in FAMILIES))
    parser.add_argument("--layers", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--compiler", default=os.path.join(HERE, "../../target/release/keras-compile"))
    arguments = parser.parse_args()
    unknown = set(arguments.families) - {family.__name__ for family in FAMILIES}
    if unknown:
        sys.exit(f"no such family: {', '.join(sorted(unknown))}")
    print("| CPU seconds of layers | " + " | ".join(f"{n:,}" for n in arguments.layers) + " | exponent | of connections |")
    print("|---" * (len(arguments.layers) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILIES:
            if arguments.families and family.__name__ not in arguments.families:
                continue
            times, connections = [], []
            for n in arguments.layers:
                net = family(n)
                model = os.path.join(folder, "model.h5")
                net.save(model)
                times.append(min(seconds(arguments.compiler, model, os.path.join(folder, "out")) for _ in range(3)))
                connections.append(net.connections)
            def slope(sizes):
                return f"{np.polyfit(np.log(sizes), np.log(times), 1)[0]:.2f}" if len(times) > 1 else ""
            cells = [family.__name__, *(f"{time:.2f}" for time in times), slope(arguments.layers), slope(connections)]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
