"""Writes a frozen function as a graph model of TF.js in its fastest form.

The `tensorflowjs` package does not install beside a current TensorFlow. What it does to a frozen graph is done here:
Grappler folds constants, scales and shifts go into the weights of the convolution before them, a bias and an
activation into `_FusedConv2D`, `FusedDepthwiseConv2dNative` or `_FusedMatMul`, and constants into a file of weights.
"""
import json
import os

import numpy as np
from google.protobuf.json_format import MessageToDict
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework import tensor_util
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.training.saver import export_meta_graph

PRODUCTS = {"Conv2D": "_FusedConv2D", "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative", "MatMul": "_FusedMatMul"}
ACTIVATIONS = ("Relu", "Relu6", "Elu")
SHIFTS = ("BiasAdd", "Add", "AddV2", "Sub")


def write(frozen, folder, encode=lambda value: (value, {})):
    """Writes `model.json` and `weights.bin` of a function from convert_variables_to_constants_v2.

    `encode` gives what is written for weights, and what their entry says of it; see `half` and `byte`.
    """
    graph = Graph(fold_constants(frozen), [tensor.name for tensor in frozen.outputs])
    graph.without_erfc()
    graph.fuse()
    graph.bypass()
    weights, specs = [], []
    for node in graph.live():
        if node.op == "Const":
            value = np.ascontiguousarray(tensor_util.MakeNdarray(node.attr["value"].tensor))
            value = value.astype({"int64": "int32", "float64": "float32"}.get(str(value.dtype), value.dtype))
            entry = {"name": node.name, "shape": list(value.shape), "dtype": str(value.dtype)}
            if value.dtype == np.float32:
                value, said = encode(value)
                entry.update(said)
            weights.append(value.tobytes())
            specs.append(entry)
            del node.attr["value"]
    tensors = lambda tensors: {
        tensor.name: {"name": tensor.name, "dtype": types_pb2.DataType.Name(tensor.dtype.as_datatype_enum),
                      "tensorShape": {"dim": [{"size": str(size)} for size in tensor.shape]}}
        for tensor in tensors
    }
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "weights.bin"), "wb") as file:
        file.write(b"".join(weights))
    with open(os.path.join(folder, "model.json"), "w") as file:
        json.dump({
            "format": "graph-model",
            "signature": {"inputs": tensors(frozen.inputs), "outputs": tensors(frozen.outputs)},
            "modelTopology": {"node": [MessageToDict(node) for node in graph.live()], "library": {}, "versions": {}},
            "weightsManifest": [{"paths": ["weights.bin"], "weights": specs}],
        }, file)


def half(value):
    """As `--quantize_float16` of the converter."""
    return value.astype("float16"), {"quantization": {"dtype": "float16", "original_dtype": "float32"}}


def byte(value):
    """As `--quantize_uint8`: 256 levels between the least and the largest of a tensor, of which one is zero."""
    least, most = min(float(value.min()), 0.0), max(float(value.max()), 0.0)
    scale = (most - least) / 255 or 1.0
    least = round(least / scale) * scale
    levels = np.clip(np.round((value - least) / scale), 0, 255).astype("uint8")
    return levels, {"quantization": {"dtype": "uint8", "scale": scale, "min": least, "original_dtype": "float32"}}


def fold_constants(frozen):
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.optimizers.extend(["pruning", "constfold", "dependency", "constfold", "dependency"])
    options.meta_optimizer_iterations = 2
    graph_def = frozen.graph.as_graph_def()
    meta_graph = export_meta_graph(graph_def=graph_def, graph=frozen.graph)
    signature = meta_graph_pb2.SignatureDef()
    for kind, tensors in ((signature.inputs, frozen.inputs), (signature.outputs, frozen.outputs)):
        for tensor in tensors:
            kind[tensor.name].name = tensor.name
            kind[tensor.name].dtype = tensor.dtype.as_datatype_enum
            kind[tensor.name].tensor_shape.CopyFrom(tensor.shape.as_proto())
    meta_graph.signature_def["serving"].CopyFrom(signature)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


class Graph:
    """A GraphDef whose products take in what follows them."""

    def __init__(self, graph_def, outputs):
        self.nodes = {node.name: node for node in graph_def.node}
        self.outputs = [name.split(":")[0] for name in outputs]

    def source(self, name):
        """The node behind an input, past identities."""
        node = self.nodes[name.lstrip("^").split(":")[0]]
        while node.op == "Identity":
            node = self.nodes[node.input[0].split(":")[0]]
        return node

    def live(self):
        """What the outputs need, in order."""
        seen, order = set(), []

        def visit(name):
            if name not in seen:
                seen.add(name)
                for each in self.nodes[name].input:
                    if not each.startswith("^"):
                        visit(each.split(":")[0])
                order.append(self.nodes[name])

        for name in self.outputs:
            visit(name)
        return order

    def bypass(self):
        """Inputs straight from where they come."""
        for node in self.nodes.values():
            for i, name in enumerate(node.input):
                if not name.startswith("^") and self.nodes[name.split(":")[0]].op == "Identity":
                    node.input[i] = self.source(name).name

    def constant(self, name):
        node = self.source(name)
        return tensor_util.MakeNdarray(node.attr["value"].tensor) if node.op == "Const" else None

    def add_constant(self, name, value):
        node = type(next(iter(self.nodes.values())))(name=name, op="Const")
        node.attr["dtype"].type = types_pb2.DT_FLOAT
        node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(value.astype("float32")))
        self.nodes[name] = node

    def without_erfc(self):
        """TF.js has `Erf` only."""
        for node in self.live():
            if node.op == "Erfc":
                one, erf = node.name + "/one", type(node)()
                self.add_constant(one, np.float32(1))
                erf.CopyFrom(node)
                erf.name, erf.op = node.name + "/erf", "Erf"
                self.nodes[erf.name] = erf
                node.op = "Sub"
                node.input[:] = [one, erf.name]

    def fuse(self):
        users = {}
        live = self.live()
        for node in live:
            for name in node.input:
                users.setdefault(name.split(":")[0], []).append(node)
        for name in self.outputs:
            users.setdefault(name, []).append(None)

        def only_user(node):
            found = users.get(node.name, [])
            return found[0] if len(found) == 1 else None

        for node in live:
            if node.op in PRODUCTS:
                self.fuse_product(node, only_user)

    def fuse_product(self, node, only_user):
        weights = self.constant(node.input[1])
        if weights is None:
            return
        turned = node.op == "MatMul" and node.attr["transpose_b"].b
        depthwise = node.op.startswith("Depthwise")
        shape = (-1, 1) if turned else weights.shape[2:] if depthwise else (-1,)
        channels = int(np.prod(weights.shape[2:])) if depthwise else weights.shape[0 if turned else -1]
        scale, shift, taken, reshape = np.ones(channels), np.zeros(channels), [], None
        step = only_user(node)
        while step is not None:
            if reshape is None and self.keeps_channels(step, channels):
                reshape = step
            elif (affine := self.affine(step, channels)) is not None:
                scale, shift = scale * affine[0], shift * affine[0] + affine[1]
                taken.append(step)
            else:
                break
            step = only_user(step)
        activation = []
        if step is not None and step.op in ACTIVATIONS:
            activation = [step.op.encode()]
            taken.append(step)
        if not taken:
            return
        self.add_constant(node.name + "/folded", weights * scale.reshape(shape))
        self.add_constant(node.name + "/shift", shift)
        node.op = PRODUCTS[node.op]
        node.input[:] = [node.input[0], node.name + "/folded", node.name + "/shift"]
        node.attr["num_args"].i = 1
        node.attr["fused_ops"].list.s.extend([b"BiasAdd", *activation])
        # What was taken in is passed over.
        at = node.name
        for step in ([reshape] if reshape else []):
            step.input[0] = at
            at = step.name
        for step in taken:
            step.op = "Identity"
            step.input[:] = [at]

    def keeps_channels(self, step, channels):
        """A reshape of what comes before and after in rows of all channels."""
        shape = self.constant(step.input[1]) if step.op == "Reshape" else None
        return shape is not None and shape.size > 0 and shape[-1] == channels

    def affine(self, step, channels):
        """Factor and offset by channel, when the node is no more than that."""
        if step.op not in ("Mul", *SHIFTS):
            return None
        constants = [self.constant(name) for name in step.input if not name.startswith("^")]
        value = next((each for each in constants if each is not None), None)
        if step.op == "Sub" and value is constants[0]:
            return None
        if value is None or value.size not in (1, channels) or (value.ndim and value.shape[-1] != value.size):
            return None
        value = np.broadcast_to(value.reshape(-1), channels).astype("float64")
        if step.op == "Mul":
            return value, np.zeros(channels)
        return np.ones(channels), -value if step.op == "Sub" else value
