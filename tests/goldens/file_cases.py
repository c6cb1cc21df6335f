"""What a file may say of a model besides its layers: forms of inputs and outputs, types of numbers, quantisation.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import golden

CASES, case = golden.registry()


def dense(k, units, name, **config):
    return k.layers.Dense(units, name=name, **config)


# ------------------------------------------------------------------------------- inputs and outputs
@case()
def outputs_in_a_dict(k):
    x = k.Input((4,), name="x")
    y = dense(k, 3, "hidden")(x)
    return k.Model(x, {"zeta": dense(k, 2, "first")(y), "alpha": dense(k, 1, "second")(y)})


@case()
def outputs_in_a_dict_from_one_layer(k):
    x, layer = k.Input((4,), name="x"), dense(k, 4, "shared")
    y = layer(x)
    return k.Model(x, {"twice": layer(y), "once": y, "again": y})


@case()
def outputs_nested(k):
    x, layer = k.Input((4,), name="x"), dense(k, 2, "shared")
    return k.Model(x, {"pair": [layer(x), dense(k, 3, "second")(x)], "more": {"last": dense(k, 1, "third")(x)}})


@case()
def outputs_in_nested_lists(k):
    x = k.Input((4,), name="x")
    a, b, c, d = [dense(k, units, f"d{units}")(x) for units in (2, 3, 1, 4)]
    return k.Model(x, [a, [b, (c, d)]])


@case()
def inputs_in_a_dict(k):
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    return k.Model({"b": b, "a": a}, k.layers.Concatenate()([dense(k, 2, "of_a")(a), dense(k, 3, "of_b")(b)]))


@case()
def inputs_nested(k):
    a, b, c = k.Input((4,), name="a"), k.Input((3,), name="b"), k.Input((2,), name="c")
    return k.Model([a, [b, c]], dense(k, 2, "dense")(k.layers.Concatenate()([c, a, b])))


def three(k, inputs_of):
    """A model whose three inputs matter differently, inside another one."""
    a, b, c = [k.Input((4,), name=name) for name in ("zeta", "beta", "gamma")]
    y = k.layers.Subtract(name="less")([dense(k, 4, "of_a")(a), k.layers.Multiply(name="times")([b, c])])
    inner = k.Model(inputs_of(a, b, c), y, name="inner")
    x = [k.Input((4,), name=name) for name in "xyz"]
    return k.Model(x, dense(k, 2, "outer")(inner(inputs_of(*x))))


@case()
def model_inside_takes_a_dict(k):
    return three(k, lambda a, b, c: {"last": a, "first": b, "middle": c})


@case()
def model_inside_takes_a_nested_dict(k):
    return three(k, lambda a, b, c: {"pair": [a, b], "alone": c})


@case()
def model_inside_is_called_on_what_it_gave(k):
    """Calls of a model inside count from 0 where tensors are taken, and from 1 among the outputs, in Keras 3."""
    i = k.Input((4,), name="i")
    inner = k.Model(i, {"u": dense(k, 4, "of_u")(i), "v": dense(k, 4, "of_v")(i)}, name="inner")
    x = k.Input((4,), name="x")
    first = inner(x)
    second = inner(first["u"])
    total = k.layers.Subtract(name="less")([first["u"], second["v"]])
    return k.Model(x, [first["v"], second["u"], second["v"], total])


@case()
def only_the_second_call_of_a_model_inside_goes_on(k):
    i = k.Input((4,), name="i")
    inner = k.Model(i, dense(k, 4, "dense")(i), name="inner")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    first = inner(x)
    return k.Model([x, y], [first, k.layers.ReLU(name="relu")(inner(y))])


@case()
def models_inside_models_shared(k):
    def stage(name, inner):
        """Two outputs, the inner model called on its own results."""
        x = k.Input((4,), name=f"of_{name}")
        results = inner(x)
        return k.Model(x, [results[1], inner(results[0])[0]], name=name)

    i = k.Input((4,), name="i")
    innermost = k.Model(i, [dense(k, 4, "d")(i), dense(k, 4, "e")(i)], name="a")
    outer = stage("c", stage("b", innermost))
    x = k.Input((4,), name="x")
    first = outer(x)
    return k.Model(x, [first[1], *outer(first[0])])


@case()
def subclass_of_a_model(k):
    class Extended(k.Model):
        pass

    i = k.Input((4,), name="i")
    inner = Extended(i, [dense(k, 4, "d")(i), dense(k, 4, "e")(i)], name="inner")
    x = k.Input((4,), name="x")
    first = inner(x)
    return Extended(x, {"out": k.layers.Subtract(name="less")([first[0], inner(first[1])[1]])}, name="outer")
