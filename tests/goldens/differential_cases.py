"""The smallest models that random ones (tests/differential) were reduced to when they failed.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import golden

CASES, case = golden.registry()


@case()
def a_part_of_a_concatenation_beside_it(k):
    """What lies in a concatenation, which lies in another, stands in that one a second time."""
    x = k.Input((6, 1), name="x0")
    part = k.layers.Average()([x, k.layers.Activation("elu")(x)])
    both = k.layers.Concatenate()([part, x])
    return k.Model(x, [k.layers.Concatenate(name="three")([both, part]), k.layers.GlobalAveragePooling1D()(both)]), {"batch": 3}
