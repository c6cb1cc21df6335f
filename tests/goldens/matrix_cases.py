"""Linear algebra of keras.ops on small matrices, as in function_cases.py."""
import golden

CASES, case = golden.registry()


def matrices(k, n, batch=(), m=None):
    """An input of matrices, and the same further from singular ones: with 4 on the diagonal."""
    x = k.Input((*batch, m or n, n), name="x")
    return x, x + 4.0 * k.ops.eye(m or n, n)


def positive(k, x):
    """Symmetric, positive definite matrices."""
    o = k.ops
    return o.matmul(x, o.swapaxes(x, -1, -2)) + o.eye(x.shape[-2])


@case(only=3)
def ops_solutions(k):
    o = k.ops
    x, a = matrices(k, 5)
    y = k.Input((5, 3), name="y")
    v = k.Input((5,), name="v")
    outputs = [o.solve(a, y), o.solve(a, v), o.inv(a), o.solve(x, y), o.solve_triangular(a, y), o.solve_triangular(a, y, lower=True), o.solve_triangular(a, v, lower=True)]
    return k.Model([x, y, v], outputs), {"batch": 3, "rtol": 1e-3, "atol": 1e-4}


@case(only=3)
def ops_solutions_of_many(k):
    o = k.ops
    x, a = matrices(k, 3, batch=(2, 2))
    y = k.Input((2, 2, 3, 1), name="y")
    return k.Model([x, y], [o.solve(a, y), o.inv(a), o.solve_triangular(a, y), o.det(a), *o.slogdet(a)]), {"batch": 2}


@case(only=3)
def ops_solutions_of_numbers(k):
    o = k.ops
    x, a = matrices(k, 1)
    p = o.abs(x) + 1.0
    outputs = [o.inv(a), o.det(a), *o.slogdet(-a), o.cholesky(p), o.logdet(p), *o.lu_factor(a[0]), *o.qr(x), o.svd(x, compute_uv=False), o.pinv(a), o.cholesky_inverse(p)]
    return k.Model(x, [o.cast(output, "float32") for output in outputs])


@case(only=3)
def ops_determinants(k):
    o = k.ops
    x, a = matrices(k, 6)
    singular = o.concatenate([x[:, :5], 2.0 * x[:, 3:4]], axis=1) * 0.0 + o.ones((6, 6))
    swapped = o.flip(a, axis=1)
    outputs = [o.det(x), o.det(a), o.det(swapped), o.det(singular), *o.slogdet(x), *o.slogdet(swapped), o.logdet(positive(k, x)), o.det(singular * 0.0)]
    return k.Model(x, outputs), {"batch": 3, "ranges": {"x": (-1.5, 1.5)}}


@case(only=3)
def ops_factors_of_cholesky(k):
    o = k.ops
    x, a = matrices(k, 5)
    p = positive(k, x)
    lower = o.tril(a)
    outputs = [o.cholesky(p), o.cholesky(p, upper=True), o.cholesky_inverse(lower), o.cholesky_inverse(a, upper=True), o.logdet(p)]
    return k.Model(x, outputs), {"batch": 2, "rtol": 1e-3, "atol": 1e-4}


@case(only=3)
def ops_factors_with_pivots(k):
    o = k.ops
    x = k.Input((5, 5), name="x")
    y = k.Input((2, 3, 3), name="y")
    # TensorFlow's backend takes one matrix at a time.
    outputs = [*o.lu_factor(x[0]), *o.lu_factor(x[1]), *o.lu_factor(y[0, 0]), *o.lu_factor(y[0, 1]), *o.lu_factor(o.flip(o.eye(4), axis=0) + 0.0 * x[0, :4, :4])]
    return k.Model([x, y], [o.cast(output, "float32") for output in outputs]), {"batch": 2}


@case(only=3)
def ops_orthogonal_factors(k):
    o = k.ops
    x, y = k.Input((4, 4), name="x"), k.Input((5, 3), name="y")
    tall = o.concatenate([y, y * 0.0], axis=1)
    outputs = [*o.qr(x), *o.qr(y), *o.qr(y, mode="complete"), *o.qr(o.swapaxes(y, 1, 2)), *o.qr(o.tril(x)), *o.qr(tall)]
    return k.Model([x, y], outputs), {"batch": 2}


@case(only=3)
def ops_singular_values(k):
    o = k.ops
    x, y, z = k.Input((6, 6), name="x"), k.Input((7, 3), name="y"), k.Input((2, 2, 4), name="z")
    sums = o.matmul(y, o.swapaxes(y, 1, 2))
    outputs = [o.svd(x, compute_uv=False), o.svd(y, compute_uv=False), o.svd(z)[1], o.svd(y, full_matrices=False)[1], o.svd(sums, compute_uv=False), o.svd(0.0 * x, compute_uv=False)]
    ranks = [o.matrix_rank(x), o.matrix_rank(sums), o.matrix_rank(sums, tol=3.0), o.matrix_rank(0.0 * z)]
    norms = [o.linalg.norm(x, ord=kind, axis=(1, 2)) for kind in (2, -2, "nuc")] + [o.linalg.norm(z, ord="nuc", axis=(1, 3), keepdims=True), o.linalg.norm(z, ord=2, axis=(1, 2))]
    return k.Model([x, y, z], outputs + [o.cast(rank, "float32") for rank in ranks] + norms), {"batch": 2}


@case(only=3)
def ops_eigenvalues(k):
    o = k.ops
    x, y = k.Input((5, 5), name="x"), k.Input((3, 4, 4), name="y")
    return k.Model([x, y], [o.eigh(x + o.swapaxes(x, 1, 2))[0], o.eigh(x)[0], o.eigh(y)[0], o.eigh(positive(k, x))[0]]), {"batch": 2}


@case(only=3)
def ops_pseudo_inverses(k):
    o = k.ops
    x, a = matrices(k, 4)
    y, z = k.Input((5, 3), name="y"), k.Input((2, 5), name="z")
    low = o.matmul(y, o.swapaxes(y, 1, 2)) + 0.0 * o.ones((5, 5))
    outputs = [o.pinv(a), o.pinv(y), o.pinv(z), o.pinv(low, rcond=1e-4), o.pinv(x, rcond=0.5), o.pinv(0.0 * x)]
    outputs += [o.lstsq(y[0], x[0, 0, :1] * o.ones((5,))), o.lstsq(y[0], y[0] * 2.0 + 1.0), o.lstsq(z[0], x[0, :2]), o.lstsq(a[0], x[0], rcond=0.3)]
    return k.Model([x, y, z], outputs), {"rtol": 1e-3, "atol": 1e-4}


@case(only=3)
def ops_matrices_of_more_columns(k):
    o = k.ops
    x, a = matrices(k, 17)
    a = a + 8.0 * o.eye(17)
    outputs = [o.inv(a), o.svd(x, compute_uv=False), o.eigh(x)[0], o.slogdet(x)[1], o.matmul(*o.qr(x)), o.pinv(a)]
    return k.Model(x, outputs), {"rtol": 1e-3, "atol": 1e-4}
