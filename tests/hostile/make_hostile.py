"""Write the files beside this script: hostile, damaged and simply wrong ones.

    python make_hostile.py            (needs h5py 3 and NumPy, no Keras)

They are committed, so that the tests need no Python. Each is made by one function below; what the
reader says to each of them is in `expected.txt`. Files that are only cut or flipped copies of good
ones are made by the test itself.
"""
import io
import json
import os
import struct
import zipfile
import zlib

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
LONG_AGO = (2020, 1, 1, 0, 0, 0)


# ------------------------------------------------------------------------------------ good parts
def dense(name, units=2, **more):
    config = {"name": name, "trainable": True, "dtype": "float32", "units": units, "activation": "linear", "use_bias": True}
    return {"class_name": "Dense", "config": config | {"kernel_initializer": None, "bias_initializer": None} | more}


def sequential(*layers, name="m"):
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def model():
    return sequential(dense("first", batch_input_shape=[None, 3]), dense("second"))


def functional(layers, outputs):
    x = {"class_name": "InputLayer", "name": "x", "inbound_nodes": []}
    x["config"] = {"name": "x", "batch_input_shape": [None, 3], "dtype": "float32"}
    for layer in layers:
        layer["name"] = layer["config"]["name"]
    config = {"name": "m", "layers": [x, *layers], "input_layers": [["x", 0, 0]], "output_layers": outputs}
    return {"class_name": "Functional", "config": config}


def called(layer, *sources):
    return layer | {"inbound_nodes": [[[source, 0, 0, {}] for source in sources]]}


def shapes():
    return {"first": {"kernel": (3, 2), "bias": (2,)}, "second": {"kernel": (2, 2), "bias": (2,)}}


def attributes(item, version="2.9.0", backend="tensorflow"):
    item.attrs["keras_version"] = np.bytes_(version)
    item.attrs["backend"] = np.bytes_(backend)


def h5(name, config=None, weights=True, layers=None, dataset=None, after=None, **versions):
    """A legacy model file. `dataset(group, name, shape)` writes one weight, `after(file)` spoils the rest."""
    with h5py.File(os.path.join(HERE, name), "w", libver="earliest") as file:
        attributes(file, **versions)
        if config is not False:
            config = config if config is not None else json.dumps(model())
            file.attrs["model_config"] = np.bytes_(config if isinstance(config, str) else json.dumps(config))
        if weights:
            group = file.create_group("model_weights")
            attributes(group, **versions)
            layers = shapes() if layers is None else layers
            group.attrs["layer_names"] = [np.bytes_(layer) for layer in layers]
            for layer, own in layers.items():
                inner = group.create_group(layer)
                names = [f"{layer}/{weight}:0" for weight in own]
                inner.attrs["weight_names"] = [np.bytes_(n) for n in names] if names else np.array([], "S1")
                for weight, shape in zip(names, own.values()):
                    (dataset or plain)(inner, weight, shape)
        if after:
            after(file)


def plain(group, name, shape):
    group.create_dataset(name, data=np.ones(shape, "float32"))


def only(target, write):
    """Writes the weight `target` by `write` and the others as usual."""
    return lambda group, name, shape: (write if name == target else plain)(group, name, shape)


def checkpoint(after=None):
    """A model.weights.h5 as bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="earliest") as file:
        for key, own in (("dense", shapes()["first"]), ("dense_1", shapes()["second"])):
            group = file.create_group(f"layers/{key}/vars")
            for index, shape in enumerate(own.values()):
                group.create_dataset(str(index), data=np.ones(shape, "float32"))
        if after:
            after(file)
    return buffer.getvalue()


def members(**replaced):
    found = {
        "metadata.json": json.dumps({"keras_version": "3.5.0"}),
        "config.json": json.dumps(model()),
        "model.weights.h5": checkpoint(),
    } | replaced
    return {name: data for name, data in found.items() if data is not None}


def archive(name, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(os.path.join(HERE, name), "w") as file:
        for member, data in content.items():
            info = zipfile.ZipInfo(member, LONG_AGO)
            info.compress_type = compression
            file.writestr(info, data)


def raw(name, data):
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode("utf-8"))


def patch(name, old, new, count):
    """Replaces bytes in a file, which must occur exactly `count` times."""
    path = os.path.join(HERE, name)
    with open(path, "rb") as file:
        data = file.read()
    assert data.count(old) == count, (name, data.count(old))
    with open(path, "wb") as file:
        file.write(data.replace(old, new))


# ------------------------------------------------------------------------------------------ HDF5
def hdf5_links():
    first = "first/first/kernel:0"

    def external(file):
        del file["model_weights/" + first]
        file["model_weights/" + first] = h5py.ExternalLink("/etc/other.h5", "/kernel")

    def external_group(file):
        del file["model_weights/first"]
        file["model_weights/first"] = h5py.ExternalLink("other.h5", "/first")

    def dangling(file):
        del file["model_weights/" + first]
        file["model_weights/" + first] = h5py.SoftLink("/model_weights/nowhere")

    def dangling_group(file):
        del file["model_weights"]
        file["model_weights"] = h5py.SoftLink("/weights")

    def circle(file):
        del file["model_weights/first"]
        file["model_weights/first"] = h5py.SoftLink("/a")
        file["a"] = h5py.SoftLink("b/first")
        file["b"] = h5py.SoftLink("model_weights")

    def everything(file):
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink("other.h5", "/model_weights")

    h5("soft-link-dangling.h5", after=dangling)
    h5("soft-link-dangling-group.h5", after=dangling_group)
    h5("soft-link-circle.h5", after=circle)
    h5("external-link-all.h5", after=everything)
    h5("soft-link-deleted.h5")
    with h5py.File(os.path.join(HERE, "soft-link-deleted.h5"), "r+", libver="latest") as file:
        # A group with so many links that they are kept in a heap, where deleted ones stay.
        file.move("model_weights", "old")
        group = file.create_group("model_weights")
        for key, value in file["old"].attrs.items():
            group.attrs[key] = value
        for name in ("first", "second"):
            group[name] = h5py.SoftLink(f"/old/{name}")
        for number in range(12):
            group[f"alias{number}"] = h5py.SoftLink("first")
        del group["alias5"]

    def external_var(file):
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink("other.h5", "/kernel")

    def loop(file):
        file["layers/dense/loop"] = file["layers/dense"]

    archive("external-link.keras", members(**{"model.weights.h5": checkpoint(external_var)}))
    def maze(file):
        for number in range(12):
            file[f"layers/dense/loop{number}"] = file["layers/dense"]

    archive("group-loop.keras", members(**{"model.weights.h5": checkpoint(loop)}))
    archive("group-maze.keras", members(**{"model.weights.h5": checkpoint(maze)}))


def hdf5_storage():
    kernel = "first/kernel:0"

    def external(group, name, shape):
        group.create_dataset(name, shape, "float32", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])

    def virtual(group, name, shape):
        layout = h5py.VirtualLayout(shape, "float32")
        layout[...] = h5py.VirtualSource("/etc/other.h5", "x", shape)
        group.create_virtual_dataset(name, layout)

    def huge(*shape):
        return lambda group, name, _: group.create_dataset(name, shape, "float32", chunks=(1000,) * len(shape))

    def chunk(group, name, shape):
        group.create_dataset(name, shape, "float32", chunks=(20000, 20000), maxshape=(None, None))

    def deflated(group, name, shape):
        group.create_dataset(name, (3000, 30000), "float32", chunks=(3000, 3000), compression="gzip", compression_opts=9, data=np.zeros((3000, 30000), "float32"))

    def strings(group, name, shape):
        group.create_dataset(name, data=np.full(shape, b"secret"))

    def compound(group, name, shape):
        group.create_dataset(name, shape, [("a", "<f4"), ("b", "<i4")])

    def complex_numbers(group, name, shape):
        group.create_dataset(name, shape, "complex64")

    def empty(group, name, shape):
        group.create_dataset(name, data=np.zeros((0, 2), "float32"))

    def unknown_filter(group, name, shape):
        group.create_dataset(name, data=np.ones(shape, "float32"), chunks=shape, compression="lzf")

    for name, write in (
        ("external-storage", external),
        ("virtual-dataset", virtual),
        ("huge-shape", huge(10**9, 10**9)),
        ("large-shape", huge(20000, 20000)),
        ("huge-chunk", chunk),
        ("deflate-bomb", deflated),
        ("string-weight", strings),
        ("compound-weight", compound),
        ("complex-weight", complex_numbers),
        ("empty-weight", empty),
        ("unknown-filter", unknown_filter),
    ):
        h5(f"{name}.h5", dataset=only(kernel, write))
    patch("unknown-filter.h5", struct.pack("<HH", 32000, 8), struct.pack("<HH", 32111, 8), 1)


def hdf5_contents():
    h5("no-config.h5", config=False)
    h5("not-keras.h5", config=False, weights=False)
    h5("no-weights.h5", weights=False)
    h5("config-cut.h5", config=json.dumps(model())[:200])
    h5("config-empty.h5", config=" ")
    h5("config-number.h5", config="3")
    h5("keras-0.h5", version="0.3.3")
    h5("theano.h5", backend="theano")
    h5("version-nonsense.h5", version="\\o/")
    h5("missing-layer.h5", layers={"first": shapes()["first"]})
    h5("other-weights.h5", layers={"a": {"kernel": (3, 2)}, "b": {}, "c": {}, "d": {}})
    h5("missing-dataset.h5", dataset=only("second/bias:0", lambda *_: None))

    def no_names(file):
        del file["model_weights/first"].attrs["weight_names"]

    def numbers_for_names(file):
        file["model_weights/first"].attrs["weight_names"] = [1.0, 2.0]

    def dataset_for_group(file):
        del file["model_weights/first"]
        file["model_weights/first"] = [1.0]

    def model_weight(file):
        group = file.create_group("model_weights/top_level_model_weights")
        group.attrs["weight_names"] = [b"scale"]

    h5("no-weight-names.h5", after=no_names)
    h5("number-weight-names.h5", after=numbers_for_names)
    h5("dataset-for-group.h5", after=dataset_for_group)
    h5("model-weight.h5", after=model_weight)
    inner = sequential(dense("a"), dense("b"), name="inner")
    outer = sequential(dense("first", batch_input_shape=[None, 3]), inner, name="outer")
    h5("unclear-nested.h5", config=outer, layers={"first": shapes()["first"], "inner": {"kernel": (2, 2)}})


# ------------------------------------------------------------------------------------------- zip
def zips():
    archive("dotdot.keras", members() | {"../../evil.txt": "x"})
    archive("absolute.keras", members() | {"/etc/evil.txt": "x"})
    archive("backslash.keras", members() | {"..\\evil.txt": "x"})
    archive("no-config.keras", members(**{"config.json": None}))
    archive("no-weights.keras", members(**{"model.weights.h5": None}))
    archive("npz-weights.keras", members(**{"model.weights.h5": None}) | {"model.weights.npz": b"PK"})
    archive("sharded-weights.keras", members(**{"model.weights.h5": None}) | {"model.weights.json": "{}"})
    archive("weights-not-hdf5.keras", members(**{"model.weights.h5": b"nothing of the kind"}))
    archive("config-bomb.keras", members(**{"config.json": b" " * (40 << 20)}), zipfile.ZIP_DEFLATED)
    archive("config-cut.keras", members(**{"config.json": json.dumps(model())[:100]}))
    archive("config-latin.keras", members(**{"config.json": b'{"a": "\xff"}'}))
    archive("nesting.keras", members(**{"config.json": "[" * 200_000}), zipfile.ZIP_DEFLATED)
    archive("converted_keras.zip", {"keras_model.h5": b"\x89HDF", "labels.txt": "0 cat\n1 dog\n"})
    archive("saved-model.zip", {"model/saved_model.pb": b"x", "model/variables/variables.index": b"x"})
    archive("tm-my-image-model.zip", {"model.json": "{}", "weights.bin": b"", "metadata.json": "{}"})
    archive("converted_tflite.zip", {"model_unquant.tflite": b"x", "labels.txt": "0 cat\n"})
    custom = {"class_name": "Net", "module": None, "registered_name": "Custom>Net", "config": {"trainable": True}}
    own = io.BytesIO()
    with h5py.File(own, "w", libver="earliest") as file:
        file.create_group("dense/vars").create_dataset("0", data=np.ones((3, 2), "float32"))
    archive("subclassed.keras", members(**{"config.json": json.dumps(custom), "model.weights.h5": own.getvalue()}))
    archive("torch.pt", {"archive/data.pkl": b"\x80\x02."})
    archive("arrays.npz", {"a.npy": b"\x93NUMPY"})
    # A checksum that does not fit.
    archive("bad-checksum.keras", members())
    crc = struct.pack("<I", zlib.crc32(checkpoint()))
    patch("bad-checksum.keras", crc, struct.pack("<I", 1), 2)
    # Weights that say they are 30 GB; and a config that says it is shorter than it is.
    size = struct.pack("<II", len(checkpoint()), len(checkpoint()))
    archive("weights-bomb.keras", members())
    patch("weights-bomb.keras", size, struct.pack("<II", len(checkpoint()), 0xFFFFFF00), 2)
    text = json.dumps(model())
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    length = len(packed.compress(text.encode()) + packed.flush())
    archive("lying-size.keras", members(), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(os.path.join(HERE, "lying-size.keras")) as file:
        length = file.getinfo("config.json").compress_size
    patch("lying-size.keras", struct.pack("<II", length, len(text)), struct.pack("<II", length, 10), 2)
    # Several members of one name: which of them counts?
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for member, data in [*members().items(), ("config.jsox", "{}")]:
            file.writestr(zipfile.ZipInfo(member, LONG_AGO), data)
    raw("twice.keras", buffer.getvalue().replace(b"config.jsox", b"config.json"))
    # More members than a model has.
    archive("many.keras", members() | {f"{i}": "" for i in range(2_001)})
    extra = checkpoint(lambda file: file.create_group("layers/conv2d/vars").create_dataset("0", data=[1.0]))
    archive("extra-weights.keras", members(**{"model.weights.h5": extra}))


# ------------------------------------------------------------------------------------------ JSON
def architectures():
    def nested(depth):
        inner = dense("d", batch_input_shape=[None, 3])
        for level in range(depth):
            inner = sequential(inner, name=f"m{level}")
        return inner

    raw("nested-models.json", json.dumps(nested(60)))
    raw("nesting.json", '{"a":' * 20_000)
    raw("cut.json", json.dumps(model())[:150])
    raw("tensorflow-js.json", json.dumps({"modelTopology": {}, "weightsManifest": []}))
    raw("manifest.json", json.dumps({"generator": "keras-compile 0.1.0", "model": "m", "backends": {}}))
    raw("array.json", "[1, 2]")
    raw("no-class.json", "{}")
    raw("subclassed.json", json.dumps({"class_name": "MyModel", "config": {"units": 3}}))
    raw("no-layers.json", json.dumps({"class_name": "Functional", "config": {"name": "m"}}))
    raw("empty-model.json", json.dumps(sequential()))
    layers = [called(dense("a"), "b"), called(dense("b"), "a")]
    raw("cycle.json", json.dumps(functional(layers, [["a", 0, 0]])))
    second = {"class_name": "InputLayer", "config": {"name": "b", "batch_input_shape": [None, 3], "dtype": "float32"}}
    first = {"class_name": "InputLayer", "config": {"name": "a", "batch_input_shape": [None, 3], "dtype": "float32"}}
    raw("second-input.json", json.dumps(sequential(first, second)))
    node = functional([called(dense("a"), "x")], [["a", 0, 0]])
    node["config"]["layers"][0]["inbound_nodes"] = [[["a", 0, 0, {}]]]
    raw("called-input.json", json.dumps(node))
    raw("bidi.json", json.dumps(functional([called(dense("x\u202egnp.live\u202c\u2028\u200b\x1b[2J"), "no\u2066where")], [["x", 0, 0]])))
    raw("long-name.json", json.dumps(functional([called(dense("n" * 20_000), "no" * 20_000)], [["x", 0, 0]])))
    strings = functional([called(dense("a"), "x")], [["a", 0, 0]])
    strings["config"]["layers"][1]["config"]["dtype"] = "string"
    raw("strings.json", json.dumps(strings))
    raw("self-loop.json", json.dumps(functional([called(dense("a"), "a")], [["a", 0, 0]])))
    raw("dangling.json", json.dumps(functional([called(dense("a"), "nowhere")], [["a", 0, 0]])))
    raw("dangling-output.json", json.dumps(functional([called(dense("a"), "x")], [["b", 0, 0]])))
    raw("names-twice.json", json.dumps(functional([called(dense("a"), "x"), called(dense("a"), "x")], [["a", 0, 0]])))
    raw("input-twice.json", json.dumps(sequential(dense("a"), dense("a"))))
    node = functional([called(dense("a"), "x")], [["a", 0, 0]])
    node["config"]["layers"][1]["inbound_nodes"] = [[["x", 4_000_000_000, 0, {}]]]
    raw("huge-node.json", json.dumps(node))
    node["config"]["layers"][1]["inbound_nodes"] = [[["x", -1, 0, {}]]]
    raw("negative-node.json", json.dumps(node))
    node["config"]["layers"][1]["inbound_nodes"] = [{"args": [{"class_name": "__lambda__", "config": {"value": "code"}}], "kwargs": {}}]
    raw("lambda-argument.json", json.dumps(node))
    node["config"]["layers"][1]["inbound_nodes"] = "x"
    raw("node-text.json", json.dumps(node))
    raw("policy.json", json.dumps(sequential(dense("a", dtype="complex64"), dense("b", dtype={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}))))
    raw("wrong-types.json", json.dumps(functional([{"class_name": 3, "config": {"name": "a"}}], [["x", 0, 0]])))
    many = functional([called(dense(f"a{i}"), "nowhere") for i in range(3)], [["x", 0, 0]])
    raw("three-problems.json", json.dumps(many))


# ----------------------------------------------------------------------------------------- foreign
def foreign():
    raw("empty.h5", b"")
    raw("text.h5", "This is not a model.\n")
    raw("page.h5", "<!DOCTYPE html><html><body>404</body></html>")
    raw("lfs.h5", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    raw("model.tflite", b"\x1c\0\0\0TFL3" + bytes(24))
    raw("model.onnx", b"\x08\x07\x12\x07pytorch")
    raw("model.pb", b"\x0a\x05\x0a\x01x")
    raw("model.pkl", b"\x80\x04\x95\x00")
    raw("model.h5.gz", b"\x1f\x8b\x08" + bytes(8))
    raw("model.ckpt.index", b"\0\0\x08\x01")
    raw("model.ckpt.data-00000-of-00001", b"{\0\0\0")
    raw("checkpoint", 'model_checkpoint_path: "model.ckpt"\n')
    raw("saved_model.pb", b"\x08\x01")
    raw("group1-shard1of2.bin", bytes(range(64)))
    raw("model.wasm", b"\0asm\x01\0\0\0")
    raw("index.js", "export {};\n")
    raw("train.py", "import keras\n")
    raw("magic-only.h5", b"\x89HDF\r\n\x1a\n")
    raw("magic-noise.h5", b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4)
    raw("zip-magic-only.keras", b"PK\x03\x04")
    raw("zip-empty.keras", b"PK\x05\x06" + bytes(18))


if __name__ == "__main__":
    for write in (hdf5_links, hdf5_storage, hdf5_contents, zips, architectures, foreign):
        write()
    for name in sorted(os.listdir(HERE)):
        if os.path.getsize(os.path.join(HERE, name)) > 1_000_000:
            raise SystemExit(f"{name} is too large to commit")
