"""Layers that prepare inputs: categories, bins, vocabularies, other sizes of images, spectra.

Each function takes the Keras module and gives a model, or (model, options of make_golden). The decorator says for which
Keras it holds; without a number it holds for both. Spectrograms need scipy as well.
"""
import numpy as np

import golden

CASES, case = golden.registry()


def is3(k):
    return k.__version__.startswith("3")


def rows(name, only, table, build):
    """A case for each row: arguments by the end of the case's name."""
    for suffix, args in table.items():
        CASES.append((f"{name}-{suffix}", only, lambda k, a=args: build(k, **a)))


def of(k, layer, shape, dtype="int32", lo=0.0, hi=5.0, batch=3, **options):
    """A model of one layer."""
    x = k.Input(shape, name="x", dtype=dtype)
    return k.Model(x, layer(x)), {"ranges": {"x": (lo, hi)}, "batch": batch} | options


# ------------------------------------------------------------------------------------------ categories
def encoding(k, shape=(5,), dtype="int32", **args):
    return of(k, k.layers.CategoryEncoding(num_tokens=5, **args), shape, dtype)


rows("category-encoding", None, {
    "multi-hot": {},
    "multi-hot-floats": {"dtype": "float32"},
    "count": {"output_mode": "count"},
    "one-hot": {"shape": (1,), "output_mode": "one_hot"},
    "one-hot-scalars": {"shape": (), "output_mode": "one_hot"},
    "multi-hot-scalars": {"shape": ()},
}, encoding)
rows("category-encoding", 3, {
    "one-hot-vectors": {"output_mode": "one_hot"},
    "one-hot-images": {"shape": (2, 3), "output_mode": "one_hot"},
    "multi-hot-images": {"shape": (2, 3)},
    "count-images": {"shape": (2, 3), "output_mode": "count"},
}, encoding)


@case(3)
def category_encoding_beyond(k):
    return of(k, k.layers.CategoryEncoding(num_tokens=3, output_mode="count"), (6,))


@case()
def category_encoding_weights(k):
    x, w = k.Input((4,), name="x", dtype="int32"), k.Input((4,), name="w")
    y = k.layers.CategoryEncoding(num_tokens=6, output_mode="count")(x, count_weights=w)
    return k.Model([x, w], y), {"ranges": {"x": (0.0, 6.0)}, "batch": 2}


@case()
def category_encoding_network(k):
    x = k.Input((1,), name="x", dtype="int32")
    y = k.layers.CategoryEncoding(num_tokens=6, output_mode="one_hot")(x)
    return k.Model(x, k.layers.Dense(4, activation="relu")(y)), {"ranges": {"x": (0.0, 6.0)}, "batch": 2}


BOUNDARIES = [-1.0, -0.25, 0.5, 1.5]


def bins(k, shape=(6,), dtype="float32", **args):
    return of(k, k.layers.Discretization(bin_boundaries=BOUNDARIES, **args), shape, dtype, -2.0, 3.0)


rows("discretization", None, {
    "int": {},
    "int-of-integers": {"dtype": "int32"},
    "one-hot": {"shape": (1,), "output_mode": "one_hot"},
    "multi-hot": {"output_mode": "multi_hot"},
    "count": {"output_mode": "count"},
    "images": {"shape": (2, 3, 2)},
}, bins)
rows("discretization", 3, {"one-hot-vectors": {"output_mode": "one_hot"}}, bins)


def summary(values, shares):
    return [{"name": "summary", "shape": [2, len(values)], "dtype": "float32", "lo": 0.0, "hi": 0.0,
             "values": values + shares}]


def adapted(k, bins, values, shares):
    x = k.Input((9,), name="x")
    layer = k.layers.Discretization(num_bins=bins, name="bins")
    weights = [{"layer": "bins", "weights": summary(values, shares)}]
    return k.Model(x, layer(x)), {"batch": 2, "weights": weights}


rows("discretization-summary", 2, {
    "of-many": {"bins": 4, "values": [-1.5, -0.5, 0.25, 0.75, 2.0], "shares": [1.0, 2.0, 1.0, 3.0, 1.0]},
    "of-few": {"bins": 9, "values": [-1.5, -0.5, 0.25, 0.75], "shares": [1.0, 1.0, 1.0, 1.0]},
    "uneven": {"bins": 7, "values": [-1.75, -1.5, -1.0, -0.5, 0.0, 0.25, 0.75, 1.25, 1.9],
               "shares": [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0]},
}, adapted)


@case(3)
def discretization_adapted(k):
    layer = k.layers.Discretization(num_bins=5)
    layer.adapt(np.linspace(-2, 2, 23) ** 3)
    return of(k, layer, (6,), "float32", -2.0, 2.0)


WORDS = [12, 36, 7, 42]


def lookup(k, shape=(5,), dtype="int32", lo=6.0, hi=44.0, vocabulary=WORDS, idf=None, **args):
    """The weights of categories are arguments, and in files they are a weight too."""
    options = {}
    if idf:
        row = {"name": "idf_weights", "shape": [len(idf)], "dtype": "float32", "lo": 0.0, "hi": 0.0, "values": idf}
        options = {"weights": [{"layer": "lookup", "weights": [row]}]}
    layer = k.layers.IntegerLookup(vocabulary=vocabulary, name="lookup", **args)
    return of(k, layer, shape, dtype, lo, hi, batch=4, **options)


SMALL = {"vocabulary": [2, 4, 1, 3], "lo": 0.0, "hi": 6.0}
IDF = {"output_mode": "tf_idf", "idf_weights": [0.5, 0.25, 1.5, 0.75], "idf": [0.75, 0.5, 0.25, 1.5, 0.75]}
rows("integer-lookup", None, {
    "int": SMALL,
    "int-floats": SMALL | {"dtype": "float32"},
    "far-apart": {"vocabulary": [-70000, 4, 100000, 2], "lo": 1.0, "hi": 6.0},
    "mask": SMALL | {"mask_token": 0},
    "mask-in-vocabulary": {"vocabulary": [0, -1, 2, 4, 1], "mask_token": 0, "lo": -2.0, "hi": 6.0},
    "no-oov": SMALL | {"num_oov_indices": 0, "lo": 1.0, "hi": 5.0},
    "one-hot": SMALL | {"shape": (1,), "output_mode": "one_hot"},
    "multi-hot": SMALL | {"output_mode": "multi_hot"},
    "multi-hot-mask": SMALL | {"output_mode": "multi_hot", "mask_token": 0},
    "count": SMALL | {"output_mode": "count"},
    "count-padded": SMALL | {"output_mode": "count", "max_tokens": 8, "pad_to_max_tokens": True},
    "tf-idf": SMALL | IDF,
    "tf-idf-padded": SMALL | IDF | {"max_tokens": 7, "pad_to_max_tokens": True, "idf": IDF["idf"] + [0.0, 0.0]},
    "invert": SMALL | {"invert": True},
    "invert-mask": SMALL | {"invert": True, "mask_token": 0, "num_oov_indices": 2, "oov_token": 99, "hi": 8.0},
}, lookup)


@case()
def integer_lookup_of_bins(k):
    x = k.Input((4,), name="x")
    y = k.layers.Discretization(bin_boundaries=BOUNDARIES)(x)
    y = k.layers.IntegerLookup(vocabulary=[1, 3], num_oov_indices=1)(y)
    return k.Model(x, k.layers.Embedding(3, 2)(y)), {"batch": 2}


# ---------------------------------------------------------------------------------------------- images
def resizing(k, shape=(5, 6, 2), size=(7, 4), **args):
    return of(k, k.layers.Resizing(*size, **args), shape, "float32", -1.0, 1.0, batch=1)


def methods(names, **args):
    return {name: {"interpolation": name} | args for name in names}


COMMON = ["bilinear", "bicubic", "nearest", "lanczos3", "lanczos5", "area"]
TWO = ["gaussian", "mitchellcubic"]
rows("resizing", None, methods(COMMON), resizing)
rows("resizing", 2, methods(TWO), resizing)
rows("resizing-one-axis", None, methods(COMMON, size=(5, 4)), resizing)
rows("resizing-one-axis", 2, methods(TWO, size=(5, 4)), resizing)
rows("resizing-same", 2, methods(TWO, size=(5, 6)), resizing)
rows("resizing-smaller", None, methods(["area", "bicubic"], shape=(17, 13, 1), size=(4, 3)), resizing)
rows("resizing-antialias", 3, methods(COMMON, antialias=True), resizing)
rows("resizing-antialias-smaller", 3, methods(COMMON, antialias=True, shape=(17, 13, 1), size=(4, 3)), resizing)
rows("resizing-antialias-first", 3, methods(["bilinear", "lanczos3"], antialias=True, data_format="channels_first",
     shape=(2, 13, 9), size=(4, 5)), resizing)
PAD = {"pad_to_aspect_ratio": True, "fill_value": 0.5}
rows("resizing-pad", 3, {
    "wide": PAD | {"shape": (4, 9, 2), "size": (6, 6)},
    "high": PAD | {"shape": (9, 4, 2), "size": (6, 6)},
    "first": PAD | {"shape": (2, 4, 9), "size": (6, 5), "data_format": "channels_first"},
    "antialias": PAD | {"shape": (4, 9, 2), "size": (3, 3), "antialias": True},
}, resizing)
rows("resizing-crop", None, {
    "wide": {"crop_to_aspect_ratio": True, "shape": (4, 9, 2), "size": (6, 6)},
    "high": {"crop_to_aspect_ratio": True, "shape": (9, 4, 2), "size": (3, 5)},
    "area": {"crop_to_aspect_ratio": True, "shape": (9, 4, 2), "size": (3, 5), "interpolation": "area"},
}, resizing)


def up_sampling(k, **args):
    return of(k, k.layers.UpSampling2D((2, 3), **args), (3, 4, 2), "float32", -1.0, 1.0, batch=1)


rows("up-sampling", 2, methods(["area", "gaussian", "mitchellcubic"]), up_sampling)


# --------------------------------------------------------------------------------------- normalization
def normalization(k, shape=(3, 4), **args):
    return of(k, k.layers.Normalization(**args), shape, "float32", -1.0, 1.0, batch=2)


MEAN = [0.5, -0.5, 0.25, 1.0]
VARIANCE = [1.5, 0.5, 0.0, 2.0]
rows("normalization", None, {
    "adapted": {},
    "adapted-axes": {"axis": (1, 2)},
    "adapted-axes-turned": {"axis": (2, 1)},
    "adapted-none": {"axis": None},
    "adapted-first": {"axis": 1},
    "adapted-invert": {"invert": True},
    "given": {"mean": MEAN, "variance": VARIANCE},
    "given-invert": {"mean": MEAN, "variance": VARIANCE, "invert": True},
    "given-scalars": {"axis": (1, 2), "mean": 0.5, "variance": 2.0},
    "given-none": {"axis": None, "mean": 0.5, "variance": 2.0},
    "given-last-of-axes": {"axis": (1, 2), "mean": MEAN, "variance": VARIANCE},
    "given-all-axes": {"axis": (1, 2), "mean": [MEAN, VARIANCE, MEAN], "variance": [VARIANCE, VARIANCE, MEAN[:2] + VARIANCE[:2]]},
}, lambda k, **args: normalization(k, **positive(args)))


def positive(args):
    """Variances are not negative."""
    absolute = lambda v: [absolute(x) for x in v] if isinstance(v, list) else abs(v)
    return args | ({"variance": absolute(args["variance"])} if "variance" in args else {})


# --------------------------------------------------------------------------------------------- spectra
def stft(k, shape=(20, 1), **args):
    args = {"frame_length": 6, "frame_step": 4} | args
    return of(k, k.layers.STFTSpectrogram(**args), shape, "float32", -1.0, 1.0, batch=2)


MODES = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]
rows("stft-spectrogram", 3, {mode: {"mode": mode} for mode in MODES} | {
    "default-step": {"frame_step": None, "mode": "magnitude"},
    "fft": {"fft_length": 9, "mode": "stft"},
    "same": {"padding": "same", "mode": "magnitude"},
    "channels": {"shape": (20, 2), "mode": "stft"},
    "expand": {"shape": (20, 2), "expand_dims": True},
    "expand-stft": {"shape": (20, 2), "expand_dims": True, "mode": "stft"},
    "first": {"shape": (2, 20), "data_format": "channels_first", "mode": "psd"},
    "first-expand": {"shape": (2, 20), "data_format": "channels_first", "expand_dims": True, "mode": "magnitude"},
    "short": {"frame_length": 2, "frame_step": 1, "mode": "psd"},
}, stft)


@case(3)
def stft_spectrogram_as_made(k):
    """With the kernels that Keras makes, which the golden then holds."""
    model, options = of(k, k.layers.STFTSpectrogram(mode="magnitude", frame_length=8, window="hamming", scaling="spectrum"),
                        (24, 1), "float32", -1.0, 1.0)
    layer = model.layers[-1]
    rows = [{"name": golden.weight_name(w), "shape": list(w.shape), "dtype": "float32", "lo": 0.0, "hi": 0.0,
             "values": np.asarray(w).ravel().tolist()} for w in layer.weights]
    return model, options | {"weights": [{"layer": layer.name, "weights": rows}]}


def mel(k, shape=(40,), **args):
    args = {"fft_length": 16, "sequence_stride": 6, "num_mel_bins": 5, "sampling_rate": 800, "min_freq": 20.0} | args
    return of(k, k.layers.MelSpectrogram(**args), shape, "float32", -1.0, 1.0, batch=2)


rows("mel-spectrogram", 3, {
    "default": {},
    "hamming": {"window": "hamming"},
    "no-window": {"window": None},
    "shorter": {"sequence_length": 11},
    "odd": {"fft_length": 15, "sequence_length": 10},
    "power": {"power_to_db": False},
    "magnitude": {"power_to_db": False, "mag_exp": 1.0},
    "exponent": {"power_to_db": False, "mag_exp": 1.5},
    "decibels": {"top_db": 20.0, "ref_power": 3.0, "min_power": 1e-3},
    "frequencies": {"min_freq": 45.0, "max_freq": 300, "num_mel_bins": 8},
    "channels": {"shape": (2, 40)},
}, mel)


# -------------------------------------------------------------------------------------------- pipeline
@case(3)
def pipeline(k):
    layers = [k.layers.Rescaling(0.5, offset=1.0), k.layers.Resizing(4, 3), k.layers.RandomFlip()]
    return of(k, k.layers.Pipeline(layers), (6, 5, 2), "float32", -1.0, 1.0)


@case(3)
def pipeline_weights(k):
    layers = [k.layers.Normalization(name="one"), k.layers.Rescaling(2.0), k.layers.Normalization(axis=1, name="two")]
    for layer in layers:
        layer.build((None, 3, 2))
    return of(k, k.layers.Pipeline(layers), (3, 2), "float32", -1.0, 1.0)

# One word that all of them share, by which they can be chosen.
CASES[:] = [(f"prepare-{name}", only, function) for name, only, function in CASES]
