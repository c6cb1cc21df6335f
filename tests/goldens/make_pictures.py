"""Pictures as Keras reads them: `tests/web/pictures/`, for tests/web/pictures.test.js.

    python tests/goldens/make_pictures.py

needs Keras, TensorFlow and Pillow below 13, which shrinks some pictures in the other direction first: a step off here and there. The PNGs, a JPEG with an orientation in its EXIF, the models with `preprocess_input` of the
three kinds, and `goldens.json` with what load_img, ops.image.resize and the models give.
"""

import base64
import io
import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import PIL
from keras.src.applications import imagenet_utils
from PIL import Image

assert int(PIL.__version__.split(".")[0]) < 13, "Pillow below 13"

FOLDER = pathlib.Path(__file__).parent.parent / "web" / "pictures"
SIZES = {"wide": (23, 11), "tall": (6, 17), "even": (8, 8), "large": (57, 40)}
FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


def encoded(values):
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def picture(width, height, seed):
    """Smooth colours with noise and hard edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / (3 + c) + y / (2 + seed) + c) for c in range(3)]
    values = np.stack(waves, -1) + rng.normal(0, 20, (height, width, 3))
    values[height // 3 : height // 2, width // 4 : width // 2] = [255, 0, 128]
    return np.clip(values, 0, 255).astype("uint8")


def save_pictures():
    for seed, (name, (width, height)) in enumerate(SIZES.items()):
        Image.fromarray(picture(width, height, seed)).save(FOLDER / f"{name}.png", optimize=True)
    alpha = np.concatenate([picture(8, 8, 9), np.full((8, 8, 1), 255, "uint8")], -1)
    alpha[2:4, 2:4, 3] = 0
    Image.fromarray(alpha, "RGBA").save(FOLDER / "alpha.png", optimize=True)
    # Red above, green below left, blue below right; on its side in the file.
    upright = np.zeros((32, 16, 3), "uint8")
    upright[:16] = [255, 0, 0]
    upright[16:, :8] = [0, 255, 0]
    upright[16:, 8:] = [0, 0, 255]
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.rot90(upright))
    stored.save(FOLDER / "rotated.jpg", quality=95, subsampling=0, exif=exif)


def loaded(name, **kwargs):
    return np.asarray(keras.utils.load_img(FOLDER / f"{name}.png", **kwargs))


def resized():
    """What `load_img` and `ops.image.resize` make of each picture."""
    cases = []

    def case(name, mode, size, filter, fit, values):
        channels = 1 if mode == "gray" else 3
        values = values.reshape(*size, channels)
        kind = "uint8" if values.dtype == np.uint8 else "float32"
        cases.append(
            {"picture": name, "mode": mode, "height": size[0], "width": size[1], "filter": filter, "fit": fit, "dtype": kind,
             "data": encoded(values.astype(kind))}
        )

    for name in SIZES:
        for size in [(8, 8), (5, 12)]:
            for filter in FILTERS:
                for mode, colour in [("rgb", "rgb"), ("gray", "grayscale")]:
                    if mode == "gray" and filter not in ("nearest", "bilinear"):
                        continue
                    kwargs = {"target_size": size, "interpolation": filter, "color_mode": colour}
                    case(name, mode, size, filter, "stretch", loaded(name, **kwargs))
                    case(name, mode, size, filter, "crop", loaded(name, keep_aspect_ratio=True, **kwargs))
            whole = loaded(name)
            for filter in ["nearest", "bilinear"]:
                for fit, kwargs in [
                    ("stretch", {}),
                    ("crop", {"crop_to_aspect_ratio": True}),
                    ("pad", {"pad_to_aspect_ratio": True}),
                ]:
                    values = keras.ops.image.resize(whole.astype("float32"), size, interpolation=filter, **kwargs)
                    case(name, "rgb", size, f"ops-{filter}", fit, np.asarray(values, "float32"))
    return cases


def network(mode):
    """A convolution over what `preprocess_input` gives, in the file only the convolution."""
    keras.utils.set_random_seed(7)
    inputs = keras.Input((8, 8, 3), name="picture", batch_size=2 if mode == "batch" else 1)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    last = None if mode == "torch" else "softmax"
    outputs = keras.layers.Dense(5, activation=last, name="scores")(x)
    return keras.Model(inputs, outputs, name=f"net_{mode}")


def networks():
    cases = []
    for mode in ["caffe", "tf", "torch"]:
        model = network(mode)
        model.save(FOLDER / f"{mode}.keras")
        for name, filter, keep in [("even", "nearest", False), ("large", "bilinear", False), ("wide", "bilinear", True)]:
            array = keras.utils.img_to_array(
                keras.utils.load_img(FOLDER / f"{name}.png", target_size=(8, 8), interpolation=filter, keep_aspect_ratio=keep)
            )
            given = imagenet_utils.preprocess_input(array[None].copy(), mode=mode)
            cases.append(
                {"mode": mode, "picture": name, "filter": filter, "fit": "crop" if keep else "stretch",
                 "scores": [float(v) for v in np.asarray(model(given))[0]]}
            )
    return cases


def main():
    FOLDER.mkdir(exist_ok=True)
    save_pictures()
    pictures = {}
    for name in SIZES:
        values = np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGBA"))
        pictures[name] = {"width": values.shape[1], "height": values.shape[0], "data": encoded(values)}
    goldens = {"keras": keras.__version__, "pictures": pictures, "resized": resized(), "networks": networks()}
    lines = ",\n".join(
        f"{json.dumps(key)}: "
        + ("[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]" if isinstance(value, list) else json.dumps(value))
        for key, value in goldens.items()
    )
    (FOLDER / "goldens.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
