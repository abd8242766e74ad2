"""torch.linalg: eigenvalues and singular values with their gradients; norms, ranks and condition numbers on them."""

from __future__ import annotations

from math import inf
from typing import Any

import flambeau as torch

from .._operator import operator
from . import _lapack
from ._common import holds, real_dtype_of, wrap_dims
from ._primitive import primitive
from .linalg_factor import raise_info, require_matrix, require_precision, require_square
from .linalg_solve import _cutoff, _tolerances

_LINALG: dict[str, Any] = {"namespace": "linalg"}


def _gaps(values):
    """values[j] - values[i], with ones on the diagonal."""
    gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
    return gaps + torch.eye(values.shape[-1], dtype=values.dtype)


# Hermitian


def _eigh_backward(inputs, outputs, grads, needs):
    values, vectors = outputs[:2]
    grad_values, grad_vectors = grads[:2]
    if grad_vectors is None:
        return (vectors * grad_values.unsqueeze(-2)) @ vectors.mH, None
    inner = vectors.mH @ grad_vectors
    if inner.is_complex():
        _same_up_to_phase(torch.imag(inner.diagonal(0, -2, -1)), inner, "linalg.eigh", "eigenvectors")
    inner = (inner - inner.mH) * 0.5 / _gaps(values)
    inner = inner - inner.diagonal(0, -2, -1).diag_embed()
    if grad_values is not None:
        inner = inner + grad_values.to(inner.dtype).diag_embed()
    return vectors @ inner @ vectors.mH, None


def _same_up_to_phase(imaginary, inner, name, what):
    """A loss that depends on the arbitrary phase of complex vectors has no derivative."""
    with torch.no_grad():
        if imaginary.numel() and not imaginary.is_meta and not torch.allclose(imaginary, torch.zeros_like(imaginary), rtol=1e-2, atol=1e-2):
            raise RuntimeError(f"{name}: The {what} in the complex case are specified up to multiplication by "
                               "e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined.")


@primitive(_eigh_backward, fixed=(2,), node="LinalgEighBackward0")
def _eigh(matrix, triangle):
    values, vectors, info = _lapack.syevd(matrix, triangle, True)
    return values, vectors, info


def _triangle(name, text):
    letter = text.upper()
    if letter not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {text}")
    return letter


def _check_eigh(info):
    raise_info("linalg.eigh", info, lambda code: "The algorithm failed to converge because the input matrix is "
               f"ill-conditioned or has too many repeated eigenvalues (error code: {code}).")


@operator('linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)', **_LINALG)
def eigh(self, triangle):
    """Ascending eigenvalues and orthonormal eigenvectors (columns) of Hermitian matrices; only one triangle is read.

    >>> torch.linalg.eigh(torch.diag(torch.tensor([2., 1.]))).eigenvalues
    tensor([1., 2.])
    """
    require_square("linalg.eigh", self)
    triangle = _triangle("linalg.eigh", triangle)
    _lapack.supported("linalg_eigh_cpu", self)
    values, vectors, info = _eigh(self, triangle)
    _check_eigh(info)
    return values, vectors


@operator('linalg_eigvalsh(Tensor self, str UPLO="L") -> Tensor', **_LINALG)
def eigvalsh(self, triangle):
    """Ascending eigenvalues of Hermitian matrices.

    >>> torch.linalg.eigvalsh(torch.diag(torch.tensor([2., 1.])))
    tensor([1., 2.])
    """
    if torch.is_grad_enabled() and self.requires_grad:
        return torch.linalg.eigh(self, triangle)[0]
    require_square("linalg.eigvalsh", self)
    triangle = _triangle("linalg.eigvalsh", triangle)
    _lapack.supported("linalg_eigh_cpu", self)
    with torch.no_grad():
        values, _, info = _lapack.syevd(self, triangle, False)
    _check_eigh(info)
    return values


# General


def _eig_backward(inputs, outputs, grads, needs):
    values, vectors = outputs
    grad_values, grad_vectors = grads
    if grad_vectors is None:
        inner = grad_values.unsqueeze(-1) * vectors.mH
    else:
        product = vectors.mH @ grad_vectors
        diagonal = product.diagonal(0, -2, -1)
        _same_up_to_phase(torch.imag(diagonal), product, "linalg.eig", "eigenvectors")
        inner = product - (vectors.mH @ vectors) * torch.real(diagonal).unsqueeze(-2)
        inner = inner / _gaps(values).conj()
        inner = inner - inner.diagonal(0, -2, -1).diag_embed()
        if grad_values is not None:
            inner = inner + grad_values.diag_embed()
        inner = inner @ vectors.mH
    result = torch.linalg.solve(vectors.mH, inner)
    return (result if inputs[0].is_complex() else torch.real(result),)


@primitive(_eig_backward, node="LinalgEigBackward0")
def _eig(matrix):
    values, vectors, info = _lapack.geev(matrix, True)
    _check_eig(info)
    return values, vectors


def _check_eig(info):
    raise_info("linalg.eig", info, lambda code: "The algorithm failed to converge because the input matrix is "
               f"ill-conditioned or has too many repeated eigenvalues (error code: {code}).")


def _finite(name, matrix):
    if not holds(matrix.isfinite().all()):
        raise RuntimeError(f"torch.{name}: input tensor should not contain infs or NaNs.")


@operator("linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)", **_LINALG)
def eig(self):
    """Complex eigenvalues and eigenvectors (columns) of square matrices, in no particular order.

    >>> torch.linalg.eig(torch.tensor([[2.]])).eigenvalues
    tensor([2.+0.j])
    """
    require_square("linalg.eig", self)
    _lapack.supported("linalg_eig_cpu", self)
    _finite("linalg.eig", self)
    return _eig(self)


@operator("linalg_eigvals(Tensor self) -> Tensor", **_LINALG)
def eigvals(self):
    """Complex eigenvalues of square matrices, in no particular order.

    >>> torch.linalg.eigvals(torch.tensor([[2.]]))
    tensor([2.+0.j])
    """
    if torch.is_grad_enabled() and self.requires_grad:
        return torch.linalg.eig(self)[0]
    require_square("linalg.eigvals", self)
    _lapack.supported("linalg_eig_cpu", self)
    _finite("linalg.eigvals", self)
    with torch.no_grad():
        values, _, info = _lapack.geev(self, False)
    _check_eig(info)
    return values


# Singular values


def _svd_backward(inputs, outputs, grads, needs):
    matrix, full, _ = inputs
    u, s, vh = outputs
    grad_u, grad_s, grad_vh = grads
    m, n = matrix.shape[-2:]
    k = min(m, n)
    if grad_u is None and grad_vh is None:
        u, vh = u[..., :k], vh[..., :k, :]
        return (u * grad_s.unsqueeze(-2)) @ vh if m >= n else u @ (grad_s.unsqueeze(-1) * vh), None, None
    if full and m != n:
        for grad, needed in ((grad_u, m > n), (grad_vh, n > m)):
            if grad is not None and needed and bool((grad[..., k:] if grad is grad_u else grad[..., k:, :]).any()):
                raise RuntimeError("svd_backward: the singular vectors in the complex or full_matrices case are not "
                                   "unique; use full_matrices=False to differentiate through them")
        u, vh = u[..., :k], vh[..., :k, :]
        grad_u = None if grad_u is None else grad_u[..., :k]
        grad_vh = None if grad_vh is None else grad_vh[..., :k, :]
    squares = s.square()
    gaps = _gaps(squares)

    def skew(product):
        return product - product.mH

    inner = 0
    around_u = None if grad_u is None else u.mH @ grad_u
    around_v = None if grad_vh is None else vh @ grad_vh.mH
    if matrix.is_complex():
        total = sum(torch.imag(one.diagonal(0, -2, -1)) for one in (around_u, around_v) if one is not None)
        _same_up_to_phase(total, inner, "svd_backward", "singular vectors")
    if around_u is not None:
        inner = inner + skew(around_u) / gaps * s.unsqueeze(-2)
    if around_v is not None:
        inner = inner + s.unsqueeze(-1) * (skew(around_v) / gaps)
    if grad_s is not None:
        inner = inner + grad_s.to(matrix.dtype).diag_embed()
    if matrix.is_complex() and around_u is not None:
        inner = inner + (skew(around_u).diagonal(0, -2, -1) / (2 * s)).diag_embed()
    result = u @ inner @ vh
    if m > k and grad_u is not None:
        scaled = grad_u / s.unsqueeze(-2)
        result = result + (scaled - u @ (u.mH @ scaled)) @ vh
    if n > k and grad_vh is not None:
        scaled = grad_vh / s.unsqueeze(-1)
        result = result + u @ (scaled - (scaled @ vh.mH) @ vh)
    return result, None, None


@primitive(_svd_backward, node="LinalgSvdBackward0")
def _svd(matrix, full, driver):
    u, s, vh, info = _lapack.gesdd(matrix, full, True)
    _check_svd(matrix, info)
    return u, s, vh


def _check_svd(matrix, info):
    if _lapack.failed(info):
        if not holds(matrix.isfinite().all()):
            raise torch.linalg.LinAlgError("linalg.svd: The algorithm failed to converge because the input matrix "
                                           "contained non-finite values.")
        raise_info("linalg.svd", info, lambda code: "The algorithm failed to converge because the input matrix is "
                   f"ill-conditioned or has too many repeated singular values (error code: {code}).")


def _check_driver(name, driver):
    if driver is not None:
        raise RuntimeError(f"{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER "
                           "backend.")


@operator("linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
          **_LINALG)
def svd(matrix, full_matrices, driver):
    """A = U @ diag(S) @ Vh with orthonormal columns of U and rows of Vh and descending singular values S.

    >>> torch.linalg.svd(torch.diag(torch.tensor([1., 2.]))).S
    tensor([2., 1.])
    """
    require_matrix("linalg.svd", matrix)
    _lapack.supported("linalg_svd_cpu", matrix)
    _check_driver("torch.linalg.svd", driver)
    return _svd(matrix, full_matrices, driver)


@operator("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", **_LINALG)
def svdvals(matrix, driver):
    """Singular values in descending order.

    >>> torch.linalg.svdvals(torch.diag(torch.tensor([1., 2.])))
    tensor([2., 1.])
    """
    if torch.is_grad_enabled() and matrix.requires_grad:
        return torch.linalg.svd(matrix, full_matrices=False, driver=driver)[1]
    require_matrix("linalg.svdvals", matrix)
    _lapack.supported("linalg_svd_cpu", matrix)
    _check_driver("torch.linalg.svdvals", driver)
    with torch.no_grad():
        _, values, _, info = _lapack.gesdd(matrix, False, False)
    _check_svd(matrix, info)
    return values


# Norms


def _matrix_norm(matrix, order, dims, keepdim, dtype):
    require_precision("linalg.matrix_norm", matrix, low=isinstance(order, str) and order == "nuc"
                      or not isinstance(order, str) and abs(order) == 2)
    if matrix.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {tuple(dims)}")
    first, second = wrap_dims(dims, matrix.ndim, "linalg.matrix_norm")
    if dtype is not None:
        if matrix.is_complex() and not dtype.is_complex:
            raise RuntimeError(f"linalg.matrix_norm: the dtype of the input ({matrix.dtype}) should be convertible "
                               f"without narrowing to the specified dtype ({dtype})")
        matrix = matrix.to(dtype)
    if isinstance(order, str):
        if order == "fro":
            return torch.linalg.vector_norm(matrix, 2, [first, second], keepdim)
        if order != "nuc":
            raise RuntimeError(f"linalg.matrix_norm: Order {order} not supported.")
    elif abs(order) not in (1, 2, inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {order} not supported.")
    if order == "nuc" or abs(order) == 2:
        values = torch.linalg.svdvals(matrix.movedim([first, second], [-2, -1]))
        result = values.sum(-1) if order == "nuc" else values.amax(-1) if order > 0 else values.amin(-1)
        if keepdim:
            for dim in sorted((first, second)):
                result = result.unsqueeze(dim)
        return result
    over, across = (first, second) if abs(order) == 1 else (second, first)
    sums = torch.linalg.vector_norm(matrix, 1, [over], keepdim)
    if not keepdim and over < across:
        across -= 1
    return sums.amax(across, keepdim) if order > 0 else sums.amin(across, keepdim)


@operator("linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2,-1], bool keepdim=False, *, "
          "ScalarType? dtype=None) -> Tensor",
          'linalg_matrix_norm.str_ord(Tensor self, str ord="fro", int[] dim=[-2,-1], bool keepdim=False, *, '
          "ScalarType? dtype=None) -> Tensor", **_LINALG)
def matrix_norm(self, order, dim, keepdim, dtype):
    """Matrix norms over two dims: "fro", "nuc", inf, -inf, 1, -1 (sums of rows or columns), 2, -2 (singular values).

    >>> torch.linalg.matrix_norm(torch.tensor([[3., 4.]]))
    tensor(5.)
    """
    return _matrix_norm(self, order, dim, keepdim, dtype)


@operator("linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, "
          "ScalarType? dtype=None) -> Tensor",
          "linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, "
          "ScalarType? dtype=None) -> Tensor", **_LINALG)
def norm(self, order, dim, keepdim, dtype):
    """The vector norm (one dim, or no order given) or matrix norm (two dims, or a 2-d input with an order).

    >>> torch.linalg.norm(torch.tensor([3., 4.]))
    tensor(5.)
    """
    if dim is not None and len(dim) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if dim is None and order is not None and self.ndim not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                           f"{self.ndim}D.")
    if order is not None and ((dim is not None and len(dim) == 2) or (dim is None and self.ndim == 2)):
        return _matrix_norm(self, order, [0, 1] if dim is None else dim, keepdim, dtype)
    if isinstance(order, str):
        raise RuntimeError(f"linalg.norm: Order {order} is for matrices (got dim {dim} of a {self.ndim}D input)")
    return torch.linalg.vector_norm(self, 2 if order is None else order, dim, keepdim, dtype=dtype)


@operator("linalg_cond(Tensor self, Scalar? p=None) -> Tensor",
          "linalg_cond.p_str(Tensor self, str p) -> Tensor", **_LINALG)
def cond(self, p):
    """The condition number with respect to a matrix norm (2 by default); inf for singular matrices.

    >>> torch.linalg.cond(torch.diag(torch.tensor([1., 2.])))
    tensor(2.)
    """
    require_matrix("linalg.cond", self)
    require_precision("linalg.cond", self)
    if p is None or p in (2, -2):
        if self.numel() == 0:
            return torch.zeros(self.shape[:-2], dtype=real_dtype_of(self.dtype))
        values = torch.linalg.svdvals(self)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if not isinstance(p, str) and abs(p) not in (1, inf) or isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    require_square("linalg.cond", self)
    if self.numel() == 0:
        return torch.zeros(self.shape[:-2], dtype=real_dtype_of(self.dtype))
    inverse, info = torch.linalg.inv_ex(self)
    singular = info > 0
    if bool(singular.any()):
        inverse = inverse.masked_fill(singular[..., None, None], inf)
    if p == "nuc":
        if bool(singular.any()):
            raise torch.linalg.LinAlgError("linalg.cond: the input matrix is singular (p='nuc')")
    result = torch.linalg.matrix_norm(self, p) * torch.linalg.matrix_norm(inverse, p)
    return result.nan_to_num(nan=inf, posinf=inf, neginf=-inf) if bool(singular.any()) else result


def _rank(matrix, atol, rtol, hermitian):
    require_matrix("linalg.matrix_rank", matrix)
    require_precision("linalg.matrix_rank", matrix)
    if matrix.numel() == 0:
        return torch.zeros(matrix.shape[:-2], dtype=torch.int64)
    values = torch.linalg.eigvalsh(matrix).abs() if hermitian else torch.linalg.svdvals(matrix)
    return (values > _cutoff(values, atol, rtol)).sum(-1)


@operator("linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, "
          "bool hermitian=False) -> Tensor",
          "linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, "
          "bool hermitian=False) -> Tensor", **_LINALG)
def matrix_rank(self, atol, rtol, hermitian):
    """How many singular values exceed max(atol, rtol * largest).

    >>> torch.linalg.matrix_rank(torch.eye(2))
    tensor(2)
    """
    if self.ndim >= 2 and (self.is_floating_point() or self.is_complex()):
        atol, rtol = _tolerances(self, atol, rtol)
    return _rank(self, atol, rtol, hermitian)


@matrix_rank.overload("linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor",
                      "linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor")
def _(self, tol, hermitian):
    zero = torch.zeros((), dtype=torch.float64)
    return _rank(self, tol if isinstance(tol, torch.Tensor) else torch.tensor(tol, dtype=torch.float64), zero,
                 hermitian)
