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


@case(2)
def added_features_that_broadcast(k):
    """The scale of AdditiveAttention is as long as the features of the values in Keras 2, of the queries in Keras 3."""
    q = k.Input((3, 2), name="q")
    v = k.Input((4, 1), name="v")
    return k.Model([q, v], k.layers.AdditiveAttention()([q, v])), {"batch": 2}


@case(3)
def added_features_that_broadcast_to_the_values(k):
    q = k.Input((3, 1), name="q")
    v = k.Input((4, 2), name="v")
    return k.Model([q, v], k.layers.AdditiveAttention()([q, v])), {"batch": 2}
