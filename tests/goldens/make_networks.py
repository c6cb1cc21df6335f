"""Write networks/k3-NAME.json.gz (or k2-): whole networks at a small input, as goldens.

    python make_networks.py [--keras2] [--only ResNet50,SqueezeNet]

Made with keras 3.15.1 and, for --keras2, tf_keras 2.21.0, both on tensorflow-cpu 2.21.0 with numpy
2.4 and Python 3.11. Networks are those of keras.applications with weights=None, two written out
below, and with Keras 3 backbones of keras_hub 0.32.0 where that is installed.

Random weights let activations explode or die within a few layers, so that a comparison would say
nothing. Kernels therefore keep the variance, and the moving statistics of every BatchNormalization
come from the golden input itself: one pass over the network measures each layer's input, with the
layers before it already settled.
"""
import argparse
import base64
import gzip
import importlib.util
import os

import numpy as np

import generated
import golden

HERE = os.path.dirname(os.path.abspath(__file__))
# Name and input edge. InceptionV3, InceptionResNetV2 and Xception accept nothing much smaller.
APPLICATIONS = {
    "VGG16": 32, "ResNet50": 64, "ResNet50V2": 64, "InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71,
    "MobileNet": 64, "MobileNetV2": 64, "MobileNetV3Small": 64, "MobileNetV3Large": 64, "DenseNet121": 64,
    "NASNetMobile": 64, "EfficientNetB0": 64, "EfficientNetV2B0": 64, "EfficientNetV2S": 64, "ConvNeXtTiny": 64,
    "RegNetX002": 64, "RegNetY002": 64, "ResNetRS50": 64,
}
# These networks rescale inside.
TAKES_BYTES = ("EfficientNet", "MobileNetV3", "ConvNeXt", "RegNet", "ResNetRS")
RTOL = 1e-3


# ------------------------------------------------------------------------------- networks by hand
def fire(layers, x, squeeze, expand, name):
    x = layers.Conv2D(squeeze, 1, activation="relu", name=name + "_squeeze")(x)
    left = layers.Conv2D(expand, 1, activation="relu", name=name + "_expand1")(x)
    right = layers.Conv2D(expand, 3, padding="same", activation="relu", name=name + "_expand3")(x)
    return layers.Concatenate(name=name + "_concat")([left, right])


def squeezenet(keras):
    """SqueezeNet 1.1, its classifier a convolution."""
    layers = keras.layers
    image = keras.Input((67, 67, 3), name="image")
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = fire(layers, fire(layers, x, 16, 64, "fire2"), 16, 64, "fire3")
    x = layers.MaxPooling2D(3, 2, name="pool3")(x)
    x = fire(layers, fire(layers, x, 32, 128, "fire4"), 32, 128, "fire5")
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    for index, width in enumerate((48, 48, 64, 64)):
        x = fire(layers, x, width, 4 * width, f"fire{6 + index}")
    x = layers.Dropout(0.5, name="drop9")(x)
    x = layers.Conv2D(1000, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, layers.Activation("softmax", name="scores")(x), name="squeezenet")


def autoencoder(keras):
    """A small U-Net: down, up by Conv2DTranspose and by UpSampling2D, merges, two outputs."""
    layers = keras.layers
    image = keras.Input((24, 16, 3), name="image")
    first = layers.Conv2D(8, 3, padding="same", activation="relu", name="down1")(image)
    x = layers.MaxPooling2D(name="pool1")(first)
    second = layers.LeakyReLU(name="leaky")(layers.BatchNormalization(name="norm2")(layers.Conv2D(12, 3, padding="same", name="down2")(x)))
    x = layers.AveragePooling2D(2, name="pool2")(second)
    code = layers.SeparableConv2D(16, 3, padding="same", activation="elu", name="code")(x)
    x = layers.Conv2DTranspose(12, 3, strides=2, padding="same", use_bias=False, name="up2")(code)
    x = layers.Activation("relu", name="up2_relu")(layers.Add(name="add2")([layers.BatchNormalization(name="norm_up2")(x), second]))
    x = layers.UpSampling2D(2, interpolation="bilinear", name="up1")(x)
    x = layers.Concatenate(name="concat1")([layers.ZeroPadding2D(1, name="pad")(x), layers.ZeroPadding2D(1, name="pad_skip")(first)])
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(layers.Conv2D(8, 3, name="mix")(x))
    picture = layers.Conv2D(3, 1, activation="sigmoid", name="picture")(layers.Cropping2D(((2, 2), (1, 1)), name="crop")(x))
    summary = layers.Dense(4, activation="softmax", name="kind")(layers.GlobalMaxPooling2D(name="max")(code))
    return keras.Model(image, [picture, summary], name="autoencoder")


def plain(keras, backbone):
    """A backbone of keras_hub, whose class is not Keras', as a graph of Keras' layers."""
    return keras.Model(backbone.inputs, backbone.outputs, name="backbone")


def hub_densenet(keras):
    import keras_hub

    return plain(keras, keras_hub.models.DenseNetBackbone([2, 3], image_shape=(48, 48, 3)))


def hub_resnet(keras):
    import keras_hub

    make = keras_hub.models.ResNetBackbone
    return plain(keras, make([64], [7], [64, 128], [1, 2], [1, 2], "bottleneck_block", image_shape=(48, 48, 3)))


def has_hub():
    return importlib.util.find_spec("keras_hub") is not None


BY_HAND = {"SqueezeNet": squeezenet, "Autoencoder": autoencoder}
HUB = {"HubDenseNet": hub_densenet, "HubResNet": hub_resnet}


def build(keras, name):
    """The model, or None where this Keras has no such network."""
    if name in BY_HAND:
        return BY_HAND[name](keras)
    if name in HUB:
        return HUB[name](keras) if keras.__version__.startswith("3") and has_hub() else None
    make = getattr(keras.applications, name, None)
    if make is None:
        for module in vars(keras.applications).values():
            make = make or getattr(module, name, None)
    edge = APPLICATIONS[name]
    return make and make(weights=None, input_shape=(edge, edge, 3))


# ---------------------------------------------------------------------------------------- weights
def network_range(layer, name, shape):
    """Uniform kernels of unit gain under a ReLU (He), gammas near 1, small offsets."""
    if name in ("gamma", "scale") and "Scale" not in type(layer).__name__:
        return 0.7, 1.3
    if "LayerScale" in type(layer).__name__:  # ConvNeXt: one factor a branch; near 1 it would pile up
        return 0.1, 0.5
    if name in ("bias", "beta"):
        return -0.1, 0.1
    if name == "moving_mean":
        return -0.1, 0.1
    if name == "moving_variance":
        return 0.8, 1.2
    if type(layer).__name__ == "Normalization":
        return {"mean": (0.4, 0.5), "variance": (0.04, 0.06)}.get(name, (1.0, 2.0))  # EfficientNet rescales to 0..1 before
    if name == "alpha":
        return 0.0, 0.3
    fan_in = shape[0] * shape[1] if "depthwise" in name else max(1, int(np.prod(shape[:-1])))
    if "Depthwise" in type(layer).__name__ and len(shape) == 4:
        fan_in = shape[0] * shape[1]
    bound = (3.0 * 2.0 / fan_in) ** 0.5
    return -bound, bound


def calibrated(keras, model, inputs):
    """The weights of the golden: one eager pass in which each BatchNormalization first measures its input."""
    described = golden.describe_weights(model, network_range)
    golden.fill(model, described)
    rows = {entry["layer"]: entry["weights"] for entry in described}
    paths = {id(layer): path for path, layer in golden.layers_with_paths(model)}
    plain_call = keras.layers.BatchNormalization.call

    def measuring_call(layer, x, *args, **kwargs):
        settle(layer, paths[id(layer)], rows[paths[id(layer)]], np.asarray(x))
        return plain_call(layer, x, *args, **kwargs)

    keras.layers.BatchNormalization.call = measuring_call
    try:
        model(golden.feed(inputs), training=False)
    finally:
        keras.layers.BatchNormalization.call = plain_call
    return described


def settle(layer, path, rows, x):
    """One mean and one variance for all channels: the golden stores a range, not a list."""
    mean, variance = float(x.mean()), float(max(x.var(), 1e-4))
    ranges = {"moving_mean": (mean - 0.1 * variance**0.5, mean + 0.1 * variance**0.5), "moving_variance": (0.8 * variance, 1.2 * variance)}
    for index, (weight, row) in enumerate(zip(golden.saved_weights(layer), rows)):
        if row["name"] in ranges:
            row["lo"], row["hi"] = map(golden.short, ranges[row["name"]])
            weight.assign(generated.weight(path, index, row))


# ------------------------------------------------------------------------------------------ output
def network_golden(keras, name):
    keras.backend.clear_session()
    model = build(keras, name)
    if model is None:
        return None
    reach = (0.0, 255.0) if name.startswith(TAKES_BYTES) else (-1.0, 1.0)
    ranges = {input_name: reach for input_name in golden.input_names(model)}
    weights = calibrated(keras, model, golden.describe_inputs(model, 1, ranges, {}, {}))
    made = golden.make_golden(keras, f"{golden.prefix(keras)}-{name}", model, ranges=ranges, weights=weights, rtol=RTOL)
    # A thousand probabilities are small numbers: what may be off is a part of the largest.
    return made | {"atol": golden.short(1e-4 * max(abs(values_of(output)).max() for output in made["outputs"]))}


def values_of(output):
    return np.frombuffer(base64.b64decode(output["data"]), "<f4")


def write(path, value):
    """No time stamp and no file name inside: equal content, equal bytes."""
    with open(path, "wb") as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as packed:
        packed.write(golden.dump(value).encode("utf-8"))


def describe_output(made):
    parts = []
    for output in made["outputs"]:
        values = values_of(output)
        parts.append(f"{output['name']} {output['shape']} min {values.min():.3g} max {values.max():.3g} std {values.std():.3g}")
    return "; ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras2", action="store_true")
    parser.add_argument("--only", default=",".join([*BY_HAND, *HUB, *APPLICATIONS]))
    args = parser.parse_args()
    keras = golden.load_keras(args.keras2)
    folder = os.path.join(HERE, "networks")
    os.makedirs(folder, exist_ok=True)
    for name in args.only.split(","):
        made = network_golden(keras, name)
        if made is None:
            print(f"{name}: not in keras {keras.__version__}, or keras_hub is not installed")
            continue
        path = os.path.join(folder, made["id"] + ".json.gz")
        write(path, made)
        print(f"{made['id']}: {os.path.getsize(path)} bytes; {describe_output(made)}", flush=True)


if __name__ == "__main__":
    main()
