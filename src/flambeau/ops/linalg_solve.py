"""torch.linalg: solving systems, inverses, determinants, least squares, pseudo-inverses, with their gradients."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .._operator import operator
from . import _lapack
from ._common import broadcast_batch, connected, count, dtype_name, holds, real_dtype_of, wrap_dim
from ._primitive import primitive
from .linalg_factor import raise_info, require_matrix, require_precision, require_square

_LINALG: dict[str, Any] = {"namespace": "linalg"}


def _same_dtype(name, first, second):
    if first.dtype != second.dtype:
        raise RuntimeError(f"{name}: Expected A and B to have the same dtype, but found A of type "
                           f"{dtype_name(first.dtype)} and B of type {dtype_name(second.dtype)} instead")


# Triangular systems


def _triangular_backward(inputs, outputs, grads, needs):
    matrix, _, upper, left, unit = inputs
    solution = outputs[0]
    right = torch.linalg.solve_triangular(matrix.mH, grads[0], upper=not upper, left=left, unitriangular=unit)
    grad_matrix = None
    if needs[0]:
        product = -(right @ solution.mH) if left else -(solution.mH @ right)
        cut = int(unit)
        grad_matrix = product.triu(cut) if upper else product.tril(-cut)
    return grad_matrix, right if needs[1] else None, None, None, None


@primitive(_triangular_backward, node="LinalgSolveTriangularBackward0")
def _solve_triangular(matrix, right, upper, left, unit):
    return _lapack.trsm(matrix, right, upper, left, unit)


@operator("linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) "
          "-> Tensor", **_LINALG)
def solve_triangular(self, right, upper, left, unitriangular):
    """The solution of A @ X = B (or X @ A = B) for triangular A; the other triangle is not read.

    >>> torch.linalg.solve_triangular(torch.tensor([[2.]]), torch.tensor([[4.]]), upper=True)
    tensor([[2.]])
    """
    _check_system("linalg.solve_triangular", self, right, left)
    _lapack.supported("triangular_solve_cpu", self)
    matrix, right = broadcast_batch(self, right)
    return _solve_triangular(matrix, right, upper, left, unitriangular)


def _check_system(name, matrix, right, left=True):
    require_square(name, matrix)
    require_matrix(name, right, "B")
    _same_dtype(name, matrix, right)
    if matrix.shape[-1] != right.shape[-2 if left else -1]:
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
                           f"({matrix.shape[-2]}x{matrix.shape[-1]} and {right.shape[-2]}x{right.shape[-1]})")


# General systems


def _solve_backward(inputs, outputs, grads, needs):
    matrix, _ = inputs
    grad = torch.linalg.solve(matrix.mH, grads[0])
    return -(grad @ outputs[0].mH) if needs[0] else None, grad if needs[1] else None


@primitive(_solve_backward, fixed=(1, 2, 3), node="LinalgSolveExBackward0")
def _solve(matrix, right):
    solution, packed, pivots, info = _lapack.gesv(matrix, right)
    return solution, info, packed, pivots


def _is_vector(matrix, right):
    """Whether B holds vectors rather than matrices of right-hand sides."""
    return right.ndim == 1 or (matrix.ndim - 1 == right.ndim and right.shape == matrix.shape[:-1])


def _solved(name, matrix, right, left):
    require_square(name, matrix)
    require_precision(name, matrix)
    _same_dtype(name, matrix, right)
    vector = _is_vector(matrix, right)
    if vector:
        if not left:
            raise RuntimeError(f"{name}: Vector broadcasting of the left hand side is not supported for left=False. "
                               "In this case linalg.solve is equivalent to B / A.squeeze(-1)")
        right = right.unsqueeze(-1)
    _check_system(name, matrix, right, left)
    if not left:
        matrix, right = matrix.mT, right.mT
    matrix, right = broadcast_batch(matrix, right)
    solution, info = _solve(matrix, right)[:2]
    if not left:
        solution = solution.mT
    return (solution.squeeze(-1) if vector else solution), info


_SINGULAR = "The solver failed because the input matrix is singular."


@operator("linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) "
          "-> (Tensor result, Tensor info)", **_LINALG, node="LinalgSolveExBackward0")
def solve_ex(matrix, right, left, check_errors):
    """solve with an info per matrix in place of errors.

    >>> torch.linalg.solve_ex(torch.eye(1), torch.ones(1)).info
    tensor(0, dtype=torch.int32)
    """
    solution, info = _solved("linalg.solve", matrix, right, left)
    if check_errors:
        raise_info("torch.linalg.solve_ex", info, lambda _: _SINGULAR)
    return solution, info


@operator("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", **_LINALG)
def solve(matrix, right, left):
    """The solution of A @ X = B, or X @ A = B, for square A; B may hold vectors. Batches broadcast.

    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([2., 4.]))
    tensor([1., 1.])
    """
    solution, info = _solved("linalg.solve", matrix, right, left)
    raise_info("torch.linalg.solve", info, lambda _: _SINGULAR)
    return solution


def _inverse_backward(inputs, outputs, grads, needs):
    adjoint = outputs[0].mH
    return (-(adjoint @ grads[0] @ adjoint),)


@primitive(_inverse_backward, fixed=(1,), node="LinalgInvExBackward0")
def _inverse(matrix):
    return _lapack.getri(matrix)


def _inverted(matrix):
    require_square("linalg.inv", matrix)
    require_precision("linalg.inv", matrix)
    return _inverse(matrix)


def _inverse_text(position):
    return (f"The diagonal element {position} is zero, the inversion could not be completed because the input matrix "
            "is singular.")


@operator("linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", **_LINALG)
def inv_ex(matrix, check_errors):
    """inv with an info per matrix in place of errors.

    >>> torch.linalg.inv_ex(torch.eye(1)).info
    tensor(0, dtype=torch.int32)
    """
    inverse, info = _inverted(matrix)
    if check_errors:
        raise_info("linalg.inv_ex", info, _inverse_text)
    return inverse, info


@operator("linalg_inv(Tensor A) -> Tensor", **_LINALG)
def inv(matrix):
    """The inverse of square matrices.

    >>> torch.linalg.inv(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """
    inverse, info = _inverted(matrix)
    raise_info("linalg.inv", info, _inverse_text)
    return inverse


@operator("linalg_tensorinv(Tensor self, int ind=2) -> Tensor", **_LINALG)
def tensorinv(self, ind):
    """The inverse of the linear map that tensordot with self, over its last dims, is: the first `ind` dims of self
    are its image.

    >>> torch.linalg.tensorinv(torch.eye(4).reshape(2, 2, 4)).shape
    torch.Size([4, 2, 2])
    """
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    image, source = self.shape[:ind], self.shape[ind:]
    if count(image) != count(source):
        raise RuntimeError(f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind])"
                           f", but got {count(source)} != {count(image)}")
    inverse, info = _inverted(self.reshape(count(source), count(source)))
    if _lapack.failed(info):
        raise RuntimeError("Failed to invert the input tensor, because it is singular.")
    return inverse.reshape([*source, *image])


@operator("linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor", **_LINALG)
def tensorsolve(self, other, dims):
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first.

    >>> torch.linalg.tensorsolve(torch.eye(4).reshape(2, 2, 4), torch.ones(2, 2))
    tensor([1., 1., 1., 1.])
    """
    if dims is not None:
        self = self.movedim(dims, list(range(self.ndim - len(dims), self.ndim)))
    shape = self.shape[other.ndim:]
    if count(shape) != count(self.shape[:other.ndim]):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
                           f"prod(self.shape[:other.ndim]), but got {count(shape)} != "
                           f"{count(self.shape[:other.ndim])}")
    size = count(shape)
    return torch.linalg.solve(self.reshape(size, size), other.reshape(-1)).reshape(shape)


# Determinants


def _exclusive_products(values):
    """For each entry of the last dim, the product of the others."""
    ones = torch.ones_like(values[..., :1])
    before = torch.cat([ones, values[..., :-1].cumprod(-1)], -1)
    after = torch.cat([values[..., 1:].flip(-1).cumprod(-1).flip(-1), ones], -1)
    return before * after


def _determinant(matrix):
    packed, pivots, _ = _lapack.getrf(matrix)
    size = matrix.shape[-1]
    exchanges = (pivots != torch.arange(1, size + 1, dtype=torch.int32)).sum(-1)
    return packed.diagonal(0, -2, -1), 1 - 2 * (exchanges % 2)


def _det_backward(inputs, outputs, grads, needs):
    matrix = inputs[0]
    grad, determinant = grads[0], outputs[0]
    if holds((determinant != 0).all()):
        inverse = torch.linalg.inv_ex(matrix).inverse
        return ((grad * determinant.conj())[..., None, None] * inverse.mH,)
    u, s, vh = torch.linalg.svd(matrix)
    with torch.no_grad():
        phase = torch.linalg.det(u) * torch.linalg.det(vh)
    others = _exclusive_products(s).to(u.dtype)
    return ((grad * phase.conj())[..., None, None] * ((u * others.unsqueeze(-2)) @ vh),)


@primitive(_det_backward, node="LinalgDetBackward0")
def _det(matrix):
    diagonal, sign = _determinant(matrix)
    return diagonal.prod(-1) * sign.to(matrix.dtype)


@operator("linalg_det(Tensor A) -> Tensor", **_LINALG)
def det(matrix):
    """The determinant of square matrices.

    >>> torch.linalg.det(torch.tensor([[2., 0.], [0., 3.]]))
    tensor(6.)
    """
    require_square("linalg.det", matrix)
    _lapack.supported("lu_cpu", matrix)
    return _det(matrix)


def _slogdet_backward(inputs, outputs, grads, needs):
    matrix, (sign, _), (grad_sign, grad_log) = inputs[0], outputs, grads
    factor = grad_log
    if matrix.is_complex() and grad_sign is not None:
        turn = torch.imag(grad_sign.conj() * sign) * -1j
        factor = turn if factor is None else factor + turn
    if factor is None:
        return (torch.zeros_like(matrix),)
    factor = factor.to(matrix.dtype)[..., None, None]
    if holds((sign != 0).all()):
        return (factor * torch.linalg.inv_ex(matrix).inverse.mH,)
    return (factor * torch.linalg.inv(matrix.mH + torch.finfo(matrix.dtype).eps * torch.eye(
        matrix.shape[-1], dtype=matrix.dtype)),)


@primitive(_slogdet_backward, node="LinalgSlogdetBackward0")
def _slogdet(matrix):
    diagonal, sign = _determinant(matrix)
    return diagonal.sgn().prod(-1) * sign.to(matrix.dtype), diagonal.abs().log().sum(-1)


@operator("linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", **_LINALG)
def slogdet(matrix):
    """Sign (or phase) and logarithm of the absolute value of the determinant.

    >>> torch.linalg.slogdet(torch.eye(2)).logabsdet
    tensor(0.)
    """
    require_square("linalg.slogdet", matrix)
    _lapack.supported("lu_cpu", matrix)
    return _slogdet(matrix)


# Pseudo-inverse and least squares


def _tolerances(matrix, atol, rtol):
    """atol and rtol as tensors that compare with singular values; rtol defaults to max(m, n) * eps if atol is 0."""
    real = real_dtype_of(matrix.dtype)
    def tensor_of(value):
        return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.float64)
    if rtol is None:
        default = torch.finfo(real).eps * max(matrix.shape[-2:])
        if isinstance(atol, torch.Tensor):
            rtol = torch.where(atol > 0, 0.0, default)
        else:
            rtol = 0.0 if atol is not None and atol > 0 else default
    return tensor_of(0.0 if atol is None else atol), tensor_of(rtol)


def _cutoff(values, atol, rtol):
    """The threshold below which singular values count as zero."""
    largest = values.amax(-1, keepdim=True)
    for name, tolerance in (("atol", atol), ("rtol", rtol)):
        if tolerance.is_complex():
            raise RuntimeError(f"linalg: {name} tensor of complex type is not supported.")
    return torch.maximum(atol.unsqueeze(-1).to(values.dtype), rtol.unsqueeze(-1).to(values.dtype) * largest)


def _pinv_backward(inputs, outputs, grads, needs):
    matrix, inverse, grad = inputs[0], outputs[0], grads[0]
    adjoint = inverse.mH
    left = grad.mH - matrix @ (inverse @ grad.mH)
    right = grad.mH - (grad.mH @ inverse) @ matrix
    result = left @ (inverse @ adjoint) + (adjoint @ inverse) @ right - adjoint @ grad @ adjoint
    return result, None, None, None


@primitive(_pinv_backward, node="LinalgPinvBackward0")
def _pinv(matrix, atol, rtol, hermitian):
    if hermitian:
        values, vectors = torch.linalg.eigh(matrix)
        size = values.abs()
        keep = size > _cutoff(size, atol, rtol)
        inverse = torch.where(keep, values.reciprocal(), torch.zeros_like(values))
        return (vectors * inverse.unsqueeze(-2)) @ vectors.mH
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    inverse = torch.where(s > _cutoff(s, atol, rtol), s.reciprocal(), torch.zeros_like(s))
    return vh.mH @ (inverse.unsqueeze(-1) * u.mH)


@operator("linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) "
          "-> Tensor",
          "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) "
          "-> Tensor", **_LINALG)
def pinv(self, atol, rtol, hermitian):
    """The Moore-Penrose inverse; singular values up to max(atol, rtol * largest) count as zero.

    >>> torch.linalg.pinv(torch.tensor([[2.], [0.]]))
    tensor([[0.5000, 0.0000]])
    """
    require_matrix("linalg.pinv", self)
    require_precision("linalg.pinv", self)
    if self.numel() == 0:
        return connected(self.new_empty([*self.shape[:-2], self.shape[-1], self.shape[-2]]), self)
    atol, rtol = _tolerances(self, atol, rtol)
    return _pinv(self, atol, rtol, hermitian)


@pinv.overload("linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor",
               "linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor")
def _(self, rcond, hermitian):
    return torch.linalg.pinv(self, atol=torch.zeros((), dtype=torch.float64) if isinstance(rcond, torch.Tensor)
                             else 0.0, rtol=rcond, hermitian=hermitian)


def _lstsq_backward(inputs, outputs, grads, needs):
    matrix, right = inputs[:2]
    grad = grads[0]
    if grad is None:
        return (None,) * 4
    inverse = torch.linalg.pinv(matrix)
    grad_right = inverse.mH @ grad if needs[1] else None
    grad_matrix = None
    if needs[0]:
        along = grad @ right.mH
        grad_matrix = _pinv_backward([matrix], [inverse], [along], None)[0]
    return grad_matrix, grad_right, None, None


@primitive(_lstsq_backward, fixed=(1, 2), node="LinalgLstsqBackward0")
def _lstsq(matrix, right, driver, rcond):
    result, rank, values, _ = _lapack.least_squares(matrix, right, driver, rcond)
    return result[..., :matrix.shape[-1], :].contiguous(), rank, values


@operator("linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) "
          "-> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)", **_LINALG)
def lstsq(self, b, rcond, driver):
    """X that minimises the norm of A @ X - B. Drivers: "gelsy" (default, complete orthogonal), "gels" (full rank),
    "gelsd", "gelss" (singular values). Residuals (squared norms per column) are given for full rank and m > n.

    >>> torch.linalg.lstsq(torch.tensor([[1.], [1.]]), torch.tensor([[1.], [3.]])).solution.round()
    tensor([[2.]])
    """
    name = "torch.linalg.lstsq"
    if self.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    difference = self.ndim - b.ndim
    if not 0 <= difference <= 1:
        raise RuntimeError(f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - "
                           "other.dim()) <= 1")
    vector = _is_vector(self, b)
    right = b.unsqueeze(-1) if vector else b
    if self.shape[-2] != right.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({-1 if vector else -2})")
    if self.dtype != b.dtype:
        raise RuntimeError(f"{name}: Expected input and other to have the same dtype, but got input's dtype "
                           f"{dtype_name(self.dtype)} and other's dtype {dtype_name(b.dtype)}")
    driver = driver or "gelsy"
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    _lapack.supported("linalg_lstsq_cpu", self)
    m, n = self.shape[-2:]
    cut = torch.finfo(self.dtype).eps * max(m, n) if rcond is None else rcond
    matrix, right = broadcast_batch(self, right)
    solution, rank, values = _lstsq(matrix, right, driver, cut)
    residuals = connected(solution.new_empty(0, dtype=real_dtype_of(self.dtype)), solution)
    if m > n and driver != "gelsy" and (driver == "gels" or holds((rank == n).all())):
        residuals = (matrix @ solution - right).abs().square().sum(-2)
    rank_out = torch.empty(0, dtype=torch.int64) if driver == "gels" else rank.long()
    values_out = values if driver in ("gelsd", "gelss") else values.new_empty(0)
    return (solution.squeeze(-1) if vector else solution), residuals, rank_out, values_out


@operator("linalg_multi_dot(Tensor[] tensors) -> Tensor", **_LINALG)
def multi_dot(tensors):
    """The product of matrices (first and last may be vectors) in the order that multiplies least.

    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 1), torch.ones(1, 1)])
    tensor([[3.],
            [3.]])
    """
    total = len(tensors)
    if total < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {total}")
    items = list(tensors)
    for position, tensor in enumerate(items):
        edge = position in (0, total - 1)
        if tensor.ndim != 2 and not (edge and tensor.ndim == 1):
            place = {0: "the first tensor", total - 1: "the last tensor"}.get(position, f"tensor {position}")
            raise RuntimeError(f"multi_dot(): {place} must be {'1D or 2D' if edge else '2D'} but got {tensor.ndim}D")
        if tensor.dtype != items[0].dtype:
            raise RuntimeError(f"multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                               f"{items[0].dtype} and tensor {position} {tensor.dtype}")
    shape = ([] if items[0].ndim == 1 else [items[0].shape[0]]) + ([] if items[-1].ndim == 1 else [items[-1].shape[1]])
    items[0] = items[0].unsqueeze(0) if items[0].ndim == 1 else items[0]
    items[-1] = items[-1].unsqueeze(-1) if items[-1].ndim == 1 else items[-1]
    for position in range(total - 1):
        if items[position].shape[1] != items[position + 1].shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {position} and {position + 1} with shapes "
                               f"{list(items[position].shape)} and {list(items[position + 1].shape)} cannot be "
                               "multiplied")
    sizes = [items[0].shape[0], *[item.shape[1] for item in items]]
    cost = [[0] * total for _ in range(total)]
    cut = [[0] * total for _ in range(total)]
    for length in range(2, total + 1):
        for start in range(total - length + 1):
            end = start + length - 1
            cost[start][end], cut[start][end] = min(
                (cost[start][k] + cost[k + 1][end] + sizes[start] * sizes[k + 1] * sizes[end + 1], k)
                for k in range(start, end))

    def product(start, end):
        if start == end:
            return items[start]
        middle = cut[start][end]
        return torch.mm(product(start, middle), product(middle + 1, end))

    return product(0, total - 1).reshape(shape)


@operator("linalg_matrix_power(Tensor self, int n) -> Tensor", **_LINALG)
def matrix_power(self, n):
    """self multiplied by itself n times; negative n inverts first.

    >>> torch.linalg.matrix_power(torch.tensor([[2.]]), 3)
    tensor([[8.]])
    """
    require_square("linalg.matrix_power", self)
    if n == 0:
        one = torch.eye(self.shape[-1], dtype=self.dtype, device=self.device)
        return connected(one.expand(self.shape).clone(), self)
    base = torch.linalg.inv(self) if n < 0 else self
    n = abs(n)
    result = None
    while n:
        if n & 1:
            result = base if result is None else result @ base
        n >>= 1
        if n:
            base = base @ base
    return result.clone() if result is self else result


def _exp_backward(inputs, outputs, grads, needs):
    adjoint, grad = inputs[0].mH, grads[0]
    n = adjoint.shape[-1]
    top = torch.cat([adjoint, grad], -1)
    bottom = torch.cat([torch.zeros_like(adjoint), adjoint], -1)
    return (torch.linalg.matrix_exp(torch.cat([top, bottom], -2))[..., :n, n:],)


@primitive(_exp_backward, node="LinalgMatrixExpBackward0")
def _exp(matrix):
    """Scaling and squaring around the (13, 13) Pade approximant (Higham 2005)."""
    norm = float(matrix.abs().sum(-2).amax()) if matrix.numel() and not matrix.is_meta else 0.0
    squarings = 0
    while norm > 5.37 and squarings < 1024 and norm < float("inf"):
        norm, squarings = norm / 2, squarings + 1
    scaled = matrix / 2 ** squarings
    b = (64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800., 129060195264000.,
         10559470521600., 670442572800., 33522128640., 1323241920., 40840800., 960960., 16380., 182., 1.)
    one = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    two = scaled @ scaled
    four = two @ two
    six = two @ four
    odd = six @ (b[13] * six + b[11] * four + b[9] * two) + b[7] * six + b[5] * four + b[3] * two + b[1] * one
    odd = scaled @ odd
    even = six @ (b[12] * six + b[10] * four + b[8] * two) + b[6] * six + b[4] * four + b[2] * two + b[0] * one
    result = torch.linalg.solve_ex(even - odd, even + odd).result
    for _ in range(squarings):
        result = result @ result
    return result


@operator("linalg_matrix_exp(Tensor self) -> Tensor", namespace="linalg", out=False)
def matrix_exp(self):
    """The exponential of square matrices.

    >>> torch.linalg.matrix_exp(torch.zeros(1, 1))
    tensor([[1.]])
    """
    require_square("linalg.matrix_exp", self)
    require_precision("linalg.matrix_exp", self, low=False)
    if self.dtype in (torch.float16, torch.bfloat16):
        return _exp(self.float()).to(self.dtype)
    return _exp(self)


@operator("linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", **_LINALG)
def vecdot(x, y, dim):
    """Sums of conj(x) * y along dim.

    >>> torch.linalg.vecdot(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor(11.)
    """
    require_precision("linalg.vecdot", x, low=False)
    require_precision("linalg.vecdot", y, low=False)
    common = torch.result_type(x, y)
    x, y = x.to(common), y.to(common)
    if x.ndim == 1 and y.ndim == 1:
        wrap_dim(dim, 1)
        return torch.vdot(x, y)
    return ((x.conj() if x.is_complex() else x) * y).sum(dim)


@operator("linalg_matmul(Tensor self, Tensor other) -> Tensor", **_LINALG)
def matmul(self, other):
    """torch.matmul.

    >>> torch.linalg.matmul(torch.ones(1, 2), torch.ones(2, 1))
    tensor([[2.]])
    """
    return torch.matmul(self, other)


@operator("linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", namespace="linalg",
          out=False)
def diagonal(matrix, offset, dim1, dim2):
    """The diagonals of matrices, a view.

    >>> torch.linalg.diagonal(torch.eye(2))
    tensor([1., 1.])
    """
    return matrix.diagonal(offset, dim1, dim2)


@operator("linalg_vander(Tensor x, *, int? N=None) -> Tensor", namespace="linalg", out=False)
def vander(x, n):
    """Vandermonde matrices: the powers 0 to N - 1 of the last dim's entries.

    >>> torch.linalg.vander(torch.tensor([2., 3.]))
    tensor([[1., 2.],
            [1., 3.]])
    """
    if x.dtype == torch.bool:
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    x = x if x.ndim else x.reshape(1)
    if n is None:
        n = x.shape[-1]
    elif n <= 1:
        raise RuntimeError("N must be greater than 1.")
    if not (x.is_floating_point() or x.is_complex()):
        x = x.long()
    powers = x.unsqueeze(-1).expand(*x.shape, n - 1).cumprod(-1)
    return torch.cat([torch.ones_like(powers[..., :1]), powers], -1)
