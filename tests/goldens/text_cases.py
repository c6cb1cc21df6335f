"""Layers that take strings, and hashes of strings and integers.

Each function takes the Keras module and gives a model, or (model, options of make_golden). The decorator says for which
Keras it holds; without a number it holds for both.
"""
import golden

CASES, case = golden.registry()

WORDS = ["cat", "dog", "fish", "élan", "the cat", "漢"]
FEW = ["cat", "bird", "fish", "", "dog", "Cat", "漢", "élan"]


def rows(name, only, table, build):
    """A case for each row: arguments by the end of the case's name."""
    for suffix, args in table.items():
        CASES.append((f"{name}-{suffix}", only, lambda k, a=args: build(k, **a)))


def of(k, layer, shape, texts, **options):
    """A model of one layer."""
    x = k.Input(shape, name="x", dtype="string")
    count = 1
    for extent in shape:
        count *= extent
    return k.Model(x, layer(x)), {"texts": {"x": texts}, "batch": len(texts) // count} | options


def idf(layer, values):
    """The weights of categories are arguments, and in files they are a weight too."""
    row = {"name": "idf_weights", "shape": [len(values)], "dtype": "float32", "lo": 0.0, "hi": 0.0, "values": values}
    return {"weights": [{"layer": layer, "weights": [row]}]}


# ------------------------------------------------------------------------------------------- StringLookup
def lookup(k, shape=(4,), texts=FEW, vocabulary=WORDS, weights=None, **args):
    options = idf("lookup", weights) if weights else {}
    return of(k, k.layers.StringLookup(vocabulary=vocabulary, name="lookup", **args), shape, texts, **options)


IDF = {"output_mode": "tf_idf", "idf_weights": [0.5, 0.25, 1.5, 0.75, 2.0, 3.0], "weights": [1.3333334, 0.5, 0.25, 1.5, 0.75, 2.0, 3.0]}
KNOWN = ["cat", "dog", "fish", "the cat", "漢", "élan", "cat", "dog"]
rows("string-lookup", None, {
    "int": {},
    "mask": {"mask_token": ""},
    "mask-in-vocabulary": {"mask_token": "", "vocabulary": ["", "[UNK]", "cat", "dog"]},
    "oov-in-vocabulary": {"vocabulary": ["[UNK]", "cat", "dog"]},
    "other-oov": {"oov_token": "<other>", "vocabulary": ["<other>", "cat", "dog"]},
    "several-oov": {"num_oov_indices": 5},
    "several-oov-mask": {"num_oov_indices": 3, "mask_token": "bird"},
    "no-oov": {"num_oov_indices": 0, "texts": KNOWN},
    "one-hot": {"shape": (1,), "output_mode": "one_hot"},
    "one-hot-mask": {"shape": (1,), "output_mode": "one_hot", "mask_token": "bird"},
    "multi-hot": {"output_mode": "multi_hot"},
    "multi-hot-several-oov": {"output_mode": "multi_hot", "num_oov_indices": 4},
    "count": {"output_mode": "count"},
    "count-mask": {"output_mode": "count", "mask_token": ""},
    "count-padded": {"output_mode": "count", "max_tokens": 10, "pad_to_max_tokens": True},
    "tf-idf": IDF,
    "scalars": {"shape": ()},
    "images": {"shape": (2, 2)},
}, lookup)
rows("string-lookup", 3, {
    "salted": {"num_oov_indices": 5, "salt": [3, 2**63 - 5]},
    "salted-once": {"num_oov_indices": 7, "salt": 133137},
    "one-hot-vectors": {"output_mode": "one_hot"},
}, lookup)


def inverted(k, hi=9.0, dtype="int64", **args):
    x = k.Input((5,), name="x", dtype=dtype)
    y = k.layers.StringLookup(vocabulary=WORDS, invert=True, **args)(x)
    return k.Model(x, y), {"ranges": {"x": (-2.0, hi)}, "batch": 4}


rows("string-lookup-invert", None, {
    "alone": {},
    "mask": {"mask_token": "", "num_oov_indices": 2},
    "other-oov": {"oov_token": "<?>"},
}, inverted)


@case()
def string_lookup_invert_of_classes(k):
    """The label of the likeliest class, and the probabilities."""
    x = k.Input((6,), name="x")
    p = k.layers.Dense(4, activation="softmax", name="p")(x)
    best = k.ops.argmax(p, axis=-1) if k.__version__.startswith("3") else k.backend.argmax(p)
    label = k.layers.StringLookup(vocabulary=["a", "b", "c", "d"], num_oov_indices=0, invert=True, name="label")(best)
    return k.Model(x, [label, p]), {"batch": 5}


@case()
def string_lookup_there_and_back(k):
    x = k.Input((3,), name="x", dtype="string")
    ids = k.layers.StringLookup(vocabulary=WORDS, name="there")(x)
    return k.Model(x, k.layers.StringLookup(vocabulary=WORDS, invert=True, name="back")(ids)), {"texts": {"x": FEW[:6]}, "batch": 2}


@case()
def string_lookup_shared(k):
    """One layer for two inputs."""
    a, b = k.Input((2,), name="a", dtype="string"), k.Input((3,), name="b", dtype="string")
    layer = k.layers.StringLookup(vocabulary=WORDS, mask_token="")
    y = k.layers.Concatenate()([layer(a), layer(b)])
    return k.Model([a, b], y), {"texts": {"a": FEW[:4], "b": FEW[2:8]}, "batch": 2}


@case()
def string_lookup_embedded(k):
    x = k.Input((4,), name="x", dtype="string")
    ids = k.layers.StringLookup(vocabulary=WORDS, mask_token="")(x)
    y = k.layers.Embedding(8, 3, mask_zero=True)(ids)
    return k.Model(x, k.layers.LSTM(2)(y)), {"texts": {"x": FEW}, "batch": 2}


@case()
def string_lookup_reshaped(k):
    x = k.Input((4,), name="x", dtype="string")
    y = k.layers.Reshape((2, 2))(x)
    return k.Model(x, k.layers.StringLookup(vocabulary=WORDS)(k.layers.Reshape((2, 2, 1))(y))), {"texts": {"x": FEW}, "batch": 2}


@case()
def string_lookup_nested(k):
    """Strings go into a model inside."""
    inside = k.Input((3,), name="inside", dtype="string")
    inner = k.Model(inside, k.layers.StringLookup(vocabulary=WORDS, output_mode="multi_hot")(inside), name="inner")
    x = k.Input((3,), name="x", dtype="string")
    return k.Model(x, k.layers.Dense(2)(inner(x))), {"texts": {"x": FEW[:6]}, "batch": 2}


@case()
def string_lookup_beside_numbers(k):
    """Strings among other inputs, as in tables."""
    age, city = k.Input((1,), name="age"), k.Input((1,), name="city", dtype="string")
    kind = k.Input((1,), name="kind", dtype="int64")
    city_hot = k.layers.StringLookup(vocabulary=WORDS, output_mode="one_hot")(city)
    kind_hot = k.layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(kind)
    x = k.layers.Concatenate()([k.layers.Normalization(mean=[3.0], variance=[2.0])(age), city_hot, kind_hot])
    return k.Model({"age": age, "city": city, "kind": kind}, k.layers.Dense(3)(x)), {
        "texts": {"city": FEW[:5]}, "ranges": {"kind": (0.0, 4.0)}, "batch": 5}


@case(3)
def string_lookup_pipeline(k):
    x = k.Input((4,), name="x", dtype="string")
    layers = [k.layers.StringLookup(vocabulary=WORDS), k.layers.CategoryEncoding(num_tokens=7, output_mode="count")]
    return k.Model(x, k.layers.Pipeline(layers)(x)), {"texts": {"x": FEW}, "batch": 2}


@case()
def string_lookup_sequential(k):
    model = k.Sequential([k.Input((4,), name="x", dtype="string"), k.layers.StringLookup(vocabulary=WORDS, output_mode="count"), k.layers.Dense(2)])
    return model, {"texts": {"x": FEW}, "batch": 2}


@case(2)
def string_lookup_experimental(k):
    x = k.Input((4,), name="x", dtype="string")
    return k.Model(x, k.layers.experimental.preprocessing.StringLookup(vocabulary=WORDS, output_mode="binary")(x)), {"texts": {"x": FEW}, "batch": 2}


# ------------------------------------------------------------------------------------ TextVectorization
TEXTS = [
    "The cat, the dog & the FISH!", "  a\tcat\n\nsat on   the mat ", "", "don't stop-me `now` ~(cat)~ [dog] {fish} ^_^ \\ | <é> \"É\"",
    "cat\u00a0dog\u2003fish 漢字 漢 ÉLAN élan", "cat " * 9 + "dog",
]
TOKENS = ["the", "cat", "dog", "fish", "élan", "漢", "on", "stopme", "dont", "É"]


def vectorization(k, shape=(1,), texts=TEXTS, vocabulary=TOKENS, weights=None, name="text", **args):
    options = idf(name, weights) if weights else {}
    return of(k, k.layers.TextVectorization(vocabulary=vocabulary, name=name, **args), shape, texts, **options)


TOKEN_ROWS = ["The", "cat", "", "dog!", "on the", "É", "cat", "fish", "CAT"]
COUNTED = {"idf_weights": [0.1 * n for n in range(1, 11)], "weights": [0.55] + [0.1 * n for n in range(1, 11)], "output_mode": "tf_idf"}
LETTERS = {"split": "character", "vocabulary": ["a", "c", " ", "t", "漢", "é", "É", "c a"]}
rows("text-vectorization", None, {
    "int": {"output_sequence_length": 7},
    "int-scalars": {"shape": (), "output_sequence_length": 5},
    "lower": {"standardize": "lower", "output_sequence_length": 6},
    "strip": {"standardize": "strip_punctuation", "output_sequence_length": 6},
    "as-is": {"standardize": None, "output_sequence_length": 6},
    "characters": LETTERS | {"output_sequence_length": 12},
    "characters-as-is": LETTERS | {"output_sequence_length": 12, "standardize": None},
    "characters-bigrams": LETTERS | {"output_sequence_length": 20, "ngrams": 3},
    "bigrams": {"ngrams": 2, "output_sequence_length": 12, "vocabulary": ["the cat", "cat", "cat cat", "a", "cat dog", "dog the"]},
    "ngrams-of-some": {"ngrams": (1, 3), "output_sequence_length": 12, "vocabulary": ["the cat the", "cat", "cat cat cat", "a"]},
    "ngrams-multi-hot": {"ngrams": (2,), "output_mode": "multi_hot", "vocabulary": ["the cat", "cat cat", "cat dog"]},
    "multi-hot": {"output_mode": "multi_hot"},
    "count": {"output_mode": "count"},
    "count-padded": {"output_mode": "count", "max_tokens": 15, "pad_to_max_tokens": True},
    "count-characters": LETTERS | {"output_mode": "count"},
    "tf-idf": COUNTED,
    "tokens": {"split": None, "shape": (3,), "texts": TOKEN_ROWS},
    "tokens-cut": {"split": None, "shape": (3,), "texts": TOKEN_ROWS, "output_sequence_length": 2},
    "tokens-padded": {"split": None, "shape": (3,), "texts": TOKEN_ROWS, "output_sequence_length": 5},
    "tokens-bigrams": {"split": None, "shape": (3,), "texts": TOKEN_ROWS, "ngrams": 2, "vocabulary": ["the", "cat", "the cat", "cat fish"]},
    "tokens-count": {"split": None, "shape": (3,), "texts": TOKEN_ROWS, "output_mode": "count"},
    "special-tokens": {"vocabulary": ["", "[UNK]", "cat", "dog"], "output_sequence_length": 4},
}, vectorization)


@case(2)
def text_vectorization_experimental(k):
    return of(k, k.layers.experimental.preprocessing.TextVectorization(vocabulary=TOKENS, output_mode="count"), (1,), TEXTS)


@case()
def text_vectorization_adapted(k):
    layer = k.layers.TextVectorization(max_tokens=8, output_sequence_length=5)
    layer.adapt(TEXTS)
    # The architecture alone does not hold what adapt() found.
    words = layer.get_vocabulary()
    return of(k, k.layers.TextVectorization(vocabulary=words, output_sequence_length=5), (1,), TEXTS)


@case()
def text_classifier(k):
    """A small network for the mood of texts. None is empty: the mean of nothing is NaN, which TensorFlow's relu makes 0."""
    x = k.Input((1,), name="review", dtype="string")
    ids = k.layers.TextVectorization(vocabulary=TOKENS, output_sequence_length=8)(x)
    y = k.layers.Embedding(12, 6, mask_zero=True)(ids)
    y = k.layers.GlobalAveragePooling1D()(y)
    y = k.layers.Dense(5, activation="relu")(y)
    return k.Model(x, k.layers.Dense(1, activation="sigmoid", name="mood")(y)), {"texts": {"review": TEXTS[:2] + TEXTS[3:]}, "batch": 5}


@case()
def text_classifier_sequential(k):
    model = k.Sequential([
        k.Input((1,), name="text", dtype="string"),
        k.layers.TextVectorization(vocabulary=TOKENS, output_sequence_length=6), k.layers.Embedding(12, 4),
        k.layers.Conv1D(3, 3, activation="relu"), k.layers.GlobalMaxPooling1D(), k.layers.Dense(3, activation="softmax"),
    ])
    return model, {"texts": {"text": TEXTS[:1]}, "batch": 1}


@case()
def text_classifier_bidirectional(k):
    x = k.Input((), name="text", dtype="string")
    ids = k.layers.TextVectorization(vocabulary=TOKENS, output_sequence_length=5)(x)
    y = k.layers.Embedding(12, 4, mask_zero=True)(ids)
    y = k.layers.Bidirectional(k.layers.LSTM(3))(y)
    return k.Model(x, k.layers.Dense(2)(y)), {"texts": {"text": TEXTS[:3]}, "batch": 3}


@case()
def text_classifier_bag(k):
    x = k.Input((1,), name="text", dtype="string")
    bag = k.layers.TextVectorization(vocabulary=TOKENS, ngrams=2, output_mode="multi_hot")(x)
    return k.Model(x, k.layers.Dense(2)(bag)), {"texts": {"text": TEXTS[:2]}, "batch": 2}


# -------------------------------------------------------------------------------------------- hashing
LONG = ["", "a", "abcd", "abcdefgh", "x" * 17, "y" * 33, "z" * 65, "w" * 200, "漢字" * 12, "a b", "A", "aa"]


def hashing(k, shape=(3,), texts=LONG, **args):
    return of(k, k.layers.Hashing(**args), shape, texts)


rows("hashing", None, {
    "strings": {"num_bins": 1000},
    "strings-one": {"num_bins": 1},
    "strings-mask": {"num_bins": 7, "mask_value": "a"},
    "strings-mask-empty": {"num_bins": 7, "mask_value": ""},
    "strings-salt": {"num_bins": 1000, "salt": 1337},
    "strings-salts": {"num_bins": 1000, "salt": [133, 137], "mask_value": "aa"},
    "strings-one-hot": {"num_bins": 5, "shape": (1,), "output_mode": "one_hot"},
    "strings-multi-hot": {"num_bins": 5, "output_mode": "multi_hot"},
    "strings-count": {"num_bins": 5, "output_mode": "count"},
    "strings-images": {"num_bins": 64, "shape": (2, 2)},
}, hashing)


def hashed_numbers(k, shape=(4,), dtype="int64", lo=-3.0, hi=12.0, **args):
    x = k.Input(shape, name="x", dtype=dtype)
    return k.Model(x, k.layers.Hashing(**args)(x)), {"ranges": {"x": (lo, hi)}, "batch": 3}


rows("hashing-integers", None, {
    "alone": {"num_bins": 100},
    "int32": {"num_bins": 100, "dtype": "int32"},
    "large": {"num_bins": 1000, "lo": -16000000.0, "hi": 16000000.0},
    "mask": {"num_bins": 9, "mask_value": 3, "lo": 0.0, "hi": 6.0},
    "salt": {"num_bins": 100, "salt": [7, 8]},
    "one-hot": {"num_bins": 6, "shape": (1,), "output_mode": "one_hot"},
    "multi-hot": {"num_bins": 6, "output_mode": "multi_hot"},
}, hashed_numbers)
rows("hashing-floats", 3, {"alone": {"num_bins": 100, "dtype": "float32"}}, hashed_numbers)


@case()
def hashing_embedded(k):
    """An integer that is hashed, and is used as it is as well."""
    x = k.Input((2,), name="x", dtype="int32")
    y = k.layers.Embedding(10, 2)(k.layers.Hashing(num_bins=10)(x))
    z = k.layers.Embedding(20, 2)(x)
    return k.Model(x, k.layers.Add()([y, z])), {"ranges": {"x": (0.0, 20.0)}, "batch": 3}


def crossing(k, shape=(1,), kinds=("string", "int64"), **args):
    names = "abc"[: len(kinds)]
    inputs = [k.Input(shape, name=name, dtype=kind) for name, kind in zip(names, kinds)]
    texts = {name: LONG[i : i + 9] for i, (name, kind) in enumerate(zip(names, kinds)) if kind == "string"}
    return k.Model(inputs, k.layers.HashedCrossing(**args)(inputs)), {
        "texts": texts, "ranges": {name: (-4.0, 900.0) for name in names}, "batch": 9}


rows("hashed-crossing", None, {
    "text-and-integer": {"num_bins": 1000},
    "integers": {"num_bins": 1000, "kinds": ("int32", "int64")},
    "texts": {"num_bins": 1000, "kinds": ("string", "string")},
    "scalars": {"num_bins": 50, "shape": ()},
    "one-hot": {"num_bins": 6, "output_mode": "one_hot"},
}, crossing)


@case()
def hashed_crossing_of_places(k):
    """Places in a vocabulary, crossed with a hash."""
    a, b = k.Input((1,), name="a", dtype="string"), k.Input((1,), name="b", dtype="string")
    places = k.layers.StringLookup(vocabulary=WORDS)(a)
    hashes = k.layers.Hashing(num_bins=20)(b)
    y = k.layers.HashedCrossing(num_bins=50, output_mode="one_hot")([places, hashes])
    return k.Model([a, b], k.layers.Dense(2)(y)), {"texts": {"a": FEW, "b": LONG[:8]}, "batch": 8}
