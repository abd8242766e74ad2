"""torch.linalg against NumPy, and its gradients against differences."""

import numpy
import pytest

import flambeau as torch

LA = torch.linalg
DTYPES = ["float32", "float64", "complex64", "complex128"]


def matrices(*shape, dtype="float64", seed=0):
    generator = numpy.random.default_rng(seed)
    values = numpy.asarray(generator.standard_normal(shape))
    if "complex" in dtype:
        values = values + 1j * generator.standard_normal(shape)
    return numpy.asarray(values).astype(dtype)


def close(ours, theirs):
    tolerance = 2e-4 if ours.dtype in (torch.float32, torch.complex64) else 1e-9
    numpy.testing.assert_allclose(ours.resolve_conj().numpy(), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_solving(dtype):
    a, b = matrices(2, 4, 4, dtype=dtype), matrices(2, 4, 3, dtype=dtype, seed=1)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    close(LA.solve(x, y), numpy.linalg.solve(a, b))
    close(LA.solve(x, y[..., 0]), numpy.linalg.solve(a, b[..., :1])[..., 0])
    close(LA.solve(x, y.mT, left=False), numpy.linalg.solve(a.swapaxes(1, 2), b).swapaxes(1, 2))
    close(LA.inv(x), numpy.linalg.inv(a))
    close(LA.det(x), numpy.linalg.det(a))
    close(LA.slogdet(x).logabsdet, numpy.linalg.slogdet(a)[1])
    close(LA.pinv(y), numpy.linalg.pinv(b))
    close(LA.lu_solve(*LA.lu_factor(x), y), numpy.linalg.solve(a, b))
    permutation, lower, upper = LA.lu(y)
    close(permutation @ lower @ upper, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
def test_factorisations_rebuild(dtype, shape):
    a = matrices(*shape, dtype=dtype)
    x = torch.from_numpy(a)
    for mode in ("reduced", "complete"):
        q, r = LA.qr(x, mode)
        close(q @ r, a)
        close(q.mH @ q, numpy.broadcast_to(numpy.eye(q.shape[-1]), (*shape[:-2], q.shape[-1], q.shape[-1])))
    u, s, vh = LA.svd(x, full_matrices=False)
    close((u * s.unsqueeze(-2)) @ vh, a)
    assert LA.svd(x).U.shape[-1] == shape[-2] and LA.svd(x).Vh.shape[-2] == shape[-1]
    close(LA.svdvals(x), numpy.linalg.svd(a, compute_uv=False))


@pytest.mark.parametrize("dtype", DTYPES)
def test_eigenvalues(dtype):
    a = matrices(3, 4, 4, dtype=dtype)
    x = torch.from_numpy(a)
    h = x + x.mH
    values, vectors = LA.eigh(h)
    close((vectors * values.unsqueeze(-2)) @ vectors.mH, h.numpy())
    close(LA.eigvalsh(h), numpy.linalg.eigvalsh(h.numpy()))
    values, vectors = LA.eig(x)
    wide = x.to(values.dtype)
    assert torch.allclose(wide @ vectors, vectors * values.unsqueeze(-2), atol=1e-3)
    positive = x @ x.mH + 0.1 * torch.eye(4, dtype=x.dtype)
    factor = LA.cholesky(positive)
    close(factor @ factor.mH, positive.numpy())
    close(LA.cholesky(positive, upper=True).mH, factor.numpy())


def test_strides_are_column_major():
    x = torch.from_numpy(matrices(3, 3))
    for result in (LA.inv(x), LA.qr(x).Q, LA.cholesky(positive(x))):
        assert result.stride() == (1, 3)


def test_least_squares():
    a, b = matrices(5, 3), matrices(5, 2, seed=1)
    expected, residuals, rank, _ = numpy.linalg.lstsq(a, b, rcond=None)
    for driver in ("gels", "gelsy", "gelsd", "gelss"):
        result = LA.lstsq(torch.from_numpy(a), torch.from_numpy(b), driver=driver)
        close(result.solution, expected)
        if driver != "gelsy":
            close(result.residuals, residuals)


def test_norms_and_ranks():
    a = matrices(3, 4)
    x = torch.from_numpy(a)
    for order in ("fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")):
        close(LA.matrix_norm(x, order), numpy.linalg.norm(a, order))
    square = matrices(3, 3)
    for p in (None, "fro", "nuc", 1, 2, -2):
        close(LA.cond(torch.from_numpy(square), p), numpy.linalg.cond(square, p))
    low = torch.from_numpy(a[:, :1] @ a[:1])
    assert LA.matrix_rank(low) == 1 and LA.matrix_rank(x) == 3
    assert LA.cond(torch.zeros(2, 2), 1).item() == float("inf")


def test_products():
    a, b, c = matrices(2, 5), matrices(5, 3), matrices(3, 4)
    close(LA.multi_dot([torch.from_numpy(one) for one in (a, b, c)]), a @ b @ c)
    square = matrices(3, 3)
    close(LA.matrix_power(torch.from_numpy(square), -3), numpy.linalg.matrix_power(square, -3))
    spin = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    close(LA.matrix_exp(spin * 30), numpy.array([[numpy.cos(30), numpy.sin(30)], [-numpy.sin(30), numpy.cos(30)]]))


def test_empty_and_batches_of_nothing():
    assert LA.inv(torch.zeros(0, 0)).shape == (0, 0)
    assert LA.svd(torch.zeros(2, 0, 3)).Vh.shape == (2, 3, 3)
    assert LA.det(torch.zeros(0, 2, 2)).shape == (0,) and LA.det(torch.zeros(0, 0)).item() == 1


@pytest.mark.parametrize("call, message", [
    (lambda: LA.inv(torch.zeros(2, 2)), "diagonal element 1 is zero"),
    (lambda: LA.solve(torch.zeros(2, 2), torch.ones(2)), "input matrix is singular"),
    (lambda: LA.cholesky(torch.stack([torch.eye(2), -torch.eye(2)])), "Batch element 1.*not positive-definite"),
])
def test_singular_matrices(call, message):
    with pytest.raises(LA.LinAlgError, match=message):
        call()


@pytest.mark.parametrize("call, error, message", [
    (lambda: LA.inv(torch.ones(2, 3)), RuntimeError, "must be batches of square matrices"),
    (lambda: LA.inv(torch.ones(2)), RuntimeError, "at least 2 dimensions"),
    (lambda: LA.inv(torch.eye(2).half()), RuntimeError, "Low precision dtypes not supported"),
    (lambda: LA.svd(torch.eye(2).long()), NotImplementedError, "not implemented for 'Long'"),
    (lambda: LA.solve(torch.eye(2), torch.ones(3)), RuntimeError, "Incompatible shapes of A and B"),
    (lambda: LA.qr(torch.eye(2), "x"), RuntimeError, "unrecognized mode"),
    (lambda: LA.eig(torch.full((2, 2), float("nan"))), RuntimeError, "should not contain infs or NaNs"),
])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def positive(x):
    return x @ x.mH + torch.eye(x.shape[-1], dtype=x.dtype)


def projector(vectors):
    return vectors[..., :1] @ vectors[..., :1].mH


def polar_factor(u, s, vh):
    return u @ vh


GRADIENTS = {
    "cholesky": (lambda x: LA.cholesky(positive(x)), (3, 3)),
    "inv": (LA.inv, (2, 3, 3)),
    "det": (LA.det, (3, 3)),
    "logabsdet": (lambda x: LA.slogdet(x).logabsdet, (3, 3)),
    "solve": (lambda x: LA.solve(x[..., :3], x[..., 3:]), (3, 5)),
    "triangular": (lambda x: LA.solve_triangular(x[..., :3], x[..., 3:], upper=True), (3, 5)),
    "eigvalsh": (lambda x: LA.eigvalsh(x + x.mH), (3, 3)),
    "projector": (lambda x: projector(LA.eigh(x + x.mH).eigenvectors), (3, 3)),
    "eigvals": (lambda x: LA.eigvals(x).abs().sort().values, (3, 3)),
    "svdvals": (LA.svdvals, (3, 4)),
    "polar factor": (lambda x: polar_factor(*LA.svd(x, full_matrices=False)), (4, 3)),
    "qr": (lambda x: torch.cat(LA.qr(x), -2), (4, 3)),
    "qr wide": (lambda x: LA.qr(x)[1], (3, 4)),
    "lu": (lambda x: LA.lu(x)[1] @ LA.lu(x)[2] @ LA.lu(x)[2].mH, (3, 4)),
    "lu tall": (lambda x: LA.lu(x)[1] * 2 @ LA.lu(x)[2], (4, 3)),
    "pinv": (LA.pinv, (4, 3)),
    "lstsq": (lambda x: LA.lstsq(x[..., :2], x[..., 2:]).solution, (4, 3)),
    "matrix_exp": (LA.matrix_exp, (3, 3)),
    "norm": (lambda x: LA.matrix_norm(x, "nuc"), (3, 4)),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name, dtype):
    compute, shape = GRADIENTS[name]
    x = torch.from_numpy(matrices(*shape, dtype=dtype, seed=3)).requires_grad_()
    result = compute(x)
    weight = torch.tensor(matrices(*result.shape, dtype="complex128" if result.is_complex() else "float64", seed=4))

    def loss(x):
        product = compute(x) * weight
        return (product.real if product.is_complex() else product).sum()

    loss(x).backward()
    along = torch.from_numpy(matrices(*shape, dtype=dtype, seed=5))
    with torch.no_grad():
        step = 1e-6
        slope = (loss(x + step * along) - loss(x - step * along)) / (2 * step)
        ours = (x.grad.conj() * along).sum()
    assert float(ours.real) == pytest.approx(float(slope), rel=1e-5, abs=1e-6)


def test_second_derivatives():
    x = torch.from_numpy(matrices(3, 3, seed=3)).requires_grad_()
    first, = torch.autograd.grad(LA.inv(x).sum(), x, create_graph=True)
    second, = torch.autograd.grad(first.square().sum(), x)
    with torch.no_grad():
        step = 1e-5 * torch.ones_like(x)
    def square(x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(LA.inv(x).sum(), x)[0].square().sum()
    slope = (square(x + step) - square(x - step)) / 2e-5
    assert second.sum().item() == pytest.approx(slope.item(), rel=1e-5)


def test_older_names():
    x = torch.from_numpy(positive(torch.from_numpy(matrices(3, 3))).numpy())
    b = torch.from_numpy(matrices(3, 2, seed=1))
    assert torch.allclose(torch.inverse(x), LA.inv(x)) and torch.allclose(x.det(), LA.det(x))
    assert torch.allclose(torch.cholesky_solve(b, torch.linalg.cholesky(x)), LA.solve(x, b))
    assert torch.allclose(torch.cholesky_inverse(torch.linalg.cholesky(x)), LA.inv(x))
    assert torch.allclose(torch.logdet(x), LA.slogdet(x)[1])
    u, s, v = torch.svd_lowrank(b @ b.T, q=2)
    assert torch.allclose((u * s) @ v.mT, b @ b.T)
