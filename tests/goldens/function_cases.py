"""Functions of keras.ops, and of TensorFlow in Keras 2, with their arguments: many in one small model, by what they do.

Each function takes the Keras module and gives a model, or (model, options of make_golden), as in graph_cases.py.
"""
import golden

CASES, case = golden.registry()


def inputs(k, *shapes, dtype="float32"):
    """Inputs x, y, z of these shapes."""
    return [k.Input(shape, name=name, dtype=dtype) for name, shape in zip("xyz", shapes)]


def floats(k, tensors):
    """Outputs of any type as floats."""
    return [k.ops.cast(tensor, "float32") for tensor in tensors]


# ------------------------------------------------------------------------------------------ elements
@case(only=3)
def ops_special_functions(k):
    o, (x,) = k.ops, inputs(k, (12,))
    outputs = [o.erfc(x), o.erfinv(x * 0.49), o.cbrt(x), o.i0(x * 3.0), o.sinc(x), o.deg2rad(x * 90.0), o.rad2deg(x), o.fabs(x)]
    return k.Model(x, outputs + [o.real(x), o.conj(x), o.imag(x) + x, o.angle(x), o.empty_like(x) * 0.0 + x, o.nan_to_num(x / 0.0, posinf=3.0, neginf=-2.0)])


@case(only=3)
def ops_predicates(k):
    o, (x, y) = k.ops, inputs(k, (8,), (8,))
    tests = [o.isposinf(x / 0.0), o.isneginf(x / 0.0), o.isreal(x), o.signbit(x), o.isclose(x, x * 1.00001), o.isclose(x, y, rtol=0.5, atol=0.1)]
    tests += [o.allclose(x, x), o.allclose(x, y), o.logical_xor(x > 0, y > 0)]
    return k.Model([x, y], floats(k, tests))


@case(only=3)
def ops_pairs(k):
    o, (x, y) = k.ops, inputs(k, (4, 3), (3,))
    outputs = [o.arctan2(x, y), o.hypot(x, y), o.fmod(x, y), o.fmax(x, y), o.fmin(x, y), o.heaviside(o.floor(x), y), o.logaddexp2(x, y)]
    outputs += [o.arctan2(x, o.ones((3,))), o.hypot(o.full((1,), 3.0), x), o.ldexp(x, o.cast(o.floor(y * 2.0), "int32")), o.fmax(o.sqrt(x), y), o.fmin(y, o.sqrt(x))]
    return k.Model([x, y], outputs)


@case(only=3)
def ops_of_integers(k):
    o = k.ops
    x, y = inputs(k, (6,), (6,), dtype="int32")
    z = o.absolute(y) % 5
    outputs = [o.bitwise_and(x, y), o.bitwise_or(x, y), o.bitwise_xor(x, y), o.bitwise_left_shift(x, z), o.right_shift(x, z)]
    outputs += [o.left_shift(x, z), o.bitwise_right_shift(x, z), o.gcd(x, y), o.lcm(x, z), o.floor_divide(x, 7), o.mod(x, 7)]
    outputs += [o.bitwise_and(x, o.full((1,), 12, "int32")), o.saturate_cast(x, "uint8"), o.saturate_cast(x, "int8")]
    return k.Model([x, y], floats(k, outputs)), {"ranges": {"x": (-900.0, 900.0), "y": (-700.0, 700.0)}}


@case(only=3)
def ops_rounding_and_choosing(k):
    o, (x, y) = k.ops, inputs(k, (5, 3), (5, 3))
    outputs = [o.round(x, 1), o.round(x * 100.0, -1), o.clip(x, -0.5, 0.75), o.where(x > y, x, 0.0), o.where(x > y, 1.0, y), o.where(x > 0.0, x, y[:, :1])]
    outputs += [o.select([x > 1.0, x > 0.0], [x, y], default=-1.0), o.select([x > 0.0], [x * 2.0]), o.nan_to_num(o.sqrt(x)), o.nan_to_num(o.sqrt(x), nan=7.0)]
    return k.Model([x, y], outputs + [o.full_like(x, 2.0), o.trunc(x * 3.0), o.cast(o.array(x), "int32") + 0.5])


# ---------------------------------------------------------------------------------------- reductions
@case(only=3)
def ops_reductions_with_arguments(k):
    o, (x, y) = k.ops, inputs(k, (3, 4, 2), (4,))
    outputs = [o.max(x, axis=(1, 3)), o.max(x, axis=2, initial=0.5, keepdims=True), o.min(x, initial=-0.5), o.min(x, axis=-1), o.amax(x, axis=1), o.amin(x)]
    outputs += [o.sum(x, axis=(1, 2), keepdims=True), o.mean(x, axis=(2, 1)), o.prod(x, axis=2, keepdims=True), o.var(x, axis=1, keepdims=True), o.std(x)]
    outputs += [o.ptp(x), o.ptp(x, axis=(1, 2)), o.ptp(x, axis=2, keepdims=True), o.logsumexp(x, axis=(1, 2)), o.logsumexp(x, axis=-1, keepdims=True)]
    outputs += [o.average(x, axis=2, weights=o.exp(y[0])), o.average(x), o.average(x, axis=1, weights=o.exp(x)), o.trapezoid(x, axis=2), o.trapezoid(x, dx=0.5)]
    tests = [o.any(x > 1.5, axis=(1, 2)), o.all(x > -1.5, axis=1, keepdims=True), o.count_nonzero(o.relu(x), axis=(1, 2)), o.count_nonzero(o.relu(x))]
    return k.Model([x, y], outputs + floats(k, tests) + list(o.moments(x, axes=[1, 2], keepdims=True)))


@case(only=3)
def ops_norms(k):
    o, (x,) = k.ops, inputs(k, (3, 4))
    n = o.linalg.norm
    outputs = [n(x, axis=1), n(x[0]), n(x, ord=1, axis=2), n(o.relu(x), ord=0, axis=2)]
    outputs += [n(x, ord=3, axis=-1), n(x, ord=2, axis=1), n(x, axis=(1, 2)), n(x, ord="fro", axis=(1, 2), keepdims=True), n(x, ord=1, axis=(1, 2)), n(x, ord=-1, axis=(2, 1))]
    outputs += [o.normalize(x), o.normalize(x, axis=1, order=1), o.normalize(x, axis=2, order=3), o.normalize(x, axis=(1, 2), epsilon=0.5)]
    return k.Model(x, outputs)


@case(only=3)
def ops_that_skip_nan(k):
    o, (x, y) = k.ops, inputs(k, (4, 5), (4, 5))
    # Some rows have numbers and some have none.
    z = o.where(y > -1.0, o.sqrt(x), x)
    outputs = [o.nansum(z, axis=1), o.nansum(z), o.nanprod(z, axis=2, keepdims=True), o.nanmax(z, axis=(1, 2)), o.nanmin(z), o.nanmean(z), o.nanmean(z, axis=2, keepdims=True)]
    outputs += [o.nanvar(z, axis=(1, 2)), o.nanstd(z), o.nancumsum(z, axis=1), o.nancumprod(z, axis=2), o.nanmedian(z), o.nanquantile(z, [0.25, 0.8]), o.nanpercentile(z, 30.0)]
    tests = [o.nanargmax(z, axis=1), o.nanargmin(z), o.nanargmax(z, axis=2, keepdims=True)]
    return k.Model([x, y], [o.nan_to_num(output) for output in outputs + floats(k, tests)])


@case(only=3)
def ops_cumulative(k):
    o, (x,) = k.ops, inputs(k, (5, 3))
    return k.Model(x, [o.cumsum(x, axis=1), o.cumsum(x), o.cumsum(x, axis=-1), o.cumprod(x, axis=1), o.cumprod(x, axis=2), o.cumprod(x)])


# -------------------------------------------------------------------------------------------- order
@case(only=3)
def ops_order(k):
    o, (x, ids) = k.ops, inputs(k, (4, 5), (3,))
    steps = o.floor(x * 2.0)
    outputs = [o.sort(x), o.sort(x, axis=1), o.sort(x, axis=None), o.sort(steps, axis=-1), *o.top_k(x, 3), *o.top_k(steps, 2, sorted=True)]
    outputs += [o.argsort(x), o.argsort(steps, axis=1), o.argsort(x, axis=None), o.median(x), o.median(x, axis=1), o.median(x, axis=(1, 2), keepdims=True)]
    outputs += [o.searchsorted(o.sort(ids[0]), x[0, 1]), o.searchsorted(o.sort(steps[0, 0]), steps[0, 1], side="right"), o.digitize(x, __import__("numpy").array([-1.0, 0.0, 0.5]))]
    return k.Model([x, ids], floats(k, outputs))


@case(only=3)
def ops_quantiles(k):
    o, (x,) = k.ops, inputs(k, (4, 5))
    outputs = [o.quantile(x, 0.3, axis=2), o.quantile(x, [0.1, 0.5, 1.0], axis=1), o.quantile(x, 0.75), o.quantile(x, [0.2, 0.9], axis=(1, 2), keepdims=True)]
    outputs += [o.percentile(x, 40.0, axis=2, method=method) for method in ("lower", "higher", "nearest", "midpoint")]
    return k.Model(x, outputs + [o.percentile(x, 40.0, axis=1), o.percentile(x, [10.0, 60.0], axis=-1, method="midpoint", keepdims=True)])


@case(only=3)
def ops_top_k_of_long_rows(k):
    o, (x,) = k.ops, inputs(k, (600,))
    return k.Model(x, floats(k, [*o.top_k(x, 3), *o.top_k(o.floor(x), 4)]))


@case(only=3)
def ops_classes(k):
    o = k.ops
    x, ids = k.Input((4, 5), name="x"), k.Input((3,), name="ids", dtype="int32")
    outputs = [o.in_top_k(ids[0], x[0, :3], 2), o.multi_hot(ids, 6), o.multi_hot(o.reshape(ids, (1, 3, 1)), 6), o.multi_hot(ids[0], 6), o.one_hot(ids, 6, axis=0)]
    return k.Model([x, ids], floats(k, outputs)), {"ranges": {"ids": (0.0, 5.0)}}


# ------------------------------------------------------------------------------------------ counting
@case(only=3)
def ops_histograms(k):
    o, (x,) = k.ops, inputs(k, (30,))
    y = x[0]
    outputs = [*o.histogram(y, bins=5), *o.histogram(y, bins=3, range=(-1, 1)), *o.histogram(y, bins=1)]
    return k.Model(x, outputs), {"compute": counted_by_numpy}


def counted_by_numpy(model, inputs):
    """The TensorFlow backend of Keras has no place for the function where its layer looks for it."""
    import generated
    import numpy

    x = generated.model_input(inputs[0])[0]
    counts = [numpy.histogram(x, bins=5), numpy.histogram(x, bins=3, range=(-1, 1)), numpy.histogram(x, bins=1)]
    return [part.astype("float32") for pair in counts for part in pair]


@case(only=3)
def ops_segments(k):
    o = k.ops
    x, ids = k.Input((6, 2), name="x"), k.Input((6,), name="ids", dtype="int32")
    x0, ids0 = x[0], ids[0]
    outputs = [o.segment_sum(x0, ids0, num_segments=4), o.segment_max(x0, ids0, num_segments=3), o.segment_min(x0, ids0, num_segments=3), o.segment_prod(x0, ids0, num_segments=5)]
    return k.Model([x, ids], outputs), {"ranges": {"ids": (0.0, 3.0)}}


@case(only=3)
def ops_scatter(k):
    import numpy as np

    o = k.ops
    x, u = k.Input((4, 3), name="x"), k.Input((3,), name="u")
    ids = k.Input((2, 1), name="ids", dtype="int32")
    rows, places, updates = np.array([[1], [3], [1]]), np.array([[0, 1, 2], [0, 3, 0]]), u[0, :2]
    outputs = [o.scatter(rows, o.stack([u[0], u[0] * 2.0, u[0] + 1.0]), (5, 3)), o.scatter(places[:, 1:], updates, (4, 3)), o.scatter(ids[0], x[0, :2], (4, 3))]
    outputs += [o.scatter_update(x, places, updates), o.scatter_update(x, places[:, :2], x[0, :2])]
    outputs += [o.scatter_update(x, places, updates, reduction=way) for way in ("add", "max", "min")]
    outputs += [o.scatter_update(x[0], ids[0], x[0, 2:]), o.slice_update(x, [0, 1, 1], x[:, :2, :1]), o.slice_update(x[0], (2, 0), x[0, :2])]
    return k.Model([x, u, ids], outputs), {"ranges": {"ids": (0.0, 4.0)}}


@case(only=3)
def ops_picking(k):
    import numpy as np

    o = k.ops
    x, ids = k.Input((4, 5), name="x"), k.Input((4, 2), name="ids", dtype="int32")
    table = k.ops.reshape(x, (1, 5, 4))
    outputs = [o.take_along_axis(x, ids, axis=2), o.take_along_axis(x, ids[:, :1], axis=-1), o.take_along_axis(x, ids[:, :, :1], axis=1), o.take_along_axis(x, ids[0, :, 0], axis=None)]
    outputs += [o.take_along_axis(x, np.array([[[-1, 0]]]), axis=2), o.take(x, ids, axis=1), o.take(table, ids[0], axis=2), o.take(x, [[1, -1], [0, 2]], axis=-1), o.take(x, ids[0, 0])]
    outputs += [x[:, 1], x[..., -1], x[:, ::2, 1:3], x[:, None, 0], x[:, ::-1]]
    outputs += floats(k, o.unravel_index(ids[0, :, 0] * 3, (5, 4)))
    return k.Model([x, ids], outputs), {"ranges": {"ids": (0.0, 4.0)}}


# -------------------------------------------------------------------------------------------- shapes
@case(only=3)
def ops_joins_and_splits(k):
    o, (x, y) = k.ops, inputs(k, (4, 6), (4, 6))
    u, v = x[0, 0], y[0, 0]
    outputs = [o.hstack([x, y]), o.vstack([x, y]), o.dstack([x, y]), o.dstack([x[0], y[0]])]
    outputs += [o.append(x, y, axis=1), o.append(x, y), o.stack([x, y], axis=-1), *o.array_split(x, 4, axis=2), *o.hsplit(x, 2), *o.vsplit(x[0], 2), *o.dsplit(x, 3)]
    outputs += [*o.split(x, 3, axis=2), *o.split(x, [1, 4], axis=-1), *o.meshgrid(u, v, indexing="ij")]
    return k.Model([x, y], outputs)


@case(only=3)
def ops_turns_and_repeats(k):
    o, (x,) = k.ops, inputs(k, (3, 4))
    outputs = [o.flip(x, axis=(1, 2)), o.fliplr(x), o.flipud(x[0]), *[o.rot90(x, turns, axes=(1, 2)) for turns in (-1, 1, 4)], o.rot90(x[:, :, :3], 2, axes=(1, 2)), o.rot90(x[0])]
    outputs += [o.repeat(x, 2, axis=1), o.repeat(x, [1, 0, 2, 1], axis=2), o.tile(x, (1, 2, 2)), o.tile(x, 2), o.roll(x, -1, axis=2), o.roll(x, (1, 2), axis=(1, 2))]
    outputs += [o.transpose(x, (0, 2, 1)), o.swapaxes(x, 1, 2), o.moveaxis(x, (1, 2), (2, 1)), o.squeeze(o.expand_dims(x, 1), 1), o.ravel(x), o.reshape(x, (-1, 2, 6))]
    return k.Model(x, outputs + [o.broadcast_to(x[:, :1], (1, 3, 4))])


@case(only=3)
def ops_rearrange(k):
    """Keras knows no open dimensions here."""
    o, x = k.ops, k.Input(batch_shape=(2, 3, 4), name="x")
    return k.Model(x, [o.rearrange(x, "b (h a) w -> b h (a w)", a=3), o.rearrange(x, "b h w -> w (b h)"), o.rearrange(x, "b h (w c) -> b c h w", w=2)])


def eager(model, inputs):
    """Without a tf.function, in which Keras cannot trace some of its operations."""
    import generated
    import numpy

    outputs = model([generated.model_input(spec) for spec in inputs])
    return [numpy.asarray(output) for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


@case(only=3)
def ops_that_cannot_be_traced(k):
    o, (x, y) = k.ops, inputs(k, (4, 5), (4, 5))
    whole = o.floor(x)
    outputs = [o.isin(whole, o.floor(y)), o.isin(whole, o.floor(y), invert=True), o.isin(whole, o.convert_to_tensor([-1.0, 1.0]), assume_unique=True)]
    return k.Model([x, y], floats(k, outputs) + [o.corrcoef(x[0]), o.kron(x[0, :2], y[0, :3]), o.kron(x[0, 0], y[0])]), {"compute": eager}


@case(only=3)
def ops_matrices(k):
    o, (x, y) = k.ops, inputs(k, (4, 5), (3,))
    outputs = [o.tril(x), o.triu(x), o.tril(x, k=1), o.triu(x, k=-1), o.diagonal(x, axis1=1, axis2=2), o.diagonal(x, offset=2, axis1=2, axis2=1), o.diagonal(x[0]), o.trace(x, axis1=1, axis2=2)]
    outputs += [o.trace(x[0], offset=1), o.trace(x[0], offset=-2), o.diag(y[0]), o.diag(y[0], k=2), o.diag(y[0], k=-1), o.diag(x[0]), o.diag(x[0], k=-1), o.diagflat(x[0, :2], k=1)]
    return k.Model([x, y], outputs + [o.vander(y[0]), o.vander(y[0], N=5, increasing=True)])


@case(only=3)
def ops_constants(k):
    """What is made of no tensor is a constant in the file."""
    import numpy as np

    o, (x,) = k.ops, inputs(k, (4, 3))
    made = [o.zeros((4, 3)), o.ones((1, 4, 1)), o.full((3,), 2.5), o.eye(4, 3), o.eye(4, 3, k=1), o.tri(4, 3), o.identity(3)[0], o.arange(3, dtype="float32"), o.linspace(0.0, 1.0, 3)]
    made += [np.arange(12, dtype="float32").reshape(4, 3), o.logspace(0.0, 1.0, 3), o.geomspace(1.0, 8.0, 3), o.hamming(3), o.hanning(3), o.blackman(3), o.bartlett(3), o.kaiser(3, 8.6)]
    outputs = [x + o.convert_to_tensor(number) * 2.0 for number in made]
    ends = [o.linspace(x[0, 0], x[0, 1], 5), o.linspace(x, 3.0, 4, endpoint=False, axis=-1), o.logspace(x[0, 0], 1.0, 3), o.geomspace(o.exp(x[0, 0]), 5.0, 4), o.full((2, 3), x[0, 0])]
    return k.Model(x, outputs + ends + [o.zeros_like(x), o.ones_like(x) * x, o.copy(x) * 2.0, o.stop_gradient(x) + 1.0])


@case(only=3)
def ops_paddings(k):
    o, (x,) = k.ops, inputs(k, (3, 4))
    pads = [[0, 0], [2, 1], [0, 3]]
    outputs = [o.pad(x, [[0, 0], [2, 1], [1, 2]], mode=mode) for mode in ("constant", "reflect", "symmetric")]
    return k.Model(x, outputs + [o.pad(x, pads, constant_values=1.5), o.pad(x[0], ((1, 0), (0, 1)))])


# ------------------------------------------------------------------------------------------ products
@case(only=3)
def ops_products(k):
    o, (x, y, z) = k.ops, inputs(k, (3, 4), (4, 2), (4,))
    outputs = [o.matmul(x, y), o.matmul(x[0], y), o.matmul(x, y[0]), o.matmul(z, y), o.matmul(x, z[0]), o.matmul(z[0], y), o.matmul(z[0], z[0]), o.matmul(o.expand_dims(x, 1), o.stack([y, y], axis=1))]
    outputs += [o.dot(x, z[0]), o.dot(x[0], y[0]), o.dot(x, 2.0), o.inner(x, z), o.vdot(x, x), o.outer(z, x), o.tensordot(x, y[0], axes=1), o.tensordot(x, y[0], axes=[[2], [0]])]
    outputs += [o.cross(x[..., :3], z[:, :3]), o.cross(x[..., :2], x[..., 2:]), o.cross(x[..., :2], x[..., 1:]), o.cross(y[0, :3], y[0, 1:], axis=0)]
    return k.Model([x, y, z], outputs + [o.correlate(z[0], y[0, :3, 0], mode=mode) for mode in ("valid", "same", "full")])


@case(only=3)
def ops_einsums(k):
    o, (x, y, z) = k.ops, inputs(k, (3, 4), (4, 2), (3, 3))
    rules = ["bij,bjk->bik", "bij,bjk", "bij,bjk,blm->bilm", "bij,bjk,bim->km", "...ij,...jk->...ik", "bij,bjk->b", "...j,...jk->...k"]
    outputs = [o.einsum(rule, *[x, y, z][: rule.count(",") + 1]) for rule in rules[:6]] + [o.einsum(rules[6], x[:, 0], y)]
    return k.Model([x, y, z], outputs + [o.einsum("bii->bi", z), o.einsum("bii->b", z), o.einsum("...ij->...ji", x), o.einsum("bij,bij->", x, x), o.einsum("bij->j", x)])


@case(only=3)
def ops_distances(k):
    o, (x, y) = k.ops, inputs(k, (3, 4), (2, 4))
    return k.Model([x, y], [o.cdist(x, y), o.psnr(x[:, :2], y, 2.0), o.cdist(x[0], y[0])])


# ----------------------------------------------------------------------------------------- windows
@case(only=3)
def ops_convolutions(k):
    import numpy as np

    def kernel(*shape):
        return np.sin(np.arange(np.prod(shape), dtype="float32")).reshape(shape)

    o, (x, y, z) = k.ops, inputs(k, (9, 4), (6, 7, 4), (4, 5, 3, 2))
    outputs = [o.conv(x, kernel(3, 4, 2)), o.conv(x, kernel(3, 4, 6), strides=2, padding="same"), o.conv(y, kernel(2, 3, 4, 3), strides=(2, 1)), o.conv(y, kernel(3, 3, 4, 2), padding="same", dilation_rate=2)]
    outputs += [o.conv(z, kernel(2, 3, 2, 2, 3), padding="same"), o.conv(z, kernel(2, 2, 1, 2, 4), strides=(1, 2, 1)), o.depthwise_conv(x, kernel(3, 4, 2)), o.depthwise_conv(y, kernel(3, 2, 4, 2), padding="same")]
    outputs += [o.depthwise_conv(y, kernel(2, 2, 4, 1), strides=2), o.separable_conv(x, kernel(3, 4, 2), kernel(1, 8, 3)), o.separable_conv(y, kernel(2, 2, 4, 1), kernel(1, 1, 4, 3), padding="same", strides=2)]
    return k.Model([x, y, z], outputs)


@case(only=3)
def ops_transposed_convolutions(k):
    """Keras' layer of it passes two arguments in each other's place, so that it fails; the function itself computes."""
    import generated
    import numpy as np

    def kernel(*shape):
        return np.sin(np.arange(np.prod(shape), dtype="float32")).reshape(shape)

    o, (x, y) = k.ops, inputs(k, (9, 4), (6, 7, 4))
    calls = [(0, kernel(3, 2, 4), {"strides": 2}), (0, kernel(4, 2, 4), {"strides": 3, "padding": "same"}), (1, kernel(3, 2, 3, 4), {"strides": (2, 3), "padding": "same"})]
    calls += [(1, kernel(2, 2, 3, 4), {"strides": 2, "output_padding": 1}), (1, kernel(2, 3, 3, 4), {}), (1, kernel(3, 3, 2, 4), {"padding": "same"})]

    def compute(model, specs):
        arrays = [generated.model_input(spec) for spec in specs]
        return [np.asarray(o.conv_transpose(arrays[which], weights, **args)) for which, weights, args in calls]

    return k.Model([x, y], [o.conv_transpose([x, y][which], weights, **args) for which, weights, args in calls]), {"compute": compute}


@case(only=3)
def ops_pools(k):
    o, (x, y, z) = k.ops, inputs(k, (9, 2), (6, 7, 3), (4, 5, 6, 2))
    outputs = [o.max_pool(x, 2), o.average_pool(x, 3, strides=2, padding="same"), o.max_pool(y, (2, 3), strides=(1, 2), padding="same"), o.average_pool(y, 2, 1), o.max_pool(z, 2), o.average_pool(z, (2, 3, 1), (1, 2, 2), padding="same")]
    outputs += [o.adaptive_max_pool(x, (4,)), o.adaptive_average_pool(x, (3,)), o.adaptive_max_pool(y, (4, 3)), o.adaptive_average_pool(y, (2, 2)), o.adaptive_average_pool(z, (2, 3, 4)), o.adaptive_max_pool(z, (3, 3, 3))]
    return k.Model([x, y, z], outputs)


@case(only=3)
def ops_patches(k):
    o, (x, y, z) = k.ops, inputs(k, (6, 7, 2), (4, 5, 6, 1), (12,))
    p = o.image.extract_patches
    outputs = [p(x, 2), p(x, (3, 2), strides=(1, 2), padding="same"), p(x, 2, strides=1, dilation_rate=2), p(x[0], 3), p(y, (2, 2, 3)), p(y, (2, 3, 2), strides=(1, 2, 2), padding="same")]
    images = o.transpose(x, (0, 3, 1, 2))
    columns = o.nn.unfold(images, 3, dilation=1, padding=1, stride=2)
    outputs += [columns, o.nn.unfold(images, (2, 3)), o.nn.fold(columns, (6, 7), 3, padding=1, stride=2), o.nn.fold(o.nn.unfold(images, (2, 3)), (6, 7), (2, 3)), o.extract_sequences(z, 4, 3)]
    return k.Model([x, y, z], outputs + [o.depth_to_space(o.reshape(z, (1, 1, 3, 4)), 2), o.space_to_depth(x[:, :, :6], 2)])


# ------------------------------------------------------------------------------------------ networks
@case(only=3)
def ops_normalizations(k):
    o, (x, y, z) = k.ops, inputs(k, (3, 5, 4), (4,), (5,))
    mean, scale = y[0] * 0.1, o.exp(y[0])
    outputs = [o.batch_normalization(x, mean, scale, axis=-1, offset=mean, scale=scale), o.batch_normalization(x, mean, scale, axis=3, offset=y[0], scale=scale, epsilon=0.1), o.batch_normalization(x, z[0], o.exp(z[0]), axis=2, offset=z[0], scale=z[0])]
    outputs += [o.layer_normalization(x, gamma=scale, beta=mean, epsilon=1e-3), o.layer_normalization(x, gamma=z[0], beta=z[0], axis=2), o.layer_normalization(x, gamma=scale, beta=mean, rms_scaling=True)]
    return k.Model([x, y, z], outputs + [o.rms_normalization(x, scale=scale), o.rms_normalization(x, scale=scale, axis=(1, 3), epsilon=0.1)])


@case(only=3)
def ops_losses(k):
    o = k.ops
    x, y, ids = k.Input((3, 4), name="x"), k.Input((3, 4), name="y"), k.Input((3,), name="ids", dtype="int32")
    p, q = o.softmax(y), o.sigmoid(y) * 0.9 + 0.01
    outputs = [o.binary_crossentropy(o.sigmoid(x), q), o.binary_crossentropy(o.sigmoid(x), y, from_logits=True), o.categorical_crossentropy(o.softmax(x), p * 0.5), o.categorical_crossentropy(o.softmax(x, axis=1), y, from_logits=True, axis=1)]
    outputs += [o.sparse_categorical_crossentropy(ids, p * 0.7), o.sparse_categorical_crossentropy(ids, y, from_logits=True), o.sparsemax(x), o.sparsemax(x, axis=1), o.nn.glu(x), o.nn.glu(x, axis=2), o.log_softmax(x, axis=1)]
    return k.Model([x, y, ids], outputs), {"ranges": {"ids": (0.0, 4.0)}}


@case(only=3)
def ops_attention(k):
    import numpy as np

    o, (q, v, b) = k.ops, inputs(k, (3, 4, 2), (5, 4, 2), (4, 3, 5))
    mask = np.array([[True, False, True, True, False], [True, True, True, False, False], [False, True, True, True, True]]).reshape(1, 1, 3, 5)
    a = o.dot_product_attention
    outputs = [a(q, v, v * 2.0), a(q, v, v, bias=b), a(q, v, v, mask=mask), a(q, v, v, mask=b > -1.0), a(q, v, v, scale=0.3), a(q, v, v, is_causal=True), a(q, v, v, bias=b, mask=mask, scale=1.0, is_causal=True)]
    return k.Model([q, v, b], outputs + [a(q, v[:, :, :2], v[:, :, :2])])


# -------------------------------------------------------------------------------------------- images
@case(only=3)
def ops_colours(k):
    o, x = k.ops, k.Input((4, 5, 3), name="x")
    i = o.image
    outputs = [i.rgb_to_hsv(x), i.hsv_to_rgb(x), i.rgb_to_hsv(o.round(x, 1)), i.rgb_to_grayscale(x), i.rgb_to_grayscale(x[0]), i.rgb_to_grayscale(x[..., :1]), i.hsv_to_rgb(i.rgb_to_hsv(x[0]))]
    first = o.transpose(x, (0, 3, 1, 2))
    outputs += [i.rgb_to_hsv(first, data_format="channels_first"), i.hsv_to_rgb(first[0], data_format="channels_first"), i.rgb_to_grayscale(first, data_format="channels_first")]
    return k.Model(x, outputs), {"ranges": {"x": (0.0, 1.0)}}


@case(only=3)
def ops_filters(k):
    o, (x, y) = k.ops, inputs(k, (7, 8, 2), (7, 8, 2))
    i = o.image
    outputs = [i.gaussian_blur(x), i.gaussian_blur(x, (5, 3), (0.7, 1.4)), i.gaussian_blur(x[0], (3, 3), (2.0, 1.0)), i.sobel_edges(x), i.ssim(x, y, filter_size=3), i.ssim(x[0], y[0], max_val=2.0, filter_size=5, filter_sigma=1.0, k1=0.02, k2=0.05)]
    outputs += [i.pad_images(x, 1, 2, 3, 0), i.pad_images(x, top_padding=1, left_padding=0, target_height=10, target_width=9), i.crop_images(x, 1, 2, 0, 1), i.crop_images(x, bottom_cropping=2, right_cropping=1, target_height=3, target_width=4)]
    return k.Model([x, y], outputs + [i.pad_images(x[0], 1, 1, 1, 1), i.resize(x, (5, 4), interpolation="nearest"), i.resize(x, (3, 12), interpolation="bicubic"), i.resize(x[0], (4, 4))])


@case(only=3)
def ops_warps(k):
    import numpy as np

    o, (x, y) = k.ops, inputs(k, (5, 6, 2), (8,))
    i = o.image
    turn = np.array([0.9, 0.3, -0.6, -0.2, 1.1, 0.4, 0.01, -0.02], "float32")
    outputs = [i.affine_transform(x, turn, fill_mode=mode, fill_value=0.5) for mode in ("constant", "nearest", "reflect", "wrap")]
    outputs += [i.affine_transform(x, turn, interpolation="nearest"), i.affine_transform(x[0], turn), i.affine_transform(x, y * 0.05 + turn)]
    start, end = np.array([[0, 0], [4, 0], [0, 5], [4, 5]], "float32"), np.array([[0.5, 0.2], [3.7, 0.4], [0.1, 4.8], [4.2, 5.5]], "float32")
    outputs += [i.perspective_transform(x, start, end, fill_value=0.25), i.perspective_transform(x, start[None], end[None], interpolation="nearest")]
    places = np.array([[0.3, 2.6, 4.9, -1.2, 6.0], [0.0, 1.5, 5.2, 3.3, 2.7]], "float32")
    modes = ("constant", "nearest", "wrap", "mirror", "reflect")
    outputs += [i.map_coordinates(x[0, :, :, 0], places if mode == "constant" else places * 0.5 + 0.3, order=1, fill_mode=mode) for mode in modes]
    outputs += [i.map_coordinates(x[0, :, :, 0], places, order=0, fill_value=2.0), i.map_coordinates(x[0], o.stack([y[0, :3], y[0, 3:6], y[0, 5:]]), order=1)]
    return k.Model([x, y], outputs)


# -------------------------------------------------------------------------------------- transcription
@case(only=3)
def ops_transcription(k):
    o = k.ops
    x, n = k.Input((6, 4), name="x"), k.Input((), name="n", dtype="int32")
    outputs = [*o.ctc_decode(x, n), *o.ctc_decode(x, n, mask_index=3, merge_repeated=False), *o.ctc_decode(o.round(x), n, mask_index=-1), *o.ctc_decode(x * 0.0, n, mask_index=2)]
    return k.Model([x, n], floats(k, outputs)), {"batch": 4, "ranges": {"n": (1.0, 7.0)}}


@case(only=3)
def ops_transcription_losses(k):
    o = k.ops
    x, y = k.Input((7, 5), name="x"), k.Input((3,), name="y", dtype="int32")
    n, m = k.Input((), name="n", dtype="int32"), k.Input((), name="m", dtype="int32")
    twice = o.concatenate([y[:, :1], y[:, :1]], axis=1)
    two = m * 0 + 2
    outputs = [o.ctc_loss(y, x, m, n), o.ctc_loss(y - 1, x, m, n, mask_index=4), o.ctc_loss(twice, x, two, n), o.ctc_loss(y - 1, 3.0 * x, m * 0, n, mask_index=-1)]
    return k.Model([x, y, n, m], outputs), {"batch": 4, "ranges": {"y": (1.0, 5.0), "n": (6.0, 8.0), "m": (1.0, 4.0)}}


# --------------------------------------------------------------------------------- scaled and moved images
@case(only=3)
def ops_scaled_and_moved_images(k):
    o = k.ops
    x = k.Input((5, 6, 2), name="x")

    def moved(x, shape, scale, move, method, **args):
        return o.image.scale_and_translate(x, (1, *shape), o.convert_to_tensor(scale), o.convert_to_tensor(move), (1, 2), method, **args)
    outputs = [moved(x, (8, 4, 2), [1.6, 0.7], [0.0, 0.3], method) for method in ("linear", "cubic", "lanczos3", "lanczos5")]
    outputs += [moved(x, (5, 6, 2), [1.0, 1.0], [1.5, -0.5], "bilinear"), moved(x, (3, 2, 2), [0.5, 0.3], [0.0, 0.0], "trilinear", antialias=False)]
    outputs += [o.image.scale_and_translate(x, (1, 5, 6, 3), [1.5], [0.0], (3,), "linear")]
    return k.Model(x, outputs)


# -------------------------------------------------------------------------------- TensorFlow's functions
@case(only=2)
def tf_special_functions(k):
    import tensorflow as tf

    m, (x, y) = tf.math, inputs(k, (8,), (8,))
    size = tf.abs(x) + 0.1
    outputs = [m.erfc(x), m.erfinv(x * 0.49), m.bessel_i0(x), m.atan2(x, y), m.xlogy(y, size), m.xlog1py(y, size), m.xdivy(x, size), m.reciprocal_no_nan(tf.floor(x)), m.real(x), m.conj(x)]
    outputs += [m.zero_fraction(tf.nn.relu(x)), m.cumprod(x, axis=1), m.cumprod(x, axis=1, exclusive=True, reverse=True), m.cumulative_logsumexp(x, axis=1), m.angle(x)]
    return k.Model([x, y], outputs)


@case(only=2)
def tf_bits(k):
    import tensorflow as tf

    b, (x, y) = tf.bitwise, inputs(k, (6,), (6,), dtype="int32")
    z = tf.abs(y) % 5
    outputs = [b.bitwise_and(x, y), b.bitwise_or(x, y), b.bitwise_xor(x, y), b.left_shift(x, z), b.right_shift(x, z), x // 7, x % 7]
    return k.Model([x, y], [tf.cast(output, "float32") for output in outputs]), {"ranges": {"x": (-900.0, 900.0), "y": (-700.0, 700.0)}}


@case(only=2)
def tf_order(k):
    import tensorflow as tf

    x, y = inputs(k, (4, 5), (5,))
    steps = tf.floor(x * 2.0)
    outputs = [tf.sort(x), tf.sort(x, axis=1, direction="DESCENDING"), tf.argsort(steps, axis=-1), tf.argsort(x, axis=1, direction="DESCENDING"), *tf.math.top_k(x, k=2), *tf.nn.top_k(steps, k=3)]
    outputs += [tf.searchsorted(tf.sort(y), y), tf.math.in_top_k(targets=[1, 3, 0, 4], predictions=x[0], k=2)]
    return k.Model([x, y], [tf.cast(output, "float32") for output in outputs])


@case(only=2)
def tf_picking_and_putting(k):
    import tensorflow as tf

    x = k.Input((4, 5), name="x")
    ids = k.Input((4, 2), name="ids", dtype="int32")
    x0, ids0 = x[0], ids[0]
    outputs = [tf.gather(x, ids, axis=2, batch_dims=2), tf.gather(x, ids[:, :, 0], axis=1, batch_dims=1), tf.gather_nd(x0, ids0), tf.gather_nd(x, [[0, 1], [0, 3]]), tf.scatter_nd(ids0[:, :1], x0, [4, 5])]
    outputs += [f(x0, ids0, x0[:, 0]) for f in (tf.tensor_scatter_nd_update, tf.tensor_scatter_nd_add, tf.tensor_scatter_nd_max, tf.tensor_scatter_nd_min)]
    m = tf.math
    outputs += [f(x0, ids0[:, 0], num_segments=5) for f in (m.unsorted_segment_sum, m.unsorted_segment_prod)] + [f(x0, ids0[:, 0], num_segments=4) for f in (m.unsorted_segment_max, m.unsorted_segment_min)]
    outputs += [tf.strided_slice(x, [0, 1, 0], [0, 3, 4], [1, 1, 2], begin_mask=1, end_mask=1), tf.strided_slice(x, [0, 2], [1, 3], shrink_axis_mask=2), tf.strided_slice(x, [0, 0, 1], [0, 0, 3], new_axis_mask=1, ellipsis_mask=2)]
    return k.Model([x, ids], outputs), {"ranges": {"ids": (0.0, 4.0)}}


@case(only=2)
def tf_linear_algebra(k):
    import tensorflow as tf

    a, (x, y, z) = tf.linalg, inputs(k, (3, 3), (3, 4), (3,))
    outputs = [a.diag(z), a.diag_part(x), a.trace(x), a.band_part(x, 1, 0), a.band_part(x, 0, -1), a.cross(x, x[:, ::-1]), a.matvec(x, z), a.matvec(x, z, transpose_a=True), *a.normalize(x, axis=1)]
    outputs += [tf.matmul(x, y), tf.matmul(y, x, transpose_a=True), tf.matmul(y, y, adjoint_b=True), tf.norm(x, ord=1, axis=1), tf.norm(x, ord=3, axis=2, keepdims=True)]
    outputs += [tf.nn.moments(x, [1])[0], *tf.split(y, [1, -1], axis=2)]
    return k.Model([x, y, z], outputs)


@case(only=3)
def fourier_transforms(k):
    o, (x, y, z) = k.ops, inputs(k, (3, 6), (3, 6), (3, 5))
    outputs = [*o.fft((x, y)), *o.fft2((x, y)), *o.ifft2((x, y)), *o.fft((z, z * 0.5)), *o.rfft(x), *o.rfft(z), *o.rfft(x, fft_length=9), *o.rfft(x, fft_length=4)]
    outputs += [o.irfft((x, y)), o.irfft((z, -z)), o.irfft((x, y), fft_length=7), o.irfft((x, y), fft_length=14)]
    return k.Model([x, y, z], outputs)


@case(only=3)
def fourier_transforms_of_frames(k):
    o, (x, y) = k.ops, inputs(k, (40,), (2, 23))
    outputs = [*o.stft(x, 8, 4, 8), *o.stft(y, 6, 3, 8, window="hamming", center=False), *o.stft(y, 5, 2, 7, window=None)]
    outputs += [o.istft(o.stft(x, 8, 4, 8), 8, 4, 8), o.istft(o.stft(x, 8, 2, 8), 8, 2, 8, length=30), o.istft(o.stft(y, 6, 3, 8, center=False), 6, 3, 8, center=False, window="hamming"), o.istft(o.stft(y, 7, 5, 7), 7, 5, 7, window=None)]
    return k.Model([x, y], outputs)


@case(only=2)
def tf_convolutions(k):
    import numpy as np
    import tensorflow as tf

    def kernel(*shape):
        return np.sin(np.arange(np.prod(shape), dtype="float32")).reshape(shape)

    n, (x, y, z) = tf.nn, inputs(k, (9, 4), (6, 7, 4), (4, 5, 3, 2))
    outputs = [n.conv1d(x, kernel(3, 4, 2), stride=2, padding="SAME"), n.conv2d(y, kernel(2, 3, 4, 3), strides=[1, 2, 2, 1], padding="SAME"), n.conv2d(y, kernel(2, 2, 4, 3), strides=1, padding="VALID", dilations=2)]
    outputs += [n.conv3d(z, kernel(2, 2, 2, 2, 3), strides=[1, 1, 2, 1, 1], padding="VALID"), n.depthwise_conv2d(y, kernel(3, 3, 4, 2), strides=[1, 1, 1, 1], padding="SAME"), n.max_pool1d(x, 3, 2, "SAME"), n.avg_pool1d(x, 2, 2, "VALID")]
    outputs += [n.max_pool3d(z, 2, 1, "SAME"), n.avg_pool3d(z, [1, 2, 2, 1, 1], 2, "VALID"), n.conv2d_transpose(y, kernel(3, 3, 2, 4), output_shape=[1, 12, 14, 2], strides=2, padding="SAME")]
    outputs += [tf.image.extract_patches(y, [1, 2, 2, 1], [1, 2, 3, 1], [1, 1, 1, 1], "VALID"), tf.signal.frame(x, 3, 2, axis=1)]
    return k.Model([x, y, z], outputs)


@case(only=2)
def tf_losses(k):
    import tensorflow as tf

    n = tf.nn
    x, y, ids = k.Input((3, 4), name="x"), k.Input((3, 4), name="y"), k.Input((3,), name="ids", dtype="int32")
    outputs = [n.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(x), logits=y), n.sigmoid_cross_entropy_with_logits(labels=tf.sigmoid(x), logits=y), n.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=y)]
    return k.Model([x, y, ids], outputs + [k.backend.binary_crossentropy(tf.sigmoid(x), tf.sigmoid(y)), k.backend.categorical_crossentropy(tf.nn.softmax(x), tf.nn.softmax(y))]), {"ranges": {"ids": (0.0, 4.0)}}


@case(only=2)
def tf_more_images(k):
    import tensorflow as tf

    i, x = tf.image, k.Input((6, 5, 3), name="x")
    outputs = [i.rgb_to_hsv(x), i.hsv_to_rgb(x), i.rgb_to_yuv(x), i.yuv_to_rgb(x), i.rgb_to_yiq(x), i.yiq_to_rgb(x), i.adjust_brightness(x, 0.25), i.adjust_gamma(x, 2.0, 0.5), i.adjust_saturation(x, 1.5), i.adjust_hue(x, 0.3)]
    return k.Model(x, outputs + [i.sobel_edges(x), i.total_variation(x), i.transpose(x), i.rot90(x), i.rot90(x, 2)]), {"ranges": {"x": (0.0, 1.0)}}
