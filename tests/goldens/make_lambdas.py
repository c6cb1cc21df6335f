"""Write lambdas/python3.N.jsonl: functions as the Python that runs this stores them in a Keras file, one a line.

    for python in python3.6 … python3.14; do $python make_lambdas.py; done

Each line has the `source`, the `code` object in base64 (`marshal`), `defaults` and `closure`, and what the compiler is to
read it as: an `expression` in the compiler's own language, or `refused`, the reason. The files there were made with CPython
3.6.15, 3.7.16, 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0 and 3.14.2. This script needs no package, and runs with all
of them.
"""
import base64
import json
import marshal
import os
import sys

# What Keras users write, and every kind of instruction that the compiler knows.
PLAIN = [
    "lambda x: x",
    "lambda x: x / 255.0",
    "lambda x: x / 127.5 - 1",
    "lambda x: -x + +x - ~x",
    "lambda x: (x + 1) * 2 - x // 3 % 5",
    "lambda x: x ** 2 @ x",
    "lambda x: (x > 0.5) & (x <= 1) | (x != 2) ^ (x < 3)",
    "lambda x: x == 1",
    "lambda x: x >= -1e-07",
    "lambda x: x[0] * x[1]",
    "lambda x: x[:, 0]",
    "lambda x: x[:, -1, :]",
    "lambda x: x[1:3]",
    "lambda x: x[..., ::-1]",
    "lambda x: x[:, 1:, ::2, None]",
    "lambda x: x[x.shape[1]:, :x.shape[1] - 1]",
    "lambda x: K.mean(x, axis=1)",
    "lambda x: K.expand_dims(K.sum(K.square(x), axis=[1, 2], keepdims=True), -1)",
    "lambda x: K.sqrt(K.maximum(K.sum(K.square(x[0] - x[1]), axis=1, keepdims=True), K.epsilon()))",
    "lambda x: tf.image.resize(x, (8, 6), method='bilinear')",
    "lambda x: tf.nn.relu(x * 2) ** 2",
    "lambda x: tf.reshape(x, (-1, x.shape[1] * x.shape[2]))",
    "lambda x: tf.reshape(x, [-1, 3, 4, 5])",
    "lambda x: x.get_shape().as_list()",
    "lambda x: keras.ops.concatenate([x, x * 2, x * 3], axis=-1)",
    "lambda x: tf.cast(x, tf.float32)",
    "lambda x: f(x, True, None, 'text', 1.5, -3, 70000, 3000000000)",
    "lambda x: f(x)(x, a=1)(b=x, c=(x, 2, (3, x)))",
    "lambda x: x.mean(axis=(1, 2), keepdims=True)",
    "lambda x, y, *, z: x + y * z",
    "lambda inputs, scale=0.5, shape=(2, 3): f(inputs * scale, shape)",
    "lambda x: (x - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]",
    "lambda x: np.pi * x + 1 / 3 + 2 ** 10 + 7 // 2 - 7 % 4",
]

# (source, closure, what it is read as)
OTHERS = [
    ("def f(s):\n    return lambda x: x * s\nresult = f(0.25)", "lambda x: x * 0.25"),
    ("def f(a, b):\n    return lambda x: x[:, a:b] + b\nresult = f(1, 3)", "lambda x: x[:, 1:3] + 3"),
    (
        "def result(vectors):\n    x, y = vectors\n    total = K.sum(K.square(x - y), axis=1, keepdims=True)\n"
        "    return K.sqrt(K.maximum(total, K.epsilon()))",
        "lambda vectors: K.sqrt(K.maximum(K.sum(K.square(vectors[0] - vectors[1]), axis=1, keepdims=True), K.epsilon()))",
    ),
    (
        "def result(x):\n    '''Documentation.'''\n    import tensorflow as tf\n    print(x)\n    return tf.space_to_depth(x, block_size=2)",
        "lambda x: tensorflow.space_to_depth(x, block_size=2)",
    ),
    (
        "def result(x):\n    from tensorflow.keras import backend as K\n    import tensorflow.keras.layers as B\n    x += 1\n    y = x = K.abs(x)\n"
        "    return B.f(y * x)",
        "lambda x: tensorflow.keras.layers.f(tensorflow.keras.backend.abs(x + 1) * tensorflow.keras.backend.abs(x + 1))",
    ),
    ("def result(x):\n    a, b = x[0], x[1]\n    a, b = b, a\n    return a - b", "lambda x: x[1] - x[0]"),
    ("def result(x):\n    a, b, c = x[0], x[1], x[2]\n    a, b, c = c, a, b\n    return a - b * c", "lambda x: x[2] - x[0] * x[1]"),
    ("result = lambda x: " + " + ".join("x * {}.5".format(i) for i in range(300)), " + ".join("x * {}.5".format(i) for i in range(300))),
]

REFUSED = [
    "result = lambda x: x if x else 0",
    "result = lambda x: x and 0",
    "result = lambda x: [y * 2 for y in x]",
    "result = lambda x: f(*x)",
    "result = lambda x: f(lambda y: y)",
    "result = lambda x: 1 < x < 2",
    "result = lambda x: {'a': x}",
    "result = lambda x: x is None",
    "result = lambda x: not x",
    "def result(x):\n    for i in range(3):\n        x = x * 2\n    return x",
    "def result(x):\n    y = []\n    y.append(x)\n    return f(y)",
    "def result(x):\n    y = [x]\n    y += [x]\n    return f(y)",
    "def result(x):\n    try:\n        return f(x)\n    except ValueError:\n        return x",
    "def result(x):\n    x[0] = 1\n    return x",
    "def result(x):\n    global g\n    g = x\n    return x",
    "def result(x):\n    yield x",
    "def result(x):\n    assert f(x)\n    return x",
    "def result(x):\n    import os\n    os.remove('x')\n    return x",
    "def result(x):\n    with f(x):\n        return x",
]


def line(source, **read_as):
    scope = {}
    exec(source if "result" in source else "result = " + source, scope)
    function = scope["result"]
    closure = [cell.cell_contents for cell in function.__closure__] if function.__closure__ else None
    code = base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")
    made = {"source": source, "code": code, "defaults": function.__defaults__, "closure": closure}
    return json.dumps(dict(made, **read_as), separators=(",", ":"))


def main():
    lines = [line(source, expression=source) for source in PLAIN]
    lines += [line(source, expression=expression) for source, expression in OTHERS]
    lines += [line(source, refused=True) for source in REFUSED]
    if len(sys.argv) > 1:
        return print("\n".join(lines))
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lambdas")
    name = "python{}.{}.jsonl".format(*sys.version_info[:2])
    with open(os.path.join(folder, name), "w") as file:
        file.write("\n".join(lines) + "\n")
    print(name, len(lines))


if __name__ == "__main__":
    main()
