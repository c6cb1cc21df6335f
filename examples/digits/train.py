"""Train the network of this example: handwritten digits, 8x8, and save digits.h5.

    python -m pip install keras tensorflow-cpu scikit-learn
    python train.py

Takes about a minute on one CPU. Made with keras 3.15.1, tensorflow-cpu 2.21.0, scikit-learn 1.9 and
numpy 2.4. Seeded: a second run on the same machine gives the same file.

The data are scikit-learn's 1797 digits. They were made from 32x32 bitmaps of ink by counting the
ink in every 4x4 block, 0..16; the network takes these counts divided by 16. Who draws on a page
should therefore do the same: fit the ink's bounding box into a square, high digits touching top
and bottom, and average blocks. Every epoch sees each training digit bent anew (moved, turned,
scaled, slanted, thicker or thinner), since people with a mouse draw worse than the 43 writers of
the data.

Writes digits.h5 and test-digits.json: two of each digit, kept out of training, with what Keras says to them.
"""
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 7
EPOCHS = 60
FINE = 4  # an 8x8 digit is bent as a 32x32 picture


def network():
    layers = keras.layers
    image = x = keras.Input((8, 8, 1), name="image")
    for index, (width, pool) in enumerate([(16, False), (32, True), (48, True)], start=1):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = layers.BatchNormalization(name=f"norm{index}")(x)
        x = layers.Activation("relu", name=f"relu{index}")(x)
        if pool:
            x = layers.MaxPooling2D(name=f"pool{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.4, name="dropout")(x)
    x = layers.Dense(48, activation="relu", name="hidden")(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x), name="digits")


def bent(image, rng):
    """One digit, drawn by somebody else."""
    fine = ndimage.zoom(np.pad(image, 1), FINE, order=1, grid_mode=True, mode="nearest")
    angle, slant = rng.normal(0, 0.1), rng.normal(0, 0.1)
    grow = np.exp(rng.normal(-0.03, 0.08, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1.0, 0.0], [slant, 1.0]]) @ np.diag(1 / grow)
    middle = (np.array(fine.shape) - 1) / 2
    shift = rng.normal(0, 0.35 * FINE, 2)
    fine = ndimage.affine_transform(fine, matrix, middle - matrix @ (middle + shift), order=1)
    fine = fine[FINE:-FINE, FINE:-FINE]
    return blocks(ink(fine, rng))


def ink(fine, rng):
    """Grey becomes ink and paper again, with a threshold that decides how thick the stroke is."""
    if rng.random() < 0.3:
        return fine
    threshold, edge = rng.uniform(0.25, 0.65), rng.uniform(4, 20)
    return 1 / (1 + np.exp(-edge * (fine - threshold)))


def blocks(fine):
    return fine.reshape(8, FINE, 8, FINE).mean((1, 3))


def bent_set(images, rng):
    """Every digit once; one in four as it is."""
    return np.stack([image if rng.random() < 0.25 else bent(image, rng) for image in images]).astype("float32")[..., None]


def train(model, images, labels, rng):
    steps = EPOCHS * (len(images) // 64)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)), "sparse_categorical_crossentropy")
    for _ in range(EPOCHS):
        model.fit(bent_set(images, rng), labels, batch_size=64, epochs=1, verbose=0)


def accuracy(model, images, labels):
    return float((model.predict(images, verbose=0).argmax(1) == labels).mean())


def write_test_digits(model, images, labels):
    predictions = model.predict(images[..., None], verbose=0)
    rows = [
        {"label": int(label), "image": image.reshape(-1).tolist(), "prediction": [float(f"{p:.7g}") for p in prediction]}
        for image, label, prediction in zip(images, labels, predictions)
    ]
    with open(os.path.join(HERE, "test-digits.json"), "w", encoding="utf-8") as file:
        file.write('{"input":"image","output":"digit","shape":[8,8,1],"digits":[\n')
        file.write(",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]}\n")


def main():
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(SEED)
    data = load_digits()
    images, labels = (data.images / 16).astype("float32"), data.target
    images, test_images, labels, test_labels = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=SEED)
    model = network()
    train(model, images, labels, rng)
    print(f"{model.count_params()} parameters")
    print(f"test accuracy        {accuracy(model, test_images[..., None], test_labels):.4f} of {len(test_labels)}")
    print(f"the same, bent       {accuracy(model, bent_set(test_images, rng), test_labels):.4f}")
    model.save(os.path.join(HERE, "digits.h5"), include_optimizer=False)
    chosen = [index for digit in range(10) for index in np.flatnonzero(test_labels == digit)[:2]]
    write_test_digits(model, test_images[chosen], test_labels[chosen])


if __name__ == "__main__":
    main()
