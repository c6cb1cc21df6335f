"""Write refused/: values in configs that Keras itself refuses.

    python make_refused.py             (Keras 3: k3.json)
    python make_refused.py --keras2    (Keras 2: k2.json)

Every layer of the table is saved as it should be; then each of its arguments takes each of the values that do not
suit its type, and what `from_config` or a call of the layer refuses is written down:

    [{"class", "shape": of the input, "config", "weights": [shape…], "refused": {key: [value…]}}]

The test reads it and expects the same of us. Made with the versions that make_containers.py names.
"""
import argparse
import json
import os

import golden

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "refused")

LINE, IMAGE, BLOCK, ROW = [8, 4], [8, 8, 4], [4, 4, 4, 2], [6]


def table(layers, keras2):
    """Layers with shapes of inputs; batches are open."""
    yield layers.Conv1D(4, 3), LINE
    yield layers.Conv2D(4, 3), IMAGE
    yield layers.Conv2D(4, 3, strides=2), IMAGE
    yield layers.Conv2D(4, 3, dilation_rate=2), IMAGE
    yield layers.DepthwiseConv2D(3, strides=2), IMAGE
    yield layers.SeparableConv2D(4, 3, strides=2), IMAGE
    yield layers.Conv2DTranspose(4, 3, strides=3, output_padding=1), IMAGE
    yield layers.DepthwiseConv1D(3), LINE
    yield layers.DepthwiseConv2D(3), IMAGE
    yield layers.SeparableConv1D(4, 3), LINE
    yield layers.SeparableConv2D(4, 3), IMAGE
    yield layers.Conv1DTranspose(4, 3), LINE
    yield layers.Conv2DTranspose(4, 3), IMAGE
    yield layers.Dense(3), ROW
    yield layers.Embedding(5, 3), ROW
    yield layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), LINE
    if not keras2:
        yield layers.ReversibleEmbedding(5, 3), ROW
    yield layers.Masking(0.0), LINE
    for pool in (layers.MaxPooling1D, layers.AveragePooling1D):
        yield pool(2), LINE
    for pool in (layers.MaxPooling2D, layers.AveragePooling2D):
        yield pool(2), IMAGE
    for pool, shape in zip(("1D", "2D", "3D"), (LINE, IMAGE, BLOCK)):
        yield getattr(layers, "GlobalAveragePooling" + pool)(), shape
        yield getattr(layers, "GlobalMaxPooling" + pool)(), shape
        yield getattr(layers, "ZeroPadding" + pool)(), shape
        yield getattr(layers, "Cropping" + pool)(1), shape
        yield getattr(layers, "SpatialDropout" + pool)(0.5), shape
    yield layers.BatchNormalization(), IMAGE
    yield layers.LayerNormalization(), IMAGE
    yield layers.GroupNormalization(2), IMAGE
    yield layers.UnitNormalization(), IMAGE
    if not keras2:
        yield layers.RMSNormalization(), IMAGE
    yield layers.Rescaling(0.5, 1.0), IMAGE
    yield layers.Activation("tanh"), ROW
    yield layers.ReLU(6.0, 0.1, 0.5), ROW
    yield layers.LeakyReLU(0.2), ROW
    yield layers.PReLU(shared_axes=[1]), IMAGE
    yield layers.ELU(0.5), ROW
    if keras2:
        yield layers.ThresholdedReLU(0.5), ROW
    yield layers.Softmax(), ROW
    yield layers.Flatten(), IMAGE
    yield layers.Reshape((4, 8)), LINE
    yield layers.Permute((2, 1)), LINE
    yield layers.RepeatVector(3), ROW
    yield layers.CenterCrop(4, 4), IMAGE
    yield layers.UpSampling1D(2), LINE
    yield layers.UpSampling2D(2), IMAGE
    yield layers.Resizing(4, 4), IMAGE
    yield layers.LSTM(3), LINE
    yield layers.GRU(3), LINE
    yield layers.SimpleRNN(3), LINE
    yield layers.Dropout(0.5), ROW
    yield layers.GaussianDropout(0.5), ROW
    yield layers.GaussianNoise(0.5), ROW
    if hasattr(layers, "AlphaDropout"):
        yield layers.AlphaDropout(0.5), ROW
    yield layers.ActivityRegularization(0.1, 0.1), ROW


# Arguments that no number of inference depends on, or that are objects. Augmentation, which takes ranges of many
# kinds, is not in the table.
LEFT = ("name", "trainable", "dtype", "seed", "build_config", "batch_input_shape", "activity_regularizer", "value_range")


def candidates(key, value):
    """Values of the wrong kind or out of any range."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, str):
        return ["sideways", 3]
    if isinstance(value, (list, tuple)):
        length = len(value)
        return [0, -1, 2, [0] * length, [2] * length, [-1] * length, [1] * (length + 1), [1.5] * length, [9] * length, None, "x"]
    if isinstance(value, float):
        return [-1.0, -0.5, 2.0, [0.5, 0.5, 0.5, 0.5, 0.5], None, "x"]
    return [0, -1, 9, -9, 1.5, None, "x", [0]]


def build(keras, kind, config, shape):
    layer = kind.from_config(dict(config))
    inputs = keras.Input(shape)
    outputs = layer(inputs)
    return layer, keras.Model(inputs, outputs)


def accepted(keras, kind, config, shape):
    """Whether the layer can be made and called. Whatever is raised is a refusal."""
    try:
        build(keras, kind, config, shape)
        return True
    except Exception:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras2", action="store_true")
    args = parser.parse_args()
    keras = golden.load_keras(args.keras2)
    os.makedirs(FOLDER, exist_ok=True)
    rows = []
    for layer, shape in table(keras.layers, args.keras2):
        kind, name = type(layer), type(layer).__name__
        config = json.loads(json.dumps(layer.get_config(), default=lambda array: array.tolist()))
        config["name"] = "layer"
        made, _ = build(keras, kind, config, shape)
        keys = [key for key in config if key not in LEFT and not isinstance(config[key], dict)]
        refused = {}
        for key in keys:
            values = candidates(key, config[key])
            bad = [value for value in values if not accepted(keras, kind, config | {key: value}, shape)]
            if bad:
                refused[key] = bad
        variables = [variable for variable in made.weights if "seed" not in variable.name]
        weights = [list(variable.shape) for variable in variables]
        rows.append({"class": name, "shape": shape, "config": config, "weights": weights, "refused": refused})
        keras.backend.clear_session()
    path = os.path.join(FOLDER, ("k2" if args.keras2 else "k3") + ".json")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(path, sum(len(values) for row in rows for values in row["refused"].values()), "values")


if __name__ == "__main__":
    main()
