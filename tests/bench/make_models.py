"""Write the models of the benchmark: for Keras, for the other engines, and what Keras predicts for one input.

    python make_models.py DIR [--onnx] [--small] [ResNet50 SqueezeNet BiLSTM mine=path/to/my_model.keras ...]

A model is a network of keras.applications (with seeded weights: the speed is that of trained ones), one of those
written out below, or any .keras or .h5 file under a name. Each gives a folder:

    DIR/NAME/model.h5, model.keras         saved by Keras
    DIR/NAME/model.tflite                  float32, one example
    DIR/NAME/model.onnx                    made from that, with --onnx; needs tf2onnx
    DIR/NAME/tfjs/model.json, weights.bin  a graph model of TF.js
    DIR/NAME/model-f16.tflite, model-int8.tflite, tfjs-f16, tfjs-int8, model-int8.onnx
                                           with --small: weights in fewer bits, as each converter makes them
    DIR/NAME/input-0.bin, output-0.bin ... the raw numbers
    DIR/NAME/case.json                     names, shapes, dtypes, versions, FLOPs
"""
import argparse
import json
import logging
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import tfjs_graph

# These networks rescale inside.
TAKES_BYTES = ("EfficientNet", "MobileNetV3", "ConvNeXt", "RegNet", "ResNetRS")
DEFAULT = ["ResNet50", "MobileNetV2", "EfficientNetB0", "InceptionV3", "DenseNet121", "SqueezeNet", "ConvNeXtTiny", "MnistCNN"]


# ---------------------------------------------------------------------------------------- the networks
def mnist_cnn():
    layers = keras.layers
    return keras.Sequential([
        keras.Input((28, 28, 1), name="image"),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])


def bi_lstm():
    layers = keras.layers
    return keras.Sequential([
        keras.Input((80, 64), name="features"),
        layers.Bidirectional(layers.LSTM(64)),
        layers.Dense(1, activation="sigmoid"),
    ])


def squeezenet():
    """SqueezeNet 1.1, its classifier a convolution."""
    layers = keras.layers

    def fire(x, squeeze, expand):
        x = layers.Conv2D(squeeze, 1, activation="relu")(x)
        sides = [layers.Conv2D(expand, size, padding="same", activation="relu")(x) for size in (1, 3)]
        return layers.Concatenate()(sides)

    image = keras.Input((224, 224, 3), name="image")
    x = layers.Conv2D(64, 3, strides=2, activation="relu")(image)
    x = layers.MaxPooling2D(3, 2)(x)
    x = layers.MaxPooling2D(3, 2)(fire(fire(x, 16, 64), 16, 64))
    x = layers.MaxPooling2D(3, 2)(fire(fire(x, 32, 128), 32, 128))
    for width in (48, 48, 64, 64):
        x = fire(x, width, 4 * width)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(1000, 1, activation="relu")(layers.Dropout(0.5)(x)))
    return keras.Model(image, layers.Activation("softmax")(x))


def transformer_block():
    """128 steps of 512 numbers through 8 heads of 64, and four times as wide between."""
    layers = keras.layers
    steps = keras.Input((128, 512), name="steps")
    x = layers.LayerNormalization()(steps + layers.MultiHeadAttention(8, 64)(steps, steps))
    wide = layers.Dense(2048, activation="gelu")(x)
    return keras.Model(steps, layers.LayerNormalization()(x + layers.Dense(512)(wide)))


WRITTEN_OUT = {"MnistCNN": mnist_cnn, "BiLSTM": bi_lstm, "SqueezeNet": squeezenet, "TransformerBlock": transformer_block}


def build(name, path, rng):
    """The model and its inputs."""
    if path:
        model = keras.models.load_model(path, compile=False)
        return model, examples(model, 1, rng)
    model = WRITTEN_OUT[name]() if name in WRITTEN_OUT else getattr(keras.applications, name)(weights=None)
    seed_weights(model, rng)
    x = examples(model, 2, rng)
    if name == "SqueezeNet" or name not in WRITTEN_OUT and not name.startswith(TAKES_BYTES):
        x = [values / 127.5 - 1 for values in x]
    calibrate(model, x)
    return model, [values[:1] for values in x]


def seed_weights(model, rng):
    """Kernels that keep the variance, small biases, gammas near 1."""
    for weight in model.trainable_weights:
        shape, path = tuple(weight.shape), weight.path.lower()
        if len(shape) >= 2:
            inputs = np.prod(shape[:-2] if "depthwise" in path else shape[:-1])
            value = rng.standard_normal(shape) * np.sqrt(2 / inputs)
        else:
            value = rng.uniform(0.7, 1.3, shape) if "gamma" in path else rng.normal(0, 0.1, shape)
        weight.assign(value.astype("float32"))


def calibrate(model, x):
    """Sets the statistics of every BatchNormalization to those of `x`."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        call(model, x, training=True)
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum
        layer.moving_variance.assign(np.maximum(np.asarray(layer.moving_variance), 1e-3))


def examples(model, count, rng):
    """For every input pictures where they fit, else random numbers."""
    def values(tensor):
        image = len(tensor.shape) == 4
        shape = [count, *(size or (224 if image else 32) for size in tensor.shape[1:])]
        if image and shape[3] == 3:
            return np.stack([picture(*shape[1:3], rng) for _ in range(count)])
        if tensor.dtype.startswith("float"):
            return rng.uniform(0, 1, shape).astype(tensor.dtype)
        return rng.integers(0, 2, shape).astype(tensor.dtype)

    return [values(tensor) for tensor in model.inputs]


def picture(height, width, rng):
    """Shades, discs and mild noise, 0 to 255."""
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    image = np.stack([80 + 130 * y, 110 + 70 * x * y, 210 - 150 * y], -1)
    for _ in range(6):
        cx, cy, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.05, 0.3)
        disc = ((x - cx) ** 2 + (y - cy) ** 2 < radius * radius)[..., None]
        image = np.where(disc, 0.3 * image + 0.7 * rng.uniform(0, 255, 3), image)
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype("float32")


# ------------------------------------------------------------------------------------------- the files
def call(model, x, training=False):
    return model(x[0] if len(x) == 1 else x, training=training)


def with_depthwise(model):
    """The model with DepthwiseConv2D for Conv2D with a group for every channel, which converters do not know as such."""
    alike = lambda layer: type(layer) is keras.layers.Conv2D and 1 < layer.groups == layer.filters == layer.input.shape[-1]
    if not any(map(alike, model.layers)):
        return model
    shared = ("name", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias", "kernel_size")

    def clone(layer):
        config = layer.get_config()
        if not alike(layer):
            return type(layer).from_config(config)
        return keras.layers.DepthwiseConv2D(**{key: config[key] for key in shared})

    copy = keras.models.clone_model(model, clone_function=clone)
    for target, source in zip(copy.layers, model.layers):
        values = source.get_weights()
        if alike(source):
            values[0] = values[0].swapaxes(2, 3)
        target.set_weights(values)
    return copy


def freeze(model, x):
    """The model as a function of one example with constants for weights, so that converters fold them.

    Recurrences are unrolled: engines run a loop an order of magnitude slower.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN):
            layer.unroll = True
    model = with_depthwise(model)
    specs = [tf.TensorSpec(values.shape, values.dtype, name=f"input_{i}") for i, values in enumerate(x)]
    function = tf.function(lambda *x: call(model, list(x))).get_concrete_function(*specs)
    return convert_variables_to_constants_v2(function)


def write_tflite(frozen, path):
    with open(path, "wb") as file:
        file.write(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def write_small(frozen, folder, with_onnx):
    """The converters' own forms with weights in fewer bits: none of them needs examples."""
    for form, types in (("f16", [tf.float16]), ("int8", [])):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = types
        with open(os.path.join(folder, f"model-{form}.tflite"), "wb") as file:
            file.write(converter.convert())
    for form, encode in (("f16", tfjs_graph.half), ("int8", tfjs_graph.byte)):
        tfjs_graph.write(frozen, os.path.join(folder, f"tfjs-{form}"), encode)
    if with_onnx:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        # Of operations that are its own it does not know the types.
        quantize_dynamic(os.path.join(folder, "model.onnx"), os.path.join(folder, "model-int8.onnx"), weight_type=QuantType.QUInt8,
                         extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


def write_onnx(tflite, path):
    """From the other converter's result, in which everything is folded; it runs fastest that way."""
    import tf2onnx

    import onnx

    model, _ = tf2onnx.convert.from_tflite(tflite, opset=18)
    # It leaves this one as it is; ONNX Runtime has it among its own.
    for node in model.graph.node:
        if node.op_type == "TFL_GELU":
            node.op_type, node.domain = "Gelu", "com.microsoft"
            del node.attribute[:]
    if not any(each.domain == "com.microsoft" for each in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)


def flops(frozen):
    """Of convolutions and matrix products, a multiplication and its addition counted as two."""
    size = lambda dims: int(np.prod(dims))
    total = 0
    for op in frozen.graph.get_operations():
        if op.type not in ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "BatchMatMulV2"):
            continue
        ins, outs = ([tensor.shape.as_list() for tensor in tensors] for tensors in (op.inputs, op.outputs))
        if op.type == "Conv2D":
            total += 2 * size(ins[1][:3]) * size(outs[0])
        elif op.type == "DepthwiseConv2dNative":
            total += 2 * size(ins[1][:2]) * size(outs[0])
        elif op.type == "Conv2DBackpropInput":
            total += 2 * size(ins[1]) * size(ins[2][:3])
        elif op.type in ("MatMul", "BatchMatMulV2"):
            turned = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
            total += 2 * ins[0][-2 if turned else -1] * size(outs[0])
    return total


def slot(folder, stem, values):
    values.tofile(os.path.join(folder, stem + ".bin"))
    return {"shape": list(values.shape), "dtype": str(values.dtype), "file": stem + ".bin"}


def write(folder, model, x, onnx, small):
    os.makedirs(folder, exist_ok=True)
    inside = lambda name: os.path.join(folder, name)
    for suffix in ("h5", "keras"):
        model.save(inside("model." + suffix))
    y = call(model, x)
    y = [np.asarray(values) for values in (y if isinstance(y, (list, tuple)) else [y])]
    frozen = freeze(model, x)
    write_tflite(frozen, inside("model.tflite"))
    tfjs_graph.write(frozen, inside("tfjs"))
    if onnx:
        write_onnx(inside("model.tflite"), inside("model.onnx"))
    if small:
        write_small(frozen, folder, onnx)
    case = {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "flops": flops(frozen),
        "inputs": [slot(folder, f"input-{i}", values) for i, values in enumerate(x)],
        "outputs": [slot(folder, f"output-{i}", values) for i, values in enumerate(y)],
    }
    with open(inside("case.json"), "w") as file:
        json.dump(case, file, indent=2)
    return case["flops"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("models", nargs="*", default=DEFAULT)
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_intermixed_args()
    # Whether .h5 and this way of conversion are called legacy does not matter here.
    logging.getLogger("absl").setLevel(logging.ERROR)
    for model in arguments.models:
        begin = time.time()
        name, _, path = model.partition("=")
        flops = write(os.path.join(arguments.dir, name), *build(name, path, np.random.default_rng(1)), arguments.onnx, arguments.small)
        keras.backend.clear_session()
        print(f"{name}: {flops / 1e9:.3f} GFLOP, took {time.time() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
