"""Write containers/: small model files as Keras saves them, and variants that HDF5 allows.

    python make_containers.py             (Keras 3: files k3-*)
    python make_containers.py --keras2    (Keras 2: files k2-*, and the variants)

Made with keras 3.15.1 and, for --keras2, tf_keras 2.21.0, both on tensorflow-cpu 2.21.0 with numpy
2.4, h5py 3.14 and Python 3.11. Each NAME.golden.json says which files belong together and what
Keras predicts:

    {"id", "keras", "files": {"model": file} or {"config": file, "weights": file},
     "inputs": [{"name", "shape", "dtype", "data", or "texts" of strings}], "outputs": [{"name", "shape", "data"}], "rtol", "atol"}

`data` is base64 of little-endian numbers. Variants are copies of a real file made with h5py that
change how things are stored, never what; which ones is the table VARIANTS. Zip members carry a
fixed date, so that the bytes are reproducible.
"""
import argparse
import base64
import json
import os
import re
import zipfile

import h5py
import numpy as np

import generated
import golden

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "containers")
LONG_AGO = (2020, 1, 1, 0, 0, 0)


# ----------------------------------------------------------------------------------------- models
def cnn(k):
    x = k.Input((6, 6, 2), name="image")
    y = k.layers.Conv2D(4, 3, use_bias=False, name="conv")(k.layers.Rescaling(0.5, name="scale")(x))
    y = k.layers.Activation("relu", name="relu")(k.layers.BatchNormalization(name="norm")(y))
    y = k.layers.GlobalAveragePooling2D(name="average")(k.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(y))
    return k.Model(x, k.layers.Dense(3, activation="softmax", name="classes")(k.layers.Dropout(0.5, name="drop")(y)), name="cnn")


def sequential(k):
    layers = k.layers
    return k.Sequential([
        k.Input((8, 8, 1), name="image"),
        layers.Conv2D(4, 3, activation="relu", name="conv_a"),
        layers.MaxPooling2D(name="pool"),
        layers.Conv2D(4, 2, name="conv_b"),
        layers.Flatten(name="flatten"),
        layers.Dense(5, activation="tanh", name="hidden"),
        layers.Dense(3, activation="softmax", name="classes"),
    ], name="small")


def block(k, name):
    """Trainable and non-trainable weights alternate; a .h5 stores all trainable ones of a nested model first."""
    x = k.Input((4,), name="block_in")
    y = k.layers.BatchNormalization(name="norm")(k.layers.Dense(4, name="first")(x))
    z = k.layers.BatchNormalization(name="norm2")(k.layers.Dense(4, name="second")(y))
    return k.Model(x, k.layers.Add(name="add")([x, z]), name=name)


def nested(k):
    """Models in a model (one called twice, one frozen, one Sequential), a shared layer, wrappers, two inputs and outputs."""
    words, numbers = k.Input((5,), name="words", dtype="int32"), k.Input((4,), name="numbers")
    sequence = k.layers.Embedding(7, 3, mask_zero=True, name="embed")(words)
    sequence = k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True, name="lstm"), name="both_ways")(sequence)
    sequence = k.layers.TimeDistributed(k.layers.Dense(4, name="inner_dense"), name="each_step")(sequence)
    text = k.layers.GRU(4, name="gru")(sequence)
    shared = k.layers.Dense(4, activation="tanh", name="shared")
    inner, frozen = block(k, "inner"), block(k, "frozen")
    frozen.trainable = False
    tail = k.Sequential([k.Input((8,)), k.layers.Dense(4, activation="relu", name="t1"), k.layers.BatchNormalization(name="t2")], name="tail")
    both = k.layers.Concatenate(name="join")([frozen(inner(inner(shared(numbers)))), shared(text)])
    y = tail(both)
    return k.Model([words, numbers], [k.layers.Dense(2, name="value")(y), k.layers.Dense(3, activation="softmax", name="kind")(y)], name="nested")


def auto_named(k):
    """Names and classes count differently: a .keras stores by class, so "conv2d_1" is not its second convolution."""
    x = k.Input((5, 5, 1), name="x")
    late = k.layers.Conv2D(2, 2, name="conv2d_1")
    early = k.layers.Conv2D(2, 2, name="conv2d_7")
    y = late(early(x))
    y = k.layers.Flatten(name="dense")(y)
    return k.Model(x, k.layers.Dense(2, name="dense_9")(k.layers.Dense(3, name="a_dense")(y)), name="names")


def aliased(k):
    """A class of another name for BatchNormalization, alone, nested and in a model under a wrapper."""
    layer = k.layers.experimental.SyncBatchNormalization

    def normalised(name):
        y = k.Input((4,), name=f"{name}_in")
        z = layer(name="norm")(k.layers.Dense(4, name="first")(y))
        return k.Model(y, layer(name="norm2")(k.layers.Dense(4, name="second")(z)), name=name)

    x = k.Input((3, 4), name="x")
    y = layer(name="alone")(k.layers.TimeDistributed(normalised("steps"), name="each_step")(x))
    return k.Model(x, normalised("inner")(k.layers.GlobalAveragePooling1D(name="average")(y)), name="aliased")


def half(k, policy):
    x = k.Input((6,), name="x")
    return k.Model(x, k.layers.Dense(3, dtype=policy, name="b")(k.layers.Dense(5, activation="relu", dtype=policy, name="a")(x)), name="half")


def old_recurrent(k):
    """What Keras 2.0 called LSTM and GRU: hard_sigmoid, no reset_after."""
    return k.Sequential([
        k.Input((5,), name="tokens", dtype="int32"),
        k.layers.Embedding(7, 3, name="embedding_1"),
        k.layers.Bidirectional(k.layers.LSTM(2, recurrent_activation="hard_sigmoid", return_sequences=True, name="lstm_1"), name="bidirectional_1"),
        k.layers.GRU(3, recurrent_activation="hard_sigmoid", reset_after=False, name="gru_1"),
        k.layers.LeakyReLU(name="leaky_re_lu_1"),
        k.layers.Dense(2, name="dense_1"),
    ], name="sequential_1")


def scoped_names(k):
    """A Sequential whose layers Keras 2.0 would have named "block1/conv" and so on; see slashes()."""
    layers = k.layers
    return k.Sequential([
        k.Input((6, 6, 1), name="image"),
        layers.Conv2D(3, 3, activation="relu", name="block1--conv"),
        layers.BatchNormalization(name="block1--norm"),
        layers.Flatten(name="head--flatten"),
        layers.Dense(2, name="head--dense"),
    ], name="sequential_1")


INPUT_RANGE = {"words": (0.0, 7.0), "tokens": (0.0, 7.0), "word": (0.0, 7.0), "bool": (0.0, 2.0), "uint16": (0.0, 4.0)}


def attention(k):
    """Layers with layers inside, which a .keras names by their attributes."""
    x, y = k.Input((3, 4), name="x"), k.Input((5, 4), name="y")
    gate = {"use_gate": True} if k.__version__.startswith("3") else {}
    z = k.layers.MultiHeadAttention(2, 3, value_dim=5, dropout=0.1, name="heads", **gate)(x, y)
    if k.__version__.startswith("3"):
        z = k.layers.GroupQueryAttention(3, 4, 2, use_gate=True, name="groups")(z, y)
        z = k.layers.ReversibleEmbedding(6, 4, tie_weights=False, name="table")(z, reverse=True)
    z = k.layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d", name="dense")(z)
    return k.Model([x, y], k.layers.AdditiveAttention(name="additive")([z, y]), name="attention")


def adapted(k):
    """A low-rank adaption, which a .keras has in the weights and a .h5 beside them."""
    x = k.Input((3, 4), name="x")
    y = k.layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d", lora_rank=2, lora_alpha=5, name="first")(x)
    return k.Model(x, k.layers.Dense(3, lora_rank=2, name="second")(y), name="adapted")


def prepared(k):
    """Layers whose state comes from data: vocabularies lie beside the weights of a .keras, in a nested model too."""
    def vocabulary(**args):
        layer = k.layers.IntegerLookup(**args)
        layer.adapt(np.array([[3, 3, 5], [5, 2, 3]]))
        return layer

    x = k.Input((4,), name="words", dtype="int32")
    inner = k.Model(x, vocabulary(mask_token=0)(x), name="inner")
    words = k.Input((4,), name="words", dtype="int32")
    parts = [k.layers.Embedding(6, 3, name="embedding")(inner(words))]
    parts = [k.layers.Flatten(name="flat")(parts[0]), vocabulary(output_mode="count")(words)]
    y = k.layers.Dense(2, name="dense")(k.layers.Concatenate(name="all")(parts))
    return k.Model(words, y, name="prepared")


TEXTS = ["The cat sat!", "a dog, the cat", "le poisson é rouge", "dog\tdog dog the"]


def text(k):
    """Vocabularies and weights of words that come from data, in a nested model too."""
    def adapted(**args):
        layer = k.layers.TextVectorization(**args)
        layer.adapt(TEXTS)
        return layer

    # Of (1,) Keras 3 expects vectors of another rank than it gives.
    x = k.Input((), name="text", dtype="string")
    kind = k.Input((1,), name="kind", dtype="string")
    lookup = k.layers.StringLookup(mask_token="", name="lookup")
    lookup.adapt([["news"], ["mail"], ["news"]])
    inside = k.Input((1,), name="inside", dtype="string")
    inner = k.Model(inside, k.layers.Embedding(5, 2, name="kinds")(lookup(inside)), name="inner")
    words = k.layers.Embedding(20, 3, name="words")(adapted(output_sequence_length=5)(x))
    parts = [k.layers.Flatten(name="flat")(words), adapted(output_mode="tf_idf")(x), k.layers.Flatten(name="flat_kind")(inner(kind))]
    return k.Model([x, kind], k.layers.Dense(2, name="dense")(k.layers.Concatenate(name="all")(parts)), name="text")


def filled(k, build, *args, rounded_to=None):
    """The model with generated weights, optionally such as fit a smaller float type."""
    k.backend.clear_session()
    model = build(k, *args)
    golden.fill(model, golden.describe_weights(model))
    if rounded_to:
        model.set_weights([np.asarray(weight).astype(rounded_to).astype("float32") for weight in model.get_weights()])
    return model


def trained(k):
    """Two steps of Adam, so that the file has an optimizer with state."""
    k.utils.set_random_seed(1)  # Dropout draws
    model = filled(k, cnn)
    model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    images = generated.tensor("train/images", [4, 6, 6, 2], -1, 1)
    model.fit(images, np.eye(3, dtype="float32")[[0, 1, 2, 0]], batch_size=4, epochs=2, verbose=0, shuffle=False)
    return model


# ----------------------------------------------------------------------------------------- golden
def encode(array):
    array = np.ascontiguousarray(array)
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def expectation(k, model):
    """Inputs and outputs of the model as it stands."""
    strings = {"text": ["the DOG, the rouge cat sat on it", "unknown"], "kind": ["mail", "post"]}
    inputs = golden.describe_inputs(model, 2, INPUT_RANGE, {}, {key: strings.get(key) for key in strings if key in golden.input_names(model)})
    described = []
    for spec in inputs:
        if "texts" in spec:
            described.append({key: spec[key] for key in ("name", "shape", "dtype", "texts")})
            continue
        array = generated.model_input(spec)
        described.append({"name": spec["name"], "shape": spec["shape"], "dtype": spec["dtype"], "data": encode(array)})
    names = golden.output_names(json.loads(model.to_json()), k.__version__.startswith("3"))
    outputs = [{"name": n, "shape": list(a.shape), "data": golden.encode(a)} for n, a in zip(names, golden.run(model, inputs))]
    return {"keras": k.__version__, "inputs": described, "outputs": outputs, "rtol": 1e-4, "atol": 1e-5}


def record(name, expected, files):
    for file in files.values():
        size = os.path.getsize(path_of(file))
        print(f"{file}: {size} bytes")
        assert size < 120_000, file
    with open(path_of(name + ".golden.json"), "w", encoding="utf-8") as file:
        file.write(golden.dump({"id": name, **expected, "files": files}) + "\n")


def path_of(file):
    return os.path.join(FOLDER, file)


# --------------------------------------------------------------------------------------- as saved
def save_whole(k, name, model, suffix, tolerance=None):
    file = f"{name}.{suffix}"
    if os.path.exists(path_of(file)):
        os.remove(path_of(file))
    model.save(path_of(file))
    if suffix == "keras":
        fix_dates(path_of(file))
    record(file.replace(".", "-"), expectation(k, model) | (tolerance or {}), {"model": file})


def fix_dates(path, compression=None):
    """A .keras with the same members, but not the time of writing."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members:
            if info.filename == "metadata.json":
                data = re.sub(rb'"date_saved": "[^"]*"', b'"date_saved": "2020-01-01@00:00:00"', data)
            if info.filename == "config.json":
                data = number_shared_objects(data)
            fixed = zipfile.ZipInfo(info.filename, LONG_AGO)
            fixed.compress_type = info.compress_type if compression is None else compression
            archive.writestr(fixed, data)


def number_shared_objects(config):
    """Keras marks objects used more than once by their address in memory; here they count from 1."""
    seen = {}

    def number(match):
        return match[1] + str(seen.setdefault(match[2], len(seen) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', number, config)


def save_parts(k, name, model, weights_file, save):
    """model.json and a file of weights."""
    config = f"{name}.model.json"
    with open(path_of(config), "w", encoding="utf-8") as file:
        file.write(model.to_json())
    if os.path.exists(path_of(weights_file)):
        os.remove(path_of(weights_file))
    save(path_of(weights_file))
    record(weights_file.replace(".", "-"), expectation(k, model), {"config": config, "weights": weights_file})


def legacy_weights(k, model):
    """save_weights("x.h5") of Keras 2; Keras 3 keeps the writer but offers it only inside a whole model."""
    if k.__version__.startswith("2"):
        return model.save_weights

    def save(path):
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)

    return save


def save_all(k):
    """What this Keras writes by itself."""
    p = golden.prefix(k)
    for name, build in (("cnn", cnn), ("nested", nested), ("names", auto_named), ("sequential", sequential)):
        model = filled(k, build)
        for suffix in ("h5", "keras"):
            save_whole(k, f"{p}-{name}", model, suffix)
        if name in ("cnn", "nested"):
            save_parts(k, f"{p}-{name}", model, f"{p}-{name}-legacy-weights.h5", legacy_weights(k, model))
            save_parts(k, f"{p}-{name}", model, f"{p}-{name}.weights.h5", model.save_weights)
    for suffix in ("h5", "keras"):
        save_whole(k, f"{p}-trained", trained(k), suffix)
    if p == "k2":  # Keras 3 has no such class
        for suffix in ("h5", "keras"):
            save_whole(k, f"{p}-aliased", filled(k, aliased), suffix)
    loose = {"rtol": 2e-2, "atol": 2e-2}  # Keras computes in half precision here
    # Keras 2 writes bfloat16 as opaque bytes that it cannot read back itself.
    for policy in ("float16", "float64") if p == "k2" else ("float16", "bfloat16", "float64"):
        model = filled(k, half, policy)
        save_whole(k, f"{p}-{policy}", model, "keras", loose if policy != "float64" else None)
        if policy != "bfloat16":  # h5py has no such type, and Keras has a way around only in .keras
            save_whole(k, f"{p}-{policy}", model, "h5", loose if policy != "float64" else None)


def save_attention(k):
    models = {"attention": attention, "adapted": adapted} if k.__version__.startswith("3") else {"attention": attention}
    for name, build in models.items():
        model = filled(k, build)
        for suffix in ("h5", "keras"):
            save_whole(k, f"{golden.prefix(k)}-{name}", model, suffix)


# --------------------------------------------------------------------------- weights in few bits
def to_quantize(k):
    x = k.Input((5,), name="tokens", dtype="int32")
    y = k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", name="apart")(k.layers.Embedding(7, 6, name="table")(x))
    y = k.layers.EinsumDense("abcd,cde->abe", (None, 5), activation="tanh", name="together")(y)
    return k.Model(x, k.layers.Dense(3, name="dense")(y), name="quantized")


def save_quantized(k):
    """What `quantize` makes of layers: several scales for a row or column, and low-rank adaptions, which a .keras has
    merged and rounded again."""
    from keras.src.quantizers.quantization_config import Int4QuantizationConfig

    model = filled(k, to_quantize)
    for name, mode, block in (("table", "int4", 2), ("apart", "int4", 4), ("together", "int8", None), ("dense", "int4", 2)):
        config = Int4QuantizationConfig(block_size=block) if block else None
        model.get_layer(name).quantize(mode, config=config)
    for suffix in ("h5", "keras"):
        save_whole(k, "k3-quantized", model, suffix)
    model = filled(k, to_quantize)
    model.quantize("int8")
    for layer in model.layers[1:]:
        layer.enable_lora(2)
        for weight in layer.weights:
            if "lora" in weight.name:
                weight.assign(generated.tensor(f"{layer.name}/{weight.name}", weight.shape, -0.5, 0.5))
    save_whole(k, "k3-quantized-adapted", model, "h5")
    model.save(path_of("plain.keras"))
    save_whole(k, "k3-quantized-merged", k.models.load_model(path_of("plain.keras")), "keras")
    os.remove(path_of("plain.keras"))


def save_grouped(k):
    """GPTQ and AWQ. Keras 3.15 leaves zero points out of a .keras, and does not know of a .h5 that it is calibrated."""
    k.backend.clear_session()
    x = k.Input((6,), name="x")
    y = k.layers.Dense(5, dtype="gptq/4/2_from_float32", activation="tanh", name="first")(x)
    y = k.layers.EinsumDense("ab,bcd->acd", (2, 3), bias_axes="cd", dtype="gptq/3/4_from_float32", name="second")(y)
    y = k.layers.EinsumDense("abc,bcd->ad", (4,), dtype="awq/4/2_from_float32", name="third")(y)
    model = k.Model(x, k.layers.Dense(3, dtype="awq/4/-1_from_float32", name="fourth")(y), name="grouped")
    for layer in model.layers[1:]:
        layer.is_gptq_calibrated = layer.is_awq_calibrated = True
        size = layer.dtype_policy.group_size
        for weight in layer.weights:
            path, shape, bits = f"{layer.name}/{weight.name}", weight.shape, layer.dtype_policy.weight_bits
            if weight.name == "g_idx":
                weight.assign(np.arange(shape[0]) // size if size > 0 else np.zeros(shape))
            elif weight.dtype == "uint8":
                packed = bits == 4 and weight.name == "kernel"
                weight.assign(generated.tensor(path, shape, 0, 256 if packed else 2**bits, "uint8"))
            else:
                low, high = {"kernel_scale": (0.02, 0.1), "awq_scales": (0.5, 2.0)}.get(weight.name, (-0.5, 0.5))
                weight.assign(generated.tensor(path, shape, low, high))
    save_whole(k, "k3-quantized-grouped", model, "h5")


def integers(k):
    """Inputs of several types, of which one is an index, and the largest are floats in the network."""
    inputs = [k.Input((2,), name=dtype, dtype=dtype) for dtype in ("int8", "uint16", "int64", "bool")]
    word = k.Input((2,), name="word", dtype="int64")
    layers = [k.layers.Dense(3, name=f"of_{x.name.split(':')[0]}")(x) for x in inputs]
    words = k.layers.Flatten(name="flat")(k.layers.Embedding(7, 2, name="table")(word))
    return k.Model([*inputs, word], k.layers.Concatenate(name="all")([*layers, words]), name="integers")


# ------------------------------------------------------------------------------- weights elsewhere
def save_shards(k):
    """Weights in several files, of which a layer's may be in two."""
    model = filled(k, nested)

    def save(path):
        model.save_weights(path, max_shard_size=300 / 1024**3)  # gigabytes

    save_parts(k, "k3-shards", model, "k3-shards.weights.json", save)


def renamed_nested(k, prefix=""):
    """A model inside, whose layers are not called as in the file of their weights."""
    i = k.Input((4,), name=f"{prefix}i")
    y = k.layers.BatchNormalization(name=f"{prefix}norm")(k.layers.Dense(4, name=f"{prefix}first")(i))
    inner = k.Model(i, k.layers.Dense(4, name=f"{prefix}second")(y), name=f"{prefix}inner")
    x = k.Input((4,), name=f"{prefix}x")
    y = k.layers.ReLU(name=f"{prefix}relu")(k.layers.Dense(4, name=f"{prefix}before")(x))
    return k.Model(x, k.layers.Dense(2, name=f"{prefix}after")(inner(y)), name=f"{prefix}model")


def save_renamed(k):
    """Weights that are loaded by order, `load_weights` without `by_name`."""
    model = filled(k, renamed_nested)
    other = renamed_nested(k, "other_")
    other.set_weights(model.get_weights())
    save_parts(k, f"{golden.prefix(k)}-renamed", other, f"{golden.prefix(k)}-renamed-weights.h5", legacy_weights(k, model))


def save_prepared(k):
    """As .keras, since .h5 has no place for vocabularies. In Keras 2 they are weights that are no variables."""
    save_whole(k, f"{golden.prefix(k)}-prepared", filled(k, prepared), "keras")


def save_text(k):
    """Likewise. Only weights that are variables are generated."""
    k.backend.clear_session()
    model = text(k)
    for name in ("words", "dense"):
        layer = model.get_layer(name)
        layer.set_weights([generated.weight(name, i, {"shape": w.shape, "lo": -1.0, "hi": 1.0, "dtype": "float32"}) for i, w in enumerate(layer.get_weights())])
    save_whole(k, f"{golden.prefix(k)}-text-adapted", model, "keras")


# --------------------------------------------------------------------------------------- variants
def copy_h5(source, target, dataset=None, attribute=None, **options):
    """A copy of an HDF5 file in which `dataset(array)` gives arguments of create_dataset and
    `attribute(key, value)` the attributes to write in place of one."""
    dataset = dataset or (lambda array: {"data": array})
    attribute = attribute or (lambda key, value: {key: value})
    with h5py.File(source, "r") as old, new_file(target, **options) as new:

        def copy_attributes(name, item):
            for key, value in item.attrs.items():
                for new_key, new_value in attribute(key, value).items():
                    new[name].attrs[new_key] = new_value

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                new.create_dataset(name, **dataset(item[()]))
            else:
                new_group(new, name)
            copy_attributes(name, item)

        copy_attributes("/", old)
        old.visititems(visit)


def new_file(path, libver=None, userblock_size=0):
    """h5py.File(path, "w") without times of writing, which newer headers of groups would hold."""
    create, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    create.set_obj_track_times(False)
    create.set_userblock(userblock_size)
    if libver:
        access.set_libver_bounds(*LIBVER[libver])
    return h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, create, access))


LIBVER = {"latest": (h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST), "v110": (h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)}


def new_group(file, name):
    """create_group without times; visititems shows a group before what is in it."""
    create = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    create.set_obj_track_times(False)
    h5py.h5g.create(file.id, name.encode("utf-8"), gcpl=create)


def chunks(array):
    """Chunks that do not divide the shape, so that the last one hangs over the edge."""
    return tuple(max(1, (size + 1) // 2 + (size > 2)) for size in array.shape)


def packed(**filters):
    """Filters need chunks, and a scalar has none."""
    return lambda array: {"data": array, "chunks": chunks(array), **filters} if array.ndim else {"data": array}


def as_type(dtype):
    return lambda array: {"data": array.astype(dtype) if array.dtype.kind == "f" else array}


def texts(value):
    """The strings of an attribute, or None where it has none."""
    array = np.asarray(value)
    if array.dtype.kind not in "SOU":
        return None
    return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in array.reshape(-1).tolist()]


def vlen_strings(key, value):
    strings = texts(value)
    if strings is None or not strings:
        return {key: value}
    array = np.array(strings, dtype=h5py.string_dtype("utf-8"))
    return {key: array if np.ndim(value) else strings[0]}


def fixed_strings(key, value):
    """Padded with NULs, longer than needed."""
    strings = texts(value)
    if not strings:
        return {key: value}
    width = max(len(s.encode("utf-8")) for s in strings) + 5
    array = np.array([s.encode("utf-8") for s in strings], dtype=f"S{width}")
    return {key: array if np.ndim(value) else array[0]}


def cut_names(key, value):
    """Keras cuts a list of names that exceeds 64 KB of header into layer_names0, layer_names1, …"""
    if key not in ("layer_names", "weight_names") or len(value) < 2:
        return {key: value}
    return {f"{key}{index}": part for index, part in enumerate(np.array_split(value, min(3, len(value))))}


VARIANTS = {  # arguments of copy_h5, and the float type that the weights are rounded to before
    "gzip-shuffle": ({"dataset": packed(compression="gzip", compression_opts=9, shuffle=True)}, None),
    "gzip-fletcher32": ({"dataset": packed(compression="gzip", fletcher32=True)}, None),
    "gzip-shuffle-fletcher32": ({"dataset": packed(compression="gzip", shuffle=True, fletcher32=True)}, None),
    "chunked": ({"dataset": packed()}, None),
    "resizable": ({"dataset": lambda a: {"data": a, "chunks": chunks(a), "maxshape": (None,) * a.ndim} if a.ndim else {"data": a}}, None),
    "float16-stored": ({"dataset": as_type("<f2")}, "float16"),
    "float64-stored": ({"dataset": as_type("<f8")}, None),
    "big-endian": ({"dataset": as_type(">f4")}, None),
    "big-endian-float64": ({"dataset": as_type(">f8")}, None),
    "vlen-strings": ({"attribute": vlen_strings}, None),
    "fixed-strings": ({"attribute": fixed_strings}, None),
    "cut-names": ({"attribute": cut_names}, None),
    "libver-latest": ({"libver": "latest"}, None),
    "libver-latest-gzip": ({"libver": "latest", "dataset": packed(compression="gzip", shuffle=True)}, None),
    "libver-v110": ({"libver": "v110", "dataset": packed()}, None),
    "user-block": ({"userblock_size": 512}, None),
}


def save_variants(k):
    for name, (options, rounded_to) in VARIANTS.items():
        model = filled(k, sequential, rounded_to=rounded_to)
        plain, file = path_of("plain.h5"), f"{golden.prefix(k)}-{name}.h5"
        model.save(plain)
        copy_h5(plain, path_of(file), **options)
        os.remove(plain)
        record(file.replace(".", "-"), expectation(k, model), {"model": file})


def soften(group, path, elsewhere, link=None):
    """Moves something elsewhere and leaves a soft link to it."""
    group.move(path, elsewhere)
    group[path] = h5py.SoftLink(link or elsewhere)


def save_soft_links(k):
    """Soft links to groups and datasets, from the root and relative, to links, and among many links."""
    for libver in (None, "latest"):
        model = filled(k, sequential)
        plain, file = path_of("plain.h5"), f"{golden.prefix(k)}-soft-links{'-' + libver if libver else ''}.h5"
        model.save(plain)
        copy_h5(plain, path_of(file), libver=libver)
        os.remove(plain)
        with h5py.File(path_of(file), "r+", libver=LATEST if libver else None) as opened:
            soften(opened, "model_weights", "/w")
            soften(opened, "w/conv_a", "/first")
            layer = opened["w/hidden"]
            kernel = str(layer.attrs["weight_names"][0])
            soften(layer, kernel, "own", "/w/hidden/alias")
            layer["alias"] = h5py.SoftLink("./own")
            for number in range(12):  # so many that newer files keep them in a heap
                opened[f"w/alias{number}"] = h5py.SoftLink("hidden")
        record(file.replace(".", "-"), expectation(k, model), {"model": file})


LATEST = ("latest", "latest")


def save_soft_checkpoint(k):
    """A .keras whose layers are soft links."""
    model, file = filled(k, sequential), f"{golden.prefix(k)}-soft-links.keras"
    model.save(path_of(file))
    weights = path_of("plain.h5")
    with zipfile.ZipFile(path_of(file)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with open(weights, "wb") as out:
        out.write(members["model.weights.h5"])
    copied = path_of("copy.h5")
    copy_h5(weights, copied)
    with h5py.File(copied, "r+") as opened:
        layers = next(key for key in ("layers", "_layer_checkpoint_dependencies") if key in opened)
        first = sorted(opened[layers])[0]
        soften(opened, f"{layers}/{first}", "/elsewhere")
        soften(opened, "elsewhere/vars", "/vars0")
    with open(copied, "rb") as packed, zipfile.ZipFile(path_of(file), "w") as archive:
        members["model.weights.h5"] = packed.read()
        for name, data in members.items():
            archive.writestr(name, data)
    fix_dates(path_of(file))
    os.remove(weights)
    os.remove(copied)
    record(file.replace(".", "-"), expectation(k, model), {"model": file})


def save_deflated(k):
    """A .keras that somebody packed again."""
    model, file = filled(k, sequential), f"{golden.prefix(k)}-deflated.keras"
    model.save(path_of(file))
    fix_dates(path_of(file), zipfile.ZIP_DEFLATED)
    record(file.replace(".", "-"), expectation(k, model), {"model": file})


# -------------------------------------------------------------------------------------- Keras 2.0
NEWER_KEYS = ("registered_name", "build_config", "module")
NEWER_ARGUMENTS = ("groups", "ragged", "sparse", "optional", "reset_after", "time_major", "seed_generator", "quantization_config")


def as_keras_20(value):
    """A config without what later versions added."""
    if isinstance(value, list):
        return [as_keras_20(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: as_keras_20(item) for key, item in value.items() if key not in NEWER_KEYS + NEWER_ARGUMENTS}
    if kept.get("class_name") == "LeakyReLU":
        kept["config"]["alpha"] = float(np.float32(0.3))  # 2.0 wrote its float32: 0.30000001192092896
    return kept


def bare_list(model):
    """Keras 2.0: the config of a Sequential is the list of its layers, the first one with the input's shape."""
    config = as_keras_20(json.loads(model.to_json()))
    first, *layers = config["config"]["layers"]
    layers[0]["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
    return {"class_name": "Sequential", "config": layers}


def slashes(text):
    return text.replace("--", "/")


def write_keras_20(model, path):
    """model.h5 as Keras 2.0.9 wrote it: fixed-length strings, a group per layer, weights named by layer."""
    config = slashes(json.dumps(bare_list(model)))
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        for item in (file, group):
            item.attrs["backend"] = np.bytes_("tensorflow")
            item.attrs["keras_version"] = np.bytes_("2.0.9")
        file.attrs["model_config"] = np.bytes_(config)
        group.attrs["layer_names"] = [np.bytes_(slashes(layer.name)) for layer in model.layers]
        for layer in model.layers:
            write_layer(group.create_group(slashes(layer.name)), layer)


def write_layer(group, layer):
    """Names of 2.0: no cell in the middle, "dense_1/kernel:0"."""
    weights = golden.saved_weights(layer)
    names = [slashes(weight.name.replace("lstm_cell/", "").replace("gru_cell/", "")) for weight in weights]
    group.attrs["weight_names"] = np.array([name.encode("utf-8") for name in names], dtype=None if names else "S1")
    for name, weight in zip(names, weights):
        group.create_dataset(name, data=np.asarray(weight))


def save_old(k):
    for name, build in (("keras20-slashes", scoped_names), ("keras20-recurrent", old_recurrent)):
        model, file = filled(k, build), name + ".h5"
        write_keras_20(model, path_of(file))
        expected = expectation(k, model) | {"keras": "2.0.9"}
        for output in expected["outputs"]:
            output["name"] = slashes(output["name"])
        expected["inputs"][0] |= first_input(model, expected["inputs"][0])
        record(file.replace(".", "-"), expected, {"model": file})


def first_input(model, described):
    """Such a file has no input layer. Keras then calls the input after the first layer, and tokens were floats."""
    values = np.frombuffer(base64.b64decode(described["data"]), np.dtype(described["dtype"]).newbyteorder("<"))
    return {"name": slashes(model.layers[0].name) + "_input", "dtype": "float32", "data": encode(values.astype("float32"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras2", action="store_true")
    args = parser.parse_args()
    keras = golden.load_keras(args.keras2)
    os.makedirs(FOLDER, exist_ok=True)
    save_all(keras)
    save_attention(keras)
    if not args.keras2:
        save_prepared(keras)
    save_text(keras)
    save_deflated(keras)
    save_soft_checkpoint(keras)
    save_renamed(keras)
    save_whole(keras, f"{golden.prefix(keras)}-integers", filled(keras, integers), "keras")
    if not args.keras2:
        save_quantized(keras)
        save_grouped(keras)
        save_shards(keras)
    if args.keras2:  # both Kerases write a .h5 with the same calls of h5py
        save_variants(keras)
        save_soft_links(keras)
        save_old(keras)


if __name__ == "__main__":
    main()
